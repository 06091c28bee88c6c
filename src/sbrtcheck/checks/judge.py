"""The court: `check` makes a case ready, asks every question, and proves that every rule was asked."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sbrtcheck.checks import (
    course,
    coverage,
    dose,
    facts,
    identity,
    levels,
    neural,
    organs,
    plan,
    prescription,
    structures,
)
from sbrtcheck.checks.evidence import (
    Evidence,
    Subject,
    compose_parts,
    compute_dosimetry,
    is_drawn,
    name_subjects,
)
from sbrtcheck.checks.findings import at_severity
from sbrtcheck.checks.read_course import read_course
from sbrtcheck.checks.read_levels import TreatedLevels, treated_levels
from sbrtcheck.checks.read_neural import NEURAL_ROLES, Span, read_neural, zone_of
from sbrtcheck.checks.read_prescription import read_prescription
from sbrtcheck.checks.read_targets import Targets, read_targets
from sbrtcheck.checks.rule import Row, Rule
from sbrtcheck.checks.verdict import Finding, Verdict
from sbrtcheck.contours import build_region
from sbrtcheck.dossier import Case
from sbrtcheck.errors import CaseError, ProtocolError
from sbrtcheck.model import Declared, Text
from sbrtcheck.protocol.names import MatchedROI, match_rois
from sbrtcheck.protocol.rules import Limit, Protocol, Role

__all__ = ["RULES", "check", "gather", "judge", "require_known_checks"]

Question = Callable[[Evidence], Iterator[Finding]]
SECTIONS = (
    prescription,
    levels,
    facts,
    neural,
    coverage,
    organs,
    structures,
    course,
    dose,
    identity,
    plan,
)
SOLID_ROLES = (*NEURAL_ROLES, Role.PTV, Role.CTV, Role.GTV)


def _rules() -> dict[str, Rule]:
    """Return every rule that stands in a section, by its name."""
    found: dict[str, Rule] = {}
    for section in SECTIONS:
        for value in vars(section).values():
            if isinstance(value, Rule):
                found[value.id] = value
            elif isinstance(value, dict):
                found |= {
                    rule.id: rule for rule in value.values() if isinstance(rule, Rule)
                }
    return found


RULES = _rules()


def check(case: Case, protocol: Protocol, declared: Declared | None = None) -> Verdict:
    """Ask every question of a protocol about a case.

    Parameters
    ----------
    declared
        What the user says where the files are silent; every use of it is named.

    Raises
    ------
    CaseError
        If a declaration contradicts the files.
    ProtocolError
        If the protocol names checks that there are not, or turns off what must be asked.
    UnsupportedError
        If the dose proves to be that of one session.

    Examples
    --------
    >>> from sbrtcheck import Declared, check, load_case, load_protocol
    >>> case = load_case("sample_dicom/t6_42gy7_cord_fail")
    >>> verdict = check(case, load_protocol("nct06756087"), Declared(levels=("T6",)))
    >>> [finding.subject for finding in verdict.findings if finding.outcome is verdict.outcome]
    ['SpinalCord']
    """
    return judge(gather(case, protocol, Declared() if declared is None else declared))


def require_known_checks(protocol: Protocol) -> None:
    """Raise `ProtocolError` if a protocol sets severities of checks in a way that cannot be.

    Every check has a severity of its own; a protocol names those that it changes.
    """
    by_name = dict(RULES)
    by_name |= {rule.former: rule for rule in RULES.values() if rule.former is not None}
    problems = []
    for name, severity in protocol.checks.items():
        rule = by_name.get(name)
        if rule is None:
            problems.append(f"checks.{name}: unknown check")
        elif rule.row in (Row.LIMIT, Row.COVERAGE) and severity in (
            "warning",
            "ask",
            "error",
        ):
            problems.append(
                f"checks.{name}: its lines decide what a fault is, not a severity"
            )
        elif rule.is_guarded and severity in ("info", "off"):
            problems.append(
                f"checks.{name}: '{severity}' would silence a question of {rule.section.value};"
                " error, ask or warning can be chosen"
            )
    if problems:
        raise ProtocolError(problems)


# --- Make ready ---------------------------------------------------------------------------------


def gather(case: Case, protocol: Protocol, declared: Declared) -> Evidence:
    """Make a case ready for questions; raises what `check` does but for the dose of one session."""
    require_known_checks(protocol)
    matches = _matched(case, protocol, declared)
    reading = read_prescription(case.plan, declared, protocol.schemes)
    course_of_plan = read_course(case, matches, protocol, declared)
    targets = read_targets(
        case.plan,
        case.structure_set,
        matches,
        course_of_plan.named_by_others,
        declared.levels,
    )
    # An empty entry of a template treats nothing; one that cannot be read may.
    meant = [m for m in matches if is_drawn(m) or m.roi.problem is not None]
    graded = [m for m in meant if m.role is Role.PTV and targets.graded(m.roi.name)]
    treated = treated_levels(graded, matches, case.plan, declared)
    subjects = name_subjects(matches)
    subjects = (*subjects, *compose_parts(subjects, protocol))
    spans = _spans(subjects, targets, treated, protocol, declared)
    prv = protocol.structure_of(Role.CORD_PRV)
    of_nerves = read_neural(subjects, spans, protocol.neural, prv, course_of_plan.dose)
    dosimetry, notes = compute_dosimetry(
        subjects,
        of_nerves,
        targets,
        case=case,
        course=course_of_plan,
        protocol=protocol,
        prescription=reading.prescription,
    )
    return Evidence(
        case=case,
        protocol=protocol,
        declared=declared,
        reading=reading,
        treated=treated,
        treated_with=course_of_plan.part_levels,
        course=course_of_plan,
        targets=targets,
        subjects=subjects,
        neural=of_nerves,
        dosimetry=dosimetry,
        others=tuple(match for match in matches if match.structure is None),
        notes=notes,
    )


def _matched(
    case: Case, protocol: Protocol, declared: Declared
) -> tuple[MatchedROI, ...]:
    """Return what each ROI is taken for; raises `CaseError` where a declaration contradicts it."""
    known = declared.levels or declared.facts.operated_levels
    found = match_rois(
        case.structure_set.rois, protocol, declared.aliases, levels=known
    )
    matches = tuple(_solid(match) for match in found)
    _refuse_drawn(matches, declared)
    return matches


def _solid(match: MatchedROI) -> MatchedROI:
    """Let a contour repeated a little smaller be a copy, where a skin makes no sense."""
    if match.role not in SOLID_ROLES:
        return match
    return replace(match, roi=replace(match.roi, fills_thin_holes=True))


def _refuse_drawn(matches: Sequence[MatchedROI], declared: Declared) -> None:
    """Raise `CaseError` where an organ is declared not drawn, and is."""
    for organ in declared.facts.not_drawn:
        if any(match.structure == organ and is_drawn(match) for match in matches):
            raise CaseError(
                Text("case facts: not_drawn names {organ}, which is drawn", organ=organ)
            )


def _spans(
    subjects: Sequence[Subject],
    targets: Targets,
    treated: TreatedLevels,
    protocol: Protocol,
    declared: Declared,
) -> list[Span]:
    """Return where neural contours are needed about each target of the plan."""
    spans = []
    for subject, match in subjects:
        if match.role is not Role.PTV or not targets.graded(match.roi.name):
            continue
        region = build_region(match.roi)
        if region.low_mm is None or region.high_mm is None:
            continue
        own = treated.of_target(match.roi.name)
        spans.append(
            Span(
                subject=subject,
                target=match.roi.name,
                low_mm=region.low_mm,
                high_mm=region.high_mm,
                margin_mm=protocol.neural.extent_mm,
                zone=zone_of(own, declared.facts.conus_level),
                cord_zone=zone_of(own, None),
            )
        )
    return spans


# --- Ask ----------------------------------------------------------------------------------------


def judge(evidence: Evidence) -> Verdict:
    """Ask every question; raises what `check` does of the dose of one session."""
    questions: list[Question] = [q for section in SECTIONS for q in section.CHECKS]
    asked = [finding for question in questions for finding in question(evidence)]
    off = {rule.id for rule in RULES.values() if evidence.severity(rule) == "off"}
    severities = evidence.protocol.checks
    findings = tuple(
        at_severity(found, severities) for found in asked if found.id not in off
    )
    _prove_every_rule_was_asked(evidence, findings)
    return Verdict(
        case=evidence.case,
        protocol=evidence.protocol,
        declared=evidence.declared,
        prescription=evidence.reading.prescription,
        levels=evidence.treated.certain,
        levels_source=evidence.treated.source,
        structures=evidence.judged_rois(),
        findings=findings,
        parts=evidence.course.parts,
        notes=evidence.notes,
    )


def _prove_every_rule_was_asked(
    evidence: Evidence, findings: Sequence[Finding]
) -> None:
    """Prove that each row of the protocol is answered once for each ROI of its structure."""
    keys = Counter((f.id, f.metric, f.subject) for f in findings)
    twice = [key for key, count in keys.items() if count > 1]
    assert not twice, f"answered twice: {twice}"  # noqa: S101 - the court proves itself
    answered = Counter((f.place, f.subject) for f in findings if f.place is not None)
    if evidence.fractions is None:
        return
    for limit in evidence.protocol.limits:
        if limit.fractions != evidence.fractions:
            continue
        place = f"limits[{evidence.protocol.limits.index(limit)}]"
        for subject in _subjects_of(evidence, limit):
            count = answered[place, subject]
            assert count == 1, f"{place} is answered {count} times for {subject}"  # noqa: S101
    coverage_of = [subject for subject, _ in evidence.drawn(Role.PTV)]
    for subject in coverage_of:
        assert answered["coverage", subject] == 1, f"coverage of {subject}"  # noqa: S101


def _subjects_of(evidence: Evidence, limit: Limit) -> list[str]:
    """Return whom a row is asked of: each drawn ROI of its structure, or the structure itself."""
    drawn = [subject for subject, _ in evidence.of_structure(limit.structure)]
    return drawn or [limit.structure]
