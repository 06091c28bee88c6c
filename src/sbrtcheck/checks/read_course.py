"""What the other plans of a patient are to a plan: revisions of it, parts of its course, or unknown.

Pure: it needs names, levels and overlaps of targets only. What is added up here is dose that was
read already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from sbrtcheck.checks.orphans import why_not_superseded
from sbrtcheck.checks.read_levels import TreatedLevels, treated_levels
from sbrtcheck.checks.read_prescription import read_fractions, read_prescription
from sbrtcheck.checks.read_targets import named_targets, plan_targets
from sbrtcheck.contours import build_region, overlap_cc
from sbrtcheck.dossier import Case, Sibling, part_case, tail
from sbrtcheck.dvh.beyond import face_bounds_gy
from sbrtcheck.errors import CaseError, ReadError
from sbrtcheck.model import (
    ROI,
    Declared,
    DoseGrid,
    Instance,
    Plan,
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
    """A plan with its targets and the levels that their names state."""

    instance: Instance
    plan: Plan
    structure_set: StructureSet
    targets: tuple[ROI, ...]
    levels: frozenset[str]
    sibling: Sibling | None

    @property
    def is_approved(self) -> bool:
        return approval_term(self.instance.approval_status) == APPROVED

    @property
    def is_rejected(self) -> bool:
        return approval_term(self.instance.approval_status) == REJECTED


def plan_words(instance: Instance) -> Text:
    """Tell a plan by the end of its UID, its date and approval; its label may name a patient."""
    status = approval_term(instance.approval_status)
    return Text(
        "{uid} of {date}, {status}",
        uid=tail(instance.sop_instance_uid),
        date="unknown date" if instance.date is None else instance.date,
        status="no approval status" if status is None else status,
    )


def read_course(
    case: Case, matches: Sequence[MatchedROI], protocol: Protocol, declared: Declared
) -> Course:
    """Tell what the patient's other plans are, and add up the doses of those that are parts."""
    siblings = [one for one in case.siblings if _why_no_part(one) is None]
    whys = [_why_no_part(one) for one in case.siblings]
    reported = [why for why in whys if why is not None]
    own = _planned_case(case, matches)
    considered = [one for one in siblings if one.asked_for or not declared.alone]
    if declared.alone and siblings:
        others = "; ".join(
            str(plan_words(s.instance)) for s in siblings if not s.asked_for
        )
        reported.append(
            Text(
                "declared: the patient's other plans add no dose: {plans}", plans=others
            )
        )
    drawn, undrawn = _planned_siblings(considered, protocol)
    groups = _groups([own, *drawn])
    revisions = next(group for group in groups if own in group.members)
    superseded = _superseded(own, revisions, protocol)
    questions = [*_unknown(case, considered, undrawn, declared)]
    standing, unsettled = _standing_parts(groups, own)
    questions += unsettled
    parts, failed = _parts(case, standing)
    questions += failed
    dose, highest = _sum(case, parts, protocol)
    targets = [roi for one in standing for roi in one.targets]
    open_orphans, told = _orphans(case, [*own.targets, *targets], declared)
    questions += open_orphans
    return Course(
        dose=dose,
        highest=highest,
        spacing_mm=max(
            max(grid.spacing_mm) for grid in (case.dose, *(p.dose for p in parts))
        ),
        parts=tuple(parts),
        open=tuple(questions),
        superseded=superseded,
        revisions=tuple(
            one.sibling for one in revisions.members if one.sibling is not None
        ),
        reported=(*reported, *told),
        added_targets=tuple(targets),
        part_levels=tuple(_levels_of(one, protocol) for one in standing),
        named_by_others=_named_by_others(case, siblings),
    )


def _why_no_part(sibling: Sibling) -> Text | None:
    """Say why a plan is not meant to be treated; None where it may be."""
    plan = plan_words(sibling.instance)
    if sibling.plan is not None and sibling.plan.intent in QA_INTENTS:
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
    return _planned(case.plan, case.structure_set, matches, None)


def _planned(
    plan: Plan,
    structures: StructureSet,
    matches: Sequence[MatchedROI],
    sibling: Sibling | None,
) -> _Planned:
    targets = tuple(match.roi for match in plan_targets(plan, structures, matches))
    stated = [read_levels(roi.name, Role.PTV).stated for roi in targets]
    levels: frozenset[str] = frozenset()
    if all(stated):
        levels = frozenset(level for levels in stated for level in levels)
    return _Planned(plan.instance, plan, structures, targets, levels, sibling)


