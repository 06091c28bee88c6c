"""Which ROI is which structure, and which vertebral levels a name states.

Names are matched by the protocol's table, never by likeness: a wrong cord would be a wrong
verdict. Levels are read from names only, never from z.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sbrtcheck.errors import CaseError
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.rules import Protocol, Role

__all__ = [
    "LEVELS",
    "Levels",
    "MatchedROI",
    "first_alias",
    "looks_relevant",
    "match_rois",
    "normalise",
    "read_levels",
    "suggest",
]

LEVELS = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
    *(f"S{n}" for n in range(1, 6)),
)
POSITION = {level: index for index, level in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedROI:
    """An ROI and the structure it stands for; `structure` is None where it stands for none.

    `is_made` tells that it is not drawn, but made from another ROI.
    """

    roi: ROI
    structure: str | None
    role: Role | None
    how: Text
    declared: bool = False
    is_made: bool = False


@dataclass(frozen=True, slots=True)
class Levels:
    """The vertebral levels that a name states, head to foot.

    `unclear` are those that may mean something else: T1 and T2 are also MR sequences.
    """

    stated: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


LOOKS = re.compile(r"p[gc]?tv|cord|cauda|sac\b|canal|脊髓|马尾|靶区|硬膜|椎管")


def looks_relevant(name: str) -> bool:
    """Tell whether an unmatched name looks like a target or a neural structure.

    Such ROIs are never used, but the report says that they were not.
    """
    return LOOKS.search(normalise(name)) is not None


def normalise(name: str) -> str:
    """Even out width, case and separators of an ROI name.

    Examples
    --------
    >>> normalise(" Spinal  Cord.PRV ")
    'spinal_cord_prv'
    """
    folded = unicodedata.normalize("NFKC", name).translate(DASHES).casefold().strip()
    return re.sub(r"[\s_.]+", "_", folded)


def match_rois(
    rois: Iterable[ROI], protocol: Protocol, aliases: Mapping[str, str]
) -> tuple[MatchedROI, ...]:
    """Match every ROI with the protocol's structures; a declared alias comes before the table.

    Raises
    ------
    CaseError
        If an alias names an ROI that is not there or a structure that the protocol lacks.
    """
    rois = tuple(rois)
    for name, structure in aliases.items():
        if all(roi.name != name for roi in rois):
            raise CaseError(
                Text("--alias: no ROI is called '{name}'", name=name),
                candidates=[roi.name for roi in rois],
            )
        if structure not in protocol.structures:
            raise CaseError(
                Text("--alias: the protocol has no structure '{structure}'", structure=structure),
                candidates=list(protocol.structures),
            )
    return tuple(_match(roi, protocol, aliases) for roi in rois)


def _match(roi: ROI, protocol: Protocol, aliases: Mapping[str, str]) -> MatchedROI:
    if roi.name in aliases:
        structure = aliases[roi.name]
        role = protocol.structures[structure].role
        return MatchedROI(
            roi=roi, structure=structure, role=role, how=Text("declared"), declared=True
        )
    name = normalise(roi.name)
    if first_alias(name, protocol.never_match):
        return MatchedROI(
            roi=roi, structure=None, role=None, how=Text("helper structure, never used")
        )
    for structure, row in protocol.structures.items():
        alias = first_alias(name, row.aliases)
        if alias is None:
            continue
        excluded = first_alias(name, row.exclude)
        if excluded is not None:
            how = _why_not(roi, name, structure, excluded)
            return MatchedROI(roi=roi, structure=None, role=None, how=how)
        how = Text("matches '{alias}'", alias=alias)
        if len(alias) > LONG_PATTERN:
            how = Text("matches a pattern of {structure}", structure=structure)
        return MatchedROI(roi=roi, structure=structure, role=row.role, how=how)
    return MatchedROI(roi=roi, structure=None, role=None, how=Text("no structure of the protocol"))


KNOWN_ONLY = "re:^(?!"  # how an exclusion begins that lets only those names through that it knows
DERIVED = "looks like {structure}, but is a derived structure"
UNKNOWN = (
    "looks like {structure}, but its name holds more than the table knows; if it is one, add"
    ' --alias "{name}={structure}"'
)
MADE_FROM = re.compile(
    r"[-+!]|prv|cord|cauda|canal|sac(?![a-z])|脊髓|马尾|opt|eval|ring|shell|crop|cut|sub|minus|hot|cold"
    r"|inner|outer|overlap|bool|dose|copy|old|tmp|temp|dummy|help|avoid|_[dv]\d|dptv|优化|评估|环"
)


def _why_not(roi: ROI, name: str, structure: str, excluded: str) -> Text:
    """Say why an ROI does not stand for the structure whose name it holds."""
    if not roi.contours:
        return Text("looks like {structure}, but has no closed contours", structure=structure)
    if excluded.startswith(KNOWN_ONLY) and not MADE_FROM.search(name):
        return Text(UNKNOWN, structure=structure, name=roi.name)
    return Text(DERIVED, structure=structure)


LONG_PATTERN = 30  # characters: a longer one tells a reader nothing
SUGGESTED = 80.0  # of 100: two letters of a word of ten exchanged; less is chance
SHORTEST = 5  # characters: below, everything is near something


def suggest(name: str, protocol: Protocol) -> str | None:
    """Return the structure whose name is nearest in spelling to an unmatched name, or None.

    Only ever shown to the user, never used: a wrong cord would be a wrong verdict. Helper
    structures resemble nothing.

    Examples
    --------
    >>> from sbrtcheck.protocol.load import load_protocol
    >>> suggest("CordaEquina", load_protocol("nct06756087"))
    'CaudaEquina'
    """
    from rapidfuzz import fuzz, process

    asked = normalise(name).replace("_", "")
    if len(asked) < SHORTEST or first_alias(normalise(name), protocol.never_match):
        return None
    known = {
        normalise(alias).replace("_", ""): structure
        for structure, row in protocol.structures.items()
        for alias in (structure, *row.aliases)
        if not alias.startswith("re:")
    }
    if "ptv" in asked:
        return None
    # A margin is another structure: SpinalCanal_PRV is no misspelt SpinalCanal.
    long_enough = [
        alias for alias in known if len(alias) >= SHORTEST and ("prv" in alias) == ("prv" in asked)
    ]
    found = process.extractOne(asked, long_enough, scorer=fuzz.ratio, score_cutoff=SUGGESTED)
    return None if found is None else known[found[0]]


def first_alias(name: str, aliases: Iterable[str]) -> str | None:
    """Return the first alias that a normalised name matches, or None."""
    for alias in aliases:
        if alias.startswith("re:"):
            if re.search(alias[3:], name):
                return alias
        elif normalise(alias).replace("_", "") == name.replace("_", ""):
            return alias
    return None


# --- Levels -------------------------------------------------------------------------------------

CHINESE_DIGITS = {
    digit: str(value) for value, digit in enumerate("一二三四五六七八九十", start=1)
} | {"十一": "11", "十二": "12"}
REGIONS = {"颈": "C", "頸": "C", "胸": "T", "腰": "L", "骶": "S"}
DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
NUMBER = r"0?(\d{1,2})(?!\d|[._]\d|\s?(?:MM|CM|C?GY|CC|%|FX?\b|X))"
LETTER = r"(TH|T|L|C|S)"
FIRST = re.compile(rf"(?<![A-Z0-9]){LETTER}\s?{NUMBER}")
THROUGH = r"(?:\s?(?:-+|[~至到]|(?:TO|THRU|THROUGH|UNTIL)\b|TO(?=TH|T|L))\s?)"
NEXT_IN_RANGE = re.compile(rf"{THROUGH}(?:(?:VB\s?)?{LETTER}\s?)?{NUMBER}")
NEXT_IN_LIST = re.compile(
    rf"(?:\s?(?:[/+,&、和]|AND\b)\s?(?:{LETTER}\s?)?|[\s_]?{LETTER}\s?){NUMBER}"
)
TARGET_PREFIX = re.compile(r"^(I?[PGC]{1,2}TVP?)")
MR_SEQUENCES = ("T1", "T2", "T3", "T4")


def read_levels(name: str, role: Role | None = None) -> Levels:
    """Read the vertebral levels that a name states.

    Understands `PTV_T8`, `VB_T08`, `Th8`, `T7-8`, `T11+T12`, `T10-L1`, 胸8, 腰2椎体, 第8胸椎.
    `-5mm`, doses and `L`/`R` are no levels. On CTV and GTV, T1 to T4 are unclear.

    Examples
    --------
    >>> read_levels("PTV_T11-12").stated
    ('T11', 'T12')
    >>> read_levels("GTV_T1", Role.GTV).unclear
    ('T1',)
    """
    text = TARGET_PREFIX.sub(r"\1 ", _latin(name))
    found: list[str] = []
    at = 0
    while (start := FIRST.search(text, at)) is not None:
        level = _level(start.group(1), start.group(2))
        at = start.end()
        if level is None:
            continue
        found.append(level)
        at = _chain(text, at, found)
    stated = tuple(sorted(set(found), key=POSITION.__getitem__))
    if role in (Role.CTV, Role.GTV):
        unclear = tuple(level for level in stated if level in MR_SEQUENCES)
        return Levels(tuple(level for level in stated if level not in unclear), unclear)
    return Levels(stated)


def _latin(name: str) -> str:
    """Write Chinese levels the Latin way: 第8胸椎, 胸椎8 and 胸8 become T8, 胸七、八 T7、8."""
    text = unicodedata.normalize("NFKC", name).translate(DASHES).upper().replace("_", " ")
    digits = "|".join(sorted(CHINESE_DIGITS, key=len, reverse=True))
    number = rf"(?:\d{{1,2}}|{digits})"
    numbers = rf"({number}(?:[-~、,和至到/]?(?:{number}))*)"
    region = rf"([{''.join(REGIONS)}])"
    text = re.sub(rf"第{numbers}{region}椎?[体體]?", lambda m: _spelled(m[2], m[1]), text)
    return re.sub(rf"{region}椎?[体體]?第?{numbers}", lambda m: _spelled(m[1], m[2]), text)


def _spelled(region: str, numbers: str) -> str:
    """Write a Chinese level or list of levels the Latin way: 胸 and 七八 become T7、8."""
    digits = "|".join(sorted(CHINESE_DIGITS, key=len, reverse=True))
    tokens = re.findall(rf"{digits}|[^一二三四五六七八九十]+", numbers)
    latin = "、".join(CHINESE_DIGITS.get(token, token) for token in tokens)
    latin = re.sub(r"、?([-~、,和至到/])、?", r"\1", latin)
    return f" {REGIONS[region]}{latin}"


def _level(letter: str, number: str) -> str | None:
    level = f"{letter[0]}{int(number)}"
    return level if level in POSITION else None


def _chain(text: str, at: int, found: list[str]) -> int:
    """Add the levels that follow in a range or list; return where reading goes on."""
    while True:
        in_range = NEXT_IN_RANGE.match(text, at)
        step = in_range or NEXT_IN_LIST.match(text, at)
        if step is None:
            return at
        letter = next((g for g in step.groups()[:-1] if g), found[-1][0])
        level = _level(letter, step.groups()[-1])
        bare = not any(step.groups()[:-1])
        if level is None or (bare and POSITION[level] <= POSITION[found[-1]]):
            return at
        if in_range:
            # A range may be written from foot to head: L3-T12 holds L1 and L2.
            first, last = sorted((POSITION[found[-1]], POSITION[level]))
            found.extend(LEVELS[first + 1 : last])
        found.append(level)
        at = step.end()
