"""Which neural structures stand where, what is missing of them, and by which limit each is judged.

Cord, PRV, thecal sac, canal and cauda equina together have to reach from below to above every
target. Where no cord is drawn, what is drawn there stands for it, in this order. Which limit holds
hangs on the level: above the conus that of the cord, at L3-L5 that of the cauda equina, between
them both may be meant.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from sbrtcheck.contours import (
    between,
    build_region,
    continued,
    grown,
    union_of,
    volume_outside_cc,
    volume_within_cc,
)
from sbrtcheck.model import ROI, DoseGrid, Text
from sbrtcheck.protocol.names import LEVELS, MatchedROI
from sbrtcheck.protocol.rules import NeuralRules, Role

__all__ = [
    "NEURAL_ROLES",
    "Extent",
    "Held",
    "Kind",
    "Neural",
    "Part",
    "Span",
    "Zone",
    "read_neural",
]

NEURAL_ROLES = (Role.CORD, Role.CORD_PRV, Role.CAUDA, Role.SAC, Role.CANAL)
STANDS_FOR_CORD = (Role.CORD_PRV, Role.SAC, Role.CANAL)
SAME_MM = 0.05  # rounding of plane positions, twice
OUTSIDE_PART, OUTSIDE_CC = (
    0.01,
    0.02,
)  # of a cord outside its PRV: more, and it is not held
HELD_PART = (
    0.95  # of a cord in its PRV: less, and one of the two is not what it is called
)
FIRST_CONUS, FIRST_CAUDA = LEVELS.index("T12"), LEVELS.index("L3")

MARGIN = re.compile(r"(?<![\d.])0?(\d(?:\.\d)?)\s*(?:mm)?\s*$", re.IGNORECASE)

Interval = tuple[float, float]
Subject = tuple[str, MatchedROI]


class Zone(StrEnum):
    """What may lie in the canal at a level."""

    CORD = "cord"
    CONUS = "conus"
    CAUDA = "cauda"


class Kind(StrEnum):
    """What an ROI, or a part of it, is judged as."""

    CORD = "cord"
    ALL_CORDS = "all cords together"
    PRV = "PRV beside a cord"
    MADE_PRV = "PRV made by sbrtcheck"
    STAND_IN = "stands for the cord"
    TOGETHER = "cord and what stands for it"
    CONTINUED = "carried on beyond its end"
    CAUDA = "cauda equina"
    BESIDE = "beside a cord"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A neural ROI, or a part of one, and what it is judged as.

    `is_graded` is False for what is only reported.
    """

    subject: str
    match: MatchedROI
    kind: Kind
    zone: Zone
    is_graded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where neural contours are needed about one target: its solid, and how far beyond it.

    `cord_zone` is the zone for what is called cord, whatever is declared of the conus.
    """

    subject: str
    target: str
    low_mm: float
    high_mm: float
    margin_mm: float
    zone: Zone
    cord_zone: Zone

    @property
    def needed(self) -> Interval:
        """Return from where to where contours are needed."""
        return self.low_mm - self.margin_mm, self.high_mm + self.margin_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What of a span is drawn by which ROIs, what is missing, and what was carried on at an end."""

    span: Span
    rois: tuple[str, ...]
    missing: tuple[Interval, ...]
    continued: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How much of a cord lies outside a PRV, within the extent."""

    subject: str
    prv: str
    cord: str
    outside_cc: float
    part_inside: float

    @property
    def holds(self) -> bool:
        """Tell whether the PRV holds the cord but for rounding."""
        within = 1 - self.part_inside <= OUTSIDE_PART
        return within and self.outside_cc <= OUTSIDE_CC

    @property
    def is_doubtful(self) -> bool:
        """Tell whether so much is outside that one of the two is not what it is called."""
        return self.part_inside < HELD_PART


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neural:
    """All that is neural: what is judged, what is missing, and which PRVs hold their cord."""

    parts: tuple[Part, ...]
    extents: tuple[Extent, ...]
    held: tuple[Held, ...]
    drawn: tuple[Subject, ...]

    @property
    def is_complete(self) -> bool:
        """Tell whether neural contours pass every target."""
        return not any(extent.missing for extent in self.extents)

    def part(self, subject: str) -> Part:
        """Return the part of a subject."""
        return next(part for part in self.parts if part.subject == subject)


def zone_of(levels: Sequence[str], conus: str | None) -> Zone:
    """Return the zone of some levels: that of the highest; unknown levels may hold cord."""
    if not levels:
        return Zone.CORD
    highest = min(LEVELS.index(level) for level in levels)
    if conus is not None:
        if highest <= LEVELS.index(conus):
            return Zone.CORD
        return Zone.CAUDA
    if highest < FIRST_CONUS:
        return Zone.CORD
    if highest < FIRST_CAUDA:
        return Zone.CONUS
    return Zone.CAUDA


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drawn:
    """A neural ROI that encloses a volume, with the heights at which it is drawn."""

    subject: str
    match: MatchedROI
    intervals: tuple[Interval, ...]


def read_neural(
    subjects: Sequence[Subject],
    spans: Sequence[Span],
    rules: NeuralRules,
    prv_structure: str,
    dose: DoseGrid,
) -> Neural:
    """Tell what of the neural ROIs is judged as what.

    Parameters
    ----------
    subjects
        All matched ROIs with the names under which findings speak of them.
    spans
        One for each target.
    prv_structure
        What a PRV that is made is called.
    dose
        Where a PRV that is made ends with the dose grid.
    """
    drawn = [
        _drawn(subject, match)
        for subject, match in subjects
        if match.role in NEURAL_ROLES
    ]
    known = [one for one in drawn if one.intervals]
    cords = _of(known, Role.CORD)
    extents = tuple(_extent(span, known, rules.continued_mm) for span in spans)
    held = tuple(
        _held(cord, prv, spans) for prv in _of(known, Role.CORD_PRV) for cord in cords
    )
    parts = [*_cord_parts(cords, spans)]
    parts += _stand_ins(known, cords, spans, rules.prv_widest_mm)
    parts += _continued_parts(extents, known, spans)
    parts += _prv_parts(
        known, cords, held, rules=rules, structure=prv_structure, dose=dose
    )
    return Neural(
        parts=tuple(parts),
        extents=extents,
        held=held,
        drawn=tuple((one.subject, one.match) for one in known),
    )


def _drawn(subject: str, match: MatchedROI) -> _Drawn:
    return _Drawn(
        subject=subject, match=match, intervals=build_region(match.roi).drawn_mm
    )


def _of(drawn: Iterable[_Drawn], *roles: Role) -> list[_Drawn]:
    return [one for one in drawn if one.match.role in roles]


# --- Intervals of z -----------------------------------------------------------------------------


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals in order, those that touch as one."""
    merged: list[Interval] = []
    for low_mm, high_mm in sorted(intervals):
        if merged and low_mm - merged[-1][1] <= SAME_MM:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high_mm))
        else:
            merged.append((low_mm, high_mm))
    return merged


