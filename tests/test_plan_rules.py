"""What is treated, and how: which plans are judged, and what of them is asked or only said."""

from dataclasses import replace
from typing import Any

import pytest

from builders import box, plan
from sbrtcheck import Outcome, Verdict, check
from sbrtcheck.model import Beam, FractionGroup, Plan
from test_checks import CORD, PROTOCOL, found, judge

PASS, VARIATION, UNDECIDED, FAIL = Outcome
BEAM = plan().beams[0]


def judged(**changes: object) -> Verdict:
    return judge(CORD, the_plan=replace(plan(), **changes))  # type: ignore[arg-type]


def outcomes(verdict: Verdict, finding_id: str) -> list[Outcome | None]:
    return [f.outcome for f in verdict.findings if f.id == finding_id]


@pytest.mark.parametrize("kind", ["ELECTRON", "PROTON", "ION", "NEUTRON"])
def test_only_photons_are_judged(kind: str) -> None:
    verdict = judged(beams=(replace(BEAM, radiation_type=kind),))

    finding = found(verdict, "beams.radiation")
    assert finding.outcome is UNDECIDED
    assert "only external photon plans are judged" in str(finding.message)


def test_one_beam_of_another_kind_is_enough() -> None:
    beams = (BEAM, replace(BEAM, number=2, radiation_type="ELECTRON"))
    group = replace(plan().fraction_groups[0], beam_numbers=(1, 2))

    assert judged(beams=beams, fraction_groups=(group,)).outcome is UNDECIDED


def test_another_kind_of_set_up_beam_is_not_asked_about() -> None:
    setup = replace(BEAM, number=2, radiation_type="ELECTRON", delivery_type="SETUP")

    assert judged(beams=(BEAM, setup)).outcome is PASS


def test_an_unstated_kind_is_noted() -> None:
    verdict = judged(beams=(replace(BEAM, radiation_type=""),))

    assert outcomes(verdict, "beams.unstated") == [None]
    assert verdict.outcome is PASS


def test_brachytherapy_set_ups_are_not_judged() -> None:
    assert found(judged(brachy_setups=1), "plan.brachy").outcome is UNDECIDED
    assert outcomes(judged(brachy_setups=0), "plan.brachy") == []


@pytest.mark.parametrize("kind", ["SETUP", "OPEN_PORTFILM", "TRMT_PORTFILM"])
def test_a_plan_of_set_up_beams_treats_nobody(kind: str) -> None:
    verdict = judged(beams=(replace(BEAM, delivery_type=kind),))

    assert found(verdict, "beams").outcome is UNDECIDED


@pytest.mark.parametrize("kind", ["", "TREATMENT", "CONTINUATION"])
def test_treatment_beams_treat(kind: str) -> None:
    assert judged(beams=(replace(BEAM, delivery_type=kind),)).outcome is PASS


@pytest.mark.parametrize("intent", ["VERIFICATION", "MACHINE_QA", "SERVICE"])
def test_a_qa_plan_is_undecided(intent: str) -> None:
    finding = found(judged(intent=intent), "plan.intent")

    assert finding.outcome is UNDECIDED
    assert "a QA plan" in str(finding.message)


@pytest.mark.parametrize("intent", ["", "CURATIVE", "PALLIATIVE"])
def test_an_intent_to_treat_says_nothing(intent: str) -> None:
    verdict = judged(intent=intent)

    assert outcomes(verdict, "plan.intent") == []
    assert verdict.outcome is PASS


def test_a_research_plan_is_reported() -> None:
    verdict = judged(intent="RESEARCH")

    assert outcomes(verdict, "plan.research") == [None]
    assert verdict.outcome is PASS


@pytest.mark.parametrize(
    ("status", "expected"),
    [("REJECTED", [UNDECIDED]), ("UNAPPROVED", []), ("APPROVED", []), (None, [])],
)
def test_a_rejected_plan_is_undecided(
    status: str | None, expected: list[Outcome]
) -> None:
    header = replace(plan().instance, approval_status=status)
    verdict = judged(instance=header)

    assert outcomes(verdict, "plan.rejected") == expected
    assert found(verdict, "approval").outcome is None
    assert verdict.outcome is (UNDECIDED if expected else PASS)


def group(*numbers: int | None) -> FractionGroup:
    return FractionGroup(number=1, fractions=5, beam_numbers=numbers)


