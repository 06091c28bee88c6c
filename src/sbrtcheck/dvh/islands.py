"""Does the high dose of a grid lie about some boxes, and nowhere else?"""

from collections.abc import Sequence

import numpy as np

from sbrtcheck.model import DoseGrid, FloatArray

__all__ = ["lies_about"]

HIGH, NEAR_MM, MOSTLY = 0.8, 10.0, 0.9  # of its maximum, about the boxes: tells a neighbour
ISODOSES = (0.3, 0.5, 0.8)  # a part that is apart from the boxes is an island of one of these


def lies_about(dose: DoseGrid, boxes: Sequence[tuple[FloatArray, FloatArray]]) -> bool:
    """Tell whether the high dose lies within boxes, and no island of its own elsewhere."""
    from scipy import ndimage

    highest_gy = float(dose.dose_gy.max())
    if highest_gy <= 0.0:
        return True
    near = np.zeros(dose.dose_gy.shape, dtype=bool)
    for low, high in boxes:
        x, y, z = (
            slice(*np.searchsorted(axis, (low[at] - NEAR_MM, high[at] + NEAR_MM)))
            for at, axis in enumerate((dose.x_mm, dose.y_mm, dose.z_mm))
        )
        near[z, y, x] = True
    high_dose = dose.dose_gy >= HIGH * highest_gy
    if np.count_nonzero(high_dose & near) < MOSTLY * np.count_nonzero(high_dose):
        return False
    for level in ISODOSES:
        islands, count = ndimage.label(dose.dose_gy >= level * highest_gy)
        if np.unique(islands[near]).size - bool((islands[near] == 0).any()) < count:
            return False
    return True
