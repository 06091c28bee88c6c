"""Make findings: an answer, a question, a fault by its severity, a row that is only reported."""

from collections.abc import Mapping
from dataclasses import replace

from sbrtcheck.checks.rule import SEVERITY_OUTCOME, Outcome, Row, Rule, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Text
from sbrtcheck.protocol.rules import Severity

__all__ = [
    "answer",
    "asked",
    "at_severity",
    "by_severity",
    "not_asked",
    "numbered_subject",
    "reported",
    "severity_of",
]


def answer(
    rule: Rule,
    outcome: Outcome,
    message: Text,
    *,
    subject: str = "case",
    roi: str | None = None,
) -> Finding:
    """Return a plain answer."""
    return Finding(
        rule=rule, subject=subject, outcome=outcome, message=message, roi=roi
    )


def asked(
    rule: Rule,
    message: Text,
    *,
    state: State,
    cure: Text,
    subject: str = "plan",
    roi: str | None = None,
    held_by: str | None = None,
) -> Finding:
    """Return an UNDECIDED: why, of which kind, and what settles it."""
    return Finding(
        rule=rule,
        subject=subject,
        roi=roi,
        outcome=Outcome.UNDECIDED,
        message=message,
        reason=message,
        state=state,
        cure=cure,
        held_by=held_by,
    )


def reported(
    rule: Rule, message: Text, *, subject: str = "case", roi: str | None = None
) -> Finding:
    """Return a row that never moves a verdict."""
    return Finding(rule=rule, subject=subject, outcome=None, message=message, roi=roi)


def not_asked(
    rule: Rule, message: Text, *, subject: str, place: str | None = None
) -> Finding:
    """Return the answer of a question that has no subject here."""
    return Finding(
        rule=rule,
        subject=subject,
        outcome=None,
        message=message,
        state=State.NOT_ASKED,
        place=place,
    )


def numbered_subject(subject: str, number: int) -> str:
    """Return the subject of one of several alike: the first keeps its name, others add a number."""
    if number == 1:
        return subject
    return f"{subject} #{number}"


def severity_of(rule: Rule, severities: Mapping[str, Severity]) -> Severity:
    """Return the severity of a rule in a protocol: its own, unless the protocol overrides it."""
    if rule.former is None:
        return severities.get(rule.id, rule.severity)
    formerly = severities.get(rule.former, rule.severity)
    return severities.get(rule.id, formerly)


def by_severity(
    rule: Rule,
    severities: Mapping[str, Severity],
    message: Text,
    *,
    fault: bool,
    cure: Text,
    subject: str = "case",
    roi: str | None = None,
) -> Finding:
    """Return what a fault is by the rule's severity; without a fault, a PASS."""
    severity = severity_of(rule, severities)
    worst = SEVERITY_OUTCOME[severity]
    if worst is None:
        return reported(rule, message, subject=subject, roi=roi)
    if not fault:
        return answer(rule, Outcome.PASS, message, subject=subject, roi=roi)
    if worst is Outcome.UNDECIDED:
        return asked(
            rule, message, state=State.DECLARE, cure=cure, subject=subject, roi=roi
        )
    return answer(rule, worst, message, subject=subject, roi=roi)


def at_severity(finding: Finding, severities: Mapping[str, Severity]) -> Finding:
    """Let the severity that a protocol sets decide what a fault is that was found by the default."""
    rule = finding.rule
    severity = severity_of(rule, severities)
    if rule.row is not Row.CHECK:
        return finding
    if severity == rule.severity:
        return finding
    usual = SEVERITY_OUTCOME[rule.severity]
    is_fault = usual is not None and finding.outcome is usual
    if not is_fault:
        return finding
    outcome = SEVERITY_OUTCOME[severity]
    if outcome is Outcome.UNDECIDED:
        return finding
    return replace(finding, outcome=outcome, state=None, cure=None, is_plain=False)
