"""Two recorded verdicts side by side: what moved, by how much, and what they were made from."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter

from sbrtcheck import __version__
from sbrtcheck.checks.verdict import Outcome
from sbrtcheck.report.recorded import NOTHING, Recorded, RecordedFinding
from sbrtcheck.report.words import (
    DECIMALS,
    MOST_DECIMALS,
    decimals_for,
    joined,
    known_or,
    name_of,
    text_of,
    told_of,
)

__all__ = [
    "Change",
    "Differences",
    "Kind",
    "compare_recorded",
    "diff_json",
    "diff_text",
]

SCHEMA = 1
ROUNDING = 1e-9  # of a value: another machine's sums, no change
SHOWN = 12  # characters of a hash or a UID, unless they do not tell two apart
POINTS = {"%": " points"}  # or nobody could tell a change from the relative one
VALUE: Callable[[RecordedFinding], float | None] = attrgetter("value")
OUTCOME: Callable[[RecordedFinding], Outcome | None] = attrgetter("outcome")


class Kind(StrEnum):
    """What changed about a finding, the most important first."""

    OUTCOME = "outcome"
    VANISHED = "vanished"
    APPEARED = "appeared"
    LIMIT = "limit"
    VALUE = "value"
    INTERVAL = "interval"
    WORDS = "words"


HEADINGS = {
    Kind.OUTCOME: "Outcomes that changed",
    Kind.VANISHED: "Findings that are gone",
    Kind.APPEARED: "Findings that are new",
    Kind.LIMIT: "Limits that changed",
    Kind.VALUE: "Values that moved",
    Kind.INTERVAL: "Intervals that moved",
    Kind.WORDS: "Findings that say something else",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One finding before and after; None on the side where it is not there."""

    kind: Kind
    before: RecordedFinding | None
    after: RecordedFinding | None

    @property
    def finding(self) -> RecordedFinding:
        """Return the finding as it is now, or was last."""
        return self.sides[-1]

    @property
    def sides(self) -> tuple[RecordedFinding, ...]:
        """Return the finding before and after, without the side where it is not there."""
        return tuple(side for side in (self.before, self.after) if side is not None)

    @property
    def by(self) -> float | None:
        """Return how much the value rose, in its unit; None where either is not known."""
        before, after = told_of(self.before, VALUE), told_of(self.after, VALUE)
        if before is None or after is None:
            return None
        return after - before

    @property
    def by_percent(self) -> float | None:
        """Return how much the value rose, in percent of what it was; None of nothing."""
        rise, before = self.by, told_of(self.before, VALUE)
        if rise is None or not before:
            return None
        return 100 * rise / abs(before)

    @property
    def moves_outcome(self) -> bool:
        """Tell whether an outcome differs: another one, one more or one less."""
        return told_of(self.before, OUTCOME) is not told_of(self.after, OUTCOME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What two verdicts differ in: (name, before, after) of inputs, and findings by importance."""

    before: Outcome
    after: Outcome
    inputs: tuple[tuple[str, str, str], ...]
    changes: tuple[Change, ...]
    same: int

    @property
    def same_outcomes(self) -> bool:
        """Tell whether every outcome is what it was."""
        return self.before is self.after and not any(
            row.moves_outcome for row in self.changes
        )


def compare_recorded(before: Recorded, after: Recorded) -> Differences:
    """Pair the findings of two verdicts by id, subject and metric, and tell what changed."""
    keys = dict.fromkeys([*before.findings, *after.findings])
    changes = [
        change
        for key in keys
        if (change := _change(before.findings.get(key), after.findings.get(key)))
        is not None
    ]
    return Differences(
        before=before.outcome,
        after=after.outcome,
        inputs=tuple(_inputs(before, after)),
        changes=tuple(sorted(changes, key=_importance)),
        same=len(keys) - len(changes),
    )


def _inputs(before: Recorded, after: Recorded) -> Iterable[tuple[str, str, str]]:
    known_patients = {before.patient, after.patient} - {None}
    if len(known_patients) > 1:
        yield "patient", "one patient", "another (not shown)"
    for name in dict.fromkeys([*before.inputs, *after.inputs]):
        old = before.inputs.get(name, NOTHING)
        new = after.inputs.get(name, NOTHING)
        if old != new:
            yield name, old, new


def _change(
    before: RecordedFinding | None, after: RecordedFinding | None
) -> Change | None:
    if before is None:
        return Change(kind=Kind.APPEARED, before=None, after=after)
    if after is None:
        return Change(kind=Kind.VANISHED, before=before, after=None)
    rows = (
        (Kind.OUTCOME, before.outcome is not after.outcome),
        (Kind.LIMIT, before.limit != after.limit),
        (Kind.VALUE, not _same(before.value, after.value)),
        (Kind.INTERVAL, not _same(before.low, after.low)),
        (Kind.INTERVAL, not _same(before.high, after.high)),
        (Kind.WORDS, before.words != after.words),
    )
    kinds = [kind for kind, changed in rows if changed]
    if not kinds:
        return None
    return Change(kind=kinds[0], before=before, after=after)


def _same(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    return abs(after - before) <= ROUNDING * max(abs(before), abs(after))


def _importance(change: Change) -> tuple[int, int, int, float]:
    """Sort by kind, worst outcome first, graded before reported, large changes before small ones."""
    outcomes = (side.outcome for side in change.sides if side.outcome)
    worst = max(outcomes, default=Outcome.PASS)
    size = abs(known_or(change.by_percent, float("inf")))
    return list(Kind).index(change.kind), -worst, change.finding.outcome is None, -size


# --- Words --------------------------------------------------------------------------------------


def diff_text(found: Differences) -> str:
    """Return the differences as lines of text."""
    lines = [f"Verdict: {_verdict(found)}", "", *_input_lines(found), ""]
    for kind, changes in groupby(found.changes, key=attrgetter("kind")):
        rows = [f"  {_line(change)}" for change in changes]
        lines += [f"{HEADINGS[kind]} ({len(rows)})", *rows, ""]
    return "\n".join([*lines, _summary(found), ""])


def _verdict(found: Differences) -> str:
    if found.before is found.after:
        return found.before.name
    return f"{found.before.name} -> {found.after.name}"


def _input_lines(found: Differences) -> list[str]:
    if not found.inputs:
        return ["Version, protocol, files and declarations are the same"]
    rows = [_input_line(*row) for row in found.inputs]
    return ["Made from something else", *rows]


def _summary(found: Differences) -> str:
    moved = len(found.changes)
    total = moved + found.same
    if not moved:
        return f"No finding moved ({total} compared)"
    return f"{moved} of {total} findings moved, {found.same} are the same"


def _input_line(name: str, before: str, after: str) -> str:
    old, new = _short(before, name), _short(after, name)
    if old == new:
        old, new = before, after
    return f"  {name}: {old} -> {new}"


def _short(words: str, name: str) -> str:
    """Return the part of a hash or UID that tells it apart; what is short stays whole."""
    if len(words) <= SHOWN:
        return words
    if name.endswith("sha256"):
        return words[:SHOWN]
    if name.endswith("uid"):
        return "…" + words[-SHOWN:]
    return words


def _line(change: Change) -> str:
    before, after = change.before, change.after
    name = f"{change.finding.name}:"
    if before is None or after is None:
        return joined((name, _number(change.finding), _outcome(change.finding)))
    parts = (
        name,
        _moved("", _outcome(before), _outcome(after)),
        _moved("limit ", before.limit, after.limit),
        _values(change, before, after),
        _interval_moved(change.kind, before, after),
        _words_moved(change.kind, before, after),
    )
    return joined(parts).rstrip(";")


def _moved(
    what: str, before: str | None, after: str | None, nothing: str = "none"
) -> str:
    if before == after:
        return ""
    return f"{what}{before or nothing} -> {after or nothing};"


def _values(change: Change, before: RecordedFinding, after: RecordedFinding) -> str:
    """Return how a value moved; one that did not, as it is."""
    if before.value is None or after.value is None:
        return _moved("", _number(before), _number(after), nothing="not known")
    if _same(before.value, after.value):
        return f"{_number(after)};"
    unit = f" {after.unit}".rstrip()
    points = POINTS.get(after.unit, unit)
    decimals = _telling_decimals(before.value, after.value, after.unit)
    percent = text_of(told_of(change.by_percent, ", {:+.2g} %".format))
    return (
        f"{before.value:.{decimals}f} -> {after.value:.{decimals}f}{unit}"
        f" ({after.value - before.value:+.{decimals}f}{points}{percent});"
    )


def _telling_decimals(before: float, after: float, unit: str) -> int:
    """Return how many decimals it takes to tell two values apart."""
    for decimals in range(_decimals(before, unit), MOST_DECIMALS):
        if f"{before:.{decimals}f}" != f"{after:.{decimals}f}":
            return decimals
    return MOST_DECIMALS


def _number(finding: RecordedFinding) -> str:
    if finding.value is None:
        return ""
    decimals = _decimals(finding.value, finding.unit)
    return f"{finding.value:.{decimals}f} {finding.unit}".rstrip()


def _decimals(value: float, unit: str) -> int:
    if unit not in DECIMALS:
        return MOST_DECIMALS
    return decimals_for(value, unit)


def _interval(finding: RecordedFinding) -> str:
    if finding.low is None or finding.high is None:
        return "none"
    return f"{finding.low:.4g} to {finding.high:.4g}"


def _outcome(finding: RecordedFinding) -> str:
    return known_or(name_of(finding.outcome), "not graded")


def _interval_moved(kind: Kind, before: RecordedFinding, after: RecordedFinding) -> str:
    if kind is not Kind.INTERVAL:
        return ""
    return f"interval {_interval(before)} -> {_interval(after)};"


def _words_moved(kind: Kind, before: RecordedFinding, after: RecordedFinding) -> str:
    """Return the words that differ, where no pair of values says what changed."""
    lacks_value = None in (before.value, after.value)
    if lacks_value or kind is Kind.WORDS:
        return _words(before, after)
    return ""


def _words(before: RecordedFinding, after: RecordedFinding) -> str:
    """Return the first words that differ: message, reason, ROI, basis or source."""
    for old, new in zip(before.words, after.words, strict=True):
        if old != new:
            return f"{_quoted(old)} -> {_quoted(new)}"
    return ""


def _quoted(words: str) -> str:
    return f"'{words or NOTHING}'"


# --- JSON ---------------------------------------------------------------------------------------


def diff_json(found: Differences) -> str:
    """Return the differences as JSON text, ASCII only."""
    document = {
        "schema": SCHEMA,
        "sbrtcheck": __version__,
        "outcome": {"before": found.before.name, "after": found.after.name},
        "same_outcomes": found.same_outcomes,
        "inputs": [
            {"what": name, "before": before, "after": after}
            for name, before, after in found.inputs
        ],
        "findings": [_change_document(change) for change in found.changes],
        "same": found.same,
    }
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False)


def _change_document(change: Change) -> dict[str, object]:
    finding_id, subject, metric = change.finding.key
    return {
        "id": finding_id,
        "subject": subject,
        "metric": metric,
        "kind": change.kind.value,
        "unit": change.finding.unit or None,
        "by": change.by,
        "by_percent": change.by_percent,
        "before": told_of(change.before, _side),
        "after": told_of(change.after, _side),
    }


def _side(finding: RecordedFinding) -> dict[str, object]:
    return {
        "outcome": name_of(finding.outcome),
        "value": finding.value,
        "low": finding.low,
        "high": finding.high,
        "limit": finding.limit,
        "message": finding.words[0],
    }
