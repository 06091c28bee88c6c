"""Read dose and fractions of a plan: by rule from its dose references, or as declared."""

from collections.abc import Sequence
from dataclasses import dataclass

from sbrtcheck.checks.rule import State
from sbrtcheck.errors import CaseError
from sbrtcheck.model import Declared, DoseReference, Plan, Prescription, Text
from sbrtcheck.protocol.rules import Schemes

__all__ = ["PrescriptionReading", "read_fractions", "read_prescription"]

REGIONS, POINTS = ("SITE", "VOLUME"), ("COORDINATES", "POINT")
EXAMPLE = Text("add --rx, for example --rx 30Gy/5")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrescriptionReading:
    """What was read of a prescription.

    Parameters
    ----------
    fractions
        The number of fractions, whatever the dose references say; None where it is not known.
    problem, state, cure
        Why the prescription is not known, of which kind that is, and what settles it.
    hints
        Doses that must not stand for it.
    """

    prescription: Prescription | None
    fractions: int | None
    problem: Text
    state: State
    cure: Text
    hints: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class _Unknown:
    why: Text
    state: State
    cure: Text


def read_prescription(
    plan: Plan, declared: Declared, schemes: Schemes
) -> PrescriptionReading:
    """Read the prescription by rule: TARGET references with a dose, regions before points.

    A dose at a point stands for it only if it is that of an allowed scheme. Never the maximum,
    the last one, a limit dose, a beam dose or a name: those are hints.

    Raises
    ------
    CaseError
        If what was declared contradicts the plan.
    """
    regions, points = _candidates(plan)
    fractions = read_fractions(plan)
    stated = _of_regions(plan, regions, fractions, schemes)
    if not regions and points:
        stated = _of_points(plan, points, fractions, schemes)
    if declared.prescription is not None:
        return _declared(plan, declared.prescription, regions, stated, schemes)
    if isinstance(stated, _Unknown):
        return _reading(plan, None, fractions, stated)
    return _reading(plan, stated, fractions, None)


def read_fractions(plan: Plan) -> int | None:
    """Return the number of fractions of a plan: that of its groups, where all state one number."""
    numbers = {group.fractions for group in plan.fraction_groups}
    if len(numbers) != 1:
        return None
    (number,) = numbers
    if number is None or number < 1:
        return None
    return number


def _reading(
    plan: Plan,
    prescription: Prescription | None,
    fractions: int | None,
    unknown: _Unknown | None,
) -> PrescriptionReading:
    nothing = _Unknown(Text("the prescription is known"), State.MISSING, EXAMPLE)
    open_question = nothing if unknown is None else unknown
    return PrescriptionReading(
        prescription=prescription,
        fractions=fractions,
        problem=open_question.why,
        state=open_question.state,
        cure=open_question.cure,
        hints=_hints(plan),
    )


def _candidates(plan: Plan) -> tuple[list[DoseReference], list[DoseReference]]:
    """Return the references that state a target's dose: those of regions, and those of points."""
    targets = [row for row in plan.dose_references if _states_dose(row)]
    points = [row for row in targets if row.structure_type.upper() in POINTS]
    return [row for row in targets if row not in points], points


def _states_dose(row: DoseReference) -> bool:
    dose_gy = row.target_prescription_dose_gy
    return row.type.upper() == "TARGET" and dose_gy is not None and dose_gy > 0


def _doses_gy(rows: Sequence[DoseReference], schemes: Schemes) -> list[float]:
    """Return the distinct doses, ascending; those within the tolerance are one."""
    kept: list[float] = []
    stated = (row.target_prescription_dose_gy for row in rows)
    for dose_gy in sorted(dose for dose in stated if dose is not None):
        if not kept or not schemes.same_dose(dose_gy, kept[-1]):
            kept.append(dose_gy)
    return kept


def _of_regions(
    plan: Plan, rows: Sequence[DoseReference], fractions: int | None, schemes: Schemes
) -> Prescription | _Unknown:
    doses_gy = _doses_gy(rows, schemes)
    if not doses_gy and len({group.fractions for group in plan.fraction_groups}) > 1:
        return _without_fractions(plan)
    if not doses_gy:
        why = Text("the plan states no target prescription dose")
        return _Unknown(why, State.MISSING, EXAMPLE)
    if len(doses_gy) > 1:
        return _several(rows)
    if fractions is None:
        return _without_fractions(plan)
    source = Text(
        "RT Plan, dose reference TARGET {kind}, target prescription dose; fraction group",
        kind=_kind(rows[0]),
    )
    return Prescription(
        dose_gy=doses_gy[0], fractions=fractions, target=_targets(rows), source=source
    )


def _kind(row: DoseReference) -> str:
    return row.structure_type or "(no type)"


def _several(rows: Sequence[DoseReference]) -> _Unknown:
    listed = "; ".join(
        f"'{row.description}' {row.target_prescription_dose_gy:g} Gy" for row in rows
    )
    why = Text("the plan states several target prescription doses: {rows}", rows=listed)
    cure = Text(
        "say with --rx which of them is the prescription, for example --rx 30Gy/5"
    )
    return _Unknown(why, State.DECLARE, cure)


