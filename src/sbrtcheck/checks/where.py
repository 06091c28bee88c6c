"""Where the dose is that decides: the hottest part of an organ, the cold part of a target."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sbrtcheck.checks.evidence import Evidence, is_summed
from sbrtcheck.checks.findings import reported
from sbrtcheck.checks.rule import Outcome, Row, Rule, Section
from sbrtcheck.checks.verdict import Finding, Where
from sbrtcheck.contours import Region, box_of, build_region, distances_mm
from sbrtcheck.dvh.places import (
    Place,
    cold_part,
    hottest_part,
    volume_above_outside_cc,
)
from sbrtcheck.model import FloatArray, Point, Text
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Role

HOT_OUTSIDE = Rule(
    id="dose.hot_outside",
    title="hot spots outside",
    asks="How much above 105 % of the prescription lies outside the targets?",
    why="Hot spots outside the targets burden healthy tissue without need.",
    act="Nothing; it is reported.",
    section=Section.DOSE,
    source="dose outside the target: RTOG 0915, 105 % of the prescription",
    severity="info",
    row=Row.FACT,
)
HOT = 1.05
PART_CC = 0.035
CLOSE = 0.1
LIMITS = (Row.LIMIT, Row.COVERAGE)
# To which side a place lies, along x, y and z: patient's left, back and head are positive.
SIDES = (
    (Text("right"), Text("left")),
    (Text("in front"), Text("behind")),
    (Text("below"), Text("above")),
)
QUARTER = 0.25  # of a target: what lies no further from its middle lies in the middle
MIDDLE, INSIDE = Text("in the middle"), Text("inside")


def located(evidence: Evidence, finding: Finding) -> Finding:
    """Add to a limit that is failed, open or close where the dose lies that decides it."""
    if finding.rule.row not in LIMITS or not _is_worth_a_look(finding):
        return finding
    match = _match_of(evidence, finding)
    if match is None:
        return finding
    place = _place(evidence, finding, match)
    if place is None:
        return finding
    return replace(finding, where=_where(evidence, match, place))


def _is_worth_a_look(finding: Finding) -> bool:
    """Tell whether a line is not kept, or a limit of dose is kept by less than a tenth."""
    if finding.line is None or finding.outcome is None:
        return False
    if finding.outcome is not Outcome.PASS:
        return True
    if finding.margin is None or finding.rule.row is Row.COVERAGE:
        return False
    return finding.margin <= CLOSE * abs(finding.line.limit)


def _match_of(evidence: Evidence, finding: Finding) -> MatchedROI | None:
    """Return the ROI, or the part of one, that a limit is asked of."""
    parts = {part.subject: part.match for part in evidence.neural.parts}
    return (dict(evidence.subjects) | parts).get(finding.subject)


def _place(evidence: Evidence, finding: Finding, match: MatchedROI) -> Place | None:
    """Return the cold part of a target, or the hottest part of what has an upper limit."""
    region = build_region(match.roi)
    prescription = evidence.reading.prescription
    if finding.rule.row is Row.COVERAGE:
        if prescription is None:
            return None
        return cold_part(region, evidence.case.dose, prescription.dose_gy)
    if finding.line is None or not finding.line.is_upper:
        return None
    dose = evidence.case.dose
    if is_summed(match, evidence.protocol):
        dose = evidence.course.dose
    return hottest_part(region, dose, PART_CC)


class _Near(NamedTuple):
    """A target, and how far from it a place lies."""

    name: str
    region: Region
    away_mm: float


def _where(evidence: Evidence, match: MatchedROI, place: Place) -> Where:
    near = _nearest(evidence, match, place.point_mm)
    x_mm, y_mm, z_mm = (round(at_mm, 1) for at_mm in place.point_mm)
    where = Where(point_mm=(x_mm, y_mm, z_mm), volume_cc=round(place.volume_cc, 3))
    if near is None:
        return where
    return replace(
        where,
        target=near.name,
        distance_mm=round(near.away_mm, 1),
        side=_side(near, place.point_mm),
    )


def _nearest(evidence: Evidence, match: MatchedROI, point_mm: Point) -> _Near | None:
    """Return the target that a place lies in or nearest to: itself, where it is one."""
    points = np.array([point_mm])
    rois = [found.roi for _, found in evidence.graded_targets()]
    if match.role is Role.PTV:
        rois = [match.roi]
    regions = [(roi.name, build_region(roi)) for roi in rois]
    rows = [
        _Near(name, region, float(distances_mm(region, points)[0]))
        for name, region in regions
    ]
    return min(rows, key=lambda row: row.away_mm, default=None)


def _side(near: _Near, point_mm: Point) -> Text:
    """Say to which side of a target a place lies, or in which part of it."""
    box = box_of([near.region])
    if box is None:
        return INSIDE
    words = list(_beyond(point_mm, box.low_mm, box.high_mm))
    if not words:  # in it, or in its bay
        middle_mm = (box.low_mm + box.high_mm) / 2
        reach_mm = QUARTER * (box.high_mm - box.low_mm)
        words = list(_beyond(point_mm, middle_mm - reach_mm, middle_mm + reach_mm))
    said = words[0] if words else MIDDLE
    for word in words[1:]:
        said = Text("{one}, {other}", one=said, other=word)
    return said


def _beyond(point_mm: Point, low_mm: FloatArray, high_mm: FloatArray) -> Iterator[Text]:
    """Yield the sides to which a point lies beyond a box."""
    for at_mm, low, high, (lower, upper) in zip(
        point_mm, low_mm, high_mm, SIDES, strict=True
    ):
        if at_mm < low:
            yield lower
        elif at_mm > high:
            yield upper


def check_hot_spots(evidence: Evidence) -> Iterator[Finding]:
    """Yield how much dose above 105 % of the prescription lies outside the targets."""
    prescription = evidence.reading.prescription
    targets = evidence.drawn(Role.PTV)
    if prescription is None or not targets:
        return
    regions = [build_region(match.roi) for _, match in targets]
    above_gy = HOT * prescription.dose_gy
    volume_cc = volume_above_outside_cc(evidence.case.dose, above_gy, regions)
    message = Text(
        "{volume_cc} cc above {percent} % of the prescription outside the targets",
        volume_cc=round(volume_cc, 2),
        percent=round(100 * HOT),
    )
    yield reported(HOT_OUTSIDE, message, subject="dose")


CHECKS = (check_hot_spots,)
