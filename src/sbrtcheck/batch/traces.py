"""Doses that tell of plans which are not among the files: of this target, or of another?

Planning systems leave the dose of a plan behind whose revision was exported again. Such a dose is hot
where the target is. Any other may be that of a further part of the course, and reach the same cord.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from sbrtcheck.model import ROI, DoseGrid, FloatArray
from sbrtcheck.summation import sum_doses

__all__ = ["is_of_targets"]

# What a plan gives to its targets and little else: a part of its maximum, and how far around them in mm.
# The first tells a neighbouring vertebra, the second one that was given less.
REACHES = ((0.8, 10.0), (0.5, 20.0))
MOSTLY = 0.9


def is_of_targets(doses: Sequence[DoseGrid], targets: Iterable[ROI], frame_uid: str | None) -> bool:
    """Tell whether doses are surely those of plans of these targets alone.

    Parameters
    ----------
    doses
        With their headers; those of single beams count together for each plan that they name.
    targets
        In the frame of reference `frame_uid`.
    """
    boxes = [_box(roi) for roi in targets if roi.contours]
    plans: dict[object, list[DoseGrid]] = {}
    for number, dose in enumerate(doses):
        header = dose.header
        if header is None or len(header.referenced_plan_uids) != 1:
            return False  # the sum of several plans says itself that they are added
        if frame_uid is None or header.instance.frame_of_reference_uid != frame_uid:
            return False
        beams = header.summation_type == "BEAM"
        plans.setdefault(header.referenced_plan_uids if beams else number, []).append(dose)
    try:
        sums = [sum_doses(parts) for parts in plans.values()]
    except ValueError:  # beams on grids that do not meet
        return False
    return all(_is_hot_within(dose, boxes, *reach) for dose in sums for reach in REACHES)


def _box(roi: ROI) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and highest x, y, z of a target."""
    low, high = [], []
    for contour in roi.contours:
        low.append((*contour.points_mm.min(axis=0), contour.z_mm))
        high.append((*contour.points_mm.max(axis=0), contour.z_mm))
    return np.min(low, axis=0), np.max(high, axis=0)


def _is_hot_within(
    dose: DoseGrid,
    boxes: Sequence[tuple[FloatArray, FloatArray]],
    part_of_maximum: float,
    margin_mm: float,
) -> bool:
    highest_gy = float(dose.dose_gy.max())
    if highest_gy <= 0.0:
        return True
    hot = dose.dose_gy >= part_of_maximum * highest_gy
    near = np.zeros_like(hot)
    for low, high in boxes:
        x, y, z = (
            slice(*np.searchsorted(axis, (low[at] - margin_mm, high[at] + margin_mm)))
            for at, axis in enumerate((dose.x_mm, dose.y_mm, dose.z_mm))
        )
        near[z, y, x] = True
    return bool(np.count_nonzero(hot & near) >= MOSTLY * np.count_nonzero(hot))
