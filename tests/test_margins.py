"""Margins in space, against closed forms: a solid and a ball rolled over it."""

import numpy as np
import pytest

from sbrtcheck.contours import (
    build_region,
    grown,
    least_grown_cc,
    shaped,
    volume_within_cc,
)
from sbrtcheck.model import ROI, Contour
from sbrtcheck.phantoms import Box, Cylinder, Sphere, Tube


def volume_cc(roi: ROI) -> float:
    return shaped(build_region(roi), 0.1).volume_cc or 0.0


def rounded_rod_cc(radius_mm: float, length_mm: float, margin_mm: float) -> float:
    """Return a rod and a ball: the wider rod, two discs' slices and the quarter-round rims."""
    r, m = radius_mm, margin_mm
    ends_mm3 = np.pi * r**2 * m + np.pi**2 * r * m**2 / 2 + 2 / 3 * np.pi * m**3
    return float((np.pi * (r + m) ** 2 * length_mm + 2 * ends_mm3) / 1000)


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0, 2.5, 3.0, 5.0])
@pytest.mark.parametrize("margin_mm", [2.0, 3.0, 5.0])
def test_a_straight_cord_grows_to_its_rounded_rod(
    spacing_mm: float, margin_mm: float
) -> None:
    """Half a per cent, at any plane spacing that half-slice caps make whole."""
    cord = Cylinder(radius_mm=5, length_mm=60).roi("cord", spacing_mm=spacing_mm)

    made = grown(cord, margin_mm)

    assert volume_cc(made) == pytest.approx(rounded_rod_cc(5, 60, margin_mm), rel=5e-3)


@pytest.mark.parametrize("tilt", [10, 20, 30])
@pytest.mark.parametrize("spacing_mm", [1.0, 2.0, 3.0])
def test_a_leaning_cord_grows_across_its_own_axis(spacing_mm: float, tilt: int) -> None:
    """Within 1 % of what the ends, cut level, leave: the rod's wall grows by the margin."""
    lean = np.tan(np.radians(tilt))
    turn = np.arange(180) * 2 * np.pi / 180
    across = 5 / np.cos(np.radians(tilt))
    ring = np.stack([across * np.cos(turn), 5 * np.sin(turn)], axis=1)
    heights = np.arange(-40, 40 + 1e-9, spacing_mm)
    contours = tuple(
        Contour(points_mm=ring + np.array([lean * z, 0]), z_mm=float(z))
        for z in heights
    )
    roi = ROI(name="cord", contours=contours, plane_spacing_mm=spacing_mm)

    made = grown(roi, 2.0)

    # Away from the ends each level section is the ellipse of a rod of radius 7.
    level = [slab for slab in build_region(made).slabs if abs(slab.z_mm) < 20]
    truth_mm2 = np.pi * 7**2 / np.cos(np.radians(tilt))
    mean_mm2 = np.mean([slab.area_mm2 for slab in level])
    assert mean_mm2 == pytest.approx(truth_mm2, rel=0.01)


@pytest.mark.parametrize("radius_mm", [4.0, 8.0])
def test_a_sphere_grows_and_shrinks_to_spheres(radius_mm: float) -> None:
    sphere = Sphere(radius_mm=radius_mm).roi("s", spacing_mm=1, phase_mm=0.3)

    larger, smaller = grown(sphere, 2), grown(sphere, -2)

    assert volume_cc(larger) == pytest.approx(
        Sphere(radius_mm=radius_mm + 2).volume_cc, rel=0.01
    )
    assert volume_cc(smaller) == pytest.approx(
        Sphere(radius_mm=radius_mm - 2).volume_cc, rel=0.03
    )


def test_a_box_shrinks_to_a_box() -> None:
    """Erosion leaves sharp corners."""
    made = grown(Box(size_mm=(20, 16, 24)).roi("box", spacing_mm=2), -3)

    assert volume_cc(made) == pytest.approx(14 * 10 * 18 / 1000, rel=1e-3)


def test_a_margin_can_differ_along_the_axes() -> None:
    """In-plane only: the ends stay; along z only: the walls do."""
    box = Box(size_mm=(20, 16, 24)).roi("box", spacing_mm=2)

    wide, tall = grown(box, (3, 3, 0)), grown(box, (0, 0, 4))

    around_mm2 = 20 * 16 + 2 * 3 * (20 + 16) + np.pi * 9
    assert volume_cc(wide) == pytest.approx(around_mm2 * 24 / 1000, rel=2e-3)
    assert volume_cc(tall) == pytest.approx(20 * 16 * 32 / 1000, rel=2e-3)


def test_a_hole_narrows_by_the_margin_and_closes() -> None:
    tube = Tube(radius_mm=10, hole_radius_mm=3, length_mm=40).roi("tube", spacing_mm=2)

    narrowed, closed = grown(tube, (1, 1, 0)), grown(tube, (4, 4, 0))

    ring_mm2 = np.pi * (11**2 - 2**2)
    assert volume_cc(narrowed) == pytest.approx(ring_mm2 * 40 / 1000, rel=3e-3)
    assert volume_cc(closed) == pytest.approx(np.pi * 14**2 * 40 / 1000, rel=3e-3)


