"""One ROI in every pose: its answers from whole DVHs, and about what they will be."""

import math
from collections.abc import Sequence

import numpy as np

from sbrtcheck.contours import Region, build_region
from sbrtcheck.dvh import DVHResult, compute_dvh
from sbrtcheck.dvh.beyond import Bound, Extent, bound_by_extents_gy
from sbrtcheck.model import ROI, DoseGrid, FloatArray, Prescription, Text, Value
from sbrtcheck.protocol.evaluate import Dosimetry, evaluate
from sbrtcheck.protocol.metric import Constraint, Metric
from sbrtcheck.robustness.cloud import averaged, cloud_of, quick_dvh
from sbrtcheck.robustness.moved import FINER, shifted, turned
from sbrtcheck.robustness.poses import AS_PLANNED, Pose, Rotation

__all__ = ["Moving", "Reach", "breaks", "worse_end"]

NAME = "moving"  # of the one structure that is asked
ROUNDING_MM = 1e-9
# Metrics, by kind and units of argument and answer, that the hottest part alone decides.
NEAR_MAXIMA = (("Dmax", "", "Gy"), ("D", "cc", "Gy"), ("D", "mm3", "Gy"))
LEAVES = Text("the structure leaves the dose grid")


class Reach:
    """How far a solid reaches, in any pose."""

    def __init__(self, region: Region) -> None:
        self._corners_mm = np.concatenate(
            [
                np.column_stack([ring, np.full(len(ring), z_mm)])
                for slab in region.slabs
                for ring in slab.rings
                for z_mm in (slab.low_mm, slab.high_mm)
            ]
        )
        self.low_mm: FloatArray = self._corners_mm.min(axis=0)
        self.high_mm: FloatArray = self._corners_mm.max(axis=0)

    def extent(self, pose: Pose) -> Extent:
        """Return the lowest and the highest x, y and z in a pose."""
        if isinstance(pose, Rotation):
            moved_mm = pose.moved(self._corners_mm)
        else:
            moved_mm = pose.moved(np.stack([self.low_mm, self.high_mm]))
        return moved_mm.min(axis=0), moved_mm.max(axis=0)


