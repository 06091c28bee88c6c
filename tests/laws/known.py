"""Offences that are known and not yet mended: each is tried, and must still be one."""

from typing import NamedTuple

__all__ = ["COVERS_NO_TARGET", "KNOWN", "Known"]

COVERS_NO_TARGET = "dose.covers is PASS, 'holds every target', where no target is drawn"
MADE_PRV = "the PRV that is made of a cord hangs on how the corners of its rings are listed"
CARRIED_ON = "a cord carried on over its end has no dose of its own: judging it is a KeyError"
BIG_ENDIAN = "save_dose writes its pixels little endian also in the big-endian syntax"


class Known(NamedTuple):
    """An operation that breaks its law, a plan on which it does, and what the offence names."""

    operation: str
    seed: int
    number: int
    about: str
    reason: str


KNOWN: tuple[Known, ...] = (
    Known("rotate rings", 7, 16, "SpinalCord_PRV of", MADE_PRV),
    Known("syntax: big endian", 7, 2, "syntax: big endian", BIG_ENDIAN),
    Known("double corners", 7, 32, "SpinalCord_PRV of", MADE_PRV),
    Known("remove high planes of neural, cord too hot", 7, 21, "(carried on)", CARRIED_ON),
    Known("remove high planes of neural, target too cold", 7, 21, "(carried on)", CARRIED_ON),
    Known("remove high planes of neural, level outside", 7, 21, "(carried on)", CARRIED_ON),
    Known("remove high planes of all that is neural", 7, 21, "(carried on)", CARRIED_ON),
)
