"""Every derived limit is what its source says: the formula and the numbers it names give it again."""

import math
import re
from collections.abc import Iterator

import pytest

from sbrtcheck import load_protocol
from sbrtcheck.protocol.rules import Basis, Limit, Line

LINEAR_QUADRATIC = re.compile(
    r"linear-quadratic, alpha/beta ([\d.]+) Gy, from (.*), floored to 0\.1 Gy"
)
INTERPOLATED = re.compile(r"interpolated between (.*), floored to 0\.1 Gy")
ANCHOR = re.compile(r"([\d.]+) Gy in (\d+)")


def derived() -> Iterator[tuple[Limit, Line]]:
    for name in ("nct06756087", "hytec-tg101-5fx"):
        for row in load_protocol(name).limits:
            for line in (row.goal, row.variation):
                if line is not None and line.basis is Basis.DERIVED:
                    yield row, line


ROWS = [
    pytest.param(row, line, id=f"{row.structure}-{row.fractions}-{line.constraint}")
    for row, line in derived()
]


def stated_gy(line: Line) -> float:
    """Return the dose of a line: its limit, or that of a volume at a dose."""
    constraint = line.constraint
    if constraint.metric.unit == "Gy":
        return constraint.limit
    assert constraint.metric.argument_unit == "Gy"
    argument = constraint.metric.argument
    assert argument is not None
    return argument


def anchors(text: str) -> list[tuple[float, int]]:
    return [(float(dose), int(count)) for dose, count in ANCHOR.findall(text)]


def same_effect_gy(
    dose_gy: float, fractions: int, to_fractions: int, alpha_beta_gy: float
) -> float:
    """Return the dose in other fractions with D (1 + d / (alpha/beta)) unchanged."""
    effect = dose_gy * (1 + dose_gy / fractions / alpha_beta_gy)
    half = to_fractions * alpha_beta_gy / 2
    return half * (math.sqrt(1 + 2 * effect / half) - 1)


def floored(dose_gy: float) -> float:
    return math.floor(10 * dose_gy + 1e-9) / 10


@pytest.mark.parametrize(("row", "line"), ROWS)
def test_a_derived_limit_follows_from_its_source(row: Limit, line: Line) -> None:
    by_effect = LINEAR_QUADRATIC.fullmatch(line.source)
    between = INTERPOLATED.fullmatch(line.source)

    if by_effect is not None:
        alpha_beta_gy = float(by_effect[1])
        doses_gy = [
            same_effect_gy(dose_gy, count, row.fractions, alpha_beta_gy)
            for dose_gy, count in anchors(by_effect[2])
        ]
        expected_gy = min(doses_gy)
    else:
        assert between is not None, line.source
        (low_gy, few), (high_gy, many) = anchors(between[1])
        share = (row.fractions - few) / (many - few)
        expected_gy = low_gy + share * (high_gy - low_gy)

    assert stated_gy(line) == pytest.approx(floored(expected_gy))


@pytest.mark.parametrize(
    ("structure", "metric", "limit_gy"),
    [("SacralPlex", "D0.035cc", 27.2), ("SacralPlex", "D5cc", 25.5)],
)
def test_the_sacral_plexus_at_four_fractions_goes_as_the_cauda(
    structure: str, metric: str, limit_gy: float
) -> None:
    """Both steps are looked at, from 3 and from 5 fractions; the lower one stands."""
    rows = load_protocol("nct06756087").limits_of(structure, 4)

    (row,) = (row for row in rows if str(row.goal.constraint.metric) == metric)
    assert row.goal.constraint.limit == limit_gy
