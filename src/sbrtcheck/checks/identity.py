"""Do the files speak of one patient, one image and one another?"""

import re
from collections.abc import Iterator, Sequence

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import answer, asked, by_severity, numbered_subject
from sbrtcheck.checks.rule import PUBLISHED_CHECKS, Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import why_unreadable
from sbrtcheck.dossier import Case
from sbrtcheck.model import Instance, Text

ONE_PATIENT = Text("export the files of one patient again, or mend what differs")

IDENTITY = Rule(
    id="identity",
    title="patient",
    asks="Do plan, structure set and dose state the same patient?",
    why="Names and birth dates that differ under one ID may be two patients.",
    act="Check whose files these are; export them again from one record.",
    section=Section.IDENTITY,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
FRAME = Rule(
    id="frame",
    title="frame of reference",
    asks="Do structure set and dose lie in the same frame of reference?",
    why="Else contours and dose are not in the same space, however well they seem to fit.",
    act="Export structure set and dose of one registration.",
    section=Section.IDENTITY,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
LINKS = Rule(
    id="links",
    title="links between files",
    asks="Do the files name each other?",
    why="UIDs prove that files belong together; a file chosen by hand proves only"
    " that somebody thought so.",
    act="Export the set again, or confirm that the file given by hand is the right one.",
    section=Section.IDENTITY,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
READABLE = Rule(
    id="roi.readable",
    title="contours",
    asks="Can the contours of every ROI that has a part in the verdict be read?",
    why="What cannot be read is not judged.",
    act="Repair the contours in the planning system and export the structure set again.",
    section=Section.STRUCTURE,
    source=PUBLISHED_CHECKS,
    severity="ask",
)


def check_identity(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether the identities in the files agree; the values themselves are not shown."""
    instances = [link.instance for link in evidence.case.links]
    differing = _differing(instances)
    with_id = [i for i in instances if i.patient.patient_id]
    partly = 0 < len(with_id) < len(instances)
    message = Text("no file holds a patient ID: linked by UIDs only")
    if with_id:
        message = Text("one patient in all files")
    if partly:
        message = Text(
            "the patient ID stands in {some} files of {all}",
            some=len(with_id),
            all=len(instances),
        )
    if differing:
        message = Text("{what} differ between the files", what=" and ".join(differing))
    yield by_severity(
        IDENTITY,
        evidence.protocol.checks,
        message,
        fault=bool(differing) or partly,
        cure=ONE_PATIENT,
    )
    yield _frame(evidence)


def _differing(instances: Sequence[Instance]) -> list[str]:
    names = {_name(i.patient.name) for i in instances if i.patient.name}
    births = {i.patient.birth_date for i in instances if i.patient.birth_date}
    found = {"names": names, "birth dates": births}
    return [what for what, values in found.items() if len(values) > 1]


def _name(name: str) -> str:
    return re.sub(r"[\s^=,]+", " ", name).strip().casefold()


def _frame(evidence: Evidence) -> Finding:
    """Without a stated frame of reference nobody knows that dose and contours lie together."""
    if _states_frames(evidence.case):
        message = Text("dose and contours lie in one frame of reference")
        return answer(FRAME, Outcome.PASS, message)
    message = Text(
        "dose or contours state no frame of reference: they cannot be proven to match"
    )
    cure = Text("export dose and structure set again with their Frame of Reference UID")
    return asked(FRAME, message, state=State.MISSING, cure=cure, subject="case")


def _states_frames(case: Case) -> bool:
    """Tell whether dose and contours state where they lie; a structure set does for its ROIs."""
    if case.dose_frame_uid is None:
        return False
    structures = case.structure_set
    if structures.instance.frame_of_reference_uid:
        return True
    return all(roi.frame_of_reference_uid for roi in structures.rois if roi.contours)


def check_links(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether each file is the one that the UIDs name."""
    severities = evidence.protocol.checks
    foreign = [link for link in evidence.case.links if not link.matches_uid]
    cure = Text("give the file that the UIDs name")
    for number, link in enumerate(foreign, start=1):
        subject = numbered_subject(link.kind, number)
        yield by_severity(
            LINKS, severities, link.how, fault=True, cure=cure, subject=subject
        )
    if not foreign:
        message = Text("plan, structure set and dose name one another")
        yield by_severity(LINKS, severities, message, fault=False, cure=cure)


def check_readable(evidence: Evidence) -> Iterator[Finding]:
    """Yield the ROIs with a role whose contours cannot be read."""
    cure = Text("export the structure set again, or take the ROI out of it")
    for subject, match in evidence.subjects:
        problem = why_unreadable(match.roi)
        if problem is None:
            continue
        message = Text("'{roi}' cannot be read: {why}", roi=match.roi.name, why=problem)
        yield asked(
            READABLE,
            message,
            state=State.MISSING,
            cure=cure,
            subject=subject,
            roi=match.roi.name,
        )


CHECKS = (check_identity, check_links, check_readable)
