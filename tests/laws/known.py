"""Offences that are known and not yet mended: each is tried, and must still be one."""

from typing import NamedTuple

__all__ = ["KNOWN", "Known"]


class Known(NamedTuple):
    """An operation that breaks its law, and the smallest plan on which it does."""

    operation: str
    seed: int
    number: int
    reason: str


KNOWN: tuple[Known, ...] = ()
