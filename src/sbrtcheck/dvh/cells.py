"""A solid cut into sub-cells: each its exact volume and, from the gradient, an interval of dose."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours import Region, Slab, clipped
from sbrtcheck.dvh.occupancy import SLIVER, Lattice, Occupancy, occupancy
from sbrtcheck.dvh.reading import Box, Taps, along_axis, around, taps
from sbrtcheck.model import DoseGrid, FloatArray

__all__ = ["Division", "Sample", "divide", "on_grid", "pairs", "samples", "sub_cell_mm"]

BLOCK_CELLS = 150_000  # what is worked on at a time, unless one slab has more
SLAB_CELLS = 200_000  # at most, in the plane of a slab; bounds the memory
MUCH_LARGER = 1.5  # in area than its part on the grid: an ROI is cut there

Reading = Literal["trilinear", "cubic"]


def sub_cell_mm(volume_cc: float, sub_cells: int) -> float:
    """Return the edge of sub-cells of which a volume holds so many."""
    return float((1000 * volume_cc / sub_cells) ** (1 / 3))


def on_grid(region: Region, dose: DoseGrid) -> Region:
    """Return the part of a solid whose dose is known: what lies beyond the grid costs nothing.

    The solid itself where all of it is on the grid. Rings are cut only where that makes them much
    smaller: cutting costs, too, and cells at the border are exact without.
    """
    lows, highs = extents(region)
    low, high = lows.min(axis=0), highs.max(axis=0)
    low_mm = np.append(low, region.slabs[0].low_mm)
    high_mm = np.append(high, region.slabs[-1].high_mm)
    axes = (dose.x_mm, dose.y_mm, dose.z_mm)
    if (low_mm >= [axis[0] for axis in axes]).all() and (
        high_mm <= [a[-1] for a in axes]
    ).all():
        return region
    grid_low, grid_high = (
        np.array([dose.x_mm[end], dose.y_mm[end]]) for end in (0, -1)
    )
    kept = np.clip(np.minimum(high, grid_high) - np.maximum(low, grid_low), 0.0, None)
    if np.prod(high - low) <= MUCH_LARGER * np.prod(kept):
        grid_low, grid_high = low, high
    return clipped(
        region,
        (float(grid_low[0]), float(grid_low[1]), float(dose.z_mm[0])),
        (float(grid_high[0]), float(grid_high[1]), float(dose.z_mm[-1])),
    )


def extents(region: Region) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest x and y of each slab, shape (slabs, 2)."""
    counts = [sum(len(ring) for ring in slab.rings) for slab in region.slabs]
    first = np.cumsum([0, *counts[:-1]])
    points = np.concatenate([ring for slab in region.slabs for ring in slab.rings])
    return np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)


class Block(NamedTuple):
    """Slabs worked on together, the in-plane cells around them, and the dose grid there."""

    slabs: tuple[Slab, ...]
    lattice: Lattice
    box: Box


class Division(NamedTuple):
    """How a solid is cut: blocks of slabs, and the size of a sub-cell along z."""

    blocks: tuple[Block, ...]
    edge_mm: float


def divide(region: Region, edge_mm: float, dose: DoseGrid) -> Division:
    """Choose sub-cells that follow the ROI and are nowhere coarser than the dose voxels."""
    lows, highs = extents(region)
    low, high = lows.min(axis=0), highs.max(axis=0)
    finest_mm = min(edge_mm, np.diff(dose.x_mm).min(), np.diff(dose.y_mm).min())
    # Small pieces far apart must not ask for millions of empty cells.
    cell_mm = float(max(finest_mm, np.sqrt(np.prod(high - low) / SLAB_CELLS)))
    nx, ny = np.maximum(np.ceil((high - low) / cell_mm + 1e-9), 1).astype(int)
    # Centred on the ROI, so that a mirrored ROI has mirrored cells.
    corner_mm = (low + high - cell_mm * np.array([nx, ny])) / 2
    lattice = Lattice(
        float(corner_mm[0]), float(corner_mm[1]), cell_mm, int(nx), int(ny)
    )
    layers = max(1.0, max(slab.thickness_mm for slab in region.slabs) / edge_mm)
    together = max(1, int(BLOCK_CELLS / (nx * ny * layers)))
    return Division(
        tuple(
            _block(
                region.slabs[first : first + together],
                lattice.around(
                    lows[first : first + together].min(axis=0),
                    highs[first : first + together].max(axis=0),
                ),
                dose,
            )
            for first in range(0, len(region.slabs), together)
        ),
        edge_mm,
    )


