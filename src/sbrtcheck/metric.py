"""The language of dosimetry: parse it, print it, evaluate it.

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

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from sbrtcheck.dvh import DVH, Band
from sbrtcheck.errors import MetricError
from sbrtcheck.isodose import Isodose
from sbrtcheck.model import Prescription, Text, Value

__all__ = [
    "Constraint",
    "Dosimetry",
    "Metric",
    "evaluate",
    "evaluate_metric",
    "parse_constraint",
    "parse_metric",
]


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

    def __str__(self) -> str:
        effect = ""
        if self.alpha_beta_gy is not None:
            effect = f"{self.effect}[ab={number_text(self.alpha_beta_gy)}] "
        number = "" if self.argument is None else number_text(self.argument)
        if self.upper is not None:
            number = f"[{number}-{number_text(self.upper)}]"
        asked = "" if self.unit == KINDS[self.kind].units[0] else f"[{self.unit}]"
        return f"{effect}{self.kind}{number}{self.argument_unit}{asked}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Dosimetry:
    """What a metric may need: DVHs and isodose volumes by structure, and the prescription.

    `bands` hold what else the contours and the dose of a structure may mean; where there is one,
    answers have an interval. `beyond_gy` bounds the dose in the part of a structure outside the dose grid, where that could
    be bounded.
    """

    dvhs: Mapping[str, DVH] = field(default_factory=dict)
    prescription: Prescription | None = None
    isodoses: Mapping[str, Isodose] = field(default_factory=dict)
    bands: Mapping[str, Band] = field(default_factory=dict)
    beyond_gy: Mapping[str, float] = field(default_factory=dict)


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
# Of these several formulas are in use: which one must be said.
AMBIGUOUS = ("CI", "GI", "HI")
EFFECTS = ("EQD2", "BED")
# What a monotone transform of dose leaves in place; the mean is not among it.
ORDERED = ("D", "DC", "Dmin", "Dmax", "Dmedian")
CC = {"cc": 1.0, "mm3": 1e-3}
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
    sign = scanner.one_of(*COMPARE, *SIGNS)
    if sign is None:
        raise scanner.fail("expected <=, <, >= or >")
    operator = SIGNS.get(sign, sign)
    scanner.space()
    limit = scanner.number()
    scanner.space()
    unit_at = scanner.at
    unit = scanner.one_of("Gy", "%", "cc") or ""
    if not unit and metric.unit:
        raise scanner.fail("expected the limit's unit: Gy, % or cc")
    scanner.end()
    if unit != metric.unit:
        if explicit or unit not in _units(metric):
            scanner.at = unit_at
            raise scanner.fail(f"{metric} is in {metric.unit or 'no unit'}, the limit in {unit}")
        metric = replace(metric, unit=unit)
    return Constraint(metric, operator, limit)


def _units(metric: Metric) -> tuple[str, ...]:
    """Return the units that the answer can have; an effect is always in Gy."""
    return ("Gy",) if metric.effect else KINDS[metric.kind].units


def _metric(scanner: _Scanner) -> Metric:
    effect, alpha_beta_gy = _effect(scanner)
    start = scanner.at
    kind = scanner.one_of(*KINDS, *AMBIGUOUS)
    if kind is None:
        raise scanner.fail(f"expected one of {', '.join(KINDS)}")
    if kind in AMBIGUOUS:
        scanner.at = start
        formulas = " or ".join(name for name in KINDS if name.startswith(kind))
        raise scanner.fail(f"name the formula: {formulas}")
    if effect and kind not in ORDERED:
        scanner.at = start
        raise scanner.fail(f"{effect} is told of {', '.join(ORDERED)} only")
    argument, upper, argument_unit = None, None, ""
    if kind == "V" and scanner.one_of("["):
        argument, upper = _range(scanner)
        argument_unit = _argument_unit(scanner, kind)
    elif KINDS[kind].argument_units:
        at = scanner.at
        argument = scanner.number()
        argument_unit = _argument_unit(scanner, kind)
        if kind in ("D", "DC") and not (argument > 0 and (argument_unit != "%" or argument <= 100)):
            scanner.at = at
            raise scanner.fail("expected a volume above 0 and at most 100 %")
    metric = Metric(
        kind, KINDS[kind].units[0], argument, argument_unit, upper, effect, alpha_beta_gy
    )
    choices = tuple(unit for unit in _units(metric) if unit)
    if choices and scanner.one_of("["):
        asked = scanner.one_of(*choices)
        if asked is None or not scanner.one_of("]"):
            raise scanner.fail(f"expected [{'] or ['.join(choices)}]")
        metric = replace(metric, unit=asked)
    return metric


def _effect(scanner: _Scanner) -> tuple[str, float | None]:
    """Take `EQD2[ab=2] ` or `BED[ab=3] `, if one stands here."""
    effect = scanner.one_of(*EFFECTS)
    if effect is None:
        return "", None
    if not scanner.one_of("[ab="):
        raise scanner.fail(f"expected [ab=...] after {effect}: name the alpha/beta in Gy")
    start = scanner.at
    alpha_beta_gy = scanner.number()
    if alpha_beta_gy <= 0:
        scanner.at = start
        raise scanner.fail("expected an alpha/beta above 0")
    if not scanner.one_of("]"):
        raise scanner.fail("expected ]")
    scanner.space()
    return effect, alpha_beta_gy


def _range(scanner: _Scanner) -> tuple[float, float]:
    low = scanner.number()
    if not scanner.one_of("-"):
        raise scanner.fail("expected - between the ends of the range")
    start = scanner.at
    high = scanner.number()
    if high <= low:
        scanner.at = start
        raise scanner.fail("expected a range that rises")
    if not scanner.one_of("]"):
        raise scanner.fail("expected ]")
    return low, high


def _argument_unit(scanner: _Scanner, kind: str) -> str:
    choices = KINDS[kind].argument_units
    found = scanner.one_of(*choices)
    if found is None:
        raise scanner.fail(f"expected {' or '.join(choices)}")
    return found


def evaluate(metric: Metric, structure: str, dosimetry: Dosimetry) -> Value:
    """Answer a metric of a structure, or say why it cannot be known.

    Where the ROI leaves the dose grid, the part inside still bounds a near-maximum from below;
    where the dose outside is bounded too, so is every metric.

    Notes
    -----
    D, V: cumulative DVH. BED = D (1 + D / (n ab)), EQD2 = BED / (1 + 2 / ab) (Fowler 1989, Br J
    Radiol 62:679), n the prescribed fractions. TV the target's volume, PIV the volume of the
    prescription isodose, TV_PIV what they share: CI.rtog = PIV / TV (Shaw 1993, IJROBP 27:1231),
    CI.paddick = TV_PIV^2 / (TV PIV) (Paddick 2000, J Neurosurg 93 Suppl 3:219), GI.paddick =
    PIV at half the prescription / PIV (Paddick and Lippitz 2006, J Neurosurg 105 Suppl:194),
    R50 = PIV at half the prescription / TV (RTOG 0813). HI.icru83 = (D2% - D98%) / D50% (ICRU
    report 83, 2010).
    """
    dvh = dosimetry.dvhs.get(structure)
    if dvh is None:
        return Value(None, reason=Text("{structure} is not there", structure=structure))
    if dvh.volume_cc is None:
        return Value(None, reason=dvh.notes[-1])
    band = dosimetry.bands.get(structure) or Band(nominal=dvh, members={})
    if metric.kind == "volume":
        return band.volume_cc
    bound_gy = dosimetry.beyond_gy.get(structure)
    if dvh.max_gy is None and bound_gy is None:
        return Value(None, reason=Text("the ROI lies outside the dose grid"))
    rx_gy = dosimetry.prescription.dose_gy if dosimetry.prescription else None
    if rx_gy is None and _needs_prescription(metric):
        return Value(None, reason=Text("the prescription is not known"))
    if metric.effect and dosimetry.prescription and dosimetry.prescription.fractions < 1:
        return Value(None, reason=Text("the number of fractions is not known"))
    if metric.kind in INDICES:
        isodose = dosimetry.isodoses.get(structure)
        return band.interval(lambda member: _index(metric, member, rx_gy or 0.0, isodose))
    value = band.interval(lambda member: _of_dvh(metric, member, rx_gy, bound_gy))
    if metric.unit == "%" and metric.kind in ("V", "CV") and value.high is not None:
        value = replace(value, high=min(value.high, 100.0))
    return _in_asked_unit(value, metric, dosimetry.prescription)


def evaluate_metric(
    metric: Metric | str, dvh: DVH | Band, *, prescription: Prescription | None = None
) -> Value:
    """Answer a metric of one ROI from its DVH, or from its band with an interval.

    Parameters
    ----------
    metric
        A metric, or its text: "D0.035cc", "V20Gy", "V100%", "EQD2[ab=2] D0.035cc".
    dvh
        What `compute_dvh` or `compute_band` returned.
    prescription
        Needed where the metric speaks of it (V100%) or of fractions (EQD2, BED).

    Returns
    -------
    The value in the metric's unit, with `low` and `high` where a band was given; None and a reason
    where it cannot be known. Conformity and gradient indices need isodose volumes of a whole case:
    `check` reports them.

    Raises
    ------
    MetricError
        If the text is no metric.

    Examples
    --------
    >>> from sbrtcheck import Prescription, compute_band, evaluate_metric
    >>> from sbrtcheck.phantoms import Sphere, even_axis, linear_dose
    >>> axis = even_axis(-20, 20, 2)
    >>> dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=20).sampled(axis, axis, axis)
    >>> band = compute_band(Sphere(radius_mm=10).roi("sphere", spacing_mm=2), dose)
    >>> rx = Prescription(dose_gy=20, fractions=5)
    >>> round(evaluate_metric("V100%", band, prescription=rx).value, 1)
    50.0
    >>> print(evaluate_metric("V100%", band).reason)
    the prescription is not known
    """
    if isinstance(metric, str):
        metric = parse_metric(metric)
    band = dvh if isinstance(dvh, Band) else Band(nominal=dvh, members={})
    roi = band.nominal.roi_name
    dosimetry = Dosimetry(dvhs={roi: band.nominal}, prescription=prescription, bands={roi: band})
    value = evaluate(metric, roi, dosimetry)
    # One curve has no interval; what bounds an unknown answer stays.
    alone = isinstance(dvh, DVH) and value.value is not None
    return replace(value, low=None, high=None) if alone else value


def _of_dvh(metric: Metric, dvh: DVH, rx_gy: float | None, bound_gy: float | None) -> Value:
    """Answer a metric of dose or volume from one DVH."""
    if not dvh.is_complete:
        return _partly_known(metric, dvh, rx_gy, bound_gy)
    answer = _answer(metric, dvh, rx_gy)
    return Value(answer) if answer is not None else Value(None, reason=_too_small(metric, dvh))


def _needs_prescription(metric: Metric) -> bool:
    """Tell whether a metric knows its answer only with the prescription."""
    of_dose = metric.argument_unit if metric.kind in ("V", "CV") else metric.unit
    isodose = metric.kind in ("CI.rtog", "CI.paddick", "GI.paddick", "R50")
    return of_dose == "%" or bool(metric.effect) or isodose


def _too_small(metric: Metric, dvh: DVH) -> Text:
    return Text(
        "the ROI has {volume_cc} cc, less than the {asked} {unit} asked for",
        volume_cc=dvh.volume_cc or 0.0,
        asked=metric.argument or 0.0,
        unit=metric.argument_unit,
    )


def _in_asked_unit(value: Value, metric: Metric, prescription: Prescription | None) -> Value:
    """Turn doses in Gy into percent of the prescription or an effect, where that is asked."""
    if KINDS[metric.kind].units is not DOSE or prescription is None:
        return value

    def told(dose_gy: float | None) -> float | None:
        if dose_gy is None:
            return None
        if metric.alpha_beta_gy is not None:
            each_gy = dose_gy / prescription.fractions
            bed_gy = dose_gy * (1 + each_gy / metric.alpha_beta_gy)
            return bed_gy / (1 + 2 / metric.alpha_beta_gy) if metric.effect == "EQD2" else bed_gy
        return dose_gy * 100 / prescription.dose_gy if metric.unit == "%" else dose_gy

    return replace(value, value=told(value.value), low=told(value.low), high=told(value.high))


def _answer(metric: Metric, dvh: DVH, rx_gy: float | None) -> float | None:
    """Return the answer of a DVH that knows all its dose: in Gy, cc, or % of the volume."""
    extreme = {"Dmin": dvh.min_gy, "Dmax": dvh.max_gy, "Dmean": dvh.mean_gy}
    if metric.kind in extreme:
        return extreme[metric.kind]
    if metric.kind == "Dmedian":
        return dvh.dose_at_percent_gy(50.0)
    if metric.kind in ("D", "DC"):
        return _dose_at(metric, dvh)
    return _volume_at(metric, dvh, rx_gy)


def _asked_cc(metric: Metric, volume_cc: float) -> float:
    """Return the volume that stands behind D or DC."""
    argument = metric.argument or 0.0
    return argument * (volume_cc / 100 if metric.argument_unit == "%" else CC[metric.argument_unit])


def _dose_at(metric: Metric, dvh: DVH) -> float | None:
    volume_cc = dvh.volume_cc or 0.0
    asked_cc = _asked_cc(metric, volume_cc)
    if metric.kind == "D":
        return dvh.dose_at_volume_gy(asked_cc)
    if asked_cc > volume_cc * (1 + 1e-12):
        return None
    rest_cc = volume_cc - asked_cc
    return dvh.max_gy if rest_cc <= 0 else dvh.dose_at_volume_gy(rest_cc)


def _volume_at(metric: Metric, dvh: DVH, rx_gy: float | None) -> float | None:
    """Return the volume above, below or between doses, in cc or % of the ROI's."""
    low_gy, high_gy = _doses_gy(metric, rx_gy)
    above_cc = dvh.volume_at_dose_cc(low_gy)
    if above_cc is None or dvh.volume_cc is None:
        return None
    volume_cc = above_cc
    if metric.kind == "CV":
        volume_cc = dvh.volume_cc - above_cc
    elif high_gy is not None:
        volume_cc = above_cc - (dvh.volume_at_dose_cc(high_gy) or 0.0)
    return volume_cc if metric.unit == "cc" else 100 * volume_cc / dvh.volume_cc


