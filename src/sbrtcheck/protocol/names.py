"""Which ROI is which structure, and which vertebral levels a name states.

Names are matched by the protocol's table, never by likeness: a wrong cord would be a wrong
verdict. Levels are read from names only, never from z.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sbrtcheck.errors import CaseError
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.rules import Protocol, Role, StructureNames

__all__ = [
    "LEVELS",
    "PATTERN",
    "Levels",
    "MatchedROI",
    "bare_name",
    "first_alias",
    "letters_of",
    "looks_neural",
    "looks_relevant",
    "match_rois",
    "normalise",
    "read_levels",
    "suggest",
    "target_of_same_level",
]

PATTERN = "re:"  # how an alias begins that is a regular expression
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

    `is_made` tells that it is not drawn, but made from another ROI. `alike` is the role whose
    name it holds without standing for it; `is_derived` tells that its name says it was made from
    another: a ring, an optimisation structure, a target less the cord.
    """

    roi: ROI
    structure: str | None
    role: Role | None
    how: Text
    declared: bool = False
    is_made: bool = False
    alike: Role | None = None
    is_derived: bool = False


@dataclass(frozen=True, slots=True)
class Levels:
    """The vertebral levels that a name states, head to foot.

    `unclear` are those that may mean something else: T1 and T2 are also MR sequences.
    `impossible` are those that no spine is counted to have, such as L6 and T13.
    """

    stated: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    impossible: tuple[str, ...] = ()


NEURAL = re.compile(r"cord|cauda|sac\b|canal|medulla|myelon|脊髓|马尾|硬膜|椎管")
CORDS = ("spinal_cord", "spinalcord", "spinal_cord_prv", "spinalcord_prv", "thecal_sac")
NEURAL_ROLES = (Role.CORD, Role.CORD_PRV, Role.CAUDA, Role.SAC, Role.CANAL)
ALMOST = 0.85  # of the letters in order: one or two mistyped


def looks_relevant(match: MatchedROI) -> bool:
    """Tell whether an unmatched ROI looks like a target or a neural structure.

    Such ROIs are never used, but the report says that they were not.
    """
    if match.alike is not None:
        return True
    return NEURAL.search(normalise(match.roi.name)) is not None


def looks_neural(match: MatchedROI) -> bool:
    """Tell whether an unmatched ROI is called like a neural structure, or nearly so.

    One that is known to be derived from another is not.
    """
    if match.is_derived:
        return False
    if match.alike is not None:
        return match.alike in NEURAL_ROLES
    name = normalise(match.roi.name)
    if NEURAL.search(name) is not None:
        return True
    nearly = difflib.get_close_matches(name, CORDS, n=1, cutoff=ALMOST)
    return bool(nearly)


def normalise(name: str) -> str:
    """Even out width, case and separators of an ROI name.

    Examples
    --------
    >>> normalise(" Spinal  Cord.PRV ")
    'spinal_cord_prv'
    """
    folded = unicodedata.normalize("NFKC", name).translate(DASHES).casefold().strip()
    return re.sub(r"[\s_.]+", "_", folded)


def letters_of(name: str) -> str:
    """Even out an ROI name and leave its separators out.

    Examples
    --------
    >>> letters_of(" Spinal  Cord.PRV ")
    'spinalcordprv'
    """
    return normalise(name).replace("_", "")


IMAGING = re.compile(r"(?:[_-]\(?|\(|(?<=[一-鿿]))(?:mri?|ct|true)\)?(?=$|[_(+-])")


def bare_name(name: str) -> str:
    """Return an evened-out name without what says on which image the ROI was drawn.

    Examples
    --------
    >>> bare_name("Spinal cord (MRI)"), bare_name("SpinalCord_MR_PRV02")
    ('spinal_cord', 'spinalcord_prv02')
    """
    return IMAGING.sub("", normalise(name))


def match_rois(
    rois: Iterable[ROI],
    protocol: Protocol,
    aliases: Mapping[str, str],
    *,
    levels: tuple[str, ...] = (),
) -> tuple[MatchedROI, ...]:
    """Match every ROI with the protocol's structures, by declared alias where the table is silent.

    `levels` are the treated levels as declared; without them, the targets' names tell.

    Raises
    ------
    CaseError
        If an alias names an ROI that is not there or a structure that the protocol lacks, or
        overrules the table where it may not.
    """
    rois = tuple(rois)
    _check_aliases(rois, protocol, aliases)
    matches, untouched, overruled = [], [], []
    for roi in rois:
        known = _match(roi, protocol)
        match = _as_declared(known, protocol, aliases)
        matches.append(match)
        if _overrules(known, match.structure):
            overruled.append((known, match))
        else:
            untouched.append(match)
    _check_overruled(overruled, untouched, _treated(matches, levels))
    return tuple(matches)