def _block(slabs: tuple[Slab, ...], lattice: Lattice, dose: DoseGrid) -> Block:
    size_mm = np.array([lattice.nx, lattice.ny]) * lattice.cell_mm
    corner_mm = np.array([lattice.x_mm, lattice.y_mm])
    box = around(
        dose,
        np.append(corner_mm, slabs[0].low_mm),
        np.append(corner_mm + size_mm, slabs[-1].high_mm),
    )
    return Block(slabs, lattice, box)


class Sample(NamedTuple):
    """Sub-cells: their mean dose, spread of dose, volume with dose, and the cap they are of.

    `part` is 0 between the end planes of a piece, 1 below and 2 above.
    """

    dose_gy: FloatArray
    width_gy: FloatArray
    volume_cc: FloatArray
    part: NDArray[np.intp]


def samples(
    division: Division, readings: Sequence[Reading], coarser: Sequence[Reading] = ()
) -> Iterator[tuple[Sample, ...]]:
    """Yield the sub-cells of each block of slabs, once for each way to read the dose.

    Those in the ways of `coarser` follow, of twice the size.
    """
    for slabs, lattice, box in division.blocks:
        x = _known(lattice.x_centres_mm, lattice.cell_mm, box.x_mm)
        y = _known(lattice.y_centres_mm, lattice.cell_mm, box.y_mm)
        filled = _cut_off(occupancy([slab.rings for slab in slabs], lattice), x, y)
        layers = _layers(slabs, box, division.edge_mm)
        found = [
            _sub_cells(filled, layers, box, lattice, reading) for reading in readings
        ]
        if coarser:
            joined, wider = _joined(filled, lattice)
            layers = _layers(slabs, box, 2 * division.edge_mm)
            found += [
                _sub_cells(joined, layers, box, wider, reading) for reading in coarser
            ]
        yield tuple(found)


