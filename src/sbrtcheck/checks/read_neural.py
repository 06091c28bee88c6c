"""Which neural structures stand where, what is missing of them, and by which limit each is judged.

Cord, PRV, thecal sac, canal and cauda equina together have to reach from below to above every
target. Where no cord is drawn, what is drawn there stands for it, in this order. Which limit holds
hangs on the level: above the conus that of the cord, at L3-L5 that of the cauda equina, between
them both may be meant.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, combinations, pairwise, product, starmap
from math import inf
from operator import attrgetter
from typing import NamedTuple

from sbrtcheck.checks.findings import numbered_subject
from sbrtcheck.contours import (
    between,
    build_region,
    continued,
    grown,
    least_grown_cc,
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
# Of a cord outside its PRV: more, and it is not held.
OUTSIDE_PART, OUTSIDE_CC = 0.01, 0.02
# Of a cord in its PRV: less, and one of the two is not what it is called.
HELD_PART = 0.95
FIRST_CONUS, FIRST_CAUDA = LEVELS.index("T12"), LEVELS.index("L3")

MARGIN = re.compile(r"(?<![\d.])0?(\d(?:\.\d)?)\s*(?:mm)?\s*$", re.IGNORECASE)

Interval = tuple[float, float]
Subject = tuple[str, MatchedROI]


class Zone(StrEnum):
    """What may lie in the canal at a level, from head to foot."""

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


def zone_of(levels: Sequence[str], conus: str | None) -> Zone:
    """Return the zone of some levels: that of the highest; unknown levels may hold cord."""
    highest = min(levels, key=LEVELS.index, default=LEVELS[0])
    begins = [FIRST_CONUS, FIRST_CAUDA]
    if conus is not None:
        below_conus = LEVELS.index(conus) + 1
        begins = [below_conus, below_conus]
    return tuple(Zone)[bisect(begins, LEVELS.index(highest))]


class _Drawn(NamedTuple):
    """A neural ROI with the name under which findings speak of it."""

    subject: str
    match: MatchedROI

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """Return the heights at which it is drawn, none where it encloses no volume."""
        return build_region(self.match.roi).drawn_mm


# What stands for the cord in a zone; of two that are equally near, the first is carried on.
STANDS_IN = {
    Zone.CORD: (Role.CORD, *STANDS_FOR_CORD),
    Zone.CONUS: (Role.CORD, *STANDS_FOR_CORD, Role.CAUDA),
    Zone.CAUDA: (Role.CORD, *STANDS_FOR_CORD, Role.CAUDA),
}
# Held to the limit of the cauda: below the conus, or called so far above it.
AS_CAUDA = (
    (Role.SAC, Zone.CAUDA),
    (Role.CANAL, Zone.CAUDA),
    (Role.CAUDA, Zone.CAUDA),
    (Role.CAUDA, Zone.CORD),
)
# Said of what also has a limit of its own beside a cord.
IN_PLACE: dict[Role | None, str] = {Role.CORD_PRV: " in place of the cord"}


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
    named = starmap(_Drawn, subjects)
    known = [one for one in _of(named, *NEURAL_ROLES) if one.intervals]
    cords = _of(known, Role.CORD)
    extents = tuple(_extent(span, known, rules.continued_mm) for span in spans)
    pairs = product(_of(known, Role.CORD_PRV), cords)
    held = tuple(_held(cord, prv, spans) for prv, cord in pairs)
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
        drawn=tuple(known),
    )


def _of(drawn: Iterable[_Drawn], *roles: Role) -> list[_Drawn]:
    return [one for one in drawn if one.match.role in roles]


def _intervals_of(drawn: Iterable[_Drawn]) -> list[Interval]:
    return list(chain.from_iterable(one.intervals for one in drawn))


# --- Intervals of z -----------------------------------------------------------------------------


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals in order, those that touch as one."""
    nothing = (-inf, -inf)
    merged = [nothing]
    for low_mm, high_mm in sorted(intervals):
        last_low_mm, last_high_mm = merged[-1]
        if low_mm - last_high_mm > SAME_MM:
            merged.append((low_mm, high_mm))
        else:
            merged[-1] = (last_low_mm, max(last_high_mm, high_mm))
    return merged[1:]


