"""The language of dosimetry: parse it, print it, evaluate it.

    metric     := D NUM (% | cc) | V NUM (% | Gy) | Dmin | Dmax | Dmean | volume   [ "[" unit "]" ]
    constraint := metric (<= | < | >= | >) NUM (Gy | % | cc)

`%` after D or V-of-dose means of the ROI's volume; `V100%` is the volume that receives at least
100 % of the prescription. A unit in brackets asks for the answer in it: `V20Gy[cc]`, `D95%[%]`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from sbrtcheck.dvh import DVH
from sbrtcheck.errors import MetricError
from sbrtcheck.model import Prescription, Text

__all__ = [
    "Constraint",
    "Dosimetry",
    "Metric",
    "Value",
    "evaluate",
    "parse_constraint",
    "parse_metric",
]


@dataclass(frozen=True, slots=True)
class Metric:
    """One question to a DVH, for example `D0.035cc`.

    Parameters
    ----------
    kind
        "D", "V", "Dmin", "Dmax", "Dmean" or "volume".
    argument, argument_unit
        What stands behind D or V: 0.035 and "cc".
    unit
        Of the answer: "Gy", "%" or "cc".
    """

    kind: str
    unit: str
    argument: float | None = None
    argument_unit: str = ""

    def __str__(self) -> str:
        number = "" if self.argument is None else number_text(self.argument)
        asked = "" if self.unit == self._default_unit else f"[{self.unit}]"
        return f"{self.kind}{number}{self.argument_unit}{asked}"

    @property
    def _default_unit(self) -> str:
        return DEFAULT_UNIT[self.kind]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit on a metric: `D0.035cc <= 25.3Gy`."""

    metric: Metric
    operator: str
    limit: float

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {number_text(self.limit)}{self.metric.unit}"

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
        return self.limit - value if self.is_upper else value - self.limit


@dataclass(frozen=True, slots=True)
class Value:
    """What a metric came to, in the metric's unit.

    `value` is None where it cannot be known, and `reason` says why. `low` and `high` bound the
    true answer where more than the nominal value is known; None where no bound is known.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dosimetry:
    """What a metric may need: DVHs by structure, and the prescription."""

    dvhs: Mapping[str, DVH] = field(default_factory=dict)
    prescription: Prescription | None = None


DEFAULT_UNIT = {"D": "Gy", "V": "%", "Dmin": "Gy", "Dmax": "Gy", "Dmean": "Gy", "volume": "cc"}
ARGUMENT_UNITS = {"D": ("%", "cc"), "V": ("%", "Gy")}
RESULT_UNITS = {"Gy": ("Gy", "%"), "%": ("%", "cc"), "cc": ("cc",)}
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
    return str(int(number)) if number.is_integer() else f"{Decimal(repr(number)):f}"


class _Scanner:
    """Walks along a text; an error points at the place reached."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, expected: str) -> MetricError:
        return MetricError(self.text, self.at, expected)

    def space(self) -> None:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def one_of(self, *words: str) -> str | None:
        """Take the longest of these words that stands here, if any."""
        for word in sorted(words, key=len, reverse=True):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return word
        return None

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
    """Read a constraint such as `D0.035cc <= 25.3Gy`.

    Raises
    ------
    MetricError
        If it does not parse, or its limit has another unit than the metric's answer.
    """
    scanner = _Scanner(text)
    scanner.space()
    metric = _metric(scanner)
    scanner.space()
    sign = scanner.one_of(*COMPARE, *SIGNS)
    if sign is None:
        raise scanner.fail("expected <=, <, >= or >")
    operator = SIGNS.get(sign, sign)
    scanner.space()
    limit = scanner.number()
    scanner.space()
    unit_at = scanner.at
    unit = scanner.one_of("Gy", "%", "cc")
    if unit is None:
        raise scanner.fail("expected the limit's unit: Gy, % or cc")
    scanner.end()
    if unit != metric.unit:
        allowed = RESULT_UNITS[DEFAULT_UNIT[metric.kind]]
        explicit = "[" in text.partition(sign)[0]
        if explicit or unit not in allowed:
            scanner.at = unit_at
            raise scanner.fail(f"{metric} is in {metric.unit}, the limit in {unit}")
        metric = Metric(metric.kind, unit, metric.argument, metric.argument_unit)
    return Constraint(metric, operator, limit)


