"""Where dose lies outside a body contour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours import build_region, distances_mm
from sbrtcheck.model import ROI, DoseGrid, FloatArray

__all__ = ["farthest_outside_mm"]


def farthest_outside_mm(
    dose: DoseGrid, least_gy: float, bodies: Sequence[ROI]
) -> float:
    """Return how far outside all of some bodies a dose reaches, 0 where it does not.

    Only grid points at the border of that dose are looked at: what lies farthest out is one.
    """
    border_mm = _border_mm(dose, dose.dose_gy > least_gy)
    if not len(border_mm):
        return 0.0
    nearest_mm = np.min(
        [distances_mm(build_region(body), border_mm) for body in bodies], axis=0
    )
    return float(nearest_mm.max())


def _border_mm(dose: DoseGrid, is_seen: NDArray[np.bool_]) -> FloatArray:
    """Return the marked grid points that have an unmarked neighbour, or lie at the grid's end."""
    inner = np.pad(is_seen, 1)
    middle = (slice(1, -1),) * 3
    within = is_seen.copy()
    for axis in range(3):
        for side in (-1, 1):
            within &= np.roll(inner, side, axis)[middle]
    k, j, i = np.nonzero(is_seen & ~within)
    return np.column_stack([dose.x_mm[i], dose.y_mm[j], dose.z_mm[k]])
