"""Are the other organs within their limits, and are those that matter here drawn?"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from sbrtcheck.checks.course import OTHER_PLANS, waits_for_course
from sbrtcheck.checks.evidence import WHOLE_BODY, Evidence, is_summed
from sbrtcheck.checks.findings import asked, reported
from sbrtcheck.checks.limits import (
    beyond_largest,
    graded_as_written,
    graded_finding,
    ladder_of,
    row_without_roi,
    unknown_fractions_ladder,
)
from sbrtcheck.checks.neural import numbered
from sbrtcheck.checks.read_levels import level_order
from sbrtcheck.checks.rule import Outcome, Row, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import build_region
from sbrtcheck.dvh import DVHResult, compute_band
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.evaluate import Dosimetry, evaluate
from sbrtcheck.protocol.metric import Constraint, Metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import (
    Expected,
    Limit,
    Line,
    NeuralRules,
    OrganRules,
    Role,
)

SAME_MM = 0.05  # rounding of plane positions, twice
SPARED = 1e-9  # of a volume: rounding of sums

LIMIT = Rule(
    id="limit.organ",
    title="organ limit",
    asks="Does each organ keep the limits of the protocol?",
    why="Limits of AAPM TG-101 and others for this number of fractions; their source"
    " stands in the row.",
    act="Lower the dose to the organ, or check its contours.",
    section=Section.ORGAN,
    source="limits of the protocol",
    row=Row.LIMIT,
)
DRAWN = Rule(
    id="organ.drawn",
    title="organ drawn",
    asks="Is every organ drawn that can reach its limit beside these levels?",
    why="An organ that is not drawn is not judged.",
    act="Draw it, or state in the case facts (not_drawn) why it is not.",
    section=Section.ORGAN,
    source="project choice: organs beside the vertebra that can reach their limits",
    severity="ask",
)
EXTENT = Rule(
    id="organ.extent",
    title="extent of an organ",
    number="G2",
    asks="Is an organ that runs along the spine drawn on every plane of each target"
    " and 6 mm beyond?",
    why="Its hottest part lies beside the target; planes that were left out may hold it.",
    act="Draw it on the named planes and export the structure set again.",
    section=Section.ORGAN,
    source="project choice: an organ that runs along the spine is drawn on every plane of a target",
    severity="ask",
)
ALONE = Rule(
    id="organ.one_of_two",
    title="paired organs",
    asks="Of paired organs, is only one drawn?",
    why="Limits of paired organs are of both together.",
    act="Nothing where the other is far away; else draw it.",
    section=Section.ORGAN,
    source="project choice: paired organs are judged together",
    severity="info",
)

Subject = tuple[str, MatchedROI]
Interval = tuple[float, float]


def check_organs(evidence: Evidence) -> Iterator[Finding]:
    """Yield every limit of every organ; none is required to be drawn."""
    for name, rules in evidence.protocol.organs.items():
        drawn = evidence.of_structure(name)
        if evidence.fractions is None:
            yield from _without_fractions(evidence, name, rules, drawn)
            continue
        rows = evidence.limits_of(name)
        for limit in rows:
            rule = numbered(LIMIT, limit, rows)
            if not drawn:
                why = Text("{organ} is not drawn", organ=name)
                yield row_without_roi(evidence, rule, limit, why)
            for subject, match in drawn:
                yield _limit(evidence, rule, limit, rules, (subject, match))


def _limit(
    evidence: Evidence, rule: Rule, limit: Limit, rules: OrganRules, pair: Subject
) -> Finding:
    subject, match = pair
    finding = graded_as_written(evidence, rule, limit, subject, match)
    finding = _spared_whole(evidence, finding, limit)
    finding = _small(evidence, finding, rules, limit)
    finding = _by_severity(rules, finding)
    return _held_back(evidence, finding, rules, limit, match)


def _open(finding: Finding, rule: Rule, why: Text) -> Finding:
    """Leave an answer open; why is said in the finding of another rule."""
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


def _small(
    evidence: Evidence, finding: Finding, rules: OrganRules, limit: Limit
) -> Finding:
    """Pass an ROI that is smaller than the volume asked, where its contours pass every target."""
    if finding.outcome is not Outcome.UNDECIDED:
        return finding
    if finding.number is not None:
        return finding
    if not _holds_less(evidence.dvh(finding.subject), limit.goal.constraint.metric):
        return finding
    if _gaps(evidence, limit.structure, rules):
        return finding
    message = Text("{why}: no such volume of it exists", why=finding.message)
    return replace(
        finding, outcome=Outcome.PASS, message=message, state=State.BOUNDED, cure=None
    )


def _holds_less(dvh: DVHResult, metric: Metric) -> bool:
    """Tell whether an ROI, all of it in the dose grid, is smaller than the volume asked for."""
    if metric.argument_unit != "cc":
        return False
    if not dvh.is_complete:
        return False
    if dvh.volume_cc is None:
        return False
    return dvh.volume_cc < metric.asked


def _spared_whole(evidence: Evidence, finding: Finding, limit: Limit) -> Finding:
    """Report, not grade, that less is drawn than should be spared, where all of it is."""
    if limit.goal.constraint.metric.kind != "CV":
        return finding
    if finding.outcome is Outcome.PASS:
        return finding
    volume_cc = evidence.dvh(finding.subject).volume_cc
    spared_cc = finding.number
    if spared_cc is None or volume_cc is None:
        return finding
    if spared_cc < volume_cc * (1 - SPARED):
        return finding
    message = Text(
        "only {volume_cc} cc are drawn; all of it stays below", volume_cc=volume_cc
    )
    return replace(
        finding, outcome=None, message=message, state=None, cure=None, is_plain=False
    )


def _by_severity(rules: OrganRules, finding: Finding) -> Finding:
    """Turn what breaks or cannot answer a limit into what the organ's severity makes of it."""
    if rules.severity == "error":
        return finding
    if rules.severity == "info":
        return replace(finding, outcome=None)
    if finding.outcome in (Outcome.FAIL, Outcome.UNDECIDED):
        return replace(finding, outcome=Outcome.VARIATION, cure=None)
    return finding