def _check_overruled(
    overruled: Iterable[tuple[MatchedROI, MatchedROI]],
    untouched: Sequence[MatchedROI],
    treated: frozenset[str],
) -> None:
    for known, match in overruled:
        refused = _why_refused(known, match, untouched, treated)
        if refused is not None:
            raise CaseError(refused)


def _overrules(known: MatchedROI, structure: str | None) -> bool:
    return known.structure not in (None, structure)


def _check_aliases(
    rois: tuple[ROI, ...], protocol: Protocol, aliases: Mapping[str, str]
) -> None:
    drawn = [roi.name for roi in rois]
    for name, structure in aliases.items():
        if name not in drawn:
            raise CaseError(
                Text("--alias: no ROI is called '{name}'", name=name),
                candidates=drawn,
            )
        if structure not in protocol.structures:
            raise CaseError(
                Text(
                    "--alias: the protocol has no structure '{structure}'",
                    structure=structure,
                ),
                candidates=list(protocol.structures),
            )


def _as_declared(
    known: MatchedROI, protocol: Protocol, aliases: Mapping[str, str]
) -> MatchedROI:
    """Return the match that an alias declares, or the one that the table knows."""
    structure = aliases.get(known.roi.name)
    if structure is None:
        return known
    how = Text("declared")
    if _overrules(known, structure):
        how = Text(
            "declared; the table knows it as {structure}",
            structure=str(known.structure),
        )
    role = protocol.structures[structure].role
    return MatchedROI(
        roi=known.roi, structure=structure, role=role, how=how, declared=True
    )


# --- Where an alias may overrule the table -----------------------------------------------------

ZERO_MARGIN = {(Role.CTV, Role.PTV), (Role.GTV, Role.PTV)}  # clinics that draw no PTV
BELOW_CORD = {(Role.CORD, Role.SAC), (Role.CORD, Role.CAUDA)}
NO_CORD = frozenset({"L3", "L4", "L5"})


def _why_refused(
    was: MatchedROI,
    match: MatchedROI,
    untouched: Iterable[MatchedROI],
    treated: frozenset[str],
) -> Text | None:
    """Say why an alias may not overrule the table, or None where it may."""
    change = (was.role, match.role)
    if change in ZERO_MARGIN:
        return _why_no_target(was, match, untouched)
    if change in BELOW_CORD:
        return _why_still_cord(was, match, treated)
    return Text(
        "--alias: '{name}' cannot stand for {structure}, since the table knows it as {known};"
        " a declaration fills a gap, it does not overrule the table",
        name=was.roi.name,
        structure=str(match.structure),
        known=str(was.structure),
    )


def _why_no_target(
    was: MatchedROI, match: MatchedROI, untouched: Iterable[MatchedROI]
) -> Text | None:
    """Say which target keeps a CTV or GTV from being one, or None where there is none."""
    target = target_of_same_level(was, untouched)
    if target is None:
        return None
    return Text(
        "--alias: '{name}' cannot stand for {structure}, since '{target}' is drawn and may be"
        " the target of the same level",
        name=was.roi.name,
        structure=str(match.structure),
        target=target,
    )


def _why_still_cord(
    was: MatchedROI, match: MatchedROI, treated: frozenset[str]
) -> Text | None:
    """Say why a cord is not taken for sac or cauda, or None where all is treated below it."""
    if treated and treated <= NO_CORD:
        return None
    return Text(
        "--alias: '{name}' is called cord; it can stand for {structure} only where every treated"
        " level is known to be one of L3 to L5",
        name=was.roi.name,
        structure=str(match.structure),
    )


def target_of_same_level(was: MatchedROI, matches: Iterable[MatchedROI]) -> str | None:
    """Return a drawn target that shares a level with an ROI, or may share one, or None."""
    own = _may_mean(read_levels(was.roi.name, was.role), LEVELS)
    for target in _targets(matches):
        if not target.contours:
            continue
        levels = _may_mean(read_levels(target.name, Role.PTV), LEVELS)
        if own & levels:
            return target.name
    return None


