"""Arguments in, streams and exit code out. `sbrtcheck plan.dcm` is `sbrtcheck check plan.dcm`."""

import gc
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from sbrtcheck import __version__

if TYPE_CHECKING:
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.model import CaseFacts, Declared

COMMANDS = ("check", "find", "protocol", "structures")
DEFAULT_PROTOCOL = "nct06756087"
COULD_NOT_RUN = 2
INTERNAL_ERROR = 4
INTERRUPTED = 130
PAGE_WIDTH = 110
GARBAGE = 100_000
RX = re.compile(r"(\d+(?:\.\d+)?)\s*Gy\s*/\s*(\d+)\s*(?:fx|fractions?)?", re.IGNORECASE)

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


@app.command()
def check(
    path: Annotated[
        Path, typer.Argument(help="RT Plan, RT Structure Set, RT Dose, or a folder with one plan.")
    ],
    *,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="[FILE]",
            help="Write JSON to FILE (ending in .json), or to standard output without FILE.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the verdict.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Every check and note.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colour.")] = False,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="ASCII characters only.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Variations count as FAIL.")] = False,
    protocol: Annotated[
        str, typer.Option("--protocol", help="Name of a shipped protocol, or a TOML file.")
    ] = DEFAULT_PROTOCOL,
    struct: Annotated[
        str | None, typer.Option("--struct", help="Structure set: a file, or the end of its UID.")
    ] = None,
    dose: Annotated[
        str | None, typer.Option("--dose", help="Dose: a file, or the end of its UID.")
    ] = None,
    rx: Annotated[
        str | None, typer.Option("--rx", help="Prescription where the plan has none: 30Gy/5.")
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", help="What an ROI stands for: 'my cord=SpinalCord'. Repeatable."),
    ] = None,
    levels: Annotated[
        str | None, typer.Option("--levels", help="Treated levels: T8 or T11,T12.")
    ] = None,
    with_plans: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="Another plan of the same course, whose dose the cord also receives. Repeatable.",
        ),
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Other plans of the patient give no dose here.")
    ] = False,
    case_file: Annotated[
        Path | None,
        typer.Option("--case", help="Case facts; default: case.toml beside the plan."),
    ] = None,
    phi: Annotated[
        bool, typer.Option("--phi", help="Show patient identity and file names.")
    ] = False,
) -> None:
    """Judge one plan: find its files, check it against the protocol, print the verdict.

    Exit codes: 0 pass (or variations), 1 FAIL, 2 could not run, 3 UNDECIDED, 4 internal error.
    """
    # Imported here so that --help does not wait for them.
    from sbrtcheck.case import load_case
    from sbrtcheck.checks import check as check_case
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.protocol import load_protocol
    from sbrtcheck.report.as_json import render_json
    from sbrtcheck.report.text import Page, render_text
    from sbrtcheck.verdict import exit_code

    json_path = _json_path(json_file)
    added = with_plans or []
    if alone and added:
        _usage("--alone and --with contradict each other; give one of them")
    typed = [Path(name) for name in (path, struct, dose, protocol, case_file, *added) if name]
    try:
        declared = replace(
            _declared(rx, alias or [], levels), alone=alone, facts=_facts(path, case_file)
        )
        case = load_case(path, structure_set=struct, dose=dose, with_plans=added)
        verdict = check_case(case, load_protocol(protocol), declared)
    except SbrtCheckError as error:
        _refuse(error, typed, phi=phi)
    colour = not no_color and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    page = Page(
        colour=colour,
        ascii=ascii_only,
        quiet=quiet,
        verbose=verbose,
        strict=strict,
        phi=phi,
        width=_width(),
    )
    if json_path is not None:
        _write_json(json_path, render_json(verdict, strict=strict, phi=phi))
    if json_file == "-":
        sys.stdout.write(render_json(verdict, strict=strict, phi=phi) + "\n")
    else:
        sys.stdout.write(render_text(verdict, page))
    raise typer.Exit(exit_code(verdict.outcome, strict=strict))


