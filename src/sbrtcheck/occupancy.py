r"""The kernel: the exact fraction of every grid cell inside closed rings.

Each edge of a ring is cut where it crosses a grid line, so that every piece lies in one cell.
A piece that climbs by dy at a mean distance a from the cell's left side adds the area between
itself and the right end of the row: dy (1 - a) in its own cell, dy in every cell to the right.

        +-------+-------+        one piece, dy high:
        |  a  /#|#######|        its own cell gets dy (1 - a),
        |    /##|#######|        the next one dy a more, and a running
        +-------+-------+        sum along the row carries dy on.

The first moments of that area, taken the same way, give the centroid of what is inside: a
cell at the border is then read at the middle of its inner part, not at its own middle.

Summed over a closed ring, rising and falling pieces cancel outside it. Order, start point and
extra points on an edge do not matter, the two sides of a keyhole cancel, and a hole is a ring
that runs the other way round. The idea is that of signed-area font rasterisers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.model import FloatArray

__all__ = ["Lattice", "Occupancy", "occupancy", "signed_area_mm2"]


SLIVER = 1e-9  # of a cell: less than this is rounding and has no centroid


class Lattice(NamedTuple):
    """Square cells in a plane: the lower left corner, the cell size, and how many."""

    x_mm: float
    y_mm: float
    cell_mm: float
    nx: int
    ny: int

    @property
    def x_centres_mm(self) -> FloatArray:
        """Return the x of the cell centres, shape (nx,)."""
        return np.arange(0.5, self.nx) * self.cell_mm + self.x_mm

    @property
    def y_centres_mm(self) -> FloatArray:
        """Return the y of the cell centres, shape (ny,)."""
        return np.arange(0.5, self.ny) * self.cell_mm + self.y_mm


class Occupancy(NamedTuple):
    """What lies inside the rings, cell by cell; each array has shape (planes, ny, nx).

    `fraction` is the part of the cell inside, 0 to 1 and exact. `x_offset` and `y_offset` say
    where the centroid of that part lies from the cell's centre, in cell sizes.
    """

    fraction: FloatArray
    x_offset: FloatArray
    y_offset: FloatArray


def signed_area_mm2(points_mm: FloatArray) -> float:
    """Return the area of a closed ring, shape (n, 2), positive when it runs counter-clockwise."""
    x, y = (points_mm - points_mm[0]).T  # near the origin, where differences keep their digits
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2  # the closing edge ends at the origin


def occupancy(planes: Sequence[Sequence[FloatArray]], lattice: Lattice) -> Occupancy:
    """Return which part of each cell lies inside the rings of each plane.

    Parameters
    ----------
    planes
        For each plane its rings, each of shape (n, 2) in mm: outlines run counter-clockwise,
        holes clockwise, and no two cross. They lie inside the lattice.

    Notes
    -----
    Cost grows with corners plus crossed grid lines, and with the cells of the result.
    """
    starts, ends, plane = _edges(planes)
    origin = np.array([lattice.x_mm, lattice.y_mm])
    starts, ends = (starts - origin) / lattice.cell_mm, (ends - origin) / lattice.cell_mm
    for axis in (1, 0):
        starts, ends, source = _cut(starts, ends, axis)
        plane = plane[source]
    middle = (starts + ends) / 2
    column = np.clip(np.floor(middle[:, 0]).astype(np.intp), 0, lattice.nx - 1)
    row = np.clip(np.floor(middle[:, 1]).astype(np.intp), 0, lattice.ny - 1)
    cell = (plane * lattice.ny + row) * (lattice.nx + 1) + column
    shape = (len(planes), lattice.ny, lattice.nx + 1)

    def gather(own: FloatArray, whole: FloatArray) -> FloatArray:
        """Sum what each piece gives its own cell, and every whole cell to the right of it."""
        size = shape[0] * shape[1] * shape[2]
        change = np.bincount(cell, own, size) + np.bincount(cell + 1, whole - own, size)
        filled: FloatArray = np.cumsum(change.reshape(shape), axis=2)[:, :, :-1]
        return filled

    # From here on within the piece's own cell, measured from the cell's centre.
    x, y = middle[:, 0] - column - 0.5, middle[:, 1] - row - 0.5
    dx, dy = (ends - starts).T
    fall = -dy  # counter-clockwise rings fall where their inside is to the right
    area = gather(fall * (0.5 - x), fall)
    x_moment = gather(fall * (0.125 - (x**2 + dx**2 / 12) / 2), np.zeros_like(fall))
    y_moment = gather(fall * (y * (0.5 - x) - dx * dy / 12), fall * y)
    fraction = np.clip(area, 0.0, 1.0)  # sums of many pieces miss 0 and 1 by rounding
    divisor = np.where(fraction > SLIVER, fraction, np.inf)
    reach = (1 - fraction) / 2  # the part inside cannot be centred further out than this
    return Occupancy(
        fraction,
        np.clip(x_moment / divisor, -reach, reach),
        np.clip(y_moment / divisor, -reach, reach),
    )


def _edges(
    planes: Sequence[Sequence[FloatArray]],
) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Return the start and end of every edge, shape (n, 2), and the plane it lies in."""
    rings = [(index, ring) for index, plane in enumerate(planes) for ring in plane]
    if not rings:
        return np.empty((0, 2)), np.empty((0, 2)), np.empty(0, dtype=np.intp)
    lengths = [len(ring) for _, ring in rings]
    starts = np.concatenate([ring for _, ring in rings])
    ends = np.roll(starts, -1, axis=0)
    last = np.cumsum(lengths) - 1
    ends[last] = starts[last + 1 - np.array(lengths)]
    return starts, ends, np.repeat([index for index, _ in rings], lengths).astype(np.intp)


def _cut(
    starts: FloatArray, ends: FloatArray, axis: int
) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Cut edges where they cross whole numbers along one axis.

    Returns
    -------
    Start and end of the pieces, shape (m, 2), in order along their edge, and for each piece
    the number of its edge.
    """
    low = np.minimum(starts[:, axis], ends[:, axis])
    high = np.maximum(starts[:, axis], ends[:, axis])
    first = np.floor(low) + 1
    cuts = np.maximum(np.ceil(high) - first, 0).astype(np.intp)
    source = np.repeat(np.arange(len(starts)), cuts + 1)
    if source.size == len(starts):
        return starts, ends, source
    piece = np.arange(source.size) - np.repeat(np.cumsum(cuts + 1) - cuts - 1, cuts + 1)
    begin, end = starts[source], ends[source]
    rising = ends[source, axis] > starts[source, axis]
    line = np.where(rising, first[source] + piece, first[source] + cuts[source] - 1 - piece)
    whole = end - begin
    inner = piece < cuts[source]  # these pieces end on a grid line, the last at the edge's end
    share = (line[inner] - begin[inner, axis]) / whole[inner, axis]
    piece_end = end.copy()
    piece_end[inner] = begin[inner] + share[:, None] * whole[inner]
    piece_end[inner, axis] = line[inner]
    piece_start = begin.copy()
    following = np.flatnonzero(piece > 0)
    piece_start[following] = piece_end[following - 1]
    return piece_start, piece_end, source
