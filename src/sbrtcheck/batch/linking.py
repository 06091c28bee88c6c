"""Which files belong to which plan, by UID across all folders; and which belong to none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sbrtcheck import dicom
from sbrtcheck.batch.headers import Header
from sbrtcheck.batch.places import Place
from sbrtcheck.dossier import tail
from sbrtcheck.model import patient_key

__all__ = ["Item", "Linked", "PlanFiles", "by_patient", "link"]


class Item(NamedTuple):
    """An RT file: where it lies, and what it says of itself."""

    place: Place
    header: Header


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFiles:
    """One RT Plan and the files that belong to it; `problem` says why it cannot be judged.

    `is_one` is False where the plan itself cannot be read, or comes with two contents.
    """

    plan: Item
    structure_set: Item | None = None
    doses: tuple[Item, ...] = ()
    problem: str | None = None
    is_one: bool = True

    @property
    def identity(self) -> str:
        """Return what tells this plan from all others: its UID, or its content where it has none."""
        header = self.plan.header
        return header.sop_instance_uid or header.sha256 or str(self.plan.place)

    @property
    def files(self) -> tuple[Item, ...]:
        """Return the plan and what belongs to it."""
        structure_sets = () if self.structure_set is None else (self.structure_set,)
        return (self.plan, *structure_sets, *self.doses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """All plans with their files, and the RT files that belong to none, each with the reason.

    `orphans` are doses that name no plan, or one which is not among the files; `copies` are further
    files of the same UID and content.
    """

    plans: tuple[PlanFiles, ...]
    ion_plans: tuple[Item, ...]
    orphans: tuple[Item, ...]
    strays: tuple[tuple[Item, str], ...]
    copies: tuple[Item, ...]


def link(items: Iterable[Item]) -> Linked:
    """Sort RT files into plans and what belongs to none."""
    whole, copies = _without_copies(sorted(items, key=_order))
    kinds: dict[str, list[Item]] = {}
    for item in whole:
        kinds.setdefault(item.header.sop_class_uid, []).append(item)
    structure_sets = _by(kinds.get(dicom.RT_STRUCTURE_SET, []), lambda h: [h.sop_instance_uid])
    doses = _by(kinds.get(dicom.RT_DOSE, []), lambda h: h.plan_uids)
    damaged = [item for item in kinds.get(dicom.RT_DOSE, []) if item.header.problem]
    groups = _plans(kinds.get(dicom.RT_PLAN, []))
    plans = [_plan_files(group, structure_sets, doses, damaged) for group in groups]
    used = {item for files in plans for item in files.files}
    ion_plans = kinds.get(dicom.RT_ION_PLAN, [])
    plan_uids = {files.plan.header.sop_instance_uid for files in plans}
    named = {files.plan.header.structure_set_uid for files in plans}
    wanted = {uid: rows for uid, rows in structure_sets.items() if uid in named}
    known_uids = plan_uids | {item.header.sop_instance_uid for item in ion_plans}
    orphans = [
        item
        for item in kinds.get(dicom.RT_DOSE, [])
        if not item.header.plan_uids or not known_uids.issuperset(item.header.plan_uids)
    ]
    strays = [(item, "RT Ion Plan: only photon RT Plans are judged") for item in ion_plans]
    strays += [
        (item, _two_contents("RT Plan", item.header.sop_instance_uid))
        for group in groups
        for item in group[1:]
    ]
    strays += [
        (item, _why_stray(item.header, plan_uids, wanted))
        for kind in (dicom.RT_STRUCTURE_SET, dicom.RT_DOSE)
        for item in kinds.get(kind, [])
        if item not in used
    ]
    return Linked(
        plans=tuple(plans),
        ion_plans=tuple(ion_plans),
        orphans=tuple(orphans),
        strays=tuple(strays),
        copies=tuple(copies),
    )


def by_patient(plans: Sequence[PlanFiles]) -> list[list[PlanFiles]]:
    """Part plans by patient: one patient ID; without any, one study or frame of reference.

    The same ID is the same patient, even at two centres: dose that may reach the same cord must
    not be overlooked.
    """
    groups: list[list[PlanFiles]] = []
    found: dict[tuple[str, str], int] = {}
    for files in sorted(plans, key=lambda files: not files.plan.header.patient_id):
        header = files.plan.header
        patient_id = patient_key(header.patient_id)
        near = [("study", header.study_uid or ""), ("frame", header.frame_uid or "")]
        near = [key for key in near if key[1]]
        own = [("id", patient_id)] if patient_id else near
        matching = sorted({found[key] for key in own if key in found})
        at = matching[0] if matching else len(groups)
        if not matching:
            groups.append([])
        for other in matching[1:]:  # what it shares with both makes them one
            groups[at] += groups[other]
            groups[other] = []
            found = {key: at if place == other else place for key, place in found.items()}
        groups[at].append(files)
        for key in (*own, *near):
            found.setdefault(key, at)
    return [group for group in groups if group]


def _order(item: Item) -> tuple[str, int]:
    return item.place.path, -1 if item.place.member is None else item.place.member


def _without_copies(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Take files out that repeat one of the same UID and content."""
    whole: dict[tuple[str, str, str], Item] = {}
    copies = []
    for item in items:
        header = item.header
        key = (header.sop_class_uid, header.sop_instance_uid, header.sha256 or str(item.place))
        if key in whole:
            copies.append(item)
        else:
            whole[key] = item
    return list(whole.values()), copies