def _planned_siblings(
    siblings: Sequence[Sibling], protocol: Protocol
) -> tuple[list[_Planned], list[Sibling]]:
    """Return the other plans whose targets are known, and the others."""
    drawn, undrawn = [], []
    for sibling in siblings:
        if sibling.plan is None or sibling.structure_set is None or sibling.plan.is_ion:
            undrawn.append(sibling)
            continue
        matches = match_rois(sibling.structure_set.rois, protocol, {})
        drawn.append(_planned(sibling.plan, sibling.structure_set, matches, sibling))
    return drawn, undrawn


def _levels_of(one: _Planned, protocol: Protocol) -> TreatedLevels:
    matches = match_rois(one.structure_set.rois, protocol, {})
    targets = [
        match
        for match in matches
        if match.role is Role.PTV and match.roi in one.targets
    ]
    return treated_levels(targets, matches, one.plan, Declared())


def _named_by_others(case: Case, siblings: Sequence[Sibling]) -> set[str]:
    """Return the ROIs of this plan's structure set that other plans name as their targets."""
    named: set[str] = set()
    frame = case.plan.instance.frame_of_reference_uid
    for sibling in siblings:
        if sibling.plan is None:
            continue
        one_set = sibling.plan.structure_set_uid == case.plan.structure_set_uid
        same_frame = (
            frame is not None and sibling.instance.frame_of_reference_uid == frame
        )
        if one_set or same_frame:
            named |= named_targets(sibling.plan, case.structure_set, by_number=one_set)
    return named


# --- Revisions ----------------------------------------------------------------------------------


class _Group(NamedTuple):
    """Plans of one target; `whole` are the pairs of which either may replace the other."""

    members: list[_Planned]
    whole: set[frozenset[str]]


def _pair(one: _Planned, other: _Planned) -> frozenset[str]:
    return frozenset((one.instance.sop_instance_uid, other.instance.sop_instance_uid))


def _groups(plans: Sequence[_Planned]) -> list[_Group]:
    """Put plans of one target together."""
    numbers = list(range(len(plans)))
    whole: set[frozenset[str]] = set()
    for (first, one), (second, other) in combinations(enumerate(plans), 2):
        if _asked_to_be_added(one, other):
            continue
        ways = (_treats(one, other), _treats(other, one))
        alike = bool(one.levels) and one.levels == other.levels
        if alike or all(ways):
            whole.add(_pair(one, other))
        if alike or any(ways):
            low, high = sorted((numbers[first], numbers[second]))
            numbers = [low if number == high else number for number in numbers]
    return [
        _Group(
            [plan for plan, n in zip(plans, numbers, strict=True) if n == number], whole
        )
        for number in dict.fromkeys(numbers)
    ]


def _asked_to_be_added(one: _Planned, other: _Planned) -> bool:
    """Tell whether the user says that one is added to the other: then neither replaces it."""
    siblings = (one.sibling, other.sibling)
    return any(sibling is not None and sibling.asked_for for sibling in siblings)


def _treats(one: _Planned, other: _Planned) -> bool:
    """Tell whether one plan treats every target of another: half of the larger, in one frame."""
    frames = {
        read.frame_of_reference_uid
        for read in (
            one.instance,
            one.structure_set.instance,
            other.instance,
            other.structure_set.instance,
        )
    }
    if len(frames - {None}) != 1 or not one.targets or not other.targets:
        return False
    return all(
        any(_are_one(target, own) for own in one.targets) for target in other.targets
    )


def _are_one(target: ROI, own: ROI) -> bool:
    first, second = build_region(target), build_region(own)
    if first.volume_cc is None or second.volume_cc is None:
        return False
    return overlap_cc(first, second) >= SHARED * max(first.volume_cc, second.volume_cc)


def _standing(group: _Group) -> _Planned | None:
    """Return the plan of a group that is treated: the only one, the approved one, the latest.

    It must be able to replace every other: a plan of which it treats a part only stays open.
    """
    if len(group.members) == 1:
        return group.members[0]
    approved = [one for one in group.members if one.is_approved]
    stands = None
    if len(approved) == 1:
        stands = approved[0]
    elif not approved:
        stands = _latest([one for one in group.members if not one.is_rejected])
    if stands is None:
        return None
    others = [one for one in group.members if one is not stands]
    if not all(_pair(one, stands) in group.whole for one in others):
        return None
    return stands


def _latest(plans: Sequence[_Planned]) -> _Planned | None:
    """Return the plan of the latest date; None where a date is missing or two are the latest."""
    dates = [one.instance.date for one in plans]
    known = [date for date in dates if date is not None]
    if not known or len(known) < len(dates) or known.count(max(known)) > 1:
        return None
    return plans[dates.index(max(known))]


