"""The language of dosimetry: parse it, print it.

    constraint := metric (<= | < | >= | >) NUM [Gy | % | cc]
    metric     := [ EQD2[ab=NUM] | BED[ab=NUM] ] dose | volume | index      [ "[" unit "]" ]
    dose       := D NUM (% | cc | mm3) | DC NUM (% | cc | mm3) | Dmin | Dmax | Dmean | Dmedian
    volume     := V NUM (% | Gy) | CV NUM (% | Gy) | V[ NUM - NUM ] (% | Gy) | volume
    index      := CI.rtog | CI.paddick | GI.paddick | HI.icru83 | R50

`D2%` is the least dose of the hottest 2 % of the ROI, `DC200cc` the greatest dose of the coldest
200 cc. `V20Gy` is the volume that receives at least 20 Gy, `CV10Gy` what receives less than 10 Gy,
`V[10-20]Gy` what receives at least 10 and less than 20 Gy. `V100%` is the volume that receives at
least 100 % of the prescription. A unit in brackets asks for the answer in it: `V20Gy[cc]`.
"""

import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from sbrtcheck.errors import MetricError
from sbrtcheck.model import sealed

__all__ = [
    "Constraint",
    "Metric",
    "parse_constraint",
    "parse_metric",
]


@sealed
@dataclass(frozen=True, slots=True)
class Metric:
    """One question to a DVH, for example `D0.035cc`.

    Parameters
    ----------
    kind
        One of `KINDS`: "D", "V", "Dmax", "CI.paddick" ...
    unit
        Of the answer: "Gy", "%", "cc", or "" for an index.
    argument, argument_unit
        What stands behind D, DC, V or CV: 0.035 and "cc".
    upper
        The upper end of a range of dose, V[10-20]Gy.
    effect, alpha_beta_gy
        "EQD2" or "BED" where the dose is to be told as an effect, and its alpha/beta in Gy.
    """

    kind: str
    unit: str
    argument: float | None = None
    argument_unit: str = ""
    upper: float | None = None
    effect: str = ""
    alpha_beta_gy: float | None = None

    @property
    def asked(self) -> float:
        """Return what stands behind D, DC, V or CV; no other metric may be asked for it."""
        if self.argument is None:
            raise ValueError(f"{self} has no argument")
        return self.argument

    def __str__(self) -> str:
        effect, number, unit = "", "", ""
        if self.alpha_beta_gy is not None:
            effect = f"{self.effect}[ab={number_text(self.alpha_beta_gy)}] "
        if self.argument is not None:
            number = number_text(self.argument)
        if self.upper is not None:
            number = f"[{number}-{number_text(self.upper)}]"
        if self.unit != KINDS[self.kind].units[0]:
            unit = f"[{self.unit}]"
        return f"{effect}{self.kind}{number}{self.argument_unit}{unit}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit on a metric: `D0.035cc <= 25.3Gy`."""

    metric: Metric
    operator: str
    limit: float

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.operator} {number_text(self.limit)}{self.metric.unit}"
        )

    @property
    def is_upper(self) -> bool:
        """Tell whether the limit is a maximum."""
        return self.operator in ("<", "<=")

    def holds(self, value: float) -> bool:
        """Compare an unrounded value with the limit."""
        holds: bool = COMPARE[self.operator](value, self.limit)
        return holds

    def margin(self, value: float) -> float:
        """Return how far the value stays on the right side, in the metric's unit."""
        if self.is_upper:
            return self.limit - value
        return value - self.limit


class Kind(NamedTuple):
    """A row of the language: units of the answer, the default first; units of the argument."""

    units: tuple[str, ...]
    argument_units: tuple[str, ...] = ()


