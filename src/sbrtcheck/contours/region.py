"""From the rings of an ROI to the solid they stand for: holes, planes, slabs and gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from sbrtcheck.contours.rings import edges, signed_area_mm2
from sbrtcheck.model import (
    ROI,
    SAME_PLANE_MM,
    Contour,
    FloatArray,
    Text,
    distinct,
    most_common_spacing_mm,
)

MIN_AREA_MM2 = 1e-4  # below this a ring is a line or a point
NEXT_PLANE = 1.5  # neighbouring planes are at most this many spacings apart
MOST_MISSING_PLANES = 2  # a larger gap is filled only if it lacks no more planes than this
DUPLICATE = 1e-4  # rings that differ by less than this part of their area are the same ring
NESTED = 0.01  # a ring counts as inside another if no more than this part of it sticks out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slab:
    """The space that one contour plane stands for.

    `rings` have shape (n, 2): outlines run counter-clockwise, holes clockwise. `cap` tells that
    the slab lies wholly beyond the last plane of a piece: -1 below it, 1 above it.
    """

    z_mm: float
    low_mm: float
    high_mm: float
    rings: tuple[FloatArray, ...]
    cap: int = 0

    @property
    def thickness_mm(self) -> float:
        """Return the height of the slab."""
        return self.high_mm - self.low_mm

    @property
    def area_mm2(self) -> float:
        """Return the area inside the outlines and outside the holes."""
        return sum(signed_area_mm2(ring) for ring in self.rings)


class Gap(NamedTuple):
    """Planes that are missing between two contour planes of one ROI."""

    low_mm: float
    high_mm: float
    missing: int
    filled: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """The solid that an ROI's contours stand for.

    No slabs: the contours enclose nothing that has a volume; `notes` say why.
    """

    slabs: tuple[Slab, ...]
    gaps: tuple[Gap, ...] = ()
    notes: tuple[Text, ...] = ()

    @property
    def volume_cc(self) -> float | None:
        """Return the volume of all slabs, or None without any."""
        if not self.slabs:
            return None
        thickness_mm = np.array([slab.thickness_mm for slab in self.slabs])
        return float(areas_mm2(self.slabs) @ thickness_mm) / 1000


def areas_mm2(slabs: Sequence[Slab]) -> FloatArray:
    """Return the area of each slab, shape (n,)."""
    slab = np.repeat(np.arange(len(slabs)), [len(slab.rings) for slab in slabs])
    rings = [ring for slab in slabs for ring in slab.rings]
    return np.asarray(np.bincount(slab, ring_areas_mm2(rings), len(slabs)), dtype=np.float64)


def ring_areas_mm2(rings: Sequence[FloatArray]) -> FloatArray:
    """Return the signed area of each ring, positive when it runs counter-clockwise."""
    count = np.array([len(ring) for ring in rings])
    start = np.cumsum(count) - count
    points = np.concatenate(rings)
    points = points - np.repeat(points[start], count, axis=0)  # where differences keep their digits
    # The closing edge starts or ends at the ring's first corner, the origin: it spans nothing.
    cross = points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]
    return np.asarray(np.add.reduceat(np.append(cross, 0.0), start) / 2)


def wall_area_mm2(region: Region) -> float:
    """Return the area of all walls, end faces left out."""
    starts, ends, slab = edges([slab.rings for slab in region.slabs])
    thickness_mm = np.array([slab.thickness_mm for slab in region.slabs])
    return float((np.hypot(*(ends - starts).T) * thickness_mm[slab]).sum())


def arc_height_mm(region: Region) -> float:
    """Return how far outlines would bulge beyond their straight edges, on average, if round.

    An edge between corners that turn by little stands for an arc of height length x turn / 8; at
    a turn of more than 45 degrees the outline has a corner.
    """
    starts, ends, _ = edges([slab.rings for slab in region.slabs])
    edge = ends - starts
    length_mm = np.hypot(edge[:, 0], edge[:, 1])
    count = [len(ring) for slab in region.slabs for ring in slab.rings]
    last = np.cumsum(count) - 1
    following, before = np.arange(len(edge)) + 1, np.arange(len(edge)) - 1
    following[last] = last + 1 - count
    before[last + 1 - count] = last
    after = edge[following]
    across = edge[:, 0] * after[:, 1] - edge[:, 1] * after[:, 0]
    turn = np.abs(np.arctan2(across, (edge * after).sum(axis=1)))
    turn[turn > np.pi / 4] = 0.0
    height_mm = length_mm * (turn + turn[before]) / 16
    return float((height_mm * length_mm).sum() / max(length_mm.sum(), MIN_AREA_MM2))


class _Plane(NamedTuple):
    z_mm: float
    rings: tuple[FloatArray, ...]


def build_region(roi: ROI, *, end_caps: bool = True, fill_gaps: bool = True) -> Region:
    """Return the solid of an ROI: each contour plane owns the space halfway to its neighbours.

    The end planes extend half a spacing outwards. Gaps beyond 1.5 spacings are filled where
    the outlines overlap and at most two planes are missing, otherwise they end the piece.

    Parameters
    ----------
    end_caps
        False: pieces end at their end planes. A single plane keeps its thickness.
    fill_gaps
        False: each gap ends the piece.

    Notes
    -----
    Half-slice end caps are the convention of Nelms et al. 2015 (Med Phys 42:4435); planning
    systems differ in them. A ring inside a ring is a hole, overlapping rings are a union,
    CLOSEDPLANAR_XOR rings combine by exclusive-or (PS3.3 C.8.8.6.3), a self-crossing ring is
    repaired by GEOS' make_valid with method "structure": what a ring encloses is kept.
    """
    notes = list(roi.notes)
    planes = _planes(roi, notes)
    if not planes:
        notes.append(Text("the ROI has no closed contours"))
        return Region(slabs=(), notes=tuple(notes))
    z_mm = np.array([plane.z_mm for plane in planes])
    spacing_mm = most_common_spacing_mm(np.diff(z_mm))
    if spacing_mm is None:
        spacing_mm = roi.plane_spacing_mm
        if spacing_mm is None:
            notes.append(Text("the ROI has a single contour plane and no known plane spacing"))
            return Region(slabs=(), notes=tuple(notes))
        notes.append(
            Text(
                "the ROI has a single contour plane: given the structure set's spacing of"
                " {spacing_mm} mm",
                spacing_mm=spacing_mm,
            )
        )
    elif spacing_mm > NEXT_PLANE * (roi.plane_spacing_mm or spacing_mm):
        notes.append(
            Text(
                "the contour planes lie {spacing_mm} mm apart, those of other ROIs {usual_mm} mm",
                spacing_mm=spacing_mm,
                usual_mm=roi.plane_spacing_mm or spacing_mm,
            )
        )
    low_mm, high_mm, gaps = _slab_limits(planes, spacing_mm, fill_gaps=fill_gaps)
    notes.extend(_gap_note(gap) for gap in gaps)
    if not end_caps:
        _leave_out_caps(planes, low_mm, high_mm)
    slabs = tuple(
        Slab(z_mm=plane.z_mm, low_mm=low, high_mm=high, rings=plane.rings)
        for plane, low, high in zip(planes, low_mm, high_mm, strict=True)
    )
    return Region(slabs=slabs, gaps=tuple(gaps), notes=tuple(notes))


def encloses_box(
    roi: ROI, low_mm: tuple[float, float, float], high_mm: tuple[float, float, float]
) -> bool:
    """Tell whether a box, given by two corners (x, y, z), lies wholly inside an ROI."""
    slabs = [
        slab
        for slab in build_region(roi).slabs
        if slab.high_mm > low_mm[2] and slab.low_mm < high_mm[2]
    ]
    if not slabs or slabs[0].low_mm > low_mm[2] or slabs[-1].high_mm < high_mm[2]:
        return False
    if any(above.low_mm - below.high_mm > SAME_PLANE_MM for below, above in pairwise(slabs)):
        return False
    box = shapely.box(low_mm[0], low_mm[1], high_mm[0], high_mm[1])
    return all(bool(shapely.covers(outline_of(slab), box)) for slab in slabs)


def outline_of(slab: Slab) -> shapely.Geometry:
    """Return the cross-section of a slab, its holes left out."""
    return _outline(slab.rings)


def _outline(rings: Sequence[FloatArray]) -> shapely.Geometry:
    polygons: list[shapely.Geometry] = [shapely.Polygon(ring) for ring in rings]
    outline: shapely.Geometry = reduce(shapely.symmetric_difference, polygons)
    return outline


def clipped(
    region: Region, low_mm: tuple[float, float, float], high_mm: tuple[float, float, float]
) -> Region:
    """Return the part of a solid inside a box, given by two corners (x, y, z)."""
    slabs = []
    for slab in region.slabs:
        bottom_mm, top_mm = max(slab.low_mm, low_mm[2]), min(slab.high_mm, high_mm[2])
        if bottom_mm >= top_mm:
            continue
        corners = np.concatenate(slab.rings)
        rings = slab.rings
        if (corners.min(axis=0) < low_mm[:2]).any() or (corners.max(axis=0) > high_mm[:2]).any():
            outline = shapely.clip_by_rect(outline_of(slab), *low_mm[:2], *high_mm[:2])
            rings = oriented_rings(outline)
        if rings:
            slabs.append(replace(slab, low_mm=bottom_mm, high_mm=top_mm, rings=rings))
    return replace(region, slabs=tuple(slabs))


def overlap_cc(one: Region, other: Region) -> float:
    """Return the volume that two solids share."""
    total_mm3 = 0.0
    for a in one.slabs:
        for b in other.slabs:
            height_mm = min(a.high_mm, b.high_mm) - max(a.low_mm, b.low_mm)
            if height_mm > 0:
                common = shapely.intersection(outline_of(a), outline_of(b))
                total_mm3 += height_mm * _area_mm2(common)
    return total_mm3 / 1000


def _leave_out_caps(planes: list[_Plane], low_mm: list[float], high_mm: list[float]) -> None:
    """End pieces of several planes at their end planes."""
    starts = [True, *(high < low for high, low in zip(high_mm[:-1], low_mm[1:], strict=True))]
    ends = [*starts[1:], True]
    for plane, (first, last) in enumerate(zip(starts, ends, strict=True)):
        if first and not last:
            low_mm[plane] = planes[plane].z_mm
        if last and not first:
            high_mm[plane] = planes[plane].z_mm


def with_caps_apart(region: Region) -> Region:
    """Return the same solid, what lies beyond the end planes of each piece as slabs of its own."""
    slabs: list[Slab] = []
    for place, slab in enumerate(region.slabs):
        below, above = region.slabs[place - 1 : place], region.slabs[place + 1 : place + 2]
        starts = not below or slab.low_mm - below[0].high_mm > SAME_PLANE_MM
        ends = not above or above[0].low_mm - slab.high_mm > SAME_PLANE_MM
        slabs.extend(split_at_plane(slab, starts=starts, ends=ends))
    return replace(region, slabs=tuple(slabs))


def split_at_plane(slab: Slab, *, starts: bool, ends: bool) -> list[Slab]:
    """Cut a slab that starts or ends a piece at its contour plane."""
    if slab.cap or not (starts or ends):
        return [slab]
    parts = [
        replace(slab, high_mm=slab.z_mm, cap=-1 if starts else 0),
        replace(slab, low_mm=slab.z_mm, cap=1 if ends else 0),
    ]
    return [part for part in parts if part.thickness_mm > 0]


def _slab_limits(
    planes: list[_Plane], spacing_mm: float, *, fill_gaps: bool
) -> tuple[list[float], list[float], list[Gap]]:
    """Return the lower and upper face of each plane's slab, and the gaps between them."""
    low_mm = [planes[0].z_mm - spacing_mm / 2]
    high_mm: list[float] = []
    gaps = []
    for below, above in pairwise(planes):
        step_mm = above.z_mm - below.z_mm
        middle_mm = below.z_mm + step_mm / 2
        limits = (middle_mm, middle_mm)
        if step_mm > NEXT_PLANE * spacing_mm + SAME_PLANE_MM:
            missing = round(step_mm / spacing_mm) - 1
            filled = fill_gaps and missing <= MOST_MISSING_PLANES and _overlap(below, above)
            gaps.append(Gap(below.z_mm, above.z_mm, missing, filled))
            if not filled:
                limits = (below.z_mm + spacing_mm / 2, above.z_mm - spacing_mm / 2)
        high_mm.append(limits[0])
        low_mm.append(limits[1])
    high_mm.append(planes[-1].z_mm + spacing_mm / 2)
    return low_mm, high_mm, gaps


