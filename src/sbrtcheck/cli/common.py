"""What commands share: the program, how they refuse, what the user declares, how files are written."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.model import CaseFacts, Declared

__all__ = [
    "COULD_NOT_RUN",
    "app",
    "declared_by",
    "facts_of",
    "json_path_of",
    "page_width",
    "reading",
    "refuse",
    "usage",
    "write_whole",
]

COULD_NOT_RUN = 2
PAGE_WIDTH = 110
RX = re.compile(
    r"(\d{1,4}(?:\.\d{1,6})?)\s*Gy\s*/\s*(\d{1,3})\s*(?:fx|fractions?)?", re.IGNORECASE
)

app = typer.Typer(
    name="sbrtcheck",
    help="Verify spine SBRT plans before treatment: scheme, levels, coverage, spinal cord.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Verify spine SBRT plans before treatment."""


def declared_by(rx: str | None, aliases: list[str], levels: str | None) -> "Declared":
    """Return what the user declares rather than the files, from the words typed."""
    from sbrtcheck.model import Declared

    prescription = None
    if rx is not None:
        found = RX.fullmatch(rx.strip())
        if found is None or float(found.group(1)) <= 0 or int(found.group(2)) < 1:
            usage(
                f"--rx: '{rx}' is not a prescription; write total dose and fractions: 30Gy/5"
            )
        prescription = (float(found.group(1)), int(found.group(2)))
    pairs = {}
    for alias in aliases:
        roi, equals, structure = alias.rpartition("=")
        if not (equals and roi and structure):
            usage(f"--alias: '{alias}' is not of the form ROI=Structure")
        pairs[roi] = structure
    words: tuple[str, ...] = ()
    if levels is not None:
        words = tuple(word.upper() for word in re.split(r"[,\s]+", levels) if word)
        if not words:
            usage("--levels: no level is given; write T8 or T11,T12")
    return Declared(prescription=prescription, levels=words, aliases=pairs)


def facts_of(path: Path, case_file: Path | None) -> "CaseFacts":
    """Read the case facts given by hand or beside the plan; none where there are none."""
    from sbrtcheck.dossier.facts import facts_beside, load_facts
    from sbrtcheck.model import CaseFacts

    found = case_file or facts_beside(path)
    if found is None:
        return CaseFacts()
    return load_facts(found)


def json_path_of(value: str | None) -> Path | None:
    """Return the file that `--json` names; None where it is not given, or names none."""
    if value is None or value == "-":
        return None
    path = Path(value)
    if path.suffix.lower() != ".json":
        usage(f"--json: {value} does not end in .json; nothing was written")
    return path


def reading(max_size_gb: float) -> AbstractContextManager[None]:
    """Let DICOM files inside be as large as `--max-size` says."""
    from sbrtcheck.files import GIGABYTE, reading_at_most

    return reading_at_most(int(max_size_gb * GIGABYTE))


def page_width() -> int:
    """Return the width of the terminal, or that of a page that goes to a file or pipe."""
    if not sys.stdout.isatty():
        return PAGE_WIDTH
    try:
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, 80)
    except OSError:
        return 80


def write_whole(path: Path, text: str, *, option: str) -> None:
    """Write a file whole or not at all; `option` is what the user typed to ask for it."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        usage(f"{option}: {path} cannot be written ({error.strerror})")


def usage(sentence: str) -> NoReturn:
    """Say what is wrong with what was typed, and end."""
    sys.stderr.write(f"sbrtcheck: {shown(sentence)}\n")
    raise typer.Exit(COULD_NOT_RUN)


def shown(text: str | Path) -> str:
    """Return what was typed, or what a file says, as a console may show it; lines stay lines."""
    from sbrtcheck.report.words import printable

    return "\n".join(map(printable, str(text).split("\n")))


def refuse(error: "SbrtCheckError", typed: Sequence[Path], *, phi: bool) -> NoReturn:
    """Say why nothing can be judged, and end; `typed` are the paths that the user gave."""
    from sbrtcheck.report.refusal import render_refusal

    sys.stderr.write(render_refusal(error, typed=typed, phi=phi))
    raise typer.Exit(COULD_NOT_RUN)
