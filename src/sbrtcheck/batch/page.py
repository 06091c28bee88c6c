"""What a run came to, as a page for the terminal."""

from collections.abc import Mapping, Sequence

from sbrtcheck import __version__
from sbrtcheck.batch.results import OUTCOMES
from sbrtcheck.batch.run import BatchResult
from sbrtcheck.report.tables import for_console, table, wrapped
from sbrtcheck.report.words import DRAFT, printable

__all__ = ["render_batch"]

MOST_ROWS = 20
MOST_KINDS = 6
NUMBERS = ("plans", "decided", "undecided", "errors")


def render_batch(result: BatchResult, *, width: int, ascii_only: bool = False) -> str:
    """Return the counts, the deviations with their intervals, and what needs a look."""
    published, tally = result.published, result.tally
    counts = "   ".join(f"{name} {published.outcomes[name]}" for name in OUTCOMES)
    about = result.protocol.protocol
    lines = [f"sbrtcheck {__version__}   protocol {about.id} {about.version}"]
    if about.status == "draft":
        lines.append(DRAFT)
    plans = f"{tally.plans} plans"
    if tally.plans == 1:
        plans = "1 plan"
    lines += ["", f"{plans}: {counts}"]
    met: list[str] = []
    if published.conditional:
        met.append(
            f"PASS or VARIATION only if there was no earlier irradiation at this level (not"
            f" provided): {published.conditional}"
        )
    if published.superseded:
        met.append(
            f"superseded by another plan of the same target (course.superseded is UNDECIDED, other"
            f" findings may FAIL): {published.superseded}"
        )
    met += _met(result)
    lines += [line for sentence in met for line in wrapped(sentence, width, 2)]
    text = "\n".join(lines) + "\n"
    if published.summary:
        text += "\nDeviations (exact 95 % intervals of decided plans; superseded plans left out)\n"
        text += table(
            _deviations(published.summary), width, right=(2, 3, 4, 5, 6, 7, 8, 9)
        )
    if published.worst:
        worst = sorted(published.worst, key=lambda row: -OUTCOMES.index(row[1]))
        rows = [("plan", "outcome", "why"), *worst[:MOST_ROWS]]
        text += "\n" + table(rows, width)
        if len(published.worst) > MOST_ROWS:
            text += f"and {len(published.worst) - MOST_ROWS} more in plans.csv\n"
    return for_console(text, ascii_only=ascii_only)


def _met(result: BatchResult) -> list[str]:
    """Say what else the run met."""
    tally = result.tally
    lines = []
    if tally.kept:
        lines.append(
            f"verdicts of an earlier run were kept, as nothing they rest on has changed: {tally.kept}"
        )
    strays = tally.rt_files - tally.used - tally.copies
    lines.append(
        f"RT files: {tally.rt_files} ({tally.used} of these plans, {tally.copies} copies of others,"
        f" {strays} of no plan)"
    )
    if tally.quarantined:
        lines.append(
            f"not used, each with its reason in quarantine.csv: {tally.quarantined}"
        )
    if tally.files:
        kinds = sorted(tally.files.items(), key=lambda pair: -pair[1])
        told = ", ".join(f"{count} {kind}" for kind, count in kinds[:MOST_KINDS])
        more = len(kinds) - MOST_KINDS
        if more > 0:
            told += f" and {more} more kinds"
        lines.append(f"other files: {told}")
    if tally.without_row:
        told = ", ".join(tally.without_row[:MOST_ROWS])
        lines.append(
            f"plans without a row in the cases: {len(tally.without_row)}"
            f" ({_cut(told, tally.without_row)})"
        )
    if tally.without_plan:
        told = ", ".join(str(line) for line in tally.without_plan[:MOST_ROWS])
        lines.append(
            f"rows of the cases without a plan: {len(tally.without_plan)}"
            f" (line {_cut(told, tally.without_plan)})"
        )
    return [*lines, *(printable(note) for note in result.notes)]


def _cut(told: str, rows: Sequence[object]) -> str:
    more = len(rows) - MOST_ROWS
    if more <= 0:
        return told
    return f"{told} and {more} more"


def _deviations(summary: Sequence[Mapping[str, object]]) -> list[tuple[str, ...]]:
    """Return the rows of the page: for each set of rules and group, both kinds of deviation."""
    rows: list[tuple[str, ...]] = [
        ("rules", "group", *NUMBERS, "FAIL", "(95 %)", "VARIATION or FAIL", "(95 %)")
    ]
    found: dict[tuple[str, str, str], list[Mapping[str, object]]] = {}
    for row in summary:
        if row["rules"] != "both":
            found.setdefault(
                (str(row["rules"]), str(row["by"]), str(row["group"])), []
            ).append(row)
    for (rules, by, group), kinds in found.items():
        name = group
        if by != "all":
            name = f"{by} {printable(group)}"
        numbers = (str(kinds[0][number]) for number in NUMBERS)
        rows.append(
            (rules, name, *numbers, *(cell for row in kinds for cell in _interval(row)))
        )
    return rows


def _interval(row: Mapping[str, object]) -> tuple[str, str]:
    if row["low_percent"] is None:
        return "-", ""
    return str(row["count"]), f"{row['low_percent']:.0f}-{row['high_percent']:.0f} %"
