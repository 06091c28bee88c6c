"""What a set of rings stands for: holes, unions, gaps, slabs."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from sbrtcheck.contours import Region, build_region
from sbrtcheck.contours.drawn import MOST_PLANES
from sbrtcheck.model import (
    MOST_CORNERS,
    ROI,
    Contour,
    DoseGrid,
    FloatArray,
    main_spacing_mm,
)


def square(size_mm: float, x_mm: float = 0.0, y_mm: float = 0.0) -> FloatArray:
    """Return a counter-clockwise square around a centre."""
    half_mm = size_mm / 2
    low, high = (x_mm - half_mm, y_mm - half_mm), (x_mm + half_mm, y_mm + half_mm)
    return np.array([low, (high[0], low[1]), high, (low[0], high[1])])


def flat(*rings: ArrayLike, xor: bool = False) -> Region:
    """Return the region of rings in one plane, 1 mm thick: its volume in mm3 is the area."""
    contours = tuple(
        Contour(points_mm=np.asarray(ring, dtype=float), z_mm=0.0, xor=xor)
        for ring in rings
    )
    return build_region(ROI(name="flat", contours=contours, plane_spacing_mm=1.0))


def area_mm2(region: Region) -> float:
    return sum(slab.area_mm2 for slab in region.slabs)


def stack(
    *z_mm: float, ring: FloatArray | None = None, spacing_mm: float | None = None
) -> ROI:
    """Return a 10 mm square (100 mm2) on these planes."""
    points = square(10) if ring is None else ring
    return ROI(
        name="stack",
        contours=tuple(Contour(points_mm=points, z_mm=z) for z in z_mm),
        plane_spacing_mm=spacing_mm,
    )


def notes(region: Region) -> list[str]:
    return [str(note) for note in region.notes]


def limits(region: Region) -> list[tuple[float, float]]:
    return [(slab.low_mm, slab.high_mm) for slab in region.slabs]


# --- rings of one plane: areas are of squares, so exact but for rounding ---


def test_a_ring_is_its_area() -> None:
    assert area_mm2(flat(square(10))) == pytest.approx(100, rel=1e-12)


def test_a_clockwise_ring_is_its_area() -> None:
    assert area_mm2(flat(square(10)[::-1])) == pytest.approx(100, rel=1e-12)


def test_a_ring_inside_a_ring_is_a_hole() -> None:
    assert area_mm2(flat(square(10), square(4))) == pytest.approx(84, rel=1e-12)


def test_the_direction_of_a_hole_does_not_matter() -> None:
    assert area_mm2(flat(square(4)[::-1], square(10))) == pytest.approx(84, rel=1e-12)


def test_a_hole_runs_the_other_way_round() -> None:
    (slab,) = flat(square(10), square(4)).slabs

    x, y = np.concatenate(slab.rings).T
    assert len(slab.rings) == 2
    assert (np.abs(x).max(), np.abs(y).max()) == (5, 5)


def test_an_island_in_a_hole_counts() -> None:
    region = flat(square(2), square(10), square(4))

    assert area_mm2(region) == pytest.approx(100 - 16 + 4, rel=1e-12)


def test_two_holes_in_one_ring_both_count() -> None:
    region = flat(square(10), square(2, x_mm=-3), square(2, x_mm=3))

    assert area_mm2(region) == pytest.approx(92, rel=1e-12)


def test_rings_apart_add_up() -> None:
    assert area_mm2(flat(square(10), square(4, x_mm=20))) == pytest.approx(
        116, rel=1e-12
    )


def test_overlapping_rings_are_a_union() -> None:
    """Two squares of 100 mm2 that share 50 mm2 (platipy#244: XOR where union is right)."""
    assert area_mm2(flat(square(10), square(10, x_mm=5))) == pytest.approx(
        150, rel=1e-12
    )


def test_three_overlapping_rings_are_a_union() -> None:
    region = flat(square(10), square(10, x_mm=16), square(10, x_mm=8))

    assert area_mm2(region) == pytest.approx(260, rel=1e-12)


def test_rings_that_share_an_edge_are_one_outline() -> None:
    region = flat(square(10), square(10, x_mm=10))

    assert area_mm2(region) == pytest.approx(200, rel=1e-12)
    assert len(region.slabs[0].rings) == 1


def test_a_hole_that_touches_the_outline_stays_a_hole() -> None:
    assert area_mm2(flat(square(10), square(4, x_mm=3))) == pytest.approx(84, rel=1e-12)


def test_xor_rings_that_overlap_leave_out_what_they_share() -> None:
    """CLOSEDPLANAR_XOR, PS3.3 C.8.8.6.3."""
    region = flat(square(10), square(10, x_mm=5), xor=True)

    assert area_mm2(region) == pytest.approx(100, rel=1e-12)


def test_xor_rings_inside_one_another_leave_a_hole() -> None:
    assert area_mm2(flat(square(10), square(4), xor=True)) == pytest.approx(
        84, rel=1e-12
    )


def test_xor_rings_that_cancel_out_are_noted() -> None:
    region = flat(square(10), square(10), xor=True)

    assert region.volume_cc is None
    assert "the contours at z = 0 mm cancel out" in notes(region)


@pytest.mark.parametrize("step", [1, -1])
def test_a_ring_drawn_twice_counts_once_and_is_noted(step: int) -> None:
    """Also when the copy runs the other way round, where a sum of areas would be nothing."""
    region = flat(square(10), square(10)[::step])

    assert area_mm2(region) == pytest.approx(100, rel=1e-12)
    assert "a contour that is drawn twice is counted once" in notes(region)


@pytest.mark.parametrize(
    ("outside", "expected_mm2"),
    [(0.009, 84 + 2 * 16 * 0.009), (0.011, 100 + 16 * 0.011)],
)
def test_a_ring_that_sticks_out_by_a_hundredth_is_a_hole_and_by_more_is_added(
    outside: float, expected_mm2: float
) -> None:
    inner = square(4, x_mm=3 + 4 * outside)

    assert area_mm2(flat(square(10), inner)) == pytest.approx(expected_mm2, rel=1e-9)


def test_a_hole_drawn_twice_is_a_hole() -> None:
    region = flat(square(4), square(10), square(4)[::-1])

    assert area_mm2(region) == pytest.approx(84, rel=1e-12)


def test_a_bow_tie_keeps_both_lobes_and_is_noted() -> None:
    """Its lobes of 25 mm2 each have a signed sum of zero."""
    region = flat([[-5, -5], [5, 5], [5, -5], [-5, 5]])

    assert area_mm2(region) == pytest.approx(50, rel=1e-12)
    assert "1 self-crossing contours repaired (make_valid)" in notes(region)


def test_a_ring_that_winds_twice_counts_once_and_is_noted() -> None:
    region = flat(
        np.concatenate([square(10), square(10)[:1], square(6), square(6)[:1]])
    )

    assert area_mm2(region) == pytest.approx(100, rel=1e-12)
    assert "1 self-crossing contours repaired (make_valid)" in notes(region)


def test_a_small_loop_at_a_corner_stays() -> None:
    """The ring runs past its start and returns: a loop of 1 mm2 outside the square."""
    ring = [[0, 0], [10, 0], [10, 10], [0, 10], [0, -1], [-1, -1], [-1, 0]]

    assert area_mm2(flat(ring)) == pytest.approx(101, rel=1e-12)


def test_a_keyhole_is_a_hole_without_a_note() -> None:
    outline, hole = square(10), square(4)[::-1]
    region = flat(np.concatenate([outline, outline[:1], hole, hole[:1]]))

    assert area_mm2(region) == pytest.approx(84, rel=1e-12)
    assert notes(region)[:-1] == []  # the last one says that there is a single plane


def test_a_keyhole_of_rounded_corners_is_a_hole() -> None:
    """Two decimals let the two sides of the bridge cross by some micrometres."""
    outline, hole = square(10) + 0.003, square(4)[::-1] - 0.004
    back = np.array([[0.01, 0.0]])
    keyhole = np.concatenate(
        [outline, outline[:1] + back, hole, hole[:1] + back[:, ::-1]]
    )

    # The bridge is 4 mm long and 0.01 mm wide.
    assert area_mm2(flat(keyhole.round(2))) == pytest.approx(84, abs=0.08)


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param([[0, 0], [5, 5]], id="two points"),
        pytest.param([[3, 3]], id="one point"),
        pytest.param([[0, 0], [5, 5], [2, 2]], id="a line"),
        pytest.param([[1, 1]] * 5, id="one point five times"),
        pytest.param([[0, 0], [5, 5], [0, 0]], id="there and back"),
    ],
)
def test_a_ring_without_area_is_left_out_with_a_note(ring: list[list[float]]) -> None:
    """rt-utils#87: a contour of two points deleted its slice."""
    region = flat(square(10), ring)

    assert area_mm2(region) == pytest.approx(100, rel=1e-12)
    assert "1 contours without area are left out" in notes(region)


