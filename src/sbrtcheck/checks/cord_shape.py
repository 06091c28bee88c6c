"""Is what is called the cord shaped like one, and does it lie where one lies?"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import dist

import numpy as np

from sbrtcheck.checks.evidence import Evidence, Subject
from sbrtcheck.checks.findings import asked, by_severity, numbered_subject
from sbrtcheck.checks.read_neural import FIRST_CONUS, Zone, margin_in_name_mm, zone_of
from sbrtcheck.checks.rule import Row, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import (
    CrossSection,
    Region,
    adjoin,
    box_of,
    build_region,
    gap_mm,
    grown,
    median_gap_mm,
    meet,
    overlap_cc,
    part_of,
    sections_of,
)
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.names import LEVELS
from sbrtcheck.protocol.rules import Role

SIZES = "Frostell 2016: cord of 8.3 +- 2.1 x 6.3 +- 2.0 mm at T8"
ANATOMY = "anatomy"
SIZE = Rule(
    id="cord.size",
    title="size of the cord",
    number="G7",
    asks="Has the cord beside the targets a median section of 15 to 110 mm2, 4 to 15 mm wide and 3"
    " to 12 mm deep?",
    why="What is much thinner or wider is a line, the canal, or something else, and its near-maximum"
    " says nothing of the cord. Asked at T5 to L1.",
    act="Look at the contour: is this the cord? Redraw or rename it.",
    section=Section.NEURAL,
    source=SIZES,
    severity="warning",
)
COURSE = Rule(
    id="cord.course",
    title="course of the cord",
    number="G7",
    asks="Do neighbouring planes of the cord meet, move by less than 1 mm per mm, and keep at least a"
    " third of its usual area?",
    why="A cord goes on; a plane that is pinched, jumps or does not meet the next was drawn wrongly."
    " The last 30 mm above its end may taper.",
    act="Look at the named planes: is this the cord?",
    section=Section.NEURAL,
    source=SIZES,
    severity="warning",
)
BROKEN = Rule(
    id="cord.broken",
    title="course of the cord",
    number="G7",
    asks="Beside a target, are most planes of the cord whole: not pinched, and meeting the next?",
    why="The near-maximum is that of what is drawn beside the target; a thread there hides the cord.",
    act="Redraw the cord beside the target.",
    section=Section.NEURAL,
    source=SIZES,
    severity="ask",
)
INSIDE = Rule(
    id="cord.inside",
    title="cord in its canal",
    number="G8",
    asks="Does the cord lie in the canal and in the thecal sac, where they are drawn, but for 5 %?",
    why="A cord cannot lie outside them; one of the contours is displaced.",
    act="Look at both contours.",
    section=Section.NEURAL,
    source=ANATOMY,
    severity="warning",
)
BESIDE = Rule(
    id="cord.beside",
    title="cord beside the target",
    number="G9",
    asks="Does the cord pass each target within 40 mm, and no more than 20 mm to its side?",
    why="The cord runs behind the vertebral body. Asked of targets at T5 to T12, and at L1 and L2"
    " where the cord reaches them.",
    act="Look at the contour: is this the cord of this level?",
    section=Section.NEURAL,
    source=ANATOMY,
    severity="warning",
)
AWAY = Rule(
    id="cord.away",
    title="cord beside the target",
    number="G9",
    asks="Does the cord pass each target within 60 mm?",
    why="Beyond, what is drawn is not the cord of this level.",
    act="Draw the cord beside the target.",
    section=Section.NEURAL,
    source=ANATOMY,
    severity="ask",
)
OVERLAP = Rule(
    id="cord.in_target",
    title="target and cord",
    number="G10",
    asks="Do target and cord share no more than 0.03 cc?",
    why="A target that reaches into the cord cannot be covered without reaching its dose; the trial"
    " excludes compression of the dura (exclusion 5).",
    act="Look at both contours; confirm that the patient is eligible.",
    section=Section.NEURAL,
    source="exclusion 5 of the trial: no dural compression",
    severity="warning",
)
DISTANCE = Rule(
    id="distances",
    title="distance to the cord",
    number="G11",
    asks="How far from each other do cord and target lie?",
    why="The distance tells how steeply the dose has to fall.",
    act="Nothing; it is reported.",
    section=Section.NEURAL,
    source=ANATOMY,
    severity="info",
    row=Row.FACT,
)
HOLES = Rule(
    id="cord.pieces",
    title="pieces of the cord",
    number="G16",
    asks="Is the cord one outline without holes on every plane?",
    why="Holes, islands and specks are slips of the brush; each changes the near-maximum.",
    act="Clean the contour on the named planes and export the structure set again.",
    section=Section.NEURAL,
    source=ANATOMY,
    severity="warning",
)
TRUE_PRV = Rule(
    id="prv.margin",
    title="margin of the PRV",
    number="G4",
    asks="Is the PRV as wide as its name says, within 0.6 mm?",
    why="A PRV of another margin than its name tells another risk; the median way is asked, since it"
    " may be cut back at bone.",
    act="Make the PRV from the cord again, or name it as it is.",
    section=Section.NEURAL,
    source="margins of 1.5 mm (SC.24), 2 mm (Gutfeld 2009), 0 to 2 mm (BMC Cancer 2025)",
    severity="warning",
)
IS_IT = Text("look at the contour: is this the cord?")
AREA_MM2 = (15.0, 110.0)
WIDTH_MM, DEPTH_MM = (4.0, 15.0), (3.0, 12.0)
ROUNDING_MM = 0.05
PINCHED = 1 / 3
UPPER = 0.75  # of the planes of a cord: the area that is usual, where some are pinched
DRIFT = 1.0
TAPER_MM = 30.0
OUTSIDE = 0.05
TIGHT_MM = 1.0
NEAR_MM, FAR_MM, ASIDE_MM = 40.0, 60.0, 20.0
SHARED_CC = 0.03
NAMED_MM = 0.6
T5, L1, L2 = (LEVELS.index(level) for level in ("T5", "L1", "L2"))


def check_cord_shape(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether each cord looks and lies like one; every answer is of the solid."""
    targets = evidence.graded_targets()
    for subject, match in evidence.drawn(Role.CORD):
        region = build_region(match.roi)
        sections = sections_of(region)
        yield from _size(evidence, subject, match.roi, sections)
        yield from _course(evidence, subject, match.roi, sections)
        yield from _pieces(evidence, subject, match.roi, sections)
        yield from _inside(evidence, subject, match.roi, region)
        for number, target in enumerate(targets, 1):
            name = numbered_subject(subject, number)
            yield from _beside(evidence, name, match.roi, sections, target)
            yield from _overlap(evidence, name, match.roi, region, target)
    yield from _distances(evidence)
    yield from _margins(evidence)


