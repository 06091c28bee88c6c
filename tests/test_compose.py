"""ROIs made of ROIs, against volumes in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbrtcheck.contours import (
    between,
    build_region,
    continued,
    overlap_cc,
    share_of_within,
    union_of,
    volume_outside_cc,
    volume_within_cc,
)
from sbrtcheck.model import ROI, Contour, FloatArray
from sbrtcheck.phantoms import Cylinder

EXACT = 1e-9
NO_ROI = ROI(name="none")


def square(size_mm: float, x_mm: float = 0.0) -> FloatArray:
    ring = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size_mm / 2
    return np.asarray(ring + np.array([x_mm, 0.0]))


def box(
    *z_mm: float,
    size_mm: float = 10.0,
    x_mm: float = 0.0,
    spacing_mm: float | None = 2.0,
) -> ROI:
    """Return a square column of 100 mm2 on these planes."""
    rings = tuple(Contour(points_mm=square(size_mm, x_mm), z_mm=z) for z in z_mm)
    return ROI(name="box", contours=rings, plane_spacing_mm=spacing_mm)


def volume_cc(roi: ROI) -> float:
    return build_region(roi).volume_cc or 0.0


# --- union ---


def test_boxes_side_by_side_on_the_same_planes_add_up() -> None:
    both = union_of([box(0, 2, 4), box(0, 2, 4, x_mm=30)], "both")

    assert volume_cc(both) == pytest.approx(1.2, rel=EXACT)
    assert build_region(both).planes_mm == pytest.approx((0, 2, 4))


def test_boxes_that_overlap_count_what_they_share_once() -> None:
    both = union_of([box(0, 2, 4), box(0, 2, 4, x_mm=5)], "both")

    assert volume_cc(both) == pytest.approx(0.9, rel=EXACT)


def test_a_hole_of_one_roi_stays_where_no_other_fills_it() -> None:
    shell = ROI(
        name="shell",
        contours=(*box(0, 2, 4).contours, *box(0, 2, 4, size_mm=4).contours),
    )
    aside = box(0, 2, 4, x_mm=30)
    plug = box(0, 2, 4, size_mm=4)

    assert volume_cc(union_of([shell, aside], "u")) == pytest.approx(1.104, rel=EXACT)
    assert volume_cc(union_of([shell, plug], "u")) == pytest.approx(0.6, rel=1e-6)


def test_rois_that_follow_each_other_are_one_column() -> None:
    column = union_of([box(0, 2, 4), box(6, 8, 10, size_mm=20)], "column")

    assert volume_cc(column) == pytest.approx(0.6 + 2.4, rel=EXACT)


@given(
    shift_mm=st.floats(-2, 2),
    x_mm=st.floats(0, 20),
    spacing_mm=st.sampled_from([1, 1.25, 3]),
)
def test_a_union_holds_each_of_its_parts_wholly(
    shift_mm: float, x_mm: float, spacing_mm: float
) -> None:
    one = box(0, 2, 4, 6, 8)
    other = box(
        *(shift_mm + spacing_mm * np.arange(5)), x_mm=x_mm, spacing_mm=spacing_mm
    )
    both = union_of([one, other], "both")

    assert share_of_within(one, both) == pytest.approx(1, abs=1e-5)
    assert share_of_within(other, both) == pytest.approx(1, abs=1e-5)
    together = volume_cc(one) + volume_cc(other)
    together -= overlap_cc(build_region(one), build_region(other))
    # At most one layer of a quarter spacing too much at each end of each part.
    assert (
        together * (1 - 1e-5) <= volume_cc(both) <= together + 0.1 * 4 * spacing_mm / 4
    )


def test_a_union_of_nothing_has_no_volume() -> None:
    assert build_region(union_of([NO_ROI, NO_ROI], "none")).volume_cc is None
    assert build_region(union_of([], "none")).volume_cc is None


def test_a_union_with_nothing_is_the_roi() -> None:
    assert volume_cc(union_of([box(0, 2, 4), NO_ROI], "one")) == pytest.approx(
        0.6, rel=EXACT
    )


def test_a_union_fills_a_plane_that_another_part_has() -> None:
    both = build_region(union_of([box(0, 2, 6, 8), box(2, 4, 6, size_mm=4)], "both"))

    assert both.gaps == ()
    assert both.volume_cc == pytest.approx(1.0, rel=EXACT)


def test_the_order_of_parts_does_not_matter() -> None:
    parts = [box(0, 2, 4), box(1, 3, 5, x_mm=7)]

    assert volume_cc(union_of(parts, "u")) == volume_cc(union_of(parts[::-1], "u"))


# --- parts ---


def test_the_planes_in_an_interval_make_a_box_of_their_own() -> None:
    part = between(box(0, 2, 4, 6, 8), [(2, 4)])

    assert volume_cc(part) == pytest.approx(0.4, rel=EXACT)


@pytest.mark.parametrize(("low_mm", "planes"), [(2.01, 2), (2.03, 1)])
def test_a_plane_at_the_end_of_an_interval_is_in_it(low_mm: float, planes: int) -> None:
    part = between(box(0, 2, 4, 6, 8), [(low_mm, 4)])

    assert volume_cc(part) == pytest.approx(0.2 * planes, rel=EXACT)


def test_single_planes_of_several_intervals_keep_their_thickness() -> None:
    part = build_region(between(box(*range(0, 42, 2)), [(0, 0), (20, 20), (40, 40)]))

    assert part.volume_cc == pytest.approx(0.6, rel=EXACT)
    assert np.array(part.drawn_mm) == pytest.approx(
        np.array([(-1, 1), (19, 21), (39, 41)])
    )


def test_between_keeps_holes_and_says_nothing_of_what_is_not_there() -> None:
    contours = (*box(0, 2, 4).contours, *box(0, 2, 4, size_mm=4).contours)
    shell = ROI(name="shell", contours=contours)

    assert volume_cc(between(shell, [(0, 2)])) == pytest.approx(0.336, rel=EXACT)
    assert build_region(between(shell, [(50, 60)])).volume_cc is None


@given(low_mm=st.floats(-3, 11), height_mm=st.floats(0, 12))
def test_the_volume_within_an_interval_is_area_times_common_height(
    low_mm: float, height_mm: float
) -> None:
    common_mm = max(min(low_mm + height_mm, 9) - max(low_mm, -1), 0)
    interval = (low_mm, low_mm + height_mm)

    found_cc = volume_within_cc(box(0, 2, 4, 6, 8), [interval, interval])
    assert found_cc == pytest.approx(0.1 * common_mm, abs=1e-9)


def test_intervals_that_overlap_count_once() -> None:
    assert volume_within_cc(box(0, 2, 4, 6, 8), [(0, 4), (2, 6)]) == pytest.approx(
        0.6, rel=EXACT
    )


# --- carried on ---


def test_an_roi_carried_on_reaches_to_both_ends() -> None:
    region = build_region(continued(box(0, 2, 4), -5, 9))

    assert (region.low_mm, region.high_mm) == pytest.approx((-5, 9))
    assert not set(region.planes_mm) & {0.0, 2.0, 4.0}  # what is drawn is not repeated


def test_what_is_carried_on_is_grown_by_what_is_missing() -> None:
    region = build_region(continued(box(0, 2, 4), -1, 9))

    # 10 mm squares grown by 4 mm: a square, four sides, a disc of 32 corners.
    disc_mm2 = 16 * 32 / 2 * np.sin(2 * np.pi / 32)
    assert region.volume_cc == pytest.approx(
        4 * (100 + 160 + disc_mm2) / 1000, rel=EXACT
    )
    assert (region.low_mm, region.high_mm) == pytest.approx((5, 9))


@pytest.mark.parametrize("missing_mm", [0.2, 0.5, 1.0, 1.9])
def test_what_is_carried_on_is_a_whole_plane_and_at_least_2_mm_wider(
    missing_mm: float,
) -> None:
    """Also where less than half a spacing is missing, so that the plane lies beyond it."""
    region = build_region(continued(box(0, 2, 4), -1 - missing_mm, 5))

    disc_mm2 = 4 * 32 / 2 * np.sin(2 * np.pi / 32)
    assert region.slabs[0].area_mm2 == pytest.approx(100 + 80 + disc_mm2, rel=EXACT)
    assert (region.low_mm, region.high_mm) == pytest.approx((-3, -1))


def test_an_roi_that_reaches_both_ends_is_not_carried_on() -> None:
    assert continued(box(0, 2, 4), -1, 5).contours == ()
    assert continued(NO_ROI, -1, 5).contours == ()


# --- in one another ---


def test_a_cylinder_in_a_wider_one_lies_wholly_in_it() -> None:
    thin = Cylinder(radius_mm=5, length_mm=30).roi("thin", spacing_mm=2)
    wide = Cylinder(radius_mm=8, length_mm=30).roi("wide", spacing_mm=3)

    assert share_of_within(thin, wide) == pytest.approx(1, rel=EXACT)
    assert share_of_within(wide, thin) == pytest.approx(25 / 64, rel=1e-6)
    assert volume_outside_cc(thin, wide, [(-20, 20)]) == pytest.approx(0, abs=1e-9)
    ring_cc = np.pi * (64 - 25) / 1000
    assert volume_outside_cc(wide, thin, [(-5, 5)]) == pytest.approx(
        10 * ring_cc, rel=1e-6
    )


def test_nothing_lies_in_nothing() -> None:
    assert share_of_within(NO_ROI, box(0, 2)) is None
    assert share_of_within(box(0, 2), NO_ROI) == 0
    assert volume_outside_cc(box(0, 2), NO_ROI, [(-9, 9)]) == pytest.approx(
        0.4, rel=EXACT
    )


@given(
    x_mm=st.floats(-15, 15),
    z_mm=st.floats(-15, 15),
    step_mm=st.sampled_from([0.7, 2.0, 3.0]),
)
def test_two_boxes_share_the_product_of_what_their_sides_share(
    x_mm: float, z_mm: float, step_mm: float
) -> None:
    one = build_region(box(-4, -2, 0, 2, 4))
    planes_mm = z_mm + step_mm * np.arange(5)
    other = build_region(box(*planes_mm, x_mm=x_mm, spacing_mm=step_mm))
    top_mm, bottom_mm = z_mm + 4.5 * step_mm, z_mm - 0.5 * step_mm
    height_mm = max(min(top_mm, 5) - max(bottom_mm, -5), 0)

    expected_cc = max(10 - abs(x_mm), 0) * 10 * height_mm / 1000
    assert overlap_cc(one, other) == pytest.approx(expected_cc, abs=1e-9)
    assert overlap_cc(other, one) == pytest.approx(expected_cc, abs=1e-9)
