"""What files tell of their making: in which order, and what the planning system was told to assume."""

import re
from collections.abc import Iterator

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import numbered_subject, reported
from sbrtcheck.checks.rule import PUBLISHED_CHECKS, Rule, Section
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import ROI, Instance, Text

ORDER = Rule(
    id="files.order",
    title="order of the files",
    number="I16",
    asks="Is the structure set no newer than plan and dose?",
    why="Contours that were drawn after the plan were not planned on. Approval stamps a structure set"
    " anew, so it is only said.",
    act="Nothing where the structure set was approved last; else compare it with the plan's.",
    section=Section.IDENTITY,
    source=PUBLISHED_CHECKS,
    severity="info",
)
ASSUMED = Rule(
    id="structures.assumed",
    title="couch, bolus, overrides",
    number="I22",
    asks="Which ROIs are couch or bolus, and of which were densities overridden? Cement, if any?",
    why="What is assumed changes the dose; cement that is not overridden is calculated as dense bone."
    " The CT is not read for it.",
    act="Nothing; compare with what was meant.",
    section=Section.STRUCTURE,
    source=PUBLISHED_CHECKS,
    severity="info",
)
CEMENT = re.compile(r"cement|pmma|骨水泥|水泥", re.IGNORECASE)
KINDS = ("SUPPORT", "BOLUS")


def check_making(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is said of the order of files and of assumptions; nothing is graded."""
    yield from _order(evidence)
    yield from _assumed(evidence)


def _order(evidence: Evidence) -> Iterator[Finding]:
    case = evidence.case
    drawn = case.structure_set.instance
    number = 0
    others = [("plan", case.plan.instance)]
    if case.dose.header is not None:
        others.append(("dose", case.dose.header.instance))
    for name, instance in others:
        if _is_newer(drawn, instance):
            number += 1
            message = Text("the structure set is newer than the {name}", name=name)
            yield reported(ORDER, message, subject=numbered_subject("case", number))


def _is_newer(one: Instance, other: Instance) -> bool:
    """Tell whether a file is surely newer: by its day, or on one day by the time of both."""
    if one.date is None or other.date is None:
        return False
    if one.date != other.date:
        return one.date > other.date
    if one.time is None or other.time is None:
        return False
    return one.time > other.time


def _assumed(evidence: Evidence) -> Iterator[Finding]:
    told = [_words(roi) for roi in evidence.case.structure_set.rois]
    said = [words for words in told if words is not None]
    for number, message in enumerate(said, 1):
        yield reported(ASSUMED, message, subject=numbered_subject("case", number))


def _words(roi: ROI) -> Text | None:
    if roi.properties:
        names = ", ".join(dict.fromkeys(name for name, _ in roi.properties))
        return Text("'{roi}' is overridden: {names}", roi=roi.name, names=names)
    if CEMENT.search(roi.name) is not None and roi.contours:
        return Text("'{roi}' is cement, not overridden?", roi=roi.name)
    if roi.interpreted_type.upper() in KINDS:
        kind = roi.interpreted_type.lower()
        return Text("'{roi}' is {kind}", roi=roi.name, kind=kind)
    return None


CHECKS = (check_making,)
