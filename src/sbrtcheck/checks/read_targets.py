"""Which ROIs are targets of a plan, and whose are the others?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sbrtcheck.contours import share_of_within, union_of
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

WITHIN = (
    0.95  # of an ROI: so much of it in the graded targets, and it is judged with them
)
SHARED = (
    0.5  # of an ROI that looks like a target: less of it in known ones, and it is asked
)
TARGET_ROLES = (Role.PTV, Role.CTV, Role.GTV)


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
        return self.standing.get(name, Standing.OWN) in (Standing.OWN, Standing.UNNAMED)


def states_target_dose(row: DoseReference) -> bool:
    """Tell whether a dose reference prescribes to a target."""
    dose_gy = row.target_prescription_dose_gy
    return row.type.upper() == "TARGET" and dose_gy is not None and dose_gy > 0


def named_targets(
    plan: Plan, structures: StructureSet, *, by_number: bool = True
) -> set[str]:
    """Return the ROIs that a plan's TARGET dose references name, by name or by number.

    Numbers say something in the plan's own structure set only.
    """
    references = [row for row in plan.dose_references if row.type.upper() == "TARGET"]
    numbers = {row.referenced_roi_number for row in references if by_number} - {None}
    names = {normalise(row.description) for row in references if row.description}
    return {
        roi.name
        for roi in structures.rois
        if roi.number in numbers or normalise(roi.name) in names
    }


def plan_targets(
    plan: Plan, structures: StructureSet, matches: Iterable[MatchedROI]
) -> list[MatchedROI]:
    """Return the targets of a plan: those it names, or else all that look like one."""
    drawn = [
        match for match in matches if match.role is Role.PTV and match.roi.contours
    ]
    named = named_targets(plan, structures)
    own = [match for match in drawn if match.roi.name in named]
    return own or drawn


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
    drawn = [
        match for match in matches if match.role is Role.PTV and match.roi.contours
    ]
    own = named_targets(plan, structures) & {match.roi.name for match in drawn}
    standing = {
        match.roi.name: _standing(match.roi, own, named_by_others, declared_levels)
        for match in drawn
    }
    graded = [
        match.roi
        for match in drawn
        if standing[match.roi.name] in (Standing.OWN, Standing.UNNAMED)
    ]
    return Targets(
        standing=standing,
        prescribed_elsewhere=tuple(
            _not_judged(plan, structures, graded, declared_levels)
        ),
        unclear=tuple(_unclear(matches, [match.roi for match in drawn])),
    )


def _standing(
    roi: ROI, own: set[str], named_by_others: set[str], declared_levels: tuple[str, ...]
) -> Standing:
    if not own or roi.name in own:
        return Standing.OWN
    if roi.name in named_by_others:
        return Standing.FOREIGN
    levels = read_levels(roi.name, Role.PTV).stated
    if declared_levels and levels and not set(levels) & set(declared_levels):
        return Standing.LEFT_OUT
    return Standing.UNNAMED


def _not_judged(
    plan: Plan,
    structures: StructureSet,
    graded: Sequence[ROI],
    declared_levels: tuple[str, ...],
) -> Iterable[Elsewhere]:
    """Yield each prescription to something that is not judged."""
    by_number = {roi.number: roi for roi in structures.rois if roi.number is not None}
    by_name = {roi.name: roi for roi in structures.rois}
    levels = {
        level for roi in graded for level in read_levels(roi.name, Role.PTV).stated
    }
    levels |= set(declared_levels)
    for row in plan.dose_references:
        if not states_target_dose(row):
            continue
        roi = by_name.get(row.description)
        if row.referenced_roi_number is not None:
            roi = by_number.get(row.referenced_roi_number, roi)
        if roi is not None and not _is_judged(roi, graded):
            yield _to_roi(roi)
            continue
        stated = read_levels(row.description, Role.PTV).stated
        others = [level for level in stated if level not in levels]
        if others and levels:
            why = Text(
                "the plan prescribes to '{target}', and no target of {levels} is judged",
                target=row.description,
                levels=", ".join(others),
            )
            yield Elsewhere(why, EXPORT)


def _to_roi(roi: ROI) -> Elsewhere:
    why = Text("the plan prescribes to '{roi}', which is not judged", roi=roi.name)
    if roi.problem is not None:
        return Elsewhere(why, EXPORT)
    return Elsewhere(
        why, Text("if it is a target, add --alias '{roi}=PTV'", roi=roi.name)
    )


def _is_judged(roi: ROI, graded: Sequence[ROI]) -> bool:
    """Tell whether an ROI is a graded PTV, or lies in the graded ones; what has no volume may be a point."""
    if any(roi is target for target in graded):
        return True
    if not roi.contours:
        return roi.problem is None
    if not graded:
        return False
    share = share_of_within(roi, union_of(graded, "all targets"))
    return share is None or share >= WITHIN


def _unclear(
    matches: Sequence[MatchedROI], known: Sequence[ROI]
) -> Iterable[MatchedROI]:
    """Yield what looks like a target, is not derived from one, and lies elsewhere."""
    union = union_of(known, "all targets") if known else None
    for match in matches:
        if not _looks_like_target(match) or union is None:
            continue
        share = share_of_within(match.roi, union)
        if share is not None and share < SHARED:
            yield replace(match)


def _looks_like_target(match: MatchedROI) -> bool:
    if match.is_derived or not match.roi.contours:
        return False
    if match.role in (Role.CTV, Role.GTV):
        return True
    return match.structure is None and match.alike is Role.PTV