def test_an_roi_of_nothing_but_degenerate_rings_has_no_volume() -> None:
    region = flat([[0, 0], [5, 5]])

    assert region.volume_cc is None
    assert notes(region)[-1] == "the ROI has no closed contours"


def test_an_roi_without_contours_has_no_volume() -> None:
    region = build_region(ROI(name="empty"))

    assert (region.volume_cc, notes(region)) == (
        None,
        ["the ROI has no closed contours"],
    )


# --- planes and slabs ---


def test_volume_is_area_times_thickness() -> None:
    """Planes 3, 2 and 2 mm apart: 100 mm2 x (7 mm + two halves of 2 mm)."""
    region = build_region(stack(0, 3, 5, 7))

    assert region.volume_cc == pytest.approx(0.1 * 9, rel=1e-12)
    assert region.volume_cc == pytest.approx(
        sum(slab.area_mm2 * slab.thickness_mm for slab in region.slabs) / 1000,
        rel=1e-12,
    )


def test_a_plane_owns_the_space_halfway_to_its_neighbours() -> None:
    region = build_region(stack(0, 2, 4, 7, 9))

    assert limits(region) == [(-1, 1), (1, 3), (3, 5.5), (5.5, 8), (8, 10)]


def test_slabs_are_of_each_plane_own_area() -> None:
    contours = (*stack(0, 4).contours, *stack(2, ring=square(20)).contours)

    region = build_region(ROI(name="bulge", contours=contours))

    assert region.volume_cc == pytest.approx(2 * (100 + 400 + 100) / 1000, rel=1e-12)


