"""All RT files of one patient, each parsed once, and which of them belong to which plan, by UID.

Links are UIDs: the RT Plan names its structure set, the RT Dose names its plan. File names mean
nothing; where a file lies counts only where two contents carry one UID.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from sbrtcheck import dicom
from sbrtcheck.dicom import RTFile
from sbrtcheck.dossier.case import Case, Link, Sibling, tail
from sbrtcheck.dossier.dose import (
    Chosen,
    candidate_row,
    choose_dose,
    course_dose,
    refuse_not_course,
)
from sbrtcheck.dossier.find import Found, Survey
from sbrtcheck.dossier.places import Place, on_disk
from sbrtcheck.errors import CaseError, ReadError
from sbrtcheck.model import (
    ROI,
    DoseGrid,
    Instance,
    Plan,
    StructureSet,
    Text,
    patient_key,
    same_patient,
)

__all__ = [
    "MOST_FILES",
    "Dossier",
    "Filed",
    "Unreadable",
    "open_dossier",
    "part_case",
    "where_of",
]

MOST_FILES = 10_000  # RT files of one patient
T = TypeVar("T")
PLAN_CLASSES = (dicom.RT_PLAN, dicom.RT_ION_PLAN)
SAME_FOLDER = "in the same folder"


@dataclass(frozen=True, slots=True, eq=False)
class Filed:
    """An RT file that was read, and where it lies."""

    place: Place
    file: RTFile

    @property
    def uid(self) -> str:
        """Return its SOP Instance UID."""
        return self.file.instance.sop_instance_uid

    @property
    def kind(self) -> str:
        """Return the SOP class."""
        return self.file.sop_class_uid

    @property
    def content_sha256(self) -> str:
        """Return the hash of what the file says, or where that cannot be told, of its bytes."""
        if self.file.dataset_sha256 is None:
            return self.file.sha256
        return self.file.dataset_sha256


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An RT file that cannot be read, what its first bytes say, and why."""

    found: Found
    reason: Text


@dataclass(frozen=True, kw_only=True, eq=False)
class Dossier:
    """All RT files of one patient, and what could not be looked at.

    Parameters
    ----------
    files
        Every RT file that can be read, copies included, by place.
    unreadable
        RT files that may be of the patient and cannot be read.
    unlooked
        What could not be listed or looked at.
    strangers
        RT files of other patients: their first bytes only.
    """

    files: tuple[Filed, ...]
    unreadable: tuple[Unreadable, ...] = ()
    unlooked: tuple[Text, ...] = ()
    strangers: tuple[Found, ...] = ()
    survey: Survey = field(default_factory=lambda: Survey(found=()))

    @cached_property
    def distinct(self) -> tuple[Filed, ...]:
        """Return the files without copies: one UID and dataset counts once."""
        kept: dict[tuple[str, str, str], Filed] = {}
        for filed in self.files:
            kept.setdefault((filed.kind, filed.uid, filed.content_sha256), filed)
        return tuple(kept.values())

    def of_class(self, sop_class_uid: str) -> tuple[Filed, ...]:
        """Return the files of a SOP class, copies left out."""
        return tuple(filed for filed in self.distinct if filed.kind == sop_class_uid)

    @cached_property
    def plans(self) -> tuple[Filed, ...]:
        """Return the RT Plans; where two contents carry one UID, both."""
        return self.of_class(dicom.RT_PLAN)


def where_of(place: Place, plan: Place) -> str:
    """Tell in words where a file lies, seen from a plan."""
    own, other = plan.folder, place.folder
    if own == other:
        return SAME_FOLDER
    above = os.path.dirname(own)  # noqa: PTH120 - plain text, many times
    if other.startswith(own + os.sep):
        return "in a folder below"
    if other == above:
        return "one folder above"
    if os.path.dirname(other) == above:  # noqa: PTH120
        return "in a folder beside"
    return "in another folder"


RANKS = (
    SAME_FOLDER,
    "in a folder below",
    "in a folder beside",
    "one folder above",
    "in another folder",
)


def open_dossier(
    survey: Survey, instance: Instance, given: Iterable[Filed] = ()
) -> Dossier:
    """Read every RT file of the patient of an instance, each once.

    Parameters
    ----------
    survey
        All files of the search root.
    given
        Files that were read already.

    Raises
    ------
    CaseError
        If there are more files of this patient than can be.
    """
    known = {filed.place: filed for filed in given}
    candidates = [f for f in survey.found if f.may_be_of(instance) or f.place in known]
    if len(candidates) > MOST_FILES:
        raise CaseError(
            Text(
                "more than {most} RT files of this patient lie here ({count}); part them into"
                " folders",
                most=MOST_FILES,
                count=len(candidates),
            )
        )
    read, unreadable = read_files([f for f in candidates if f.place not in known])
    everything = sorted([*known.values(), *read], key=lambda filed: _order(filed.place))
    return dossier_of(everything, unreadable, survey, instance)