def _overlap(below: _Plane, above: _Plane) -> bool:
    return bool(
        shapely.area(shapely.intersection(_outline(below.rings), _outline(above.rings)))
        > MIN_AREA_MM2
    )


def _gap_note(gap: Gap) -> Text:
    sentence = (
        "{missing} contour planes are missing between z = {low_mm} and {high_mm} mm: filled"
        if gap.filled
        else "no contours between z = {low_mm} and {high_mm} mm: taken as separate pieces"
    )
    return Text(sentence, missing=gap.missing, low_mm=gap.low_mm, high_mm=gap.high_mm)


def _planes(roi: ROI, notes: list[Text]) -> list[_Plane]:
    """Return the contour planes in ascending z, rings resolved; tell in `notes` what was mended."""
    rings, areas_mm2 = _with_area(roi.contours)
    if len(rings) < len(roi.contours):
        count = len(roi.contours) - len(rings)
        notes.append(Text("{count} contours without area are left out", count=count))
    if not rings:
        return []
    polygons = _polygons(rings)
    intact = shapely.is_valid(polygons)
    crossing = 0
    for index in np.flatnonzero(~intact).tolist():
        before = abs(float(areas_mm2[index]))
        polygons[index] = shapely.make_valid(
            polygons[index], method="structure", keep_collapsed=False
        )
        after = _area_mm2(polygons[index])
        # A keyhole only touches itself and keeps its area; a crossing does not.
        crossing += int(abs(after - before) > DUPLICATE * max(before, after))
    if crossing:
        notes.append(Text("{count} self-crossing contours repaired (make_valid)", count=crossing))
    levels = distinct(ring.z_mm for ring in rings)
    owner = np.abs(np.subtract.outer([ring.z_mm for ring in rings], levels)).argmin(axis=1)
    members: list[list[int]] = [[] for _ in levels]
    for index, plane in enumerate(owner.tolist()):
        members[plane].append(index)
    planes = []
    bounds = shapely.bounds(polygons)
    for z_mm, indices in zip(levels, members, strict=True):
        depth = _depths(polygons[indices], bounds[indices]) if intact[indices].all() else None
        if depth is not None:
            # As drawn: a ring inside an odd number of others is a hole.
            backwards = (areas_mm2[indices] < 0) != (depth % 2 == 1)
            turned = zip(indices, backwards.tolist(), strict=True)
            drawn = (rings[i].points_mm[::-1] if turn else rings[i].points_mm for i, turn in turned)
            planes.append(_Plane(float(z_mm), tuple(drawn)))
            continue
        xor = any(rings[index].xor for index in indices)
        outline = _combine(list(polygons[indices]), notes, xor=xor)
        if _area_mm2(outline) > MIN_AREA_MM2:
            planes.append(_Plane(float(z_mm), oriented_rings(outline)))
        else:
            notes.append(Text("the contours at z = {z_mm} mm cancel out", z_mm=float(z_mm)))
    return planes


