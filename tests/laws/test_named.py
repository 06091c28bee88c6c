"""Offences that were found once, each by the plan and the operation that showed it."""

from collections.abc import Mapping

import pytest

from laws.bench import SEED, Judged, Key, sample_trial, trial
from laws.court import offences_of
from laws.operations import OPERATIONS, verdict_follows
from sbrtcheck.checks.rule import Outcome, Row, Rule, Section
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Text

BY_NAME = {operation.name: operation for operation in OPERATIONS}
NAMED = (
    # The PRV made of a cord hung on how the corners of its rings were listed.
    ("rotate rings", 16),
    ("double corners", 16),
    ("double corners", 32),
    # Pixels were written little endian also in the big-endian syntax.
    ("syntax: big endian", 2),
    # A gap narrower than half a spacing was carried on by nothing.
    ("remove high planes of neural, cord too hot", 21),
    ("remove high planes of neural, target too cold", 21),
    ("remove high planes of neural, level outside", 21),
    ("remove high planes of all that is neural", 21),
    # Of sac and canal the first one of the file stood for the cord.
    ("reorder", 73),
    ("reorder", 93),
    # The union of two targets was asked where no dose was known of one.
    ("trim 45 % at the foot, level outside", 3),
)


@pytest.mark.parametrize(("operation", "number"), NAMED)
def test_an_offence_stays_mended(operation: str, number: int) -> None:
    assert offences_of(trial(SEED, number), BY_NAME[operation]) == []


def test_coverage_that_more_dose_mends_may_lift_a_verdict_beside_a_worse_limit() -> (
    None
):
    """At 0.94 of the dose coverage fails; at 0.96 it does not, and a cord's bound is open."""
    sample = sample_trial("t8_30gy5_cord_leaves_grid_undecided")

    assert offences_of(sample, BY_NAME["scale 0.94 to 0.96"]) == []


def verdict_of(outcome: Outcome, limit: Outcome, coverage: Outcome) -> Judged:
    """Return an answer whose tables hold one line each."""

    class Fixed(Judged):
        @property
        def outcome(self) -> Outcome:
            return outcome

        def rows(self, *rows: Row) -> Mapping[Key, Finding]:
            answers = {Row.LIMIT: limit, Row.COVERAGE: coverage}
            rule = Rule(
                id="x",
                title="x",
                asks="x",
                why="x",
                act="x",
                section=Section.DOSE,
                source="x",
            )
            message = Text("x")
            return {
                (row.value, "", ""): Finding(
                    rule=rule, subject="x", outcome=answers[row], message=message
                )
                for row in rows
            }

    return Fixed(verdict=None)


PASS, UNDECIDED, FAIL = Outcome.PASS, Outcome.UNDECIDED, Outcome.FAIL


@pytest.mark.parametrize(
    ("before", "after", "offences"),
    [
        ((FAIL, PASS, FAIL), (UNDECIDED, UNDECIDED, PASS), 0),  # coverage is mended
        ((FAIL, PASS, PASS), (UNDECIDED, UNDECIDED, PASS), 1),  # by what else?
        ((UNDECIDED, PASS, PASS), (UNDECIDED, UNDECIDED, PASS), 0),
        (
            (PASS, PASS, PASS),
            (PASS, FAIL, PASS),
            1,
        ),  # the limit's answer was taken away
        ((FAIL, FAIL, FAIL), (PASS, FAIL, PASS), 1),
    ],
)
def test_a_verdict_follows_its_worst_limit(
    before: tuple[Outcome, Outcome, Outcome],
    after: tuple[Outcome, Outcome, Outcome],
    offences: int,
) -> None:
    assert len(verdict_follows(verdict_of(*before), verdict_of(*after))) == offences


def test_every_operation_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(OPERATIONS)
