"""Words and numbers for people: sentences, masking, digits that agree with the verdict."""

import unicodedata

from sbrtcheck.metric import Constraint
from sbrtcheck.model import Patient, Text

DECIMALS = {"Gy": 2, "%": 1, "cc": 2, "": 2}
MOST_DECIMALS = 6


def printable(text: str) -> str:
    """Show control and format characters as escapes: strings from files may hold anything."""
    return "".join(
        character
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def decided_number(value: float, constraint: Constraint | None) -> str:
    """Print a value with as many decimals as it takes to agree with its comparison.

    Examples
    --------
    >>> from sbrtcheck.metric import parse_constraint
    >>> decided_number(60.004, parse_constraint("D2% <= 60Gy"))
    '60.004'
    """
    unit = "Gy" if constraint is None else constraint.metric.unit
    return agreeing_number(value, constraint, DECIMALS[unit])


def agreeing_number(value: float, constraint: Constraint | None, decimals: int) -> str:
    """Print a value with at least `decimals`, more where rounding would contradict a limit."""
    text = f"{value:.{decimals}f}"
    while (
        constraint is not None
        and decimals < MOST_DECIMALS
        and constraint.holds(float(text)) != constraint.holds(value)
    ):
        decimals += 1
        text = f"{value:.{decimals}f}"
    return text


class Voice:
    """Says sentences and names, with what identifies the patient masked unless asked for."""

    def __init__(self, patient: Patient, *, phi: bool) -> None:
        self._phi = phi
        self._patient = patient

    def name(self, text: str) -> str:
        """Return a string from a file, printable and masked."""
        return printable(text if self._phi else self._patient.masked(text))

    def say(self, sentence: Text) -> str:
        """Return a sentence in words; strings that fill it are masked, numbers kept."""
        return sentence.template.format(
            **{key: self._filling(value) for key, value in sentence.values.items()}
        )

    def _filling(self, value: str | float | Text) -> str:
        if isinstance(value, Text):
            return self.say(value)
        if isinstance(value, float):
            return number(value)
        return self.name(value) if isinstance(value, str) else str(value)

    def patient_tail(self) -> str:
        """Return the end of the patient ID, or all of it and the name if asked for."""
        patient_id = self._patient.patient_id or ""
        if self._phi:
            return printable(f"{patient_id or '(no ID)'}  {self._patient.name or ''}").strip()
        if not patient_id:
            return "(no ID)"
        return "…" + printable(
            patient_id[-min(3, len(patient_id) // 2) :] if len(patient_id) > 1 else ""
        )


def number(value: float) -> str:
    """Print a number of a sentence: at most two decimals, none that say nothing."""
    if value and abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:.2f}".rstrip("0").rstrip(".")
