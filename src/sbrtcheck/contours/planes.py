"""Contour planes with what their neighbours say, and the layers that their slabs are cut into."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours.region import Region, Slab, follows, piece_ends
from sbrtcheck.contours.rings import signed_area_mm2
from sbrtcheck.model import FloatArray

__all__ = ["Layers", "Planes", "match_of", "planes_of"]


class Planes(NamedTuple):
    """Planes with what their neighbours say: for each plane, up to two others of its piece.

    `others` are the planes whose parabola an outline follows: below and above, or at the end of
    a piece the two next to it. `ends` are the sides on which a plane goes over into no other
    one, -1 below and 1 above; `match` tells which ring of another plane each ring becomes there.
    """

    slabs: tuple[Slab, ...]
    z_mm: FloatArray
    ends: list[tuple[int, ...]]
    others: list[tuple[int, ...]]
    match: dict[tuple[int, int], tuple[int, ...]]


class Layers(NamedTuple):
    """Layers of the planes that move, plane after plane: ends, heights above the plane."""

    of_plane: dict[int, list[tuple[float, float]]]
    plane: NDArray[np.intp]
    height_mm: FloatArray
    thickness_mm: FloatArray


def planes_of(region: Region) -> Planes:
    """Return the planes of a solid, and which of them go over into each other."""
    slabs = region.slabs
    match: dict[tuple[int, int], tuple[int, ...]] = {}
    linked = []
    for low, (below, above) in enumerate(pairwise(slabs)):
        pairs = _matched(below, above)
        linked.append(pairs is not None)
        if pairs is not None:
            match[low, low + 1] = pairs
            match[low + 1, low] = tuple(np.argsort(pairs).tolist())
    parted = np.flatnonzero(np.logical_not(linked)) + 1
    others: list[tuple[int, ...]] = []
    for piece in np.split(np.arange(len(slabs)), parted):
        planes = piece.tolist()
        others.extend(_others(planes, place) for place in range(len(planes)))
    z_mm = np.array([slab.z_mm for slab in slabs])
    return Planes(slabs, z_mm, piece_ends(linked), others, match)


def _others(piece: Sequence[int], place: int) -> tuple[int, ...]:
    """Return the planes beside one of a piece, at its ends the two next to it; nearest first."""
    lowest = max(min(place - 1, len(piece) - 3), 0)
    plane = piece[place]
    beside = [other for other in piece[lowest : lowest + 3] if other != plane]
    return tuple(sorted(beside, key=lambda other: abs(other - plane)))


def _matched(below: Slab, above: Slab) -> tuple[int, ...] | None:
    """Return which ring above each ring below becomes, or None where that is not clear."""
    if not follows(below, above):
        return None
    count = len(below.rings)
    if len(above.rings) != count:
        return None
    if count == 1:
        return (0,)
    middles_below, is_outline_below = _middles(below.rings)
    middles_above, is_outline_above = _middles(above.rings)
    distance = np.linalg.norm(middles_below[:, None] - middles_above, axis=2)
    distance[is_outline_below[:, None] != is_outline_above] = np.inf
    nearest = distance.argmin(axis=1).tolist()
    if len(set(nearest)) != count:
        return None
    if not np.isfinite(distance.min(axis=1)).all():
        return None
    return tuple(nearest)


def _middles(rings: Sequence[FloatArray]) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the mean corner of each ring, shape (n, 2), and whether it is an outline."""
    middles = np.array([ring.mean(axis=0) for ring in rings])
    is_outline = np.array([signed_area_mm2(ring) > 0 for ring in rings])
    return middles, is_outline


def match_of(planes: Planes, plane: int, other: int) -> tuple[int, ...]:
    """Return which ring of another plane each ring of a plane becomes, one or two planes away."""
    if (plane, other) in planes.match:
        return planes.match[plane, other]
    between = (plane + other) // 2
    return tuple(
        planes.match[between, other][at] for at in planes.match[plane, between]
    )
