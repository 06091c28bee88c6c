"""What the other plans of a patient are to a plan: revisions of it, parts of its course, or unknown.

Pure: it needs names, levels and overlaps of targets only. What is added up here is dose that was
read already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np

from sbrtcheck.checks.orphans import why_not_superseded
from sbrtcheck.checks.read_levels import TreatedLevels, hold_in_common, treated_levels
from sbrtcheck.checks.read_prescription import (
    read_fractions,
    read_prescription,
    stated_or,
)
from sbrtcheck.checks.read_targets import named_targets, plan_targets
from sbrtcheck.dossier import Case, Sibling, part_case, tail
from sbrtcheck.dvh.beyond import face_bounds_gy
from sbrtcheck.errors import CaseError, ReadError
from sbrtcheck.model import (
    ROI,
    Declared,
    DoseGrid,
    Instance,
    Patient,
    Plan,
    Prescription,
    StructureSet,
    Text,
    approval_term,
    names_agree,
    sum_of_courses,
)
from sbrtcheck.protocol.names import MatchedROI, match_rois, read_levels
from sbrtcheck.protocol.rules import Protocol, Role

__all__ = ["QA_INTENTS", "Course", "Open", "Superseded", "plan_words", "read_course"]

SHARED = 0.5  # of the larger target: targets that share this much are one target
QA_INTENTS = ("VERIFICATION", "MACHINE_QA", "SERVICE")
APPROVED, REJECTED = "APPROVED", "REJECTED"
CURE = Text(
    "add those that give dose here with --with, move others elsewhere, or say --alone if none does"
)


@dataclass(frozen=True, slots=True)
class Open:
    """Why the dose of the whole course is not known, and what settles it."""

    why: Text
    cure: Text


@dataclass(frozen=True, slots=True)
class Superseded:
    """Why it is not this plan that is treated, or not known to be.

    `is_replaced` where exactly one other plan stands in its place.
    """

    why: Text
    cure: Text
    is_replaced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """The dose that serial organs receive in the whole course, as far as the files tell.

    Parameters
    ----------
    dose
        The sum over all parts; where the grid of a part ends, without what it adds beyond.
    highest
        The same with the most that each part can add beyond its grid; the same object where all
        grids hold one another.
    spacing_mm
        The coarsest grid that went into it.
    parts
        The plans that are added.
    open
        Why it is not known: limits of serial organs are then UNDECIDED unless this plan alone
        breaks them.
    superseded
        Why another plan is treated in place of this one, or may be.
    revisions
        Plans that this one replaces.
    reported
        What else is said of other plans.
    """

    dose: DoseGrid
    highest: DoseGrid
    spacing_mm: float
    parts: tuple[Case, ...] = ()
    open: tuple[Open, ...] = ()
    superseded: Superseded | None = None
    revisions: tuple[Sibling, ...] = ()
    reported: tuple[Text, ...] = ()
    added_targets: tuple[ROI, ...] = ()
    part_levels: tuple[TreatedLevels, ...] = ()
    named_by_others: set[str] = field(default_factory=set)


class _Planned(NamedTuple):
    """A plan with its targets and the levels that their names state.

    `sibling` is what it is to other plans, also where it is the plan that is judged.
    """

    instance: Instance
    plan: Plan
    structure_set: StructureSet
    targets: tuple[ROI, ...]
    levels: frozenset[str]
    sibling: Sibling

    @property
    def is_approved(self) -> bool:
        return approval_term(self.instance.approval_status) == APPROVED

    @property
    def is_rejected(self) -> bool:
        return approval_term(self.instance.approval_status) == REJECTED

    @property
    def frame_uids(self) -> set[str | None]:
        """Return the frames of reference that the plan and its structure set state."""
        of_plan = self.instance.frame_of_reference_uid
        of_structures = self.structure_set.instance.frame_of_reference_uid
        return {of_plan, of_structures} - {None}


def plan_words(instance: Instance) -> Text:
    """Tell a plan by the end of its UID, its date and approval; its label may name a patient."""
    return Text(
        "{uid} of {date}, {status}",
        uid=tail(instance.sop_instance_uid),
        date=stated_or(instance.date, "unknown date"),
        status=stated_or(approval_term(instance.approval_status), "no approval status"),
    )


def _agree(one: str | int | None, other: str | int | None) -> bool:
    """Tell whether two files state the same; what one of them leaves out agrees with nothing."""
    if one is None:
        return False
    return one == other


def _listed(plans: Iterable[_Planned | Sibling]) -> str:
    return "; ".join(str(plan_words(one.instance)) for one in plans)


def read_course(
    case: Case, matches: Sequence[MatchedROI], protocol: Protocol, declared: Declared
) -> Course:
    """Tell what the patient's other plans are, and add up the doses of those that are parts."""
    siblings, reported = _possible_parts(case.siblings)
    considered, left_out = _considered(siblings, declared)
    drawn, undrawn = _planned_siblings(considered, protocol)
    own = _planned_case(case, matches)
    group, *others = _groups([own, *drawn])
    revisions = [one.sibling for one in group.members if one is not own]
    standing, unsettled = _standing_parts(others)
    parts, failed = _parts(case, standing)
    dose, highest = _sum(case, parts, protocol)
    targets = tuple(chain.from_iterable(one.targets for one in standing))
    open_orphans, told = _orphans(case, [*own.targets, *targets], declared)
    unknown = _unknown(case, considered, declared)
    return Course(
        dose=dose,
        highest=highest,
        spacing_mm=max(max(one.dose.spacing_mm) for one in (case, *parts)),
        parts=tuple(parts),
        open=(*undrawn, *unknown, *unsettled, *failed, *open_orphans),
        superseded=_superseded(group, protocol),
        revisions=tuple(revisions),
        reported=(*reported, *left_out, *told),
        added_targets=targets,
        part_levels=tuple(_levels_of(one, protocol) for one in standing),
        named_by_others=_named_by_others(case, siblings),
    )


