"""Offences that are known and not yet mended: each is tried, and must still be one."""

from typing import NamedTuple

__all__ = ["COVERS_NO_TARGET", "KNOWN", "Known"]

COVERS_NO_TARGET = "dose.covers is PASS, 'holds every target', where no target is drawn"


class Known(NamedTuple):
    """An operation that breaks its law, and the smallest plan on which it does."""

    operation: str
    seed: int
    number: int
    reason: str


KNOWN: tuple[Known, ...] = ()
