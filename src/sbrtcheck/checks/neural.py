"""Is the spinal cord safe? Cord, PRV, thecal sac, canal and cauda equina.

G is the goal and L the last line of the cord's D0.035cc at the fraction number; what each neural
ROI is held to stands in one table below. Where no cord is drawn, what is drawn there stands for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from sbrtcheck.checks.course import OTHER_PLANS, waits_for_course
from sbrtcheck.checks.dose import COVERS, GRID
from sbrtcheck.checks.evidence import Evidence, Subject
from sbrtcheck.checks.findings import answer, asked, by_severity, reported
from sbrtcheck.checks.limits import (
    DMAX,
    Ladder,
    Step,
    beyond_largest,
    graded_as_written,
    graded_finding,
    known_ends,
    ladder_of,
    limit_place,
    row_without_roi,
    unknown_fractions_ladder,
)
from sbrtcheck.checks.read_neural import NEURAL_ROLES, Extent, Held, Kind, Part, Zone
from sbrtcheck.checks.rule import Outcome, Row, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import share_of_within, union_of
from sbrtcheck.dvh import compute_band
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.evaluate import evaluate_metric
from sbrtcheck.protocol.metric import Metric, parse_metric
from sbrtcheck.protocol.names import MatchedROI, looks_neural
from sbrtcheck.protocol.rules import Limit, Line, Role

NEAR_MAXIMUM = parse_metric("D0.035cc")
ROUNDING_MM = 1e-6
# Of an ROI, in another one: so much of it, and it is no structure of its own.
KNOWN_PLACE = 0.9
SURROGATES = (
    "Redmond 2017, PMC5551391, Table 5: the limits apply to the cord or a surrogate"
)
DRAW_CORD = Text(
    "draw the spinal cord, its PRV, the thecal sac or the canal, or name one with --alias"
)

COURSE_UNKNOWN = Text("the dose of the whole course is not known")
PLANES_MISSING = Text("contours are missing beside a target")
GRID_COARSE = Text("the dose grid is too coarse for a near-maximum")

DRAWN = Rule(
    id="neural.cord",
    title="spinal cord drawn",
    asks="Is the spinal cord drawn, or what stands for it at these levels?",
    why="Without it the one limit that guards against paralysis is asked of nothing.",
    act="Draw the cord, or say with --alias which ROI it is.",
    section=Section.NEURAL,
    source="AAPM TG-101 (Benedict 2010): organs at risk beside the target are contoured",
    severity="ask",
)
EXTENT = Rule(
    id="neural.extent",
    title="extent of neural contours",
    number="G1",
    asks="Is the cord, or what stands for it, drawn on every plane of each target and"
    " a margin above and below?",
    why="A near-maximum is the maximum of what is drawn: planes that were left out"
    " may hold the hottest part.",
    act="Draw the structure on the named planes and export the structure set again.",
    section=Section.NEURAL,
    source="5-6 mm above and below the target: RTOG 0631, AAPM TG-101 cord subvolume; the larger",
    severity="ask",
)
HOLDS = Rule(
    id="prv.holds_cord",
    title="PRV around the cord",
    number="G5",
    asks="Does the planning risk volume hold the cord?",
    why="A PRV that leaves out part of the cord is no margin around it; one made by"
    " sbrtcheck is graded beside it.",
    act="Make the PRV from the cord again.",
    section=Section.NEURAL,
    source="a planning risk volume holds its organ (ICRU report 83)",
    severity="warning",
)
IS_CORD = Rule(
    id="prv.is_of_cord",
    title="PRV around the cord",
    number="G5",
    asks="Does the planning risk volume hold at least 95 % of what is called the cord?",
    why="Where it does not, one of the two is not what its name says.",
    act="Look at both; rename or redraw the one that is wrong.",
    section=Section.NEURAL,
    source="a planning risk volume holds its organ (ICRU report 83)",
    severity="ask",
)
UNCLEAR = Rule(
    id="neural.unclear",
    title="possible neural structure",
    asks="Is there a ROI that looks like a neural structure and is not known to be one?",
    why="A cord under an unknown name would be judged by nobody.",
    act="Say what it is with --alias, or name it as what it is.",
    section=Section.NEURAL,
    source="AAPM TG-275 (Ford 2020): structures are named as what they are",
    severity="ask",
)
MAXIMUM = Rule(
    id="report.neural",
    title="point maximum",
    asks="What is the point maximum of each neural structure?",
    why="Protocols and papers name it beside the near-maximum; it stands in the same row.",
    act="Nothing; it is reported.",
    section=Section.NEURAL,
    source="point maximum over the structure, its surface included",
    severity="info",
    row=Row.REPORT,
)
LIMITS: dict[Role | None, Rule] = {
    role: Rule(
        id=f"limit.{role.value}",
        title="neural limit",
        asks="Does the near-maximum dose of the cord, or of what stands for it, keep"
        " the protocol's limit?",
        why="Beyond it the risk of myelopathy rises; a variation lies between goal"
        " and last line.",
        act="Lower the dose to the structure, or check its contours.",
        section=Section.NEURAL,
        source=SURROGATES,
        row=Row.LIMIT,
    )
    for role in NEURAL_ROLES
}


def check_neural(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether neural structures are drawn, how far, and every limit of theirs."""
    yield _drawn(evidence)
    yield from _extents(evidence)
    for held in evidence.neural.held:
        yield from _holds(evidence, held)
    for part in evidence.neural.parts:
        yield _limit(evidence, part)
        if part.subject in evidence.dosimetry.dvhs:
            yield _maximum(evidence, part)
    yield from _further_limits(evidence)
    alike = [match for match in evidence.others if looks_neural(match)]
    for match in alike:
        yield from _unclear(evidence, match)


