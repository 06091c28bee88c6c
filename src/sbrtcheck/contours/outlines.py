"""Outlines that move between planes by signed distances, and keep to the areas of their layers."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours.areas import CLOSED, Areas, mean_area, parabolas
from sbrtcheck.contours.planes import Layers, Planes, match_of
from sbrtcheck.contours.region import Slab, rings_of
from sbrtcheck.contours.rings import corner_counts, ring_areas_mm2
from sbrtcheck.model import FloatArray

__all__ = ["outlines_of"]

MOST_CORNERS = 72  # of an outline that moves
BLOCK = 500_000  # distances measured at a time
LONGEST_EDGE = 1 / 24  # of the outline: longer edges are cut before they move
MOST = 0.95  # of half the width: an outline never moves further inwards
GONE = 1e-4  # of an outline's area: less is nothing
SCALES = (0.5, 2.0)  # by which a moved outline may miss its area and still be believed


class _Rings(NamedTuple):
    """Rings end to end: corners, the normals out of the solid, shape (n, 2), bounds."""

    points_mm: FloatArray
    normal: FloatArray
    start: NDArray[np.intp]
    corners: NDArray[np.intp]
    perimeter_mm: FloatArray
    of_plane: NDArray[np.intp]  # where those of each plane start, and the end


def outlines_of(planes: Planes, layers: Layers) -> list[tuple[FloatArray, ...]]:
    """Return the rings of each layer, moved and scaled to the areas of the layer."""
    rings = _dense(planes.slabs)
    others = _other_rings(planes, rings)
    areas = parabolas(
        np.abs(ring_areas_mm2(rings_of(planes.slabs))),
        np.repeat(planes.z_mm, np.diff(rings.of_plane)),
        others,
    )
    moving = _rings_on(rings, layers.of_plane).tolist()
    distance_mm = np.zeros((2, len(rings.points_mm)))
    for slot in (0, 1):
        pairs = [
            (ring, others[ring][slot]) for ring in moving if len(others[ring]) > slot
        ]
        _measure(rings, pairs, distance_mm[slot])
    return _moved(planes, layers, rings, areas, distance_mm)


def _other_rings(planes: Planes, rings: _Rings) -> list[list[int]]:
    """Return for each ring those that it becomes on the other planes of its plane."""
    others: list[list[int]] = []
    for plane, near in enumerate(planes.others):
        matched = [
            rings.of_plane[other] + np.array(match_of(planes, plane, other))
            for other in near
        ]
        count = len(planes.slabs[plane].rings)
        of_ring = np.array(matched, dtype=np.intp).reshape(len(near), count).T
        others.extend(of_ring.tolist())
    return others


def _rings_on(rings: _Rings, planes: Iterable[int]) -> NDArray[np.intp]:
    """Return which rings lie on planes, plane after plane."""
    first = rings.of_plane
    return np.concatenate(
        [np.arange(first[plane], first[plane + 1]) for plane in planes]
    )


def _dense(slabs: Sequence[Slab]) -> _Rings:
    """Put the rings of slabs end to end, their long edges cut."""
    # Areas come from the outlines themselves; to move, some of very many corners are enough.
    rings = [
        ring[:: int(np.ceil(len(ring) / MOST_CORNERS))] for ring in rings_of(slabs)
    ]
    of_plane = np.cumsum([0, *(len(slab.rings) for slab in slabs)])
    given = corner_counts(rings)
    start = np.cumsum(given) - given
    points = np.concatenate(rings)
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
    rings: _Rings, own_and_theirs: Sequence[tuple[int, int]], distance_mm: FloatArray
) -> None:
    """Measure the corners of some rings against others, ring by ring, into `distance_mm`."""
    pairs = np.array(own_and_theirs, dtype=np.intp).reshape(-1, 2).T
    size = rings.corners[pairs]
    order = np.argsort(size.max(axis=0), kind="stable")
    first = 0
    while first < order.size:
        # Rings of like size together, in blocks that bound the memory.
        last = min(
            first + max(1, BLOCK // int(size[:, order[first]].max()) ** 2), order.size
        )
        block = order[first:last]
        distance_mm[_corners(rings, pairs[0, block])[0]] = _signed_distance_mm(
            rings, pairs[0, block], pairs[1, block]
        )
        first = last


def _corners(
    rings: _Rings, chosen: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
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
    points[at_place] = rings.points_mm[at] - np.repeat(
        middle, rings.corners[own], axis=0
    )
    others = np.zeros((own.size * other_width, 2))
    others[to_place] = rings.points_mm[to] - np.repeat(
        middle, rings.corners[theirs], axis=0
    )
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
    second = np.where(
        one_in | two_in, two_in & ~(one_in & (one_away <= two_away)), further
    )
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


def _weights(planes: Planes, layers: Layers) -> FloatArray:
    """Return what the other planes' distances count in each layer, shape (2, layers)."""
    others_mm = np.full((2, len(planes.slabs)), np.inf)
    for plane in layers.of_plane:
        for slot, other in enumerate(planes.others[plane]):
            others_mm[slot, plane] = planes.slabs[other].z_mm - planes.slabs[plane].z_mm
    one_mm, other_mm = others_mm[0, layers.plane], others_mm[1, layers.plane]
    t_mm, alone = layers.height_mm, np.isinf(other_mm)
    far_mm = np.where(alone, 2 * one_mm, other_mm)
    one: FloatArray = (
        t_mm / one_mm * np.where(alone, 1.0, (t_mm - far_mm) / (one_mm - far_mm))
    )
    two = np.where(alone, 0.0, t_mm / far_mm * (t_mm - one_mm) / (far_mm - one_mm))
    return np.stack([one, two])


def _moved(
    planes: Planes,
    layers: Layers,
    rings: _Rings,
    areas: Areas,
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
    wanted_mm2 = mean_area(
        areas, ring, layers.height_mm[layer], layers.thickness_mm[layer]
    )
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
    planes: Planes,
    layers: Layers,
    rings: _Rings,
    of: np.ufunc,
) -> FloatArray:
    """Return a corner of the box around the outlines that each layer lies between, shape (n, 2)."""
    drawn = rings_of(planes.slabs)
    count = corner_counts(drawn)
    of_ring = of.reduceat(np.concatenate(drawn), np.cumsum(count) - count)
    reach_mm = np.zeros((len(planes.slabs), 2))
    for plane in layers.of_plane:
        near = _rings_on(rings, (plane, *planes.others[plane]))
        reach_mm[plane] = of.reduce(of_ring[near])
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
