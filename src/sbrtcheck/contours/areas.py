"""How the area of a cross-section goes on between planes and beyond the last one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.model import FloatArray

__all__ = ["Areas", "closing_mm", "mean_area", "parabolas"]

# Of an end's area: a parabola that comes as near to nothing as this has an end.
CLOSED = 0.1


class Areas(NamedTuple):
    """Areas by plane or by ring, each with the row of the same ring above and below, or -1.

    `curvature` is that of the parabola through the areas of a row and its two others, and
    `slope` how the area changes outwards at the end of a piece.
    """

    area_mm2: FloatArray
    z_mm: FloatArray
    below: NDArray[np.intp]
    above: NDArray[np.intp]
    curvature: FloatArray
    slope: FloatArray


def parabolas(
    area_mm2: FloatArray, z_mm: FloatArray, others: Sequence[Sequence[int]]
) -> Areas:
    """Fit a parabola to the areas of each row and its others."""
    rows = np.arange(len(area_mm2))
    heights_mm = z_mm.tolist()
    below, above = np.full((2, rows.size), -1)
    near = np.zeros(rows.size, dtype=np.intp)
    for row, two in enumerate(others):
        row_mm = heights_mm[row]
        lower = [other for other in two if heights_mm[other] < row_mm]
        higher = [other for other in two if heights_mm[other] > row_mm]
        below[row] = max(lower, key=heights_mm.__getitem__, default=-1)
        above[row] = min(higher, key=heights_mm.__getitem__, default=-1)
        near[row] = next(iter(two), row)
    curvature = np.zeros(rows.size)
    three = [(row, *two) for row, two in enumerate(others) if len(two) == 2]
    # The second divided difference of three areas, doubled.
    at = np.array(three, dtype=np.intp).reshape(-1, 3)
    x, y = z_mm[at].T, area_mm2[at].T
    curvature[at[:, 0]] = 2 * sum(
        y[i] / ((x[i] - x[j]) * (x[i] - x[k]))
        for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1))
    )
    gap_mm = np.where(near == rows, 1.0, np.abs(z_mm[near] - z_mm))
    slope = (area_mm2 - area_mm2[near]) / gap_mm + curvature / 2 * gap_mm
    slope[near == rows] = 0.0
    return Areas(area_mm2, z_mm, below, above, curvature, slope)


def _area_at(areas: Areas, row: NDArray[np.intp], height_mm: FloatArray) -> FloatArray:
    """Return the area of cross-sections at heights above or below planes, within their slabs.

    Between planes the straight line between both areas, bent by the mean curvature of the two
    parabolas there. Beyond the last plane the parabola goes on, but the area does not grow.
    """
    t_mm = np.abs(height_mm)
    other = np.where(height_mm >= 0, areas.above[row], areas.below[row])
    between = other >= 0
    other = np.where(between, other, row)
    gap_mm = np.where(between, np.abs(areas.z_mm[other] - areas.z_mm[row]), 1.0)
    own_mm2 = areas.area_mm2[row]
    bend = (areas.curvature[row] + areas.curvature[other]) / 2
    straight = own_mm2 + (areas.area_mm2[other] - own_mm2) * t_mm / gap_mm
    inner = straight - bend / 2 * t_mm * (gap_mm - t_mm)
    outer = own_mm2 + areas.slope[row] * t_mm + areas.curvature[row] / 2 * t_mm**2
    found = np.where(between, inner, np.minimum(outer, own_mm2))
    return np.asarray(np.maximum(found, 0.0))


def mean_area(
    areas: Areas, row: NDArray[np.intp], height_mm: FloatArray, thickness_mm: FloatArray
) -> FloatArray:
    """Return the mean area of layers: two points of Gauss give that of a parabola exactly."""
    away_mm = thickness_mm / np.sqrt(12)
    return (
        _area_at(areas, row, height_mm - away_mm)
        + _area_at(areas, row, height_mm + away_mm)
    ) / 2


def closing_mm(areas: Areas, plane: int) -> float | None:
    """Return how far beyond the last plane of a piece the areas run out, if they do."""
    slope, bend = float(areas.slope[plane]), float(areas.curvature[plane])
    area_mm2 = float(areas.area_mm2[plane])
    if slope >= 0:
        return None
    under = slope**2 - 2 * bend * area_mm2
    if under >= 0:
        return float(2 * area_mm2 / (-slope + np.sqrt(under)))
    if area_mm2 - slope**2 / (2 * bend) <= CLOSED * area_mm2:
        return -slope / bend
    return None