# --- What is drawn ------------------------------------------------------------------------------


def _drawn(evidence: Evidence) -> Finding:
    structure = evidence.protocol.structure_of(Role.CORD)
    drawn = evidence.neural.drawn
    if not drawn:
        message = Text(
            "neither cord, PRV, thecal sac, canal nor cauda equina is drawn, or the name is not"
            " known"
        )
        return asked(
            DRAWN, message, state=State.MISSING, cure=DRAW_CORD, subject=structure
        )
    names = ", ".join(match.roi.name for _, match in drawn)
    message = Text("drawn as {rois}", rois=names)
    if not any(match.role is Role.CORD for _, match in drawn):
        message = Text("no cord is drawn; judged by {rois}", rois=names)
    return answer(DRAWN, Outcome.PASS, message, subject=structure)


def _extents(evidence: Evidence) -> Iterator[Finding]:
    """Yield how far neural structures are drawn; where none is, that is asked already."""
    if not evidence.neural.drawn:
        return
    for extent in evidence.neural.extents:
        yield _extent(evidence, extent)


def _extent(evidence: Evidence, extent: Extent) -> Finding:
    rules = evidence.protocol.neural
    rois = ", ".join(extent.rois)
    if not extent.missing:
        message = Text(
            "{rois} drawn to {extent_mm} mm beyond {target}",
            rois=rois,
            extent_mm=rules.extent_mm,
            target=extent.span.target,
        )
        return replace(
            answer(EXTENT, Outcome.PASS, message, subject=extent.span.subject),
            roi=extent.span.target,
            line_source=rules.source,
        )
    message = _missing_words(extent, rois, rules.extent_mm)
    cure = Text("draw the cord, or a sac or canal that stands for it, on these planes")
    finding = asked(
        EXTENT, message, state=State.MISSING, cure=cure, subject=extent.span.subject
    )
    return replace(finding, roi=extent.span.target, line_source=rules.source)


def _missing_words(extent: Extent, rois: str, extent_mm: float) -> Text:
    low_mm, high_mm = extent.missing[0]
    where = Text(
        "between z = {low_mm} and {high_mm} mm, within {extent_mm} mm of {target}",
        low_mm=low_mm,
        high_mm=high_mm,
        extent_mm=extent_mm,
        target=extent.span.target,
    )
    if not extent.rois:
        return Text(
            "nothing that could stand for the cord is drawn {where}", where=where
        )
    return Text("{rois}: no contours {where}", rois=rois, where=where)


