"""Dose, occupancy and thickness become volume per dose.

The solid of an ROI is cut into sub-cells a fraction of a millimetre wide. Each holds its exact
volume and, from the dose gradient across it, an interval of dose rather than one dose; the
intervals add up to the cumulative curve without steps.

The work goes some slabs at a time: no array grows with the dose maximum, the number of slabs,
or the part of the dose grid that is far from the ROI.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sbrtcheck.contours import Region, build_region, shaped, with_caps_apart
from sbrtcheck.dvh.cells import Division, Reading, divide, on_grid, samples, sub_cell_mm
from sbrtcheck.dvh.curve import DVH, OUTSIDE, DVHResult, NoDose, NothingDrawn
from sbrtcheck.dvh.surface import Wall, surface
from sbrtcheck.dvh.tally import BINS, COARSE, FINE, Tally, kept
from sbrtcheck.model import ROI, Convention, DoseGrid, FloatArray, frozen_array

__all__ = ["Measured", "compute_dvh", "measure", "solid_of", "to_dvh"]

WIDE_GY = 0.1  # bins wider than this come from outliers: no plan has 200 Gy
OVERSHOOT = 0.1  # of the range: as far cubic dose may pass what is on the grid


def compute_dvh(
    roi: ROI,
    dose: DoseGrid,
    *,
    convention: Convention = Convention(),  # noqa: B008 - frozen
) -> DVHResult:
    """Return the cumulative DVH of an ROI in a dose grid.

    Parameters
    ----------
    roi
        Closed axial contours in mm; see `build_region` for how they become a solid.
    dose
        Dose in Gy. Beyond the outermost grid points no dose is known.
    convention
        How contours and grid are read between planes and points.

    Returns
    -------
    The DVH; `NoDose` where all of the ROI lies beyond the grid; `NothingDrawn` where its contours
    enclose no volume. All three are asked alike: where nothing is known, the answer is None.

    Notes
    -----
    Half-slice end caps as in Nelms et al. 2015 (Med Phys 42:4435). The part of a cell inside the
    contours is exact; the dose across a sub-cell is a uniform interval of the variance that its
    gradient gives. Minimum and maximum are over the solid, its surface included.

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
    region = region_of(roi, convention)
    solid = solid_of(region, convention)
    if solid is None:
        return nothing_drawn(roi.name, region)
    (measured,) = measure(solid, dose, convention.sub_cells, (convention.dose,))
    if measured is None:
        return no_dose(roi.name, region, solid.volume_cc)
    return to_dvh(roi.name, region, solid, measured)


def region_of(roi: ROI, convention: Convention) -> Region:
    """Return the slabs of an ROI, with the end caps and gaps of a convention."""
    return build_region(
        roi,
        end_caps=convention.end_caps == "half-slice",
        fill_gaps=convention.fill_gaps,
    )


class Solid(NamedTuple):
    """The solid that an ROI stands for by a convention, and its volume."""

    region: Region
    volume_cc: float


def solid_of(region: Region, convention: Convention) -> Solid | None:
    """Return the solid that slabs stand for, its end caps as slabs of their own; None without."""
    volume_cc = region.volume_cc
    if volume_cc is None:
        return None
    if convention.between_planes == "slab":
        return Solid(with_caps_apart(region), volume_cc)
    between = shaped(region, sub_cell_mm(volume_cc, convention.sub_cells))
    between_cc = between.volume_cc
    if between_cc is None:
        return None
    return Solid(between, between_cc)


class Measured(NamedTuple):
    """What was found of a solid: fine edges of dose, volume at or above them, extremes, mean.

    `dose_gy_cc` sums up dose. `whole` tells that all of the solid lies on the grid.
    """

    edges_gy: FloatArray
    curve_cc: FloatArray
    min_gy: float
    max_gy: float
    dose_gy_cc: float
    whole: bool


def measure(
    solid: Solid, dose: DoseGrid, sub_cells: int, readings: Sequence[Reading]
) -> tuple[Measured | None, ...]:
    """Return what is known of a solid in each way to read the dose; None without dose."""
    nothing = tuple(None for _ in readings)
    layout = lay_out(solid, dose, sub_cells)
    if layout is None:
        return nothing
    found = survey(layout.division)
    if found is None:
        return nothing
    tallies = tallied(layout.division, readings, found.min_gy, found.max_gy)
    if float(tallies[0].total_cc.sum()) <= 0:  # the ROI touches the grid from outside
        return nothing
    return tuple(
        finished(reading, tally, found, whole=layout.whole)
        for reading, tally in zip(readings, tallies, strict=True)
    )


class Layout(NamedTuple):
    """How a solid is cut into sub-cells, and whether all of it lies on the dose grid."""

    division: Division
    whole: bool


def lay_out(solid: Solid, dose: DoseGrid, sub_cells: int) -> Layout | None:
    """Cut the part of a solid on a dose grid into sub-cells; None where there is none."""
    known = on_grid(solid.region, dose)
    whole = known is solid.region
    volume_cc: float | None = solid.volume_cc
    if not whole:
        volume_cc = known.volume_cc
    if volume_cc is None:
        return None
    return Layout(divide(known, sub_cell_mm(volume_cc, sub_cells), dose), whole)


