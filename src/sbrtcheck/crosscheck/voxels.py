"""How programs read an ROI that count whole dose voxels: a grid point is inside, or it is not.

This is our own reading of the files, counted as they count: what is left between the two lies in
how files are read, and that is what such a second opinion can tell.
"""

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.dvh import DVH
from sbrtcheck.model import ROI, DoseGrid, FloatArray, distinct, frozen_array

__all__ = ["whole_voxels"]

SNAP_MM = 0.5  # dose planes nearer than this are taken for those of the contours
SAME_PLANE_MM = 0.02
BIN_GY = 0.01


def whole_voxels(roi: ROI, dose: DoseGrid) -> DVH | None:
    """Return the DVH of the grid points inside the contours, each counted as a whole voxel.

    Rings of a plane combine by exclusive-or; every plane is as thick as the least distance of two;
    dose between planes is linear, that of a plane within 0.5 mm of one of the grid is the grid's
    (dicompyler-core 0.5.6). None for a single plane, where no point is inside, and where the ROI
    leaves the grid along z.
    """
    planes_mm = distinct(contour.z_mm for contour in roi.contours)
    if planes_mm.size < 2:
        return None
    if planes_mm[0] < dose.z_mm[0] or planes_mm[-1] > dose.z_mm[-1]:
        return None
    found = [_doses_gy(roi, dose, float(z_mm)) for z_mm in planes_mm]
    doses_gy = np.concatenate(found)
    if not doses_gy.size:
        return None
    width_mm = float(np.diff(dose.x_mm).mean())
    depth_mm = float(np.diff(dose.y_mm).mean())
    height_mm = float(np.diff(planes_mm).min())
    voxel_cc = width_mm * depth_mm * height_mm / 1000
    return _to_dvh(roi.name, doses_gy, voxel_cc)


def _doses_gy(roi: ROI, dose: DoseGrid, z_mm: float) -> FloatArray:
    """Return the dose at all grid points inside the rings of one plane, shape (n,)."""
    rings = [c.points_mm for c in roi.contours if abs(c.z_mm - z_mm) <= SAME_PLANE_MM]
    inside = _inside(rings, dose.x_mm, dose.y_mm)
    doses_gy: FloatArray = _plane_gy(dose, z_mm)[inside]
    return doses_gy


def _plane_gy(dose: DoseGrid, z_mm: float) -> FloatArray:
    nearest = int(np.abs(dose.z_mm - z_mm).argmin())
    if abs(dose.z_mm[nearest] - z_mm) < SNAP_MM:
        plane: FloatArray = dose.dose_gy[nearest]
        return plane
    above = int(np.searchsorted(dose.z_mm, z_mm))
    share = (z_mm - dose.z_mm[above - 1]) / (dose.z_mm[above] - dose.z_mm[above - 1])
    between: FloatArray = (1 - share) * dose.dose_gy[above - 1] + share * dose.dose_gy[
        above
    ]
    return between


def _inside(
    rings: list[FloatArray], x_mm: FloatArray, y_mm: FloatArray
) -> NDArray[np.bool_]:
    """Tell which grid points lie inside an odd number of rings, shape (ny, nx)."""
    odd = np.zeros((y_mm.size, x_mm.size), dtype=np.bool_)
    starts = np.concatenate(rings)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    for row, y in enumerate(y_mm):
        crossing = (starts[:, 1] > y) != (ends[:, 1] > y)
        a, b = starts[crossing], ends[crossing]
        at_mm = np.sort(
            a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
        )
        odd[row] = np.searchsorted(at_mm, x_mm) % 2 == 1
    return odd


def _to_dvh(name: str, doses_gy: FloatArray, voxel_cc: float) -> DVH:
    """Return the curve of equal voxels, in the bins of 0.01 Gy in which such programs count."""
    bins = np.floor(doses_gy / BIN_GY).astype(np.intp)
    held_cc = voxel_cc * np.bincount(bins).astype(np.float64)
    curve_cc = np.append(np.cumsum(held_cc[::-1])[::-1], 0.0)
    return DVH(
        roi_name=name,
        volume_cc=float(curve_cc[0]),
        volume_outside_cc=0.0,
        dose_gy=frozen_array(BIN_GY * np.arange(curve_cc.size), ndim=1),
        volume_cc_at_dose=frozen_array(curve_cc, ndim=1),
        min_gy=float(doses_gy.min()),
        max_gy=float(doses_gy.max()),
        mean_gy=float(doses_gy.mean()),
    )
