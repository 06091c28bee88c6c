"""One phantom: what is drawn, in which dose, how it is written, and what is true of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sbrtcheck.dicom.write import Offsets
from sbrtcheck.model import ROI, DoseGrid
from sbrtcheck.selftest.truth import Known

__all__ = ["INTERVAL", "OUTSIDE", "Allowed", "Phantom", "Truth", "truths"]

# Asked like a metric: the volume beyond the dose grid in cc.
OUTSIDE = "outside the grid"
INTERVAL = " interval"  # behind a metric: its interval has to hold the truth
STORED = 2e-5  # of a dose or a volume: digits of contours and dose in the files
# Of the range of dose: sub-cells hold intervals of dose, not single doses.
COUNTED = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One question, its true answer, how far the measured one may be from it, and why.

    `value` is None where nobody can know the answer: then the measured one must be None, too.
    `allowed` is in the unit of the metric.
    """

    metric: str
    value: float | None
    allowed: float = 0.0
    why: str = "cannot be known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """What is written as DICOM and read back.

    `position` and `offsets` are those of the dose file; the patient lies the same in all.
    """

    subject: str
    name: str
    roi: ROI
    dose: DoseGrid
    truths: tuple[Truth, ...]
    position: str = "HFS"
    offsets: Offsets = "relative"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What contours and grid leave open, from the geometry of the phantom.

    Parameters
    ----------
    volume
        Part of the volume that slabs may miss.
    wall_mm
        How far the walls of slabs lie from those of the solid, in the mean.
    end_mm
        How far the outermost points do.
    near_mm
        How far the wall does where the hottest 0.035 cc lie.
    gradient_gy_per_mm
        The steepest of the dose.
    curve_gy
        What linear reading between grid points misses at most: sum over axes of step^2 |D''| / 8.
    why
        The same in words.
    """

    volume: float
    wall_mm: float
    end_mm: float
    near_mm: float
    gradient_gy_per_mm: float
    curve_gy: float = 0.0
    why: str

    def dose_gy(self, known: Known, dose_gy: float, moved_mm: float) -> float:
        """Return how far a dose may be off where the wall may lie `moved_mm` off."""
        counted_gy = COUNTED * (known.max_gy - known.min_gy)
        return (
            STORED * dose_gy
            + counted_gy
            + self.gradient_gy_per_mm * moved_mm
            + self.curve_gy
        )


def truths(known: Known, allowed: Allowed, metrics: Sequence[str]) -> tuple[Truth, ...]:
    """Return the true answers to metrics: volume, mean, Dmin, Dmax, D95%, D0.035cc, V20Gy[cc]."""
    return tuple(_truth(known, allowed, metric) for metric in metrics)


def _truth(known: Known, allowed: Allowed, metric: str) -> Truth:
    asked = metric.removesuffix(INTERVAL)
    value, off = _answer(known, allowed, asked)
    return Truth(metric=metric, value=value, allowed=off, why=allowed.why)


def _answer(known: Known, allowed: Allowed, metric: str) -> tuple[float, float]:
    volume_cc = known.volume_cc
    if metric == "volume":
        return volume_cc, (allowed.volume + 5 * STORED) * volume_cc
    if metric.startswith("V"):
        return _volume_at(known, allowed, float(metric[1:].removesuffix("Gy[cc]")))
    moved_mm = allowed.wall_mm
    if metric == "Dmean":
        value_gy = known.mean_gy
    elif metric in ("Dmin", "Dmax"):
        value_gy, moved_mm = (
            (known.max_gy if metric == "Dmax" else known.min_gy),
            allowed.end_mm,
        )
    elif metric.endswith("%"):
        share = float(metric[1:].removesuffix("%")) / 100
        value_gy = known.dose_at_volume_gy(share * volume_cc)
    else:
        value_gy = known.dose_at_volume_gy(float(metric[1:].removesuffix("cc")))
        moved_mm = allowed.near_mm
    return value_gy, allowed.dose_gy(known, value_gy, moved_mm)


def _volume_at(known: Known, allowed: Allowed, dose_gy: float) -> tuple[float, float]:
    """Return the volume at a dose, and how far it may be off as the dose may be off."""
    value_cc = known.volume_at_dose_cc(dose_gy)
    off_gy = allowed.dose_gy(known, dose_gy, allowed.wall_mm)
    ends_cc = [known.volume_at_dose_cc(dose_gy + sign * off_gy) for sign in (-1, 1)]
    off_cc = float(np.abs(np.array(ends_cc) - value_cc).max())
    return value_cc, off_cc + (allowed.volume + STORED) * known.volume_cc