def _depths(polygons: NDArray[np.object_], bounds_mm: FloatArray) -> NDArray[np.intp] | None:
    """Return how many other rings each ring lies inside of; None where any two meet.

    `bounds_mm` are least x and y and largest x and y of each.
    """
    depth = np.zeros(len(polygons), dtype=np.intp)
    if depth.size == 1:
        return depth
    one, other = np.triu_indices(len(polygons), 1)
    apart = (bounds_mm[one, :2] > bounds_mm[other, 2:]).any(axis=1)
    apart |= (bounds_mm[other, :2] > bounds_mm[one, 2:]).any(axis=1)
    one, other = one[~apart], other[~apart]
    if not one.size:
        return depth
    inside_other = shapely.contains_properly(polygons[other], polygons[one])
    inside_one = shapely.contains_properly(polygons[one], polygons[other])
    np.add.at(depth, one[inside_other], 1)
    np.add.at(depth, other[inside_one], 1)
    left = ~(inside_other | inside_one)
    return depth if shapely.disjoint(polygons[one[left]], polygons[other[left]]).all() else None


def _with_area(contours: Sequence[Contour]) -> tuple[list[Contour], FloatArray]:
    """Return the contours that enclose an area, and that area, signed."""
    rings = [contour for contour in contours if len(contour.points_mm) >= 3]
    if not rings:
        return [], np.empty(0)
    areas_mm2 = ring_areas_mm2([ring.points_mm for ring in rings])
    # A bow tie of equal lobes has no net area; its extent tells it from a line.
    kept = [
        index
        for index, area_mm2 in enumerate(np.abs(areas_mm2).tolist())
        if area_mm2 > MIN_AREA_MM2 or _width_mm(rings[index].points_mm) > SAME_PLANE_MM
    ]
    return [rings[index] for index in kept], areas_mm2[kept]


