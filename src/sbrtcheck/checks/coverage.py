"""Is every target covered by the prescription? And what else is reported of targets."""

from collections.abc import Iterator

from sbrtcheck.checks.evidence import ALL_TARGETS, Evidence
from sbrtcheck.checks.limits import graded_finding, unanswered
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Text
from sbrtcheck.protocol.metric import Metric, parse_metric
from sbrtcheck.protocol.rules import Basis, Role

REPORTED = tuple(
    parse_metric(text) for text in ("D95%", "D98%", "D50%", "D2%", "Dmin", "Dmax", "Dmean")
)
SMALL_CC = 2.0  # ICRU 91: below it, 35 mm3 stand for 2 %
REPORTED_SMALL = tuple(parse_metric(text) for text in ("D35mm3", "DC35mm3"))
INDICES = tuple(
    parse_metric(text) for text in ("CI.rtog", "CI.paddick", "GI.paddick", "R50", "HI.icru83")
)


def check_coverage(evidence: Evidence) -> Iterator[Finding]:
    """Yield the coverage of every PTV; derived targets never stand in for one."""
    lines = evidence.protocol.coverage
    targets = evidence.of_role(Role.PTV)
    if not targets:
        message = _without_target(evidence)
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


def _without_target(evidence: Evidence) -> Text:
    """Say that there is no PTV, and which ROIs could be one."""
    alike = [m for m in evidence.others if m.alike is Role.PTV and m.roi.contours]
    unclear = [m.roi.name for m in alike if not m.is_derived]
    derived = [m.roi.name for m in alike if m.is_derived]
    if unclear:
        return Text(
            "no PTV is known by its name; if one of these is the target, add {cures}",
            cures=", ".join(f'--alias "{name}=PTV"' for name in unclear),
        )
    if derived:
        return Text(
            "no PTV is drawn, only derived structures ({names}); if one is the target, name it"
            " with --alias",
            names=", ".join(derived),
        )
    return Text("no PTV is drawn, or its name is not known; add --alias ROI=PTV")


def report_targets(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is reported of targets and never graded (ICRU 91, indices by name)."""
    for subject, match in evidence.drawn(Role.PTV):
        small = (evidence.dvh(subject).volume_cc or 0.0) < SMALL_CC
        for metric in (*REPORTED, *(REPORTED_SMALL if small else ()), *INDICES):
            yield _reported(evidence, subject, match.roi.name, metric)
    if ALL_TARGETS in evidence.dosimetry.dvhs:
        for metric in INDICES:
            yield _reported(evidence, ALL_TARGETS, None, metric)


def _reported(evidence: Evidence, subject: str, roi: str | None, metric: Metric) -> Finding:
    value = evidence.value(metric, subject)
    return Finding(
        id="report.target",
        subject=subject,
        roi=roi,
        metric=metric,
        value=value,
        outcome=None,
        message=Text("reported"),
        reason=value.reason,
        basis=Basis.CONVENTION,
        source="formulas as named" if metric in INDICES else "ICRU report 91 (2017)",
        required=False,
    )
