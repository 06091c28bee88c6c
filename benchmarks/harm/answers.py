"""What a harmed case may end in, and what it may show."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Findings", "better", "findings_of", "shown_wrongly"]

ACCUSING = ("plan.rejected",)  # by an attribute that need not be there
FORMULA = re.compile(r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?\d[\d.,eE+-]*\Z")
UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
SEVERITY = {"PASS": 0, "VARIATION": 1, "UNDECIDED": 2, "FAIL": 3}
FOLLOWS = "dose.fits_prescription"  # states no value of its own
Findings = Mapping[tuple[str, str, str], Mapping[str, Any]]


def shown_wrongly(text: str, *, is_table: bool, hidden: tuple[str, ...]) -> list[str]:
    """Tell what an output must not hold: tracebacks, unseen characters, formulas, identity."""
    faults = []
    if "Traceback (most recent call last)" in text or "internal error" in text:
        faults.append("traceback")
    unseen = {
        character
        for character in set(text)
        if unicodedata.category(character) in UNSEEN and character not in "\n\ufeff"
    }
    if is_table:
        unseen -= {"\r"}
        faults += [f"formula {cell[:30]!r}" for cell in _cells(text) if _counts(cell)]
    if unseen:
        faults.append(f"unseen characters {sorted(unseen)}")
    faults += [f"identity {word}" for word in hidden if word in text]
    return faults


def _cells(text: str) -> Iterator[str]:
    for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))):
        yield from row


def _counts(cell: str) -> bool:
    """Tell whether a spreadsheet would take a cell for a formula."""
    return bool(FORMULA.match(cell.lstrip(" "))) and not NUMBER.match(cell)


def findings_of(path: Path) -> Findings | None:
    """Return what a recorded verdict grades; None where none was reached."""
    try:
        verdict = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    return {
        (row["id"], row["metric"] or "", row["subject"]): row
        for row in verdict["findings"]
        if row["outcome"] is not None
    }


def better(before: Findings, after: Findings) -> list[str]:
    """Tell which answers that held the unharmed plan back are milder without reason.

    The laws of dose and of evidence: a limit may be answered better where its value fell, coverage
    where it rose; what is answered no more was taken away, and is for the table of exemptions.
    """
    doses_moved = any(
        key in after and after[key]["value"] != row["value"]
        for key, row in before.items()
    )
    return [
        " ".join(part for part in key if part)
        for key, row in before.items()
        if SEVERITY[row["outcome"]] >= SEVERITY["UNDECIDED"]
        and row["id"] not in ACCUSING
        and not (row["id"] == FOLLOWS and doses_moved)
        and not _has_reason(row, after.get(key))
    ]


def _has_reason(row: Mapping[str, Any], now: Mapping[str, Any] | None) -> bool:
    if now is None or row["value"] is None or now["value"] is None:
        return False
    change = now["value"] - row["value"]
    return bool(change < 0 if row["limit"].startswith("<") else change > 0)
