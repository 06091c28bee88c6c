"""Every file seen around a path, what it is to the plan, and why; nothing is judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.dossier.dose import dose_detail, why_not_course
from sbrtcheck.dossier.search import Found, Search, class_of, search_around, unpacked
from sbrtcheck.errors import CaseError, ReadError, SbrtCheckError
from sbrtcheck.model import Instance, Plan, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One file: what it is, where it lies, and how it stands to the plan.

    `instance` is None where the file cannot be read. `count` is above 1 for files that are
    only counted, such as images.
    """

    kind: str
    where: str
    relation: Text
    path: Path | None = None
    instance: Instance | None = None
    linked: bool = False
    count: int = 1


def survey(path: str | Path) -> tuple[Seen, ...]:
    """Return every file that a search from `path` meets, the linked ones first.

    Raises
    ------
    CaseError
        If the path leads to no plan, or to several.
    """
    with unpacked(Path(path)) as place:
        folder = place if place.is_dir() else place.parent
        search = search_around(folder, around=place == Path(path))
        plan = _plan(place, search)
        rows = [_seen(file, plan) for file in search.files]
        rows.sort(key=lambda row: not row.linked)
        counted = (
            Seen(kind=kind, where="", relation=Text("not looked into"), count=count)
            for kind, count in search.rest.items()
        )
        return (*rows, *counted)


def _plan(place: Path, search: Search) -> Plan:
    """Return the plan that a path leads to: itself, or the one that it names or holds."""
    if not place.is_dir() and place.name.upper() != "DICOMDIR":
        kind = class_of(place)
        if kind not in (dicom.RT_STRUCTURE_SET, dicom.RT_DOSE):
            return dicom.load_plan(place)
        plans = [plan for plan in _plans(search) if _names(place, kind, plan)]
    else:
        plans = list(_plans(search, inside=place))
    if len(plans) != 1:
        raise CaseError(
            Text("the path leads to {count} RT Plans; give the file of one", count=len(plans)),
            path=place,
        )
    return plans[0]


def _plans(search: Search, inside: Path | None = None) -> Iterator[Plan]:
    seen: set[str] = set()
    for file in search.of_class(dicom.RT_PLAN):
        if inside is not None and not file.path.is_relative_to(inside.absolute()):
            continue
        try:
            plan = dicom.load_plan(file.path)
        except ReadError:
            continue  # listed with its reason
        if plan.instance.sop_instance_uid not in seen:
            seen.add(plan.instance.sop_instance_uid)
            yield plan


def _names(path: Path, kind: str, plan: Plan) -> bool:
    if kind == dicom.RT_DOSE:
        header = dicom.load_dose_header(path)
        return plan.instance.sop_instance_uid in header.referenced_plan_uids
    own = dicom.load_structure_set(path).instance.sop_instance_uid
    return plan.structure_set_uid == own


def _seen(file: Found, plan: Plan) -> Seen:
    kind = dicom.class_name(file.peek.sop_class_uid)
    try:
        instance, relation, linked = RELATIONS[file.peek.sop_class_uid](file.path, plan)
    except SbrtCheckError as error:
        relation = Text("cannot be read: {why}", why=str(error.problem))
        return Seen(kind=kind, where=file.where, relation=relation, path=file.path)
    return Seen(
        kind=kind,
        where=file.where,
        relation=relation,
        path=file.path,
        instance=instance,
        linked=linked,
    )


Relation = tuple[Instance, Text, bool]


def _plan_relation(path: Path, plan: Plan) -> Relation:
    return _other_plan(dicom.load_plan(path).instance, plan)


def _ion_relation(path: Path, plan: Plan) -> Relation:
    return _other_plan(dicom.load_ion_plan_header(path), plan)


def _other_plan(instance: Instance, plan: Plan) -> Relation:
    if instance.sop_instance_uid == plan.instance.sop_instance_uid:
        return instance, Text("the plan"), True
    same = instance.patient.patient_id == plan.instance.patient.patient_id
    text = "another plan of this patient" if same else "a plan of another patient"
    return instance, Text(text), False


def _structures_relation(path: Path, plan: Plan) -> Relation:
    instance = dicom.load_structure_set(path).instance
    if instance.sop_instance_uid == plan.structure_set_uid:
        return instance, Text("the structure set that the plan names"), True
    return instance, Text("a structure set that the plan does not name"), False


def _dose_relation(path: Path, plan: Plan) -> Relation:
    header = dicom.load_dose_header(path)
    detail = dose_detail(header)
    if plan.instance.sop_instance_uid not in header.referenced_plan_uids:
        return header.instance, Text("{detail}; it names another plan", detail=detail), False
    dicom.refuse_dose_kind(header, path)
    why = None if header.summation_type == "BEAM" else why_not_course(header, plan)
    if why is not None:
        text = Text("{detail}; it names the plan, but {why}", detail=detail, why=why)
        return header.instance, text, False
    return header.instance, Text("{detail}; it names the plan", detail=detail), True


RELATIONS = {
    dicom.RT_PLAN: _plan_relation,
    dicom.RT_ION_PLAN: _ion_relation,
    dicom.RT_STRUCTURE_SET: _structures_relation,
    dicom.RT_DOSE: _dose_relation,
}
