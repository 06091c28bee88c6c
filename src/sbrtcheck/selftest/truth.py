"""What a solid in a dose truly receives: closed forms, and sums over slices of the solid itself.

Nothing here knows contours, cells or grids. In a dose that changes along one coordinate only, the
solid's volume beyond that coordinate *is* its cumulative DVH.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sbrtcheck.model import FloatArray
from sbrtcheck.phantoms import Axis, Solid, Sphere

__all__ = ["Known", "OneAxis", "Radial"]

SLICES = 501  # of a solid: the mean dose misses by less than 1e-5 of its range
TINY = 1e-13  # of a volume: the last of a solid that still has one
HALVINGS = 60


class Known:
    """The exact answers of one solid in one dose."""

    volume_cc: float

    def dose_at_volume_gy(self, volume_cc: float) -> float:
        """Return the least dose of the hottest volume."""
        raise NotImplementedError

    @property
    def mean_gy(self) -> float:
        """Return the mean dose."""
        raise NotImplementedError

    @property
    def max_gy(self) -> float:
        """Return the highest dose."""
        return self.dose_at_volume_gy(TINY * self.volume_cc)

    @property
    def min_gy(self) -> float:
        """Return the least dose."""
        return self.dose_at_volume_gy((1 - TINY) * self.volume_cc)

    def volume_at_dose_cc(self, dose_gy: float) -> float:
        """Return the volume that receives at least a dose."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class OneAxis(Known):
    """A dose that rises or falls along one axis and changes along no other.

    `dose_gy_at` takes coordinates along the axis in mm.
    """

    solid: Solid
    axis: Axis
    dose_gy_at: Callable[[FloatArray], FloatArray]
    rises: bool = True

    @property
    def volume_cc(self) -> float:  # type: ignore[override]
        """Return the volume of the solid."""
        return self.solid.volume_cc

    def dose_at_volume_gy(self, volume_cc: float) -> float:
        """Return the dose at the coordinate beyond which the volume lies."""
        beyond_cc = volume_cc if self.rises else self.volume_cc - volume_cc
        place_mm = self.solid.coordinate_mm(self.axis, beyond_cc)
        return float(self.dose_gy_at(np.array([place_mm]))[0])

    def volume_at_dose_cc(self, dose_gy: float) -> float:
        """Return the volume beyond, or before, the coordinate of that dose."""
        low_mm, high_mm = (
            self.solid.coordinate_mm(self.axis, share * self.volume_cc)
            for share in (1 - TINY, TINY)
        )
        for _ in range(HALVINGS):
            half_mm = (low_mm + high_mm) / 2
            if (self.dose_gy_at(np.array([half_mm]))[0] < dose_gy) == self.rises:
                low_mm = half_mm
            else:
                high_mm = half_mm
        beyond_cc = self.solid.volume_beyond_cc(self.axis, low_mm)
        return beyond_cc if self.rises else self.volume_cc - beyond_cc

    @property
    def mean_gy(self) -> float:
        """Return the mean over slices across the axis, each its exact volume."""
        low_mm, high_mm = (
            self.solid.coordinate_mm(self.axis, share * self.volume_cc)
            for share in (1 - TINY, TINY)
        )
        cuts_mm = np.linspace(low_mm, high_mm, SLICES)
        beyond_cc = np.array(
            [self.solid.volume_beyond_cc(self.axis, float(c)) for c in cuts_mm]
        )
        middle_mm = (cuts_mm[1:] + cuts_mm[:-1]) / 2
        return float(
            np.average(self.dose_gy_at(middle_mm), weights=-np.diff(beyond_cc))
        )


@dataclass(frozen=True, slots=True)
class Radial(Known):
    """A dose that falls with the distance from the middle of a ball."""

    ball: Sphere
    dose_gy_at: Callable[[FloatArray], FloatArray]

    @property
    def volume_cc(self) -> float:  # type: ignore[override]
        """Return the volume of the ball."""
        return self.ball.volume_cc

    def dose_at_volume_gy(self, volume_cc: float) -> float:
        """Return the dose at the surface of the inner ball of that volume."""
        radius_mm = (3000 * volume_cc / (4 * np.pi)) ** (1 / 3)
        return float(self.dose_gy_at(np.array([radius_mm]))[0])

    def volume_at_dose_cc(self, dose_gy: float) -> float:
        """Return the volume of the inner ball whose surface has that dose."""
        low_mm, high_mm = 0.0, self.ball.radius_mm
        for _ in range(HALVINGS):
            half_mm = (low_mm + high_mm) / 2
            if self.dose_gy_at(np.array([half_mm]))[0] >= dose_gy:
                low_mm = half_mm
            else:
                high_mm = half_mm
        return float(4 / 3000 * np.pi * low_mm**3)

    @property
    def mean_gy(self) -> float:
        """Return the mean over shells."""
        cuts_mm = np.linspace(0, self.ball.radius_mm, SLICES)
        middle_mm = (cuts_mm[1:] + cuts_mm[:-1]) / 2
        return float(
            np.average(self.dose_gy_at(middle_mm), weights=np.diff(cuts_mm**3))
        )
