"""The dose of a plan: sparing and scale are searched until the drawn numbers are met."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sbrtcheck.model import Contour, FloatArray
from sbrtcheck.phantoms.spine.anatomy import LEAN, Anatomy, Part, anatomy
from sbrtcheck.phantoms.spine.contouring import Points, contours, inside, rim
from sbrtcheck.phantoms.spine.drawn import Drawn
from sbrtcheck.phantoms.spine.field import Field, Sparing, Target, organ_sparing
from sbrtcheck.phantoms.spine.limits import CLEAR, ORGANS, PRV, aim, line_gy

__all__ = ["Solved", "Truth", "gap_mm", "solve"]

LEAST_GAP_MM = 2.5
STEEPEST = 0.11  # of the prescription per mm, towards what is spared
HALVINGS = 14
ROUNDS = 3
DEEPEST = 0.9
MADE_PRV_MM = 2.0
# And half a step of the grid: how far outside the PTVs the dose begins to fall.
SHOULDER_MM = 0.5
Rings = tuple[tuple[Part, tuple[Contour, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The true numbers of a plan, from dense samples of its field over what was drawn.

    Parameters
    ----------
    coverage_percent, median_gy
        V100% and median dose of each PTV, by level.
    maximum_gy
        The highest dose in a PTV.
    maxima_gy
        Highest dose of each structure that a line is asked of; `SpinalCord_PRV` is that of the
        cord and 2 mm where no PRV is drawn.
    """

    coverage_percent: Mapping[str, float]
    median_gy: Mapping[str, float]
    maximum_gy: float
    maxima_gy: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solved:
    """A body as drawn, its dose, and what is true of both."""

    body: Anatomy
    rings: Rings
    field: Field
    truth: Truth
    is_good: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """The parts of the dose at sample points."""

    fall: FloatArray
    hot: FloatArray
    share: FloatArray

    def shape(self, hot: float, depth: float) -> FloatArray:
        return (self.fall + hot * self.hot) * (1 - depth * self.share)


def gap_mm(drawn: Drawn) -> tuple[float, float]:
    """Return how far the PTVs stay from what is spared, and where the dose must be low already."""
    asked = [
        (0.0, line)
        for name in _neural(drawn)
        if (line := line_gy(name, drawn)) is not None
    ]
    if drawn.cord:
        asked.append((drawn.prv_mm or MADE_PRV_MM, PRV[drawn.fractions]))
    needs = []
    for reach, line in asked:
        part = aim(drawn) * line / (1.05 * drawn.rx_gy)
        needs.append((reach + 1.2 + 1.28 / STEEPEST * max(0.0, 1 - part), reach))
    gap, reach = max(needs)
    return max(gap, LEAST_GAP_MM), reach


def _neural(drawn: Drawn) -> list[str]:
    has = {
        "SpinalCord": drawn.cord,
        "ThecalSac": drawn.sac,
        "SpinalCanal": drawn.canal,
        "CaudaEquina": drawn.cauda,
    }
    return [name for name, there in has.items() if there]


def solve(drawn: Drawn) -> Solved:
    """Return body and dose of a plan that meet what was drawn.

    Where sparing alone does not do, the PTVs are drawn further away.
    """
    gap, reach = gap_mm(drawn)
    solved = _solved(drawn, gap, reach)
    for further in (1.5, 3.0):
        if solved.is_good:
            break
        solved = _solved(drawn, gap + further, reach)
    return solved


def _solved(drawn: Drawn, gap: float, reach: float) -> Solved:
    """Return body and dose at one distance between PTVs and what is spared."""
    body = anatomy(drawn, gap)
    rings = tuple((part, contours(part, drawn)) for part in body.parts)
    drawn_rings: Rings = tuple(row for row in rings if row[1])
    targets = tuple(
        _target(p, r, drawn) for p, r in drawn_rings if p.structure == "PTV"
    )
    width = max(0.3, (gap - reach) / 4.1)
    neural = Sparing(oval=body.spared, edge_mm=gap - 2.7 * width, width_mm=width)
    start = Field(
        targets=targets,
        reach_mm=_reach_mm(targets),
        shoulder_mm=SHOULDER_MM + drawn.grid_mm / 2,
        scale_gy=drawn.rx_gy,
        hot=drawn.hot_spot - 1,
        neural=neural,
        neural_depth=0.0,
    )
    ptvs = {p.level: inside(r, drawn) for p, r in drawn_rings if p.structure == "PTV"}
    risks = _risks(drawn_rings, drawn)
    field = _with_organs(
        _searched(start, ptvs, risks, drawn), risks, drawn_rings, drawn
    )
    truth = _truth(field, ptvs, risks, drawn)
    return Solved(
        body=body,
        rings=drawn_rings,
        field=field,
        truth=truth,
        is_good=_is_good(truth, drawn),
    )


def _target(part: Part, rings: tuple[Contour, ...], drawn: Drawn) -> Target:
    heights = [contour.z_mm for contour in rings]
    half = drawn.planes_mm / 2
    return Target(
        section=part.sections[0],
        low_mm=min(heights) - half,
        high_mm=max(heights) + half,
    )


def _reach_mm(targets: tuple[Target, ...]) -> float:
    """Return over what distance the dose falls: it grows with the size of the targets."""
    ovals = [target.section.oval for target in targets]
    heights = [target.high_mm - target.low_mm for target in targets]
    mm3 = sum(
        3.3 * o.half_x_mm * o.half_y_mm * h for o, h in zip(ovals, heights, strict=True)
    )
    return float(0.5 * (3 * mm3 / (4 * np.pi)) ** (1 / 3))