def _without(
    intervals: Iterable[Interval], taken: Iterable[Interval]
) -> list[Interval]:
    """Return what of some intervals others leave, but for rounding."""
    left = _merged(intervals)
    for low_mm, high_mm in _merged(taken):
        left = _common(left, [(-inf, low_mm), (high_mm, inf)])
    return left


def _common(one: Iterable[Interval], other: Iterable[Interval]) -> list[Interval]:
    """Return where intervals of both lie."""
    pairs = product(one, other)
    found = [
        (max(low_mm, other_low_mm), min(high_mm, other_high_mm))
        for (low_mm, high_mm), (other_low_mm, other_high_mm) in pairs
    ]
    return [(low, high) for low, high in _merged(found) if high - low > SAME_MM]


def _ends(intervals: Iterable[Interval]) -> Interval:
    """Return where intervals begin and end, taken together."""
    merged = _merged(intervals)
    return merged[0][0], merged[-1][1]


# --- Extent -------------------------------------------------------------------------------------


def _extent(span: Span, known: Sequence[_Drawn], continued_mm: float) -> Extent:
    """Tell what of a span is drawn by any neural ROI that may stand there."""
    standing = _of(known, *STANDS_IN[span.zone])
    near = [one for one in standing if _common(one.intervals, [span.needed])]
    drawn = _merged(_intervals_of(near))
    missing = _without([span.needed], drawn)
    filled = _short_ends(missing, span, drawn, continued_mm)
    return Extent(
        span=span,
        rois=tuple(one.match.roi.name for one in near),
        missing=tuple(sorted(set(missing) - set(filled))),
        continued=tuple(filled),
    )


def _short_ends(
    missing: Sequence[Interval],
    span: Span,
    drawn: Sequence[Interval],
    continued_mm: float,
) -> list[Interval]:
    """Return the gaps over which an outline may be carried on, if any is drawn at the target."""
    if not _common(drawn, [(span.low_mm, span.high_mm)]):
        return []
    return [gap for gap in missing if _is_short_end(gap, span, drawn, continued_mm)]


def _is_short_end(
    gap: Interval, span: Span, drawn: Sequence[Interval], short_mm: float
) -> bool:
    """Tell whether a gap is short, beyond the target and all contours; among them, it is a hole."""
    low_mm, high_mm = gap
    if high_mm - low_mm > short_mm + SAME_MM:
        return False
    first_mm, last_mm = _ends(drawn)
    is_below_target = high_mm <= span.low_mm + SAME_MM
    is_above_target = low_mm >= span.high_mm - SAME_MM
    if is_below_target:
        return low_mm <= first_mm
    return is_above_target and high_mm >= last_mm


def _continued_parts(
    extents: Sequence[Extent], known: Sequence[_Drawn], spans: Sequence[Span]
) -> list[Part]:
    """Carry the outline at each end on that is a little short, grown by what is missing."""
    parts = []
    gaps = chain.from_iterable(
        product(extent.continued, [extent.span.zone]) for extent in extents
    )
    for number, (gap, zone) in enumerate(dict.fromkeys(gaps), start=1):
        nearest = _nearest(known, gap, zone)
        subject = numbered_subject(f"{nearest.subject} (carried on)", number)
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
    order = STANDS_IN[zone]

    def distance(one: _Drawn) -> tuple[float, int]:
        ends = chain.from_iterable(one.intervals)
        away_mm = min(abs(end - side) for end, side in product(ends, gap))
        return round(away_mm, 1), order.index(one.match.role)

    return min(_of(known, *order), key=distance)


def _zone_at(interval: Interval, spans: Sequence[Span]) -> Zone:
    """Return the zone of the span that holds a height, of two the higher level; else of the nearest."""
    if not spans:
        return Zone.CORD
    middle_mm = (interval[0] + interval[1]) / 2

    def away_mm(span: Span) -> float:
        low_mm, high_mm = span.needed
        return max(low_mm - middle_mm, middle_mm - high_mm)

    holding = [span.zone for span in spans if away_mm(span) <= 0]
    nearest = min(spans, key=away_mm)
    return min(holding, key=list(Zone).index, default=nearest.zone)


