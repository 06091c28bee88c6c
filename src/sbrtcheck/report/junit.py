"""Outcomes as JUnit XML, which build servers show: nothing that is not a pass is green."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_junit"]

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
GREEN = ("PASS", "VARIATION")


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
        if role == "superseded":
            ET.SubElement(case, "skipped", message=reason)
        elif outcome == "ERROR":
            ET.SubElement(case, "error", type=outcome, message=reason)
        elif outcome not in GREEN:
            ET.SubElement(case, "failure", type=outcome, message=reason)
        elif outcome != "PASS":
            ET.SubElement(case, "system-out").text = f"{outcome}: {reason}"
    for suite in suites.values():
        for count, tag in (
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            suite.set(count, str(len(list(suite.iter(tag)))))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
