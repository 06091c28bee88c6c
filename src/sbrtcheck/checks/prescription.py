"""What was prescribed, in how many fractions, and is it a scheme of the trial?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import answer, asked, reported
from sbrtcheck.checks.rule import Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Prescription, Text
from sbrtcheck.protocol.rules import Basis, Scheme, Schemes

HUNDRED = 100.0  # cGy in a Gy

PRESCRIPTION = Rule(
    id="prescription",
    title="prescription",
    asks="What dose in how many fractions is prescribed, and to which target?",
    why="Scheme, coverage and every limit rest on it; a dose reference or fraction"
    " group that is misread moves all of them.",
    act="State total dose and fractions with --rx where the plan does not, or export"
    " the plan with its dose references.",
    section=Section.PRESCRIPTION,
    source="DICOM PS3.3 C.8.8.10, C.8.8.13; AAPM TG-275 (Ford 2020): prescription against plan",
)
HINT = Rule(
    id="prescription.hint",
    title="sum of the beams",
    asks="What do the beams' doses at their specification points add up to?",
    why="It shows a person at a glance whether the prescription read is the one that"
    " the beams deliver; it is never the prescription itself.",
    act="Nothing; where it differs much, look at the prescription in the planning system.",
    section=Section.PRESCRIPTION,
    source="DICOM PS3.3 C.8.8.10, C.8.8.13",
    severity="info",
)
SCHEME = Rule(
    id="trial.scheme",
    title="scheme",
    asks="Is the prescription one of the protocol's schemes?",
    why="The trial allows 24 Gy in 4, 30 Gy in 5, 36 Gy in 6 and 42 Gy in 7 fractions"
    " and no other.",
    act="Plan one of the allowed schemes, or correct what was declared.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source="schemes of the protocol",
)


def check_prescription(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether one prescription is known, and the hints beside it."""
    reading = evidence.reading
    known = reading.prescription
    if known is None:
        yield asked(
            PRESCRIPTION, reading.problem, state=reading.state, cure=reading.cure
        )
    else:
        message = Text(
            "{dose_gy} Gy in {fractions} fractions",
            dose_gy=known.dose_gy,
            fractions=known.fractions,
        )
        yield answer(PRESCRIPTION, Outcome.PASS, message, subject="plan")
    for number, hint in enumerate(reading.hints, start=1):
        yield reported(HINT, hint, subject=f"plan #{number}")


@dataclass(frozen=True, slots=True)
class _Compared:
    outcome: Outcome
    message: Text
    state: State | None = None
    cure: Text | None = None
    held_by: str | None = None


def check_scheme(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether dose and fractions are one of the allowed schemes."""
    schemes = evidence.protocol.schemes
    known = evidence.reading.prescription
    compared = _without_prescription(evidence.reading.fractions, schemes)
    if known is not None:
        compared = _scheme(known, schemes)
    yield Finding(
        rule=SCHEME,
        subject="plan",
        outcome=compared.outcome,
        message=compared.message,
        state=compared.state,
        cure=compared.cure,
        line_basis=schemes.basis,
        line_source=schemes.source,
        place="schemes",
        held_by=compared.held_by,
    )


def _without_prescription(fractions: int | None, schemes: Schemes) -> _Compared:
    """Judge what is known without a dose: a fraction number that no scheme has."""
    if fractions is not None and not _of_fractions(schemes, fractions):
        message = Text(
            "{fractions} fractions are of no allowed scheme ({allowed})",
            fractions=fractions,
            allowed=_listed(schemes.allowed),
        )
        return _Compared(Outcome.FAIL, message)
    message = Text("no scheme without a prescription")
    return _Compared(
        Outcome.UNDECIDED,
        message,
        state=State.DECLARE,
        cure=Text("settle the prescription"),
        held_by=PRESCRIPTION.id,
    )


def _scheme(known: Prescription, schemes: Schemes) -> _Compared:
    if schemes.allows(known.dose_gy, known.fractions):
        message = Text(
            "{dose_gy} Gy in {fractions} fractions is an allowed scheme",
            dose_gy=known.dose_gy,
            fractions=known.fractions,
        )
        return _Compared(Outcome.PASS, message)
    each_gy = known.dose_gy / known.fractions
    if schemes.allows(each_gy, known.fractions):
        message = Text(
            "{each} Gy PER FRACTION, {dose_gy} Gy in all: the trial's"
            " '{fractions} times {each} Gy' means {each} Gy in total",
            each=each_gy,
            dose_gy=known.dose_gy,
            fractions=known.fractions,
        )
        return _Compared(Outcome.FAIL, message)
    other_units_gy = (known.dose_gy * 0.01, known.dose_gy * HUNDRED)
    if any(schemes.allows(gy, known.fractions) for gy in other_units_gy):
        message = Text(
            "{dose_gy} Gy in {fractions} fractions: is this in cGy?",
            dose_gy=known.dose_gy,
            fractions=known.fractions,
        )
        cure = Text("export the plan again with its prescription in Gy")
        return _Compared(Outcome.UNDECIDED, message, state=State.DECLARE, cure=cure)
    message = Text(
        "{dose_gy} Gy in {fractions} fractions is no allowed scheme ({allowed})",
        dose_gy=known.dose_gy,
        fractions=known.fractions,
        allowed=_listed(schemes.allowed),
    )
    return _Compared(Outcome.FAIL, message)


def _of_fractions(schemes: Schemes, fractions: int) -> list[Scheme]:
    return [row for row in schemes.allowed if row.fractions == fractions]


def _listed(allowed: Sequence[Scheme]) -> str:
    return ", ".join(_scheme_text(row) for row in allowed)


def _scheme_text(scheme: Scheme) -> str:
    if scheme.dose_gy is None:
        return f"any dose/{scheme.fractions}"
    return f"{scheme.dose_gy:g} Gy/{scheme.fractions}"


CHECKS = (check_prescription, check_scheme)
