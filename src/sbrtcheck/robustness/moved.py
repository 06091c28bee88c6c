"""The dose as a patient who lies elsewhere receives it: the cloud stands still, the axes move."""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from sbrtcheck.model import DoseGrid, FloatArray
from sbrtcheck.phantoms import Axis
from sbrtcheck.robustness.poses import Rotation, Shift

__all__ = ["Field", "dose_at", "shifted", "turned"]

# Points of a turned grid for one of the dose grid, across the axis of rotation.
FINER = 3
EVEN = 1e-9  # of a step: steps that differ by no more are even
AXES: tuple[Axis, ...] = ("x", "y", "z")


def shifted(dose: DoseGrid, shift: Shift) -> DoseGrid:
    """Return the dose in the coordinates of a patient who lies shifted: exact, nothing resampled.

    What the dose is at x + s, the patient receives at x: `compute_dvh(roi, shifted(dose, shift))`
    is the DVH of contours that were exported with the shift.
    """
    x_mm, y_mm, z_mm = shift.vector_mm
    return replace(
        dose, x_mm=dose.x_mm - x_mm, y_mm=dose.y_mm - y_mm, z_mm=dose.z_mm - z_mm
    )


def turned(
    dose: DoseGrid, rotation: Rotation, low_mm: FloatArray, high_mm: FloatArray
) -> DoseGrid:
    """Return the dose in the coordinates of a patient who lies turned, between two corners.

    Trilinear dose is read at the turned points of a finer grid, which holds the points of the dose
    grid. Along the axis nothing mixes, and the grid keeps its own points. Where turned points leave
    the dose grid, the dose of the nearest point on its faces stands.

    Parameters
    ----------
    low_mm, high_mm
        The corners, x, y and z, of the box that is needed.
    """
    parts = dict.fromkeys(AXES, FINER) | {rotation.axis: 1}
    x, y, z = (
        _around(axis_mm, low, high, parts=parts[name])
        for name, axis_mm, low, high in zip(
            AXES,
            (dose.x_mm, dose.y_mm, dose.z_mm),
            low_mm.tolist(),
            high_mm.tolist(),
            strict=True,
        )
    )
    in_z, in_y, in_x = np.meshgrid(z, y, x, indexing="ij")
    points_mm = np.column_stack([in_x.ravel(), in_y.ravel(), in_z.ravel()])
    dose_gy = dose_at(dose, rotation.moved(points_mm)).dose_gy.reshape(in_z.shape)
    return replace(dose, dose_gy=dose_gy, x_mm=x, y_mm=y, z_mm=z)


def _around(
    axis_mm: FloatArray, low_mm: float, high_mm: float, *, parts: int
) -> FloatArray:
    """Return the points of an axis around a stretch, each step cut into parts."""
    first = max(int(np.searchsorted(axis_mm, low_mm, side="right")) - 1, 0)
    last = min(int(np.searchsorted(axis_mm, high_mm)), axis_mm.size - 1)
    kept = axis_mm[min(first, last - 1) : max(last, first + 1) + 1]
    steps = np.arange((kept.size - 1) * parts + 1) / parts
    return np.interp(steps, np.arange(kept.size, dtype=np.float64), kept)


class Field(NamedTuple):
    """Trilinear dose at points, shape (n,), and how it rises in a grid step along x, y and z."""

    dose_gy: FloatArray
    rises_gy: tuple[FloatArray, FloatArray, FloatArray]


def dose_at(dose: DoseGrid, points_mm: FloatArray) -> Field:
    """Return the dose at points, shape (n, 3); beyond the grid that of the nearest face."""
    flat_gy = dose.dose_gy.reshape(-1)
    _, rows, columns = dose.dose_gy.shape
    below, shares = [], []
    for axis_mm, at_mm in zip(
        (dose.x_mm, dose.y_mm, dose.z_mm), points_mm.T, strict=True
    ):
        steps = _steps_along(axis_mm, at_mm)
        below.append(np.minimum(steps.astype(np.intp), axis_mm.size - 2))
        shares.append(steps - below[-1])
    x, y, z = shares
    corner = (below[2] * rows + below[1]) * columns + below[0]
    offsets = [
        k * rows * columns + j * columns + i for k, j, i in product((0, 1), repeat=3)
    ]
    corners_gy = np.take(flat_gy, corner + np.array(offsets)[:, None]).reshape(
        2, 2, 2, -1
    )
    # Along z, then y, then x: what is left of the corners, and the rises that were passed.
    z_rise_gy = corners_gy[1] - corners_gy[0]
    plane_gy = corners_gy[0] + z * z_rise_gy
    y_rise_gy = plane_gy[1] - plane_gy[0]
    row_gy = plane_gy[0] + y * y_rise_gy
    x_rise_gy = row_gy[1] - row_gy[0]
    z_row_gy = z_rise_gy[0] + y * (z_rise_gy[1] - z_rise_gy[0])
    rises_gy = (
        x_rise_gy,
        y_rise_gy[0] + x * (y_rise_gy[1] - y_rise_gy[0]),
        z_row_gy[0] + x * (z_row_gy[1] - z_row_gy[0]),
    )
    return Field(row_gy[0] + x * x_rise_gy, rises_gy)


def _steps_along(axis_mm: FloatArray, at_mm: FloatArray) -> FloatArray:
    """Return how many grid steps places lie along an axis, within the grid."""
    steps_mm = np.diff(axis_mm)
    if np.ptp(steps_mm) > EVEN * steps_mm[0]:
        return np.interp(at_mm, axis_mm, np.arange(axis_mm.size, dtype=np.float64))
    mean_mm = (axis_mm[-1] - axis_mm[0]) / steps_mm.size
    return np.asarray(np.clip((at_mm - axis_mm[0]) / mean_mm, 0.0, steps_mm.size))
