r"""The solid between contour planes: outlines that go over into each other.

A slab repeats its outline up to halfway to the next plane. Here the outline moves on the way:

    plane k+1   ______________         each point p of the outline of plane k moves along its
               /              \        normal by what the signed distances of p to the outlines
              /   layer at t   \       of the planes above and below give at height t, by a
    plane k  /__________________\      parabola through the three (its own distance is 0).

The area of each layer is that of the parabola through the areas of neighbouring planes: exact
for every solid whose cross-section is quadratic in height (prisms, cones, ellipsoids, boxes in
any direction), where distances alone would round corners off. Where the areas run out within
one spacing, the end of the piece is that point instead of half a slice.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours.region import (
    Region,
    Slab,
    areas_mm2,
    ring_areas_mm2,
    split_at_plane,
    with_caps_apart,
)
from sbrtcheck.model import SAME_PLANE_MM, FloatArray
from sbrtcheck.occupancy import signed_area_mm2

__all__ = ["closing_ends", "shaped"]

MOST_CORNERS = 72  # of an outline that moves
BLOCK = 500_000  # distances measured at a time
LONGEST_EDGE = 1 / 24  # of the outline: longer edges are cut before they move
LAYER_MM = 1.5  # at most: half-slabs of up to 3 mm spacing are one layer
STILL_MM = 0.005  # outlines that differ by less do not move
CLOSED = 0.1  # of an end's area: a parabola that comes as near to nothing as this has an end
MOST = 0.95  # of half the width: an outline never moves further inwards
GONE = 1e-4  # of an outline's area: less is nothing
SCALES = (0.5, 2.0)  # by which a moved outline may miss its area and still be believed


def shaped(region: Region, finest_mm: float, layer_mm: float = LAYER_MM) -> Region:
    """Return the solid with outlines that change between planes, as thinner slabs.

    What lies beyond the end planes of a piece are slabs of its own, marked as caps. Slabs whose
    neighbours have the same outline, or other outlines and holes than they themselves, stay as
    they are; so do those no thicker than `finest_mm`. Others are cut at their plane and into
    layers of at most `layer_mm`.
    """
    planes = _planes(region)
    moves = [plane for plane in range(len(planes.slabs)) if _moves(planes, plane, finest_mm)]
    if not moves:
        return with_caps_apart(region)
    layers = _layers(planes, moves, layer_mm)
    outlines = _outlines(planes, layers)
    thin: list[Slab] = []
    first = 0
    for plane, slab in enumerate(planes.slabs):
        starts, ends = _is_end(planes, plane, -1), _is_end(planes, plane, 1)
        if plane not in layers.of_plane:
            thin.extend(split_at_plane(slab, starts=starts, ends=ends))
            continue
        for low_mm, high_mm in layers.of_plane[plane]:
            rings = outlines[first]
            first += 1
            if rings:
                middle_mm = (low_mm + high_mm) / 2
                cap = -1 if starts and middle_mm < slab.z_mm else 0
                cap = 1 if ends and middle_mm > slab.z_mm else cap
                thin.append(
                    Slab(z_mm=middle_mm, low_mm=low_mm, high_mm=high_mm, rings=rings, cap=cap)
                )
    return replace(region, slabs=tuple(thin))


class _Planes(NamedTuple):
    """Planes with what their neighbours say: for each plane, up to two others of its piece.

    `others` are the planes whose parabola an outline follows: below and above, or at the end of
    a piece the two next to it. `linked` tells whether a plane goes over into the next one,
    `match` which of its rings each ring becomes there.
    """

    slabs: tuple[Slab, ...]
    z_mm: FloatArray
    linked: list[bool]
    others: list[tuple[int, ...]]
    match: dict[tuple[int, int], tuple[int, ...]]


def _planes(region: Region) -> _Planes:
    slabs = region.slabs
    count = len(slabs)
    match: dict[tuple[int, int], tuple[int, ...]] = {}
    linked = []
    for low in range(count - 1):
        below, above = slabs[low], slabs[low + 1]
        pairs = None
        if above.low_mm - below.high_mm <= SAME_PLANE_MM:
            pairs = _matched(below.rings, above.rings)
        linked.append(pairs is not None)
        if pairs is not None:
            match[low, low + 1] = pairs
            match[low + 1, low] = tuple(int(at) for at in np.argsort(pairs))
    others: list[tuple[int, ...]] = []
    for plane in range(count):
        up = plane + 1 < count and linked[plane]
        down = plane > 0 and linked[plane - 1]
        if up and down:
            others.append((plane - 1, plane + 1))
        elif up or down:
            step = 1 if up else -1
            further = plane + 2 * step
            two = 0 <= further < count and linked[min(plane + step, further)]
            others.append((plane + step, further) if two else (plane + step,))
        else:
            others.append(())
    return _Planes(slabs, np.array([slab.z_mm for slab in slabs]), linked, others, match)


def _matched(
    below: tuple[FloatArray, ...], above: tuple[FloatArray, ...]
) -> tuple[int, ...] | None:
    """Return which ring above each ring below becomes, or None where that is not clear."""
    if len(below) != len(above):
        return None
    if len(below) == 1:
        return (0,)
    middles, signs = (
        [np.array([ring.mean(axis=0) for ring in rings]) for rings in (below, above)],
        [np.array([signed_area_mm2(ring) > 0 for ring in rings]) for rings in (below, above)],
    )
    distance = np.linalg.norm(middles[0][:, None] - middles[1], axis=2)
    distance[signs[0][:, None] != signs[1]] = np.inf
    nearest = distance.argmin(axis=1)
    clear = len(set(nearest.tolist())) == len(below) and np.isfinite(distance.min(axis=1)).all()
    return tuple(nearest.tolist()) if clear else None


def _moves(planes: _Planes, plane: int, finest_mm: float) -> bool:
    """Tell whether the outline of a plane changes within its slab."""
    slab = planes.slabs[plane]
    if not planes.others[plane] or slab.thickness_mm <= finest_mm:
        return False
    near = (planes.slabs[other].rings for other in planes.others[plane])
    return not all(
        len(mine) == len(theirs) and np.abs(mine - theirs).max() <= STILL_MM
        for rings in near
        for mine, theirs in zip(slab.rings, rings, strict=True)
    )


# --- Areas --------------------------------------------------------------------------------------


class _Areas(NamedTuple):
    """Areas by plane or by ring, each with the row of the same ring above and below, or -1.

    `curvature` is that of the parabola through the areas of a row and its two others, and
    `slope` how the area changes outwards at the end of a piece.
    """

    area_mm2: FloatArray
    z_mm: FloatArray
    below: NDArray[np.intp]
    above: NDArray[np.intp]
    curvature: FloatArray
    slope: FloatArray


def _parabolas(area_mm2: FloatArray, z_mm: FloatArray, others: Sequence[tuple[int, ...]]) -> _Areas:
    """Fit a parabola to the areas of each row and its others."""
    rows = np.arange(len(area_mm2))
    below, above = np.full((2, rows.size), -1)
    near = np.zeros(rows.size, dtype=np.intp)
    three = []
    for row, two in enumerate(others):
        for other in two:
            if z_mm[other] < z_mm[row] and (below[row] < 0 or z_mm[other] > z_mm[below[row]]):
                below[row] = other
            if z_mm[other] > z_mm[row] and (above[row] < 0 or z_mm[other] < z_mm[above[row]]):
                above[row] = other
        if len(two) == 2:
            three.append((row, *two))
        near[row] = two[0] if two else row
    curvature = np.zeros(rows.size)
    if three:
        # The second divided difference of three areas, doubled.
        at = np.array(three)
        x, y = z_mm[at].T, area_mm2[at].T
        curvature[at[:, 0]] = 2 * sum(
            y[i] / ((x[i] - x[j]) * (x[i] - x[k])) for i, j, k in ((0, 1, 2), (1, 0, 2), (2, 0, 1))
        )
    gap_mm = np.where(near == rows, 1.0, np.abs(z_mm[near] - z_mm))
    slope = (area_mm2 - area_mm2[near]) / gap_mm + curvature / 2 * gap_mm
    slope[near == rows] = 0.0
    return _Areas(area_mm2, z_mm, below, above, curvature, slope)


def _area_at(areas: _Areas, row: NDArray[np.intp], height_mm: FloatArray) -> FloatArray:
    """Return the area of cross-sections at heights above or below planes, within their slabs.

    Between planes the straight line between both areas, bent by the mean curvature of the two
    parabolas there. Beyond the last plane the parabola goes on, but the area does not grow.
    """
    t_mm = np.abs(height_mm)
    other = np.where(height_mm >= 0, areas.above[row], areas.below[row])
    between = other >= 0
    other = np.where(between, other, row)
    gap_mm = np.where(between, np.abs(areas.z_mm[other] - areas.z_mm[row]), 1.0)
    own_mm2 = areas.area_mm2[row]
    bend = (areas.curvature[row] + areas.curvature[other]) / 2
    straight = own_mm2 + (areas.area_mm2[other] - own_mm2) * t_mm / gap_mm
    inner = straight - bend / 2 * t_mm * (gap_mm - t_mm)
    outer = own_mm2 + areas.slope[row] * t_mm + areas.curvature[row] / 2 * t_mm**2
    found = np.where(between, inner, np.minimum(outer, own_mm2))
    return np.asarray(np.maximum(found, 0.0))


def _mean_area(
    areas: _Areas, row: NDArray[np.intp], height_mm: FloatArray, thickness_mm: FloatArray
) -> FloatArray:
    """Return the mean area of layers: two points of Gauss give that of a parabola exactly."""
    away_mm = thickness_mm / np.sqrt(12)
    return (
        _area_at(areas, row, height_mm - away_mm) + _area_at(areas, row, height_mm + away_mm)
    ) / 2


# --- Ends and layers ----------------------------------------------------------------------------


def _plane_areas(planes: _Planes) -> _Areas:
    return _parabolas(areas_mm2(planes.slabs), planes.z_mm, planes.others)


def _closing_mm(areas: _Areas, plane: int) -> float | None:
    """Return how far beyond the last plane of a piece the areas run out, if they do."""
    slope, bend = float(areas.slope[plane]), float(areas.curvature[plane])
    area_mm2 = float(areas.area_mm2[plane])
    if slope >= 0:
        return None
    under = slope**2 - 2 * bend * area_mm2
    if under >= 0:
        return float(2 * area_mm2 / (-slope + np.sqrt(under)))
    if area_mm2 - slope**2 / (2 * bend) <= CLOSED * area_mm2:
        return -slope / bend
    return None


def closing_ends(region: Region) -> tuple[bool, bool]:
    """Tell whether the pieces of a solid end below, and above, where their areas run out."""
    if not region.slabs:
        return False, False
    planes = _planes(region)
    areas = _plane_areas(planes)
    every = range(len(region.slabs))
    below, above = (
        all(
            _closes_mm(planes, areas, plane, side) is not None
            for plane in every
            if _is_end(planes, plane, side)
        )
        for side in (-1, 1)
    )
    return below, above


def _is_end(planes: _Planes, plane: int, side: int) -> bool:
    other = plane + side
    return not (0 <= other < len(planes.slabs) and planes.linked[min(plane, other)])


def _closes_mm(planes: _Planes, areas: _Areas, plane: int, side: int) -> float | None:
    """Return how far beyond a plane its piece ends as areas run out; None for any other end."""
    if not planes.others[plane] or not _is_end(planes, plane, side):
        return None
    closing_mm = _closing_mm(areas, plane)
    spacing_mm = abs(planes.z_mm[planes.others[plane][0]] - planes.z_mm[plane])
    return closing_mm if closing_mm is not None and closing_mm <= spacing_mm else None


class _Layers(NamedTuple):
    """Layers of the planes that move, plane after plane: ends, heights above the plane."""

    of_plane: dict[int, list[tuple[float, float]]]
    plane: NDArray[np.intp]
    height_mm: FloatArray
    thickness_mm: FloatArray


def _layers(planes: _Planes, moves: Sequence[int], layer_mm: float) -> _Layers:
    """Cut the slabs of planes that move: half-slabs, or parts of one, and what ends a piece."""
    areas = _plane_areas(planes)
    of_plane: dict[int, list[tuple[float, float]]] = {}
    for plane in moves:
        slab = planes.slabs[plane]
        ends_mm = [slab.low_mm, slab.high_mm]
        for end, side in enumerate((-1, 1)):
            capped = abs(ends_mm[end] - slab.z_mm) > 0  # end caps may be left out
            closing_mm = _closes_mm(planes, areas, plane, side) if capped else None
            if closing_mm is not None:
                ends_mm[end] = slab.z_mm + side * closing_mm
        of_plane[plane] = [
            *_cut(ends_mm[0], slab.z_mm, layer_mm),
            *_cut(slab.z_mm, ends_mm[1], layer_mm),
        ]
    owner = np.repeat(list(moves), [len(of_plane[plane]) for plane in moves]).astype(np.intp)
    low_mm, high_mm = np.array([ends for plane in moves for ends in of_plane[plane]]).T
    return _Layers(of_plane, owner, (low_mm + high_mm) / 2 - planes.z_mm[owner], high_mm - low_mm)


def _cut(low_mm: float, high_mm: float, layer_mm: float) -> list[tuple[float, float]]:
    if high_mm <= low_mm:
        return []
    count = int(np.ceil((high_mm - low_mm) / layer_mm - 1e-9))
    if count <= 1:
        return [(low_mm, high_mm)]
    return list(pairwise(np.linspace(low_mm, high_mm, count + 1).tolist()))


# --- Outlines -----------------------------------------------------------------------------------


class _Rings(NamedTuple):
    """Rings end to end: corners, the normals out of the solid, shape (n, 2), bounds."""

    points_mm: FloatArray
    normal: FloatArray
    start: NDArray[np.intp]
    corners: NDArray[np.intp]
    perimeter_mm: FloatArray
    of_plane: NDArray[np.intp]  # where those of each plane start, and the end


def _outlines(planes: _Planes, layers: _Layers) -> list[tuple[FloatArray, ...]]:
    """Return the rings of each layer, moved and scaled to the areas of the layer."""
    rings = _dense(planes.slabs)
    first = rings.of_plane
    others: list[tuple[int, ...]] = [() for _ in rings.start]
    for plane, near in enumerate(planes.others):
        matched = [_match(planes, plane, other) for other in near]
        for own in range(len(planes.slabs[plane].rings)):
            others[first[plane] + own] = tuple(
                int(first[other]) + theirs[own] for other, theirs in zip(near, matched, strict=True)
            )
    z_mm = np.repeat(planes.z_mm, np.diff(first))
    areas = _parabolas(
        np.abs(ring_areas_mm2([ring for slab in planes.slabs for ring in slab.rings])), z_mm, others
    )
    moving = [ring for plane in layers.of_plane for ring in range(first[plane], first[plane + 1])]
    distance_mm = np.zeros((2, len(rings.points_mm)))
    for slot in (0, 1):
        measured = [ring for ring in moving if len(others[ring]) > slot]
        against = [others[ring][slot] for ring in measured]
        _measure(rings, measured, against, distance_mm[slot])
    return _moved(planes, layers, rings, areas, distance_mm)


def _match(planes: _Planes, plane: int, other: int) -> tuple[int, ...]:
    """Return which ring of another plane each ring of a plane becomes, one or two planes away."""
    if (plane, other) in planes.match:
        return planes.match[plane, other]
    between = (plane + other) // 2
    return tuple(planes.match[between, other][at] for at in planes.match[plane, between])


def _dense(slabs: Sequence[Slab]) -> _Rings:
    """Put the rings of slabs end to end, their long edges cut."""
    # Areas come from the outlines themselves; to move, some of very many corners are enough.
    rings = [
        ring[:: int(np.ceil(len(ring) / MOST_CORNERS))] for slab in slabs for ring in slab.rings
    ]
    of_plane = np.cumsum([0, *(len(slab.rings) for slab in slabs)])
    given = np.array([len(ring) for ring in rings])
    start = np.cumsum(given) - given
    points = np.concatenate(list(rings))
    following = np.arange(len(points)) + 1
    following[start + given - 1] = start
    edge = points[following] - points
    length_mm = np.hypot(edge[:, 0], edge[:, 1])
    perimeter_mm = np.add.reduceat(length_mm, start)
    longest_mm = np.repeat(perimeter_mm * LONGEST_EDGE, given)
    pieces = np.maximum(np.ceil(length_mm / longest_mm), 1).astype(np.intp)
    of = np.repeat(np.arange(len(points)), pieces)
    piece = np.arange(of.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    cut = points[of] + edge[of] * (piece / pieces[of])[:, None]
    count = np.add.reduceat(pieces, start)
    start = np.cumsum(count) - count
    following = np.arange(len(cut)) + 1
    following[start + count - 1] = start
    before = np.arange(len(cut)) - 1
    before[start] = start + count - 1
    edge = cut[following] - cut
    length_mm = np.hypot(edge[:, 0], edge[:, 1])
    right = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    right /= np.maximum(length_mm, 1e-12)[:, None]
    both = right + right[before]
    # At a corner, along its bisector, far enough that both edges move by one; sharp ones less.
    normal = both * (2 / np.maximum((both**2).sum(axis=1), 1.0))[:, None]
    return _Rings(cut, normal, start, count, perimeter_mm, of_plane)


def _measure(
    rings: _Rings, own: Sequence[int], theirs: Sequence[int], distance_mm: FloatArray
) -> None:
    """Measure the corners of some rings against others, ring by ring, into `distance_mm`."""
    pairs = np.array([own, theirs], dtype=np.intp).reshape(2, -1)
    size = rings.corners[pairs]
    order = np.argsort(size.max(axis=0), kind="stable")
    first = 0
    while first < order.size:
        # Rings of like size together, in blocks that bound the memory.
        last = min(first + max(1, BLOCK // int(size[:, order[first]].max()) ** 2), order.size)
        block = order[first:last]
        distance_mm[_corners(rings, pairs[0, block])[0]] = _signed_distance_mm(
            rings, pairs[0, block], pairs[1, block]
        )
        first = last


def _corners(rings: _Rings, chosen: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the corners of rings, end to end, and the place of each in a row per ring."""
    count = rings.corners[chosen]
    row = np.repeat(np.arange(chosen.size), count)
    within = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    return rings.start[chosen][row] + within, row * int(count.max()) + within