def _by_zone(
    intervals: Sequence[Interval], spans: Sequence[Span]
) -> dict[Zone, list[Interval]]:
    """Part intervals by zone, in pieces that lie in one each."""
    cuts_mm = _cuts_mm(spans)
    zones: dict[Zone, list[Interval]] = {}
    for interval in intervals:
        for piece in _cut(interval, cuts_mm):
            zone = _zone_at(piece, spans)
            zones.setdefault(zone, []).append(piece)
    return zones


def _cuts_mm(spans: Sequence[Span]) -> list[float]:
    """Return where zones may change: at the ends of all spans and half-way between them."""
    needed = [span.needed for span in sorted(spans, key=attrgetter("low_mm"))]
    half_way = [(one[1] + two[0]) / 2 for one, two in combinations(needed, 2)]
    return sorted([*set(chain.from_iterable(needed)), *half_way])


def _cut(interval: Interval, cuts_mm: Sequence[float]) -> Iterable[Interval]:
    low_mm, high_mm = interval
    inside_mm = [cut_mm for cut_mm in cuts_mm if low_mm < cut_mm < high_mm]
    return pairwise([low_mm, *inside_mm, high_mm])


# --- What is judged as what ---------------------------------------------------------------------


def _cord_parts(cords: Sequence[_Drawn], spans: Sequence[Span]) -> list[Part]:
    """Return each ROI called cord, and all of them as one solid where there are several."""
    zone = _zone_of_cords(spans)
    parts = [
        Part(subject=one.subject, match=one.match, kind=Kind.CORD, zone=zone)
        for one in cords
    ]
    if len(cords) < 2:
        return parts
    rois = [one.match.roi for one in cords]
    structure = cords[0].match.structure
    whole = MatchedROI(
        roi=union_of(rois, " + ".join(roi.name for roi in rois)),
        structure=structure,
        role=Role.CORD,
        how=Text("all ROIs called cord, as one solid"),
        is_made=True,
    )
    subject = f"{structure}: all together"
    return [*parts, Part(subject=subject, match=whole, kind=Kind.ALL_CORDS, zone=zone)]


def _zone_of_cords(spans: Sequence[Span]) -> Zone:
    """Return the zone of what is called cord: that of the cauda where every target lies there."""
    if {span.cord_zone for span in spans} == {Zone.CAUDA}:
        return Zone.CAUDA
    return Zone.CORD


def _beyond_ends(intervals: Sequence[Interval], margin_mm: float) -> list[Interval]:
    """Return where the margin of a PRV lies beyond the ends of its cord: it stands for nothing there."""
    if not intervals:
        return []
    low_mm, high_mm = _ends(intervals)
    return [(low_mm - margin_mm, low_mm), (high_mm, high_mm + margin_mm)]


def _stand_ins(
    known: Sequence[_Drawn],
    cords: Sequence[_Drawn],
    spans: Sequence[Span],
    margin_mm: float,
) -> list[Part]:
    """Return what stands for the cord where none is drawn, and what lies beside it."""
    taken = _intervals_of(cords)
    margins = _beyond_ends(taken, margin_mm)
    parts: list[Part] = []
    for role in (*STANDS_FOR_CORD, Role.CAUDA):
        # A cauda has a limit of its own, also where another ROI is drawn.
        covers: dict[Role, list[Interval]] = {
            Role.CORD_PRV: [*taken, *margins],
            Role.CAUDA: [],
        }
        covered = covers.get(role, taken)
        # What is called alike is graded alike: one does not stand in for another.
        alike = _of(known, role)
        for one in alike:
            parts += _parts_of(one, _by_zone(one.intervals, spans), covered)
        taken = [*taken, *_intervals_of(alike)]
    stands = [part for part in parts if part.kind is Kind.STAND_IN]
    if len(cords) + len(stands) > max(len(cords), 1):
        parts.append(_together(cords, stands))
    return parts


def _parts_of(
    one: _Drawn, zones: dict[Zone, list[Interval]], taken: Sequence[Interval]
) -> list[Part]:
    """Part one ROI by what it is judged as: at L3-L5 cauda, elsewhere where no cord is drawn."""
    parts: list[tuple[Kind, Zone, list[Interval]]] = []
    for zone, pieces in zones.items():
        kind, judged = _judged_in(zone, one, pieces, taken)
        if judged:
            parts.append((kind, zone, judged))
    named = len(parts) > 1
    made = [
        _cut_part(one, kind, zone, judged, named=named) for kind, zone, judged in parts
    ]
    return made or _beside(one, next(iter(zones)))


