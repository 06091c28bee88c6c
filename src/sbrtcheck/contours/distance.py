"""How far points and solids lie from each other, in three dimensions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from sbrtcheck.contours.region import Region, Slab, outline_of
from sbrtcheck.model import FloatArray

__all__ = ["box_of", "distances_mm", "gap_mm", "inside"]


class Corners(NamedTuple):
    """The least and the largest x, y, z of some solids, shape (3,) each."""

    low_mm: FloatArray
    high_mm: FloatArray


def box_of(regions: Sequence[Region]) -> Corners | None:
    """Return the box around some solids; None where none of them has a volume."""
    slabs = [slab for region in regions for slab in region.slabs]
    if not slabs:
        return None
    corners = np.concatenate([ring for slab in slabs for ring in slab.rings])
    low_z_mm = min(slab.low_mm for slab in slabs)
    high_z_mm = max(slab.high_mm for slab in slabs)
    return Corners(
        np.array([*corners.min(axis=0), low_z_mm]),
        np.array([*corners.max(axis=0), high_z_mm]),
    )


def inside(region: Region, points_mm: FloatArray) -> NDArray[np.bool_]:
    """Tell which points, shape (n, 3), lie in a solid."""
    is_in = np.zeros(len(points_mm), dtype=bool)
    z_mm = points_mm[:, 2]
    for slab in region.slabs:
        level = np.flatnonzero((z_mm >= slab.low_mm) & (z_mm <= slab.high_mm))
        if not level.size:
            continue
        outline = outline_of(slab)
        shapely.prepare(outline)
        is_in[level] |= shapely.intersects_xy(
            outline, points_mm[level, 0], points_mm[level, 1]
        )
    return is_in


def distances_mm(region: Region, points_mm: FloatArray) -> FloatArray:
    """Return how far points lie from a solid, shape (n,): 0 inside, infinite without slabs.

    Parameters
    ----------
    points_mm
        Shape (n, 3): x, y, z.
    """
    nearest_mm = np.full(len(points_mm), np.inf)
    flat = np.asarray(shapely.points(points_mm[:, :2]), dtype=object)
    z_mm = points_mm[:, 2]
    for slab in (
        region.slabs
    ):  # most points lie inside, and few slabs are nearer than the own one
        outline = outline_of(slab)
        shapely.prepare(outline)
        level = np.flatnonzero((z_mm >= slab.low_mm) & (z_mm <= slab.high_mm))
        is_in = shapely.intersects(outline, flat[level])
        nearest_mm[level[is_in]] = 0.0
        out = level[~is_in]
        nearest_mm[out] = np.minimum(
            nearest_mm[out], shapely.distance(outline, flat[out])
        )
    for slab in region.slabs:
        beyond_mm = _beyond_mm(z_mm, z_mm, slab)
        near = np.flatnonzero(beyond_mm < nearest_mm)
        beside_mm = shapely.distance(outline_of(slab), flat[near])
        nearest_mm[near] = np.minimum(
            nearest_mm[near], np.hypot(beside_mm, beyond_mm[near])
        )
    return nearest_mm


def gap_mm(one: Region, other: Region) -> float | None:
    """Return the least distance between two solids, 0 where they meet; None without slabs."""
    if not (one.slabs and other.slabs):
        return None
    outlines = np.array([outline_of(slab) for slab in other.slabs], dtype=object)
    low_mm = np.array([slab.low_mm for slab in other.slabs])
    high_mm = np.array([slab.high_mm for slab in other.slabs])
    nearest_mm = np.inf
    for slab in one.slabs:
        beyond_mm = _beyond_mm(low_mm, high_mm, slab)
        outline = outline_of(slab)
        for level_mm in np.unique(beyond_mm).tolist():
            if level_mm >= nearest_mm:
                break
            level = outlines[beyond_mm == level_mm]
            beside_mm = float(shapely.distance(outline, level).min())
            nearest_mm = min(nearest_mm, float(np.hypot(beside_mm, level_mm)))
    return nearest_mm


def _beyond_mm(
    low_mm: FloatArray, high_mm: FloatArray, slab: Slab
) -> NDArray[np.float64]:
    """Return how far above or below a slab heights lie, 0 where they reach into it."""
    return np.maximum(np.maximum(slab.low_mm - high_mm, low_mm - slab.high_mm), 0.0)
