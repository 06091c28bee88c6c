"""Case facts: read from TOML, and what they decide."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from sbrtcheck import CaseError, Declared, Outcome, Verdict, check
from sbrtcheck.dossier.facts import facts_beside, facts_schema, load_facts
from sbrtcheck.model import CaseFacts, PriorRadiotherapy
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
    ("first", "outcome"),
    [(15, VARIATION), (16, PASS), (23, PASS), (24, VARIATION)],
)
def test_14_to_21_days_from_surgery_agree_with_both_wordings(
    first: int, outcome: Outcome
) -> None:
    facts = CaseFacts(
        surgery_date=date(2026, 1, 2), first_fraction_date=date(2026, 1, first)
    )

    finding = found(with_facts(facts), "surgery_interval")

    assert finding.outcome is outcome
    assert str(first - 2) in str(finding.message)


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
