"""What one process does for one plan, or one patient: value in, value out, no state between.

Everything a task needs is in it; it reads only the files that the task names.
"""

import hashlib
import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sbrtcheck import __version__, dicom
from sbrtcheck.batch.linking import Item, PlanFiles
from sbrtcheck.batch.orphans import finding_of_orphans, why_not_superseded
from sbrtcheck.batch.places import Place, on_disk
from sbrtcheck.checks.course import is_revision, target_levels
from sbrtcheck.checks.judge import gather, judge
from sbrtcheck.checks.verdict import Finding, Outcome, Verdict
from sbrtcheck.dossier import Case, Found, Search, assemble_case, case_with, tail
from sbrtcheck.errors import CaseError, ReadError, SbrtCheckError
from sbrtcheck.model import CaseFacts, Declared, Plan, StructureSet, Text
from sbrtcheck.protocol.rules import Basis, Protocol, Role
from sbrtcheck.report.as_json import render_json
from sbrtcheck.report.words import Voice, printable

if TYPE_CHECKING:
    from sbrtcheck.checks.evidence import Evidence

__all__ = [
    "CURVE_STEP_GY",
    "END",
    "ERROR",
    "TOO_LARGE",
    "Failed",
    "PatientTask",
    "PlanTask",
    "Record",
    "Related",
    "about",
    "error_record",
    "judge_into",
    "judge_plan",
    "open_record",
    "packed",
    "passing_fault",
    "relate",
]

RECORD = 2  # the form of a record; a change makes all kept ones worthless
ERROR = "ERROR"
CURVE_STEP_GY = 0.1
TOO_LARGE = "it needs more memory than a plan may have"
PLAN_CLASSES = (dicom.RT_PLAN, dicom.RT_ION_PLAN)
HERE = "among the files of the run"
END = b"\n.\n"  # of a record that was written whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one plan: its outcome, and why there is no verdict; or verdict and curves.

    `text` is the verdict as `--json` writes it, `verdict` the same read.
    """

    outcome: str
    reason: str | None
    verdict: Mapping[str, Any] | None = None
    text: str = ""
    curves: Sequence[Mapping[str, Any]] = ()


class Failed(NamedTuple):
    """A plan that could not be judged for a reason that may pass: it is tried again next time."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientTask:
    """The plans of one patient with their structure sets, to be told apart."""

    plans: tuple[tuple[Item, Item], ...]
    protocol: bytes

    def key(self) -> str:
        """Return the hash of all that the answer depends on."""
        contents = [[item.header.sha256 for item in pair] for pair in self.plans]
        return _hash([RECORD, __version__, "groups", _hash_of(self.protocol), contents])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTask:
    """One plan and all that its verdict depends on.

    Parameters
    ----------
    files
        The plan with what belongs to it.
    parts
        Plans of the same course whose dose is to be added, each with what belongs to it.
    beside
        Other plans of the patient, of which it is not known whether they give dose.
    orphans
        Doses of the patient that name plans which are not among the files.
    revisions
        What is said of plans that this one replaces.
    open_question
        Why it is not known that this is the plan to be treated, or None.
    """

    files: PlanFiles
    parts: tuple[PlanFiles, ...] = ()
    beside: tuple[Item, ...] = ()
    orphans: tuple[Item, ...] = ()
    revisions: tuple[str, ...] = ()
    open_question: str | None = None
    facts: CaseFacts
    protocol: bytes
    phi: bool = False

    @property
    def items(self) -> tuple[Item, ...]:
        """Return all files that are read, each once."""
        parts = [item for part in self.parts for item in part.files]
        return tuple(dict.fromkeys((*self.files.files, *parts, *self.beside, *self.orphans)))

    def key(self) -> str:
        """Return the hash of all that the answer depends on: contents, facts, protocol, version."""
        document: list[object] = [
            RECORD,
            __version__,
            _hash_of(self.protocol),
            self.files.plan.header.sha256,
            [[i.header.sop_class_uid, i.header.sha256] for i in self.items],
            [part.plan.header.sha256 for part in self.parts],
            [orphan.header.sha256 for orphan in self.orphans],
            self.revisions,
            self.open_question,
            {name: str(value) for name, value in asdict(self.facts).items()},
            self.phi,
        ]
        return _hash(document)


