"""Are targets whole: without gaps, holding what they are made of, drawn finely enough, at their level?"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from sbrtcheck.checks.evidence import Evidence, Subject
from sbrtcheck.checks.findings import by_severity, numbered_subject, reported
from sbrtcheck.checks.read_neural import Zone, zone_of
from sbrtcheck.checks.rule import Rule, Section
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import (
    Region,
    build_region,
    grown,
    overlap_cc,
    share_of_within,
    union_of,
    volume_outside_cc,
)
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.names import LEVELS, MatchedROI, read_levels
from sbrtcheck.protocol.rules import Role, Severity

ICRU_83 = "ICRU report 83 (2010): PTV holds CTV, CTV holds GTV"
SLICES = "AAPM TG-101 (Benedict 2010): slices of 1 to 3 mm"
ANATOMY = "anatomy"
ASKED_OF = (
    (Role.PTV, "target", Section.TARGET),
    (Role.CORD, "cord", Section.NEURAL),
)
GAPS = Rule(
    id="target.gaps",
    title="gaps of the target",
    number="G3",
    asks="Is each target drawn on every plane, with no gap of one or two planes?",
    why="One or two planes are missing by mistake; coverage is asked of what is filled in there.",
    act="Draw the target on the named planes and export the structure set again.",
    section=Section.TARGET,
    source=ICRU_83,
    severity="ask",
)
PARTS = Rule(
    id="target.parts",
    title="parts of the target",
    number="G3",
    asks="Is each target one piece along the spine?",
    why="A larger gap parts a target into two; a person sees whether that is meant.",
    act="Nothing where it is meant.",
    section=Section.TARGET,
    source=ICRU_83,
    severity="info",
)
SHORT = Rule(
    id="target.short",
    title="height of the target",
    number="G3",
    asks="Does each target reach as far up and down as its CTV?",
    why="A CTV that sticks out by a plane is not covered there by any margin.",
    act="Make the PTV from the CTV again.",
    section=Section.TARGET,
    source=ICRU_83,
    severity="warning",
)
SHORTER = Rule(
    id="target.shorter",
    title="height of the target",
    number="G3",
    asks="Does the CTV stick out of its target by no more than one plane?",
    why="More is a target of another CTV, or one that lost planes.",
    act="Make the PTV from the CTV again.",
    section=Section.TARGET,
    source=ICRU_83,
    severity="ask",
)
HOLDS = Rule(
    id="target.holds",
    title="PTV, CTV and GTV",
    number="G6",
    asks="Does the PTV hold its CTV, and the CTV its GTV, but for 1 % and what was cut back at canal,"
    " PRV or cord?",
    why="What sticks out further is tumour without margin.",
    act="Make the PTV from the CTV again.",
    section=Section.TARGET,
    source=ICRU_83,
    severity="warning",
)
LEAVES = Rule(
    id="target.leaves",
    title="PTV, CTV and GTV",
    number="G6",
    asks="Does no more than 10 % of a CTV or GTV stick out of what should hold it?",
    why="So much is another lesion, or a contour of another plan.",
    act="Look at both contours: are they of one lesion?",
    section=Section.TARGET,
    source=ICRU_83,
    severity="ask",
)
ORDER = Rule(
    id="target.order",
    title="order of the vertebrae",
    number="G12",
    asks="Do the vertebrae that are drawn lie in the order of their names?",
    why="A vertebra named as its neighbour moves the level of the target.",
    act="Count the vertebrae again and correct the names.",
    section=Section.TARGET,
    source=ANATOMY,
    severity="ask",
)
HEIGHT = Rule(
    id="target.height",
    title="height of the CTV",
    number="G13",
    asks="Is each CTV 14 to 45 mm high for each level that it is named after?",
    why="A vertebral body is 16 to 26 mm high; more may be more levels than named.",
    act="Nothing where it is meant.",
    section=Section.TARGET,
    source="heights of vertebral bodies: 16 to 26 mm",
    severity="info",
)
SPACING = Rule(
    id="contours.spacing",
    title="spacing of contours",
    number="G14",
    asks="Are targets and cord drawn every 3 mm or closer?",
    why="Between planes a contour is a guess; beside a steep dose it decides.",
    act="Draw them on thinner slices.",
    section=Section.STRUCTURE,
    source=SLICES,
    severity="warning",
)
COARSE = {
    role: Rule(
        id=f"{name}.coarse",
        title="spacing of contours",
        number="G14",
        asks="Are targets and cord drawn every 5 mm or closer?",
        why="A vertebra drawn on four planes has no shape.",
        act="Draw them on thinner slices and export the structure set again.",
        section=section,
        source=SLICES,
        severity="ask",
    )
    for role, name, section in ASKED_OF
}
WIDE = Rule(
    id="contours.wide",
    title="spacing of contours",
    number="G14",
    asks="Are targets and cord drawn every 2 mm or closer?",
    why="1 to 3 mm are usual; 2 mm and less are better.",
    act="Nothing; it is reported.",
    section=Section.STRUCTURE,
    source=SLICES,
    severity="info",
)
FEW = {
    role: Rule(
        id=f"{name}.few",
        title="planes of contours",
        number="G15",
        asks="Are targets and cord drawn on at least three planes?",
        why="What has one plane or two encloses hardly more than a convention.",
        act="Draw the structure on every plane and export the structure set again.",
        section=section,
        source=ANATOMY,
        severity="ask",
    )
    for role, name, section in ASKED_OF
}
TWICE = Rule(
    id="contours.twice",
    title="ROIs drawn twice",
    number="G15",
    asks="Are there two ROIs of one structure that share more than 95 %?",
    why="Copies are judged twice; one of them may be an old version.",
    act="Nothing where it is meant; else remove one.",
    section=Section.STRUCTURE,
    source=ANATOMY,
    severity="info",
)
MAKE = Text("make the PTV from the CTV again")
INNER = {Role.CTV: (Role.PTV,), Role.GTV: (Role.CTV, Role.PTV)}
MOST_MISSING = 2
ROUNDING_MM = 0.05
GRACE_MM, CANAL_MM, CORD_MM = 0.5, 1.0, 3.0
OUTSIDE, LEAVING = 0.01, 0.1
OF_ONE = 0.5
HEIGHT_MM = (14.0, 45.0)
FINE_MM, USUAL_MM, COARSE_MM = 2.0, 3.0, 5.0
FEWEST = 3
SAME = 0.95


def check_target_shape(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether targets are whole, hold what they are made of, and lie in their order."""
    for subject, match in evidence.graded_targets():
        yield from _gaps(evidence, subject, match)
        yield from _heights(evidence, subject, match)
    if evidence.drawn(Role.PTV):
        for subject, match in evidence.drawn(Role.CTV, Role.GTV):
            yield from _held(evidence, subject, match)
        yield from _order(evidence)
        yield from _named_heights(evidence)
    for subject, match in (*evidence.graded_targets(), *evidence.drawn(Role.CORD)):
        yield from _spacing(evidence, subject, match)
        if match.role is Role.PTV or _is_needed(evidence):
            yield from _planes(evidence, subject, match)
    yield from _wide(evidence)
    yield from _copies(evidence)


