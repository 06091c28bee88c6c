"""Two plans, one cord: what becomes of other plans of the patient."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from builders import (
    DOSE_UID,
    FRAME_UID,
    STRUCTURE_SET_UID,
    instance,
    plan,
    structure_set,
)
from sbrtcheck import Declared, Outcome, Verdict, check
from sbrtcheck.dicom import RT_PLAN
from sbrtcheck.dossier import Sibling
from sbrtcheck.model import ROI, DoseGrid, DoseReference, FractionGroup, Plan
from sbrtcheck.report.as_json import render_json
from sbrtcheck.report.text import Page, render_text
from test_checks import CORD, PROTOCOL, found, in_zone, judge

PASS, VARIATION, UNDECIDED, FAIL = Outcome
OTHER_UID = "1.2.826.0.1.3680043.10.999.71"


def other_plan(target: str = "PTV_T8", **changes: object) -> Plan:
    base = plan(target=target)
    reference = DoseReference(
        structure_type="SITE",
        type="TARGET",
        description=target,
        target_prescription_dose_gy=30.0,
    )
    header = replace(base.instance, sop_instance_uid=OTHER_UID, label=f"{target} SBRT")
    return replace(base, instance=header, dose_references=(reference,), **changes)  # type: ignore[arg-type]


def other(
    the_plan: Plan | None = None,
    rois: Sequence[ROI] | None = None,
    dose: DoseGrid | None = None,
    *,
    asked_for: bool = False,
) -> Sibling:
    value = the_plan or other_plan()
    own = None if rois is None else structure_set(rois)
    return Sibling(
        instance=value.instance,
        kind="RT Plan",
        where="in the same folder",
        plan=value,
        structure_set=own,
        dose=dose,
        asked_for=asked_for,
    )


def judged(
    *others: Sibling, declared: Declared | None = None, **doses_gy: float
) -> Verdict:
    case = replace(judge(CORD, **doses_gy).case, siblings=others)  # type: ignore[arg-type]
    return check(case, PROTOCOL, declared)


# --- Plans that lie near ------------------------------------------------------------------------


def test_another_plan_leaves_the_cord_undecided_and_says_the_cure() -> None:
    verdict = judged(other())

    limit = found(verdict, "limit.cord")
    assert limit.outcome is UNDECIDED
    assert "the dose of the whole course is not known" in str(limit.message)
    assert limit.held_by == "course.unseen"
    unseen = found(verdict, "course.unseen")
    assert unseen.outcome is UNDECIDED
    assert "--with" in str(unseen.cure)
    assert "--alone" in str(unseen.cure)
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
        found(verdict, "course.others").message
    )


def test_an_ion_plan_counts_as_another_plan() -> None:
    header = instance(OTHER_UID, RT_PLAN, label="protons")
    ion = Sibling(instance=header, kind="RT Ion Plan", where="in the same folder")

    assert found(judged(ion), "limit.cord").outcome is UNDECIDED


def test_each_other_plan_is_one_finding_that_tells_it_by_uid_and_date() -> None:
    headers = [instance(f"{OTHER_UID}.{n}", RT_PLAN) for n in (1, 2, 3)]
    folder = "in a folder beside"
    near = [Sibling(instance=h, kind="RT Ion Plan", where=folder) for h in headers]

    rows = [f for f in judged(other(), *near).findings if f.id == "course.unseen"]

    assert [f.outcome for f in rows] == [UNDECIDED] * 4
    for finding, uid in zip(
        rows, ("….10.999.71", "…0.999.71.1", "…0.999.71.2"), strict=False
    ):
        assert f"{uid} of 20260105, APPROVED" in str(finding.message)


def test_labels_of_other_plans_are_hidden_unless_asked_for() -> None:
    """A folder may hold another patient's plan, and its label that patient's name."""
    value = other_plan()
    named = other(replace(value, instance=replace(value.instance, label="AHMAD")))
    verdict = judged(named)

    for render in (
        render_json,
        lambda v, phi: render_text(v, Page(verbose=True, phi=phi)),
    ):
        assert "AHMAD" not in render(verdict, phi=False)
    assert "AHMAD" in render_json(verdict, phi=True)


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
def test_targets_that_share_half_are_one_target(
    low: float, high: float, *, revision: bool
) -> None:
    """Their names state no level; the other plan is not approved, so this one stands."""
    name = "PTV_2"
    verdict = judged(other(unapproved(other_plan(name)), [target(low, high, name)]))

    assert found(verdict, "limit.cord").outcome is (PASS if revision else UNDECIDED)
    ids = {f.id for f in verdict.findings if f.id.startswith("course.")}
    assert ids == {"course.revisions" if revision else "course.unseen"}


def unapproved(value: Plan, date: str = "20260104") -> Plan:
    header = replace(value.instance, approval_status="UNAPPROVED", date=date)
    return replace(value, instance=header)


def test_a_revision_is_named_with_its_approval() -> None:
    earlier = other(unapproved(other_plan()), rois=[target(-12, 12)])
    finding = found(judged(earlier), "course.revisions")

    assert finding.outcome is None
    assert "taken for revisions and not added" in str(finding.message)
    assert "UNAPPROVED" in str(finding.message)


def test_of_two_approved_plans_of_one_target_none_is_known_to_stand() -> None:
    revised = other(rois=[target(-12, 12)])

    assert found(judged(revised), "course.superseded").outcome is UNDECIDED
    meant = judged(revised, declared=Declared(alone=True))
    assert meant.outcome is PASS


@pytest.mark.parametrize(
    ("own", "date", "outcome"),
    [
        ("UNAPPROVED", "20260104", UNDECIDED),  # the other one is approved
        ("APPROVED", "20260104", None),
    ],
)
def test_the_approved_plan_of_one_target_stands(
    own: str, date: str, outcome: Outcome | None
) -> None:
    case = judge(CORD).case
    header = replace(case.plan.instance, approval_status=own)
    status = "UNAPPROVED" if own == "APPROVED" else "APPROVED"
    value = unapproved(other_plan(), date)
    value = replace(value, instance=replace(value.instance, approval_status=status))
    case = replace(
        case,
        plan=replace(case.plan, instance=header),
        siblings=(other(value, rois=[target(-12, 12)]),),
    )

    rows = [
        f.outcome for f in check(case, PROTOCOL).findings if f.id == "course.superseded"
    ]
    assert rows == ([] if outcome is None else [outcome])


@pytest.mark.parametrize(
    ("date", "superseded"), [("20260104", False), ("20260106", True)]
)
def test_of_unapproved_plans_of_one_target_the_latest_stands(
    date: str, *, superseded: bool
) -> None:
    case = judge(CORD).case
    case = replace(
        case,
        plan=unapproved(case.plan, "20260105"),
        siblings=(other(unapproved(other_plan(), date), rois=[target(-12, 12)]),),
    )

    ids = {f.id for f in check(case, PROTOCOL).findings if f.id.startswith("course.")}
    assert ids == {"course.superseded" if superseded else "course.revisions"}


def test_without_its_structure_set_a_plan_may_be_a_part() -> None:
    assert found(judged(other(rois=None)), "course.unseen").outcome is UNDECIDED


def test_a_plan_in_another_frame_of_reference_is_no_revision() -> None:
    """Its target states no level, so that only the place could tell."""
    value = other_plan("PTV_2")
    moved = replace(
        value, instance=replace(value.instance, frame_of_reference_uid="1.2.3.4")
    )
    verdict = judged(other(moved, [target(-12, 12, "PTV_2")]))

    assert found(verdict, "course.unseen").outcome is UNDECIDED


def test_a_qa_plan_is_no_part_of_the_course() -> None:
    verdict = judged(other(other_plan(intent="VERIFICATION"), rois=[target(-12, 12)]))

    assert found(verdict, "course.others").outcome is None
    assert verdict.outcome is PASS


@pytest.mark.parametrize(
    ("status", "outcome"), [("REJECTED", PASS), ("UNAPPROVED", UNDECIDED)]
)
def test_a_rejected_plan_is_no_part_of_the_course(
    status: str, outcome: Outcome
) -> None:
    """One that is not rejected is: here its dose cannot be placed, and the cord stays open."""
    header = replace(other_plan("PTV_T10").instance, approval_status=status)
    second = replace(other_plan("PTV_T10"), instance=header)
    far = in_zone("prv", "PTV_T10", -12, 12)
    more = replace(judge(CORD, cord=20.0).case.dose, header=None)

    verdict = judged(other(second, [far], more))

    assert found(verdict, "limit.cord").outcome is outcome


# --- One structure set, two plans ---------------------------------------------------------------


def test_the_target_of_the_other_plan_is_not_this_plans() -> None:
    """One structure set with both targets: each plan names its own."""
    second = in_zone("prv", "PTV_T10", -12, 12)  # gets 10 Gy from this plan
    case = judge(CORD, second).case
    verdict = check(
        replace(case, siblings=(other(other_plan("PTV_T10"), [second]),)),
        PROTOCOL,
        Declared(alone=True),
    )

    rows = {f.roi: f for f in verdict.findings if f.id == "coverage"}
    assert {name: f.outcome for name, f in rows.items()} == {
        "PTV_T8": PASS,
        "PTV_T10": None,
    }
    assert verdict.levels == ("T8",)
    assert "the target of another plan" in str(rows["PTV_T10"].message)


def test_a_target_named_by_a_plan_of_another_structure_set_in_one_frame_is_that_plans() -> (
    None
):
    second = in_zone("prv", "PTV_T10", -12, 12)
    elsewhere = other_plan("PTV_T10", structure_set_uid=STRUCTURE_SET_UID + ".9")
    case = replace(judge(CORD, second).case, siblings=(other(elsewhere, [second]),))

    verdict = check(case, PROTOCOL, Declared(alone=True))

    outcomes = {f.roi: f.outcome for f in verdict.findings if f.id == "coverage"}
    assert outcomes == {"PTV_T8": PASS, "PTV_T10": None}


def test_plans_that_name_no_structure_set_do_not_share_numbers_of_rois() -> None:
    """ROI 3 of another plan's unknown structure set is not ROI 3 of this one."""
    second = replace(in_zone("prv", "PTV_T10", -12, 12), number=3)
    own = judge(CORD, second).case
    reference = DoseReference(
        structure_type="VOLUME",
        type="TARGET",
        referenced_roi_number=3,
        target_prescription_dose_gy=30.0,
    )
    theirs = other_plan(structure_set_uid=None)
    header = replace(theirs.instance, frame_of_reference_uid=FRAME_UID + ".9")
    theirs = replace(theirs, instance=header, dose_references=(reference,))
    mine = replace(own.plan, structure_set_uid=None)
    case = replace(own, plan=mine, siblings=(other(theirs),))

    verdict = check(case, PROTOCOL, Declared(alone=True))

    outcomes = {f.roi: f.outcome for f in verdict.findings if f.id == "coverage"}
    assert outcomes["PTV_T10"] is not None