class Moving:
    """An ROI that encloses a volume, the dose it lies in, and what is asked of it.

    Answers are kept: the same pose is asked for several limits.
    """

    def __init__(
        self,
        roi: ROI,
        dose: DoseGrid,
        metrics: Sequence[Metric],
        *,
        prescription: Prescription | None,
        targets: Sequence[Reach] = (),
    ) -> None:
        region = build_region(roi)
        self._roi, self._dose, self._metrics = roi, dose, tuple(metrics)
        self._prescription, self._targets = prescription, targets
        self._reach, self._cloud = Reach(region), cloud_of(region)
        self._averaged = averaged(dose, self._cloud)
        axes = (dose.x_mm, dose.y_mm, dose.z_mm)
        self._grid_mm = np.array([axis[[0, -1]] for axis in axes]).T
        self._finer_mm = 2 / FINER * max(dose.spacing_mm)
        self._quick: dict[Pose, dict[Metric, float]] = {}
        self._whole: dict[Pose, dict[Metric, Value]] = {}
        self._bounds_gy: dict[Pose, float | None] = {}
        self._off = dict.fromkeys(self._metrics, 0.0)

    def is_known(self, pose: Pose) -> bool:
        """Tell whether the dose in a pose is known: on the grid, or bounded where it leaves it."""
        return self._on_grid(pose) or self._bound_gy(pose) is not None

    def quick(self, metric: Metric, pose: Pose) -> float:
        """Return about the answer in a pose; NaN without one."""
        if pose not in self._quick:
            answers = self._answers(quick_dvh(self._cloud, self._averaged, pose), None)
            self._quick[pose] = {
                metric: _or_nan(value) for metric, value in answers.items()
            }
        return self._quick[pose][metric]

    def off_by(self, metric: Metric) -> float:
        """Return by how much a quick answer may be off: the most that one was so far."""
        self.whole(metric, AS_PLANNED)
        return self._off[metric]

    def whole(self, metric: Metric, pose: Pose) -> Value:
        """Return the answer in a pose, from its whole DVH."""
        if pose not in self._whole:
            self._whole[pose] = self._moved(pose)
            for asked, value in self._whole[pose].items():
                if value.value is None:
                    continue
                off = abs(value.value - self.quick(asked, pose))
                self._off[asked] = max(self._off[asked], off)
        return self._whole[pose][metric]

    def _moved(self, pose: Pose) -> dict[Metric, Value]:
        if isinstance(pose, Rotation):
            return self._turned(pose)
        dvh = compute_dvh(self._roi, shifted(self._dose, pose))
        return self._answers(dvh, self._bound_gy(pose))

    def _answers(self, dvh: DVHResult, bound_gy: float | None) -> dict[Metric, Value]:
        beyond = {}
        if bound_gy is not None:
            beyond[NAME] = Bound(bound_gy)
        dosimetry = Dosimetry(
            dvhs={NAME: dvh}, prescription=self._prescription, beyond=beyond
        )
        return {metric: evaluate(metric, NAME, dosimetry) for metric in self._metrics}

    def _turned(self, rotation: Rotation) -> dict[Metric, Value]:
        """Answer from the dose in the patient's turned coordinates, on a finer grid."""
        dose = turned(self._dose, rotation, self._reach.low_mm, self._reach.high_mm)
        if self._on_grid(rotation):
            return self._answers(compute_dvh(self._roi, dose), None)
        bound_gy = self._bound_gy(rotation)
        answers = self._answers(compute_dvh(self._roi, dose), bound_gy)
        # Beyond the grid stands the dose of its faces, which is not known to be there: it only
        # leaves an answer alone that lies above all of it.
        known = dict.fromkeys(answers, Value(None, reason=LEAVES))
        for metric, value in answers.items():
            if bound_gy is not None and _exceeds(metric, value, bound_gy):
                known[metric] = value
        return known

    def _bound_gy(self, pose: Pose) -> float | None:
        """Return the highest dose that can be beyond the grid; None where there is no bound."""
        if pose not in self._bounds_gy:
            reaches = [target.extent(pose) for target in self._targets]
            extent = self._reach.extent(pose)
            bound = bound_by_extents_gy(extent, self._dose, reaches)
            self._bounds_gy[pose] = None
            if bound is not None and not bound.is_near:
                self._bounds_gy[pose] = bound.dose_gy
        return self._bounds_gy[pose]

    def _on_grid(self, pose: Pose) -> bool:
        low_mm, high_mm = self._reach.extent(pose)
        apart_mm = -ROUNDING_MM
        if isinstance(pose, Rotation):
            # Around a turned box, points of its finer grid must lie on the dose grid, too.
            apart_mm = self._finer_mm
        return bool(
            (low_mm >= self._grid_mm[0] + apart_mm).all()
            and (high_mm <= self._grid_mm[1] - apart_mm).all()
        )


def _or_nan(value: Value) -> float:
    if value.value is None:
        return math.nan
    return value.value


def _exceeds(metric: Metric, value: Value, bound_gy: float) -> bool:
    """Tell whether a near-maximum in Gy lies above all that can be beyond the grid."""
    if value.value is None:
        return False
    asked = (metric.kind, metric.argument_unit, metric.unit)
    return asked in NEAR_MAXIMA and value.value > bound_gy


def worse_end(value: Value, *, upper: bool) -> float | None:
    """Return the end of an answer that counts against the patient; None where not known."""
    end = _end(value, high=upper)
    if end is None:
        return value.value
    return end


def breaks(constraint: Constraint, value: Value) -> bool | None:
    """Tell whether an answer breaks a limit; None where that cannot be known."""
    end = worse_end(value, upper=constraint.is_upper)
    if end is not None and constraint.holds(end):
        return False
    best = value.value
    if best is None:
        best = _end(value, high=not constraint.is_upper)
    if best is None or constraint.holds(best):
        return None
    return True


def _end(value: Value, *, high: bool) -> float | None:
    if high:
        return value.high
    return value.low