def _hash(document: list[object]) -> str:
    return _hash_of(json.dumps(document).encode())


def _hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(protocol: Protocol) -> bytes:
    """Return a protocol as it travels between processes."""
    return pickle.dumps(protocol, protocol=5)


@lru_cache(maxsize=2)
def _unpacked(protocol: bytes) -> Protocol:
    found: Protocol = pickle.loads(protocol)  # noqa: S301 - from this program, not from a file
    return found


def about() -> str:
    """Return the version that runs here, so that other computers can be held to it."""
    return __version__


# --- One patient --------------------------------------------------------------------------------


class _Planned(NamedTuple):
    plan: Plan
    structure_set: StructureSet


class Related(NamedTuple):
    """Plans of a patient: a number for each that revisions share, and which are surely of one.

    `same` holds the pairs of plans that share their targets both ways; where only one holds the
    other's target, more than that is treated, and neither replaces the other.
    """

    numbers: tuple[int, ...]
    same: tuple[tuple[int, int], ...]


def relate(task: PatientTask) -> Related | Failed:
    """Tell which plans of a patient are revisions of one plan.

    Revisions treat the same levels by name, or targets that overlap by half in one frame.
    """
    protocol = _unpacked(task.protocol)
    places = [item.place for pair in task.plans for item in pair]
    try:
        with on_disk(list(dict.fromkeys(places))) as paths:
            planned = [_planned(paths[plan.place], paths[rois.place]) for plan, rois in task.plans]
    except ReadError as error:
        return Failed(str(error.problem))
    except (MemoryError, OSError) as error:
        return Failed(passing_fault(error) or "the computer could not go on")
    numbers = list(range(len(planned)))
    same = []
    levels = [frozenset() if one is None else target_levels(one, protocol) for one in planned]
    for at, one in enumerate(planned):
        for before, other in enumerate(planned[:at]):
            if one is None or other is None:
                continue
            ways = (is_revision(one, other, protocol), is_revision(other, one, protocol))
            alike = bool(levels[at]) and levels[at] == levels[before]
            if alike or all(ways):
                same.append((before, at))
            if alike or any(ways):
                joined = {numbers[at], numbers[before]}
                numbers = [min(joined) if n in joined else n for n in numbers]
    return Related(tuple(numbers), tuple(same))


def _planned(plan: Path, structure_set: Path) -> _Planned | None:
    try:
        return _Planned(dicom.load_plan(plan), dicom.load_structure_set(structure_set))
    except ReadError as error:
        if passing_fault(error) is not None or not (plan.exists() and structure_set.exists()):
            raise
        return None  # its own verdict says so; here it stands alone


# --- One plan -----------------------------------------------------------------------------------


def judge_into(folder: str, task: PlanTask) -> Failed | None:
    """Judge a plan and write its record into a folder, whole or not at all."""
    record = judge_plan(task)
    if isinstance(record, Failed):
        return record
    try:
        write_record(Path(folder), task.key(), record)
    except OSError as error:
        return Failed(f"its result could not be written ({error.strerror})")
    return None