DOSE, RATIO = ("Gy", "%"), ("",)
KINDS = {
    "D": Kind(DOSE, ("%", "cc", "mm3")),
    "DC": Kind(DOSE, ("%", "cc", "mm3")),
    "V": Kind(("%", "cc"), ("%", "Gy")),
    "CV": Kind(("cc", "%"), ("%", "Gy")),
    "Dmin": Kind(DOSE),
    "Dmax": Kind(DOSE),
    "Dmean": Kind(DOSE),
    "Dmedian": Kind(DOSE),
    "volume": Kind(("cc",)),
    "CI.rtog": Kind(RATIO),
    "CI.paddick": Kind(RATIO),
    "GI.paddick": Kind(RATIO),
    "HI.icru83": Kind(RATIO),
    "R50": Kind(RATIO),
}
# These ask for the volume of an isodose, which belongs to a target.
ISODOSE_INDICES = ("CI.rtog", "CI.paddick", "GI.paddick", "R50")
# Of these several formulas are in use: which one must be said.
AMBIGUOUS = {"CI": "CI.rtog or CI.paddick", "GI": "GI.paddick", "HI": "HI.icru83"}
# What of a volume there can be at most.
MOST_OF_VOLUME = {"%": 100.0, "cc": math.inf, "mm3": math.inf}
EFFECTS = ("EQD2", "BED")
# What a monotone transform of dose leaves in place; the mean is not among it.
ORDERED = ("D", "DC", "Dmin", "Dmax", "Dmedian")
COMPARE = {
    "<=": lambda value, limit: value <= limit,
    "<": lambda value, limit: value < limit,
    ">=": lambda value, limit: value >= limit,
    ">": lambda value, limit: value > limit,
}
SIGNS = {"≤": "<=", "≥": ">="}
NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")


def number_text(number: float) -> str:
    """Print a number as people write it in a constraint: 25.3, 90, 0.035."""
    if number.is_integer():
        return str(int(number))
    return f"{Decimal(repr(number)):f}"