def _metric(scanner: _Scanner) -> Metric:
    kind = scanner.one_of(*DEFAULT_UNIT)
    if kind is None:
        raise scanner.fail("expected D, V, Dmin, Dmax, Dmean or volume")
    argument, argument_unit = None, ""
    if kind in ARGUMENT_UNITS:
        start = scanner.at
        argument = scanner.number()
        found = scanner.one_of(*ARGUMENT_UNITS[kind])
        if found is None:
            raise scanner.fail(f"expected {' or '.join(ARGUMENT_UNITS[kind])}")
        argument_unit = found
        if kind == "D" and not (argument > 0 and (argument_unit != "%" or argument <= 100)):
            scanner.at = start
            raise scanner.fail("expected a volume above 0 and at most 100 %")
    unit = DEFAULT_UNIT[kind]
    if scanner.one_of("["):
        asked = scanner.one_of(*RESULT_UNITS[unit])
        if asked is None or not scanner.one_of("]"):
            raise scanner.fail(f"expected [{'] or ['.join(RESULT_UNITS[unit])}]")
        unit = asked
    return Metric(kind, unit, argument, argument_unit)


def evaluate(metric: Metric, structure: str, dosimetry: Dosimetry) -> Value:
    """Answer a metric of a structure, or say why it cannot be known.

    Where the ROI leaves the dose grid, the part inside still bounds a near-maximum from below.
    """
    dvh = dosimetry.dvhs.get(structure)
    if dvh is None:
        return Value(None, reason=Text("{structure} is not there", structure=structure))
    if dvh.volume_cc is None:
        return Value(None, reason=dvh.notes[-1])
    if metric.kind == "volume":
        return Value(dvh.volume_cc)
    if dvh.max_gy is None:
        return Value(None, reason=Text("the ROI lies outside the dose grid"))
    rx_gy = dosimetry.prescription.dose_gy if dosimetry.prescription else None
    # `%` of dose needs the prescription, `%` of volume does not.
    of_dose = metric.argument_unit if metric.kind == "V" else metric.unit
    if rx_gy is None and of_dose == "%":
        return Value(None, reason=Text("the prescription is not known"))
    scale = 100 / rx_gy if rx_gy and metric.unit == "%" and metric.kind != "V" else 1.0
    if not dvh.is_complete:
        percent = 100 * dvh.volume_outside_cc / dvh.volume_cc
        low = _lower_bound(metric, dvh)
        return Value(
            None,
            low=None if low is None else low * scale,
            reason=Text("{percent} % of the ROI lies outside the dose grid", percent=percent),
        )
    answer = _answer(metric, dvh, rx_gy)
    if answer is None:
        return Value(
            None,
            reason=Text(
                "the ROI has {volume_cc} cc, less than the {asked} cc asked for",
                volume_cc=dvh.volume_cc,
                asked=metric.argument or 0.0,
            ),
        )
    return Value(answer * scale)


def _lower_bound(metric: Metric, dvh: DVH) -> float | None:
    """Return what the part of the ROI inside the grid proves of a near-maximum dose."""
    if metric.kind == "Dmax":
        return dvh.max_gy
    if metric.kind == "D" and metric.argument_unit == "cc" and metric.argument is not None:
        return dvh.dose_inside_gy(metric.argument)
    return None


def _answer(metric: Metric, dvh: DVH, rx_gy: float | None) -> float | None:
    """Return the answer of a DVH that knows all its dose: in Gy, cc, or % of the volume."""
    extreme = {"Dmin": dvh.min_gy, "Dmax": dvh.max_gy, "Dmean": dvh.mean_gy}
    if metric.kind in extreme:
        return extreme[metric.kind]
    argument = metric.argument or 0.0
    if metric.kind == "D":
        at = dvh.dose_at_percent_gy if metric.argument_unit == "%" else dvh.dose_at_volume_gy
        return at(argument)
    dose_gy = argument if metric.argument_unit == "Gy" else argument / 100 * (rx_gy or 0.0)
    at_dose = dvh.volume_at_dose_percent if metric.unit == "%" else dvh.volume_at_dose_cc
    return at_dose(dose_gy)
