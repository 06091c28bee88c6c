"""Case facts: read from TOML, and what they decide."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import jsonschema
import pytest

from builders import box
from sbrtcheck import CaseError, Declared, Outcome, Verdict, check
from sbrtcheck.dossier.facts import facts_beside, facts_schema, load_facts
from sbrtcheck.model import Arm, CaseFacts, PriorRadiotherapy
from sbrtcheck.protocol.rules import Basis
from sbrtcheck.report.text import Page, render_text
from test_checks import CORD, PROTOCOL, SAC, found, judge

PASS, VARIATION, UNDECIDED, FAIL = Outcome
WHOLE = """
centre = "Shanghai General Hospital"
surgery_date = 2026-01-02
first_fraction = 2026-01-19
last_fraction = 2026-01-28
operated_levels = ["T8"]
prior_rt = "none"
conus_level = "L1"
"""


def read(tmp_path: Path, text: str) -> CaseFacts:
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    return load_facts(path)


def with_facts(facts: CaseFacts, **kwargs: object) -> Verdict:
    return judge(CORD, declared=Declared(facts=facts), **kwargs)  # type: ignore[arg-type]


# --- Reading ------------------------------------------------------------------------------------


def test_all_facts_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE) == CaseFacts(
        centre="Shanghai General Hospital",
        surgery_date=date(2026, 1, 2),
        first_fraction_date=date(2026, 1, 19),
        last_fraction_date=date(2026, 1, 28),
        operated_levels=("T8",),
        prior_radiotherapy=PriorRadiotherapy.NONE,
        conus_level="L1",
    )


def test_what_is_known_of_an_earlier_course_is_read(tmp_path: Path) -> None:
    text = """
