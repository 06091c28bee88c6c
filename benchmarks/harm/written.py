"""Harm to what people write: protocols, case facts, tables, recorded verdicts, options."""

import random
import re
from collections.abc import Callable
from pathlib import Path

from harm.plans import BATCH, NAMES, Harmed, Plans

__all__ = ["harm"]

Way = Callable[[str, random.Random], str | bytes]
PROTOCOL = Path(__file__).parents[2] / "protocols/nct06756087.toml"
FACTS = """\
surgery_date = 2026-01-02
first_fraction = 2026-01-19
last_fraction = 2026-01-28
operated_levels = ["T8"]
prior_rt = "none"
conus_level = "L1"

[not_drawn]
Esophagus = "far away"
"""
TABLE = """\
patient_id,centre,surgery_date,first_fraction,operated_levels,prior_rt,conus_level
P-081547,Shanghai,2026-01-02,2026-01-19,T8,none,L1
P-2,Beijing,2026-01-03,2026-01-21,T9,unknown,
"""
VALUES = (
    "",
    "0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "1" * 5000,
    "0x" + "f" * 4000,
    "true",
    "[]",
    "{}",
    '""',
    "'x'",
    "2026-02-30",
    "2026-01-01T00:00:00+25:00",
    "99:99:99",
    '"' + "D" * 10_000 + '"',
    '"\\u0000"',
    '"\\u001b[31mred"',
    '"a\\nVERDICT: PASS"',
    '"\u202eevil"',
    '"=1+1"',
    "[" * 3000,
    "[" * 500 + "]" * 500,
    "{a=" * 500,
    "1979-05-27",
    '["T8", 3, {}]',
    '"D0.035cc <= 25.3Gy"',
    '"D0.035cc"',
    '"<= 3"',
    '"Dmean <= -1Gy"',
    '"V20Gy <= 1e9cc"',
    "12_000",
    "null",
    "\u0663",
)
OPTIONS = (
    "--rx",
    "--levels",
    "--alias",
    "--with",
    "--within",
    "--struct",
    "--dose",
    "--case",
    "--protocol",
    "--json",
)
AWKWARD = (
    "30Gy/5",
    "30/5",
    "30Gy/0",
    "-30Gy/5",
    "1e999Gy/5",
    "9" * 5000 + "Gy/5",
    "30Gy/" + "9" * 5000,
    "nanGy/5",
    "T8",
    "T8,T9",
    "Q7",
    "T8-",
    "T0",
    "T99999999999999999999",
    "t8,,",
    "a=b",
    "SpinalCord=PTV",
    "PTV_T8=SpinalCord",
    "=",
    "=PTV",
    "PTV_T8=",
    "a=" * 2000,
    ".",
    "..",
    "/",
    "/nowhere",
    "x" * 300,
    "\x1b[31mred",
    "\u202eevil",
    "a\nb",
    "RD.dcm",
    "RP.dcm",
    "RS.dcm",
    "-",
    "--",
    "-1",
    "%s%n",
    "$(id)",
    "\udcff",
    " ",
)
COMMANDS = ("check", "structures", "dvh", "robustness", "find")


def drop_line(text: str, rng: random.Random) -> str:
    """Take a line."""
    lines = text.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return "".join(lines)


def repeat_line(text: str, rng: random.Random) -> str:
    """Write a line twice, or a part of the file many times."""
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    return "".join(
        [*lines[:at], *lines[at : at + 9] * rng.choice((2, 50)), *lines[at:]]
    )


def other_value(text: str, rng: random.Random) -> str:
    """Write another value behind a name."""
    found = list(re.finditer(r"(?<== )[^\n]+|(?<=,)[^,\n]*|(?<=: )[^,\n]+", text))
    if not found:
        return text
    one = rng.choice(found)
    return text[: one.start()] + rng.choice(VALUES) + text[one.end() :]


def other_name(text: str, rng: random.Random) -> str:
    """Write another name before a value."""
    found = list(re.finditer(r"(?m)^[A-Za-z_\"]+(?= =|\")|\[[^\]\n]+\]", text))
    if not found:
        return text
    one = rng.choice(found)
    names = ("x", "", "a.b.c", '"' + "k" * 3000 + '"', "[x]", "[[x]]", "\u810a\u9ad3")
    return text[: one.start()] + rng.choice(names) + text[one.end() :]


