"""Physical doses of parts of one treatment, added up on one grid."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sbrtcheck.model.text import Text
from sbrtcheck.model.values import DoseGrid, FloatArray

__all__ = ["sum_doses"]

SAME_POINT_MM = 1e-3  # grids whose points differ by less are one grid


def sum_doses(doses: Sequence[DoseGrid]) -> DoseGrid:
    """Return the sum of doses on the finest of their grids.

    Where the grids differ, the others are read trilinearly at the points of the finest, and
    only the box that all of them know is kept: outside it the sum is not known.

    Parameters
    ----------
    doses
        At least one, in Gy, in one frame of reference.

    Raises
    ------
    ValueError
        If the grids have no box in common.

    Examples
    --------
    >>> import numpy as np
    >>> from sbrtcheck import DoseGrid, sum_doses
    >>> axis = np.arange(3.0)
    >>> dose = DoseGrid(dose_gy=np.full((3, 3, 3), 10.0), x_mm=axis, y_mm=axis, z_mm=axis)
    >>> float(sum_doses([dose, dose]).dose_gy.max())
    20.0
    """
    finest = min(doses, key=_voxel_mm3)
    if all(_same_grid(finest, dose) for dose in doses):
        total_gy = np.sum([dose.dose_gy for dose in doses], axis=0)
        note = Text("dose is the sum of {count} doses on one grid", count=len(doses))
        return replace(finest, dose_gy=total_gy, notes=(*finest.notes, note))
    x_mm, y_mm, z_mm = (
        _common([getattr(dose, axis) for dose in doses], getattr(finest, axis))
        for axis in ("x_mm", "y_mm", "z_mm")
    )
    total_gy = np.sum([_read_at(dose, x_mm, y_mm, z_mm) for dose in doses], axis=0)
    note = Text(
        "dose is the sum of {count} doses, read at the points of the finest grid, in the box that"
        " all of them know",
        count=len(doses),
    )
    return replace(
        finest, dose_gy=total_gy, x_mm=x_mm, y_mm=y_mm, z_mm=z_mm, notes=(*finest.notes, note)
    )


def _voxel_mm3(dose: DoseGrid) -> float:
    return float(np.prod([np.median(np.diff(axis)) for axis in (dose.x_mm, dose.y_mm, dose.z_mm)]))


def _same_grid(one: DoseGrid, other: DoseGrid) -> bool:
    axes = ((one.x_mm, other.x_mm), (one.y_mm, other.y_mm), (one.z_mm, other.z_mm))
    return all(a.size == b.size and np.abs(a - b).max() <= SAME_POINT_MM for a, b in axes)


def _common(axes_mm: Sequence[FloatArray], finest_mm: FloatArray) -> FloatArray:
    """Return the points of the finest axis that lie on all axes."""
    low_mm = max(axis[0] for axis in axes_mm) - SAME_POINT_MM
    high_mm = min(axis[-1] for axis in axes_mm) + SAME_POINT_MM
    kept: FloatArray = finest_mm[(finest_mm >= low_mm) & (finest_mm <= high_mm)]
    if kept.size < 2:
        raise ValueError("the dose grids do not overlap")
    return kept


def _read_at(dose: DoseGrid, x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray) -> FloatArray:
    """Return the trilinear dose at the points of three axes, shape (nz, ny, nx)."""
    values_gy = dose.dose_gy
    for axis, (points_mm, grid_mm) in enumerate(
        ((z_mm, dose.z_mm), (y_mm, dose.y_mm), (x_mm, dose.x_mm))
    ):
        place = np.interp(points_mm, grid_mm, np.arange(grid_mm.size))
        below = np.minimum(place.astype(np.intp), grid_mm.size - 2)
        share = np.expand_dims(place - below, [other for other in range(3) if other != axis])
        low_gy, high_gy = (np.take(values_gy, at, axis) for at in (below, below + 1))
        values_gy = low_gy + share * (high_gy - low_gy)
    return values_gy