def _holds(evidence: Evidence, held: Held) -> Iterator[Finding]:
    """Yield whether a PRV holds its cord; where most is outside, whether one is what it is called."""
    subject = f"{held.subject} of {held.cord}"
    percent = 100 * held.part_inside
    message = Text(
        "'{prv}' holds {percent} % of '{cord}' beside the targets ({outside_cc} cc outside)",
        prv=held.prv,
        cord=held.cord,
        percent=percent,
        outside_cc=held.outside_cc,
    )
    cure = Text("draw the PRV again from the cord, or name the ROIs as what they are")
    yield replace(
        by_severity(
            HOLDS,
            evidence.protocol.checks,
            message,
            fault=not held.holds,
            cure=cure,
            subject=subject,
            roi=held.prv,
        ),
        contour=True,
    )
    if held.is_doubtful:
        doubt = Text("{what}: is this the cord?", what=message)
        yield by_severity(
            IS_CORD,
            evidence.protocol.checks,
            doubt,
            fault=True,
            cure=cure,
            subject=subject,
            roi=held.prv,
        )


def _unclear(evidence: Evidence, match: MatchedROI) -> Iterator[Finding]:
    """Ask about an ROI that is called almost like a cord and is too hot to be one.

    One inside known neural ROIs adds nothing to them; one around the cord is a margin of it.
    """
    line = _last_line(evidence)
    if line is None or _is_known_place(evidence, match.roi):
        return
    band = compute_band(match.roi, evidence.course.dose)
    value = evaluate_metric(line.constraint.metric, band)
    if all(line.constraint.holds(end) for end in known_ends(value)):
        return
    message = Text(
        "'{roi}' is called almost like a neural structure, is none that is known, and misses {line}",
        roi=match.roi.name,
        line=str(line.constraint),
    )
    cure = Text(
        "if it is the cord, add --alias '{roi}=SpinalCord'; if not, name it as what it is",
        roi=match.roi.name,
    )
    subject = match.roi.name
    found = asked(
        UNCLEAR,
        message,
        state=State.DECLARE,
        cure=cure,
        subject=subject,
        roi=match.roi.name,
    )
    yield replace(found, metric=line.constraint.metric, value=value)


def _last_line(evidence: Evidence) -> Line | None:
    """Return the line beyond which whatever is neural FAILs: the cord's, below all cord the cauda's."""
    lines = _lines(evidence)
    zones = {extent.span.zone for extent in evidence.neural.extents}
    limit, largest = lines.cord, lines.largest_cord
    if zones == {Zone.CAUDA}:
        limit, largest = lines.cauda, lines.largest_cauda
    if limit is None:
        return largest
    return limit.last_line


def _is_known_place(evidence: Evidence, roi: ROI) -> bool:
    """Tell whether an ROI lies in the known neural ROIs, or holds one of them."""
    known = [match.roi for _, match in evidence.neural.drawn]
    if _lies_within(roi, union_of(known, "all that is neural")):
        return True
    return any(_lies_within(own, roi) for own in known)


def _lies_within(inner: ROI, outer: ROI) -> bool:
    """Tell whether so much of an ROI lies in another one that it is no structure of its own."""
    share = share_of_within(inner, outer)
    return share is not None and share >= KNOWN_PLACE


# --- What each is held to -----------------------------------------------------------------------


class _Lines(NamedTuple):
    """The lines of the cord's and of the cauda's near-maximum: goal G, last line L, largest line."""

    cord: Limit | None
    cauda: Limit | None
    largest_cord: Line | None
    largest_cauda: Line | None


def _lines(evidence: Evidence) -> _Lines:
    protocol = evidence.protocol
    return _Lines(
        evidence.near_maximum(Role.CORD),
        evidence.near_maximum(Role.CAUDA),
        protocol.largest_line(protocol.structure_of(Role.CORD)),
        protocol.largest_line(protocol.structure_of(Role.CAUDA)),
    )


class _Rows(NamedTuple):
    """The row that an ROI is held to, and that of the cauda, which may be meant."""

    own: Limit
    cauda: Limit | None


def _row_ladder(rows: _Rows) -> Ladder:
    """Cord or cauda <= G PASS, <= L VARIATION, beyond FAIL."""
    return ladder_of(rows.own)


def _conus_ladder(rows: _Rows) -> Ladder | None:
    """Keep the stricter limit; above L it may be cauda, up to its last line: UNDECIDED."""
    return _open_up_to_cauda(ladder_of(rows.own).steps, rows.cauda)


