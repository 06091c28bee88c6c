"""Which pose is worst, and how small a shift breaks a limit?

Quick answers choose, whole DVHs decide: a pose is left out only where its quick answer lies on the
good side by more than the largest difference between the two seen so far. That is no proof; on the
sample plans it finds what whole DVHs of all poses find.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sbrtcheck.protocol.metric import Metric
from sbrtcheck.protocol.rules import Line
from sbrtcheck.robustness.moving import Moving, breaks, worse_end
from sbrtcheck.robustness.poses import (
    AS_PLANNED,
    DIRECTIONS,
    Pose,
    Rotation,
    Shift,
    shifts,
)

__all__ = [
    "BRACKET_MM",
    "MOST_MM",
    "SCAN_MM",
    "Break",
    "Worst",
    "smallest_break",
    "worst_of",
]

MOST_MM = 10.0  # shifts are searched so far
SCAN_MM = 0.5  # in these steps, because a metric need not get worse all the way
PER_MM = 10  # a bracket is a tenth of a millimetre wide
BRACKET_MM = 1 / PER_MM
SIGNS = {
    True: 1.0,
    False: -1.0,
}  # of what is worse: larger where a limit is an upper one
ROUNDING = 1e-6  # of an answer: poses that differ by less are equally bad
AnyPose = TypeVar("AnyPose", Shift, Rotation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """The worst answer among poses of one size, and where; None where none is known.

    `unknown` are the poses whose answer cannot be known; they are no part of the worst.
    """

    size: float
    value: float | None
    pose: Pose | None
    poses: int
    unknown: tuple[Pose, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """How far a limit holds under shifts.

    Parameters
    ----------
    is_broken_as_planned
        None where the planned answer is not known; nothing is searched then.
    holds_to_mm
        The largest shift searched at which no known direction breaks it; None where there is none.
    breaks_at_mm, shift
        The smallest shift searched that breaks it; None where none was found.
    known_to_mm
        The largest shift searched up to which every direction is known.
    """

    line: Line
    is_broken_as_planned: bool | None
    holds_to_mm: float | None = None
    breaks_at_mm: float | None = None
    shift: Shift | None = None
    known_to_mm: float = 0.0


def worst_of(
    moving: Moving,
    metric: Metric,
    poses: Sequence[AnyPose],
    *,
    size: float,
    upper: bool,
) -> Worst:
    """Return the worst answer among poses; `upper` tells that larger is worse."""
    sign = SIGNS[upper]
    known = _worst_first(moving, metric, poses, sign)
    unknown: list[Pose] = [pose for pose in poses if pose not in known]
    value: float | None = None
    worst: Pose | None = None
    must_reach = -math.inf  # to be worse than all before
    for pose in known:
        reach = sign * moving.quick(metric, pose) + moving.off_by(metric)
        if reach <= must_reach:
            break
        end = worse_end(moving.whole(metric, pose), upper=upper)
        if end is None:
            unknown.append(pose)
        elif value is None or sign * end > sign * value:
            value, worst = end, pose
            must_reach = sign * value + ROUNDING * abs(value)
    return Worst(
        size=size, value=value, pose=worst, poses=len(poses), unknown=tuple(unknown)
    )


def _worst_first(
    moving: Moving, metric: Metric, poses: Sequence[AnyPose], sign: float
) -> list[AnyPose]:
    """Return the poses that are known, by their quick answers."""
    known = [pose for pose in poses if moving.is_known(pose)]
    return sorted(known, key=lambda pose: -sign * moving.quick(metric, pose))


def smallest_break(moving: Moving, line: Line) -> Break:
    """Return the smallest shift that breaks a limit, bracketed to 0.1 mm."""
    planned = breaks(line.constraint, moving.whole(line.constraint.metric, AS_PLANNED))
    if planned is not False:
        return Break(line=line, is_broken_as_planned=planned)
    bracket = _halved(moving, line, _scanned(moving, line))
    breaks_at_mm = None
    if bracket.broken is not None:
        breaks_at_mm = bracket.broken / PER_MM
    return Break(
        line=line,
        is_broken_as_planned=False,
        holds_to_mm=bracket.held / PER_MM,
        breaks_at_mm=breaks_at_mm,
        shift=bracket.shift,
        known_to_mm=bracket.known / PER_MM,
    )


class _Bracket(NamedTuple):
    """What was searched, in tenths of a millimetre.

    `held` is the largest shift that breaks nothing, `broken` the smallest that does, `shift` that
    shift; up to `known`, every direction is known.
    """

    held: int = 0
    known: int = 0
    broken: int | None = None
    shift: Shift | None = None

    def narrowed(self, tenths: int, shift: Shift | None, unknown: int) -> "_Bracket":
        """Return what is searched after shifts of one more size."""
        known = self.known
        if not unknown and known == self.held:
            known = tenths
        if shift is None:
            return self._replace(held=tenths, known=known)
        return self._replace(broken=tenths, shift=shift, known=known)


def _scanned(moving: Moving, line: Line) -> _Bracket:
    """Search in even steps to the first shift that breaks a limit, or of which nothing is known."""
    bracket = _Bracket()
    step = round(SCAN_MM * PER_MM)
    for tenths in range(step, round(MOST_MM * PER_MM) + 1, step):
        shift, unknown = _broken_by(moving, line, tenths)
        if unknown == len(DIRECTIONS):
            return bracket
        bracket = bracket.narrowed(tenths, shift, unknown)
        if shift is not None:
            return bracket
    return bracket


def _halved(moving: Moving, line: Line, bracket: _Bracket) -> _Bracket:
    """Halve a bracket down to a tenth of a millimetre; without a break there is none."""
    while bracket.broken is not None and bracket.broken - bracket.held > 1:
        middle = (bracket.held + bracket.broken) // 2
        shift, unknown = _broken_by(moving, line, middle)
        bracket = bracket.narrowed(middle, shift, unknown)
    return bracket


def _broken_by(moving: Moving, line: Line, tenths: int) -> tuple[Shift | None, int]:
    """Return a shift of this size that breaks a limit, if there is one, and how many are unknown."""
    constraint = line.constraint
    metric, sign = constraint.metric, SIGNS[constraint.is_upper]
    poses = shifts(tenths / PER_MM)
    known = _worst_first(moving, metric, poses, sign)
    unknown = len(poses) - len(known)
    for shift in known:
        reach = sign * moving.quick(metric, shift) + moving.off_by(metric)
        if constraint.holds(sign * reach):
            break
        answer = breaks(constraint, moving.whole(metric, shift))
        if answer:
            return shift, unknown
        unknown += answer is None
    return None, unknown
