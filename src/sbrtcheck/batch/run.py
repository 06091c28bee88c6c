"""One run: find, link, group, judge, publish. Each stage takes what the one before has made."""

import hashlib
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypedDict

from sbrtcheck.batch.find import find_tree, place_text, strays_of
from sbrtcheck.batch.groups import Grouped, group_plans
from sbrtcheck.batch.options import BatchOptions, Progress
from sbrtcheck.batch.places import LOCK, MAKING, RECORDS, RUN
from sbrtcheck.batch.results import Published, Result, publish
from sbrtcheck.batch.runners import Runner
from sbrtcheck.batch.work import (
    ERROR,
    Failed,
    PlanTask,
    Record,
    error_record,
    hidden,
    judge_into,
    judge_plan,
    open_record,
    packed,
    read_record,
    write_record,
)
from sbrtcheck.dossier.cases import CaseRow, load_cases, merged
from sbrtcheck.dossier.facts import FILE_NAME, facts_beside, load_facts
from sbrtcheck.errors import CaseError
from sbrtcheck.model import CaseFacts, Text, patient_key
from sbrtcheck.protocol.rules import Protocol as TrialProtocol
from sbrtcheck.report.as_json import protocol_record
from sbrtcheck.report.words import printable

__all__ = ["BatchResult", "Tally", "run_batch"]

OURS = (RUN, RECORDS, MAKING)  # what tells that a folder is of a batch
LIBRARIES = ("numpy", "scipy", "shapely", "pydicom", "pyarrow", "pebble")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a run met.

    Parameters
    ----------
    kept
        Plans whose verdict an earlier run had reached.
    rt_files
        All RT files: those that are used for plans, copies of others, and those of no plan.
    files
        Files by what they are, for those that are no RT files.
    without_row, without_plan
        Pseudonyms of plans that no row of the cases is about, and lines that no plan belongs to;
        empty where no cases are given.
    """

    plans: int
    kept: int
    rt_files: int
    used: int
    copies: int
    quarantined: int
    files: Mapping[str, int]
    without_row: tuple[str, ...] = ()
    without_plan: tuple[int, ...] = ()


class BatchResult(NamedTuple):
    """What a run came to: its tables in short, what it met, and what else is to be said."""

    protocol: TrialProtocol
    published: Published
    tally: Tally
    notes: tuple[str, ...]


def run_batch(options: BatchOptions, runner: Runner, progress: Progress) -> BatchResult:
    """Judge every RT Plan below some folders and write all results.

    Raises
    ------
    CaseError
        If the output folder cannot be used, or the cases are wrong.
    OSError
        If results cannot be written at the end; verdicts reached so far are kept.
    """
    began = time.monotonic()
    cases = {} if options.cases is None else load_cases(options.cases)
    _make_folder(options)
    with _locked(options.out):
        if not options.resume:
            _forget_unused(options.out / RECORDS, set())
        tree = find_tree(options, runner, progress)
        protocol = packed(options.protocol)
        groups, keys = group_plans(
            tree.linked,
            runner,
            protocol,
            progress,
            seconds=options.seconds,
            records=options.out / RECORDS,
        )
        plans = [_prepared(grouped, cases, options, protocol) for grouped in groups]
        found = time.monotonic()
        failed, kept = _judge(plans, options, runner, progress)
        judged = time.monotonic()
        results = sorted(
            (_result(plan, options, failed) for plan in plans),
            key=lambda result: (result.centre or "", result.patient, result.plan),
        )
        strays = strays_of(tree, options)
        tally = Tally(
            plans=len(plans),
            kept=kept,
            rt_files=tree.rt_files,
            used=len({item for plan in plans for item in plan.grouped.files.files}),
            copies=len(tree.linked.copies),
            quarantined=len(strays),
            files=dict(sorted(tree.others.items())),
            **({} if options.cases is None else _unmatched(plans, results, cases)),
        )
        progress.stage("writing tables", 0)
        about = {
            "protocol": protocol_record(options.protocol),
            "versions": _versions(),
            "pseudonym_key": options.pseudonyms.key_id,
            "phi": options.phi,
            "cases_sha256": _sha256(options.cases),
            **asdict(tally),
        }
        del about["kept"]  # as times, it says how the run went, not what it found
        timing = {
            "kept": kept,
            "timing": {
                "finished": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "find_seconds": round(found - began, 3),
                "judge_seconds": round(judged - found, 3),
                "slots": runner.slots,
            },
        }
        published = publish(options.out, results, strays, about, timing, phi=options.phi)
        _forget_unused(options.out / RECORDS, keys | {plan.key for plan in plans})
    return BatchResult(options.protocol, published, tally, tuple(tree.notes))


class _Unmatched(TypedDict, total=False):
    without_row: tuple[str, ...]
    without_plan: tuple[int, ...]


def _unmatched(
    plans: Sequence["_Prepared"], results: Sequence[Result], cases: Mapping[str, CaseRow]
) -> _Unmatched:
    """Tell which plans and which rows of the cases have no counterpart."""
    used = {plan.row.line for plan in plans if plan.row is not None}
    return {
        "without_row": tuple(result.plan for result in results if result.case_row is None),
        "without_plan": tuple(row.line for row in cases.values() if row.line not in used),
    }


# --- The folder ---------------------------------------------------------------------------------


def _make_folder(options: BatchOptions) -> None:
    out = options.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(root.resolve().is_relative_to(out.resolve()) for root in options.roots):
            raise CaseError(
                Text("the folder holds the exports themselves; name another for --out"), path=out
            )
        held = {path.name for path in out.iterdir()} - {LOCK}
        if held and not held.intersection(OURS):
            raise CaseError(
                Text("the folder holds files that are not of a batch; name another for --out"),
                path=out,
            )
        (out / RECORDS).mkdir(exist_ok=True)
        probe = out / RECORDS / "probe.partial"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        why = error.strerror or "cannot be written"
        raise CaseError(Text("results cannot be written here: {why}", why=why), path=out) from error


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep a second run out of the folder; the lock goes with the process, however it ends."""
    with (out / LOCK).open("w") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CaseError(Text("another run writes to this folder"), path=out) from error
        yield


