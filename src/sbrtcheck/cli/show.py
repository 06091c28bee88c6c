"""`sbrtcheck structures`, `find`, `explain`: what is there and what is asked; nothing is judged."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sbrtcheck.cli import options
from sbrtcheck.cli.common import app, declared_by, page_width, reading, refuse, usage


@app.command()
def structures(
    path: options.PlanPath,
    *,
    protocol: options.ProtocolName = options.DEFAULT_PROTOCOL,
    alias: options.Alias = None,
    max_size: options.MaxSize = options.DEFAULT_MAX_SIZE,
    ascii_only: options.Ascii = False,
    phi: options.Phi = False,
) -> None:
    """Show every ROI: which structure it is taken for and why, volume, planes, holes, gaps."""
    from sbrtcheck.dossier import load_structures
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.protocol.load import load_protocol
    from sbrtcheck.protocol.names import match_rois
    from sbrtcheck.report.tables import render_structures

    try:
        loaded = load_protocol(protocol)
        with reading(max_size):
            own = load_structures(path)
        matches = match_rois(
            own.rois, loaded, declared_by(None, alias or [], None).aliases
        )
    except SbrtCheckError as error:
        refuse(error, [path, Path(protocol)], phi=phi)
    text = render_structures(
        own, matches, loaded, phi=phi, width=page_width(), ascii_only=ascii_only
    )
    sys.stdout.write(text)


@app.command()
def find(
    path: Annotated[
        Path, typer.Argument(help="RT Plan, RT Structure Set, RT Dose, or a folder.")
    ],
    *,
    max_size: options.MaxSize = options.DEFAULT_MAX_SIZE,
    ascii_only: options.Ascii = False,
    phi: Annotated[
        bool, typer.Option("--phi", help="Show labels and file names.")
    ] = False,
) -> None:
    """Show every file seen around a plan, what it is to the plan, and why. Nothing is judged."""
    from sbrtcheck.dossier import survey
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.report.tables import render_survey

    try:
        with reading(max_size):
            rows = survey(path)
    except SbrtCheckError as error:
        refuse(error, [path], phi=phi)
    sys.stdout.write(
        render_survey(rows, phi=phi, width=page_width(), ascii_only=ascii_only)
    )


@app.command()
def explain(
    check: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="Name or number of a check: beams.missing, I2, G5."
        ),
    ] = None,
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="All checks, as a page of documentation.")
    ] = False,
) -> None:
    """Say of a check what it asks, why, on what it rests, and what to do; without ID list all."""
    from sbrtcheck.checks.judge import RULES
    from sbrtcheck.report.explain import (
        asked_for,
        render_explanation,
        render_list,
        render_markdown,
    )

    if markdown:
        sys.stdout.write(render_markdown(RULES))
        return
    if check is None:
        sys.stdout.write(render_list(RULES))
        return
    rules = asked_for(RULES, check)
    if not rules:
        usage(f"there is no check '{check}'; sbrtcheck explain lists all")
    sys.stdout.write(render_explanation(rules, width=page_width()))
