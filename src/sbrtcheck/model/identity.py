"""Who a patient is, and whether two files are of one."""

import re
import unicodedata
from dataclasses import dataclass

__all__ = ["MASK", "Patient", "approval_term", "names_agree", "patient_key"]

MASK = "***"


APPROVALS = ("APPROVED", "UNAPPROVED", "REJECTED")  # PS3.3 C.8.8.16


TELLING_ID = 5  # letters and digits of an ID that tell a patient also without what stands between


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who the files say the patient is. `None` is what a file does not say."""

    patient_id: str | None = None
    name: str | None = None
    birth_date: str | None = None

    def masked(self, text: str) -> str:
        """Return text in which whatever names this patient is replaced by stars.

        Labels and ROI names are free text; people write names and record numbers into them.
        """
        words = {self.patient_id or ""}
        patterns = set()
        pieces = re.findall(r"[^\W_]+", self.patient_id or "")
        if len("".join(pieces)) >= TELLING_ID:
            patterns.add(r"[\W_]*".join(map(re.escape, pieces)))
        for group in (self.name or "").split("="):
            parts = [part for part in re.split(r"[\s^,]+", group) if part]
            words |= {*parts, "".join(parts)}
            for order in (parts, parts[::-1]):  # short parts tell a patient together
                if len(parts) > 1:
                    patterns.add(r"[\s^_.,-]*".join(map(re.escape, order)))
        birth = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", self.birth_date or "")
        if birth is not None:
            year, month, day = birth.groups()
            for digits in ((year, month, day), (day, month, year), (month, day, year)):
                patterns.add(r"[-/._\s]?".join(digits))
        # Shorter parts would hit ordinary words; Chinese names are telling from two characters.
        telling = [word for word in words if len(word) >= (3 if word.isascii() else 2)]
        patterns |= {re.escape(word) for word in telling}
        if not patterns:
            return text
        pattern = re.compile("|".join(sorted(patterns, key=len, reverse=True)), re.IGNORECASE)
        masked = pattern.sub(MASK, text)
        folded = unicodedata.normalize("NFKC", masked)  # typed in full width
        return pattern.sub(MASK, folded) if pattern.search(folded) else masked


def approval_term(status: str | None) -> str | None:
    """Return an approval status in a term of DICOM, or "other": words of its own may name a person."""
    if not status:
        return None
    term = status.strip().upper()
    return term if term in APPROVALS else "other"


def patient_key(patient_id: str | None) -> str:
    """Return a patient ID as it is compared: width and case of letters, and spaces around, aside."""
    folded = unicodedata.normalize("NFKC", patient_id or "").casefold()
    return "".join(c for c in folded if unicodedata.category(c) != "Cf").strip()


def names_agree(one: Patient, other: Patient) -> bool:
    """Tell whether two spellings may be of one name: alike in some script, or not stated.

    Family, given and middle name count, in each script that a name is written in (PS3.5 6.2.1).
    """
    if one.name is None or other.name is None:
        return True
    first, second = _spellings(one.name), _spellings(other.name)
    if not first or not second:
        return True
    return bool(first & second)


def _spellings(name: str) -> set[tuple[str, ...]]:
    scripts = [script.split("^")[:3] for script in name.casefold().split("=")]
    words = [tuple(re.findall(r"[^\s^,.]+", " ".join(script))) for script in scripts]
    return {spelling for spelling in words if spelling}
