"""A solid cut into sub-cells: each its exact volume and, from the gradient, an interval of dose."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours import Region, Slab, clipped
from sbrtcheck.dvh.reading import Box, Taps, along_axis, around, taps
from sbrtcheck.model import DoseGrid, FloatArray
from sbrtcheck.occupancy import SLIVER, Lattice, Occupancy, occupancy

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
    low, high = corners(region)
    low_mm = np.append(low, region.slabs[0].low_mm)
    high_mm = np.append(high, region.slabs[-1].high_mm)
    axes = (dose.x_mm, dose.y_mm, dose.z_mm)
    if (low_mm >= [axis[0] for axis in axes]).all() and (high_mm <= [a[-1] for a in axes]).all():
        return region
    grid_low, grid_high = (np.array([dose.x_mm[end], dose.y_mm[end]]) for end in (0, -1))
    kept = np.clip(np.minimum(high, grid_high) - np.maximum(low, grid_low), 0.0, None)
    if np.prod(high - low) <= MUCH_LARGER * np.prod(kept):
        grid_low, grid_high = low, high
    return clipped(
        region,
        (float(grid_low[0]), float(grid_low[1]), float(dose.z_mm[0])),
        (float(grid_high[0]), float(grid_high[1]), float(dose.z_mm[-1])),
    )


def corners(region: Region) -> tuple[FloatArray, FloatArray]:
    points = np.concatenate([ring for slab in region.slabs for ring in slab.rings])
    return points.min(axis=0), points.max(axis=0)


class Division(NamedTuple):
    """How a solid is cut: slabs worked on together, in-plane cells, size of a sub-cell."""

    blocks: tuple[tuple[Slab, ...], ...]
    lattice: Lattice
    edge_mm: float
    box: Box


def divide(region: Region, edge_mm: float, dose: DoseGrid) -> Division:
    """Choose sub-cells that follow the ROI and are nowhere coarser than the dose voxels."""
    low, high = corners(region)
    finest_mm = min(edge_mm, np.diff(dose.x_mm).min(), np.diff(dose.y_mm).min())
    # Small pieces far apart must not ask for millions of empty cells.
    cell_mm = float(max(finest_mm, np.sqrt(np.prod(high - low) / SLAB_CELLS)))
    nx, ny = np.maximum(np.ceil((high - low) / cell_mm + 1e-9), 1).astype(int)
    size = np.array([nx, ny])
    # Centred on the ROI, so that a mirrored ROI has mirrored cells.
    corner_mm = (low + high - cell_mm * size) / 2
    box = around(
        dose,
        np.append(corner_mm, region.slabs[0].low_mm),
        np.append(corner_mm + cell_mm * size, region.slabs[-1].high_mm),
    )
    lattice = Lattice(float(corner_mm[0]), float(corner_mm[1]), cell_mm, int(nx), int(ny))
    layers = max(1.0, max(slab.thickness_mm for slab in region.slabs) / edge_mm)
    together = max(1, int(BLOCK_CELLS / max(nx * ny * layers, box.x_mm.size * box.y_mm.size)))
    blocks = tuple(
        region.slabs[first : first + together] for first in range(0, len(region.slabs), together)
    )
    return Division(blocks, lattice, edge_mm, box)


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
    lattice, box = division.lattice, division.box
    x = _known(lattice.x_centres_mm, lattice.cell_mm, box.x_mm)
    y = _known(lattice.y_centres_mm, lattice.cell_mm, box.y_mm)
    for slabs in division.blocks:
        filled = _cut_off(occupancy([slab.rings for slab in slabs], lattice), x, y)
        layers = _layers(slabs, box, division.edge_mm)
        found = [_sub_cells(filled, layers, box, lattice, reading) for reading in readings]
        if coarser:
            joined, wider = _joined(filled, lattice)
            layers = _layers(slabs, box, 2 * division.edge_mm)
            found += [_sub_cells(joined, layers, box, wider, reading) for reading in coarser]
        yield tuple(found)


def _joined(filled: Occupancy, lattice: Lattice) -> tuple[Occupancy, Lattice]:
    """Return what is filled of cells of twice the size."""
    _, rows, columns = filled.fraction.shape
    wider = lattice._replace(cell_mm=2 * lattice.cell_mm, nx=(columns + 1) // 2, ny=(rows + 1) // 2)
    padding = ((0, 0), (0, rows % 2), (0, columns % 2))

    def summed(part: FloatArray) -> FloatArray:
        even = np.pad(part, padding) if rows % 2 or columns % 2 else part
        in_rows = even[:, ::2] + even[:, 1::2]
        return in_rows[:, :, ::2] + in_rows[:, :, 1::2]

    fraction, x_offset, y_offset = filled
    four = summed(fraction)
    # A quarter lies half of its size, a quarter of the whole, from the middle of the whole.
    side_x = np.where(np.arange(columns) % 2, 0.5, -0.5)
    side_y = np.where(np.arange(rows) % 2, 0.5, -0.5)[:, None]
    safe = np.where(four > SLIVER, four, 1.0)
    x, y = (
        summed(fraction * (offset + side)) / (2 * safe)
        for offset, side in ((x_offset, side_x), (y_offset, side_y))
    )
    return Occupancy(four / 4, x, y), wider


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
    exact where one follows the other, as in an ROI that ends where the grid does. `filled` is
    used up.
    """
    known = np.outer(y.share, x.share)
    row, column = np.nonzero(known < 1 - SLIVER)
    if not row.size:
        return filled
    fraction, *offsets = filled
    fraction[:, row, column] = np.minimum(fraction[:, row, column], known[row, column])
    for offset, border in zip(offsets, (x.offset[column], y.offset[row]), strict=True):
        found = offset[:, row, column]
        found = np.where(border < 0, np.minimum(found, border), found)
        offset[:, row, column] = np.where(border > 0, np.maximum(found, border), found)
    return filled


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
    """Return the sub-cells of some slabs: every layer of a slab with every cell that it fills.

    All cells of the lattice are read, whole rows at a time, and those that are empty left out
    in the end: gathering single cells costs several times as much.
    """
    area = lattice.nx * lattice.ny
    z = taps(layers.middle_mm, box.z_mm, reading)
    lowest, highest = int(z.first.min()), int(z.first.max()) + len(z.weights)
    planes = _planes(box._replace(dose_gy=box.dose_gy[lowest:highest]), lattice, reading)
    first = z.first - lowest
    slab_of = np.repeat(np.arange(len(filled.fraction)), layers.layers)
    dose_gy, across = (
        _summed(planes.dose_gy, first, z.weights),
        _summed(planes.variance, first, z.weights),
    )
    rise_gy = _summed(planes.dose_gy, first, z.slopes * layers.height_mm)
    fraction = filled.fraction.reshape(-1, area)
    # Of a cell at the border, the part inside is read in its own middle, and spans less: as far
    # as that middle has moved from the cell's, both sides of it have moved together.
    slab, cell = np.nonzero((fraction > SLIVER) & (fraction < 1))
    counts = np.bincount(slab, minlength=len(fraction))
    layer, item = pairs(slab_of, np.cumsum(counts) - counts, counts)
    at = layer * area + cell[item]
    square_gy2 = np.zeros(layer.size)
    for rises_gy, offset in (
        (planes.x_rise_gy, filled.x_offset),
        (planes.y_rise_gy, filled.y_offset),
    ):
        moved = offset.reshape(-1, area)[slab, cell][item]
        weighted_gy = np.zeros(layer.size)
        weighted_gy2 = np.zeros(layer.size)
        for tap in range(len(z.weights)):
            part_gy = rises_gy[first[layer] + tap, cell[item]]
            weight = z.weights[tap][layer]
            weighted_gy += part_gy * weight
            weighted_gy2 += part_gy**2 * weight
        dose_gy.reshape(-1)[at] += weighted_gy * moved
        square_gy2 += weighted_gy2 * (1 - 2 * np.abs(moved)) ** 2
    across.reshape(-1)[at] = square_gy2
    kept = (fraction > SLIVER)[slab_of]
    rise_gy *= rise_gy
    rise_gy += across
    counted = kept.sum(axis=1)
    height_cc = layers.height_mm * (lattice.cell_mm**2 / 1000)
    # Cubic weights have both signs, so a variance may fall below nothing.
    width_gy = np.sqrt(np.maximum(rise_gy[kept], 0.0))
    volume_cc = fraction[slab_of][kept] * np.repeat(height_cc, counted)
    return Sample(dose_gy[kept], width_gy, volume_cc, np.repeat(layers.part[slab_of], counted))


