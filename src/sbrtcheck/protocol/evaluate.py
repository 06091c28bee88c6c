"""Answer a metric from DVHs, or say why it cannot be known."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sbrtcheck.dvh import DVH, Band, DVHResult, NoDose, NothingDrawn
from sbrtcheck.dvh.beyond import Bound
from sbrtcheck.dvh.isodose import Isodose, IsodoseVolume
from sbrtcheck.model import Prescription, Text, Value
from sbrtcheck.protocol.metric import DOSE, ISODOSE_INDICES, KINDS, Metric, parse_metric

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
        asked_gy = limit
        if metric.argument_unit == "Gy":
            asked_gy = metric.argument
        if bound.is_near and (asked_gy is None or bound.dose_gy > SMALL * asked_gy):
            return None
        return bound.dose_gy


CC = {"cc": 1.0, "mm3": 1e-3}
ANY_GY = 1e6  # more than any dose
SMALL = 0.5  # of a limit: the bound of a face near a target counts up to it


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
    dvh = band.nominal
    if metric.kind == "volume":
        return band.volume_cc
    bound_gy = dosimetry.bound_gy(structure, metric, limit)
    if isinstance(dvh, NothingDrawn):
        return Value(None, reason=dvh.reason)
    if isinstance(dvh, NoDose) and bound_gy is None:
        return Value(None, reason=dvh.reason)
    rx_gy = None
    if dosimetry.prescription is not None:
        rx_gy = dosimetry.prescription.dose_gy
    if rx_gy is None and _needs_prescription(metric):
        return Value(None, reason=Text("the prescription is not known"))
    if (
        metric.effect
        and dosimetry.prescription
        and dosimetry.prescription.fractions < 1
    ):
        return Value(None, reason=Text("the number of fractions is not known"))
    if metric.kind == "HI.icru83":
        return band.interval(_homogeneity)
    if rx_gy is not None and metric.kind in ISODOSE_INDICES:
        isodose = dosimetry.isodoses.get(structure)
        return band.interval(lambda member: _index(metric, member, rx_gy, isodose))
    value = band.interval(lambda member: _of_dvh(metric, member, rx_gy, bound_gy))
    if metric.unit == "%" and metric.kind in ("V", "CV") and value.high is not None:
        value = replace(value, high=min(value.high, 100.0))
    return _in_asked_unit(value, metric, dosimetry.prescription)


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


def _of_dvh(
    metric: Metric, dvh: DVHResult, rx_gy: float | None, bound_gy: float | None
) -> Value:
    """Answer a metric of dose or volume from one DVH."""
    if isinstance(dvh, NothingDrawn):
        return Value(None, reason=dvh.reason)
    if isinstance(dvh, NoDose) or not dvh.is_complete:
        return _partly_known(metric, dvh, rx_gy, bound_gy)
    answer = _answer(metric, dvh, rx_gy)
    if answer is None:
        return Value(None, reason=_too_small(metric, dvh.volume_cc))
    return Value(answer)


def _needs_prescription(metric: Metric) -> bool:
    """Tell whether a metric knows its answer only with the prescription."""
    if metric.effect or metric.kind in ISODOSE_INDICES:
        return True
    if metric.kind in ("V", "CV"):
        return metric.argument_unit == "%"
    return metric.unit == "%"


def _too_small(metric: Metric, volume_cc: float) -> Text:
    return Text(
        "the ROI has {volume_cc} cc, less than the {asked} {unit} asked for",
        volume_cc=volume_cc,
        asked=metric.asked,
        unit=metric.argument_unit,
    )


def _in_asked_unit(
    value: Value, metric: Metric, prescription: Prescription | None
) -> Value:
    """Turn doses in Gy into percent of the prescription or an effect, where that is asked."""
    if KINDS[metric.kind].units is not DOSE or prescription is None:
        return value

    def told(dose_gy: float | None) -> float | None:
        if dose_gy is None:
            return None
        if metric.alpha_beta_gy is not None:
            each_gy = dose_gy / prescription.fractions
            bed_gy = dose_gy * (1 + each_gy / metric.alpha_beta_gy)
            if metric.effect == "EQD2":
                return bed_gy / (1 + 2 / metric.alpha_beta_gy)
            return bed_gy
        if metric.unit == "%":
            return dose_gy * 100 / prescription.dose_gy
        return dose_gy

    return replace(
        value, value=told(value.value), low=told(value.low), high=told(value.high)
    )


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
    if metric.argument_unit == "%":
        return metric.asked * (volume_cc / 100)
    return metric.asked * CC[metric.argument_unit]


def _dose_at(metric: Metric, dvh: DVH) -> float | None:
    volume_cc = dvh.volume_cc
    asked_cc = _asked_cc(metric, volume_cc)
    if metric.kind == "D":
        return dvh.dose_at_volume_gy(asked_cc)
    if asked_cc > volume_cc * (1 + 1e-12):
        return None
    rest_cc = volume_cc - asked_cc
    if rest_cc <= 0:
        return dvh.max_gy
    return dvh.dose_at_volume_gy(rest_cc)


def _volume_at(metric: Metric, dvh: DVH, rx_gy: float | None) -> float | None:
    """Return the volume above, below or between doses, in cc or % of the ROI's."""
    low_gy, high_gy = _doses_gy(metric, rx_gy)
    above_cc = dvh.volume_at_dose_cc(low_gy)
    if above_cc is None:
        return None
    volume_cc = above_cc
    if metric.kind == "CV":
        volume_cc = dvh.volume_cc - above_cc
    elif high_gy is not None:
        volume_cc = above_cc - dvh.volume_inside_cc(high_gy)
    if metric.unit == "cc":
        return volume_cc
    return 100 * volume_cc / dvh.volume_cc


