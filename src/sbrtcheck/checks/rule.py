"""What a question is: its name, where it belongs, what it rests on, and what a fault makes of it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from sbrtcheck.protocol.rules import Basis, Severity

__all__ = [
    "PUBLISHED_CHECKS",
    "SEVERITY_OUTCOME",
    "Outcome",
    "Row",
    "Rule",
    "Section",
    "State",
]

PUBLISHED_CHECKS = "AAPM MPPG 11.a (Xia 2021), plan and data integrity"


class Outcome(IntEnum):
    """The answer to a question, from best to worst."""

    PASS = 0
    VARIATION = 1
    UNDECIDED = 2
    FAIL = 3


class Section(StrEnum):
    """What a question is about; reports choose by it."""

    IDENTITY = "identity"
    PLAN = "plan"
    PRESCRIPTION = "prescription"
    TRIAL = "trial"
    COURSE = "course"
    NEURAL = "neural"
    TARGET = "target"
    ORGAN = "organ"
    STRUCTURE = "structure"
    DOSE = "dose"
    FACTS = "facts"


class State(StrEnum):
    """Why an answer is not a plain one.

    The first three are the kinds of UNDECIDED: something is missing, only a person can say, or the
    numerical interval straddles the last line.
    """

    MISSING = "missing"
    DECLARE = "declare"
    AT_LIMIT = "at limit"
    AT_GOAL = "at goal"
    BOUNDED = "bounded"
    NOT_ASKED = "not asked"
    NOT_PROVIDED = "not provided"


class Row(StrEnum):
    """In which table of a page an answer stands."""

    CHECK = "check"
    LIMIT = "limit"
    COVERAGE = "coverage"
    REPORT = "report"
    FACT = "fact"


class VariationClass(StrEnum):
    """What kind of deviation a VARIATION is."""

    DOSE = "dose"
    COVERAGE = "coverage"
    CONTOUR = "contour"
    TECHNIQUE = "technique"
    CALENDAR = "calendar"


CLASSES = {
    Section.IDENTITY: VariationClass.TECHNIQUE,
    Section.PLAN: VariationClass.TECHNIQUE,
    Section.PRESCRIPTION: VariationClass.TECHNIQUE,
    Section.TRIAL: VariationClass.TECHNIQUE,
    Section.COURSE: VariationClass.TECHNIQUE,
    Section.NEURAL: VariationClass.DOSE,
    Section.TARGET: VariationClass.COVERAGE,
    Section.ORGAN: VariationClass.DOSE,
    Section.STRUCTURE: VariationClass.DOSE,
    Section.DOSE: VariationClass.TECHNIQUE,
    Section.FACTS: VariationClass.CALENDAR,
}

SEVERITY_OUTCOME: dict[Severity, Outcome | None] = {
    "error": Outcome.FAIL,
    "ask": Outcome.UNDECIDED,
    "warning": Outcome.VARIATION,
    "info": None,
    "off": None,
}
# A protocol may not silence what is an error or a question in these.
GUARDED = frozenset(
    {
        Section.IDENTITY,
        Section.DOSE,
        Section.TARGET,
        Section.NEURAL,
        Section.COURSE,
        Section.PLAN,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One question.

    Parameters
    ----------
    id
        `section.noun`, by which protocols and JSON name it.
    title
        What it asks about, in a few words for people.
    asks, why, act
        The question, why it is asked, and what to do about a fault: a sentence each, for people.
    number
        Its place in the list of published checks: I2, G5; tiers of one check share it.
    severity
        What a fault is by default: "error" a FAIL, "ask" UNDECIDED, "warning" a VARIATION, "info"
        only reported. A protocol may override it.
    former
        The name under which an earlier release let a protocol override it, where that differs.
    row
        In which table of a page its answers stand.
    """

    id: str
    title: str
    asks: str
    why: str
    act: str
    number: str = ""
    section: Section
    basis: Basis = Basis.CONVENTION
    source: str
    severity: Severity = "error"
    former: str | None = None
    row: Row = Row.CHECK

    @property
    def is_guarded(self) -> bool:
        """Tell whether a protocol may not turn it off."""
        if self.section not in GUARDED:
            return False
        return self.severity in ("error", "ask")