def _low_cord_ladder(rows: _Rows) -> Ladder | None:
    """Ask of an ROI called cord at L3-L5 above G whether it is sac or cauda, up to the cauda's last line."""
    goal = Step(rows.own.goal, Outcome.PASS)
    return _open_up_to_cauda((goal,), rows.cauda)


def _open_up_to_cauda(kept: tuple[Step, ...], cauda: Limit | None) -> Ladder | None:
    """Leave open, above steps of the cord, what the last line of the cauda still allows."""
    if cauda is None:
        return None
    return Ladder(steps=(*kept, Step(cauda.last_line, Outcome.UNDECIDED)))


def _prv_ladder(rows: _Rows) -> Ladder:
    """PRV beside a cord <= L PASS, beyond VARIATION, the nominal value deciding."""
    step = Step(rows.own.last_line, Outcome.PASS)
    return Ladder(steps=(step,), beyond=Outcome.VARIATION, nominal_decides=True)


def _carried_on_ladder(rows: _Rows) -> Ladder:
    """Beyond a line only where an outline was carried on: UNDECIDED, never FAIL."""
    return replace(ladder_of(rows.own), beyond=Outcome.UNDECIDED)


# What is judged as what, and where: whose row it is held to, and the ladder made of it.
TABLE: dict[tuple[Kind, Zone], tuple[Role, Callable[[_Rows], Ladder | None]]] = {
    (Kind.CORD, Zone.CORD): (Role.CORD, _row_ladder),
    (Kind.CORD, Zone.CAUDA): (Role.CORD, _low_cord_ladder),
    (Kind.ALL_CORDS, Zone.CORD): (Role.CORD, _row_ladder),
    (Kind.ALL_CORDS, Zone.CAUDA): (Role.CORD, _low_cord_ladder),
    (Kind.PRV, Zone.CORD): (Role.CORD, _prv_ladder),
    (Kind.MADE_PRV, Zone.CORD): (Role.CORD, _prv_ladder),
    (Kind.STAND_IN, Zone.CORD): (Role.CORD, _row_ladder),
    (Kind.STAND_IN, Zone.CONUS): (Role.CORD, _conus_ladder),
    (Kind.STAND_IN, Zone.CAUDA): (Role.CORD, _low_cord_ladder),
    (Kind.TOGETHER, Zone.CORD): (Role.CORD, _row_ladder),
    (Kind.TOGETHER, Zone.CONUS): (Role.CORD, _conus_ladder),
    (Kind.CONTINUED, Zone.CORD): (Role.CORD, _carried_on_ladder),
    (Kind.CONTINUED, Zone.CONUS): (Role.CORD, _carried_on_ladder),
    (Kind.CONTINUED, Zone.CAUDA): (Role.CAUDA, _row_ladder),
    (Kind.CAUDA, Zone.CAUDA): (Role.CAUDA, _row_ladder),
    (Kind.CAUDA, Zone.CORD): (Role.CAUDA, _row_ladder),
    (Kind.BESIDE, Zone.CORD): (Role.CORD, _row_ladder),
    (Kind.BESIDE, Zone.CONUS): (Role.CORD, _row_ladder),
}


def _ladder(evidence: Evidence, part: Part) -> Ladder | None:
    """Return the ladder of a neural ROI by the table; None where the protocol has no row for it."""
    role, ladder_from = TABLE[part.kind, part.zone]
    own = evidence.near_maximum(role)
    if own is None:
        return None
    return ladder_from(_Rows(own, evidence.near_maximum(Role.CAUDA)))


def lines_of(evidence: Evidence, part: Part) -> tuple[Line, ...]:
    """Return the lines that a neural ROI is held to, the strictest first; none where there are none."""
    ladder = _ladder(evidence, part)
    if ladder is None:
        return ()
    return tuple(step.line for step in ladder.steps)


def further_limits(evidence: Evidence, part: Part) -> tuple[Limit, ...]:
    """Return the rows of the protocol that a neural ROI is held to beside the table."""
    structure = part.match.structure
    if structure is None or part.match.is_made:
        return ()
    lines = _lines(evidence)
    rows = evidence.limits_of(structure)
    return tuple(row for row in rows if row not in (lines.cord, lines.cauda))


