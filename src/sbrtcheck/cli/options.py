"""Arguments and options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PROTOCOL = "nct06756087"

PlanPath = Annotated[
    Path, typer.Argument(help="RT Plan, RT Structure Set, RT Dose, or a folder with one plan.")
]
ProtocolName = Annotated[
    str, typer.Option("--protocol", help="Name of a shipped protocol, or a TOML file.")
]
Alias = Annotated[
    list[str] | None,
    typer.Option("--alias", help="What an ROI stands for: 'my cord=SpinalCord'. Repeatable."),
]
Ascii = Annotated[bool, typer.Option("--ascii", help="ASCII characters only.")]
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="[FILE]",
        help="Write JSON to FILE (ending in .json), or to standard output without FILE.",
    ),
]
Phi = Annotated[bool, typer.Option("--phi", help="Show patient identity and file names.")]
StructFile = Annotated[
    str | None, typer.Option("--struct", help="Structure set: a file, or the end of its UID.")
]
DoseFile = Annotated[
    str | None, typer.Option("--dose", help="Dose: a file, or the end of its UID.")
]
Rx = Annotated[
    str | None, typer.Option("--rx", help="Prescription where the plan has none: 30Gy/5.")
]
LevelNames = Annotated[str | None, typer.Option("--levels", help="Treated levels: T8 or T11,T12.")]
WithPlans = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="Another plan of the same course, whose dose the cord also receives. Repeatable.",
    ),
]
Alone = Annotated[
    bool, typer.Option("--alone", help="Other plans of the patient give no dose here.")
]
CaseFile = Annotated[
    Path | None, typer.Option("--case", help="Case facts; default: case.toml beside the plan.")
]