def test_a_target_that_no_plan_names_is_graded_and_asked_about() -> None:
    second = in_zone("prv", "PTV_T10", -12, 12)
    case = judge(CORD, second).case
    verdict = check(
        replace(case, siblings=(other(other_plan("PTV_T12"), [second]),)), PROTOCOL
    )

    rows = {f.subject: f.outcome for f in verdict.findings if f.id == "coverage"}
    assert rows == {"PTV: PTV_T8": PASS, "PTV: PTV_T10": UNDECIDED}


@pytest.mark.parametrize(
    ("second_gy", "is_part"), [(15.0, True), (15.009, True), (15.02, False)]
)
def test_plans_whose_doses_and_fractions_add_up_to_a_scheme_may_be_parts(
    second_gy: float, *, is_part: bool
) -> None:
    """15 Gy in 3 and in 2; doses are equal to 0.01 Gy."""
    group = FractionGroup(number=1, fractions=2, beam_numbers=(1,))
    theirs = other_plan(fraction_groups=(group,))
    reference = replace(
        theirs.dose_references[0], target_prescription_dose_gy=second_gy
    )
    theirs = replace(theirs, dose_references=(reference,))
    own = judge(CORD, fractions=3, rx_gy=15.0).case
    target = in_zone("target", "PTV_T8", -12, 12)
    sibling = other(theirs, [target])

    verdict = check(replace(own, siblings=(sibling,)), PROTOCOL)

    told = [str(finding.message) for finding in verdict.findings]
    assert any("revision or parts?" in words for words in told) is is_part