class _Scanner:
    """Walks along a text; an error points at the place reached."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, expected: str) -> MetricError:
        return MetricError(self.text, self.at, expected)

    def space(self) -> None:
        rest = self.text[self.at :]
        self.at += len(rest) - len(rest.lstrip(" "))

    def one_of(self, *words: str) -> str | None:
        """Take the longest of these words that stands here, if any."""
        for word in sorted(words, key=len, reverse=True):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return word
        return None

    def take(self, expected: str, *words: str) -> str:
        """Take the longest of these words, one of which must stand here."""
        found = self.one_of(*words)
        if found is None:
            raise self.fail(expected)
        return found

    def number(self) -> float:
        found = NUMBER.match(self.text, self.at)
        if found is None:
            raise self.fail("expected a number")
        self.at = found.end()
        return float(found.group())

    def end(self) -> None:
        self.space()
        if self.at < len(self.text):
            raise self.fail("expected nothing more here")


def parse_metric(text: str) -> Metric:
    """Read a metric.

    Raises
    ------
    MetricError
        If it does not parse; a caret shows where.

    Examples
    --------
    >>> str(parse_metric("D0.035cc"))
    'D0.035cc'
    >>> parse_metric("V20Gy[cc]").unit
    'cc'
    """
    scanner = _Scanner(text)
    scanner.space()
    metric = _metric(scanner)
    scanner.end()
    return metric


def parse_constraint(text: str) -> Constraint:
    """Read a constraint such as `D0.035cc <= 25.3Gy` or `CI.paddick >= 0.7`.

    Raises
    ------
    MetricError
        If it does not parse, or its limit has another unit than the metric's answer.
    """
    scanner = _Scanner(text)
    scanner.space()
    metric = _metric(scanner)
    explicit = text[: scanner.at].endswith("]")
    scanner.space()
    sign = scanner.take("expected <=, <, >= or >", *COMPARE, *SIGNS)
    operator = SIGNS.get(sign, sign)
    scanner.space()
    limit = scanner.number()
    scanner.space()
    unit_at = scanner.at
    # An index has the empty unit, which stands everywhere.
    units = ("Gy", "%", "cc", *KINDS[metric.kind].units)
    unit = scanner.take("expected the limit's unit: Gy, % or cc", *units)
    scanner.end()
    if unit == metric.unit:
        return Constraint(metric, operator, limit)
    if explicit or unit not in _units(metric):
        scanner.at = unit_at
        raise scanner.fail(
            f"{metric} is in {metric.unit or 'no unit'}, the limit in {unit}"
        )
    return Constraint(replace(metric, unit=unit), operator, limit)


def _units(metric: Metric) -> tuple[str, ...]:
    """Return the units that the answer can have; an effect is always in Gy."""
    if metric.effect:
        return ("Gy",)
    return KINDS[metric.kind].units


def _metric(scanner: _Scanner) -> Metric:
    effect, alpha_beta_gy = _effect(scanner)
    kind = _kind(scanner, effect)
    argument, upper, argument_unit = _argument(scanner, kind)
    metric = Metric(
        kind,
        KINDS[kind].units[0],
        argument,
        argument_unit,
        upper,
        effect,
        alpha_beta_gy,
    )
    return replace(metric, unit=_answer_unit(scanner, metric))


def _effect(scanner: _Scanner) -> tuple[str, float | None]:
    """Take `EQD2[ab=2] ` or `BED[ab=3] `, if one stands here."""
    effect = scanner.one_of(*EFFECTS)
    if effect is None:
        return "", None
    expected = f"expected [ab=...] after {effect}: name the alpha/beta in Gy"
    scanner.take(expected, "[ab=")
    start = scanner.at
    alpha_beta_gy = scanner.number()
    if alpha_beta_gy <= 0:
        scanner.at = start
        raise scanner.fail("expected an alpha/beta above 0")
    scanner.take("expected ]", "]")
    scanner.space()
    return effect, alpha_beta_gy


def _kind(scanner: _Scanner, effect: str) -> str:
    """Take the name of a metric that can be told as this effect."""
    start = scanner.at
    expected = f"expected one of {', '.join(KINDS)}"
    kind = scanner.take(expected, *KINDS, *AMBIGUOUS)
    if kind in AMBIGUOUS:
        scanner.at = start
        raise scanner.fail(f"name the formula: {AMBIGUOUS[kind]}")
    if effect and kind not in ORDERED:
        scanner.at = start
        raise scanner.fail(f"{effect} is told of {', '.join(ORDERED)} only")
    return kind


def _argument(scanner: _Scanner, kind: str) -> tuple[float | None, float | None, str]:
    """Take what stands behind a kind: a number, the upper end of a range, their unit."""
    if not KINDS[kind].argument_units:
        return None, None, ""
    if kind == "V" and scanner.one_of("["):
        low, high = _range(scanner)
        return low, high, _argument_unit(scanner, kind)
    start = scanner.at
    argument = scanner.number()
    unit = _argument_unit(scanner, kind)
    if kind in ("D", "DC") and not 0 < argument <= MOST_OF_VOLUME[unit]:
        scanner.at = start
        raise scanner.fail("expected a volume above 0 and at most 100 %")
    return argument, None, unit


def _range(scanner: _Scanner) -> tuple[float, float]:
    low = scanner.number()
    scanner.take("expected - between the ends of the range", "-")
    start = scanner.at
    high = scanner.number()
    if high <= low:
        scanner.at = start
        raise scanner.fail("expected a range that rises")
    scanner.take("expected ]", "]")
    return low, high


def _argument_unit(scanner: _Scanner, kind: str) -> str:
    choices = KINDS[kind].argument_units
    return scanner.take(f"expected {' or '.join(choices)}", *choices)


def _answer_unit(scanner: _Scanner, metric: Metric) -> str:
    """Take the unit in brackets that the answer is asked for in; an index has none."""
    if not metric.unit or not scanner.one_of("["):
        return metric.unit
    choices = _units(metric)
    expected = f"expected [{'] or ['.join(choices)}]"
    unit = scanner.take(expected, *choices)
    scanner.take(expected, "]")
    return unit
