"""What shares something, together."""

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["grouped"]

T = TypeVar("T")
K = TypeVar("K")


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Return items by what they share, as they come."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
