"""What else of this patient's treatment reaches the same cord? Other plans, added or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.contours import build_region, overlap_cc
from sbrtcheck.dossier import Case, Other, tail
from sbrtcheck.model import (
    ROI,
    Declared,
    DoseGrid,
    Plan,
    Prescription,
    StructureSet,
    Text,
    approval_term,
    sum_doses,
)
from sbrtcheck.protocol.names import MatchedROI, match_rois, normalise, read_levels
from sbrtcheck.protocol.rules import Basis, Role
from sbrtcheck.protocol.rules import Protocol as TrialProtocol

if TYPE_CHECKING:
    from sbrtcheck.checks.evidence import Evidence

SHARED = 0.5  # of the larger target: targets that share this much are one target
SOURCE = "two plans, one cord: the cord receives the sum"
CURE = "add those that give dose here with --with, or say --alone if none does"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """The dose that serial organs receive in the whole course, as far as the files tell.

    `problem` says why it is not known: limits of serial organs are then UNDECIDED unless the
    dose of this plan alone breaks them. `spacing_mm` is the coarsest grid that went into it.
    """

    dose: DoseGrid
    spacing_mm: float
    problem: Text | None
    revisions: tuple[Other, ...] = ()
    unresolved: tuple[Other, ...] = ()
    added_targets: tuple[ROI, ...] = ()


def read_course(
    case: Case, protocol: TrialProtocol, declared: Declared, prescription: Prescription | None
) -> Course:
    """Add up the doses that the user asked for, and tell which other plans remain."""
    revisions = tuple(other for other in case.others if is_revision(case, other, protocol))
    unresolved = tuple(other for other in case.others if other not in revisions)
    problem = None
    if unresolved and not declared.alone:
        problem = Text("cord dose is of this plan only, and other plans lie near; " + CURE)
    dose = case.dose
    if case.added:
        why = _why_no_sum(case, prescription)
        if why is None:
            try:
                dose = sum_doses([case.dose, *(part.dose for part in case.added)])
            except ValueError as error:
                why = Text("the doses of the plans cannot be added: {why}", why=str(error))
        problem = why or problem
    grids = [case.dose, *(part.dose for part in case.added)]
    return Course(
        dose=dose,
        spacing_mm=max(max(grid.spacing_mm) for grid in grids),
        problem=problem,
        revisions=revisions,
        unresolved=unresolved,
        added_targets=tuple(
            roi for part in case.added for roi in _targets(part.plan, part.structure_set, protocol)
        ),
    )


def _why_no_sum(case: Case, prescription: Prescription | None) -> Text | None:
    """Physical doses add up where frame of reference and fraction number agree."""
    own = case.links_of("RT Dose")[0].instance.frame_of_reference_uid
    for part in case.added:
        other = part.links_of("RT Dose")[0].instance.frame_of_reference_uid
        label = part.plan.instance.label or "without label"
        if own is None or own != other:
            return Text(
                "the dose of plan '{label}' lies in another frame of reference: the cord's sum"
                " cannot be known",
                label=label,
            )
        groups = part.plan.fraction_groups
        fractions = groups[0].fractions if len(groups) == 1 else None
        if prescription is None or fractions != prescription.fractions:
            return Text(
                "plan '{label}' has {other} fractions, this one {own}: physical doses of different"
                " fractions are not added",
                label=label,
                other=fractions or "unknown",
                own="unknown" if prescription is None else prescription.fractions,
            )
    return None


# --- Whose target is it -------------------------------------------------------------------------


def without_foreign_targets(matches: tuple[MatchedROI, ...], case: Case) -> tuple[MatchedROI, ...]:
    """Take targets out that another plan names as its own, and this one does not.

    Only where this plan names its targets, too: what nobody names is everybody's.
    """
    own = _named_targets(case.plan, case.structure_set)
    if not own:
        return matches
    plans = [part.plan for part in case.added]
    plans += [other.plan for other in case.others if other.plan is not None]
    foreign: dict[str, str] = {}
    frame = case.plan.instance.frame_of_reference_uid
    for plan in plans:
        one_set = plan.structure_set_uid == case.plan.structure_set_uid
        if one_set or (frame is not None and plan.instance.frame_of_reference_uid == frame):
            named = _named_targets(plan, case.structure_set, by_number=one_set)
            foreign |= dict.fromkeys(named - own, tail(plan.instance.sop_instance_uid))
    return tuple(
        MatchedROI(
            roi=match.roi,
            structure=None,
            role=None,
            how=Text("target of another plan ({plan})", plan=foreign[match.roi.name]),
        )
        if match.role is Role.PTV and match.roi.name in foreign
        else match
        for match in matches
    )


def _named_targets(plan: Plan, structures: StructureSet, *, by_number: bool = True) -> set[str]:
    """Return the ROIs that a plan's TARGET dose references name, by name or by number.

    Numbers say something in the plan's own structure set only.
    """
    references = [row for row in plan.dose_references if row.type.upper() == "TARGET"]
    numbers = {row.referenced_roi_number for row in references if by_number} - {None}
    names = {normalise(row.description) for row in references if row.description}
    return {
        roi.name for roi in structures.rois if roi.number in numbers or normalise(roi.name) in names
    }


def _targets(plan: Plan, structures: StructureSet, protocol: TrialProtocol) -> list[ROI]:
    """Return the targets of a plan: those it names, or else all that look like one."""
    drawn = [
        match.roi
        for match in match_rois(structures.rois, protocol, {})
        if match.role is Role.PTV and match.roi.contours
    ]
    named = _named_targets(plan, structures)
    return [roi for roi in drawn if roi.name in named] or drawn


class Planned(Protocol):
    """What has a plan and, where it was found, the structure set that the plan names."""

    @property
    def plan(self) -> Plan | None:
        """Return the plan."""

    @property
    def structure_set(self) -> StructureSet | None:
        """Return its structure set."""


def is_revision(one: Planned, other: Planned, protocol: TrialProtocol) -> bool:
    """Tell whether another plan treats the same target, and so replaces this one.

    Each of its targets must share half of the larger with one of this plan's, in one frame of
    reference. Without contours nothing is known, and the plan counts as a part.
    """
    if one.plan is None or one.structure_set is None:
        return False
    if other.plan is None or other.structure_set is None:
        return False
    frames = {
        read.instance.frame_of_reference_uid
        for read in (one.plan, one.structure_set, other.plan, other.structure_set)
    }
    if len(frames - {None}) != 1:
        return False
    own = [build_region(roi) for roi in _targets(one.plan, one.structure_set, protocol)]
    theirs = [build_region(roi) for roi in _targets(other.plan, other.structure_set, protocol)]
    if not own or not theirs:
        return False
    for target in theirs:
        shares = [
            overlap_cc(target, region) / max(target.volume_cc or 0.0, region.volume_cc or 0.0)
            for region in own
            if target.volume_cc and region.volume_cc
        ]
        if not shares or max(shares) < SHARED:
            return False
    return True


def target_levels(one: Planned, protocol: TrialProtocol) -> frozenset[str]:
    """Return the vertebral levels that the names of a plan's targets state; none if unknown."""
    if one.plan is None or one.structure_set is None:
        return frozenset()
    targets = _targets(one.plan, one.structure_set, protocol)
    stated = [read_levels(roi.name, Role.PTV).stated for roi in targets]
    return frozenset(level for levels in stated for level in levels) if all(stated) else frozenset()