# --- Whole --------------------------------------------------------------------------------------


def _gaps(evidence: Evidence, subject: str, match: MatchedROI) -> Iterator[Finding]:
    gaps = build_region(match.roi).gaps
    small = [gap for gap in gaps if gap.missing <= MOST_MISSING]
    message = Text("'{roi}' is drawn on every plane", roi=match.roi.name)
    if small:
        message = Text(
            "{count} planes of '{roi}' are missing between z = {low_mm} and {high_mm} mm",
            count=sum(gap.missing for gap in small),
            roi=match.roi.name,
            low_mm=round(small[0].low_mm, 1),
            high_mm=round(small[-1].high_mm, 1),
        )
    yield by_severity(
        GAPS,
        evidence.protocol.checks,
        message,
        fault=bool(small),
        cure=Text("draw the target on the named planes"),
        subject=subject,
        roi=match.roi.name,
    )
    if len(small) < len(gaps):
        message = Text(
            "'{roi}' is in {count} parts along the spine",
            roi=match.roi.name,
            count=len(gaps) - len(small) + 1,
        )
        yield reported(PARTS, message, subject=subject, roi=match.roi.name)


def _heights(evidence: Evidence, subject: str, match: MatchedROI) -> Iterator[Finding]:
    region = build_region(match.roi)
    spacing_mm = region.spacing_mm
    inner = _of_target(evidence, match, Role.CTV)
    if spacing_mm is None or not inner:
        return
    beyond_mm = max(_beyond_mm(build_region(one.roi), region) for _, one in inner)
    message = Text("'{roi}' reaches as far as its CTV", roi=match.roi.name)
    if beyond_mm > ROUNDING_MM:
        message = Text(
            "the CTV reaches {beyond_mm} mm beyond '{roi}' along the spine",
            beyond_mm=round(beyond_mm, 1),
            roi=match.roi.name,
        )
    severities = evidence.protocol.checks
    is_shorter = beyond_mm > spacing_mm + ROUNDING_MM
    yield _target_finding(
        SHORTER, severities, message, subject, match, fault=is_shorter
    )
    is_short = spacing_mm / 2 + ROUNDING_MM < beyond_mm
    yield _target_finding(SHORT, severities, message, subject, match, fault=is_short)


