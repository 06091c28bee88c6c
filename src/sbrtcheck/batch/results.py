"""All results of a run: what is known of each plan becomes rows, and rows become files.

Files are made beside their place and moved there when they are whole; `run.json` comes last, so
where it stands, all others belong to it.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from sbrtcheck import __version__
from sbrtcheck.batch import columns
from sbrtcheck.batch.summary import Counted, summarise
from sbrtcheck.batch.tables import CsvTable, ParquetTable, Row
from sbrtcheck.batch.work import CURVE_STEP_GY, ERROR, SUPERSEDED, Record
from sbrtcheck.dossier.groups import grouped
from sbrtcheck.dossier.places import MAKING, RUN
from sbrtcheck.model import Review
from sbrtcheck.report.junit import write_junit
from sbrtcheck.report.review import verdict_hash
from sbrtcheck.report.words import printable, text_of, words_of

__all__ = ["OUTCOMES", "PlanHeader", "Published", "Result", "Stray", "publish"]

GRADES = ("PASS", "VARIATION", "UNDECIDED", "FAIL")  # of a finding
OUTCOMES = (*GRADES, ERROR)
MOST_WORDS = 3  # findings whose sentences make the reason of a row
# The columns with and without what only `--phi` lets out.
PLANS = {False: columns.PLANS, True: (*columns.PLANS, *columns.PLANS_PHI)}
QUARANTINE = {
    False: columns.QUARANTINE,
    True: (*columns.QUARANTINE, *columns.QUARANTINE_PHI),
}
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHeader:
    """What the file of a plan says of itself; patient ID and name only with `--phi`."""

    sop_instance_uid: str
    sha256: str
    date: str | None = None
    approval: str | None = None
    patient_id: str | None = None
    patient_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One plan of the run.

    `load` returns its record, which is not kept in memory; `digest` tells it from any other. `review`
    is what a person said of it, or why that cannot be read.
    """

    plan: str
    patient: str
    centre: str | None
    trial_number: str | None
    case_row: int | None
    role: str
    path: str
    header: PlanHeader
    digest: str
    load: Callable[[], Record]
    review: Review | str | None = None