def _held_back(
    evidence: Evidence,
    finding: Finding,
    rules: OrganRules,
    limit: Limit,
    match: MatchedROI,
) -> Finding:
    """Leave an answer open that what is not known, of the course or of contours, may break."""
    if finding.outcome in (Outcome.FAIL, None):
        return finding
    if _course_is_open(evidence, match):
        why = Text("the dose of the whole course is not known")
        return _open(finding, OTHER_PLANS, why)
    if finding.outcome is Outcome.UNDECIDED:
        return finding
    if _extent_is_open(evidence, limit.structure, rules):
        return _open(finding, EXTENT, Text("contours are missing beside a target"))
    return finding


def _course_is_open(evidence: Evidence, match: MatchedROI) -> bool:
    """Tell whether a serial organ may receive more than the files tell."""
    if not waits_for_course(evidence):
        return False
    return is_summed(match, evidence.protocol)


def _extent_is_open(evidence: Evidence, name: str, rules: OrganRules) -> bool:
    """Tell whether an organ along the spine may receive more where it is not drawn."""
    if not evidence.holds_back(EXTENT):
        return False
    if not _gaps(evidence, name, rules):
        return False
    return not _whole_body_keeps(evidence, name)


def _without_fractions(
    evidence: Evidence, name: str, rules: OrganRules, drawn: Sequence[Subject]
) -> Iterator[Finding]:
    """Hold an organ to its largest lines where the fraction number is not known."""
    rows = [row for row in evidence.protocol.limits if row.structure == name]
    lines: defaultdict[str, list[Line]] = defaultdict(list)
    for row in rows:
        constraint = row.goal.constraint
        if constraint.is_upper:
            lines[str(constraint.metric)].append(row.last_line)
    for of_metric in lines.values():
        largest = max(of_metric, key=lambda line: line.constraint.limit)
        ladder = unknown_fractions_ladder(largest)
        for subject, match in drawn:
            finding = graded_finding(
                evidence, LIMIT, ladder, subject=subject, match=match
            )
            yield _by_severity(rules, _open_fractions(evidence, finding))


def _open_fractions(evidence: Evidence, finding: Finding) -> Finding:
    why = Text("the fraction number is not known")
    if finding.outcome is not Outcome.UNDECIDED:
        return beyond_largest(finding, why)
    return replace(
        finding,
        message=why,
        reason=why,
        state=State.MISSING,
        cure=evidence.reading.cure,
        held_by="prescription",
        is_plain=False,
    )


# --- Expected organs ----------------------------------------------------------------------------


class _Expectation(NamedTuple):
    """At these treated levels one of these organs has to be drawn."""

    organs: tuple[str, ...]
    levels: tuple[str, ...]


def check_organs_drawn(evidence: Evidence) -> Iterator[Finding]:
    """Yield the organs that should be drawn at the treated levels and are not, or in part."""
    for expected in _expectations(evidence):
        yield from _absent_or_in_part(evidence, expected)
    for name, rules in evidence.protocol.organs.items():
        if _is_held_to_extent(evidence, name, rules):
            yield _extent(evidence, name, rules)


def _absent_or_in_part(evidence: Evidence, expected: _Expectation) -> Iterator[Finding]:
    drawn = [name for name in expected.organs if _is_drawn(evidence, name)]
    if not drawn:
        yield _absent(evidence, expected)
    for name in drawn:
        yield from _one_of_two(evidence, name)


