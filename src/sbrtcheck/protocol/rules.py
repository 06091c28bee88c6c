"""A protocol as data: schemes, levels, structures and limits, each limit with source and basis."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    with_config,
)

from sbrtcheck.model import sealed
from sbrtcheck.protocol.metric import Constraint, parse_constraint

__all__ = [
    "Basis",
    "Calendar",
    "Coverage",
    "DoseRules",
    "Expected",
    "Levels",
    "Limit",
    "Line",
    "NeuralRules",
    "OrganRules",
    "Protocol",
    "Role",
    "Scheme",
    "Schemes",
    "Severity",
    "StructureNames",
    "Title",
]

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
Severity = Literal["error", "ask", "warning", "info", "off"]
OrganSeverity = Literal["error", "warning", "info"]
ROUNDING_GY = 1e-9  # of a difference of doses that were written as decimals
NEAR_MAXIMUM = "D0.035cc"
NonEmpty = Annotated[str, Field(min_length=1)]
RuleId = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _constraint(text: object) -> Constraint:
    """Parse a constraint; a number without its metric is none."""
    if not isinstance(text, str):
        raise ValueError(  # noqa: TRY004 - the one that pydantic tells of
            f'{text!r} is no constraint; write it so: "D0.035cc <= 25.3Gy"'
        )
    return parse_constraint(text)


ParsedConstraint = Annotated[
    Constraint,
    BeforeValidator(_constraint),
    WithJsonSchema({"type": "string", "examples": ["D0.035cc <= 25.3Gy"]}),
]


class Basis(StrEnum):
    """What a limit rests on."""

    TRIAL = "trial"
    PUBLISHED = "published"
    DERIVED = "derived"
    CONVENTION = "convention"


class Role(StrEnum):
    """What a structure is to the checks."""

    CORD = "cord"
    CORD_PRV = "cord_prv"
    CAUDA = "cauda"
    SAC = "sac"
    CANAL = "canal"
    PTV = "ptv"
    CTV = "ctv"
    GTV = "gtv"
    VERTEBRA = "vertebra"
    EXTERNAL = "external"
    ORGAN = "organ"


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """An allowed fraction number, and its total dose; without one, any dose is allowed."""

    dose_gy: Positive | None = None
    fractions: Annotated[int, Field(gt=0)]


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Schemes:
    """The allowed schemes; doses that differ by no more than the tolerance are equal."""

    allowed: Annotated[tuple[Scheme, ...], Field(min_length=1)]
    tolerance_gy: Positive
    basis: Basis
    source: NonEmpty

    def same_dose(self, one_gy: float, other_gy: float) -> bool:
        """Tell whether two prescribed doses are one, within the tolerance."""
        return abs(one_gy - other_gy) <= self.tolerance_gy + ROUNDING_GY

    def allows(self, dose_gy: float, fractions: int) -> bool:
        """Tell whether some scheme of this fraction number has this dose, or names none."""
        return any(
            self._is(row.dose_gy, dose_gy)
            for row in self.allowed
            if row.fractions == fractions
        )

    def _is(self, allowed_gy: float | None, dose_gy: float) -> bool:
        if allowed_gy is None:
            return True
        return self.same_dose(allowed_gy, dose_gy)


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The vertebrae that may be treated, and how many of them."""

    allowed: Annotated[tuple[str, ...], Field(min_length=1)]
    most: Annotated[int, Field(gt=0)]
    basis: Basis
    source: NonEmpty


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that a metric must keep, and what it rests on."""

    constraint: ParsedConstraint
    basis: Basis
    source: NonEmpty


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What every target must reach; without a second line, missing the goal is a FAIL."""

    goal: Line
    variation: Line | None = None


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The limit of one structure at one fraction number."""

    structure: NonEmpty
    fractions: Annotated[int, Field(gt=0)]
    goal: Line
    variation: Line | None = None

    @property
    def last_line(self) -> Line:
        """Return the line beyond which the answer is FAIL."""
        if self.variation is None:
            return self.goal
        return self.variation

    @property
    def is_near_maximum(self) -> bool:
        """Tell whether it bounds D0.035cc in Gy from above."""
        constraint = self.goal.constraint
        return constraint.is_upper and str(constraint.metric) == NEAR_MAXIMUM

    @property
    def strictness(self) -> tuple[float, float, str]:
        """Return what orders limits of one metric, the strictest first."""
        first, last = self.goal.constraint.limit, self.last_line.constraint.limit
        if self.goal.constraint.is_upper:
            return first, last, self.goal.source
        return -first, -last, self.goal.source


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class OrganRules:
    """How an organ is judged: beyond its limits, and where it is not drawn.

    Beyond the last line, severity "error" is a FAIL and "warning" a VARIATION. At `expected_at`
    levels an organ that is not drawn is asked for if its severity is "error", otherwise it is a
    VARIATION; `absent` overrides that. An organ that runs `along_spine` needs contours on every
    plane of a target, at some levels `continued_by` others.
    """

    severity: OrganSeverity
    expected_at: tuple[str, ...] = ()
    absent: Literal["ask", "warning"] | None = None
    along_spine: bool = False
    continued_by: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_asked_for(self) -> bool:
        """Tell whether its absence where it is expected leaves a question open."""
        if self.absent is not None:
            return self.absent == "ask"
        return self.severity == "error"


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """At these levels one of these organs has to be drawn."""

    any_of: Annotated[tuple[str, ...], Field(min_length=1)]
    at: Annotated[tuple[str, ...], Field(min_length=1)]


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When the course should run, counted from surgery, and how old the patient must be.

    Days beyond `days_from_surgery` are a variation, unless they lie in `days_reported`.
    """

    days_from_surgery: tuple[int, int]
    days_reported: tuple[int, int] | None = None
    most_days: Annotated[int, Field(gt=0)]
    least_age_years: Annotated[int, Field(ge=0)]
    basis: Basis
    source: NonEmpty
    window_basis: Basis | None = None


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the record of a trial says of its patients and centres.

    `days_without_radiotherapy` is how long no treated level may have been irradiated before the
    first fraction, `most_affected` how many vertebrae may be affected. `centres` gives each centre
    the names that its files may state.
    """

    days_without_radiotherapy: Annotated[int, Field(gt=0)]
    most_affected: Annotated[int, Field(gt=0)]
    plan_dates: tuple[date, date] | None = None
    centres: dict[str, tuple[str, ...]] = field(default_factory=dict)
    basis: Basis
    source: NonEmpty


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralRules:
    """How far beyond each target the neural structures must be drawn, and the margin of a PRV.

    `prv_margin_mm` makes a planning risk volume from the cord where none is drawn; a drawn one
    wider than `prv_widest_mm` is reported. Up to `continued_mm` may be missing at an end.
    """

    extent_mm: Positive
    basis: Basis
    source: NonEmpty
    prv_margin_mm: Positive = 2.0
    prv_widest_mm: Positive = 3.5
    continued_mm: Annotated[float, Field(ge=0)] = 5.0


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class DoseRules:
    """Dose grid spacing, and the target medians that fit a prescription.

    A median above `median_variation` fits, and is a VARIATION.
    """

    grid_goal_mm: Positive
    grid_variation_mm: Positive
    median_low: Positive
    median_high: Positive
    basis: Basis
    source: NonEmpty
    median_variation: Positive = 1.25


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class StructureNames:
    """The names that mean one structure.

    A name is matched after full-width characters, case, spaces, dots and underscores are
    evened out. An alias is a plain name, or `re:` and a regular expression to be searched for.
    `parts` are the structures that together make this one up where it is not drawn itself.
    """

    role: Role
    aliases: Annotated[tuple[str, ...], Field(min_length=1)]
    exclude: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@with_config(STRICT)
@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """What the protocol is called, and whether anybody has approved it."""

    id: NonEmpty
    version: NonEmpty
    title: NonEmpty
    status: Literal["draft", "approved"]
    trial: str = ""
    dosimetry_set: NonEmpty
    source: NonEmpty


@with_config(STRICT)
@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A protocol as read from its files; `sha256` is that of the file and its table of names."""

    schema: Literal[1]
    protocol: Title
    schemes: Schemes
    levels: Levels | None = None
    coverage: Coverage
    limits: Annotated[tuple[Limit, ...], Field(min_length=1)]
    neural: NeuralRules
    dose: DoseRules
    checks: dict[RuleId, Severity] = field(default_factory=dict)
    never_match: tuple[str, ...] = ()
    structures: dict[str, StructureNames]
    organs: dict[str, OrganRules] = field(default_factory=dict)
    expected: tuple[Expected, ...] = ()
    calendar: Calendar | None = None
    record: Record | None = None
    sha256: str = ""

    def __repr__(self) -> str:
        title = self.protocol
        return f"Protocol({title.id} {title.version}, {len(self.limits)} limits)"

    def limits_of(self, structure: str, fractions: int) -> tuple[Limit, ...]:
        """Return the limits of a structure at this fraction number, in the order of the file."""
        asked = structure, fractions
        return tuple(
            row for row in self.limits if (row.structure, row.fractions) == asked
        )

    def near_maximum(self, structure: str, fractions: int) -> Limit | None:
        """Return the strictest limit of a structure's D0.035cc at this fraction number."""
        rows = [
            row for row in self.limits_of(structure, fractions) if row.is_near_maximum
        ]
        return min(rows, key=lambda row: row.strictness, default=None)

    def largest_line(self, structure: str) -> Line | None:
        """Return the largest last line of a structure's D0.035cc at any fraction number."""
        lines = [
            row.last_line
            for row in self.limits
            if row.structure == structure and row.is_near_maximum
        ]
        return max(lines, key=lambda line: line.constraint.limit, default=None)

    def structures_of(self, role: Role) -> tuple[str, ...]:
        """Return the structures of a role, in the order of the table."""
        return tuple(name for name, row in self.structures.items() if row.role is role)

    def structure_of(self, role: Role) -> str:
        """Return the first structure of a role."""
        return self.structures_of(role)[0]
