"""What is said of each check: by `sbrtcheck explain`, and in docs/checks.md."""

from pathlib import Path

import pytest

from sbrtcheck.checks.judge import RULES
from sbrtcheck.checks.rule import Rule
from sbrtcheck.report.explain import asked_for, render_explanation, render_markdown
from test_cli import run

PAGE = Path(__file__).parents[1] / "docs" / "checks.md"
EVERY_RULE = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def test_the_page_of_checks_is_that_of_the_code() -> None:
    """`sbrtcheck explain --markdown > docs/checks.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == render_markdown(RULES)


@EVERY_RULE
def test_every_check_says_what_it_asks_why_and_what_to_do(rule: Rule) -> None:
    assert rule.asks.endswith("?")
    assert rule.why.endswith(".")
    assert rule.act.endswith((".", "?"))
    assert rule.source


@EVERY_RULE
def test_a_check_is_explained_by_its_name(rule: Rule) -> None:
    text = " ".join(render_explanation([rule], width=80).split())

    for words in (rule.id, rule.title, rule.asks, rule.why, rule.source, rule.act):
        assert words in text


def test_all_tiers_of_a_check_share_its_number() -> None:
    assert {rule.id for rule in asked_for(RULES, " i2 ")} == {
        "beams",
        "beams.missing",
        "beams.unused",
    }


def test_a_rule_without_number_is_not_found_by_silence() -> None:
    assert asked_for(RULES, "") == ()


def test_explain_lists_every_check() -> None:
    done = run("explain")

    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in RULES)


def test_an_unknown_check_is_refused_in_a_sentence() -> None:
    done = run("explain", "beans")

    assert done.returncode == 2
    assert (
        done.stderr
        == "sbrtcheck: there is no check 'beans'; sbrtcheck explain lists all\n"
    )


def test_lines_of_an_explanation_fit_the_page() -> None:
    text = render_explanation(list(RULES.values()), width=80)

    assert max(map(len, text.splitlines())) <= 80
