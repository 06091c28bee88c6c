"""Volumes of small spheres wherever they lie between contour planes and dose voxels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sbrtcheck import ROI, Contour, Convention, DoseGrid, compute_dvh
from sbrtcheck.phantoms import Sphere, even_axis, linear_dose
from table import Row, Section, grid

__all__ = ["section"]

HEADING = "Accuracy: small spheres"
NOTE = (
    "Error of the volume in % of the sphere's, {centres} random centres for each diameter; 360-gons"
    " with their corners on the circle, planes and dose grid 1 mm apart. Range: the largest error"
    " either way; its spread, largest minus smallest, stands below, also in the shape convention. Five commercial systems on 3 to 20 mm (Stanley 2021): mean -4.7 to 1.2 %,"
    " ranges of 16 to 33 %."
)
SEED = 20
CENTRES = 50
FEW_CENTRES = 15
CORNERS = 360
STEP = 2 * np.pi / CORNERS
ON_CIRCLE = float(
    np.sqrt(np.sin(STEP) / STEP)
)  # shrinks a polygon of the circle's area to it


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of one diameter, in %: must and reach for."""

    diameter_mm: float
    mean: tuple[float, float] = (0.5, 0.2)
    spread: tuple[float, float] = (3.0, 1.0)


LIMITS = (Limits(5, spread=(4.0, 2.0)), Limits(7), Limits(10), Limits(15), Limits(20))


def section(*, small: bool) -> Section:
    """Measure all diameters; the small form takes fewer centres."""
    centres = FEW_CENTRES if small else CENTRES
    found, shape = (
        {
            limits: _errors_percent(limits.diameter_mm, centres, convention)
            for limits in LIMITS
        }
        for convention in (Convention(), Convention(between_planes="shape"))
    )
    return Section(
        heading=HEADING,
        note=NOTE.format(centres=centres),
        rows=tuple(
            row for limits, errors in found.items() for row in _rows(limits, errors)
        ),
        details=tuple(_both(found, shape)),
    )


def _errors_percent(
    diameter_mm: float, centres: int, convention: Convention
) -> NDArray[np.float64]:
    random = np.random.default_rng(SEED)
    dose = _dose(diameter_mm)
    errors = []
    for offset_mm in random.uniform(-0.5, 0.5, (centres, 4)).tolist():
        x_mm, y_mm, z_mm, phase_mm = offset_mm
        sphere = Sphere(radius_mm=diameter_mm / 2, centre_mm=(x_mm, y_mm, z_mm))
        roi = _roi(sphere, phase_mm, ON_CIRCLE)
        found_cc = compute_dvh(roi, dose, convention=convention).volume_cc or 0.0
        errors.append(100 * (found_cc / sphere.volume_cc - 1))
    return np.array(errors)


def _dose(diameter_mm: float) -> DoseGrid:
    """Return a dose grid around the sphere; what dose it holds does not matter here."""
    axis_mm = even_axis(-diameter_mm / 2 - 5, diameter_mm / 2 + 5, 1.0)
    field = linear_dose(gradient_gy_per_mm=1.0, axis="x", at_origin_gy=30.0)
    return field.sampled(axis_mm, axis_mm, axis_mm)


def _roi(sphere: Sphere, phase_mm: float, shrink: float) -> ROI:
    """Return contours on planes 1 mm apart, each shrunk towards the sphere's axis."""
    drawn = sphere.roi("sphere", spacing_mm=1.0, phase_mm=phase_mm, points=CORNERS)
    middle_mm = np.array(sphere.centre_mm[:2])
    rings = [
        Contour(
            points_mm=middle_mm + shrink * (contour.points_mm - middle_mm),
            z_mm=contour.z_mm,
        )
        for contour in drawn.contours
    ]
    return ROI(name="sphere", contours=tuple(rings), plane_spacing_mm=1.0)


def _rows(limits: Limits, errors: NDArray[np.float64]) -> list[Row]:
    what = f"{limits.diameter_mm:g} mm"
    asked = (
        ("mean", limits.mean, float(errors.mean())),
        ("range", limits.spread, float(np.abs(errors).max())),
    )
    return [
        Row(
            what=f"{what}, {name}",
            must=must,
            reach_for=reach_for,
            measured=value,
            unit="%",
        )
        for name, (must, reach_for), value in asked
    ]


def _both(
    found: dict[Limits, NDArray[np.float64]], shape: dict[Limits, NDArray[np.float64]]
) -> list[str]:
    """Return the errors of both conventions between planes."""
    head = ["error in %", "slab (default): mean", "spread", "largest"]
    head += ["shape: mean", "spread", "largest"]
    body = [
        [
            f"{limits.diameter_mm:g} mm",
            *_summary(found[limits]),
            *_summary(shape[limits]),
        ]
        for limits in LIMITS
    ]
    return grid(head, body)


def _summary(errors: NDArray[np.float64]) -> list[str]:
    largest = float(np.abs(errors).max())
    return [f"{errors.mean():+.3f}", f"{np.ptp(errors):.2f}", f"{largest:.2f}"]
