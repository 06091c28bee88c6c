"""Dose, occupancy and thickness become volume per dose.

The solid of an ROI is cut into sub-cells a fraction of a millimetre wide. Each holds its exact
volume and, from the dose gradient across it, an interval of dose rather than one dose; the
intervals add up to the cumulative curve without steps.

The work goes slab by slab, some slabs at a time: no array grows with the dose maximum, the
number of slabs, or the part of the dose grid that is far from the ROI.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours import Gap, Region, Slab, build_region, clipped
from sbrtcheck.model import ROI, DoseGrid, FloatArray, Text, frozen_array
from sbrtcheck.occupancy import SLIVER, Lattice, Occupancy, edges, inside, occupancy

__all__ = ["DVH", "add_dvhs", "compute_dvh"]

SUB_CELLS = 30_000  # per ROI: more changes metrics by less than 0.05 %
BINS = 2_000  # of the curve, over the ROI's own dose range
FINE = 10  # the ends of dose intervals are binned this much finer
WIDE_GY = 0.1  # bins wider than this come from outliers: no plan has 200 Gy
BLOCK_CELLS = 100_000  # what is worked on at a time, unless one slab has more
SLAB_CELLS = 200_000  # at most, in the plane of a slab; bounds the memory
MUCH_LARGER = 1.5  # in area than its part on the grid: an ROI is cut there
OUTSIDE = 1e-6  # of the volume: less than this beyond the grid is rounding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DVH:
    """A cumulative dose-volume histogram.

    Parameters
    ----------
    dose_gy
        Shape (n,), ascending.
    volume_cc_at_dose
        Shape (n,): the volume that receives at least that dose, of the part inside the grid.
    volume_cc
        The volume of the whole ROI, or None where its contours enclose none.
    volume_outside_cc
        What of it lies beyond the dose grid, where no dose is known.
    min_gy, max_gy, mean_gy
        Over the part inside the grid, its surface included; None without dose.
    """

    roi_name: str
    volume_cc: float | None
    volume_outside_cc: float
    dose_gy: FloatArray
    volume_cc_at_dose: FloatArray
    min_gy: float | None
    max_gy: float | None
    mean_gy: float | None
    gaps: tuple[Gap, ...] = ()
    notes: tuple[Text, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Tell whether the dose is known in all of the ROI."""
        return (
            self.volume_cc is not None
            and self.max_gy is not None
            and self.volume_outside_cc <= OUTSIDE * self.volume_cc
        )

    def dose_at_volume_gy(self, volume_cc: float) -> float | None:
        """Return the least dose in the hottest `volume_cc`.

        Linear between the samples of the curve.

        Returns
        -------
        Dose in Gy, or None if the ROI holds less than `volume_cc` or leaves the dose grid:
        no dose can then be named, and zero would read as safe.

        Raises
        ------
        ValueError
            If `volume_cc` is not positive.
        """
        return self.dose_inside_gy(volume_cc) if self.is_complete else None

    def dose_inside_gy(self, volume_cc: float) -> float | None:
        """Return the least dose in the hottest `volume_cc` of the part inside the dose grid.

        A lower bound of `dose_at_volume_gy` where the ROI leaves the grid.
        """
        if volume_cc <= 0:
            raise ValueError(f"volume_cc must be positive, got {volume_cc}")
        if self.volume_cc_at_dose.size == 0 or volume_cc > self.volume_cc_at_dose[0] * (1 + 1e-12):
            return None
        asked_cc = min(volume_cc, float(self.volume_cc_at_dose[0]))
        last = int(np.flatnonzero(self.volume_cc_at_dose >= asked_cc)[-1])
        if last + 1 == self.dose_gy.size:
            return self.max_gy
        high, low = self.volume_cc_at_dose[last], self.volume_cc_at_dose[last + 1]
        share = float((high - asked_cc) / (high - low))
        dose_gy = self.dose_gy[last] + share * (self.dose_gy[last + 1] - self.dose_gy[last])
        # The curve's last sample lies a rounding step beyond the maximum, where it reaches 0.
        return float(dose_gy if self.max_gy is None else min(dose_gy, self.max_gy))

    def dose_at_percent_gy(self, percent: float) -> float | None:
        """Return the least dose in the hottest `percent` of the ROI; see `dose_at_volume_gy`.

        Raises
        ------
        ValueError
            If `percent` is not in (0, 100].
        """
        if not 0 < percent <= 100:
            raise ValueError(f"percent must be in (0, 100], got {percent}")
        return (
            None
            if self.volume_cc is None
            else self.dose_at_volume_gy(self.volume_cc * percent / 100)
        )

    def volume_at_dose_cc(self, dose_gy: float) -> float | None:
        """Return the volume that receives at least `dose_gy`, or None if any dose is unknown."""
        if not self.is_complete:
            return None
        return float(np.interp(dose_gy, self.dose_gy, self.volume_cc_at_dose, right=0.0))

    def volume_inside_cc(self, dose_gy: float) -> float:
        """Return what of the part inside the dose grid receives at least `dose_gy`."""
        if self.dose_gy.size == 0:
            return 0.0
        return float(np.interp(dose_gy, self.dose_gy, self.volume_cc_at_dose, right=0.0))

    def with_outside_at(self, dose_gy: float) -> "DVH":
        """Return the DVH as if all of the part outside the dose grid received one dose."""
        step_gy = np.array([dose_gy, np.nextafter(dose_gy, np.inf)])
        if self.volume_cc is None:
            return self
        if self.max_gy is None or self.mean_gy is None:
            return replace(
                self,
                volume_outside_cc=0.0,
                dose_gy=frozen_array(step_gy, ndim=1),
                volume_cc_at_dose=frozen_array([self.volume_cc, 0.0], ndim=1),
                min_gy=dose_gy,
                max_gy=dose_gy,
                mean_gy=dose_gy,
            )
        doses_gy = _distinct([self.dose_gy, step_gy])
        inside_cc = np.interp(doses_gy, self.dose_gy, self.volume_cc_at_dose, right=0.0)
        outside_cc = np.where(doses_gy <= dose_gy, self.volume_outside_cc, 0.0)
        known_cc = self.volume_cc - self.volume_outside_cc
        return replace(
            self,
            volume_outside_cc=0.0,
            dose_gy=frozen_array(doses_gy, ndim=1),
            volume_cc_at_dose=frozen_array(inside_cc + outside_cc, ndim=1),
            min_gy=min(self.min_gy or 0.0, dose_gy),
            max_gy=max(self.max_gy, dose_gy),
            mean_gy=(self.mean_gy * known_cc + dose_gy * self.volume_outside_cc) / self.volume_cc,
        )

    def volume_at_dose_percent(self, dose_gy: float) -> float | None:
        """Return the percentage of the ROI that receives at least `dose_gy`, or None."""
        volume_cc = self.volume_at_dose_cc(dose_gy)
        return None if volume_cc is None or not self.volume_cc else 100 * volume_cc / self.volume_cc