def _is_held_to_extent(evidence: Evidence, name: str, rules: OrganRules) -> bool:
    """Tell whether an organ runs along the treated spine, and is drawn at all."""
    if not rules.along_spine:
        return False
    if not _expected_levels(evidence, rules.expected_at):
        return False
    return _is_drawn(evidence, name)


def _expectations(evidence: Evidence) -> Iterator[_Expectation]:
    protocol = evidence.protocol
    alone = [
        Expected(any_of=(name,), at=rules.expected_at)
        for name, rules in protocol.organs.items()
    ]
    for row in (*alone, *protocol.expected):
        levels = _expected_levels(evidence, row.at)
        if levels:
            yield _Expectation(row.any_of, levels)


def _expected_levels(evidence: Evidence, at: Sequence[str]) -> tuple[str, ...]:
    return level_order(set(evidence.treated.certain) & set(at))


def _is_drawn(evidence: Evidence, name: str) -> bool:
    return bool(evidence.of_structure(name))


def _absent(evidence: Evidence, expected: _Expectation) -> Finding:
    """Judge an organ that is not drawn: by the whole body, by what is declared, or ask."""
    organs = " or ".join(expected.organs)
    levels = ", ".join(expected.levels)
    message = Text(
        "{organs} is not drawn, or its name is not known; expected at {levels}",
        organs=organs,
        levels=levels,
    )
    declared = evidence.declared.facts.not_drawn
    reasons = [declared[name] for name in expected.organs if name in declared]
    is_asked_for = any(
        evidence.protocol.organs[name].is_asked_for for name in expected.organs
    )
    if all(_whole_body_keeps(evidence, name) for name in expected.organs):
        kept = Text("{m}; the whole body keeps its limits", m=message)
        return _contour(Outcome.PASS, kept, organs)
    if len(reasons) == len(expected.organs):
        told = Text("{m}; declared not drawn: {why}", m=message, why="; ".join(reasons))
        return _contour(Outcome.VARIATION, told, organs)
    if not is_asked_for:
        return _contour(Outcome.VARIATION, message, organs)
    first = expected.organs[0]
    cure = Text(
        'draw it, or say in the case facts why not: not_drawn = {{ {organ} = "reason" }}',
        organ=first,
    )
    return asked(DRAWN, message, state=State.MISSING, cure=cure, subject=organs)


def _contour(outcome: Outcome, message: Text, subject: str) -> Finding:
    return Finding(
        rule=DRAWN, subject=subject, outcome=outcome, message=message, contour=True
    )


def _whole_body_keeps(evidence: Evidence, name: str) -> bool:
    """Tell whether the whole body, targets included, taken as one organ keeps all of its limits."""
    if evidence.course.open:
        return False
    lines = [row.goal.constraint for row in evidence.limits_of(name)]
    return bool(lines) and all(_body_keeps(evidence, line) for line in lines)


def _body_keeps(evidence: Evidence, constraint: Constraint) -> bool:
    """Hold the highest dose of the grid, or that of the body's hottest volume, to a line.

    No part of the body has a higher one. Of its other numbers, a mean or a percentage, a part
    may have more than the whole: they show nothing.
    """
    metric = constraint.metric
    if not constraint.is_upper or metric.unit != "Gy" or metric.effect:
        return False
    highest = evidence.course.highest
    if constraint.holds(float(highest.dose_gy.max())):
        return True
    if metric.kind != "D" or metric.argument_unit == "%":
        return False
    if _a_target_exceeds(evidence, constraint):
        return False
    bodies = evidence.drawn(Role.EXTERNAL)
    if not bodies:
        return False
    _, external = bodies[0]
    band = compute_band(external.roi, highest)
    if not band.nominal.is_complete:
        return False
    dosimetry = Dosimetry(dvhs={WHOLE_BODY: band.nominal}, bands={WHOLE_BODY: band})
    value = evaluate(constraint.metric, WHOLE_BODY, dosimetry)
    if value.high is None:
        return False
    return constraint.holds(value.high)


def _a_target_exceeds(evidence: Evidence, constraint: Constraint) -> bool:
    """Tell whether a target, a part of the body, receives more: the body then does so too."""
    for subject, _ in evidence.drawn(Role.PTV):
        value = evaluate(constraint.metric, subject, evidence.dosimetry).value
        if value is not None and not constraint.holds(value):
            return True
    return False


def _one_of_two(evidence: Evidence, name: str) -> Iterator[Finding]:
    """Name the one that is drawn of a pair."""
    row = evidence.protocol.structures[name]
    parts = [part for part in row.parts if evidence.of_structure(part)]
    if 0 < len(parts) < len(row.parts):
        message = Text(
            "of {organ} only {part} is drawn", organ=name, part=", ".join(parts)
        )
        yield reported(ALONE, message, subject=name)


# --- Organs along the spine ---------------------------------------------------------------------