def write_record(folder: Path, key: str, record: bytes) -> None:
    """Write a record whole or not at all."""
    partial = folder / f"{key}.partial"
    try:
        partial.write_bytes(record)
        partial.replace(folder / f"{key}.json")
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def read_record(path: Path) -> bytes | None:
    """Return a record that was written whole, or None."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if content.endswith(END) else None


def judge_plan(task: PlanTask) -> bytes | Failed:
    """Judge a plan and return its record; whatever goes wrong becomes a reason."""
    try:
        record = _record(task)
        changed = _changed(task.items)
    except SbrtCheckError as error:
        passing = _changed(task.items) or passing_fault(error)
        return error_record(_said(error, task)) if passing is None else Failed(passing)
    except (MemoryError, OSError) as error:
        return Failed(passing_fault(error) or "the computer could not go on")
    except Exception as error:  # noqa: BLE001 - a bug must cost one plan only, and be told
        return Failed(f"internal error, a bug in sbrtcheck ({type(error).__name__})")
    return record if changed is None else Failed(changed)


def passing_fault(error: BaseException) -> str | None:
    """Say what may be otherwise next time, if that is behind an error: memory, disk, network."""
    if isinstance(error, _ChangedError):
        return str(error.problem)
    for fault in (error, error.__cause__):
        if isinstance(fault, MemoryError):
            return TOO_LARGE
        if isinstance(fault, OSError) and fault.errno is not None:
            return f"the computer could not go on: {fault.strerror}"
    return None


class _ChangedError(CaseError):
    """A file is not the one that was found when the run began."""


def error_record(reason: str, outcome: str = ERROR) -> bytes:
    """Return the record of a plan that cannot be judged, or need not be."""
    return _packed_record({"outcome": outcome, "reason": printable(reason)})


def _packed_record(head: dict[str, object], verdict: str = "") -> bytes:
    """Return a record: a line of what tables need beside the verdict, and the verdict's own text."""
    return json.dumps(head, allow_nan=False).encode() + b"\n" + verdict.encode() + END


def open_record(record: bytes) -> Record:
    """Return what a record says."""
    head, _, verdict = record.partition(b"\n")
    text = verdict.removesuffix(END).decode()
    return Record(**json.loads(head), verdict=json.loads(text) if text else None, text=text)


def _record(task: PlanTask) -> bytes:
    with on_disk([item.place for item in task.items]) as paths:
        case = _case(task, paths)
        evidence = gather(case, _unpacked(task.protocol), Declared(facts=task.facts))
        question = task.open_question or _unknown_plans(task, case)
        verdict = judge(evidence)
        if task.orphans:
            verdict = _with(verdict, _finding_of_orphans(task, evidence, paths))
        if question is not None:
            verdict = _with(verdict, _finding_of_question(question))
    voice = Voice(*case.patients, phi=task.phi)
    return _packed_record(
        {
            "outcome": verdict.outcome.name,
            "reason": None,
            "curves": list(_curves(evidence, voice)),
        },
        render_json(verdict, phi=task.phi),
    )


def _case(task: PlanTask, paths: dict[Place, Path]) -> Case:
    """Return the case of a plan, with the parts of its course that can be added."""
    case = assemble_case(paths[task.files.plan.place], _search(task, task.files, paths))
    parts = []
    notes = [Text("revision of this plan, not judged: {plan}", plan=row) for row in task.revisions]
    for part in task.parts:
        try:
            parts.append(assemble_case(paths[part.plan.place], _search(task, part, paths)))
        except (CaseError, ReadError) as error:
            if passing_fault(error) is not None:
                raise
            # It stays among the other plans, of which the verdict says that they were not added.
            notes.append(
                Text(
                    "plan {uid} of this patient cannot be added: {why}",
                    uid=tail(part.plan.header.sop_instance_uid),
                    why=str(error.problem),
                )
            )
    case = case_with(case, parts)
    case = replace(case, notes=(*case.notes, *notes))
    _require_found_content(task, (case, *parts))
    return case


def _unknown_plans(task: PlanTask, case: Case) -> str | None:
    """Say that plans of the patient are neither added nor seen beside, should that ever be."""
    seen = {part.plan.instance.sop_instance_uid for part in case.added}
    seen |= {other.instance.sop_instance_uid for other in case.others}
    plans = [part.plan for part in task.parts]
    plans += [item for item in task.beside if item.header.sop_class_uid in PLAN_CLASSES]
    missing = [
        tail(i.header.sop_instance_uid) for i in plans if i.header.sop_instance_uid not in seen
    ]
    if not missing:
        return None
    return (
        f"plans of this patient could not be taken into account: {', '.join(missing)}; whether they"
        " give dose to the same cord is not known"
    )


