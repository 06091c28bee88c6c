"""How many plans deviate, per centre, scheme and level, with exact intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from sbrtcheck.protocol.names import LEVELS

__all__ = ["Counted", "clopper_pearson", "summarise"]

CONFIDENCE = 0.95
DEVIATIONS = {"FAIL": ("FAIL",), "VARIATION or FAIL": ("VARIATION", "FAIL")}
DECIDED = ("PASS", "VARIATION", "FAIL")
NOT_PROVIDED = "not provided"
UNKNOWN = "unknown"
RULES = ("trial", "dosimetry", "both")
ALL = ("all", "all")
BY = ("all", "centre", "scheme", "level")
LEVEL_ORDER = {("level", level): number for number, level in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A plan as it is counted: its groups, and its outcome by each set of rules."""

    centre: str | None
    scheme: str | None
    levels: tuple[str, ...]
    outcomes: dict[str, str | None]


def clopper_pearson(
    count: int, of: int, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """Return the exact binomial interval of a proportion (Clopper & Pearson 1934); None of none.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 10)
    >>> low, round(high, 4)  # 1 - 0.025 ** (1 / 10)
    (0.0, 0.3085)
    """
    from scipy.special import betaincinv

    if of == 0:
        return None
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if count > 0:
        low = float(betaincinv(count, of - count + 1, tail))
    if count < of:
        high = float(betaincinv(count + 1, of - count, 1 - tail))
    return low, high


def summarise(plans: Sequence[Counted]) -> Iterator[dict[str, object]]:
    """Yield the rows of `summary.csv`. A plan of two levels counts at each of them."""
    groups: dict[tuple[str, str], list[Counted]] = {ALL: []}
    for plan in plans:
        for name in _groups_of(plan):
            groups.setdefault(name, []).append(plan)
    names = sorted(groups, key=_order)
    for rules, name in product(RULES, names):
        yield from _rows(rules, *name, groups[name])


def _groups_of(plan: Counted) -> Iterator[tuple[str, str]]:
    """Yield the groups that a plan is counted in: by what, and which one."""
    yield ALL
    yield "centre", plan.centre or NOT_PROVIDED
    yield "scheme", plan.scheme or UNKNOWN
    for level in plan.levels or (UNKNOWN,):
        yield "level", level


def _order(name: tuple[str, str]) -> tuple[int, int, str]:
    """Return what groups are sorted by: levels from head to foot, all others by their names."""
    by, group = name
    return BY.index(by), LEVEL_ORDER.get(name, len(LEVELS)), group


def _rows(
    rules: str, by: str, group: str, plans: Sequence[Counted]
) -> Iterator[dict[str, object]]:
    outcomes = [plan.outcomes[rules] for plan in plans]
    decided = sum(outcome in DECIDED for outcome in outcomes)
    for deviation, members in DEVIATIONS.items():
        count = sum(outcome in members for outcome in outcomes)
        percent, low_percent, high_percent = _percents(count, decided)
        yield {
            "rules": rules,
            "by": by,
            "group": group,
            "deviation": deviation,
            "plans": len(plans),
            "decided": decided,
            "undecided": outcomes.count("UNDECIDED"),
            "errors": outcomes.count("ERROR"),
            "count": count,
            "percent": percent,
            "low_percent": low_percent,
            "high_percent": high_percent,
        }


def _percents(count: int, of: int) -> tuple[float | None, float | None, float | None]:
    """Return a proportion and the ends of its interval, in percent; None of none."""
    interval = clopper_pearson(count, of)
    if interval is None:
        return None, None, None
    low, high = interval
    return 100 * count / of, 100 * low, 100 * high
