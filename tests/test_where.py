"""Where the dose lies that decides: known places of known doses, in all patient positions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import FRAME_UID, box, dose_grid, instance, plan, structure_set
from sbrtcheck import Outcome, Verdict, check, load_case, load_protocol
from sbrtcheck.contours import build_region, inside
from sbrtcheck.dicom.write import ORIENTATIONS, save_dose, save_plan, save_structure_set
from sbrtcheck.dossier import Case
from sbrtcheck.dvh.places import cold_part, hottest_part, volume_above_outside_cc
from sbrtcheck.model import DoseGrid, DoseHeader
from sbrtcheck.report.as_json import render_json
from sbrtcheck.report.text import Page, render_text
from test_checks import ORGANS, links
from test_shapes import TARGET, cord

CUBE = box("cube", (-10, -10, -10), (10, 10, 10), spacing_mm=2.0)
REGION = build_region(CUBE)
SPOT = (2.3, 26.1, -7.4)  # in the cord, behind and below the target's middle


def spotted(
    at_mm: tuple[float, float, float], peak_gy: float = 30.0, width_mm: float = 4.0
) -> DoseGrid:
    """Return 33 Gy in the target, 5 Gy outside, and a spot of a Gaussian's shape."""
    axis = np.arange(-60.0, 61.0, 2.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    away = np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z))
    square = (x - at_mm[0]) ** 2 + (y - at_mm[1]) ** 2 + (z - at_mm[2]) ** 2
    spot = peak_gy * np.exp(-square / (2 * width_mm**2))
    return DoseGrid(
        dose_gy=np.where(away <= 13, 33.0, 5.0) + np.where(away > 13, spot, 0.0),
        x_mm=axis,
        y_mm=axis,
        z_mm=axis,
    )


def judged(dose: DoseGrid) -> Verdict:
    drawn = (TARGET, cord(), *ORGANS)
    case = Case(
        plan=plan(),
        structure_set=structure_set(drawn),
        dose=dose,
        links=links(None),
    )
    return check(case, load_protocol("nct06756087"))


def test_the_hottest_part_lies_about_the_spot() -> None:
    found = hottest_part(REGION, spotted((3.3, -2.1, 4.7), 90.0), 0.035)
    nothing = build_region(replace(CUBE, contours=()))

    assert found is not None
    assert found.volume_cc == pytest.approx(0.035, abs=0.001)
    assert hottest_part(nothing, spotted(SPOT), 0.035) is None


def test_the_hottest_part_of_a_slope_lies_at_its_end() -> None:
    """Dose rises along x: the hottest part is a layer of the cube at its face."""
    axis = np.arange(-30.0, 31.0, 2.0)
    dose_gy = np.broadcast_to(50 + axis, (31, 31, 31))
    dose = DoseGrid(dose_gy=dose_gy, x_mm=axis, y_mm=axis, z_mm=axis)

    found = hottest_part(REGION, dose, 0.035)

    assert found is not None
    # A layer of half a millimetre, the finer lattice's step.
    assert found.point_mm[0] == pytest.approx(9.75, abs=0.5)


def test_what_lies_off_the_grid_has_no_place() -> None:
    axis = np.arange(100.0, 121.0, 2.0)
    dose = DoseGrid(dose_gy=np.ones((11, 11, 11)), x_mm=axis, y_mm=axis, z_mm=axis)

    assert hottest_part(REGION, dose, 0.035) is None
    assert cold_part(REGION, dose, 5.0) is None


