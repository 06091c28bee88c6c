"""Dose and fractions: where they are read, what is asked, and what holds where they are not known."""

from dataclasses import replace

import pytest

from builders import plan
from sbrtcheck import CaseError, Declared, Outcome, Verdict
from sbrtcheck.checks.read_prescription import read_fractions, read_prescription
from sbrtcheck.model import FractionGroup, Plan
from test_checks import (
    CORD,
    PROTOCOL,
    found,
    in_zone,
    judge,
    reference,
    with_references,
)

PASS, VARIATION, UNDECIDED, FAIL = Outcome
RX = Declared(prescription=(30.0, 5))


def dose_of(the_plan: Plan, declared: Declared = RX) -> float | None:
    known = read_prescription(the_plan, declared, PROTOCOL.schemes).prescription
    return None if known is None else known.dose_gy


def read(the_plan: Plan) -> float | None:
    return dose_of(the_plan, Declared())


# --- Regions and points -------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["SITE", "VOLUME"])
@pytest.mark.parametrize("point", ["POINT", "COORDINATES"])
def test_a_region_comes_before_a_point_in_any_order(region: str, point: str) -> None:
    rows = (reference(31.2, point), reference(30.0, region))

    assert read(with_references(*rows)) == 30.0
    assert read(with_references(*rows[::-1])) == 30.0


@pytest.mark.parametrize("point", ["POINT", "COORDINATES"])
@pytest.mark.parametrize(
    ("dose_gy", "expected"),
    [
        (30.0, 30.0),
        (30.009, 30.009),
        (29.991, 29.991),
        (30.02, None),
        (31.2, None),
        (24.0, None),
    ],
)
def test_a_dose_at_a_point_is_taken_only_if_a_scheme_has_it(
    point: str, dose_gy: float, expected: float | None
) -> None:
    """24 Gy is the dose of a scheme, and not of that of 5 fractions."""
    the_plan = with_references(reference(dose_gy, point))

    assert read(the_plan) == expected
    if expected is not None:
        known = read_prescription(the_plan, Declared(), PROTOCOL.schemes).prescription
        assert known is not None
        assert "read at a point" in str(known.source)


def test_a_dose_at_a_point_that_is_none_of_a_scheme_is_asked_about() -> None:
    finding = found(
        judge(CORD, the_plan=with_references(reference(31.2, "POINT"))), "prescription"
    )

    assert finding.outcome is UNDECIDED
    assert "at a point only (31.2 Gy)" in str(finding.message)
    assert "--rx" in str(finding.cure)


def test_a_declaration_may_stand_over_a_point_and_not_over_a_region() -> None:
    assert dose_of(with_references(reference(31.2, "POINT"))) == 30.0
    with pytest.raises(CaseError, match="does not overrule the plan"):
        dose_of(with_references(reference(31.2, "SITE")))


# --- Several ------------------------------------------------------------------------------------


def test_several_doses_are_listed_with_their_cure() -> None:
    rows = (
        reference(30.0, description="PTV_T8"),
        reference(24.0, description="PTV_T9"),
    )
    finding = found(judge(CORD, the_plan=with_references(*rows)), "prescription")

    assert finding.outcome is UNDECIDED
    assert "'PTV_T8' 30 Gy; 'PTV_T9' 24 Gy" in str(finding.message)
    assert "--rx" in str(finding.cure)


def test_of_several_doses_the_declared_one_is_taken() -> None:
    rows = (reference(30.0), reference(24.0))

    assert dose_of(with_references(*rows)) == 30.0
    with pytest.raises(CaseError, match="does not overrule the plan"):
        dose_of(with_references(*rows), Declared(prescription=(36.0, 5)))


def test_one_dose_for_several_targets_is_one_prescription() -> None:
    rows = (
        reference(30.0, description="PTV_T8"),
        reference(30.005, description="PTV_T9"),
    )

    assert read(with_references(*rows)) == 30.0


