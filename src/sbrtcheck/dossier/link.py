"""All RT files of one patient, each parsed once, and which of them belong to which plan, by UID.

Links are UIDs: the RT Plan names its structure set, the RT Dose names its plan. File names mean
nothing; where a file lies counts only where two contents carry one UID.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeGuard, TypeVar

from sbrtcheck import dicom
from sbrtcheck.dicom import RTFile
from sbrtcheck.dossier.case import Case, Link, Sibling, tail
from sbrtcheck.dossier.dose import (
    candidate_row,
    choose_dose,
    course_dose,
    one_frame,
    refuse_not_course,
)
from sbrtcheck.dossier.find import Found, Survey, of_class
from sbrtcheck.dossier.groups import grouped
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
OTHER_PATIENT = Text(
    "the files are of different patients: their patient IDs differ; export the files"
    " of one patient"
)


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

    @property
    def place(self) -> Place:
        """Return where it lies."""
        return self.found.place

    @property
    def kind(self) -> str:
        """Return the SOP class that its first bytes say."""
        return self.found.peek.sop_class_uid


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
        return without_copies(self.files)

    def of_class(self, *sop_class_uids: str) -> tuple[Filed, ...]:
        """Return the files of a SOP class, or of several, copies left out."""
        return tuple(filed for filed in self.distinct if filed.kind in sop_class_uids)

    @cached_property
    def plans(self) -> tuple[Filed, ...]:
        """Return the RT Plans; where two contents carry one UID, both."""
        return self.of_class(dicom.RT_PLAN)

    @cached_property
    def plans_of_any_kind(self) -> tuple[Filed, ...]:
        """Return the RT Plans and the RT Ion Plans, copies left out."""
        return self.of_class(*PLAN_CLASSES)

    def of_uid(self, sop_class_uid: str, uid: str | None) -> list[Filed]:
        """Return the files of a SOP class that carry a UID; several where contents differ."""
        return [filed for filed in self.of_class(sop_class_uid) if filed.uid == uid]

    def plans_of(self, dose: Filed) -> list[Filed]:
        """Return the RT Plans that a dose names."""
        return [plan for plan in self.plans if plan.uid in dose.file.plan_uids]

    def doses_of(self, plan: Filed) -> list[Filed]:
        """Return the RT Doses that name a plan."""
        doses = self.of_class(dicom.RT_DOSE)
        return [dose for dose in doses if plan.uid in dose.file.plan_uids]

    def unreadable_of(self, sop_class_uid: str) -> list[Unreadable]:
        """Return what cannot be read and is of a SOP class, as its first bytes say."""
        return [row for row in self.unreadable if row.kind == sop_class_uid]


def without_copies(files: Iterable[Filed]) -> tuple[Filed, ...]:
    """Return files without copies: one UID and dataset counts once."""
    kept: dict[tuple[str, str, str], Filed] = {}
    for filed in files:
        kept.setdefault((filed.kind, filed.uid, filed.content_sha256), filed)
    return tuple(kept.values())


def is_of(filed: Filed | None, sop_class_uid: str) -> TypeGuard[Filed]:
    """Tell whether there is a file, and of this SOP class."""
    if filed is None:
        return False
    return filed.kind == sop_class_uid


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
    everything = sorted([*known.values(), *read], key=lambda filed: filed.place)
    return dossier_of(everything, unreadable, survey, instance)


def dossier_of(
    everything: Sequence[Filed],
    unreadable: Sequence[Unreadable],
    survey: Survey,
    instance: Instance,
) -> Dossier:
    """Return the dossier of the patient of an instance, from files that were read."""
    own = [filed for filed in everything if same_patient(filed.file.instance, instance)]
    own_files: tuple[Filed | Unreadable, ...] = (*own, *unreadable)
    own_places = {file.place for file in own_files}
    return Dossier(
        files=tuple(own),
        unreadable=tuple(unreadable),
        unlooked=tuple(row.reason for row in survey.unread),
        strangers=tuple(f for f in survey.found if f.place not in own_places),
        survey=survey,
    )


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


NO_CHOICES = Choices()


def case_of(dossier: Dossier, plan_file: Filed, choices: Choices = NO_CHOICES) -> Case:
    """Return the case of a plan: its structure set, its dose, and what else there is.

    Raises
    ------
    CaseError
        If files are missing, ambiguous, or of different patients or frames of reference.
    ReadError
        If a file cannot be read; `UnsupportedError` if it is of a kind that is declined.
    """
    refuse_two_contents("RT Plan", dossier.of_uid(dicom.RT_PLAN, plan_file.uid))
    plan = plan_file.file.plan()
    structures, structure_link, notes = _structures(dossier, plan_file, plan, choices)
    dose_files, dose_links, dose_notes = _doses(dossier, plan_file, plan, choices)
    instances = [structures.instance, *(file.instance for file in dose_files)]
    require_one_patient(plan.instance, *instances)
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
        siblings=(*choices.added, *_siblings(dossier, plan_file, choices)),
        orphans=tuple(filed.file for filed in orphans_of(dossier, choices)),
        unknown=unknown_of(dossier, plan_file),
        notes=(*notes, *dose_notes),
    )


def _course_dose(plan: Plan, files: Sequence[RTFile]) -> DoseGrid:
    try:
        return course_dose(plan, files)
    except CaseError as error:
        error.path = files[0].path
        raise


def refuse_two_contents(kind: str, files: Sequence[Filed]) -> None:
    """Raise `CaseError` if two files of different content carry one UID."""
    for uid, same in grouped(files, lambda filed: filed.uid).items():
        if len(same) > 1:
            raise two_contents(kind, uid, same)


def two_contents(kind: str, uid: str, files: Sequence[Filed]) -> CaseError:
    """Return the error of two files of one UID and different content."""
    return CaseError(differing(kind, uid), candidates=candidate_rows(kind, files))


def differing(kind: str, uid: str) -> Text:
    """Say that files of one UID differ in content."""
    return Text(
        "files of kind {kind} carry the same SOP Instance UID {uid} and differ in content;"
        " remove the wrong one",
        kind=kind,
        uid=tail(uid),
    )


def candidate_rows(kind: str, files: Sequence[Filed]) -> list[Text]:
    """Describe candidates of one kind; see `candidate_row`."""
    return [candidate_row(filed.file.instance, kind, "") for filed in files]


def nearest(files: Sequence[Filed], plan: Place) -> tuple[list[Filed], list[Filed]]:
    """Part files into those of the nearest kind of place, and the others."""
    by_where = grouped(files, lambda filed: where_of(filed.place, plan))
    near = by_where[min(by_where, key=RANKS.index)]
    far = [filed for filed in files if filed not in near]
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
    wanted = plan.structure_set_uid
    if chosen.structure_set is not None:
        structures, link = _structures_by_hand(chosen.structure_set.file, wanted)
        return structures, link, []
    if wanted is None:
        raise CaseError(
            Text("the plan names no structure set; add --struct FILE"),
            candidates=_near_rows(dossier, dicom.RT_STRUCTURE_SET, plan_file),
        )
    named = dossier.of_uid(dicom.RT_STRUCTURE_SET, wanted)
    if not named:
        raise _no_structures(dossier, plan_file, wanted)
    kind = "RT Structure Set"
    near, far = nearest(named, plan_file.place)
    refuse_two_contents(kind, near)
    structures = near[0].file.structure_set()
    how = Text(
        "named by the plan, {where}", where=where_of(near[0].place, plan_file.place)
    )
    link = Link(
        kind=kind, instance=structures.instance, how=how, path=near[0].file.path
    )
    return structures, link, [_elsewhere(kind, filed, plan_file.place) for filed in far]


def _structures_by_hand(file: RTFile, wanted: str | None) -> tuple[StructureSet, Link]:
    structures = file.structure_set()
    uid = structures.instance.sop_instance_uid
    link = Link(
        kind="RT Structure Set",
        instance=structures.instance,
        how=_how_by_hand(uid, wanted),
        by_hand=True,
        matches_uid=uid == wanted,
        path=file.path,
    )
    return structures, link


def _how_by_hand(uid: str, wanted: str | None) -> Text:
    if wanted is None:
        return Text("given by hand; the plan names {uid}", uid="none")
    if uid == wanted:
        return Text("given by hand; it is the one that the plan names")
    return Text("given by hand; the plan names {uid}", uid=tail(wanted))


def _no_structures(dossier: Dossier, plan_file: Filed, wanted: str) -> CaseError:
    """Say why the structure set that a plan names is not there: of another patient, or missing."""
    strangers = [f for f in dossier.strangers if f.peek.sop_instance_uid == wanted]
    if strangers:
        return CaseError(OTHER_PATIENT)
    broken = [
        row
        for row in dossier.unreadable_of(dicom.RT_STRUCTURE_SET)
        if row.found.peek.sop_instance_uid in (wanted, None)
    ]
    if broken:
        return CaseError(
            Text(
                "the structure set of the plan cannot be read: {why}",
                why=broken[0].reason,
            ),
            path=Path(broken[0].place.path),
        )
    return CaseError(
        Text(
            "the structure set {uid} that the plan names is not beside it, nor in the folders"
            " around"
            " it; put it there or add --struct FILE",
            uid=tail(wanted),
        ),
        candidates=_near_rows(dossier, dicom.RT_STRUCTURE_SET, plan_file),
    )


def _near_rows(dossier: Dossier, sop_class_uid: str, plan_file: Filed) -> list[Text]:
    """Describe what there is of a class; what lies further away is only counted."""
    files = dossier.of_class(sop_class_uid)
    kind = dicom.class_name(sop_class_uid)
    near = [
        Text("{kind} {uid}  {where}", kind=kind, uid=tail(filed.uid), where=SAME_FOLDER)
        for filed in files
        if where_of(filed.place, plan_file.place) == SAME_FOLDER
    ]
    broken = [
        Text("{kind} that cannot be read: {why}", kind=kind, why=row.reason)
        for row in dossier.unreadable_of(sop_class_uid)
    ]
    further = len(files) - len(near)
    if not further:
        return [*near, *broken]
    return [*near, *broken, Text("{count} of other folders", count=further)]


def _doses(
    dossier: Dossier, plan_file: Filed, plan: Plan, chosen: Choices
) -> tuple[list[RTFile], list[Link], list[Text]]:
    """Return the doses that add up to the course of a plan, with their links."""
    if chosen.dose is not None:
        file = chosen.dose.file
        return [file], [_dose_by_hand(file, plan)], []
    found, notes = doses_naming(dossier, plan_file)
    if not found:
        raise _no_dose(dossier, plan_file)
    decided = choose_dose(plan, [filed.file for filed in found])
    links = [
        Link(
            kind="RT Dose",
            instance=filed.file.instance,
            how=Text(
                "it names this plan, {where}",
                where=where_of(filed.place, plan_file.place),
            ),
            path=filed.file.path,
        )
        for filed in found
        if filed.file in decided.doses
    ]
    return list(decided.doses), links, [*notes, *decided.notes]


def _dose_by_hand(file: RTFile, plan: Plan) -> Link:
    refuse_not_course(file, plan)
    matches = plan.instance.sop_instance_uid in file.plan_uids
    how = Text("given by hand; it does not name this plan")
    if matches:
        how = Text("given by hand; it names this plan")
    return Link(
        kind="RT Dose",
        instance=file.instance,
        how=how,
        by_hand=True,
        matches_uid=matches,
        path=file.path,
    )


def doses_naming(dossier: Dossier, plan_file: Filed) -> tuple[list[Filed], list[Text]]:
    """Return the doses that name a plan, of the nearest kind of place; note what differs elsewhere."""
    named = dossier.doses_of(plan_file)
    if not named:
        return [], []
    near, far = nearest(named, plan_file.place)
    refuse_two_contents("RT Dose", near)
    return near, [_elsewhere("RT Dose", filed, plan_file.place) for filed in far]


def _no_dose(dossier: Dossier, plan_file: Filed) -> CaseError:
    if _names_plan_of_stranger(dossier, plan_file):
        return CaseError(OTHER_PATIENT)
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
        for found in of_class(dossier.strangers, dicom.RT_DOSE)
        if where_of(found.place, plan_file.place) == SAME_FOLDER
    ]
    read, _ = read_files(doses)
    return any(plan_file.uid in filed.file.plan_uids for filed in read)


# --- What else there is -------------------------------------------------------------------------


def _siblings(dossier: Dossier, plan_file: Filed, chosen: Choices) -> list[Sibling]:
    """Return the other plans of the patient, each once, with what belongs to them."""
    told = {sibling.instance.sop_instance_uid for sibling in chosen.added}
    told.add(plan_file.uid)
    siblings = []
    for filed in dossier.plans_of_any_kind:
        if filed.uid in told:
            continue
        told.add(filed.uid)
        where = where_of(filed.place, plan_file.place)
        siblings.append(sibling_of(dossier, filed, where))
    return siblings


def sibling_of(
    dossier: Dossier, plan_file: Filed, where: str, *, asked_for: bool = False
) -> Sibling:
    """Return another plan with its structure set and its doses, as far as they can be read."""
    file = plan_file.file
    plan = _tried(file.plan)
    structures = _structures_beside(dossier, plan_file.place, plan)
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


def _structures_beside(
    dossier: Dossier, place: Place, plan: Plan | None
) -> StructureSet | None:
    """Return the structure set that another plan names, where it is found and can be read."""
    if plan is None:
        return None
    named = dossier.of_uid(dicom.RT_STRUCTURE_SET, plan.structure_set_uid)
    if not named:
        return None
    near, _ = nearest(named, place)
    return _tried(near[0].file.structure_set)


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
        Link(kind="RT Plan", instance=plan.instance, how=Text("a part of the course")),
        Link(
            kind="RT Structure Set",
            instance=structures.instance,
            how=Text("named by the plan, {where}", where=sibling.where),
        ),
    ]
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


def orphans_of(dossier: Dossier, chosen: Choices) -> list[Filed]:
    """Return the doses of the patient that name no plan, or one that is not among the files."""
    uids = {filed.uid for filed in dossier.plans_of_any_kind}
    doses = dossier.of_class(dicom.RT_DOSE)
    orphans = [filed for filed in doses if _is_orphan(filed.file, uids)]
    if chosen.dose is None:
        return orphans
    return [filed for filed in orphans if filed.uid != chosen.dose.uid]


def _is_orphan(dose: RTFile, plan_uids: set[str]) -> bool:
    if not dose.plan_uids:
        return True
    return not plan_uids.issuperset(dose.plan_uids)


def unknown_of(dossier: Dossier, plan_file: Filed) -> tuple[Text, ...]:
    """Return why there may be further plans, or dose of them."""
    reasons = list(dict.fromkeys(dossier.unlooked))
    for row in dossier.unreadable:
        if row.kind == dicom.RT_STRUCTURE_SET:
            continue  # without it a plan counts as one whose targets are not known
        reasons.append(
            Text(
                "an {kind} {where} cannot be read, and may be of this patient: {why}",
                kind=dicom.class_name(row.kind),
                where=where_of(row.place, plan_file.place),
                why=row.reason,
            )
        )
    contents = Counter(plan.uid for plan in dossier.plans)
    twice = set(contents - Counter(contents.keys()))
    reasons += [
        Text(
            "two RT Plans carry the UID {uid} and differ in content; remove the wrong one",
            uid=tail(uid),
        )
        for uid in sorted(twice - {plan_file.uid})
    ]
    return tuple(reasons)


# --- Proving ------------------------------------------------------------------------------------


def require_one_patient(*instances: Instance, path: Path | None = None) -> None:
    """Raise `CaseError` if two files name different patient IDs; the IDs are not shown."""
    keys = {patient_key(instance.patient.patient_id) for instance in instances} - {""}
    if len(keys) > 1:
        raise CaseError(OTHER_PATIENT, path=path)


def in_dose_frame(structures: StructureSet, dose: Instance) -> StructureSet:
    """Leave the contours of ROIs drawn in another frame of reference than the dose's out.

    Raises
    ------
    CaseError
        If no ROI lies in the frame of the dose.
    """
    drawn = [roi for roi in structures.rois if roi.contours]
    problem = Text("it is drawn in another frame of reference than the dose")
    left_out = {
        roi: replace(roi, contours=(), problem=problem)
        for roi in drawn
        if not _in_frame(roi, structures.instance, dose)
    }
    if drawn and left_out.keys() == set(drawn):
        raise CaseError(
            Text(
                "structure set and dose have different frames of reference; export one"
                " registration"
            )
        )
    rois = tuple(left_out.get(roi, roi) for roi in structures.rois)
    return replace(structures, rois=rois)


def _in_frame(roi: ROI, structures: Instance, dose: Instance) -> bool:
    stated = roi.frame_of_reference_uid
    if stated is None:
        stated = structures.frame_of_reference_uid
    return one_frame(stated, dose.frame_of_reference_uid)
