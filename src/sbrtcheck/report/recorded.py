"""A verdict as `--json` wrote it, read back: JSON in, frozen values out, or a sentence why not.

What a file says is not trusted: kinds of values are checked, text is made printable, and whatever
names the patient is masked, even where the file was written with --phi.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeGuard

from sbrtcheck.checks.verdict import Outcome
from sbrtcheck.errors import ReadError
from sbrtcheck.model import Patient, Text
from sbrtcheck.report.as_json import SCHEMA
from sbrtcheck.report.words import Voice, joined, known_or, text_of

__all__ = ["Key", "Recorded", "RecordedFinding", "load_document", "read_recorded"]

Json = Mapping[str, object]
Key = tuple[str, str, str | None]  # id, subject and metric: unique in a verdict
INPUTS = ("sbrtcheck", "strict", "protocol", "plans", "others", "levels", "declared")
KINDS = {"protocol": dict, "plans": list, "declared": dict}
UNMASKABLE = ("other", "label")  # the label of another plan may name another patient
ALIASES = ("aliases",)  # below it stand names of ROIs, as they are
NOTHING = "nothing"
MOST = 1e300  # of any number in a verdict
YES_OR_NO = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFinding:
    """One finding as it was written; numbers in `unit`."""

    key: Key
    outcome: Outcome | None
    value: float | None
    low: float | None
    high: float | None
    unit: str
    limit: str | None
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return id, subject and metric as one."""
        return joined(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A verdict as it was written.

    `inputs` are the version, protocol, files and declarations that it was made from, by name.
    `patient` only serves to be compared; None where the file keeps it to itself.
    """

    outcome: Outcome
    inputs: Mapping[str, str]
    findings: Mapping[Key, RecordedFinding]
    patient: Patient | None


def read_recorded(content: bytes) -> Recorded:
    """Read what `render_json` wrote.

    Raises
    ------
    ReadError
        If it is not JSON, not a verdict of sbrtcheck, or of another schema.
    """
    document = load_document(content)
    patient = _patient(document)
    voice = Voice(known_or(patient, Patient()), phi=False)
    findings = _findings(document.get("findings"), voice)
    outcome = _outcome(document.get("outcome"))
    if outcome is None:
        _refuse("outcome")
    for name, kind in KINDS.items():
        if not isinstance(document.get(name), kind):
            _refuse(name)
    inputs = {
        voice.name(" ".join(path)): voice.name(words)
        for key in INPUTS
        for path, words in _flat((key,), document.get(key))
    }
    return Recorded(outcome=outcome, inputs=inputs, findings=findings, patient=patient)


def _findings(rows: object, voice: Voice) -> dict[Key, RecordedFinding]:
    if not isinstance(rows, list):
        _refuse("findings")
    findings: dict[Key, RecordedFinding] = {}
    for row in rows:
        finding = _finding(row, voice)
        if finding.key in findings:
            raise ReadError(Text("it holds two findings {name}", name=finding.name))
        findings[finding.key] = finding
    return findings


def load_document(content: bytes) -> Json:
    """Return a verdict as its file holds it; raises what `read_recorded` does."""
    try:
        # Bytes, so that UTF-16 of some consoles is understood too.
        document = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ReadError(
            Text("this is not JSON; give what sbrtcheck --json wrote")
        ) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise ReadError(
            Text("this is not a verdict of sbrtcheck; give what sbrtcheck --json wrote")
        )
    if document["schema"] != SCHEMA:
        raise ReadError(
            Text(
                "it is of schema {found}, this version of sbrtcheck compares schema {known}",
                found=json.dumps(document["schema"])[:20],
                known=SCHEMA,
            )
        )
    return document


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def _refuse(what: str) -> NoReturn:
    raise ReadError(
        Text(
            "this is not a whole verdict of sbrtcheck: its '{what}' cannot be read",
            what=what,
        )
    )


def _patient(document: Json) -> Patient | None:
    stated = document.get("patient")
    if not isinstance(stated, dict):
        return None
    return Patient(
        patient_id=_string(stated.get("id")), name=_string(stated.get("name"))
    )


def _string(value: object) -> str | None:
    """Return a value that is a string; who the patient is need not be stated well."""
    if isinstance(value, str):
        return value
    return None


def _finding(row: object, voice: Voice) -> RecordedFinding:
    if not isinstance(row, dict):
        _refuse("findings")
    finding_id, subject, metric = (
        _text(row, key, voice) for key in ("id", "subject", "metric")
    )
    return RecordedFinding(
        key=(finding_id or "?", subject or "?", metric),
        outcome=_outcome(row.get("outcome")),
        value=_number(row, "value"),
        low=_number(row, "low"),
        high=_number(row, "high"),
        unit=text_of(_text(row, "unit", voice)),
        limit=_text(row, "limit", voice),
        words=tuple(
            text_of(_text(row, key, voice))
            for key in ("message", "reason", "roi", "basis", "source")
        ),
    )


def _text(row: Json, key: str, voice: Voice) -> str | None:
    value = row.get(key)
    if not isinstance(value, str | None):
        _refuse(key)
    return voice.name_if(value)


def _number(row: Json, key: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(key)
    if not -MOST < value < MOST:  # nor is NaN; an integer may be beyond any float
        _refuse(key)
    return float(value)


def _outcome(value: object) -> Outcome | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in Outcome.__members__:
        _refuse("outcome")
    return Outcome[value]


def _flat(
    path: tuple[str, ...], value: object
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give every value below a key with its path; lists of plain values are one value."""
    if path[:1] + path[2:] == UNMASKABLE:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat((*path, _key_words(path, str(key))), inner)
    elif _is_nested(value):
        one = path[-1].removesuffix("s")
        for number, inner in enumerate(value, start=1):
            yield from _flat((*path[:-1], one, str(number)), inner)
    else:
        yield path, _plain(value)


def _is_nested(value: object) -> TypeGuard[list[object]]:
    """Tell whether a value is a list whose members need a path of their own."""
    if not isinstance(value, list):
        return False
    return any(isinstance(inner, dict | list) for inner in value)


def _key_words(path: tuple[str, ...], key: str) -> str:
    if path[-1:] == ALIASES:
        return key
    return key.replace("_", " ")


def _plain(value: object) -> str:
    if value in (None, "", []):
        return NOTHING
    if isinstance(value, bool):
        return YES_OR_NO[value]
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)
