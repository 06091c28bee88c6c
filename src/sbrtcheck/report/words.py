"""Words and numbers for people: sentences, masking, digits that agree with the verdict."""

import unicodedata
from bisect import bisect
from collections.abc import Callable, Iterable
from enum import Enum
from operator import attrgetter
from typing import TypeVar

from sbrtcheck.model import Instance, Patient, Text, Value
from sbrtcheck.protocol.metric import Constraint

DECIMALS = {"Gy": 2, "%": 1, "cc": 2, "": 2}
CC_STEPS = (100, 1000)  # from each on, a volume needs one decimal less
CC_DECIMALS = (2, 1, 0)
MOST_DECIMALS = 6
DRAFT = "DRAFT PROTOCOL: its limits are not approved by clinicians"
# With these a spreadsheet starts to compute; Excel takes full-width ones, too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
ESCAPED = (
    "Cc",
    "Cf",
    "Cs",
    "Zl",
    "Zp",
)  # categories of characters that a console might obey


Known = TypeVar("Known")
Told = TypeVar("Told")
NAME: Callable[[Enum], str] = attrgetter("name")


def told_of(known: Known | None, tell: Callable[[Known], Told]) -> Told | None:
    """Return what is told of something, None where there is none."""
    if known is None:
        return None
    return tell(known)


def known_or(known: Known | None, otherwise: Known) -> Known:
    """Return something, or what stands for it where there is none."""
    if known is None:
        return otherwise
    return known


def text_of(text: str | None) -> str:
    """Return a text, an empty one where there is none."""
    return known_or(text, "")


def name_of(member: Enum | None) -> str | None:
    """Return the name of an outcome or the like, None where there is none."""
    return told_of(member, NAME)


def words_of(value: object) -> str | None:
    """Return a metric or the like as text, None where there is none."""
    return told_of(value, str)


def limit_of(constraint: Constraint) -> str:
    """Return the bound of a constraint with its unit, without its metric."""
    bound = f"{constraint.operator} {constraint.limit:g} {constraint.metric.unit}"
    return bound.rstrip()


def label_of(instance: Instance) -> str:
    """Return the label of a plan as its file has it, or that it has none."""
    return instance.label or "(no label)"


def printable(text: str) -> str:
    """Show control and format characters as escapes: strings from files may hold anything."""
    return "".join(_printable(character) for character in text)


def inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe before what starts one.

    Examples
    --------
    >>> inert("=1+1"), inert("PTV")
    ("'=1+1", 'PTV')
    """
    if text.lstrip(" ").startswith(FORMULA):  # some trim blanks
        return f"'{text}"
    return text


def _printable(character: str) -> str:
    if unicodedata.category(character) in ESCAPED:
        return character.encode("unicode_escape").decode("ascii")
    return character


def ascii_of(text: str, signs: dict[int, str]) -> str:
    """Return text for a console of ASCII: some signs in other words, the rest escaped."""
    return text.translate(signs).encode("ascii", "backslashreplace").decode("ascii")


def joined(parts: Iterable[str | None], by: str = " ") -> str:
    """Return parts as one text, those left out that say nothing."""
    return by.join(part for part in parts if part)


def decimals_for(value: float, unit: str) -> int:
    """Return how many decimals a value deserves: large volumes need none."""
    if unit != "cc":
        return DECIMALS[unit]
    return CC_DECIMALS[bisect(CC_STEPS, abs(value))]


def decided_number(value: float, constraint: Constraint | None) -> str:
    """Print a value with as many decimals as it takes to agree with its comparison.

    Examples
    --------
    >>> from sbrtcheck.protocol.metric import parse_constraint
    >>> decided_number(60.004, parse_constraint("D2% <= 60Gy"))
    '60.004'
    """
    unit = "Gy"
    if constraint is not None:
        unit = constraint.metric.unit
    return agreeing_number(value, constraint, decimals_for(value, unit))


def agreeing_number(value: float, constraint: Constraint | None, decimals: int) -> str:
    """Print a value with at least `decimals`, more where rounding would contradict a limit."""
    return f"{value:.{_agreeing_decimals(value, constraint, decimals)}f}"


def _agreeing_decimals(
    value: float, constraint: Constraint | None, decimals: int
) -> int:
    """Return how many decimals, `decimals` or more, it takes to agree with a limit."""
    if constraint is None:
        return decimals
    holds = constraint.holds(value)
    for enough in range(decimals, MOST_DECIMALS):
        shown = float(f"{value:.{enough}f}")
        if constraint.holds(shown) == holds:
            return enough
    return max(decimals, MOST_DECIMALS)


def number_and_interval(
    value: float, low: float, high: float, constraint: Constraint | None, decimals: int
) -> tuple[str, str]:
    """Print a value and its interval with one number of decimals; no interval that says nothing.

    One more decimal is shown where it tells the value from an end of its interval.

    Examples
    --------
    >>> number_and_interval(1480.2, 1410.1, 1500.4, None, 0)
    ('1480', '(1410-1500)')
    >>> number_and_interval(16.2, 16.199, 16.202, None, 2)
    ('16.20', '')
    """
    least, told, most = _told_apart((low, value, high), constraint, decimals)
    if least == told == most:
        return told, ""
    return told, f"({least}-{most})"


def ends_about(known: float, value: Value) -> tuple[float, float]:
    """Return the ends of the interval of a known value; each that it lacks is the value itself."""
    return known_or(value.low, known), known_or(value.high, known)


def _told_apart(
    ends: tuple[float, float, float], constraint: Constraint | None, decimals: int
) -> list[str]:
    """Print a value between its ends, one decimal finer where only that tells all three apart."""
    low, value, high = ends
    told = _with_one_precision(ends, constraint, decimals)
    is_between = low < value < high
    looks_like_an_end = len(set(told)) == 2
    if not (is_between and looks_like_an_end):
        return told
    finer = _with_one_precision(ends, constraint, decimals + 1)
    if len(set(finer)) == 3:
        return finer
    return told


def _with_one_precision(
    values: tuple[float, ...], constraint: Constraint | None, decimals: int
) -> list[str]:
    """Print numbers with as many decimals as the one that needs most to agree with its outcome."""
    most = max(_agreeing_decimals(value, constraint, decimals) for value in values)
    return [agreeing_number(value, constraint, most) for value in values]


class Voice:
    """Says sentences and names, with what identifies the patient masked unless asked for."""

    def __init__(self, *patients: Patient, phi: bool) -> None:
        """Take who the files say the patient is; the first is shown, all are masked."""
        self._phi = phi
        self._patients = patients or (Patient(),)

    def name(self, text: str) -> str:
        """Return a string from a file, printable and masked."""
        if not self._phi:
            for patient in self._patients:
                text = patient.masked(text)
        return printable(text)

    def name_if(self, text: str | None) -> str | None:
        """Return a string from a file, None where there is none."""
        return told_of(text, self.name)

    def say_if(self, sentence: Text | None) -> str | None:
        """Return a sentence in words, None where there is none."""
        return told_of(sentence, self.say)

    def say(self, sentence: Text) -> str:
        """Return a sentence in words; strings that fill it are masked, numbers kept."""
        return sentence.template.format(
            **{key: self._filling(value) for key, value in sentence.values.items()}
        )

    def say_all(self, sentences: Iterable[Text]) -> list[str]:
        """Return sentences in words."""
        return [self.say(sentence) for sentence in sentences]

    def say_about(self, name: str, sentences: Iterable[Text]) -> list[str]:
        """Return sentences in words, each after the name of what it is about, as it is shown."""
        return [f"{name}: {told}" for told in self.say_all(sentences)]

    def _filling(self, value: str | float | Text) -> str:
        if isinstance(value, Text):
            return self.say(value)
        if isinstance(value, float):
            return number(value)
        if isinstance(value, str):
            return self.name(value)
        return str(value)

    def patient_tail(self) -> str:
        """Return the end of the patient ID, or all of it and the name if asked for."""
        patient = self._patients[0]
        patient_id = text_of(patient.patient_id)
        if self._phi:
            return printable(
                f"{patient_id or '(no ID)'}  {text_of(patient.name)}"
            ).strip()
        if not patient_id:
            return "(no ID)"
        shown = min(3, len(patient_id) // 2)
        return "…" + printable(patient_id[len(patient_id) - shown :])


def number(value: float) -> str:
    """Print a number of a sentence: at most two decimals, none that say nothing."""
    if 0 < abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:.2f}".rstrip("0").rstrip(".")
