"""How the cost of a DVH grows with contour points, planes, dose voxels and ROIs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from clock import take_turns
from sbrtcheck import ROI, DoseGrid, compute_dvh
from sbrtcheck.phantoms import Cylinder, even_axis, gaussian_dose
from table import Row, Section, grid, plain

__all__ = ["section"]

HEADING = "Scaling"
NOTE = (
    "A rod of 20 mm radius along z in a hot spot, 360 corners on each of 40 planes 1 mm apart, one"
    " million dose voxels of 1 mm, one ROI; one of these is varied at a time. The exponent is that"
    " of a power law fitted to the medians: 0 costs nothing, 1 is proportional."
)
ROUNDS = 5
FEW_ROUNDS = 2
RADIUS_MM = 20.0
CORNERS = 360
PLANES = 40
EXTENT_MM = 99.0  # of the dose grid: 100 points 1 mm apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """One quantity, its values, and what makes the work for each of them."""

    what: str
    counts: Sequence[int]
    work: Callable[[int], Callable[[], object]]


def section(*, small: bool) -> Section:
    """Measure all ladders; the small form stops at the third rung and takes fewer rounds."""
    rounds, rungs = (FEW_ROUNDS, slice(3)) if small else (ROUNDS, slice(None))
    rows, details = [], []
    for ladder in LADDERS:
        counts = ladder.counts[rungs]
        found_ms = _medians_ms(ladder, counts, rounds)
        slope = np.polyfit(np.log(counts), np.log(found_ms), 1)[0]
        rows.append(Row(what=f"{ladder.what}, exponent", measured=float(slope)))
        head = [ladder.what, *(f"{count:,}".replace(",", " ") for count in counts)]
        details += [*grid(head, [["ms", *(plain(ms) for ms in found_ms)]]), ""]
    return Section(
        heading=HEADING, note=NOTE, rows=tuple(rows), details=tuple(details[:-1])
    )


def _medians_ms(ladder: Ladder, counts: Sequence[int], rounds: int) -> list[float]:
    calls = {str(count): ladder.work(count) for count in counts}
    return [1000 * median(times) for times in take_turns(calls, rounds).values()]


def _roi(*, corners: int = CORNERS, planes: int = PLANES) -> ROI:
    rod = Cylinder(radius_mm=RADIUS_MM, length_mm=float(PLANES))
    return rod.roi("rod", spacing_mm=PLANES / planes, points=corners)


def _dose(*, extent_mm: float = EXTENT_MM, step_mm: float = 1.0) -> DoseGrid:
    axis_mm = even_axis(-extent_mm / 2, extent_mm / 2, step_mm)
    return gaussian_dose(max_gy=30.0, sigma_mm=15.0).sampled(axis_mm, axis_mm, axis_mm)


def _with_corners(count: int) -> Callable[[], object]:
    return partial(compute_dvh, _roi(corners=count), _dose())


def _with_planes(count: int) -> Callable[[], object]:
    return partial(compute_dvh, _roi(planes=count), _dose())


def _with_larger_grid(count: int) -> Callable[[], object]:
    return partial(compute_dvh, _roi(), _dose(extent_mm=round(count ** (1 / 3)) - 1.0))


def _with_finer_grid(count: int) -> Callable[[], object]:
    step_mm = EXTENT_MM / (round(count ** (1 / 3)) - 1)
    return partial(compute_dvh, _roi(), _dose(step_mm=step_mm))


def _with_rois(count: int) -> Callable[[], object]:
    roi, dose = _roi(), _dose()
    return lambda: [compute_dvh(roi, dose) for _ in range(count)]


VOXELS = (100_000, 400_000, 1_500_000, 5_000_000, 20_000_000)
LADDERS = (
    Ladder(
        what="corners a ring", counts=(50, 150, 500, 1500, 5000), work=_with_corners
    ),
    Ladder(
        what="planes in the same solid",
        counts=(10, 30, 75, 200, 600),
        work=_with_planes,
    ),
    Ladder(what="voxels, a larger grid", counts=VOXELS, work=_with_larger_grid),
    Ladder(what="voxels, a finer grid", counts=VOXELS, work=_with_finer_grid),
    Ladder(what="ROIs", counts=(1, 3, 10, 30, 100), work=_with_rois),
)
