"""Findings, and the worst of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sbrtcheck.checks.rule import CLASSES, Outcome, Rule, Section, State, VariationClass
from sbrtcheck.dossier import Case
from sbrtcheck.model import (
    Declared,
    Point,
    Prescription,
    Text,
    Value,
    sealed,
    shortened,
)
from sbrtcheck.protocol.metric import Constraint, Metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Basis, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "JudgedROI", "Outcome", "Verdict", "Where", "exit_code"]


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where the dose lies that decides a limit.

    Parameters
    ----------
    point_mm
        The middle of the hottest or of the cold part, in patient coordinates.
    volume_cc
        Of that part.
    target, distance_mm, side
        The nearest target, how far away it lies, and to which side of it the part does.
    """

    point_mm: Point
    volume_cc: float
    target: str | None = None
    distance_mm: float | None = None
    side: Text | None = None


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule and its answer about one subject.

    Parameters
    ----------
    rule
        The question; (`rule`, `metric`, `subject`) is unique in a verdict.
    outcome
        None for rows that are reported and never move a verdict.
    state
        Why the answer is not a plain one.
    cure
        What settles an UNDECIDED.
    basis, source
        What the line rests on that decides; those of the rule where no line does.
    place
        The row of the protocol that is answered: "limits[3]", "coverage"; None for other rules.
    held_by
        The rule whose finding says why this answer is held back; the cause is said there.
    contour
        A VARIATION of contours rather than of what its section is about.
    is_plain
        Value, line and outcome say all that the message says.
    where
        Where the dose lies that decides; of limits that are failed, open or close only.
    """

    rule: Rule
    subject: str
    outcome: Outcome | None
    message: Text
    state: State | None = None
    cure: Text | None = None
    reason: Text | None = None
    roi: str | None = None
    metric: Metric | None = None
    value: Value | None = None
    line: Constraint | None = None
    margin: float | None = None
    line_basis: Basis | None = None
    line_source: str | None = None
    place: str | None = None
    held_by: str | None = None
    contour: bool = False
    is_plain: bool = False
    where: Where | None = None

    def __repr__(self) -> str:
        return f"Finding({self.id}, {shortened(self.subject)!r}: {self.outcome})"

    @property
    def id(self) -> str:
        """Return the rule's name."""
        return self.rule.id

    @property
    def section(self) -> Section:
        """Return what the question is about."""
        return self.rule.section

    @property
    def basis(self) -> Basis:
        """Return what the answer rests on."""
        if self.line_basis is None:
            return self.rule.basis
        return self.line_basis

    @property
    def source(self) -> str:
        """Return where that stands."""
        if self.line_source is None:
            return self.rule.source
        return self.line_source

    @property
    def number(self) -> float | None:
        """Return the value, None where it is not known or not asked."""
        if self.value is None:
            return None
        return self.value.value

    @property
    def required(self) -> bool:
        """Tell whether the verdict needed an answer."""
        return self.outcome is not None

    @property
    def variation_class(self) -> VariationClass | None:
        """Return what kind of deviation a VARIATION is; None of other outcomes."""
        if self.outcome is not Outcome.VARIATION:
            return None
        if self.contour:
            return VariationClass.CONTOUR
        return CLASSES[self.section]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedROI:
    """A matched ROI, its volume where it was computed, and what reading it had to assume."""

    match: MatchedROI
    volume_cc: float | None
    notes: tuple[Text, ...]


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """All findings about a case, and what they were made from.

    `levels` are empty where they are not known for certain; `levels_source` says where they
    were read, or why they are not known. `parts` are the plans whose doses were added.

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
    parts: tuple[Case, ...] = ()
    notes: tuple[Text, ...] = ()

    def __repr__(self) -> str:
        return f"Verdict({self.outcome.name}, {len(self.findings)} findings)"

    @property
    def outcome(self) -> Outcome:
        """Return the worst outcome of all findings."""
        return _worst(self.findings)

    @property
    def trial_outcome(self) -> Outcome | None:
        """Return the worst outcome of what the trial itself rules; None without any trial rule."""
        findings = [f for f in self.findings if f.basis is Basis.TRIAL]
        if not findings:
            return None
        return _worst(findings)

    @property
    def dosimetry_outcome(self) -> Outcome:
        """Return the worst outcome of all that the trial does not rule."""
        return _worst(f for f in self.findings if f.basis is not Basis.TRIAL)

    def count(self, outcome: Outcome) -> int:
        """Return how many findings have this outcome."""
        return sum(finding.outcome is outcome for finding in self.findings)

    def of(self, *sections: Section) -> tuple[Finding, ...]:
        """Return the findings of some sections."""
        return tuple(f for f in self.findings if f.section in sections)


def _worst(findings: "Iterable[Finding]") -> Outcome:
    """Return the worst outcome; no answered question at all is UNDECIDED, never a pass."""
    outcomes = [f.outcome for f in findings if f.outcome is not None]
    return max(outcomes, default=Outcome.UNDECIDED)


def exit_code(outcome: Outcome, *, strict: bool = False) -> int:
    """Return the exit code of an outcome; `strict` counts a variation as a failure."""
    if outcome is Outcome.VARIATION and strict:
        return 1
    return {
        Outcome.PASS: 0,
        Outcome.VARIATION: 0,
        Outcome.UNDECIDED: 3,
        Outcome.FAIL: 1,
    }[outcome]
