"""Are the other organs within their limits, and are those that matter here drawn?"""

from collections.abc import Iterator
from dataclasses import replace

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.limits import graded_finding, kept_by_all_of_it
from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.model import Text
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Basis, Limit, Role


def check_organs(evidence: Evidence) -> Iterator[Finding]:
    """Yield every limit of every organ that is drawn; none is required to be."""
    for subject, match in evidence.of_role(Role.ORGAN):
        if match.structure is None or evidence.fractions is None:
            continue
        for limit in evidence.protocol.limits_of(match.structure, evidence.fractions):
            yield _limit(evidence, subject, match, limit)


def _limit(evidence: Evidence, subject: str, match: MatchedROI, limit: Limit) -> Finding:
    finding = graded_finding(
        evidence,
        finding_id="limit.organ",
        subject=subject,
        match=match,
        goal=limit.goal,
        variation=limit.variation,
    )
    finding = replace(finding, required=False)
    finding = _spared_whole(evidence, kept_by_all_of_it(evidence, finding))
    finding = _by_severity(evidence, match, finding)
    if evidence.course.problem is None:
        return finding
    return replace(finding, message=Text("{m} (dose of this plan only)", m=finding.message))


def _spared_whole(evidence: Evidence, finding: Finding) -> Finding:
    """Report, not grade, that less is drawn than should be spared, where all of it is."""
    dvh = evidence.dvh(finding.subject)
    value = None if finding.value is None else finding.value.value
    if finding.metric is None or finding.metric.kind != "CV" or value is None:
        return finding
    if finding.outcome in (Outcome.PASS, None) or value < (dvh.volume_cc or 0.0) * (1 - 1e-9):
        return finding
    message = Text(
        "only {volume_cc} cc are drawn; all of it stays below", volume_cc=dvh.volume_cc or 0.0
    )
    return replace(finding, outcome=None, message=message)


def _by_severity(evidence: Evidence, match: MatchedROI, finding: Finding) -> Finding:
    """Turn what breaks or cannot answer a limit into what the organ's severity makes of it."""
    rules = evidence.protocol.organs[match.structure or ""]
    if rules.severity == "error" or finding.outcome is None:
        return finding
    worst = Outcome.VARIATION if rules.severity == "warning" else None
    if finding.outcome in (Outcome.FAIL, Outcome.UNDECIDED):
        return replace(finding, outcome=worst)
    return finding if worst is not None else replace(finding, outcome=None)


def check_organs_drawn(evidence: Evidence) -> Iterator[Finding]:
    """Yield the organs that should be drawn at the treated levels and are not."""
    levels = evidence.treated.levels if evidence.treated.known else ()
    drawn = {match.structure for _, match in evidence.subjects if match.roi.contours}
    for name, rules in evidence.protocol.organs.items():
        here = [level for level in levels if level in rules.expected_at]
        if here and name not in drawn:
            yield Finding(
                id="organ.drawn",
                subject=name,
                outcome=Outcome.VARIATION,
                message=Text(
                    "{organ} is not drawn, or its name is not known; expected at {levels}",
                    organ=name,
                    levels=", ".join(here),
                ),
                basis=Basis.CONVENTION,
                source="project choice: organs beside the vertebra that can reach their limits",
                required=False,
            )