def _doses_gy(metric: Metric, rx_gy: float | None) -> tuple[float, float | None]:
    scale = 1.0 if metric.argument_unit == "Gy" else (rx_gy or 0.0) / 100
    upper = None if metric.upper is None else metric.upper * scale
    return (metric.argument or 0.0) * scale, upper


# --- ROIs that leave the dose grid --------------------------------------------------------------


def _partly_known(metric: Metric, dvh: DVH, rx_gy: float | None, bound_gy: float | None) -> Value:
    """Answer from the part inside the grid and, where there is one, the bound of the rest."""
    volume_cc = dvh.volume_cc or 0.0
    percent = 100 * dvh.volume_outside_cc / volume_cc
    if bound_gy is None:
        return Value(
            None,
            low=_lower_bound(metric, dvh),
            reason=Text("{percent} % of the ROI lies outside the dose grid", percent=percent),
        )
    reason = Text(
        "{percent} % of the ROI lies outside the dose grid, where dose is at most {bound_gy} Gy",
        percent=percent,
        bound_gy=bound_gy,
    )
    ends = [
        _with_outside(metric, dvh, rx_gy, outside_gy)
        for outside_gy in _outside_doses_gy(metric, rx_gy, bound_gy)
    ]
    if None in ends:
        return Value(None, reason=_too_small(metric, dvh))
    low, high = min(e for e in ends if e is not None), max(e for e in ends if e is not None)
    if dvh.max_gy is None:  # no dose of it is known, only how much it can be
        return Value(None, low=low, high=high, reason=reason)
    if low == high:
        return Value(low, reason=reason)
    # The bound of the outside is a corner case, the part inside is what was planned.
    nominal = low if metric.kind in ("D", "Dmax") else (low + high) / 2
    return Value(nominal, low=low, high=high, reason=reason)


