"""Limits of structures that are neither neural nor an organ: targets, the body, vertebrae."""

from collections.abc import Iterator
from dataclasses import replace

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import not_asked
from sbrtcheck.checks.limits import (
    graded_as_written,
    row_without_roi,
)
from sbrtcheck.checks.neural import numbered
from sbrtcheck.checks.read_neural import NEURAL_ROLES
from sbrtcheck.checks.rule import Outcome, Row, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Text
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Limit, Role

TARGETS = (Role.PTV, Role.CTV, Role.GTV)
ELSEWHERE = (*NEURAL_ROLES, Role.ORGAN)  # answered in files of their own
LIMITS = {
    role: Rule(
        id=f"limit.{role.value}",
        title="limit of a structure",
        asks="Does the structure keep the limits that the protocol states of it?",
        why="A protocol may limit any structure, targets and the body among them.",
        act="Change the plan, or check the contours.",
        section=Section.TARGET if role in TARGETS else Section.STRUCTURE,
        source="limits of the protocol",
        row=Row.LIMIT,
    )
    for role in Role
    if role not in ELSEWHERE
}
OTHER_FRACTIONS = Rule(
    id="limit.other_fractions",
    title="limits at other fraction numbers",
    asks="How many limits of the protocol are of other fraction numbers?",
    why="They are not asked here; that they exist is said, so that nobody misses them.",
    act="Nothing; it is reported.",
    section=Section.STRUCTURE,
    source="limits of the protocol",
    severity="info",
)


def check_structures(evidence: Evidence) -> Iterator[Finding]:
    """Yield every limit of such a structure, and how many rows are of other fraction numbers."""
    others = [
        row for row in evidence.protocol.limits if row.fractions != evidence.fractions
    ]
    if others:
        message = Text(
            "{count} limits are of other fraction numbers", count=len(others)
        )
        yield not_asked(OTHER_FRACTIONS, message, subject="protocol")
    for name, row in evidence.protocol.structures.items():
        if row.role in ELSEWHERE:
            continue
        rows = evidence.limits_of(name)
        for limit in rows:
            rule = numbered(LIMITS[row.role], limit, rows)
            yield from _answers(evidence, rule, limit)


def _answers(evidence: Evidence, rule: Rule, limit: Limit) -> Iterator[Finding]:
    drawn = evidence.of_structure(limit.structure)
    if not drawn:
        why = Text("no {structure} is drawn", structure=limit.structure)
        yield row_without_roi(evidence, rule, limit, why)
    for subject, match in drawn:
        yield _answer(evidence, rule, limit, subject, match)


def _answer(
    evidence: Evidence, rule: Rule, limit: Limit, subject: str, match: MatchedROI
) -> Finding:
    finding = graded_as_written(evidence, rule, limit, subject, match)
    if finding.outcome is Outcome.PASS:
        return finding
    if match.role is not Role.PTV:
        return finding
    if evidence.targets.graded(match.roi.name):
        return finding
    message = Text("not a target of this plan: {m}", m=finding.message)
    return replace(
        finding,
        outcome=None,
        message=message,
        state=State.NOT_ASKED,
        cure=None,
        is_plain=False,
    )


CHECKS = (check_structures,)
