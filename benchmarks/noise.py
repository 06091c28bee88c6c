"""Cubic dose in noise and at sharp edges, where it could do harm."""

import numpy as np
from numpy.typing import NDArray

from sbrtcheck import Convention, DoseGrid, compute_dvh
from sbrtcheck.phantoms import Cylinder, even_axis, logistic_dose
from table import Row, Section

__all__ = ["section"]

HEADING = "Cubic dose in noise and at sharp edges"
NOTE = (
    "D0.035cc of a cord of 5 mm radius in a fall-off of 6 % a mm on a 2 mm grid, {times} places, with"
    " 2 % of Monte-Carlo-like noise on every grid point; and beside a step of 5 % (water and bone)."
    " How much larger the median error of cubic reading is than that of trilinear reading, in % of"
    " the truth without noise; above 0.5 cubic would be worse. Below 0 it is better."
)
SEED = 8
TIMES, FEW_TIMES = 60, 12
NOISE_PART, STEP_PART = 0.02, 0.05
MUST = 0.5
RADIUS_MM, LENGTH_MM, GRID_MM = 5.0, 40.0, 2.0
CUBIC = Convention(dose="cubic")


def section(*, small: bool) -> Section:
    """Measure noise and step; the small form takes fewer places."""
    times = FEW_TIMES if small else TIMES
    random = np.random.default_rng(SEED)
    noisy = np.array([_errors(random, noise=True) for _ in range(times)])
    stepped = np.array([_errors(random, noise=False) for _ in range(times)])
    rows = (_row("2 % noise", noisy), _row("step of 5 %", stepped))
    return Section(heading=HEADING, note=NOTE.format(times=times), rows=rows)


def _row(what: str, errors: NDArray[np.float64]) -> Row:
    linear, cubic = np.median(errors, axis=0)
    worse = max(float(cubic - linear), 0.0)
    return Row(
        what=f"{what}: trilinear {linear:.2f} %, cubic {cubic:.2f} %; cubic worse by",
        must=MUST,
        measured=worse,
        unit="%",
    )


def _errors(random: np.random.Generator, *, noise: bool) -> tuple[float, float]:
    """Return the size of the error of both readings, in per cent."""
    middle_mm = random.uniform(0, 8)
    solid = Cylinder(radius_mm=RADIUS_MM, length_mm=LENGTH_MM)
    field = logistic_dose(max_gy=30, axis="x", middle_mm=middle_mm, percent_per_mm=6)
    chord_mm = solid.coordinate_mm("x", 0.035)
    here = np.zeros(1)
    truth_gy = float(field.dose_gy_at(np.array([chord_mm]), here, here)[0])
    starts_mm = -26 - GRID_MM * random.random(3)
    x, y, z = (even_axis(float(start), 28, GRID_MM) for start in starts_mm)
    dose_gy = field.dose_gy_at(x, y[:, None], z[:, None, None]) + np.zeros(
        (z.size, y.size, x.size)
    )
    if noise:
        dose_gy = dose_gy * (1 + NOISE_PART * random.normal(size=dose_gy.shape))
    else:
        dose_gy = dose_gy * np.where(x > chord_mm - 3, 1 + STEP_PART, 1)
        truth_gy *= 1 + STEP_PART
    dose = DoseGrid(dose_gy=dose_gy, x_mm=x, y_mm=y, z_mm=z)
    roi = solid.roi("cord", spacing_mm=2)
    linear, cubic = (
        100
        * abs(
            (compute_dvh(roi, dose, convention=c).dose_at_volume_gy(0.035) or 0)
            / truth_gy
            - 1
        )
        for c in (Convention(), CUBIC)
    )
    return linear, cubic