def _width_mm(points_mm: FloatArray) -> float:
    """Return the extent of points across their longest direction."""
    centred = points_mm - points_mm.mean(axis=0)
    across = np.linalg.svd(centred, full_matrices=False)[2][-1]
    return float(np.ptp(centred @ across))


def _area_mm2(geometry: shapely.Geometry) -> float:
    return float(shapely.area(geometry))


def _polygons(rings: list[Contour]) -> NDArray[np.object_]:
    points = np.concatenate([ring.points_mm for ring in rings])
    owner = np.repeat(np.arange(len(rings)), [len(ring.points_mm) for ring in rings])
    made = shapely.polygons(shapely.linearrings(points, indices=owner))
    return np.atleast_1d(np.asarray(made, dtype=object))


def _combine(polygons: list[shapely.Geometry], notes: list[Text], *, xor: bool) -> shapely.Geometry:
    """Return what the rings of one plane enclose together."""
    if xor:
        return reduce(shapely.symmetric_difference, polygons)
    apart: list[shapely.Geometry] = []
    for polygon in sorted(polygons, key=_area_mm2, reverse=True):
        relations = [_relation(polygon, other) for other in apart]
        if "same" in relations:
            notes.append(Text("a contour that is drawn twice is counted once"))
            continue
        joined = polygon
        while "crossing" in relations:
            joined = shapely.union(joined, apart.pop(relations.index("crossing")))
            relations = [_relation(joined, other) for other in apart]
        apart.append(joined)
    # What is left is nested or apart: each ring inside an odd number of others is a hole.
    return reduce(shapely.symmetric_difference, apart)


def _relation(one: shapely.Geometry, other: shapely.Geometry) -> str:
    """Tell how two rings lie: "same", "nested", "apart" or "crossing"."""
    if shapely.disjoint(one, other):
        return "apart"
    common = _area_mm2(shapely.intersection(one, other))
    small, large = sorted((_area_mm2(one), _area_mm2(other)))
    if large - common <= DUPLICATE * large:
        return "same"
    if small - common <= NESTED * small:
        return "nested"
    return "apart" if common <= MIN_AREA_MM2 else "crossing"


def _counter_clockwise(points_mm: FloatArray) -> FloatArray:
    return points_mm if signed_area_mm2(points_mm) > 0 else points_mm[::-1]


def oriented_rings(outline: shapely.Geometry) -> tuple[FloatArray, ...]:
    """Return the rings of polygons: outlines counter-clockwise, holes clockwise."""
    rings = []
    for part in shapely.get_parts(outline):
        if part.geom_type != "Polygon" or part.is_empty:
            continue
        rings.append(_counter_clockwise(shapely.get_coordinates(part.exterior)[:-1]))
        rings.extend(
            _counter_clockwise(shapely.get_coordinates(hole)[:-1])[::-1] for hole in part.interiors
        )
    return tuple(rings)
