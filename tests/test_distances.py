"""How far points and solids lie from each other: closed forms."""

import numpy as np
import pytest

from builders import box, cylinder
from sbrtcheck.contours import (
    adjoin,
    box_of,
    build_region,
    distances_mm,
    gap_mm,
    median_gap_mm,
    meet,
    sections_of,
)
from sbrtcheck.dvh.outside import farthest_outside_mm
from sbrtcheck.dvh.reading import dose_at_gy
from sbrtcheck.model import ROI, DoseGrid

CUBE = box("cube", (-6, -6, -6), (6, 6, 6))
REGION = build_region(CUBE)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0, 0, 0), 0.0),
        ((6, 6, 6), 0.0),
        ((10, 0, 0), 4.0),
        ((9, 10, 0), 5.0),
        ((0, 0, 10), 4.0),
        ((9, 0, 10), 5.0),
        ((8, 8, -7), 3.0),
    ],
)
def test_points_lie_from_a_cube_as_pythagoras_says(
    point: tuple[float, float, float], expected: float
) -> None:
    found = distances_mm(REGION, np.array([point], dtype=float))

    assert found == pytest.approx([expected])


def test_distances_of_many_points_are_those_of_each() -> None:
    points = np.random.default_rng(3).uniform(-20, 20, (200, 3))

    beyond = np.maximum(np.abs(points) - 6, 0)
    assert distances_mm(REGION, points) == pytest.approx(np.linalg.norm(beyond, axis=1))


def test_a_hole_is_outside() -> None:
    hole = box("hole", (-3, -3, -6), (3, 3, 6))
    shell = ROI(
        name="shell", contours=(*CUBE.contours, *hole.contours), plane_spacing_mm=3.0
    )

    found = distances_mm(build_region(shell), np.array([[0.0, 0.0, 0.0]]))

    assert found == pytest.approx([3.0])


def test_what_has_no_volume_is_infinitely_far() -> None:
    nothing = build_region(ROI(name="nothing"))

    assert distances_mm(nothing, np.zeros((2, 3))).tolist() == [np.inf, np.inf]
    assert gap_mm(nothing, REGION) is None
    assert gap_mm(REGION, nothing) is None
    assert box_of([nothing]) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ((7, -6, -6), (9, 6, 6), 1.0),
        ((9, 10, -6), (12, 12, 6), 5.0),
        ((-3, -3, 9), (3, 3, 12), 3.0),
        ((9, -3, 10.5), (12, 3, 13.5), np.hypot(3.0, 4.5)),
        ((3, 3, 3), (9, 9, 9), 0.0),
    ],
)
def test_solids_lie_apart_as_their_boxes_do(
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    expected: float,
) -> None:
    other = build_region(box("other", low, high))

    assert gap_mm(REGION, other) == pytest.approx(expected)
    assert gap_mm(other, REGION) == pytest.approx(expected)


def test_the_box_around_solids_holds_all_of_them() -> None:
    other = build_region(box("other", (9, -3, 9), (12, 3, 12)))

    found = box_of([REGION, other])

    assert found is not None
    assert found.low_mm.tolist() == [-6, -6, -6]
    assert found.high_mm.tolist() == [12, 6, 12]


def test_sections_of_a_cylinder_are_discs() -> None:
    sections = sections_of(build_region(cylinder("c", (3, 4), 5, -6, 6)))

    assert [one.z_mm for one in sections] == [-4.5, -1.5, 1.5, 4.5]
    assert adjoin(sections[0], sections[1])
    assert not adjoin(sections[0], sections[2])
    for one in sections:
        # 128 corners enclose 0.04 % less than the circle.
        assert one.area_mm2 == pytest.approx(25 * np.pi, rel=1e-3)
        assert one.middle_mm == pytest.approx((3, 4))
        assert one.widths_mm == pytest.approx((10, 10), rel=1e-3)
        assert (len(one.pieces), one.holes) == (1, ())
    assert meet(sections[0], sections[1])


def test_pieces_and_holes_of_a_section_are_told_by_size() -> None:
    hole = box("hole", (-3, -3, -6), (3, 3, 6))
    speck = box("speck", (10, 10, -6), (12, 11, 6))
    rings = (*CUBE.contours, *hole.contours, *speck.contours)
    made = ROI(name="made", contours=rings, plane_spacing_mm=3.0)

    (first, *_) = sections_of(build_region(made))

    assert first.pieces == pytest.approx((144, 2))
    assert first.holes == pytest.approx((36,))


@pytest.mark.parametrize("margin_mm", [1.0, 2.0, 5.0])
def test_the_way_to_a_wider_cylinder_is_its_margin(margin_mm: float) -> None:
    inner = build_region(cylinder("c", (0, 0), 5, -30, 30))
    outer = build_region(cylinder("p", (0, 0), 5 + margin_mm, -30, 30))

    # Chords of 128 corners lie up to 0.03 % of the radius inside the circle.
    assert median_gap_mm(inner, outer) == pytest.approx(margin_mm, abs=0.01)
    assert median_gap_mm(outer, inner) == 0.0


def test_solids_without_a_common_plane_have_no_way() -> None:
    other = build_region(box("other", (-9, -9, 12), (9, 9, 18)))

    assert median_gap_mm(REGION, other) is None


def linear_dose() -> DoseGrid:
    axis = np.arange(-20.0, 21.0, 2.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return DoseGrid(
        dose_gy=50 + x + 0.5 * y - 0.25 * z, x_mm=axis, y_mm=axis, z_mm=axis
    )


def test_linear_dose_is_read_exactly_at_any_point() -> None:
    assert dose_at_gy(linear_dose(), (1.3, -7.9, 3.1)) == pytest.approx(
        50 + 1.3 - 3.95 - 0.775
    )
    assert dose_at_gy(linear_dose(), (20.0, 20.0, 20.0)) == pytest.approx(75)


def test_beyond_the_grid_no_dose_is_known() -> None:
    assert dose_at_gy(linear_dose(), (20.1, 0.0, 0.0)) is None


@pytest.mark.parametrize(
    ("reach_mm", "expected"), [(4.0, 0.0), (8.0, 2.0), (14.0, 8.0)]
)
def test_dose_reaches_outside_a_body_as_far_as_its_isodose(
    reach_mm: float, expected: float
) -> None:
    """10 Gy in a cube of so many mm to each side; the body is one of 6 mm."""
    axis = np.arange(-20.0, 21.0, 2.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    inside = (np.abs(x) <= reach_mm) & (np.abs(y) <= 2) & (np.abs(z) <= 2)
    dose = DoseGrid(dose_gy=10.0 * inside, x_mm=axis, y_mm=axis, z_mm=axis)

    assert farthest_outside_mm(dose, 5.0, [CUBE]) == pytest.approx(expected)
    assert farthest_outside_mm(dose, 50.0, [CUBE]) == 0.0
