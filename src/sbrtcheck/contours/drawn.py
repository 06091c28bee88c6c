"""What the rings of each contour plane enclose: holes, unions, copies, planes drawn in parts."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from sbrtcheck.contours.rings import (
    canonical,
    corner_counts,
    ring_areas_mm2,
    signed_area_mm2,
)
from sbrtcheck.model import (
    MOST_CORNERS,
    ONE_PLANE,
    ROI,
    SAME_PLANE_MM,
    Contour,
    FloatArray,
    Text,
    distinct,
    frozen_array,
)

__all__ = [
    "MIN_AREA_MM2",
    "Plane",
    "TangledError",
    "drawn_planes",
    "joined",
    "oriented_rings",
    "outline_of_rings",
]

MIN_AREA_MM2 = 1e-4  # below this a ring is a line or a point
# Rings that differ by less than this part of their area are the same ring.
DUPLICATE = 1e-4
# A ring counts as inside another if no more than this part of it sticks out.
NESTED = 0.01
MOST_CROSSINGS = (
    20_000  # of an ROI with itself: the work to mend it grows faster than they do
)
MOST_RINGS = 1_000  # of an ROI on one plane: each is compared with all that it may meet
MOST_MEETING = 200  # of these, if any two cross
MOST_PLANES = 3_000  # of an ROI
EDGES = 64  # that are looked at together
THIN = 0.1  # of a ring: holes that leave less of it are copies of the ring
LONGEST_CHAIN = (
    2 / 3
)  # of the spacing: as far apart may the planes be that join one by one


class Plane(NamedTuple):
    """A contour plane that encloses an area: outlines counter-clockwise, holes clockwise."""

    z_mm: float
    rings: tuple[FloatArray, ...]


def drawn_planes(roi: ROI) -> tuple[tuple[Plane, ...], tuple[Text, ...]]:
    """Return the planes of an ROI that enclose an area, ascending, and what was mended in them.

    Raises
    ------
    TangledError
        If they cannot be put together in bounded time.
    """
    rings, areas_mm2 = _with_area(roi.contours)
    notes = []
    if len(rings) < len(roi.contours):
        count = len(roi.contours) - len(rings)
        notes.append(Text("{count} contours without area are left out", count=count))
    if not rings:
        return (), (*notes, Text("the ROI has no closed contours"))
    polygons = _polygons(rings)
    intact = shapely.is_valid(polygons)
    by_plane = _by_plane(rings)
    _refuse_crowds(rings, by_plane)
    _refuse_crossings([rings[at] for at in np.flatnonzero(~intact).tolist()])
    whole = _mended(polygons, intact, areas_mm2)
    _refuse_meetings(whole, by_plane)
    if whole.crossing:
        sentence = "{count} self-crossing contours repaired (make_valid)"
        notes.append(Text(sentence, count=whole.crossing))
    planes: list[Plane] = []
    for z_mm, indices in by_plane:
        plane, said = _resolved(z_mm, rings, areas_mm2, whole, indices)
        notes.extend(said)
        planes.extend(plane)
    if not roi.fills_thin_holes:
        return tuple(planes), tuple(notes)
    filled = [_without_copies(plane) for plane in planes]
    count = sum(
        len(a.rings) > len(b.rings) for a, b in zip(planes, filled, strict=True)
    )
    if count:
        sentence = "on {count} planes a contour is repeated a little smaller: a copy, not a hole"
        notes.append(Text(sentence, count=count))
    return tuple(filled), tuple(notes)


class _Ring(NamedTuple):
    """A contour, its corners in the one order that is the same for all listings of them."""

    points_mm: FloatArray
    z_mm: float
    xor: bool


class _Mended(NamedTuple):
    """Rings as valid polygons, which of them were so, and how many crossed themselves."""

    polygons: NDArray[np.object_]
    intact: NDArray[np.bool_]
    crossing: int


class TangledError(Exception):
    """Contours of which there are more, or that meet more often, than can be put together."""

    def __init__(self, problem: Text) -> None:
        super().__init__(problem)
        self.problem = problem


def _refuse_crowds(
    rings: Sequence[_Ring], by_plane: Sequence[tuple[float, list[int]]]
) -> None:
    corners = sum(len(ring.points_mm) for ring in rings)
    if corners > MOST_CORNERS:
        raise TangledError(
            Text("its contours have more than {count} corners", count=MOST_CORNERS)
        )
    if len(by_plane) > MOST_PLANES:
        raise TangledError(
            Text("it is drawn on more than {count} planes", count=MOST_PLANES)
        )
    if max(len(indices) for _, indices in by_plane) > MOST_RINGS:
        raise TangledError(
            Text("it has more than {count} contours on one plane", count=MOST_RINGS)
        )


def _refuse_crossings(rings: Sequence[_Ring]) -> None:
    left = MOST_CROSSINGS
    for ring in rings:
        left -= _crossings(ring.points_mm, left)
        if left < 0:
            sentence = "its contours cross themselves more than {count} times"
            raise TangledError(Text(sentence, count=MOST_CROSSINGS))


def _refuse_meetings(
    whole: _Mended, by_plane: Sequence[tuple[float, list[int]]]
) -> None:
    for _, indices in by_plane:
        if len(indices) > MOST_MEETING and _depths(whole, indices) is None:
            sentence = "more than {count} of its contours meet on one plane"
            raise TangledError(Text(sentence, count=MOST_MEETING))


def _crossings(points_mm: FloatArray, most: int) -> int:
    """Count how often a ring crosses or touches itself, up to a little more than `most`."""
    ends_mm = np.concatenate([points_mm[1:], points_mm[:1]])
    lines = shapely.linestrings(np.stack([points_mm, ends_mm], axis=1))
    edges = np.atleast_1d(np.asarray(lines, dtype=object))
    tree = shapely.STRtree(edges)
    met = 0
    for chunk in np.array_split(edges, len(edges) // EDGES + 1):
        # Each edge meets itself and its two neighbours.
        met += tree.query(chunk, predicate="intersects").shape[1] - 3 * len(chunk)
        if met > 2 * most:
            break
    return met // 2


def _mended(
    polygons: NDArray[np.object_], intact: NDArray[np.bool_], areas_mm2: FloatArray
) -> _Mended:
    crossing = 0
    for index in np.flatnonzero(~intact).tolist():
        before = abs(float(areas_mm2[index]))
        polygons[index] = shapely.make_valid(
            polygons[index], method="structure", keep_collapsed=False
        )
        after = _area_mm2(polygons[index])
        # A keyhole only touches itself and keeps its area; a crossing does not.
        crossing += int(abs(after - before) > DUPLICATE * max(before, after))
    return _Mended(polygons, intact, crossing)


def _by_plane(rings: list[_Ring]) -> list[tuple[float, list[int]]]:
    """Return the height of each plane, ascending, and which rings lie in it."""
    heights_mm = np.array([ring.z_mm for ring in rings])
    levels_mm = distinct(heights_mm)
    middles_mm = (levels_mm[1:] + levels_mm[:-1]) / 2
    owner = np.searchsorted(middles_mm, heights_mm)
    return [
        (z_mm, np.flatnonzero(owner == plane).tolist())
        for plane, z_mm in enumerate(levels_mm.tolist())
    ]


def _resolved(
    z_mm: float,
    rings: list[_Ring],
    areas_mm2: FloatArray,
    whole: _Mended,
    indices: list[int],
) -> tuple[tuple[Plane, ...], tuple[Text, ...]]:
    """Return what some rings enclose together as one plane, none where they cancel, with notes."""
    depth = _depths(whole, indices)
    if depth is not None:
        # As drawn: a ring inside an odd number of others is a hole.
        backwards = (areas_mm2[indices] < 0) != (depth % 2 == 1)
        drawn = [rings[index].points_mm for index in indices]
        for place in np.flatnonzero(backwards).tolist():
            drawn[place] = _turned(drawn[place])
        return (Plane(z_mm, tuple(drawn)),), ()
    xor = any(rings[index].xor for index in indices)
    outline, notes = _combine(list(whole.polygons[indices]), xor=xor)
    if _area_mm2(outline) > MIN_AREA_MM2:
        return (Plane(z_mm, oriented_rings(outline)),), notes
    return (), (*notes, Text("the contours at z = {z_mm} mm cancel out", z_mm=z_mm))


def _without_copies(plane: Plane) -> Plane:
    """Return a plane, rings of which holes leave less than a tenth filled."""
    if len(plane.rings) == 1:
        return plane
    parts = shapely.get_parts(outline_of_rings(plane.rings))
    made = shapely.polygons(shapely.get_exterior_ring(parts))
    filled = np.asarray(made, dtype=object)
    is_copy = shapely.area(parts) < THIN * shapely.area(filled)
    if not is_copy.any():
        return plane
    kept = np.where(is_copy, filled, parts)
    return Plane(plane.z_mm, oriented_rings(shapely.union_all(kept)))


def joined(planes: Sequence[Plane], spacing_mm: float) -> tuple[Plane, ...]:
    """Return the planes, those closer than a third of the spacing as one, in their middle."""
    return tuple(_union(group) for group in _groups(planes, spacing_mm))


def _groups(planes: Sequence[Plane], spacing_mm: float) -> list[list[Plane]]:
    steps_mm = np.diff([plane.z_mm for plane in planes])
    apart = np.flatnonzero(steps_mm >= ONE_PLANE * spacing_mm) + 1
    groups: list[list[Plane]] = []
    for first, last in pairwise((0, *apart.tolist(), len(planes))):
        groups.extend(_cut_chain(list(planes[first:last]), spacing_mm))
    return groups


def _cut_chain(chain: list[Plane], spacing_mm: float) -> list[list[Plane]]:
    """Part planes that join one by one, where they lead on to the next plane."""
    if chain[-1].z_mm - chain[0].z_mm < LONGEST_CHAIN * spacing_mm:
        return [chain]
    groups = [[chain[0]]]
    for plane in chain[1:]:
        if plane.z_mm - groups[-1][0].z_mm < ONE_PLANE * spacing_mm:
            groups[-1].append(plane)
        else:
            groups.append([plane])
    return groups


def _union(group: list[Plane]) -> Plane:
    if len(group) == 1:
        return group[0]
    outline = shapely.union_all([outline_of_rings(plane.rings) for plane in group])
    return Plane((group[0].z_mm + group[-1].z_mm) / 2, oriented_rings(outline))


def outline_of_rings(rings: Sequence[FloatArray]) -> shapely.Geometry:
    """Return what outlines and holes enclose."""
    polygons: list[shapely.Geometry] = [shapely.Polygon(ring) for ring in rings]
    outline: shapely.Geometry = reduce(shapely.symmetric_difference, polygons)
    return outline


def _depths(whole: _Mended, indices: list[int]) -> NDArray[np.intp] | None:
    """Return how many others each of some rings lies inside of; None where any two meet.

    None, too, where one of them had to be mended.
    """
    if not whole.intact[indices].all():
        return None
    polygons = whole.polygons[indices]
    depth = np.zeros(len(polygons), dtype=np.intp)
    if depth.size == 1:
        return depth
    one, other = shapely.STRtree(polygons).query(polygons)
    one, other = one[one < other], other[one < other]
    if not one.size:
        return depth
    inside_other = shapely.contains_properly(polygons[other], polygons[one])
    inside_one = shapely.contains_properly(polygons[one], polygons[other])
    np.add.at(depth, one[inside_other], 1)
    np.add.at(depth, other[inside_one], 1)
    left = ~(inside_other | inside_one)
    if not shapely.disjoint(polygons[one[left]], polygons[other[left]]).all():
        return None
    return depth


def _with_area(contours: Sequence[Contour]) -> tuple[list[_Ring], FloatArray]:
    """Return the contours that enclose an area, and that area, signed."""
    closed = [contour for contour in contours if len(contour.points_mm) >= 3]
    if not closed:
        return [], np.empty(0)
    areas_mm2 = ring_areas_mm2([contour.points_mm for contour in closed])
    kept = [
        index
        for index, area_mm2 in enumerate(areas_mm2.tolist())
        if _encloses_area(closed[index].points_mm, area_mm2)
    ]
    points_mm = canonical([closed[index].points_mm for index in kept])
    rings = [
        _Ring(points, closed[index].z_mm, closed[index].xor)
        for index, points in zip(kept, points_mm, strict=True)
    ]
    return rings, areas_mm2[kept]


def _encloses_area(points_mm: FloatArray, net_mm2: float) -> bool:
    """Tell whether a ring of some net area encloses any."""
    if abs(net_mm2) > MIN_AREA_MM2:
        return True
    # A bow tie of equal lobes has no net area; its extent tells it from a line.
    return _width_mm(points_mm) > SAME_PLANE_MM


def _turned(points_mm: FloatArray) -> FloatArray:
    """Return a ring the other way round, from the same corner on."""
    return np.concatenate([points_mm[:1], points_mm[:0:-1]])


def _width_mm(points_mm: FloatArray) -> float:
    """Return the extent of points across their longest direction."""
    centred = points_mm - points_mm.mean(axis=0)
    across = np.linalg.svd(centred, full_matrices=False)[2][-1]
    return float(np.ptp(centred @ across))


def _area_mm2(geometry: shapely.Geometry) -> float:
    return float(shapely.area(geometry))


def _polygons(rings: list[_Ring]) -> NDArray[np.object_]:
    corners = [ring.points_mm for ring in rings]
    points = np.concatenate(corners)
    owner = np.repeat(np.arange(len(rings)), corner_counts(corners))
    made = shapely.polygons(shapely.linearrings(points, indices=owner))
    return np.atleast_1d(np.asarray(made, dtype=object))


def _combine(
    polygons: list[shapely.Geometry], *, xor: bool
) -> tuple[shapely.Geometry, tuple[Text, ...]]:
    """Return what the rings of one plane enclose together, and what was mended."""
    if xor:
        return reduce(shapely.symmetric_difference, polygons), ()
    notes = []
    apart: list[shapely.Geometry] = []
    for polygon in sorted(polygons, key=_area_mm2, reverse=True):
        relations = [_relation(polygon, other) for other in apart]
        if "same" in relations:
            notes.append(Text("a contour that is drawn twice is counted once"))
            continue
        whole = polygon
        while "crossing" in relations:
            whole = shapely.union(whole, apart.pop(relations.index("crossing")))
            relations = [_relation(whole, other) for other in apart]
        apart.append(whole)
    # What is left is nested or apart: each ring inside an odd number of others is a hole.
    return reduce(shapely.symmetric_difference, apart), tuple(notes)


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
    if common <= MIN_AREA_MM2:
        return "apart"
    return "crossing"


def _counter_clockwise(points_mm: FloatArray) -> FloatArray:
    if signed_area_mm2(points_mm) > 0:
        return points_mm
    return points_mm[::-1]


def oriented_rings(outline: shapely.Geometry) -> tuple[FloatArray, ...]:
    """Return the rings of polygons: outlines counter-clockwise, holes clockwise."""
    parts = shapely.get_parts(outline)
    is_area = shapely.get_dimensions(parts) == 2
    rings = []
    for part in parts[is_area & ~shapely.is_empty(parts)]:
        rings.append(_counter_clockwise(shapely.get_coordinates(part.exterior)[:-1]))
        rings.extend(
            _counter_clockwise(shapely.get_coordinates(hole)[:-1])[::-1]
            for hole in part.interiors
        )
    return tuple(frozen_array(ring, ndim=2) for ring in canonical(rings))