def _possible_parts(siblings: Sequence[Sibling]) -> tuple[list[Sibling], list[Text]]:
    """Return the plans that may be meant to be treated, and why the others are not."""
    possible: list[Sibling] = []
    whys: list[Text] = []
    for sibling in siblings:
        why = _why_no_part(sibling)
        if why is None:
            possible.append(sibling)
        else:
            whys.append(why)
    return possible, whys


def _considered(
    siblings: Sequence[Sibling], declared: Declared
) -> tuple[Sequence[Sibling], list[Text]]:
    """Return the plans that may give dose by what the user says, and what is told of that."""
    if not declared.alone:
        return siblings, []
    if not siblings:
        return [], []
    asked_for = [one for one in siblings if one.asked_for]
    others = _listed(one for one in siblings if not one.asked_for)
    told = Text(
        "declared: the patient's other plans add no dose: {plans}", plans=others
    )
    return asked_for, [told]


def _is_for_qa(sibling: Sibling) -> bool:
    if sibling.plan is None:
        return False
    return sibling.plan.intent in QA_INTENTS


def _why_no_part(sibling: Sibling) -> Text | None:
    """Say why a plan is not meant to be treated; None where it may be."""
    plan = plan_words(sibling.instance)
    if _is_for_qa(sibling):
        return Text(
            "a QA plan of the patient is no part of the course: {plan}", plan=plan
        )
    if approval_term(sibling.instance.approval_status) == REJECTED:
        return Text(
            "a rejected plan of the patient is no part of the course: {plan}", plan=plan
        )
    return None


# --- Plans and their targets --------------------------------------------------------------------


def _planned_case(case: Case, matches: Sequence[MatchedROI]) -> _Planned:
    plan, structures = case.plan, case.structure_set
    as_others_see_it = Sibling(
        instance=plan.instance,
        kind="RT Plan",
        where="the case itself",
        plan=plan,
        structure_set=structures,
    )
    return _planned(plan, structures, matches, as_others_see_it)


def _planned(
    plan: Plan,
    structures: StructureSet,
    matches: Sequence[MatchedROI],
    sibling: Sibling,
) -> _Planned:
    targets = _targets_of(plan, structures, matches)
    levels = _levels_in_names(targets)
    return _Planned(plan.instance, plan, structures, targets, levels, sibling)


def _targets_of(
    plan: Plan, structures: StructureSet, matches: Sequence[MatchedROI]
) -> tuple[ROI, ...]:
    return tuple(match.roi for match in plan_targets(plan, structures, matches))


