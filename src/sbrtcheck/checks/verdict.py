"""Findings, outcomes, and the worst of them."""

from dataclasses import dataclass
from enum import IntEnum

from sbrtcheck.dossier import Case
from sbrtcheck.model import Declared, Prescription, Text, Value
from sbrtcheck.protocol.metric import Constraint, Metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Basis, Line, Protocol

__all__ = ["Finding", "JudgedROI", "Outcome", "Verdict", "exit_code", "grade"]


class Outcome(IntEnum):
    """The answer to a question, from best to worst."""

    PASS = 0
    VARIATION = 1
    UNDECIDED = 2
    FAIL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One question and its answer.

    `outcome` is None for rows that are reported and never move a verdict. (id, subject, metric)
    is unique in a verdict.
    """

    id: str
    subject: str
    outcome: Outcome | None
    message: Text
    basis: Basis
    source: str
    required: bool = True
    roi: str | None = None
    metric: Metric | None = None
    value: Value | None = None
    line: Constraint | None = None
    margin: float | None = None
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedROI:
    """A matched ROI, its volume where it was computed, and what reading it had to assume."""

    match: MatchedROI
    volume_cc: float | None
    notes: tuple[Text, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """All findings about a case, and what they were made from.

    `levels` are empty where they are not known for certain; `levels_source` says where they
    were read, or why they are not known.

    Examples
    --------
    >>> from sbrtcheck import check, load_case, load_protocol
    >>> verdict = check(load_case("sample_dicom/t8_30gy5_pass"), load_protocol("nct06756087"))
    >>> verdict.outcome.name, verdict.levels
    ('PASS', ('T8',))
    >>> [finding.subject for finding in verdict.findings if finding.id == "limit.cord"]
    ['SpinalCord']
    """

    case: Case
    protocol: Protocol
    declared: Declared
    prescription: Prescription | None
    levels: tuple[str, ...]
    levels_source: Text
    structures: tuple[JudgedROI, ...]
    findings: tuple[Finding, ...]
    notes: tuple[Text, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Return the worst outcome of all findings."""
        return _worst(self.findings)

    @property
    def trial_outcome(self) -> Outcome | None:
        """Return the worst outcome of what the trial itself rules; None without any trial rule."""
        findings = tuple(f for f in self.findings if f.basis is Basis.TRIAL)
        return _worst(findings) if findings else None

    @property
    def dosimetry_outcome(self) -> Outcome:
        """Return the worst outcome of all that the trial does not rule."""
        return _worst(tuple(f for f in self.findings if f.basis is not Basis.TRIAL))

    def count(self, outcome: Outcome) -> int:
        """Return how many findings have this outcome."""
        return sum(finding.outcome is outcome for finding in self.findings)


def _worst(findings: tuple[Finding, ...]) -> Outcome:
    """Return the worst outcome; no answered question at all is UNDECIDED, never a pass."""
    return max((f.outcome for f in findings if f.outcome is not None), default=Outcome.UNDECIDED)


def exit_code(outcome: Outcome, *, strict: bool = False) -> int:
    """Return the exit code of an outcome; `strict` counts a variation as a failure."""
    if outcome is Outcome.VARIATION and strict:
        return 1
    return {Outcome.PASS: 0, Outcome.VARIATION: 0, Outcome.UNDECIDED: 3, Outcome.FAIL: 1}[outcome]


def grade(value: Value, goal: Line, variation: Line | None = None) -> tuple[Outcome, bool]:
    """Grade a value against its lines; the flag tells that only the numerics decide ("at goal").

    Both ends of the interval are graded. Where one fails and the other does not, the answer is
    UNDECIDED; where they differ otherwise, the nominal value decides. A value that is not known
    fails or passes only if its bounds prove it.
    """
    last = (variation or goal).constraint

    def outcome_of(number: float) -> Outcome:
        if goal.constraint.holds(number):
            return Outcome.PASS
        return Outcome.VARIATION if last.holds(number) else Outcome.FAIL

    if value.value is None:
        best, worst = (value.low, value.high) if last.is_upper else (value.high, value.low)
        if best is not None and not last.holds(best):
            return Outcome.FAIL, False
        kept = worst is not None and goal.constraint.holds(worst)
        return (Outcome.PASS if kept else Outcome.UNDECIDED), False
    ends = {outcome_of(value.value if end is None else end) for end in (value.low, value.high)} | {
        outcome_of(value.value)
    }
    if len(ends) == 1:
        return ends.pop(), False
    return (Outcome.UNDECIDED if Outcome.FAIL in ends else outcome_of(value.value)), True
