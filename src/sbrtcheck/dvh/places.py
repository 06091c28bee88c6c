"""Where in an ROI the dose is highest or too low, and how much of it lies outside: by points on a lattice."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours import Region, box_of, inside
from sbrtcheck.dvh.reading import along_axis, taps
from sbrtcheck.model import DoseGrid, FloatArray, Point

__all__ = ["Place", "cold_part", "hottest_part", "volume_above_outside_cc"]

FINE_MM, WINDOW_MM = 0.5, 6.0
MOST_POINTS = 60_000
LEAST_MM = 1.0


class Place(NamedTuple):
    """The middle of some volume, and how much it is."""

    point_mm: Point
    volume_cc: float


class _Lattice(NamedTuple):
    """Points a step apart: their axes, the dose there, and which lie in a solid."""

    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray
    step_mm: float
    dose_gy: FloatArray
    is_in: NDArray[np.bool_]

    @property
    def cell_cc(self) -> float:
        return self.step_mm**3 / 1000

    def middle_mm(self, chosen: NDArray[np.bool_]) -> Point:
        k, j, i = np.nonzero(chosen)
        return (
            float(self.x_mm[i].mean()),
            float(self.y_mm[j].mean()),
            float(self.z_mm[k].mean()),
        )


def hottest_part(region: Region, dose: DoseGrid, volume_cc: float) -> Place | None:
    """Return where the hottest part of a solid lies; None where none of it lies on the grid.

    The maximum is found on a lattice over the whole solid, the part around it on a finer one.
    """
    whole = _over(region, dose)
    if whole is None or not whole.is_in.any():
        return None
    found_gy = np.where(whole.is_in, whole.dose_gy, -1.0)
    k, j, i = np.unravel_index(int(found_gy.argmax()), found_gy.shape)
    middle = np.array([whole.x_mm[i], whole.y_mm[j], whole.z_mm[k]])
    window = max(WINDOW_MM, 2 * whole.step_mm)
    near = _between(region, dose, middle - window, middle + window, FINE_MM)
    if near is None or not near.is_in.any():
        near = whole
    order = np.where(near.is_in, near.dose_gy, -1.0)
    count = min(int(near.is_in.sum()), max(1, round(volume_cc / near.cell_cc)))
    line = np.partition(order.ravel(), -count)[-count]
    chosen = near.is_in & (order >= line)
    return Place(near.middle_mm(chosen), count * near.cell_cc)


def cold_part(region: Region, dose: DoseGrid, below_gy: float) -> Place | None:
    """Return the largest connected part of a solid with less than a dose; None without any."""
    # Needed for cold targets only, and slow to load.
    from scipy import ndimage

    whole = _over(region, dose)
    if whole is None:
        return None
    parts, count = ndimage.label(whole.is_in & (whole.dose_gy < below_gy))
    if not count:
        return None
    sizes = np.bincount(parts.ravel())[1:]
    largest = parts == 1 + int(sizes.argmax())
    return Place(whole.middle_mm(largest), int(sizes.max()) * whole.cell_cc)


def volume_above_outside_cc(
    dose: DoseGrid, above_gy: float, regions: Sequence[Region]
) -> float:
    """Return the volume of grid points above a dose that lie outside some solids.

    Each grid point stands for the space halfway to its neighbours.
    """
    k, j, i = np.nonzero(dose.dose_gy > above_gy)
    if not k.size:
        return 0.0
    points = np.column_stack([dose.x_mm[i], dose.y_mm[j], dose.z_mm[k]])
    is_out = np.ones(len(points), dtype=bool)
    for region in regions:
        is_out &= ~inside(region, points)
    cells = _widths(dose.x_mm)[i] * _widths(dose.y_mm)[j] * _widths(dose.z_mm)[k]
    return float(cells[is_out].sum()) / 1000


def _widths(axis_mm: FloatArray) -> FloatArray:
    return np.asarray(np.gradient(axis_mm), dtype=np.float64)


# --- The lattice --------------------------------------------------------------------------------


def _over(region: Region, dose: DoseGrid) -> _Lattice | None:
    """Return a lattice over a whole solid, coarser the larger it is."""
    box = box_of([region])
    if box is None:
        return None
    volume_mm3 = float(np.prod(box.high_mm - box.low_mm))
    step_mm = max(LEAST_MM, (volume_mm3 / MOST_POINTS) ** (1 / 3))
    return _between(region, dose, box.low_mm, box.high_mm, step_mm)


def _between(
    region: Region,
    dose: DoseGrid,
    low_mm: FloatArray,
    high_mm: FloatArray,
    step_mm: float,
) -> _Lattice | None:
    """Return a lattice in a box, as far as the dose grid goes; None where they do not meet."""
    grid = (dose.x_mm, dose.y_mm, dose.z_mm)
    axes: list[FloatArray] = []
    for low, high, axis_mm in zip(low_mm, high_mm, grid, strict=True):
        first, last = (
            max(float(low), float(axis_mm[0])),
            min(float(high), float(axis_mm[-1])),
        )
        count = int((last - first) / step_mm)
        if count < 1:
            return None
        axes.append(np.asarray(first + step_mm * (np.arange(count) + 0.5)))
    x_mm, y_mm, z_mm = axes
    dose_gy = dose.dose_gy
    for axis, (points_mm, grid_mm) in enumerate(
        zip((z_mm, y_mm, x_mm), grid[::-1], strict=True)
    ):
        dose_gy = along_axis(dose_gy, taps(points_mm, grid_mm, "trilinear"), axis)
    return _Lattice(
        x_mm, y_mm, z_mm, step_mm, dose_gy, _is_in(region, x_mm, y_mm, z_mm)
    )


def _is_in(
    region: Region, x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray
) -> NDArray[np.bool_]:
    z, y, x = np.meshgrid(z_mm, y_mm, x_mm, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel(), z.ravel()])
    return inside(region, points).reshape(z.shape)