def dossier_of(
    everything: Sequence[Filed],
    unreadable: Sequence[Unreadable],
    survey: Survey,
    instance: Instance,
) -> Dossier:
    """Return the dossier of the patient of an instance, from files that were read."""
    own = [filed for filed in everything if same_patient(filed.file.instance, instance)]
    own_places = {filed.place for filed in own}
    own_places |= {row.found.place for row in unreadable}
    return Dossier(
        files=tuple(own),
        unreadable=tuple(unreadable),
        unlooked=tuple(row.reason for row in survey.unread),
        strangers=tuple(f for f in survey.found if f.place not in own_places),
        survey=survey,
    )


def _order(place: Place) -> tuple[str, int]:
    if place.member is None:
        return place.path, -1
    return place.path, place.member


def read_files(found: Sequence[Found]) -> tuple[list[Filed], list[Unreadable]]:
    """Read RT files, each once; what cannot be read says why."""
    read, unreadable = [], []
    for file in found:
        try:
            with on_disk([file.place]) as paths:
                read.append(Filed(file.place, dicom.open_rt(paths[file.place])))
        except ReadError as error:
            if isinstance(error.__cause__, MemoryError):
                raise
            unreadable.append(Unreadable(file, Text("{why}", why=str(error.problem))))
    return read, unreadable


# --- One plan -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user chose by hand."""

    structure_set: Filed | None = None
    dose: Filed | None = None
    added: tuple[Sibling, ...] = ()


def case_of(dossier: Dossier, plan_file: Filed, choices: Choices | None = None) -> Case:
    """Return the case of a plan: its structure set, its dose, and what else there is.

    Raises
    ------
    CaseError
        If files are missing, ambiguous, or of different patients or frames of reference.
    ReadError
        If a file cannot be read; `UnsupportedError` if it is of a kind that is declined.
    """
    chosen = Choices() if choices is None else choices
    _refuse_two_contents(dossier, plan_file)
    plan = plan_file.file.plan()
    structures, structure_link, notes = _structures(dossier, plan_file, plan, chosen)
    dose_files, dose_links, dose_notes = _doses(dossier, plan_file, plan, chosen)
    instances = [structures.instance, *(file.instance for file in dose_files)]
    _require_one_patient(plan.instance, *instances)
    grid = _course_dose(plan, dose_files)
    plan_link = Link(
        kind="RT Plan",
        instance=plan.instance,
        how=Text("the plan to be judged"),
        path=plan_file.file.path,
    )
    return Case(
        plan=plan,
        structure_set=in_dose_frame(structures, dose_files[0].instance),
        dose=grid,
        links=(plan_link, structure_link, *dose_links),
        siblings=(*chosen.added, *_siblings(dossier, plan_file, chosen)),
        orphans=tuple(filed.file for filed in orphans_of(dossier, chosen)),
        unknown=unknown_of(dossier, plan_file),
        notes=(*notes, *dose_notes),
    )


def _course_dose(plan: Plan, files: Sequence[RTFile]) -> DoseGrid:
    try:
        return course_dose(plan, files)
    except CaseError as error:
        if error.path is None:
            error.path = files[0].path
        raise


def _refuse_two_contents(dossier: Dossier, plan_file: Filed) -> None:
    """Raise `CaseError` if two plans of different content carry the UID of this one."""
    same = [filed for filed in dossier.plans if filed.uid == plan_file.uid]
    if len(same) > 1:
        raise two_contents("RT Plan", plan_file.uid, same)


def two_contents(kind: str, uid: str, files: Sequence[Filed]) -> CaseError:
    """Return the error of two files of one UID and different content."""
    return CaseError(
        Text(
            "files of kind {kind} carry the same SOP Instance UID {uid} and differ in content;"
            " remove the wrong one",
            kind=kind,
            uid=tail(uid),
        ),
        candidates=[candidate_row(filed.file.instance, kind, "") for filed in files],
    )


