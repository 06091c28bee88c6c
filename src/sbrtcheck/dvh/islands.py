"""Where the high dose of a grid lies: about given targets alone, or at other places as well."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.model import ROI, DoseGrid, FloatArray

__all__ = ["high_dose_lies_about"]

HIGH, NEAR_MM, MOSTLY = (
    0.8,
    10.0,
    0.9,
)  # of its maximum, about the targets: tells a neighbour
ISODOSES = (0.3, 0.5, 0.8)  # a treatment elsewhere is an island of one of these


def high_dose_lies_about(dose: DoseGrid, targets: Iterable[ROI]) -> bool:
    """Tell whether the high dose lies within 1 cm of targets, and no island of dose elsewhere.

    Parameters
    ----------
    targets
        In the frame of reference of the dose; islands of one target count each by itself.
    """
    highest_gy = float(dose.dose_gy.max())
    if highest_gy <= 0.0:
        return True
    near = _near(dose, [box for roi in targets for box in _boxes(roi)])
    high_dose = dose.dose_gy >= HIGH * highest_gy
    if np.count_nonzero(high_dose & near) < MOSTLY * np.count_nonzero(high_dose):
        return False
    return all(
        _reaches_all(dose.dose_gy >= level * highest_gy, near) for level in ISODOSES
    )


def _boxes(roi: ROI) -> Iterable[tuple[FloatArray, FloatArray]]:
    """Yield the lowest and highest x, y, z of each contour: a target may have islands."""
    for contour in roi.contours:
        low, high = contour.points_mm.min(axis=0), contour.points_mm.max(axis=0)
        yield np.array([*low, contour.z_mm]), np.array([*high, contour.z_mm])


def _near(
    dose: DoseGrid, boxes: Sequence[tuple[FloatArray, FloatArray]]
) -> NDArray[np.bool_]:
    near = np.zeros(dose.dose_gy.shape, dtype=bool)
    for low, high in boxes:
        x, y, z = (
            slice(*np.searchsorted(axis, (low[at] - NEAR_MM, high[at] + NEAR_MM)))
            for at, axis in enumerate((dose.x_mm, dose.y_mm, dose.z_mm))
        )
        near[z, y, x] = True
    return near


def _reaches_all(above: NDArray[np.bool_], near: NDArray[np.bool_]) -> bool:
    """Tell whether each connected island has a point in `near`."""
    from scipy import ndimage

    islands, count = ndimage.label(above)
    reached = np.unique(islands[near])
    return int(np.count_nonzero(reached)) == count