def _judged_in(
    zone: Zone, one: _Drawn, pieces: Sequence[Interval], taken: Sequence[Interval]
) -> tuple[Kind, list[Interval]]:
    """Return as what an ROI is judged in a zone, and where."""
    if (one.match.role, zone) in AS_CAUDA:
        return Kind.CAUDA, _merged(pieces)
    return Kind.STAND_IN, _without(pieces, taken)


def _beside(one: _Drawn, zone: Zone) -> list[Part]:
    """Return what lies beside a cord and is only reported; a PRV has a limit of its own there."""
    if one.match.role is Role.CORD_PRV:
        return []
    beside = Part(
        subject=one.subject,
        match=one.match,
        kind=Kind.BESIDE,
        zone=zone,
        is_graded=False,
    )
    return [beside]


def _cut_part(
    one: _Drawn, kind: Kind, zone: Zone, intervals: Sequence[Interval], *, named: bool
) -> Part:
    """Return the part of an ROI at some heights; all of it where that is all that is drawn.

    A part has a name of its own: rows on its structure are asked of the whole ROI.
    """
    is_cut = bool(_without(one.intervals, intervals))
    subject = one.subject
    match = one.match
    if named:
        subject = f"{subject} ({zone.value})"
    elif is_cut:
        subject = f"{subject} (in part)"
    subject += IN_PLACE.get(one.match.role, "")
    if is_cut:
        match = MatchedROI(
            roi=between(one.match.roi, intervals),
            structure=one.match.structure,
            role=one.match.role,
            how=one.match.how,
            declared=one.match.declared,
        )
    return Part(subject=subject, match=match, kind=kind, zone=zone)


def _together(cords: Sequence[_Drawn], stands: Sequence[Part]) -> Part:
    """Return cord and all that stands for it as one solid, under the limit of the cord."""
    together: list[_Drawn | Part] = [*cords, *stands]
    rois = [one.match.roi for one in together]
    name = " + ".join(dict.fromkeys(roi.name for roi in rois))
    match = MatchedROI(
        roi=union_of(rois, name),
        structure=None,
        role=Role.CORD,
        how=Text("the cord and what stands for it, as one solid"),
        is_made=True,
    )
    return Part(
        subject="cord, put together",
        match=match,
        kind=Kind.TOGETHER,
        zone=_zone_together(cords, stands),
    )


def _zone_together(cords: Sequence[_Drawn], stands: Sequence[Part]) -> Zone:
    """Return the zone of cord only where none of it may be conus, and some is no cauda."""
    zones = {part.zone for part in stands}
    if cords:
        zones.add(Zone.CORD)
    if zones - {Zone.CAUDA} == {Zone.CORD}:
        return Zone.CORD
    return Zone.CONUS


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
    parts = [
        Part(
            subject=one.subject,
            match=one.match,
            kind=Kind.PRV,
            zone=Zone.CORD,
            is_graded=not _is_wide(one.match.roi, cords, rules.prv_widest_mm),
        )
        for one in _of(known, Role.CORD_PRV)
    ]
    holding = {row.subject for row in held if row.holds}
    graded = {part.subject for part in parts if part.is_graded}
    if holding & graded:
        return parts
    fails_to_hold = bool(graded)
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
    if region.volume_cc is None:
        return False
    rois = [cord.match.roi for cord in cords]
    # Most are told by this bound, without growing a cord.
    least_cc = sum(least_grown_cc(roi, widest_mm, region.drawn_mm) for roi in rois)
    if region.volume_cc <= least_cc:
        return False
    widest = (grown(roi, widest_mm) for roi in rois)
    largest_cc = sum(volume_within_cc(roi, region.drawn_mm) for roi in widest)
    return region.volume_cc > largest_cc


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
    if region.spacing_mm is None:
        return prv
    first, last = region.slabs[0], region.slabs[-1]
    cord_is_on_grid = low_mm <= cord.z_mm[0] <= cord.z_mm[-1] <= high_mm
    if not cord_is_on_grid:
        return prv
    prv_is_on_grid = low_mm <= first.low_mm <= last.high_mm <= high_mm
    if prv_is_on_grid:
        return prv
    half_mm = region.spacing_mm / 2
    return between(prv, [(low_mm + half_mm, high_mm - half_mm)])
