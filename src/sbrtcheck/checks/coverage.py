"""Is every target covered by the prescription? And what else is reported of targets."""

from collections.abc import Iterator

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.limits import graded_finding, unanswered
from sbrtcheck.metric import parse_metric
from sbrtcheck.model import Text
from sbrtcheck.protocol import Basis, Role
from sbrtcheck.verdict import Finding

REPORTED = tuple(
    parse_metric(text) for text in ("D95%", "D98%", "D50%", "D2%", "Dmin", "Dmax", "Dmean")
)


def check_coverage(evidence: Evidence) -> Iterator[Finding]:
    """Yield the coverage of every PTV; derived targets never stand in for one."""
    lines = evidence.protocol.coverage
    targets = evidence.of_role(Role.PTV)
    if not targets:
        derived = [m.roi.name for m in evidence.others if "PTV" in m.how.values.values()]
        message = (
            Text(
                "no PTV is drawn, only derived structures ({names}); if one is the target, name it"
                " with --alias",
                names=", ".join(derived),
            )
            if derived
            else Text("no PTV is drawn, or its name is not known; add --alias ROI=PTV")
        )
        yield unanswered(finding_id="coverage", subject="PTV", message=message, line=lines.goal)
    for subject, match in targets:
        yield graded_finding(
            evidence,
            finding_id="coverage",
            subject=subject,
            match=match,
            goal=lines.goal,
            variation=lines.variation,
        )


def report_targets(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is reported of targets and never graded (ICRU 91)."""
    for subject, match in evidence.drawn(Role.PTV):
        for metric in REPORTED:
            value = evidence.value(metric, subject)
            yield Finding(
                id="report.target",
                subject=subject,
                roi=match.roi.name,
                metric=metric,
                value=value,
                outcome=None,
                message=Text("reported"),
                reason=value.reason,
                basis=Basis.CONVENTION,
                source="ICRU report 91 (2017)",
                required=False,
            )
