"""`check`, which asks all questions of a case."""

from collections.abc import Callable, Iterator

from sbrtcheck.checks.course import check_course, read_course, without_foreign_targets
from sbrtcheck.checks.coverage import check_coverage, report_targets
from sbrtcheck.checks.dose import check_dose
from sbrtcheck.checks.evidence import (
    Evidence,
    compose_parts,
    compute_dosimetry,
    make_prvs,
    name_subjects,
)
from sbrtcheck.checks.facts import check_facts
from sbrtcheck.checks.identity import check_approval, check_beams, check_identity, check_links
from sbrtcheck.checks.levels import TreatedLevels, check_levels, treated_levels
from sbrtcheck.checks.neural import check_neural, report_prv
from sbrtcheck.checks.organs import check_organs, check_organs_drawn
from sbrtcheck.checks.prescription import check_prescription, check_scheme, read_prescription
from sbrtcheck.checks.verdict import Finding, Verdict
from sbrtcheck.dossier import Case
from sbrtcheck.model import Declared
from sbrtcheck.protocol.names import match_rois
from sbrtcheck.protocol.rules import Protocol

__all__ = ["QUESTIONS", "check", "gather", "judge"]

QUESTIONS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    check_prescription,
    check_scheme,
    check_levels,
    check_facts,
    check_neural,
    report_prv,
    check_coverage,
    report_targets,
    check_organs,
    check_organs_drawn,
    check_course,
    check_dose,
    check_identity,
    check_links,
    check_beams,
    check_approval,
)


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
    return judge(gather(case, protocol, declared or Declared()))


def gather(case: Case, protocol: Protocol, declared: Declared) -> Evidence:
    """Make a case ready for questions; raises what `check` does but for the dose of one session."""
    matches = match_rois(
        case.structure_set.rois, protocol, declared.aliases, levels=declared.levels
    )
    matches = without_foreign_targets(matches, case)
    reading = read_prescription(case.plan, declared, protocol.schemes.tolerance_gy)
    treated = treated_levels(matches, declared)
    course = read_course(case, protocol, declared, reading.prescription)
    subjects = name_subjects(matches)
    subjects = (
        *subjects,
        *compose_parts(subjects, protocol),
        *make_prvs(subjects, protocol, course.dose),
    )
    dosimetry, notes = compute_dosimetry(subjects, case, course, protocol, reading.prescription)
    return Evidence(
        case=case,
        protocol=protocol,
        declared=declared,
        reading=reading,
        treated=treated,
        treated_with=tuple(_treated_with(part, protocol) for part in case.added),
        course=course,
        subjects=subjects,
        dosimetry=dosimetry,
        others=tuple(match for match in matches if match.structure is None),
        notes=notes,
    )


def judge(evidence: Evidence) -> Verdict:
    """Ask every question; raises what `check` does of the dose of one session."""
    treated = evidence.treated
    findings = tuple(finding for question in QUESTIONS for finding in question(evidence))
    return Verdict(
        case=evidence.case,
        protocol=evidence.protocol,
        declared=evidence.declared,
        prescription=evidence.reading.prescription,
        levels=treated.levels if treated.known else (),
        levels_source=treated.problem or treated.source,
        structures=evidence.judged_rois(),
        findings=findings,
        notes=evidence.notes,
    )


def _treated_with(part: Case, protocol: Protocol) -> TreatedLevels:
    """Return the levels that an added plan treats, from the names in its own files."""
    matches = match_rois(part.structure_set.rois, protocol, {})
    return treated_levels(without_foreign_targets(matches, part), Declared())
