"""Rings as arrays of corners: their areas and their edges."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.model import FloatArray

__all__ = ["canonical", "corner_counts", "edges", "ring_areas_mm2", "signed_area_mm2"]

STRAIGHT = 1e-9  # the tangent of a turn that is none


def signed_area_mm2(points_mm: FloatArray) -> float:
    """Return the area of a closed ring, shape (n, 2), positive when it runs counter-clockwise."""
    x, y = (
        points_mm - points_mm[0]
    ).T  # near the origin, where differences keep their digits
    return (
        float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2
    )  # the closing edge ends at the origin


def corner_counts(rings: Sequence[FloatArray]) -> NDArray[np.intp]:
    """Return how many corners each ring has."""
    return np.array([len(ring) for ring in rings], dtype=np.intp)


def ring_areas_mm2(rings: Sequence[FloatArray]) -> FloatArray:
    """Return the signed area of each ring, positive when it runs counter-clockwise."""
    count = corner_counts(rings)
    start = _starts(count)
    points = np.concatenate(rings)
    points = points - np.repeat(
        points[start], count, axis=0
    )  # where differences keep their digits
    # The closing edge starts or ends at the ring's first corner, the origin: it spans nothing.
    cross = points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]
    return np.asarray(np.add.reduceat(np.append(cross, 0.0), start) / 2)


def edges(
    planes: Sequence[Sequence[FloatArray]],
) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Return the start and end of every edge of closed rings, shape (n, 2), and its plane."""
    rings = list(chain.from_iterable(planes))
    if not rings:
        return np.empty((0, 2)), np.empty((0, 2)), np.empty(0, dtype=np.intp)
    count = corner_counts(rings)
    starts = np.concatenate(rings)
    ends = starts[_following(count)]
    of_ring = np.repeat(np.arange(len(planes)), [len(plane) for plane in planes])
    return starts, ends, np.repeat(of_ring, count).astype(np.intp)


def canonical(rings: Sequence[FloatArray]) -> list[FloatArray]:
    """Return rings by their turns alone, each from its leftmost corner on, of several the lowest.

    So the same ring is the same array, wherever its list of corners starts, and however many of
    them repeat one another or lie on a straight edge. Each ring must enclose an area.
    """
    if not rings:
        return []
    count = corner_counts(rings)
    points = np.concatenate(rings)
    for is_corner in (_differs, _turns):
        kept = is_corner(points, count)
        count = np.add.reduceat(kept, _starts(count)).astype(np.intp)
        points = points[kept]
    start = _starts(count)
    owner = np.repeat(np.arange(count.size), count)
    x, y = points.T
    leftmost = x == np.minimum.reduceat(x, start)[owner]
    y = np.where(leftmost, y, np.inf)
    lowest = np.flatnonzero(y == np.minimum.reduceat(y, start)[owner])
    first = lowest[np.unique(owner[lowest], return_index=True)[1]] - start
    apart = np.split(points, start[1:])
    return [
        np.roll(ring, -at, axis=0)
        for ring, at in zip(apart, first.tolist(), strict=True)
    ]


def _starts(count: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where each of some rings starts that lie end to end."""
    return np.cumsum(count) - count


def _following(count: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each corner of rings that lie end to end which corner comes next."""
    following = np.arange(count.sum()) + 1
    following[np.cumsum(count) - 1] = _starts(count)
    return following


def _differs(points: FloatArray, count: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell which corners differ from the next one."""
    return np.asarray((points != points[_following(count)]).any(axis=1))


def _turns(points: FloatArray, count: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell which corners lie on no straight edge."""
    following = _following(count)
    before = np.empty_like(following)
    before[following] = np.arange(following.size)
    come, go = points - points[before], points[following] - points
    across = come[:, 0] * go[:, 1] - come[:, 1] * go[:, 0]
    along = (come * go).sum(axis=1)
    return np.asarray(
        np.abs(across) > STRAIGHT * along
    )  # also where an edge turns back
