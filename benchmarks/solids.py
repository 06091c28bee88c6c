"""Random solids in random doses, with their truth by independent quadrature.

A solid is drawn in any direction, cut into contours on planes of any phase, and its dose sampled
on a grid of any phase. The truth never sees contours or grid: it is read from points spread
evenly (an additive recurrence) through the solid itself, in the dose formula itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from sbrtcheck import ROI, Band, Contour, DoseGrid, Value

FloatArray = NDArray[np.float64]

KINDS = (
    "sphere",
    "ellipsoid",
    "rod",
    "level rod",
    "cord",
    "cone",
    "upright cone",
    "box",
)
DOSES = ("linear", "logistic", "gaussian")
SPACINGS_MM = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
STEPS_MM = (1.0, 1.5, 2.0, 2.5, 3.0)
CORNERS = (None, 32, 60, 100, 200)  # of a ring; None: as fine as the solid
ROUND = 720  # corners of a circle before that
LEAST_MM2 = 1e-3
# Powers of the root of x^4 = x + 1: multiples of it fill the cube evenly (Roberts 2018).
EVEN = 1.2207440846057596 ** -np.arange(1.0, 4.0)


class Solid(NamedTuple):
    """A convex body: how to cut it at a height, its lowest and highest z, points, volume."""

    section: Callable[[float], FloatArray | None]
    ends_mm: tuple[float, float]
    points_mm: FloatArray
    volume_cc: float


@dataclass(frozen=True)
class Case:
    """An ROI in a dose, and what is true of it."""

    kind: str
    dose_kind: str
    roi: ROI
    dose: DoseGrid
    level_gy: float
    truth: dict[str, float]


def random_case(
    random: np.random.Generator, kind: str, dose_kind: str, log2_points: int
) -> Case:
    """Draw a solid, its contours and a dose around it."""
    while True:
        solid = _solid(random, kind, log2_points)
        spacing_mm = float(random.choice(SPACINGS_MM))
        corners = CORNERS[int(random.integers(len(CORNERS)))]
        first_mm = solid.ends_mm[0] + random.random() * spacing_mm
        heights = np.arange(first_mm, solid.ends_mm[1], spacing_mm)
        rings = [(float(z), solid.section(float(z))) for z in heights]
        contours = tuple(
            Contour(points_mm=_resampled(ring, corners), z_mm=z)
            for z, ring in rings
            if ring is not None
        )
        if len(contours) >= 3:
            break
    roi = ROI(name=kind, contours=contours, plane_spacing_mm=spacing_mm)
    field = _field(random, dose_kind)
    step_mm = float(random.choice(STEPS_MM))
    steps_mm = (step_mm, step_mm, float(random.choice([step_mm, spacing_mm])))
    reach_mm = np.abs(solid.points_mm).max(axis=0) + 4
    x, y, z = (
        np.arange(-reach - step * (1 + random.random()), reach + 2 * step, step)
        for reach, step in zip(reach_mm, steps_mm, strict=True)
    )
    places = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
    dose = DoseGrid(dose_gy=field(places), x_mm=x, y_mm=y, z_mm=z)
    level_gy, truth = _truth(solid, np.sort(field(solid.points_mm))[::-1])
    return Case(kind, dose_kind, roi, dose, level_gy, truth)


def answers(band: Band, case: Case) -> dict[str, Value]:
    """Return what a band says where the truth of a case is known."""
    found = {f"D{p}%": band.dose_at_percent_gy(p) for p in (2, 50, 95, 98)}
    found |= {"volume": band.volume_cc, "mean": band.mean_gy}
    found["V"] = band.volume_at_dose_percent(case.level_gy)
    if "D0.035cc" in case.truth:
        found["D0.035cc"] = band.dose_at_volume_gy(0.035)
    return found


def _truth(solid: Solid, dose_gy: FloatArray) -> tuple[float, dict[str, float]]:
    """Return a dose level and the answers, from the dose at all points, highest first."""
    places = np.arange(dose_gy.size) + 0.5

    def hottest(part: float) -> float:
        return float(np.interp(part * dose_gy.size, places, dose_gy))

    level_gy = hottest(0.9)
    truth = {
        "volume": solid.volume_cc,
        "D2%": hottest(0.02),
        "D50%": hottest(0.5),
        "D95%": hottest(0.95),
        "D98%": hottest(0.98),
        "mean": float(dose_gy.mean()),
        "V": 90.0,
    }
    if solid.volume_cc > 0.07:
        truth["D0.035cc"] = hottest(0.035 / solid.volume_cc)
    return level_gy, truth


def _field(
    random: np.random.Generator, kind: str
) -> Callable[[FloatArray], FloatArray]:
    direction = random.normal(size=3)
    direction /= np.linalg.norm(direction)
    if kind == "linear":
        slope = random.uniform(0.2, 1.5)
        return lambda places: 60 + slope * (places @ direction)
    if kind == "logistic":
        rate, middle = 4 * random.uniform(0.04, 0.12), random.uniform(-8, 8)
        return lambda places: 30 / (1 + np.exp(-rate * (places @ direction - middle)))
    sigma, centre = random.uniform(8, 25), random.normal(size=3) * 5
    return lambda places: (
        30 * np.exp(-((places - centre) ** 2).sum(axis=-1) / 2 / sigma**2)
    )


def _solid(random: np.random.Generator, kind: str, log2_points: int) -> Solid:
    even = (random.random(3) + np.arange(2**log2_points)[:, None] * EVEN) % 1.0
    if kind in ("sphere", "ellipsoid"):
        return _ellipsoid(random, kind, even)
    turn = np.arange(ROUND) * 2 * np.pi / ROUND
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    around = np.sqrt(even[:, :1]) * np.stack(
        [np.cos(2 * np.pi * even[:, 1]), np.sin(2 * np.pi * even[:, 1])], axis=1
    )
    at = np.arange(ROUND)
    if kind in ("rod", "level rod", "cord"):
        short = kind == "cord"
        radius = random.uniform(3.5, 7) if short else random.uniform(3, 15)
        length = random.uniform(40, 80) if short else random.uniform(8, 40)
        ends = [
            np.c_[circle * radius, np.full(ROUND, end * length / 2)] for end in (-1, 1)
        ]
        links = [
            (at, at + ROUND),
            (at, (at + 1) % ROUND),
            (at + ROUND, (at + 1) % ROUND + ROUND),
        ]
        inside = np.c_[around * radius, (even[:, 2] - 0.5) * length]
        volume_mm3 = np.pi * radius**2 * length
    elif kind in ("cone", "upright cone"):
        radius, length = random.uniform(5, 15), random.uniform(10, 35)
        ends = [
            np.c_[circle * radius, np.full(ROUND, -length / 2)],
            np.array([[0, 0, length / 2]]),
        ]
        links = [(at, np.full(ROUND, ROUND)), (at, (at + 1) % ROUND)]
        wide = np.cbrt(even[:, 2])
        inside = np.c_[around * radius * wide[:, None], length / 2 - wide * length]
        volume_mm3 = np.pi * radius**2 * length / 3
    else:
        size = random.uniform(6, 30, 3)
        corners = np.array(
            [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
        )
        ends = [corners * size / 2]
        apart = np.abs(corners[:, None] - corners).sum(axis=2)
        one, other = np.nonzero(np.triu(apart == 2))
        links = [(one, other)]
        inside = (even - 0.5) * size
        volume_mm3 = float(size.prod())
    turned = _turn(random, kind)
    corners_mm = np.concatenate(ends) @ turned.T
    edges = np.concatenate([np.stack(link, axis=1) for link in links])

    def section(z_mm: float) -> FloatArray | None:
        return _hull_at(corners_mm, edges, z_mm)

    reach = (float(corners_mm[:, 2].min()), float(corners_mm[:, 2].max()))
    return Solid(section, reach, inside @ turned.T, volume_mm3 / 1000)


def _turn(random: np.random.Generator, kind: str) -> FloatArray:
    """Return a rotation: none, upside down, a lean of up to 25 degrees, or any."""
    if kind == "level rod":
        return np.eye(3)
    if kind == "upright cone":
        return np.diag([1.0, 1.0, random.choice([-1.0, 1.0])])
    if kind == "cord":
        lean, towards = random.uniform(0, np.radians(25)), random.uniform(0, 2 * np.pi)
        x, y = np.cos(towards), np.sin(towards)
        cross = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
        return np.asarray(
            np.eye(3) + np.sin(lean) * cross + (1 - np.cos(lean)) * cross @ cross
        )
    w, x, y, z = (q := random.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _ellipsoid(random: np.random.Generator, kind: str, even: FloatArray) -> Solid:
    radii = (
        np.full(3, random.uniform(3, 15))
        if kind == "sphere"
        else random.uniform(4, 15, 3)
    )
    axes = _turn(random, kind) * radii
    cos = 2 * even[:, 1] - 1
    sin, around = np.sqrt(1 - cos**2), 2 * np.pi * even[:, 2]
    ball = np.stack([sin * np.cos(around), sin * np.sin(around), cos], axis=1)
    matrix = np.linalg.inv(axes @ axes.T)
    height = float(np.sqrt((axes @ axes.T)[2, 2]))
    turn = np.arange(ROUND) * 2 * np.pi / ROUND
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)

    def section(z_mm: float) -> FloatArray | None:
        level, tilt = matrix[:2, :2], matrix[:2, 2] * z_mm
        middle = -np.linalg.solve(level, tilt)
        left = 1 - matrix[2, 2] * z_mm**2 - tilt @ middle
        if left <= 0:
            return None
        width, across = np.linalg.eigh(level)
        return _oriented(middle + (circle * np.sqrt(left / width)) @ across.T)

    points = np.cbrt(even[:, :1]) * ball @ axes.T
    return Solid(
        section, (-height, height), points, float(4 / 3 * np.pi * radii.prod() / 1000)
    )


def _hull_at(
    corners_mm: FloatArray, edges: NDArray[np.intp], z_mm: float
) -> FloatArray | None:
    one, other = corners_mm[edges[:, 0]], corners_mm[edges[:, 1]]
    crossing = (one[:, 2] - z_mm) * (other[:, 2] - z_mm) < 0
    one, other = one[crossing], other[crossing]
    if len(one) < 3:
        return None
    share = (z_mm - one[:, 2]) / (other[:, 2] - one[:, 2])
    hull = shapely.convex_hull(
        shapely.MultiPoint(one[:, :2] + share[:, None] * (other - one)[:, :2])
    )
    if hull.geom_type != "Polygon" or hull.area < LEAST_MM2:
        return None
    return _oriented(shapely.get_coordinates(hull)[:-1])


def _oriented(ring: FloatArray) -> FloatArray:
    return ring if shapely.LinearRing(ring).is_ccw else ring[::-1]


def _resampled(ring: FloatArray, corners: int | None) -> FloatArray:
    """Return a ring with corners evenly along it, on the outline itself."""
    if corners is None or corners >= len(ring):
        return ring
    closed = np.concatenate([ring, ring[:1]])
    arc = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.arange(corners) / corners * arc[-1]
    return np.stack([np.interp(at, arc, closed[:, axis]) for axis in (0, 1)], axis=1)
