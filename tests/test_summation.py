"""Doses of parts of one treatment add up where all of them are known."""

from dataclasses import replace

import numpy as np
import pytest

from builders import dose_grid
from sbrtcheck.model import DoseGrid, sum_doses


def linear(low: float, high: float, step_mm: float, slope: float = 0.1) -> DoseGrid:
    """Return 20 Gy at the origin, rising along all three axes."""
    return dose_grid(
        lambda x, y, z: 20 + slope * (x + 2 * y + 3 * z),
        (low,) * 3,
        (high,) * 3,
        step_mm,
    )


def test_doses_on_one_grid_add_up_point_by_point() -> None:
    one, other = linear(-20, 20, 4), linear(-20, 20, 4, slope=-0.05)

    total = sum_doses([one, other])

    assert total.dose_gy.tolist() == (one.dose_gy + other.dose_gy).tolist()
    assert total.x_mm.tolist() == one.x_mm.tolist()


def test_the_sum_of_linear_doses_on_different_grids_is_exact() -> None:
    """Trilinear reading of a linear dose has no error, whatever the grids."""
    total = sum_doses([linear(-20, 20, 5), linear(-9, 30, 3, slope=0.02)])

    expected = linear(-9, 30, 3, slope=0.12).dose_gy + 20
    n = total.x_mm.size
    assert np.abs(total.dose_gy - expected[:n, :n, :n]).max() < 1e-9


def test_the_sum_stands_on_the_finest_grid_in_the_box_that_all_know() -> None:
    total = sum_doses([linear(-20, 20, 5), linear(-9, 30, 3)])

    assert total.x_mm.tolist() == [-9, -6, -3, 0, 3, 6, 9, 12, 15, 18]


def test_the_order_of_doses_does_not_matter() -> None:
    parts = [linear(-20, 20, 5), linear(-9, 30, 3), linear(-12, 12, 4)]

    forward, backward = sum_doses(parts), sum_doses(parts[::-1])

    assert np.abs(forward.dose_gy - backward.dose_gy).max() < 1e-9


def test_a_sum_says_that_it_is_one() -> None:
    (note,) = sum_doses([linear(-20, 20, 5), linear(-9, 30, 3)]).notes

    assert str(note).startswith(
        "dose is the sum of 2 doses, read at the points of the finest grid"
    )


def test_grids_that_do_not_meet_have_no_sum() -> None:
    with pytest.raises(ValueError, match="do not overlap"):
        sum_doses([linear(-20, 0, 5), linear(10, 30, 5)])


def test_values_that_are_cut_off_in_any_dose_are_cut_off_in_the_sum() -> None:
    cut = replace(linear(0, 20, 2.0), saturated=9)
    same, finer = linear(0, 20, 2.0), linear(0, 20, 1.0)

    for doses in ([cut, same], [same, cut], [cut, finer], [finer, cut], [cut, cut]):
        expected = 9 * sum(dose is cut for dose in doses)
        assert sum_doses(doses).saturated == expected
