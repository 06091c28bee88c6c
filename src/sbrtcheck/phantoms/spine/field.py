"""The dose of a plan, known everywhere: part of the prescription as a formula of place.

Outside the targets it falls exponentially to a background that itself falls slowly; inside it
rises to a hot spot in front. Neural structures and near organs take logistic shares away.
"""

from dataclasses import dataclass

import numpy as np

from sbrtcheck.model import FloatArray
from sbrtcheck.phantoms.spine.anatomy import LEAN, Part
from sbrtcheck.phantoms.spine.outlines import Oval, Section

__all__ = ["Field", "Sparing", "Target", "base", "organ_sparing"]

BACKGROUND = 0.21
BACKGROUND_REACH_MM = 70.0
RISE_MM = 5.0
CORNER_MM = 0.6
ORGAN_EDGE_MM = 3.0
ORGAN_WIDTH_MM = 1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target as the dose sees it: the section, and the heights where its drawn slabs end."""

    section: Section
    low_mm: float
    high_mm: float

    def distance_mm(
        self, x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray
    ) -> FloatArray:
        """Return the distance from the target, negative inside; y in the frame of the spine."""
        flat = self.section.distance_mm(x_mm, y_mm)
        beyond = np.maximum(self.low_mm - z_mm, z_mm - self.high_mm)
        outside = np.hypot(np.maximum(flat, 0), np.maximum(beyond, 0))
        return np.asarray(outside + np.minimum(np.maximum(flat, beyond), 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparing:
    """A share that is taken away around an oval, halved `edge_mm` from its outline."""

    oval: Oval
    edge_mm: float
    width_mm: float

    def share(self, x_mm: FloatArray, y_mm: FloatArray) -> FloatArray:
        """Return the share between 0 and 1."""
        far = (self.oval.distance_mm(x_mm, y_mm) - self.edge_mm) / self.width_mm
        return np.asarray(1 / (1 + np.exp(np.clip(far, -40, 40))))


def organ_sparing(part: Part) -> tuple[Sparing, ...]:
    """Return the sparing around an organ."""
    return tuple(
        Sparing(oval=section.oval, edge_mm=ORGAN_EDGE_MM, width_mm=ORGAN_WIDTH_MM)
        for section in part.sections
    )


def base(
    targets: tuple[Target, ...],
    x_mm: FloatArray,
    y_mm: FloatArray,
    z_mm: FloatArray,
    *,
    reach_mm: float,
    shoulder_mm: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the dose without hot spot and sparing, and the shape of the hot spot."""
    distance = targets[0].distance_mm(x_mm, y_mm, z_mm)
    for target in targets[1:]:
        distance = np.minimum(distance, target.distance_mm(x_mm, y_mm, z_mm))
    # The dose falls a little outside the target, and round the corner: a kink on the outline would
    # be blurred by any grid, and the coverage with it.
    turned = np.logaddexp(0, (distance - shoulder_mm) / CORNER_MM) * CORNER_MM
    outside, depth = turned, turned - (distance - shoulder_mm)
    background = BACKGROUND * np.exp(-outside / BACKGROUND_REACH_MM)
    fall = background + (1 - background) * np.exp(-outside / reach_mm)
    forward = 1 / (1 + np.exp((y_mm + 1.0) / 5.0))
    hot = (0.35 + 0.65 * forward) * (1 - np.exp(-depth / RISE_MM))
    return fall, np.asarray(hot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The dose of a plan in Gy at any place in the patient.

    Parameters
    ----------
    reach_mm, shoulder_mm
        Over what distance the dose falls, and how far outside the targets it begins to.
    scale_gy
        What the shape is multiplied by, so that the coverage is as drawn.
    hot
        Height of the hot spot before sparing.
    neural, neural_depth
        The sparing of the neural structures, and the part of the dose it takes.
    organs
        Likewise of organs, each with its part.
    """

    targets: tuple[Target, ...]
    reach_mm: float
    shoulder_mm: float
    scale_gy: float
    hot: float
    neural: Sparing
    neural_depth: float
    organs: tuple[tuple[Sparing, float], ...] = ()

    def dose_gy_at(
        self, x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray
    ) -> FloatArray:
        """Return the dose at places in the patient, for arrays that broadcast."""
        y_mm = y_mm - LEAN * z_mm
        fall, hot = base(
            self.targets,
            x_mm,
            y_mm,
            z_mm,
            reach_mm=self.reach_mm,
            shoulder_mm=self.shoulder_mm,
        )
        dose = self.scale_gy * (fall + self.hot * hot)
        dose = dose * (1 - self.neural_depth * self.neural.share(x_mm, y_mm))
        for sparing, depth in self.organs:
            if depth > 0:
                dose = dose * (1 - depth * sparing.share(x_mm, y_mm))
        return np.asarray(dose)