def _target_finding(
    rule: Rule,
    severities: dict[str, Severity],
    message: Text,
    subject: str,
    match: MatchedROI,
    *,
    fault: bool,
) -> Finding:
    return by_severity(
        rule,
        severities,
        message,
        fault=fault,
        cure=MAKE,
        subject=subject,
        roi=match.roi.name,
    )


def _beyond_mm(inner: Region, outer: Region) -> float:
    """Return how far a solid reaches below or above another one."""
    below_mm = outer.slabs[0].low_mm - inner.slabs[0].low_mm
    above_mm = inner.slabs[-1].high_mm - outer.slabs[-1].high_mm
    return max(below_mm, above_mm, 0.0)


def _of_target(evidence: Evidence, target: MatchedROI, role: Role) -> list[Subject]:
    """Return the inner volumes of a target: of its level, or with half of their volume in it."""
    return [pair for pair in evidence.drawn(role) if _belongs(pair[1].roi, target.roi)]


def _belongs(inner: ROI, outer: ROI) -> bool:
    """Tell whether two volumes are of one lesion: named after one level, or mostly in each other."""
    share = share_of_within(inner, outer)
    if share is not None and share >= OF_ONE:
        return True
    levels = read_levels(inner.name, Role.CTV).stated
    return bool(levels) and levels == read_levels(outer.name, Role.PTV).stated


# --- What holds what ----------------------------------------------------------------------------


def _held(evidence: Evidence, subject: str, match: MatchedROI) -> Iterator[Finding]:
    if match.role is None:
        return
    outer = _holders(evidence, match.roi, INNER[match.role])
    volume_cc = build_region(match.roi).volume_cc
    if not outer or not volume_cc:
        return
    around = outer[0] if len(outer) == 1 else union_of(outer, "targets")
    outside = _share_outside(match.roi, around, volume_cc)
    if outside > OUTSIDE:
        outside = _share_left(evidence, match.roi, around, volume_cc)
    names = ", ".join(roi.name for roi in outer)
    message = Text(
        "{percent} % of '{roi}' lies outside {names}",
        percent=round(100 * outside, 1),
        roi=match.roi.name,
        names=names,
    )
    severities = evidence.protocol.checks
    yield _target_finding(
        LEAVES, severities, message, subject, match, fault=outside > LEAVING
    )
    yield _target_finding(
        HOLDS, severities, message, subject, match, fault=outside > OUTSIDE
    )


def _holders(evidence: Evidence, inner: ROI, roles: Sequence[Role]) -> list[ROI]:
    """Return what should hold a volume: of the first role of which any is of the same lesion."""
    for role in roles:
        found = [
            match.roi for _, match in evidence.drawn(role) if _belongs(inner, match.roi)
        ]
        if found:
            return found
    return []


def _share_outside(inner: ROI, outer: ROI, volume_cc: float) -> float:
    region = build_region(inner)
    heights_mm = [(region.slabs[0].low_mm, region.slabs[-1].high_mm)]
    return volume_outside_cc(inner, outer, heights_mm) / volume_cc


def _share_left(evidence: Evidence, inner: ROI, outer: ROI, volume_cc: float) -> float:
    """Return the share outside half a millimetre of grace and what a target is cut back at."""
    spared = [match.roi for _, match in evidence.drawn(Role.CORD_PRV, Role.CANAL)]
    grace_mm = CANAL_MM
    if not spared:
        spared = [match.roi for _, match in evidence.drawn(Role.CORD)]
        grace_mm = CORD_MM
    wider = [grown(outer, GRACE_MM), *(grown(roi, grace_mm) for roi in spared)]
    return _share_outside(inner, union_of(wider, "with grace"), volume_cc)


# --- Level, planes, copies ----------------------------------------------------------------------


