"""Between planes: outlines that go over into each other, and what every convention keeps."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from builders import dvh_of
from sbrtcheck.contours import Region, build_region, closing_ends, shaped
from sbrtcheck.contours.areas import mean_area, parabolas
from sbrtcheck.model import ROI, Contour, Convention, DoseGrid, FloatArray
from sbrtcheck.phantoms import (
    Box,
    Cone,
    Cylinder,
    Solid,
    Sphere,
    Tube,
    even_axis,
    linear_dose,
)

SHAPE = Convention(between_planes="shape")
AXIS = even_axis(-40, 40, 2.0)
RISING = linear_dose(gradient_gy_per_mm=0.5, axis="z", at_origin_gy=30).sampled(
    AXIS, AXIS, AXIS
)
PHASES_MM = (0.0, 0.2, 0.45, 0.7)


def shape_of(solid: Solid, spacing_mm: float, phase_mm: float = 0.0) -> Region:
    return shaped(
        build_region(solid.roi("s", spacing_mm=spacing_mm, phase_mm=phase_mm)), 0.1
    )


def stack(*rings: tuple[float, float, float], step_mm: float = 2.0) -> ROI:
    """Return discs given by x, y and radius, one above the other."""
    turn = np.arange(96) * 2 * np.pi / 96
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    contours = tuple(
        Contour(points_mm=circle * radius + (x, y), z_mm=step_mm * at)
        for at, (x, y, radius) in enumerate(rings)
    )
    return ROI(name="stack", contours=contours, plane_spacing_mm=step_mm)


@pytest.mark.parametrize("phase_mm", PHASES_MM)
@pytest.mark.parametrize("radius_mm", [2.5, 3.5, 5.0, 10.0])
def test_a_sphere_has_its_volume_wherever_its_planes_lie(
    radius_mm: float, phase_mm: float
) -> None:
    """Area is quadratic in height, so the parabola is exact; slabs miss up to 4 %.

    A thousandth is left for the equator, which may not bulge past the planes beside it.
    """
    solid = Sphere(radius_mm=radius_mm)

    region = shape_of(solid, 1.0, phase_mm)

    assert region.volume_cc == pytest.approx(solid.volume_cc, rel=1e-3)


@pytest.mark.parametrize("phase_mm", PHASES_MM)
def test_the_tip_of_a_cone_is_where_its_areas_run_out(phase_mm: float) -> None:
    solid = Cone(radius_mm=8, height_mm=20)

    region = shape_of(solid, 1.0, phase_mm)

    assert region.slabs[-1].high_mm == pytest.approx(10.0, abs=1e-3)


@pytest.mark.parametrize(
    "solid",
    [
        Cylinder(radius_mm=6, length_mm=20),
        Box(size_mm=(10, 14, 20)),
        Tube(radius_mm=9, hole_radius_mm=4, length_mm=20),
    ],
)
def test_a_prism_is_the_same_solid_in_both_conventions(solid: Solid) -> None:
    """Half-slice caps, no change between planes."""
    roi = solid.roi("prism", spacing_mm=2)

    dvhs = [dvh_of(roi, RISING, convention=c) for c in (Convention(), SHAPE)]

    assert dvhs[0].volume_cc == pytest.approx(dvhs[1].volume_cc, rel=1e-9)
    assert dvhs[0].dose_at_percent_gy(95) == pytest.approx(
        dvhs[1].dose_at_percent_gy(95), abs=1e-9
    )


def test_a_leaning_rod_moves_between_its_planes() -> None:
    """Discs that shift by 3 mm a plane: in between, the disc lies in between."""
    region = shaped(
        build_region(stack(*((3.0 * at, 0.0, 8.0) for at in range(6)))), 0.1
    )

    layer = next(slab for slab in region.slabs if slab.low_mm == pytest.approx(5.0))
    middle_mm = shapely.get_coordinates(
        shapely.centroid(shapely.Polygon(layer.rings[0]))
    )[0]
    expected_mm = 1.5 * (layer.low_mm + layer.high_mm) / 2
    assert middle_mm == pytest.approx((expected_mm, 0.0), abs=0.03)
    assert layer.area_mm2 == pytest.approx(np.pi * 64, rel=2e-3)


def test_a_sudden_end_stays_near_its_planes() -> None:
    """Of a large disc that ends in a small one, no layer is much larger than the large one."""
    roi = stack(*((0, 0, radius) for radius in (10, 10, 10, 10, 3)))

    region = shaped(build_region(roi), 0.1)

    assert max(slab.area_mm2 for slab in region.slabs) < 1.06 * np.pi * 100
    assert region.volume_cc == pytest.approx(build_region(roi).volume_cc, rel=0.05)


def test_where_outlines_split_slabs_stay() -> None:
    """One outline that becomes two is nothing that moves."""
    whole = stack((0, 0, 12), (0, 0, 12))
    left, right = (stack((x, 0, 4), (x, 0, 4), (x, 0, 4)) for x in (-6, 6))
    raised = tuple(
        replace(contour, z_mm=contour.z_mm + 4)
        for roi in (left, right)
        for contour in roi.contours
    )
    roi = replace(whole, contours=(*whole.contours, *raised))

    region = shaped(build_region(roi), 0.1)

    assert region.volume_cc == pytest.approx(build_region(roi).volume_cc, rel=1e-12)


def test_a_hole_that_narrows_is_a_hole_between_its_planes() -> None:
    """A cone bored out of a rod: the rod's volume without the cone's."""
    rod = Cylinder(radius_mm=10, length_mm=20).roi("rod", spacing_mm=2)
    holes = [
        replace(bore, z_mm=contour.z_mm)
        for contour in rod.contours
        for bore in stack((0, 0, 3 - contour.z_mm / 4)).contours
    ]
    roi = replace(rod, contours=(*rod.contours, *holes))

    region = shaped(build_region(roi), 0.1)

    frustum_cc = np.pi * 20 / 3 * (5.5**2 + 5.5 * 0.5 + 0.5**2) / 1000
    whole_cc = Cylinder(radius_mm=10, length_mm=20).volume_cc
    assert region.volume_cc == pytest.approx(whole_cc - frustum_cc, rel=1e-3)


def test_ends_that_run_out_and_ends_that_do_not() -> None:
    cone = Cone(radius_mm=8, height_mm=20).roi("cone", spacing_mm=1)

    assert closing_ends(build_region(cone)) == (False, True)
    sphere = Sphere(radius_mm=8).roi("sphere", spacing_mm=1)
    assert closing_ends(build_region(sphere)) == (True, True)
    rod = Cylinder(radius_mm=8, length_mm=20).roi("rod", spacing_mm=1)
    assert closing_ends(build_region(rod)) == (False, False)


def test_without_end_caps_a_piece_ends_at_its_planes() -> None:
    """Twenty millimetres in ten planes: nine spacings are left."""
    roi = Box(size_mm=(10, 10, 20)).roi("box", spacing_mm=2)

    dvhs = [
        dvh_of(
            roi, RISING, convention=Convention(end_caps="none", between_planes=between)
        )
        for between in ("slab", "shape")
    ]

    assert [dvh.volume_cc for dvh in dvhs] == pytest.approx([1.8, 1.8])
    assert dvhs[0].min_gy == pytest.approx(30 - 9 * 0.5)


def test_without_end_caps_a_single_plane_keeps_its_thickness() -> None:
    roi = ROI(
        name="one",
        contours=Box(size_mm=(10, 10, 2)).roi("b", spacing_mm=2).contours,
        plane_spacing_mm=2.0,
    )

    dvh = dvh_of(roi, RISING, convention=Convention(end_caps="none"))

    assert dvh.volume_cc == pytest.approx(0.2)


def test_gaps_can_be_left_empty() -> None:
    roi = Box(size_mm=(10, 10, 20)).roi("box", spacing_mm=2)
    without = replace(roi, contours=tuple(c for c in roi.contours if abs(c.z_mm) > 2))

    filled, empty = (
        dvh_of(without, RISING, convention=Convention(fill_gaps=fill))
        for fill in (True, False)
    )

    assert filled.volume_cc == pytest.approx(2.0)
    assert empty.volume_cc == pytest.approx(1.6)


def test_a_convention_of_no_sub_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="sub_cells must be at least 1"):
        Convention(sub_cells=0)


@pytest.mark.parametrize("turned", [1, 7, 40])
def test_the_start_of_a_ring_does_not_matter_to_its_shape(turned: int) -> None:
    """Of more than 72 corners some move: which ones may change a volume by 5 in 100 000."""
    roi = stack(*((at * 0.8, 0.0, 6.0 + 0.5 * at) for at in range(6)))
    rolled = tuple(
        replace(contour, points_mm=np.roll(contour.points_mm, turned, axis=0))
        for contour in roi.contours
    )

    one, other = (
        dvh_of(r, RISING, convention=SHAPE)
        for r in (roi, replace(roi, contours=rolled))
    )

    assert one.volume_cc == pytest.approx(other.volume_cc, rel=5e-5)
    assert one.dose_at_percent_gy(95) == pytest.approx(
        other.dose_at_percent_gy(95), abs=5e-3
    )


def test_the_shape_of_a_mirrored_roi_is_mirrored() -> None:
    roi = stack(*((at * 0.8, 0.3 * at, 6.0 + 0.5 * at) for at in range(6)))
    mirrored = tuple(
        replace(contour, points_mm=contour.points_mm * (-1, 1))
        for contour in roi.contours
    )
    field = linear_dose(gradient_gy_per_mm=0.5, axis="x", at_origin_gy=30)
    back = linear_dose(gradient_gy_per_mm=-0.5, axis="x", at_origin_gy=30)

    one = dvh_of(roi, field.sampled(AXIS, AXIS, AXIS), convention=SHAPE)
    other = dvh_of(
        replace(roi, contours=mirrored),
        back.sampled(AXIS, AXIS, AXIS),
        convention=SHAPE,
    )

    assert one.dose_at_percent_gy(5) == pytest.approx(
        other.dose_at_percent_gy(5), abs=1e-3
    )


def test_a_shape_stays_on_a_grid_that_ends_where_it_does() -> None:
    """An outline that moves may not leave the extent of the planes it lies between."""
    solid = Sphere(radius_mm=10)
    axis = even_axis(-10, 10, 1.0)
    dose = DoseGrid(dose_gy=np.full((21, 21, 21), 5.0), x_mm=axis, y_mm=axis, z_mm=axis)

    dvh = dvh_of(solid.roi("s", spacing_mm=2, phase_mm=0.4), dose, convention=SHAPE)

    assert dvh.volume_outside_cc < 1e-3 * solid.volume_cc


@pytest.mark.parametrize(
    ("areas_mm2", "height_mm", "expected_mm2"),
    [
        ((100, 110, 120), 0.25, 120.0),  # beyond the last plane it does not grow
        ((120, 110, 100), 0.25, 97.5),  # but falls on
        ((100, 110, 120), -0.25, 117.5),  # between planes it goes to the other area
    ],
)
def test_beyond_the_last_plane_an_area_goes_on_falling_and_never_rising(
    areas_mm2: tuple[float, ...], height_mm: float, expected_mm2: float
) -> None:
    """Of three planes 1 mm apart, a layer of 0.5 mm above or below the last one."""
    areas = parabolas(
        np.array(areas_mm2, dtype=float), np.arange(3.0), [(1, 2), (0, 2), (1, 0)]
    )
    found = mean_area(areas, np.array([2]), np.array([height_mm]), np.array([0.5]))

    assert found == pytest.approx([expected_mm2])


def rectangle(x_mm: float, y_mm: float, width_mm: float, depth_mm: float) -> FloatArray:
    """Return the corners of a rectangle around a point."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
    return corners * (width_mm, depth_mm) + (x_mm, y_mm)