def _signed_distance_mm(
    rings: _Rings, own: NDArray[np.intp], theirs: NDArray[np.intp]
) -> FloatArray:
    """Return the distance of the corners of rings to other rings, positive inside the solid.

    That to the two edges at the nearest corner. Beside a corner, the distance to the edge's line
    counts that is further away, not that to the corner: straight walls stay parallel.
    """
    at, at_place = _corners(rings, own)
    to, to_place = _corners(rings, theirs)
    width, other_width = int(rings.corners[own].max()), int(rings.corners[theirs].max())
    middle = rings.points_mm[
        rings.start[theirs]
    ]  # near the origin, where squares keep their digits
    points = np.zeros((own.size * width, 2))
    points[at_place] = rings.points_mm[at] - np.repeat(middle, rings.corners[own], axis=0)
    others = np.zeros((own.size * other_width, 2))
    others[to_place] = rings.points_mm[to] - np.repeat(middle, rings.corners[theirs], axis=0)
    square = np.full(own.size * other_width, np.inf)
    square[to_place] = (others[to_place] ** 2).sum(axis=1)
    blocks = others.reshape(own.size, other_width, 2).transpose(0, 2, 1)
    far = points.reshape(own.size, width, 2) @ (-2 * blocks)
    far += square.reshape(own.size, 1, other_width)
    nearest = far.argmin(axis=2).reshape(-1)[at_place]
    ring = np.repeat(theirs, rings.corners[own])
    start, count = rings.start[ring], rings.corners[ring]
    corner = start + nearest
    found = [
        _beside(rings.points_mm[at], rings.points_mm[begin], rings.points_mm[end])
        for begin, end in (
            (start + (nearest - 1) % count, corner),
            (corner, start + (nearest + 1) % count),
        )
    ]
    (one_mm, one_away, one_in), (two_mm, two_away, two_in) = found
    further = np.abs(two_mm) > np.abs(one_mm)
    second = np.where(one_in | two_in, two_in & ~(one_in & (one_away <= two_away)), further)
    return np.where(second, two_mm, one_mm)


