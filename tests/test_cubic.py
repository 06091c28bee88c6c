"""Dose between grid points: what cubic reading keeps, and what it gains and risks."""

import numpy as np
import pytest

from builders import box, dose_grid, dvh_of
from sbrtcheck.dvh.reading import taps
from sbrtcheck.model import Convention, DoseGrid, FloatArray
from sbrtcheck.phantoms import (
    Axis,
    Cylinder,
    DoseField,
    Sphere,
    even_axis,
    gaussian_dose,
    linear_dose,
    logistic_dose,
)

CUBIC = Convention(dose="cubic")
UNEVEN = np.cumsum([-20, *[1, 3.5, 0.5, 2, 6] * 3])


def sampled(field: DoseField, step_mm: float) -> DoseGrid:
    axis = even_axis(-30, 30, step_mm)
    return field.sampled(axis, axis, axis)


@pytest.mark.parametrize("grid_mm", [even_axis(-20, 20, 2.5), UNEVEN])
@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_cubic_weights_are_exact_for_polynomials(
    grid_mm: FloatArray, power: int
) -> None:
    """Any polynomial of third degree, away from the outermost steps, on even and uneven grids."""
    place_mm = np.linspace(grid_mm[1], grid_mm[-2], 57)[:-1]

    tap = taps(place_mm, grid_mm, "cubic")

    points = grid_mm[tap.first + np.arange(4)[:, None]]
    assert (tap.weights * points**power).sum(axis=0) == pytest.approx(
        place_mm**power, abs=1e-6
    )
    slope = power * place_mm ** max(power - 1, 0)
    assert (tap.slopes * points**power).sum(axis=0) == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("reading", ["trilinear", "cubic"])
def test_in_the_outermost_steps_reading_is_linear(reading: str) -> None:
    grid_mm = even_axis(0, 10, 2.0)

    tap = taps(np.array([0.5, 9.0]), grid_mm, reading)  # type: ignore[arg-type]

    values = (grid_mm**2)[tap.first + np.arange(len(tap.weights))[:, None]]
    assert (tap.weights * values).sum(axis=0) == pytest.approx([1.0, 82.0])


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_linear_dose_is_read_alike(axis: Axis) -> None:
    roi = Cylinder(radius_mm=5, length_mm=20).roi("cord", spacing_mm=2)
    dose = sampled(linear_dose(gradient_gy_per_mm=1, axis=axis, at_origin_gy=40), 2.5)

    one, other = dvh_of(roi, dose), dvh_of(roi, dose, convention=CUBIC)

    assert one.mean_gy == pytest.approx(other.mean_gy, abs=1e-6)
    assert one.dose_at_volume_gy(0.035) == pytest.approx(
        other.dose_at_volume_gy(0.035), abs=0.01
    )


def test_the_peak_of_a_small_sphere_is_read_closer_to_its_truth() -> None:
    """V20Gy of a 10 mm sphere in a Gaussian of 30 Gy, sigma 5 mm, 1 mm grid: cubic is nearer."""
    radius_mm = 5 * float(np.sqrt(2 * np.log(1.5)))
    truth_cc = Sphere(radius_mm=radius_mm).volume_cc
    roi = Sphere(radius_mm=5).roi("target", spacing_mm=0.5)
    dose = sampled(gaussian_dose(max_gy=30, sigma_mm=5), 1.0)

    linear, cubic = (
        abs((dvh_of(roi, dose, convention=c).volume_at_dose_cc(20) or 0) / truth_cc - 1)
        for c in (Convention(), CUBIC)
    )

    assert cubic < linear / 2


@pytest.mark.parametrize("middle_mm", [-6.0, -3.0, 0.0, 3.0])
def test_a_cord_in_a_penumbra_is_read_within_three_thousandths(
    middle_mm: float,
) -> None:
    """Radius 5 mm, 10 % of 40 Gy a mm, 2.5 mm grid; truth by the segment beyond a chord."""
    radius_mm, length_mm = 5.0, 40.0
    field = logistic_dose(max_gy=40, axis="x", middle_mm=middle_mm, percent_per_mm=10)
    solid = Cylinder(radius_mm=radius_mm, length_mm=length_mm)
    chord_mm = solid.coordinate_mm("x", 0.035)
    truth_gy = float(field.dose_gy_at(np.array(chord_mm), np.zeros(1), np.zeros(1))[()])

    dvh = dvh_of(solid.roi("cord", spacing_mm=2), sampled(field, 2.5), convention=CUBIC)

    assert dvh.dose_at_volume_gy(0.035) == pytest.approx(truth_gy, rel=5e-3)


def test_cubic_dose_at_a_step_overshoots_and_says_so_in_its_maximum() -> None:
    """Water beside bone: 20 and 22 Gy. A cubic swings past the step by less than a tenth of it."""
    axis = even_axis(-30, 30, 2.0)
    step = np.broadcast_to(np.where(axis < 0.5, 20.0, 22.0), (axis.size,) * 3)
    dose = DoseGrid(dose_gy=step, x_mm=axis, y_mm=axis, z_mm=axis)
    roi = Cylinder(radius_mm=6, length_mm=20).roi("cord", spacing_mm=2)

    dvh = dvh_of(roi, dose, convention=CUBIC)

    assert dvh.max_gy is not None
    assert 22.0 < dvh.max_gy < 22.25
    assert dvh_of(roi, dose).max_gy == pytest.approx(22.0)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_the_mean_of_a_dose_that_bends_is_exact(axis: Axis) -> None:
    """Of 20 + s^2 / 10 in Gy over a side from 1 to 21 mm: the mean square is 463 / 3 mm2.

    Sub-cells of 2 mm: the dose in their middles alone would be 1 / 30 Gy less.
    """
    dose = dose_grid(
        lambda x, y, z: 20 + (x if axis == "x" else y) ** 2 / 10 + 0 * (x + y + z),
        (-30, -30, -30),
        (30, 30, 30),
        2.5,
    )
    roi = box("cube", (1, 1, 1), (21, 21, 21), spacing_mm=2)

    dvh = dvh_of(roi, dose, convention=Convention(dose="cubic", sub_cells=1000))

    assert dvh.mean_gy == pytest.approx(20 + 463 / 3 / 10, abs=1e-6)
