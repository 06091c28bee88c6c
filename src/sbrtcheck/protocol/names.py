"""Which ROI is which structure, and which vertebral levels a name states.

Names are matched by the protocol's table, never by likeness: a wrong cord would be a wrong
verdict. Levels are read from names only, never from z.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sbrtcheck.errors import CaseError
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.rules import Protocol, Role, StructureNames

__all__ = [
    "LEVELS",
    "Levels",
    "MatchedROI",
    "bare_name",
    "first_alias",
    "looks_neural",
    "looks_relevant",
    "match_rois",
    "normalise",
    "read_levels",
    "suggest",
    "target_of_same_level",
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
    if match.structure is not None or match.is_derived:
        return False
    if match.alike is not None:
        return match.alike in NEURAL_ROLES
    name = normalise(match.roi.name)
    if NEURAL.search(name) is not None:
        return True
    return bool(difflib.get_close_matches(name, CORDS, n=1, cutoff=ALMOST))


def normalise(name: str) -> str:
    """Even out width, case and separators of an ROI name.

    Examples
    --------
    >>> normalise(" Spinal  Cord.PRV ")
    'spinal_cord_prv'
    """
    folded = unicodedata.normalize("NFKC", name).translate(DASHES).casefold().strip()
    return re.sub(r"[\s_.]+", "_", folded)


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
    known = tuple(_match(roi, protocol) for roi in rois)
    matches = tuple(_as_declared(match, protocol, aliases) for match in known)
    pairs = tuple(zip(known, matches, strict=True))
    untouched = [match for was, match in pairs if not _overrules(was, match.structure)]
    for was, match in pairs:
        if not _overrules(was, match.structure):
            continue
        refused = _why_refused(was, match, untouched, _treated(matches, levels))
        if refused is not None:
            raise CaseError(refused)
    return matches


def _overrules(known: MatchedROI, structure: str | None) -> bool:
    return known.structure not in (None, structure)


def _check_aliases(
    rois: tuple[ROI, ...], protocol: Protocol, aliases: Mapping[str, str]
) -> None:
    for name, structure in aliases.items():
        if all(roi.name != name for roi in rois):
            raise CaseError(
                Text("--alias: no ROI is called '{name}'", name=name),
                candidates=[roi.name for roi in rois],
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
NO_CORD = ("L3", "L4", "L5")


def _why_refused(
    was: MatchedROI,
    match: MatchedROI,
    untouched: Iterable[MatchedROI],
    levels: tuple[str, ...] | None,
) -> Text | None:
    """Say why an alias may not overrule the table, or None where it may."""
    change = (was.role, match.role)
    if change in ZERO_MARGIN:
        return _why_no_target(was, match, untouched)
    if change in BELOW_CORD:
        return _why_still_cord(was, match, levels)
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
    was: MatchedROI, match: MatchedROI, levels: tuple[str, ...] | None
) -> Text | None:
    """Say why a cord is not taken for sac or cauda, or None where all is treated below it."""
    if levels and all(level in NO_CORD for level in levels):
        return None
    return Text(
        "--alias: '{name}' is called cord; it can stand for {structure} only where every treated"
        " level is known to be one of L3 to L5",
        name=was.roi.name,
        structure=str(match.structure),
    )


def target_of_same_level(was: MatchedROI, matches: Iterable[MatchedROI]) -> str | None:
    """Return a drawn target that shares a level with an ROI, or may share one, or None."""
    own = set(read_levels(was.roi.name, was.role).stated)
    for match in matches:
        if match.role is not Role.PTV or not match.roi.contours:
            continue
        levels = set(read_levels(match.roi.name, Role.PTV).stated)
        if not own or not levels or own & levels:
            return match.roi.name
    return None


def _treated(
    matches: Iterable[MatchedROI], declared: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the levels that are declared and that targets' names state; None if one is open."""
    targets = [read_levels(m.roi.name, m.role) for m in matches if m.role is Role.PTV]
    if any(target.impossible or target.unclear for target in targets):
        return None
    if not declared and not all(target.stated for target in targets):
        return None
    return (*declared, *(level for target in targets for level in target.stated))


# --- What the table knows ----------------------------------------------------------------------


def _match(roi: ROI, protocol: Protocol) -> MatchedROI:
    """Match one ROI by the table alone."""
    found = _row_of(roi.name, protocol)
    nothing = MatchedROI(
        roi=roi, structure=None, role=None, how=Text("no structure of the protocol")
    )
    if first_alias(bare_name(roi.name), protocol.never_match):
        how = Text("helper structure, never used")
        return replace(nothing, how=how, alike=_alike(roi.name, found), is_derived=True)
    if found is None:
        return _another_target(nothing, protocol)
    structure, row, alias = found
    excluded = first_alias(_searched(roi.name, row), row.exclude)
    if excluded is not None:
        unknown = excluded.startswith(KNOWN_ONLY)
        return _why_not(replace(nothing, alike=row.role), structure, known_only=unknown)
    how = Text("matches '{alias}'", alias=alias)
    if len(alias) > LONG_PATTERN:
        how = Text("matches a pattern of {structure}", structure=structure)
    return MatchedROI(roi=roi, structure=structure, role=row.role, how=how)


