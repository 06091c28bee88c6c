"""Intervals of dose add up to a cumulative curve without steps."""

from collections.abc import Iterable

import numpy as np

from sbrtcheck.dvh.cells import Sample
from sbrtcheck.dvh.surface import Wall
from sbrtcheck.model import FloatArray

__all__ = ["BINS", "Tally", "kept", "shell"]

BINS = 2_000  # of the curve, over the ROI's own dose range
COARSE = 2  # and those of members of a band this much
FINE = 10  # the ends of dose intervals are binned this much finer
PARTS = 3  # between the end planes, below them, above them


class Tally:
    """Adds up sub-cells; bins are shared out between knots of dose.

    One curve for each part of the solid (between the end planes, below, above), or one in all.

    Each interval of width w is a ramp of slope -v/w: the slope changes at its two ends, and
    two running sums over all changes give the curve. What reaches past the outer knots is
    folded back to them. The last edge lies a hair above the last knot: a volume that receives
    just the maximum receives *at least* that dose.
    """

    def __init__(
        self, knots_gy: list[float], parts: int = PARTS, fine: int = FINE
    ) -> None:
        self.knots_gy = knots_gy
        self.parts = parts
        bins = self.bins = BINS * fine
        self.knots_bin = np.linspace(0, bins, len(knots_gy))
        edges_gy = np.interp(np.arange(bins + 1), self.knots_bin, knots_gy)
        self.edges_gy = np.append(edges_gy, np.nextafter(edges_gy[-1], np.inf))
        self.uniform = knots_gy[-1] - knots_gy[0] <= 1e-9 * abs(knots_gy[-1])
        self.change = np.zeros(parts * (bins + 2))
        self.total_cc = np.zeros(parts)
        self.dose_gy_cc = 0.0
        self.min_gy, self.max_gy = np.inf, -np.inf

    def add(self, sample: Sample) -> None:
        """Count sub-cells."""
        if not sample.dose_gy.size:
            return
        if self.parts > 1:
            self.total_cc += np.bincount(sample.part, sample.volume_cc, self.parts)
        else:
            self.total_cc += sample.volume_cc.sum()
        # Not `@`: on arrays of this size BLAS wakes its threads, which costs more than the sum.
        self.dose_gy_cc += float((sample.dose_gy * sample.volume_cc).sum())
        half_gy = sample.width_gy / 2
        low_gy, high_gy = sample.dose_gy - half_gy, sample.dose_gy + half_gy
        self.min_gy = min(self.min_gy, float(low_gy.min()))
        self.max_gy = max(self.max_gy, float(high_gy.max()))
        if self.uniform:
            return
        size = self.edges_gy.size
        low = self._bin(low_gy).astype(np.intp)
        high = np.maximum(np.ceil(self._bin(high_gy)).astype(np.intp), low + 1)
        if len(self.knots_gy) > 2:
            slope = sample.volume_cc / (self.edges_gy[high] - self.edges_gy[low])
        else:
            slope = sample.volume_cc / (
                (high - low) * (self.edges_gy[1] - self.edges_gy[0])
            )
        if self.parts > 1:
            first = sample.part * size
            low += first
            high += first
        self.change += np.bincount(high, slope, self.parts * size)
        self.change -= np.bincount(low, slope, self.parts * size)

    def _bin(self, dose_gy: FloatArray) -> FloatArray:
        low_gy, high_gy = self.knots_gy[0], self.knots_gy[-1]
        if len(self.knots_gy) > 2:
            return np.interp(dose_gy, self.knots_gy, self.knots_bin)
        place = (dose_gy - low_gy) * (self.bins / (high_gy - low_gy))
        return np.minimum(np.maximum(place, 0.0), self.bins)

    def curve_cc(self) -> FloatArray:
        """Return the volume at or above each edge, shape (edges,)."""
        return np.asarray(self.curves_cc().sum(axis=0))

    def curves_cc(self) -> FloatArray:
        """Return the volume at or above each edge, for each part, shape (parts, edges)."""
        change = self.change.reshape(self.parts, -1)[:, :-1]
        curve_cc = np.repeat(self.total_cc[:, None], self.edges_gy.size, axis=1)
        curve_cc[:, 1:] += np.cumsum(
            np.cumsum(change, axis=1) * np.diff(self.edges_gy), axis=1
        )
        curve_cc = np.clip(curve_cc, 0.0, self.total_cc[:, None])
        curve_cc = np.minimum.accumulate(curve_cc, axis=1)
        curve_cc[:, -1] = 0.0
        return np.asarray(curve_cc)


def kept(fine: FloatArray) -> FloatArray:
    """Return the edges that a curve keeps, of the fine ones: along the last axis."""
    step = (fine.shape[-1] - 1) // BINS
    return np.concatenate([fine[..., :-1:step], fine[..., -1:]], axis=-1)


def shell(walls: Iterable[Wall], edges_gy: FloatArray) -> FloatArray:
    """Return the area of wall at or above each edge of dose."""
    area_mm2 = np.zeros(edges_gy.size + 1)
    for wall in walls:
        if wall.area_mm2 is not None:
            place = np.searchsorted(edges_gy, wall.dose_gy, side="right")
            area_mm2 += np.bincount(place, wall.area_mm2, area_mm2.size)
    return np.asarray(np.cumsum(area_mm2[::-1])[::-1][1:])