prior_rt = "yes"
prior_rt_date = 2023-05-01
prior_rt_levels = ["T7", "T8"]
prior_cord_eqd2_gy = 40
affected_levels = ["T8"]
arm = "control"
"""
    assert read(tmp_path, text) == CaseFacts(
        prior_radiotherapy=PriorRadiotherapy.YES,
        prior_radiotherapy_date=date(2023, 5, 1),
        prior_radiotherapy_levels=("T7", "T8"),
        prior_cord_eqd2_gy=40.0,
        affected_levels=("T8",),
        arm=Arm.CONTROL,
    )


def test_every_fact_may_be_absent(tmp_path: Path) -> None:
    assert read(tmp_path, "") == CaseFacts()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "sugery_date = 2026-01-02",
            "sugery_date: unknown key; did you mean surgery_date?",
        ),
        ("colour = 3", "colour: unknown key"),
        ('surgery_date = "yesterday"', "surgery_date: "),
        ("surgery_date = 0206-01-02", "is before 1990-01-01"),
        ('operated_levels = ["T13"]', "operated_levels: "),
        ('prior_rt = "maybe"', "prior_rt: "),
        ('conus_level = "L9"', "conus_level: "),
        (
            "first_fraction = 2026-02-01\nlast_fraction = 2026-01-01",
            "is before first_fraction",
        ),
        (
            "surgery_date = 2026-02-01\nfirst_fraction = 2026-01-01",
            "is before surgery_date",
        ),
        ("centre = ", "not valid TOML"),
        ('arm = "third"', "arm: "),
        ("prior_cord_eqd2_gy = -1", "prior_cord_eqd2_gy: "),
        ("prior_rt_date = 2023-05-01", "prior_rt is not yes"),
        ('prior_rt = "none"\nprior_rt_levels = ["T8"]', "prior_rt is not yes"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(CaseError, match="case facts: ") as caught:
        read(tmp_path, text)

    assert problem in str(caught.value.problem)


def test_all_problems_are_listed(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="have 2 problems") as caught:
        read(tmp_path, 'a = 1\nprior_rt = "x"')

    assert len(caught.value.candidates) == 2


def test_the_schema_takes_what_is_read() -> None:
    schema = facts_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(
        {"surgery_date": "2026-01-02", "operated_levels": ["T8"]}, schema
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"surgery": "2026-01-02"}, schema)
    assert json.loads(json.dumps(schema)) == schema


def test_the_file_beside_a_plan_is_found(tmp_path: Path) -> None:
    assert facts_beside(tmp_path / "RP.dcm") is None
    (tmp_path / "case.toml").write_text("", encoding="utf-8")

    assert facts_beside(tmp_path / "RP.dcm") == tmp_path / "case.toml"
    assert facts_beside(tmp_path) == tmp_path / "case.toml"


# --- What they decide ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "outcome"),
    [
        (6, VARIATION),
        (7, None),
        (10, None),
        (11, PASS),
        (12, PASS),
        (21, PASS),
        (22, None),
        (28, None),
        (29, VARIATION),
    ],
)
def test_about_two_weeks_after_surgery_has_a_window_and_days_beside_it(
    days: int, outcome: Outcome | None
) -> None:
    surgery = date(2026, 1, 2)
    facts = CaseFacts(
        surgery_date=surgery, first_fraction_date=surgery + timedelta(days=days)
    )

    finding = found(with_facts(facts), "surgery_interval")

    assert finding.outcome is outcome
    assert str(finding.message).startswith(f"{days} days from surgery")
    assert finding.basis is Basis.CONVENTION


def test_a_protocol_without_days_beside_the_window_grades_them() -> None:
    assert PROTOCOL.calendar is not None
    calendar = replace(PROTOCOL.calendar, days_reported=None, window_basis=None)
    facts = CaseFacts(
        surgery_date=date(2026, 1, 2), first_fraction_date=date(2026, 1, 12)
    )

    verdict = with_facts(facts, protocol=replace(PROTOCOL, calendar=calendar))

    assert found(verdict, "surgery_interval").outcome is VARIATION
    assert found(verdict, "surgery_interval").basis is Basis.TRIAL


@pytest.mark.parametrize(("last", "outcome"), [(4, FAIL), (5, PASS)])
def test_a_course_has_a_day_for_each_of_five_fractions(
    last: int, outcome: Outcome
) -> None:
    facts = CaseFacts(
        first_fraction_date=date(2026, 1, 1), last_fraction_date=date(2026, 1, last)
    )

    assert found(with_facts(facts), "course_days").outcome is outcome


def ids(verdict: Verdict) -> set[str]:
    return {finding.id for finding in verdict.findings}


def test_without_dates_no_days_are_counted() -> None:
    assert "course_days" not in ids(with_facts(CaseFacts()))


@pytest.mark.parametrize(
    ("arm", "outcome"), [(Arm.CONTROL, PASS), (Arm.EXPERIMENTAL, FAIL)]
)
def test_only_the_control_arm_is_irradiated(arm: Arm, outcome: Outcome) -> None:
    verdict = with_facts(CaseFacts(arm=arm))

    assert found(verdict, "trial.arm").outcome is outcome
    assert verdict.trial_outcome is outcome


def test_without_an_arm_nothing_is_asked() -> None:
    assert "trial.arm" not in ids(with_facts(CaseFacts()))


@pytest.mark.parametrize(
    ("affected", "outcome"),
    [((), PASS), (("T8", "T9"), PASS), (("T9", "T10"), FAIL), (("T8",), PASS)],
)
def test_fewer_than_three_vertebrae_are_affected(
    affected: tuple[str, ...], outcome: Outcome
) -> None:
    """T8 is treated, whatever is declared."""
    verdict = with_facts(CaseFacts(affected_levels=affected))

    assert found(verdict, "trial.affected").outcome is outcome


@pytest.mark.parametrize(
    ("drawn", "affected", "outcome"),
    [
        (("T9",), (), PASS),
        (("T9", "T10"), (), UNDECIDED),
        (("T9", "T10"), ("T8", "T9"), PASS),
        (("T9", "T10"), ("T8", "T9", "T10"), FAIL),
    ],
)
def test_targets_that_are_not_treated_count_until_somebody_says_how_many(
    drawn: tuple[str, ...], affected: tuple[str, ...], outcome: Outcome
) -> None:
    """T8 alone is treated: the declared levels leave the others out."""
    others = (
        box(f"PTV_{level}", (-6, -6, 16 + 12 * n), (6, 6, 26 + 12 * n), spacing_mm=2.0)
        for n, level in enumerate(drawn)
    )
    declared = Declared(levels=("T8",), facts=CaseFacts(affected_levels=affected))
    verdict = judge(CORD, *others, declared=declared)

    finding = found(verdict, "trial.affected")
    assert finding.outcome is outcome
    if outcome is UNDECIDED:
        assert str(finding.cure) == "state affected_levels in the case facts"


FIRST = date(2026, 1, 19)


def prior(days: int | None, *levels: str, eqd2_gy: float | None = None) -> CaseFacts:
    before = None if days is None else FIRST - timedelta(days=days)
    return CaseFacts(
        first_fraction_date=FIRST,
        prior_radiotherapy=PriorRadiotherapy.YES,
        prior_radiotherapy_date=before,
        prior_radiotherapy_levels=levels,
        prior_cord_eqd2_gy=eqd2_gy,
    )


@pytest.mark.parametrize(
    ("facts", "trial", "cord"),
    [
        (prior(729, "T8"), FAIL, UNDECIDED),
        (prior(730, "T8"), PASS, UNDECIDED),
        (prior(729, "T9"), PASS, UNDECIDED),
        (prior(729, "T10"), PASS, PASS),
        (prior(729, "T10", "T8"), FAIL, UNDECIDED),
        (prior(729), UNDECIDED, UNDECIDED),
        (prior(730), PASS, UNDECIDED),
        (prior(None), UNDECIDED, UNDECIDED),
        (prior(None, "T8"), UNDECIDED, UNDECIDED),
        (prior(None, "L1"), PASS, PASS),
    ],
)
def test_an_earlier_irradiation_is_judged_by_its_date_and_levels(
    facts: CaseFacts, trial: Outcome, cord: Outcome
) -> None:
    verdict = with_facts(facts)

    assert found(verdict, "trial.prior_radiotherapy").outcome is trial
    assert found(verdict, "prior_radiotherapy").outcome is cord


@pytest.mark.parametrize(
    ("facts", "outcome"),
    # 10 Gy in 5 fractions are an EQD2 of 10 Gy here.
    [
        (prior(800, "T8", eqd2_gy=40.0), PASS),
        (prior(800, "T8", eqd2_gy=60.0), PASS),
        (prior(800, "T8", eqd2_gy=60.1), FAIL),
        (prior(800, "T8", eqd2_gy=10.0), PASS),
        (prior(800, "T8", eqd2_gy=9.9), FAIL),
        (prior(152, "T9", eqd2_gy=40.0), PASS),
        (prior(151, "T9", eqd2_gy=40.0), FAIL),
        (prior(None, "T9", eqd2_gy=40.0), UNDECIDED),
    ],
)
def test_a_stated_eqd2_is_graded_by_what_hytec_recommends(
    facts: CaseFacts, outcome: Outcome
) -> None:
    assert found(with_facts(facts), "prior_radiotherapy").outcome is outcome


@pytest.mark.parametrize(("cord_gy", "outcome"), [(17.9, PASS), (18.0, FAIL)])
def test_this_course_may_give_25_gy_to_what_was_irradiated(
    cord_gy: float, outcome: Outcome
) -> None:
    """D (D/5 + 2) / 4 = 25 Gy at D = 17.91 Gy."""
    facts = prior(800, "T8", eqd2_gy=40.0)
    verdict = with_facts(facts, cord=cord_gy)

    assert found(verdict, "prior_radiotherapy").outcome is outcome


@pytest.mark.parametrize(
    ("on", "is_said"),
    [
        ("20241231", True),
        ("20250101", False),
        ("20261231", False),
        ("20270101", True),
        ("19900101", True),
        ("19891231", False),
    ],
)
def test_a_plan_from_outside_the_trial_is_told(on: str, *, is_said: bool) -> None:
    case = judge(CORD).case
    header = replace(case.plan.instance, date=on)
    verdict = check(replace(case, plan=replace(case.plan, instance=header)), PROTOCOL)

    assert ("trial.dates" in ids(verdict)) is is_said


@pytest.mark.parametrize(
    ("institution", "is_said"),
    [
        ("Shanghai General Hospital", False),
        ("SHANGHAI FIRST PEOPLE'S HOSPITAL, Dept. of Radiotherapy", False),
        ("上海市第一人民医院", False),
        ("Third Affiliated Hospital of Southern Medical University", False),
        ("St Elsewhere", True),
        (None, False),
    ],
)
def test_an_institution_that_is_no_centre_of_the_trial_is_told(
    institution: str | None, *, is_said: bool
) -> None:
    case = judge(CORD).case
    header = replace(case.plan.instance, institution=institution)
    verdict = check(replace(case, plan=replace(case.plan, instance=header)), PROTOCOL)

    assert ("trial.centre" in ids(verdict)) is is_said
    if institution is not None:
        assert institution not in render_text(verdict, Page(verbose=True))


@pytest.mark.parametrize(("age", "outcome"), [(18.0, PASS), (17.9, FAIL), (None, None)])
def test_a_stated_age_stands_where_no_birth_date_does(
    age: float | None, outcome: Outcome | None
) -> None:
    case = judge(CORD).case
    patient = replace(case.plan.instance.patient, birth_date=None)
    header = replace(case.plan.instance, patient=patient, age_years=age)
    verdict = check(replace(case, plan=replace(case.plan, instance=header)), PROTOCOL)

    assert found(verdict, "age").outcome is outcome


@pytest.mark.parametrize(
    ("drawn", "studied", "outcome"),
    [
        ("20260106", "20260101", PASS),
        ("20260104", "20260106", FAIL),
        (None, "20260104", VARIATION),
        (None, "20260105", PASS),
        (None, None, None),
    ],
)
def test_the_date_of_the_study_alone_is_no_proof(
    drawn: str | None, studied: str | None, outcome: Outcome | None
) -> None:
    facts = CaseFacts(surgery_date=date(2026, 1, 5))
    case = judge(CORD).case
    header = replace(case.structure_set.instance, date=drawn, study_date=studied)
    structures = replace(case.structure_set, instance=header)

    verdict = check(
        replace(case, structure_set=structures), PROTOCOL, Declared(facts=facts)
    )

    assert found(verdict, "planning_image").outcome is outcome


@pytest.mark.parametrize(("day", "outcome"), [(4, PASS), (5, PASS), (6, FAIL)])
def test_the_planning_image_must_follow_surgery(day: int, outcome: Outcome) -> None:
    """The structure set of the tests is of 2026-01-05."""
    facts = CaseFacts(surgery_date=date(2026, 1, day))

    assert found(with_facts(facts), "planning_image").outcome is outcome


@pytest.mark.parametrize(("last", "outcome"), [(4, PASS), (16, PASS), (17, VARIATION)])
def test_a_long_course_is_a_variation_and_a_short_one_is_not(
    last: int, outcome: Outcome
) -> None:
    facts = CaseFacts(
        first_fraction_date=date(2026, 1, 1), last_fraction_date=date(2026, 1, last)
    )

    assert found(with_facts(facts), "course_length").outcome is outcome


@pytest.mark.parametrize(
    ("operated", "outcome"), [(("T8",), PASS), (("T9",), FAIL), (("T8", "T9"), FAIL)]
)
def test_the_operated_vertebrae_are_the_treated_ones(
    operated: tuple[str, ...], outcome: Outcome
) -> None:
    assert found(
        with_facts(CaseFacts(operated_levels=operated)), "operated_levels"
    ).outcome is (outcome)


@pytest.mark.parametrize(
    ("born", "outcome"), [("20080105", PASS), ("20080106", FAIL), ("", None)]
)
def test_a_patient_is_18_on_the_day_of_the_plan(
    born: str, outcome: Outcome | None
) -> None:
    """The plan is of 2026-01-05."""
    case = judge(CORD).case
    patient = replace(case.plan.instance.patient, birth_date=born or None)
    plan = replace(case.plan, instance=replace(case.plan.instance, patient=patient))

    finding = found(check(replace(case, plan=plan), PROTOCOL), "age")

    assert finding.outcome is outcome
    assert born[:4] not in str(finding.message) or not born


def test_facts_that_are_not_provided_move_nothing() -> None:
    verdict = judge(CORD)

    for name in (
        "surgery_interval",
        "planning_image",
        "course_length",
        "operated_levels",
    ):
        finding = found(verdict, name)
        assert finding.outcome is None
        assert str(finding.message) == "not provided"
    assert verdict.outcome is PASS


@pytest.mark.parametrize(
    ("prior", "outcome", "banner"),
    [
        (None, None, "if no earlier irradiation at this level (not provided)"),
        (
            PriorRadiotherapy.UNKNOWN,
            None,
            "if no earlier irradiation at this level (declared unk",
        ),
        (PriorRadiotherapy.NONE, None, "VERDICT: √ PASS\n"),
        (PriorRadiotherapy.YES, UNDECIDED, "UNDECIDED"),
    ],
)
def test_prior_radiotherapy_decides_what_a_pass_may_say(
    prior: PriorRadiotherapy | None, outcome: Outcome | None, banner: str
) -> None:
    verdict = with_facts(CaseFacts(prior_radiotherapy=prior))

    assert found(verdict, "prior_radiotherapy").outcome is outcome
    assert banner in render_text(verdict, Page())


@pytest.mark.parametrize(
    ("target", "conus", "outcome"),
    [
        ("PTV_L2", None, UNDECIDED),
        ("PTV_L2", "L1", PASS),
        ("PTV_L1", "L2", FAIL),
        ("PTV_L1", "L1", FAIL),
        ("PTV_T12", "L1", FAIL),
        ("PTV_T12", "T12", FAIL),
        ("PTV_L1", "T12", PASS),
    ],
)
def test_a_declared_conus_says_by_which_limit_the_sac_is_judged(
    target: str, conus: str | None, outcome: Outcome
) -> None:
    """30 Gy: above the cord's 25.3 Gy, below the cauda's 32 Gy."""
    declared = Declared(facts=CaseFacts(conus_level=conus))
    verdict = judge(SAC, target_name=target, declared=declared, sac=30.0)

    assert found(verdict, "limit.sac").outcome is outcome
