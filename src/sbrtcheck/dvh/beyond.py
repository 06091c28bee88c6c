"""How much dose can there be beyond a dose grid?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sbrtcheck.contours import build_region
from sbrtcheck.model import ROI, DoseGrid, FaceBounds, FloatArray

__all__ = [
    "Bound",
    "Extent",
    "bound_beyond_gy",
    "bound_by_extents_gy",
    "extent_mm",
    "face_bounds_gy",
]

FAR_MM = 20.0  # faces nearer to a target than this bound a dose only if it is small
NEAR_MM = 10.0  # and faces nearer than this bound nothing


Extent = tuple[FloatArray, FloatArray]  # the lowest and the highest x, y and z


class Bound(NamedTuple):
    """The highest dose that the part of an ROI beyond a grid can have.

    `is_near` tells that a face lies less than 2 cm from a target: such a bound counts only where
    it is at most half of what is asked.
    """

    dose_gy: float
    is_near: bool = False


class _Face(NamedTuple):
    """One face of the dose grid: its axis (x, y, z), its place, and the dose on it and inside it."""

    axis: int
    at_mm: float
    outward: int
    dose_gy: FloatArray
    inner_gy: FloatArray


def bound_beyond_gy(roi: ROI, dose: DoseGrid, targets: Sequence[ROI]) -> Bound | None:
    """Return the highest dose that the part of an ROI outside the dose grid can have, or None.

    It is the highest dose on the faces through which the ROI leaves. That bounds the dose beyond
    only where each of these faces is at least 1 cm from every target and dose falls outward
    there; and without a target nothing is bounded.
    """
    extent = extent_mm(roi)
    if extent is None:
        return None
    reaches = [found for target in targets if (found := extent_mm(target)) is not None]
    return bound_by_extents_gy(extent, dose, reaches)


def bound_by_extents_gy(
    extent: Extent, dose: DoseGrid, reaches: Sequence[Extent]
) -> Bound | None:
    """Return the bound of an ROI of known extent, with targets of known extents."""
    crossed = [face for face in _faces(dose) if _leaves(extent, face)]
    if not reaches or not crossed:
        return None
    nearest_mm = min(_distance_mm(face, reaches) for face in crossed)
    if nearest_mm < NEAR_MM or any(_rises(face) for face in crossed):
        return None
    highest_gy = max(float(face.dose_gy.max()) for face in crossed)
    return Bound(highest_gy, is_near=nearest_mm < FAR_MM)


def face_bounds_gy(dose: DoseGrid, targets: Sequence[ROI]) -> FaceBounds:
    """Return the most dose beyond each face, shape (3, 2): low and high along x, y and z.

    Beyond a face that is far from every target, and towards which dose falls, the highest dose on
    it; beyond others as much as anywhere.
    """
    reaches = [found for target in targets if (found := extent_mm(target)) is not None]
    highest_gy = float(dose.dose_gy.max())
    bounds_gy = np.full((3, 2), highest_gy)
    for face in _faces(dose):
        if reaches and _distance_mm(face, reaches) >= FAR_MM and not _rises(face):
            bounds_gy[face.axis, int(face.outward > 0)] = face.dose_gy.max()
    return bounds_gy


def extent_mm(roi: ROI) -> Extent | None:
    """Return how far an ROI reaches, its end caps included."""
    slabs = build_region(roi).slabs
    if not slabs:
        return None
    corners = np.concatenate([ring for slab in slabs for ring in slab.rings])
    low = np.append(corners.min(axis=0), slabs[0].low_mm)
    return low, np.append(corners.max(axis=0), slabs[-1].high_mm)


def _faces(dose: DoseGrid) -> list[_Face]:
    faces = []
    for axis, points_mm in enumerate((dose.x_mm, dose.y_mm, dose.z_mm)):
        layers = np.moveaxis(dose.dose_gy, 2 - axis, 0)
        faces.append(_Face(axis, float(points_mm[0]), -1, layers[0], layers[1]))
        faces.append(_Face(axis, float(points_mm[-1]), 1, layers[-1], layers[-2]))
    return faces


def _leaves(extent: Extent, face: _Face) -> bool:
    low, high = extent
    if face.outward < 0:
        return bool(low[face.axis] < face.at_mm)
    return bool(high[face.axis] > face.at_mm)


def _distance_mm(face: _Face, reaches: Sequence[Extent]) -> float:
    """Return how far a face lies beyond the targets; negative where one passes it."""
    ends = [high if face.outward > 0 else low for low, high in reaches]
    return min(float(face.outward * (face.at_mm - end[face.axis])) for end in ends)


def _rises(face: _Face) -> bool:
    """Tell whether dose grows towards the face, on the whole or at its highest."""
    return bool(
        face.dose_gy.max() > face.inner_gy.max()
        or face.dose_gy.mean() > face.inner_gy.mean()
    )