def _summed(planes_gy: FloatArray, first: NDArray[np.intp], weights: FloatArray) -> FloatArray:
    """Return for each layer the weighted sum of the planes from its first one on."""
    total_gy = planes_gy[first]
    total_gy *= weights[0][:, None]
    for tap in range(1, len(weights)):
        part_gy = planes_gy[first + tap]
        part_gy *= weights[tap][:, None]
        total_gy += part_gy
    return total_gy


class _Planes(NamedTuple):
    """Dose planes read at in-plane cells, each of shape (planes, cells).

    The mean dose, its rise across the cell along x and y, the sum of their squares.
    """

    dose_gy: FloatArray
    x_rise_gy: FloatArray
    y_rise_gy: FloatArray
    variance: FloatArray


def _planes(box: Box, lattice: Lattice, reading: Reading) -> _Planes:
    half_mm = lattice.cell_mm / 2

    def middles_and_sides(centres_mm: FloatArray, grid_mm: FloatArray) -> tuple[Taps, Taps]:
        sides_mm = np.append(centres_mm - half_mm, centres_mm[-1] + half_mm)
        return taps(centres_mm, grid_mm, reading), taps(sides_mm, grid_mm, reading)

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
        part.reshape(len(part), -1)
        for part in (mean_gy, np.diff(x_side_gy, axis=2), np.diff(y_side_gy, axis=1))
    )
    return _Planes(dose_gy, x_rise_gy, y_rise_gy, x_rise_gy**2 + y_rise_gy**2)
