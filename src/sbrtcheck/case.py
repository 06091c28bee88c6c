"""From any one file or folder, find the files that belong together, and say why.

Links are UIDs: the RT Plan names its structure set, the RT Dose names its plan. File names
mean nothing. Files are looked for beside the plan, one level down, in sibling folders and one
level up, in this order, within bounds of number and time.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from sbrtcheck import dicom
from sbrtcheck.errors import CaseError, ReadError, UnsupportedError
from sbrtcheck.model import DoseGrid, DoseHeader, Instance, Plan, StructureSet, Text

__all__ = ["Case", "Link", "load_case"]

MAX_FILES = 5_000
MAX_SECONDS = 5.0
TAIL = 10  # characters of a UID that are shown
NEAR = ("in the same folder", "one folder below")
RT_CLASSES = (dicom.RT_PLAN, dicom.RT_STRUCTURE_SET, dicom.RT_DOSE, dicom.RT_ION_PLAN)

REFUSED_SUMMATIONS = {
    "BEAM": "it is the dose of single beams, not of the plan; export the plan dose",
    "BEAM_SESSION": "it is the dose of beams in one session; export the plan dose",
    "BRACHY": "it is a brachytherapy dose; export the plan dose",
    "BRACHY_SESSION": "it is a brachytherapy dose; export the plan dose",
    "CONTROL_POINT": "it is the dose of control points; export the plan dose",
    "FRACTION_SESSION": "it is the dose of one session, which is never multiplied; export the plan dose",
    "MULTI_PLAN": "it is the sum of several plans; export the dose of this plan",
    "PLAN_OVERVIEW": "it is an overview of several plans; export the dose of this plan",
    "RECORD": "it is a delivered dose from treatment records; export the plan dose",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Which file was taken as part of the case, and why; `by_hand` if the user named it."""

    kind: str
    instance: Instance
    how: Text
    by_hand: bool = False
    matches_uid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A plan, its structure set and its dose, proven to belong together."""

    plan: Plan
    structure_set: StructureSet
    dose: DoseGrid
    links: tuple[Link, ...] = ()
    notes: tuple[Text, ...] = ()


class _Found(NamedTuple):
    path: Path
    peek: dicom.Peek
    where: str


@dataclass(frozen=True, slots=True)
class _Search:
    """The RT files around a folder, nearest first, and whether a bound cut the search short."""

    files: tuple[_Found, ...]
    cut_short: bool

    def of_class(self, sop_class_uid: str) -> list[_Found]:
        return [file for file in self.files if file.peek.sop_class_uid == sop_class_uid]

    @property
    def notes(self) -> tuple[Text, ...]:
        """Say that there may be more files, where the search was cut short."""
        if not self.cut_short:
            return ()
        note = Text(
            "the search for files stopped after {count} files or {seconds} s:"
            " others of this plan may exist",
            count=MAX_FILES,
            seconds=MAX_SECONDS,
        )
        return (note,)


def tail(uid: str) -> str:
    """Return the end of a UID, which tells files apart without filling a line."""
    return uid if len(uid) <= TAIL else "…" + uid[-TAIL:]


def load_case(
    path: str | Path,
    *,
    structure_set: str | Path | None = None,
    dose: str | Path | None = None,
) -> Case:
    """Find and read the plan, structure set and dose that belong together.

    Parameters
    ----------
    path
        An RT Plan, RT Structure Set or RT Dose file, or a folder holding one plan.
    structure_set, dose
        The file to use where links are missing or ambiguous: a path, or the end of the UID of
        one of the candidates.

    Raises
    ------
    CaseError
        If files are missing, ambiguous, or of different patients or frames of reference.
    ReadError
        If a file cannot be read; `UnsupportedError` if it is of a kind that is declined.
    """
    start = Path(path)
    if _is_folder(start):
        return _from_folder(start, structure_set, dose)
    return _from_file(start, structure_set, dose)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # a name that no file system takes
        raise ReadError(Text("this is not a path of a file or folder"), path=path) from error


def _from_folder(folder: Path, structure_set: str | Path | None, dose: str | Path | None) -> Case:
    inside = _search(folder, around=False)
    plans = _unique(inside.of_class(dicom.RT_PLAN), dicom.load_plan)
    if not plans:
        if inside.of_class(dicom.RT_ION_PLAN):
            raise UnsupportedError(
                Text("the folder holds an RT Ion Plan; only photon RT Plans are judged"),
                path=folder,
            )
        raise CaseError(Text("the folder holds no RT Plan"), path=folder, candidates=inside.notes)
    if len(plans) > 1:
        raise CaseError(
            Text(
                "the folder holds {count} RT Plans; give the file of one of them", count=len(plans)
            ),
            path=folder,
            candidates=[_row(plan.instance, "RT Plan") for _, plan in plans],
        )
    file, plan = plans[0]
    search = _search(file.path.parent)
    search = replace(search, cut_short=search.cut_short or inside.cut_short)
    return _complete(plan, search, structure_set, dose)


def _from_file(path: Path, structure_set: str | Path | None, dose: str | Path | None) -> Case:
    kind = _class_of(path)
    notes: list[Text] = []
    if kind == dicom.RT_STRUCTURE_SET:
        search = _search(path.parent)
        own = dicom.load_structure_set(path)
        plan = _plan_of_structure_set(own, search, path, notes)
        return _complete(plan, search, structure_set or path, dose, notes)
    if kind == dicom.RT_DOSE:
        header = dicom.load_dose_header(path)
        dicom.refuse_dose_kind(header, path)
        search = _search(path.parent)
        plan = _plan_of_dose(header, search, path, notes)
        return _complete(plan, search, structure_set, dose or path, notes)
    plan = dicom.load_plan(path)  # which refuses whatever is not an RT Plan, in its own words
    return _complete(plan, _search(path.parent), structure_set, dose)


def _class_of(path: Path) -> str | None:
    try:
        peek = dicom.peek(path)
    except OSError:
        return None
    return peek.sop_class_uid if peek else None


def _complete(
    plan: Plan,
    search: _Search,
    structure_set: str | Path | None,
    dose: str | Path | None,
    notes: list[Text] | None = None,
) -> Case:
    """Add structure set and dose to a plan and prove that they are one case."""
    notes = [*(notes or ()), *search.notes]
    dose_link, dose_path = _choose_dose(plan, search, dose, notes)
    structure_link, structures = _choose_structures(plan, search, structure_set, notes)
    _require_one_patient(plan.instance, structures.instance, dose_link.instance)
    grid = dicom.load_dose(dose_path)
    structures = _in_dose_frame(structures, dose_link.instance)
    _require_plan_in_dose_frame(plan.instance, dose_link.instance)
    plan_link = Link(kind="RT Plan", instance=plan.instance, how=Text("the plan to be judged"))
    return Case(
        plan=plan,
        structure_set=structures,
        dose=grid,
        links=(plan_link, structure_link, dose_link),
        notes=tuple(notes),
    )


# --- Searching ----------------------------------------------------------------------------------


def _search(folder: Path, *, around: bool = True) -> _Search:
    """Peek at the files in a folder and one level down; `around`: also siblings and one level up."""
    deadline = time.monotonic() + MAX_SECONDS
    found: list[_Found] = []
    seen = 0
    for path, where in _files(folder.absolute(), around=around):
        seen += 1
        if seen > MAX_FILES or time.monotonic() > deadline:
            return _Search(tuple(found), cut_short=True)
        try:
            peek = dicom.peek(path)
        except OSError:
            continue  # a file that cannot be opened is no candidate; missing ones are reported
        if peek is not None and peek.sop_class_uid in RT_CLASSES:
            found.append(_Found(path, peek, where))
    return _Search(tuple(found), cut_short=False)


def _files(folder: Path, *, around: bool) -> Iterator[tuple[Path, str]]:
    files, below = _listing(folder)
    yield from ((path, NEAR[0]) for path in files)
    for subfolder in below:
        yield from ((path, NEAR[1]) for path in _listing(subfolder)[0])
    if not around or folder.parent == folder:
        return
    above, siblings = _listing(folder.parent)
    for sibling in siblings:
        if sibling != folder:
            yield from ((path, "in a folder beside") for path in _listing(sibling)[0])
    yield from ((path, "one folder above") for path in above)


def _listing(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files and the folders in a folder, by name; none where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            rows = sorted(entries, key=lambda entry: entry.name)
            files = [Path(row.path) for row in rows if row.is_file()]
            folders = [Path(row.path) for row in rows if row.is_dir(follow_symlinks=False)]
    except OSError:
        return [], []
    return files, folders


T = TypeVar("T", Plan, StructureSet, DoseHeader)


def _unique(files: Iterable[_Found], load: Callable[[Path], T]) -> list[tuple[_Found, T]]:
    """Read files, copies of one content counted once.

    Raises
    ------
    CaseError
        If two files carry one SOP Instance UID and different content.
    """
    kept: dict[str, tuple[_Found, T]] = {}
    for file in files:
        value = load(file.path)
        uid = value.instance.sop_instance_uid
        if uid not in kept:
            kept[uid] = (file, value)
        elif file.path.read_bytes() != kept[uid][0].path.read_bytes():
            raise CaseError(
                Text(
                    "two files carry the same SOP Instance UID {uid} and differ in content;"
                    " remove the wrong one",
                    uid=tail(uid),
                ),
                candidates=[_row(value.instance, dicom.class_name(file.peek.sop_class_uid))],
            )
    return list(kept.values())


def _nearest(
    files: Sequence[_Found], load: Callable[[Path], T], notes: list[Text]
) -> list[tuple[_Found, T]]:
    """Read the files of the nearest kind of place; note what differs from them further away.

    A folder that holds a whole export speaks for itself: an older copy in a folder beside it
    must neither be taken nor stop the run, but it is said.
    """
    near = [file for file in files if file.where == files[0].where]
    found = _unique(near, load)
    contents = {file.path.read_bytes() for file, _ in found}
    for file in files[len(near) :]:
        if file.path.read_bytes() not in contents:
            kind = dicom.class_name(file.peek.sop_class_uid)
            notes.append(
                Text(
                    "another {kind} of this plan lies {where}: not used",
                    kind=kind,
                    where=file.where,
                )
            )
    return found


def _uid_of(file: _Found, load: Callable[[Path], T]) -> str:
    """Return the SOP Instance UID of a file, read from its dataset where its meta lacks it."""
    return file.peek.sop_instance_uid or load(file.path).instance.sop_instance_uid


def _row(instance: Instance, kind: str, detail: str = "") -> Text:
    """Describe a candidate without file name, which may hold a record number."""
    return Text(
        "{kind} {uid}  '{label}'  {date}  {detail}",
        kind=kind,
        uid=tail(instance.sop_instance_uid),
        label=instance.patient.masked(instance.label or ""),
        date=instance.date or "no date",
        detail=detail,
    )


# --- Choosing -----------------------------------------------------------------------------------


def _plan_of_structure_set(
    structures: StructureSet, search: _Search, path: Path, notes: list[Text]
) -> Plan:
    uid = structures.instance.sop_instance_uid
    files = [file for file in search.of_class(dicom.RT_PLAN) if _names_structure_set(file, uid)]
    plans = [plan for _, plan in _nearest(files, dicom.load_plan, notes)] if files else []
    return _only_plan(plans, "structure set", path, search)


def _names_structure_set(file: _Found, uid: str) -> bool:
    try:
        return dicom.load_plan(file.path).structure_set_uid == uid
    except ReadError:
        return False  # a damaged plan of somebody else must not stop this one


def _plan_of_dose(header: DoseHeader, search: _Search, path: Path, notes: list[Text]) -> Plan:
    wanted = header.referenced_plan_uids
    files = [file for file in search.of_class(dicom.RT_PLAN) if _is_one_of(file, wanted)]
    plans = [plan for _, plan in _nearest(files, dicom.load_plan, notes)] if files else []
    return _only_plan(plans, "dose", path, search)


def _is_one_of(file: _Found, uids: Sequence[str]) -> bool:
    try:
        return _uid_of(file, dicom.load_plan) in uids
    except ReadError:
        return False


def _only_plan(plans: Sequence[Plan], what: str, path: Path, search: _Search) -> Plan:
    if len(plans) == 1:
        return plans[0]
    if not plans and any(f.where in NEAR for f in search.of_class(dicom.RT_ION_PLAN)):
        raise UnsupportedError(
            Text("beside it lies an RT Ion Plan; only photon RT Plans are judged"), path=path
        )
    problem = (
        Text(
            "{count} RT Plans belong to this {what}; give the file of one",
            count=len(plans),
            what=what,
        )
        if plans
        else Text(
            "no RT Plan of this {what} lies in its folder, beside it, or one level up or down",
            what=what,
        )
    )
    rows = [_row(plan.instance, "RT Plan") for plan in plans]
    raise CaseError(problem, path=path, candidates=[*rows, *search.notes])


def _choose_structures(
    plan: Plan, search: _Search, option: str | Path | None, notes: list[Text]
) -> tuple[Link, StructureSet]:
    candidates = search.of_class(dicom.RT_STRUCTURE_SET)
    wanted = plan.structure_set_uid
    if option is not None:
        path = _option_path(option, candidates, dicom.load_structure_set, "--struct")
        structures = dicom.load_structure_set(path)
        matches = structures.instance.sop_instance_uid == wanted
        how = (
            Text("given by hand; it is the one that the plan names")
            if matches
            else Text("given by hand; the plan names {uid}", uid=tail(wanted or "none"))
        )
        return _link("RT Structure Set", structures.instance, how, matches=matches), structures
    if wanted is None:
        raise CaseError(
            Text("the plan names no structure set; add --struct FILE"),
            candidates=[*_near_rows(candidates, "RT Structure Set"), *search.notes],
        )
    named = [file for file in candidates if file.peek.sop_instance_uid in (wanted, None)]
    named = [file for file in named if _uid_of(file, dicom.load_structure_set) == wanted]
    if not named:
        raise CaseError(
            Text(
                "the structure set {uid} that the plan names is not beside it, nor one level up"
                " or down; put it there or add --struct FILE",
                uid=tail(wanted),
            ),
            candidates=[*_near_rows(candidates, "RT Structure Set"), *search.notes],
        )
    file, structures = _nearest(named, dicom.load_structure_set, notes)[0]
    how = Text("named by the plan, {where}", where=file.where)
    return Link(kind="RT Structure Set", instance=structures.instance, how=how), structures


def _near_rows(candidates: Sequence[_Found], kind: str) -> list[Text]:
    """Describe the candidates with the plan; those in folders around it are only counted."""
    near = [file for file in candidates if file.where in NEAR]
    rows = [
        Text(
            "{kind} {uid}  {where}",
            kind=kind,
            uid=tail(file.peek.sop_instance_uid or "without UID"),
            where=file.where,
        )
        for file in near
    ]
    if len(near) < len(candidates):
        rows.append(Text("{count} of other folders", count=len(candidates) - len(near)))
    return rows


def _link(kind: str, instance: Instance, how: Text, *, matches: bool) -> Link:
    return Link(kind=kind, instance=instance, how=how, by_hand=True, matches_uid=matches)


def _option_path(
    option: str | Path, candidates: Sequence[_Found], load: Callable[[Path], T], name: str
) -> Path:
    """Return the file that an option names: a path, or the end of one candidate's UID."""
    if Path(option).exists():
        return Path(option)
    ending = str(option).lstrip("….")
    if not ending.replace(".", "").isdigit():
        raise CaseError(Text("{name}: there is no such file", name=name), path=Path(option))
    ends = (f for f in candidates if (f.peek.sop_instance_uid or "").endswith(ending))
    found = _unique(ends, load)
    if len(found) == 1:
        return found[0][0].path
    raise CaseError(
        Text(
            "{name}: {count} files found here have a UID that ends with {ending}",
            name=name,
            count=len(found),
            ending=ending,
        ),
        candidates=[_row(value.instance, "UID") for _, value in found],
    )