def _without(
    intervals: Iterable[Interval], taken: Iterable[Interval]
) -> list[Interval]:
    """Return what of some intervals others leave, but for rounding."""
    left = _merged(intervals)
    for low_mm, high_mm in _merged(taken):
        pieces = []
        for start_mm, end_mm in left:
            pieces.append((start_mm, min(end_mm, low_mm)))
            pieces.append((max(start_mm, high_mm), end_mm))
        left = [piece for piece in pieces if piece[1] - piece[0] > SAME_MM]
    return left


def _common(one: Iterable[Interval], other: Iterable[Interval]) -> list[Interval]:
    """Return where intervals of both lie."""
    pairs = ((a, b) for a in one for b in other)
    found = [(max(a[0], b[0]), min(a[1], b[1])) for a, b in pairs]
    return [(low, high) for low, high in _merged(found) if high - low > SAME_MM]


# --- Extent -------------------------------------------------------------------------------------


def _extent(span: Span, known: Sequence[_Drawn], continued_mm: float) -> Extent:
    """Tell what of a span is drawn by any neural ROI that may stand there."""
    roles = [Role.CORD, *STANDS_FOR_CORD]
    if span.zone is not Zone.CORD:
        roles.append(Role.CAUDA)
    near = [one for one in _of(known, *roles) if _common(one.intervals, [span.needed])]
    drawn = _merged(interval for one in near for interval in one.intervals)
    missing = _without([span.needed], drawn)
    filled = []
    if _common(drawn, [(span.low_mm, span.high_mm)]):
        filled = [
            gap
            for gap in missing
            if _is_short_end(gap, span, continued_mm) and not _goes_on(gap, span, drawn)
        ]
    return Extent(
        span=span,
        rois=tuple(one.match.roi.name for one in near),
        missing=tuple(gap for gap in missing if gap not in filled),
        continued=tuple(filled),
    )


