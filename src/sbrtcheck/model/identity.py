"""Who a patient is, and whether two files are of one."""

import re
import unicodedata
from dataclasses import dataclass

from sbrtcheck.model.frozen import sealed

__all__ = ["MASK", "Patient", "approval_term", "names_agree", "patient_key"]

MASK = "***"


APPROVALS = ("APPROVED", "UNAPPROVED", "REJECTED")  # PS3.3 C.8.8.16


TELLING_ID = 5  # letters and digits of an ID that tell a patient also without what stands between


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who the files say the patient is. `None` is what a file does not say."""

    patient_id: str | None = None
    name: str | None = None
    birth_date: str | None = None

    def __repr__(self) -> str:
        """Return what names nobody: it may stand in a notebook or a log."""
        return "Patient(***)"

    def masked(self, text: str) -> str:
        """Return text in which whatever names this patient is replaced by stars.

        Labels and ROI names are free text; people write names and record numbers into them.
        """
        patterns: set[str] = set()
        for stated, patterns_of in (
            (self.patient_id, _id_patterns),
            (self.name, _name_patterns),
            (self.birth_date, _date_patterns),
        ):
            if stated is not None:
                patterns |= patterns_of(stated)
        if not patterns:
            return text
        pattern = re.compile(
            "|".join(sorted(patterns, key=len, reverse=True)), re.IGNORECASE
        )
        masked = pattern.sub(MASK, text)
        folded = unicodedata.normalize("NFKC", masked)  # typed in full width
        if pattern.search(folded):
            return pattern.sub(MASK, folded)
        return masked


def _id_patterns(patient_id: str) -> set[str]:
    """Return what an ID looks like in a text, also with other signs between its parts."""
    patterns = set()
    if _is_telling(patient_id):
        patterns.add(re.escape(patient_id))
    pieces = re.findall(r"[^\W_]+", patient_id)
    if len("".join(pieces)) >= TELLING_ID:
        patterns.add(r"[\W_]*".join(map(re.escape, pieces)))
    return patterns


def _name_patterns(name: str) -> set[str]:
    """Return what a name looks like in a text: its parts, and all together either way round."""
    patterns = set()
    for group in name.split("="):
        parts = re.findall(r"[^\s^,]+", group)
        words = (*parts, "".join(parts))
        patterns |= {re.escape(word) for word in words if _is_telling(word)}
        if len(parts) > 1:  # short parts tell a patient together
            for order in (parts, parts[::-1]):
                patterns.add(r"[\s^_.,-]*".join(map(re.escape, order)))
    return patterns


def _date_patterns(birth_date: str) -> set[str]:
    """Return what a date looks like in a text, in the orders that people write."""
    birth = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", birth_date)
    if birth is None:
        return set()
    year, month, day = birth.groups()
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return {r"[-/._\s]?".join(digits) for digits in orders}


def _is_telling(word: str) -> bool:
    """Tell whether a word tells a patient: shorter ones would hit ordinary words."""
    if word.isascii():
        return len(word) >= 3
    return len(word) >= 2  # Chinese names are telling from two characters


def approval_term(status: str | None) -> str | None:
    """Return an approval status in a term of DICOM, or "other": words of its own may name a person."""
    if not status:
        return None
    term = status.strip().upper()
    if term not in APPROVALS:
        return "other"
    return term


def patient_key(patient_id: str | None) -> str:
    """Return a patient ID as it is compared: width and case of letters, and spaces around, aside."""
    if patient_id is None:
        return ""
    folded = unicodedata.normalize("NFKC", patient_id).casefold()
    return "".join(c for c in folded if unicodedata.category(c) != "Cf").strip()


def names_agree(one: Patient, other: Patient) -> bool:
    """Tell whether two spellings may be of one name: alike in some script, or not stated.

    Family, given and middle name count, in each script that a name is written in (PS3.5 6.2.1).
    """
    first, second = _spellings(one.name), _spellings(other.name)
    if not first or not second:
        return True
    return bool(first & second)


def _spellings(name: str | None) -> set[tuple[str, ...]]:
    """Return the words of a name in each script that it is written in, none if not stated."""
    if name is None:
        return set()
    scripts = name.casefold().split("=")
    return {_words(script) for script in scripts} - {()}


def _words(script: str) -> tuple[str, ...]:
    """Return the words of family, given and middle name."""
    counted = script.split("^")[:3]
    return tuple(re.findall(r"[^\s^,.]+", " ".join(counted)))
