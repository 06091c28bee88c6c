"""The kernel against two independent oracles: exact clipping, and very many points."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from sbrtcheck.contours.rings import edges, signed_area_mm2
from sbrtcheck.dvh.occupancy import Lattice, inside, occupancy
from sbrtcheck.model import FloatArray

ROUNDING = 1e-12  # sums of some hundred float64 terms of order 1


class Dense(NamedTuple):
    """What is filled of every cell, shape (planes, ny, nx)."""

    fraction: FloatArray
    x_offset: FloatArray
    y_offset: FloatArray


def dense(planes: Sequence[Sequence[FloatArray]], lattice: Lattice) -> Dense:
    """Lay out the cells that rings fill among those that they do not."""
    filled = occupancy(planes, lattice)
    area = lattice.ny * lattice.nx
    place = np.repeat(np.arange(len(planes)), filled.counts) * area + filled.cell
    assert (np.diff(place) > 0).all()
    found = np.zeros((3, len(planes) * area))
    found[:, place] = filled[:3]
    return Dense(*found.reshape(3, len(planes), lattice.ny, lattice.nx))


def star(seed: int, corners: int = 23) -> FloatArray:
    """Return a counter-clockwise ring with notches, within 2 to 18 mm."""
    random = np.random.default_rng(seed)
    turn = np.sort(random.uniform(0, 2 * np.pi, corners))
    radius_mm = random.uniform(2, 8, corners)
    return np.stack(
        [10 + radius_mm * np.cos(turn), 10 + radius_mm * np.sin(turn)], axis=1
    )


def square(low_mm: float, high_mm: float) -> FloatArray:
    return np.array(
        [[low_mm, low_mm], [high_mm, low_mm], [high_mm, high_mm], [low_mm, high_mm]],
        dtype=float,
    )


LATTICES = (
    Lattice(0.0, 0.0, 1.0, 20, 20),
    Lattice(0.1, -0.3, 0.73, 28, 29),
    Lattice(-7.0, 1.0, 6.5, 5, 3),
)


def parts_of_cells(ring: FloatArray, lattice: Lattice) -> NDArray[np.object_]:
    """Return what shapely clips of the ring to each cell, shape (ny, nx)."""
    half = lattice.cell_mm / 2
    x, y = np.meshgrid(lattice.x_centres_mm, lattice.y_centres_mm)
    cells = shapely.box(x - half, y - half, x + half, y + half)
    return np.asarray(shapely.intersection(shapely.Polygon(ring), cells))


def assert_same(one: Dense, other: Dense) -> None:
    np.testing.assert_allclose(one.fraction, other.fraction, atol=ROUNDING)
    # Rounding in a moment counts the more, the smaller the part of the cell it is divided by.
    for offset, expected in zip(one[1:], other[1:], strict=True):
        np.testing.assert_allclose(
            offset * one.fraction, expected * other.fraction, atol=ROUNDING
        )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lattice", LATTICES)
def test_areas_are_those_that_shapely_clips(lattice: Lattice, seed: int) -> None:
    ring = star(seed)

    clipped = shapely.area(parts_of_cells(ring, lattice)) / lattice.cell_mm**2

    # Both are exact; GEOS computes crossings in single steps of float64.
    np.testing.assert_allclose(
        dense([[ring]], lattice).fraction[0], clipped, atol=1e-11
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lattice", LATTICES)
def test_centroids_are_those_that_shapely_finds(lattice: Lattice, seed: int) -> None:
    ring = star(seed)
    filled = dense([[ring]], lattice)
    parts = parts_of_cells(ring, lattice)
    seen = (
        shapely.area(parts) > 1e-6 * lattice.cell_mm**2
    )  # of a sliver, GEOS knows no centroid
    middle = shapely.get_coordinates(shapely.centroid(parts[seen]))
    x, y = np.meshgrid(lattice.x_centres_mm, lattice.y_centres_mm)

    offsets = (middle - np.stack([x[seen], y[seen]], axis=1)) / lattice.cell_mm

    # 1e-12 of rounding in a moment over 1e-6 of a cell.
    np.testing.assert_allclose(filled.x_offset[0][seen], offsets[:, 0], atol=2e-6)
    np.testing.assert_allclose(filled.y_offset[0][seen], offsets[:, 1], atol=2e-6)


@pytest.mark.parametrize("seed", range(2))
def test_areas_are_those_of_many_points_in_each_cell(seed: int) -> None:
    """Scikit-image decides for 40 x 40 points a cell whether they lie in the polygon."""
    ring, many = star(seed), 40
    lattice = LATTICES[0]
    rows_and_columns = ring[:, ::-1] * many - 0.5  # pixel (0, 0) has its centre at 0, 0
    mask = polygon2mask((20 * many, 20 * many), rows_and_columns)  # type: ignore[no-untyped-call]
    counted = mask.reshape(20, many, 20, many).mean(axis=(1, 3))

    fraction = dense([[ring]], lattice).fraction[0]

    # Points along an edge of the length of a cell or two may be miscounted by half a row each.
    np.testing.assert_allclose(fraction, counted, atol=2 / many)
    assert fraction.sum() == pytest.approx(counted.sum(), rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lattice", LATTICES)
def test_the_cells_hold_the_area_of_the_ring(lattice: Lattice, seed: int) -> None:
    ring = star(seed)

    filled_mm2 = dense([[ring]], lattice).fraction.sum() * lattice.cell_mm**2

    assert filled_mm2 == pytest.approx(signed_area_mm2(ring), rel=1e-12)


@pytest.mark.parametrize("start", [1, 7, 22])
def test_the_start_point_does_not_matter(start: int) -> None:
    ring = star(1)

    assert_same(
        dense([[np.roll(ring, start, axis=0)]], LATTICES[1]),
        dense([[ring]], LATTICES[1]),
    )


def test_the_order_of_rings_does_not_matter() -> None:
    rings = [square(1, 3), square(4, 9.5), square(10.2, 17)]

    assert_same(dense([rings[::-1]], LATTICES[1]), dense([rings], LATTICES[1]))


def test_a_reversed_ring_takes_away_what_the_ring_brings() -> None:
    outline, ring = square(0.5, 19.5), star(2)

    with_hole = dense([[outline, ring[::-1]]], LATTICES[0]).fraction
    apart = [dense([[part]], LATTICES[0]).fraction for part in (outline, ring)]

    np.testing.assert_allclose(with_hole, apart[0] - apart[1], atol=ROUNDING)


def test_extra_points_on_an_edge_change_nothing() -> None:
    ring = star(3)
    share = np.array([0.0, 0.21, 0.5, 0.9])
    along = np.roll(ring, -1, axis=0) - ring
    finer = (ring[:, None] + along[:, None] * share[:, None]).reshape(-1, 2)

    assert_same(dense([[finer]], LATTICES[1]), dense([[ring]], LATTICES[1]))


def test_repeated_points_change_nothing() -> None:
    ring = star(3)
    closed = np.concatenate([np.repeat(ring, 2, axis=0), ring[:1]])

    assert_same(dense([[closed]], LATTICES[0]), dense([[ring]], LATTICES[0]))


def test_a_keyhole_is_a_hole() -> None:
    """One ring that runs to the hole, around it and back is an outline with a hole."""
    outline, hole = square(1, 17.3), square(5.5, 11.1)[::-1]
    keyhole = np.concatenate([outline, outline[:1], hole, hole[:1]])

    assert_same(dense([[keyhole]], LATTICES[0]), dense([[outline, hole]], LATTICES[0]))


def test_a_ring_on_cell_edges_fills_its_cells_and_no_others() -> None:
    """dicompyler-core#389: a contour exactly on voxel edges gave an empty DVH."""
    filled = dense([[square(3, 7)]], LATTICES[0])
    expected = np.zeros((20, 20))
    expected[3:7, 3:7] = 1

    assert (filled.fraction[0] == expected).all()
    assert not filled.x_offset.any()
    assert not filled.y_offset.any()