def _beside(
    point: FloatArray, begin: FloatArray, end: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Return how far points lie left of edges' lines and from the edges, and if beside the edge."""
    edge, away = end - begin, point - begin
    length_mm = np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-12)
    left_mm = (edge[:, 0] * away[:, 1] - edge[:, 1] * away[:, 0]) / length_mm
    along = (edge * away).sum(axis=1) / length_mm**2
    return left_mm, np.abs(left_mm), (along >= 0) & (along <= 1)


def _weights(planes: _Planes, layers: _Layers) -> FloatArray:
    """Return what the other planes' distances count in each layer, shape (2, layers)."""
    others_mm = np.full((2, len(planes.slabs)), np.inf)
    for plane in layers.of_plane:
        for slot, other in enumerate(planes.others[plane]):
            others_mm[slot, plane] = planes.slabs[other].z_mm - planes.slabs[plane].z_mm
    one_mm, other_mm = others_mm[0, layers.plane], others_mm[1, layers.plane]
    t_mm, alone = layers.height_mm, np.isinf(other_mm)
    far_mm = np.where(alone, 2 * one_mm, other_mm)
    one: FloatArray = t_mm / one_mm * np.where(alone, 1.0, (t_mm - far_mm) / (one_mm - far_mm))
    two = np.where(alone, 0.0, t_mm / far_mm * (t_mm - one_mm) / (far_mm - one_mm))
    return np.stack([one, two])


