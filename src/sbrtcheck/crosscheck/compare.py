"""Our DVH with its interval beside another one: what differs, and what readings explain of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sbrtcheck.dvh import DVH, Band, DVHResult
from sbrtcheck.model import Text, Value
from sbrtcheck.protocol.evaluate import Dosimetry, evaluate
from sbrtcheck.protocol.metric import Metric, parse_metric

__all__ = ["HERE", "METRICS", "CrossCheck", "Difference", "Opinion", "compare"]

METRICS = tuple(map(parse_metric, ("volume", "Dmean", "D95%", "D0.035cc", "D2cc")))
HERE = "as here"  # the nominal reading
NO_BANDS: Mapping[str, Band] = {}
ROUNDING = 1e-6  # of an answer: decimals of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One quantity of one ROI, here and there.

    Parameters
    ----------
    ours
        With the interval of what other readings of contours and grid say.
    theirs
        None where it is not known, or not comparable; `reason` says why.
    beyond
        By how much theirs lies outside what known conventions explain, signed; 0 within.
    nearest
        The reading whose answer comes nearest to theirs.
    """

    metric: Metric
    ours: Value
    theirs: float | None
    beyond: float | None = None
    nearest: str | None = None
    reason: Text | None = None

    @property
    def difference(self) -> float | None:
        """Return theirs less ours; None where either is not known."""
        if self.theirs is None or self.ours.value is None:
            return None
        return self.theirs - self.ours.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one source says of one ROI, beside ours; `reason` where it cannot be compared."""

    source: str
    roi_name: str
    differences: tuple[Difference, ...] = ()
    notes: tuple[Text, ...] = ()
    reason: Text | None = None

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Return the differences that no known convention explains."""
        return tuple(row for row in self.differences if row.beyond)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """All second opinions of a case, and what is to be said of them as a whole."""

    opinions: tuple[Opinion, ...] = ()
    notes: tuple[Text, ...] = ()

    @property
    def unexplained(self) -> int:
        """Return how many differences no known convention explains."""
        return sum(len(opinion.unexplained) for opinion in self.opinions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Other:
    """Another program's DVH of an ROI.

    `readings` are DVHs as its known conventions would have them, by name, beyond those of our
    band; `unknown` are metrics that it cannot tell, each with its reason.
    """

    dvh: DVH
    readings: Mapping[str, DVH] = field(default_factory=dict)
    unknown: Mapping[Metric, Text] = field(default_factory=dict)


def compare(band: Band, other: Other) -> tuple[Difference, ...]:
    """Return volume, mean and dose-volume points of two DVHs of one ROI, side by side.

    A difference is explained as far as theirs lies within our interval, within what their known
    conventions answer, or half a bin of their curve beyond.
    """
    return tuple(_difference(metric, band, other) for metric in METRICS)


def _difference(metric: Metric, band: Band, other: Other) -> Difference:
    ours = _answer(metric, band.nominal, {band.nominal.roi_name: band})
    if metric in other.unknown:
        return Difference(
            metric=metric, ours=ours, theirs=None, reason=other.unknown[metric]
        )
    answer = _answer(metric, other.dvh)
    theirs = answer.value
    if ours.value is None:
        return Difference(metric=metric, ours=ours, theirs=theirs, reason=ours.reason)
    if theirs is None:
        return Difference(metric=metric, ours=ours, theirs=None, reason=answer.reason)
    readings = {HERE: band.nominal, **band.members, **other.readings}
    known = {
        name: value
        for name, dvh in readings.items()
        if (value := _answer(metric, dvh).value) is not None
    }
    ends = [end for end in (ours.low, ours.high, *known.values()) if end is not None]
    slack = ROUNDING * abs(theirs)
    if metric.unit == "Gy":
        slack += _half_bin_gy(other.dvh, theirs)
    low, high = min(ends) - slack, max(ends) + slack
    return Difference(
        metric=metric,
        ours=ours,
        theirs=theirs,
        beyond=theirs - min(max(theirs, low), high),
        nearest=min(known, key=lambda name: abs(known[name] - theirs)),
    )


def _answer(
    metric: Metric, dvh: DVHResult, bands: Mapping[str, Band] = NO_BANDS
) -> Value:
    return evaluate(
        metric, dvh.roi_name, Dosimetry(dvhs={dvh.roi_name: dvh}, bands=bands)
    )


def _half_bin_gy(dvh: DVH, dose_gy: float) -> float:
    """Return half the step of a curve about a dose: finer than that it tells nothing."""
    steps_gy = np.diff(dvh.dose_gy)
    at = int(np.searchsorted(dvh.dose_gy, dose_gy)) - 1
    return float(steps_gy[min(max(at, 0), steps_gy.size - 1)]) / 2
