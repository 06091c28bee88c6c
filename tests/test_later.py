"""What is known to pass and should not: each row goes when it is mended.

The numbers are those of the list of lessons that the project keeps.
"""

from pathlib import Path

import numpy as np
import pytest

from builders import dvh_of
from sbrtcheck import (
    check,
    compute_band,
    load_case,
    load_protocol,
)
from sbrtcheck.model import ROI, Contour, Declared, DoseGrid
from sbrtcheck.phantoms import Cylinder

SAMPLES = Path(__file__).parents[1] / "sample_dicom"


def later(lesson: int, what: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, reason=f"lesson {lesson}: {what}")


# --- The engine ---------------------------------------------------------------------------------


def hot_spot(step_mm: float) -> DoseGrid:
    """Return 20 Gy, and 6 Gy more in a spot of 2 mm, its top between the points of the grid."""
    axis = np.arange(-30.0, 31.0, step_mm) + step_mm / 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    dose_gy = 20 + 6 * np.exp(-(x**2 + y**2 + z**2) / (2 * 2.0**2))
    return DoseGrid(dose_gy=dose_gy, x_mm=axis, y_mm=axis, z_mm=axis)


@later(49, "trilinear and cubic err alike where the grid undersamples")
def test_the_interval_of_a_hot_spot_holds_that_of_a_fine_grid() -> None:
    cord = Cylinder(radius_mm=5, length_mm=40).roi("cord", spacing_mm=2)

    band = compute_band(cord, hot_spot(2.5)).dose_at_volume_gy(0.035)

    truth_gy = dvh_of(cord, hot_spot(0.5)).dose_at_volume_gy(0.035)
    assert truth_gy is not None
    assert band.low is not None
    assert band.high is not None
    assert band.low <= truth_gy <= band.high


def square(half_mm: float) -> np.ndarray:
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    return half_mm * corners


@later(50, "the closed ends of a shell lie between planes and are never drawn")
def test_the_interval_of_a_shell_holds_its_closed_ends() -> None:
    """A hollow cube of 20 mm with walls of 2 mm; the nearest planes lie 2.5 mm inside its ends."""
    heights_mm = np.arange(-7.5, 9.0, 3.0)
    rings = [
        Contour(points_mm=square(half_mm), z_mm=float(z_mm))
        for z_mm in heights_mm
        for half_mm in (10.0, 8.0)
    ]

    band = compute_band(ROI(name="rind", contours=tuple(rings)), hot_spot(2.5))

    assert band.volume_cc.high is not None
    assert band.volume_cc.high >= (20**3 - 16**3) / 1000


@later(67, "a volume of an isodose has no uncertainty of its own")
def test_the_gradient_index_has_an_interval() -> None:
    case = load_case(SAMPLES / "t8_30gy5_pass")
    verdict = check(case, load_protocol("nct06756087"), Declared())
    (found,) = [f for f in verdict.findings if str(f.metric) == "GI.paddick"]

    assert found.value is not None
    assert found.value.low is not None
    assert found.value.high is not None
    assert found.value.low < found.value.high


# --- Names and facts ----------------------------------------------------------------------------
