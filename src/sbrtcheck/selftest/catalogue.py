"""The phantoms of the self-test, subject by subject."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sbrtcheck.dicom.write import ORIENTATIONS, Offsets
from sbrtcheck.model import ROI, Contour, DoseGrid, FloatArray
from sbrtcheck.phantoms import (
    Axis,
    Box,
    Cone,
    Cylinder,
    DoseField,
    Solid,
    Sphere,
    Tube,
    even_axis,
    gaussian_dose,
    linear_dose,
    logistic_dose,
)
from sbrtcheck.selftest.phantom import (
    INTERVAL,
    OUTSIDE,
    Allowed,
    Phantom,
    Truth,
    truths,
)
from sbrtcheck.selftest.truth import OneAxis, Radial

__all__ = ["phantoms"]

GRADIENT = 0.9  # Gy a mm
MIDDLE_GY = 30.0
MAX_GY = 40.0
PHASE_MM = 0.13  # grids and planes that no edge lies on by chance
ALL = (
    "volume",
    "Dmean",
    "D95%",
    "D50%",
    "D2%",
    "D0.035cc",
    "V30Gy[cc]",
    "Dmin",
    "Dmax",
)
DIGITS_MM = 0.001  # of contours as they are written
LOGISTIC_BEND = 0.0962  # largest |D''| of a logistic over max x rate^2
PRISM = "drawn exactly"


def phantoms() -> Iterator[Phantom]:
    """Yield all phantoms: some fifty."""
    yield from _positions()
    yield from _spheres()
    yield from _rods()
    yield from _cones()
    yield from _rings()
    yield from _cords()
    yield from _gaps()
    yield from _beyond_the_grid()
    yield from _small()


def _around(
    solid_mm: FloatArray, step_mm: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a grid two steps larger than the half extents of a solid, off every edge."""
    x, y, z = (
        even_axis(-half - 2.4 * step_mm + PHASE_MM, half + 2 * step_mm, step_mm)
        for half in solid_mm.tolist()
    )
    return x, y, z


def _linear(axis: Axis) -> DoseField:
    return linear_dose(gradient_gy_per_mm=GRADIENT, axis=axis, at_origin_gy=MIDDLE_GY)


def _along(solid: Solid, axis: Axis) -> OneAxis:
    return OneAxis(solid, axis, lambda place_mm: MIDDLE_GY + GRADIENT * place_mm)


# --- Grids: patient positions and frame offsets --------------------------------------------------


def _positions() -> Iterator[Phantom]:
    """Yield a box in a dose that rises differently along all axes: swaps and flips move its answers."""
    slopes = np.array([0.5, 0.3, 0.4])
    box = Box(size_mm=(22.0, 16.0, 28.0), centre_mm=(4.0, -3.0, 2.0))
    field = DoseField(
        lambda x_mm, y_mm, z_mm: (
            MIDDLE_GY + slopes[0] * x_mm + slopes[1] * y_mm + slopes[2] * z_mm
        )
    )
    half_mm = np.array([11.0, 8.0, 14.0])
    reach_mm = half_mm + np.abs(box.centre_mm)
    # Steps differ along the axes: rows and columns in the wrong order do not fit, either.
    axes = tuple(_around(reach_mm, step)[n] for n, step in enumerate((2.0, 2.5, 1.5)))
    middle_gy = MIDDLE_GY + float(slopes @ np.array(box.centre_mm))
    known = _of_box(box, middle_gy, float(slopes @ half_mm))
    roi = box.roi("box", spacing_mm=2.0)
    dose = field.sampled(*axes)
    for position in ORIENTATIONS:
        yield Phantom(
            subject="patient positions",
            name=position,
            roi=roi,
            dose=dose,
            truths=known,
            position=position,
        )
    written: tuple[Offsets, ...] = ("descending", "absolute")
    for offsets in written:
        yield Phantom(
            subject="frame offsets",
            name=offsets,
            roi=roi,
            dose=dose,
            truths=known,
            offsets=offsets,
        )
    x_mm, y_mm, z_mm = axes
    uneven_mm = np.delete(z_mm, np.arange(3, z_mm.size - 2, 3))
    yield Phantom(
        subject="frame offsets",
        name="uneven",
        roi=roi,
        dose=field.sampled(x_mm, y_mm, uneven_mm),
        truths=known,
    )


def _of_box(box: Box, middle_gy: float, reach_gy: float) -> tuple[Truth, ...]:
    """Return what is known of a box in which dose reaches so far to both sides of its middle's."""
    off_gy = 0.002
    return (
        Truth(
            metric="volume",
            value=box.volume_cc,
            allowed=2e-4 * box.volume_cc,
            why=PRISM,
        ),
        Truth(metric="Dmean", value=middle_gy, allowed=off_gy, why=PRISM),
        Truth(metric="Dmin", value=middle_gy - reach_gy, allowed=off_gy, why=PRISM),
        Truth(metric="Dmax", value=middle_gy + reach_gy, allowed=off_gy, why=PRISM),
        # The dose is as often above the middle's as below it.
        Truth(metric="D50%", value=middle_gy, allowed=0.01, why=PRISM),
    )


