"""One run: find, part by patient, judge, publish. Each stage takes what the one before has made."""

import hashlib
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypedDict

from sbrtcheck import dicom
from sbrtcheck.batch.find import Odd, Tree, find_tree
from sbrtcheck.batch.known import TreeFile, place_text
from sbrtcheck.batch.options import BatchOptions, Progress
from sbrtcheck.batch.patients import Group, by_patient, shared_frames
from sbrtcheck.batch.results import PlanHeader, Published, Result, Stray, publish
from sbrtcheck.batch.runners import Runner
from sbrtcheck.batch.work import (
    COPY,
    ERROR,
    JUDGED,
    STRAY,
    USED,
    Document,
    Failed,
    PatientTask,
    Record,
    answer_of,
    judge_into,
    judge_patient,
    keep_record,
    packed,
    read_record,
    record_of,
)
from sbrtcheck.dossier.cases import CaseRow, load_cases, merged
from sbrtcheck.dossier.facts import FILE_NAME, facts_beside, load_facts
from sbrtcheck.dossier.places import LOCK, MAKING, RECORDS, RUN, Place
from sbrtcheck.dossier.review import load_review, review_beside
from sbrtcheck.errors import CaseError
from sbrtcheck.model import CaseFacts, Patient, Review, Text
from sbrtcheck.protocol.rules import Protocol as TrialProtocol
from sbrtcheck.report.as_json import protocol_record
from sbrtcheck.report.words import Voice, printable, text_of, told_of

__all__ = ["BatchResult", "Tally", "run_batch"]

GONE = "its result was written and is gone; run again with --resume"
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
    cases = _cases(options)
    _make_folder(options)
    with _locked(options.out):
        if not options.resume:
            _forget_unused(options.out / RECORDS, set())
        tree = find_tree(options, runner, progress)
        patients = _all_prepared(tree, cases, options)
        found = time.monotonic()
        answers, kept = _judge(patients, options, runner, progress)
        judged = time.monotonic()
        met = _met(tree, patients, answers, cases, options)
        tally = replace(met.tally, kept=kept)
        progress.stage("writing tables", 0)
        took = {
            "find_seconds": round(found - began, 3),
            "judge_seconds": round(judged - found, 3),
            "slots": runner.slots,
        }
        published = publish(
            options.out,
            met.results,
            met.strays,
            _about(options, tally),
            {"kept": kept, "timing": {"finished": _now(), **took}},
            phi=options.phi,
        )
        _forget_unused(options.out / RECORDS, {row.key for row in answers.values()})
    return BatchResult(options.protocol, published, tally, _notes(tree, options))


def _notes(tree: Tree, options: BatchOptions) -> tuple[str, ...]:
    """Return what is to be said of the tree."""
    notes, shared = tree.notes, shared_frames(tree.files)
    if shared is not None:
        notes = (*notes, shared)
    voice = Voice(phi=options.phi)
    return tuple(voice.say(note) for note in notes)


class _Met(NamedTuple):
    """The plans of a run in the order of its tables, the files of no plan, and their numbers."""

    results: Sequence[Result]
    strays: Sequence[Stray]
    tally: Tally


def _met(
    tree: Tree,
    patients: Sequence["_Prepared"],
    answers: "Answers",
    cases: Mapping[str, CaseRow],
    options: BatchOptions,
) -> _Met:
    """Return what a run met; no plan of it counts as kept."""
    results: list[Result] = []
    uses: list[_Use] = []
    for patient in patients:
        results += _results(patient, answers, options)
        uses += _uses(patient, answers)
    results.sort(key=lambda row: (text_of(row.centre), row.patient, row.plan))
    strays = [*_strays(uses, options), *_odd_strays(tree.odd, options)]
    met_as = Counter(use.what for use in uses)
    tally = Tally(
        plans=len(results),
        kept=0,
        rt_files=len(tree.files),
        used=met_as[USED],
        copies=met_as[COPY],
        quarantined=len(strays),
        files=dict(sorted(tree.others.items())),
        **_unmatched(patients, results, cases, options),
    )
    return _Met(results, strays, tally)


def _cases(options: BatchOptions) -> Mapping[str, CaseRow]:
    if options.cases is None:
        return {}
    return load_cases(options.cases)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _about(options: BatchOptions, tally: Tally) -> dict[str, object]:
    """Return what the tables are made of, for `run.json`."""
    about = {
        "protocol": protocol_record(options.protocol),
        "versions": _versions(),
        "pseudonym_key": options.pseudonyms.key_id,
        "phi": options.phi,
        "cases_sha256": _sha256(options.cases),
        **asdict(tally),
    }
    del about["kept"]  # as times, it says how the run went, not what it found
    return about