def _joined(filled: Occupancy, lattice: Lattice) -> tuple[Occupancy, Lattice]:
    """Return what is filled of cells of twice the size."""
    wider = lattice._replace(
        cell_mm=2 * lattice.cell_mm, nx=(lattice.nx + 1) // 2, ny=(lattice.ny + 1) // 2
    )
    planes, area = filled.counts.size, wider.nx * wider.ny
    row, column = np.divmod(filled.cell, lattice.nx)
    plane = np.repeat(np.arange(planes), filled.counts)
    into = plane * area + row // 2 * wider.nx + column // 2
    four = np.bincount(into, filled.fraction, planes * area)
    kept = np.flatnonzero(four > SLIVER)
    # A quarter lies half of its size, a quarter of the whole, from the middle of the whole.
    x, y = (
        np.bincount(into, filled.fraction * (offset + (side % 2 - 0.5)), planes * area)[
            kept
        ]
        / (2 * four[kept])
        for offset, side in ((filled.x_offset, column), (filled.y_offset, row))
    )
    counts = np.bincount(kept // area, minlength=planes)
    return Occupancy(four[kept] / 4, x, y, kept % area, counts), wider


class _Known(NamedTuple):
    """The part of cells along an axis that lies on the grid.

    How much of each, and where its middle lies from the cell's, both in cell sizes.
    """

    share: FloatArray
    offset: FloatArray


def _known(centres_mm: FloatArray, size_mm: float, grid_mm: FloatArray) -> _Known:
    low = np.clip((grid_mm[0] - centres_mm) / size_mm, -0.5, 0.5)
    high = np.clip((grid_mm[-1] - centres_mm) / size_mm, -0.5, 0.5)
    return _Known(high - low, (high + low) / 2)


def _cut_off(filled: Occupancy, x: _Known, y: _Known) -> Occupancy:
    """Return what is filled of the cells as far as they lie on the grid.

    Of a cell that both a contour and the border of the grid cut, the smaller part counts:
    exact where one follows the other, as in an ROI that ends where the grid does.
    """
    if min(x.share.min(), y.share.min()) >= 1 - SLIVER:
        return filled
    row, column = np.divmod(filled.cell, x.share.size)
    fraction = np.minimum(filled.fraction, y.share[row] * x.share[column])
    kept = np.flatnonzero(fraction > SLIVER)
    x_offset, y_offset = (
        _pushed(offset[kept], border[kept])
        for offset, border in (
            (filled.x_offset, x.offset[column]),
            (filled.y_offset, y.offset[row]),
        )
    )
    ends = np.searchsorted(kept, np.cumsum(filled.counts))
    counts = np.diff(ends, prepend=0)
    return Occupancy(fraction[kept], x_offset, y_offset, filled.cell[kept], counts)


def _pushed(offset: FloatArray, border: FloatArray) -> FloatArray:
    """Return how far the middle of what is filled lies off, at least as far as that on the grid."""
    further = np.where(border < 0, np.minimum(offset, border), offset)
    return np.where(border > 0, np.maximum(further, border), further)


class _Layers(NamedTuple):
    """Layers of sub-cells, as far as they lie on the grid.

    The height of their middles, their thickness, the number of layers of each slab, and which
    part of the solid each slab is of.
    """

    middle_mm: FloatArray
    height_mm: FloatArray
    layers: NDArray[np.intp]
    part: NDArray[np.intp]


def _layers(slabs: Sequence[Slab], box: Box, edge_mm: float) -> _Layers:
    """Cut slabs into layers no higher than a step of the dose grid."""
    grid_mm = box.z_mm
    low_mm = np.array([slab.low_mm for slab in slabs])
    thickness_mm = np.array([slab.thickness_mm for slab in slabs])
    # Never coarser than the dose; and the same wherever the dose planes lie.
    finest_mm = min(edge_mm, float(np.diff(grid_mm).min()))
    count = np.maximum(np.ceil(thickness_mm / finest_mm - 1e-9), 1).astype(np.intp)
    step_mm = np.repeat(thickness_mm / count, count)
    in_slab = np.arange(step_mm.size) - np.repeat(np.cumsum(count) - count, count)
    layer_low_mm = np.repeat(low_mm, count) + step_mm * in_slab
    layer_high_mm = np.minimum(layer_low_mm + step_mm, grid_mm[-1])
    layer_low_mm = np.maximum(layer_low_mm, grid_mm[0])
    return _Layers(
        (layer_low_mm + layer_high_mm) / 2,
        np.maximum(layer_high_mm - layer_low_mm, 0.0),
        count,
        np.array([(0, 2, 1)[slab.cap] for slab in slabs]),
    )


def pairs(
    group_of: NDArray[np.intp], starts: NDArray[np.intp], counts: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair every row with every item of its group: indices of rows and of items.

    The items of group g are those from `starts[g]`, `counts[g]` of them.
    """
    many = counts[group_of]
    row = np.repeat(np.arange(group_of.size), many)
    within = np.arange(row.size) - np.repeat(np.cumsum(many) - many, many)
    return row, starts[group_of][row] + within


def _sub_cells(
    filled: Occupancy, layers: _Layers, box: Box, lattice: Lattice, reading: Reading
) -> Sample:
    """Return the sub-cells of some slabs: every layer of a slab with every cell that it fills."""
    z = taps(layers.middle_mm, box.z_mm, reading)
    lowest, highest = int(z.first.min()), int(z.first.max()) + len(z.weights)
    planes = _planes(
        box._replace(dose_gy=box.dose_gy[lowest:highest]), lattice, reading
    )
    slab_of = np.repeat(np.arange(filled.counts.size), layers.layers)
    start = np.cumsum(filled.counts) - filled.counts
    cells = filled.counts[slab_of]
    _, item = pairs(slab_of, start, filled.counts)
    first = (z.first - lowest) * (lattice.nx * lattice.ny)
    at = filled.cell[item]
    at += np.repeat(first, cells)
    steps = [tap * lattice.nx * lattice.ny for tap in range(len(z.weights))]
    slopes = z.slopes * layers.height_mm
    dose_gy, rise_gy, square_gy2 = _read(
        planes, at, steps, z.weights, slopes, cells=cells
    )
    # Of a cell at the border, the part inside is read in its own middle, and spans less: as far
    # as that middle has moved from the cell's, both sides of it have moved together.
    border = np.flatnonzero(filled.fraction < 1)
    many = np.diff(np.searchsorted(border, np.append(start, filled.fraction.size)))
    layer, chosen = pairs(slab_of, np.cumsum(many) - many, many)
    own = border[chosen]
    place = own + (np.cumsum(cells) - cells - start[slab_of])[layer]
    square_gy2[place] = 0.0
    for rises_gy, offset in (
        (planes.x_rise_gy, filled.x_offset),
        (planes.y_rise_gy, filled.y_offset),
    ):
        moved = offset[own]
        weighted_gy, weighted_gy2 = np.zeros((2, layer.size))
        for step, weight in zip(steps, z.weights, strict=True):
            part_gy = rises_gy[step:].take(at[place])
            weighted_gy += part_gy * weight[layer]
            weighted_gy2 += part_gy**2 * weight[layer]
        dose_gy[place] += weighted_gy * moved
        square_gy2[place] += weighted_gy2 * (1 - 2 * np.abs(moved)) ** 2
    # Cubic weights have both signs, so a variance may fall below nothing.
    rise_gy *= rise_gy
    rise_gy += square_gy2
    width_gy = np.sqrt(np.maximum(rise_gy, 0.0, out=rise_gy), out=rise_gy)
    height_cc = layers.height_mm * (lattice.cell_mm**2 / 1000)
    volume_cc = filled.fraction[item]
    volume_cc *= np.repeat(height_cc, cells)
    return Sample(dose_gy, width_gy, volume_cc, np.repeat(layers.part[slab_of], cells))


def _read(
    planes: "_Planes",
    at: NDArray[np.intp],
    steps: Sequence[int],
    weights: FloatArray,
    slopes: FloatArray,
    *,
    cells: NDArray[np.intp],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Read whole sub-cells between planes: mean dose, its rise along z, square of that in plane.

    `at` is where each lies on its first plane, `steps` how far on the next ones are; weights and
    slopes are of layers, which hold so many `cells` each.
    """
    dose_gy, rise_gy, square_gy2 = np.zeros((3, at.size))
    for step, weight, slope in zip(steps, weights, slopes, strict=True):
        part_gy = planes.dose_gy[step:].take(at)
        each = np.repeat(weight, cells)
        dose_gy += part_gy * each
        part_gy *= np.repeat(slope, cells)
        rise_gy += part_gy
        each *= planes.variance[step:].take(at)
        square_gy2 += each
    return dose_gy, rise_gy, square_gy2


class _Planes(NamedTuple):
    """Dose planes read at in-plane cells, plane after plane.

    The mean dose, its rise across the cell along x and y, the sum of their squares.
    """

    dose_gy: FloatArray
    x_rise_gy: FloatArray
    y_rise_gy: FloatArray
    variance: FloatArray


def _planes(box: Box, lattice: Lattice, reading: Reading) -> _Planes:
    half_mm = lattice.cell_mm / 2

    def middles_and_sides(
        centres_mm: FloatArray, grid_mm: FloatArray
    ) -> tuple[Taps, Taps]:
        sides_mm = np.append(centres_mm - half_mm, centres_mm[-1] + half_mm)
        both = taps(np.concatenate([centres_mm, sides_mm]), grid_mm, reading)
        return both.part(slice(0, centres_mm.size)), both.part(
            slice(centres_mm.size, None)
        )

    columns, column_sides = middles_and_sides(lattice.x_centres_mm, box.x_mm)
    rows, row_sides = middles_and_sides(lattice.y_centres_mm, box.y_mm)
    rows_gy = along_axis(box.dose_gy, rows, 1)
    x_side_gy = along_axis(rows_gy, column_sides, 2)
    y_side_gy = along_axis(along_axis(box.dose_gy, row_sides, 1), columns, 2)
    # Simpson's rule along both axes: where the dose bends within a cell, its mean is not that
    # of the middle. The five weights are positive, so no dose is made up.
    mean_gy = 2 * along_axis(rows_gy, columns, 2)
    for part in (
        x_side_gy[:, :, :-1],
        x_side_gy[:, :, 1:],
        y_side_gy[:, :-1],
        y_side_gy[:, 1:],
    ):
        mean_gy += part
    mean_gy /= 6
    dose_gy, x_rise_gy, y_rise_gy = (
        part.reshape(-1)
        for part in (mean_gy, np.diff(x_side_gy, axis=2), np.diff(y_side_gy, axis=1))
    )
    return _Planes(dose_gy, x_rise_gy, y_rise_gy, x_rise_gy**2 + y_rise_gy**2)
