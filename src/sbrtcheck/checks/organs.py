"""Are the other organs within their limits, and are those that matter here drawn?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from sbrtcheck.checks.course import OTHER_PLANS
from sbrtcheck.checks.evidence import WHOLE_BODY, Evidence, is_summed
from sbrtcheck.checks.findings import asked, not_asked, reported
from sbrtcheck.checks.limits import (
    graded_finding,
    kept_by_all_of_it,
    ladder_of,
    limit_place,
    unknown_fractions_ladder,
)
from sbrtcheck.checks.neural import numbered
from sbrtcheck.checks.read_levels import level_order
from sbrtcheck.checks.rule import Outcome, Row, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import build_region
from sbrtcheck.dvh import compute_band
from sbrtcheck.model import ROI, Text
from sbrtcheck.protocol.evaluate import Dosimetry, evaluate
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Limit, Line, OrganRules, Role

SAME_MM = 0.05  # rounding of plane positions, twice
SPARED = 1e-9  # of a volume: rounding of sums

LIMIT = Rule(
    id="limit.organ",
    section=Section.ORGAN,
    source="limits of the protocol",
    row=Row.LIMIT,
)
DRAWN = Rule(
    id="organ.drawn",
    section=Section.ORGAN,
    source="project choice: organs beside the vertebra that can reach their limits",
    severity="ask",
)
EXTENT = Rule(
    id="organ.extent",
    section=Section.ORGAN,
    source="project choice: an organ that runs along the spine is drawn on every plane of a target",
    severity="ask",
)
ALONE = Rule(
    id="organ.one_of_two",
    section=Section.ORGAN,
    source="project choice: paired organs are judged together",
    severity="info",
)

Subject = tuple[str, MatchedROI]


def check_organs(evidence: Evidence) -> Iterator[Finding]:
    """Yield every limit of every organ; none is required to be drawn."""
    for name, rules in evidence.protocol.organs.items():
        drawn = evidence.of_structure(name)
        if evidence.fractions is None:
            yield from _without_fractions(evidence, name, rules, drawn)
            continue
        rows = evidence.protocol.limits_of(name, evidence.fractions)
        for limit in rows:
            rule = numbered(LIMIT, limit, rows)
            if not drawn:
                yield _not_drawn(evidence, rule, limit)
            for subject, match in drawn:
                yield _limit(evidence, rule, limit, rules, (subject, match))


def _not_drawn(evidence: Evidence, rule: Rule, limit: Limit) -> Finding:
    found = not_asked(
        rule,
        Text("{organ} is not drawn", organ=limit.structure),
        subject=limit.structure,
        place=limit_place(evidence, limit),
    )
    return replace(found, metric=limit.goal.constraint.metric)


def _limit(
    evidence: Evidence, rule: Rule, limit: Limit, rules: OrganRules, pair: Subject
) -> Finding:
    subject, match = pair
    finding = graded_finding(
        evidence,
        rule,
        ladder_of(limit),
        subject=subject,
        match=match,
        place=limit_place(evidence, limit),
    )
    finding = _spared_whole(evidence, kept_by_all_of_it(evidence, finding))
    finding = _small(evidence, finding, rules, match)
    finding = _by_severity(rules, finding)
    finding = _held_by_extent(evidence, finding, limit.structure, rules)
    return _held_back(evidence, finding, match)


def _held_by_extent(
    evidence: Evidence, finding: Finding, name: str, rules: OrganRules
) -> Finding:
    """Leave the answer about an organ along the spine open where it is not drawn beside a target."""
    if not rules.along_spine or finding.outcome not in (
        Outcome.PASS,
        Outcome.VARIATION,
    ):
        return finding
    if not evidence.holds_back(EXTENT):
        return finding
    if not _gaps(evidence, name, rules) or _whole_body_keeps(evidence, name):
        return finding
    return _open(finding, EXTENT, Text("contours are missing beside a target"))


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
    evidence: Evidence, finding: Finding, rules: OrganRules, match: MatchedROI
) -> Finding:
    """Pass an ROI that is smaller than the volume asked, where its contours pass every target."""
    dvh = evidence.dvh(finding.subject)
    unknown = finding.value is not None and finding.value.value is None
    if finding.outcome is not Outcome.UNDECIDED or not unknown or not dvh.is_complete:
        return finding
    if not finding_is_too_small(finding, dvh.volume_cc):
        return finding
    message = Text("{why}: no such volume of it exists", why=finding.message)
    if rules.along_spine and _gaps(evidence, match.structure, rules):
        return finding
    return replace(
        finding, outcome=Outcome.PASS, message=message, state=State.BOUNDED, cure=None
    )


def finding_is_too_small(finding: Finding, volume_cc: float | None) -> bool:
    """Tell whether an ROI holds less than the volume that a metric asks for."""
    metric = finding.metric
    if metric is None or volume_cc is None or metric.argument is None:
        return False
    return metric.argument_unit == "cc" and volume_cc < metric.argument


def _spared_whole(evidence: Evidence, finding: Finding) -> Finding:
    """Report, not grade, that less is drawn than should be spared, where all of it is."""
    volume_cc = evidence.dvh(finding.subject).volume_cc
    value = finding.number
    if finding.metric is None or finding.metric.kind != "CV":
        return finding
    if value is None or volume_cc is None or finding.outcome in (Outcome.PASS, None):
        return finding
    if value < volume_cc * (1 - SPARED):
        return finding
    message = Text(
        "only {volume_cc} cc are drawn; all of it stays below", volume_cc=volume_cc
    )
    return replace(
        finding, outcome=None, message=message, state=None, cure=None, is_plain=False
    )


def _by_severity(rules: OrganRules, finding: Finding) -> Finding:
    """Turn what breaks or cannot answer a limit into what the organ's severity makes of it."""
    if rules.severity == "error" or finding.outcome is None:
        return finding
    if rules.severity == "info":
        return replace(finding, outcome=None)
    if finding.outcome in (Outcome.FAIL, Outcome.UNDECIDED):
        return replace(finding, outcome=Outcome.VARIATION, cure=None)
    return finding


