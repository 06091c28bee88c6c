"""Contours and dose that lie together, whether a plan belongs to them or not; nothing is judged.

Any external-beam or ion plan with physical dose serves, and a structure set with a dose alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.dossier.case import Case
from sbrtcheck.dossier.dose import candidate_row, dose_words, one_frame
from sbrtcheck.dossier.find import find_files
from sbrtcheck.dossier.groups import grouped
from sbrtcheck.dossier.link import (
    Dossier,
    Filed,
    in_dose_frame,
    is_of,
    open_dossier,
    read_files,
)
from sbrtcheck.dossier.load import (
    Options,
    is_archive,
    load_case,
    named_file,
)
from sbrtcheck.dossier.places import Place, Root, around, unpacked
from sbrtcheck.errors import CaseError, ReadError
from sbrtcheck.files import is_folder
from sbrtcheck.model import DoseGrid, Patient, Plan, StructureSet, Text

__all__ = ["Research", "load_contours_and_dose"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Research:
    """A structure set and a dose in one frame of reference; the plan where there is one."""

    structure_set: StructureSet
    dose: DoseGrid
    plan: Plan | None
    patients: tuple[Patient, ...]


def load_contours_and_dose(path: str | Path, options: Options) -> Research:
    """Read a structure set and a dose: those of a plan, or those that lie together without one.

    Raises
    ------
    CaseError
        If either is missing, or several could be meant.
    ReadError
        If a file cannot be read; `UnsupportedError` for dose that is not physical dose in Gy.
    """
    try:
        case = load_case(path, structure_set=options.structure_set, dose=options.dose)
    except (CaseError, ReadError) as error:
        found = _without_plan(Path(path), options)
        if found is None:
            raise
        if isinstance(found, CaseError):
            raise found from error
        return found
    return _of_case(case)


def _of_case(case: Case) -> Research:
    return Research(
        structure_set=case.structure_set,
        dose=case.dose,
        plan=case.plan,
        patients=case.patients,
    )


def _without_plan(path: Path, options: Options) -> Research | CaseError | None:
    """Return contours and dose that no photon plan joins; None where a plan should have done so."""
    if is_archive(path):
        members = [found.place for found in find_files([Root(path)]).found]
        with unpacked(members) as folder:
            return _without_plan(folder, options)
    dossier, start = _open(path)
    if dossier is None:
        return None
    if _leads_to_plan(dossier, start):
        return None
    try:
        dose = _dose(dossier, start, options)
        structures = _structures(dossier, start, dose, options)
    except CaseError as error:
        return error
    dicom.refuse_dose_kind(dose.file.dose_header(), dose.file.path)
    own = structures.file.structure_set()
    patients = (own.instance.patient, dose.file.instance.patient)
    return Research(
        structure_set=in_dose_frame(own, dose.file.instance),
        dose=dose.file.dose(),
        plan=None,
        patients=tuple(dict.fromkeys(patients)),
    )


def _leads_to_plan(dossier: Dossier, start: Filed | None) -> bool:
    if start is None:
        return len(dossier.plans) > 0
    return start.kind == dicom.RT_PLAN


def _open(path: Path) -> tuple[Dossier | None, Filed | None]:
    """Open what lies below a folder, or around a file; of one patient."""
    if not is_folder(path):
        start = Filed(Place(str(path.absolute())), dicom.open_rt(path))
        survey = find_files(around(path.absolute().parent))
        return open_dossier(survey, start.file.instance, given=[start]), start
    survey = find_files([Root(path)])
    read, _ = read_files(survey.found)
    if not read:
        return None, None
    return open_dossier(survey, read[0].file.instance, given=read), None


def _dose(dossier: Dossier, start: Filed | None, options: Options) -> Filed:
    """Return the dose that is meant: given, the start itself, or the only one that fits."""
    if options.dose is not None:
        return named_file(options.dose, dossier, dicom.RT_DOSE, "--dose")
    if is_of(start, dicom.RT_DOSE):
        return start
    there = dossier.of_class(dicom.RT_DOSE)
    doses = [filed for filed in there if _may_be_meant(filed, start)]
    by_summation = grouped(doses, lambda one: one.file.dose_header().summation_type)
    return _only(by_summation.get("PLAN", doses), "RT Dose", "--dose")


def _may_be_meant(dose: Filed, start: Filed | None) -> bool:
    """Tell whether a dose is physical, and goes with the structure set or ion plan at the start."""
    if not _is_physical(dose):
        return False
    if start is None:
        return True
    if start.kind == dicom.RT_STRUCTURE_SET:
        return _fits(dose, start)
    return start.uid in dose.file.plan_uids


def _is_physical(filed: Filed) -> bool:
    try:
        dicom.refuse_dose_kind(filed.file.dose_header(), None)
    except ReadError:
        return False
    return True


def _fits(dose: Filed, structures: Filed) -> bool:
    """Tell whether dose and contours may lie together: one frame, or one that is not stated."""
    return one_frame(
        dose.file.instance.frame_of_reference_uid,
        structures.file.instance.frame_of_reference_uid,
    )


def _structures(
    dossier: Dossier, start: Filed | None, dose: Filed, options: Options
) -> Filed:
    """Return the structure set that is meant: given, named by dose or plan, or the only one."""
    if options.structure_set is not None:
        name = options.structure_set
        return named_file(name, dossier, dicom.RT_STRUCTURE_SET, "--struct")
    if is_of(start, dicom.RT_STRUCTURE_SET):
        return start
    sets = dossier.of_class(dicom.RT_STRUCTURE_SET)
    wanted = {dose.file.dose_header().referenced_structure_set_uid}
    wanted |= {
        filed.file.structure_set_uid
        for filed in dossier.plans_of_any_kind
        if filed.uid in dose.file.plan_uids
    }
    named = [filed for filed in sets if filed.uid in wanted]
    if not named:
        named = [filed for filed in sets if _fits(dose, filed)]
    return _only(named, "RT Structure Set", "--struct")


def _only(files: Sequence[Filed], kind: str, option: str) -> Filed:
    if len(files) == 1:
        return files[0]
    if not files:
        raise CaseError(
            Text(
                "no {kind} lies here that fits; add {option} FILE",
                kind=kind,
                option=option,
            )
        )
    rows = [candidate_row(filed.file.instance, kind, _detail(filed)) for filed in files]
    raise CaseError(
        Text(
            "{count} files of kind {kind} fit; choose one with {option}",
            count=len(files),
            kind=kind,
            option=option,
        ),
        candidates=rows,
    )


def _detail(filed: Filed) -> str:
    if filed.kind != dicom.RT_DOSE:
        return ""
    return dose_words(filed.file.dose_header())
