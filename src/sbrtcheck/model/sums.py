"""Physical doses of parts of one treatment, added up on one grid."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sbrtcheck.model.text import Text
from sbrtcheck.model.values import DoseGrid, FloatArray

__all__ = ["FaceBounds", "Sums", "sum_doses", "sum_of_courses"]

FaceBounds = (
    FloatArray  # shape (3, 2): the most dose beyond the low and high face along x, y, z
)
SAME_POINT_MM = 1e-3  # grids whose points differ by less are one grid
AXES = ("x_mm", "y_mm", "z_mm")


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
    saturated = sum(dose.saturated for dose in doses)
    if _on_one_grid(doses, finest):
        total_gy = np.sum([dose.dose_gy for dose in doses], axis=0)
        note = Text("dose is the sum of {count} doses on one grid", count=len(doses))
        return replace(
            finest,
            dose_gy=total_gy,
            saturated=saturated,
            notes=(*finest.notes, note),
        )
    x_mm, y_mm, z_mm = (_common(doses, finest, axis) for axis in AXES)
    total_gy = np.sum([_read_at(dose, x_mm, y_mm, z_mm) for dose in doses], axis=0)
    note = Text(
        "dose is the sum of {count} doses, read at the points of the finest grid, in the box that"
        " all of them know",
        count=len(doses),
    )
    return replace(
        finest,
        dose_gy=total_gy,
        x_mm=x_mm,
        y_mm=y_mm,
        z_mm=z_mm,
        saturated=saturated,
        notes=(*finest.notes, note),
    )


def _voxel_mm3(dose: DoseGrid) -> float:
    return float(
        np.prod(
            [np.median(np.diff(axis)) for axis in (dose.x_mm, dose.y_mm, dose.z_mm)]
        )
    )


def _on_one_grid(doses: Sequence[DoseGrid], finest: DoseGrid) -> bool:
    """Tell whether all doses have the points of the finest grid."""
    return all(
        _same_points(getattr(finest, axis), getattr(dose, axis))
        for dose in doses
        for axis in AXES
    )


def _same_points(one_mm: FloatArray, other_mm: FloatArray) -> bool:
    """Tell whether two axes have the same points."""
    if one_mm.size != other_mm.size:
        return False
    away_mm = np.abs(one_mm - other_mm)
    return bool(away_mm.max() <= SAME_POINT_MM)


def _ends_mm(doses: Sequence[DoseGrid], axis: str) -> tuple[FloatArray, FloatArray]:
    """Return where each dose begins and ends along an axis."""
    ends_mm = np.array([getattr(dose, axis)[[0, -1]] for dose in doses])
    return ends_mm[:, 0], ends_mm[:, 1]


def _common(doses: Sequence[DoseGrid], finest: DoseGrid, axis: str) -> FloatArray:
    """Return the points of the finest grid along an axis that all doses reach."""
    begin_mm, end_mm = _ends_mm(doses, axis)
    low_mm = begin_mm.max() - SAME_POINT_MM
    high_mm = end_mm.min() + SAME_POINT_MM
    finest_mm = getattr(finest, axis)
    kept: FloatArray = finest_mm[(finest_mm >= low_mm) & (finest_mm <= high_mm)]
    if kept.size < 2:
        raise ValueError("the dose grids do not overlap")
    return kept


def _read_at(
    dose: DoseGrid, x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray
) -> FloatArray:
    """Return the trilinear dose at the points of three axes, shape (nz, ny, nx)."""
    values_gy = dose.dose_gy
    for axis, (points_mm, grid_mm) in enumerate(
        ((z_mm, dose.z_mm), (y_mm, dose.y_mm), (x_mm, dose.x_mm))
    ):
        place = np.interp(points_mm, grid_mm, np.arange(grid_mm.size))
        below = np.minimum(place.astype(np.intp), grid_mm.size - 2)
        shape = [1, 1, 1]
        shape[axis] = points_mm.size
        share = (place - below).reshape(shape)
        low_gy = np.take(values_gy, below, axis)
        high_gy = np.take(values_gy, below + 1, axis)
        values_gy = low_gy + share * (high_gy - low_gy)
    return values_gy


class Sums(NamedTuple):
    """The sum of doses on one grid: without and with what each may add beyond its own grid."""

    lowest: DoseGrid
    highest: DoseGrid


def sum_of_courses(doses: Sequence[DoseGrid], bounds_gy: Sequence[FaceBounds]) -> Sums:
    """Return the sum of the doses of plans, wherever any of them is known.

    It lies on the points of the finest grid, carried on over the box that holds all of them.
    Beyond the grid of a plan, that plan adds nothing to the lowest sum, and to the highest what
    bounds it beyond the faces that are passed.

    Parameters
    ----------
    doses
        At least one, in Gy, in one frame of reference.
    bounds_gy
        For each dose, shape (3, 2): the most that it can be beyond its low and its high face
        along x, y and z.

    Returns
    -------
    Twice the same grid where all grids hold one another.
    """
    finest = min(doses, key=_voxel_mm3)
    if _on_one_grid(doses, finest):
        total = sum_doses(doses)
        return Sums(total, total)
    x_mm, y_mm, z_mm = (_over_all(doses, finest, axis) for axis in AXES)
    lowest_gy = np.zeros((z_mm.size, y_mm.size, x_mm.size))
    highest_gy = np.zeros_like(lowest_gy)
    for dose, bound_gy in zip(doses, bounds_gy, strict=True):
        read_gy = _read_at(dose, x_mm, y_mm, z_mm)
        beyond_gy = _beyond(dose, bound_gy, x_mm, y_mm, z_mm)
        inside = np.isnan(beyond_gy)
        lowest_gy += np.where(inside, read_gy, 0.0)
        highest_gy += np.where(inside, read_gy, beyond_gy)
    note = Text(
        "dose is the sum of {count} plans, read at the points of the finest grid; beyond the grid of"
        " a plan its faces bound what it adds",
        count=len(doses),
    )
    lowest = replace(
        finest,
        dose_gy=lowest_gy,
        x_mm=x_mm,
        y_mm=y_mm,
        z_mm=z_mm,
        notes=(*finest.notes, note),
    )
    return Sums(lowest, replace(lowest, dose_gy=highest_gy))


def _over_all(doses: Sequence[DoseGrid], finest: DoseGrid, axis: str) -> FloatArray:
    """Return the points of the finest grid, carried on with its own step to where any dose ends."""
    begin_mm, end_mm = _ends_mm(doses, axis)
    finest_mm = getattr(finest, axis)
    step_mm = float(np.median(np.diff(finest_mm)))
    below = int(np.ceil((finest_mm[0] - begin_mm.min()) / step_mm - SAME_POINT_MM))
    above = int(np.ceil((end_mm.max() - finest_mm[-1]) / step_mm - SAME_POINT_MM))
    before_mm = finest_mm[0] - step_mm * np.arange(below, 0, -1)
    after_mm = finest_mm[-1] + step_mm * np.arange(1, above + 1)
    return np.concatenate([before_mm, finest_mm, after_mm])


def _beyond(
    dose: DoseGrid,
    bound_gy: FaceBounds,
    x_mm: FloatArray,
    y_mm: FloatArray,
    z_mm: FloatArray,
) -> FloatArray:
    """Return what bounds a dose at points beyond its grid; NaN inside, shape (nz, ny, nx)."""
    found = np.full((z_mm.size, y_mm.size, x_mm.size), np.nan)
    for axis, points_mm, own_mm in (
        (0, x_mm, dose.x_mm),
        (1, y_mm, dose.y_mm),
        (2, z_mm, dose.z_mm),
    ):
        line_gy = np.full(points_mm.size, np.nan)
        line_gy[points_mm < own_mm[0] - SAME_POINT_MM] = bound_gy[axis, 0]
        line_gy[points_mm > own_mm[-1] + SAME_POINT_MM] = bound_gy[axis, 1]
        shape = [1, 1, 1]
        shape[2 - axis] = points_mm.size
        found = np.fmax(found, line_gy.reshape(shape))
    return np.asarray(found, dtype=np.float64)
