"""Seconds of calls that take turns, so that a slow moment of the machine hits all of them."""

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["median_ratio", "seconds", "take_turns"]


def seconds(call: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def take_turns(
    calls: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of each call in each round, after one round that fills the caches."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def median_ratio(over: list[float], under: list[float]) -> float:
    """Return the median over the rounds of one time over another of the same round."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))