def test_a_spacing_of_one_and_a_half_is_no_gap() -> None:
    region = build_region(stack(0, 2, 4, 7))

    assert region.gaps == ()
    assert limits(region)[2:] == [(3, 5.5), (5.5, 8)]


@pytest.mark.parametrize(("next_mm", "missing"), [(7.1, 1), (8, 1), (10, 2), (10.9, 2)])
def test_a_gap_of_one_or_two_planes_is_filled_and_reported(
    next_mm: float, missing: int
) -> None:
    """Planes 2 mm apart, then one 3.1 to 6.9 mm further on."""
    region = build_region(stack(0, 2, 4, next_mm))

    (gap,) = region.gaps
    assert (gap.low_mm, gap.high_mm, gap.missing, gap.filled) == (
        4,
        next_mm,
        missing,
        True,
    )
    assert region.volume_cc == pytest.approx(0.1 * (next_mm + 2), rel=1e-12)
    assert (
        f"{missing} contour planes are missing between z = 4 and {next_mm:g} mm: filled"
        in (notes(region))
    )


def test_three_missing_planes_part_the_roi() -> None:
    region = build_region(stack(0, 2, 4, 12, 14))

    (gap,) = region.gaps
    assert (gap.missing, gap.filled) == (3, False)
    assert limits(region)[2:4] == [(3, 5), (11, 13)]
    assert "no contours between z = 4 and 12 mm: taken as separate pieces" in notes(
        region
    )


def test_a_gap_between_outlines_that_do_not_overlap_parts_the_roi() -> None:
    contours = (
        *stack(0, 2, 4).contours,
        *stack(8, 10, ring=square(10, x_mm=30)).contours,
    )

    region = build_region(ROI(name="two", contours=contours))

    assert [(gap.missing, gap.filled) for gap in region.gaps] == [(1, False)]
    assert region.volume_cc == pytest.approx(0.1 * 5 * 2, rel=1e-12)


def test_a_target_of_two_vertebrae_does_not_fill_the_one_between() -> None:
    """T7 and T9 in one PTV, 3 mm planes: T8 stays out, each piece has its own caps."""
    t9, t7 = np.arange(0, 22, 3.0), np.arange(54, 76, 3.0)

    region = build_region(stack(*t9, *t7))

    assert region.volume_cc == pytest.approx(0.1 * 3 * 16, rel=1e-12)
    assert (region.slabs[7].high_mm, region.slabs[8].low_mm) == (22.5, 52.5)


