"""Outcomes as JUnit XML, which build servers show: nothing that is not a pass is green."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_junit"]

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TAGS = {
    "PASS": None,
    "VARIATION": "system-out",
    "ERROR": "error",
}  # others are failures
COUNTS = {
    "tests": "testcase",
    "failures": "failure",
    "errors": "error",
    "skipped": "skipped",
}


def write_junit(
    path: Path, cases: Sequence[tuple[str, str | None, str, str, str]]
) -> None:
    """Write a test suite for each centre: plan, centre, role, outcome and reason of each case.

    FAIL and UNDECIDED are failures, ERROR is an error, a superseded plan is skipped.
    """
    root = ET.Element("testsuites", name="sbrtcheck")
    suites: dict[str, ET.Element] = {}
    for plan, centre, role, outcome, why in cases:
        name = NOT_IN_XML.sub("?", centre or "centre not provided")
        reason = NOT_IN_XML.sub("?", why)
        if name not in suites:
            suites[name] = ET.SubElement(root, "testsuite", name=name)
        case = ET.SubElement(suites[name], "testcase", classname=name, name=plan)
        _tell(case, role, outcome, reason)
    for suite in suites.values():
        for count, tag in COUNTS.items():
            suite.set(count, str(len(list(suite.iter(tag)))))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _tell(case: ET.Element, role: str, outcome: str, reason: str) -> None:
    """Put into a test case what its outcome is to a build server; a PASS needs nothing."""
    if role == "superseded":
        ET.SubElement(case, "skipped", message=reason)
        return
    tag = TAGS.get(outcome, "failure")
    if tag == "system-out":
        ET.SubElement(case, tag).text = f"{outcome}: {reason}"
    elif tag is not None:
        ET.SubElement(case, tag, type=outcome, message=reason)