def _nearest(files: Sequence[Filed], plan: Place) -> tuple[list[Filed], list[Filed]]:
    """Part files into those of the nearest kind of place, and the others."""
    ranks = [RANKS.index(where_of(filed.place, plan)) for filed in files]
    best = min(ranks)
    near = [filed for filed, rank in zip(files, ranks, strict=True) if rank == best]
    far = [filed for filed, rank in zip(files, ranks, strict=True) if rank != best]
    return near, far


def _elsewhere(kind: str, filed: Filed, plan: Place) -> Text:
    return Text(
        "another {kind} of this plan lies {where}: not used",
        kind=kind,
        where=where_of(filed.place, plan),
    )


def _structures(
    dossier: Dossier, plan_file: Filed, plan: Plan, chosen: Choices
) -> tuple[StructureSet, Link, list[Text]]:
    """Return the structure set that a plan names, or the one given by hand, with its link."""
    kind = "RT Structure Set"
    wanted = plan.structure_set_uid
    if chosen.structure_set is not None:
        file = chosen.structure_set.file
        structures = file.structure_set()
        matches = structures.instance.sop_instance_uid == wanted
        named = "none"
        if wanted is not None:
            named = tail(wanted)
        how = Text("given by hand; the plan names {uid}", uid=named)
        if matches:
            how = Text("given by hand; it is the one that the plan names")
        link = Link(
            kind=kind,
            instance=structures.instance,
            how=how,
            by_hand=True,
            matches_uid=matches,
            path=file.path,
        )
        return structures, link, []
    if wanted is None:
        raise CaseError(
            Text("the plan names no structure set; add --struct FILE"),
            candidates=_near_rows(dossier, dicom.RT_STRUCTURE_SET, plan_file),
        )
    named_files = [
        f for f in dossier.of_class(dicom.RT_STRUCTURE_SET) if f.uid == wanted
    ]
    if not named_files:
        raise _no_structures(dossier, plan_file, wanted)
    near, far = _nearest(named_files, plan_file.place)
    if len(near) > 1:
        raise two_contents(kind, wanted, near)
    structures = near[0].file.structure_set()
    how = Text(
        "named by the plan, {where}", where=where_of(near[0].place, plan_file.place)
    )
    link = Link(
        kind=kind, instance=structures.instance, how=how, path=near[0].file.path
    )
    return structures, link, [_elsewhere(kind, filed, plan_file.place) for filed in far]


def _no_structures(dossier: Dossier, plan_file: Filed, wanted: str) -> CaseError:
    """Say why the structure set that a plan names is not there: of another patient, or missing."""
    strangers = [f for f in dossier.strangers if f.peek.sop_instance_uid == wanted]
    if strangers:
        return CaseError(
            Text("the files are of different patients: their patient IDs differ")
        )
    broken = [
        row
        for row in dossier.unreadable
        if row.found.peek.sop_class_uid == dicom.RT_STRUCTURE_SET
        and row.found.peek.sop_instance_uid in (wanted, None)
    ]
    if broken:
        return CaseError(
            Text(
                "the structure set of the plan cannot be read: {why}",
                why=broken[0].reason,
            ),
            path=Path(broken[0].found.place.path),
        )
    return CaseError(
        Text(
            "the structure set {uid} that the plan names is not beside it, nor in the folders around"
            " it; put it there or add --struct FILE",
            uid=tail(wanted),
        ),
        candidates=_near_rows(dossier, dicom.RT_STRUCTURE_SET, plan_file),
    )


def _near_rows(dossier: Dossier, sop_class_uid: str, plan_file: Filed) -> list[Text]:
    """Describe what there is of a class; what lies further away is only counted."""
    files = dossier.of_class(sop_class_uid)
    near = [f for f in files if where_of(f.place, plan_file.place) == SAME_FOLDER]
    rows = [
        Text(
            "{kind} {uid}  {where}",
            kind=dicom.class_name(sop_class_uid),
            uid=tail(filed.uid),
            where=SAME_FOLDER,
        )
        for filed in near
    ]
    rows += [
        Text(
            "{kind} that cannot be read: {why}",
            kind=dicom.class_name(sop_class_uid),
            why=row.reason,
        )
        for row in dossier.unreadable
        if row.found.peek.sop_class_uid == sop_class_uid
    ]
    if len(near) < len(files):
        rows.append(Text("{count} of other folders", count=len(files) - len(near)))
    return rows


