"""Solids and dose fields with closed-form truth, as model values.

A solid gives its contours and its true volume, whole and beyond any plane across an axis. In a
dose that rises along that axis this *is* the cumulative DVH, with no sampling in it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sbrtcheck.model import ROI, Contour, DoseGrid, FloatArray

__all__ = [
    "Axis",
    "Box",
    "Cone",
    "Cylinder",
    "DoseField",
    "Solid",
    "Sphere",
    "Tube",
    "even_axis",
    "gaussian_dose",
    "linear_dose",
    "logistic_dose",
]

Axis = Literal["x", "y", "z"]
Point = tuple[float, float, float]
AXES: tuple[Axis, ...] = ("x", "y", "z")
WHOLE = 1e-9  # of a spacing: a height that misses a whole number of them by less is one


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid(ABC):
    """What all solids share: a centre, contours, volumes."""

    centre_mm: Point = (0.0, 0.0, 0.0)

    def roi(
        self, name: str, *, spacing_mm: float, phase_mm: float = 0.0, points: int = 360
    ) -> ROI:
        """Return the contours of the solid on axial planes.

        Parameters
        ----------
        spacing_mm
            Distance of the planes.
        phase_mm
            Shift of all planes. At 0, a solid as high as a whole number of spacings has its
            end planes half a spacing inside, so that half-slice caps give its true height;
            any other has a plane through its centre.
        points
            Corners of a curved ring. Circles are polygons of the circle's area.
        """
        half_mm = self._half_height_mm
        planes = 2 * half_mm / spacing_mm
        even = abs(planes - round(planes)) < WHOLE and round(planes) % 2 == 0
        first_mm = phase_mm + (spacing_mm / 2 if even else 0.0)
        count = int((half_mm + abs(first_mm)) / spacing_mm) + 1
        heights_mm = (first_mm + spacing_mm * np.arange(-count, count + 1)).tolist()
        contours = (
            Contour(points_mm=ring + self.centre_mm[:2], z_mm=self.centre_mm[2] + z_mm)
            for z_mm in heights_mm
            if abs(z_mm) < half_mm - WHOLE * spacing_mm
            for ring in self._rings(z_mm, points)
        )
        return ROI(name=name, contours=tuple(contours), plane_spacing_mm=spacing_mm)

    @property
    def volume_cc(self) -> float:
        """Return the volume in cc."""
        return self.volume_beyond_cc("z", -np.inf)

    def volume_beyond_cc(self, axis: Axis, coordinate_mm: float) -> float:
        """Return the volume in cc whose coordinate along `axis` is at least `coordinate_mm`."""
        return (
            self._beyond_mm3(axis, coordinate_mm - self.centre_mm[AXES.index(axis)])
            / 1000
        )

    def coordinate_mm(self, axis: Axis, volume_cc: float) -> float:
        """Return the coordinate beyond which `volume_cc` lies: `volume_beyond_cc`, inverted."""
        middle_mm = self.centre_mm[AXES.index(axis)]
        low_mm, high_mm = middle_mm - 1000.0, middle_mm + 1000.0
        for _ in range(60):  # halvings of 2 m leave 2e-15 mm
            half_mm = (low_mm + high_mm) / 2
            if self.volume_beyond_cc(axis, half_mm) >= volume_cc:
                low_mm = half_mm
            else:
                high_mm = half_mm
        return low_mm

    @property
    @abstractmethod
    def _half_height_mm(self) -> float:
        """Return half of the extent along z."""

    @abstractmethod
    def _rings(self, z_mm: float, points: int) -> list[FloatArray]:
        """Return the rings at a height above the centre, around the origin."""

    @abstractmethod
    def _beyond_mm3(self, axis: Axis, c_mm: float) -> float:
        """Return the volume beyond a coordinate measured from the centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sphere(Solid):
    """A ball; its cap beyond c has pi (2 r^3 / 3 - r^2 c + c^3 / 3)."""

    radius_mm: float

    @property
    def _half_height_mm(self) -> float:
        return self.radius_mm

    def _rings(self, z_mm: float, points: int) -> list[FloatArray]:
        return [_circle(float(np.sqrt(self.radius_mm**2 - z_mm**2)), points)]

    def _beyond_mm3(self, axis: Axis, c_mm: float) -> float:  # noqa: ARG002 - the same along all
        r, c = self.radius_mm, float(np.clip(c_mm, -self.radius_mm, self.radius_mm))
        return float(np.pi * (2 * r**3 / 3 - r**2 * c + c**3 / 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cylinder(Solid):
    """A rod; across its axis, its length times a segment r^2 acos(c / r) - c sqrt(r^2 - c^2)."""

    radius_mm: float
    length_mm: float
    axis: Axis = "z"

    @property
    def _half_height_mm(self) -> float:
        return self.length_mm / 2 if self.axis == "z" else self.radius_mm

    def _rings(self, z_mm: float, points: int) -> list[FloatArray]:
        if self.axis == "z":
            return [_circle(self.radius_mm, points)]
        width_mm = 2 * float(np.sqrt(self.radius_mm**2 - z_mm**2))
        sizes_mm = (
            (self.length_mm, width_mm)
            if self.axis == "x"
            else (width_mm, self.length_mm)
        )
        return [_rectangle(*sizes_mm)]

    def _beyond_mm3(self, axis: Axis, c_mm: float) -> float:
        if axis == self.axis:
            left_mm = float(np.clip(self.length_mm / 2 - c_mm, 0, self.length_mm))
            return float(np.pi * self.radius_mm**2 * left_mm)
        r, c = self.radius_mm, float(np.clip(c_mm, -self.radius_mm, self.radius_mm))
        return float(
            self.length_mm * (r**2 * np.arccos(c / r) - c * np.sqrt(r**2 - c**2))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cone(Solid):
    """A cone; its tip points along +axis, its centre is at half its height.

    Beyond c along its axis, a similar cone. Across it, the segments of all its circles,
    integrated over their radius: with q = sqrt(r^2 - c^2) and c > 0,
    (h / 3r) (r^3 acos(c / r) - 2 c r q + c^3 ln((r + q) / c)).
    """

    radius_mm: float
    height_mm: float
    axis: Axis = "z"

    @property
    def _half_height_mm(self) -> float:
        return self.height_mm / 2 if self.axis == "z" else self.radius_mm

    def _rings(self, z_mm: float, points: int) -> list[FloatArray]:
        if self.axis == "z":
            return [_circle(self.radius_mm * (0.5 - z_mm / self.height_mm), points)]
        half_width_mm = np.sqrt(self.radius_mm**2 - z_mm**2)
        x_mm = np.linspace(
            half_width_mm, -half_width_mm, points // 2 * 2 + 1
        )  # with the tip
        y_mm = self.height_mm * (0.5 - np.hypot(x_mm, z_mm) / self.radius_mm)
        return [np.stack([x_mm, y_mm] if self.axis == "y" else [y_mm, x_mm], axis=1)]

    def _beyond_mm3(self, axis: Axis, c_mm: float) -> float:
        r, h = self.radius_mm, self.height_mm
        whole_mm3 = float(np.pi * r**2 * h / 3)
        if axis == self.axis:
            return whole_mm3 * float(np.clip(0.5 - c_mm / h, 0, 1)) ** 3
        c = float(min(abs(c_mm), r))
        if c == 0:
            return whole_mm3 / 2
        q = np.sqrt(r**2 - c**2)
        beyond_mm3 = (
            r**3 * np.arccos(c / r) - 2 * c * r * q + c**3 * np.log((r + q) / c)
        )
        beyond_mm3 *= h / (3 * r)
        return float(beyond_mm3 if c_mm > 0 else whole_mm3 - beyond_mm3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube(Solid):
    """A rod along z with a round hole: the difference of two cylinders."""

    radius_mm: float
    hole_radius_mm: float
    length_mm: float

    @property
    def _half_height_mm(self) -> float:
        return self.length_mm / 2

    def _rings(self, z_mm: float, points: int) -> list[FloatArray]:  # noqa: ARG002 - all alike
        return [_circle(self.radius_mm, points), _circle(self.hole_radius_mm, points)]

    def _beyond_mm3(self, axis: Axis, c_mm: float) -> float:
        outer, hole = (
            Cylinder(radius_mm=radius_mm, length_mm=self.length_mm)
            for radius_mm in (self.radius_mm, self.hole_radius_mm)
        )
        return outer._beyond_mm3(axis, c_mm) - hole._beyond_mm3(axis, c_mm)  # noqa: SLF001 - kin


@dataclass(frozen=True, slots=True, kw_only=True)
class Box(Solid):
    """A block with faces across the axes."""

    size_mm: Point

    @property
    def _half_height_mm(self) -> float:
        return self.size_mm[2] / 2

    def _rings(self, z_mm: float, points: int) -> list[FloatArray]:  # noqa: ARG002 - four corners
        return [_rectangle(*self.size_mm[:2])]

    def _beyond_mm3(self, axis: Axis, c_mm: float) -> float:
        size_mm = self.size_mm[AXES.index(axis)]
        return float(np.prod(self.size_mm) * np.clip(0.5 - c_mm / size_mm, 0, 1))


def _circle(radius_mm: float, points: int) -> FloatArray:
    """Return a regular polygon of the circle's area, counter-clockwise, shape (points, 2)."""
    step = 2 * np.pi / points
    turn = step * np.arange(points)
    corner_mm = radius_mm * np.sqrt(step / np.sin(step))
    return np.stack([corner_mm * np.cos(turn), corner_mm * np.sin(turn)], axis=1)


def _rectangle(width_mm: float, depth_mm: float) -> FloatArray:
    x_mm, y_mm = width_mm / 2, depth_mm / 2
    return np.array([[-x_mm, -y_mm], [x_mm, -y_mm], [x_mm, y_mm], [-x_mm, y_mm]])


@dataclass(frozen=True, slots=True)
class DoseField:
    """A dose known everywhere: `dose_gy_at(x_mm, y_mm, z_mm)`, for arrays that broadcast."""

    dose_gy_at: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

    def sampled(self, x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray) -> DoseGrid:
        """Return the dose at grid points, each axis ascending."""
        dose_gy = self.dose_gy_at(x_mm, y_mm[:, None], z_mm[:, None, None])
        shape = (z_mm.size, y_mm.size, x_mm.size)
        return DoseGrid(
            dose_gy=np.broadcast_to(dose_gy, shape), x_mm=x_mm, y_mm=y_mm, z_mm=z_mm
        )


def even_axis(low_mm: float, high_mm: float, step_mm: float) -> FloatArray:
    """Return grid points from `low_mm` on, `step_mm` apart, the last at or beyond `high_mm`."""
    steps = int(np.ceil((high_mm - low_mm) / step_mm - WHOLE))
    return np.asarray(low_mm + step_mm * np.arange(steps + 1), dtype=np.float64)


def linear_dose(
    *, gradient_gy_per_mm: float, axis: Axis, at_origin_gy: float = 0.0
) -> DoseField:
    """Return a dose that changes evenly along an axis. Trilinear reading is exact in it."""
    return DoseField(
        lambda *place_mm: at_origin_gy + gradient_gy_per_mm * place_mm[AXES.index(axis)]
    )


def gaussian_dose(
    *, max_gy: float, sigma_mm: float, centre_mm: Point = (0.0, 0.0, 0.0)
) -> DoseField:
    """Return a hot spot: D = max exp(-d^2 / 2 sigma^2), d the distance from its centre."""

    def dose_gy_at(x_mm: FloatArray, y_mm: FloatArray, z_mm: FloatArray) -> FloatArray:
        cx_mm, cy_mm, cz_mm = centre_mm
        distance2 = (x_mm - cx_mm) ** 2 + (y_mm - cy_mm) ** 2 + (z_mm - cz_mm) ** 2
        return np.asarray(max_gy * np.exp(-distance2 / (2 * sigma_mm**2)))

    return DoseField(dose_gy_at)


def logistic_dose(
    *, max_gy: float, axis: Axis, middle_mm: float, percent_per_mm: float
) -> DoseField:
    """Return a penumbra: D = max / (1 + exp(-4 s (c - middle))), s the steepest rise.

    Parameters
    ----------
    middle_mm
        Where the dose is half of the maximum.
    percent_per_mm
        The steepest rise, in per cent of the maximum; negative where the dose falls.
    """
    rate = 4 * percent_per_mm / 100

    def dose_gy_at(*place_mm: FloatArray) -> FloatArray:
        return np.asarray(
            max_gy / (1 + np.exp(-rate * (place_mm[AXES.index(axis)] - middle_mm)))
        )

    return DoseField(dose_gy_at)