def flip(text: str, rng: random.Random) -> bytes:
    """Flip bits."""
    data = bytearray(text.encode())
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(text: str, rng: random.Random) -> str:
    """End anywhere."""
    return text[: rng.randrange(len(text))]


def insert(text: str, rng: random.Random) -> str:
    """Put something anywhere."""
    at = rng.randrange(len(text))
    return text[:at] + rng.choice((*VALUES, "\0", "\x1b", "\n", '"', "#")) + text[at:]


def encode(text: str, rng: random.Random) -> bytes:
    """Write it in another encoding, or with a mark."""
    return rng.choice(
        (
            text.encode("utf-16"),
            b"\xef\xbb\xbf" + text.encode(),
            text.replace("\n", "\r\n").encode(),
            text.replace("\n", "\r").encode(),
            text.encode("utf-16-le"),
            text.encode() + b"\xff\xfe\x00",
            b"",
            b"\0" * 1000,
        )
    )


WAYS: tuple[Way, ...] = (
    drop_line,
    repeat_line,
    other_value,
    other_value,
    other_name,
    flip,
    truncate,
    insert,
    encode,
)


def harm(rng: random.Random, number: int, plans: Plans) -> Harmed:
    """Harm a text or an option; the kinds in turn."""
    kinds = (_protocol, _shown, _facts, _table, _recorded, _option)
    return kinds[number % len(kinds)](rng, plans)


def _harmed(text: str, rng: random.Random) -> tuple[bytes, str]:
    ways = rng.choices(WAYS, k=rng.choice((1, 1, 2)))
    data: str | bytes = text
    for way in ways:
        if isinstance(data, bytes):
            break
        data = way(data or " ", rng)
    name = ", ".join(way.__name__ for way in ways)
    return data if isinstance(data, bytes) else data.encode("utf-8", "replace"), name


def _protocol(rng: random.Random, plans: Plans) -> Harmed:
    text, how = _harmed(PROTOCOL.read_text(encoding="utf-8"), rng)
    return Harmed(
        what=f"protocol: {how}",
        files={**plans.of(rng.choice(NAMES)), "own.toml": text},
        arguments=("RP.dcm", "--protocol", "own.toml"),
    )


def _shown(rng: random.Random, plans: Plans) -> Harmed:
    del plans
    text, how = _harmed(PROTOCOL.read_text(encoding="utf-8"), rng)
    command = rng.choice(("lint", "show"))
    return Harmed(
        what=f"protocol {command}: {how}",
        files={"own.toml": text},
        arguments=("protocol", command, "own.toml"),
    )


def _facts(rng: random.Random, plans: Plans) -> Harmed:
    text, how = _harmed(FACTS, rng)
    return Harmed(
        what=f"case facts: {how}",
        files={**plans.of(rng.choice(NAMES)), "case.toml": text},
    )


def _table(rng: random.Random, plans: Plans) -> Harmed:
    text, how = _harmed(TABLE, rng)
    files = {f"in/{file}": data for file, data in plans.of("good").items()}
    return Harmed(
        what=f"table of cases: {how}",
        files={**files, "cases.csv": text},
        arguments=(*BATCH, "in", "--cases", "cases.csv"),
    )


def _recorded(rng: random.Random, plans: Plans) -> Harmed:
    text, how = _harmed(plans.verdict, rng)
    return Harmed(
        what=f"recorded verdict: {how}",
        files={"a.json": text, "b.json": plans.verdict.encode()},
        arguments=("diff", *rng.sample(("a.json", "b.json"), 2)),
    )


def _option(rng: random.Random, plans: Plans) -> Harmed:
    words: list[str] = []
    for name in rng.sample(OPTIONS, rng.choice((1, 1, 2))):
        words += [name, rng.choice(AWKWARD)]
    return Harmed(
        what=f"options: {' '.join(words)[:80]!r}",
        files=plans.of(rng.choice(NAMES)),
        arguments=(rng.choice(COMMANDS), "RP.dcm", *words),
    )
