"""Where the patient may lie other than planned: rigid shifts and rotations, in patient terms.

Axes are those of the patient (see `model`), so directions hold in every patient position.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from sbrtcheck.model import FloatArray
from sbrtcheck.phantoms import Axis

__all__ = [
    "DIRECTIONS",
    "ROTATIONS_DEG",
    "SHIFTS_MM",
    "Point",
    "Pose",
    "Rotation",
    "Shift",
]

Point = tuple[float, float, float]
SHIFTS_MM = (1.0, 2.0, 3.0)
ROTATIONS_DEG = (1.0, 2.0)
# Along each axis to and fro, along the diagonals of its planes, and of the cube: 26.
DIRECTIONS = sorted(
    ((x, y, z) for x, y, z in product((-1, 0, 1), repeat=3) if x or y or z),
    key=lambda toward: sum(map(abs, toward)),
)
SIDES = (("right", "left"), ("anterior", "posterior"), ("foot", "head"))
# What a rotation is called, and what the positive and the negative angle do: right-handed.
TURNS: dict[Axis, tuple[str, str, str]] = {
    "x": ("pitch", "head to anterior", "head to posterior"),
    "y": ("yaw", "head to left", "head to right"),
    "z": ("roll", "left to posterior", "left to anterior"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The patient lies `size_mm` further towards a direction than planned.

    `toward` has -1, 0 or 1 along x, y and z; a diagonal shift is as long as a straight one.
    """

    size_mm: float
    toward: tuple[int, int, int]

    @property
    def vector_mm(self) -> Point:
        """Return the shift along x, y and z."""
        unit = np.array(self.toward) / max(np.linalg.norm(self.toward), 1.0)
        x, y, z = (self.size_mm * unit).tolist()
        return x, y, z

    @property
    def direction(self) -> str:
        """Return the direction in words: "left+anterior+head"."""
        sides = (SIDES[axis][sign > 0] for axis, sign in enumerate(self.toward) if sign)
        return "+".join(sides)

    def moved(self, points_mm: FloatArray) -> FloatArray:
        """Return where points of the patient, shape (n, 3), lie in the dose."""
        return np.asarray(points_mm + np.array(self.vector_mm))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The patient lies turned about an axis through a point, right-handed by `angle_deg`."""

    angle_deg: float
    axis: Axis
    about_mm: Point

    @property
    def size_deg(self) -> float:
        """Return the angle without its sign."""
        return abs(self.angle_deg)

    @property
    def direction(self) -> str:
        """Return the rotation in words: "pitch, head to anterior"."""
        name, positive, negative = TURNS[self.axis]
        return f"{name}, {positive if self.angle_deg > 0 else negative}"

    def moved(self, points_mm: FloatArray) -> FloatArray:
        """Return where points of the patient, shape (n, 3), lie in the dose."""
        first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[self.axis]
        away_mm = points_mm - np.array(self.about_mm)
        cosine, sine = (
            np.cos(np.radians(self.angle_deg)),
            np.sin(np.radians(self.angle_deg)),
        )
        turned_mm = away_mm.copy()
        turned_mm[:, first] = cosine * away_mm[:, first] - sine * away_mm[:, second]
        turned_mm[:, second] = sine * away_mm[:, first] + cosine * away_mm[:, second]
        return np.asarray(turned_mm + np.array(self.about_mm))


Pose = Shift | Rotation
AS_PLANNED = Shift(size_mm=0.0, toward=(0, 0, 0))


def shifts(size_mm: float) -> tuple[Shift, ...]:
    """Return the shifts of one size in all 26 directions."""
    return tuple(Shift(size_mm=size_mm, toward=toward) for toward in DIRECTIONS)


def rotations(size_deg: float, about_mm: Point) -> tuple[Rotation, ...]:
    """Return the six rotations of one size: about three axes, either way."""
    return tuple(
        Rotation(angle_deg=sign * size_deg, axis=axis, about_mm=about_mm)
        for axis, sign in product(TURNS, (1, -1))
    )