def _superseded(own: _Planned, group: _Group, protocol: Protocol) -> Superseded | None:
    if len(group.members) == 1:
        return None
    others = [one for one in group.members if one is not own]
    told = "; ".join(str(plan_words(one.instance)) for one in others)
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
    approved = sum(one.is_approved for one in group.members)
    why = Text(
        "{count} plans share targets, {approved} of them approved: which one is treated is not"
        " known ({plans})",
        count=len(group.members),
        approved=approved or "none",
        plans=told,
    )
    return Superseded(why, cure)


def _adds_up(one: _Planned, other: _Planned, protocol: Protocol) -> bool:
    """Tell whether two plans together give what is one allowed scheme, and neither does alone."""
    schemes = protocol.schemes
    readings = [
        read_prescription(p.plan, Declared(), schemes).prescription
        for p in (one, other)
    ]
    known = [reading for reading in readings if reading is not None]
    if len(known) < len(readings):
        return False
    allowed = {(row.dose_gy, row.fractions) for row in schemes.allowed}
    together = (sum(p.dose_gy for p in known), sum(p.fractions for p in known))
    alone = [(p.dose_gy, p.fractions) for p in known]
    return together in allowed and not any(pair in allowed for pair in alone)


# --- Parts --------------------------------------------------------------------------------------


def _standing_parts(
    groups: Sequence[_Group], own: _Planned
) -> tuple[list[_Planned], list[Open]]:
    """Return the plans of other targets that are treated too, and those of which that is open."""
    standing: list[_Planned] = []
    unsettled = []
    for group in groups:
        if own in group.members:
            continue
        stands = _standing(group)
        if stands is not None:
            standing.append(stands)
            continue
        told = "; ".join(str(plan_words(one.instance)) for one in group.members)
        why = Text(
            "other plans of the patient share a target, and which of them is treated is not"
            " known: {plans}",
            plans=told,
        )
        unsettled.append(Open(why, CURE))
    return standing, unsettled


def _parts(case: Case, standing: Sequence[_Planned]) -> tuple[list[Case], list[Open]]:
    """Return the parts whose dose can be added, and why others cannot be."""
    fractions = read_fractions(case.plan)
    parts: list[Case] = []
    failed: list[Open] = []
    for one in standing:
        if one.sibling is None:
            continue
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
    own, other = case.dose_frame_uid, part.dose_frame_uid
    if own is None or own != other:
        return Text("its dose lies in another frame of reference, or states none")
    others = read_fractions(part.plan)
    if fractions is None or others != fractions:
        return Text(
            "it has {other} fractions, this one {own}: physical doses of different fractions are"
            " not added",
            other="unknown" if others is None else others,
            own="unknown" if fractions is None else fractions,
        )
    return None


def _sum(
    case: Case, parts: Sequence[Case], protocol: Protocol
) -> tuple[DoseGrid, DoseGrid]:
    """Return the lowest and the highest sum of all doses."""
    if not parts:
        return case.dose, case.dose
    grids = [case.dose, *(part.dose for part in parts)]
    targets = [_targets_of(one, protocol) for one in (case, *parts)]
    bounds = [
        face_bounds_gy(grid, rois) for grid, rois in zip(grids, targets, strict=True)
    ]
    sums = sum_of_courses(grids, bounds)
    return sums.lowest, sums.highest


def _targets_of(case: Case, protocol: Protocol) -> list[ROI]:
    matches = match_rois(case.structure_set.rois, protocol, {})
    return [match.roi for match in plan_targets(case.plan, case.structure_set, matches)]


# --- What is not known --------------------------------------------------------------------------


def _unknown(
    case: Case,
    siblings: Sequence[Sibling],
    undrawn: Sequence[Sibling],
    declared: Declared,
) -> list[Open]:
    """Return why there may be dose that nobody has looked at; nothing where the user says so."""
    questions = []
    for sibling in undrawn:
        why = Text(
            "another plan of the patient lies near, and its targets are not known: {plan}",
            plan=plan_words(sibling.instance),
        )
        questions.append(Open(why, CURE))
    if declared.alone:
        return questions
    people = _two_people(case, siblings)
    if people is not None:
        questions.append(people)
    questions += [Open(why, CURE) for why in case.unknown]
    return questions


def _two_people(case: Case, siblings: Sequence[Sibling]) -> Open | None:
    """Ask where plans of one patient ID state different names or birth dates."""
    patients = [case.plan.instance.patient, *(one.instance.patient for one in siblings)]
    births = {patient.birth_date for patient in patients if patient.birth_date}
    agree = all(names_agree(one, other) for one, other in combinations(patients, 2))
    if agree and len(births) < 2:
        return None
    why = Text(
        "plans of this patient ID state different names or birth dates: which of them are of one"
        " patient is not known"
    )
    cure = Text("mend the names, or part the patients' files into folders of their own")
    return Open(why, cure)


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
