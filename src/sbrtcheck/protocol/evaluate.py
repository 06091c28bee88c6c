"""Answer a metric from DVHs, or say why it cannot be known."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

from sbrtcheck.dvh import DVH, Band, DVHResult, NoDose, NothingDrawn
from sbrtcheck.dvh.beyond import Bound
from sbrtcheck.dvh.isodose import Isodose, IsodoseVolume
from sbrtcheck.model import Prescription, Text, Value
from sbrtcheck.protocol.metric import (
    ISODOSE_INDICES,
    Metric,
    parse_metric,
)

__all__ = ["INDICES", "Dosimetry", "evaluate", "evaluate_metric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dosimetry:
    """What a metric may need: DVHs and isodose volumes by structure, and the prescription.

    `bands` hold what else the contours and the dose of a structure may mean; where there is one,
    answers have an interval. `beyond` bounds the dose in the part of a structure outside the dose
    grid, where that could be bounded. `highest` are bands in the highest dose that a sum of plans
    can be, where that differs.
    """

    dvhs: Mapping[str, DVHResult] = field(default_factory=dict)
    prescription: Prescription | None = None
    isodoses: Mapping[str, Isodose] = field(default_factory=dict)
    bands: Mapping[str, Band] = field(default_factory=dict)
    beyond: Mapping[str, Bound] = field(default_factory=dict)
    highest: Mapping[str, Band] = field(default_factory=dict)

    def bound_gy(
        self, structure: str, metric: Metric, limit: float | None
    ) -> float | None:
        """Return what bounds the dose beyond the grid, as far as it counts for a limit."""
        bound = self.beyond.get(structure)
        if bound is None:
            return None
        if not bound.is_near:
            return bound.dose_gy
        asked_gy = limit
        if metric.argument_unit == "Gy":  # a volume is asked for at this dose
            asked_gy = metric.argument
        if asked_gy is None or bound.dose_gy > SMALL * asked_gy:
            return None
        return bound.dose_gy


ANY_GY = 1e6  # more than any dose
SMALL = 0.5  # of a limit: the bound of a face near a target counts up to it
VOLUMES = ("V", "CV")
# No part of an ROI is more than all of it.
MOST = {("V", "%"): 100.0, ("CV", "%"): 100.0}


def evaluate(
    metric: Metric, structure: str, dosimetry: Dosimetry, *, limit: float | None = None
) -> Value:
    """Answer a metric of a structure, or say why it cannot be known.

    `limit` is what the answer will be held to, in the metric's unit: the dose beyond a face that
    is near a target is bounded only if that is small.

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
    band = dosimetry.bands.get(structure, Band(nominal=dvh, members={}))
    value = _of_band(metric, structure, band, dosimetry, limit)
    highest = dosimetry.highest.get(structure)
    if highest is None:
        return value
    return _hull(value, _of_band(metric, structure, highest, dosimetry, limit))


def _hull(lowest: Value, highest: Value) -> Value:
    """Return the interval that holds two answers; what either cannot know is not known."""
    if lowest.value is None or highest.value is None:
        reason, low = lowest.reason, lowest.low
        if reason is None:
            reason = highest.reason
        if low is None:
            low = highest.low
        return Value(None, low=low, reason=reason)
    ends = [
        lowest.value,
        lowest.low,
        lowest.high,
        highest.value,
        highest.low,
        highest.high,
    ]
    known = [end for end in ends if end is not None]
    return Value(lowest.value, low=min(known), high=max(known), reason=highest.reason)


def _of_band(
    metric: Metric,
    structure: str,
    band: Band,
    dosimetry: Dosimetry,
    limit: float | None,
) -> Value:
    if metric.kind == "volume":
        return band.volume_cc
    prescription = dosimetry.prescription
    bound_gy = dosimetry.bound_gy(structure, metric, limit)
    reason = _why_unknown(metric, band.nominal, prescription, bound_gy)
    if reason is not None:
        return Value(None, reason=reason)
    if metric.kind == "HI.icru83":
        return band.interval(_homogeneity)
    if prescription is None:
        return _of_dvhs(metric, band, bound_gy)
    if metric.kind in ISODOSE_INDICES:
        isodose = dosimetry.isodoses.get(structure)
        rx_gy = prescription.dose_gy
        return band.interval(lambda member: _index(metric, member, rx_gy, isodose))
    value = _of_dvhs(_asked_in_gy(metric, prescription), band, bound_gy)
    return _in_asked_unit(value, metric, prescription)


