"""`sbrtcheck protocol`: list, show and check protocols."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sbrtcheck.cli import options
from sbrtcheck.cli.common import app, page_width, refuse, shown

protocol_app = typer.Typer(
    help="List, show and check protocols.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(protocol_app, name="protocol")


@protocol_app.command("list")
def list_protocols() -> None:
    """List the shipped protocols."""
    from sbrtcheck.protocol.load import load_protocol, shipped_protocols

    for name in shipped_protocols():
        title = load_protocol(name).protocol
        sys.stdout.write(
            f"{name:24} {title.version:8} {title.status:9} {title.title}\n"
        )


@protocol_app.command("show")
def show_protocol(
    name: Annotated[
        str, typer.Argument(help="Name or TOML file.")
    ] = options.DEFAULT_PROTOCOL,
) -> None:
    """Show a protocol: schemes, levels, limits, each with basis and source."""
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.protocol.load import load_protocol
    from sbrtcheck.report.tables import render_protocol

    try:
        loaded = load_protocol(name)
    except SbrtCheckError as error:
        refuse(error, [Path(name)], phi=False)
    sys.stdout.write(render_protocol(loaded, width=page_width()))


@protocol_app.command("lint")
def lint_protocol(
    file: Annotated[
        Path, typer.Argument(help="TOML file, or name of a shipped protocol.")
    ],
) -> None:
    """Find what is wrong or doubtful in a protocol file; exit 1 if anything is."""
    from sbrtcheck.protocol.lint import lint

    problems = (*lint(file), *_unknown_checks(file))
    for problem in problems:
        sys.stdout.write(f"{shown(problem)}\n")
    words = {0: "no problems", 1: "1 problem"}.get(
        len(problems), f"{len(problems)} problems"
    )
    sys.stdout.write(f"{words}\n")
    raise typer.Exit(1 if problems else 0)


def _unknown_checks(file: Path) -> tuple[str, ...]:
    """Return what a protocol says of checks that there are not, or that must be asked."""
    from sbrtcheck.checks.judge import require_known_checks
    from sbrtcheck.errors import ProtocolError
    from sbrtcheck.protocol.load import load_protocol

    try:
        protocol = load_protocol(file)
    except ProtocolError:
        return ()  # lint has said so
    try:
        require_known_checks(protocol)
    except ProtocolError as error:
        return error.problems
    return ()


@protocol_app.command("schema")
def print_schema(
    *,
    case: Annotated[
        bool, typer.Option("--case", help="That of case.toml instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of protocol files, for editors."""
    import json

    from sbrtcheck.dossier.facts import facts_schema
    from sbrtcheck.protocol.load import protocol_schema

    schema = facts_schema() if case else protocol_schema()
    sys.stdout.write(json.dumps(schema, indent=1) + "\n")
