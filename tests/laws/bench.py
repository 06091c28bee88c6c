"""What the laws are tried on: generated plans and samples as cases, and what the court says of them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from sbrtcheck import check, load_case, load_protocol
from sbrtcheck.checks.rule import Outcome, Row
from sbrtcheck.checks.verdict import Finding, Verdict
from sbrtcheck.dossier import Case, Link
from sbrtcheck.errors import SbrtCheckError
from sbrtcheck.model import CaseFacts, Declared, Text
from sbrtcheck.phantoms.spine import draw, spine_plan
from sbrtcheck.protocol.names import MatchedROI, match_rois
from sbrtcheck.protocol.rules import Protocol

__all__ = [
    "GRADED",
    "SAMPLES",
    "SEED",
    "Judged",
    "Key",
    "Trial",
    "chosen",
    "judged",
    "matches_of",
    "protocol",
    "quick_numbers",
    "rank",
    "sample_trial",
    "trial",
]

SEED = 7
SAMPLES = Path(__file__).parents[2] / "sample_dicom"
GRADED = (Row.LIMIT, Row.COVERAGE)
COARSE_MM = 2.0  # the grid of plans that are quick to judge
Key = tuple[str, str, str]  # place or id, metric, subject


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A case, what is declared of it, and its name: "7/12" is seed and number."""

    name: str
    case: Case
    declared: Declared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """What the court says: a verdict, or an error, which ranks as UNDECIDED.

    `crash` is an error that is a bug whatever was asked.
    """

    verdict: Verdict | None
    error: str = ""
    crash: str = ""

    @property
    def outcome(self) -> Outcome:
        """Return the outcome; that of an error is UNDECIDED."""
        return Outcome.UNDECIDED if self.verdict is None else self.verdict.outcome

    def rows(self, *rows: Row) -> Mapping[Key, Finding]:
        """Return the findings of some tables, by what they answer."""
        if self.verdict is None:
            return {}
        return {key_of(f): f for f in self.verdict.findings if f.rule.row in rows}


def key_of(finding: Finding) -> Key:
    """Return what a finding answers: which row or rule, by which metric, about whom."""
    metric = "" if finding.metric is None else str(finding.metric)
    return finding.place or finding.id, metric, finding.subject


def rank(finding: Finding | None) -> Outcome:
    """Return an outcome to compare: what is only reported holds nobody back."""
    if finding is None or finding.outcome is None:
        return Outcome.PASS
    return finding.outcome


@cache
def protocol() -> Protocol:
    """Return the shipped protocol."""
    return load_protocol("nct06756087")


@lru_cache(maxsize=30)
def trial(seed: int, number: int) -> Trial:
    """Return a generated plan as a case without files."""
    made = spine_plan(seed, number)
    header = made.dose.header
    assert header is not None
    how = Text("generated")
    links = (
        Link(kind="RT Plan", instance=made.plan.instance, how=how),
        Link(kind="RT Structure Set", instance=made.structure_set.instance, how=how),
        Link(kind="RT Dose", instance=header.instance, how=how),
    )
    case = Case(
        plan=made.plan, structure_set=made.structure_set, dose=made.dose, links=links
    )
    absent = made.facts.get("not_drawn", {})
    assert isinstance(absent, dict)
    facts = CaseFacts(not_drawn=absent)
    return Trial(name=f"{seed}/{number}", case=case, declared=Declared(facts=facts))


@lru_cache(maxsize=4)
def sample_trial(name: str) -> Trial:
    """Return a sample as a case."""
    return Trial(name=name, case=load_case(SAMPLES / name), declared=Declared())


@cache
def quick_numbers(count: int, seed: int = SEED) -> tuple[int, ...]:
    """Return the first numbers of plans on a coarse grid, of all of which CI tries some."""
    found: list[int] = []
    number = 0
    while len(found) < count:
        if draw(seed, number).grid_mm >= COARSE_MM:
            found.append(number)
        number += 1
    return tuple(found)


def chosen(name: str, count: int, of: tuple[int, ...]) -> list[int]:
    """Return which plans an operation is tried on: the first by a hash of number and name."""

    def order(number: int) -> str:
        return hashlib.sha256(f"{number}/{name}".encode()).hexdigest()

    return sorted(sorted(of, key=order)[:count])


def judged(
    make: Callable[[], Case], declared: Declared, rules: Protocol | None = None
) -> Judged:
    """Ask the court about a case that is made first; an error of either is an answer, too."""
    try:
        return Judged(verdict=check(make(), rules or protocol(), declared))
    except SbrtCheckError as error:
        return Judged(verdict=None, error=str(error))
    except Exception as error:  # noqa: BLE001 - every other error is an offence
        return Judged(verdict=None, crash=f"internal error: {error!r}")


def matches_of(case: Case) -> tuple[MatchedROI, ...]:
    """Return which ROI is which structure."""
    return match_rois(case.structure_set.rois, protocol(), {})
