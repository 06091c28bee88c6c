"""Coverage: its two lines, and which targets are graded, asked about or left out."""

from dataclasses import replace

import numpy as np
import pytest

from builders import box, dose_grid, plan, structure_set
from sbrtcheck import Case, Declared, DoseGrid, Outcome, Verdict, check
from sbrtcheck.checks.rule import State
from sbrtcheck.model import DoseReference, Plan
from test_checks import CORD, PROTOCOL, found, in_zone, judge, links

PASS, VARIATION, UNDECIDED, FAIL = Outcome


def partly_covered(percent: float, step_mm: float) -> DoseGrid:
    """Return a dose in which this part of the target, 12 mm along x, receives the prescription."""
    edge = -6 + 12 * percent / 100
    return dose_grid(
        lambda x, y, z: 30 + np.clip(edge - x, -4, 4) + 0 * (y + z),
        (-100, -40, -60),
        (100, 40, 60),
        step_mm,
    )


def coverage_of(percent: float, step_mm: float = 2.0) -> Verdict:
    case = Case(
        plan=plan(),
        structure_set=structure_set([in_zone("target", "PTV_T8", -12, 12)]),
        dose=partly_covered(percent, step_mm),
        links=links(),
    )
    return check(case, PROTOCOL)


@pytest.mark.parametrize(
    ("percent", "step_mm", "outcome"),
    [
        (90.1, 2.0, PASS),
        (90.0, 2.0, PASS),
        (89.7, 3.0, PASS),  # 0.3 points below the goal, which lies in its interval
        (89.7, 2.0, VARIATION),  # the interval on the finer grid ends at 89.8
        (89.4, 3.0, VARIATION),  # 0.6 points below it
        (80.1, 2.0, VARIATION),
        (79.9, 2.0, FAIL),
    ],
)
def test_coverage_passes_to_half_a_point_below_its_goal_and_fails_below_80(
    percent: float, step_mm: float, outcome: Outcome
) -> None:
    """Dose is linear across the edge, so that the nominal value is exact to 0.01 points."""
    finding = found(coverage_of(percent, step_mm), "coverage")

    assert finding.value is not None
    assert finding.value.value == pytest.approx(percent, abs=0.01)
    assert finding.outcome is outcome


def test_a_miss_of_less_than_half_a_point_is_said_to_be_at_goal() -> None:
    finding = found(coverage_of(89.7, 3.0), "coverage")

    assert finding.value is not None
    assert finding.value.high is not None
    assert finding.value.high >= 90
    assert finding.state is State.AT_GOAL
    assert "at goal" in str(finding.message)


def test_the_nominal_value_decides_at_the_line_of_convention() -> None:
    """80 % is a convention: its interval leaves no question open, and the row says so."""
    for percent in (80.1, 79.9):
        finding = found(coverage_of(percent), "coverage")
        assert finding.state is State.AT_LIMIT
        assert "at limit" in str(finding.message)


# --- Whose target -------------------------------------------------------------------------------


def prescribing(*targets: str) -> Plan:
    rows = tuple(
        DoseReference(
            number=n,
            structure_type="SITE",
            description=target,
            type="TARGET",
            target_prescription_dose_gy=30.0,
        )
        for n, target in enumerate(targets, start=1)
    )
    return replace(plan(), dose_references=rows)


SECOND = in_zone("prv", "PTV_T9", -12, 12)


@pytest.mark.parametrize(("gy", "outcome"), [(33.0, PASS), (23.0, UNDECIDED)])
def test_a_target_that_the_plan_does_not_name_is_graded_and_its_miss_is_asked(
    gy: float, outcome: Outcome
) -> None:
    verdict = judge(CORD, SECOND, prv=gy)

    finding = found(verdict, "coverage", "PTV: PTV_T9")
    assert finding.outcome is outcome
    if outcome is UNDECIDED:
        assert finding.state is State.DECLARE
        assert "--levels" in str(finding.cure)


@pytest.mark.parametrize(("gy", "outcome"), [(33.0, PASS), (23.0, FAIL)])
def test_a_target_that_the_plan_names_is_graded(gy: float, outcome: Outcome) -> None:
    verdict = judge(CORD, SECOND, prv=gy, the_plan=prescribing("PTV_T8", "PTV_T9"))

    assert found(verdict, "coverage", "PTV: PTV_T9").outcome is outcome


@pytest.mark.parametrize("gy", [23.0, 5.0])
def test_declared_levels_leave_a_target_out(gy: float) -> None:
    verdict = judge(CORD, SECOND, prv=gy, declared=Declared(levels=("T8",)))

    finding = found(verdict, "coverage", "PTV: PTV_T9")
    assert finding.outcome is None
    assert "left out by the declared levels" in str(finding.message)
    assert verdict.levels == ("T8",)
    assert verdict.outcome is PASS


