"""DVHs against closed forms, and what is said where no dose can be named.

Linear doses rise by 1 Gy/mm: an error of 0.01 Gy is a surface read 0.01 mm off.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from builders import box, dose_grid, dvh_of
from sbrtcheck.contours import build_region
from sbrtcheck.dvh import DVH, DVHResult, NoDose, NothingDrawn, compute_dvh
from sbrtcheck.model import ROI, Contour, DoseGrid, FloatArray
from sbrtcheck.phantoms import (
    Axis,
    Box,
    Cone,
    Cylinder,
    DoseField,
    Solid,
    Sphere,
    Tube,
    even_axis,
    gaussian_dose,
    linear_dose,
    logistic_dose,
)

CENTRE = (3.3, -7.1, 12.4)  # off every grid and plane
MIDDLE = dict(zip("xyz", CENTRE, strict=True))
STEPS = (1.0, 2.0, 2.5, 3.0)
AT_ORIGIN_GY = 40.0

# Axial prisms of whole slabs: the slab convention gives exactly these solids.
PRISMS: dict[str, Solid] = {
    "cylinder": Cylinder(centre_mm=CENTRE, radius_mm=6, length_mm=24),
    "tube": Tube(centre_mm=CENTRE, radius_mm=8, hole_radius_mm=5, length_mm=24),
    "box": Box(centre_mm=CENTRE, size_mm=(9, 14, 24)),
}
ROUND: dict[str, Solid] = {
    "sphere": Sphere(centre_mm=CENTRE, radius_mm=10),
    "cone": Cone(centre_mm=CENTRE, radius_mm=12, height_mm=24),
    "lying cone": Cone(centre_mm=CENTRE, radius_mm=12, height_mm=24, axis="y"),
    "lying cylinder": Cylinder(centre_mm=CENTRE, radius_mm=10, length_mm=24, axis="x"),
}
# The curve has 2 000 bins over at most 28 mm, 0.014 Gy each, and is straight within a bin.
BIN_GY = 0.014


def sampled(
    field: DoseField, step_mm: float = 2.0, low_mm: float = -30.3, high_mm: float = 40
) -> DoseGrid:
    axis_mm = even_axis(low_mm, high_mm, step_mm)
    return field.sampled(axis_mm, axis_mm, axis_mm)


def rising(axis: Axis, step_mm: float = 2.0) -> DoseGrid:
    return sampled(
        linear_dose(gradient_gy_per_mm=1, axis=axis, at_origin_gy=AT_ORIGIN_GY), step_mm
    )


def uniform(dose_gy: float) -> DoseGrid:
    return sampled(linear_dose(gradient_gy_per_mm=0, axis="x", at_origin_gy=dose_gy))


def true_dose_gy(solid: Solid, axis: Axis, volume_cc: float) -> float:
    """Return D(volume) of a solid in `rising`."""
    return AT_ORIGIN_GY + solid.coordinate_mm(axis, volume_cc)


def doses_gy(dvh: DVH) -> dict[str, float | None]:
    return {
        "D95%": dvh.dose_at_percent_gy(95),
        "D50%": dvh.dose_at_percent_gy(50),
        "D2%": dvh.dose_at_percent_gy(2),
        "D0.035cc": dvh.dose_at_volume_gy(0.035),
    }


def true_doses_gy(solid: Solid, axis: Axis) -> dict[str, float]:
    asked = {
        "D95%": 0.95 * solid.volume_cc,
        "D50%": 0.5 * solid.volume_cc,
        "D2%": 0.02 * solid.volume_cc,
        "D0.035cc": 0.035,
    }
    return {
        name: true_dose_gy(solid, axis, volume_cc) for name, volume_cc in asked.items()
    }


# --- closed forms ---


@pytest.mark.parametrize("step_mm", STEPS)
@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("name", PRISMS)
def test_metrics_of_prisms_are_exact(name: str, axis: Axis, step_mm: float) -> None:
    """Any grid, also one that is no power of 2 finer (dicompyler-core#117, #192)."""
    solid = PRISMS[name]
    dvh = dvh_of(solid.roi(name, spacing_mm=2), rising(axis, step_mm))

    assert doses_gy(dvh) == pytest.approx(true_doses_gy(solid, axis), abs=BIN_GY / 4)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("name", PRISMS)
def test_volumes_at_a_dose_of_prisms_are_exact(name: str, axis: Axis) -> None:
    solid = PRISMS[name]
    dvh = dvh_of(solid.roi(name, spacing_mm=2), rising(axis))

    for beyond_mm in (-3.0, 0.0, 2.0, 4.0):
        c_mm = MIDDLE[axis] + beyond_mm
        # A quarter of a bin of 0.014 mm, times the largest cross section, 14 x 24 mm2.
        assert dvh.volume_at_dose_cc(AT_ORIGIN_GY + c_mm) == pytest.approx(
            solid.volume_beyond_cc(axis, c_mm), abs=0.0012
        )


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("name", PRISMS)
def test_volumes_of_prisms_are_exact(name: str, spacing_mm: float) -> None:
    """Phantom circles are polygons of the circle's area: only rounding is left."""
    solid = PRISMS[name]
    dvh = dvh_of(solid.roi(name, spacing_mm=spacing_mm), rising("x"))

    assert dvh.volume_cc == pytest.approx(solid.volume_cc, rel=1e-12)
    assert dvh.volume_cc_at_dose[0] == pytest.approx(solid.volume_cc, rel=1e-12)
    assert dvh.volume_outside_cc == 0


@pytest.mark.parametrize("step_mm", STEPS)
@pytest.mark.parametrize("spacing_mm", [1.0, 2.0, 3.0])
def test_a_sphere_is_its_slabs(spacing_mm: float, step_mm: float) -> None:
    """Across the slabs, each is a cylinder, so the stack has a closed form of its own."""
    solid = ROUND["sphere"]
    roi = solid.roi("sphere", spacing_mm=spacing_mm)
    slabs = [
        Cylinder(
            centre_mm=CENTRE,
            radius_mm=float(np.sqrt(100 - (z_mm - CENTRE[2]) ** 2)),
            length_mm=spacing_mm,
        )
        for z_mm in roi.z_mm
    ]
    dvh = dvh_of(roi, rising("x", step_mm))

    for beyond_mm in (-8.0, -2.0, 1.0, 6.0, 9.0):
        c_mm = MIDDLE["x"] + beyond_mm
        truth_cc = sum(slab.volume_beyond_cc("x", c_mm) for slab in slabs)
        # A third of a bin of 0.01 mm, times the cross section of 314 mm2.
        assert dvh.volume_at_dose_cc(AT_ORIGIN_GY + c_mm) == pytest.approx(
            truth_cc, abs=0.001
        )


@pytest.mark.parametrize("step_mm", STEPS)
@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("name", ROUND)
def test_metrics_of_round_solids_are_within_the_slab_convention(
    name: str, axis: Axis, step_mm: float
) -> None:
    """On planes of 1 mm. Steps of slabs against a slope: at most half a slab along z, and its
    quarter where the metric is of a bulk; within a plane the tip of a slab's ring is missed.
    """
    solid = ROUND[name]
    dvh = dvh_of(solid.roi(name, spacing_mm=1), rising(axis, step_mm))
    truth = true_doses_gy(solid, axis)
    found = doses_gy(dvh)

    for metric in ("D95%", "D50%"):
        assert found[metric] == pytest.approx(truth[metric], abs=0.06)
    for metric in ("D2%", "D0.035cc"):
        assert found[metric] == pytest.approx(
            truth[metric], abs=0.25 if axis == "z" else 0.03
        )
    # Midpoint rule: s^2 / 8 r^2 on a sphere, up to 0.35 (s / r)^1.5 where an end face is flat.
    assert dvh.volume_cc == pytest.approx(solid.volume_cc, rel=0.011)


def test_volumes_of_random_small_spheres_are_good() -> None:
    """Diameters of 7 to 20 mm on 1 mm planes: 0.5 % in the mean, 3 % at worst; of 5 mm: 4 %."""
    random = np.random.default_rng(7)
    for diameter_mm, most in ((5, 0.04), (7, 0.03), (10, 0.03), (20, 0.03)):
        solid = Sphere(radius_mm=diameter_mm / 2)
        errors = []
        for phase_mm in random.uniform(-0.5, 0.5, 50):
            region = build_region(solid.roi("sphere", spacing_mm=1, phase_mm=phase_mm))
            assert region.volume_cc is not None
            errors.append(region.volume_cc / solid.volume_cc - 1)

        assert abs(np.mean(errors)) < 0.005
        assert np.abs(errors).max() < most


def cord_in_a_fall_off(
    radius_mm: float, middle_mm: float, step_mm: float
) -> tuple[DVH, DoseField, DoseGrid, float]:
    """Return the DVH of a cord in a dose that falls by 10 %/mm, and the y of its D0.035cc."""
    cord = Cylinder(radius_mm=radius_mm, length_mm=40)
    field = logistic_dose(max_gy=40, axis="y", middle_mm=middle_mm, percent_per_mm=-10)
    dose = sampled(field, step_mm)
    y_mm = -cord.coordinate_mm(
        "y", 0.035
    )  # a cylinder is as large on its hot as on its cold side
    return dvh_of(cord.roi("cord", spacing_mm=2), dose), field, dose, y_mm


@pytest.mark.parametrize("step_mm", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("radius_mm", [4.0, 5.0])
@pytest.mark.parametrize("middle_mm", [-8.0, -2.0, 2.0])
def test_dose_between_grid_points_is_trilinear(
    middle_mm: float, radius_mm: float, step_mm: float
) -> None:
    """As planning systems read it. The dose changes along y only: the truth is one `interp`."""
    dvh, _, dose, y_mm = cord_in_a_fall_off(radius_mm, middle_mm, step_mm)
    truth_gy = np.interp(y_mm, dose.y_mm, dose.dose_gy[0, :, 0])

    # A bend of the dose at a grid point, smoothed over a sub-cell of 0.4 mm.
    assert dvh.dose_at_volume_gy(0.035) == pytest.approx(truth_gy, rel=0.003)


@pytest.mark.parametrize("step_mm", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("radius_mm", [4.0, 5.0])
@pytest.mark.parametrize("middle_mm", [-2.0, 0.0, 2.0])
def test_the_cord_on_the_shoulder_of_a_fall_off_is_read_within_its_grid(
    middle_mm: float, radius_mm: float, step_mm: float
) -> None:
    """Between points h apart a trilinear dose is low by at most h^2 / 8 times the curvature;
    of a logistic of 10 %/mm that is 0.0154 of the maximum per mm2: 1.2 % at 2.5 mm, of a dose
    of three quarters of the maximum 1.6 %.
    """
    dvh, field, _, y_mm = cord_in_a_fall_off(radius_mm, middle_mm, step_mm)
    truth_gy = float(field.dose_gy_at(np.zeros(1), np.array([y_mm]), np.zeros(1))[0])

    most = 0.016 * (step_mm / 2.5) ** 2 + 0.001
    assert dvh.dose_at_volume_gy(0.035) == pytest.approx(truth_gy, rel=most)


def test_a_hot_spot_has_the_volume_of_its_isodose() -> None:
    """V25Gy of a Gaussian of 50 Gy is a ball of radius sigma sqrt(2 ln 2), 9.42 mm."""
    field = gaussian_dose(max_gy=50, sigma_mm=8, centre_mm=CENTRE)
    ball = Sphere(radius_mm=8 * float(np.sqrt(2 * np.log(2))))
    roi = Box(centre_mm=CENTRE, size_mm=(30, 30, 30)).roi("box", spacing_mm=1)

    dvh = dvh_of(roi, sampled(field, 1.0))

    # Trilinear dose on a 1 mm grid lies below a peak by step^2 / 8 times the curvature along
    # each axis: 0.02 mm of radius here.
    assert dvh.volume_at_dose_cc(25) == pytest.approx(ball.volume_cc, rel=0.01)


def test_half_a_voxel_of_shift_changes_nothing() -> None:
    """dicompyler-core#192: the interpolated DVH was shifted by an index error."""
    roi = PRISMS["cylinder"].roi("cord", spacing_mm=2)
    field = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=AT_ORIGIN_GY)

    found = [
        doses_gy(dvh_of(roi, sampled(field, 2.5, low_mm=low_mm)))
        for low_mm in (-30, -31.25)
    ]

    # Linear doses are read exactly on either grid; the ends of dose intervals are kept to a
    # twenty-thousandth of the range, 1 mGy, and one that lies on such an edge may round both ways.
    assert found[0] == pytest.approx(found[1], abs=1e-3)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_uneven_grids_are_read_where_they_are(axis: Axis) -> None:
    solid = PRISMS["box"]
    field = linear_dose(gradient_gy_per_mm=1, axis=axis, at_origin_gy=AT_ORIGIN_GY)
    uneven_mm = np.cumsum([-30, *[1, 3.5, 0.5, 2, 6] * 6])
    even_mm = even_axis(-30, 40, 2.0)
    axes = [uneven_mm if name == axis else even_mm for name in "xyz"]

    dvh = dvh_of(solid.roi("box", spacing_mm=3), field.sampled(*axes))

    # A layer may hold two steps of the grid, whose gradients differ by rounding only.
    assert doses_gy(dvh) == pytest.approx(true_doses_gy(solid, axis), abs=BIN_GY / 4)


# --- uniform dose, extremes ---


@pytest.mark.parametrize("dose_gy", [0.0, 1e-6, 50.0])
def test_a_uniform_dose_is_every_metric(dose_gy: float) -> None:
    dvh = dvh_of(PRISMS["tube"].roi("ring", spacing_mm=2), uniform(dose_gy))

    assert (dvh.min_gy, dvh.max_gy) == pytest.approx((dose_gy, dose_gy), rel=1e-12)
    assert dvh.mean_gy == pytest.approx(dose_gy, rel=1e-12)
    assert list(doses_gy(dvh).values()) == pytest.approx([dose_gy] * 4, rel=1e-12)
    assert dvh.volume_at_dose_percent(dose_gy) == pytest.approx(100, rel=1e-12)
    assert dvh.volume_at_dose_cc(dose_gy + 0.001) == 0


def test_a_volume_at_just_the_maximum_receives_at_least_that_dose() -> None:
    """A plateau at the prescription: V100% is the plateau, not nothing."""
    step_mm = even_axis(-30, 30, 2.0)
    plateau = DoseField(lambda x_mm, _y, _z: np.minimum(50.0, 50 + x_mm))
    roi = Box(size_mm=(20, 10, 10)).roi("ptv", spacing_mm=2)

    dvh = dvh_of(roi, plateau.sampled(step_mm, step_mm, step_mm))

    # Half of the box, but for the cells at the kink: 0.4 mm wide, of 20 mm.
    assert dvh.volume_at_dose_percent(50) == pytest.approx(50, abs=2.1)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize(
    ("name", "half_mm"),
    [("cylinder", (6, 6, 12)), ("tube", (8, 8, 12)), ("box", (4.5, 7, 12))],
)
def test_extremes_are_those_of_the_surface(
    name: str, half_mm: tuple[float, float, float], axis: Axis
) -> None:
    dvh = dvh_of(PRISMS[name].roi(name, spacing_mm=2), rising(axis))
    half_gy, middle_gy = half_mm["xyz".index(axis)], AT_ORIGIN_GY + MIDDLE[axis]

    # Corners of a 360-gon lie 0.0003 mm outside the circle of its area.
    assert dvh.max_gy == pytest.approx(middle_gy + half_gy, abs=0.0005)
    assert dvh.min_gy == pytest.approx(middle_gy - half_gy, abs=0.0005)


@pytest.mark.parametrize("offset_mm", [0.01, 0.2, 0.9])
def test_a_hot_grid_point_just_inside_the_wall_is_the_maximum(offset_mm: float) -> None:
    axis_mm = even_axis(-20, 20, 2.0)
    dose_gy = np.ones((axis_mm.size,) * 3)
    dose_gy[10, 10, 15] = 60.0  # at x = 10, y = z = 0
    roi = Box(size_mm=(20 + 2 * offset_mm, 20, 20)).roi("box", spacing_mm=2)

    dvh = dvh_of(
        roi, DoseGrid(dose_gy=dose_gy, x_mm=axis_mm, y_mm=axis_mm, z_mm=axis_mm)
    )

    assert dvh.max_gy == 60


def test_a_cold_grid_point_in_a_hole_is_not_the_minimum() -> None:
    axis_mm = even_axis(-20, 20, 2.0)
    dose_gy = np.full((axis_mm.size,) * 3, 50.0)
    dose_gy[:, 10, 10] = 0.0
    roi = Tube(radius_mm=8, hole_radius_mm=4, length_mm=20).roi("ring", spacing_mm=2)

    dvh = dvh_of(
        roi, DoseGrid(dose_gy=dose_gy, x_mm=axis_mm, y_mm=axis_mm, z_mm=axis_mm)
    )

    assert dvh.min_gy == 50


# --- one hot voxel, size, memory ---


def with_hot_voxel(dose_gy: float) -> DoseGrid:
    """Return `rising("z")` with one voxel, 1.6 mm inside the box, at this dose."""
    grid = rising("z")
    values = grid.dose_gy.copy()
    values[21, 12, 17] = dose_gy
    return replace(grid, dose_gy=values)


def test_one_voxel_of_a_million_gray_makes_no_big_array() -> None:
    """DVH-Analytics#83, #166: 45 minutes and 46 GB."""
    roi, dose = PRISMS["box"].roi("box", spacing_mm=2), with_hot_voxel(1e6)

    tracemalloc.start()
    dvh = dvh_of(roi, dose)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert dvh.max_gy == 1e6
    assert dvh.dose_gy.size < 2_100
    # Sub-cells and their grid take 10 MB with or without the voxel.
    assert peak_bytes < 30e6


@pytest.mark.parametrize("hot_gy", [300.0, 1e4, 1e6])
def test_one_hot_voxel_leaves_the_metrics_of_the_bulk_alone(hot_gy: float) -> None:
    """It reaches 4 mm along each axis, and the sub-cells at the end of its reach, 0.5 mm wide,
    count as reached: 90 mm3, which fill 0.71 mm of the height of the box.
    """
    roi = PRISMS["box"].roi("box", spacing_mm=2)

    hot, without = (
        dvh_of(roi, with_hot_voxel(hot_gy)),
        dvh_of(roi, rising("z")),
    )

    for percent in (95, 50):
        found, expected = (
            hot.dose_at_percent_gy(percent),
            without.dose_at_percent_gy(percent),
        )
        assert found == pytest.approx(expected, abs=0.71)
    assert hot.volume_cc == without.volume_cc


@pytest.mark.parametrize("hot_gy", [3e3, 1e4])
def test_below_a_hot_voxel_doses_are_as_fine_as_without(hot_gy: float) -> None:
    """It is felt from 42 Gy on, so the doses of more than half of a rod are those of its chords."""
    solid = Cylinder(radius_mm=6, length_mm=24)
    grid = dose_grid(
        lambda x, y, z: 40 + x + 0 * (y + z), (-20, -20, -20), (20, 20, 20), 2.0
    )
    values = grid.dose_gy.copy()
    values[10, 10, 12] = hot_gy

    dvh = dvh_of(solid.roi("rod", spacing_mm=2), replace(grid, dose_gy=values))

    for percent in (95, 80, 60):
        chord_mm = solid.coordinate_mm("x", solid.volume_cc * percent / 100)
        assert dvh.dose_at_percent_gy(percent) == pytest.approx(40 + chord_mm, abs=0.01)


def test_a_body_of_15_litres_takes_little_memory() -> None:
    """The dose of 100 x 150 x 250 grid points alone has 30 MB; the limit is 100 MB beside it."""
    body = Cylinder(radius_mm=155, length_mm=200).roi("body", spacing_mm=2.5)
    axis_mm = even_axis(-160, 160, 2.0)
    field = gaussian_dose(max_gy=40, sigma_mm=30)
    dose = field.sampled(axis_mm, axis_mm, even_axis(-110, 110, 2.0))

    tracemalloc.start()
    dvh = dvh_of(body, dose)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert dvh.volume_cc == pytest.approx(np.pi * 155**2 * 0.2, rel=1e-12)
    assert peak_bytes < 50e6


def test_small_pieces_far_apart_take_little_memory() -> None:
    """Sub-cells of 0.3 mm over all of 40 x 40 cm would be millions on each plane."""
    pieces = [
        Cylinder(centre_mm=(x, x, 0), radius_mm=3, length_mm=6) for x in (-200.0, 200.0)
    ]
    contours = [c for piece in pieces for c in piece.roi("", spacing_mm=2).contours]
    axis_mm = even_axis(-210, 210, 5.0)
    dose = linear_dose(gradient_gy_per_mm=0.1, axis="x", at_origin_gy=40).sampled(
        axis_mm, axis_mm, even_axis(-10, 10, 5.0)
    )

    tracemalloc.start()
    dvh = dvh_of(ROI(name="two", contours=tuple(contours)), dose)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert dvh.volume_cc == pytest.approx(2 * pieces[0].volume_cc, rel=1e-12)
    assert dvh.dose_at_percent_gy(75) == pytest.approx(
        20, abs=0.01
    )  # the middle of one piece
    assert peak_bytes < 100e6


# --- thin and small ---


@pytest.mark.parametrize("width_mm", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_sheet_thinner_than_a_voxel_has_its_own_dvh(
    axis: Axis, width_mm: float
) -> None:
    """From D98% to D2% lie 96 % of its width, however few cells it spans."""
    size_mm = {"x": 40.0, "y": 40.0, "z": 40.0} | {axis: width_mm}
    sheet = Box(centre_mm=CENTRE, size_mm=(size_mm["x"], size_mm["y"], size_mm["z"]))
    spacing_mm = width_mm if axis == "z" else 2.0

    dvh = dvh_of(sheet.roi("sheet", spacing_mm=spacing_mm), rising(axis, 3.0))

    assert dvh.volume_cc == pytest.approx(sheet.volume_cc, rel=1e-9)
    for percent in (98, 50, 2):
        truth_gy = true_dose_gy(sheet, axis, sheet.volume_cc * percent / 100)
        assert dvh.dose_at_percent_gy(percent) == pytest.approx(
            truth_gy, abs=width_mm / 100
        )


def test_an_roi_within_one_voxel_has_a_dvh() -> None:
    tiny = Box(centre_mm=CENTRE, size_mm=(0.5, 0.5, 0.6))

    dvh = dvh_of(tiny.roi("tiny", spacing_mm=0.3), rising("x", 3.0))

    assert dvh.volume_cc == pytest.approx(0.00015, rel=1e-9)
    assert dvh.dose_at_percent_gy(50) == pytest.approx(
        AT_ORIGIN_GY + CENTRE[0], abs=0.001
    )


def test_a_contour_on_voxel_edges_has_a_dvh() -> None:
    """dicompyler-core#389: an "Empty DVH"."""
    axis_mm = even_axis(-20, 20, 2.0)
    dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=40).sampled(
        axis_mm, axis_mm, axis_mm
    )
    for shift_mm in (0.0, 1.0):  # on grid points, and on the faces between them
        box = Box(centre_mm=(shift_mm, shift_mm, shift_mm), size_mm=(4, 4, 4))

        dvh = dvh_of(box.roi("box", spacing_mm=2), dose)

        assert dvh.volume_cc_at_dose[0] == pytest.approx(0.064, rel=1e-12)
        assert dvh.dose_at_percent_gy(50) == pytest.approx(40 + shift_mm, abs=0.001)


@pytest.mark.parametrize("radius_mm", [1.0, 2.0, 4.0])
def test_doses_of_a_small_roi_fall_from_d96_to_d100(radius_mm: float) -> None:
    """dicompyler-core#340, #85: D97-D99 were 0 Gy while D96 and D100 were 76 Gy."""
    small = Sphere(centre_mm=CENTRE, radius_mm=radius_mm)
    assert small.volume_cc < 0.5

    dvh = dvh_of(small.roi("small", spacing_mm=1), rising("z", 2.5))
    found = [
        dvh.dose_at_percent_gy(percent) or 0.0 for percent in np.arange(90, 100.01, 0.5)
    ]

    assert (np.diff(found) <= 0).all()
    assert found[-1] == dvh.min_gy
    assert found[-1] > AT_ORIGIN_GY + CENTRE[2] - radius_mm - 0.5


# --- what cannot be named ---


def test_an_roi_smaller_than_the_asked_volume_has_no_dose_there() -> None:
    """1.5 cc at a uniform 50 Gy: D2cc is not 0 Gy, it is not known."""
    dvh = dvh_of(Box(size_mm=(10, 10, 15)).roi("organ", spacing_mm=3), uniform(50.0))

    assert dvh.dose_at_volume_gy(2.0) is None
    assert dvh.dose_at_volume_gy(1.5) == pytest.approx(50, rel=1e-12)


def test_a_dose_asked_of_no_volume_is_an_error() -> None:
    dvh = dvh_of(PRISMS["box"].roi("box", spacing_mm=2), uniform(50.0))

    with pytest.raises(ValueError, match="volume_cc must be positive, got 0"):
        dvh.dose_at_volume_gy(0)
    with pytest.raises(ValueError, match=r"percent must be in \(0, 100\], got 101"):
        dvh.dose_at_percent_gy(101)


@pytest.mark.parametrize("roi", [ROI(name="none"), ROI(name="dot", contours=(
    Contour(points_mm=np.zeros((1, 2)), z_mm=0.0),))], ids=lambda roi: roi.name)  # fmt: skip
def test_an_roi_without_volume_has_no_dvh(roi: ROI) -> None:
    found = compute_dvh(roi, uniform(50.0))

    assert isinstance(found, NothingDrawn)
    assert str(found.reason) == "the ROI has no closed contours"
    assert (found.volume_cc, found.volume_outside_cc) == (None, None)
    assert answers_of(found) == NO_ANSWERS
    assert not found.is_complete


NO_ANSWERS = (None,) * 5


def answers_of(found: DVHResult) -> tuple[float | None, ...]:
    """Return what may be asked of an ROI, whether it has a DVH or not."""
    return (
        found.dose_at_volume_gy(0.035),
        found.dose_inside_gy(0.035),
        found.dose_at_percent_gy(95),
        found.volume_at_dose_cc(0.0),
        found.volume_at_dose_percent(0.0),
    )


def grid_to(x_mm: float, axis: Axis = "x") -> DoseGrid:
    """Return `rising(axis)` that ends at x = `x_mm`."""
    y_mm = even_axis(-30, 40, 2.0)
    field = linear_dose(gradient_gy_per_mm=1, axis=axis, at_origin_gy=AT_ORIGIN_GY)
    return field.sampled(even_axis(x_mm - 60, x_mm, 2.0), y_mm, y_mm)


@pytest.mark.parametrize("beyond_mm", [-5.9, -1.0, 0.07, 3.3, 5.9])
def test_an_roi_that_leaves_the_grid_keeps_its_volume(beyond_mm: float) -> None:
    """What is outside and what is inside are the whole."""
    solid = PRISMS["cylinder"]
    edge_mm = CENTRE[0] + beyond_mm
    dvh = dvh_of(solid.roi("cord", spacing_mm=2), grid_to(edge_mm))

    assert dvh.volume_cc == pytest.approx(solid.volume_cc, rel=1e-12)
    # Only where contour and grid border meet in one cell is its part outside estimated.
    assert dvh.volume_outside_cc == pytest.approx(
        solid.volume_beyond_cc("x", edge_mm), abs=5e-3 * solid.volume_cc
    )
    assert dvh.volume_outside_cc + dvh.volume_cc_at_dose[0] == pytest.approx(
        solid.volume_cc, rel=1e-12
    )


def test_an_roi_that_leaves_the_grid_along_z_tells_its_part_outside() -> None:
    solid = PRISMS["cylinder"]
    axis_mm = even_axis(-30, 40, 2.0)
    field = linear_dose(gradient_gy_per_mm=1, axis="z")
    dose = field.sampled(axis_mm, axis_mm, even_axis(-30, 19.3, 1.7))
    dvh = dvh_of(solid.roi("cord", spacing_mm=3), dose)

    truth_cc = solid.volume_beyond_cc("z", float(dose.z_mm[-1]))
    assert dvh.volume_outside_cc == pytest.approx(truth_cc, rel=1e-9)


def test_an_roi_that_leaves_the_grid_has_only_a_lower_bound_of_dose() -> None:
    """The hottest part is outside: what is inside cannot be the answer, but bounds it."""
    solid = PRISMS["cylinder"]
    dvh = dvh_of(solid.roi("cord", spacing_mm=2), grid_to(CENTRE[0]))

    assert not dvh.is_complete
    assert dvh.dose_at_volume_gy(0.035) is None
    assert dvh.dose_at_percent_gy(95) is None
    assert dvh.volume_at_dose_cc(20.0) is None
    lower_gy = dvh.dose_inside_gy(0.035)
    assert lower_gy is not None
    assert lower_gy < true_dose_gy(solid, "x", 0.035)
    # 0.035 cc of a section of 12 x 24 mm2 at the border are 0.12 mm of it.
    assert lower_gy == pytest.approx(AT_ORIGIN_GY + CENTRE[0] - 0.12, abs=0.02)


def test_a_little_outside_is_outside() -> None:
    """A hundredth of a millimetre of skin beyond the grid is no rounding."""
    solid = Box(size_mm=(20, 20, 20))

    dvh = dvh_of(solid.roi("box", spacing_mm=2), grid_to(9.99))

    assert dvh.volume_outside_cc == pytest.approx(0.004, rel=0.05)
    assert dvh.dose_at_percent_gy(95) is None


def test_an_roi_up_to_the_last_grid_point_is_inside() -> None:
    solid = Box(size_mm=(20, 20, 20))

    dvh = dvh_of(solid.roi("box", spacing_mm=2), grid_to(10.0))

    assert dvh.volume_outside_cc == 0
    assert dvh.dose_at_percent_gy(100) == pytest.approx(AT_ORIGIN_GY - 10, abs=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_roi_wholly_outside_has_a_volume_and_no_dose(axis: int) -> None:
    centre_mm = [0.0, 0.0, 0.0]
    centre_mm[axis] = 500.0
    solid = Sphere(centre_mm=(centre_mm[0], centre_mm[1], centre_mm[2]), radius_mm=10)

    found = compute_dvh(solid.roi("far", spacing_mm=2), rising("x"))

    assert isinstance(found, NoDose)
    assert found.volume_cc == found.volume_outside_cc
    assert found.volume_cc == pytest.approx(solid.volume_cc, rel=0.01)
    assert answers_of(found) == NO_ANSWERS
    assert not found.is_complete


def test_an_roi_outside_as_if_it_had_one_dose_has_a_dvh() -> None:
    far = Box(size_mm=(10, 10, 10), centre_mm=(500, 0, 0)).roi("far", spacing_mm=2)
    found = compute_dvh(far, rising("x"))
    assert isinstance(found, NoDose)

    dvh = found.with_outside_at(12.0)

    assert (dvh.min_gy, dvh.mean_gy, dvh.max_gy) == (12.0, 12.0, 12.0)
    assert dvh.volume_at_dose_cc(12.0) == pytest.approx(1.0)
    assert dvh.volume_at_dose_cc(12.01) == 0.0


def test_a_grid_inside_an_roi_knows_its_part() -> None:
    axis_mm: FloatArray = even_axis(-10, 10, 2.0)
    dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=40).sampled(
        axis_mm, axis_mm, axis_mm
    )

    dvh = dvh_of(Box(size_mm=(60, 60, 60)).roi("body", spacing_mm=3), dose)

    assert (dvh.min_gy, dvh.max_gy) == (30, 50)
    assert dvh.volume_cc_at_dose[0] == pytest.approx(8, rel=1e-9)
    assert dvh.volume_outside_cc == pytest.approx(216 - 8, rel=1e-9)


# --- the curve ---


def test_the_curve_cannot_be_written_to() -> None:
    dvh = dvh_of(PRISMS["box"].roi("box", spacing_mm=2), rising("x"))

    assert not dvh.dose_gy.flags.writeable
    assert not dvh.volume_cc_at_dose.flags.writeable


def test_beyond_the_curve_lies_all_or_nothing() -> None:
    dvh = dvh_of(PRISMS["box"].roi("box", spacing_mm=2), rising("x"))

    assert dvh.volume_at_dose_percent(0.0) == pytest.approx(100, rel=1e-12)
    assert dvh.volume_at_dose_percent(500.0) == 0
    assert dvh.dose_at_percent_gy(100) == dvh.min_gy


def test_gaps_and_notes_of_the_contours_are_handed_on() -> None:
    roi = Cylinder(radius_mm=5, length_mm=20).roi("cord", spacing_mm=2)
    broken = replace(roi, contours=roi.contours[:4] + roi.contours[5:])

    dvh = dvh_of(broken, rising("x"))

    assert [gap.missing for gap in dvh.gaps] == [1]
    assert [str(note) for note in dvh.notes] == [
        "1 contour planes are missing between z = -3 and 1 mm: filled"
    ]


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_an_roi_that_touches_the_grid_from_outside_has_volume_and_no_dose(
    slope: float,
) -> None:
    roi = box("outside", (-6, -6, 48), (6, 6, 60))
    dose = dose_grid(lambda x, y, z: 20 + slope * (x + y + z))

    found = compute_dvh(roi, dose)

    assert isinstance(found, NoDose)
    assert found.volume_cc == pytest.approx(1.728)
    assert answers_of(found) == NO_ANSWERS
