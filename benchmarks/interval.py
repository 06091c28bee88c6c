"""The interval on random solids that nothing was fitted to: does it hold the truth, how wide is it."""

import numpy as np

from sbrtcheck import Value, compute_band
from solids import DOSES, KINDS, answers, random_case
from table import Row, Section, grid

__all__ = ["section"]

HEADING = "Interval: random solids"
NOTE = (
    "{solids} random spheres, ellipsoids, rods, cords, cones and boxes in any direction (planes 1 to"
    " 3 mm, grids 1 to 3 mm, linear, logistic and Gaussian doses, any phase; `solids.py`), the truth"
    " by {points} points in the solid itself. The constants were fitted on others. Held: part of all"
    " answers whose truth lies in the interval. Width: half of the interval against the nominal's"
    " true error, medians; 2.9 is what normal errors need for 95 %."
)
SEED = 41_000
SOLIDS, FEW_SOLIDS = 480, 72
LOG2_POINTS, FEW_LOG2_POINTS = 19, 17


def section(*, small: bool) -> Section:
    """Measure all answers; the small form takes fewer solids."""
    solids = FEW_SOLIDS if small else SOLIDS
    points = FEW_LOG2_POINTS if small else LOG2_POINTS
    random = np.random.default_rng(SEED)
    rows: dict[str, list[tuple[float, Value]]] = {}
    for number in range(solids):
        kind, dose = KINDS[number % len(KINDS)], DOSES[number % len(DOSES)]
        case = random_case(random, kind, dose, points)
        for name, value in answers(compute_band(case.roi, case.dose), case).items():
            rows.setdefault(name, []).append((case.truth[name], value))
    every = [row for found in rows.values() for row in found]
    summary = (
        Row(
            what="held, all answers",
            must=95,
            reach_for=97,
            measured=100 * _held(every),
            unit="%",
            more_is_better=True,
        ),
        Row(
            what="width, all answers",
            must=4,
            reach_for=3,
            measured=_width(every),
            unit="x",
        ),
    )
    body = [
        [
            name,
            str(len(found)),
            f"{100 * _held(found):.1f}",
            f"{_width(found):.2f}",
            _error(found),
        ]
        for name, found in rows.items()
    ]
    head = ["metric", "answers", "held in %", "width", "median error in %"]
    note = NOTE.format(solids=solids, points=2**points)
    return Section(
        heading=HEADING, note=note, rows=summary, details=tuple(grid(head, body))
    )


def _held(rows: list[tuple[float, Value]]) -> float:
    held = [
        value.low is not None
        and value.high is not None
        and value.low <= truth <= value.high
        for truth, value in rows
    ]
    return float(np.mean(held))


def _width(rows: list[tuple[float, Value]]) -> float:
    halves = [
        (value.high - value.low) / 2 / truth
        for truth, value in rows
        if value.low is not None and value.high is not None
    ]
    return float(np.median(halves) / np.median(_errors(rows)))


def _errors(rows: list[tuple[float, Value]]) -> list[float]:
    return [
        abs(value.value / truth - 1) for truth, value in rows if value.value is not None
    ]


def _error(rows: list[tuple[float, Value]]) -> str:
    return f"{100 * np.median(_errors(rows)):.3f}"
