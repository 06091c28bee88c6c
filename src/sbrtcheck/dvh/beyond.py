"""How much dose can there be where an ROI leaves the dose grid?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sbrtcheck.contours import build_region
from sbrtcheck.model import ROI, DoseGrid, FloatArray

FAR_MM = 20.0  # faces nearer to a target than this bound nothing


Extent = tuple[FloatArray, FloatArray]  # the lowest and the highest x, y and z


class _Face(NamedTuple):
    """One face of the dose grid: its axis (x, y, z), its place, and the dose on it and inside it."""

    axis: int
    at_mm: float
    outward: int
    dose_gy: FloatArray
    inner_gy: FloatArray


def bound_beyond_gy(roi: ROI, dose: DoseGrid, targets: tuple[ROI, ...]) -> float | None:
    """Return the highest dose that the part of an ROI outside the dose grid can have, or None.

    It is the highest dose on the faces through which the ROI leaves. That bounds the dose beyond
    only where each of these faces is at least 2 cm from every target and dose falls outward
    there; and without a target nothing is bounded.
    """
    extent = _extent_mm(roi)
    reaches = [found for target in targets if (found := _extent_mm(target)) is not None]
    return None if extent is None else bound_by_extents_gy(extent, dose, reaches)


def bound_by_extents_gy(extent: Extent, dose: DoseGrid, reaches: Sequence[Extent]) -> float | None:
    """Return the bound of an ROI of known extent, with targets of known extents."""
    if not reaches:
        return None
    crossed = [face for face in _faces(dose) if _leaves(extent, face)]
    if not crossed or any(_is_near(face, reaches) or _rises(face) for face in crossed):
        return None
    return max(float(face.dose_gy.max()) for face in crossed)


def _extent_mm(roi: ROI) -> Extent | None:
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


def _is_near(face: _Face, reaches: Sequence[Extent]) -> bool:
    ends = (high if face.outward > 0 else low for low, high in reaches)
    return any(face.outward * (face.at_mm - end[face.axis]) < FAR_MM for end in ends)


def _rises(face: _Face) -> bool:
    """Tell whether dose grows towards the face, on the whole or at its highest."""
    return bool(
        face.dose_gy.max() > face.inner_gy.max() or face.dose_gy.mean() > face.inner_gy.mean()
    )