def test_mixed_spacings_lose_no_plane() -> None:
    """SlicerRT#334: planes 3 and 6 mm apart."""
    region = build_region(stack(0, 3, 6, 12, 15, 21, 24))

    assert len(region.slabs) == 7
    assert [gap.filled for gap in region.gaps] == [True, True]
    assert region.volume_cc == pytest.approx(0.1 * 27, rel=1e-12)


def test_spacings_that_differ_by_rounding_are_one_spacing() -> None:
    """SlicerRT#334: 2.4991 and 2.4992 mm were called inconsistent."""
    z_mm = np.cumsum([0, 2.4991, 2.4992, 2.4991, 2.4992, 2.4992])

    region = build_region(stack(*z_mm))

    assert region.gaps == ()
    assert region.volume_cc == pytest.approx(0.1 * 6 * 2.49916, rel=1e-5)


def test_planes_that_differ_by_rounding_are_one_plane() -> None:
    """A hole whose z was rounded otherwise than that of its outline."""
    contours = (
        *stack(0, 2, 4).contours,
        Contour(points_mm=square(4), z_mm=2.0000003),
    )

    region = build_region(ROI(name="hole", contours=contours))

    assert len(region.slabs) == 3
    assert region.slabs[1].area_mm2 == pytest.approx(84, rel=1e-12)


def test_the_order_of_contours_does_not_matter() -> None:
    region = build_region(stack(4, 0, 7, 2))

    assert limits(region) == limits(build_region(stack(0, 2, 4, 7)))


def test_a_single_plane_has_the_thickness_of_the_structure_set() -> None:
    region = build_region(stack(5, spacing_mm=3.0))

    assert limits(region) == [(3.5, 6.5)]
    assert notes(region) == [
        "the ROI has a single contour plane: given the structure set's spacing of 3 mm"
    ]


def test_a_single_plane_of_unknown_thickness_has_no_volume() -> None:
    region = build_region(stack(5))

    assert region.volume_cc is None
    assert (
        notes(region)[-1]
        == "the ROI has a single contour plane and no known plane spacing"
    )


def test_planes_wider_apart_than_elsewhere_in_the_structure_set_are_noted() -> None:
    """Drawn on every fifth image only: its own spacing hides that planes are missing."""
    region = build_region(stack(0, 15, 30, spacing_mm=3.0))

    assert "the contour planes lie 15 mm apart, those of other ROIs 3 mm" in notes(
        region
    )


def test_notes_of_the_reader_are_kept() -> None:
    roi = stack(0, 2)

    assert build_region(roi).notes == roi.notes == ()


def test_thousands_of_planes_are_one_solid() -> None:
    """A frustum of 3000 planes 0.1 mm apart, in any order: pi h (R^2 + R r + r^2) / 3."""
    angle = np.linspace(0, 2 * np.pi, 256, endpoint=False)
    unit = np.column_stack([np.cos(angle), np.sin(angle)])
    heights_mm = 0.1 * (np.arange(3000) + 0.5)
    radii_mm = 20 - heights_mm / 30
    contours = [
        Contour(points_mm=unit * radius, z_mm=float(z))
        for z, radius in zip(heights_mm, radii_mm, strict=True)
    ]
    region = build_region(ROI(name="frustum", contours=tuple(contours[::-1])))

    inscribed = np.sin(2 * np.pi / 256) * 256 / (2 * np.pi)  # a 256-gon in its circle
    assert len(region.slabs) == 3000
    frustum_mm3 = np.pi * 300 * (20**2 + 20 * 10 + 10**2) / 3
    assert region.volume_cc == pytest.approx(frustum_mm3 / 1000 * inscribed, rel=1e-6)


# --- the spacing: what covers most of the length ---


