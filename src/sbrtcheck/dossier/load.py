"""From any one file or folder to a case: find what belongs together, and prove that it does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.dossier.choose import (
    Link,
    choose_structures,
    nearest_of,
    option_path,
    row,
    uid_of,
    unique,
)
from sbrtcheck.dossier.dose import Chosen, choose_dose, load_course_dose
from sbrtcheck.dossier.others import Other, find_others
from sbrtcheck.dossier.search import NEAR, Found, Search, class_of, search_around, unpacked
from sbrtcheck.errors import CaseError, ReadError, UnsupportedError
from sbrtcheck.model import (
    DoseGrid,
    DoseHeader,
    Instance,
    Patient,
    Plan,
    StructureSet,
    Text,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A plan, its structure set and its dose, proven to belong together.

    `others` are further plans of the patient that lie near; `added` are those of them that the
    user has asked to add, complete cases of their own.
    """

    plan: Plan
    structure_set: StructureSet
    dose: DoseGrid
    links: tuple[Link, ...] = ()
    others: tuple[Other, ...] = ()
    added: "tuple[Case, ...]" = ()
    notes: tuple[Text, ...] = ()

    def links_of(self, kind: str) -> tuple[Link, ...]:
        """Return the links of one kind of file: "RT Plan", "RT Structure Set", "RT Dose"."""
        return tuple(link for link in self.links if link.kind == kind)

    @property
    def patients(self) -> tuple[Patient, ...]:
        """Return who the files say the patient is, the plan first: they may spell a name otherwise."""
        instances = [self.plan.instance, self.structure_set.instance]
        instances += [link.instance for link in self.links]
        for other in self.others:
            instances.append(other.instance)
            if other.structure_set is not None:
                instances.append(other.structure_set.instance)
        of_parts = [patient for part in self.added for patient in part.patients]
        return tuple(dict.fromkeys([*(instance.patient for instance in instances), *of_parts]))


@dataclass(frozen=True, slots=True)
class _Options:
    """What the user chose by hand."""

    structure_set: str | Path | None = None
    dose: str | Path | None = None
    with_plans: tuple[str | Path, ...] = ()


def load_case(
    path: str | Path,
    *,
    structure_set: str | Path | None = None,
    dose: str | Path | None = None,
    with_plans: Sequence[str | Path] = (),
) -> Case:
    """Find and read the plan, structure set and dose that belong together.

    Parameters
    ----------
    path
        An RT Plan, RT Structure Set or RT Dose file, a folder or zip archive holding one plan,
        or a DICOMDIR.
    structure_set, dose
        The file to use where links are missing or ambiguous: a path, or the end of the UID of
        one of the candidates.
    with_plans
        Other plans of the same treatment, whose dose is to be added for the spinal cord.

    Raises
    ------
    CaseError
        If files are missing, ambiguous, or of different patients or frames of reference.
    ReadError
        If a file cannot be read; `UnsupportedError` if it is of a kind that is declined.

    Examples
    --------
    >>> from sbrtcheck import load_case
    >>> case = load_case("sample_dicom/t8_30gy5_pass/RP.dcm")
    >>> len(case.structure_set.rois), case.dose.spacing_mm
    (10, (2.0, 2.0, 2.0))
    """
    with open_case(path, structure_set=structure_set, dose=dose, with_plans=with_plans) as case:
        return case


@contextmanager
def open_case(
    path: str | Path,
    *,
    structure_set: str | Path | None = None,
    dose: str | Path | None = None,
    with_plans: Sequence[str | Path] = (),
) -> Iterator[Case]:
    """Load a case as `load_case` does, and keep the files of its links readable meanwhile.

    Those of an archive are unpacked and gone afterwards.
    """
    start = Path(path)
    options = _Options(structure_set, dose, tuple(with_plans))
    with unpacked(start) as place:
        yield _from_place(place, start, options)