def _held_back(evidence: Evidence, finding: Finding, match: MatchedROI) -> Finding:
    """Leave the answer about a serial organ open where the dose of the course is not known."""
    if not evidence.course.open or not is_summed(match, evidence.protocol):
        return finding
    if not evidence.holds_back(OTHER_PLANS):
        return finding
    if finding.outcome in (Outcome.FAIL, None):
        return finding
    return _open(
        finding, OTHER_PLANS, Text("the dose of the whole course is not known")
    )


def _without_fractions(
    evidence: Evidence, name: str, rules: OrganRules, drawn: Sequence[Subject]
) -> Iterator[Finding]:
    """Hold an organ to its largest lines where the fraction number is not known."""
    largest: dict[str, Line] = {}
    for row in evidence.protocol.limits:
        constraint = row.goal.constraint
        if row.structure != name or not constraint.is_upper:
            continue
        metric = str(constraint.metric)
        known = largest.get(metric, row.last_line)
        largest[metric] = max(
            known, row.last_line, key=lambda line: line.constraint.limit
        )
    for line in largest.values():
        for subject, match in drawn:
            ladder = unknown_fractions_ladder(line)
            finding = graded_finding(
                evidence, LIMIT, ladder, subject=subject, match=match
            )
            yield _by_severity(rules, _open_fractions(evidence, finding))


def _open_fractions(evidence: Evidence, finding: Finding) -> Finding:
    if finding.outcome is not Outcome.UNDECIDED:
        return finding
    why = Text("the fraction number is not known")
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
        drawn = [name for name in expected.organs if _is_drawn(evidence, name)]
        if not drawn:
            yield _absent(evidence, expected)
        for name in drawn:
            yield from _one_of_two(evidence, name)
    for name, rules in evidence.protocol.organs.items():
        levels = _expected_levels(evidence, rules.expected_at)
        if rules.along_spine and levels and _is_drawn(evidence, name):
            yield _extent(evidence, name, rules)


def _expectations(evidence: Evidence) -> Iterator[_Expectation]:
    for name, rules in evidence.protocol.organs.items():
        levels = _expected_levels(evidence, rules.expected_at)
        if levels:
            yield _Expectation((name,), levels)
    for row in evidence.protocol.expected:
        levels = _expected_levels(evidence, row.at)
        if levels:
            yield _Expectation(row.any_of, levels)


