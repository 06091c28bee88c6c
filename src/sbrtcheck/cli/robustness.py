"""`sbrtcheck robustness`: what if the patient lies a little elsewhere?"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sbrtcheck.cli import options
from sbrtcheck.cli.common import (
    app,
    json_path_of,
    page_width,
    reading,
    refuse,
    usage,
    write_whole,
)

if TYPE_CHECKING:
    from sbrtcheck.robustness.poses import Point


@app.command()
def robustness(
    path: options.PlanPath,
    *,
    about: Annotated[
        str | None,
        typer.Option(
            "--about",
            metavar="X,Y,Z",
            help="Point that rotations turn about, patient coordinates in mm; default: the isocentre.",
        ),
    ] = None,
    json_file: options.JsonFile = None,
    ascii_only: options.Ascii = False,
    protocol: options.ProtocolName = options.DEFAULT_PROTOCOL,
    struct: options.StructFile = None,
    dose: options.DoseFile = None,
    rx: options.Rx = None,
    alias: options.Alias = None,
    levels: options.LevelNames = None,
    with_plans: options.WithPlans = None,
    alone: options.Alone = False,
    case_file: options.CaseFile = None,
    within: options.Within = None,
    max_size: options.MaxSize = options.DEFAULT_MAX_SIZE,
    phi: options.Phi = False,
) -> None:
    """Move the patient through the dose: worst cases of 1-3 mm and 1-2 degrees, and what breaks limits.

    A static dose cloud, and no verdict. Exit codes: 0 answered (whatever the answers), 2 could not
    run, 3 something could not be answered, 4 internal error.
    """
    from sbrtcheck.dossier import open_case
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.protocol.load import load_protocol
    from sbrtcheck.report.robustness import (
        exit_code,
        render_robustness,
        render_robustness_json,
    )
    from sbrtcheck.robustness import assess

    json_path = json_path_of(json_file)
    point = None if about is None else _point(about)
    asked = options.CaseOptions(
        path=path,
        protocol=protocol,
        struct=struct,
        dose=dose,
        rx=rx,
        alias=alias,
        levels=levels,
        with_plans=with_plans,
        alone=alone,
        case_file=case_file,
        within=within,
    )
    try:
        declared = asked.declared()
        with reading(max_size), open_case(path, asked.files()) as case:
            found = assess(case, load_protocol(protocol), declared, about_mm=point)
    except SbrtCheckError as error:
        refuse(error, asked.typed, phi=phi)
    if json_path is not None:
        write_whole(
            json_path, render_robustness_json(found, phi=phi) + "\n", option="--json"
        )
    if json_file == "-":
        sys.stdout.write(render_robustness_json(found, phi=phi) + "\n")
    else:
        text = render_robustness(
            found, phi=phi, width=page_width(), ascii_only=ascii_only
        )
        sys.stdout.write(text)
    raise typer.Exit(exit_code(found))


def _point(typed: str) -> "Point":
    """Read a point; `math.isfinite` keeps "nan" and "inf" out."""
    import math

    try:
        x, y, z = (float(part) for part in typed.split(","))
    except ValueError:
        x = y = z = math.nan
    if not all(map(math.isfinite, (x, y, z))):
        usage(f"--about: '{typed}' is not a point; write x,y,z in mm: 0,-35.5,120")
    return x, y, z