@app.command()
def structures(
    path: Annotated[
        Path, typer.Argument(help="RT Plan, RT Structure Set, RT Dose, or a folder with one plan.")
    ],
    *,
    protocol: Annotated[
        str, typer.Option("--protocol", help="Name of a shipped protocol, or a TOML file.")
    ] = DEFAULT_PROTOCOL,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", help="What an ROI stands for: 'my cord=SpinalCord'. Repeatable."),
    ] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="ASCII characters only.")] = False,
    phi: Annotated[bool, typer.Option("--phi", help="Show patient identity.")] = False,
) -> None:
    """Show every ROI: which structure it is taken for and why, volume, planes, holes, gaps."""
    from sbrtcheck.case import load_structures
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.names import match_rois
    from sbrtcheck.protocol import load_protocol
    from sbrtcheck.report.tables import render_structures

    try:
        loaded = load_protocol(protocol)
        own = load_structures(path)
        matches = match_rois(own.rois, loaded, _declared(None, alias or [], None).aliases)
    except SbrtCheckError as error:
        _refuse(error, [path, Path(protocol)], phi=phi)
    text = render_structures(own, matches, loaded, phi=phi, width=_width(), ascii_only=ascii_only)
    sys.stdout.write(text)


@app.command()
def find(
    path: Annotated[Path, typer.Argument(help="RT Plan, RT Structure Set, RT Dose, or a folder.")],
    *,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="ASCII characters only.")] = False,
    phi: Annotated[bool, typer.Option("--phi", help="Show labels and file names.")] = False,
) -> None:
    """Show every file seen around a plan, what it is to the plan, and why. Nothing is judged."""
    from sbrtcheck.case import survey
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.report.tables import render_survey

    try:
        rows = survey(path)
    except SbrtCheckError as error:
        _refuse(error, [path], phi=phi)
    sys.stdout.write(render_survey(rows, phi=phi, width=_width(), ascii_only=ascii_only))