# --- Solids --------------------------------------------------------------------------------------


def _spheres() -> Iterator[Phantom]:
    """Yield balls: planes of a spacing h miss up to (h / diameter)^2 of a ball (Euler-Maclaurin, any phase)."""
    for diameter_mm, spacing_mm in (
        (3, 0.2),
        (5, 0.2),
        (7, 0.25),
        (10, 0.5),
        (20, 1.0),
        (40, 2.0),
    ):
        ball = Sphere(radius_mm=diameter_mm / 2)
        roi = ball.roi("sphere", spacing_mm=spacing_mm, phase_mm=0.3 * spacing_mm)
        step_mm = min(spacing_mm, 1.0)
        axes = _around(np.full(3, ball.radius_mm), step_mm)
        slabs = Allowed(
            volume=(spacing_mm / diameter_mm) ** 2,
            wall_mm=spacing_mm / 8,
            end_mm=spacing_mm / 2,
            near_mm=spacing_mm / 2,
            gradient_gy_per_mm=GRADIENT,
            why=f"slabs of {spacing_mm:g} mm",
        )
        metrics = [m for m in ALL if m != "D0.035cc" or ball.volume_cc > 0.07]
        for axis in ("x", "z"):
            yield Phantom(
                subject="spheres",
                name=f"{diameter_mm} mm, linear {axis}",
                roi=roi,
                dose=_linear(axis).sampled(*axes),
                truths=truths(_along(ball, axis), slabs, metrics),
            )
        if diameter_mm >= 10:
            yield _in_gaussian(ball, roi, axes, slabs, step_mm)


def _in_gaussian(
    ball: Sphere,
    roi: ROI,
    axes: tuple[FloatArray, FloatArray, FloatArray],
    slabs: Allowed,
    step_mm: float,
) -> Phantom:
    sigma_mm = 1.5 * ball.radius_mm
    field = gaussian_dose(max_gy=MAX_GY, sigma_mm=sigma_mm)
    known = Radial(ball, lambda r_mm: MAX_GY * np.exp(-(r_mm**2) / (2 * sigma_mm**2)))
    allowed = replace(
        slabs,
        gradient_gy_per_mm=MAX_GY / sigma_mm * float(np.exp(-0.5)),
        curve_gy=3 * step_mm**2 / 8 * MAX_GY / sigma_mm**2,
        why=f"{slabs.why}; linear between {step_mm:g} mm",
    )
    metrics = ("Dmean", "D95%", "D50%", "D2%", "D0.035cc", "V30Gy[cc]", "Dmax")
    return Phantom(
        subject="spheres",
        name=f"{2 * ball.radius_mm:g} mm, Gaussian",
        roi=roi,
        dose=field.sampled(*axes),
        truths=truths(known, allowed, metrics),
    )


def _rods() -> Iterator[Phantom]:
    """Yield rods: lying ones end in square roots: planes miss up to 0.38 (h / r)^1.5 of them."""
    radius_mm, spacing_mm = 10.0, 0.5
    lying = Allowed(
        volume=0.38 * (spacing_mm / radius_mm) ** 1.5,
        wall_mm=spacing_mm / 8,
        end_mm=spacing_mm / 2,
        near_mm=spacing_mm / 2,
        gradient_gy_per_mm=GRADIENT,
        why=f"slabs of {spacing_mm:g} mm",
    )
    upright = replace(
        lying,
        volume=0.0,
        wall_mm=DIGITS_MM,
        end_mm=DIGITS_MM,
        near_mm=DIGITS_MM,
        why=PRISM,
    )
    axes = _around(np.full(3, 15.0), 1.0)
    directions: tuple[Axis, ...] = ("x", "y", "z")
    for direction in directions:
        rod = Cylinder(radius_mm=radius_mm, length_mm=30.0, axis=direction)
        roi = rod.roi("rod", spacing_mm=spacing_mm)
        for along in directions:
            allowed = upright if direction == "z" else lying
            yield Phantom(
                subject="cylinders",
                name=f"axis {direction}, linear {along}",
                roi=roi,
                dose=_linear(along).sampled(*axes),
                truths=truths(_along(rod, along), _on_rings(allowed, along), ALL),
            )


def _on_rings(allowed: Allowed, along: Axis) -> Allowed:
    """Allow for rings of 360 corners, which stand out from their circle by 5e-5 of the radius."""
    if along == "z":
        return allowed
    return replace(allowed, end_mm=allowed.end_mm + 0.002)