def _without_fractions(plan: Plan) -> _Unknown:
    numbers = {group.fractions for group in plan.fraction_groups}
    if len(numbers) < 2:
        return _Unknown(
            Text("the plan states no number of fractions"), State.MISSING, EXAMPLE
        )
    listed = ", ".join(
        "none" if n is None else str(n) for n in sorted(numbers, key=str)
    )
    why = Text(
        "the fraction groups of the plan state different numbers: {numbers}",
        numbers=listed,
    )
    cure = Text("export each fraction group as a plan of its own, with its dose")
    return _Unknown(why, State.DECLARE, cure)


def _of_points(
    plan: Plan, rows: Sequence[DoseReference], fractions: int | None, schemes: Schemes
) -> Prescription | _Unknown:
    """Take the dose at a point for the prescription only if a scheme has just this dose."""
    doses_gy = _doses_gy(rows, schemes)
    if len(doses_gy) > 1:
        return _several(rows)
    if fractions is None:
        return _without_fractions(plan)
    allowed = [row.dose_gy for row in schemes.allowed if row.fractions == fractions]
    close = [dose for dose in allowed if dose is not None]
    if not any(schemes.same_dose(dose, doses_gy[0]) for dose in close):
        why = Text(
            "the plan states a dose at a point only ({dose_gy} Gy), which need not be the"
            " prescription",
            dose_gy=doses_gy[0],
        )
        return _Unknown(why, State.DECLARE, EXAMPLE)
    source = Text(
        "RT Plan, dose reference TARGET {kind}: read at a point; fraction group",
        kind=_kind(rows[0]),
    )
    return Prescription(
        dose_gy=doses_gy[0], fractions=fractions, target=_targets(rows), source=source
    )


def _targets(rows: Sequence[DoseReference]) -> str:
    return ", ".join(dict.fromkeys(row.description for row in rows if row.description))


def _declared(
    plan: Plan,
    declared: tuple[float, int],
    regions: Sequence[DoseReference],
    stated: Prescription | _Unknown,
    schemes: Schemes,
) -> PrescriptionReading:
    dose_gy, fractions = declared
    _refuse_other_dose(dose_gy, _doses_gy(regions, schemes), schemes)
    _refuse_other_fractions(fractions, plan)
    groups = {group.fractions for group in plan.fraction_groups}
    if len(groups) > 1:
        return _reading(plan, None, None, _without_fractions(plan))
    source = Text("declared")
    if isinstance(stated, Prescription) and schemes.same_dose(stated.dose_gy, dose_gy):
        source = Text("declared; the plan says the same")
    target = _targets(regions)
    prescription = Prescription(
        dose_gy=dose_gy, fractions=fractions, target=target, source=source
    )
    return _reading(plan, prescription, fractions, None)


def _refuse_other_dose(
    declared_gy: float, stated_gy: Sequence[float], schemes: Schemes
) -> None:
    """Raise `CaseError` if a plan states doses of regions, and the declared one is not among them."""
    if not stated_gy:
        return
    if any(schemes.same_dose(declared_gy, dose_gy) for dose_gy in stated_gy):
        return
    raise CaseError(
        Text(
            "--rx says {declared} Gy, the plan says {stated} Gy; a declaration fills a gap, it"
            " does not overrule the plan",
            declared=declared_gy,
            stated=" / ".join(f"{dose_gy:g}" for dose_gy in stated_gy),
        )
    )


def _refuse_other_fractions(declared: int, plan: Plan) -> None:
    stated = read_fractions(plan)
    if stated is None or stated == declared:
        return
    raise CaseError(
        Text(
            "--rx says {declared} fractions, the plan says {stated}; a declaration fills a gap,"
            " it does not overrule the plan",
            declared=declared,
            stated=stated,
        )
    )


def _hints(plan: Plan) -> tuple[Text, ...]:
    """Return doses in the plan that look like a prescription and must not be taken for one."""
    hints = [hint for row in plan.dose_references for hint in _hints_of(row)]
    for group in plan.fraction_groups:
        beam_doses = [dose_gy for dose_gy in group.beam_doses_gy if dose_gy is not None]
        complete = beam_doses and len(beam_doses) == len(group.beam_doses_gy)
        if complete and group.fractions:
            hints.append(
                Text(
                    "beam doses at their specification points x {fractions} fractions: {dose_gy} Gy",
                    fractions=group.fractions,
                    dose_gy=sum(beam_doses) * group.fractions,
                )
            )
    return tuple(hints)


def _hints_of(row: DoseReference) -> list[Text]:
    hints = []
    if row.delivery_maximum_dose_gy:
        hints.append(
            Text(
                "delivery maximum dose of '{target}': {dose_gy} Gy",
                target=row.description,
                dose_gy=row.delivery_maximum_dose_gy,
            )
        )
    if row.organ_at_risk_maximum_dose_gy:
        hints.append(
            Text(
                "organ-at-risk maximum dose of '{target}': {dose_gy} Gy",
                target=row.description,
                dose_gy=row.organ_at_risk_maximum_dose_gy,
            )
        )
    return hints
