"""What was prescribed, and is it a scheme of the trial?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.errors import CaseError
from sbrtcheck.model import Declared, DoseReference, Plan, Prescription, Text
from sbrtcheck.protocol.rules import Basis, Schemes

if TYPE_CHECKING:
    from sbrtcheck.checks.evidence import Evidence

# Kinds of dose reference, best first: a region says more than a point.
TIERS = (("SITE", "VOLUME"), ("COORDINATES", "POINT"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrescriptionReading:
    """The prescription, or why it is not known; `hints` are doses that must not stand for it."""

    prescription: Prescription | None
    problem: Text | None
    hints: tuple[Text, ...]


def read_prescription(plan: Plan, declared: Declared, tolerance_gy: float) -> PrescriptionReading:
    """Read the prescription by rule: TARGET references with a dose, regions before points.

    Never the maximum, the last one, a limit dose, a beam dose or a name: those are hints.

    Raises
    ------
    CaseError
        If what was declared contradicts the plan.
    """
    references = _candidates(plan)
    doses_gy = _distinct([r.target_prescription_dose_gy or 0.0 for r in references], tolerance_gy)
    groups = plan.fraction_groups
    fractions = groups[0].fractions if len(groups) == 1 else None
    problem = _problem(references, doses_gy, plan)
    if declared.prescription is not None:
        _refuse_contradiction(declared.prescription, doses_gy, plan, tolerance_gy)
        if len(groups) <= 1:
            dose_gy, fractions = declared.prescription
            confirmed = problem is None
            prescription = Prescription(
                dose_gy=dose_gy,
                fractions=fractions,
                target=_targets(references),
                source=Text("declared; the plan says the same" if confirmed else "declared"),
            )
            return PrescriptionReading(prescription=prescription, problem=None, hints=_hints(plan))
    if problem is not None or not fractions:
        return PrescriptionReading(prescription=None, problem=problem, hints=_hints(plan))
    prescription = Prescription(
        dose_gy=doses_gy[0],
        fractions=fractions,
        target=_targets(references),
        source=Text(
            "RT Plan, dose reference TARGET {kind}, target prescription dose; fraction group",
            kind=references[0].structure_type or "(no type)",
        ),
    )
    return PrescriptionReading(prescription=prescription, problem=None, hints=_hints(plan))


def _candidates(plan: Plan) -> list[DoseReference]:
    targets = [
        row
        for row in plan.dose_references
        if row.type.upper() == "TARGET" and (row.target_prescription_dose_gy or 0) > 0
    ]
    for tier in TIERS:
        found = [row for row in targets if row.structure_type.upper() in tier]
        if found:
            return found
    return targets


def _distinct(doses_gy: list[float], tolerance_gy: float) -> list[float]:
    kept: list[float] = []
    for dose_gy in sorted(doses_gy):
        if not kept or dose_gy - kept[-1] > tolerance_gy:
            kept.append(dose_gy)
    return kept


def _targets(references: list[DoseReference]) -> str:
    return ", ".join(dict.fromkeys(row.description for row in references if row.description))


def _problem(references: list[DoseReference], doses_gy: list[float], plan: Plan) -> Text | None:
    groups = plan.fraction_groups
    if not doses_gy:
        return Text(
            "the plan states no target prescription dose; add --rx, for example --rx 30Gy/5"
        )
    if len(doses_gy) > 1:
        rows = "; ".join(
            f"'{row.description}' {row.target_prescription_dose_gy:g} Gy" for row in references
        )
        return Text("the plan states several target prescription doses: {rows}", rows=rows)
    if len(groups) > 1:
        rows = " + ".join(str(g.fractions or "?") for g in groups)
        return Text(
            "the plan has {count} fraction groups ({rows} fractions): one prescription cannot be"
            " named",
            count=len(groups),
            rows=rows,
        )
    if not groups or not groups[0].fractions or groups[0].fractions < 1:
        return Text("the plan states no number of fractions; add --rx, for example --rx 30Gy/5")
    return None


def _refuse_contradiction(
    declared: tuple[float, int], doses_gy: list[float], plan: Plan, tolerance_gy: float
) -> None:
    dose_gy, fractions = declared
    if doses_gy and all(abs(dose_gy - stated) > tolerance_gy for stated in doses_gy):
        raise CaseError(
            Text(
                "--rx says {declared} Gy, the plan says {stated} Gy; a declaration fills a gap, it"
                " does not overrule the plan",
                declared=dose_gy,
                stated=" / ".join(f"{d:g}" for d in doses_gy),
            )
        )
    stated_fractions = [g.fractions for g in plan.fraction_groups if g.fractions]
    if len(stated_fractions) == 1 and stated_fractions[0] != fractions:
        raise CaseError(
            Text(
                "--rx says {declared} fractions, the plan says {stated}; a declaration fills a gap,"
                " it does not overrule the plan",
                declared=fractions,
                stated=stated_fractions[0],
            )
        )


def _hints(plan: Plan) -> tuple[Text, ...]:
    """Return doses in the plan that look like a prescription and must not be taken for one."""
    hints = []
    for row in plan.dose_references:
        for name, dose_gy in (
            ("delivery maximum dose", row.delivery_maximum_dose_gy),
            ("organ-at-risk maximum dose", row.organ_at_risk_maximum_dose_gy),
        ):
            if dose_gy:
                hints.append(
                    Text(
                        "{name} of '{target}': {dose_gy} Gy",
                        name=name,
                        target=row.description,
                        dose_gy=dose_gy,
                    )
                )
    for group in plan.fraction_groups:
        beam_doses = [dose_gy for dose_gy in group.beam_doses_gy if dose_gy is not None]
        if beam_doses and len(beam_doses) == len(group.beam_doses_gy) and group.fractions:
            hints.append(
                Text(
                    "beam doses at their specification points x {fractions} fractions: {dose_gy} Gy",
                    fractions=group.fractions,
                    dose_gy=sum(beam_doses) * group.fractions,
                )
            )
    return tuple(hints)


def check_prescription(evidence: "Evidence") -> Iterator[Finding]:
    """Yield whether one prescription is known, and the hints beside it."""
    schemes = evidence.protocol.schemes
    reading = evidence.reading
    known = reading.prescription
    message = (
        Text(
            "{dose_gy} Gy in {fractions} fractions",
            dose_gy=known.dose_gy,
            fractions=known.fractions,
        )
        if known
        else reading.problem or Text("the prescription is not known")
    )
    yield Finding(
        id="prescription",
        subject="plan",
        outcome=Outcome.PASS if known else Outcome.UNDECIDED,
        message=message,
        basis=schemes.basis,
        source=schemes.source,
        reason=reading.problem,
    )
    for number, hint in enumerate(reading.hints, start=1):
        yield Finding(
            id="prescription.hint",
            subject=f"plan #{number}",
            outcome=None,
            message=hint,
            basis=Basis.CONVENTION,
            source="DICOM PS3.3 C.8.8.10, C.8.8.13",
            required=False,
        )


def check_scheme(evidence: "Evidence") -> Iterator[Finding]:
    """Yield whether dose and fractions are one of the allowed schemes."""
    schemes = evidence.protocol.schemes
    known = evidence.reading.prescription
    outcome, message = Outcome.UNDECIDED, Text("no scheme without a prescription")
    if known is not None:
        outcome, message = _scheme(known, schemes)
    yield Finding(
        id="trial.scheme",
        subject="plan",
        outcome=outcome,
        message=message,
        basis=schemes.basis,
        source=schemes.source,
    )


def _scheme(known: Prescription, schemes: Schemes) -> tuple[Outcome, Text]:
    for row in schemes.allowed:
        if row.fractions != known.fractions:
            continue
        if row.dose_gy is None or abs(row.dose_gy - known.dose_gy) <= schemes.tolerance_gy:
            return Outcome.PASS, Text(
                "{dose_gy} Gy in {fractions} fractions is an allowed scheme",
                dose_gy=known.dose_gy,
                fractions=known.fractions,
            )
        if abs(row.dose_gy - known.dose_per_fraction_gy) <= schemes.tolerance_gy:
            return Outcome.FAIL, Text(
                "{each} Gy PER FRACTION, {dose_gy} Gy in all: the trial's"
                " '{fractions} times {each} Gy' means {each} Gy in total",
                each=row.dose_gy,
                dose_gy=known.dose_gy,
                fractions=row.fractions,
            )
    allowed = ", ".join(
        f"{'any dose' if row.dose_gy is None else f'{row.dose_gy:g} Gy'}/{row.fractions}"
        for row in schemes.allowed
    )
    return Outcome.FAIL, Text(
        "{dose_gy} Gy in {fractions} fractions is no allowed scheme ({allowed})",
        dose_gy=known.dose_gy,
        fractions=known.fractions,
        allowed=allowed,
    )
