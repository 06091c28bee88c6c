"""Which ROIs are targets of a plan, and whose are the others?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sbrtcheck.checks.read_levels import level_order
from sbrtcheck.contours import share_of_within, union_of, why_unreadable
from sbrtcheck.model import ROI, DoseReference, Plan, StructureSet, Text
from sbrtcheck.protocol.names import MatchedROI, normalise, read_levels
from sbrtcheck.protocol.rules import Role

__all__ = [
    "Elsewhere",
    "Standing",
    "Targets",
    "named_targets",
    "plan_targets",
    "read_targets",
    "states_target_dose",
]

# Of an ROI: so much of it in the graded targets, and it is judged with them.
WITHIN = 0.95
# Of an ROI that looks like a target: less of it in known ones, and it is asked.
SHARED = 0.5


EXPORT = Text(
    "export the structure set with this target drawn, or judge it with the plan that treats it"
)


class Elsewhere(NamedTuple):
    """A target that the plan prescribes to and nobody judges: why, and what settles it."""

    why: Text
    cure: Text


class Standing(StrEnum):
    """What a PTV is to the plan."""

    OWN = "own"
    UNNAMED = "unnamed"  # the plan names other targets, and not this one
    FOREIGN = "foreign"  # another plan of the patient names it
    LEFT_OUT = "left out"  # the declared levels leave it out


GRADED = (Standing.OWN, Standing.UNNAMED)
# What looks like a target: by its role, or by the role whose name it holds without having it.
LIKE_TARGETS = ((Role.CTV, None), (Role.GTV, None), (None, Role.PTV))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Targets:
    """The PTVs of a plan by what they are to it, and what is not judged though it may be one.

    Parameters
    ----------
    standing
        By the name of each PTV that is drawn.
    prescribed_elsewhere
        What the plan prescribes to and is not judged.
    unclear
        ROIs that look like targets and share little with known ones.
    """

    standing: dict[str, Standing]
    prescribed_elsewhere: tuple[Elsewhere, ...]
    unclear: tuple[MatchedROI, ...]

    def graded(self, name: str) -> bool:
        """Tell whether the coverage of a PTV is graded."""
        return self.standing.get(name, Standing.OWN) in GRADED


def states_target_dose(row: DoseReference) -> bool:
    """Tell whether a dose reference prescribes to a target."""
    if not _is_of_target(row):
        return False
    dose_gy = row.target_prescription_dose_gy
    if dose_gy is None:
        return False
    return dose_gy > 0


def _is_of_target(row: DoseReference) -> bool:
    return row.type.upper() == "TARGET"


def named_targets(
    plan: Plan, structures: StructureSet, *, by_number: bool = True
) -> set[str]:
    """Return the ROIs that a plan's TARGET dose references name, by name or by number.

    Numbers say something in the plan's own structure set only.
    """
    references = [row for row in plan.dose_references if _is_of_target(row)]
    numbers = {row.referenced_roi_number for row in references if by_number} - {None}
    names = {normalise(row.description) for row in references if row.description}
    named = {*numbers, *names}
    return {
        roi.name
        for roi in structures.rois
        if not named.isdisjoint((roi.number, normalise(roi.name)))
    }


def plan_targets(
    plan: Plan, structures: StructureSet, matches: Iterable[MatchedROI]
) -> list[MatchedROI]:
    """Return the targets of a plan: those it names, or else all that look like one."""
    drawn = _drawn_ptvs(matches)
    named = named_targets(plan, structures)
    own = [match for match in drawn if match.roi.name in named]
    return own or drawn


def _drawn_ptvs(matches: Iterable[MatchedROI]) -> list[MatchedROI]:
    ptvs = [match for match in matches if match.role is Role.PTV]
    return [match for match in ptvs if match.roi.contours]


def read_targets(
    plan: Plan,
    structures: StructureSet,
    matches: Sequence[MatchedROI],
    named_by_others: set[str],
    declared_levels: tuple[str, ...],
) -> Targets:
    """Tell what each PTV is to the plan, and which targets of the plan are not judged.

    Parameters
    ----------
    named_by_others
        ROIs of this structure set that other plans of the patient name as their targets.
    declared_levels
        The levels that the user declares; a PTV of others, which the plan does not name, is left
        out by them.
    """
    drawn = [match.roi for match in _drawn_ptvs(matches)]
    own = {match.roi.name for match in plan_targets(plan, structures, matches)}
    standing = {
        roi.name: _standing(roi.name, own, named_by_others, declared_levels)
        for roi in drawn
    }
    graded = [roi for roi in drawn if standing[roi.name] in GRADED]
    not_judged = _not_judged(plan, structures, graded, declared_levels)
    return Targets(
        standing=standing,
        prescribed_elsewhere=tuple(not_judged),
        unclear=tuple(_unclear(matches, drawn)),
    )


def _standing(
    name: str,
    own: set[str],
    named_by_others: set[str],
    declared_levels: tuple[str, ...],
) -> Standing:
    if name in own:
        return Standing.OWN
    if name in named_by_others:
        return Standing.FOREIGN
    if _leave_out(declared_levels, name):
        return Standing.LEFT_OUT
    return Standing.UNNAMED


def _leave_out(declared_levels: tuple[str, ...], name: str) -> bool:
    """Tell whether levels are declared, and a target is called after others."""
    stated = read_levels(name, Role.PTV).stated
    if not stated:
        return False
    if not declared_levels:
        return False
    return set(stated).isdisjoint(declared_levels)


def _not_judged(
    plan: Plan,
    structures: StructureSet,
    graded: Sequence[ROI],
    declared_levels: tuple[str, ...],
) -> Iterable[Elsewhere]:
    """Yield each prescription to something that is not judged."""
    named = (read_levels(roi.name, Role.PTV).stated for roi in graded)
    levels = set(declared_levels).union(*named)
    prescribing = [row for row in plan.dose_references if states_target_dose(row)]
    for row in prescribing:
        roi = _referenced(row, structures)
        if roi is None or _is_judged(roi, graded):
            yield from _to_other_levels(row.description, levels)
        else:
            yield _to_roi(roi)


def _referenced(row: DoseReference, structures: StructureSet) -> ROI | None:
    """Return the ROI of a dose reference: by its number, or else by its name."""
    by_name = {roi.name: roi for roi in structures.rois}
    by_number = {roi.number: roi for roi in structures.rois}
    named = by_name.get(row.description)
    if row.referenced_roi_number is None:
        return named
    return by_number.get(row.referenced_roi_number, named)


def _to_other_levels(target: str, judged: set[str]) -> Iterable[Elsewhere]:
    """Yield a prescription to a target that is called after levels of which none is judged."""
    if not judged:
        return
    others = set(read_levels(target, Role.PTV).stated) - judged
    if others:
        why = Text(
            "the plan prescribes to '{target}', and no target of {levels} is judged",
            target=target,
            levels=", ".join(level_order(others)),
        )
        yield Elsewhere(why, EXPORT)


def _to_roi(roi: ROI) -> Elsewhere:
    why = Text("the plan prescribes to '{roi}', which is not judged", roi=roi.name)
    if why_unreadable(roi) is not None:
        return Elsewhere(why, EXPORT)
    return Elsewhere(
        why, Text("if it is a target, add --alias '{roi}=PTV'", roi=roi.name)
    )


def _is_judged(roi: ROI, graded: Sequence[ROI]) -> bool:
    """Tell whether an ROI is a graded PTV, or lies in the graded ones; what has no volume may be a point."""
    if roi in graded:
        return True
    if not roi.contours:
        return roi.problem is None
    if not graded:
        return False
    return _lies_within(roi, _together(graded), WITHIN)


def _together(targets: Sequence[ROI]) -> ROI:
    """Return one ROI of all targets: a single one as it is."""
    first, *others = targets
    if not others:
        return first
    return union_of(targets, "all targets")


def _lies_within(roi: ROI, targets: ROI, least: float) -> bool:
    """Tell whether so much of an ROI lies in targets; what has no volume lies nowhere else."""
    if why_unreadable(roi) is not None:
        return False
    share = share_of_within(roi, targets)
    if share is None:
        return True
    return share >= least


def _unclear(
    matches: Sequence[MatchedROI], known: Sequence[ROI]
) -> Iterable[MatchedROI]:
    """Yield what looks like a target, is not derived from one, and lies elsewhere."""
    if not known:
        return
    targets = _together(known)
    alike = [match for match in matches if _looks_like_target(match)]
    for match in alike:
        if not _lies_within(match.roi, targets, SHARED):
            yield replace(match)


def _looks_like_target(match: MatchedROI) -> bool:
    if match.is_derived:
        return False
    return (match.role, match.alike) in LIKE_TARGETS