def test_pieces_grow_together_across_a_gap() -> None:
    """Two boxes 10 mm apart, each grown by 6 mm along z, are one."""
    roi = Box(size_mm=(10, 10, 50)).roi("box", spacing_mm=2)
    apart = ROI(
        name="two",
        contours=tuple(c for c in roi.contours if abs(c.z_mm) > 5),
        plane_spacing_mm=2.0,
    )

    made = grown(apart, (0, 0, 6))

    assert volume_cc(made) == pytest.approx(10 * 10 * 62 / 1000, rel=5e-3)


def test_outlines_that_fold_between_planes_are_mended() -> None:
    """A jagged ring whose teeth differ from plane to plane: moved outlines cross themselves."""
    random = np.random.default_rng(0)
    turn = np.arange(52) * 2 * np.pi / 52
    contours = []
    for plane in range(4):
        radius_mm = np.clip(random.uniform(6, 22, turn.size), 6, None)
        outer = np.stack([radius_mm * np.cos(turn), radius_mm * np.sin(turn)], axis=1)
        contours += [
            Contour(points_mm=outer * size, z_mm=3.0 * plane) for size in (1.0, 0.8)
        ]
    roi = ROI(name="ring", contours=tuple(contours), plane_spacing_mm=3.0)

    made = grown(roi, 2)

    assert volume_cc(made) > volume_cc(roi)


def test_a_margin_larger_than_the_roi_leaves_nothing() -> None:
    made = grown(Sphere(radius_mm=4).roi("s", spacing_mm=1), -5)

    assert made.contours == ()


def test_what_is_made_says_so() -> None:
    made = grown(Sphere(radius_mm=4).roi("SpinalCord", spacing_mm=1), 2)

    assert made.name == "SpinalCord + 2 mm"
    assert "made from 'SpinalCord'" in [str(note) for note in made.notes]
    assert grown(Sphere(radius_mm=9).roi("PTV", spacing_mm=1), (-1, -1, -2)).name == (
        "PTV - 1 x 1 x 2 mm"
    )


def test_no_margin_changes_nothing() -> None:
    roi = Sphere(radius_mm=4).roi("s", spacing_mm=1)

    assert volume_cc(grown(roi, 0)) == pytest.approx(volume_cc(roi), rel=1e-12)
    assert grown(ROI(name="empty"), 2).contours == ()


@pytest.mark.parametrize("margin_mm", [(1.0, -1.0, 0.0), float("nan")])
def test_margins_of_both_signs_are_refused(
    margin_mm: float | tuple[float, float, float],
) -> None:
    with pytest.raises(ValueError, match="margin_mm must be finite and of one sign"):
        grown(Sphere(radius_mm=4).roi("s", spacing_mm=1), margin_mm)


def test_no_outline_grows_by_less_than_the_disc_of_its_area() -> None:
    """A disc by just that; a square of the same area by more, all of its perimeter."""
    planes = [(-10.0, 10.0)]
    rod = Cylinder(radius_mm=5, length_mm=60).roi("cord", spacing_mm=2)
    side = 5 * np.sqrt(np.pi)
    square = Box(size_mm=(side, side, 60.0)).roi("cord", spacing_mm=2)
    disc_cc = np.pi * 7**2 * 20 / 1000

    assert least_grown_cc(rod, 2, planes) == pytest.approx(disc_cc, rel=1e-3)
    assert least_grown_cc(square, 2, planes) == pytest.approx(disc_cc, rel=1e-9)
    assert volume_within_cc(grown(square, 2), planes) > 1.02 * disc_cc
    assert least_grown_cc(rod, 2, [(40.0, 60.0)]) == 0.0


@pytest.mark.parametrize(
    ("margin_mm", "radius_mm", "length_mm"),
    [
        ((2.0, 2.0, 0.0), 7.0, 60.0),
        ((0.0, 0.0, 2.0), 5.0, 64.0),
        ((-2.0, -2.0, 0.0), 3.0, 60.0),
        ((0.0, 0.0, -2.0), 5.0, 56.0),
    ],
)
def test_an_axis_without_a_margin_stays(
    margin_mm: tuple[float, float, float], radius_mm: float, length_mm: float
) -> None:
    rod = Cylinder(radius_mm=5, length_mm=60).roi("cord", spacing_mm=2)

    made = grown(rod, margin_mm)

    truth_cc = np.pi * radius_mm**2 * length_mm / 1000
    assert volume_cc(made) == pytest.approx(truth_cc, rel=1e-3)


def test_a_ball_grows_in_its_planes_alone() -> None:
    """The integral of (sqrt(R^2 - z^2) + m)^2 over its height."""
    ball = Sphere(radius_mm=8).roi("ball", spacing_mm=1)

    made = grown(ball, (2, 2, 0))

    truth_mm3 = np.pi * (4 / 3 * 8**3 + 2 * np.pi * 8**2 + 2 * 2**2 * 8)
    assert volume_cc(made) == pytest.approx(truth_mm3 / 1000, rel=2e-3)