def compute_dvh(roi: ROI, dose: DoseGrid) -> DVH:
    """Return the cumulative DVH of an ROI in a dose grid.

    Parameters
    ----------
    roi
        Closed axial contours in mm; see `build_region` for how they become a solid.
    dose
        Dose in Gy, read trilinearly between its grid points. Beyond the outermost grid points
        no dose is known.

    Notes
    -----
    Slab convention with half-slice end caps (Nelms et al. 2015, Med Phys 42:4435). The part
    of a cell inside the contours is exact; the dose across a sub-cell is a uniform interval of
    the variance that its gradient gives. Minimum and maximum are those of the trilinear dose
    over the solid, its surface included.

    Examples
    --------
    >>> import numpy as np
    >>> from sbrtcheck import ROI, Contour, DoseGrid, compute_dvh
    >>> square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    >>> roi = ROI(name="cube", contours=[Contour(points_mm=square, z_mm=z) for z in (1, 3, 5, 7, 9)])
    >>> axis = np.arange(-5.0, 20.0, 2.5)
    >>> rising = np.broadcast_to(axis + 10, (axis.size,) * 3)
    >>> dvh = compute_dvh(roi, DoseGrid(dose_gy=rising, x_mm=axis, y_mm=axis, z_mm=axis))
    >>> f"{dvh.volume_cc:.3f} cc, D50% {dvh.dose_at_percent_gy(50):.2f} Gy"
    '1.000 cc, D50% 15.00 Gy'
    >>> dvh.dose_at_volume_gy(1.5) is None
    True
    """
    region = build_region(roi)
    volume_cc = region.volume_cc
    if volume_cc is None:
        return _without_dose(roi, region, 0.0)
    known = _on_grid(region, dose)
    if known.volume_cc is None:
        return _without_dose(roi, region, volume_cc)
    division = _divide(known, known.volume_cc, dose)
    extremes = [found for block in division.blocks for found in _extremes(block, division)]
    if not extremes:
        return _without_dose(roi, region, volume_cc)
    min_gy, max_gy = min(low for low, _ in extremes), max(high for _, high in extremes)
    tally, range_gy = _tally(_samples(division), [min_gy, max_gy]), max_gy - min_gy
    if tally.volume_cc[0] <= 0:  # the ROI touches the border of the grid from outside
        return _without_dose(roi, region, volume_cc)
    while range_gy > WIDE_GY * BINS:
        # Half of the bins for the three quarters of the volume that hot outliers leave alone.
        knee_gy = float(tally.edges_gy[np.argmax(tally.volume_cc <= tally.volume_cc[0] / 4)])
        if knee_gy - min_gy > range_gy / 2:
            break
        tally, range_gy = _tally(_samples(division), [min_gy, knee_gy, max_gy]), knee_gy - min_gy
    outside_cc, scale = volume_cc - float(tally.volume_cc[0]), 1.0
    if abs(outside_cc) <= OUTSIDE * volume_cc:
        outside_cc, scale = 0.0, volume_cc / float(tally.volume_cc[0])
    return DVH(
        roi_name=roi.name,
        volume_cc=volume_cc,
        volume_outside_cc=outside_cc,
        dose_gy=frozen_array(tally.edges_gy, ndim=1),
        volume_cc_at_dose=frozen_array(tally.volume_cc * scale, ndim=1),
        min_gy=min_gy,
        max_gy=max_gy,
        mean_gy=float(np.clip(tally.mean_gy, min_gy, max_gy)),
        gaps=region.gaps,
        notes=region.notes,
    )