def _from_place(place: Path, start: Path, options: _Options) -> Case:
    """Return the case of what the user named, `start`, once it lies unpacked at `place`."""
    if place != start:
        try:
            return _from_folder(place, options, packed=True)
        except (CaseError, ReadError) as error:
            error.path = start  # the temporary folder is gone when this is read
            raise
    if start.name.upper() == "DICOMDIR" and start.is_file():
        return _from_folder(start.parent, options)
    return _from_folder(start, options) if _is_folder(start) else _from_file(start, options)


def load_structures(path: str | Path) -> StructureSet:
    """Read a structure set: itself, or the one that a plan, a dose or a folder leads to.

    No dose is needed, unless the path is one.

    Raises
    ------
    CaseError
        If there is no structure set, or several could be meant.
    ReadError
        If a file cannot be read.
    """
    start = Path(path)
    with unpacked(start) as place:
        if _is_folder(place):
            search = search_around(place, around=False)
            found = unique(search.of_class(dicom.RT_STRUCTURE_SET), dicom.load_structure_set)
            if len(found) == 1:
                return found[0][1]
            return load_case(place).structure_set
        kind = class_of(place)
        if kind == dicom.RT_STRUCTURE_SET:
            return dicom.load_structure_set(place)
        if kind == dicom.RT_DOSE:
            return load_case(place).structure_set
        return choose_structures(dicom.load_plan(place), search_around(place.parent), None, [])[1]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # a name that no file system takes
        raise ReadError(Text("this is not a path of a file or folder"), path=path) from error


def _from_folder(folder: Path, options: _Options, *, packed: bool = False) -> Case:
    inside = search_around(folder, around=False)
    plans = unique(inside.of_class(dicom.RT_PLAN), dicom.load_plan)
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
            candidates=[row(plan.instance, "RT Plan") for _, plan in plans],
        )
    file, plan = plans[0]
    search = inside if packed else search_around(file.path.parent).joined(inside)
    return _complete(plan, search, options)


def _from_file(path: Path, options: _Options) -> Case:
    kind = class_of(path)
    notes: list[Text] = []
    if kind == dicom.RT_STRUCTURE_SET:
        search = search_around(path.parent)
        own = dicom.load_structure_set(path)
        plan = _plan_of_structure_set(own, search, path, notes)
        return _complete(
            plan, search, replace(options, structure_set=options.structure_set or path), notes
        )
    if kind == dicom.RT_DOSE:
        header = dicom.load_dose_header(path)
        dicom.refuse_dose_kind(header, path)
        search = search_around(path.parent)
        plan = _plan_of_dose(header, search, path, notes)
        if header.summation_type != "BEAM":  # one beam is not the course; all together may be
            options = replace(options, dose=options.dose or path)
        return _complete(plan, search, options, notes)
    plan = dicom.load_plan(path)  # which refuses whatever is not an RT Plan, in its own words
    return _complete(plan, search_around(path.parent), options)


def _complete(plan: Plan, search: Search, options: _Options, notes: Sequence[Text] = ()) -> Case:
    """Add structure set, dose and other plans to a plan, and prove that they are one case."""
    found: list[Text] = [*notes, *search.notes]
    chosen = choose_dose(plan, search, options.dose, found)
    structure_link, structures = choose_structures(plan, search, options.structure_set, found)
    doses = [link.instance for link in chosen.links]
    _require_one_patient(plan.instance, structures.instance, *doses)
    grid, dose_links = _course_dose(chosen, doses)
    structures = _in_dose_frame(structures, doses[0])
    for dose in doses:
        _require_plan_in_dose_frame(plan.instance, dose)
    plan_link = Link(kind="RT Plan", instance=plan.instance, how=Text("the plan to be judged"))
    case = Case(
        plan=plan,
        structure_set=structures,
        dose=grid,
        links=(plan_link, structure_link, *dose_links),
        others=find_others(plan, structures, search, found),
        notes=tuple(found),
    )
    return case_with(case, [_added(name, plan, search) for name in options.with_plans])


