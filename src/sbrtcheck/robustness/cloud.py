"""A solid as a cloud of points, to tell quickly which poses are worth a whole DVH."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sbrtcheck.contours import Region
from sbrtcheck.dvh import DVH
from sbrtcheck.dvh.occupancy import Lattice, occupancy
from sbrtcheck.model import DoseGrid, FloatArray, frozen_array
from sbrtcheck.robustness.moved import dose_at
from sbrtcheck.robustness.poses import Pose

__all__ = ["Cloud", "averaged", "cloud_of", "quick_dvh"]

POINTS = 3_000  # of a solid, roughly
FLAT = 0.75  # of a cell's width is its height at most: slabs leave few heights to choose from
BINS = 2_000  # of its curve
# At most in a plane: small pieces far apart must not ask for millions.
PLANE_CELLS = 40_000


class Cloud(NamedTuple):
    """Sub-cells of a solid: their middles, shape (n, 3), sizes, shape (3, n), and volumes."""

    points_mm: FloatArray
    sizes_mm: FloatArray
    volume_cc: FloatArray


def cloud_of(region: Region) -> Cloud:
    """Return what lies of cells inside a solid, some thousands."""
    edge_mm = (1000 * (region.volume_cc or 0.0) / POINTS) ** (1 / 3)
    slabs = region.slabs
    corners = np.concatenate([ring for slab in slabs for ring in slab.rings])
    low_mm, high_mm = corners.min(axis=0), corners.max(axis=0)
    cell_mm = max(edge_mm, float(np.sqrt(np.prod(high_mm - low_mm) / PLANE_CELLS)))
    nx, ny = (
        np.maximum(np.ceil((high_mm - low_mm) / cell_mm + 1e-9), 1).astype(int).tolist()
    )
    lattice = Lattice(float(low_mm[0]), float(low_mm[1]), cell_mm, nx, ny)
    filled = occupancy([slab.rings for slab in slabs], lattice)
    slab = np.repeat(np.arange(len(slabs)), filled.counts)
    row, column = np.divmod(filled.cell, nx)
    x_mm = lattice.x_centres_mm[column] + cell_mm * filled.x_offset
    y_mm = lattice.y_centres_mm[row] + cell_mm * filled.y_offset
    thickness_mm = np.array([part.thickness_mm for part in slabs])
    layers = np.maximum(np.ceil(thickness_mm / (FLAT * edge_mm) - 1e-9), 1).astype(
        np.intp
    )[slab]
    height_mm = thickness_mm[slab] / layers
    cell = np.repeat(np.arange(slab.size), layers)
    layer = np.arange(cell.size) - np.repeat(np.cumsum(layers) - layers, layers)
    bottom_mm = np.array([part.low_mm for part in slabs])[slab]
    z_mm = bottom_mm[cell] + height_mm[cell] * (layer + 0.5)
    # Of a cell at the border, both sides of the part inside have moved towards its middle.
    sizes_mm = [
        cell_mm * (1 - 2 * np.abs(filled.x_offset)),
        cell_mm * (1 - 2 * np.abs(filled.y_offset)),
        height_mm,
    ]
    volume_cc = filled.fraction * cell_mm**2 * height_mm / 1000
    return Cloud(
        np.stack([x_mm[cell], y_mm[cell], z_mm]).T,
        np.stack(sizes_mm)[:, cell],
        volume_cc[cell],
    )


def averaged(dose: DoseGrid, cloud: Cloud) -> DoseGrid:
    """Return the dose that cells of the size of a cloud's have on average, at the grid points.

    Where dose is curved, the mean of a cell is not the dose in its middle: s^2 D" / 24 more along
    each axis.
    """
    sizes_mm = np.median(cloud.sizes_mm, axis=1)
    mean_gy = dose.dose_gy.copy()
    for axis, axis_mm in enumerate((dose.x_mm, dose.y_mm, dose.z_mm)):
        step_mm = float(np.diff(axis_mm).mean())
        own, mean = (np.moveaxis(part, 2 - axis, 0) for part in (dose.dose_gy, mean_gy))
        curved_gy = own[2:] - 2 * own[1:-1] + own[:-2]
        mean[1:-1] += curved_gy * (sizes_mm[axis] / step_mm) ** 2 / 24
    return replace(dose, dose_gy=mean_gy)


def quick_dvh(cloud: Cloud, dose: DoseGrid, pose: Pose) -> DVH:
    """Return about the DVH of a solid in a pose; beyond the grid, dose is that of its faces.

    Each sub-cell holds an interval of dose, as in `compute_dvh`.
    """
    field = dose_at(dose, pose.moved(cloud.points_mm))
    square_gy2 = np.zeros_like(field.dose_gy)
    for rise_gy, size_mm, step_mm in zip(
        field.rises_gy, cloud.sizes_mm, dose.spacing_mm, strict=True
    ):
        square_gy2 += (rise_gy * (size_mm / step_mm)) ** 2
    half_gy = np.sqrt(square_gy2) / 2
    low_gy, high_gy = field.dose_gy - half_gy, field.dose_gy + half_gy
    edges_gy = np.linspace(low_gy.min(), high_gy.max() + 1e-9, BINS + 1)
    step_gy = edges_gy[1] - edges_gy[0]
    first = ((low_gy - edges_gy[0]) / step_gy).astype(np.intp)
    last = np.maximum(
        np.ceil((high_gy - edges_gy[0]) / step_gy).astype(np.intp), first + 1
    )
    slope = cloud.volume_cc / (last - first)
    change = np.bincount(last, slope, BINS + 2) - np.bincount(first, slope, BINS + 2)
    whole_cc = float(cloud.volume_cc.sum())
    curve_cc = np.concatenate(
        [[whole_cc], whole_cc + np.cumsum(np.cumsum(change[:BINS]))]
    )
    curve_cc = np.minimum.accumulate(np.clip(curve_cc, 0.0, whole_cc))
    curve_cc[-1] = 0.0
    return DVH(
        roi_name="",
        volume_cc=whole_cc,
        volume_outside_cc=0.0,
        dose_gy=frozen_array(edges_gy, ndim=1),
        volume_cc_at_dose=frozen_array(curve_cc, ndim=1),
        min_gy=float(edges_gy[0]),
        max_gy=float(edges_gy[-1]),
        mean_gy=float((field.dose_gy * cloud.volume_cc).sum() / whole_cc),
    )
