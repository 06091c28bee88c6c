"""Offences that are known and not yet mended: each is tried, and must still be one."""

from typing import NamedTuple

__all__ = ["COVERS_NO_TARGET", "KNOWN", "Known"]

COVERS_NO_TARGET = "dose.covers is PASS, 'holds every target', where no target is drawn"


class Known(NamedTuple):
    """An operation that breaks its law, a plan on which it does, and what the offence names."""

    operation: str
    seed: int
    number: int
    about: str
    reason: str


MADE_PRV = "the PRV that is made of a cord hangs on the corner at which its rings start"

KNOWN: tuple[Known, ...] = (Known("rotate rings", 7, 16, "SpinalCord_PRV of", MADE_PRV),)
