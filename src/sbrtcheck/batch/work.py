"""What one process does for one patient: value in, value out, no state between.

Everything a task needs is in it; it reads only the files that the task names, each once.
"""

import hashlib
import json
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sbrtcheck import __version__, dicom
from sbrtcheck.batch.known import TreeFile, learn_unopened, place_order
from sbrtcheck.checks.judge import gather, judge
from sbrtcheck.dossier import Filed, Survey, case_of, dossier_of, read_files
from sbrtcheck.dossier.link import Dossier, Unreadable, differing, nearest
from sbrtcheck.dossier.places import Place, Unread
from sbrtcheck.dvh import DVH
from sbrtcheck.errors import SbrtCheckError
from sbrtcheck.files import MOST_READ_BYTES, open_regular, reading_at_most
from sbrtcheck.model import CaseFacts, Declared, Patient, Text, approval_term
from sbrtcheck.protocol.rules import Protocol
from sbrtcheck.report.as_json import render_json
from sbrtcheck.report.words import Voice, printable, text_of

if TYPE_CHECKING:
    from sbrtcheck.checks.evidence import Evidence

__all__ = [
    "COPY",
    "CURVE_STEP_GY",
    "END",
    "ERROR",
    "JUDGED",
    "STRAY",
    "SUPERSEDED",
    "TOO_LARGE",
    "USED",
    "Document",
    "Failed",
    "PatientTask",
    "Record",
    "about",
    "answer_of",
    "judge_into",
    "judge_patient",
    "keep_record",
    "packed",
    "read_record",
    "record_of",
    "words_of",
    "write_record",
]

