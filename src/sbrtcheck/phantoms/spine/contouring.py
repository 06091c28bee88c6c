"""How parts are drawn: contours on planes, and sample points of what was drawn."""

from dataclasses import dataclass

import numpy as np

from sbrtcheck.model import ROI, Contour, FloatArray
from sbrtcheck.phantoms.spine.anatomy import LEAN, Part
from sbrtcheck.phantoms.spine.drawn import Drawn
from sbrtcheck.phantoms.spine.outlines import brushed, inside_points, rim_points

__all__ = ["Points", "contours", "inside", "rim", "roi"]

INSIDE_STEP_MM = 1.0
RIM_STEP_MM = 1.0
TYPES = {"GTV": "GTV", "CTV": "CTV", "PTV": "PTV", "External": "EXTERNAL"}


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Places in the patient, shape (n,) each."""

    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray


def contours(part: Part, drawn: Drawn) -> tuple[Contour, ...]:
    """Return the contours of a part on the planes of a plan."""
    step, phase = drawn.planes_mm, drawn.planes_phase
    first = int(np.ceil(part.low_mm / step - phase))
    last = int(np.floor(part.high_mm / step - phase))
    rings = []
    for z_mm in (step * (np.arange(first, last + 1) + phase)).round(3).tolist():
        for section in part.sections_at(z_mm):
            ring = section.ring_mm(drawn.corners) + np.array([0.0, LEAN * z_mm])
            if drawn.outline == "brush":
                ring = brushed(ring)
            rings.append(Contour(points_mm=ring.round(3), z_mm=z_mm))
    return tuple(rings)


def roi(
    part: Part, rings: tuple[Contour, ...], drawn: Drawn, name: str, number: int
) -> ROI:
    """Return the ROI of a part."""
    return ROI(
        name=name,
        contours=rings,
        number=number,
        interpreted_type=TYPES.get(part.structure, "ORGAN"),
        plane_spacing_mm=drawn.planes_mm,
    )


def inside(rings: tuple[Contour, ...], drawn: Drawn) -> Points:
    """Return points that fill what was drawn evenly: each plane owns the slab around it."""
    layers = max(1, int(np.ceil(drawn.planes_mm / INSIDE_STEP_MM)))
    heights = drawn.planes_mm * ((np.arange(layers) + 0.5) / layers - 0.5)
    rows = [
        (inside_points(ring.points_mm, INSIDE_STEP_MM, _phase(index)), ring.z_mm)
        for index, ring in enumerate(rings)
    ]
    return _stacked(rows, heights)


def _phase(index: int) -> tuple[float, float]:
    """Return how far a raster is shifted: each plane otherwise, or pixels would be met alike."""
    return (index + 0.5) * 0.7549 % 1, (index + 0.5) * 0.5698 % 1


def rim(rings: tuple[Contour, ...], drawn: Drawn, *, grown_mm: float = 0.0) -> Points:
    """Return points on and within the rims of what was drawn, or of that grown on all sides."""
    half = drawn.planes_mm / 2 + grown_mm
    heights = np.linspace(-half, half, 3 if grown_mm == 0 else 5)
    rows = []
    for contour in rings:
        ring = contour.points_mm
        if grown_mm > 0:
            out = ring - ring.mean(axis=0)
            ring = ring + grown_mm * out / np.hypot(*out.T)[:, None]
        rows.append((rim_points(ring, RIM_STEP_MM), contour.z_mm))
    return _stacked(rows, heights)


def _stacked(rows: list[tuple[FloatArray, float]], heights: FloatArray) -> Points:
    """Return points of planes, repeated at heights above and below each plane."""
    flat = np.concatenate([points for points, _ in rows])
    z = np.concatenate([np.full(len(points), z_mm) for points, z_mm in rows])
    count = heights.size
    return Points(
        np.tile(flat[:, 0], count),
        np.tile(flat[:, 1], count),
        (heights[:, None] + z).ravel(),
    )
