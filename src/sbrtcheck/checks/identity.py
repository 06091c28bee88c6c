"""Do the files speak of one patient, one image and one another? Who approved the plan?"""

import re
from collections.abc import Iterator

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.model import Text
from sbrtcheck.protocol.rules import Basis, Severity

SEVERITY_OUTCOME: dict[Severity, Outcome | None] = {
    "error": Outcome.FAIL,
    "warning": Outcome.VARIATION,
    "info": None,
}
SOURCE = "AAPM MPPG 11.a (Xia 2021), plan and data integrity"


def check_identity(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether the identities in the files agree; the values themselves are not shown."""
    instances = [link.instance for link in evidence.case.links]
    differing = [
        what
        for what, values in (
            ("names", {_name(i.patient.name) for i in instances if i.patient.name}),
            ("birth dates", {i.patient.birth_date for i in instances if i.patient.birth_date}),
        )
        if len(values) > 1
    ]
    with_id = [i for i in instances if i.patient.patient_id]
    partly = 0 < len(with_id) < len(instances)
    if differing:
        message = Text("{what} differ between the files", what=" and ".join(differing))
    elif partly:
        message = Text(
            "the patient ID stands in {some} files of {all}", some=len(with_id), all=len(instances)
        )
    elif with_id:
        message = Text("one patient in all files")
    else:
        message = Text("no file holds a patient ID: linked by UIDs only")
    yield _finding(evidence, "identity", message, fault=bool(differing) or partly)
    yield _frame(evidence)


def _name(name: str | None) -> str:
    return re.sub(r"[\s^=,]+", " ", name or "").strip().casefold()


def _frame(evidence: Evidence) -> Finding:
    """Without a stated frame of reference nobody knows that dose and contours lie together."""
    dose = next(link.instance for link in evidence.case.links if link.kind == "RT Dose")
    drawn = [roi for roi in evidence.case.structure_set.rois if roi.contours]
    structures = evidence.case.structure_set.instance.frame_of_reference_uid
    stated = dose.frame_of_reference_uid is not None and all(
        roi.frame_of_reference_uid or structures for roi in drawn
    )
    return Finding(
        id="frame",
        subject="case",
        outcome=Outcome.PASS if stated else Outcome.UNDECIDED,
        message=(
            Text("dose and contours lie in one frame of reference")
            if stated
            else Text(
                "dose or contours state no frame of reference: they cannot be proven to match"
            )
        ),
        basis=Basis.CONVENTION,
        source=SOURCE,
    )


def check_links(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether each file is the one that the UIDs name."""
    foreign = [link for link in evidence.case.links if not link.matches_uid]
    for link in foreign:
        yield _finding(evidence, "links", link.how, fault=True, subject=link.kind)
    if not foreign:
        yield _finding(evidence, "links", Text("plan, structure set and dose name one another"))


def check_beams(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether the beams that the fraction groups name are in the plan, and any treats."""
    plan = evidence.case.plan
    named = {number for group in plan.fraction_groups for number in group.beam_numbers}
    missing = sorted(named - {beam.number for beam in plan.beams}, key=str)
    treating = [beam for beam in plan.beams if beam.treats]
    if missing:
        listed = ", ".join("?" if number is None else str(number) for number in missing)
        message = Text("the fraction group names beams that the plan lacks: {beams}", beams=listed)
    elif not treating:
        message = Text("the plan holds no treatment beam")
    else:
        message = Text("{count} treatment beams", count=len(treating))
    yield _finding(evidence, "beams", message, fault=bool(missing) or not treating)


def check_approval(evidence: Evidence) -> Iterator[Finding]:
    """Yield the approval status of the plan; plans are checked before approval, so it is reported."""
    status = evidence.case.plan.instance.approval_status
    message = Text("the plan is {status}", status=status or "without approval status")
    yield _finding(evidence, "approval", message, fault=status != "APPROVED")


def _finding(
    evidence: Evidence, check: str, message: Text, *, fault: bool = False, subject: str = "case"
) -> Finding:
    severity = evidence.protocol.checks[check]
    worst = SEVERITY_OUTCOME[severity]
    return Finding(
        id=check,
        subject=subject,
        outcome=worst if fault or worst is None else Outcome.PASS,
        message=message,
        basis=Basis.CONVENTION,
        source=SOURCE,
        required=severity != "info",
    )