# --- Fractions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((5,), 5),
        ((5, 5), 5),
        ((5, 4), None),
        ((None,), None),
        ((5, None), None),
        ((0,), None),
    ],
)
def test_fractions_are_those_of_the_groups_where_all_state_one_number(
    numbers: tuple[int | None, ...], expected: int | None
) -> None:
    groups = tuple(
        FractionGroup(number=n, fractions=f) for n, f in enumerate(numbers, start=1)
    )

    assert read_fractions(replace(plan(), fraction_groups=groups)) == expected


def without_fractions(*rois: object, **doses_gy: float) -> Verdict:
    the_plan = replace(plan(), fraction_groups=())
    return judge(*rois, the_plan=the_plan, **doses_gy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gy", "outcome"), [(10.0, UNDECIDED), (29.0, UNDECIDED), (29.01, FAIL)]
)
def test_without_fractions_the_cord_fails_only_beyond_the_largest_line(
    gy: float, outcome: Outcome
) -> None:
    """29.0 Gy at 7 fractions is the largest line of the cord."""
    verdict = without_fractions(CORD, cord=gy, prv=gy)

    assert found(verdict, "limit.cord").outcome is outcome


@pytest.mark.parametrize(("gy", "outcome"), [(40.4, UNDECIDED), (50.0, FAIL)])
def test_without_fractions_an_organ_fails_only_beyond_its_largest_line(
    gy: float, outcome: Outcome
) -> None:
    """Of the stomach's D0.035cc that is the one of 7 fractions."""
    largest = max(
        row.last_line.constraint.limit
        for row in PROTOCOL.limits
        if row.structure == "Stomach" and str(row.goal.constraint.metric) == "D0.035cc"
    )
    assert 32 < largest < 41.0
    dose_gy = largest - 0.1 if outcome is UNDECIDED else gy
    verdict = without_fractions(CORD, in_zone("sac", "Stomach"), sac=dose_gy)

    rows = [
        f.outcome
        for f in verdict.findings
        if f.subject == "Stomach" and str(f.metric) == "D0.035cc"
    ]
    assert rows == [outcome]


def test_three_fractions_are_of_no_scheme_and_have_no_lines() -> None:
    verdict = judge(CORD, rx_gy=27.0, fractions=3)

    assert found(verdict, "trial.scheme").outcome is FAIL
    assert found(verdict, "limit.cord").outcome is UNDECIDED


def test_three_fractions_without_a_dose_are_of_no_scheme_either() -> None:
    bare = replace(plan(27.0, 3), dose_references=())

    assert found(judge(CORD, the_plan=bare), "trial.scheme").outcome is FAIL


def test_lines_of_the_fraction_number_hold_without_a_prescription() -> None:
    """What a neural limit needs is the fraction number only."""
    for gy, outcome in ((25.3, PASS), (25.31, FAIL)):
        verdict = judge(CORD, the_plan=with_references(), cord=gy, prv=gy)
        assert found(verdict, "prescription").outcome is UNDECIDED
        assert found(verdict, "limit.cord").outcome is outcome


# --- Numbers that are something else ------------------------------------------------------------


@pytest.mark.parametrize("dose_gy", [3000.0, 0.3])
def test_a_hundredfold_dose_is_asked_to_be_in_cgy(dose_gy: float) -> None:
    """The dose of the target is that of 30 Gy."""
    verdict = judge(CORD, the_plan=with_references(reference(dose_gy)))

    finding = found(verdict, "trial.scheme")
    assert finding.outcome is UNDECIDED
    assert "is this in cGy?" in str(finding.message)


@pytest.mark.parametrize(("dose_gy", "fractions"), [(96.0, 4), (150.0, 5)])
def test_the_dose_of_a_scheme_given_each_day_has_its_own_sentence(
    dose_gy: float, fractions: int
) -> None:
    finding = found(judge(CORD, rx_gy=dose_gy, fractions=fractions), "trial.scheme")

    assert finding.outcome is FAIL
    assert "PER FRACTION" in str(finding.message)


def test_a_cord_beyond_the_largest_line_is_told_which_line_that_is() -> None:
    verdict = without_fractions(CORD, in_zone("sac", "Stomach"), cord=30.0, sac=50.0)

    told = [str(f.message) for f in verdict.findings if f.outcome is FAIL]
    assert told
    for message in told:
        assert "the largest line of any fraction number" in message
        assert "the fraction number is not known" in message