def _moved(
    planes: _Planes,
    layers: _Layers,
    rings: _Rings,
    areas: _Areas,
    distance_mm: FloatArray,
) -> list[tuple[FloatArray, ...]]:
    owner = layers.plane
    weights = _weights(planes, layers)
    many = np.diff(rings.of_plane)[owner]
    layer = np.repeat(np.arange(owner.size), many)
    within = np.arange(layer.size) - np.repeat(np.cumsum(many) - many, many)
    ring = rings.of_plane[owner][layer] + within
    count = rings.corners[ring]
    start = np.cumsum(count) - count
    row = np.repeat(np.arange(ring.size), count)
    corner = np.arange(row.size) - start[row] + rings.start[ring][row]
    move_mm = (distance_mm[:, corner] * weights[:, layer[row]]).sum(axis=0)
    deepest_mm = MOST * areas.area_mm2 / rings.perimeter_mm
    move_mm = np.maximum(move_mm, -deepest_mm[ring][row])
    points = rings.points_mm[corner] + rings.normal[corner] * move_mm[:, None]
    wanted_mm2 = _mean_area(areas, ring, layers.height_mm[layer], layers.thickness_mm[layer])
    own_mm2 = areas.area_mm2[ring]
    sign = np.sign(_centroids(rings.points_mm, rings.start, rings.corners)[0])[ring]
    area_mm2, middle = _centroids(points, start, count)
    area_mm2 *= sign
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(np.maximum(wanted_mm2 / area_mm2, 0.0))
    # Where moving went wrong, the plane's own outline is brought to the layer's area.
    astray = ~((area_mm2 > 0) & (scale > SCALES[0]) & (scale < SCALES[1]))
    astray &= wanted_mm2 > CLOSED * own_mm2
    astray |= ~(area_mm2 > 1e-3 * own_mm2)
    if astray.any():
        wrong = astray[row]
        points[wrong] = rings.points_mm[corner[wrong]]
        area_mm2, middle = _centroids(points, start, count)
        scale = np.sqrt(wanted_mm2 / np.maximum(area_mm2 * sign, 1e-9))
    points = middle[row] + (points - middle[row]) * scale[row][:, None]
    # Between planes an outline stays within their extent; so it stays on a dose grid that ends there.
    low_mm = _extents_mm(planes, layers, rings, np.minimum)
    high_mm = _extents_mm(planes, layers, rings, np.maximum)
    points = np.minimum(np.maximum(points, low_mm[layer][row]), high_mm[layer][row])
    parts = np.split(points, start[1:])
    kept = (wanted_mm2 > GONE * own_mm2).tolist()
    result: list[list[FloatArray]] = [[] for _ in range(owner.size)]
    for at, part, keep in zip(layer.tolist(), parts, kept, strict=True):
        if keep:
            result[at].append(part)
    return [tuple(found) for found in result]