def _why_unknown(
    metric: Metric,
    dvh: DVHResult,
    prescription: Prescription | None,
    bound_gy: float | None,
) -> Text | None:
    """Return why a metric cannot be asked of a DVH, if it cannot."""
    if isinstance(dvh, NothingDrawn):
        return dvh.reason
    if isinstance(dvh, NoDose) and bound_gy is None:
        return dvh.reason
    if not _needs_prescription(metric):
        return None
    if prescription is None:
        return Text("the prescription is not known")
    if metric.effect and prescription.fractions < 1:
        return Text("the number of fractions is not known")
    return None


def _needs_prescription(metric: Metric) -> bool:
    """Tell whether a metric knows its answer only with the prescription."""
    if metric.effect or metric.kind in ISODOSE_INDICES:
        return True
    # V and CV ask for a dose, other metrics answer with one.
    dose_units = dict.fromkeys(VOLUMES, metric.argument_unit)
    return dose_units.get(metric.kind, metric.unit) == "%"


def _asked_in_gy(metric: Metric, prescription: Prescription) -> Metric:
    """Return a metric with the doses that it asks for in Gy: V100% of 30 Gy is V30Gy."""
    if metric.kind not in VOLUMES:
        return metric
    gy_per_unit = {"Gy": 1.0, "%": prescription.dose_gy / 100}
    scale = gy_per_unit[metric.argument_unit]
    low_gy = metric.asked * scale
    in_gy = replace(metric, argument=low_gy, argument_unit="Gy")
    if metric.upper is None:
        return in_gy
    return replace(in_gy, upper=metric.upper * scale)