def _choose_dose(
    plan: Plan, search: _Search, option: str | Path | None, notes: list[Text]
) -> tuple[Link, Path]:
    candidates = search.of_class(dicom.RT_DOSE)
    uid = plan.instance.sop_instance_uid
    if option is not None:
        path = _option_path(option, candidates, dicom.load_dose_header, "--dose")
        header = dicom.load_dose_header(path)
        _refuse(header, plan, path)
        matches = uid in header.referenced_plan_uids
        how = (
            Text("given by hand; it names this plan")
            if matches
            else Text("given by hand; it does not name this plan")
        )
        return _link("RT Dose", header.instance, how, matches=matches), path
    doses: list[tuple[_Found, DoseHeader]] = []
    for file in candidates:
        try:
            header = dicom.load_dose_header(file.path)
        except ReadError as error:
            why = str(error.problem)
            notes.append(
                Text("an RT Dose {where} cannot be read: {why}", where=file.where, why=why)
            )
            continue
        if uid in header.referenced_plan_uids:
            doses.append((file, header))
    if not doses:
        raise CaseError(
            Text(
                "no RT Dose beside the plan, nor one level up or down, names this plan;"
                " put it there or add --dose FILE"
            ),
            candidates=[*_near_rows(candidates, "RT Dose"), *notes],
        )
    nearest = _nearest([file for file, _ in doses], dicom.load_dose_header, notes)
    file, header = _course_dose(nearest, plan, notes)
    how = Text("it names this plan, {where}", where=file.where)
    return Link(kind="RT Dose", instance=header.instance, how=how), file.path


