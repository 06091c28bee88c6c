"""`sbrtcheck check`: judge one plan."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sbrtcheck.cli.common import (
    DEFAULT_PROTOCOL,
    Alias,
    Ascii,
    Phi,
    PlanPath,
    ProtocolName,
    app,
    declared_by,
    facts_of,
    page_width,
    refuse,
    usage,
    write_whole,
)


@app.command()
def check(
    path: PlanPath,
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
    ascii_only: Ascii = False,
    strict: Annotated[bool, typer.Option("--strict", help="Variations count as FAIL.")] = False,
    protocol: ProtocolName = DEFAULT_PROTOCOL,
    struct: Annotated[
        str | None, typer.Option("--struct", help="Structure set: a file, or the end of its UID.")
    ] = None,
    dose: Annotated[
        str | None, typer.Option("--dose", help="Dose: a file, or the end of its UID.")
    ] = None,
    rx: Annotated[
        str | None, typer.Option("--rx", help="Prescription where the plan has none: 30Gy/5.")
    ] = None,
    alias: Alias = None,
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
    phi: Phi = False,
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

    json_path = json_path_of(json_file)
    added = with_plans or []
    if alone and added:
        usage("--alone and --with contradict each other; give one of them")
    typed = [Path(name) for name in (path, struct, dose, protocol, case_file, *added) if name]
    try:
        declared = replace(
            declared_by(rx, alias or [], levels), alone=alone, facts=facts_of(path, case_file)
        )
        case = load_case(path, structure_set=struct, dose=dose, with_plans=added)
        verdict = check_case(case, load_protocol(protocol), declared)
    except SbrtCheckError as error:
        refuse(error, typed, phi=phi)
    colour = not no_color and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    page = Page(
        colour=colour,
        ascii=ascii_only,
        quiet=quiet,
        verbose=verbose,
        strict=strict,
        phi=phi,
        width=page_width(),
    )
    if json_path is not None:
        text = render_json(verdict, strict=strict, phi=phi)
        write_whole(json_path, text + "\n", option="--json")
    if json_file == "-":
        sys.stdout.write(render_json(verdict, strict=strict, phi=phi) + "\n")
    else:
        sys.stdout.write(render_text(verdict, page))
    raise typer.Exit(exit_code(verdict.outcome, strict=strict))


def json_path_of(value: str | None) -> Path | None:
    """Return the file that `--json` names, None for standard output; refuse any other name."""
    if value in (None, "-"):
        return None
    path = Path(value or "")
    if path.suffix.lower() != ".json":
        usage(f"--json: {value} does not end in .json; nothing was written")
    return path