CORD_STANDS = (Kind.CORD, Kind.ALL_CORDS, Kind.STAND_IN, Kind.TOGETHER, Kind.CONTINUED)


def _limit(evidence: Evidence, part: Part) -> Finding:
    """Return the answer about one neural ROI, by the table."""
    rule = LIMITS.get(part.match.role, LIMITS[Role.CORD])
    lines = _lines(evidence)
    ladder = _ladder(evidence, part)
    place = _place(evidence, part, lines)
    if ladder is None:
        return _without_line(evidence, part, rule, lines, place)
    finding = graded_finding(
        evidence, rule, ladder, subject=part.subject, match=part.match, place=place
    )
    if not part.is_graded:
        return _reported(part, finding)
    finding = _with_words(part, ladder, finding)
    finding = _with_maximum_words(evidence, part, finding)
    return _held_back(evidence, part, finding)


def _place(evidence: Evidence, part: Part, lines: _Lines) -> str | None:
    """Return the row of the protocol that an ROI of its own structure answers."""
    own: dict[tuple[Kind, Role | None], Limit | None] = {
        (Kind.CORD, Role.CORD): lines.cord,
        (Kind.CAUDA, Role.CAUDA): lines.cauda,
        (Kind.STAND_IN, Role.CAUDA): lines.cauda,
    }
    limit = own.get((part.kind, part.match.role))
    if limit is None:
        return None
    return limit_place(evidence, limit)


def _without_line(
    evidence: Evidence, part: Part, rule: Rule, lines: _Lines, place: str | None
) -> Finding:
    """Judge without rows for the fraction number: open up to the largest line, FAIL beyond."""
    why, cure = _why_no_row(evidence)
    line = lines.largest_cord
    if part.kind is Kind.CAUDA:
        line = lines.largest_cauda
    if line is None or not _is_held_to_largest(part):
        value = evidence.value(NEAR_MAXIMUM, part.subject)
        found = reported(rule, why, subject=part.subject, roi=part.match.roi.name)
        return replace(found, metric=NEAR_MAXIMUM, value=value, state=State.NOT_ASKED)
    finding = graded_finding(
        evidence,
        rule,
        unknown_fractions_ladder(line),
        subject=part.subject,
        match=part.match,
        place=place,
    )
    if finding.outcome is not Outcome.UNDECIDED:
        return beyond_largest(finding, why)
    held_by = "trial.scheme"
    if evidence.reading.prescription is None:
        held_by = "prescription"
    return replace(
        finding,
        message=why,
        reason=why,
        state=State.MISSING,
        cure=cure,
        held_by=held_by,
        is_plain=False,
    )


def _why_no_row(evidence: Evidence) -> tuple[Text, Text]:
    """Say why no row is known for the fraction number, and what settles it."""
    if evidence.fractions is None:
        return Text("the fraction number is not known"), evidence.reading.cure
    why = Text(
        "the protocol has no limit at {fractions} fractions",
        fractions=evidence.fractions,
    )
    cure = Text("choose a protocol that has limits for this fraction number")
    return why, cure


def _is_held_to_largest(part: Part) -> bool:
    """Tell whether the largest line of any fraction number says something of a neural ROI."""
    if not part.is_graded:
        return False
    return part.kind not in (Kind.PRV, Kind.MADE_PRV)


def _reported(part: Part, finding: Finding) -> Finding:
    """Show the value of what lies beside a cord, or was made from it; it moves no verdict."""
    words = {
        Kind.BESIDE: Text("beside a cord that passes every target: reported"),
        Kind.PRV: Text(
            "a margin this wide is not that of a planning risk volume: reported"
        ),
    }
    message = words.get(part.kind, Text("no PRV is drawn; {how}", how=part.match.how))
    reason = None
    if finding.value is not None:
        reason = finding.value.reason
    return replace(
        finding,
        outcome=None,
        message=message,
        reason=reason,
        state=None,
        cure=None,
        is_plain=False,
    )


def _with_words(part: Part, ladder: Ladder, finding: Finding) -> Finding:
    """Say what stands for the cord, what was made, and what may be meant."""
    message = _words(part, ladder, finding)
    if message is None:
        return finding
    return replace(finding, message=message, is_plain=False)