def test_the_largest_cold_part_is_told() -> None:
    """Two corners are cold: 6 x 6 x 6 mm below, 4 x 4 x 4 mm above."""

    def field(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        low = (x < -4) & (y < -4) & (z < -4)
        high = (x > 6) & (y > 6) & (z > 6)
        return np.where(low | high, 10.0, 30.0)

    dose = dose_grid(field, (-20, -20, -20), (20, 20, 20), 0.5)

    found = cold_part(REGION, dose, 29.0)

    assert found is not None
    # The border of the cold corner is read to half a step of the lattice.
    assert found.point_mm == pytest.approx((-7, -7, -7), abs=0.5)
    assert found.volume_cc == pytest.approx(0.216, rel=0.2)
    assert cold_part(REGION, dose, 5.0) is None


def test_dose_outside_is_counted_by_the_space_of_each_grid_point() -> None:
    """40 Gy in a box of 12 x 4 x 4 mm, of which the cube holds all but 5 grid points of x."""
    axis = np.arange(-20.0, 21.0, 1.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    hot = (np.abs(x - 9) <= 6) & (np.abs(y) <= 2) & (np.abs(z) <= 2)
    dose = DoseGrid(dose_gy=40.0 * hot, x_mm=axis, y_mm=axis, z_mm=axis)

    assert volume_above_outside_cc(dose, 30, [REGION]) == pytest.approx(5 * 25 / 1000)
    assert volume_above_outside_cc(dose, 30, []) == pytest.approx(13 * 25 / 1000)
    assert volume_above_outside_cc(dose, 50, [REGION]) == 0.0


def test_points_inside_are_those_of_the_box() -> None:
    points = np.random.default_rng(5).uniform(-15, 15, (500, 3))

    assert (inside(REGION, points) == (np.abs(points) <= 10).all(axis=1)).all()


def test_a_failed_limit_names_its_place_and_the_target() -> None:
    verdict = judged(spotted(SPOT))

    (finding,) = (f for f in verdict.findings if f.id == "limit.cord")
    assert finding.outcome is Outcome.FAIL
    assert finding.where is not None
    assert finding.where.point_mm == pytest.approx(SPOT, abs=0.7)
    assert finding.where.target == "PTV_T8"
    assert finding.where.distance_mm == pytest.approx(26.1 - 12, abs=0.7)
    assert str(finding.where.side) == "behind"
    assert "mm from PTV_T8, behind" in render_text(verdict, Page(verbose=True))
    assert "mm from PTV_T8" not in render_text(verdict, Page())
    assert '"side": "behind"' in render_json(verdict)


@pytest.mark.parametrize(("peak_gy", "is_told"), [(17.5, False), (22.0, True)])
def test_a_limit_that_is_kept_by_a_tenth_says_no_place(
    peak_gy: float, *, is_told: bool
) -> None:
    """22.77 Gy are a tenth below 25.3 Gy; the near-maximum is a little below the peak."""
    verdict = judged(spotted(SPOT, peak_gy))

    (finding,) = (f for f in verdict.findings if f.id == "limit.cord")
    assert finding.outcome is Outcome.PASS
    assert (finding.where is not None) is is_told


def test_a_cold_target_names_its_cold_part() -> None:
    dose = spotted(SPOT, 0.0)
    values = dose.dose_gy.copy()
    values[:, :, dose.x_mm > 4] = np.minimum(values[:, :, dose.x_mm > 4], 20.0)

    verdict = judged(replace(dose, dose_gy=values))

    (finding,) = (f for f in verdict.findings if f.id == "coverage")
    assert finding.outcome is Outcome.FAIL
    assert finding.where is not None
    assert finding.where.distance_mm == 0
    assert str(finding.where.side) == "left"


@pytest.mark.parametrize("position", ORIENTATIONS)
def test_places_are_those_of_the_patient_in_all_positions(
    position: str, tmp_path: Path
) -> None:
    case = judged(spotted(SPOT)).case
    own = replace(plan(), patient_positions=(position,))
    drawn = (TARGET, cord(), *ORGANS)
    header = DoseHeader(
        instance=replace(instance("1.2.3.4", ""), frame_of_reference_uid=FRAME_UID),
        units="GY",
        type="PHYSICAL",
        summation_type="PLAN",
        referenced_plan_uids=(own.instance.sop_instance_uid,),
    )
    folder = tmp_path / "export" / "case"  # nothing lies beside it
    folder.mkdir(parents=True)
    save_plan(own, folder / "RP.dcm")
    save_structure_set(structure_set(drawn), folder / "RS.dcm")
    dose = replace(case.dose, header=header)
    save_dose(dose, folder / "RD.dcm", position=position)

    verdict = check(load_case(folder / "RP.dcm"), load_protocol("nct06756087"))

    (finding,) = (f for f in verdict.findings if f.id == "limit.cord")
    assert finding.where is not None
    assert finding.where.point_mm == pytest.approx(SPOT, abs=0.7)
    assert str(finding.where.side) == "behind"