# --- Size and course ----------------------------------------------------------------------------


def _spans(evidence: Evidence) -> list[tuple[float, float, bool]]:
    """Return from where to where each target reaches, and whether the cord itself passes it."""
    found = []
    for _, match in evidence.graded_targets():
        region = build_region(match.roi)
        levels = evidence.treated.of_target(match.roi.name)
        conus = evidence.declared.facts.conus_level
        low_mm, high_mm = region.slabs[0].low_mm, region.slabs[-1].high_mm
        found.append((low_mm, high_mm, zone_of(levels, conus) is Zone.CORD))
    return found


def _size(
    evidence: Evidence, subject: str, roi: ROI, sections: Sequence[CrossSection]
) -> Iterator[Finding]:
    beside = [one for one in sections if _is_beside_sized(evidence, one)]
    if not beside:
        return
    area_mm2 = _median(one.area_mm2 for one in beside)
    width_mm = _median(one.widths_mm[0] for one in beside)
    depth_mm = _median(one.widths_mm[1] for one in beside)
    fits = (
        _is_within(area_mm2, AREA_MM2, 0.0)
        and _is_within(width_mm, WIDTH_MM, ROUNDING_MM)
        and _is_within(depth_mm, DEPTH_MM, ROUNDING_MM)
    )
    message = Text(
        "'{roi}' has a median section of {area_mm2} mm2, {width_mm} mm wide and {depth_mm} mm deep",
        roi=roi.name,
        area_mm2=round(area_mm2, 1),
        width_mm=round(width_mm, 1),
        depth_mm=round(depth_mm, 1),
    )
    if not fits:
        message = Text("{m}: is this the cord?", m=message)
    yield by_severity(
        SIZE,
        evidence.protocol.checks,
        message,
        fault=not fits,
        cure=IS_IT,
        subject=subject,
        roi=roi.name,
    )


