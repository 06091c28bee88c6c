"""Dose between grid points: along each axis, what the points around a place count.

Linear reading uses two grid points along each axis, cubic reading four: the polynomial through
them (Lagrange), for any steps. In the outermost steps of a grid, and beyond it, cubic is linear.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.model import DoseGrid, FloatArray, Point

__all__ = [
    "Box",
    "Place",
    "Taps",
    "along_axis",
    "around",
    "dose_at_gy",
    "locate",
    "mix",
    "taps",
]


class Box(NamedTuple):
    """The part of a dose grid around an ROI."""

    dose_gy: FloatArray
    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray


def around(dose: DoseGrid, low_mm: FloatArray, high_mm: FloatArray) -> Box:
    """Return the grid points between two corners (x, y, z), and two beyond on each side."""
    axes = (dose.x_mm, dose.y_mm, dose.z_mm)
    columns, rows, planes = (
        _between(axis_mm, float(low), float(high))
        for axis_mm, low, high in zip(axes, low_mm, high_mm, strict=True)
    )
    return Box(
        dose.dose_gy[planes, rows, columns],
        dose.x_mm[columns],
        dose.y_mm[rows],
        dose.z_mm[planes],
    )


def _between(grid_mm: FloatArray, low_mm: float, high_mm: float) -> slice:
    first = int(np.searchsorted(grid_mm, low_mm, side="right")) - 2
    first = min(max(first, 0), grid_mm.size - 2)
    return slice(first, max(int(np.searchsorted(grid_mm, high_mm)) + 2, first + 2))


class Place(NamedTuple):
    """Where points lie among grid points: the one below, the share of the next, if on the grid."""

    below: NDArray[np.intp]
    share: FloatArray
    known: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Place":
        """Return some of the points."""
        return Place(self.below[chosen], self.share[chosen], self.known[chosen])


def locate(points_mm: FloatArray, grid_mm: FloatArray) -> Place:
    """Return where points lie on one axis of a grid; those beyond it at its end."""
    below = np.searchsorted(grid_mm, points_mm, side="right") - 1
    below = np.minimum(np.maximum(below, 0), grid_mm.size - 2)
    share = (points_mm - grid_mm[below]) / (grid_mm[below + 1] - grid_mm[below])
    tolerance = 1e-9 * (grid_mm[-1] - grid_mm[0])
    known = (points_mm >= grid_mm[0] - tolerance) & (
        points_mm <= grid_mm[-1] + tolerance
    )
    return Place(below, np.minimum(np.maximum(share, 0.0), 1.0), known)


def mix(low: FloatArray, high: FloatArray, share: FloatArray) -> FloatArray:
    """Return what lies a share of the way from `low` to `high`; `high` is used up."""
    # In place: fresh memory for each step costs several times the arithmetic.
    high -= low
    high *= share
    high += low
    return high


def dose_at_gy(dose: DoseGrid, point_mm: Point) -> float | None:
    """Return the dose at a point, trilinear between grid points; None beyond the grid."""
    axes_mm = (dose.x_mm, dose.y_mm, dose.z_mm)
    places = [
        locate(np.array([at_mm]), axis_mm)
        for at_mm, axis_mm in zip(point_mm, axes_mm, strict=True)
    ]
    if not all(place.known[0] for place in places):
        return None
    i, j, k = (int(place.below[0]) for place in places)
    read_gy = dose.dose_gy[k : k + 2, j : j + 2, i : i + 2]
    for place in places:  # x is the last axis, then y, then z
        share = float(place.share[0])
        read_gy = read_gy[..., 0] * (1 - share) + read_gy[..., 1] * share
    return float(read_gy)


class Taps(NamedTuple):
    """What the grid points around each place count, and how that changes along the axis.

    `first` is the lowest grid point used, shape (n,); `weights` and `slopes` (in 1/mm) have shape
    (2 or 4, n).
    """

    first: NDArray[np.intp]
    weights: FloatArray
    slopes: FloatArray

    def part(self, chosen: slice) -> "Taps":
        """Return those of some places."""
        return Taps(self.first[chosen], self.weights[:, chosen], self.slopes[:, chosen])


def taps(
    points_mm: FloatArray, grid_mm: FloatArray, reading: Literal["trilinear", "cubic"]
) -> Taps:
    """Return how dose is read at places along one axis; beyond the grid the last line goes on."""
    below = np.searchsorted(grid_mm, points_mm, side="right") - 1
    below = np.minimum(np.maximum(below, 0), grid_mm.size - 2)
    step_mm = grid_mm[below + 1] - grid_mm[below]
    share = (points_mm - grid_mm[below]) / step_mm
    linear = Taps(
        below, np.stack([1 - share, share]), np.stack([-1 / step_mm, 1 / step_mm])
    )
    if reading == "trilinear" or grid_mm.size < 4:
        return linear
    first = np.minimum(np.maximum(below - 1, 0), grid_mm.size - 4)
    at_mm = grid_mm[first + np.arange(4)[:, None]]
    weights, slopes = np.ones((2, 4, points_mm.size))
    for own in range(4):
        others = [other for other in range(4) if other != own]
        away_mm = [points_mm - at_mm[other] for other in others]
        apart_mm3 = np.prod([at_mm[own] - at_mm[other] for other in others], axis=0)
        weights[own] = away_mm[0] * away_mm[1] * away_mm[2] / apart_mm3
        slopes[own] = (
            away_mm[0] * away_mm[1] + away_mm[0] * away_mm[2] + away_mm[1] * away_mm[2]
        ) / apart_mm3
    outer = np.flatnonzero((below < 1) | (below > grid_mm.size - 3))
    weights[:, outer] = slopes[:, outer] = 0.0
    for tap in (0, 1):
        at = below[outer] - first[outer] + tap
        weights[at, outer] = linear.weights[tap, outer]
        slopes[at, outer] = linear.slopes[tap, outer]
    return Taps(first, weights, slopes)


def along_axis(dose_gy: FloatArray, tap: Taps, axis: int) -> FloatArray:
    """Read dose at places along one axis of an array of three."""
    shape = [1, 1, 1]
    shape[axis] = -1
    # Places one grid step apart read neighbours in a row: a view instead of a copy.
    in_a_row = tap.first.size > 1 and bool((np.diff(tap.first) == 1).all())

    def part_gy(number: int) -> FloatArray:
        weights = tap.weights[number].reshape(shape)
        if in_a_row:
            where: list[slice] = [slice(None)] * 3
            start = int(tap.first[0]) + number
            where[axis] = slice(start, start + tap.first.size)
            return np.asarray(dose_gy[tuple(where)] * weights)
        taken_gy = np.take(dose_gy, tap.first + number, axis)
        taken_gy *= weights
        return taken_gy

    found_gy = part_gy(0)
    for number in range(1, len(tap.weights)):
        found_gy += part_gy(number)
    return found_gy
