"""What a run came to, as a page for the terminal."""

from collections.abc import Mapping, Sequence
from itertools import chain, groupby

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
    met = (
        _counted(
            "PASS or VARIATION only if there was no earlier irradiation at this level (not"
            " provided)",
            published.conditional,
        ),
        _counted(
            "superseded by another plan of the same target (course.superseded is UNDECIDED, other"
            " findings may FAIL)",
            published.superseded,
        ),
        *_met(result),
    )
    for sentence in met:
        if sentence:
            lines += wrapped(sentence, width, 2)
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


def _counted(sentence: str, count: int) -> str:
    if not count:
        return ""
    return f"{sentence}: {count}"


def _met(result: BatchResult) -> list[str]:
    """Say what else the run met; nothing where it met none."""
    tally = result.tally
    strays = tally.rt_files - tally.used - tally.copies
    rt_files = (
        f"RT files: {tally.rt_files} ({tally.used} of these plans, {tally.copies} copies of others,"
        f" {strays} of no plan)"
    )
    return [
        _counted(
            "verdicts of an earlier run were kept, as nothing they rest on has changed",
            tally.kept,
        ),
        rt_files,
        _counted("not used, each with its reason in quarantine.csv", tally.quarantined),
        _kinds(tally.files),
        _listed("plans without a row in the cases", "", tally.without_row),
        _listed("rows of the cases without a plan", "line ", tally.without_plan),
        *(printable(note) for note in result.notes),
    ]


def _kinds(files: Mapping[str, int]) -> str:
    """Say what the files are that are no RT files, the most frequent first."""
    if not files:
        return ""
    kinds = sorted(files.items(), key=lambda pair: -pair[1])
    told = [f"{count} {kind}" for kind, count in kinds]
    return f"other files: {_first_of(told, MOST_KINDS, 'more kinds')}"


def _listed(sentence: str, kind: str, rows: Sequence[object]) -> str:
    """Say how many rows there are, and which, not too many of them."""
    if not rows:
        return ""
    told = _first_of([str(row) for row in rows], MOST_ROWS, "more")
    return f"{sentence}: {len(rows)} ({kind}{told})"


def _first_of(words: Sequence[str], most: int, further: str) -> str:
    """Return words in a row, not too many of them, and how many further ones there are."""
    told = ", ".join(words[:most])
    more = len(words) - most
    if more > 0:
        return f"{told} and {more} {further}"
    return told


def _deviations(summary: Sequence[Mapping[str, object]]) -> list[tuple[str, ...]]:
    """Return the rows of the page: for each set of rules and group, both kinds of deviation."""
    rows: list[tuple[str, ...]] = [
        ("rules", "group", *NUMBERS, "FAIL", "(95 %)", "VARIATION or FAIL", "(95 %)")
    ]
    shown = [row for row in summary if row["rules"] != "both"]
    for (rules, by, group), kinds in groupby(shown, key=_group):
        both = list(kinds)
        numbers = [str(both[0][number]) for number in NUMBERS]
        cells = chain.from_iterable(_interval(row) for row in both)
        rows.append((rules, _name(by, group), *numbers, *cells))
    return rows


def _name(by: str, group: str) -> str:
    if by == "all":
        return group
    return f"{by} {printable(group)}"


def _group(row: Mapping[str, object]) -> tuple[str, str, str]:
    """Return what a row of the summary counts: its two kinds of deviation follow each other."""
    return str(row["rules"]), str(row["by"]), str(row["group"])


def _interval(row: Mapping[str, object]) -> tuple[str, str]:
    if row["low_percent"] is None:
        return "-", ""
    return str(row["count"]), f"{row['low_percent']:.0f}-{row['high_percent']:.0f} %"