def _targets(matches: Iterable[MatchedROI]) -> list[ROI]:
    return [match.roi for match in matches if match.role is Role.PTV]


def _may_mean(read: Levels, unstated: tuple[str, ...]) -> frozenset[str]:
    """Return the levels that a name states, or those it may mean where it states none."""
    return frozenset(read.stated or unstated)


def _treated(
    matches: Iterable[MatchedROI], declared: tuple[str, ...]
) -> frozenset[str]:
    """Return the levels that may be treated, as declared and as the targets' names state.

    A target without a level is treated at the declared ones, or anywhere if there are none.
    What no spine has, such as L6, is kept: such a target is not known to be below the cord.
    """
    unstated = declared or LEVELS
    levels = set(declared)
    for target in _targets(matches):
        read = read_levels(target.name, Role.PTV)
        levels.update(_may_mean(read, unstated), read.impossible)
    return frozenset(levels)


# --- What the table knows ----------------------------------------------------------------------


class Held(NamedTuple):
    """The structure whose name an ROI holds, by which alias, and the exclusion that bars it."""

    structure: str | None = None
    role: Role | None = None
    alias: str = ""
    barred_by: str | None = None


def _match(roi: ROI, protocol: Protocol) -> MatchedROI:
    """Match one ROI by the table alone."""
    structure, role, alias, barred_by = _held(roi.name, protocol)
    how = Text("no structure of the protocol")
    nothing = MatchedROI(roi=roi, structure=None, role=None, how=how, alike=role)
    if first_alias(bare_name(roi.name), protocol.never_match):
        how = Text("helper structure, never used")
        return replace(nothing, how=how, is_derived=True)
    if structure is None:
        return nothing
    if barred_by is not None:
        known_only = barred_by.startswith(KNOWN_ONLY)
        return _why_not(nothing, structure, known_only=known_only)
    how = _how(structure, alias)
    return MatchedROI(roi=roi, structure=structure, role=role, how=how)


def _how(structure: str, alias: str) -> Text:
    """Say by which alias a name stands for a structure."""
    if len(alias) > LONG_PATTERN:
        return Text("matches a pattern of {structure}", structure=structure)
    return Text("matches '{alias}'", alias=alias)


def _held(name: str, protocol: Protocol) -> Held:
    """Return the first structure with an alias that a name matches.

    What is called another kind of target holds the PTV's name, with more than the table knows.
    """
    for structure, row in protocol.structures.items():
        searched = _searched(name, row)
        alias = first_alias(searched, row.aliases)
        if alias is not None:
            barred_by = first_alias(searched, row.exclude)
            return Held(structure, row.role, alias, barred_by)
    if OTHER_TARGETS.search(normalise(name)):
        target = protocol.structure_of(Role.PTV)
        return Held(target, Role.PTV, barred_by=KNOWN_ONLY)
    return Held()


def _searched(name: str, row: StructureNames) -> str:
    """Return the form of a name that a structure's aliases are compared with.

    The outline of another image is no outline of the planning CT, so it keeps its suffix.
    """
    if row.role is Role.EXTERNAL:
        return normalise(name)
    return bare_name(name)


OTHER_TARGETS = re.compile(
    r"(?<![a-z])i[gc]?tv|^tv(?:_|\d|$)|^target|靶区|转移灶|轉移灶"
)
KNOWN_ONLY = "re:^(?!"  # how an exclusion begins that lets only those names through that it knows
MADE_FROM = re.compile(
    r"-(?!(?:th|t|l|c|s)\d|[12](?=$|[_(])(?!_?[mc]m))|[+!]|^ns_|prv|cord|cauda|canal|sac(?![a-z])"
    r"|脊髓|马尾|opt|eval|ring|shell|crop|cut|sub|minus|hot|cold|inner|outer|overlap|bool|dose|copy"
    r"|old|tmp|temp|dummy|help|avoid|_[dv]\d|dptv|优化|评估|环"
)


def _why_not(match: MatchedROI, structure: str, *, known_only: bool) -> MatchedROI:
    """Say why an ROI does not stand for the structure whose name it holds."""
    if not match.roi.contours:
        how = Text(
            "looks like {structure}, but has no closed contours", structure=structure
        )
        return replace(match, how=how, is_derived=_is_made_from(match))
    if known_only and not _is_made_from(match):
        how = Text(
            "looks like {structure}, but its name holds more than the table knows; if it is one,"
            ' add --alias "{name}={structure}"',
            structure=structure,
            name=match.roi.name,
        )
        return replace(match, how=how)
    how = Text(
        "looks like {structure}, but is a derived structure", structure=structure
    )
    return replace(match, how=how, is_derived=True)