def test_a_ring_on_the_border_of_the_lattice_is_whole() -> None:
    assert (dense([[square(0, 20)]], LATTICES[0]).fraction == 1).all()


def test_a_ring_within_one_cell_has_its_area_and_its_centroid() -> None:
    filled = dense([[square(4.1, 4.3)]], LATTICES[0])

    assert filled.fraction[0, 4, 4] == pytest.approx(0.04, rel=1e-12)
    assert filled.x_offset[0, 4, 4] == pytest.approx(-0.3, rel=1e-9)
    assert filled.fraction.sum() == pytest.approx(0.04, rel=1e-12)


def test_a_ring_far_from_the_origin_loses_no_digits() -> None:
    """Float64 holds 1e-12 of 5 000 mm; a fraction of a cell can be no better than this."""
    shift = 5000.0
    moved = LATTICES[0]._replace(x_mm=shift, y_mm=-shift)
    ring = star(0)

    np.testing.assert_allclose(
        dense([[ring + np.array([shift, -shift])]], moved).fraction,
        dense([[ring]], LATTICES[0]).fraction,
        atol=1e-10,
    )


def test_planes_do_not_mix() -> None:
    planes = [[star(0)], [], [star(1), square(0.2, 1.1)]]

    together = dense(planes, LATTICES[1])

    for index, rings in enumerate(planes):
        alone = dense([rings], LATTICES[1])
        np.testing.assert_allclose(
            together.fraction[index], alone.fraction[0], atol=ROUNDING
        )


def test_no_ring_fills_nothing() -> None:
    assert not dense([[]], LATTICES[0]).fraction.any()


@pytest.mark.parametrize("seed", range(4))
def test_grid_points_inside_are_those_that_shapely_finds(seed: int) -> None:
    ring, hole = star(seed), square(9.1, 10.9)[::-1]
    outline = shapely.Polygon(ring).difference(shapely.Polygon(hole))
    x_mm, y_mm = (
        np.arange(-1, 22, 0.37),
        np.array([-3, 1.9, 4.2, 4.3, 10, 10.1, 17, 25]),
    )

    found = inside([[], [ring, hole]], x_mm, y_mm)

    assert not found[0].any()
    assert (found[1] == shapely.contains_xy(outline, *np.meshgrid(x_mm, y_mm))).all()


def test_every_ring_is_closed() -> None:
    starts, ends, plane = edges([[square(0, 1), star(0)], [square(2, 3)]])

    np.testing.assert_array_equal(starts[:4], np.roll(ends[:4], 1, axis=0))
    assert ends[3].tolist() == [0, 0]
    assert plane.tolist() == [0] * 27 + [1] * 4


def test_a_counter_clockwise_ring_has_a_positive_area() -> None:
    assert signed_area_mm2(square(1, 4)) == 9
    assert signed_area_mm2(square(1, 4)[::-1]) == -9