def _doses_gy(metric: Metric, rx_gy: float | None) -> tuple[float, float | None]:
    """Return the dose behind V or CV, and the upper one of a range, in Gy."""
    if metric.argument_unit == "Gy":
        return metric.asked, metric.upper
    if rx_gy is None:
        raise ValueError(f"{metric} needs the prescription")
    scale = rx_gy / 100
    if metric.upper is None:
        return metric.asked * scale, None
    return metric.asked * scale, metric.upper * scale


def _partly_known(
    metric: Metric, dvh: DVH | NoDose, rx_gy: float | None, bound_gy: float | None
) -> Value:
    """Answer from the part inside the grid and, where there is one, the bound of the rest."""
    percent = 100 * dvh.volume_outside_cc / dvh.volume_cc
    if bound_gy is None:
        low, high = _unbounded(metric, dvh, rx_gy)
        reason = Text(
            "{percent} % of the ROI lies outside the dose grid", percent=percent
        )
        return Value(None, low=low, high=high, reason=reason)
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
        return Value(None, reason=_too_small(metric, dvh.volume_cc))
    low, high = (
        min(e for e in ends if e is not None),
        max(e for e in ends if e is not None),
    )
    if isinstance(dvh, NoDose):  # only how much it can be is known
        return Value(None, low=low, high=high, reason=reason)
    if low == high:
        return Value(low, reason=reason)
    # The bound of the outside is a corner case, the part inside is what was planned.
    nominal = (low + high) / 2
    if metric.kind in ("D", "Dmax"):
        nominal = low
    return Value(nominal, low=low, high=high, reason=reason)


def _unbounded(
    metric: Metric, dvh: DVH | NoDose, rx_gy: float | None
) -> tuple[float | None, float | None]:
    """Return what the part inside the grid proves, whatever dose the part outside has."""
    if metric.upper is not None:
        return None, None
    ends = [_with_outside(metric, dvh, rx_gy, dose_gy) for dose_gy in (0.0, ANY_GY)]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return _lower_bound(metric, dvh), None
    low, high = min(known), max(known)
    if high < ANY_GY / 10:
        return low, high
    return low, None


def _outside_doses_gy(
    metric: Metric, rx_gy: float | None, bound_gy: float
) -> list[float]:
    """Return doses of the part outside that give a metric its least and its greatest answer.

    All metrics rise or fall with that dose, but the volume of a range: it also has its lower end.
    """
    doses_gy = [0.0, bound_gy]
    if metric.upper is not None and (low_gy := _doses_gy(metric, rx_gy)[0]) < bound_gy:
        doses_gy.append(low_gy)
    return doses_gy


def _lower_bound(metric: Metric, dvh: DVH | NoDose) -> float | None:
    """Return what the part of the ROI inside the grid proves of a near-maximum dose."""
    if isinstance(dvh, NoDose):
        return None
    if metric.kind == "Dmax":
        return dvh.max_gy
    if metric.kind == "D" and metric.argument_unit != "%":
        return dvh.dose_inside_gy(_asked_cc(metric, 0.0))
    return None


def _with_outside(
    metric: Metric, dvh: DVH | NoDose, rx_gy: float | None, outside_gy: float
) -> float | None:
    """Answer as if the whole part outside the grid received one dose."""
    return _answer(metric, dvh.with_outside_at(outside_gy), rx_gy)


INDICES = (*ISODOSE_INDICES, "HI.icru83")
PARTLY_OUTSIDE = Text("a part of the target lies outside the dose grid")
NO_ISODOSE = Text("no dose reaches the prescription")


def _index(
    metric: Metric, dvh: DVHResult, rx_gy: float, isodose: Isodose | None
) -> Value:
    if not isinstance(dvh, DVH) or not dvh.is_complete:
        return Value(None, reason=PARTLY_OUTSIDE)
    if isodose is None:
        return Value(None, reason=Text("the isodose volume was not computed"))
    if metric.kind == "R50":
        return _ratio(isodose.half, dvh.volume_cc)
    if metric.kind == "CI.rtog":
        return _ratio(isodose.full, dvh.volume_cc)
    full_cc = isodose.full.volume_cc
    if full_cc is None:
        return Value(None, reason=isodose.full.reason)
    if metric.kind == "GI.paddick":
        return _ratio(isodose.half, full_cc)
    if full_cc == 0:
        return Value(None, reason=NO_ISODOSE)
    # What of the target is outside the body contour has dose, but no part in the isodose volume.
    covered_cc = min(dvh.volume_inside_cc(rx_gy), full_cc)
    return Value(covered_cc**2 / (dvh.volume_cc * full_cc))


def _ratio(level: IsodoseVolume, to_cc: float) -> Value:
    """Return how many times a volume an isodose volume is."""
    if level.volume_cc is None:
        return Value(None, reason=level.reason)
    if to_cc == 0:
        return Value(None, reason=NO_ISODOSE)
    return Value(level.volume_cc / to_cc)


def _homogeneity(dvh: DVHResult) -> Value:
    if not isinstance(dvh, DVH) or not dvh.is_complete:
        return Value(None, reason=PARTLY_OUTSIDE)
    d2, d50, d98 = (dvh.dose_at_percent_gy(percent) for percent in (2.0, 50.0, 98.0))
    if d2 is None or d98 is None or not d50:
        return Value(None, reason=Text("the target has no median dose"))
    return Value((d2 - d98) / d50)
