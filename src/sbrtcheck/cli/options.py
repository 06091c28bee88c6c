"""Arguments and options that several commands take."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sbrtcheck.dossier import Options
    from sbrtcheck.model import Declared

DEFAULT_PROTOCOL = "nct06756087"
DEFAULT_MAX_SIZE = 1.0  # GB

PlanPath = Annotated[
    Path,
    typer.Argument(
        help="RT Plan, RT Structure Set, RT Dose, or a folder with one plan."
    ),
]
ProtocolName = Annotated[
    str, typer.Option("--protocol", help="Name of a shipped protocol, or a TOML file.")
]
Alias = Annotated[
    list[str] | None,
    typer.Option(
        "--alias", help="What an ROI stands for: 'my cord=SpinalCord'. Repeatable."
    ),
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
Phi = Annotated[
    bool, typer.Option("--phi", help="Show patient identity and file names.")
]
StructFile = Annotated[
    str | None,
    typer.Option("--struct", help="Structure set: a file, or the end of its UID."),
]
DoseFile = Annotated[
    str | None, typer.Option("--dose", help="Dose: a file, or the end of its UID.")
]
Rx = Annotated[
    str | None,
    typer.Option("--rx", help="Prescription where the plan has none: 30Gy/5."),
]
LevelNames = Annotated[
    str | None, typer.Option("--levels", help="Treated levels: T8 or T11,T12.")
]
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
Within = Annotated[
    Path | None,
    typer.Option(
        "--within",
        help="Look at everything below this folder; default: the folders around the plan.",
    ),
]
ReviewFile = Annotated[
    Path | None,
    typer.Option(
        "--review",
        help="A person's answer to the verdict; default: review.toml beside the plan.",
    ),
]
MaxSize = Annotated[
    float,
    typer.Option(
        "--max-size",
        metavar="GB",
        min=0.001,
        max=1024.0,
        help="Largest DICOM file that is read, once inflated; archives four times as much.",
    ),
]
CaseFile = Annotated[
    Path | None,
    typer.Option("--case", help="Case facts; default: case.toml beside the plan."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOptions:
    """What was typed to say which case is meant, and what is declared of it."""

    path: Path
    protocol: str = DEFAULT_PROTOCOL
    struct: str | None = None
    dose: str | None = None
    rx: str | None = None
    alias: list[str] | None = None
    levels: str | None = None
    with_plans: list[str] | None = None
    alone: bool = False
    case_file: Path | None = None
    within: Path | None = None

    @property
    def added(self) -> tuple[str, ...]:
        """Return the plans to be added."""
        return () if self.with_plans is None else tuple(self.with_plans)

    @property
    def typed(self) -> list[Path]:
        """Return every path that was typed: these may be shown."""
        names = (
            self.path,
            self.struct,
            self.dose,
            self.protocol,
            self.case_file,
            self.within,
        )
        return [Path(name) for name in (*names, *self.added) if name]

    def files(self) -> "Options":
        """Return which files are meant."""
        from sbrtcheck.dossier import Options

        return Options(
            structure_set=self.struct,
            dose=self.dose,
            with_plans=self.added,
            within=self.within,
        )

    def declared(self) -> "Declared":
        """Return what is declared, by options and by the case facts beside the plan."""
        from sbrtcheck.cli.common import declared_by, facts_of, usage

        if self.alone and self.added:
            usage("--alone and --with contradict each other; give one of them")
        aliases = [] if self.alias is None else self.alias
        declared = declared_by(self.rx, aliases, self.levels)
        return replace(
            declared, alone=self.alone, facts=facts_of(self.path, self.case_file)
        )
