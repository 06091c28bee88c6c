"""Two recorded verdicts side by side: what moved, by how much, and what they were made from."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sbrtcheck import __version__
from sbrtcheck.checks.verdict import Outcome
from sbrtcheck.report.recorded import NOTHING, Recorded, RecordedFinding
from sbrtcheck.report.words import DECIMALS, MOST_DECIMALS, decimals_for, name_of

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
        found = self.after or self.before
        assert found is not None  # noqa: S101 - a change has a side
        return found

    @property
    def by(self) -> float | None:
        """Return how much the value rose, in its unit; None where either is not known."""
        before, after = _value(self.before), _value(self.after)
        if before is None or after is None:
            return None
        return after - before

    @property
    def by_percent(self) -> float | None:
        """Return how much the value rose, in percent of what it was; None of nothing."""
        if self.by is None or self.before is None or not self.before.value:
            return None
        return 100 * self.by / abs(self.before.value)

    @property
    def moves_outcome(self) -> bool:
        """Tell whether an outcome differs: another one, one more or one less."""
        return _graded(self.before) is not _graded(self.after)


def _value(side: RecordedFinding | None) -> float | None:
    if side is None:
        return None
    return side.value


def _graded(side: RecordedFinding | None) -> Outcome | None:
    if side is None:
        return None
    return side.outcome


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
    if (
        before.patient is not None
        and after.patient is not None
        and before.patient != after.patient
    ):
        yield "patient", "one patient", "another (not shown)"
    for name in dict.fromkeys([*before.inputs, *after.inputs]):
        sides = [side.inputs.get(name, NOTHING) for side in (before, after)]
        if sides[0] != sides[1]:
            yield name, sides[0], sides[1]


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
        (
            Kind.INTERVAL,
            not (_same(before.low, after.low) and _same(before.high, after.high)),
        ),
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
    worst = max(
        (
            side.outcome
            for side in (change.before, change.after)
            if side and side.outcome
        ),
        default=Outcome.PASS,
    )
    size = float("inf")
    if change.by_percent is not None:
        size = abs(change.by_percent)
    return list(Kind).index(change.kind), -worst, change.finding.outcome is None, -size


# --- Words --------------------------------------------------------------------------------------


def diff_text(found: Differences) -> str:
    """Return the differences as lines of text."""
    verdict = found.before.name
    if found.before is not found.after:
        verdict = f"{found.before.name} -> {found.after.name}"
    lines = [f"Verdict: {verdict}", ""]
    if found.inputs:
        lines += [
            "Made from something else",
            *(_input_line(*row) for row in found.inputs),
            "",
        ]
    else:
        lines += ["Version, protocol, files and declarations are the same", ""]
    for kind, heading in HEADINGS.items():
        rows = [row for row in found.changes if row.kind is kind]
        if rows:
            lines += [
                f"{heading} ({len(rows)})",
                *(f"  {_line(row)}" for row in rows),
                "",
            ]
    total = len(found.changes) + found.same
    if not found.changes:
        lines.append(f"No finding moved ({total} compared)")
    else:
        lines.append(
            f"{len(found.changes)} of {total} findings moved, {found.same} are the same"
        )
    return "\n".join(lines) + "\n"


def _input_line(name: str, before: str, after: str) -> str:
    texts = [_short(words, name) for words in (before, after)]
    if texts[0] == texts[1]:
        texts = [before, after]
    return f"  {name}: {texts[0]} -> {texts[1]}"


def _short(words: str, name: str) -> str:
    """Return the part of a hash or UID that tells it apart."""
    if words != NOTHING and name.endswith("sha256"):
        return words[:SHOWN]
    if words != NOTHING and name.endswith("uid") and len(words) > SHOWN:
        return "…" + words[-SHOWN:]
    return words


def _line(change: Change) -> str:
    parts = [f"{change.finding.name}:"]
    if change.kind in (Kind.APPEARED, Kind.VANISHED):
        parts += [_number(change.finding), _outcome(change.finding)]
        return " ".join(part for part in parts if part)
    before, after = change.before, change.after
    assert before is not None  # noqa: S101 - only those two kinds have one side
    assert after is not None  # noqa: S101
    if before.outcome is not after.outcome:
        parts.append(f"{_outcome(before)} -> {_outcome(after)};")
    if before.limit != after.limit:
        parts.append(f"limit {before.limit or 'none'} -> {after.limit or 'none'};")
    if not _same(before.value, after.value):
        parts.append(_values(change, before, after))
    elif before.value is not None:
        parts.append(_number(after) + ";")
    if change.kind is Kind.INTERVAL:
        parts.append(f"interval {_interval(before)} -> {_interval(after)};")
    if change.kind is Kind.WORDS or before.value is None or after.value is None:
        parts.append(_words(before, after))
    return " ".join(part for part in parts if part).rstrip(";")


def _values(change: Change, before: RecordedFinding, after: RecordedFinding) -> str:
    if before.value is None or after.value is None:
        return f"{_known_number(before)} -> {_known_number(after)};"
    decimals = _decimals(before)
    while decimals < MOST_DECIMALS and f"{before.value:.{decimals}f}" == (
        f"{after.value:.{decimals}f}"
    ):
        decimals += 1
    unit = f" {after.unit}".rstrip()
    # A change of a percentage is in points, or nobody could tell it from the relative one.
    points = unit
    if after.unit == "%":
        points = " points"
    percent = ""
    if change.by_percent is not None:
        percent = f", {change.by_percent:+.2g} %"
    return (
        f"{before.value:.{decimals}f} -> {after.value:.{decimals}f}{unit}"
        f" ({after.value - before.value:+.{decimals}f}{points}{percent});"
    )


def _known_number(finding: RecordedFinding) -> str:
    if finding.value is None:
        return "not known"
    return _number(finding)


def _number(finding: RecordedFinding) -> str:
    if finding.value is None:
        return ""
    return f"{finding.value:.{_decimals(finding)}f} {finding.unit}".rstrip()


def _decimals(finding: RecordedFinding) -> int:
    if finding.unit not in DECIMALS or finding.value is None:
        return MOST_DECIMALS
    return decimals_for(finding.value, finding.unit)


def _interval(finding: RecordedFinding) -> str:
    if finding.low is None or finding.high is None:
        return "none"
    return f"{finding.low:.4g} to {finding.high:.4g}"


def _outcome(finding: RecordedFinding) -> str:
    if finding.outcome is None:
        return "not graded"
    return finding.outcome.name


def _words(before: RecordedFinding, after: RecordedFinding) -> str:
    """Return the first words that differ: message, reason, ROI, basis or source."""
    for old, new in zip(before.words, after.words, strict=True):
        if old != new:
            return f"'{old or NOTHING}' -> '{new or NOTHING}'"
    return ""


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
        "before": _side(change.before),
        "after": _side(change.after),
    }


def _side(finding: RecordedFinding | None) -> dict[str, object] | None:
    if finding is None:
        return None
    return {
        "outcome": name_of(finding.outcome),
        "value": finding.value,
        "low": finding.low,
        "high": finding.high,
        "limit": finding.limit,
        "message": finding.words[0],
    }