def _course_dose(
    doses: list[tuple[_Found, DoseHeader]], plan: Plan, notes: list[Text]
) -> tuple[_Found, DoseHeader]:
    """Return the one dose that is the dose of the whole course.

    PLAN comes first; FRACTION is the dose of one whole fraction group (PS3.3 C.8.8.3), and so
    the course where the plan has one group. Whatever is not used is noted.
    """
    usable: list[tuple[_Found, DoseHeader]] = []
    refused: dict[str, Text] = {}
    for file, header in doses:
        try:
            _refuse(header, plan, file.path)
            usable.append((file, header))
        except UnsupportedError as error:
            refused[tail(header.instance.sop_instance_uid)] = Text("{why}", why=str(error.problem))
    whole = [pair for pair in usable if pair[1].summation_type == "PLAN"] or usable
    if not whole:
        uid, why = next(iter(refused.items()))
        raise UnsupportedError(Text("RT Dose {uid}: {why}", uid=uid, why=why))
    if len(whole) > 1:
        raise CaseError(
            Text(
                "{count} RT Doses are dose of this plan; choose one with --dose", count=len(whole)
            ),
            candidates=[
                _row(header.instance, "RT Dose", _dose_detail(header)) for _, header in whole
            ],
        )
    notes += [Text("RT Dose {uid} not used: {why}", uid=u, why=w) for u, w in refused.items()]
    notes += [
        Text(
            "RT Dose {uid} not used: {summation} beside a PLAN dose",
            uid=tail(header.instance.sop_instance_uid),
            summation=header.summation_type,
        )
        for file, header in usable
        if header.summation_type != whole[0][1].summation_type
    ]
    return whole[0]