def _search(task: PlanTask, own: PlanFiles, paths: dict[Place, Path]) -> Search:
    """Return the files of one plan, and all other plans with their structure sets."""
    plans = [task.files, *task.parts]
    others = [
        item
        for files in plans
        if files is not own
        for item in files.files
        if item.header.sop_class_uid != dicom.RT_DOSE
    ]
    items = dict.fromkeys((*own.files, *others, *task.beside))
    return Search(tuple(_found(item, paths[item.place]) for item in items), cut_short=False)


def _found(item: Item, path: Path) -> Found:
    header = item.header
    peek = dicom.Peek(header.sop_class_uid, header.sop_instance_uid or None)
    return Found(path, peek, HERE)


def _require_found_content(task: PlanTask, cases: Sequence[Case]) -> None:
    """Raise `_ChangedError` unless what was read is what was found: a key stands for contents."""
    found = {item.header.sop_instance_uid: item.header.sha256 for item in task.items}
    for case in cases:
        for link in case.links:
            instance = link.instance
            expected = found.get(instance.sop_instance_uid)
            if expected and instance.sha256 and instance.sha256 != expected:
                raise _ChangedError(Text("a file has changed since the run began"))


def _changed(items: Sequence[Item]) -> str | None:
    """Say which files are not what they were when the run began."""
    for item in items:
        kind = dicom.class_name(item.header.sop_class_uid)
        try:
            size_bytes = Path(item.place.path).stat().st_size
        except OSError as error:
            return f"its {kind} is gone since the run began ({error.strerror})"
        if item.place.member is None and size_bytes != item.header.size_bytes:
            return f"its {kind} has changed since the run began"
    return None


def _with(verdict: Verdict, finding: Finding) -> Verdict:
    return replace(verdict, findings=(finding, *verdict.findings))


def _finding_of_question(question: str) -> Finding:
    message = Text("{question}", question=question)
    return Finding(
        id="course.revisions",
        subject="case",
        outcome=Outcome.UNDECIDED,
        message=message,
        reason=message,
        basis=Basis.CONVENTION,
        source="of revisions of one plan, the one that is approved is treated",
    )


def _finding_of_orphans(
    task: PlanTask, evidence: "Evidence", paths: Mapping[Place, Path]
) -> Finding:
    """Tell what doses say whose plan is not here."""
    targets = [match.roi for _, match in evidence.of_role(Role.PTV)]
    targets += evidence.course.added_targets
    try:
        doses = [dicom.load_dose(paths[item.place]) for item in task.orphans]
        why = why_not_superseded(doses, targets, evidence.case.dose)
    except ReadError as error:
        if passing_fault(error) is not None:
            raise
        why = f"it cannot be read: {error.problem}"
    return finding_of_orphans(why)


def _curves(evidence: "Evidence", voice: Voice) -> Iterator[dict[str, object]]:
    """Yield the DVH of each graded or reported structure, at even steps from 0 to its maximum."""
    for structure, dvh in evidence.dosimetry.dvhs.items():
        if dvh.volume_cc is None or dvh.dose_gy.size == 0:
            continue
        steps = int(dvh.dose_gy[-1] / CURVE_STEP_GY) + 2
        volumes = [dvh.volume_inside_cc(step * CURVE_STEP_GY) for step in range(steps)]
        yield {
            "structure": voice.name(structure),
            "roi": voice.name(dvh.roi_name),
            "volume_cc": dvh.volume_cc,
            "complete": dvh.is_complete,
            "volume_cc_at_dose": [float(f"{volume:.9g}") for volume in volumes],
        }


def _said(error: SbrtCheckError, task: PlanTask) -> str:
    """Return an error as one sentence without path or patient; candidates are only counted."""
    sentence = str(error.problem)
    return sentence if task.phi else hidden(sentence, task.items)


def hidden(sentence: str, items: Sequence[Item]) -> str:
    """Return a sentence without names of files, and of the patient as any of them spells it."""
    for item in items:
        for name in (item.place.path, str(Path(item.place.path).parent)):
            if len(name) > 1:
                sentence = sentence.replace(name, "***")
    for patient in dict.fromkeys(item.header.patient for item in items):
        sentence = patient.masked(sentence)
    return sentence
