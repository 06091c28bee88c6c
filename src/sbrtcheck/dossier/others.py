"""Other plans of the same patient near a plan: their dose may reach the same cord."""

from dataclasses import dataclass

from sbrtcheck import dicom
from sbrtcheck.dossier.choose import uid_of
from sbrtcheck.dossier.search import Found, Search
from sbrtcheck.errors import ReadError
from sbrtcheck.model import Instance, Plan, StructureSet, Text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Other:
    """Another plan of the patient, with its structure set where that was found.

    `plan` is None for a plan that cannot be read as a photon plan: an ion plan.
    """

    instance: Instance
    kind: str
    where: str
    plan: Plan | None = None
    structure_set: StructureSet | None = None


def find_others(
    plan: Plan, structures: StructureSet, search: Search, notes: list[Text]
) -> tuple[Other, ...]:
    """Return the other plans of the patient among the files of a search, each once.

    One patient is one patient ID. Without any, plans of one study or frame of reference are
    taken to be of one patient.
    """
    found: dict[str, Other] = {}
    for file in search.of_class(dicom.RT_PLAN) + search.of_class(dicom.RT_ION_PLAN):
        if file.is_of_another(plan.instance.patient):
            continue
        try:
            other = _read(file)
        except ReadError as error:
            notes.append(
                Text(
                    "an RT Plan {where} cannot be read, and may be of this patient: {why}",
                    where=file.where,
                    why=str(error.problem),
                )
            )
            continue
        uid = other.instance.sop_instance_uid
        own = uid == plan.instance.sop_instance_uid
        if not own and uid not in found and _same_patient(plan.instance, other.instance):
            found[uid] = _with_structures(other, plan, structures, search)
    return tuple(found.values())


def _read(file: Found) -> Other:
    if file.peek.sop_class_uid == dicom.RT_ION_PLAN:
        instance = dicom.load_ion_plan_header(file.path)
        return Other(instance=instance, kind="RT Ion Plan", where=file.where)
    plan = dicom.load_plan(file.path)
    return Other(instance=plan.instance, kind="RT Plan", where=file.where, plan=plan)


def _same_patient(one: Instance, other: Instance) -> bool:
    ids = [i.patient.patient_id for i in (one, other)]
    if all(ids):
        return str(ids[0]).casefold() == str(ids[1]).casefold()
    return any(
        a is not None and a == b
        for a, b in (
            (one.study_instance_uid, other.study_instance_uid),
            (one.frame_of_reference_uid, other.frame_of_reference_uid),
        )
    )


def _with_structures(other: Other, plan: Plan, structures: StructureSet, search: Search) -> Other:
    wanted = None if other.plan is None else other.plan.structure_set_uid
    if wanted is None:
        return other
    own = structures
    if wanted != plan.structure_set_uid:
        found = _structure_set(wanted, search)
        if found is None:
            return other
        own = found
    return Other(
        instance=other.instance,
        kind=other.kind,
        where=other.where,
        plan=other.plan,
        structure_set=own,
    )


def _structure_set(uid: str, search: Search) -> StructureSet | None:
    for file in search.of_class(dicom.RT_STRUCTURE_SET):
        try:
            if uid_of(file, dicom.load_structure_set) == uid:
                return dicom.load_structure_set(file.path)
        except ReadError:
            continue  # without it the plan counts as a part of the treatment
    return None