class _Unmatched(TypedDict, total=False):
    without_row: tuple[str, ...]
    without_plan: tuple[int, ...]


def _unmatched(
    patients: Sequence["_Prepared"],
    results: Sequence[Result],
    cases: Mapping[str, CaseRow],
    options: BatchOptions,
) -> _Unmatched:
    """Tell which plans and which rows of the cases have no counterpart; nothing without cases."""
    if options.cases is None:
        return {}
    used = {row.line for patient in patients for row in patient.rows.values()}
    return {
        "without_row": tuple(
            result.plan for result in results if result.case_row is None
        ),
        "without_plan": tuple(
            row.line for row in cases.values() if row.line not in used
        ),
    }


# --- The folder ---------------------------------------------------------------------------------


def _make_folder(options: BatchOptions) -> None:
    out = options.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(root.resolve().is_relative_to(out.resolve()) for root in options.roots):
            raise CaseError(
                Text("the folder holds the exports themselves; name another for --out"),
                path=out,
            )
        _require_ours(out)
        (out / RECORDS).mkdir(exist_ok=True)
        probe = out / RECORDS / "probe.partial"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        why = error.strerror or "cannot be written"
        raise CaseError(
            Text("results cannot be written here: {why}", why=why), path=out
        ) from error


def _require_ours(out: Path) -> None:
    """Refuse a folder that holds anything, but nothing of a batch."""
    held = {path.name for path in out.iterdir()} - {LOCK}
    if held and held.isdisjoint(OURS):
        raise CaseError(
            Text(
                "the folder holds files that are not of a batch; name another for --out"
            ),
            path=out,
        )


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
            raise CaseError(
                Text("another run writes to this folder"), path=out
            ) from error
        yield


