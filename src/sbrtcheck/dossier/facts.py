"""Case facts: what DICOM files cannot hold, read from a `case.toml`."""

import difflib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    with_config,
)

from sbrtcheck.errors import CaseError
from sbrtcheck.files import beside, read_toml, why_not_opened
from sbrtcheck.model import Arm, CaseFacts, PriorRadiotherapy, Text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["FILE_NAME", "facts_beside", "facts_schema", "load_facts", "parse_facts"]

FILE_NAME = "case.toml"
LEVEL = r"^(C[1-7]|T([1-9]|1[0-2])|L[1-5]|S[1-5])$"
EARLIEST = date(1990, 1, 1)  # SBRT is younger; an older date is a slip
IN_ORDER = (
    ("first_fraction", "last_fraction"),
    ("surgery_date", "first_fraction"),
    ("prior_rt_date", "first_fraction"),
)
OF_PRIOR = ("prior_rt_date", "prior_rt_levels", "prior_cord_eqd2_gy")


def _plausible(day: date) -> date:
    if day < EARLIEST:
        raise ValueError(f"{day.isoformat()} is before {EARLIEST.isoformat()}")
    return day


Day = Annotated[date, AfterValidator(_plausible)]
Level = Annotated[str, Field(pattern=LEVEL)]
Reason = Annotated[str, Field(min_length=3, max_length=500)]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """The keys of a `case.toml`; all of them may be absent."""

    schema: Literal[1] = 1
    centre: Annotated[str | None, Field(min_length=1)] = None
    surgery_date: Day | None = None
    first_fraction: Day | None = None
    last_fraction: Day | None = None
    operated_levels: tuple[Level, ...] = ()
    prior_rt: Literal["none", "yes", "unknown"] | None = None
    prior_rt_date: Day | None = None
    prior_rt_levels: tuple[Level, ...] = ()
    prior_cord_eqd2_gy: Annotated[float | None, Field(ge=0, le=500)] = None
    affected_levels: tuple[Level, ...] = ()
    arm: Literal["control", "experimental"] | None = None
    conus_level: Level | None = None
    not_drawn: dict[str, Reason] = field(default_factory=dict)


def facts_beside(path: Path) -> Path | None:
    """Return the `case.toml` in the folder of a plan, or in the folder itself, if there is one."""
    return beside(path, FILE_NAME)


def load_facts(path: str | Path) -> CaseFacts:
    """Read case facts from a TOML file.

    Raises
    ------
    CaseError
        If the file cannot be read or holds what it should not; all problems are listed.
    """
    path = Path(path)
    try:
        _, table = read_toml(path)
    except OSError as error:
        raise _refusal([why_not_opened(error)], path=path) from error
    except ValueError as error:
        raise _refusal([str(error)], path=path) from error
    return read_facts(table, path)


def read_facts(table: dict[str, object], path: Path | None = None) -> CaseFacts:
    """Return the facts of a table of keys and values; see `load_facts`."""
    facts, problems = parse_facts(table)
    if facts is None:
        raise _refusal(problems, path=path)
    return facts


def parse_facts(table: dict[str, object]) -> tuple[CaseFacts | None, list[str]]:
    """Return the facts of a table of keys and values, or None and all that is wrong with it."""
    try:
        read = TypeAdapter(_File).validate_python(table)
    except ValidationError as error:
        return None, [_problem(e) for e in error.errors(include_url=False)]
    problems = [*_out_of_order(read), *_without_prior(read)]
    if problems:
        return None, problems
    facts = CaseFacts(
        centre=read.centre,
        surgery_date=read.surgery_date,
        first_fraction_date=read.first_fraction,
        last_fraction_date=read.last_fraction,
        operated_levels=read.operated_levels,
        prior_radiotherapy=_prior(read),
        prior_radiotherapy_date=read.prior_rt_date,
        prior_radiotherapy_levels=read.prior_rt_levels,
        prior_cord_eqd2_gy=read.prior_cord_eqd2_gy,
        affected_levels=read.affected_levels,
        arm=None if read.arm is None else Arm(read.arm),
        conus_level=read.conus_level,
        not_drawn=read.not_drawn,
    )
    return facts, []


def _out_of_order(read: _File) -> list[str]:
    """Return what is wrong with the order of the dates; a date that is not stated has none."""
    problems = []
    for earlier, later in IN_ORDER:
        before, after = getattr(read, earlier), getattr(read, later)
        if None in (before, after):
            continue
        if after < before:
            problems.append(f"{later}: is before {earlier}")
    return problems


def _without_prior(read: _File) -> list[str]:
    """Return what is told of an earlier irradiation that is not declared, or denied."""
    if read.prior_rt == "yes":
        return []
    told = [name for name in OF_PRIOR if getattr(read, name) not in (None, ())]
    return [
        f"{name}: tells of an earlier irradiation; prior_rt is not yes" for name in told
    ]


def _prior(read: _File) -> PriorRadiotherapy | None:
    if read.prior_rt is None:
        return None
    return PriorRadiotherapy(read.prior_rt)


def facts_schema() -> dict[str, object]:
    """Return the JSON Schema of a `case.toml`, for editors."""
    return TypeAdapter(_File).json_schema()


def _refusal(problems: list[str], *, path: Path | None) -> CaseError:
    if len(problems) == 1:
        return CaseError(Text("case facts: {problem}", problem=problems[0]), path=path)
    sentence = Text("the case facts have {count} problems", count=len(problems))
    return CaseError(sentence, path=path, candidates=problems)


def _problem(error: "ErrorDetails") -> str:
    location = error["loc"]
    place = ".".join(name for name in location if isinstance(name, str))
    known = _File.__dataclass_fields__.keys()
    if not known.isdisjoint(location):
        return f"{place}: {_message(error)}"
    near = difflib.get_close_matches(place, known, n=1)
    if near:
        return f"{place}: unknown key; did you mean {near[0]}?"
    return f"{place}: unknown key"


def _message(error: "ErrorDetails") -> str:
    kind, given = error["type"], error["input"]
    if kind == "string_pattern_mismatch":
        return f"{given!r} is not a vertebral level such as T8"
    if kind == "literal_error":
        return f"{given!r} is not one of {error['ctx']['expected']}"
    if kind.startswith("date"):
        return f"{given!r} is not a date such as 2026-01-31"
    return error["msg"]