def _is_beside_sized(evidence: Evidence, section: CrossSection) -> bool:
    """Tell whether a plane lies beside a target of levels at which the size of a cord is known."""
    for _, match in evidence.graded_targets():
        levels = evidence.treated.of_target(match.roi.name)
        places = [LEVELS.index(level) for level in levels]
        if not places or min(places) < T5 or max(places) > L1:
            continue
        slabs = build_region(match.roi).slabs
        if section.slab.meets(slabs[0].low_mm, slabs[-1].high_mm):
            return True
    return False


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def _is_within(value: float, limits: tuple[float, float], slack: float) -> bool:
    low, high = limits
    return low - slack <= value <= high + slack


def _course(
    evidence: Evidence, subject: str, roi: ROI, sections: Sequence[CrossSection]
) -> Iterator[Finding]:
    spans = _spans(evidence)
    asked_of = [one for one in sections if not _may_taper(one, sections, spans)]
    pinched = _pinched(asked_of)
    apart = _apart(asked_of)
    jumping = _jumping(asked_of)
    wrong = {
        Text("'{roi}' is pinched", roi=roi.name): pinched,
        Text("planes of '{roi}' do not meet", roi=roi.name): apart,
        Text("'{roi}' jumps", roi=roi.name): jumping,
    }
    said = [_at_planes(what, planes) for what, planes in wrong.items() if planes]
    whole = Text("'{roi}' goes on from plane to plane", roi=roi.name)
    for number, message in enumerate(said or [whole], 1):
        yield by_severity(
            COURSE,
            evidence.protocol.checks,
            message,
            fault=bool(said),
            cure=IS_IT,
            subject=numbered_subject(subject, number),
            roi=roi.name,
        )
    yield from _broken(evidence, subject, roi, sections, [*pinched, *apart])


def _at_planes(what: Text, planes: Sequence[CrossSection]) -> Text:
    """Say of how many planes something is so, and where."""
    if len(planes) == 1:
        return Text("{what} at z = {z_mm} mm", what=what, z_mm=round(planes[0].z_mm, 1))
    return Text(
        "{what} on {count} planes, z = {low_mm} to {high_mm} mm",
        what=what,
        count=len(planes),
        low_mm=round(min(one.z_mm for one in planes), 1),
        high_mm=round(max(one.z_mm for one in planes), 1),
    )


def _may_taper(
    one: CrossSection,
    sections: Sequence[CrossSection],
    spans: Sequence[tuple[float, float, bool]],
) -> bool:
    """Tell whether a plane is near the foot end of a cord, and not beside a target above T12."""
    is_beside = any(
        one.slab.meets(low_mm, high_mm) for low_mm, high_mm, is_cord in spans if is_cord
    )
    return one.z_mm - sections[0].z_mm < TAPER_MM and not is_beside


def _pinched(sections: Sequence[CrossSection]) -> list[CrossSection]:
    """Return the planes with less than a third of the usual area of a cord."""
    if len(sections) < 4:
        return []
    usual_mm2 = float(np.quantile([one.area_mm2 for one in sections], UPPER))
    return [one for one in sections if one.area_mm2 < PINCHED * usual_mm2]


def _apart(sections: Sequence[CrossSection]) -> list[CrossSection]:
    return [
        above
        for below, above in pairwise(sections)
        if adjoin(below, above) and not meet(below, above)
    ]


def _jumping(sections: Sequence[CrossSection]) -> list[CrossSection]:
    """Return the planes whose middle moved by more than their distance; they meet all the same."""
    return [
        above
        for below, above in pairwise(sections)
        if adjoin(below, above)
        and meet(below, above)
        and dist(below.middle_mm, above.middle_mm)
        > DRIFT * (above.z_mm - below.z_mm) + ROUNDING_MM
    ]


