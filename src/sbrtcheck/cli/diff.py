"""`sbrtcheck diff` and `sbrtcheck review`: what moved between verdicts, and what a person says of one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sbrtcheck.cli import options
from sbrtcheck.cli.common import app, json_path_of, refuse, usage, write_whole

if TYPE_CHECKING:
    from sbrtcheck.report.recorded import Recorded


@app.command()
def diff(
    before: Annotated[
        Path, typer.Argument(metavar="A.json", help="A verdict, from --json.")
    ],
    after: Annotated[Path, typer.Argument(metavar="B.json", help="Another one.")],
    *,
    json_file: options.JsonFile = None,
) -> None:
    """Show which findings moved between two verdicts, by how much, and what these were made from.

    Exit codes: 0 all outcomes are the same, 1 some differ, 2 could not run.
    """
    from sbrtcheck.errors import ReadError
    from sbrtcheck.report.diff import compare_recorded, diff_json, diff_text

    json_path = json_path_of(json_file)
    if json_path is not None and json_path.resolve() in (
        before.resolve(),
        after.resolve(),
    ):
        usage(
            f"--json: {json_path} is one of the files to be compared; nothing was written"
        )
    try:
        found = compare_recorded(_recorded(before), _recorded(after))
    except ReadError as error:
        refuse(error, [before, after], phi=False)
    if json_path is not None:
        write_whole(json_path, diff_json(found) + "\n", option="--json")
    sys.stdout.write(diff_json(found) + "\n" if json_file == "-" else diff_text(found))
    raise typer.Exit(0 if found.same_outcomes else 1)


@app.command()
def review(
    verdict: Annotated[
        Path, typer.Argument(metavar="VERDICT.json", help="A verdict, from --json.")
    ],
) -> None:
    """Print a form for a person's answer to a verdict; filled in, it is review.toml beside the plan.

    An answer stands beside the verdict and never changes outcome or exit code.
    """
    from sbrtcheck.errors import ReadError
    from sbrtcheck.report.recorded import load_document, read_recorded
    from sbrtcheck.report.review import render_form

    try:
        content = _content(verdict)
        with _of(verdict):
            read_recorded(content)
            form = render_form(load_document(content))
    except ReadError as error:
        refuse(error, [verdict], phi=False)
    sys.stdout.write(form)


def _recorded(path: Path) -> "Recorded":
    from sbrtcheck.report.recorded import read_recorded

    content = _content(path)
    with _of(path):
        return read_recorded(content)


def _content(path: Path) -> bytes:
    from sbrtcheck.errors import ReadError
    from sbrtcheck.files import read_written, why_not_opened
    from sbrtcheck.model import Text

    try:
        return read_written(path)
    except OSError as error:
        reason = Text("cannot be opened: {reason}", reason=why_not_opened(error))
        raise ReadError(reason, path=path) from error


@contextmanager
def _of(path: Path) -> Iterator[None]:
    """Say of an error inside which file it is about."""
    from sbrtcheck.errors import ReadError

    try:
        yield
    except ReadError as error:
        error.path = path
        raise