# --- Findings -----------------------------------------------------------------------------------


def check_course(evidence: "Evidence") -> Iterator[Finding]:
    """Yield what becomes of every other plan of the patient."""
    case, course = evidence.case, evidence.course
    for part in case.added:
        message = course.problem or Text(
            "plan '{label}' is added for serial organs; assumed to be given on the same days",
            label=part.plan.instance.label or "without label",
        )
        outcome = Outcome.PASS if course.problem is None else Outcome.UNDECIDED
        subject = f"plan {tail(part.plan.instance.sop_instance_uid)}"
        yield _finding(subject, message, outcome)
    if course.revisions:
        message = Text(
            "other plans of the patient treat the same target, taken for revisions and not added:"
            " {plans} ({status})",
            plans=_told(course.revisions),
            status=", ".join(_states(course.revisions)),
        )
        yield _finding("revisions", message, None)
    if course.unresolved and evidence.declared.alone:
        plans = _told(course.unresolved)
        message = Text("declared: the patient's other plans add no dose: {plans}", plans=plans)
        yield _finding("case", message, None)
    elif course.unresolved:
        message = Text(
            "other plans of the patient lie near: {plans}; " + CURE, plans=_told(course.unresolved)
        )
        yield _finding("case", message, Outcome.UNDECIDED)


def _told(plans: Sequence[Other]) -> str:
    """Tell plans by place, UID and date; their labels may name another patient."""
    rows: dict[str, list[str]] = {}
    for plan in plans:
        date = f" of {plan.instance.date}" if plan.instance.date else ""
        rows.setdefault(plan.where, []).append(tail(plan.instance.sop_instance_uid) + date)
    return "; ".join(f"{where} {', '.join(told)}" for where, told in rows.items())


def _states(plans: Sequence[Other]) -> list[str]:
    """Return the approval states of plans, each once."""
    states = (approval_term(plan.instance.approval_status) for plan in plans)
    return list(dict.fromkeys(state or "no approval status" for state in states))


def _finding(subject: str, message: Text, outcome: Outcome | None) -> Finding:
    return Finding(
        id="course",
        subject=subject,
        outcome=outcome,
        message=message,
        reason=message if outcome is Outcome.UNDECIDED else None,
        basis=Basis.CONVENTION,
        source=SOURCE,
        required=outcome is not None,
    )