def _distinct(doses_gy: Sequence[FloatArray]) -> FloatArray:
    """Return all doses, ascending, each once (NumPy's own would import masked arrays)."""
    ordered = np.sort(np.concatenate(doses_gy))
    return ordered[np.append(True, np.diff(ordered) > 0)] if ordered.size else ordered


def add_dvhs(dvhs: Sequence[DVH], *, name: str) -> DVH:
    """Return the DVH of several ROIs that share no volume, as if they were one."""
    known = [dvh for dvh in dvhs if dvh.volume_cc is not None]
    doses_gy = _distinct([dvh.dose_gy for dvh in known])
    volume_cc = np.sum(
        [np.interp(doses_gy, dvh.dose_gy, dvh.volume_cc_at_dose, right=0.0) for dvh in known],
        axis=0,
    )
    with_dose = [dvh for dvh in known if dvh.mean_gy is not None]
    inside_cc = [(dvh.volume_cc or 0.0) - dvh.volume_outside_cc for dvh in with_dose]
    means_gy = [dvh.mean_gy or 0.0 for dvh in with_dose]
    return DVH(
        roi_name=name,
        volume_cc=sum(dvh.volume_cc or 0.0 for dvh in known),
        volume_outside_cc=sum(dvh.volume_outside_cc for dvh in known),
        dose_gy=frozen_array(doses_gy, ndim=1),
        volume_cc_at_dose=frozen_array(volume_cc, ndim=1),
        min_gy=min((dvh.min_gy or 0.0 for dvh in with_dose), default=None),
        max_gy=max((dvh.max_gy or 0.0 for dvh in with_dose), default=None),
        mean_gy=float(np.average(means_gy, weights=inside_cc)) if with_dose else None,
        notes=tuple(note for dvh in known for note in dvh.notes),
    )


