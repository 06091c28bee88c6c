"""Is every target covered by the prescription, and is what is prescribed what is judged?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sbrtcheck.checks.evidence import ALL_TARGETS, Evidence
from sbrtcheck.checks.findings import asked, numbered_subject, reported
from sbrtcheck.checks.limits import Ladder, Step, graded_finding
from sbrtcheck.checks.read_targets import Standing
from sbrtcheck.checks.rule import Outcome, Row, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.dvh import DVHResult, compute_band
from sbrtcheck.model import Text, Value
from sbrtcheck.protocol.evaluate import evaluate_metric
from sbrtcheck.protocol.metric import Constraint, Metric, parse_metric
from sbrtcheck.protocol.names import MatchedROI, target_of_same_level
from sbrtcheck.protocol.rules import Basis, Coverage, Role

AT_GOAL_POINTS = 0.5  # percentage points: clinics normalise to exactly the goal
REPORTED = tuple(
    parse_metric(text)
    for text in ("D95%", "D98%", "D50%", "D2%", "Dmin", "Dmax", "Dmean")
)
SMALL_CC = 2.0  # ICRU 91: below it, 35 mm3 stand for 2 %
REPORTED_SMALL = tuple(parse_metric(text) for text in ("D35mm3", "DC35mm3"))
INDICES = tuple(
    parse_metric(text)
    for text in ("CI.rtog", "CI.paddick", "GI.paddick", "R50", "HI.icru83")
)
ICRU_91 = "ICRU report 91 (2017)"

COVERAGE = Rule(
    id="coverage",
    title="target coverage",
    asks="Does the prescribed dose cover as much of each target as the protocol asks?",
    why="A cold target fails to control pain and tumour; where coverage had to yield"
    " to the cord it is a variation down to the protocol's second line.",
    act="Improve coverage, or record why the neural structure did not allow it.",
    section=Section.TARGET,
    source=ICRU_91,
    row=Row.COVERAGE,
)
PRESCRIBED = Rule(
    id="target.prescribed",
    title="what is prescribed to",
    number="I17",
    asks="Is every target judged to which the plan prescribes, and does every target"
    " belong to the plan?",
    why="A prescription to a target that is not judged is a treatment that nobody checked.",
    act="Name or draw the target, add the plan that treats it with --with, or leave"
    " its level out with --levels.",
    section=Section.TARGET,
    source="AAPM TG-275 (Ford 2020): the plan treats what is prescribed",
    severity="ask",
)
UNCLEAR = Rule(
    id="target.unclear",
    title="possible target",
    number="I17",
    asks="Is there a ROI that looks like a target and is not known to be one?",
    why="It may be treated and not judged; its median dose is printed.",
    act="Add --alias 'ROI=PTV' if it is treated; name it as what it is if not.",
    section=Section.TARGET,
    source="AAPM TG-275 (Ford 2020): the plan treats what is prescribed",
    severity="ask",
)
REPORT = Rule(
    id="report.target",
    title="target dose",
    asks="How conformal, steep and homogeneous is the dose of each target?",
    why="CI, GI, R50 and HI compare plans; by themselves they decide nothing.",
    act="Nothing; they are reported.",
    section=Section.TARGET,
    source=ICRU_91,
    severity="info",
    row=Row.REPORT,
)
INDEX = Rule(
    id="report.target",
    title="target index",
    asks="How conformal, steep and homogeneous is the dose of each target?",
    why="CI, GI, R50 and HI compare plans; by themselves they decide nothing.",
    act="Nothing; they are reported.",
    section=Section.TARGET,
    source="formulas as named",
    severity="info",
    row=Row.REPORT,
)
INNER = Rule(
    id="report.coverage",
    title="coverage of GTV and CTV",
    asks="How well are GTV and CTV covered?",
    why="A PTV that was cut back at the cord says little of the tumour itself.",
    act="Nothing; it is reported.",
    section=Section.TARGET,
    source=ICRU_91,
    severity="info",
    row=Row.REPORT,
)


def check_coverage(evidence: Evidence) -> Iterator[Finding]:
    """Yield the coverage of every PTV; derived targets never stand in for one."""
    lines = evidence.protocol.coverage
    targets = evidence.drawn(Role.PTV)
    if not evidence.graded_targets():
        yield _without_target(evidence)
    for subject, match in targets:
        yield _coverage(evidence, lines, subject, match)


def _ladder(lines: Coverage) -> Ladder:
    """Return the lines of coverage; where the last is a convention, the nominal value decides."""
    steps = [Step(lines.goal, Outcome.PASS)]
    if lines.variation is not None:
        steps.append(Step(lines.variation, Outcome.VARIATION))
    is_convention = steps[-1].line.basis is Basis.CONVENTION
    return Ladder(steps=tuple(steps), nominal_decides=is_convention)


def _coverage(
    evidence: Evidence, lines: Coverage, subject: str, match: MatchedROI
) -> Finding:
    finding = graded_finding(
        evidence,
        COVERAGE,
        _ladder(lines),
        subject=subject,
        match=match,
        place="coverage",
    )
    finding = _at_goal(finding, lines)
    if evidence.reading.prescription is None and finding.outcome is Outcome.UNDECIDED:
        cure = Text("settle the prescription")
        finding = replace(finding, held_by="prescription", cure=cure)
    standing = evidence.targets.standing[match.roi.name]
    return _by_standing(finding, match, standing)


def _by_standing(finding: Finding, match: MatchedROI, standing: Standing) -> Finding:
    """Ask whose target misses its lines where others are named; report that of another plan."""
    if standing is Standing.OWN:
        return finding
    if finding.outcome is Outcome.PASS:
        return finding
    if standing is Standing.UNNAMED:
        return _of_whom(finding, match)
    words = {
        Standing.FOREIGN: Text("the target of another plan: {m}", m=finding.message),
        Standing.LEFT_OUT: Text(
            "left out by the declared levels: {m}", m=finding.message
        ),
    }
    return replace(
        finding,
        outcome=None,
        message=words[standing],
        state=None,
        reason=None,
        cure=None,
        is_plain=False,
    )


def _at_goal(finding: Finding, lines: Coverage) -> Finding:
    """Pass a miss of the goal that is smaller than half a point and than its own uncertainty."""
    goal = lines.goal.constraint
    margin = _small_miss(finding, goal)
    if margin is None:
        return _at_limit_words(finding)
    return replace(
        finding,
        outcome=Outcome.PASS,
        message=Text("at goal: {line} lies within its interval", line=str(goal)),
        state=State.AT_GOAL,
        reason=Text("at goal"),
        line=goal,
        margin=margin,
        line_basis=lines.goal.basis,
        line_source=lines.goal.source,
        is_plain=False,
    )


def _small_miss(finding: Finding, goal: Constraint) -> float | None:
    """Return by how much a goal is missed, where that is little and the interval reaches the goal."""
    if finding.outcome is not Outcome.VARIATION:
        return None
    value = finding.value
    if value is None or value.value is None:
        return None
    if not _reaches(goal, value):
        return None
    margin = goal.margin(value.value)
    if margin <= -AT_GOAL_POINTS:
        return None
    return margin


def _reaches(goal: Constraint, value: Value) -> bool:
    """Tell whether the upper end of an interval keeps a least coverage."""
    if goal.is_upper or value.high is None:
        return False
    return goal.holds(value.high)


def _at_limit_words(finding: Finding) -> Finding:
    """Say where only the nominal value keeps or misses a line of convention."""
    if finding.state is not State.AT_LIMIT or finding.outcome is Outcome.UNDECIDED:
        return finding
    message = Text("{m}, at limit: the nominal value decides", m=finding.message)
    return replace(finding, message=message, is_plain=False)


def _of_whom(finding: Finding, match: MatchedROI) -> Finding:
    """Ask whether a target is treated by this plan, which names others and misses this one."""
    message = Text(
        "{m}; the plan names other targets: is '{roi}' treated by it?",
        m=finding.message,
        roi=match.roi.name,
    )
    cure = Text("add the plan that treats it, or leave its level out with --levels")
    return replace(
        finding,
        outcome=Outcome.UNDECIDED,
        message=message,
        reason=message,
        state=State.DECLARE,
        cure=cure,
        is_plain=False,
    )


def _without_target(evidence: Evidence) -> Finding:
    """Say that there is no PTV, and which ROIs could be one."""
    unclear: list[str] = []
    derived: list[str] = []
    names = {False: unclear, True: derived}
    for match in evidence.others:
        if match.alike is Role.PTV and match.roi.contours:
            names[match.is_derived].append(match.roi.name)
    inner = [match.roi.name for _, match in evidence.drawn(Role.CTV, Role.GTV)]
    message = Text("no PTV is drawn, or its name is not known")
    if derived and not unclear:
        message = Text(
            "no PTV is drawn, only derived structures ({names})",
            names=", ".join(derived),
        )
    cure = _alias_cure([*unclear, *inner[:1], *derived])
    finding = asked(COVERAGE, message, state=State.DECLARE, cure=cure, subject="PTV")
    goal = evidence.protocol.coverage.goal
    return replace(
        finding, line_basis=goal.basis, line_source=goal.source, place="coverage"
    )


def _alias_cure(names: Sequence[str]) -> Text:
    if not names:
        return Text("add --alias ROI=PTV")
    cures = " or ".join(f'--alias "{name}=PTV"' for name in names)
    return Text("if one of these is the target, add {cures}", cures=cures)


# --- What is prescribed and what is judged ------------------------------------------------------


def check_targets(evidence: Evidence) -> Iterator[Finding]:
    """Yield what the plan prescribes to and is not judged, and what looks like a target."""
    for number, one in enumerate(evidence.targets.prescribed_elsewhere, start=1):
        yield asked(
            PRESCRIBED,
            one.why,
            state=State.DECLARE,
            cure=one.cure,
            subject=numbered_subject("plan", number),
        )
    for match in evidence.targets.unclear:
        yield _unclear(evidence, match)


def _unclear(evidence: Evidence, match: MatchedROI) -> Finding:
    """Ask about an ROI that looks like a target and shares little with the judged ones."""
    metric = evidence.protocol.coverage.goal.constraint.metric
    band = compute_band(match.roi, evidence.case.dose)
    median = evaluate_metric("D50%", band).value
    message = Text("'{roi}' looks like a target that is not judged", roi=match.roi.name)
    if median is not None:
        message = Text(
            "'{roi}' looks like a target that is not judged; its median dose is {dose_gy} Gy",
            roi=match.roi.name,
            dose_gy=median,
        )
    cure = Text(
        "if it is treated, add --alias '{roi}=PTV'; if not, name it as what it is",
        roi=match.roi.name,
    )
    known = [drawn for _, drawn in evidence.subjects]
    if match.role is not None and target_of_same_level(match, known) is not None:
        # An alias may not overrule the table.
        cure = Text("name it as what it is, and export the structure set again")
    finding = asked(
        UNCLEAR,
        message,
        state=State.DECLARE,
        cure=cure,
        subject=match.roi.name,
        roi=match.roi.name,
    )
    value = evaluate_metric(metric, band, prescription=evidence.reading.prescription)
    return replace(finding, metric=metric, value=value)


# --- What is reported ---------------------------------------------------------------------------


def report_targets(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is reported of targets and never graded (ICRU 91, indices by name)."""
    for subject, match in evidence.drawn(Role.PTV):
        for metric in _metrics_of(evidence.dvh(subject)):
            yield _reported(evidence, REPORT, subject, match.roi.name, metric)
        yield from _indices(evidence, subject, match.roi.name)
    if ALL_TARGETS in evidence.dosimetry.dvhs:
        yield from _indices(evidence, ALL_TARGETS, None)
    yield from _inner_coverage(evidence)


def _metrics_of(dvh: DVHResult) -> tuple[Metric, ...]:
    """Return what ICRU 91 reports of a target: of a small one more."""
    if dvh.volume_cc is None or dvh.volume_cc >= SMALL_CC:
        return REPORTED
    return (*REPORTED, *REPORTED_SMALL)


def _indices(evidence: Evidence, subject: str, roi: str | None) -> Iterator[Finding]:
    for metric in INDICES:
        yield _reported(evidence, INDEX, subject, roi, metric)


def _inner_coverage(evidence: Evidence) -> Iterator[Finding]:
    """Yield the coverage of CTVs and GTVs, by the metric that targets are held to."""
    metric = evidence.protocol.coverage.goal.constraint.metric
    for subject, match in evidence.drawn(Role.CTV, Role.GTV):
        yield _reported(evidence, INNER, subject, match.roi.name, metric)


def _reported(
    evidence: Evidence, rule: Rule, subject: str, roi: str | None, metric: Metric
) -> Finding:
    value = evidence.value(metric, subject)
    finding = reported(rule, Text("reported"), subject=subject, roi=roi)
    return replace(finding, metric=metric, value=value, reason=value.reason)


CHECKS = (check_coverage, check_targets, report_targets)