RECORD = 4  # the form of a record; a change makes all kept ones worthless
ERROR = "ERROR"
JUDGED, SUPERSEDED = "judged", "superseded"
COPY, USED, STRAY = "copy", "used", "stray"
CURVE_STEP_GY = 0.1
TOO_LARGE = "it needs more memory than a plan may have"
END = b"\n.\n"  # of a record that was written whole
Document = Mapping[str, Any]
NOTHING: Document = {"verdict": "", "curves": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one plan: its outcome, and why there is no verdict; or verdict and curves.

    `text` is the verdict as `--json` writes it, `verdict` the same read.
    """

    outcome: str
    reason: str | None
    verdict: Document | None = None
    text: str = ""
    curves: Sequence[Document] = ()


class Failed(NamedTuple):
    """What could not be judged for a reason that may pass: it is tried again next time."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientTask:
    """The plans of one patient and all that their verdicts depend on.

    Parameters
    ----------
    files
        The RT files of the patient, and those that may be of the patient and cannot be read, in
        the order in which they were found.
    foreign
        Those of which it is not known that they are of the patient.
    unread
        What could not be looked at anywhere in the tree.
    facts
        What is known of the case of each plan, by its place; or why that cannot be told.
    most_read_bytes
        How large a DICOM file may be, once inflated.
    only
        The plan that is judged; None for all.
    """

    files: tuple[TreeFile, ...]
    foreign: tuple[Place, ...] = ()
    unread: tuple[Text, ...] = ()
    facts: tuple[tuple[Place, CaseFacts | Text], ...] = ()
    protocol: bytes
    phi: bool = False
    most_read_bytes: int = MOST_READ_BYTES
    only: Place | None = None

    @property
    def own(self) -> tuple[TreeFile, ...]:
        """Return the files that are known to be of the patient."""
        return tuple(file for file in self.files if file.place not in self.foreign)

    @property
    def plans(self) -> tuple[Place, ...]:
        """Return where each plan lies."""
        return tuple(place for place, _ in self.facts)

    @property
    def asked(self) -> tuple[Place, ...]:
        """Return where each plan lies that is judged."""
        if self.only is not None:
            return (self.only,)
        return self.plans

    @property
    def numbers(self) -> dict[Place | None, int]:
        """Return which of the files lies at a place."""
        return {file.place: number for number, file in enumerate(self.files)}

    @property
    def sound(self) -> tuple[TreeFile, ...]:
        """Return the files of which it is not known that they cannot be read."""
        return tuple(file for file in self.files if file.learned.problem is None)

    def whole(self) -> "PatientTask":
        """Return the task of all of the plans."""
        return replace(self, only=None)

    def alone(self, plan: Place) -> "PatientTask":
        """Return the task of one of the plans."""
        return replace(self, only=plan)

    def facts_of(self, plan: Place) -> CaseFacts | Text:
        """Return what is known of the case of a plan."""
        return dict(self.facts).get(plan, CaseFacts())

    def key(self) -> str:
        """Return the hash of all that the answer depends on: contents, facts, protocol, version."""
        numbers = self.numbers
        facts = [[numbers[place], _facts_words(row)] for place, row in self.facts]
        document: list[object] = [
            RECORD,
            __version__,
            _hash_of(self.protocol),
            [[file.learned.sha256, file.learned.problem] for file in self.files],
            _folders(self.files),
            [numbers[place] for place in self.foreign],
            [repr(reason) for reason in self.unread],
            facts,
            self.phi,
            self.most_read_bytes,
            numbers.get(self.only),
        ]
        return _hash_of(json.dumps(document).encode())


def _facts_words(facts: CaseFacts | Text) -> object:
    if isinstance(facts, Text):
        return str(facts)
    words = {
        name: str(value) for name, value in asdict(facts).items() if name != "not_drawn"
    }
    return [words, sorted(facts.not_drawn.items())]


def _folders(files: Sequence[TreeFile]) -> list[str]:
    """Return where files lie to each other: a verdict says "in a folder beside"."""
    folders = [file.place.folder for file in files]
    try:
        root = os.path.commonpath(folders)
    except ValueError:  # two drives
        root = ""
    return [
        folder.removeprefix(root).encode("utf-8", "replace").decode()
        for folder in folders
    ]


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


# --- Records ------------------------------------------------------------------------------------
#
# A record is a line of what the tables need of all plans and files of a patient, then a line for
# each plan with its verdict and curves.


def judge_into(folder: str, task: PatientTask) -> Failed | None:
    """Judge a patient's plans and write their record into a folder, whole or not at all."""
    record = judge_patient(task)
    if isinstance(record, Failed):
        return record
    return keep_record(Path(folder), task.key(), record)


def keep_record(folder: Path, key: str, record: bytes) -> Failed | None:
    """Write a record, or say why it cannot be."""
    try:
        write_record(folder, key, record)
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
        with open_regular(path) as file:
            content = file.read()
    except OSError:
        return None
    if not content.endswith(END):
        return None
    return content


def answer_of(record: bytes) -> Document:
    """Return what a record says of the plans and files of a patient, without verdicts."""
    document: Document = json.loads(record.partition(b"\n")[0])
    return document


def record_of(record: bytes, number: int) -> Record:
    """Return what a record says of one of its plans."""
    head, *lines = record.removesuffix(END).split(b"\n")
    row = json.loads(head)["plans"][number]
    body = json.loads(lines[number])
    text = body["verdict"]
    return Record(
        outcome=row["outcome"],
        reason=row["reason"],
        verdict=json.loads(text) if text else None,
        text=text,
        curves=body["curves"],
    )


# --- One patient --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The files of a task, each read once."""

    filed: tuple[Filed, ...]
    unreadable: tuple[Unreadable, ...]
    survey: Survey
    voice: Voice

    @property
    def everything(self) -> Dossier:
        """Return all files, of whatever patient, to tell copies apart."""
        return Dossier(files=self.filed, unreadable=self.unreadable)


def judge_patient(task: PatientTask) -> bytes | Failed:
    """Judge the plans of a patient and return their record; whatever goes wrong becomes a reason."""
    try:
        with reading_at_most(task.most_read_bytes):
            return _record(task)
    except (SbrtCheckError, MemoryError, OSError) as error:
        passing = passing_fault(error)
        return Failed("the computer could not go on" if passing is None else passing)
    except Exception as error:  # noqa: BLE001 - a bug must cost one plan only, and be told
        return Failed(f"internal error, a bug in sbrtcheck ({type(error).__name__})")


def passing_fault(error: BaseException) -> str | None:
    """Say what may be otherwise next time, if that is behind an error: memory, disk, network."""
    for fault in (error, error.__cause__):
        if isinstance(fault, MemoryError):
            return TOO_LARGE
        if isinstance(fault, OSError) and fault.errno is not None:
            return f"the computer could not go on: {fault.strerror}"
    return None


def _record(task: PatientTask) -> bytes | Failed:
    read = _read(task)
    changed = _changed(task, read)
    if changed is not None:
        return Failed(changed)
    numbers = task.numbers
    heads, bodies = [], []
    for head, body in _plans(task, read):
        heads.append({**head, "file": numbers[head["place"]], "place": None})
        bodies.append(json.dumps(body, allow_nan=False).encode())
    files = [[numbers[place], what, why] for place, what, why in _files(task, read)]
    first = json.dumps({"plans": heads, "files": files}, allow_nan=False).encode()
    return b"\n".join([first, *bodies]) + END


def _read(task: PatientTask) -> _Read:
    """Read the files of a task; those of which it is known that they cannot be read are not tried."""
    numbers = task.numbers
    filed, failed = read_files([file.found for file in task.sound])
    failed += [
        Unreadable(file.found, Text("{why}", why=file.learned.problem))
        for file in task.files
        if file.learned.problem is not None
    ]
    by_place = sorted(filed, key=lambda one: place_order(one.place))
    patients = dict.fromkeys(one.file.instance.patient for one in by_place)
    patients |= dict.fromkeys(
        Patient(patient_id=f.patient_id) for f in task.files if f.patient_id
    )
    return _Read(
        filed=tuple(by_place),
        unreadable=tuple(sorted(failed, key=lambda row: numbers[row.found.place])),
        survey=Survey(
            found=tuple(file.found for file in task.files),
            unread=tuple(Unread("", reason) for reason in task.unread),
        ),
        voice=Voice(*patients, phi=task.phi),
    )


def _changed(task: PatientTask, read: _Read) -> str | None:
    """Say which file is not what it was when the run began: a key stands for contents."""
    hashes = {filed.place: filed.file.sha256 for filed in read.filed}
    for file in task.sound:
        kind = dicom.class_name(file.found.peek.sop_class_uid)
        now = hashes.get(file.place)
        if now is None:
            (again,) = learn_unopened([file.place], task.most_read_bytes)
            now = again.sha256
            if again.problem is not None:
                return f"its {kind} is gone since the run began ({again.problem})"
        if now != file.learned.sha256:
            return f"its {kind} has changed since the run began"
    return None


# --- Plans --------------------------------------------------------------------------------------


def _plans(task: PatientTask, read: _Read) -> Iterator[tuple[dict[str, Any], Document]]:
    """Yield for each plan what the tables need, and its verdict and curves."""
    first: dict[str, Filed] = {}  # of two contents of one UID
    for filed in read.everything.plans:
        first.setdefault(filed.uid or filed.file.sha256, filed)
    for identity, filed in first.items():
        if task.only in (None, filed.place):
            yield _plan(task, read, filed, identity)
    for file, reason in _broken_plans(task, read, first.keys()):
        if task.only in (None, file.place):
            yield _broken_plan(file, read.voice.say(reason), phi=task.phi)


def _broken_plans(
    task: PatientTask, read: _Read, seen: AbstractSet[str]
) -> list[tuple[TreeFile, Text]]:
    """Return the RT Plans that cannot be read and are none of those seen, each once, and why."""
    broken: dict[str, tuple[TreeFile, Text]] = {}
    for file, reason in _unreadable(task, read):
        if not file.is_of_class(dicom.RT_PLAN):
            continue
        if file.identity not in seen:
            broken.setdefault(file.identity, (file, reason))
    return list(broken.values())


def _unreadable(task: PatientTask, read: _Read) -> list[tuple[TreeFile, Text]]:
    """Return the files of the patient that cannot be read, and why."""
    own = {file.place: file for file in task.own}
    return [
        (own[row.found.place], row.reason)
        for row in read.unreadable
        if row.found.place in own
    ]


def _broken_plan(
    file: TreeFile, reason: str, *, phi: bool
) -> tuple[dict[str, Any], Document]:
    uid = file.found.peek.sop_instance_uid
    head = {
        "place": file.place,
        "identity": file.identity,
        "outcome": ERROR,
        "reason": reason,
        "role": JUDGED,
        "sop_instance_uid": text_of(uid),
        "sha256": file.learned.sha256,
        "date": None,
        "approval": None,
    }
    patient = Patient(patient_id=file.patient_id)
    return head | _stated_of(patient, phi=phi), NOTHING


def _stated_of(patient: Patient, *, phi: bool) -> dict[str, str | None]:
    """Return what the tables say of a patient."""
    if not phi:
        return {}
    return {"patient_id": patient.patient_id, "patient_name": patient.name}


def _plan(
    task: PatientTask, read: _Read, filed: Filed, identity: str
) -> tuple[dict[str, Any], Document]:
    instance = filed.file.instance
    head: dict[str, Any] = {
        "place": filed.place,
        "identity": identity,
        "outcome": ERROR,
        "reason": None,
        "role": JUDGED,
        "sop_instance_uid": filed.uid,
        "sha256": filed.file.sha256,
        "date": instance.date,
        "approval": approval_term(instance.approval_status),
    }
    head |= _stated_of(instance.patient, phi=task.phi)
    facts = task.facts_of(filed.place)
    if isinstance(facts, Text):
        return {**head, "reason": read.voice.say(facts)}, NOTHING
    try:
        told, body = _verdict(task, read, filed, facts)
    except SbrtCheckError as error:
        if passing_fault(error) is not None:
            raise
        return {**head, "reason": words_of(error, read.voice)}, NOTHING
    return {**head, **told}, body


def words_of(error: SbrtCheckError, voice: Voice) -> str:
    """Return an error as one sentence without path or patient; candidates are left out."""
    problem = error.problem
    if isinstance(problem, Text):
        return voice.say(problem)
    return voice.name(str(problem))


def _verdict(
    task: PatientTask, read: _Read, filed: Filed, facts: CaseFacts
) -> tuple[dict[str, object], Document]:
    instance = filed.file.instance
    unreadable = [row for row in read.unreadable if row.found.may_be_of(instance)]
    dossier = dossier_of(read.filed, unreadable, read.survey, instance)
    case = case_of(dossier, filed)
    evidence = gather(case, _unpacked(task.protocol), Declared(facts=facts))
    verdict = judge(evidence)
    role, superseded = JUDGED, evidence.course.superseded
    if superseded is not None and superseded.is_replaced:
        role = SUPERSEDED
    voice = Voice(*case.patients, phi=task.phi)
    head: dict[str, object] = {"outcome": verdict.outcome.name, "role": role}
    body = {
        "verdict": render_json(verdict, phi=task.phi),
        "curves": list(_curves(evidence, voice)),
    }
    return head, body


def _curves(evidence: "Evidence", voice: Voice) -> Iterator[dict[str, object]]:
    """Yield the DVH of each graded or reported structure, at even steps from 0 to its maximum."""
    for structure, dvh in evidence.dosimetry.dvhs.items():
        if not isinstance(dvh, DVH):
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


# --- Files --------------------------------------------------------------------------------------


def _files(task: PatientTask, read: _Read) -> Iterator[tuple[Place, str, str | None]]:
    """Yield what each file of the patient is to the plans: used, a copy, or of none, and why."""
    everything = read.everything
    distinct = frozenset(everything.distinct)
    for filed in read.filed:
        if filed not in distinct:
            yield filed.place, COPY, None
            continue
        why = _why_unused(filed, everything)
        if why is None:
            yield filed.place, USED, None
        else:
            yield filed.place, STRAY, printable(read.voice.say(why))
    yield from _unreadable_files(task, read)


def _unreadable_files(
    task: PatientTask, read: _Read
) -> Iterator[tuple[Place, str, str | None]]:
    seen = {plan.uid for plan in read.everything.plans}
    listed = {file.place for file, _ in _broken_plans(task, read, seen)}
    for file, reason in _unreadable(task, read):
        if file.place in listed:
            yield file.place, USED, None
            continue
        why = Text("cannot be read: {why}", why=reason)
        yield file.place, STRAY, printable(read.voice.say(why))


def _why_unused(filed: Filed, everything: Dossier) -> Text | None:
    """Say why a file belongs to no plan; None where it does."""
    if filed.kind == dicom.RT_ION_PLAN:
        return Text("RT Ion Plan: only photon RT Plans are judged")
    if filed.kind == dicom.RT_PLAN:
        return _why_second(filed, everything)
    naming = [plan for plan in everything.plans if _names(plan, filed)]
    if not naming:
        return _why_unnamed(filed, everything)
    if any(_is_nearest(filed, plan, everything) for plan in naming):
        return None
    kind = dicom.class_name(filed.kind)
    return Text("another {kind} of its plan lies nearer to it", kind=kind)


def _why_unnamed(filed: Filed, everything: Dossier) -> Text:
    """Say what a structure set or a dose lacks that no plan belongs to."""
    if filed.kind == dicom.RT_STRUCTURE_SET:
        return Text("no RT Plan among the files names this structure set")
    uids = filed.file.plan_uids
    if not uids:
        return Text("the dose names no plan")
    if any(one.uid in uids for one in everything.of_class(dicom.RT_ION_PLAN)):
        return Text("it names an RT Ion Plan: only photon RT Plans are judged")
    return Text("the plan that the dose names is not among the files")


def _names(plan: Filed, filed: Filed) -> bool:
    """Tell whether a structure set is named by a plan, or a dose names it."""
    if filed.kind == dicom.RT_STRUCTURE_SET:
        return plan.file.structure_set_uid == filed.uid
    return plan.uid in filed.file.plan_uids


def _is_nearest(filed: Filed, plan: Filed, everything: Dossier) -> bool:
    """Tell whether no file that a plan has in its place lies nearer to the plan."""
    rivals = [one for one in everything.of_class(filed.kind) if _names(plan, one)]
    near, _ = nearest(rivals, plan.place)
    return filed in near


def _why_second(filed: Filed, everything: Dossier) -> Text | None:
    """Say why a plan is not listed: another content of its UID is."""
    same = [plan for plan in everything.plans if plan.uid == filed.uid]
    if not filed.uid or same[0] is filed:
        return None
    return differing("RT Plan", filed.uid)