@pytest.mark.parametrize(
    ("named", "expected"),
    [((1,), []), ((1, 2), [UNDECIDED]), ((1, None), [UNDECIDED]), ((), [])],
)
def test_beams_that_the_plan_lacks_are_asked_for(
    named: tuple[int | None, ...], expected: list[Outcome]
) -> None:
    verdict = judged(fraction_groups=(group(*named),))

    assert outcomes(verdict, "beams.missing") == expected


def test_a_beam_number_that_stands_twice_is_asked_about() -> None:
    verdict = judged(beams=(BEAM, replace(BEAM, name="Arc 2")))

    assert outcomes(verdict, "beams.missing") == [UNDECIDED]
    assert "stand twice" in str(found(verdict, "beams.missing").message)


def two_beams(second: Beam, *named: int) -> Plan:
    return replace(plan(), beams=(BEAM, second), fraction_groups=(group(*named),))


@pytest.mark.parametrize(
    ("second", "named", "expected"),
    [
        (replace(BEAM, number=2), (1, 2), []),
        (replace(BEAM, number=2), (1,), [VARIATION]),
        (replace(BEAM, number=2, delivery_type="SETUP"), (1,), []),
        (replace(BEAM, number=2), (), []),  # the group names no beams at all
    ],
)
def test_a_treatment_beam_that_no_group_uses_is_a_variation(
    second: Beam, named: tuple[int, ...], expected: list[Outcome]
) -> None:
    verdict = judge(CORD, the_plan=two_beams(second, *named))

    assert outcomes(verdict, "beams.unused") == expected


@pytest.mark.parametrize(
    ("energy_mv", "expected"),
    [(6.0, []), (10.0, []), (10.1, [VARIATION]), (15.0, [VARIATION]), (None, [])],
)
def test_more_than_10_mv_is_a_variation(
    energy_mv: float | None, expected: list[Outcome]
) -> None:
    verdict = judged(beams=(replace(BEAM, energy_mv=energy_mv),))

    assert outcomes(verdict, "beams.energy") == expected


# --- How the files were made --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drawn", "planned", "is_said"),
    [
        (("20260106", None), ("20260105", None), True),
        (("20260105", None), ("20260105", "120000"), False),
        (("20260105", "120000"), ("20260105", "120000"), False),
        (("20260105", "120001"), ("20260105", "120000"), True),
        (("20260105", "115959"), ("20260105", "120000"), False),
        (("20260104", "235959"), ("20260105", "000000"), False),
        ((None, "120001"), ("20260105", "120000"), False),
    ],
)
def test_contours_that_are_newer_than_the_plan_are_told(
    drawn: tuple[str | None, str | None],
    planned: tuple[str | None, str | None],
    *,
    is_said: bool,
) -> None:
    case = judge(CORD).case
    contours = replace(case.structure_set.instance, date=drawn[0], time=drawn[1])
    header = replace(case.plan.instance, date=planned[0], time=planned[1])
    changed = replace(
        case,
        structure_set=replace(case.structure_set, instance=contours),
        plan=replace(case.plan, instance=header),
    )

    said = [
        str(f.message)
        for f in check(changed, PROTOCOL).findings
        if f.id == "files.order"
    ]
    assert ("the structure set is newer than the plan" in said) is is_said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interpreted_type": "SUPPORT"}, "'Thing' is support"),
        ({"interpreted_type": "BOLUS"}, "'Thing' is bolus"),
        ({"interpreted_type": "ORGAN"}, None),
        (
            {"properties": (("REL_ELEC_DENSITY", 1.0),)},
            "'Thing' is overridden: REL_ELEC_DENSITY",
        ),
        ({"name": "Cement_T8"}, "'Cement_T8' is cement, not overridden?"),
        ({"name": "骨水泥"}, "'骨水泥' is cement, not overridden?"),
        (
            {"name": "Cement", "properties": (("REL_MASS_DENSITY", 1.2),)},
            "'Cement' is overridden: REL_MASS_DENSITY",
        ),
    ],
)
def test_couch_bolus_and_overrides_are_listed(
    changes: dict[str, Any], words: str | None
) -> None:
    thing = replace(box("Thing", (80, -30, -9), (90, -20, 9)), **changes)
    verdict = judge(CORD, thing)

    said = [str(f.message) for f in verdict.findings if f.id == "structures.assumed"]
    assert said == ([] if words is None else [words])
    assert verdict.outcome is PASS