def _levels_in_names(targets: Sequence[ROI]) -> frozenset[str]:
    """Return the levels that the names of targets state; none where one of them states none."""
    stated = [read_levels(roi.name, Role.PTV).stated for roi in targets]
    if not all(stated):
        return frozenset()
    return frozenset(chain.from_iterable(stated))


def _planned_siblings(
    siblings: Sequence[Sibling], protocol: Protocol
) -> tuple[list[_Planned], list[Open]]:
    """Return the other plans whose targets are known, and what is asked of the others."""
    drawn: list[_Planned] = []
    undrawn: list[Open] = []
    for sibling in siblings:
        plan, structures = sibling.plan, sibling.structure_set
        if plan is None or structures is None or plan.is_ion:
            undrawn.append(_without_targets(sibling))
            continue
        matches = match_rois(structures.rois, protocol, {})
        drawn.append(_planned(plan, structures, matches, sibling))
    return drawn, undrawn


def _without_targets(sibling: Sibling) -> Open:
    why = Text(
        "another plan of the patient lies near, and its targets are not known: {plan}",
        plan=plan_words(sibling.instance),
    )
    return Open(why, CURE)


def _levels_of(one: _Planned, protocol: Protocol) -> TreatedLevels:
    matches = match_rois(one.structure_set.rois, protocol, {})
    targets = plan_targets(one.plan, one.structure_set, matches)
    return treated_levels(targets, matches, one.plan, Declared())


def _named_by_others(case: Case, siblings: Sequence[Sibling]) -> set[str]:
    """Return the ROIs of this plan's structure set that other plans name as their targets."""
    named: set[str] = set()
    frame = case.plan.instance.frame_of_reference_uid
    for sibling in siblings:
        if sibling.plan is None:
            continue
        one_set = _is_one_set(sibling.plan, case.plan)
        same_frame = _agree(frame, sibling.instance.frame_of_reference_uid)
        if one_set or same_frame:
            named |= named_targets(sibling.plan, case.structure_set, by_number=one_set)
    return named


def _is_one_set(one: Plan, other: Plan) -> bool:
    """Tell whether two plans name one structure set; plans that name none name no common one."""
    if not one.structure_set_uid:
        return False
    return one.structure_set_uid == other.structure_set_uid


# --- Revisions ----------------------------------------------------------------------------------


class _Group(NamedTuple):
    """Plans of one target; `whole` are the pairs of which either may replace the other."""

    members: list[_Planned]
    whole: set[frozenset[str]]


def _pair(one: _Planned, other: _Planned) -> frozenset[str]:
    return frozenset((one.instance.sop_instance_uid, other.instance.sop_instance_uid))


def _groups(plans: Sequence[_Planned]) -> list[_Group]:
    """Put plans of one target together, those of the first plan first."""
    numbers = np.arange(len(plans))  # of the group that each plan is in
    whole: set[frozenset[str]] = set()
    # What the user asks to be added replaces nothing, and nothing replaces it.
    may_replace = [at for at, plan in enumerate(plans) if not plan.sibling.asked_for]
    for first, second in combinations(may_replace, 2):
        one, other = plans[first], plans[second]
        ways = (_may_replace(one, other), _may_replace(other, one))
        if all(ways):
            whole.add(_pair(one, other))
        if any(ways):
            low, high = sorted((numbers[first], numbers[second]))
            numbers[numbers == high] = low
    groups: dict[int, _Group] = {}
    for plan, number in zip(plans, numbers.tolist(), strict=True):
        groups.setdefault(number, _Group([], whole)).members.append(plan)
    return list(groups.values())


def _may_replace(one: _Planned, other: _Planned) -> bool:
    """Tell whether one plan treats all that another does, by the names or the places of targets."""
    name_the_same = one.levels == other.levels
    if one.levels and name_the_same:
        return True
    return _treats(one, other)


def _treats(one: _Planned, other: _Planned) -> bool:
    """Tell whether one plan treats every target of another: half of the larger, in one frame."""
    frames = one.frame_uids | other.frame_uids
    if len(frames) != 1:
        return False
    if not other.targets:
        return False
    return all(_is_among(target, one.targets) for target in other.targets)