class Survey(NamedTuple):
    """The extremes of the trilinear dose in a solid, and the dose and area of its wall."""

    min_gy: float
    max_gy: float
    walls: tuple[Wall, ...]


def survey(division: Division, *, with_walls: bool = False) -> Survey | None:
    """Return what the surface and the grid points inside a solid say; None without any dose."""
    low_gy, high_gy, walls = np.inf, -np.inf, []
    for block in division.blocks:
        for wall in surface(block):
            low_gy = min(low_gy, float(wall.dose_gy.min()))
            high_gy = max(high_gy, float(wall.dose_gy.max()))
            if with_walls and wall.area_mm2 is not None:
                walls.append(wall)
    if high_gy > -np.inf:
        return Survey(low_gy, high_gy, tuple(walls))
    return None


def finished(reading: Reading, tally: Tally, found: Survey, *, whole: bool) -> Measured:
    """Return what was counted, with its extremes."""
    low_gy, high_gy = found.min_gy, found.max_gy
    if reading == "cubic":
        low_gy, high_gy = min(tally.min_gy, low_gy), max(tally.max_gy, high_gy)
    return Measured(
        tally.edges_gy, tally.curve_cc(), low_gy, high_gy, tally.dose_gy_cc, whole
    )


def tallied(
    division: Division,
    readings: Sequence[Reading],
    min_gy: float,
    max_gy: float,
    *,
    coarser: Sequence[Reading] = (),
    parts: int = 1,
) -> tuple[Tally, ...]:
    """Count all sub-cells, finer where most of the volume is if outliers stretch the range.

    `coarser` adds tallies of cells of twice the size; in the first of them `parts` are kept apart.
    """
    knots_gy, range_gy = [min_gy, max_gy], max_gy - min_gy
    every, fine = (*readings, *coarser), len(readings)
    while True:
        tallies = tuple(
            Tally(
                _stretched(knots_gy, reading),
                parts if number == fine else 1,
                FINE if number < fine else COARSE,
            )
            for number, reading in enumerate(every)
        )
        for block in samples(division, readings, coarser):
            for tally, sample in zip(tallies, block, strict=True):
                tally.add(sample)
        if range_gy <= WIDE_GY * BINS:
            return tallies
        # Half of the bins for the three quarters of the volume that hot outliers leave alone.
        curve_cc = tallies[0].curve_cc()
        knee_gy = float(tallies[0].edges_gy[np.argmax(curve_cc <= curve_cc[0] / 4)])
        if knee_gy - min_gy > range_gy / 2:
            return tallies
        knots_gy, range_gy = [min_gy, knee_gy, max_gy], knee_gy - min_gy


def _stretched(knots_gy: list[float], reading: Reading) -> list[float]:
    if reading == "trilinear":
        return knots_gy
    beyond_gy = OVERSHOOT * (knots_gy[-1] - knots_gy[0])
    return [
        least_read_gy(knots_gy[0], beyond_gy),
        *knots_gy[1:-1],
        knots_gy[-1] + beyond_gy,
    ]


def least_read_gy(min_gy: float, beyond_gy: float) -> float:
    """Return the least dose that cubic reading may give: below zero only where the grid is."""
    least_gy = min_gy - beyond_gy
    if min_gy < 0:
        return least_gy
    return max(least_gy, 0.0)


def nothing_drawn(name: str, region: Region) -> NothingDrawn:
    """Return what is to be said of contours that enclose no volume."""
    return NothingDrawn(roi_name=name, reason=region.notes[-1], notes=region.notes)


def no_dose(name: str, region: Region, volume_cc: float) -> NoDose:
    """Return what is known of a solid of which no dose is known."""
    return NoDose(
        roi_name=name, volume_cc=volume_cc, gaps=region.gaps, notes=region.notes
    )


def to_dvh(name: str, region: Region, solid: Solid, measured: Measured) -> DVH:
    """Return the DVH of a whole solid from what was measured of it."""
    volume_cc = solid.volume_cc
    curve_cc = measured.curve_cc
    inside_cc = float(curve_cc[0])
    mean_gy = measured.dose_gy_cc / inside_cc
    outside_cc, scale = volume_cc - inside_cc, 1.0
    # Where an outline that moves between planes folds, cells count it once, the area twice.
    if measured.whole or abs(outside_cc) <= OUTSIDE * volume_cc:
        outside_cc, scale = 0.0, volume_cc / inside_cc
    return DVH(
        roi_name=name,
        volume_cc=volume_cc,
        volume_outside_cc=outside_cc,
        dose_gy=frozen_array(kept(measured.edges_gy), ndim=1),
        volume_cc_at_dose=frozen_array(kept(curve_cc) * scale, ndim=1),
        min_gy=measured.min_gy,
        max_gy=measured.max_gy,
        mean_gy=float(np.clip(mean_gy, measured.min_gy, measured.max_gy)),
        gaps=region.gaps,
        notes=region.notes,
    )