def _words(part: Part, ladder: Ladder, finding: Finding) -> Text | None:
    m = finding.message
    if part.kind is Kind.PRV and finding.outcome is Outcome.VARIATION:
        return Text(
            "above {line}; the cord itself decides", line=str(ladder.last.constraint)
        )
    stands = Text("stands for the cord where none is drawn: {m}", m=m)
    made = Text("{m} ({how})", m=m, how=part.match.how)
    words = {
        (Kind.STAND_IN, Zone.CORD): stands,
        (Kind.STAND_IN, Zone.CONUS): _conus_words(finding),
        (Kind.STAND_IN, Zone.CAUDA): stands,
        (Kind.MADE_PRV, Zone.CORD): made,
        (Kind.TOGETHER, Zone.CORD): made,
        (Kind.TOGETHER, Zone.CONUS): made,
        (Kind.ALL_CORDS, Zone.CORD): made,
        (Kind.ALL_CORDS, Zone.CAUDA): made,
        (Kind.CONTINUED, Zone.CORD): made,
        (Kind.CONTINUED, Zone.CONUS): made,
        (Kind.CONTINUED, Zone.CAUDA): made,
        (Kind.CORD, Zone.CAUDA): Text(
            "{m} (called cord below L2: is this sac or cauda?)", m=m
        ),
    }
    return words.get((part.kind, part.zone))


def _conus_words(finding: Finding) -> Text:
    if finding.outcome in (Outcome.PASS, Outcome.VARIATION):
        return Text(
            "kept by the stricter limit, that of the cord: {m}", m=finding.message
        )
    return Text("cord or cauda at this level? {m}", m=finding.message)


def _with_maximum_words(evidence: Evidence, part: Part, finding: Finding) -> Finding:
    """Say when the point maximum is above a goal that the near-maximum keeps."""
    if part.kind not in CORD_STANDS:
        return finding
    cord = evidence.near_maximum(Role.CORD)
    if cord is None:
        return finding
    goal = cord.goal.constraint
    near, maximum = finding.number, evidence.value(DMAX, part.subject).value
    if near is None or maximum is None:
        return finding
    only_maximum_is_above = goal.holds(near) and not goal.holds(maximum)
    if not only_maximum_is_above:
        return finding
    message = Text(
        "{m}; the point maximum of {maximum_gy} Gy is above {limit} Gy",
        m=finding.message,
        maximum_gy=maximum,
        limit=goal.limit,
    )
    return replace(finding, message=message, is_plain=False)


def _held_back(evidence: Evidence, part: Part, finding: Finding) -> Finding:
    """Leave an answer open where contours, grid or other plans cannot carry it, unless it fails.

    Why is said once, in the finding of that question.
    """
    finding = _settled(evidence, part, finding)
    if finding.outcome is Outcome.FAIL:
        return finding
    if finding.state is State.MISSING and not evidence.dvh(part.subject).is_complete:
        return replace(finding, held_by=COVERS.id)
    doubts = (
        (OTHER_PLANS, evidence.course.open, COURSE_UNKNOWN),
        (EXTENT, _misses_planes(evidence, part), PLANES_MISSING),
        (GRID, _is_coarse(evidence), GRID_COARSE),
    )
    for rule, is_open, why in doubts:
        if is_open and evidence.holds_back(rule):
            return _open(finding, rule, why)
    return finding


def _open(finding: Finding, rule: Rule, why: Text) -> Finding:
    """Leave an answer open; what settles it is asked by another rule."""
    return replace(
        finding,
        outcome=Outcome.UNDECIDED,
        message=why,
        reason=why,
        state=State.MISSING,
        cure=Text("settle {rule}", rule=rule.id),
        held_by=rule.id,
        is_plain=False,
    )


def _misses_planes(evidence: Evidence, part: Part) -> bool:
    """Tell whether contours are missing beside a target of what stands for the cord."""
    return part.kind in CORD_STANDS and not evidence.neural.is_complete


def _is_coarse(evidence: Evidence) -> bool:
    """Tell whether the dose grid is too coarse for a near-maximum."""
    most_mm = evidence.protocol.dose.grid_variation_mm + ROUNDING_MM
    return evidence.course.spacing_mm > most_mm


