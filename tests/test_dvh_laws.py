"""Laws that hold for any region in any dose, whatever its shape.

Truth here is symmetry: two ways to state the same thing. So the tolerances are those of
float64, unless the sub-cells themselves are laid out otherwise; then it is said why.
"""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from shapely import Polygon

from builders import dvh_of
from sbrtcheck.contours import build_region
from sbrtcheck.dvh import DVH
from sbrtcheck.model import ROI, Contour, DoseGrid, FloatArray
from sbrtcheck.phantoms import even_axis

# An edge of a dose interval may fall to the neighbouring bin by rounding; the curve, spread
# over 20 000 bins, moves by less than this part of the volume.
SAME = 1e-6

LAW = settings(
    max_examples=20,
    deadline=None,  # other work on the machine is no fault
    derandomize=True,  # the same examples in every run
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def star(random: np.random.Generator, corners: int) -> FloatArray:
    """Return a ring around the origin of 3 to 9 mm, with notches, in tenths of a millimetre."""
    turn = (
        2 * np.pi * (np.arange(corners) + random.uniform(-0.3, 0.3, corners)) / corners
    )
    radius_mm = random.uniform(3, 9, corners)
    return np.stack([radius_mm * np.cos(turn), radius_mm * np.sin(turn)], axis=1).round(
        1
    )


@st.composite
def rois(draw: st.DrawFn) -> ROI:
    """Return three to six planes of one star each, at any spacing."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    spacing_mm = draw(st.sampled_from([0.7, 1.0, 2.0, 2.5, 3.0]))
    start_mm = draw(st.floats(-5, 5))
    corners = draw(st.integers(3, 12))
    return ROI(
        name="star",
        contours=tuple(
            Contour(points_mm=star(random, corners), z_mm=start_mm + spacing_mm * plane)
            for plane in range(draw(st.integers(3, 6)))
        ),
    )


@st.composite
def doses(draw: st.DrawFn) -> DoseGrid:
    """Return a grid that holds all `rois`: a slope, hills and noise, 10 to 60 Gy."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps_mm = [draw(st.sampled_from([1.7, 2.0, 2.5, 3.0])) for _ in range(3)]
    x_mm, y_mm, z_mm = (
        even_axis(-25 + random.uniform(0, 1), 25, step) for step in steps_mm
    )
    shape = (z_mm.size, y_mm.size, x_mm.size)
    slope = np.add.outer(np.add.outer(z_mm, y_mm), x_mm) / 10
    dose_gy = 30 + slope + random.uniform(0, 2, shape)
    return DoseGrid(dose_gy=dose_gy, x_mm=x_mm, y_mm=y_mm, z_mm=z_mm)


def with_points(roi: ROI, points_mm: list[FloatArray]) -> ROI:
    contours = tuple(
        replace(contour, points_mm=points)
        for contour, points in zip(roi.contours, points_mm, strict=True)
    )
    return replace(roi, contours=contours)


def assert_same(one: DVH, other: DVH, *, part: float = SAME, gy: float = 1e-9) -> None:
    """Compare two DVHs: volumes over the whole range to a part of the volume, extremes in Gy."""
    assert one.volume_cc == pytest.approx(other.volume_cc, rel=1e-9)
    assert (one.min_gy, one.max_gy) == pytest.approx(
        (other.min_gy, other.max_gy), abs=gy
    )
    assert one.mean_gy == pytest.approx(other.mean_gy, abs=max(gy, part))
    assert other.min_gy is not None
    assert other.max_gy is not None
    for dose_gy in np.linspace(other.min_gy, other.max_gy, 23)[1:-1]:
        assert one.volume_at_dose_percent(dose_gy) == pytest.approx(
            other.volume_at_dose_percent(dose_gy), abs=100 * part
        )


@LAW
@given(rois(), doses())
def test_the_histogram_holds_the_volume_of_all_slabs(roi: ROI, dose: DoseGrid) -> None:
    dvh = dvh_of(roi, dose)

    slabs_cc = sum(s.area_mm2 * s.thickness_mm for s in build_region(roi).slabs) / 1000
    assert dvh.volume_cc_at_dose[0] == pytest.approx(slabs_cc, rel=1e-12)
    assert dvh.volume_cc == pytest.approx(slabs_cc, rel=1e-12)


@LAW
@given(rois(), doses())
def test_no_dose_is_received_by_more_than_a_lower_one(roi: ROI, dose: DoseGrid) -> None:
    dvh = dvh_of(roi, dose)

    assert (np.diff(dvh.volume_cc_at_dose) <= 0).all()
    assert (np.diff(dvh.dose_gy) > 0).all()
    assert dvh.volume_cc_at_dose[-1] == 0


@LAW
@given(rois(), doses(), st.floats(0.001, 0.999))
def test_the_dose_of_the_volume_of_a_dose_is_that_dose(
    roi: ROI, dose: DoseGrid, share: float
) -> None:
    dvh = dvh_of(roi, dose)
    assert dvh.min_gy is not None
    assert dvh.max_gy is not None
    dose_gy = dvh.min_gy + share * (dvh.max_gy - dvh.min_gy)

    volume_cc = dvh.volume_at_dose_cc(dose_gy)

    assert volume_cc is not None
    at = np.searchsorted(dvh.dose_gy, dose_gy)
    if dvh.volume_cc_at_dose[at] < dvh.volume_cc_at_dose[at - 1] * (1 - 1e-9):
        # Both directions walk the same line between two samples.
        assert dvh.dose_at_volume_gy(volume_cc) == pytest.approx(dose_gy, abs=1e-5)


@LAW
@given(rois(), doses())
def test_doses_are_in_order(roi: ROI, dose: DoseGrid) -> None:
    dvh = dvh_of(roi, dose)
    d98, d50, d2 = (dvh.dose_at_percent_gy(percent) for percent in (98, 50, 2))

    assert None not in (d98, d50, d2)
    assert dvh.min_gy <= d98 <= d50 <= d2 <= dvh.max_gy  # type: ignore[operator]
    assert dvh.min_gy <= dvh.mean_gy <= dvh.max_gy


@LAW
@given(rois(), doses(), st.tuples(*[st.floats(-500, 500)] * 3))
def test_where_the_patient_lies_does_not_matter(
    roi: ROI, dose: DoseGrid, shift_mm: tuple[float, float, float]
) -> None:
    x_mm, y_mm, z_mm = shift_mm
    moved = replace(
        roi,
        contours=tuple(
            Contour(points_mm=c.points_mm + np.array([x_mm, y_mm]), z_mm=c.z_mm + z_mm)
            for c in roi.contours
        ),
    )
    moved_dose = replace(
        dose, x_mm=dose.x_mm + x_mm, y_mm=dose.y_mm + y_mm, z_mm=dose.z_mm + z_mm
    )

    # 500 mm cost three digits of the coordinates.
    assert_same(dvh_of(moved, moved_dose), dvh_of(roi, dose), part=1e-5)


@LAW
@given(rois(), doses(), st.integers(1, 11))
def test_the_start_of_a_ring_does_not_matter(
    roi: ROI, dose: DoseGrid, start: int
) -> None:
    rolled = with_points(
        roi, [np.roll(c.points_mm, start, axis=0) for c in roi.contours]
    )

    assert_same(dvh_of(rolled, dose), dvh_of(roi, dose))


@LAW
@given(rois(), doses())
def test_the_direction_of_a_ring_does_not_matter(roi: ROI, dose: DoseGrid) -> None:
    back = with_points(roi, [c.points_mm[::-1] for c in roi.contours])

    assert_same(dvh_of(back, dose), dvh_of(roi, dose))


@LAW
@given(rois(), doses(), st.randoms())
def test_the_order_of_contours_does_not_matter(
    roi: ROI, dose: DoseGrid, random: Random
) -> None:
    contours = list(roi.contours)
    random.shuffle(contours)

    assert_same(
        dvh_of(replace(roi, contours=tuple(contours)), dose),
        dvh_of(roi, dose),
    )


@LAW
@given(rois(), doses(), st.floats(0.1, 0.9))
def test_a_ring_in_two_halves_that_share_an_edge_is_the_ring(
    roi: ROI, dose: DoseGrid, share: float
) -> None:
    """Each ring, made convex here so that a cut leaves two, is cut from corner to edge."""
    halves = []
    convex = []
    for contour in roi.contours:
        ring = 8 * contour.points_mm / np.hypot(*contour.points_mm.T)[:, None]
        corner = len(ring) // 2
        point = ring[-1] + share * (ring[0] - ring[-1])
        convex.append(ring)
        halves += [
            replace(contour, points_mm=np.vstack([ring[: corner + 1], point])),
            replace(contour, points_mm=np.vstack([ring[corner:], point])),
        ]

    split = dvh_of(replace(roi, contours=tuple(halves)), dose)

    # GEOS joins the halves where they differ by rounding.
    assert_same(split, dvh_of(with_points(roi, convex), dose), gy=1e-6)


@LAW
@given(rois(), doses())
def test_a_mirrored_patient_has_the_same_dvh(roi: ROI, dose: DoseGrid) -> None:
    mirrored = with_points(roi, [c.points_mm * np.array([-1, 1]) for c in roi.contours])
    mirrored_dose = replace(
        dose, x_mm=-dose.x_mm[::-1], dose_gy=dose.dose_gy[:, :, ::-1]
    )

    assert_same(dvh_of(mirrored, mirrored_dose), dvh_of(roi, dose))


@LAW
@given(rois(), doses())
def test_a_patient_mirrored_head_to_foot_has_the_same_dvh(
    roi: ROI, dose: DoseGrid
) -> None:
    mirrored = replace(
        roi, contours=tuple(replace(c, z_mm=-c.z_mm) for c in roi.contours)
    )
    mirrored_dose = replace(dose, z_mm=-dose.z_mm[::-1], dose_gy=dose.dose_gy[::-1])

    assert_same(dvh_of(mirrored, mirrored_dose), dvh_of(roi, dose))


@LAW
@given(rois(), doses())
def test_exchanging_x_and_y_changes_nothing(roi: ROI, dose: DoseGrid) -> None:
    turned = with_points(roi, [c.points_mm[:, ::-1] for c in roi.contours])
    turned_dose = replace(
        dose, x_mm=dose.y_mm, y_mm=dose.x_mm, dose_gy=dose.dose_gy.transpose(0, 2, 1)
    )

    assert_same(dvh_of(turned, turned_dose), dvh_of(roi, dose))


@LAW
@given(rois(), doses(), st.floats(0.01, 3))
def test_scaling_the_dose_scales_the_dvh(
    roi: ROI, dose: DoseGrid, factor: float
) -> None:
    dvh = dvh_of(roi, dose)
    scaled = dvh_of(roi, replace(dose, dose_gy=dose.dose_gy * factor))

    expected = replace(
        dvh,
        dose_gy=dvh.dose_gy * factor,
        min_gy=(dvh.min_gy or 0) * factor,
        max_gy=(dvh.max_gy or 0) * factor,
        mean_gy=(dvh.mean_gy or 0) * factor,
    )
    assert_same(scaled, expected)


def lies_inside(inner: Contour, outer: Contour) -> bool:
    return bool(Polygon(outer.points_mm).contains_properly(Polygon(inner.points_mm)))


@LAW
@given(rois(), doses(), st.floats(0.2, 0.8))
def test_what_lies_in_a_hole_and_around_it_is_the_whole(
    roi: ROI, dose: DoseGrid, size: float
) -> None:
    islands = with_points(roi, [c.points_mm * size for c in roi.contours])
    # A star that does not hold the origin does not hold its smaller copy either.
    assume(all(map(lies_inside, islands.contours, roi.contours)))
    around = replace(roi, contours=roi.contours + islands.contours)

    parts = [dvh_of(part, dose) for part in (islands, around)]
    whole = dvh_of(roi, dose)

    volumes = [part.volume_cc or 0 for part in parts]
    assert sum(volumes) == pytest.approx(whole.volume_cc, rel=1e-9)
    for dose_gy in np.linspace(whole.min_gy or 0, whole.max_gy or 0, 9)[1:-1]:
        together = sum(part.volume_at_dose_cc(dose_gy) or 0 for part in parts)
        # The island has sub-cells of its own, so noise between them is parted otherwise.
        assert together == pytest.approx(
            whole.volume_at_dose_cc(dose_gy), abs=0.005 * (whole.volume_cc or 0)
        )