# All of a result that its rows are made of.
STATED = attrgetter(*(field.name for field in fields(Result) if field.name != "load"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A file that belongs to no plan."""

    pseudonym: str
    path: str
    kind: str
    reason: str
    size_bytes: int | None = None
    sop_instance_uid: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What the tables add up to.

    `current` leaves superseded plans out; `conditional` plans pass if there was no earlier
    irradiation, of which nothing was provided.
    """

    outcomes: Mapping[str, int]
    current: Mapping[str, int]
    superseded: int
    conditional: int
    summary: Sequence[Row]
    worst: Sequence[tuple[str, str, str]]  # plan, outcome, reason


def publish(
    folder: Path,
    results: Sequence[Result],
    strays: Sequence[Stray],
    about: Mapping[str, object],
    timing: Mapping[str, object],
    *,
    phi: bool,
) -> Published:
    """Write all tables, the verdicts and `run.json`, in the order of the results.

    Results that were made of the same, and have not been touched since, are left as they are.

    Raises
    ------
    OSError
        If a file cannot be written; what stood there before still does, but for `run.json`.
    """
    made_of = _digest(results, strays, about)
    kept = _kept(folder, made_of)
    if kept is not None:
        return kept
    making = folder / MAKING
    shutil.rmtree(making, ignore_errors=True)
    (making / "plans").mkdir(parents=True)
    published = _write_tables(making, results, strays, phi=phi)
    document = {
        "schema": columns.SCHEMA,
        "sbrtcheck": __version__,
        **about,
        "counts": {
            "plans": len(results),
            **published.outcomes,
            "superseded": published.superseded,
            "quarantined": len(strays),
        },
        **timing,
        "published": asdict(published),
        "made_of": made_of,
        "outputs": _hashes(making),
    }
    _move(making, folder, json.dumps(document, ensure_ascii=True, indent=1) + "\n")
    return published


def _digest(
    results: Sequence[Result], strays: Sequence[Stray], about: Mapping[str, object]
) -> str:
    """Return the hash of all that the tables are made of."""
    rows = [STATED(result) for result in results]
    made_of = [columns.SCHEMA, __version__, about, rows, list(strays)]
    return hashlib.sha256(json.dumps(made_of, default=_as_json).encode()).hexdigest()


def _kept(folder: Path, made_of: str) -> Published | None:
    """Return what an earlier run has written, if it is made of the same and still whole."""
    try:
        document = json.loads((folder / RUN).read_text(encoding="ascii"))
        if document["made_of"] != made_of:
            return None
        if not document["outputs"].items() <= _hashes(folder).items():
            return None
        published = document["published"]
        published["worst"] = [tuple(row) for row in published["worst"]]
        return Published(**published)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_tables(
    making: Path, results: Sequence[Result], strays: Sequence[Stray], *, phi: bool
) -> Published:
    plans = _Plans()
    with ExitStack() as stack:
        tables = _Tables(making, stack, phi=phi)
        for result in results:
            record = result.load()
            _add_plan(result, record, tables, plans)
            text = record.text or _without_verdict(record)
            (making / "plans" / f"{result.plan}.json").write_text(
                text + "\n", encoding="ascii"
            )
    summary = list(summarise(plans.counted))
    _write_rows(making / "summary.csv", columns.SUMMARY, summary)
    _write_rows(making / "quarantine.csv", QUARANTINE[phi], _stray_rows(strays))
    write_junit(making / "junit.xml", plans.cases)
    return Published(
        outcomes=plans.outcomes,
        current=plans.current,
        superseded=plans.superseded,
        conditional=plans.conditional,
        summary=summary,
        worst=plans.worst,
    )


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    shown = sorted({*folder.glob("[!.]*")} - {folder / RUN})
    for path in (*shown, *sorted(folder.glob("plans/[!.]*"))):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[path.relative_to(folder).as_posix()] = digest
    return found


def _move(making: Path, folder: Path, run: str) -> None:
    (making / RUN).write_text(run, encoding="ascii")
    (folder / RUN).unlink(missing_ok=True)
    for path in folder.glob("plans/plan-*.json"):
        path.unlink()
    (folder / "plans").mkdir(exist_ok=True)
    made = {*making.glob("plans/*"), *making.glob("*.*")}
    for path in made - {making / RUN}:
        path.replace(folder / path.relative_to(making))
    (making / "plans").rmdir()
    (making / RUN).replace(folder / RUN)
    making.rmdir()


class _Tables:
    """The tables that have rows of each plan."""

    def __init__(self, folder: Path, stack: ExitStack, *, phi: bool) -> None:
        self.plans = stack.enter_context(CsvTable(folder / "plans.csv", PLANS[phi]))
        self.findings = stack.enter_context(
            CsvTable(folder / "findings.csv", columns.FINDINGS)
        )
        self.metrics = stack.enter_context(
            CsvTable(folder / "metrics.csv", columns.METRICS)
        )
        self.metrics_parquet = stack.enter_context(
            ParquetTable(folder / "metrics.parquet", columns.METRICS)
        )
        self.dvh = stack.enter_context(
            ParquetTable(folder / "dvh.parquet", columns.DVH)
        )


class _Plans:
    """What is counted over all plans."""

    def __init__(self) -> None:
        self.outcomes = dict.fromkeys(OUTCOMES, 0)
        self.current = dict.fromkeys(OUTCOMES, 0)
        self.superseded = 0
        self.conditional = 0
        self.counted: list[Counted] = []
        self.worst: list[tuple[str, str, str]] = []
        self.cases: list[tuple[str, str | None, str, str, str]] = []


def _add_plan(result: Result, record: Record, tables: _Tables, plans: _Plans) -> None:
    row = _plan_row(result, record)
    tables.plans.add(row)
    outcome, reason = str(row["outcome"]), text_of(words_of(row["reason"]))
    plans.outcomes[outcome] += 1
    plans.cases.append((result.plan, result.centre, result.role, outcome, reason))
    if result.role == SUPERSEDED:
        plans.superseded += 1
    else:
        plans.current[outcome] += 1
        plans.counted.append(_counted(result, row))
        if outcome in ("PASS", "VARIATION"):
            plans.conditional += row["prior_rt"] is None
        else:
            plans.worst.append((result.plan, outcome, reason))
    if record.verdict is None:
        return
    head = {"plan": result.plan, "centre": result.centre}
    for finding in record.verdict["findings"]:
        full = {**head, **finding, "structure": finding["subject"]}
        tables.findings.add(full)
        if finding["metric"] is not None:
            tables.metrics.add(full)
            tables.metrics_parquet.add(full)
    for curve in record.curves:
        _add_curve(head, curve, tables.dvh)


def _add_curve(head: Row, curve: Document, table: ParquetTable) -> None:
    volumes = curve["volume_cc_at_dose"]
    rows = len(volumes)
    whole_cc = curve["volume_cc"]
    stated = {
        **head,
        "structure": curve["structure"],
        "roi": curve["roi"],
        "complete": curve["complete"],
    }
    table.add_many(
        {
            **{name: [value] * rows for name, value in stated.items()},
            "dose_gy": [round(step * CURVE_STEP_GY, 6) for step in range(rows)],
            "volume_cc": volumes,
            "volume_percent": [100 * volume / whole_cc for volume in volumes],
        },
        rows,
    )


def _plan_row(result: Result, record: Record) -> dict[str, object]:
    header = result.header
    row: dict[str, object] = {
        "plan": result.plan,
        "patient": result.patient,
        "centre": result.centre,
        "trial_number": result.trial_number,
        "role": result.role,
        "outcome": record.outcome,
        "reason": record.reason,
        "approval": header.approval,
        "date": header.date,
        "case_row": result.case_row,
        "sop_instance_uid": header.sop_instance_uid,
        "plan_sha256": header.sha256,
        "patient_id": header.patient_id,
        "patient_name": header.patient_name,
        "path": result.path,
    }
    if record.verdict is not None:
        row |= _verdict_cells(record.verdict)
    row |= _review_cells(result.review, record.verdict)
    return {name: _printable(value) for name, value in row.items()}


def _as_json(value: Any) -> object:
    """Return a record as a table, and a day as it is written."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


def _review_cells(
    review: Review | str | None, verdict: Document | None
) -> dict[str, object]:
    if review is None:
        return {}
    if isinstance(review, str):
        return {"review_decision": f"not read: {review}"}
    decision = review.decision.value
    if verdict is None or review.verdict != verdict_hash(verdict):
        decision = f"of an earlier verdict: {decision}"
    return {
        "review_decision": decision,
        "reviewer": review.reviewer,
        "review_date": review.on.isoformat(),
        "reviewed_findings": len(review.findings),
    }


def _printable(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    return value


def _verdict_cells(verdict: Document) -> dict[str, object]:
    plan = verdict["plans"][0]
    prescription = plan["prescription"] or {}
    outcomes = [finding["outcome"] for finding in verdict["findings"]]
    worst = _worst(verdict)
    return {
        "trial_outcome": verdict["trial_outcome"],
        "dosimetry_outcome": verdict["dosimetry_outcome"],
        "worst": "; ".join(_question(finding) for finding in worst),
        "reason": "; ".join(_reasons(worst)),
        "scheme": _scheme(prescription),
        "dose_gy": prescription.get("dose_gy"),
        "fractions": prescription.get("fractions"),
        "levels": " ".join(verdict["levels"]["treated"]),
        "prior_rt": verdict["declared"]["facts"]["prior_radiotherapy"],
        "parts": len(verdict["plans"]),
        "label": plan["label"],
        **{f"n_{name.lower()}": outcomes.count(name) for name in GRADES},
    }


def _worst(verdict: Document) -> list[Document]:
    """Return the findings that make an outcome other than PASS."""
    outcome = verdict["outcome"]
    if outcome == "PASS":
        return []
    return [row for row in verdict["findings"] if row["outcome"] == outcome]


def _reasons(worst: Sequence[Document]) -> list[str]:
    """Return the words of the findings that no other one holds, where there are such."""
    by_holder = grouped(worst, lambda finding: finding.get("held_by"))
    causes = by_holder.get(None, worst)
    words = [
        f"{_question(finding)}{_number(finding)}: {finding['reason'] or finding['message']}"
        for finding in causes[:MOST_WORDS]
    ]
    if len(causes) > MOST_WORDS:
        words.append(f"and {len(causes) - MOST_WORDS} more")
    return words


def _scheme(prescription: Document) -> str | None:
    dose_gy = prescription.get("dose_gy")
    if dose_gy is None:
        return None
    return f"{dose_gy:g} Gy/{prescription.get('fractions')}"


def _question(finding: Document) -> str:
    """Return what names a finding: (id, subject, metric) is unique in a verdict."""
    return " ".join(
        filter(None, (finding["id"], finding["subject"], finding["metric"]))
    )


def _number(finding: Document) -> str:
    if finding["value"] is None:
        return ""
    return f" = {finding['value']:.6g} {finding['unit']}".rstrip()


def _counted(result: Result, row: Row) -> Counted:
    outcome = str(row["outcome"])
    # Without a verdict, the plan is lost to both sets of rules.
    trial = words_of(row.get("trial_outcome", outcome))
    dosimetry = str(row.get("dosimetry_outcome", outcome))
    return Counted(
        centre=result.centre,
        scheme=words_of(row.get("scheme")),
        levels=tuple(text_of(words_of(row.get("levels"))).split()),
        outcomes={"trial": trial, "dosimetry": dosimetry, "both": outcome},
    )


def _without_verdict(record: Record) -> str:
    """Return the JSON of a plan that has no verdict: why."""
    document = {
        "schema": columns.SCHEMA,
        "sbrtcheck": __version__,
        "outcome": record.outcome,
        "reason": record.reason,
    }
    return json.dumps(document, ensure_ascii=True, indent=1)


def _write_rows(
    path: Path, kinds: Sequence[columns.Column], rows: Iterable[Row]
) -> None:
    with CsvTable(path, kinds) as table:
        for row in rows:
            table.add(row)


def _stray_rows(strays: Sequence[Stray]) -> Iterator[Row]:
    for stray in strays:
        yield {
            "file": stray.pseudonym,
            "kind": stray.kind,
            "reason": printable(stray.reason),
            "size_bytes": stray.size_bytes,
            "sop_instance_uid": stray.sop_instance_uid,
            "sha256": stray.sha256,
            "path": printable(stray.path),
        }