def _cones() -> Iterator[Phantom]:
    """Yield cones: an upright one's slabs miss (h / 2 height)^2 of it, a lying one ends smoothly."""
    radius_mm, height_mm, spacing_mm = 10.0, 30.0, 0.5
    axes = _around(np.full(3, 15.0), 1.0)
    directions: tuple[Axis, ...] = ("x", "y", "z")
    for direction in directions:
        cone = Cone(radius_mm=radius_mm, height_mm=height_mm, axis=direction)
        upright = direction == "z"
        allowed = Allowed(
            volume=(spacing_mm / (2 * height_mm)) ** 2
            if upright
            else 0.38 * (spacing_mm / radius_mm) ** 1.5,
            wall_mm=spacing_mm / 8,
            # No plane need pass the tip of a lying cone: it is as long as its slope makes it.
            end_mm=spacing_mm / 2 * height_mm / radius_mm,
            near_mm=spacing_mm / 2,
            gradient_gy_per_mm=GRADIENT,
            why=f"slabs of {spacing_mm:g} mm",
        )
        along: Axis = "z" if upright else direction
        yield Phantom(
            subject="cones",
            name=f"axis {direction}, linear {along}",
            roi=cone.roi("cone", spacing_mm=spacing_mm),
            dose=_linear(along).sampled(*axes),
            truths=truths(_along(cone, along), allowed, ALL),
        )


def _rings() -> Iterator[Phantom]:
    """Yield a tube whose hole is drawn as a ring in a ring, as a keyhole, and by exclusive-or."""
    tube = Tube(radius_mm=10.0, hole_radius_mm=6.0, length_mm=24.0)
    nested = tube.roi("ring", spacing_mm=2.0)
    allowed = Allowed(
        volume=0.0,
        wall_mm=DIGITS_MM,
        end_mm=0.002,
        near_mm=DIGITS_MM,
        gradient_gy_per_mm=GRADIENT,
        why=PRISM,
    )
    axes = _around(np.array([10.0, 10.0, 12.0]), 1.5)
    drawn = {
        "ring in ring": nested,
        "keyhole": replace(nested, contours=_keyholes(nested)),
        "nested exclusive-or": replace(
            nested, contours=tuple(replace(ring, xor=True) for ring in nested.contours)
        ),
    }
    for name, roi in drawn.items():
        yield Phantom(
            subject="holes",
            name=name,
            roi=roi,
            dose=_linear("x").sampled(*axes),
            truths=truths(_along(tube, "x"), allowed, ALL),
        )
    yield _crossing(axes)


def _crossing(axes: tuple[FloatArray, FloatArray, FloatArray]) -> Phantom:
    """Return two squares of 12 mm, 4 mm apart, combined by exclusive-or: what they share is out."""
    left, right = (
        Box(size_mm=(12.0, 12.0, 24.0), centre_mm=(x_mm, 0.0, 0.0)).roi(
            "squares", spacing_mm=2.0
        )
        for x_mm in (-2.0, 2.0)
    )
    contours = tuple(
        replace(ring, xor=True) for ring in (*left.contours, *right.contours)
    )
    volume_cc = 2 * 4.0 * 12.0 * 24.0 / 1000
    return Phantom(
        subject="holes",
        name="exclusive-or",
        roi=replace(left, contours=contours),
        dose=_linear("x").sampled(*axes),
        truths=(
            Truth(
                metric="volume", value=volume_cc, allowed=5e-4 * volume_cc, why=PRISM
            ),
            Truth(metric="Dmean", value=MIDDLE_GY, allowed=0.005, why=PRISM),
            # Half of a square's own strip lies beyond the middle of it.
            Truth(
                metric="D25%", value=MIDDLE_GY + GRADIENT * 6.0, allowed=0.01, why=PRISM
            ),
            Truth(
                metric="Dmax",
                value=MIDDLE_GY + GRADIENT * 8.0,
                allowed=0.005,
                why=PRISM,
            ),
        ),
    )


def _keyholes(nested: ROI) -> tuple[Contour, ...]:
    """Join each plane's two rings by a cut that is passed both ways."""
    pairs = zip(nested.contours[::2], nested.contours[1::2], strict=True)
    return tuple(
        Contour(
            points_mm=np.concatenate(
                [
                    outer.points_mm,
                    outer.points_mm[:1],
                    inner.points_mm[:1],
                    inner.points_mm[::-1],
                ]
            ),
            z_mm=outer.z_mm,
        )
        for outer, inner in pairs
    )