def _extents_mm(
    planes: _Planes,
    layers: _Layers,
    rings: _Rings,
    of: np.ufunc,
) -> FloatArray:
    """Return a corner of the box around the outlines that each layer lies between, shape (n, 2)."""
    drawn = [ring for slab in planes.slabs for ring in slab.rings]
    count = np.array([len(ring) for ring in drawn])
    of_ring = of.reduceat(np.concatenate(drawn), np.cumsum(count) - count)
    reach_mm = np.zeros((len(planes.slabs), 2))
    for plane in layers.of_plane:
        at = [
            rings.of_plane[near] + ring
            for near in (plane, *planes.others[plane])
            for ring in range(len(planes.slabs[near].rings))
        ]
        reach_mm[plane] = of.reduce(of_ring[at])
    return reach_mm[layers.plane]


def _centroids(
    points_mm: FloatArray, start: NDArray[np.intp], count: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Return the signed area of each ring and its centroid, shape (n, 2)."""
    first = np.repeat(points_mm[start], count, axis=0)
    away = points_mm - first
    following = np.arange(len(points_mm)) + 1
    following[start + count - 1] = start
    cross = away[:, 0] * away[following, 1] - away[following, 0] * away[:, 1]
    twice = np.add.reduceat(cross, start)
    moment = np.add.reduceat((away + away[following]) * cross[:, None], start)
    safe = np.where(np.abs(twice) > 1e-9, twice, 1.0)
    middle = points_mm[start] + moment / (3 * safe[:, None])
    mean = np.add.reduceat(points_mm, start) / count[:, None]
    return twice / 2, np.where(np.abs(twice)[:, None] > 1e-9, middle, mean)