def _is_short_end(gap: Interval, span: Span, continued_mm: float) -> bool:
    """Tell whether a gap lies at an end of a span, beyond the target, and is short."""
    low_mm, high_mm = gap
    needed_low_mm, needed_high_mm = span.needed
    at_low_end = low_mm <= needed_low_mm + SAME_MM and high_mm <= span.low_mm + SAME_MM
    at_high_end = (
        high_mm >= needed_high_mm - SAME_MM and low_mm >= span.high_mm - SAME_MM
    )
    return (at_low_end or at_high_end) and high_mm - low_mm <= continued_mm + SAME_MM


def _goes_on(gap: Interval, span: Span, drawn: Sequence[Interval]) -> bool:
    """Tell whether contours go on beyond a gap, which is a hole then, and no end."""
    if gap[1] <= span.low_mm + SAME_MM:
        return any(low_mm < gap[0] for low_mm, _ in drawn)
    return any(high_mm > gap[1] for _, high_mm in drawn)


def _continued_parts(
    extents: Sequence[Extent], known: Sequence[_Drawn], spans: Sequence[Span]
) -> list[Part]:
    """Carry the outline at each end on that is a little short, grown by what is missing."""
    parts = []
    gaps = dict.fromkeys(
        (gap, extent.span.zone) for extent in extents for gap in extent.continued
    )
    for number, (gap, zone) in enumerate(gaps, start=1):
        nearest = _nearest(known, gap, zone)
        subject = f"{nearest.subject} (carried on)"
        if number > 1:
            subject = f"{subject} #{number}"
        how = Text("the end outline, carried on over {mm} mm", mm=gap[1] - gap[0])
        kind = Kind.CONTINUED
        match = MatchedROI(
            roi=continued(nearest.match.roi, *gap),
            structure=nearest.match.structure,
            role=nearest.match.role,
            how=how,
            is_made=True,
        )
        parts.append(
            Part(subject=subject, match=match, kind=kind, zone=_zone_at(gap, spans))
        )
    return parts


def _nearest(known: Sequence[_Drawn], gap: Interval, zone: Zone) -> _Drawn:
    """Return the ROI whose drawn part ends nearest to a gap; the cord before others."""
    order = [Role.CORD, *STANDS_FOR_CORD]
    if zone is not Zone.CORD:
        order.append(Role.CAUDA)
    candidates = _of(known, *order)

    def distance(one: _Drawn) -> tuple[float, int]:
        ends = [
            abs(end - side) for pair in one.intervals for end in pair for side in gap
        ]
        role = one.match.role
        rank = order.index(role) if role in order else len(order)
        return round(min(ends), 1), rank

    return min(candidates, key=distance)


def _zone_at(interval: Interval, spans: Sequence[Span]) -> Zone:
    """Return the zone of the span that holds a height, of two the higher level; else of the nearest."""
    middle_mm = (interval[0] + interval[1]) / 2
    if not spans:
        return Zone.CORD
    holding = [span for span in spans if span.needed[0] <= middle_mm <= span.needed[1]]
    if holding:
        order = list(Zone)
        return min((span.zone for span in holding), key=order.index)

    def away(span: Span) -> float:
        low_mm, high_mm = span.needed
        return max(low_mm - middle_mm, middle_mm - high_mm)

    return min(spans, key=away).zone


def _by_zone(
    intervals: Sequence[Interval], spans: Sequence[Span]
) -> dict[Zone, list[Interval]]:
    """Part intervals by zone: cut at the ends of all spans and half-way between them."""
    cuts = sorted({end for span in spans for end in span.needed})
    ends = sorted(spans, key=lambda span: span.low_mm)
    cuts += [(one.needed[1] + two.needed[0]) / 2 for one, two in pairwise(ends)]
    zones: dict[Zone, list[Interval]] = {}
    for interval in intervals:
        inside = sorted(cut for cut in cuts if interval[0] < cut < interval[1])
        for piece in pairwise([interval[0], *inside, interval[1]]):
            zones.setdefault(_zone_at(piece, spans), []).append(piece)
    return {zone: _merged(pieces) for zone, pieces in zones.items()}


# --- What is judged as what ---------------------------------------------------------------------


def _cord_parts(cords: Sequence[_Drawn], spans: Sequence[Span]) -> list[Part]:
    """Return each ROI called cord, and all of them as one solid where there are several."""
    zone = Zone.CORD
    if spans and all(span.cord_zone is Zone.CAUDA for span in spans):
        zone = Zone.CAUDA
    parts = [
        Part(subject=one.subject, match=one.match, kind=Kind.CORD, zone=zone)
        for one in cords
    ]
    if len(cords) < 2:
        return parts
    name = " + ".join(one.match.roi.name for one in cords)
    first = cords[0].match
    whole = MatchedROI(
        roi=union_of([one.match.roi for one in cords], name),
        structure=first.structure,
        role=Role.CORD,
        how=Text("all ROIs called cord, as one solid"),
        is_made=True,
    )
    subject = f"{first.structure}: all together"
    return [*parts, Part(subject=subject, match=whole, kind=Kind.ALL_CORDS, zone=zone)]


