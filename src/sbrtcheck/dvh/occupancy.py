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

from sbrtcheck.contours.rings import edges
from sbrtcheck.model import FloatArray

__all__ = ["Lattice", "Occupancy", "inside", "occupancy"]


ROUNDING = 1e-12  # of a cell, in a sum over all rings
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

    def around(self, low_mm: FloatArray, high_mm: FloatArray) -> "Lattice":
        """Return the cells between two corners (x, y), each of shape (2,)."""
        corner_mm, most = np.array([self.x_mm, self.y_mm]), np.array([self.nx, self.ny])
        first = np.floor((low_mm - corner_mm) / self.cell_mm).astype(int)
        first = np.minimum(np.maximum(first, 0), most - 1)
        end = np.ceil((high_mm - corner_mm) / self.cell_mm).astype(int)
        size = np.minimum(np.maximum(end, first + 1), most) - first
        x_mm, y_mm = (corner_mm + first * self.cell_mm).tolist()
        return Lattice(x_mm, y_mm, self.cell_mm, int(size[0]), int(size[1]))


class Occupancy(NamedTuple):
    """The cells that the rings of planes fill, plane after plane, row after row.

    `fraction` is the part of a cell inside, above 0 to 1 and exact. `x_offset` and `y_offset` say
    where the centroid of that part lies from the cell's centre, in cell sizes. `cell` is row x
    columns + column, and `counts` how many cells each plane has. Empty cells are not listed.
    """

    fraction: FloatArray
    x_offset: FloatArray
    y_offset: FloatArray
    cell: NDArray[np.intp]
    counts: NDArray[np.intp]


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
    starts, ends, plane = edges(planes)
    origin = np.array([lattice.x_mm, lattice.y_mm])
    starts, ends = (
        (starts - origin) / lattice.cell_mm,
        (ends - origin) / lattice.cell_mm,
    )
    for axis in (1, 0):
        starts, ends, source = _cut(starts, ends, axis)
        plane = plane[source]
    middle = (starts + ends) / 2
    column = np.clip(np.floor(middle[:, 0]).astype(np.intp), 0, lattice.nx - 1)
    row = np.clip(np.floor(middle[:, 1]).astype(np.intp), 0, lattice.ny - 1)
    rows = _rows(plane * lattice.ny + row, column, len(planes) * lattice.ny)
    own = rows.start[plane * lattice.ny + row] + column
    size = int(rows.end[-1]) if rows.end.size else 0
    own_and_next = np.concatenate([own, own + 1])

    def gather(part: FloatArray, whole: FloatArray) -> FloatArray:
        """Sum what each piece gives its own cell, and every whole cell to the right of it."""
        change = np.bincount(own_and_next, np.concatenate([part, whole - part]), size)
        # One sum runs through all rows: those of closed rings end at zero.
        filled: FloatArray = np.cumsum(change, dtype=np.float64)
        return filled

    # From here on within the piece's own cell, measured from the cell's centre.
    x, y = middle[:, 0] - column - 0.5, middle[:, 1] - row - 0.5
    dx, dy = (ends - starts).T
    fall = -dy  # counter-clockwise rings fall where their inside is to the right
    area = gather(fall * (0.5 - x), fall)
    # A whole cell has its centroid in its middle, so only a piece's own cell gets an x moment.
    x_moment = np.bincount(own, fall * (0.125 - (x**2 + dx**2 / 12) / 2), size)
    y_moment = gather(fall * (y * (0.5 - x) - dx * dy / 12), fall * y)
    filled = np.flatnonzero(area > SLIVER)
    fraction = area[filled]
    fraction[fraction > 1 - ROUNDING] = 1.0  # sums of many pieces miss 1 by rounding
    x_offset = _offset(np.asarray(x_moment[filled], dtype=np.float64), fraction)
    y_offset = _offset(y_moment[filled], fraction)
    shift = np.repeat(rows.shift(lattice.nx, lattice.ny), rows.end - rows.first)
    cell = filled + shift[filled]
    ends_of_planes = rows.end[lattice.ny - 1 :: lattice.ny]
    counts = np.diff(np.searchsorted(filled, ends_of_planes), prepend=0)
    return Occupancy(fraction, x_offset, y_offset, cell, counts)


def _offset(moment: FloatArray, fraction: FloatArray) -> FloatArray:
    """Return where the centroid of the part inside lies from the centre of each cell."""
    border = np.flatnonzero(fraction < 1)
    part = fraction[border]
    reach = (1 - part) / 2  # it cannot be centred further out than this
    offset = np.zeros(fraction.size)
    offset[border] = np.clip(moment[border] / part, -reach, reach)
    return offset


