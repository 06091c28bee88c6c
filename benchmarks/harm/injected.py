"""Text that is more than text: escapes, newlines, directions, formulas and markup, in every output."""

import random

from harm.plans import BATCH, IDENTITY, NAMES, Harmed, Plans
from harm.stream import Element, elements_of, replaced

__all__ = ["harm"]

TEXTS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31mred",
    "a\nVERDICT: PASS",
    "a\r\nPASS",
    "\rPASS",
    "a\tb",
    "\u202eSSAP",
    "\u2066x\u2069",
    "\u2028line",
    "\x85next",
    "\u200bzero",
    "=1+1",
    "=HYPERLINK(1)",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\t=1+1",
    " =1+1",
    "<script>alert(1)</script>",
    "<b>&amp;",
    "{0} {x} %s %n",
    "'; DROP",
    "[bold red]x[/]",
    "[link=file:///]x[/link]",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "x\x00y",
    "\x08\x08\x08",
    "x" * 3000,
    "T8\u00adPTV",
    "`id`$(id)",
)
TEXT_VRS = ("LO", "SH", "LT", "ST", "PN", "CS", "UT", "UI", "DA", "TM", "IS", "DS")
NAMED = (0x30060026, 0x300A0002, 0x300A0003, 0x300A00C2, 0x300A0016, 0x30060002)
CHARACTER_SET = 0x00080005
COMMANDS = (
    ("check", "RP.dcm"),
    ("check", "RP.dcm", "-v"),
    ("check", "RP.dcm", "-q"),
    ("check", "RP.dcm", "--json"),
    ("check", "RP.dcm", "--phi"),
    ("check", "RP.dcm", "--ascii"),
    ("dvh", "RP.dcm", "--csv", "-"),
    ("dvh", "RP.dcm", "-m", "D0.035cc"),
    ("structures", "RP.dcm"),
    ("find", "."),
    ("find", ".", "--phi"),
    (*BATCH, "."),
    ("robustness", "RP.dcm"),
)


def harm(rng: random.Random, number: int, plans: Plans) -> Harmed:
    """Write such a text into names, or into any elements that hold text."""
    name = rng.choice(NAMES)
    files = plans.of(name)
    text = TEXTS[number % len(TEXTS)]
    command = rng.choice(COMMANDS)
    places = []
    for _ in range(rng.choice((1, 2, 4))):
        file = rng.choice(sorted(files))
        element = _chosen(files[file], rng)
        value = rng.choice((text, f"PTV_T8 {text}", f"{text} SpinalCord"))
        files[file] = replaced(files[file], element, value.encode())
        files[file] = _in_utf8(files[file])
        places.append(f"{file} {element.tag:08X}")
    shows_identity = "--phi" in command
    return Harmed(
        what=f"{name}: {text[:20]!r} in {', '.join(places)}; {' '.join(command)}",
        files=files,
        arguments=command,
        hidden=() if shows_identity else IDENTITY,
    )


def _chosen(data: bytes, rng: random.Random) -> Element:
    found = [e for e in elements_of(data, implicit=False) if e.vr in TEXT_VRS]
    named = [element for element in found if element.tag in NAMED]
    if named and rng.random() < 0.6:
        return rng.choice(named)
    return rng.choice([e for e in found if e.tag != CHARACTER_SET and e.tag >> 16 != 2])


def _in_utf8(data: bytes) -> bytes:
    sets = [e for e in elements_of(data, implicit=False) if e.path == (CHARACTER_SET,)]
    return replaced(data, sets[0], b"ISO_IR 192") if sets else data