def _beyond_ends(intervals: Sequence[Interval], margin_mm: float) -> list[Interval]:
    """Return where the margin of a PRV lies beyond the ends of its cord: it stands for nothing there."""
    if not intervals:
        return []
    low_mm = min(low for low, _ in intervals)
    high_mm = max(high for _, high in intervals)
    return [(low_mm - margin_mm, low_mm), (high_mm, high_mm + margin_mm)]


def _stand_ins(
    known: Sequence[_Drawn],
    cords: Sequence[_Drawn],
    spans: Sequence[Span],
    margin_mm: float,
) -> list[Part]:
    """Return what stands for the cord where none is drawn, and what lies beside it."""
    taken = [interval for cord in cords for interval in cord.intervals]
    margins = _beyond_ends(taken, margin_mm)
    parts: list[Part] = []
    pieces = [cord.match.roi for cord in cords]
    for one in _of(known, *STANDS_FOR_CORD, Role.CAUDA):
        zones = _by_zone(one.intervals, spans)
        covered = taken
        if one.match.role is Role.CORD_PRV:
            covered = [*taken, *margins]
        own = _parts_of(one, zones, covered)
        parts += own
        stands = [part for part in own if part.kind is Kind.STAND_IN]
        pieces += [part.match.roi for part in stands]
        if one.match.role in STANDS_FOR_CORD:
            taken += one.intervals
    if len(pieces) > 1 and len(pieces) > len(cords):
        parts.append(_together(pieces, cords, parts))
    return parts


def _parts_of(
    one: _Drawn, zones: dict[Zone, list[Interval]], taken: Sequence[Interval]
) -> list[Part]:
    """Part one ROI by what it is judged as: at L3-L5 cauda, elsewhere where no cord is drawn."""
    parts: list[tuple[Kind, Zone, list[Interval]]] = []
    for zone, intervals in zones.items():
        if _is_cauda(one, zone):
            parts.append((Kind.CAUDA, zone, intervals))
            continue
        free = intervals
        if one.match.role is not Role.CAUDA:
            free = _without(intervals, taken)
        if free:
            parts.append((Kind.STAND_IN, zone, free))
    named = len(parts) > 1
    made = [
        _cut_part(one, kind, zone, pieces, named=named) for kind, zone, pieces in parts
    ]
    if not made and one.match.role is not Role.CORD_PRV:
        zone = next(iter(zones), Zone.CORD)
        beside = Part(
            subject=one.subject,
            match=one.match,
            kind=Kind.BESIDE,
            zone=zone,
            is_graded=False,
        )
        return [beside]
    return made


def _is_cauda(one: _Drawn, zone: Zone) -> bool:
    """Tell whether an ROI is held to the cauda's limit: below the conus, or called so far above it."""
    if one.match.role is Role.CAUDA:
        return zone is not Zone.CONUS
    return zone is Zone.CAUDA and one.match.role is not Role.CORD_PRV


def _cut_part(
    one: _Drawn, kind: Kind, zone: Zone, intervals: Sequence[Interval], *, named: bool
) -> Part:
    """Return the part of an ROI at some heights; all of it where that is all that is drawn."""
    subject = f"{one.subject} ({zone.value})" if named else one.subject
    if one.match.role is Role.CORD_PRV:
        subject = f"{subject} in place of the cord"
    match = one.match
    if _without(one.intervals, intervals):
        match = MatchedROI(
            roi=between(one.match.roi, intervals),
            structure=one.match.structure,
            role=one.match.role,
            how=one.match.how,
            declared=one.match.declared,
        )
    return Part(subject=subject, match=match, kind=kind, zone=zone)


def _together(
    pieces: Sequence[ROI], cords: Sequence[_Drawn], parts: Sequence[Part]
) -> Part:
    """Return cord and all that stands for it as one solid, under the limit of the cord."""
    stands = [part for part in parts if part.kind is Kind.STAND_IN]
    zone = Zone.CONUS
    if cords or any(part.zone is Zone.CORD for part in stands):
        zone = Zone.CORD
    if any(part.zone is Zone.CONUS for part in stands):
        zone = Zone.CONUS
    name = " + ".join(dict.fromkeys(roi.name for roi in pieces))
    match = MatchedROI(
        roi=union_of(pieces, name),
        structure=None,
        role=Role.CORD,
        how=Text("the cord and what stands for it, as one solid"),
        is_made=True,
    )
    return Part(
        subject="cord, put together", match=match, kind=Kind.TOGETHER, zone=zone
    )


