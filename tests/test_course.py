"""Two plans, one cord: what becomes of other plans of the patient."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from builders import DOSE_UID, FRAME_UID, STRUCTURE_SET_UID, instance, plan, structure_set
from sbrtcheck import Case, Declared, Outcome, Verdict, check
from sbrtcheck.dicom import RT_PLAN
from sbrtcheck.dossier import Link, Other
from sbrtcheck.model import ROI, DoseReference, FractionGroup, Plan, Text
from sbrtcheck.report.as_json import render_json
from sbrtcheck.report.text import Page, render_text
from test_checks import CORD, PROTOCOL, found, in_zone, judge

PASS, VARIATION, UNDECIDED, FAIL = Outcome
OTHER_UID = "1.2.826.0.1.3680043.10.999.71"


def other_plan(target: str = "PTV_T8", **changes: object) -> Plan:
    base = plan()
    reference = DoseReference(
        structure_type="SITE", type="TARGET", description=target, target_prescription_dose_gy=30.0
    )
    header = replace(base.instance, sop_instance_uid=OTHER_UID, label="other")
    return replace(base, instance=header, dose_references=(reference,), **changes)  # type: ignore[arg-type]


def other(the_plan: Plan | None = None, rois: Sequence[ROI] | None = None) -> Other:
    value = the_plan or other_plan()
    own = None if rois is None else structure_set(rois)
    return Other(
        instance=value.instance,
        kind="RT Plan",
        where="in the same folder",
        plan=value,
        structure_set=own,
    )


def judged(*others: Other, declared: Declared | None = None, **doses_gy: float) -> Verdict:
    case = replace(judge(CORD, **doses_gy).case, others=others)  # type: ignore[arg-type]
    return check(case, PROTOCOL, declared)


# --- Plans that lie near ------------------------------------------------------------------------


def test_another_plan_leaves_the_cord_undecided_and_says_the_cure() -> None:
    verdict = judged(other())

    limit = found(verdict, "limit.cord")
    assert limit.outcome is UNDECIDED
    assert "cord dose is of this plan only" in str(limit.message)
    assert "--with" in str(limit.message)
    assert "--alone" in str(limit.message)
    assert found(verdict, "course").outcome is UNDECIDED
    assert verdict.outcome is UNDECIDED


def test_a_cord_that_this_plan_alone_breaks_fails() -> None:
    assert found(judged(other(), cord=26.0), "limit.cord").outcome is FAIL


def test_coverage_and_prescription_do_not_wait_for_another_plan() -> None:
    verdict = judged(other())

    assert found(verdict, "coverage").outcome is PASS
    assert found(verdict, "trial.scheme").outcome is PASS


def test_alone_is_a_declaration_and_named_as_such() -> None:
    verdict = judged(other(), declared=Declared(alone=True))

    assert verdict.outcome is PASS
    assert "declared: the patient's other plans add no dose" in str(
        found(verdict, "course").message
    )


def test_an_ion_plan_counts_as_another_plan() -> None:
    header = instance(OTHER_UID, RT_PLAN, label="protons")
    ion = Other(instance=header, kind="RT Ion Plan", where="in the same folder")

    assert found(judged(ion), "limit.cord").outcome is UNDECIDED


def test_several_other_plans_are_one_finding_that_tells_them_by_uid_and_date() -> None:
    headers = [instance(f"{OTHER_UID}.{n}", RT_PLAN) for n in (1, 2, 3)]
    folder = "in a folder beside"
    near = [Other(instance=h, kind="RT Ion Plan", where=folder) for h in headers]

    finding = found(judged(other(), *near), "course")

    assert finding.outcome is UNDECIDED
    assert str(finding.message).startswith(
        "other plans of the patient lie near: in the same folder ….10.999.71 of 20260105; in a"
        " folder beside …0.999.71.1 of 20260105, …0.999.71.2 of"
    )


def test_labels_of_other_plans_are_hidden_unless_asked_for() -> None:
    """A folder may hold another patient's plan, and its label that patient's name."""
    value = other_plan()
    named = other(replace(value, instance=replace(value.instance, label="AHMAD")))
    verdict = judged(named)

    for render in (render_json, lambda v, phi: render_text(v, Page(verbose=True, phi=phi))):
        assert "AHMAD" not in render(verdict, phi=False)
        assert "AHMAD" in render(verdict, phi=True)


# --- Revisions ----------------------------------------------------------------------------------


def target(low: float, high: float, name: str = "PTV_T8") -> ROI:
    return in_zone("target", name, low, high)


@pytest.mark.parametrize(
    ("low", "high", "revision"),
    [
        (-12, 12, True),  # the same target
        (-4, 20, True),  # two thirds of either
        (0, 24, True),  # half of either
        (2, 26, False),
        (20, 44, False),  # the next vertebra
        (-4, 4, False),  # a third of the larger: a boost adds its dose
    ],
)
def test_targets_that_share_half_are_one_target(low: float, high: float, *, revision: bool) -> None:
    verdict = judged(other(rois=[target(low, high)]))

    assert found(verdict, "limit.cord").outcome is (PASS if revision else UNDECIDED)
    assert found(verdict, "course").outcome is (None if revision else UNDECIDED)


def test_a_revision_is_named_with_its_approval() -> None:
    text = str(found(judged(other(rois=[target(-12, 12)])), "course").message)

    assert "taken for revisions and not added" in text
    assert "APPROVED" in text


def test_without_its_structure_set_a_plan_counts_as_a_part() -> None:
    assert found(judged(other(rois=None)), "course").outcome is UNDECIDED


def test_a_plan_in_another_frame_of_reference_is_no_revision() -> None:
    value = other_plan()
    moved = replace(value, instance=replace(value.instance, frame_of_reference_uid="1.2.3.4"))

    assert found(judged(other(moved, [target(-12, 12)])), "course").outcome is UNDECIDED


# --- One structure set, two plans ---------------------------------------------------------------


def test_the_target_of_the_other_plan_is_not_this_plans() -> None:
    """One structure set with both targets: each plan names its own."""
    second = in_zone("prv", "PTV_T10", -12, 12)  # gets 10 Gy from this plan
    case = judge(CORD, second).case
    verdict = check(
        replace(case, others=(other(other_plan("PTV_T10"), [second]),)),
        PROTOCOL,
        Declared(alone=True),
    )

    assert [f.subject for f in verdict.findings if f.id == "coverage"] == ["PTV"]
    assert verdict.levels == ("T8",)
    row = next(row for row in verdict.structures if row.match.roi.name == "PTV_T10")
    assert "target of another plan" in str(row.match.how)


def test_a_target_named_by_a_plan_of_another_structure_set_in_one_frame_is_that_plans() -> None:
    second = in_zone("prv", "PTV_T10", -12, 12)
    elsewhere = other_plan("PTV_T10", structure_set_uid=STRUCTURE_SET_UID + ".9")
    case = replace(judge(CORD, second).case, others=(other(elsewhere, [second]),))

    verdict = check(case, PROTOCOL, Declared(alone=True))

    assert [f.roi for f in verdict.findings if f.id == "coverage"] == ["PTV_T8"]


def test_a_target_that_no_plan_names_is_this_plans() -> None:
    second = in_zone("prv", "PTV_T10", -12, 12)
    case = judge(CORD, second).case
    verdict = check(replace(case, others=(other(other_plan("PTV_T12"), [second]),)), PROTOCOL)

    subjects = [f.subject for f in verdict.findings if f.id == "coverage"]
    assert subjects == ["PTV: PTV_T8", "PTV: PTV_T10"]


# --- Adding -------------------------------------------------------------------------------------


def second_case(
    *, gy: float = 14.0, fractions: int = 5, frame: str = FRAME_UID, level: str = "T9"
) -> Case:
    name = f"PTV_{level}"
    group = FractionGroup(number=1, fractions=fractions, beam_numbers=(1,))
    case = judge(target_name=name, cord=gy, the_plan=other_plan(name)).case
    header = replace(
        instance(DOSE_UID + ".2", "1.2.840.10008.5.1.4.1.1.481.2"), frame_of_reference_uid=frame
    )
    links = (*case.links[:2], Link(kind="RT Dose", instance=header, how=Text("by UID")))
    the_plan = replace(
        other_plan(name, fraction_groups=(group,)), structure_set_uid=STRUCTURE_SET_UID + ".2"
    )
    return replace(case, plan=the_plan, links=links)


def summed(part: Case, cord: float = 10.0) -> Verdict:
    return check(replace(judge(CORD, cord=cord).case, added=(part,)), PROTOCOL)


def test_the_cord_gets_the_sum_and_the_target_its_own_plan() -> None:
    verdict = summed(second_case(gy=14.0))

    limit = found(verdict, "limit.cord")
    assert limit.value is not None
    assert limit.value.value == pytest.approx(24.0)
    assert limit.outcome is PASS
    near = next(f for f in verdict.findings if f.id == "report.target" and str(f.metric) == "Dmax")
    assert near.value is not None
    assert near.value.value == pytest.approx(33.0)
    assert "assumed to be given on the same days" in str(found(verdict, "course").message)


def test_a_sum_above_the_limit_fails() -> None:
    assert found(summed(second_case(gy=15.4)), "limit.cord").outcome is FAIL


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (second_case(fractions=4), "has 4 fractions, this one 5"),
        (second_case(frame="1.2.3.4"), "lies in another frame of reference"),
    ],
    ids=["fractions", "frame"],
)
def test_what_cannot_be_added_leaves_the_cord_undecided(part: Case, why: str) -> None:
    verdict = summed(part)

    assert found(verdict, "limit.cord").outcome is UNDECIDED
    assert why in str(found(verdict, "limit.cord").message)
    assert found(verdict, "course").outcome is UNDECIDED
    assert found(summed(part, cord=26.0), "limit.cord").outcome is FAIL


@pytest.mark.parametrize(("level", "outcome"), [("T9", PASS), ("T3", PASS)])
def test_vertebrae_of_both_plans_are_counted(level: str, outcome: Outcome) -> None:
    verdict = summed(second_case(level=level))

    finding = found(verdict, "trial.vertebrae")
    assert finding.outcome is outcome
    assert str(finding.message).startswith("2 treated")


def test_three_vertebrae_in_two_plans_are_too_many() -> None:
    base = judge(CORD, target_name="PTV_T7-8").case
    verdict = check(replace(base, added=(second_case(level="T9"),)), PROTOCOL)

    assert found(verdict, "trial.vertebrae").outcome is FAIL


def test_a_further_plan_leaves_a_sum_undecided_unless_it_fails() -> None:
    base = judge(CORD, cord=10.0).case
    third = other(replace(other_plan(), instance=instance(OTHER_UID + ".3", RT_PLAN)))

    low, high = (
        check(replace(base, added=(second_case(gy=gy),), others=(third,)), PROTOCOL)
        for gy in (10.0, 16.0)
    )

    assert found(low, "limit.cord").outcome is UNDECIDED
    assert found(high, "limit.cord").outcome is FAIL