def two_planes(low: FloatArray, high: FloatArray) -> ROI:
    """Return an outline with another one 2 mm above it."""
    contours = (Contour(points_mm=low, z_mm=0.0), Contour(points_mm=high, z_mm=2.0))
    return ROI(name="two", contours=contours, plane_spacing_mm=2.0)


@pytest.mark.parametrize(
    "roi",
    [
        stack((0, 0, 8), (6, 0, 8)),
        stack((0, 0, 8), (-4, 5, 8)),
        stack((0, 0, 10), (4, 0, 3)),
        stack(*((8.0 * at, 0, 8) for at in range(6))),
        two_planes(rectangle(0, 0, 30, 2), rectangle(0, 0, 2, 30)),
        Sphere(radius_mm=10).roi("sphere", spacing_mm=3, phase_mm=1.5),
    ],
    ids=["to one side", "aslant", "smaller", "leaning rod", "crossed bars", "sphere"],
)
def test_between_planes_a_solid_keeps_to_the_extent_of_their_outlines(roi: ROI) -> None:
    drawn_mm = np.concatenate([contour.points_mm for contour in roi.contours])

    region = shaped(build_region(roi), 0.1)

    found_mm = np.concatenate([ring for slab in region.slabs for ring in slab.rings])
    assert len(region.slabs) > len(roi.contours)
    assert (found_mm >= drawn_mm.min(axis=0) - 1e-9).all()
    assert (found_mm <= drawn_mm.max(axis=0) + 1e-9).all()


@pytest.mark.parametrize("y_mm", [0.0, 1.0])
def test_a_bar_that_becomes_a_block_at_its_end_has_the_mean_of_both_areas(
    y_mm: float,
) -> None:
    """160 and 140 mm2, 2 mm apart, hardly one above the other: no distance tells how they go over.

    Three hundredths are left for what would lie past the extent of both.
    """
    roi = two_planes(rectangle(0, 0, 40, 4), rectangle(24, y_mm, 10, 14))

    region = shaped(build_region(roi, end_caps=False), 0.1)

    assert region.volume_cc == pytest.approx(0.3, rel=0.03)
