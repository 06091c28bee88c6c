"""The near-maximum of a cord in a penumbra: the number that decides over a spine plan."""

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from sbrtcheck import Convention, compute_band, compute_dvh
from sbrtcheck.phantoms import Cylinder, even_axis, logistic_dose
from table import Row, Section, grid

__all__ = ["section"]

HEADING = "Accuracy: a cord in a penumbra"
NOTE = (
    "Error of D0.035cc in % of the truth: a straight cord along z, 40 mm long, contours every 1 mm,"
    " in a logistic fall-off of 10 % a mm across it whose middle lies between the cord's axis and"
    " 3 mm beyond its surface; {phases} random places of cord, grid and fall-off. The must is 1 %, or"
    " the truth inside the interval: the row is the largest error where it is not. Below, the errors"
    " of trilinear (the default) and cubic dose, below zero where the dose is read too low, which is"
    " the unsafe side."
)
SEED = 35
PHASES = 50
FEW_PHASES = 12
RADII_MM = (4.0, 5.0)
GRIDS_MM = (1.0, 2.0, 2.5)
LENGTH_MM = 40.0
NEAR_MAX_CC = 0.035
MAX_GY = 30.0
PERCENT_PER_MM = 10.0
BEYOND_MM = 3.0
MARGIN_MM = 8.0  # of the dose grid around the cord
MUST, REACH_FOR = 1.0, 0.3
CUBIC = Convention(dose="cubic")


def section(*, small: bool) -> Section:
    """Measure all radii and grids; the small form takes fewer places."""
    phases = FEW_PHASES if small else PHASES
    errors = {
        (radius_mm, grid_mm): _errors_percent(radius_mm, grid_mm, phases)
        for radius_mm, grid_mm in product(RADII_MM, GRIDS_MM)
    }
    return Section(
        heading=HEADING,
        note=NOTE.format(phases=phases),
        rows=tuple(
            Row(
                what=f"radius {radius_mm:g} mm, grid {grid_mm:g} mm, outside the interval",
                must=MUST,
                reach_for=REACH_FOR,
                measured=_largest(found[0][found[2] == 0]),
                unit="%",
            )
            for (radius_mm, grid_mm), found in errors.items()
        ),
        details=tuple(_spread(errors)),
    )


def _errors_percent(
    radius_mm: float, grid_mm: float, phases: int
) -> NDArray[np.float64]:
    random = np.random.default_rng(SEED)
    return np.array(
        [_error_percent(radius_mm, grid_mm, random) for _ in range(phases)]
    ).T


def _error_percent(
    radius_mm: float, grid_mm: float, random: np.random.Generator
) -> tuple[float, float, bool]:
    """Return both errors at a random place, and if the interval holds the truth: the dose rises along y, the axis of the cord is z."""
    x_mm, y_mm, z_mm = random.uniform(-0.5, 0.5, 3).tolist()
    above_mm = random.uniform(0.0, radius_mm + BEYOND_MM)
    cord = Cylinder(
        radius_mm=radius_mm, length_mm=LENGTH_MM, centre_mm=(x_mm, y_mm, z_mm)
    )
    field = logistic_dose(
        max_gy=MAX_GY,
        axis="y",
        middle_mm=y_mm + above_mm,
        percent_per_mm=PERCENT_PER_MM,
    )
    reach_mm = np.array([radius_mm, radius_mm, LENGTH_MM / 2]) + MARGIN_MM
    starts_mm = -reach_mm - grid_mm * random.uniform(0.0, 1.0, 3)
    axes = [
        even_axis(float(low_mm), float(high_mm), grid_mm)
        for low_mm, high_mm in zip(starts_mm, reach_mm, strict=True)
    ]
    roi = cord.roi("cord", spacing_mm=1.0, phase_mm=random.uniform(-0.4, 0.4))
    dose, truth_gy = field.sampled(*axes), _truth_gy(radius_mm, above_mm)
    value = compute_band(roi, dose).dose_at_volume_gy(NEAR_MAX_CC)
    cubic_gy = compute_dvh(roi, dose, convention=CUBIC).dose_at_volume_gy(NEAR_MAX_CC)
    held = (
        value.low is not None
        and value.high is not None
        and value.low <= truth_gy <= value.high
    )
    linear, cubic = (
        100 * ((found or 0.0) / truth_gy - 1) for found in (value.value, cubic_gy)
    )
    return linear, cubic, held


def _truth_gy(radius_mm: float, above_mm: float) -> float:
    """Return the dose on the chord beyond which the near-maximum volume lies.

    The dose depends on one coordinate and rises along it, so the hottest volume is that of the
    circular segment beyond a chord at distance c, r^2 acos(c / r) - c sqrt(r^2 - c^2), times
    the length.
    """
    wanted_mm2 = 1000 * NEAR_MAX_CC / LENGTH_MM

    def excess_mm2(c_mm: float) -> float:
        segment_mm2 = radius_mm**2 * np.arccos(c_mm / radius_mm)
        return float(segment_mm2 - c_mm * np.sqrt(radius_mm**2 - c_mm**2) - wanted_mm2)

    chord_mm = float(brentq(excess_mm2, 0.0, radius_mm, xtol=1e-12))
    rate = 4 * PERCENT_PER_MM / 100
    return float(MAX_GY / (1 + np.exp(-rate * (chord_mm - above_mm))))


def _largest(errors: NDArray[np.float64]) -> float:
    return float(errors[np.abs(errors).argmax()]) if errors.size else 0.0


def _spread(errors: dict[tuple[float, float], NDArray[np.float64]]) -> list[str]:
    head = ["error in %", "median", "lowest", "highest", "median size"]
    head += ["cubic: lowest", "highest", "median size", "held in %"]
    body = [
        [
            f"radius {radius_mm:g} mm, grid {grid_mm:g} mm",
            *(
                f"{value:+.3f}"
                for value in (np.median(linear), linear.min(), linear.max())
            ),
            f"{np.median(np.abs(linear)):.3f}",
            *(f"{value:+.3f}" for value in (cubic.min(), cubic.max())),
            f"{np.median(np.abs(cubic)):.3f}",
            f"{100 * held.mean():.0f}",
        ]
        for (radius_mm, grid_mm), (linear, cubic, held) in errors.items()
    ]
    return grid(head, body)
