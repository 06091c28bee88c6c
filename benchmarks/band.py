"""What the interval costs, and how exact margins are."""

import statistics
from functools import partial
from pathlib import Path

import numpy as np

from clock import take_turns
from sbrtcheck import ROI, Case, Contour, compute_band, compute_dvh, grown, load_case
from sbrtcheck.contours import build_region
from sbrtcheck.phantoms import Cylinder
from table import Row, Section

__all__ = ["section"]

HEADING = "Interval and margins: cost and exactness"
NOTE = (
    "Cord, PRV and PTV of the sample t8_30gy5_pass, nominal DVHs included; medians of {rounds} rounds,"
    " which hang on the machine. A band counts as one DVH, its other dose and sampling read from the"
    " same cells, one of another solid with an eighth of the sub-cells, and one where a gap is"
    " filled; its nudges are changes of the curve. Margins: straight cords and leaning cords grown by"
    " 2 mm, planes 1 to 5 mm; largest error of volume or of the level section."
)
SAMPLE = Path(__file__).parents[1] / "sample_dicom" / "t8_30gy5_pass"
NAMES = ("SpinalCord", "SpinalCord_PRV02", "PTV_T8")
ROUNDS, FEW_ROUNDS = 15, 5
SPACINGS_MM = (1.0, 2.0, 2.5, 3.0, 5.0)
LEANS = (10, 20, 30)
MARGIN_MM, RADIUS_MM, LENGTH_MM = 2.0, 5.0, 60.0


def section(*, small: bool) -> Section:
    """Measure time and margins; the small form takes fewer rounds."""
    rounds = FEW_ROUNDS if small else ROUNDS
    case = load_case(SAMPLE)
    calls = {"bands": partial(_bands, case), "DVHs": partial(_dvhs, case)}
    times = take_turns(calls, rounds)
    median_ms = {name: 1000 * statistics.median(found) for name, found in times.items()}
    rows = (
        Row(
            what="three bands",
            must=60,
            measured=median_ms["bands"],
            unit="ms",
            noise=None,
        ),
        Row(what="three nominal DVHs alone", measured=median_ms["DVHs"], unit="ms"),
        Row(
            what="margin, straight cords",
            must=1,
            measured=_straight_percent(),
            unit="%",
        ),
        Row(
            what="margin, leaning cords", must=1, measured=_leaning_percent(), unit="%"
        ),
    )
    return Section(heading=HEADING, note=NOTE.format(rounds=rounds), rows=rows)


def _bands(case: Case) -> None:
    for name in NAMES:
        compute_band(case.structure_set.roi(name), case.dose)


def _dvhs(case: Case) -> None:
    for name in NAMES:
        compute_dvh(case.structure_set.roi(name), case.dose)


def _straight_percent() -> float:
    """Return the largest error of the volume against the rounded rod."""
    r, m = RADIUS_MM, MARGIN_MM
    ends_mm3 = np.pi * r**2 * m + np.pi**2 * r * m**2 / 2 + 2 / 3 * np.pi * m**3
    truth_cc = (np.pi * (r + m) ** 2 * LENGTH_MM + 2 * ends_mm3) / 1000
    errors = []
    for spacing_mm in SPACINGS_MM:
        cord = Cylinder(radius_mm=r, length_mm=LENGTH_MM).roi(
            "cord", spacing_mm=spacing_mm
        )
        volume_cc = build_region(grown(cord, m)).volume_cc or 0.0
        errors.append(100 * abs(volume_cc / truth_cc - 1))
    return float(max(errors))


def _leaning_percent() -> float:
    """Return the largest error of the level sections of leaning cords, away from their ends."""
    errors = []
    for spacing_mm in SPACINGS_MM:
        for lean in np.radians(LEANS):
            made = grown(_leaning(spacing_mm, float(lean)), MARGIN_MM)
            level = [
                slab.area_mm2
                for slab in build_region(made).slabs
                if abs(slab.z_mm) < 20
            ]
            truth_mm2 = np.pi * (RADIUS_MM + MARGIN_MM) ** 2 / np.cos(lean)
            errors.append(100 * abs(float(np.mean(level)) / truth_mm2 - 1))
    return float(max(errors))


def _leaning(spacing_mm: float, lean: float) -> ROI:
    turn = np.arange(360) * 2 * np.pi / 360
    ring = np.stack(
        [RADIUS_MM / np.cos(lean) * np.cos(turn), RADIUS_MM * np.sin(turn)], axis=1
    )
    heights = np.arange(-40, 40 + 1e-9, spacing_mm)
    contours = tuple(
        Contour(points_mm=ring + np.array([np.tan(lean) * z, 0]), z_mm=float(z))
        for z in heights
    )
    return ROI(name="cord", contours=contours, plane_spacing_mm=spacing_mm)