def _row_of(name: str, protocol: Protocol) -> tuple[str, StructureNames, str] | None:
    """Return the first structure with an alias that a name matches, and that alias."""
    for structure, row in protocol.structures.items():
        alias = first_alias(_searched(name, row), row.aliases)
        if alias is not None:
            return structure, row, alias
    return None


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


def _alike(name: str, found: tuple[str, StructureNames, str] | None) -> Role | None:
    """Return the role whose name an ROI holds, or None."""
    if found is not None:
        return found[1].role
    if OTHER_TARGETS.search(normalise(name)):
        return Role.PTV
    return None


def _another_target(nothing: MatchedROI, protocol: Protocol) -> MatchedROI:
    """Tell of an ROI that no structure knows whether it looks like another kind of target."""
    alike = _alike(nothing.roi.name, None)
    if alike is None:
        return nothing
    return _why_not(
        replace(nothing, alike=alike), protocol.structure_of(Role.PTV), known_only=True
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
        alias
        for alias in known
        if len(alias) >= SHORTEST and ("prv" in alias) == ("prv" in asked)
    ]
    for found in difflib.get_close_matches(asked, long_enough, n=1, cutoff=SUGGESTED):
        return known[found]
    return None


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
} | {
    f"十{digit}": f"1{value}"
    for value, digit in enumerate("一二三四五六七八九", start=1)
}
REGIONS = {"颈": "C", "頸": "C", "胸": "T", "腰": "L", "骶": "S"}
DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
NUMBER = r"0?(\d{1,2})(?!\d|[._]\d|\s?(?:MM|CM|C?GY|CC|%|FX?\b|X))"
LETTER = r"(TH|T|L|C|S)"
FIRST = re.compile(rf"(?:(?<![A-Z0-9])|(?<=[TL]\d)|(?<=[TL]\d\d)){LETTER}\s?{NUMBER}")
THROUGH = r"(?:\s?(?:-+|[~至到]|(?:TO|THRU|THROUGH|UNTIL)\b|TO(?=TH|T|L))\s?)"
NEXT_IN_RANGE = re.compile(rf"{THROUGH}(?:(?:VB\s?)?{LETTER}\s?)?{NUMBER}")
NEXT_IN_LIST = re.compile(
    rf"(?:\s?(?:[/+,&、和]|AND\b)\s?(?:{LETTER}\s?)?|[\s_]?{LETTER}\s?){NUMBER}"
)
TARGET_PREFIX = re.compile(r"^(I?[PGC]{1,2}TVP?)")
DORSAL = re.compile(r"(?:(?<![A-Z0-9])|(?<=D\d))D(?=(?:0?[5-9]|1[0-2])(?!\d))")
THORACIC = re.compile(r"(?<![A-Z0-9])TH?\s?\d")
MR_SEQUENCES = ("T1", "T2", "T3", "T4")
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
    found: list[str] = []
    impossible: list[str] = []
    at = 0
    while (start := FIRST.search(text, at)) is not None:
        level = _level(start.group(1), start.group(2))
        at = start.end()
        if level is None:
            if role in SPINAL and _is_own_token(text, start):
                impossible.append(f"{start.group(1)[0]}{int(start.group(2))}")
            continue
        found.append(level)
        at = _chain(text, at, found)
    stated = tuple(sorted(set(found), key=POSITION.__getitem__))
    unclear: tuple[str, ...] = ()
    if role in (Role.CTV, Role.GTV):
        unclear = tuple(level for level in stated if level in MR_SEQUENCES)
    return Levels(
        tuple(level for level in stated if level not in unclear),
        unclear,
        tuple(dict.fromkeys(impossible)),
    )


def _without_dorsal(text: str) -> str:
    """Write D8 as T8; beside a T, a D is a dose."""
    if THORACIC.search(text):
        return text
    return DORSAL.sub("T", text)


def _is_own_token(text: str, found: re.Match[str]) -> bool:
    """Tell whether a letter and its number stand alone, and the number could count vertebrae."""
    after = text[found.end() : found.end() + 1]
    return int(found.group(2)) < NO_COUNT and not (after.isascii() and after.isalnum())


def _latin(name: str) -> str:
    """Write Chinese levels the Latin way: 第8胸椎, 胸椎8 and 胸8 become T8, 胸七、八 T7、8."""
    text = (
        unicodedata.normalize("NFKC", name).translate(DASHES).upper().replace("_", " ")
    )
    digits = "|".join(sorted(CHINESE_DIGITS, key=len, reverse=True))
    number = rf"(?:\d{{1,2}}|{digits})"
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
    digits = "|".join(sorted(CHINESE_DIGITS, key=len, reverse=True))
    tokens = re.findall(rf"{digits}|[^一二三四五六七八九十]+", numbers)
    latin = "、".join(CHINESE_DIGITS.get(token, token) for token in tokens)
    latin = re.sub(r"、?([-~、,和至到/])、?", r"\1", latin)
    return f" {REGIONS[region]}{latin}"


def _level(letter: str, number: str) -> str | None:
    level = f"{letter[0]}{int(number)}"
    if level not in POSITION:
        return None
    return level


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
