"""The surface of a solid: the extremes of dose on it and inside, and how much of it has a dose."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours.rings import edges
from sbrtcheck.dvh.cells import Block, pairs
from sbrtcheck.dvh.occupancy import inside
from sbrtcheck.dvh.reading import Place, locate, mix
from sbrtcheck.model import FloatArray

__all__ = ["Wall", "surface"]


class Wall(NamedTuple):
    """Dose at points of a solid, and the area of wall that each stands for.

    Without any area, they are the extremes over grid points inside.
    """

    dose_gy: FloatArray
    area_mm2: FloatArray | None


def surface(block: Block) -> Iterator[Wall]:
    """Yield the trilinear dose on the wall of some slabs, and at grid points inside.

    Trilinear dose has its extremes over a solid at grid points inside and on the surface, and
    along z it bends only at dose planes. So each slab is read over the grid points inside and
    along its contours, at its two faces and at the dose planes between.
    """
    slabs, lattice, box = block
    step_mm = min(lattice.cell_mm, np.diff(box.x_mm).min(), np.diff(box.y_mm).min())
    rings = [slab.rings for slab in slabs]
    heights = [
        [
            slab.low_mm,
            *box.z_mm[(box.z_mm > slab.low_mm) & (box.z_mm < slab.high_mm)],
            slab.high_mm,
        ]
        for slab in slabs
    ]
    levels = np.array([len(found) for found in heights])
    slab_of = np.repeat(np.arange(len(slabs)), levels)
    share_mm = np.array([slab.thickness_mm for slab in slabs]) / levels
    z = locate(np.concatenate(heights), box.z_mm)
    slab_of, z = slab_of[z.known], z.part(z.known)
    if not slab_of.size:
        return
    lowest, highest = int(z.below.min()), int(z.below.max()) + 2
    z = z._replace(below=z.below - lowest)
    planes_gy = box.dose_gy[lowest:highest].reshape(-1)
    area = box.dose_gy[0].size
    walls = _walls(rings, step_mm)
    x, y = (
        locate(walls.points_mm[:, 0], box.x_mm),
        locate(walls.points_mm[:, 1], box.y_mm),
    )
    level, point = pairs(slab_of, walls.start, walls.points)
    known = x.known[point] & y.known[point]
    if not known.all():
        level, point = level[known], point[known]
    low_gy, high_gy = np.inf, -np.inf
    if point.size:
        where, at_x, at_y = z.part(level), x.part(point), y.part(point)
        below_gy, above_gy = (
            _along(planes_gy, plane * area, at_x, at_y, box.x_mm.size)
            for plane in (where.below, where.below + 1)
        )
        dose_gy = mix(below_gy, above_gy, where.share)
        low_gy, high_gy = float(dose_gy.min()), float(dose_gy.max())
        yield Wall(dose_gy, walls.length_mm[point] * share_mm[slab_of[level]])
    columns = inside(rings, box.x_mm, box.y_mm).reshape(len(slabs), -1)
    found = _inside(columns, planes_gy.reshape(-1, area), slab_of, z, (low_gy, high_gy))
    if found[0] <= found[1]:
        yield Wall(np.array(found), None)


def _inside(
    columns: NDArray[np.bool_],
    planes_gy: FloatArray,
    slab_of: NDArray[np.intp],
    z: Place,
    known_gy: tuple[float, float],
) -> tuple[float, float]:
    """Return the extremes over the wall, as known, and over the grid points inside.

    `columns` tells which points of a dose plane lie inside each slab, `slab_of` whose level each
    of `z` is.
    """
    low_gy, high_gy = known_gy
    first = np.searchsorted(slab_of, np.arange(len(columns) + 1)).tolist()
    for over, begin, end in zip(columns, first[:-1], first[1:], strict=True):
        points = np.flatnonzero(over)
        if begin == end or not points.size:
            continue
        below, share = z.below[begin:end], z.share[begin:end, None]
        lowest = int(below[0])
        dose_gy = planes_gy[lowest : int(below[-1]) + 2].take(points, axis=1)
        if (
            dose_gy.min() < low_gy or dose_gy.max() > high_gy
        ):  # else nothing between is, either
            levels_gy = mix(dose_gy[below - lowest], dose_gy[below - lowest + 1], share)
            low_gy = min(low_gy, float(levels_gy.min()))
            high_gy = max(high_gy, float(levels_gy.max()))
    return low_gy, high_gy


class _Walls(NamedTuple):
    """Points along the rings of slabs, the length each stands for, and those of each slab."""

    points_mm: FloatArray
    length_mm: FloatArray
    start: NDArray[np.intp]
    points: NDArray[np.intp]


def _walls(rings: Sequence[Sequence[FloatArray]], step_mm: float) -> _Walls:
    """Return the corners of rings and points between, `step_mm` apart at the most."""
    starts, ends, plane = edges(rings)
    along = ends - starts
    whole_mm = np.hypot(along[:, 0], along[:, 1])
    pieces = np.maximum(np.ceil(whole_mm / step_mm), 1).astype(np.intp)
    edge = np.repeat(np.arange(len(starts)), pieces)
    piece = np.arange(edge.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    points_mm = starts[edge] + along[edge] * (piece / pieces[edge])[:, None]
    count = np.bincount(plane[edge], minlength=len(rings))
    return _Walls(points_mm, (whole_mm / pieces)[edge], np.cumsum(count) - count, count)


def _along(
    dose_gy: FloatArray, plane: NDArray[np.intp], x: Place, y: Place, columns: int
) -> FloatArray:
    """Return the dose at points in dose planes, each given by its first place in flat `dose_gy`."""
    corner = plane + y.below * columns + x.below

    def along_x(first: NDArray[np.intp]) -> FloatArray:
        return mix(np.take(dose_gy, first), np.take(dose_gy, first + 1), x.share)

    return mix(along_x(corner), along_x(corner + columns), y.share)