# --- Adding -------------------------------------------------------------------------------------


def second_case(
    *,
    gy: float = 14.0,
    fractions: int = 5,
    frame: str | None = FRAME_UID,
    level: str = "T9",
    uid: str = OTHER_UID,
) -> Sibling:
    """Return a plan of another target, with the dose of its course, added by the user."""
    name = f"PTV_{level}"
    group = FractionGroup(number=1, fractions=fractions, beam_numbers=(1,))
    value = replace(
        other_plan(name, fraction_groups=(group,)),
        structure_set_uid=STRUCTURE_SET_UID + ".2",
    )
    value = replace(value, instance=replace(value.instance, sop_instance_uid=uid))
    dose = judge(cord=gy, prv=gy).case.dose
    assert dose.header is not None
    header = replace(
        instance(DOSE_UID + ".2", "1.2.840.10008.5.1.4.1.1.481.2"),
        frame_of_reference_uid=frame,
    )
    dose = replace(dose, header=replace(dose.header, instance=header))
    return other(value, [in_zone("target", name, -12, 12)], dose, asked_for=True)


def summed(part: Sibling, cord: float = 10.0) -> Verdict:
    return check(replace(judge(CORD, cord=cord).case, siblings=(part,)), PROTOCOL)


def test_the_cord_gets_the_sum_and_the_target_its_own_plan() -> None:
    verdict = summed(second_case(gy=14.0))

    limit = found(verdict, "limit.cord")
    assert limit.value is not None
    assert limit.value.value == pytest.approx(24.0)
    assert limit.outcome is PASS
    near = next(
        f
        for f in verdict.findings
        if f.id == "report.target" and str(f.metric) == "Dmax"
    )
    assert near.value is not None
    assert near.value.value == pytest.approx(33.0)
    assert "assumed to be given on the same days" in str(
        found(verdict, "course").message
    )