def _by(items: Iterable[Item], uids: Callable[[Header], Iterable[str]]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        for uid in dict.fromkeys(uids(item.header)):
            if uid:
                found.setdefault(uid, []).append(item)
    return found


def _plans(items: Iterable[Item]) -> list[list[Item]]:
    """Group RT Plans by UID; those without any stand alone."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.header.sop_instance_uid or str(item.place), []).append(item)
    return list(groups.values())


def _plan_files(
    group: Sequence[Item],
    structure_sets: dict[str, list[Item]],
    doses: dict[str, list[Item]],
    damaged: Sequence[Item],
) -> PlanFiles:
    plan = group[0]
    header = plan.header
    if len(group) > 1:
        return PlanFiles(
            plan=plan, problem=_two_contents("RT Plan", header.sop_instance_uid), is_one=False
        )
    if header.problem is not None:
        return PlanFiles(plan=plan, problem=header.problem, is_one=False)
    found = structure_sets.get(header.structure_set_uid or "", [])
    own = doses.get(header.sop_instance_uid, [])
    return PlanFiles(
        plan=plan,
        structure_set=found[0] if len(found) == 1 else None,
        doses=tuple(own),
        problem=_why_incomplete(header, found, own, damaged),
    )


def _why_incomplete(
    plan: Header, structure_sets: Sequence[Item], doses: Sequence[Item], damaged: Sequence[Item]
) -> str | None:
    uids = [item.header.sop_instance_uid for item in doses]
    twice = next((uid for uid in uids if uids.count(uid) > 1), None)
    if len(structure_sets) > 1:
        return _two_contents("RT Structure Set", structure_sets[0].header.sop_instance_uid)
    if twice is not None:
        return _two_contents("RT Dose", twice)
    missing = []
    if plan.structure_set_uid is None:
        missing.append("the plan names no structure set")
    elif not structure_sets:
        uid = tail(plan.structure_set_uid)
        missing.append(f"the structure set {uid} that the plan names is not among the files")
    elif structure_sets[0].header.problem is not None:
        missing.append(f"its structure set cannot be read: {structure_sets[0].header.problem}")
    if not doses:
        missing.append("no RT Dose among the files names this plan")
        missing += [
            f"an RT Dose of this patient cannot be read: {item.header.problem}"
            for item in damaged
            if item.header.patient_id and item.header.patient_id == plan.patient_id
        ][:1]
    return "; ".join(missing) or None


def _two_contents(kind: str, uid: str) -> str:
    return (
        f"files of kind {kind} carry the same SOP Instance UID {tail(uid)} and differ in content;"
        " remove the wrong one"
    )


def _why_stray(header: Header, plan_uids: set[str], wanted: Mapping[str, Sequence[Item]]) -> str:
    if header.problem is not None:
        return header.problem
    if header.sop_class_uid == dicom.RT_STRUCTURE_SET:
        if len(wanted.get(header.sop_instance_uid, ())) > 1:
            return _two_contents("RT Structure Set", header.sop_instance_uid)
        if header.sop_instance_uid in wanted:
            return "the plan that names this structure set cannot be read, or carries two contents"
        return "no RT Plan among the files names this structure set"
    if not header.plan_uids:
        return "the dose names no plan"
    if plan_uids.intersection(header.plan_uids):
        return "the plan that the dose names cannot be read, or carries two contents"
    return "the plan that the dose names is not among the files"