def _without_dose(roi: ROI, region: Region, outside_cc: float) -> DVH:
    empty = frozen_array(np.empty(0), ndim=1)
    return DVH(
        roi_name=roi.name,
        volume_cc=region.volume_cc,
        volume_outside_cc=outside_cc,
        dose_gy=empty,
        volume_cc_at_dose=empty,
        min_gy=None,
        max_gy=None,
        mean_gy=None,
        gaps=region.gaps,
        notes=region.notes,
    )


def _on_grid(region: Region, dose: DoseGrid) -> Region:
    """Return the part of a solid whose dose is known: what lies beyond the grid costs nothing.

    Rings are cut only where that makes them much smaller: cutting costs, too, and cells at the
    border are exact without.
    """
    corners = np.concatenate([ring for slab in region.slabs for ring in slab.rings])
    low, high = corners.min(axis=0), corners.max(axis=0)
    grid_low, grid_high = (np.array([dose.x_mm[end], dose.y_mm[end]]) for end in (0, -1))
    kept = np.clip(np.minimum(high, grid_high) - np.maximum(low, grid_low), 0.0, None)
    if np.prod(high - low) <= MUCH_LARGER * np.prod(kept):
        grid_low, grid_high = low, high
    return clipped(
        region,
        (float(grid_low[0]), float(grid_low[1]), float(dose.z_mm[0])),
        (float(grid_high[0]), float(grid_high[1]), float(dose.z_mm[-1])),
    )


class _Grid(NamedTuple):
    """The part of a dose grid around an ROI."""

    dose_gy: FloatArray
    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray


class _Division(NamedTuple):
    """How a solid is cut: slabs worked on together, in-plane cells, size of a sub-cell."""

    blocks: tuple[tuple[Slab, ...], ...]
    lattice: Lattice
    edge_mm: float
    grid: _Grid