def test_a_sum_above_the_limit_fails() -> None:
    assert found(summed(second_case(gy=15.4)), "limit.cord").outcome is FAIL


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (second_case(fractions=4), "it has 4 fractions, this one 5"),
        (second_case(frame="1.2.3.4"), "its dose lies in another frame of reference"),
    ],
    ids=["fractions", "frame"],
)
def test_what_cannot_be_added_leaves_the_cord_undecided(
    part: Sibling, why: str
) -> None:
    verdict = summed(part)

    assert found(verdict, "limit.cord").outcome is UNDECIDED
    assert found(verdict, "limit.cord").held_by == "course.unseen"
    assert why in str(found(verdict, "course.unseen").message)
    assert found(verdict, "course.unseen").outcome is UNDECIDED
    assert found(summed(part, cord=26.0), "limit.cord").outcome is FAIL


@pytest.mark.parametrize("stated", ["neither", "this plan", "the part"])
def test_doses_are_not_added_where_one_states_no_frame_of_reference(
    stated: str,
) -> None:
    own = FRAME_UID if stated == "this plan" else None
    case = judge(CORD).case
    header = replace(case.links[2].instance, frame_of_reference_uid=own)
    links = (*case.links[:2], replace(case.links[2], instance=header))
    part = second_case(frame=FRAME_UID if stated == "the part" else None)
    verdict = check(replace(case, links=links, siblings=(part,)), PROTOCOL)

    assert "or states none" in str(found(verdict, "course.unseen").message)
    assert found(verdict, "limit.cord").held_by == "course.unseen"


@pytest.mark.parametrize(("level", "outcome"), [("T9", PASS), ("T3", PASS)])
def test_vertebrae_of_both_plans_are_counted(level: str, outcome: Outcome) -> None:
    verdict = summed(second_case(level=level))

    finding = found(verdict, "trial.vertebrae")
    assert finding.outcome is outcome
    assert str(finding.message).startswith("2 treated")


def test_three_vertebrae_in_two_plans_are_too_many() -> None:
    base = judge(CORD, target_name="PTV_T7-8").case
    verdict = check(replace(base, siblings=(second_case(level="T9"),)), PROTOCOL)

    assert found(verdict, "trial.vertebrae").outcome is FAIL


def test_a_further_plan_leaves_a_sum_undecided_unless_it_fails() -> None:
    base = judge(CORD, cord=10.0).case
    third = other(replace(other_plan(), instance=instance(OTHER_UID + ".3", RT_PLAN)))

    low, high = (
        check(replace(base, siblings=(second_case(gy=gy), third)), PROTOCOL)
        for gy in (10.0, 16.0)
    )

    assert found(low, "limit.cord").outcome is UNDECIDED
    assert found(high, "limit.cord").outcome is FAIL
