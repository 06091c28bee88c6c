"""Put a value against its lines: one finding from a metric, a limit and an ROI."""

from dataclasses import replace

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.verdict import Finding, Outcome, grade
from sbrtcheck.model import Text, Value
from sbrtcheck.protocol.metric import parse_metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Basis, Line

DMAX = parse_metric("Dmax")


def graded_finding(
    evidence: Evidence,
    *,
    finding_id: str,
    subject: str,
    match: MatchedROI,
    goal: Line,
    variation: Line | None = None,
) -> Finding:
    """Return the finding for one metric of one ROI against its lines.

    The line shown is the one that decides: the goal, or the last line where that is missed.
    """
    metric = goal.constraint.metric
    value = evidence.value(metric, subject)
    outcome, at_limit = grade(value, goal, variation)
    decisive = goal if outcome is Outcome.PASS or variation is None else variation
    reason = value.reason
    if at_limit:
        reason = Text("at limit" if outcome is Outcome.UNDECIDED else "at goal")
    return Finding(
        id=finding_id,
        subject=subject,
        roi=match.roi.name,
        metric=metric,
        value=value,
        line=decisive.constraint,
        margin=None if value.value is None else decisive.constraint.margin(value.value),
        outcome=outcome,
        message=_message(value, outcome, goal, variation),
        reason=reason,
        basis=decisive.basis,
        source=decisive.source,
    )


def _message(value: Value, outcome: Outcome, goal: Line, variation: Line | None) -> Text:
    first, last = str(goal.constraint), str((variation or goal).constraint)
    if value.value is None and outcome is Outcome.FAIL:
        return Text("the part inside the dose grid alone breaks {line}", line=last)
    why = value.reason or Text("cannot be known")
    if value.value is None and outcome is Outcome.PASS:
        return Text("keeps {line} by its bound; {why}", line=first, why=why)
    if value.value is None:
        return Text("{why}", why=why)
    answer = _answer(outcome, first, last)
    if outcome is Outcome.UNDECIDED:
        answer = Text(
            "at limit: between {low} and {high}, {line} lies in between",
            low=value.value if value.low is None else value.low,
            high=value.value if value.high is None else value.high,
            line=last,
        )
    if value.reason is not None:  # what lies outside the dose grid is bounded
        return Text("{answer}; {why}", answer=answer, why=value.reason)
    return answer


def _answer(outcome: Outcome, first: str, last: str) -> Text:
    if outcome is Outcome.PASS:
        return Text("keeps {line}", line=first)
    if outcome is Outcome.VARIATION:
        return Text("misses {first}, keeps {last}", first=first, last=last)
    return Text("misses {line}", line=last)


def kept_by_all_of_it(evidence: Evidence, finding: Finding) -> Finding:
    """Pass a maximum that all of an ROI keeps, where the ROI is smaller than the volume asked.

    The dose of that volume is not known then, and yet no part of the ROI can break the limit.
    """
    line = finding.line
    point = evidence.value(DMAX, finding.subject)
    maximum = point.value if point.high is None else point.high
    if finding.value is None or finding.value.value is not None or maximum is None:
        return finding
    if line is None or not line.is_upper or line.metric.unit != "Gy" or not line.holds(maximum):
        return finding
    message = Text("{why}; all of it keeps {line}", why=finding.message, line=str(line))
    return replace(finding, outcome=Outcome.PASS, message=message)


def unanswered(
    *,
    finding_id: str,
    subject: str,
    message: Text,
    line: Line | None,
    match: MatchedROI | None = None,
) -> Finding:
    """Return the UNDECIDED finding of a question that could not be asked."""
    return Finding(
        id=finding_id,
        subject=subject,
        roi=None if match is None else match.roi.name,
        outcome=Outcome.UNDECIDED,
        message=message,
        reason=message,
        basis=Basis.CONVENTION if line is None else line.basis,
        source="" if line is None else line.source,
    )