def _is_among(target: ROI, own: Sequence[ROI]) -> bool:
    return any(hold_in_common(target, roi, SHARED, of=max) for roi in own)


def _standing(group: _Group) -> _Planned | None:
    """Return the plan of a group that is treated: the only one, the approved one, the latest.

    It must be able to replace every other: a plan of which it treats a part only stays open.
    """
    stands = _meant(group.members)
    if stands is None:
        return None
    needed = {_pair(one, stands) for one in group.members if one is not stands}
    if not needed <= group.whole:
        return None
    return stands


def _meant(plans: Sequence[_Planned]) -> _Planned | None:
    """Return the plan that approval and dates speak for; None where they do not tell."""
    if len(plans) == 1:
        return plans[0]
    approved = [one for one in plans if one.is_approved]
    if approved:
        return _only(approved)
    not_rejected = [one for one in plans if not one.is_rejected]
    return _latest(not_rejected)


def _only(plans: Sequence[_Planned]) -> _Planned | None:
    if len(plans) != 1:
        return None
    return plans[0]


def _latest(plans: Sequence[_Planned]) -> _Planned | None:
    """Return the plan of the latest date; None where a date is missing or two are the latest."""
    by_date: dict[str | None, list[_Planned]] = {}
    for one in plans:
        by_date.setdefault(one.instance.date, []).append(one)
    if None in by_date:
        return None
    last = max(by_date, key=str, default=None)
    return _only(by_date.get(last, []))


def _superseded(group: _Group, protocol: Protocol) -> Superseded | None:
    """Say why the first plan of a group may not be the one that is treated; None where it is."""
    own, *others = group.members
    told = _listed(others)
    if any(_adds_up(own, other, protocol) for other in others):
        return Superseded(
            Text(
                "another plan treats the same target, and their fractions add up to an allowed"
                " scheme: revision or parts? ({plans})",
                plans=told,
            ),
            Text(
                "add it with --with if it is a part, or say --alone if it is a revision"
            ),
        )
    stands = _standing(group)
    if stands is own:
        return None
    cure = Text(
        "take away the plans that are not treated, reject them, or say --alone if this one is meant"
    )
    if stands is not None:
        why = Text(
            "superseded by another plan of the same target: {plan}",
            plan=plan_words(stands.instance),
        )
        return Superseded(why, cure, is_replaced=True)
    return Superseded(_why_not_told(group.members, told), cure)


def _why_not_told(plans: Sequence[_Planned], others: str) -> Text:
    approved = sum(one.is_approved for one in plans)
    return Text(
        "{count} plans share targets, {approved} of them approved: which one is treated is not"
        " known ({plans})",
        count=len(plans),
        approved=approved or "none",
        plans=others,
    )


def _adds_up(one: _Planned, other: _Planned, protocol: Protocol) -> bool:
    """Tell whether two plans together give what is one allowed scheme, and neither does alone."""
    first, second = _prescribed(one, protocol), _prescribed(other, protocol)
    if first is None or second is None:
        return False
    allows = protocol.schemes.allows
    if any(allows(p.dose_gy, p.fractions) for p in (first, second)):
        return False
    return allows(first.dose_gy + second.dose_gy, first.fractions + second.fractions)


def _prescribed(one: _Planned, protocol: Protocol) -> Prescription | None:
    reading = read_prescription(one.plan, Declared(), protocol.schemes)
    return reading.prescription


# --- Parts --------------------------------------------------------------------------------------


def _standing_parts(
    groups: Sequence[_Group],
) -> tuple[list[_Planned], list[Open]]:
    """Return the plans of other targets that are treated too, and those of which that is open."""
    standing: list[_Planned] = []
    unsettled = []
    for group in groups:
        stands = _standing(group)
        if stands is not None:
            standing.append(stands)
            continue
        why = Text(
            "other plans of the patient share a target, and which of them is treated is not"
            " known: {plans}",
            plans=_listed(group.members),
        )
        unsettled.append(Open(why, CURE))
    return standing, unsettled