def _divide(region: Region, volume_cc: float, dose: DoseGrid) -> _Division:
    """Choose sub-cells that follow the ROI and are nowhere coarser than the dose voxels."""
    edge_mm = (1000 * volume_cc / SUB_CELLS) ** (1 / 3)
    corners = np.concatenate([ring for slab in region.slabs for ring in slab.rings])
    low, high = corners.min(axis=0), corners.max(axis=0)
    finest_mm = min(edge_mm, np.diff(dose.x_mm).min(), np.diff(dose.y_mm).min())
    # Small pieces far apart must not ask for millions of empty cells.
    cell_mm = float(max(finest_mm, np.sqrt(np.prod(high - low) / SLAB_CELLS)))
    nx, ny = np.maximum(np.ceil((high - low) / cell_mm + 1e-9), 1).astype(int)
    # Centred on the ROI, so that a mirrored ROI has mirrored cells.
    x_mm, y_mm = (low + high - cell_mm * np.array([nx, ny])) / 2
    columns = _around(dose.x_mm, x_mm, x_mm + cell_mm * nx)
    rows = _around(dose.y_mm, y_mm, y_mm + cell_mm * ny)
    planes = _around(dose.z_mm, region.slabs[0].low_mm, region.slabs[-1].high_mm)
    grid = _Grid(
        dose.dose_gy[planes, rows, columns], dose.x_mm[columns], dose.y_mm[rows], dose.z_mm[planes]
    )
    together = max(1, BLOCK_CELLS // max(nx * ny, grid.x_mm.size * grid.y_mm.size))
    return _Division(
        tuple(
            region.slabs[first : first + together]
            for first in range(0, len(region.slabs), together)
        ),
        Lattice(float(x_mm), float(y_mm), cell_mm, int(nx), int(ny)),
        edge_mm,
        grid,
    )


def _around(grid_mm: FloatArray, low_mm: float, high_mm: float) -> slice:
    """Return the grid points between two heights and one beyond each, two at the least."""
    first = min(max(int(np.searchsorted(grid_mm, low_mm, side="right")) - 1, 0), grid_mm.size - 2)
    return slice(first, max(int(np.searchsorted(grid_mm, high_mm)) + 1, first + 2))


class _Place(NamedTuple):
    """Where points lie among grid points: the one below, the share of the next, if on the grid."""

    below: NDArray[np.intp]
    share: FloatArray
    known: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "_Place":
        """Return some of the points."""
        return _Place(self.below[chosen], self.share[chosen], self.known[chosen])


def _locate(points_mm: FloatArray, grid_mm: FloatArray) -> _Place:
    below = np.searchsorted(grid_mm, points_mm, side="right") - 1
    below = np.minimum(np.maximum(below, 0), grid_mm.size - 2)
    share = (points_mm - grid_mm[below]) / (grid_mm[below + 1] - grid_mm[below])
    tolerance = 1e-9 * (grid_mm[-1] - grid_mm[0])
    known = (points_mm >= grid_mm[0] - tolerance) & (points_mm <= grid_mm[-1] + tolerance)
    return _Place(below, np.minimum(np.maximum(share, 0.0), 1.0), known)


def _mix(low: FloatArray, high: FloatArray, share: FloatArray) -> FloatArray:
    """Return what lies a share of the way from `low` to `high`; `high` is used up."""
    # In place: fresh memory for each step costs several times the arithmetic.
    high -= low
    high *= share
    high += low
    return high


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


def _extremes(slabs: Sequence[Slab], division: _Division) -> Iterator[tuple[float, float]]:
    """Yield the least and the highest dose of some slabs, their surface included, where known.

    Trilinear dose has its extremes over a solid at grid points inside and on the surface, and
    along z it bends only at dose planes. So each slab is read over the grid points inside and
    along its contours, at its two faces and at the dose planes between.
    """
    grid = division.grid
    step_mm = min(division.lattice.cell_mm, np.diff(grid.x_mm).min(), np.diff(grid.y_mm).min())
    rings = [slab.rings for slab in slabs]
    heights = [
        [
            slab.low_mm,
            *grid.z_mm[(grid.z_mm > slab.low_mm) & (grid.z_mm < slab.high_mm)],
            slab.high_mm,
        ]
        for slab in slabs
    ]
    slab_of = np.repeat(np.arange(len(slabs)), [len(levels) for levels in heights])
    z = _locate(np.concatenate(heights), grid.z_mm)
    slab_of, z = slab_of[z.known], z.part(z.known)
    if not slab_of.size:
        return
    lowest, highest = int(z.below.min()), int(z.below.max()) + 2
    z = z._replace(below=z.below - lowest)
    columns = inside(rings, grid.x_mm, grid.y_mm).reshape(len(slabs), -1)
    walls_mm, ends = _walls(rings, step_mm)
    x, y = _locate(walls_mm[:, 0], grid.x_mm), _locate(walls_mm[:, 1], grid.y_mm)
    planes_gy = grid.dose_gy[lowest:highest].reshape(-1)
    area = grid.dose_gy[0].size
    for first, counts, over in (
        (np.array([0, *ends[:-1]]), np.diff([0, *ends]), None),
        (None, columns.sum(axis=1), np.flatnonzero(columns) % area),
    ):
        starts = np.cumsum(counts) - counts if first is None else first
        level, point = _pairs(slab_of, starts, counts)
        where = z.part(level)
        if over is not None:
            low_gy, high_gy = (
                np.take(planes_gy, plane * area + over[point])
                for plane in (where.below, where.below + 1)
            )
        else:
            known = x.known[point] & y.known[point]
            level, point, where = level[known], point[known], where.part(known)
            at_x, at_y = x.part(point), y.part(point)
            low_gy, high_gy = (
                _along(planes_gy, plane * area, at_x, at_y, grid.x_mm.size)
                for plane in (where.below, where.below + 1)
            )
        if point.size:
            found_gy = _mix(low_gy, high_gy, where.share)
            yield float(found_gy.min()), float(found_gy.max())


def _pairs(
    slab_of: NDArray[np.intp], starts: NDArray[np.intp], counts: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair every level with every item of its slab: indices of levels and of items.

    The items of slab s are those from `starts[s]`, `counts[s]` of them.
    """
    many = counts[slab_of]
    level = np.repeat(np.arange(slab_of.size), many)
    within = np.arange(level.size) - np.repeat(np.cumsum(many) - many, many)
    return level, starts[slab_of][level] + within


def _walls(rings: Sequence[Sequence[FloatArray]], step_mm: float) -> tuple[FloatArray, list[int]]:
    """Return points along the rings of some slabs, and where those of each slab end.

    The points, shape (n, 2), are the corners and others between, `step_mm` apart at the most.
    """
    starts, ends, plane = edges(rings)
    along = ends - starts
    pieces = np.maximum(np.ceil(np.hypot(*along.T) / step_mm), 1).astype(np.intp)
    edge = np.repeat(np.arange(len(starts)), pieces)
    piece = np.arange(edge.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    points = starts[edge] + along[edge] * (piece / pieces[edge])[:, None]
    return points, np.searchsorted(plane[edge], np.arange(1, len(rings) + 1)).tolist()


def _along(
    dose_gy: FloatArray, plane: NDArray[np.intp], x: _Place, y: _Place, columns: int
) -> FloatArray:
    """Return the dose at points in dose planes, each given by its first place in flat `dose_gy`."""
    corner = plane + y.below * columns + x.below

    def along_x(first: NDArray[np.intp]) -> FloatArray:
        return _mix(np.take(dose_gy, first), np.take(dose_gy, first + 1), x.share)

    return _mix(along_x(corner), along_x(corner + columns), y.share)


class _Sample(NamedTuple):
    """Sub-cells: their mean dose, spread of dose, volume where dose is known."""

    dose_gy: FloatArray
    width_gy: FloatArray
    volume_cc: FloatArray


class _Layers(NamedTuple):
    """Layers of sub-cells, as far as they lie on the grid.

    Where their middles lie among dose planes, their height in mm and in steps of the dose grid,
    and for each slab where its layers end.
    """

    z: _Place
    height_mm: FloatArray
    height: FloatArray
    ends: list[int]


def _layers(slabs: Sequence[Slab], division: _Division) -> _Layers:
    """Cut slabs into layers, at least one for each dose plane inside."""
    grid_mm = division.grid.z_mm
    low_mm = np.array([slab.low_mm for slab in slabs])
    thickness_mm = np.array([slab.thickness_mm for slab in slabs])
    crossed = np.searchsorted(grid_mm, low_mm + thickness_mm) - np.searchsorted(
        grid_mm, low_mm, side="right"
    )
    wanted = np.ceil(thickness_mm / division.edge_mm - 1e-9).astype(np.intp)
    count = np.maximum(np.maximum(wanted, crossed), 1)
    ends = np.cumsum(count)
    step_mm = np.repeat(thickness_mm / count, count)
    in_slab = np.arange(ends[-1]) - np.repeat(ends - count, count)
    layer_low_mm = np.repeat(low_mm, count) + step_mm * in_slab
    layer_high_mm = np.minimum(layer_low_mm + step_mm, grid_mm[-1])
    layer_low_mm = np.maximum(layer_low_mm, grid_mm[0])
    z = _locate((layer_low_mm + layer_high_mm) / 2, grid_mm)
    height_mm = np.maximum(layer_high_mm - layer_low_mm, 0.0)
    return _Layers(z, height_mm, height_mm / np.diff(grid_mm)[z.below], ends.tolist())


def _samples(division: _Division) -> Iterator[_Sample]:
    """Yield the sub-cells of each block of slabs."""
    lattice, grid = division.lattice, division.grid
    x = _known(lattice.x_centres_mm, lattice.cell_mm, grid.x_mm)
    y = _known(lattice.y_centres_mm, lattice.cell_mm, grid.y_mm)
    for slabs in division.blocks:
        filled = _cut_off(occupancy([slab.rings for slab in slabs], lattice), x, y)
        layers = _layers(slabs, division)
        below, above = int(layers.z.below[0]), int(layers.z.below[-1]) + 2
        planes = _lattice_planes(grid._replace(dose_gy=grid.dose_gy[below:above]), lattice)
        z = layers.z._replace(below=layers.z.below - below)
        yield _sub_cells(filled, planes, layers._replace(z=z), lattice.cell_mm**2)


def _cut_off(filled: Occupancy, x: _Known, y: _Known) -> Occupancy:
    """Return what is filled of the cells as far as they lie on the grid.

    Of a cell that both a contour and the border of the grid cut, the smaller part counts:
    exact where one follows the other, as in an ROI that ends where the grid does.
    """
    known = np.outer(y.share, x.share)
    if known.min() >= 1 - SLIVER:
        return filled
    fraction, *offsets = filled
    fraction = np.minimum(fraction, known)
    for index, border in enumerate((x.offset, y.offset[:, None])):
        offset = np.where(border < 0, np.minimum(offsets[index], border), offsets[index])
        offsets[index] = np.where(border > 0, np.maximum(offset, border), offset)
    return Occupancy(fraction, *offsets)


def _sub_cells(filled: Occupancy, planes: "_Planes", layers: _Layers, cell_mm2: float) -> _Sample:
    """Return the sub-cells of some slabs: every layer of a slab with every cell it fills."""
    area = filled.fraction[0].size
    places = np.flatnonzero(filled.fraction > SLIVER)
    slab = places // area
    slabs = len(filled.fraction)
    counts = np.bincount(slab, minlength=slabs)
    slab_of = np.repeat(np.arange(slabs), np.diff([0, *layers.ends]))
    layer, item = _pairs(slab_of, np.cumsum(counts) - counts, counts)
    place = places[item]
    lower = layers.z.below[layer] * area + place % area
    share = layers.z.share[layer]
    fraction = filled.fraction.reshape(-1)[place]
    # Of a cell at the border, the part inside is read in its own middle, and spans less: as
    # far as that middle has moved from the cell's, both sides of it have moved together.
    border = np.flatnonzero(fraction < 1)
    part = place[border]
    offsets = (filled.x_offset.reshape(-1)[part], filled.y_offset.reshape(-1)[part])
    doses_gy, squares_gy2 = [], []
    for at in (lower, lower + area):
        dose_gy, square_gy2 = np.take(planes.dose_gy, at), np.take(planes.variance, at)
        square_gy2[border] = 0
        for rises_gy, offset in zip((planes.x_rise_gy, planes.y_rise_gy), offsets, strict=True):
            at_part_gy = np.take(rises_gy, at[border])
            dose_gy[border] += at_part_gy * offset
            square_gy2[border] += (at_part_gy * (1 - 2 * np.abs(offset))) ** 2
        doses_gy.append(dose_gy)
        squares_gy2.append(square_gy2)
    rise_gy = (doses_gy[1] - doses_gy[0]) * layers.height[layer]
    across = _mix(squares_gy2[0], squares_gy2[1], share)
    return _Sample(
        _mix(doses_gy[0], doses_gy[1], share),
        np.sqrt(rise_gy**2 + across),
        fraction * layers.height_mm[layer] * (cell_mm2 / 1000),
    )


class _Planes(NamedTuple):
    """Dose planes read at in-plane cells, each flat, plane after plane.

    The mean dose, its rise across the cell along x and y, the sum of their squares.
    """

    dose_gy: FloatArray
    x_rise_gy: FloatArray
    y_rise_gy: FloatArray
    variance: FloatArray


def _lattice_planes(grid: _Grid, lattice: Lattice) -> _Planes:
    def rows(y_mm: FloatArray) -> FloatArray:
        return _read(grid.dose_gy, y_mm, grid.y_mm, 1)

    def columns(values_gy: FloatArray, x_mm: FloatArray) -> FloatArray:
        return _read(values_gy, x_mm, grid.x_mm, 2)

    x_mm, y_mm, half_mm = lattice.x_centres_mm, lattice.y_centres_mm, lattice.cell_mm / 2
    x_sides_mm = np.append(x_mm - half_mm, x_mm[-1] + half_mm)
    y_sides_mm = np.append(y_mm - half_mm, y_mm[-1] + half_mm)
    rows_gy = rows(y_mm)
    middle_gy = columns(rows_gy, x_mm)
    x_side_gy = columns(rows_gy, x_sides_mm)
    y_side_gy = columns(rows(y_sides_mm), x_mm)
    # Simpson's rule along both axes: where the dose bends within a cell, its mean is not that
    # of the middle. The five weights are positive, so no dose is made up.
    mean_gy = 2 * middle_gy
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


def _read(dose_gy: FloatArray, points_mm: FloatArray, grid_mm: FloatArray, axis: int) -> FloatArray:
    """Interpolate dose linearly along one axis.

    Beyond the grid the line goes on: cells at its border are read where they are inside, and
    that place is found from the dose of the whole cell and its rise.
    """
    below = _locate(points_mm, grid_mm).below
    share = (points_mm - grid_mm[below]) / (grid_mm[below + 1] - grid_mm[below])
    shape = [1, 1, 1]
    shape[axis] = -1
    low_gy, high_gy = (np.take(dose_gy, points, axis) for points in (below, below + 1))
    return _mix(low_gy, high_gy, share.reshape(shape))


class _Tally(NamedTuple):
    """The cumulative curve, and the mean dose."""

    edges_gy: FloatArray
    volume_cc: FloatArray
    mean_gy: float


def _tally(samples: Iterable[_Sample], knots_gy: list[float]) -> _Tally:
    """Add up intervals of dose to a cumulative curve; bins are shared out between the knots.

    Each interval of width w is a ramp of slope -v/w: the slope changes at its two ends, and
    two running sums over all changes give the curve. What reaches past the dose of the
    surface is folded back to it. The last edge lies a hair above the maximum: a volume that
    receives just the maximum receives *at least* that dose.
    """
    bins = BINS * FINE
    knots_bin = np.linspace(0, bins, len(knots_gy))
    edges_gy = np.interp(np.arange(bins + 1), knots_bin, knots_gy)
    edges_gy = np.append(edges_gy, np.nextafter(edges_gy[-1], np.inf))
    uniform = knots_gy[-1] - knots_gy[0] <= 1e-9 * abs(knots_gy[-1])
    change, total_cc, dose_gy_cc = np.zeros(bins + 2), 0.0, 0.0
    for sample in samples:
        total_cc += float(sample.volume_cc.sum())
        dose_gy_cc += float((sample.dose_gy * sample.volume_cc).sum())
        if uniform:
            continue
        half_gy = sample.width_gy / 2
        low = np.interp(sample.dose_gy - half_gy, knots_gy, knots_bin).astype(np.intp)
        high = np.ceil(np.interp(sample.dose_gy + half_gy, knots_gy, knots_bin)).astype(np.intp)
        high = np.maximum(high, low + 1)
        slope = sample.volume_cc / (edges_gy[high] - edges_gy[low])
        change += np.bincount(high, slope, bins + 2) - np.bincount(low, slope, bins + 2)
    curve_cc = np.full(bins + 2, total_cc)
    curve_cc[1:] += np.cumsum(np.cumsum(change)[:-1] * np.diff(edges_gy))
    curve_cc = np.minimum.accumulate(np.clip(curve_cc, 0.0, total_cc))
    curve_cc[-1] = 0.0
    kept = np.append(np.arange(0, bins + 1, FINE), bins + 1)
    mean_gy = dose_gy_cc / total_cc if total_cc else 0.0
    return _Tally(edges_gy[kept], curve_cc[kept], mean_gy)