def _doses(
    dossier: Dossier, plan_file: Filed, plan: Plan, chosen: Choices
) -> tuple[list[RTFile], list[Link], list[Text]]:
    """Return the doses that add up to the course of a plan, with their links."""
    if chosen.dose is not None:
        file = chosen.dose.file
        refuse_not_course(file, plan)
        matches = plan.instance.sop_instance_uid in file.plan_uids
        how = Text("given by hand; it does not name this plan")
        if matches:
            how = Text("given by hand; it names this plan")
        link = Link(
            kind="RT Dose",
            instance=file.instance,
            how=how,
            by_hand=True,
            matches_uid=matches,
            path=file.path,
        )
        return [file], [link], []
    found, notes = doses_naming(dossier, plan_file)
    if not found:
        raise _no_dose(dossier, plan_file)
    decided = _decided(plan, found)
    by_file = {id(filed.file): filed for filed in found}
    links = [
        Link(
            kind="RT Dose",
            instance=file.instance,
            how=Text(
                "it names this plan, {where}",
                where=where_of(by_file[id(file)].place, plan_file.place),
            ),
            path=file.path,
        )
        for file in decided.doses
    ]
    return list(decided.doses), links, [*notes, *decided.notes]


def _decided(plan: Plan, found: Sequence[Filed]) -> Chosen:
    return choose_dose(plan, [filed.file for filed in found])


def doses_naming(dossier: Dossier, plan_file: Filed) -> tuple[list[Filed], list[Text]]:
    """Return the doses that name a plan, of the nearest kind of place; note what differs elsewhere."""
    named = [
        filed
        for filed in dossier.of_class(dicom.RT_DOSE)
        if plan_file.uid in filed.file.plan_uids
    ]
    if not named:
        return [], []
    near, far = _nearest(named, plan_file.place)
    uids = [filed.uid for filed in near]
    twice = next((uid for uid in uids if uids.count(uid) > 1), None)
    if twice is not None:
        raise two_contents(
            "RT Dose", twice, [filed for filed in near if filed.uid == twice]
        )
    return near, [_elsewhere("RT Dose", filed, plan_file.place) for filed in far]


def _no_dose(dossier: Dossier, plan_file: Filed) -> CaseError:
    if _names_plan_of_stranger(dossier, plan_file):
        return CaseError(
            Text("the files are of different patients: their patient IDs differ")
        )
    return CaseError(
        Text(
            "no RT Dose beside the plan, nor in the folders around it, names this plan; put it"
            " there or add --dose FILE"
        ),
        candidates=_near_rows(dossier, dicom.RT_DOSE, plan_file),
    )


def _names_plan_of_stranger(dossier: Dossier, plan_file: Filed) -> bool:
    """Tell whether a dose in the plan's own folder names it and states another patient."""
    doses = [
        found
        for found in dossier.strangers
        if found.peek.sop_class_uid == dicom.RT_DOSE
        and where_of(found.place, plan_file.place) == SAME_FOLDER
    ]
    read, _ = read_files(doses)
    return any(plan_file.uid in filed.file.plan_uids for filed in read)


# --- What else there is -------------------------------------------------------------------------


def _siblings(dossier: Dossier, plan_file: Filed, chosen: Choices) -> list[Sibling]:
    """Return the other plans of the patient, each once, with what belongs to them."""
    asked = {sibling.instance.sop_instance_uid for sibling in chosen.added}
    siblings: dict[str, Sibling] = {}
    for filed in dossier.distinct:
        if filed.kind not in PLAN_CLASSES or filed.uid in (plan_file.uid, *asked):
            continue
        where = where_of(filed.place, plan_file.place)
        siblings.setdefault(filed.uid, sibling_of(dossier, filed, where))
    return list(siblings.values())


def sibling_of(
    dossier: Dossier, plan_file: Filed, where: str, *, asked_for: bool = False
) -> Sibling:
    """Return another plan with its structure set and its doses, as far as they can be read."""
    file = plan_file.file
    plan = _tried(file.plan)
    structures = None
    if plan is not None and plan.structure_set_uid is not None:
        named = [
            filed
            for filed in dossier.of_class(dicom.RT_STRUCTURE_SET)
            if filed.uid == plan.structure_set_uid
        ]
        if named:
            structures = _tried(
                _nearest(named, plan_file.place)[0][0].file.structure_set
            )
    doses: list[Filed] = []
    try:
        doses, _ = doses_naming(dossier, plan_file)
    except CaseError:
        structures = None  # two contents: what it gives is not known
    return Sibling(
        instance=file.instance,
        kind=dicom.class_name(file.sop_class_uid),
        where=where,
        plan=plan,
        structure_set=structures,
        doses=tuple(filed.file for filed in doses),
        asked_for=asked_for,
    )


