"""Names and contours that contradict what is judged: asked where that matters, else left alone."""

from dataclasses import replace

import numpy as np
import pytest

from builders import box, plan
from sbrtcheck import Outcome
from sbrtcheck.model import ROI, Text
from test_checks import CORD, found, in_zone, judge

PASS, VARIATION, UNDECIDED, FAIL = Outcome


# --- Almost a cord ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Cord_T8",
        "Spinal Cord Final",
        "SpinalCrod",
        "cord_new",
        "脊髓(修)",
        "MedullaSpinalis2",
    ],
)
def test_a_hot_roi_that_is_called_almost_like_a_cord_is_asked_about(name: str) -> None:
    verdict = judge(CORD, in_zone("target", name, half=4))

    question = found(verdict, "neural.unclear")
    assert question.outcome is UNDECIDED
    assert f"--alias '{name}=SpinalCord'" in str(question.cure)
    assert verdict.outcome is UNDECIDED


@pytest.mark.parametrize("name", ["Cord_T8", "Spinal Cord Final"])
def test_one_that_keeps_the_limit_of_the_cord_is_not_asked_about(name: str) -> None:
    verdict = judge(CORD, in_zone("sac", name, half=4), sac=20.0)

    assert verdict.outcome is PASS


@pytest.mark.parametrize("name", ["z_Cord", "Cord_opt", "Lung_L", "Chordoma"])
def test_a_hot_roi_that_is_derived_or_something_else_is_not_asked_about(
    name: str,
) -> None:
    verdict = judge(CORD, in_zone("target", name, half=4))

    assert not [f for f in verdict.findings if f.id == "neural.unclear"]


def test_a_hot_margin_of_the_cord_is_not_asked_about() -> None:
    """It holds the cord and reaches into the target: what it has more is no cord."""
    margin = box("Cord region", (-48, -8, -30), (6, 8, 30), spacing_mm=2.0)
    verdict = judge(CORD, margin)

    assert not [f for f in verdict.findings if f.id == "neural.unclear"]
    assert verdict.outcome is PASS


# --- Levels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["VB_T9", "T9", "胸9", "VB_T4", "VB_L1", "GTV_T9", "CTV_T9"]
)
def test_a_level_that_no_target_names_is_asked_about(name: str) -> None:
    """The ROI fills the target that is called T8."""
    verdict = judge(CORD, in_zone("target", name, -12, 12))

    assert found(verdict, "trial.levels").outcome is UNDECIDED


@pytest.mark.parametrize("name", ["VB_T8", "T8", "胸8", "GTV_T8", "GTV_T1", "CTV_T2"])
def test_the_level_of_the_target_and_an_image_sequence_are_not(name: str) -> None:
    verdict = judge(CORD, in_zone("target", name, -12, 12))

    assert found(verdict, "trial.levels").outcome is PASS


def test_a_vertebra_of_which_the_target_holds_less_than_half_says_nothing() -> None:
    verdict = judge(CORD, in_zone("target", "VB_T9", 2, 30))

    assert found(verdict, "trial.levels").outcome is PASS


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("SBRT of L1", UNDECIDED), ("SBRT of T8", PASS), ("SBRT", PASS)],
)
def test_the_description_of_the_plan_is_read_as_its_label_is(
    text: str, outcome: Outcome
) -> None:
    verdict = judge(CORD, the_plan=replace(plan(), description=text))

    assert found(verdict, "trial.levels").outcome is outcome


@pytest.mark.parametrize("name", ["PTV_T4", "PTV_L6", "PTV_T9", "PTV"])
def test_an_empty_entry_of_a_template_is_no_target(name: str) -> None:
    verdict = judge(CORD, ROI(name=name, number=77))

    assert verdict.outcome is PASS


def test_a_target_that_cannot_be_read_is_still_one() -> None:
    broken = ROI(name="PTV_T4", number=77, problem=Text("a contour is not planar"))

    assert found(judge(CORD, broken), "trial.levels").outcome is FAIL


# --- Holes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [-1, 1])
def test_a_hole_beside_which_the_cord_goes_on_is_no_end_of_it(side: int) -> None:
    """The target ends at 13 mm; contours are needed to 19 mm, and those at 18 mm are missing."""
    near = [c for c in CORD.contours if not 16.5 < side * c.z_mm < 19.5]
    holed = replace(CORD, contours=tuple(near))
    assert max(side * c.z_mm for c in near) > 20

    verdict = judge(holed)

    assert found(verdict, "neural.extent").outcome is UNDECIDED


@pytest.mark.parametrize("side", [-1, 1])
def test_an_end_that_is_a_little_short_is_carried_on(side: int) -> None:
    short = replace(
        CORD, contours=tuple(c for c in CORD.contours if side * c.z_mm < 16.5)
    )
    assert np.ptp(short.z_mm) > 30

    verdict = judge(short)

    assert found(verdict, "neural.extent").outcome is PASS


@pytest.mark.parametrize(("every", "outcome"), [(2, PASS), (3, UNDECIDED)])
def test_planes_every_2_mm_are_fine_enough_beside_a_target_of_1_mm(
    every: int, outcome: Outcome
) -> None:
    fine = box("SpinalCord", (-44, -6, -30), (-36, 6, 30), spacing_mm=1.0)
    kept = tuple(
        ring for number, ring in enumerate(fine.contours) if number % every == 0
    )
    cord = replace(
        fine, contours=kept, plane_spacing_mm=1.0
    )  # that of the structure set

    assert found(judge(cord), "neural.extent").outcome is outcome
