"""Law 2. Every rule that a protocol states is asked, of every ROI, exactly once."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from laws.bench import SEED, judged, protocol, quick_numbers, trial
from sbrtcheck.checks.rule import Outcome
from sbrtcheck.checks.verdict import Finding, Verdict
from sbrtcheck.protocol.metric import parse_constraint
from sbrtcheck.protocol.rules import Basis, Limit, Line, Protocol

NUMBERS = quick_numbers(20)
STRUCTURES = (
    "SpinalCord",
    "SpinalCord_PRV",
    "ThecalSac",
    "SpinalCanal",
    "CaudaEquina",
    "PTV",
    "GTV",
    "External",
)
LINES = ("D0.1cc <= 0.1Gy", "Dmean <= 0.05Gy")  # the plan breaks them
FRACTIONS = (4, 5, 6, 7)


def line(constraint: str) -> Line:
    """Return a line of a protocol of one's own."""
    return Line(
        constraint=parse_constraint(constraint),
        basis=Basis.CONVENTION,
        source="a centre",
    )


def with_own_rows() -> Protocol:
    """Return the shipped protocol and rows that every plan breaks."""
    rows = [
        Limit(structure=structure, fractions=fractions, goal=line(constraint))
        for structure in STRUCTURES
        for constraint in LINES
        for fractions in FRACTIONS
    ]
    return replace(protocol(), limits=(*protocol().limits, *rows))


def verdict_of(number: int, rules: Protocol) -> Verdict:
    """Return the verdict on a generated plan."""
    tried = trial(SEED, number)
    answer = judged(lambda: tried.case, tried.declared, rules)
    assert answer.verdict is not None, answer.error
    return answer.verdict


def answers(verdict: Verdict) -> Counter[tuple[str, str, str, Outcome | None]]:
    """Return what is answered, whatever the order."""
    return Counter(answer(finding) for finding in verdict.findings)


def answer(finding: Finding) -> tuple[str, str, str, Outcome | None]:
    """Return what one finding says."""
    return finding.id, finding.subject, str(finding.metric), finding.outcome


@pytest.mark.parametrize("number", NUMBERS)
def test_a_row_that_the_plan_breaks_fails_for_every_roi_of_its_structure_once(
    number: int,
) -> None:
    rules = with_own_rows()
    verdict = verdict_of(number, rules)
    assert verdict.prescription is not None
    drawn = [
        (judged_roi.match.structure, judged_roi.match)
        for judged_roi in verdict.structures
    ]
    offences = []
    for place, limit in enumerate(
        rules.limits[len(protocol().limits) :], len(protocol().limits)
    ):
        if limit.fractions != verdict.prescription.fractions:
            continue
        rois = Counter(
            match.roi.name
            for structure, match in drawn
            if structure == limit.structure and match.roi.contours and not match.is_made
        )
        found = [f for f in verdict.findings if f.place == f"limits[{place}]"]
        failed = Counter(f.roi or f.subject for f in found if f.outcome is Outcome.FAIL)
        if not rois <= failed or max(failed.values(), default=1) > 1:
            what = f"{SEED}/{number}, {limit.structure} {limit.goal.constraint}"
            offences.append(f"{what}: {dict(rois)} -> {[answer(f) for f in found]}")
    assert offences == []


@pytest.mark.parametrize("number", NUMBERS)
def test_the_order_of_rows_decides_nothing(number: int) -> None:
    rules = with_own_rows()
    rows = list(rules.limits)
    random.Random(number).shuffle(rows)  # noqa: S311 - not a secret
    shuffled = replace(rules, limits=tuple(rows))
    assert answers(verdict_of(number, rules)) == answers(
        verdict_of(number, shuffled)
    ), f"{SEED}/{number}"
