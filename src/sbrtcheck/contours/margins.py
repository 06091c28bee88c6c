"""An ROI grown or shrunk by a distance in space."""

from typing import NamedTuple

import numpy as np
import shapely

from sbrtcheck.contours.drawn import oriented_rings
from sbrtcheck.contours.region import Region, Slab, build_region, outline_of
from sbrtcheck.contours.rings import signed_area_mm2
from sbrtcheck.contours.shape import shaped
from sbrtcheck.model import ROI, Contour, FloatArray, Text

__all__ = ["grown"]

SECTION = 0.3  # of the margin: cross-sections lie no further apart
PLANE = 0.5  # of the margin: nor do the planes of the result
QUARTER = 8  # corners of a quarter of a circle: 0.1 % short of it
LEAST_MM = 1e-6  # along an axis without a margin
LEAST_STEP_MM = 0.1  # between cross-sections, however small the margin


def grown(roi: ROI, margin_mm: float | tuple[float, float, float]) -> ROI:
    """Return the ROI of all points no further from an ROI than a margin; negative, shrink it.

    Parameters
    ----------
    margin_mm
        The distance in space, or one each along x, y and z: the half axes of an ellipsoid that
        is rolled over the surface. All of one sign.

    Returns
    -------
    An ROI on planes of its own, evenly spaced between its ends, at least as close as those of the
    ROI given; without contours where nothing is left, or nothing was given.

    Raises
    ------
    ValueError
        If margins have both signs, or are not finite.

    Notes
    -----
    The solid is that of the shape convention with half-slice end caps. A point is inside the
    grown solid if a ball around it meets the solid: in each plane, the union of the solid's
    cross-sections within reach, each offset by what the ball's radius leaves at that distance
    (Minkowski sum). Shrinking removes what is within reach of the outside.

    Examples
    --------
    >>> import numpy as np
    >>> from sbrtcheck import compute_dvh, grown
    >>> from sbrtcheck.phantoms import Sphere
    >>> grown(Sphere(radius_mm=5).roi("cord", spacing_mm=1), 2).name
    'cord + 2 mm'
    """
    margins_mm = np.broadcast_to(np.asarray(margin_mm, dtype=np.float64), 3)
    if not np.isfinite(margins_mm).all() or (margins_mm.min() < 0 < margins_mm.max()):
        raise ValueError(f"margin_mm must be finite and of one sign, got {margin_mm}")
    name = _name(roi.name, margins_mm)
    region = build_region(roi)
    if not region.slabs or not margins_mm.any():
        return ROI(
            name=name,
            contours=roi.contours,
            plane_spacing_mm=roi.plane_spacing_mm,
            notes=region.notes,
        )
    reach = np.maximum(np.abs(margins_mm), LEAST_MM)
    outward = bool(margins_mm.max() > 0)
    sections = _sections(region, reach)
    low_mm, high_mm = (
        sections.pieces[0][0] * reach[2],
        sections.pieces[-1][1] * reach[2],
    )
    sign, outline_at = -1, _difference_at
    if outward:
        sign, outline_at = 1, _sum_at
    planes_mm = _planes_mm(
        low_mm - sign * reach[2], high_mm + sign * reach[2], roi, reach[2]
    )
    contours: list[Contour] = []
    for z_mm in planes_mm.tolist():
        outline = outline_at(sections, z_mm / reach[2])
        contours += [
            Contour(points_mm=ring * reach[:2], z_mm=z_mm)
            for ring in oriented_rings(outline)
        ]
    spacing_mm = None
    if planes_mm.size > 1:
        spacing_mm = float(planes_mm[1] - planes_mm[0])
    return ROI(
        name=name,
        contours=tuple(contours),
        frame_of_reference_uid=roi.frame_of_reference_uid,
        plane_spacing_mm=spacing_mm,
        notes=(*region.notes, Text("made from '{roi}'", roi=roi.name)),
    )


def _name(name: str, margins_mm: FloatArray) -> str:
    sizes = [f"{size:g}" for size in np.abs(margins_mm).tolist()]
    if np.ptp(np.abs(margins_mm)) == 0:
        sizes = sizes[:1]
    sign = "+"
    if margins_mm.min() < 0:
        sign = "-"
    return f"{name} {sign} {' x '.join(sizes)} mm"