def _outside_doses_gy(metric: Metric, rx_gy: float | None, bound_gy: float) -> list[float]:
    """Return doses of the part outside that give a metric its least and its greatest answer.

    All metrics rise or fall with that dose, but the volume of a range: it also has its lower end.
    """
    doses_gy = [0.0, bound_gy]
    if metric.upper is not None and (low_gy := _doses_gy(metric, rx_gy)[0]) < bound_gy:
        doses_gy.append(low_gy)
    return doses_gy


def _lower_bound(metric: Metric, dvh: DVH) -> float | None:
    """Return what the part of the ROI inside the grid proves of a near-maximum dose."""
    if metric.kind == "Dmax":
        return dvh.max_gy
    if metric.kind == "D" and metric.argument_unit != "%":
        return dvh.dose_inside_gy(_asked_cc(metric, 0.0))
    return None


def _with_outside(metric: Metric, dvh: DVH, rx_gy: float | None, outside_gy: float) -> float | None:
    """Answer as if the whole part outside the grid received one dose."""
    return _answer(metric, dvh.with_outside_at(outside_gy), rx_gy)


# --- Indices of targets -------------------------------------------------------------------------

INDICES = ("CI.rtog", "CI.paddick", "GI.paddick", "HI.icru83", "R50")


def _index(metric: Metric, dvh: DVH, rx_gy: float, isodose: Isodose | None) -> Value:
    if not dvh.is_complete or dvh.volume_cc is None:
        return Value(None, reason=Text("a part of the target lies outside the dose grid"))
    if metric.kind == "HI.icru83":
        return _homogeneity(dvh)
    if isodose is None:
        return Value(None, reason=Text("the isodose volume was not computed"))
    needed = {
        "CI.rtog": (isodose.full,),
        "CI.paddick": (isodose.full,),
        "GI.paddick": (isodose.full, isodose.half),
        "R50": (isodose.half,),
    }[metric.kind]
    for level in needed:
        if level.volume_cc is None:
            return Value(None, reason=level.reason)
    full_cc, half_cc = isodose.full.volume_cc or 0.0, isodose.half.volume_cc or 0.0
    if metric.kind == "R50":
        return Value(half_cc / dvh.volume_cc)
    if metric.kind == "CI.rtog":
        return Value(full_cc / dvh.volume_cc)
    if full_cc == 0:
        return Value(None, reason=Text("no dose reaches the prescription"))
    if metric.kind == "GI.paddick":
        return Value(half_cc / full_cc)
    # What of the target is outside the body contour has dose, but no part in the isodose volume.
    covered_cc = min(dvh.volume_at_dose_cc(rx_gy) or 0.0, full_cc)
    return Value(covered_cc**2 / (dvh.volume_cc * full_cc))


def _homogeneity(dvh: DVH) -> Value:
    d2, d50, d98 = (dvh.dose_at_percent_gy(percent) for percent in (2.0, 50.0, 98.0))
    if d2 is None or d98 is None or not d50:
        return Value(None, reason=Text("the target has no median dose"))
    return Value((d2 - d98) / d50)