def _tried(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except ReadError:
        return None


def part_case(sibling: Sibling) -> Case:
    """Return another plan as a case of its own, its dose read.

    Raises
    ------
    CaseError
        If it has no structure set, no dose, or several.
    ReadError
        If a file cannot be read.
    """
    if sibling.plan is None or sibling.structure_set is None:
        raise CaseError(
            Text("its plan or structure set is not there or cannot be read")
        )
    plan, structures = sibling.plan, sibling.structure_set
    if sibling.dose is not None:
        return Case(plan=plan, structure_set=structures, dose=sibling.dose)
    if not sibling.doses:
        raise CaseError(Text("no RT Dose names it"))
    chosen = choose_dose(plan, sibling.doses)
    links = [
        Link(kind="RT Plan", instance=plan.instance, how=Text("a part of the course"))
    ]
    links.append(
        Link(
            kind="RT Structure Set",
            instance=structures.instance,
            how=Text("named by the plan, {where}", where=sibling.where),
        )
    )
    links += [
        Link(
            kind="RT Dose",
            instance=file.instance,
            how=Text("it names this plan, {where}", where=sibling.where),
        )
        for file in chosen.doses
    ]
    grid = course_dose(plan, chosen.doses)
    return Case(
        plan=plan,
        structure_set=in_dose_frame(structures, chosen.doses[0].instance),
        dose=grid,
        links=tuple(links),
        notes=chosen.notes,
    )


def orphans_of(dossier: Dossier, chosen: Choices | None = None) -> list[Filed]:
    """Return the doses of the patient that name no plan, or one that is not among the files."""
    uids = {filed.uid for filed in dossier.distinct if filed.kind in PLAN_CLASSES}
    given = None
    if chosen is not None and chosen.dose is not None:
        given = chosen.dose.uid
    return [
        filed
        for filed in dossier.of_class(dicom.RT_DOSE)
        if filed.uid != given
        and (not filed.file.plan_uids or not uids.issuperset(filed.file.plan_uids))
    ]


def unknown_of(dossier: Dossier, plan_file: Filed) -> tuple[Text, ...]:
    """Return why there may be further plans, or dose of them."""
    reasons = list(dict.fromkeys(dossier.unlooked))
    for row in dossier.unreadable:
        kind = row.found.peek.sop_class_uid
        if kind == dicom.RT_STRUCTURE_SET:
            continue  # without it a plan counts as one whose targets are not known
        reasons.append(
            Text(
                "an {kind} {where} cannot be read, and may be of this patient: {why}",
                kind=dicom.class_name(kind),
                where=where_of(row.found.place, plan_file.place),
                why=row.reason,
            )
        )
    plan_uids = [f.uid for f in dossier.distinct if f.kind == dicom.RT_PLAN]
    twice = {
        uid for uid in plan_uids if plan_uids.count(uid) > 1 and uid != plan_file.uid
    }
    reasons += [
        Text("two RT Plans carry the UID {uid} and differ in content", uid=tail(uid))
        for uid in sorted(twice)
    ]
    return tuple(reasons)


# --- Proving ------------------------------------------------------------------------------------


def _require_one_patient(*instances: Instance) -> None:
    """Raise `CaseError` if two files name different patient IDs; the IDs are not shown."""
    keys = {patient_key(instance.patient.patient_id) for instance in instances} - {""}
    if len(keys) > 1:
        raise CaseError(
            Text("the files are of different patients: their patient IDs differ")
        )


def in_dose_frame(structures: StructureSet, dose: Instance) -> StructureSet:
    """Leave the contours of ROIs drawn in another frame of reference than the dose's out.

    Raises
    ------
    CaseError
        If no ROI lies in the frame of the dose.
    """
    frame = dose.frame_of_reference_uid

    def elsewhere(roi: ROI) -> bool:
        stated = roi.frame_of_reference_uid
        if stated is None:
            stated = structures.instance.frame_of_reference_uid
        return frame is not None and stated is not None and stated != frame

    drawn = [roi for roi in structures.rois if roi.contours]
    if drawn and all(elsewhere(roi) for roi in drawn):
        raise CaseError(
            Text(
                "structure set and dose have different frames of reference; export one registration"
            )
        )
    problem = Text("it is drawn in another frame of reference than the dose")
    rois = tuple(
        replace(roi, contours=(), problem=problem)
        if roi.contours and elsewhere(roi)
        else roi
        for roi in structures.rois
    )
    return replace(structures, rois=rois)
