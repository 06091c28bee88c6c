"""The self-test as a page, a commissioning sheet and JSON; its progress bar."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    shown = answers
    if not every:
        shown = _worst(answers)
    rows = [HEAD, *(_row(answer) for answer in shown)]
    failed = [answer for answer in answers if not answer.passes]
    lines = [f"{name}: {value}" for name, value in about.items()]
    text = (
        "\n".join(lines)
        + f"\n\n{STATEMENT}\n\n"
        + table(rows, width, right=(3, 4, 5, 6))
    )
    if not every:
        text += f"\nThe worst of each subject's answers, {len(answers)} in all.\n"
    if failed and not every:
        text += "\nOutside the allowed error\n"
        text += table(
            [HEAD, *(_row(answer) for answer in failed)], width, right=(3, 4, 5, 6)
        )
    text += f"\nSelf-test: {OUTCOMES[not failed]}, {len(answers) - len(failed)} of {len(answers)} answers within the allowed errors\n"
    return for_console(text, ascii_only=ascii_only)


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


def _worst(answers: Sequence[Answer]) -> list[Answer]:
    subjects = dict.fromkeys(answer.subject for answer in answers)
    return [
        max(
            (answer for answer in answers if answer.subject == subject),
            key=lambda a: a.used,
        )
        for subject in subjects
    ]


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
    if error is None:
        return ""
    return f"{error:+.4f}"


def _allowed(truth: Truth) -> str:
    if truth.value is None:
        return ""
    return f"{truth.allowed:.4f}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4f} {unit}"
