"""The self-test as a page, a commissioning sheet and JSON; its progress bar."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from sbrtcheck.report.tables import for_console, table
from sbrtcheck.report.words import text_of, told_of
from sbrtcheck.selftest import Answer, Truth

SCHEMA = 1
OUTCOMES = {True: "PASS", False: "FAIL"}
WORDS = {True: "ok", False: "FAIL"}
HEAD: tuple[str, ...] = (
    "subject",
    "phantom",
    "metric",
    "true",
    "measured",
    "error",
    "allowed",
    "",
    "why",
)
STATEMENT = (
    "Solids and doses of known truth (closed forms, sums over slices of the solid), written as DICOM"
    " and read back\nas any case is read. It shows that this installation computes what it says; it"
    " says nothing of a planning\nsystem, an export or a patient."
)


@contextmanager
def progress_bar(stream: TextIO, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar on a terminal while phantoms are measured; nothing in a pipe or file."""
    console = Console(file=stream)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    hidden = not console.is_terminal
    with Progress(
        *columns, console=console, transient=True, disable=hidden
    ) as progress:
        task = progress.add_task("self-test", total=total)
        yield lambda name: progress.update(task, advance=1, description=name)


def render_selftest(
    answers: Sequence[Answer],
    about: Mapping[str, str],
    *,
    width: int,
    every: bool = False,
    ascii_only: bool = False,
) -> str:
    """Return the page: for each subject its worst answer, or every answer; and the outcome."""
    failed = [answer for answer in answers if not answer.passes]
    lines = [f"{name}: {value}" for name, value in about.items()]
    body = _table(answers, width)
    if not every:
        body = _digest(answers, failed, width)
    text = (
        "\n".join(lines)
        + f"\n\n{STATEMENT}\n\n{body}"
        + f"\nSelf-test: {OUTCOMES[not failed]}, {len(answers) - len(failed)} of {len(answers)} answers within the allowed errors\n"
    )
    return for_console(text, ascii_only=ascii_only)


def _digest(answers: Sequence[Answer], failed: Sequence[Answer], width: int) -> str:
    """Return the worst answer of each subject, and every one that is not allowed."""
    text = _table(_worst(answers), width)
    text += f"\nThe worst of each subject's answers, {len(answers)} in all.\n"
    if failed:
        text += f"\nOutside the allowed error\n{_table(failed, width)}"
    return text


def _table(answers: Iterable[Answer], width: int) -> str:
    rows = [HEAD, *(_row(answer) for answer in answers)]
    return table(rows, width, right=(3, 4, 5, 6))


def render_selftest_json(answers: Sequence[Answer], about: Mapping[str, str]) -> str:
    """Return the commissioning sheet as JSON."""
    sheet = {
        "schema": SCHEMA,
        **about,
        "outcome": OUTCOMES[all(answer.passes for answer in answers)],
        "answers": [
            {
                "subject": answer.subject,
                "phantom": answer.phantom,
                "metric": answer.truth.metric,
                "unit": answer.unit,
                "true": answer.truth.value,
                "measured": answer.measured,
                "error": answer.error,
                "allowed": answer.truth.allowed,
                "why": answer.truth.why,
                "passes": answer.passes,
            }
            for answer in answers
        ],
    }
    return json.dumps(sheet, indent=1, ensure_ascii=False, allow_nan=False)


def _worst(answers: Iterable[Answer]) -> Iterable[Answer]:
    """Return for each subject the first of its answers that uses most of what is allowed."""
    worst: dict[str, Answer] = {}
    for answer in answers:
        known = worst.setdefault(answer.subject, answer)
        worst[answer.subject] = max(known, answer, key=attrgetter("used"))
    return worst.values()


def _row(answer: Answer) -> tuple[str, ...]:
    truth = answer.truth
    return (
        answer.subject,
        answer.phantom,
        truth.metric,
        _number(truth.value, answer.unit),
        _number(answer.measured, answer.unit),
        _error(answer.error),
        _allowed(answer.truth),
        WORDS[answer.passes],
        truth.why,
    )


def _error(error: float | None) -> str:
    return text_of(told_of(error, "{:+.4f}".format))


def _allowed(truth: Truth) -> str:
    if truth.value is None:
        return ""
    return f"{truth.allowed:.4f}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4f} {unit}"