def _risks(rings: Rings, drawn: Drawn) -> dict[str, Points]:
    """Return sample points of all that a line is asked of."""
    risks = {
        p.structure: rim(r, drawn) for p, r in rings if line_gy(p.structure, drawn)
    }
    if "SpinalCord" in risks and "SpinalCord_PRV" not in risks:
        cord = next(r for p, r in rings if p.structure == "SpinalCord")
        risks["SpinalCord_PRV"] = rim(cord, drawn, grown_mm=MADE_PRV_MM + 0.1)
    return risks


def _sample(field: Field, points: Points) -> _Sample:
    plain = replace(field, scale_gy=1.0, hot=0.0, neural_depth=0.0)
    fall = plain.dose_gy_at(points.x_mm, points.y_mm, points.z_mm)
    hot = (
        replace(plain, hot=1.0).dose_gy_at(points.x_mm, points.y_mm, points.z_mm) - fall
    )
    spared = replace(plain, neural_depth=1.0).dose_gy_at(
        points.x_mm, points.y_mm, points.z_mm
    )
    return _Sample(fall, hot, 1 - spared / fall)


def _spared_gy(structure: str, drawn: Drawn) -> float:
    """Return the line of a structure that is spared, or no dose at all where it has none."""
    line = line_gy(structure, drawn)
    if line is None:
        return 0.0
    return line


def _searched(
    field: Field, ptvs: Mapping[str, Points], risks: Mapping[str, Points], drawn: Drawn
) -> Field:
    """Return the field with the sparing and hot spot that the drawn numbers ask for."""
    inner = [_sample(field, points) for points in ptvs.values()]
    asked = [
        (_sample(field, points), aim(drawn) * _spared_gy(name, drawn) / drawn.rx_gy)
        for name, points in risks.items()
        if name not in ORGANS
    ]
    hot, depth = field.hot, 0.0
    for _ in range(ROUNDS):
        depth = _least_depth(inner, asked, hot, drawn)
        scale = _scale(inner, hot, depth, drawn)
        top = scale * max(float(sample.shape(hot, depth).max()) for sample in inner)
        hot *= float(np.clip((drawn.hot_spot - 1) / (top - 1), 0.3, 3.0))
    depth = _least_depth(inner, asked, hot, drawn)
    scale_gy = drawn.rx_gy * _scale(inner, hot, depth, drawn)
    return replace(field, scale_gy=scale_gy, hot=hot, neural_depth=depth)


def _scale(inner: list[_Sample], hot: float, depth: float, drawn: Drawn) -> float:
    """Return the scale at which the PTV with the lower coverage has the drawn one."""
    uncovered = 1 - drawn.coverage_percent / 100
    return 1 / min(float(np.quantile(s.shape(hot, depth), uncovered)) for s in inner)


def _least_depth(
    inner: list[_Sample], asked: list[tuple[_Sample, float]], hot: float, drawn: Drawn
) -> float:
    """Return the least sparing that keeps all neural lines, by bisection."""
    low, high = 0.0, DEEPEST
    for _ in range(HALVINGS):
        depth = (low + high) / 2
        scale = _scale(inner, hot, depth, drawn)
        if all(scale * s.shape(hot, depth).max() <= line for s, line in asked):
            high = depth
        else:
            low = depth
    return high


def _with_organs(
    field: Field, risks: Mapping[str, Points], rings: Rings, drawn: Drawn
) -> Field:
    """Return the field with as much sparing of each organ as its line asks for."""
    for part, _ in rings:
        if part.structure not in ORGANS:
            continue
        at = risks[part.structure]
        line = aim(drawn) * ORGANS[part.structure][drawn.fractions]
        for sparing in organ_sparing(part):
            dose = field.dose_gy_at(at.x_mm, at.y_mm, at.z_mm)
            share = sparing.share(at.x_mm, at.y_mm - LEAN * at.z_mm)
            near = share > 0.5
            depth = float(np.max((1 - line / dose[near]) / share[near], initial=0.0))
            field = replace(
                field, organs=(*field.organs, (sparing, min(depth, DEEPEST)))
            )
    return field


def _truth(
    field: Field, ptvs: Mapping[str, Points], risks: Mapping[str, Points], drawn: Drawn
) -> Truth:
    inner = {
        level: field.dose_gy_at(p.x_mm, p.y_mm, p.z_mm) for level, p in ptvs.items()
    }
    return Truth(
        coverage_percent={
            level: 100 * float(np.mean(dose >= drawn.rx_gy))
            for level, dose in inner.items()
        },
        median_gy={level: float(np.median(dose)) for level, dose in inner.items()},
        maximum_gy=max(float(dose.max()) for dose in inner.values()),
        maxima_gy={
            name: float(field.dose_gy_at(p.x_mm, p.y_mm, p.z_mm).max())
            for name, p in risks.items()
        },
    )


def _is_good(truth: Truth, drawn: Drawn) -> bool:
    """Tell whether the true numbers keep clear of every line."""
    rx = drawn.rx_gy
    clear = all(
        maximum <= CLEAR * _spared_gy(name, drawn)
        for name, maximum in truth.maxima_gy.items()
    )
    covered = all(value >= 91.0 for value in truth.coverage_percent.values())
    plausible = all(1.0 <= median / rx <= 1.22 for median in truth.median_gy.values())
    return clear and covered and plausible and 1.08 <= truth.maximum_gy / rx <= 1.28