def _is_made_from(match: MatchedROI) -> bool:
    return MADE_FROM.search(normalise(match.roi.name)) is not None


LONG_PATTERN = 30  # characters: a longer one tells a reader nothing
SUGGESTED = 0.8  # of 1: two letters of a word of ten exchanged; less is chance
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
    asked = letters_of(name)
    if len(asked) < SHORTEST or "ptv" in asked:
        return None
    helper = first_alias(normalise(name), protocol.never_match)
    if helper:
        return None
    known = _spellings(protocol)
    # A margin is another structure: SpinalCanal_PRV is no misspelt SpinalCanal.
    is_margin = "prv" in asked
    comparable = [
        spelling
        for spelling in known
        if len(spelling) >= SHORTEST
        if ("prv" in spelling) == is_margin
    ]
    nearest = difflib.get_close_matches(asked, comparable, n=1, cutoff=SUGGESTED)
    if not nearest:
        return None
    return known[nearest[0]]


def _spellings(protocol: Protocol) -> dict[str, str]:
    """Return the letters of every plain name in the table, each with its structure."""
    return {
        letters_of(alias): structure
        for structure, row in protocol.structures.items()
        for alias in (structure, *row.aliases)
        if not alias.startswith(PATTERN)
    }


def first_alias(name: str, aliases: Iterable[str]) -> str | None:
    """Return the first alias that a normalised name matches, or None."""
    fitting = (alias for alias in aliases if _fits(name, alias))
    return next(fitting, None)


def _fits(name: str, alias: str) -> bool:
    """Tell whether a normalised name is a plain alias, or holds the pattern of another."""
    if alias.startswith(PATTERN):
        return re.search(alias.removeprefix(PATTERN), name) is not None
    return letters_of(alias) == name.replace("_", "")


# --- Levels -------------------------------------------------------------------------------------

CHINESE_DIGITS = {
    digit: str(value) for value, digit in enumerate("一二三四五六七八九十", start=1)
} | {
    f"十{digit}": f"1{value}"
    for value, digit in enumerate("一二三四五六七八九", start=1)
}
DIGITS = "|".join(sorted(CHINESE_DIGITS, key=len, reverse=True))
REGIONS = {"颈": "C", "頸": "C", "胸": "T", "腰": "L", "骶": "S"}
DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
NUMBER = r"0?(\d{1,2})(?!\d|[._]\d|\s?(?:MM|CM|C?GY|CC|%|FX?\b|X))"
LETTER = r"(TH|T|L|C|S)"
FIRST = re.compile(rf"(?:(?<![A-Z0-9])|(?<=[TL]\d)|(?<=[TL]\d\d)){LETTER}\s?{NUMBER}")
THROUGH = r"(?:\s?(?:-+|[~至到]|(?:TO|THRU|THROUGH|UNTIL)\b|TO(?=TH|T|L))\s?)"
AND = r"\s?(?:[/+,&、和]|AND\b)\s?"
# A range, a list, or the next letter without either; then the letter, if any, and the number.
NEXT = re.compile(
    rf"(?:({THROUGH})(?:VB\s?(?=[TLCS]))?|{AND}|[\s_]?(?=[TLCS]))(?:{LETTER}\s?)?{NUMBER}"
)
TARGET_PREFIX = re.compile(r"^(I?[PGC]{1,2}TVP?)")
DORSAL = re.compile(r"(?:(?<![A-Z0-9])|(?<=D\d))D(?=(?:0?[5-9]|1[0-2])(?!\d))")
THORACIC = re.compile(r"(?<![A-Z0-9])TH?\s?\d")
ASCII_WORD = re.compile(r"[A-Za-z0-9]")
MR_SEQUENCES = frozenset({"T1", "T2", "T3", "T4"})
UNCLEAR: dict[Role | None, frozenset[str]] = {
    Role.CTV: MR_SEQUENCES,
    Role.GTV: MR_SEQUENCES,
}
SPINAL = (Role.PTV, Role.CTV, Role.GTV, Role.VERTEBRA)
NO_COUNT = 20  # T30 is an index or a time, T13 a vertebra too many