# --- PRV ----------------------------------------------------------------------------------------


def _held(cord: _Drawn, prv: _Drawn, spans: Sequence[Span]) -> Held:
    """Measure how much of a cord lies outside a PRV, within the extent where both are asked."""
    intervals = [span.needed for span in spans]
    if not intervals:
        intervals = list(cord.intervals)
    inside = _common(cord.intervals, intervals)
    outside_cc = volume_outside_cc(cord.match.roi, prv.match.roi, inside)
    volume_cc = volume_within_cc(cord.match.roi, inside)
    part = 1.0
    if volume_cc > 0:
        part = 1 - outside_cc / volume_cc
    return Held(
        subject=prv.subject,
        prv=prv.match.roi.name,
        cord=cord.match.roi.name,
        outside_cc=outside_cc,
        part_inside=part,
    )


def _prv_parts(
    known: Sequence[_Drawn],
    cords: Sequence[_Drawn],
    held: Sequence[Held],
    *,
    rules: NeuralRules,
    structure: str,
    dose: DoseGrid,
) -> list[Part]:
    """Return the PRVs beside a cord: drawn ones, and one made where none serves."""
    if not cords:
        return []
    parts = []
    serves = False
    for one in _of(known, Role.CORD_PRV):
        wide = _is_wide(one.match.roi, cords, rules.prv_widest_mm)
        own = [row for row in held if row.subject == one.subject]
        holds = any(row.holds for row in own)
        serves = serves or (holds and not wide)
        parts.append(
            Part(
                subject=one.subject,
                match=one.match,
                kind=Kind.PRV,
                zone=Zone.CORD,
                is_graded=not wide,
            )
        )
    if serves:
        return parts
    fails_to_hold = any(part.is_graded for part in parts)
    return parts + [
        _made_prv(cord, rules.prv_margin_mm, structure, dose, is_graded=fails_to_hold)
        for cord in cords
    ]


def _is_wide(prv: ROI, cords: Sequence[_Drawn], widest_mm: float) -> bool:
    """Tell by its name or by its volume that a PRV reaches further from its cord than such do.

    The cord grown by the widest margin is compared: a PRV that holds more is wider.
    """
    named_mm = margin_in_name_mm(prv.name)
    if named_mm is not None:
        return named_mm > widest_mm
    region = build_region(prv)
    largest_cc = sum(
        volume_within_cc(grown(cord.match.roi, widest_mm), region.drawn_mm)
        for cord in cords
    )
    return region.volume_cc is not None and region.volume_cc > largest_cc


def margin_in_name_mm(name: str) -> float | None:
    """Return the margin that the name of a PRV states: 2 of PRV02, 1.5 of PRV1.5mm, None of PRV.

    Examples
    --------
    >>> margin_in_name_mm("SpinalCord_PRV02"), margin_in_name_mm("Cord PRV 5mm")
    (2.0, 5.0)
    """
    found = MARGIN.search(name.replace("_", " "))
    if found is None:
        return None
    return float(found[1])


def _made_prv(
    cord: _Drawn, margin_mm: float, structure: str, dose: DoseGrid, *, is_graded: bool
) -> Part:
    how = Text(
        "made by sbrtcheck: {roi} + {margin_mm} mm (convention)",
        roi=cord.match.roi.name,
        margin_mm=margin_mm,
    )
    match = MatchedROI(
        roi=_ending_with(dose, grown(cord.match.roi, margin_mm), cord.match.roi),
        structure=structure,
        role=Role.CORD_PRV,
        how=how,
        is_made=True,
    )
    return Part(
        subject=f"{structure} of {cord.subject}",
        match=match,
        kind=Kind.MADE_PRV,
        zone=Zone.CORD,
        is_graded=is_graded,
    )


def _ending_with(dose: DoseGrid, prv: ROI, cord: ROI) -> ROI:
    """Let a margin end where the dose grid does, if the cord itself lies on it along z."""
    low_mm, high_mm = float(dose.z_mm[0]), float(dose.z_mm[-1])
    region = build_region(prv)
    if region.low_mm is None or region.high_mm is None or region.spacing_mm is None:
        return prv
    if cord.z_mm[0] < low_mm or cord.z_mm[-1] > high_mm:
        return prv
    if low_mm <= region.low_mm and region.high_mm <= high_mm:
        return prv
    half_mm = region.spacing_mm / 2
    return between(prv, [(low_mm + half_mm, high_mm - half_mm)])
