"""What a page must say for whoever signs it, on samples."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from builders import plan
from sbrtcheck import Outcome, Verdict, check, load_case, load_protocol
from sbrtcheck.checks.judge import RULES
from sbrtcheck.model import DoseReference
from sbrtcheck.report import text
from sbrtcheck.report.text import Page, render_text
from test_checks import CORD, found, in_zone, judge

SAMPLES = Path(__file__).parents[1] / "sample_dicom"


def page(verdict: Verdict) -> str:
    return " ".join(render_text(verdict, Page(width=100)).split())


def of_sample(name: str) -> Verdict:
    return check(load_case(SAMPLES / name), load_protocol("nct06756087"))


def test_an_added_plan_is_named_with_date_and_approval() -> None:
    said = page(of_sample("pair_sum_pass_t7"))

    assert "Added plan T9_30Gy5 20260302 APPROVED" in said
    assert "on the same days (assumed)" in said


def test_a_number_that_passes_by_its_nominal_value_alone_says_so() -> None:
    """The other plan's dose beyond its grid is only bounded; the PRV is PASS or VARIATION."""
    verdict = of_sample("pair_apart_undecided_t7")

    assert found(verdict, "limit.cord_prv").outcome is Outcome.PASS
    assert "at goal: keeps D0.035cc <= 25.3Gy, between" in page(verdict)


def ids_in(words: str) -> list[str]:
    """Return the ids of rules that stand in a text; some are plain words."""
    dotted = (re.escape(name) for name in RULES if "." in name or "_" in name)
    return re.findall(rf"(?<![\w.])(?:{'|'.join(dotted)})(?![\w.])", words)


@pytest.mark.parametrize(
    "name",
    [
        "t8_30gy5_pass",
        "t10_30gy5_no_cord_undecided",
        "t6_42gy7_cord_fail",
        "t8_30gy5_rejected_undecided",
        "pair_sum_pass_t7",
    ],
)
def test_the_page_speaks_in_words_and_names_ids_with_every_check_only(
    name: str,
) -> None:
    verdict = of_sample(name)

    assert ids_in(page(verdict)) == []
    whole = render_text(verdict, Page(width=100, verbose=True))
    assert f"[{verdict.findings[0].id}]" in " ".join(whole.split())


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 limits"), (1, "1 limit"), (2, "2 limits")]
)
def test_one_is_no_plural(count: int, told: str) -> None:
    assert text._counted(count, "limit") == told


def test_each_rule_has_a_title_of_a_few_words() -> None:
    for rule in RULES.values():
        assert 0 < len(rule.title) <= 32
        assert ids_in(rule.title) == []
        assert rule.title == rule.title.strip(" .:")


def test_cures_are_told_beside_a_failure() -> None:
    said = page(judge(CORD, target_name="Boost", cord=40.0))

    assert "Why FAIL" in said
    assert "Why UNDECIDED" in said
    assert "--alias" in said


@pytest.mark.parametrize(
    ("description", "cure"),
    [
        ("Boost", "--alias 'Boost=PTV'"),
        ("PTV_T12", "export the structure set with this target"),
    ],
)
def test_what_settles_a_target_that_is_not_judged_hangs_on_whether_it_is_drawn(
    description: str, cure: str
) -> None:
    first = plan().dose_references[0]
    second = DoseReference(
        number=2,
        structure_type="SITE",
        type="TARGET",
        description=description,
        target_prescription_dose_gy=30.0,
    )
    both = replace(plan(), dose_references=(first, second))
    verdict = judge(CORD, in_zone("sac", "Boost", -6, 6), the_plan=both)

    assert cure in str(found(verdict, "target.prescribed").cure)