def assemble_case(plan: Path, search: Search) -> Case:
    """Return the case of a plan from files that are known already; no others are looked for.

    Raises
    ------
    CaseError
        As `load_case`.
    ReadError
        As `load_case`.
    """
    return _complete(dicom.load_plan(plan), search, _Options())


def case_with(case: Case, added: Sequence[Case]) -> Case:
    """Return a case to which the doses of other cases of the same patient are to be added.

    Raises
    ------
    CaseError
        If they are of another patient, or of the same plan.
    """
    uids = {part.plan.instance.sop_instance_uid for part in added}
    for part in added:
        if part.plan.instance.sop_instance_uid == case.plan.instance.sop_instance_uid:
            raise CaseError(Text("the plan cannot be added to itself"))
        _require_one_patient(case.plan.instance, part.plan.instance)
    others = tuple(other for other in case.others if other.instance.sop_instance_uid not in uids)
    return replace(case, added=tuple(added), others=others)


def _course_dose(chosen: Chosen, doses: Sequence[Instance]) -> tuple[DoseGrid, tuple[Link, ...]]:
    first = chosen.paths[0]
    if len({dose.frame_of_reference_uid for dose in doses}) > 1:
        raise CaseError(Text("the beam doses have different frames of reference"), path=first)
    try:
        return load_course_dose(chosen)
    except ValueError as error:
        raise CaseError(
            Text("the beam doses cannot be added: {why}", why=str(error)), path=first
        ) from error


def _added(name: str | Path, plan: Plan, search: Search) -> Case:
    """Return the case of a plan whose dose is to be added to that of `plan`."""
    path = option_path(name, search.of_class(dicom.RT_PLAN), dicom.load_plan, "--with")
    try:
        case = load_case(path)
    except CaseError as error:
        error.path = error.path or path  # so that the sentence says which plan it is about
        raise
    if case.plan.instance.sop_instance_uid == plan.instance.sop_instance_uid:
        raise CaseError(Text("--with: this is the plan itself"), path=path)
    return case


def _plan_of_structure_set(
    structures: StructureSet, search: Search, path: Path, notes: list[Text]
) -> Plan:
    uid = structures.instance.sop_instance_uid
    files = [file for file in search.of_class(dicom.RT_PLAN) if _names_structure_set(file, uid)]
    plans = [plan for _, plan in nearest_of(files, dicom.load_plan, notes)] if files else []
    return _only_plan(plans, "structure set", path, search)


def _names_structure_set(file: Found, uid: str) -> bool:
    try:
        return dicom.load_plan(file.path).structure_set_uid == uid
    except ReadError:
        return False  # a damaged plan of somebody else must not stop this one


def _plan_of_dose(header: DoseHeader, search: Search, path: Path, notes: list[Text]) -> Plan:
    wanted = header.referenced_plan_uids
    files = [file for file in search.of_class(dicom.RT_PLAN) if _is_one_of(file, wanted)]
    plans = [plan for _, plan in nearest_of(files, dicom.load_plan, notes)] if files else []
    return _only_plan(plans, "dose", path, search)


def _is_one_of(file: Found, uids: Sequence[str]) -> bool:
    try:
        return uid_of(file, dicom.load_plan) in uids
    except ReadError:
        return False


def _only_plan(plans: Sequence[Plan], what: str, path: Path, search: Search) -> Plan:
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
    rows = [row(plan.instance, "RT Plan") for plan in plans]
    raise CaseError(problem, path=path, candidates=[*rows, *search.notes])


# --- Proving ------------------------------------------------------------------------------------


def _require_one_patient(*instances: Instance) -> None:
    """Raise `CaseError` if two files name different patient IDs; the IDs are not shown."""
    ids = {
        instance.patient.patient_id.casefold()
        for instance in instances
        if instance.patient.patient_id
    }
    if len(ids) > 1:
        raise CaseError(Text("the files are of different patients: their patient IDs differ"))


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