def _settled(evidence: Evidence, part: Part, finding: Finding) -> Finding:
    """Name the cure of an open answer that a person can settle."""
    if finding.outcome is not Outcome.UNDECIDED:
        return finding
    if finding.state is State.MISSING:
        return finding
    conus = Text('state the level of the conus in the case facts: conus_level = "L1"')
    cauda = Text(
        "if it is sac or cauda, say so: --alias '{roi}=CaudaEquina'",
        roi=part.match.roi.name,
    )
    cures = {
        (Kind.STAND_IN, Zone.CONUS): conus,
        (Kind.TOGETHER, Zone.CONUS): conus,
        (Kind.CORD, Zone.CAUDA): cauda,
        (Kind.ALL_CORDS, Zone.CAUDA): cauda,
    }
    cure = cures.get((part.kind, part.zone))
    if cure is not None:
        return replace(finding, state=State.DECLARE, cure=cure)
    if part.kind is not Kind.CONTINUED:
        return finding
    cure = Text(
        "draw the cord to {mm} mm beyond the target",
        mm=evidence.protocol.neural.extent_mm,
    )
    return replace(finding, state=State.MISSING, cure=cure)


def _maximum(evidence: Evidence, part: Part) -> Finding:
    value = evidence.value(DMAX, part.subject)
    found = reported(
        MAXIMUM, Text("reported"), subject=part.subject, roi=part.match.roi.name
    )
    return replace(found, metric=DMAX, value=value, reason=value.reason)


# --- Further rows of the protocol ---------------------------------------------------------------


def _further_limits(evidence: Evidence) -> Iterator[Finding]:
    """Yield every other row that the protocol states of a neural structure, as written."""
    lines = _lines(evidence)
    for role in NEURAL_ROLES:
        for structure in evidence.protocol.structures_of(role):
            yield from _rows_of(evidence, role, structure, lines)


def _rows_of(
    evidence: Evidence, role: Role, structure: str, lines: _Lines
) -> Iterator[Finding]:
    rows = evidence.limits_of(structure)
    drawn = evidence.of_structure(structure)
    for limit in rows:
        in_table = _count_in_table(role, limit)
        rule = numbered(LIMITS[role], limit, rows, before=in_table)
        if not drawn:
            why = Text("no {structure} is drawn", structure=structure)
            yield row_without_roi(evidence, rule, limit, why)
        to_answer = drawn
        if limit in (lines.cord, lines.cauda):
            to_answer = _not_in_table(evidence, drawn)
        for subject, match in to_answer:
            yield _as_written(evidence, rule, limit, subject, match)


def _count_in_table(role: Role, limit: Limit) -> int:
    """Return how many answers of the table come before the rows that ask what a row asks."""
    if role in (Role.CORD, Role.CAUDA):
        return 0
    if not limit.is_near_maximum:
        return 0
    return 1


def _not_in_table(
    evidence: Evidence, drawn: tuple[Subject, ...]
) -> tuple[Subject, ...]:
    """Leave out whoever has an answer by the table already, under its own name."""
    by_table = {part.subject for part in evidence.neural.parts}
    return tuple(pair for pair in drawn if pair[0] not in by_table)


def _as_written(
    evidence: Evidence, rule: Rule, limit: Limit, subject: str, match: MatchedROI
) -> Finding:
    """Hold one ROI to a row as it stands; open, unless it fails, where the course is not known."""
    finding = graded_as_written(evidence, rule, limit, subject, match)
    if finding.outcome is Outcome.FAIL:
        return finding
    if not waits_for_course(evidence):
        return finding
    return _open(finding, OTHER_PLANS, COURSE_UNKNOWN)


def numbered(
    rule: Rule, limit: Limit, rows: tuple[Limit, ...], *, before: int = 0
) -> Rule:
    """Return the rule of a row: of several that ask one metric in one direction, by strictness.

    `before` counts what answers the same before all rows: the table of the cord.
    """
    alike = [row for row in rows if _asked_by(row) == _asked_by(limit)]
    number = 1 + before + sorted(alike, key=lambda row: row.strictness).index(limit)
    if number == 1:
        return rule
    return replace(rule, id=f"{rule.id}.{number}")


def _asked_by(limit: Limit) -> tuple[Metric, bool]:
    """Return the metric that a row asks, and whether it bounds it from above."""
    constraint = limit.goal.constraint
    return constraint.metric, constraint.is_upper


CHECKS = (check_neural,)