@pytest.mark.parametrize(
    ("targets", "asked"),
    [
        (("PTV_T8",), False),
        (("PTV_T8", "Bone"), True),  # a ROI that is not judged
        (("PTV_T8", "Inner"), False),  # a ROI within the judged target
        (("PTV_T8", "PTV_T12"), True),  # no ROI; a level that is not among the treated
        (("PTV_T8", "somewhere"), False),  # leads nowhere and states no level
    ],
)
def test_what_the_plan_prescribes_to_has_to_be_judged(
    targets: tuple[str, ...], *, asked: bool
) -> None:
    inner, bone = (
        in_zone("target", "Inner", -6, 6, half=4),
        in_zone("sac", "Bone", -6, 6),
    )
    verdict = judge(CORD, inner, bone, the_plan=prescribing(*targets))

    rows = [f.outcome for f in verdict.findings if f.id == "target.prescribed"]
    assert rows == ([UNDECIDED] if asked else [])
    assert verdict.outcome is (UNDECIDED if asked else PASS)


def test_what_the_plan_prescribes_to_and_cannot_be_put_together_is_not_judged() -> None:
    """Within the target as it lies, it would count as a part of it."""
    inner = in_zone("target", "Inner", -6, 6, half=4)
    ring = inner.contours[0]
    tangled = replace(inner, contours=(*inner.contours, *[ring] * 1001))

    verdict = judge(CORD, tangled, the_plan=prescribing("PTV_T8", "Inner"))

    asked = found(verdict, "target.prescribed")
    assert asked.outcome is UNDECIDED
    assert "the plan prescribes to 'Inner', which is not judged" in str(asked.message)
    assert "export" in str(asked.cure)


@pytest.mark.parametrize(
    ("low", "asked"),
    [
        (-12, False),
        (0, False),  # half of 24 mm lies in the target
        (2, True),  # 10 of 24 mm
        (20, True),  # beside it
    ],
)
@pytest.mark.parametrize(
    ("name", "cure"),
    [
        # No alias makes a target of these where one is drawn that may be of the same level.
        ("CTV", "export the structure set again"),
        ("GTV", "export the structure set again"),
        ("CTV_T11", "--alias 'CTV_T11=PTV'"),
        ("H&N PTV_55 Gy", "--alias 'H&N PTV_55 Gy=PTV'"),
    ],
)
def test_what_looks_like_a_target_and_lies_elsewhere_is_asked_about(
    name: str, cure: str, low: float, *, asked: bool
) -> None:
    verdict = judge(CORD, in_zone("target", name, low, low + 24))

    rows = [f for f in verdict.findings if f.id == "target.unclear"]
    assert [f.outcome for f in rows] == ([UNDECIDED] if asked else [])
    if asked:
        assert "its median dose is 33 Gy" in str(rows[0].message)
        assert cure in str(rows[0].cure)


@pytest.mark.parametrize("name", ["PTV_opt", "zPTV", "Ring_PTV"])
def test_what_is_derived_from_a_target_is_not_asked_about(name: str) -> None:
    verdict = judge(CORD, in_zone("sac", name, -12, 12))

    assert not any(f.id == "target.unclear" for f in verdict.findings)


def test_a_ctv_beside_a_target_is_reported_and_not_graded() -> None:
    verdict = judge(CORD, in_zone("target", "CTV_T8", -10, 10), target=33.0)

    rows = [f for f in verdict.findings if f.id == "report.coverage"]
    assert [(f.subject, f.outcome) for f in rows] == [("CTV", None)]
    assert rows[0].value is not None
    assert rows[0].value.value == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("share", "are_told"),
    [
        (0.0, True),
        (0.0005, True),
        (0.002, False),
        (0.04, False),
        (0.98, False),
        (0.995, True),
    ],
)
def test_all_targets_are_told_together_unless_some_overlap_in_part(
    share: float, *, are_told: bool
) -> None:
    """Of boxes 12 mm wide along x: a thousandth is rounding, 99 % are one in the other."""
    left = 6 - 12 * share
    second = box("PTV_T9", (left, -6, -12), (left + 12, 6, 12), spacing_mm=2.0)
    verdict = judge(CORD, second)

    subjects = {f.subject for f in verdict.findings if f.id == "report.target"}
    assert ("all targets" in subjects) is are_told


@pytest.mark.parametrize(("low_mm", "are_told"), [(16.0, True), (900.0, False)])
def test_all_targets_are_told_together_where_the_dose_of_each_is_known(
    low_mm: float, *, are_told: bool
) -> None:
    other = in_zone("target", "PTV_T9", low_mm, low_mm + 12)

    subjects = {finding.subject for finding in judge(CORD, other).findings}

    assert ("all targets" in subjects) is are_told