def _dose_detail(header: DoseHeader) -> str:
    columns, rows, frames = header.size
    return f"{header.summation_type}, grid {columns} x {rows} x {frames}"


def _refuse(header: DoseHeader, plan: Plan, path: Path) -> None:
    """Raise `UnsupportedError` for a dose that is not physical dose of the whole course."""
    dicom.refuse_dose_kind(header, path)
    if min(header.size) < 2:
        raise UnsupportedError(Text("it has a single plane, row or column"), path=path)
    why = _why_not_course(header, plan)
    if why is not None:
        summation = header.summation_type or "(none)"
        raise UnsupportedError(
            Text("the RT Dose is of kind {summation}: {why}", summation=summation, why=why),
            path=path,
        )


def _why_not_course(header: DoseHeader, plan: Plan) -> str | None:
    summation = header.summation_type
    if summation not in ("PLAN", "FRACTION"):
        return REFUSED_SUMMATIONS.get(
            summation, "it does not say whether it is the plan's whole dose"
        )
    if len(set(header.referenced_plan_uids)) > 1:
        return "it names several plans; export the dose of this plan"
    if summation == "FRACTION" and len(plan.fraction_groups) != 1:
        return "it is the dose of one of several fraction groups; export the plan dose"
    return None


# --- Proving ------------------------------------------------------------------------------------