def _broken(
    evidence: Evidence,
    subject: str,
    roi: ROI,
    sections: Sequence[CrossSection],
    wrong: Sequence[CrossSection],
) -> Iterator[Finding]:
    bad_mm = {one.z_mm for one in wrong}
    worst = None
    for low_mm, high_mm, _ in _spans(evidence):
        beside = [one for one in sections if one.slab.meets(low_mm, high_mm)]
        bad = [one for one in beside if one.z_mm in bad_mm]
        if 2 * len(bad) > len(beside):
            worst = Text(
                "{count} of {all} planes of '{roi}' beside a target are pinched or do not meet the next",
                count=len(bad),
                all=len(beside),
                roi=roi.name,
            )
    if worst is not None:
        yield asked(
            BROKEN,
            worst,
            state=State.DECLARE,
            cure=Text("redraw the cord beside the target"),
            subject=subject,
            roi=roi.name,
        )


def _pieces(
    evidence: Evidence, subject: str, roi: ROI, sections: Sequence[CrossSection]
) -> Iterator[Finding]:
    holed = [one for one in sections if one.holes]
    parted = [one for one in sections if len(one.pieces) > 1]
    said = []
    if holed:
        largest = max(one.holes[0] for one in holed)
        what = Text(
            "'{roi}' has holes of up to {area_mm2} mm2",
            roi=roi.name,
            area_mm2=round(largest, 1),
        )
        said.append(_at_planes(what, holed))
    if parted:
        smallest = min(one.pieces[-1] for one in parted)
        what = Text(
            "'{roi}' is in pieces, the smallest of {area_mm2} mm2",
            roi=roi.name,
            area_mm2=round(smallest, 2),
        )
        said.append(_at_planes(what, parted))
    whole = Text("'{roi}' is one outline on every plane", roi=roi.name)
    for number, message in enumerate(said or [whole], 1):
        yield by_severity(
            HOLES,
            evidence.protocol.checks,
            message,
            fault=bool(said),
            cure=Text("clean the contour"),
            subject=numbered_subject(subject, number),
            roi=roi.name,
        )


# --- Place --------------------------------------------------------------------------------------


def _inside(
    evidence: Evidence, subject: str, roi: ROI, region: Region
) -> Iterator[Finding]:
    for number, (_, match) in enumerate(evidence.drawn(Role.CANAL, Role.SAC), 1):
        around = build_region(match.roi)
        heights_mm = (around.slabs[0].low_mm, around.slabs[-1].high_mm)
        part = part_of(region, [heights_mm])
        volume_cc = part.volume_cc
        if not volume_cc:
            continue
        outside = 1 - overlap_cc(part, around) / volume_cc
        if outside > OUTSIDE:  # drawn tight: asked again with a millimetre of grace
            wider = build_region(grown(match.roi, TIGHT_MM))
            outside = 1 - overlap_cc(part, wider) / volume_cc
        message = Text(
            "{percent} % of '{roi}' lies outside '{around}'",
            percent=round(100 * max(outside, 0.0), 1),
            roi=roi.name,
            around=match.roi.name,
        )
        yield by_severity(
            INSIDE,
            evidence.protocol.checks,
            message,
            fault=outside > OUTSIDE,
            cure=Text("look at both contours"),
            subject=numbered_subject(subject, number),
            roi=roi.name,
        )


