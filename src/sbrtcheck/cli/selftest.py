"""`sbrtcheck selftest`: does this installation compute what it says?"""

import platform
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from sbrtcheck import __version__
from sbrtcheck.cli import options
from sbrtcheck.cli.common import app, page_width, shown, usage, write_whole
from sbrtcheck.files import is_folder

LIBRARIES = ("numpy", "scipy", "shapely", "pydicom")
SHEET_WIDTH = 132


@app.command()
def selftest(
    *,
    folder: Annotated[
        Path,
        typer.Option(
            "--out", help="Where the commissioning sheet goes; default: here."
        ),
    ] = Path(),
    verbose: Annotated[
        bool,
        typer.Option(
            "-v", "--verbose", help="Every answer, not the worst of each subject."
        ),
    ] = False,
    ascii_only: options.Ascii = False,
) -> None:
    """Measure phantoms of known truth, and write a dated commissioning sheet (JSON and text).

    Exit codes: 0 all answers within the allowed errors, 1 any outside, 2 could not run.
    """
    from sbrtcheck.report.selftest import (
        progress_bar,
        render_selftest,
        render_selftest_json,
    )
    from sbrtcheck.selftest import phantoms, run_selftest

    if not is_folder(folder):
        usage(f"--out: there is no folder {folder}; make it, or leave --out away")
    chosen = list(phantoms())
    with (
        tempfile.TemporaryDirectory(prefix="sbrtcheck-selftest-") as scratch,
        progress_bar(sys.stderr, len(chosen)) as done,
    ):
        answers = run_selftest(Path(scratch), chosen, done=done)
    now = datetime.now(UTC)
    about = {
        "sbrtcheck": __version__,
        "date": f"{now:%Y-%m-%d %H:%M} UTC",
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in LIBRARIES},
    }
    sheet = folder / f"sbrtcheck-selftest-{now:%Y-%m-%d}"
    whole = render_selftest(answers, about, width=SHEET_WIDTH, every=True)
    write_whole(
        sheet.with_suffix(".json"),
        render_selftest_json(answers, about) + "\n",
        option="--out",
    )
    write_whole(sheet.with_suffix(".txt"), whole, option="--out")
    page = render_selftest(
        answers, about, width=page_width(), every=verbose, ascii_only=ascii_only
    )
    sys.stdout.write(
        page + f"Written to {shown(sheet.with_suffix('.json'))} and .txt\n"
    )
    raise typer.Exit(0 if all(answer.passes for answer in answers) else 1)