def evaluate_metric(
    metric: Metric | str,
    dvh: DVHResult | Band,
    *,
    prescription: Prescription | None = None,
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
    if isinstance(dvh, Band):
        return _of_roi(metric, dvh, prescription)
    value = _of_roi(metric, Band(nominal=dvh, members={}), prescription)
    # One curve has no interval; what bounds an unknown answer stays.
    if value.value is None:
        return value
    return replace(value, low=None, high=None)


def _of_roi(metric: Metric, band: Band, prescription: Prescription | None) -> Value:
    """Answer a metric of an ROI of which nothing but its band is known."""
    roi = band.nominal.roi_name
    beyond = {}
    if band.beyond is not None:
        beyond[roi] = band.beyond
    dosimetry = Dosimetry(
        dvhs={roi: band.nominal},
        prescription=prescription,
        bands={roi: band},
        beyond=beyond,
    )
    return evaluate(metric, roi, dosimetry)


def _of_dvhs(metric: Metric, band: Band, bound_gy: float | None) -> Value:
    """Answer a metric of dose or volume from a band: in Gy, cc, or % of the volume."""
    value = band.interval(lambda member: _of_dvh(metric, member, bound_gy))
    if value.high is None:
        return value
    most = MOST.get((metric.kind, metric.unit), math.inf)
    return replace(value, high=min(value.high, most))


def _of_dvh(metric: Metric, dvh: DVHResult, bound_gy: float | None) -> Value:
    """Answer a metric of dose or volume from one DVH."""
    if isinstance(dvh, NothingDrawn):
        return Value(None, reason=dvh.reason)
    if not _knows_all(dvh):
        return _partly_known(metric, dvh, bound_gy)
    answer = _answer(metric, dvh)
    if answer is None:
        return Value(None, reason=_too_small(metric, dvh.volume_cc))
    return Value(answer)


def _knows_all(dvh: DVHResult) -> TypeGuard[DVH]:
    """Tell whether the dose is known in all of an ROI."""
    return isinstance(dvh, DVH) and dvh.is_complete


def _too_small(metric: Metric, volume_cc: float) -> Text:
    return Text(
        "the ROI has {volume_cc} cc, less than the {asked} {unit} asked for",
        volume_cc=volume_cc,
        asked=metric.asked,
        unit=metric.argument_unit,
    )


def _in_asked_unit(value: Value, metric: Metric, prescription: Prescription) -> Value:
    """Turn doses in Gy into percent of the prescription or an effect, where that is asked."""
    if metric.kind in VOLUMES:
        return value

    def told(dose_gy: float | None) -> float | None:
        if dose_gy is None:
            return None
        return _told(dose_gy, metric, prescription)

    return replace(
        value, value=told(value.value), low=told(value.low), high=told(value.high)
    )


def _told(dose_gy: float, metric: Metric, prescription: Prescription) -> float:
    if metric.alpha_beta_gy is not None:
        effect_gy = EFFECT_GY[metric.effect]
        return effect_gy(dose_gy, prescription.fractions, metric.alpha_beta_gy)
    if metric.unit == "%":
        return dose_gy * 100 / prescription.dose_gy
    return dose_gy


def _bed_gy(dose_gy: float, fractions: int, alpha_beta_gy: float) -> float:
    each_gy = dose_gy / fractions
    return dose_gy * (1 + each_gy / alpha_beta_gy)


def _eqd2_gy(dose_gy: float, fractions: int, alpha_beta_gy: float) -> float:
    bed_gy = _bed_gy(dose_gy, fractions, alpha_beta_gy)
    return bed_gy / (1 + 2 / alpha_beta_gy)


EFFECT_GY = {"BED": _bed_gy, "EQD2": _eqd2_gy}


def _answer(metric: Metric, dvh: DVH) -> float | None:
    """Return the answer of a DVH that knows all its dose: in Gy, cc, or % of the volume."""
    return ANSWERS[metric.kind](metric, dvh)


def _hottest_gy(metric: Metric, dvh: DVH) -> float | None:
    asked_cc = _asked_cc(metric, dvh.volume_cc)
    return dvh.dose_at_volume_gy(asked_cc)


def _coldest_gy(metric: Metric, dvh: DVH) -> float | None:
    volume_cc = dvh.volume_cc
    asked_cc = _asked_cc(metric, volume_cc)
    if asked_cc > volume_cc * (1 + 1e-12):
        return None
    rest_cc = volume_cc - asked_cc
    if rest_cc <= 0:
        return dvh.max_gy
    return dvh.dose_at_volume_gy(rest_cc)


def _asked_cc(metric: Metric, volume_cc: float) -> float:
    """Return the volume that stands behind D or DC."""
    cc_per_unit = {"cc": 1.0, "mm3": 1e-3, "%": volume_cc / 100}
    return metric.asked * cc_per_unit[metric.argument_unit]


def _volume_above(metric: Metric, dvh: DVH) -> float:
    above_cc = dvh.volume_inside_cc(metric.asked)
    if metric.upper is not None:
        above_cc -= dvh.volume_inside_cc(metric.upper)
    return _in_volume_unit(above_cc, metric, dvh)


def _volume_below(metric: Metric, dvh: DVH) -> float:
    above_cc = dvh.volume_inside_cc(metric.asked)
    below_cc = dvh.volume_cc - above_cc
    return _in_volume_unit(below_cc, metric, dvh)


def _in_volume_unit(volume_cc: float, metric: Metric, dvh: DVH) -> float:
    """Return a volume in cc or % of the ROI's."""
    told = {"cc": volume_cc, "%": 100 * volume_cc / dvh.volume_cc}
    return told[metric.unit]


def _least_gy(_metric: Metric, dvh: DVH) -> float:
    return dvh.min_gy


def _highest_gy(_metric: Metric, dvh: DVH) -> float:
    return dvh.max_gy


def _mean_gy(_metric: Metric, dvh: DVH) -> float:
    return dvh.mean_gy


def _median_gy(_metric: Metric, dvh: DVH) -> float | None:
    return dvh.dose_at_percent_gy(50.0)


ANSWERS: Mapping[str, Callable[[Metric, DVH], float | None]] = {
    "D": _hottest_gy,
    "DC": _coldest_gy,
    "V": _volume_above,
    "CV": _volume_below,
    "Dmin": _least_gy,
    "Dmax": _highest_gy,
    "Dmean": _mean_gy,
    "Dmedian": _median_gy,
}


def _partly_known(metric: Metric, dvh: DVH | NoDose, bound_gy: float | None) -> Value:
    """Answer from the part inside the grid and, where there is one, the bound of the rest."""
    percent = 100 * dvh.volume_outside_cc / dvh.volume_cc
    if bound_gy is None:
        low, high = _unbounded(metric, dvh)
        reason = Text(
            "{percent} % of the ROI lies outside the dose grid", percent=percent
        )
        return Value(None, low=low, high=high, reason=reason)
    ends = _ends(metric, dvh, _outside_doses_gy(metric, bound_gy))
    if ends is None:
        return Value(None, reason=_too_small(metric, dvh.volume_cc))
    low, high = ends
    reason = Text(
        "{percent} % of the ROI lies outside the dose grid, where dose is at most {bound_gy} Gy",
        percent=percent,
        bound_gy=bound_gy,
    )
    if isinstance(dvh, NoDose):  # only how much it can be is known
        return Value(None, low=low, high=high, reason=reason)
    # The bound of the outside is a corner case, the part inside is what was planned.
    nominal = (low + high) / 2
    if metric.kind in ("D", "Dmax"):
        nominal = low
    return Value(nominal, low=low, high=high, reason=reason)


def _unbounded(metric: Metric, dvh: DVH | NoDose) -> tuple[float | None, float | None]:
    """Return what the part inside the grid proves, whatever dose the part outside has."""
    if metric.upper is not None:
        return None, None
    ends = _ends(metric, dvh, (0.0, ANY_GY))
    if ends is None:
        return None, None
    low, high = ends
    if high < ANY_GY / 10:
        return low, high
    return low, None


def _outside_doses_gy(metric: Metric, bound_gy: float) -> Sequence[float]:
    """Return doses of the part outside that give a metric its least and its greatest answer.

    All metrics rise or fall with that dose, but the volume of a range: it also has its lower end.
    """
    if metric.upper is None:
        return 0.0, bound_gy
    return 0.0, bound_gy, min(metric.asked, bound_gy)


def _ends(
    metric: Metric, dvh: DVH | NoDose, outside_gy: Sequence[float]
) -> tuple[float, float] | None:
    """Return the least and the greatest answer with the whole part outside at each dose.

    None where the ROI is too small for the metric, whatever that dose is.
    """
    answers = []
    for dose_gy in outside_gy:
        answer = _answer(metric, dvh.with_outside_at(dose_gy))
        if answer is None:
            return None
        answers.append(answer)
    return min(answers), max(answers)


INDICES = (*ISODOSE_INDICES, "HI.icru83")
PARTLY_OUTSIDE = Text("a part of the target lies outside the dose grid")
NO_ISODOSE = Text("no dose reaches the prescription")


def _index(
    metric: Metric, dvh: DVHResult, rx_gy: float, isodose: Isodose | None
) -> Value:
    if not _knows_all(dvh):
        return Value(None, reason=PARTLY_OUTSIDE)
    if isodose is None:
        return Value(None, reason=Text("the isodose volume was not computed"))
    formula = FORMULAS[metric.kind]
    return formula(dvh, isodose, rx_gy)


def _ci_rtog(dvh: DVH, isodose: Isodose, _rx_gy: float) -> Value:
    return _ratio(isodose.full, dvh.volume_cc)


def _r50(dvh: DVH, isodose: Isodose, _rx_gy: float) -> Value:
    return _ratio(isodose.half, dvh.volume_cc)


def _gi_paddick(_dvh: DVH, isodose: Isodose, _rx_gy: float) -> Value:
    full_cc = isodose.full.volume_cc
    if full_cc is None:
        return Value(None, reason=isodose.full.reason)
    return _ratio(isodose.half, full_cc)


def _ci_paddick(dvh: DVH, isodose: Isodose, rx_gy: float) -> Value:
    full_cc = isodose.full.volume_cc
    if full_cc is None:
        return Value(None, reason=isodose.full.reason)
    if full_cc == 0:
        return Value(None, reason=NO_ISODOSE)
    # What of the target is outside the body contour has dose, but no part in the isodose volume.
    covered_cc = min(dvh.volume_inside_cc(rx_gy), full_cc)
    return Value(covered_cc**2 / (dvh.volume_cc * full_cc))


FORMULAS: Mapping[str, Callable[[DVH, Isodose, float], Value]] = {
    "CI.rtog": _ci_rtog,
    "CI.paddick": _ci_paddick,
    "GI.paddick": _gi_paddick,
    "R50": _r50,
}


def _ratio(level: IsodoseVolume, to_cc: float) -> Value:
    """Return how many times a volume an isodose volume is."""
    if level.volume_cc is None:
        return Value(None, reason=level.reason)
    if to_cc == 0:
        return Value(None, reason=NO_ISODOSE)
    return Value(level.volume_cc / to_cc)


def _homogeneity(dvh: DVHResult) -> Value:
    if not _knows_all(dvh):
        return Value(None, reason=PARTLY_OUTSIDE)
    d2_gy = dvh.dose_at_percent_gy(2.0)
    d50_gy = dvh.dose_at_percent_gy(50.0)
    d98_gy = dvh.dose_at_percent_gy(98.0)
    if d2_gy is None or d98_gy is None or not d50_gy:
        return Value(None, reason=Text("the target has no median dose"))
    return Value((d2_gy - d98_gy) / d50_gy)