def _forget_unused(folder: Path, keys: set[str]) -> None:
    kept = {folder / f"{key}.json" for key in keys}
    for path in set(folder.iterdir()) - kept:
        path.unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- Judging ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A patient: the task, and the rows of the cases that its plans have, by their places."""

    group: Group
    task: PatientTask
    key: str
    rows: Mapping[Place, CaseRow]

    @property
    def plans(self) -> tuple[Place, ...]:
        """Return where each plan lies."""
        return self.task.plans


def _all_prepared(
    tree: Tree, cases: Mapping[str, CaseRow], options: BatchOptions
) -> list[_Prepared]:
    protocol = packed(options.protocol)
    return [
        _prepared(group, tree.unread, cases, options, protocol)
        for group in by_patient(tree.files)
    ]


def _prepared(
    group: Group,
    unread: tuple[Text, ...],
    cases: Mapping[str, CaseRow],
    options: BatchOptions,
    protocol: bytes,
) -> _Prepared:
    rows = {
        plan.place: cases[plan.patient_key]
        for plan in group.plans
        if plan.patient_key in cases
    }
    task = PatientTask(
        files=group.files,
        foreign=tuple(file.place for file in group.files if file in group.foreign),
        unread=unread,
        facts=tuple(
            (plan.place, _facts(plan, rows.get(plan.place))) for plan in group.plans
        ),
        protocol=protocol,
        phi=options.phi,
        most_read_bytes=options.most_read_bytes,
    )
    return _Prepared(group=group, task=task, key=task.key(), rows=rows)


def _facts_of_row(row: CaseRow | None) -> CaseFacts:
    if row is None:
        return CaseFacts()
    return row.facts


def _facts(plan: TreeFile, row: CaseRow | None) -> CaseFacts | Text:
    """Return the facts of the row and of the `case.toml` beside the plan, or why there are none."""
    facts = _facts_of_row(row)
    beside = facts_beside(Path(plan.place.path))
    if beside is None:
        return facts
    try:
        both, contradicting = merged(facts, load_facts(beside))
    except CaseError as error:
        why = "; ".join(str(part) for part in (error.problem, *error.candidates))
        return Text("its {file}: {why}", file=FILE_NAME, why=why)
    if contradicting:
        told = ", ".join(contradicting)
        return Text(
            "its {file} and its row in the cases contradict each other: {names}",
            file=FILE_NAME,
            names=told,
        )
    return both


class _Answer(NamedTuple):
    """What became of a task: its record by its key, or why there is none."""

    key: str
    document: Document | None
    failure: str = ""
    kept: int = 0  # plans whose verdict an earlier run had reached


Answers = dict[
    tuple[str, Place | None], _Answer
]  # by the patient's key, and the plan tried alone


def _judge(
    patients: Sequence[_Prepared],
    options: BatchOptions,
    runner: Runner,
    progress: Progress,
) -> tuple[Answers, int]:
    """Judge what no record is kept of; return all answers, and how many plans were kept.

    The plans of a patient are judged together; where that fails, each by itself.
    """
    answers: Answers = {}
    kept = 0
    progress.stage("judging plans", sum(len(patient.plans) for patient in patients))
    together = [patient.task for patient in patients]
    single: list[PatientTask] = []
    for tasks in (together, single):
        for task, answer in _kept_or_new(tasks, options, runner):
            answers[task.whole().key(), task.only] = answer
            kept += answer.kept
            if answer.document is None and len(task.asked) > 1:
                single += [task.alone(plan) for plan in task.plans]
                continue
            for outcome in _outcomes(answer, task):
                progress.step(outcome)
    return answers, kept


def _kept_or_new(
    tasks: Sequence[PatientTask], options: BatchOptions, runner: Runner
) -> Iterator[tuple[PatientTask, _Answer]]:
    """Yield each task with its answer, first those that an earlier run has left."""
    waiting = []
    for task in tasks:
        known = _known(task, options)
        if known is None:
            waiting.append(task)
        else:
            yield task, known
    yield from _answered(waiting, options, runner)


def _known(task: PatientTask, options: BatchOptions) -> _Answer | None:
    """Return the answer of an earlier run."""
    if not options.resume:
        return None
    key = task.key()
    record = read_record(options.out / RECORDS / f"{key}.json")
    if record is None:
        return None
    return _Answer(key, answer_of(record), kept=len(task.asked))


def _answered(
    tasks: Sequence[PatientTask], options: BatchOptions, runner: Runner
) -> Iterator[tuple[PatientTask, _Answer]]:
    """Yield each task with its answer, whose record is written."""
    folder = options.out / RECORDS
    function: Callable[[PatientTask], bytes | Failed | None] = judge_patient
    if runner.shares_disk:
        function = partial(judge_into, str(folder.absolute()))
    for task, answer in runner.run(
        function, tasks, seconds=options.seconds, weight=_weight
    ):
        yield task, _filed(folder, task.key(), answer)


def _filed(folder: Path, key: str, answer: bytes | Failed | None) -> _Answer:
    """Return an answer whose record is written: here, or by the process that made it."""
    failure = answer
    if isinstance(answer, bytes):
        failure = keep_record(folder, key, answer)
    if isinstance(failure, Failed):
        return _Answer(key, None, failure.reason)
    record = read_record(folder / f"{key}.json")
    if record is None:
        return _Answer(key, None, GONE)
    return _Answer(key, answer_of(record))


def _weight(task: PatientTask) -> int:
    return max(len(task.asked), 1)


def _outcomes(answer: _Answer, task: PatientTask) -> list[str]:
    """Return the outcome of each plan of a task."""
    if answer.document is None:
        return [ERROR] * len(task.asked)
    return [plan["outcome"] for plan in answer.document["plans"]]


# --- Plans --------------------------------------------------------------------------------------


def _results(
    patient: _Prepared, answers: Answers, options: BatchOptions
) -> Iterator[Result]:
    """Yield the plans of a patient."""
    whole = answers[patient.key, None]
    if whole.document is not None:
        yield from _told(patient, whole.key, whole.document, options)
        return
    for file in patient.group.plans:
        alone = answers.get((patient.key, file.place), whole)
        if alone.document is None:
            yield _failed(patient, file, alone.failure, options)
        else:
            yield from _told(patient, alone.key, alone.document, options)


def _told(
    patient: _Prepared, key: str, document: Document, options: BatchOptions
) -> Iterator[Result]:
    """Yield the plans that a record tells of."""
    for number, row in enumerate(document["plans"]):
        header = PlanHeader(
            sop_instance_uid=row["sop_instance_uid"],
            sha256=row["sha256"],
            date=row["date"],
            approval=row["approval"],
            patient_id=row.get("patient_id"),
            patient_name=row.get("patient_name"),
        )
        yield _result(
            patient,
            patient.task.files[row["file"]],
            options,
            header=header,
            identity=row["identity"],
            role=row["role"],
            digest=f"{key} {number}",
            load=partial(_load, options.out / RECORDS / f"{key}.json", number),
        )


def _failed(
    patient: _Prepared, file: TreeFile, reason: str, options: BatchOptions
) -> Result:
    uid = file.found.peek.sop_instance_uid
    patient_id = None
    if options.phi:
        patient_id = file.patient_id
    header = PlanHeader(
        sop_instance_uid=text_of(uid), sha256=file.learned.sha256, patient_id=patient_id
    )
    return _result(
        patient,
        file,
        options,
        header=header,
        identity=file.identity,
        role=JUDGED,
        digest=reason,
        load=partial(Record, outcome=ERROR, reason=printable(reason)),
    )


def _result(
    patient: _Prepared,
    file: TreeFile,
    options: BatchOptions,
    *,
    header: PlanHeader,
    identity: str,
    role: str,
    digest: str,
    load: Callable[[], Record],
) -> Result:
    names = options.pseudonyms
    row = patient.rows.get(file.place)
    facts = patient.task.facts_of(file.place)
    if isinstance(facts, Text):
        facts = _facts_of_row(row)
    trial_number, case_row = None, None
    if row is not None:
        trial_number, case_row = row.trial_number, row.line
    return Result(
        plan=names.plan(identity),
        patient=names.patient(patient.group.patient_of(file)),
        centre=told_of(facts.centre, printable),
        trial_number=trial_number,
        case_row=case_row,
        role=role,
        path=place_text(file.place),
        header=header,
        digest=digest,
        load=load,
        review=_review(file.place, header.sop_instance_uid),
    )


def _review(place: Place, uid: str) -> Review | str | None:
    """Return the review beside a plan, if it is one of this plan; or why it cannot be read."""
    if place.is_member:
        return None
    beside = review_beside(Path(place.path))
    if beside is None:
        return None
    try:
        review = load_review(beside)
    except CaseError as error:
        return str(error.problem)
    if review.plan != uid:
        return None
    return review


def _load(path: Path, number: int) -> Record:
    """Return the record of a plan; one that is gone meanwhile is said to be."""
    content = read_record(path)
    if content is None:
        return Record(outcome=ERROR, reason=GONE)
    return record_of(content, number)


# --- Files of no plan ---------------------------------------------------------------------------


class _Use(NamedTuple):
    """What a file is to the plans of its patient, and why it belongs to none."""

    file: TreeFile
    what: str
    why: str


def _uses(patient: _Prepared, answers: Answers) -> Iterator[_Use]:
    """Yield what each file of a patient was used for."""
    whole = answers[patient.key, None]
    alone = (answers.get((patient.key, place), whole) for place in patient.plans)
    tried = (whole, *alone)
    told = next((row.document for row in tried if row.document is not None), None)
    if told is not None:
        for number, what, why in told["files"]:
            yield _Use(patient.task.files[number], what, text_of(why))
        return
    why = f"its patient's files could not be worked on: {whole.failure}"
    used = dict.fromkeys(patient.plans, USED)
    for file in patient.group.own:
        yield _Use(file, used.get(file.place, STRAY), why)


def _strays(uses: Sequence[_Use], options: BatchOptions) -> list[Stray]:
    """Return the RT files that belong to no plan."""
    return [_stray(use, options) for use in uses if use.what == STRAY]


def _stray(use: _Use, options: BatchOptions) -> Stray:
    place, peek = place_text(use.file.place), use.file.found.peek
    return Stray(
        pseudonym=options.pseudonyms.file(place),
        path=place,
        kind=dicom.class_name(peek.sop_class_uid),
        reason=use.why,
        size_bytes=use.file.learned.size_bytes,
        sop_instance_uid=peek.sop_instance_uid,
        sha256=use.file.learned.sha256,
    )


def _odd_strays(rows: Sequence[Odd], options: BatchOptions) -> list[Stray]:
    """Return files that are no RT files, and the parts of the tree that were not looked at."""
    voice = Voice(Patient(), phi=options.phi)
    return [
        Stray(
            pseudonym=options.pseudonyms.file(row.path),
            path=row.path,
            kind=row.kind,
            reason=voice.say(row.reason),
            size_bytes=row.size_bytes,
        )
        for row in rows
    ]