def _beside(
    evidence: Evidence,
    subject: str,
    roi: ROI,
    sections: Sequence[CrossSection],
    target: Subject,
) -> Iterator[Finding]:
    own = build_region(target[1].roi)
    low_mm, high_mm = own.slabs[0].low_mm, own.slabs[-1].high_mm
    beside = [one for one in sections if one.slab.meets(low_mm, high_mm)]
    if not _is_asked(evidence, target, reached=bool(beside)):
        return
    away_mm = gap_mm(own, build_region(roi))
    box = box_of([own])
    if away_mm is None or box is None:
        return
    aside_mm = 0.0
    if beside:
        x_mm = sum(one.middle_mm[0] for one in beside) / len(beside)
        aside_mm = max(box.low_mm[0] - x_mm, x_mm - box.high_mm[0], 0.0)
    message = Text(
        "'{roi}' passes '{target}' at {away_mm} mm, {aside_mm} mm to its side",
        roi=roi.name,
        target=target[1].roi.name,
        away_mm=round(away_mm, 1),
        aside_mm=round(float(aside_mm), 1),
    )
    severities = evidence.protocol.checks
    yield by_severity(
        AWAY,
        severities,
        message,
        fault=away_mm > FAR_MM,
        cure=Text("draw the cord beside the target"),
        subject=subject,
        roi=roi.name,
    )
    yield by_severity(
        BESIDE,
        severities,
        message,
        fault=away_mm > NEAR_MM or aside_mm > ASIDE_MM,
        cure=IS_IT,
        subject=subject,
        roi=roi.name,
    )


def _is_asked(evidence: Evidence, target: Subject, *, reached: bool) -> bool:
    """Tell whether a cord has to pass a target: at T5 to T12, at L1 and L2 where it reaches it."""
    levels = evidence.treated.of_target(target[1].roi.name)
    if not levels:
        return False
    lowest = max(LEVELS.index(level) for level in levels)
    if lowest <= FIRST_CONUS:
        return True
    return reached and lowest <= L2


def _overlap(
    evidence: Evidence, subject: str, roi: ROI, region: Region, target: Subject
) -> Iterator[Finding]:
    shared_cc = overlap_cc(region, build_region(target[1].roi))
    message = Text(
        "'{roi}' and '{target}' share {shared_cc} cc",
        roi=roi.name,
        target=target[1].roi.name,
        shared_cc=round(shared_cc, 3),
    )
    is_fault = shared_cc > SHARED_CC
    if is_fault:
        message = Text(
            "{m}: the trial excludes compression of the dura (exclusion 5)", m=message
        )
    yield by_severity(
        OVERLAP,
        evidence.protocol.checks,
        message,
        fault=is_fault,
        cure=Text("confirm that the patient is eligible"),
        subject=subject,
        roi=roi.name,
    )


def _distances(evidence: Evidence) -> Iterator[Finding]:
    cords = evidence.drawn(Role.CORD)
    targets = (*evidence.graded_targets(), *evidence.drawn(Role.CTV))
    pairs = [(cord, target) for cord in cords for target in targets]
    for number, (cord, target) in enumerate(pairs, 1):
        away_mm = gap_mm(build_region(target[1].roi), build_region(cord[1].roi))
        if away_mm is None:
            continue
        message = Text(
            "{away_mm} mm from '{target}' to '{cord}'",
            away_mm=round(away_mm, 1),
            target=target[1].roi.name,
            cord=cord[1].roi.name,
        )
        yield Finding(
            rule=DISTANCE,
            subject=numbered_subject("distance", number),
            roi=cord[1].roi.name,
            outcome=None,
            message=message,
        )


def _margins(evidence: Evidence) -> Iterator[Finding]:
    cords = evidence.drawn(Role.CORD)
    for subject, prv in evidence.drawn(Role.CORD_PRV):
        named_mm = margin_in_name_mm(prv.roi.name)
        for number, (_, cord) in enumerate(cords, 1):
            found_mm = median_gap_mm(build_region(cord.roi), build_region(prv.roi))
            if found_mm is None:
                continue
            message = Text(
                "'{prv}' lies {found_mm} mm around '{cord}'",
                prv=prv.roi.name,
                cord=cord.roi.name,
                found_mm=round(found_mm, 1),
            )
            is_fault = named_mm is not None and abs(found_mm - named_mm) > NAMED_MM
            if is_fault:
                message = Text(
                    "{m}, its name says {named_mm} mm",
                    m=message,
                    named_mm=named_mm or 0,
                )
            yield by_severity(
                TRUE_PRV,
                evidence.protocol.checks,
                message,
                fault=is_fault,
                cure=Text("make the PRV from the cord again"),
                subject=numbered_subject(subject, number),
                roi=prv.roi.name,
            )


CHECKS = (check_cord_shape,)