def _forget_unused(folder: Path, keys: set[str]) -> None:
    for path in folder.iterdir():
        if path.stem not in keys or path.suffix != ".json":
            path.unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _sha256(path: Path | None) -> str | None:
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


# --- Judging ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A plan with its facts: its task, or the record that needs none."""

    grouped: Grouped
    row: CaseRow | None
    facts: CaseFacts
    task: PlanTask | None
    key: str
    record: bytes | None


def _prepared(
    grouped: Grouped, cases: Mapping[str, CaseRow], options: BatchOptions, protocol: bytes
) -> _Prepared:
    header = grouped.files.plan.header
    row = cases.get(patient_key(header.patient_id))
    facts, problem = _facts(grouped, row)
    problem = grouped.files.problem or problem
    if problem is not None:
        said = problem if options.phi else hidden(problem, grouped.files.files)
        record: bytes | None = error_record(said)
    elif grouped.superseded_by is not None:
        record = error_record(grouped.superseded_by, "UNDECIDED")
    else:
        record = None
    task = None
    if record is None:
        task = PlanTask(
            files=grouped.files,
            parts=grouped.parts,
            beside=grouped.beside,
            orphans=grouped.orphans,
            revisions=grouped.revisions,
            open_question=grouped.open_question,
            facts=facts,
            protocol=protocol,
            phi=options.phi,
        )
    return _Prepared(
        grouped=grouped,
        row=row,
        facts=facts,
        task=task,
        key="" if task is None else task.key(),
        record=record,
    )


