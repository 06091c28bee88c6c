"""Families of harm: what is done to a plan's files, to what people write, and to where it lies."""

from harm import elements, injected, meaning, octets, places, written
from harm.plans import Family

__all__ = ["FAMILIES"]

FAMILIES: dict[str, Family] = {
    "bytes": octets.harm,
    "elements": elements.harm,
    "meaning": meaning.harm,
    "written": written.harm,
    "places": places.harm,
    "injected": injected.harm,
}