def _require_one_patient(*instances: Instance) -> None:
    """Raise `CaseError` if two files name different patient IDs; the IDs are not shown."""
    ids = {
        instance.patient.patient_id.casefold()
        for instance in instances
        if instance.patient.patient_id
    }
    if len(ids) > 1:
        raise CaseError(
            Text("plan, structure set and dose are of different patients: their patient IDs differ")
        )


def _require_plan_in_dose_frame(plan: Instance, dose: Instance) -> None:
    frames = {plan.frame_of_reference_uid, dose.frame_of_reference_uid} - {None}
    if len(frames) > 1:
        raise CaseError(
            Text("plan and dose have different frames of reference: the dose is not of this plan")
        )


def _in_dose_frame(structures: StructureSet, dose: Instance) -> StructureSet:
    """Leave the contours of ROIs drawn in another frame of reference than the dose's out.

    Raises
    ------
    CaseError
        If no ROI lies in the frame of the dose.
    """
    frame = dose.frame_of_reference_uid

    def elsewhere(own: str | None) -> bool:
        stated = own or structures.instance.frame_of_reference_uid
        return frame is not None and stated is not None and stated != frame

    drawn = [roi for roi in structures.rois if roi.contours]
    if drawn and all(elsewhere(roi.frame_of_reference_uid) for roi in drawn):
        raise CaseError(
            Text(
                "structure set and dose have different frames of reference; export one registration"
            )
        )
    note = Text("drawn in another frame of reference than the dose: its contours are left out")
    rois = tuple(
        replace(roi, contours=(), notes=(*roi.notes, note))
        if roi.contours and elsewhere(roi.frame_of_reference_uid)
        else roi
        for roi in structures.rois
    )
    return replace(structures, rois=rois)
