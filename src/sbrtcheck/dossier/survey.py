"""Every file seen around a path, what it is to a plan, and why; nothing is judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.dossier.dose import dose_words, why_not_course
from sbrtcheck.dossier.find import Survey, find_files
from sbrtcheck.dossier.link import (
    Dossier,
    Filed,
    Unreadable,
    dossier_of,
    open_dossier,
    read_files,
    where_of,
)
from sbrtcheck.dossier.load import given_path
from sbrtcheck.dossier.places import ZIP, Place, Root, around
from sbrtcheck.errors import CaseError, ReadError
from sbrtcheck.files import is_folder
from sbrtcheck.model import Instance, Text

__all__ = ["Seen", "survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One file: what it is, where it lies, and how it stands to its plan.

    `instance` is None where the file cannot be read. `count` is above 1 for files that are
    only counted, such as images and files of other patients. `patient` numbers patients.
    """

    kind: str
    where: str
    relation: Text
    path: Path | None = None
    instance: Instance | None = None
    linked: bool = False
    count: int = 1
    patient: int = 1


def survey(path: str | Path) -> tuple[Seen, ...]:
    """Return every file that a search from `path` meets, those of its plans first.

    From a file, those around it: files of other patients are only counted. From a folder, all
    that lies below it, patient by patient.

    Raises
    ------
    CaseError
        If there is no RT file.
    ReadError
        If the file cannot be read.
    """
    start = given_path(path)
    if is_folder(start):
        return _of_folder(start)
    if start.suffix.lower() == ZIP:
        return _of_folder(start)
    if start.name.upper() == "DICOMDIR":
        return _of_folder(start.parent)
    return _of_file(start)


def _of_file(path: Path) -> tuple[Seen, ...]:
    filed = Filed(Place(str(path.absolute())), dicom.open_rt(path))
    found = find_files(around(path.absolute().parent))
    dossier = open_dossier(found, filed.file.instance, given=[filed])
    own = dossier.plans
    if filed.kind == dicom.RT_PLAN:
        own = (filed,)
    return (*_of_patient(dossier, 1, own), *_strangers(dossier), *_rest(found))


def _of_folder(folder: Path) -> tuple[Seen, ...]:
    found = find_files([Root(folder)])
    if not found.found:
        raise CaseError(
            Text(
                "there is no RT file below this folder; give one that holds an export"
            ),
            path=folder,
        )
    read, unreadable = read_files(found.found)
    rows: list[Seen] = []
    left = list(read)
    number = 0
    while left:
        number += 1
        dossier = dossier_of(left, [], found, left[0].file.instance)
        left = [filed for filed in left if filed not in dossier.files]
        rows += _of_patient(dossier, number, dossier.plans)
    rows += [_broken(row, "", 1) for row in unreadable]
    return (*rows, *_rest(found))


def _broken(row: Unreadable, where: str, number: int) -> Seen:
    return Seen(
        kind=dicom.class_name(row.kind),
        where=where,
        relation=Text("cannot be read: {why}", why=row.reason),
        path=Path(row.place.path),
        patient=number,
    )


def _rest(found: Survey) -> list[Seen]:
    rows = [
        Seen(kind=kind, where="", relation=Text("not looked into"), count=count)
        for kind, count in found.others.items()
    ]
    rows += [
        Seen(
            kind="part of the tree", where="", relation=row.reason, path=Path(row.path)
        )
        for row in (*found.unread, *found.odd)
    ]
    return rows


def _strangers(dossier: Dossier) -> list[Seen]:
    """Count the files of other patients."""
    if not dossier.strangers:
        return []
    relation = Text("of other patients: only counted")
    row = Seen(
        kind="RT files", where="", relation=relation, count=len(dossier.strangers)
    )
    return [row]


def _of_patient(dossier: Dossier, number: int, own: Sequence[Filed]) -> list[Seen]:
    """Tell for each file of a patient what it is to the plans; linked are those of the own plans."""
    first = (*own, *dossier.files)[0].place
    rows = [_seen(filed, dossier, first, number, own) for filed in dossier.files]
    rows += [
        _broken(row, where_of(row.place, first), number) for row in dossier.unreadable
    ]
    return sorted(rows, key=lambda row: not row.linked)


def _seen(
    filed: Filed, dossier: Dossier, first: Place, number: int, own: Sequence[Filed]
) -> Seen:
    relation, linked = _relation_to(own, filed, dossier)
    return Seen(
        kind=dicom.class_name(filed.kind),
        where=where_of(filed.place, first),
        relation=relation,
        path=Path(filed.place.path),
        instance=filed.file.instance,
        linked=linked,
        patient=number,
    )


def _relation_to(
    own: Sequence[Filed], filed: Filed, dossier: Dossier
) -> tuple[Text, bool]:
    """Say how a file stands to the plans, and whether it goes with one of the own plans."""
    relation, linked = _relation(filed, dossier)
    if not linked:
        return relation, False
    if _belongs(filed, own):
        return relation, True
    if filed.kind == dicom.RT_PLAN:
        return Text("another plan of this patient"), False
    return relation, False


def _belongs(filed: Filed, own: Sequence[Filed]) -> bool:
    """Tell whether a file is one of the own plans, is named by one, or names one."""
    for plan in own:
        if filed.uid in (plan.uid, plan.file.structure_set_uid):
            return True
        if plan.uid in filed.file.plan_uids:
            return True
    return False


def _of_plan(filed: Filed, _dossier: Dossier) -> tuple[Text, bool]:
    filed.file.plan()  # in its own words, if it cannot be read
    return Text("a plan"), True


def _of_ion_plan(_filed: Filed, _dossier: Dossier) -> tuple[Text, bool]:
    return Text("an ion plan, which is not judged"), False


def _of_structures(filed: Filed, dossier: Dossier) -> tuple[Text, bool]:
    if filed.uid in {plan.file.structure_set_uid for plan in dossier.plans}:
        return Text("the structure set that a plan names"), True
    return Text("a structure set that no plan names"), False


def _of_dose(filed: Filed, dossier: Dossier) -> tuple[Text, bool]:
    header = filed.file.dose_header()
    detail = dose_words(header)
    named = dossier.plans_of(filed)
    if not named:
        return Text("{detail}; it names no plan among the files", detail=detail), False
    dicom.refuse_dose_kind(header, filed.file.path)
    why = why_not_course(header, named[0].file.plan())
    if why is not None and header.summation_type != "BEAM":
        return Text(
            "{detail}; it names a plan, but {why}", detail=detail, why=why
        ), False
    return Text("{detail}; it names a plan", detail=detail), True


RELATIONS: Mapping[str, Callable[[Filed, Dossier], tuple[Text, bool]]] = {
    dicom.RT_PLAN: _of_plan,
    dicom.RT_ION_PLAN: _of_ion_plan,
    dicom.RT_STRUCTURE_SET: _of_structures,
    dicom.RT_DOSE: _of_dose,
}


def _relation(filed: Filed, dossier: Dossier) -> tuple[Text, bool]:
    """Say how a file stands to the plans, and whether it goes with one."""
    if filed not in dossier.distinct:
        return Text("a copy"), False
    try:
        return RELATIONS[filed.kind](filed, dossier)
    except ReadError as error:
        return Text("cannot be read: {why}", why=str(error.problem)), False
