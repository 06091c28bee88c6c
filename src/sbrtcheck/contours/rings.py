"""Rings as arrays of corners: their areas and their edges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.model import FloatArray

__all__ = ["canonical", "edges", "ring_areas_mm2", "signed_area_mm2"]


def signed_area_mm2(points_mm: FloatArray) -> float:
    """Return the area of a closed ring, shape (n, 2), positive when it runs counter-clockwise."""
    x, y = (points_mm - points_mm[0]).T  # near the origin, where differences keep their digits
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2  # the closing edge ends at the origin


def ring_areas_mm2(rings: Sequence[FloatArray]) -> FloatArray:
    """Return the signed area of each ring, positive when it runs counter-clockwise."""
    count = np.array([len(ring) for ring in rings])
    start = np.cumsum(count) - count
    points = np.concatenate(rings)
    points = points - np.repeat(points[start], count, axis=0)  # where differences keep their digits
    # The closing edge starts or ends at the ring's first corner, the origin: it spans nothing.
    cross = points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]
    return np.asarray(np.add.reduceat(np.append(cross, 0.0), start) / 2)


def edges(
    planes: Sequence[Sequence[FloatArray]],
) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Return the start and end of every edge of closed rings, shape (n, 2), and its plane."""
    rings = [(index, ring) for index, plane in enumerate(planes) for ring in plane]
    if not rings:
        return np.empty((0, 2)), np.empty((0, 2)), np.empty(0, dtype=np.intp)
    lengths = [len(ring) for _, ring in rings]
    starts = np.concatenate([ring for _, ring in rings])
    ends = np.roll(starts, -1, axis=0)
    last = np.cumsum(lengths) - 1
    ends[last] = starts[last + 1 - np.array(lengths)]
    return starts, ends, np.repeat([index for index, _ in rings], lengths).astype(np.intp)


def canonical(rings: Sequence[FloatArray]) -> list[FloatArray]:
    """Return rings without repeated corners, each from its leftmost corner on, of several the lowest.

    So the same ring is the same array, wherever its list of corners starts.
    """
    count = np.array([len(ring) for ring in rings])
    start = np.cumsum(count) - count
    points = np.concatenate(rings)
    following = np.arange(len(points)) + 1
    following[start + count - 1] = start
    kept = (points != points[following]).any(axis=1)
    owner = np.repeat(np.arange(count.size), count)
    leftmost = points[:, 0] == np.minimum.reduceat(points[:, 0], start)[owner]
    y = np.where(leftmost & kept, points[:, 1], np.inf)
    first = np.flatnonzero(y == np.minimum.reduceat(y, start)[owner])
    _, at = np.unique(owner[first], return_index=True)
    turns = (first[at] - start).tolist()
    found = []
    for ring, turn, begin, size in zip(rings, turns, start.tolist(), count.tolist(), strict=True):
        mask = kept[begin : begin + size]
        whole = ring if mask.all() else ring[mask]
        at_kept = turn - int(np.count_nonzero(~mask[:turn]))
        found.append(np.concatenate([whole[at_kept:], whole[:at_kept]]) if at_kept else whole)
    return found