def read_levels(name: str, role: Role | None = None) -> Levels:
    """Read the vertebral levels that a name states.

    Understands `PTV_T8`, `VB_T08`, `Th8`, `T7-8`, `T11+T12`, `T10-L1`, 胸8, 腰2椎体, 第8胸椎.
    D5 to D12 are dorsal, D1 to D4 doses. `-5mm`, doses and `L`/`R` are no levels. On CTV and GTV,
    T1 to T4 are unclear; on targets and vertebrae, L6 and T13 are impossible.

    Examples
    --------
    >>> read_levels("PTV_T11-12").stated
    ('T11', 'T12')
    >>> read_levels("GTV_T1", Role.GTV).unclear
    ('T1',)
    >>> read_levels("PTV_L6", Role.PTV).impossible
    ('L6',)
    """
    text = _without_dorsal(TARGET_PREFIX.sub(r"\1 ", _latin(name)))
    found: set[str] = set()
    impossible: list[str] = []
    at = 0
    while (start := FIRST.search(text, at)) is not None:
        at = start.end()
        letter, number = start.groups()
        level = _level(letter, number)
        if level in POSITION:
            chain, at = _chain(text, at, level)
            found.update(chain)
        elif role in SPINAL and _is_own_token(text, start):
            impossible.append(level)
    unclear = UNCLEAR.get(role, frozenset())
    return Levels(
        _head_to_foot(found - unclear),
        _head_to_foot(found & unclear),
        tuple(dict.fromkeys(impossible)),
    )


def _head_to_foot(levels: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(levels, key=POSITION.__getitem__))


def _without_dorsal(text: str) -> str:
    """Write D8 as T8; beside a T, a D is a dose."""
    if THORACIC.search(text):
        return text
    return DORSAL.sub("T", text)


def _is_own_token(text: str, found: re.Match[str]) -> bool:
    """Tell whether a letter and its number stand alone, and the number could count vertebrae."""
    number = int(found.group(2))
    if number >= NO_COUNT:
        return False
    return ASCII_WORD.match(text, found.end()) is None


def _latin(name: str) -> str:
    """Write Chinese levels the Latin way: 第8胸椎, 胸椎8 and 胸8 become T8, 胸七、八 T7、8."""
    text = (
        unicodedata.normalize("NFKC", name).translate(DASHES).upper().replace("_", " ")
    )
    number = rf"(?:\d{{1,2}}|{DIGITS})"
    numbers = rf"({number}(?:[-~、,和至到/]?(?:{number}))*)"
    region = rf"([{''.join(REGIONS)}])"
    text = re.sub(
        rf"第{numbers}{region}椎?[体體]?", lambda m: _spelled(m[2], m[1]), text
    )
    return re.sub(
        rf"{region}椎?[体體]?第?{numbers}", lambda m: _spelled(m[1], m[2]), text
    )


def _spelled(region: str, numbers: str) -> str:
    """Write a Chinese level or list of levels the Latin way: 胸 and 七八 become T7、8."""
    tokens = re.findall(rf"{DIGITS}|[^一二三四五六七八九十]+", numbers)
    latin = "、".join(CHINESE_DIGITS.get(token, token) for token in tokens)
    latin = re.sub(r"、?([-~、,和至到/])、?", r"\1", latin)
    return f" {REGIONS[region]}{latin}"


def _level(letter: str, number: str) -> str:
    """Write a level the usual way: TH and 08 become T8; it need not be one that spines have."""
    return f"{letter[0]}{int(number)}"


def _chain(text: str, at: int, first: str) -> tuple[list[str], int]:
    """Return a level and those that follow in ranges or lists, and where reading goes on."""
    chain = [first]
    while (step := NEXT.match(text, at)) is not None:
        through, letter, number = step.groups()
        last = chain[-1]
        level = _level(letter or last[0], number)
        if not _follows(level, last, letter):
            break
        if through:
            chain += _between(last, level)
        chain.append(level)
        at = step.end()
    return chain, at


def _follows(level: str, last: str, letter: str | None) -> bool:
    """Tell whether a number goes on from the last level; without a letter, only downwards."""
    if letter is None:
        return POSITION.get(level, -1) > POSITION[last]
    return level in POSITION


def _between(one: str, other: str) -> tuple[str, ...]:
    """Return the levels inside a range, which may be written from foot to head."""
    first, last = sorted((POSITION[one], POSITION[other]))
    return LEVELS[first + 1 : last]