def _facts(grouped: Grouped, row: CaseRow | None) -> tuple[CaseFacts, str | None]:
    """Return the facts of the row and of the `case.toml` beside the plan, or why there are none."""
    facts = CaseFacts() if row is None else row.facts
    place = grouped.files.plan.place
    beside = facts_beside(Path(place.path))
    if beside is None:
        return facts, None
    try:
        both, contradicting = merged(facts, load_facts(beside))
    except CaseError as error:
        more = "; ".join(str(row) for row in error.candidates)
        return facts, f"its {FILE_NAME}: {error.problem}" + (f": {more}" if more else "")
    if contradicting:
        told = ", ".join(contradicting)
        return facts, f"its {FILE_NAME} and its row in the cases contradict each other: {told}"
    return both, None


def _judge(
    plans: Sequence[_Prepared], options: BatchOptions, runner: Runner, progress: Progress
) -> tuple[dict[str, str], int]:
    """Judge what no record is kept of; return why plans could not be, by key, and how many were kept."""
    folder = options.out / RECORDS
    kept = {
        plan.key
        for plan in plans
        if plan.task is not None and read_record(folder / f"{plan.key}.json") is not None
    }
    tasks = {
        plan.key: plan.task for plan in plans if plan.task is not None and plan.key not in kept
    }
    progress.stage("judging plans", len(plans))
    for plan in plans:
        if plan.key not in tasks:
            progress.step(_outcome_of(plan, folder))
    failed: dict[str, str] = {}
    function: Callable[[PlanTask], bytes | Failed | None] = judge_plan
    if runner.shares_disk:
        function = partial(judge_into, str(folder.absolute()))
    for task, answer in runner.run(function, tasks.values(), seconds=options.seconds):
        key = task.key()
        failure = _written(folder, key, answer) if isinstance(answer, bytes) else answer
        if failure is not None:
            failed[key] = failure.reason
            progress.step(ERROR)
        else:
            progress.step(_outcome_in(folder / f"{key}.json"))
    return failed, len(kept)


def _written(folder: Path, key: str, record: bytes) -> Failed | None:
    try:
        write_record(folder, key, record)
    except OSError as error:
        return Failed(f"its result could not be written ({error.strerror})")
    return None


def _outcome_of(plan: _Prepared, folder: Path) -> str | None:
    if plan.record is not None:
        return open_record(plan.record).outcome
    return _outcome_in(folder / f"{plan.key}.json")


def _outcome_in(path: Path) -> str | None:
    """Return the outcome that begins a record."""
    try:
        with path.open("rb") as file:
            head = file.read(40).decode("ascii", "replace")
    except OSError:
        return None
    return head.split('"')[3] if head.count('"') > 3 else None


def _result(plan: _Prepared, options: BatchOptions, failed: Mapping[str, str]) -> Result:
    files = plan.grouped.files
    header = files.plan.header
    names = options.pseudonyms
    row = plan.row
    return Result(
        plan=names.plan(files.identity),
        patient=names.patient(plan.grouped.patient),
        centre=None if plan.facts.centre is None else printable(plan.facts.centre),
        trial_number=None if row is None else row.trial_number,
        case_row=None if row is None else row.line,
        role="superseded" if _is_superseded(plan) else "judged",
        path=place_text(files.plan.place),
        header=header,
        digest=failed.get(plan.key) or plan.key or str(plan.record),
        load=partial(_load, plan, options.out / RECORDS, failed.get(plan.key)),
    )


def _is_superseded(plan: _Prepared) -> bool:
    """Tell whether a revision is judged in its place; an ERROR of its own is told all the same."""
    return plan.grouped.superseded_by is not None and plan.grouped.files.problem is None


def _load(plan: _Prepared, folder: Path, failure: str | None) -> Record:
    """Return the record of a plan; one that is gone meanwhile is said to be."""
    content = plan.record
    if failure is not None:
        content = error_record(failure)
    elif content is None:
        content = read_record(folder / f"{plan.key}.json")
    if content is None:
        content = error_record("its result was written and is gone; run again with --resume")
    return open_record(content)
