"""`sbrtcheck diff`: what moved between two verdicts."""

import sys
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


def _recorded(path: Path) -> "Recorded":
    from sbrtcheck.errors import ReadError
    from sbrtcheck.files import read_written
    from sbrtcheck.model import Text
    from sbrtcheck.report.recorded import read_recorded

    try:
        return read_recorded(read_written(path))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ReadError(
            Text("cannot be opened: {reason}", reason=reason), path=path
        ) from error
    except ReadError as error:
        error.path = path
        raise