def _extent(evidence: Evidence, name: str, rules: OrganRules) -> Finding:
    """Ask for contours of an organ that runs along the spine on every plane of a target."""
    gaps = _gaps(evidence, name, rules)
    extent_mm = evidence.protocol.neural.extent_mm
    roi = evidence.of_structure(name)[0][1].roi.name
    if not gaps:
        message = Text(
            "'{roi}' is drawn on every plane to {extent_mm} mm beyond the targets",
            roi=roi,
            extent_mm=extent_mm,
        )
        return _extent_finding(Outcome.PASS, message, name, roi)
    low_mm, high_mm = gaps[0]
    message = Text(
        "'{roi}' has no contours between z = {low_mm} and {high_mm} mm, within {extent_mm} mm of a"
        " target",
        roi=roi,
        low_mm=low_mm,
        high_mm=high_mm,
        extent_mm=extent_mm,
    )
    if _fails_already(evidence, name):
        return _extent_finding(
            Outcome.PASS, Text("{m}; what is drawn fails", m=message), name, roi
        )
    if _whole_body_keeps(evidence, name):
        kept = Text("{m}; the whole body keeps its limits", m=message)
        return _extent_finding(Outcome.PASS, kept, name, roi)
    cure = Text("draw it on these planes")
    found = asked(
        EXTENT, message, state=State.MISSING, cure=cure, subject=name, roi=roi
    )
    return replace(found, contour=True)


def _extent_finding(outcome: Outcome, message: Text, subject: str, roi: str) -> Finding:
    return Finding(
        rule=EXTENT,
        subject=subject,
        roi=roi,
        outcome=outcome,
        message=message,
        contour=True,
    )


def _fails_already(evidence: Evidence, name: str) -> bool:
    """Tell whether what is drawn of an organ breaks a limit of its own."""
    outcomes = (
        graded_finding(
            evidence, LIMIT, ladder_of(limit), subject=subject, match=match
        ).outcome
        for limit in evidence.limits_of(name)
        for subject, match in evidence.of_structure(name)
    )
    return Outcome.FAIL in outcomes


def _gaps(evidence: Evidence, name: str, rules: OrganRules) -> list[Interval]:
    """Return the stretches beside the targets where an organ is not drawn, short ends left out.

    An organ that does not run along the spine need not be drawn beside them.
    """
    if not rules.along_spine:
        return []
    drawn = _drawn_mm(evidence, name, rules)
    gaps = []
    for _, match in evidence.graded_targets():
        if _is_expected_beside(evidence, match.roi, rules):
            gaps += _gaps_beside(match.roi, drawn, evidence.protocol.neural)
    return gaps


def _drawn_mm(evidence: Evidence, name: str, rules: OrganRules) -> list[Interval]:
    """Return where an organ, or one that continues it at the treated levels, is drawn, in order."""
    names = [name]
    for level in evidence.treated.certain:
        names += rules.continued_by.get(level, ())
    drawn: list[Interval] = []
    for one in names:
        for _, match in evidence.of_structure(one):
            drawn += build_region(match.roi).drawn_mm
    return sorted(drawn)


def _gaps_beside(
    target: ROI, drawn: Sequence[Interval], rules: NeuralRules
) -> list[Interval]:
    slabs = build_region(target).slabs  # a graded target has some
    low_mm, high_mm = slabs[0].low_mm, slabs[-1].high_mm
    needed = (low_mm - rules.extent_mm, high_mm + rules.extent_mm)
    return [
        gap
        for gap in _free(needed, drawn)
        if not _is_short_end(gap, (low_mm, high_mm), rules.continued_mm)
    ]


def _is_expected_beside(evidence: Evidence, target: ROI, rules: OrganRules) -> bool:
    levels = evidence.treated.of_target(target.name)
    return not set(levels).isdisjoint(rules.expected_at)


def _free(needed: Interval, drawn: Sequence[Interval]) -> list[Interval]:
    """Return what of an interval others, in order, leave free."""
    free = []
    at_mm, end_mm = needed
    for low_mm, high_mm in drawn:
        free.append((at_mm, min(low_mm, end_mm)))
        at_mm = max(at_mm, high_mm)
    free.append((at_mm, end_mm))
    # Where others touch, overlap or reach beyond the end, nothing is left between them.
    return [gap for gap in free if gap[1] - gap[0] > SAME_MM]


def _is_short_end(gap: Interval, target: Interval, short_mm: float) -> bool:
    """Tell whether a gap lies beyond the target, and is short."""
    low_mm, high_mm = gap
    if high_mm - low_mm > short_mm + SAME_MM:
        return False
    is_below = high_mm <= target[0] + SAME_MM
    is_above = low_mm >= target[1] - SAME_MM
    return is_below or is_above


CHECKS = (check_organs, check_organs_drawn)