def _cords() -> Iterator[Phantom]:
    """Yield a cord of 5 mm radius in a fall-off of 10 % a mm, as beside a spine SBRT target."""
    cord = Cylinder(radius_mm=5.0, length_mm=40.0)
    roi = cord.roi("SpinalCord", spacing_mm=1.0)
    rate = 4 * 10.0 / 100
    field = logistic_dose(max_gy=MAX_GY, axis="y", middle_mm=-6.0, percent_per_mm=-10.0)
    known = OneAxis(
        cord, "y", lambda y_mm: MAX_GY / (1 + np.exp(rate * (y_mm + 6.0))), rises=False
    )
    metrics = ("volume", "Dmean", "D50%", "D2%", "D0.035cc", "V10Gy[cc]", "Dmax")
    for step_mm in (1.0, 2.0, 2.5):
        allowed = Allowed(
            volume=0.0,
            wall_mm=DIGITS_MM,
            end_mm=0.002,
            near_mm=DIGITS_MM,
            gradient_gy_per_mm=MAX_GY * rate / 4,
            curve_gy=step_mm**2 / 8 * LOGISTIC_BEND * MAX_GY * rate**2,
            why=f"linear between {step_mm:g} mm",
        )
        yield Phantom(
            subject="cord in a penumbra",
            name=f"grid {step_mm:g} mm",
            roi=roi,
            dose=field.sampled(*_around(np.array([5.0, 5.0, 20.0]), step_mm)),
            truths=truths(known, allowed, (*metrics, "D0.035cc" + INTERVAL)),
        )


# --- What is missing -----------------------------------------------------------------------------


def _gaps() -> Iterator[Phantom]:
    """Yield a rod that lacks two planes, and is whole, and one that lacks six, and is two rods."""
    rod, spacing_mm = Cylinder(radius_mm=8.0, length_mm=40.0), 2.0
    whole = rod.roi("rod", spacing_mm=spacing_mm)
    area_mm2 = np.pi * rod.radius_mm**2
    dose = _linear("x").sampled(*_around(np.array([8.0, 8.0, 20.0]), 2.0))
    for missing, length_mm in ((2, 40.0), (6, 28.0)):
        kept = tuple(
            c for n, c in enumerate(whole.contours) if not 7 <= n < 7 + missing
        )
        volume_cc = area_mm2 * length_mm / 1000
        yield Phantom(
            subject="gaps",
            name=f"{missing} planes missing",
            roi=replace(whole, contours=kept),
            dose=dose,
            truths=(
                Truth(
                    metric="volume",
                    value=volume_cc,
                    allowed=3e-4 * volume_cc,
                    why=PRISM,
                ),
                Truth(metric="Dmean", value=MIDDLE_GY, allowed=0.002, why=PRISM),
                Truth(metric="D50%", value=MIDDLE_GY, allowed=0.01, why=PRISM),
            ),
        )


def _beyond_the_grid() -> Iterator[Phantom]:
    """Yield a rod that leaves the grid: its volume is whole, no dose of all of it is known."""
    rod = Cylinder(radius_mm=6.0, length_mm=40.0)
    roi = rod.roi("rod", spacing_mm=2.0)
    x_mm, y_mm, z_mm = _around(np.array([6.0, 6.0, 20.0]), 1.0)
    inside_mm = z_mm[z_mm < 5.0]
    outside_cc = rod.volume_beyond_cc("z", float(inside_mm[-1]))
    volume = Truth(
        metric="volume", value=rod.volume_cc, allowed=3e-4 * rod.volume_cc, why=PRISM
    )
    unknown = tuple(
        Truth(metric=metric, value=None) for metric in ("Dmean", "D0.035cc", "D95%")
    )
    yield Phantom(
        subject="beyond the grid",
        name="a part of a rod",
        roi=roi,
        dose=_linear("x").sampled(x_mm, y_mm, inside_mm),
        truths=(
            volume,
            Truth(
                metric=OUTSIDE, value=outside_cc, allowed=1e-3 * outside_cc, why=PRISM
            ),
            *unknown,
        ),
    )
    yield Phantom(
        subject="beyond the grid",
        name="all of a rod",
        roi=roi,
        dose=_shifted(_linear("x").sampled(x_mm, y_mm, z_mm), 100.0),
        truths=(volume, *unknown),
    )


def _shifted(dose: DoseGrid, z_mm: float) -> DoseGrid:
    return replace(dose, z_mm=dose.z_mm + z_mm)


def _small() -> Iterator[Phantom]:
    """Yield a box of 1 cc: no dose is the least of its hottest 2 cc, and 0 would read as safe."""
    box = Box(size_mm=(10.0, 10.0, 10.0))
    yield Phantom(
        subject="smaller than asked",
        name="1 cc",
        roi=box.roi("box", spacing_mm=2.0),
        dose=_linear("x").sampled(*_around(np.full(3, 5.0), 1.0)),
        truths=(
            Truth(metric="D2cc", value=None),
            Truth(metric="volume", value=1.0, allowed=2e-4, why=PRISM),
        ),
    )
