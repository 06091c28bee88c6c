"""What a person said of a verdict: kept beside it, never part of it."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sbrtcheck.model.frozen import sealed
from sbrtcheck.model.values import shortened

__all__ = ["Answer", "Decision", "Review", "ReviewedFinding"]


class Decision(StrEnum):
    """What a reviewer decided of a plan."""

    PER_PROTOCOL = "per protocol"
    ACCEPTABLE = "acceptable variation"
    UNACCEPTABLE = "unacceptable variation"
    RETURNED = "return to centre"


class Answer(StrEnum):
    """What a reviewer says of one finding: taken as it is, not taken, or vouched for."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    ATTESTED = "attested"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedFinding:
    """One finding, by its rule, subject and metric, and what the reviewer says of it."""

    finding: str
    subject: str
    metric: str | None = None
    answer: Answer
    reason: str

    def __repr__(self) -> str:
        return f"ReviewedFinding({self.finding}, {shortened(self.subject)!r}: {self.answer})"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A person's answer to a verdict.

    `plan` is the UID of the plan, `verdict` the hash of the verdict that was reviewed.
    """

    plan: str
    verdict: str
    reviewer: str
    role: str
    on: date
    decision: Decision
    findings: tuple[ReviewedFinding, ...] = ()

    def __repr__(self) -> str:
        return f"Review({self.on}, {self.decision}, {len(self.findings)} findings)"

    def of(
        self, finding: str, subject: str, metric: str | None
    ) -> ReviewedFinding | None:
        """Return what is said of a finding; None where it is not reviewed."""
        key = finding, subject, metric
        rows = (
            row
            for row in self.findings
            if (row.finding, row.subject, row.metric) == key
        )
        return next(rows, None)