protocol_app = typer.Typer(
    name="protocol",
    help="List, show and check protocols.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(protocol_app)


@protocol_app.command("list")
def list_protocols() -> None:
    """List the shipped protocols."""
    from sbrtcheck.protocol import load_protocol, shipped_protocols

    for name in shipped_protocols():
        title = load_protocol(name).protocol
        sys.stdout.write(f"{name:24} {title.version:8} {title.status:9} {title.title}\n")


@protocol_app.command("show")
def show_protocol(
    name: Annotated[str, typer.Argument(help="Name or TOML file.")] = DEFAULT_PROTOCOL,
) -> None:
    """Show a protocol: schemes, levels, limits, each with basis and source."""
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.protocol import load_protocol
    from sbrtcheck.report.tables import render_protocol

    try:
        loaded = load_protocol(name)
    except SbrtCheckError as error:
        _refuse(error, [Path(name)], phi=False)
    sys.stdout.write(render_protocol(loaded, width=_width()))


@protocol_app.command("lint")
def lint_protocol(
    file: Annotated[Path, typer.Argument(help="TOML file, or name of a shipped protocol.")],
) -> None:
    """Find what is wrong or doubtful in a protocol file; exit 1 if anything is."""
    from sbrtcheck.lint import lint

    problems = lint(file)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    words = {0: "no problems", 1: "1 problem"}.get(len(problems), f"{len(problems)} problems")
    sys.stdout.write(f"{words}\n")
    raise typer.Exit(1 if problems else 0)


@protocol_app.command("schema")
def print_schema(
    *,
    case: Annotated[bool, typer.Option("--case", help="That of case.toml instead.")] = False,
) -> None:
    """Print the JSON Schema of protocol files, for editors."""
    import json

    from sbrtcheck.facts import facts_schema
    from sbrtcheck.protocol import protocol_schema

    schema = facts_schema() if case else protocol_schema()
    sys.stdout.write(json.dumps(schema, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; no exception gets past this point."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A console of another code page shows an escape, not a crash.
            stream.reconfigure(errors="backslashreplace")
    # A run makes many values that live to its end: looking for garbage among them costs 4 %.
    gc.set_threshold(GARBAGE)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(_with_command(_with_json_value(arguments)), prog_name="sbrtcheck")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader has left; whatever it did not read cannot change the verdict.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(COULD_NOT_RUN)
    except Exception:  # noqa: BLE001 - a bug must not look like a verdict
        _confess()


def _with_command(arguments: list[str]) -> list[str]:
    """Put `check` before arguments that name no command; a first word that does is a command."""
    if arguments and arguments[0] == "--version":
        sys.stdout.write(f"sbrtcheck {__version__}\n")
        sys.exit(0)
    if not arguments or arguments[0] in (*COMMANDS, "-h", "--help"):
        return arguments or ["--help"]
    if arguments[0] in ("--install-completion", "--show-completion"):
        return arguments
    return ["check", *arguments]


def _with_json_value(arguments: list[str]) -> list[str]:
    """Give `--json` the value "-" unless a name ending in .json follows it.

    `--json plan.dcm` must never take the plan for the file to be written.
    """
    completed = []
    for index, word in enumerate(arguments):
        completed.append(word)
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if word == "--json" and not (following == "-" or following.lower().endswith(".json")):
            completed.append("-")
    return completed


def _json_path(value: str | None) -> Path | None:
    if value in (None, "-"):
        return None
    path = Path(value or "")
    if path.suffix.lower() != ".json":
        _usage(f"--json: {value} does not end in .json; nothing was written")
    return path


def _write_json(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        _usage(f"--json: {path} cannot be written ({error.strerror})")


def _declared(rx: str | None, aliases: list[str], levels: str | None) -> "Declared":
    from sbrtcheck.model import Declared

    prescription = None
    if rx is not None:
        found = RX.fullmatch(rx.strip())
        if found is None or float(found.group(1)) <= 0 or int(found.group(2)) < 1:
            _usage(f"--rx: '{rx}' is not a prescription; write total dose and fractions: 30Gy/5")
        prescription = (float(found.group(1)), int(found.group(2)))
    pairs = {}
    for alias in aliases:
        roi, equals, structure = alias.rpartition("=")
        if not (equals and roi and structure):
            _usage(f"--alias: '{alias}' is not of the form ROI=Structure")
        pairs[roi] = structure
    words = tuple(word.upper() for word in re.split(r"[,\s]+", levels or "") if word)
    if levels is not None and not words:
        _usage("--levels: no level is given; write T8 or T11,T12")
    return Declared(prescription=prescription, levels=words, aliases=pairs)


def _facts(path: Path, case_file: Path | None) -> "CaseFacts":
    """Read the case facts given by hand or beside the plan; none where there are none."""
    from sbrtcheck.facts import facts_beside, load_facts
    from sbrtcheck.model import CaseFacts

    found = case_file or facts_beside(path)
    return CaseFacts() if found is None else load_facts(found)


def _width() -> int:
    """Return the width of the terminal, or that of a page that goes to a file or pipe."""
    if not sys.stdout.isatty():
        return PAGE_WIDTH
    try:
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, 80)
    except OSError:
        return 80


def _usage(sentence: str) -> NoReturn:
    sys.stderr.write(f"sbrtcheck: {sentence}\n")
    raise typer.Exit(COULD_NOT_RUN)


def _refuse(error: "SbrtCheckError", typed: Sequence[Path], *, phi: bool) -> NoReturn:
    from sbrtcheck.report.refusal import render_refusal

    sys.stderr.write(render_refusal(error, typed=typed, phi=phi))
    raise typer.Exit(COULD_NOT_RUN)


def _confess() -> NoReturn:
    """Say that this is a bug, and where its details are; they may hold names of files."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="sbrtcheck-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"sbrtcheck {__version__}\n{traceback.format_exc()}")
    sys.stderr.write(
        "sbrtcheck: internal error, a bug in sbrtcheck; no verdict was reached.\n"
        f"Details (may hold file names) are in {log.name}\n"
    )
    sys.exit(INTERNAL_ERROR)


if __name__ == "__main__":
    main()