class _Rows(NamedTuple):
    """Where the cells of each row are stored: those from its leftmost to its rightmost piece.

    And one more, into which a piece in the rightmost spills. `start` is where column 0 would be.
    """

    first: NDArray[np.intp]
    end: NDArray[np.intp]
    start: NDArray[np.intp]

    def shift(self, nx: int, ny: int) -> NDArray[np.intp]:
        """Return what leads from the place of a cell to its number in its plane, for each row."""
        row = np.arange(self.start.size) % max(ny, 1)
        return np.asarray(row * nx - self.start)


def _rows(row: NDArray[np.intp], column: NDArray[np.intp], count: int) -> _Rows:
    leftmost = np.full(count, np.iinfo(np.intp).max)
    rightmost = np.full(count, -1)
    np.minimum.at(leftmost, row, column)
    np.maximum.at(rightmost, row, column)
    width = np.where(rightmost < 0, 0, rightmost - leftmost + 2)
    end = np.cumsum(width)
    return _Rows(end - width, end, end - width - np.where(rightmost < 0, 0, leftmost))


def inside(
    planes: Sequence[Sequence[FloatArray]], x_mm: FloatArray, y_mm: FloatArray
) -> NDArray[np.bool_]:
    """Return which points of a grid lie inside the rings of each plane, shape (planes, ny, nx).

    Parameters
    ----------
    planes
        As for `occupancy`. A point on a ring may count either way.
    x_mm, y_mm
        The columns and rows of the grid, ascending.

    Notes
    -----
    Each edge counts, in every row it passes, for all points to its right: up -1, down +1.
    """
    starts, ends, plane = edges(planes)
    low = np.searchsorted(y_mm, np.minimum(starts[:, 1], ends[:, 1]))
    passed = np.searchsorted(y_mm, np.maximum(starts[:, 1], ends[:, 1])) - low
    edge = np.repeat(np.arange(len(starts)), passed)
    row = np.arange(edge.size) - np.repeat(np.cumsum(passed) - passed - low, passed)
    along = (ends - starts)[edge]
    crossing_mm = (
        starts[edge, 0] + (y_mm[row] - starts[edge, 1]) / along[:, 1] * along[:, 0]
    )
    shape = (len(planes), y_mm.size, x_mm.size + 1)
    point = (plane[edge] * shape[1] + row) * shape[2] + np.searchsorted(
        x_mm, crossing_mm
    )
    change = np.bincount(point, -np.sign(along[:, 1]), shape[0] * shape[1] * shape[2])
    winding = np.cumsum(change.reshape(shape), axis=2)[:, :, :-1]
    return np.asarray(winding > 0.5)


def _cut(
    starts: FloatArray, ends: FloatArray, axis: int
) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Cut edges where they cross whole numbers along one axis.

    Returns
    -------
    Start and end of the pieces, shape (m, 2), in order along their edge, and for each piece
    the number of its edge.
    """
    begin, whole = starts[:, axis], ends[:, axis] - starts[:, axis]
    rising = whole > 0
    first_line = np.where(rising, np.floor(begin) + 1, np.ceil(begin) - 1)
    last_line = np.where(
        rising, np.ceil(ends[:, axis]) - 1, np.floor(ends[:, axis]) + 1
    )
    forward = np.where(rising, 1.0, -1.0)
    cuts = np.where(
        whole == 0, 0, np.maximum((last_line - first_line) * forward + 1, 0)
    )
    pieces = cuts.astype(np.intp) + 1
    last = np.cumsum(pieces) - 1
    source = np.repeat(np.arange(len(starts)), pieces)
    if source.size == len(starts):
        return starts, ends, source
    piece = np.arange(source.size) - np.repeat(last + 1 - pieces, pieces)
    # Each piece ends on a grid line, the last one at the end of its edge.
    line = np.repeat(first_line, pieces) + np.repeat(forward, pieces) * piece
    slope = (ends[:, 1 - axis] - starts[:, 1 - axis]) / np.where(whole == 0, 1.0, whole)
    piece_end = np.empty((source.size, 2))
    piece_end[:, axis] = line
    piece_end[:, 1 - axis] = np.repeat(starts[:, 1 - axis], pieces) + np.repeat(
        slope, pieces
    ) * (line - np.repeat(begin, pieces))
    piece_end[last] = ends
    piece_start = np.empty_like(piece_end)
    piece_start[1:] = piece_end[:-1]
    piece_start[last + 1 - pieces] = starts
    return piece_start, piece_end, source