@pytest.mark.parametrize(
    ("steps_mm", "spacing_mm"),
    [
        pytest.param([], None, id="none"),
        pytest.param([2.0], 2.0, id="one"),
        pytest.param(
            [0.1, 1.9, 0.1, 0.1, 1.9, 0.1, 1.9], 1.9, id="tiny steps are commoner"
        ),
        pytest.param([3, 3, 6], 3.0, id="a tie"),
        pytest.param([3, 3, 6, 6], 6.0, id="most of the length"),
        pytest.param([2.4991, 2.4992, 2.4991], 2.4991, id="rounding"),
        pytest.param([2] * 6 + [34] + [2] * 6, 2.0, id="a gap longer than all else"),
        pytest.param([2] * 6 + [34] + [2] * 6 + [34] + [2] * 6, 2.0, id="two gaps"),
        pytest.param([2, 2, 30, 2, 2], 2.0, id="a gap between short pieces"),
        pytest.param(
            [0.32, 0.32, 1.7, 0.32, 0.32, 1.7], 1.7, id="as far as rings scatter"
        ),
        pytest.param(
            [0.33, 0.33, 1.7, 0.33, 0.33, 1.7], 0.33, id="further than rings scatter"
        ),
        pytest.param([1.7, 2.3, 1.8, 2.2], 2.0, id="scattered"),
    ],
)
def test_the_main_spacing(steps_mm: list[float], spacing_mm: float | None) -> None:
    assert main_spacing_mm(steps_mm) == (spacing_mm and pytest.approx(spacing_mm))


@pytest.mark.parametrize("usual_mm", [None, 2.0])
def test_a_gap_does_not_become_the_spacing_of_two_short_pieces(
    usual_mm: float | None,
) -> None:
    region = build_region(stack(0, 2, 36, 38, spacing_mm=usual_mm))

    assert region.spacing_mm == 2
    assert region.volume_cc == pytest.approx(0.8, rel=1e-12)
    assert region.drawn_mm == ((-1, 3), (35, 39))


def scattered(
    scatter_mm: float,
    seed: int,
    *,
    nominal_mm: float = 2.0,
    usual_mm: float | None = None,
) -> ROI:
    """Return 25 planes, each of three rings side by side on heights of their own."""
    away_mm = np.random.default_rng(seed).uniform(-scatter_mm, scatter_mm, (25, 3))
    contours = tuple(
        Contour(points_mm=square(10, x_mm=20.0 * lobe), z_mm=nominal_mm * plane + away)
        for plane, lobes in enumerate(away_mm.tolist())
        for lobe, away in enumerate(lobes)
    )
    return ROI(name="scattered", contours=contours, plane_spacing_mm=usual_mm)


