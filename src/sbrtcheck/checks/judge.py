"""The court: `check` makes a case ready, asks every question, and proves that every rule was asked."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sbrtcheck.checks import (
    cord_shape,
    course,
    coverage,
    delivery,
    dose,
    dose_values,
    facts,
    identity,
    levels,
    making,
    neural,
    organs,
    plan,
    prescription,
    prior,
    structures,
    target_shape,
    where,
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
from sbrtcheck.checks.limits import limit_place
from sbrtcheck.checks.read_course import read_course
from sbrtcheck.checks.read_levels import (
    TreatedLevels,
    refuse_unknown_levels,
    treated_levels,
)
from sbrtcheck.checks.read_neural import NEURAL_ROLES, Span, read_neural, zone_of
from sbrtcheck.checks.read_prescription import read_prescription
from sbrtcheck.checks.read_targets import Targets, read_targets
from sbrtcheck.checks.rule import SEVERITY_OUTCOME, Row, Rule
from sbrtcheck.checks.verdict import Finding, Verdict
from sbrtcheck.checks.where import located
from sbrtcheck.contours import build_region, why_unreadable
from sbrtcheck.dossier import Case
from sbrtcheck.errors import CaseError, ProtocolError
from sbrtcheck.model import Declared, Text
from sbrtcheck.protocol.names import MatchedROI, match_rois
from sbrtcheck.protocol.rules import Limit, Protocol, Role, Severity

__all__ = ["RULES", "check", "gather", "judge", "require_known_checks"]

Question = Callable[[Evidence], Iterator[Finding]]
SECTIONS = (
    prescription,
    levels,
    facts,
    prior,
    neural,
    cord_shape,
    coverage,
    target_shape,
    organs,
    structures,
    course,
    dose,
    identity,
    plan,
    delivery,
    dose_values,
    making,
    where,
)
MOST_OF_STRUCTURE = 50  # ROIs; each is judged for itself
SOLID_ROLES = (*NEURAL_ROLES, Role.PTV, Role.CTV, Role.GTV)


def _rules() -> dict[str, Rule]:
    """Return every rule that stands in a section, by its name."""
    found: dict[str, Rule] = {}
    for section in SECTIONS:
        for constant in vars(section).values():
            found |= {rule.id: rule for rule in _rules_of(constant)}
    return found


def _rules_of(constant: object) -> list[Rule]:
    """Return the rules of a name in a module: one, a table of them, or none."""
    values = [constant]
    if isinstance(constant, dict):
        values = list(constant.values())
    return [value for value in values if isinstance(value, Rule)]


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
    if declared is None:
        declared = Declared()
    return judge(gather(case, protocol, declared))


def require_known_checks(protocol: Protocol) -> None:
    """Raise `ProtocolError` if a protocol sets severities of checks in a way that cannot be.

    Every check has a severity of its own; a protocol names those that it changes.
    """
    by_name = dict(RULES)
    by_name |= {rule.former: rule for rule in RULES.values() if rule.former is not None}
    problems = []
    for name, severity in protocol.checks.items():
        problem = _why_not_set(by_name.get(name), severity)
        if problem is not None:
            problems.append(f"checks.{name}: {problem}")
    if problems:
        raise ProtocolError(problems)


def _why_not_set(rule: Rule | None, severity: Severity) -> str | None:
    """Say why a protocol may not give a check this severity; None if it may."""
    if rule is None:
        return "unknown check"
    is_silent = SEVERITY_OUTCOME[severity] is None
    has_lines = rule.row in (Row.LIMIT, Row.COVERAGE)
    if has_lines and not is_silent:
        return "its lines decide what a fault is, not a severity"
    if rule.is_guarded and is_silent:
        return (
            f"'{severity}' would silence a question of {rule.section.value};"
            " error, ask or warning can be chosen"
        )
    return None


# --- Make ready ---------------------------------------------------------------------------------


def gather(case: Case, protocol: Protocol, declared: Declared) -> Evidence:
    """Make a case ready for questions; raises what `check` does but for the dose of one session."""
    require_known_checks(protocol)
    refuse_unknown_levels(declared)
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
    graded = [match for match in matches if _is_graded(match, targets)]
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
    _refuse_crowd(matches)
    _refuse_drawn(matches, declared)
    return matches


def _solid(match: MatchedROI) -> MatchedROI:
    """Let a contour repeated a little smaller be a copy, where a skin makes no sense."""
    if match.role not in SOLID_ROLES:
        return match
    return replace(match, roi=replace(match.roi, fills_thin_holes=True))


def _refuse_crowd(matches: Sequence[MatchedROI]) -> None:
    """Raise `CaseError` where more ROIs are taken for one structure than a patient has."""
    counts = Counter(
        match.structure for match in matches if match.structure is not None
    )
    for structure, count in counts.items():
        if count > MOST_OF_STRUCTURE:
            raise CaseError(
                Text(
                    "{count} ROIs are taken for {structure}, more than {most}; give the structure set"
                    " of this plan with --struct",
                    count=count,
                    structure=structure,
                    most=MOST_OF_STRUCTURE,
                )
            )


def _refuse_drawn(matches: Sequence[MatchedROI], declared: Declared) -> None:
    """Raise `CaseError` where an organ is declared not drawn, and is."""
    drawn = {match.structure for match in matches if is_drawn(match)}
    for organ in declared.facts.not_drawn:
        if organ in drawn:
            raise CaseError(
                Text("case facts: not_drawn names {organ}, which is drawn", organ=organ)
            )


def _is_graded(match: MatchedROI, targets: Targets) -> bool:
    """Tell whether an ROI is a target of this plan, drawn or at least meant to be."""
    if match.role is not Role.PTV:
        return False
    if not targets.graded(match.roi.name):
        return False
    # An empty entry of a template treats nothing; one that cannot be read may.
    if is_drawn(match):
        return True
    return why_unreadable(match.roi) is not None


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
        if not _is_graded(match, targets):
            continue
        slabs = build_region(match.roi).slabs
        if not slabs:
            continue
        own = treated.of_target(match.roi.name)
        spans.append(
            Span(
                subject=subject,
                target=match.roi.name,
                low_mm=slabs[0].low_mm,
                high_mm=slabs[-1].high_mm,
                margin_mm=protocol.neural.extent_mm,
                zone=zone_of(own, declared.facts.conus_level),
                cord_zone=zone_of(own, None),
            )
        )
    return spans


# --- Ask ----------------------------------------------------------------------------------------


def judge(evidence: Evidence) -> Verdict:
    """Ask every question; raises what `check` does of the dose of one session."""
    severities = evidence.protocol.checks
    findings = tuple(
        located(evidence, at_severity(found, severities))
        for found in _asked(evidence)
        if evidence.severity(found.rule) != "off"
    )
    _prove_one_answer_each(findings)
    _prove_every_row_was_asked(evidence, findings)
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


def _asked(evidence: Evidence) -> Iterator[Finding]:
    for section in SECTIONS:
        questions: Sequence[Question] = section.CHECKS
        for question in questions:
            yield from question(evidence)


def _prove_one_answer_each(findings: Sequence[Finding]) -> None:
    """Prove that no rule is answered twice about one subject."""
    keys = Counter((f.id, f.metric, f.subject) for f in findings)
    twice = [key for key, count in keys.items() if count > 1]
    assert not twice, f"answered twice: {twice}"  # noqa: S101 - the court proves itself


def _prove_every_row_was_asked(evidence: Evidence, findings: Sequence[Finding]) -> None:
    """Prove that each row of the protocol is answered once for each ROI of its structure."""
    answered = Counter((f.place, f.subject) for f in findings)
    for place, subject in _rows_to_answer(evidence):
        count = answered[place, subject]
        assert count == 1, f"{place} is answered {count} times for {subject}"  # noqa: S101


def _rows_to_answer(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Yield the place of each row, with each ROI that it is asked of."""
    for limit in evidence.protocol.limits:
        if limit.fractions == evidence.fractions:
            place = limit_place(evidence, limit)
            for subject in _subjects_of(evidence, limit):
                yield place, subject
    for subject, _ in evidence.drawn(Role.PTV):
        yield "coverage", subject


def _subjects_of(evidence: Evidence, limit: Limit) -> list[str]:
    """Return whom a row is asked of: each drawn ROI of its structure, or the structure itself."""
    drawn = evidence.of_structure(limit.structure)
    if not drawn:
        return [limit.structure]
    return [subject for subject, _ in drawn]
