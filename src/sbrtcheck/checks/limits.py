"""Put a value against its lines: one finding from a metric, a ladder of lines and an ROI."""

from dataclasses import dataclass, replace

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import not_asked
from sbrtcheck.checks.rule import Outcome, Rule, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Text, Value
from sbrtcheck.protocol.metric import Constraint, Metric, parse_metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Limit, Line

__all__ = [
    "Graded",
    "Ladder",
    "Step",
    "beyond_largest",
    "grade",
    "graded_as_written",
    "graded_finding",
    "kept_by_all_of_it",
    "known_ends",
    "ladder_of",
    "limit_place",
    "row_without_roi",
    "unknown_fractions_ladder",
]

DMAX = parse_metric("Dmax")
FIXED = Text("export the dose on a larger grid, so that it holds the structure")
WHOLE = Text(
    "draw the structure to its full extent: what is drawn is smaller than what is asked"
)
FINER = Text("plan again clear of the line, or calculate the dose on a finer grid")
WIDER = Text("export the dose of every plan on a grid that holds the structure")

REASONS = {State.AT_LIMIT: Text("at limit"), State.AT_GOAL: Text("at goal")}
# What settles an open answer, by its state and whether the dose grid holds all of the ROI.
CURES: dict[tuple[State | None, bool], Text] = {
    (State.MISSING, True): WHOLE,
    (State.AT_LIMIT, True): FINER,
    (State.AT_LIMIT, False): FINER,
}
# What an interval lies beside where the nominal value decides, by the worst it holds.
STATE_BESIDE = {
    Outcome.VARIATION: State.AT_GOAL,
    Outcome.UNDECIDED: State.AT_GOAL,
    Outcome.FAIL: State.AT_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Step:
    """A line, and the outcome of a value that keeps it."""

    line: Line
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Lines from the strictest to the last, and the outcome beyond the last.

    `nominal_decides` tells that no interval holds an answer back.
    """

    steps: tuple[Step, ...]
    beyond: Outcome = Outcome.FAIL
    nominal_decides: bool = False

    @property
    def metric(self) -> Metric:
        """Return what is asked."""
        return self.steps[0].line.constraint.metric

    @property
    def first(self) -> Line:
        """Return the goal."""
        return self.steps[0].line

    @property
    def last(self) -> Line:
        """Return the line beyond which nothing is kept."""
        return self.steps[-1].line

    def outcome_of(self, number: float) -> Outcome:
        """Return the outcome of a number."""
        kept = (s.outcome for s in self.steps if s.line.constraint.holds(number))
        return next(kept, self.beyond)

    def outcome_of_bound(self, bound: float | None, *, unknown: Outcome) -> Outcome:
        """Return the outcome of a bound, or `unknown` where there is none."""
        if bound is None:
            return unknown
        return self.outcome_of(bound)

    def line_of(self, outcome: Outcome) -> Line:
        """Return the line that decided for an outcome: the goal, or the last one that counts."""
        deciding = (step.line for step in self.steps if step.outcome is outcome)
        return next(deciding, self.last)


def ladder_of(limit: Limit) -> Ladder:
    """Return the lines of a limit: the goal is PASS, the second line VARIATION, beyond FAIL."""
    steps = [Step(limit.goal, Outcome.PASS)]
    if limit.variation is not None:
        steps.append(Step(limit.variation, Outcome.VARIATION))
    return Ladder(steps=tuple(steps))


def unknown_fractions_ladder(line: Line) -> Ladder:
    """Return the ladder where the fraction number is not known, or has no rows."""
    return Ladder(steps=(Step(line, Outcome.UNDECIDED),))


def beyond_largest(finding: Finding, why: Text) -> Finding:
    """Say why a value was held to this line: it breaks that of every fraction number."""
    message = Text(
        "{m}, the largest line of any fraction number; {why}",
        m=finding.message,
        why=why,
    )
    return replace(finding, message=message, is_plain=False)


@dataclass(frozen=True, slots=True)
class Graded:
    """An outcome, and why it is not a plain one."""

    outcome: Outcome
    state: State | None = None


def grade(value: Value, ladder: Ladder) -> Graded:
    """Grade a value against a ladder.

    Both ends of the interval are graded. Where they agree, that is the answer; where one of them
    is beyond the last line or open, it is UNDECIDED; otherwise the nominal value decides. A value
    that is not known fails or passes only if its bounds prove it.
    """
    if value.value is None:
        return _grade_bounds(value, ladder)
    nominal = ladder.outcome_of(value.value)
    outcomes = {ladder.outcome_of(end) for end in known_ends(value)}
    if len(outcomes) == 1:
        return Graded(nominal)
    worst = max(outcomes)
    if ladder.nominal_decides:
        return Graded(nominal, STATE_BESIDE[worst])
    if worst >= Outcome.UNDECIDED:
        return Graded(Outcome.UNDECIDED, State.AT_LIMIT)
    return Graded(nominal, State.AT_GOAL)


def known_ends(value: Value) -> list[float]:
    """Return what is known of a value: its nominal answer and the ends of its interval."""
    ends = (value.value, value.low, value.high)
    return [end for end in ends if end is not None]


def _grade_bounds(value: Value, ladder: Ladder) -> Graded:
    best, worst = value.low, value.high
    if not ladder.last.constraint.is_upper:
        best, worst = value.high, value.low
    # Where a bound is not known, all may be kept at best, and nothing at worst.
    at_best = ladder.outcome_of_bound(best, unknown=Outcome.PASS)
    at_worst = ladder.outcome_of_bound(worst, unknown=Outcome.FAIL)
    if at_best is Outcome.FAIL:
        return Graded(Outcome.FAIL)
    if at_best is at_worst:
        return Graded(at_best, State.BOUNDED)
    return Graded(Outcome.UNDECIDED, State.MISSING)


def limit_place(evidence: Evidence, limit: Limit) -> str:
    """Return where a limit stands in the protocol."""
    return f"limits[{evidence.protocol.limits.index(limit)}]"


def graded_finding(
    evidence: Evidence,
    rule: Rule,
    ladder: Ladder,
    *,
    subject: str,
    match: MatchedROI,
    place: str | None = None,
) -> Finding:
    """Return the finding for one metric of one ROI against a ladder of lines."""
    limit = ladder.last.constraint.limit
    metric = ladder.metric
    in_gy = None
    if metric.unit == "Gy":
        in_gy = limit
    value = evidence.value(metric, subject, limit=in_gy)
    graded = grade(value, ladder)
    line = ladder.line_of(graded.outcome)
    margin = None
    if value.value is not None:
        margin = line.constraint.margin(value.value)
    return Finding(
        rule=rule,
        subject=subject,
        roi=match.roi.name,
        metric=metric,
        value=value,
        line=line.constraint,
        margin=margin,
        outcome=graded.outcome,
        message=_message(value, graded, ladder),
        state=_state(value, graded),
        reason=_reason(value, graded),
        cure=_cure_of(evidence, subject, graded),
        line_basis=line.basis,
        line_source=line.source,
        place=place,
        is_plain=_is_plain(value, graded),
    )


def _state(value: Value, graded: Graded) -> State | None:
    """Return why an answer is not plain; what is known and has a reason rests on a bound."""
    if graded.state is not None:
        return graded.state
    if value.value is None:
        return None
    if value.reason is None:
        return None
    return State.BOUNDED


def _is_plain(value: Value, graded: Graded) -> bool:
    if value.value is None:
        return False
    if value.reason is not None:
        return False
    if graded.state in (State.AT_LIMIT, State.AT_GOAL):
        return False
    return graded.outcome in (Outcome.PASS, Outcome.FAIL)


def _reason(value: Value, graded: Graded) -> Text | None:
    if graded.state in REASONS:
        return REASONS[graded.state]
    return value.reason


def _cure_of(evidence: Evidence, subject: str, graded: Graded) -> Text | None:
    if graded.outcome is not Outcome.UNDECIDED:
        return None
    # Where a plan's grid ends, its faces bound what it adds.
    if subject in evidence.dosimetry.highest:
        return WIDER
    is_whole = evidence.dvh(subject).is_complete
    return CURES.get((graded.state, is_whole), FIXED)


def _message(value: Value, graded: Graded, ladder: Ladder) -> Text:
    if value.value is None:
        return _message_of_bounds(value, graded, ladder)
    answer = _answer(value, graded, ladder)
    if graded.state is State.AT_GOAL:
        answer = Text(
            "at goal: {answer}, between {low} and {high}",
            answer=answer,
            low=_end(value, value.low),
            high=_end(value, value.high),
        )
    if value.reason is not None:  # what lies outside the dose grid is bounded
        return Text("{answer}; {why}", answer=answer, why=value.reason)
    return answer


def _message_of_bounds(value: Value, graded: Graded, ladder: Ladder) -> Text:
    why = value.reason
    if why is None:
        why = Text("cannot be known")
    if graded.outcome is Outcome.FAIL:
        last = str(ladder.last.constraint)
        return Text("the part inside the dose grid alone breaks {line}", line=last)
    if graded.outcome is Outcome.PASS:
        return Text(
            "keeps {line} by its bound; {why}",
            line=str(ladder.first.constraint),
            why=why,
        )
    return why


def _answer(value: Value, graded: Graded, ladder: Ladder) -> Text:
    first, last = str(ladder.first.constraint), str(ladder.last.constraint)
    if graded.outcome is Outcome.UNDECIDED and graded.state is State.AT_LIMIT:
        return Text(
            "at limit: between {low} and {high}, {line} lies in between",
            low=_end(value, value.low),
            high=_end(value, value.high),
            line=last,
        )
    if graded.outcome is Outcome.PASS:
        return Text("keeps {line}", line=first)
    if graded.outcome is ladder.beyond:
        return Text("misses {line}", line=last)
    kept = str(ladder.line_of(graded.outcome).constraint)
    return Text("misses {first}, keeps {last}", first=first, last=kept)


def _end(value: Value, end: float | None) -> float:
    if end is not None:
        return end
    assert value.value is not None  # noqa: S101 - only what is known is at a limit
    return value.value


def kept_by_all_of_it(evidence: Evidence, finding: Finding) -> Finding:
    """Pass a maximum that all of an ROI keeps, where the ROI is smaller than the volume asked.

    The dose of that volume is not known then, and yet no part of the ROI can break the limit.
    """
    line = finding.line
    if finding.number is not None:
        return finding
    if line is None:
        return finding
    bounds_dose_from_above = line.is_upper and line.metric.unit == "Gy"
    if not bounds_dose_from_above:
        return finding
    maximum_gy = _highest_point_gy(evidence, finding.subject, line)
    if maximum_gy is None or not line.holds(maximum_gy):
        return finding
    message = Text("{why}; all of it keeps {line}", why=finding.message, line=str(line))
    return replace(
        finding, outcome=Outcome.PASS, message=message, state=State.BOUNDED, cure=None
    )


def _highest_point_gy(
    evidence: Evidence, subject: str, line: Constraint
) -> float | None:
    """Return the upper end of the point maximum; the nominal one where there is no interval."""
    point = evidence.value(DMAX, subject, limit=line.limit)
    if point.high is None:
        return point.value
    return point.high


def graded_as_written(
    evidence: Evidence, rule: Rule, limit: Limit, subject: str, match: MatchedROI
) -> Finding:
    """Hold an ROI to a row of the protocol."""
    finding = graded_finding(
        evidence,
        rule,
        ladder_of(limit),
        subject=subject,
        match=match,
        place=limit_place(evidence, limit),
    )
    return kept_by_all_of_it(evidence, finding)


def row_without_roi(evidence: Evidence, rule: Rule, limit: Limit, why: Text) -> Finding:
    """Answer a row of the protocol of whose structure nothing is drawn."""
    place = limit_place(evidence, limit)
    found = not_asked(rule, why, subject=limit.structure, place=place)
    return replace(found, metric=limit.goal.constraint.metric)
