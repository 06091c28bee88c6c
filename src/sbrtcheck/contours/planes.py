"""Contour planes with what their neighbours say, and the layers that their slabs are cut into."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours.region import Region, Slab
from sbrtcheck.contours.rings import signed_area_mm2
from sbrtcheck.model import SAME_PLANE_MM, FloatArray

__all__ = ["Layers", "Planes", "match_of", "planes_of"]


class Planes(NamedTuple):
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


class Layers(NamedTuple):
    """Layers of the planes that move, plane after plane: ends, heights above the plane."""

    of_plane: dict[int, list[tuple[float, float]]]
    plane: NDArray[np.intp]
    height_mm: FloatArray
    thickness_mm: FloatArray


def planes_of(region: Region) -> Planes:
    """Return the planes of a solid, and which of them go over into each other."""
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
            if 0 <= further < count and linked[min(plane + step, further)]:
                others.append((plane + step, further))
            else:
                others.append((plane + step,))
        else:
            others.append(())
    return Planes(slabs, np.array([slab.z_mm for slab in slabs]), linked, others, match)


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
        [
            np.array([signed_area_mm2(ring) > 0 for ring in rings])
            for rings in (below, above)
        ],
    )
    distance = np.linalg.norm(middles[0][:, None] - middles[1], axis=2)
    distance[signs[0][:, None] != signs[1]] = np.inf
    nearest = distance.argmin(axis=1)
    clear = (
        len(set(nearest.tolist())) == len(below)
        and np.isfinite(distance.min(axis=1)).all()
    )
    if not clear:
        return None
    return tuple(nearest.tolist())


def match_of(planes: Planes, plane: int, other: int) -> tuple[int, ...]:
    """Return which ring of another plane each ring of a plane becomes, one or two planes away."""
    if (plane, other) in planes.match:
        return planes.match[plane, other]
    between = (plane + other) // 2
    return tuple(
        planes.match[between, other][at] for at in planes.match[plane, between]
    )