@pytest.mark.parametrize("scatter_mm", [0.005, 0.02, 0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("usual_mm", [None, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_rings_scattered_around_their_planes_keep_spacing_and_volume(
    scatter_mm: float, usual_mm: float | None, seed: int
) -> None:
    region = build_region(scattered(scatter_mm, seed, usual_mm=usual_mm))

    assert region.spacing_mm == pytest.approx(2, rel=0.02)
    assert region.volume_cc == pytest.approx(0.3 * 50, rel=0.015)
    assert (len(region.planes_mm), region.gaps) == (25, ())


def test_the_order_of_scattered_rings_does_not_matter() -> None:
    roi = scattered(0.3, 1)
    other = build_region(replace(roi, contours=roi.contours[::-1]))

    assert other.planes_mm == build_region(roi).planes_mm
    assert other.volume_cc == pytest.approx(build_region(roi).volume_cc, rel=1e-12)


@pytest.mark.parametrize(("near_mm", "planes"), [(0.66, 4), (0.67, 5)])
def test_planes_closer_than_a_third_of_the_spacing_are_one(
    near_mm: float, planes: int
) -> None:
    contours = (
        *stack(0, 2, 4, 6).contours,
        *stack(4 + near_mm, ring=square(10, x_mm=5)).contours,
    )
    region = build_region(ROI(name="near", contours=contours, plane_spacing_mm=2.0))

    assert len(region.planes_mm) == planes
    assert len([note for note in notes(region) if "taken as one" in note]) == 5 - planes


def test_planes_that_join_are_a_union_in_their_middle() -> None:
    contours = (*stack(0, 2, 4).contours, *stack(2.2, ring=square(10, x_mm=5)).contours)
    region = build_region(ROI(name="near", contours=contours))

    assert region.planes_mm == pytest.approx((0, 2.1, 4))
    assert region.slabs[1].area_mm2 == pytest.approx(150, rel=1e-12)


def test_a_single_plane_of_scattered_rings_has_the_usual_thickness() -> None:
    contours = (*stack(0).contours, *stack(0.3, ring=square(10, x_mm=30)).contours)
    region = build_region(ROI(name="flat", contours=contours, plane_spacing_mm=2.0))

    assert region.volume_cc == pytest.approx(0.4, rel=1e-12)


# --- copies ---


def copied(scale: float, *, fills: bool, planes: int = 3) -> Region:
    """Return a 10 mm square column, each ring repeated smaller."""
    z_mm = [2.0 * plane for plane in range(planes)]
    rings = (*stack(*z_mm).contours, *stack(*z_mm, ring=square(10 * scale)).contours)
    return build_region(ROI(name="twice", contours=rings, fills_thin_holes=fills))


COPY = "on 3 planes a contour is repeated a little smaller: a copy, not a hole"


@pytest.mark.parametrize("scale", [0.99, 0.97, np.sqrt(0.901)])
def test_a_ring_repeated_a_little_smaller_is_a_copy(scale: float) -> None:
    region = copied(scale, fills=True)

    assert region.volume_cc == pytest.approx(0.6, rel=1e-12)
    assert notes(region).count(COPY) == 1


@pytest.mark.parametrize("scale", [np.sqrt(0.899), 0.5])
def test_a_hole_that_leaves_a_tenth_of_its_ring_is_a_hole(scale: float) -> None:
    region = copied(scale, fills=True)

    assert region.volume_cc == pytest.approx(0.6 * (1 - scale**2), rel=1e-9)
    assert notes(region) == []


@pytest.mark.parametrize("scale", [0.99, 0.97])
def test_a_skin_stays_a_skin_unless_told_otherwise(scale: float) -> None:
    region = copied(scale, fills=False)

    assert region.volume_cc == pytest.approx(0.6 * (1 - scale**2), rel=1e-9)


def test_a_ring_drawn_three_times_smaller_and_smaller_is_one_ring() -> None:
    rings = [
        Contour(points_mm=square(size), z_mm=z)
        for z in (0, 2)
        for size in (10, 9.9, 9.8)
    ]
    region = build_region(
        ROI(name="thrice", contours=tuple(rings), fills_thin_holes=True)
    )

    assert region.volume_cc == pytest.approx(0.4, rel=1e-12)


def test_a_keyhole_that_leaves_almost_nothing_is_a_copy() -> None:
    outline, hole = square(10), square(9.9)[::-1]
    ring = np.concatenate([outline, outline[:1], hole, hole[:1]])
    rings = tuple(Contour(points_mm=ring, z_mm=z) for z in (0.0, 2.0))
    region = build_region(ROI(name="keyhole", contours=rings, fills_thin_holes=True))

    assert region.volume_cc == pytest.approx(0.4, rel=1e-12)


# --- planes that enclose nothing are no planes ---

LINE = np.array([[0.0, 0], [0, 2], [0, 5]])


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param([square(10)[:1]], id="one point"),
        pytest.param([square(10)[:2]], id="two points"),
        pytest.param([LINE], id="a line"),
        pytest.param([square(10), square(10)], id="xor rings that cancel"),
    ],
)
def test_planes_that_enclose_nothing_are_not_drawn(nothing: list[FloatArray]) -> None:
    empty = [
        Contour(points_mm=p, z_mm=float(z), xor=True)
        for z in (6, 8, 10)
        for p in nothing
    ]
    contours = (*stack(0, 2, 4, 12, 14).contours, *empty)
    region = build_region(ROI(name="nothing", contours=contours, plane_spacing_mm=2.0))

    assert region.planes_mm == (0, 2, 4, 12, 14)
    assert region.drawn_mm == ((-1, 5), (11, 15))
    assert (region.low_mm, region.high_mm) == (-1, 15)
    assert [(gap.missing, gap.filled) for gap in region.gaps] == [(3, False)]
    assert region.volume_cc == pytest.approx(1.0, rel=1e-12)


def test_a_gap_that_is_filled_is_not_drawn() -> None:
    region = build_region(stack(0, 2, 6, 8))

    assert region.volume_cc == pytest.approx(1.0, rel=1e-12)
    assert region.drawn_mm == ((-1, 3), (5, 9))


def test_planes_wide_apart_stand_for_no_more_than_the_usual_spacing() -> None:
    region = build_region(stack(0, 15, 30, spacing_mm=3.0))

    assert region.drawn_mm == ((-1.5, 1.5), (13.5, 16.5), (28.5, 31.5))


def test_a_solid_of_nothing_has_no_ends() -> None:
    region = build_region(ROI(name="empty"))

    assert (region.low_mm, region.high_mm, region.drawn_mm) == (None, None, ())


def test_a_solid_is_built_once() -> None:
    roi = stack(0, 2, 4)

    assert build_region(roi) is build_region(roi)
    assert build_region(roi) is not build_region(roi, end_caps=False)


def test_a_plane_by_itself_keeps_its_slab_where_end_caps_are_left_out() -> None:
    region = build_region(stack(0, 3, 6, 40, spacing_mm=3), end_caps=False)

    assert limits(region) == [(0, 1.5), (1.5, 4.5), (4.5, 6), (38.5, 41.5)]


def star(corners: int) -> np.ndarray:
    """Return a star whose every edge passes near the middle: each pair of edges crosses."""
    turn = np.arange(corners) * 2 * np.pi * (corners // 2) / corners
    return 30 * np.column_stack([np.cos(turn), np.sin(turn)])


@pytest.mark.parametrize(("corners", "is_drawn"), [(101, True), (601, False)])
def test_what_crosses_itself_without_end_is_not_drawn(
    corners: int, *, is_drawn: bool
) -> None:
    """Of 101 corners 4 900 crossings on a plane, of 601 some 180 000."""
    rings = [Contour(points_mm=star(corners), z_mm=z_mm) for z_mm in (0.0, 2.0)]

    region = build_region(ROI(name="star", contours=tuple(rings)))

    assert bool(region.slabs) is is_drawn
    assert ("cross themselves more than" in str(region.problem)) is not is_drawn


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_contours_and_axes_are_numbers(bad: float) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [bad, 1.0]])
    axis = np.array([0.0, 1.0, 2.0])

    with pytest.raises(ValueError, match="finite"):
        Contour(points_mm=corners, z_mm=0.0)
    with pytest.raises(ValueError, match="finite"):
        Contour(points_mm=corners[:2], z_mm=bad)
    with pytest.raises(ValueError, match="finite"):
        DoseGrid(
            dose_gy=np.zeros((3, 3, 3)),
            x_mm=axis,
            y_mm=axis,
            z_mm=np.array([0, 1, bad]),
        )


def squares(count: int, step_mm: float) -> ROI:
    """Return squares of 1 mm on two planes, side by side or over one another."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    rings = [
        Contour(points_mm=corners + number * step_mm, z_mm=z_mm)
        for number in range(count)
        for z_mm in (0.0, 2.0)
    ]
    return ROI(name="squares", contours=tuple(rings))


@pytest.mark.parametrize(
    ("count", "step_mm", "is_drawn"),
    [
        (1000, 1.5, True),
        (1001, 1.5, False),  # more than are compared
        (200, 0.9, True),
        (201, 0.9, False),  # more than are put together where they meet
    ],
)
def test_crowds_of_rings_on_a_plane_are_not_drawn(
    count: int, step_mm: float, *, is_drawn: bool
) -> None:
    region = build_region(squares(count, step_mm))

    assert bool(region.slabs) is is_drawn
    assert ("on one plane" in str(region.problem)) is not is_drawn


def test_each_ring_belongs_to_the_nearest_of_many_planes() -> None:
    """As many as an ROI may have."""
    corners = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]])
    heights_mm = np.arange(MOST_PLANES) * 0.5
    rings = [Contour(points_mm=corners, z_mm=float(z)) for z in heights_mm]

    region = build_region(ROI(name="rod", contours=tuple(rings)))

    assert region.planes_mm == tuple(heights_mm.tolist())
    assert region.volume_cc == pytest.approx(100 * MOST_PLANES * 0.5 / 1000)
    above = Contour(points_mm=corners, z_mm=-1.0)
    more = build_region(ROI(name="rod", contours=(above, *rings)))
    assert "more than 3000 planes" in str(more.problem)


def test_rings_of_millions_of_corners_are_not_drawn() -> None:
    turn = np.linspace(0, 2 * np.pi, MOST_CORNERS // 2 + 1, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    rings = [Contour(points_mm=circle, z_mm=z_mm) for z_mm in (0.0, 2.0)]

    region = build_region(ROI(name="fine", contours=tuple(rings)))

    assert "more than 2000000 corners" in str(region.problem)
