"""Outlines of cross-sections, and the distance from them.

A cross-section is a superellipse around a centre, cut by ellipses that lie behind it. All is
in the frame of the spine: x, and y measured from the leaning axis.
"""

from dataclasses import dataclass

import numpy as np

from sbrtcheck.model import FloatArray

__all__ = ["Oval", "Section", "brushed", "inside_points", "rim_points"]

TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Oval:
    """A superellipse |x / a|^p + |y / b|^p = 1 around a centre; p = 2 is an ellipse."""

    half_x_mm: float
    half_y_mm: float
    x_mm: float = 0.0
    y_mm: float = 0.0
    power: float = 2.0

    def grown(self, by_mm: float) -> "Oval":
        """Return the oval with both half axes longer."""
        return Oval(
            self.half_x_mm + by_mm,
            self.half_y_mm + by_mm,
            self.x_mm,
            self.y_mm,
            self.power,
        )

    def scaled(self, by: float) -> "Oval":
        """Return the oval with both half axes multiplied."""
        return Oval(
            self.half_x_mm * by, self.half_y_mm * by, self.x_mm, self.y_mm, self.power
        )

    def distance_mm(self, x_mm: FloatArray, y_mm: FloatArray) -> FloatArray:
        """Return the distance from the outline to first order, negative inside."""
        p = self.power
        u, v = (
            np.abs(x_mm - self.x_mm) / self.half_x_mm,
            np.abs(y_mm - self.y_mm) / self.half_y_mm,
        )
        up, vp = (u * u, v * v) if p == 2 else (u**p, v**p)
        level = (up + vp) ** (1 / p)
        safe = np.maximum(level, TINY)
        gu = (u / safe) ** (p - 1) / self.half_x_mm
        gv = (v / safe) ** (p - 1) / self.half_y_mm
        slope = np.maximum(np.hypot(gu, gv), 1 / max(self.half_x_mm, self.half_y_mm))
        return np.asarray((level - 1) / slope)

    def entry_mm(self, cos: FloatArray, sin: FloatArray, y_mm: float) -> FloatArray:
        """Return how far a ray from (0, y_mm) runs before it meets this ellipse; infinite if never."""
        a2, b2 = self.half_x_mm**2, self.half_y_mm**2
        dx, dy = -self.x_mm, y_mm - self.y_mm
        qa = cos**2 / a2 + sin**2 / b2
        qb = dx * cos / a2 + dy * sin / b2
        root = qb**2 - qa * (dx**2 / a2 + dy**2 / b2 - 1)
        along = (-qb - np.sqrt(np.maximum(root, 0))) / qa
        return np.where((root > 0) & (along > 0), along, np.inf)


@dataclass(frozen=True, slots=True)
class Section:
    """An oval cut by ellipses behind it."""

    oval: Oval
    cuts: tuple[Oval, ...] = ()

    def ring_mm(self, corners: int) -> FloatArray:
        """Return the outline as corners, shape (corners, 2)."""
        oval = self.oval
        angle = 2 * np.pi * np.arange(corners) / corners
        cos, sin = np.cos(angle), np.sin(angle)
        u, v = np.abs(cos) / oval.half_x_mm, np.abs(sin) / oval.half_y_mm
        radius = (u**oval.power + v**oval.power) ** (-1 / oval.power)
        for cut in self.cuts:
            radius = np.minimum(radius, cut.entry_mm(cos, sin, oval.y_mm))
        return np.stack([oval.x_mm + radius * cos, oval.y_mm + radius * sin], axis=1)

    def distance_mm(self, x_mm: FloatArray, y_mm: FloatArray) -> FloatArray:
        """Return the distance from the outline to first order, negative inside."""
        distance = self.oval.distance_mm(x_mm, y_mm)
        for cut in self.cuts:
            distance = np.maximum(distance, -cut.distance_mm(x_mm, y_mm))
        return distance


def brushed(ring_mm: FloatArray) -> FloatArray:
    """Return the outline of the 1 mm pixels of a ring whose columns are intervals."""
    x, y = ring_mm[:, 0], ring_mm[:, 1]
    columns = np.arange(np.floor(x.min()), np.ceil(x.max()))
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    share = (columns[:, None] + 0.5 - x) / np.where(np.abs(x2 - x) < TINY, TINY, x2 - x)
    at = np.where((share >= 0) & (share <= 1), y + share * (y2 - y), np.nan)
    met = ~np.isnan(at).all(axis=1)
    low, high = np.rint(np.nanmin(at[met], axis=1)), np.rint(np.nanmax(at[met], axis=1))
    columns, low, high = columns[met][high > low], low[high > low], high[high > low]
    edges = np.stack([columns, columns + 1], axis=1).ravel()
    there = np.stack([edges, np.repeat(low, 2)], axis=1)
    back = np.stack([edges, np.repeat(high, 2)], axis=1)[::-1]
    return _without_straight_corners(np.concatenate([there, back]))


def _without_straight_corners(ring_mm: FloatArray) -> FloatArray:
    """Drop repeated corners, and those in the middle of a straight edge."""
    ring = ring_mm[np.any(ring_mm != np.roll(ring_mm, 1, axis=0), axis=1)]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return np.asarray(ring[turn != 0])


def inside_points(
    ring_mm: FloatArray, step_mm: float, phase: tuple[float, float]
) -> FloatArray:
    """Return the points of a raster that lie in a ring, shape (n, 2); phases are in steps."""
    low, high = ring_mm.min(axis=0), ring_mm.max(axis=0)
    xs = np.arange(low[0] + step_mm * phase[0], high[0], step_mm)
    ys = np.arange(low[1] + step_mm * phase[1], high[1], step_mm)
    x, y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    x1, y1 = ring_mm[:, 0], ring_mm[:, 1]
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    rise = np.where(y2 == y1, TINY, y2 - y1)
    # Whether an edge is crossed depends on the row alone.
    crossing = (y1 > ys[:, None]) != (y2 > ys[:, None])
    at = np.where(crossing, x1 + (ys[:, None] - y1) / rise * (x2 - x1), -np.inf)
    odd = (at[:, None, :] > xs[None, :, None]).sum(axis=2) % 2 == 1
    return np.asarray(np.stack([x, y], axis=1)[odd.ravel()])


def rim_points(ring_mm: FloatArray, step_mm: float) -> FloatArray:
    """Return points along a ring not further apart than a step, and the same drawn inwards."""
    after = np.roll(ring_mm, -1, axis=0)
    longest = float(np.hypot(*(after - ring_mm).T).max())
    share = np.linspace(0, 1, max(1, int(np.ceil(longest / step_mm))), endpoint=False)
    rim = (ring_mm[:, None] + share[:, None] * (after - ring_mm)[:, None]).reshape(
        -1, 2
    )
    middle = ring_mm.mean(axis=0)
    return np.concatenate(
        [middle + part * (rim - middle) for part in (1.0, 0.8, 0.5, 0.0)]
    )