def _parts(case: Case, standing: Sequence[_Planned]) -> tuple[list[Case], list[Open]]:
    """Return the parts whose dose can be added, and why others cannot be."""
    fractions = read_fractions(case.plan)
    parts: list[Case] = []
    failed: list[Open] = []
    for one in standing:
        told = plan_words(one.instance)
        try:
            part = part_case(one.sibling)
        except (CaseError, ReadError) as error:
            failed.append(_not_added(told, Text("{why}", why=str(error.problem))))
            continue
        why = _why_no_sum(case, part, fractions)
        if why is None:
            parts.append(part)
        else:
            failed.append(_not_added(told, why))
    return parts, failed


def _not_added(plan: Text, why: Text) -> Open:
    return Open(Text("plan {plan} cannot be added: {why}", plan=plan, why=why), CURE)


def _why_no_sum(case: Case, part: Case, fractions: int | None) -> Text | None:
    """Physical doses add up where frame of reference and fraction number agree."""
    if not _agree(case.dose_frame_uid, part.dose_frame_uid):
        return Text("its dose lies in another frame of reference, or states none")
    others = read_fractions(part.plan)
    if not _agree(fractions, others):
        return Text(
            "it has {other} fractions, this one {own}: physical doses of different fractions are"
            " not added",
            other=stated_or(others, "unknown"),
            own=stated_or(fractions, "unknown"),
        )
    return None


def _sum(
    case: Case, parts: Sequence[Case], protocol: Protocol
) -> tuple[DoseGrid, DoseGrid]:
    """Return the lowest and the highest sum of all doses."""
    if not parts:
        return case.dose, case.dose
    cases = (case, *parts)
    bounds = [face_bounds_gy(one.dose, _drawn_targets(one, protocol)) for one in cases]
    doses = [one.dose for one in cases]
    sums = sum_of_courses(doses, bounds)
    return sums.lowest, sums.highest


def _drawn_targets(case: Case, protocol: Protocol) -> tuple[ROI, ...]:
    matches = match_rois(case.structure_set.rois, protocol, {})
    return _targets_of(case.plan, case.structure_set, matches)


# --- What is not known --------------------------------------------------------------------------


def _unknown(case: Case, siblings: Sequence[Sibling], declared: Declared) -> list[Open]:
    """Return why there may be dose that nobody has looked at; nothing where the user says so."""
    if declared.alone:
        return []
    unread = [Open(why, CURE) for why in case.unknown]
    return [*_two_people(case, siblings), *unread]


def _two_people(case: Case, siblings: Sequence[Sibling]) -> list[Open]:
    """Ask where plans of one patient ID state different names or birth dates."""
    patients = [case.plan.instance.patient, *(one.instance.patient for one in siblings)]
    if _may_be_one(patients):
        return []
    why = Text(
        "plans of this patient ID state different names or birth dates: which of them are of one"
        " patient is not known"
    )
    cure = Text("mend the names, or part the patients' files into folders of their own")
    return [Open(why, cure)]


def _may_be_one(patients: Sequence[Patient]) -> bool:
    """Tell whether no two of these differ in their names or birth dates."""
    births = {patient.birth_date for patient in patients if patient.birth_date}
    if len(births) > 1:
        return False
    pairs = combinations(patients, 2)
    return all(names_agree(one, other) for one, other in pairs)


def _orphans(
    case: Case, targets: Sequence[ROI], declared: Declared
) -> tuple[list[Open], list[Text]]:
    """Tell of doses that name no plan among the files: questions, and what is only said."""
    if not case.orphans:
        return [], []
    if declared.alone:
        return [], [
            Text("declared: doses that name no plan among the files add nothing")
        ]
    why = _why_orphans_count(case, targets)
    if why is None:
        told = Text(
            "an RT Dose of this patient names no plan among the files; its high dose lies at the"
            " same targets, and it is taken for that of an earlier revision"
        )
        return [], [told]
    problem = Text(
        "an RT Dose of this patient names no plan among the files, and {why}: whether it is given"
        " to the same cord is not known",
        why=why,
    )
    cure = Text(
        "add its RT Plan, or remove the dose if it is superseded, or say --alone"
    )
    return [Open(problem, cure)], []


def _why_orphans_count(case: Case, targets: Sequence[ROI]) -> Text | None:
    """Say why doses that name no plan among the files may be given beside this one; None if not."""
    try:
        doses = [orphan.dose() for orphan in case.orphans]
    except ReadError as error:
        return Text("it cannot be read: {why}", why=str(error.problem))
    return why_not_superseded(doses, targets, case.dose)