class _Sections(NamedTuple):
    """Cross-sections of a solid in units of the margin: from where to where each stands for it.

    `pieces` are the ends of what hangs together along z.
    """

    low: FloatArray
    high: FloatArray
    outlines: np.typing.NDArray[np.object_]
    pieces: tuple[tuple[float, float], ...]

    def near(self, z: float) -> tuple[np.typing.NDArray[np.object_], FloatArray]:
        """Return the outlines within reach of a plane, and what is left of the reach there."""
        away = np.maximum(np.maximum(self.low - z, z - self.high), 0.0)
        within = away < 1
        return self.outlines[within], np.sqrt(1 - away[within] ** 2)


def _sections(region: Region, reach: FloatArray) -> _Sections:
    """Cut a solid across z, closely enough for the margin."""
    drawn_mm = {slab.z_mm for slab in region.slabs}
    bounds: list[list[float]] = []
    pieces: list[list[float]] = []
    outlines = []
    step_mm = max(SECTION * reach[2], LEAST_STEP_MM)
    is_fine = step_mm < reach[2]
    for slab in shaped(region, 0.0, step_mm).slabs:
        outlines.append(
            shapely.transform(_outline(slab), lambda points: points / reach[:2])
        )
        low, high = slab.low_mm / reach[2], slab.high_mm / reach[2]
        # An outline that does not change stands for all of its slab, one that moves for its
        # middle: all of the layers would be steps. Where there is no margin along z, none meet.
        inset = 0.0
        if is_fine and slab.z_mm not in drawn_mm:
            inset = (high - low) / 2
        bounds.append([low + inset, high - inset])
        if pieces and low - pieces[-1][1] <= LEAST_MM:
            pieces[-1][1] = high
        else:
            if pieces:
                bounds[-2][1] = pieces[-1][1]
            pieces.append([low, high])
            bounds[-1][0] = low
    bounds[-1][1] = pieces[-1][1]
    low_all, high_all = np.array(bounds).T
    ends = tuple((low, high) for low, high in pieces)
    return _Sections(low_all, high_all, np.array(outlines, dtype=object), ends)


def _outline(slab: Slab) -> shapely.Geometry:
    """Return the cross-section of a slab; where a ring that moved crosses itself, repaired."""
    polygons = np.array([shapely.Polygon(ring) for ring in slab.rings], dtype=object)
    if shapely.is_valid(polygons).all():
        return outline_of(slab)
    mended = shapely.make_valid(polygons, method="structure", keep_collapsed=False)
    whole = np.asarray(mended, dtype=object)
    hole = np.array([signed_area_mm2(ring) < 0 for ring in slab.rings])
    return shapely.difference(
        shapely.union_all(whole[~hole]), shapely.union_all(whole[hole])
    )


def _planes_mm(low_mm: float, high_mm: float, roi: ROI, reach_mm: float) -> FloatArray:
    """Return heights of planes whose half-slice caps end where the new solid does."""
    if high_mm <= low_mm:
        return np.empty(0)
    widest_mm = max(PLANE * reach_mm, 0.5)
    drawn_mm = np.diff(roi.z_mm)
    if drawn_mm.size:
        widest_mm = min(widest_mm, float(drawn_mm.min()))
    count = max(int(np.ceil((high_mm - low_mm) / widest_mm)), 1)
    step_mm = (high_mm - low_mm) / count
    return np.asarray(low_mm + step_mm * (np.arange(count) + 0.5))


def _sum_at(sections: _Sections, z: float) -> shapely.Geometry:
    outlines, offsets = sections.near(z)
    return shapely.union_all(shapely.buffer(outlines, offsets, quad_segs=QUARTER))


def _difference_at(sections: _Sections, z: float) -> shapely.Geometry:
    """Return what no point of the outside comes near: the intersection of shrunk sections."""
    if not any(low + 1 <= z <= high - 1 for low, high in sections.pieces):
        return shapely.Polygon()
    outlines, offsets = sections.near(z)
    return shapely.intersection_all(
        shapely.buffer(outlines, -offsets, quad_segs=QUARTER)
    )