def _order(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether vertebrae of one name each lie in the order of their names."""
    named = []
    for _, match in evidence.drawn(Role.VERTEBRA):
        levels = read_levels(match.roi.name, Role.VERTEBRA).stated
        if len(levels) == 1:
            named.append((LEVELS.index(levels[0]), match.roi))
    if len(named) < 2:
        return
    wrong = [
        (upper, lower)
        for upper, lower in combinations(sorted(named, key=lambda row: row[0]), 2)
        if upper[0] < lower[0] and _middle_mm(upper[1]) <= _middle_mm(lower[1])
    ]
    message = Text(
        "{count} vertebrae lie in the order of their names", count=len(named)
    )
    if wrong:
        upper, lower = wrong[0]
        message = Text(
            "'{upper}' does not lie above '{lower}'",
            upper=upper[1].name,
            lower=lower[1].name,
        )
    yield by_severity(
        ORDER,
        evidence.protocol.checks,
        message,
        fault=bool(wrong),
        cure=Text("count the vertebrae again and correct the names"),
    )


def _middle_mm(roi: ROI) -> float:
    slabs = build_region(roi).slabs
    return (slabs[0].low_mm + slabs[-1].high_mm) / 2


def _named_heights(evidence: Evidence) -> Iterator[Finding]:
    for subject, match in evidence.drawn(Role.CTV):
        levels = len(read_levels(match.roi.name, Role.CTV).stated)
        if not levels:
            continue
        slabs = build_region(match.roi).slabs
        height_mm = (slabs[-1].high_mm - slabs[0].low_mm) / levels
        low_mm, high_mm = HEIGHT_MM
        if not low_mm - ROUNDING_MM <= height_mm <= high_mm + ROUNDING_MM:
            message = Text(
                "'{roi}' is {height_mm} mm high for each level of its name: more than the named"
                " levels, or less?",
                roi=match.roi.name,
                height_mm=round(height_mm, 1),
            )
            yield reported(HEIGHT, message, subject=subject, roi=match.roi.name)


def _planes(evidence: Evidence, subject: str, match: MatchedROI) -> Iterator[Finding]:
    region = build_region(match.roi)
    severities = evidence.protocol.checks
    count = len(region.planes_mm)
    message = Text(
        "'{roi}' is drawn on {count} planes", roi=match.roi.name, count=count
    )
    cure = Text("draw the structure on every plane")
    if match.role is None:
        return
    yield by_severity(
        FEW[match.role],
        severities,
        message,
        fault=count < FEWEST,
        cure=cure,
        subject=subject,
        roi=match.roi.name,
    )


def _is_needed(evidence: Evidence) -> bool:
    """Tell whether a cord passes some target; from T12 down it may end a plane into the extent."""
    conus = evidence.declared.facts.conus_level
    zones = [
        zone_of(evidence.treated.of_target(match.roi.name), conus)
        for _, match in evidence.graded_targets()
    ]
    return Zone.CORD in zones


def _spacing(evidence: Evidence, subject: str, match: MatchedROI) -> Iterator[Finding]:
    region = build_region(match.roi)
    if match.role is None or region.spacing_mm is None:
        return
    if len(region.planes_mm) < FEWEST:
        return
    severities = evidence.protocol.checks
    spacing_mm = region.spacing_mm
    message = Text(
        "'{roi}' is drawn every {spacing_mm} mm",
        roi=match.roi.name,
        spacing_mm=round(spacing_mm, 2),
    )
    cure = Text("draw it on thinner slices")
    for rule, most_mm in ((COARSE[match.role], COARSE_MM), (SPACING, USUAL_MM)):
        yield by_severity(
            rule,
            severities,
            message,
            fault=spacing_mm > most_mm + ROUNDING_MM,
            cure=cure,
            subject=subject,
            roi=match.roi.name,
        )


def _wide(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is drawn wider than is better, once for all of it."""
    names = []
    for _, match in (*evidence.graded_targets(), *evidence.drawn(Role.CORD)):
        spacing_mm = build_region(match.roi).spacing_mm
        if spacing_mm is not None and _is_within_usual(spacing_mm):
            names.append(f"'{match.roi.name}'")
    if names:
        message = Text(
            "drawn every {least_mm} to {most_mm} mm: {names}",
            least_mm=FINE_MM,
            most_mm=USUAL_MM,
            names=", ".join(names),
        )
        yield reported(WIDE, message)


def _is_within_usual(spacing_mm: float) -> bool:
    return FINE_MM + ROUNDING_MM < spacing_mm <= USUAL_MM + ROUNDING_MM


def _copies(evidence: Evidence) -> Iterator[Finding]:
    drawn = [pair for pair in evidence.subjects if build_region(pair[1].roi).slabs]
    number = 0
    for (_, one), (_, other) in combinations(drawn, 2):
        if one.structure != other.structure or not _are_same(one.roi, other.roi):
            continue
        number += 1
        message = Text(
            "'{one}' and '{other}' share more than 95 %",
            one=one.roi.name,
            other=other.roi.name,
        )
        yield reported(TWICE, message, subject=numbered_subject("case", number))


def _are_same(one: ROI, other: ROI) -> bool:
    region, second = build_region(one), build_region(other)
    volumes_cc = [v for v in (region.volume_cc, second.volume_cc) if v is not None]
    if len(volumes_cc) < 2 or min(volumes_cc) < SAME * max(volumes_cc):
        return False
    return overlap_cc(region, second) > SAME * max(volumes_cc)


CHECKS = (check_target_shape,)
