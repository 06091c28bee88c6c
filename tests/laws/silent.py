"""What may be taken away unnoticed: the one table of exemptions from the law of evidence.

Each row has an example in which taking it away does turn FAIL or UNDECIDED into PASS or VARIATION;
a row whose removal is noticed has no place here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from laws.bench import Judged, matches_of
from laws.makers import (
    Maker,
    first_neural,
    redrawn,
    rois_of,
    with_roi,
    with_rois,
    without,
    z_range,
)
from sbrtcheck.checks.read_neural import NEURAL_ROLES
from sbrtcheck.dossier import Case
from sbrtcheck.model import ROI
from sbrtcheck.protocol.rules import Role

__all__ = ["SILENT", "Silent", "exemption"]

Holds = Callable[[Case, Case, set[str]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """What may go unnoticed.

    Parameters
    ----------
    holds
        Whether it is this that went: of the case before and after, and the names of ROIs that
        went or lost contours.
    bad
        Makes the case bad by what is then taken away.
    remove
        Takes it away.
    number
        The generated plan of the example.
    """

    name: str
    reason: str
    holds: Holds
    bad: Maker
    remove: Maker
    number: int


def exemption(before: Case, after: Case, answer: Judged) -> Silent | None:
    """Return the row that lets a removal go unnoticed."""
    if answer.verdict is None:
        return None
    now = {roi.name: roi for roi in after.structure_set.rois}
    changed = {
        roi.name
        for roi in before.structure_set.rois
        if roi.name not in now or len(now[roi.name].contours) < len(roi.contours)
    }
    if not changed:
        return None
    return next((row for row in SILENT if row.holds(before, after, changed)), None)


def roles_of(case: Case, names: set[str]) -> set[Role | None]:
    """Return the roles of some ROIs."""
    return {match.role for match in matches_of(case) if match.roi.name in names}


def one_of_several(before: Case, after: Case, changed: set[str]) -> bool:
    """Tell whether another ROI of each role is still there, whole."""
    roles = roles_of(before, changed)
    whole = {
        match.role
        for match in matches_of(after)
        if match.roi.name not in changed and match.roi.contours
    }
    return None not in roles and Role.ORGAN not in roles and roles <= whole


def has_surrogate(before: Case, after: Case, changed: set[str]) -> bool:
    """Tell whether the cord went and another neural ROI is still there."""
    roles = roles_of(before, changed)
    left = [roi for roi in rois_of(after, *NEURAL_ROLES) if roi.name not in changed]
    return roles <= set(NEURAL_ROLES) and bool(left)


def is_organ(before: Case, after: Case, changed: set[str]) -> bool:
    """Tell whether only organs went whole that are neither required nor expected there."""
    gone = changed - {roi.name for roi in after.structure_set.rois}
    return gone == changed and roles_of(before, changed) <= {Role.ORGAN, None}


def never(before: Case, after: Case, changed: set[str]) -> bool:
    """Leave it to the example alone: no operation of the law takes this away."""
    del before, after, changed
    return False


# --- Examples -----------------------------------------------------------------------------------


def onto_target(case: Case, roi: ROI, name: str) -> ROI | None:
    """Return a copy of an ROI with another name, drawn on the middle of the first target."""
    targets = rois_of(case, Role.PTV)
    if not targets:
        return None
    aim = np.concatenate([c.points_mm for c in targets[0].contours]).mean(axis=0)
    own = np.concatenate([c.points_mm for c in roi.contours]).mean(axis=0)
    rings = [replace(c, points_mm=c.points_mm + aim - own) for c in roi.contours]
    number = max((other.number or 0) for other in case.structure_set.rois) + 1
    return replace(redrawn(roi, rings), name=name, number=number)


def add_hot_copy(name: str) -> Maker:
    """Return what adds a copy of the cord inside the target under another name."""

    def make(case: Case) -> Case | None:
        cord = first_neural(case)
        copy = None if cord is None else onto_target(case, cord, name)
        return (
            None if copy is None else with_rois(case, (*case.structure_set.rois, copy))
        )

    return make


def remove_named(name: str) -> Maker:
    """Return what takes a ROI away."""

    def make(case: Case) -> Case:
        return with_rois(case, (r for r in case.structure_set.rois if r.name != name))

    return make


def hot_cord(case: Case) -> Case | None:
    """Move the cord alone into the target."""
    cord = first_neural(case)
    moved = None if cord is None else onto_target(case, cord, cord.name)
    return None if moved is None else with_roi(case, moved)


def rejected(case: Case) -> Case:
    """Reject the plan."""
    instance = replace(case.plan.instance, approval_status="REJECTED")
    return replace(case, plan=replace(case.plan, instance=instance))


def unsigned(case: Case) -> Case:
    """Take the approval status away."""
    instance = replace(case.plan.instance, approval_status=None)
    return replace(case, plan=replace(case.plan, instance=instance))


def longer_target(case: Case) -> Case | None:
    """Draw more planes at the end of the first target, where there is no dose."""
    targets = rois_of(case, Role.PTV)
    if not targets:
        return None
    roi = targets[-1]
    _, high = z_range([roi])
    step = float(np.median(np.diff(roi.z_mm)))
    end = [c for c in roi.contours if c.z_mm == roi.z_mm[-1]]
    more = [replace(c, z_mm=high + step * k) for c in end for k in range(1, 5)]
    return with_roi(case, redrawn(roi, (*roi.contours, *more)))


def shorter_target(case: Case) -> Case | None:
    """Take the last four planes of the last target away."""
    targets = rois_of(case, Role.PTV)
    if not targets:
        return None
    roi = targets[-1]
    last = float(roi.z_mm[-4])
    return with_roi(case, redrawn(roi, (c for c in roi.contours if c.z_mm < last)))


SILENT: tuple[Silent, ...] = (
    Silent(
        name="one of several ROIs of a role",
        reason="what only accuses and stands in one place; nothing left names it",
        holds=one_of_several,
        bad=add_hot_copy("SpinalCord_MR"),
        remove=remove_named("SpinalCord_MR"),
        number=2,
    ),
    Silent(
        name="a cord under a surrogate",
        reason="PRV, sac or canal then stand for the cord on those planes, by its limit",
        holds=has_surrogate,
        bad=hot_cord,
        remove=without(Role.CORD),
        number=2,
    ),
    Silent(
        name="an organ that is not expected",
        reason="nothing states that it should be drawn",
        holds=is_organ,
        bad=add_hot_copy("Stomach"),
        remove=remove_named("Stomach"),
        number=2,
    ),
    Silent(
        name="an attribute that only accuses",
        reason="the approval status is not required",
        holds=never,
        bad=rejected,
        remove=unsigned,
        number=2,
    ),
    Silent(
        name="end planes of a PTV",
        reason="nothing else shows how far the target reached",
        holds=never,
        bad=longer_target,
        remove=shorter_target,
        number=2,
    ),
)