def _expected_levels(evidence: Evidence, at: Sequence[str]) -> tuple[str, ...]:
    return level_order(level for level in evidence.treated.certain if level in at)


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
    """Tell whether the whole body, targets included, taken as one organ keeps each of its D limits."""
    if evidence.fractions is None or evidence.course.open:
        return False
    rows = evidence.protocol.limits_of(name, evidence.fractions)
    lines = [row.goal for row in rows if row.goal.constraint.metric.unit == "Gy"]
    return bool(lines) and all(_body_keeps(evidence, line) for line in lines)


def _body_keeps(evidence: Evidence, line: Line) -> bool:
    """Hold the dose that the hottest volume of the grid or of the body receives to a line."""
    constraint = line.constraint
    highest_gy = float(evidence.course.highest.dose_gy.max())
    if constraint.is_upper and constraint.holds(highest_gy):
        return True
    external = next((m for _, m in evidence.drawn(Role.EXTERNAL)), None)
    if external is None or not constraint.is_upper:
        return False
    band = compute_band(external.roi, evidence.course.highest)
    if not band.nominal.is_complete:
        return False
    dosimetry = Dosimetry(dvhs={WHOLE_BODY: band.nominal}, bands={WHOLE_BODY: band})
    value = evaluate(constraint.metric, WHOLE_BODY, dosimetry)
    return value.high is not None and constraint.holds(value.high)


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
    if evidence.fractions is None:
        return False
    for limit in evidence.protocol.limits_of(name, evidence.fractions):
        for subject, match in evidence.of_structure(name):
            found = graded_finding(
                evidence, LIMIT, ladder_of(limit), subject=subject, match=match
            )
            if found.outcome is Outcome.FAIL:
                return True
    return False


def _gaps(
    evidence: Evidence, name: str | None, rules: OrganRules
) -> list[tuple[float, float]]:
    """Return the stretches beside the targets where an organ is not drawn, short ends left out."""
    names = [] if name is None else [name]
    for level in evidence.treated.certain:
        names += rules.continued_by.get(level, ())
    rois = [match.roi for other in names for _, match in evidence.of_structure(other)]
    drawn = sorted(interval for roi in rois for interval in build_region(roi).drawn_mm)
    margin_mm = evidence.protocol.neural.extent_mm
    short_mm = evidence.protocol.neural.continued_mm
    gaps = []
    for _, match in evidence.graded_targets():
        if not _is_expected_beside(evidence, match.roi, rules):
            continue
        region = build_region(match.roi)
        if region.low_mm is None or region.high_mm is None:
            continue
        target = (region.low_mm, region.high_mm)
        needed = (region.low_mm - margin_mm, region.high_mm + margin_mm)
        gaps += [
            gap
            for gap in _free(needed, drawn)
            if not _is_short_end(gap, target, short_mm)
        ]
    return gaps


def _is_expected_beside(evidence: Evidence, target: ROI, rules: OrganRules) -> bool:
    levels = evidence.treated.of_target(target.name)
    return any(level in rules.expected_at for level in levels)


def _free(
    needed: tuple[float, float], drawn: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Return what of an interval others, in order, leave free."""
    free = []
    at_mm, end_mm = needed
    for low_mm, high_mm in drawn:
        if low_mm - at_mm > SAME_MM:
            free.append((at_mm, min(low_mm, end_mm)))
        at_mm = max(at_mm, high_mm)
        if at_mm >= end_mm:
            break
    if end_mm - at_mm > SAME_MM:
        free.append((at_mm, end_mm))
    return [gap for gap in free if gap[1] - gap[0] > SAME_MM]


def _is_short_end(
    gap: tuple[float, float], target: tuple[float, float], short_mm: float
) -> bool:
    """Tell whether a gap lies beyond the target, and is short."""
    beyond = gap[1] <= target[0] + SAME_MM or gap[0] >= target[1] - SAME_MM
    return beyond and gap[1] - gap[0] <= short_mm + SAME_MM


CHECKS = (check_organs, check_organs_drawn)
