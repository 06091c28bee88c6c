"""Harm to one element after another, through all sequences: dropped, empty, twice, of another type, awkward."""

import random
from functools import cache
from itertools import product
from typing import NamedTuple

from harm.plans import KINDS, NAMES, SYNTAXES, Harmed, Plans
from harm.stream import (
    MARKS,
    SEQUENCE_END,
    Element,
    elements_of,
    replaced,
)

__all__ = ["harm"]

FIRST_ITEMS = 2  # of each sequence; the others are alike
ANY = (b"", b" ", b"\\", b"x" * 70, "\u810a\u9ad3".encode(), b"\xff\xfe", b"\x1b[31m")
NUMBERS = (
    b"nan",
    b"-inf",
    b"1e400",
    b"-1",
    b"0",
    b"-0.0",
    b"1e-320",
    b"1,5",
    b"1.5.2",
    b"999999999999999",
    b"3\\4",
    b"0x10",
    "\u0663".encode(),
    b"1_000",
    b"5E+1",
    b" 7 ",
)
DATES = (b"00000000", b"20269999", b"2026.01.02", b"19550607", b"20260230", b"99991231")
UIDS = (b"1", b"1..2", b"0.0", b"1.2.826.0.1.3680043.10.999.1", b"1." + b"9" * 70, b"a")
CODES = (b"PLAN", b"BEAM", b"APPROVED", b"REJECTED", b"photon", b"POINT", b"TARGET")
WORDS = (b"PTV_T8", b"SpinalCord", b"Cord\\PTV", b"y" * 5000, b"EXTERNAL", b"HFS")
VALUES = {
    "DS": NUMBERS,
    "IS": NUMBERS,
    "DA": DATES,
    "TM": (b"996060", b"12:30", b"1"),
    "UI": UIDS,
    "CS": CODES,
}
BINARY = ("US", "UL", "SS", "SL", "FL", "FD", "AT", "OB", "OW", "UN")
PATTERNS = (b"", b"\0", b"\0\0", b"\xff" * 2, b"\xff" * 4, b"\0\0\x80\x7f", bytes(8))
OTHER_VRS = (b"LO", b"DS", b"UI", b"SQ", b"OW", b"US", b"UN")
DROP, EMPTY, DOUBLE = "drop", "empty", "double"
RETYPE, VALUE = "retype", "value"


class Step(NamedTuple):
    """What is done to which element of which plan."""

    name: str
    syntax: str
    kind: str
    path: tuple[int, ...]
    way: str
    value: bytes


def harm(rng: random.Random, number: int, plans: Plans) -> Harmed:
    """Harm one element; the cases in turn try all ways on all elements."""
    del rng
    steps = _steps(plans)
    step = steps[number % len(steps)]
    files = plans.of(step.name, step.syntax)
    file = f"{step.kind}.dcm"
    files[file] = _done(files[file], step)
    place = "/".join(f"{part:X}" for part in step.path)
    return Harmed(
        what=f"{step.name}, {step.syntax}: {step.way} {step.kind} {place} {step.value[:20]!r}",
        files=files,
        base=step.name,
    )


@cache
def _steps(plans: Plans) -> list[Step]:
    """Return all cases in an order that looks random, so that a few show the many."""
    steps = []
    for syntax, kind in product(SYNTAXES, KINDS):
        data = plans.of(NAMES[0], syntax)[f"{kind}.dcm"]
        found = elements_of(data, implicit=syntax == "implicit")
        for element in found:
            if element.tag in MARKS or not _is_early(element):
                continue
            steps += [
                Step(name, syntax, kind, element.path, way, value)
                for way, value in _ways(element)
                for name in NAMES
            ]
    random.Random(1).shuffle(steps)  # noqa: S311 - a fixed order, no secret
    return steps


def _is_early(element: Element) -> bool:
    return all(part < FIRST_ITEMS for part in element.path if part < 0x10000)


def _ways(element: Element) -> list[tuple[str, bytes]]:
    ways = [(DROP, b""), (EMPTY, b""), (DOUBLE, b"")]
    ways += [(RETYPE, vr) for vr in OTHER_VRS if vr.decode() != element.vr]
    if element.is_sequence:
        return ways
    own = PATTERNS if element.vr in BINARY else VALUES.get(element.vr, WORDS)
    any_text = () if element.vr in BINARY else ANY
    return ways + [(VALUE, value) for value in (*own, *any_text)]


def _done(data: bytes, step: Step) -> bytes:
    implicit = step.syntax == "implicit"
    found = elements_of(data, implicit=implicit)
    at = next((at for at, e in enumerate(found) if e.path == step.path), None)
    if at is None:  # this plan has no such element
        return data
    element = found[at]
    end = _whole_end(found, at)
    if step.way == DROP:
        return data[: element.at] + data[end:]
    if step.way == EMPTY:
        return data[: element.length_at] + bytes(element.length_width) + data[end:]
    if step.way == DOUBLE:
        return data[:end] + data[element.at : end] + data[end:]
    if step.way == RETYPE:
        if implicit:
            return data
        return data[: element.at + 4] + step.value + data[element.at + 6 :]
    return replaced(data, element, step.value)


def _whole_end(found: list[Element], at: int) -> int:
    """Return where an element ends, a sequence with all its items."""
    if not found[at].is_sequence:
        return found[at].end
    depth = 1
    for element in found[at + 1 :]:
        if element.is_sequence:
            depth += 1
        if element.tag == SEQUENCE_END:
            depth -= 1
        if depth == 0:
            return element.end
    return found[at].end
