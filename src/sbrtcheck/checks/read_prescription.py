"""Read dose and fractions of a plan: by rule from its dose references, or as declared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sbrtcheck.checks.read_targets import states_target_dose
from sbrtcheck.checks.rule import State
from sbrtcheck.errors import CaseError
from sbrtcheck.model import (
    Declared,
    DoseReference,
    FractionGroup,
    Plan,
    Prescription,
    Text,
)
from sbrtcheck.protocol.rules import Schemes

__all__ = ["PrescriptionReading", "read_fractions", "read_prescription", "stated_or"]

POINTS = ("COORDINATES", "POINT")
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
    stated = _stated(plan, regions, points, fractions, schemes)
    if declared.prescription is not None:
        return _declared(plan, declared.prescription, regions, stated, schemes)
    return _reading(plan, fractions, stated)


def read_fractions(plan: Plan) -> int | None:
    """Return the number of fractions of a plan: that of its groups, where all state one number."""
    numbers = _fraction_numbers(plan)
    if len(numbers) != 1:
        return None
    (number,) = numbers
    if number is None:
        return None
    if number < 1:
        return None
    return number


def stated_or(stated: str | int | None, words: str) -> str | int:
    """Return what a file states, or words for that it does not."""
    if stated is None:
        return words
    return stated


def _fraction_numbers(plan: Plan) -> set[int | None]:
    return {group.fractions for group in plan.fraction_groups}


def _reading(
    plan: Plan, fractions: int | None, stated: Prescription | _Unknown
) -> PrescriptionReading:
    known = PrescriptionReading(
        prescription=None,
        fractions=fractions,
        problem=Text("the prescription is known"),
        state=State.MISSING,
        cure=EXAMPLE,
        hints=_hints(plan),
    )
    if isinstance(stated, Prescription):
        return replace(known, prescription=stated)
    return replace(known, problem=stated.why, state=stated.state, cure=stated.cure)


def _candidates(plan: Plan) -> tuple[list[DoseReference], list[DoseReference]]:
    """Return the references that state a target's dose: those of regions, and those of points."""
    regions: list[DoseReference] = []
    points: list[DoseReference] = []
    for row in plan.dose_references:
        if not states_target_dose(row):
            continue
        if _is_point(row):
            points.append(row)
        else:
            regions.append(row)
    return regions, points


def _is_point(row: DoseReference) -> bool:
    return row.structure_type.upper() in POINTS


def _doses_gy(rows: Sequence[DoseReference], schemes: Schemes) -> list[float]:
    """Return the distinct doses, ascending; those within the tolerance are one."""
    stated_gy = _known_gy(row.target_prescription_dose_gy for row in rows)
    kept_gy: list[float] = []
    for dose_gy in sorted(stated_gy):
        if not _is_one_of(dose_gy, kept_gy, schemes):
            kept_gy.append(dose_gy)
    return kept_gy


def _known_gy(doses_gy: Iterable[float | None]) -> list[float]:
    return [dose_gy for dose_gy in doses_gy if dose_gy is not None]


def _is_one_of(dose_gy: float, doses_gy: Iterable[float], schemes: Schemes) -> bool:
    return any(schemes.same_dose(one_gy, dose_gy) for one_gy in doses_gy)


def _stated(
    plan: Plan,
    regions: Sequence[DoseReference],
    points: Sequence[DoseReference],
    fractions: int | None,
    schemes: Schemes,
) -> Prescription | _Unknown:
    """Return what the plan prescribes to regions, or else at points; or why that is not known."""
    rows = regions or points
    doses_gy = _doses_gy(rows, schemes)
    if len(doses_gy) > 1:
        return _several(rows)
    if len(_fraction_numbers(plan)) > 1:
        return _groups_differ(plan)
    if not doses_gy:
        why = Text("the plan states no target prescription dose")
        return _Unknown(why, State.MISSING, EXAMPLE)
    if fractions is None:
        why = Text("the plan states no number of fractions")
        return _Unknown(why, State.MISSING, EXAMPLE)
    if not regions:
        return _of_points(rows, doses_gy[0], fractions, schemes)
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


def _groups_differ(plan: Plan) -> _Unknown:
    numbers = sorted(_fraction_numbers(plan), key=str)
    in_words = [str(stated_or(number, "none")) for number in numbers]
    listed = ", ".join(in_words)
    why = Text(
        "the fraction groups of the plan state different numbers: {numbers}",
        numbers=listed,
    )
    cure = Text("export each fraction group as a plan of its own, with its dose")
    return _Unknown(why, State.DECLARE, cure)


def _of_points(
    rows: Sequence[DoseReference], dose_gy: float, fractions: int, schemes: Schemes
) -> Prescription | _Unknown:
    """Take the dose at a point for the prescription only if a scheme has just this dose."""
    allowed = [row for row in schemes.allowed if row.fractions == fractions]
    allowed_gy = _known_gy(row.dose_gy for row in allowed)
    if not _is_one_of(dose_gy, allowed_gy, schemes):
        why = Text(
            "the plan states a dose at a point only ({dose_gy} Gy), which need not be the"
            " prescription",
            dose_gy=dose_gy,
        )
        return _Unknown(why, State.DECLARE, EXAMPLE)
    source = Text(
        "RT Plan, dose reference TARGET {kind}: read at a point; fraction group",
        kind=_kind(rows[0]),
    )
    return Prescription(
        dose_gy=dose_gy, fractions=fractions, target=_targets(rows), source=source
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
    if len(_fraction_numbers(plan)) > 1:
        return _reading(plan, None, _groups_differ(plan))
    source = Text("declared")
    if _says(stated, dose_gy, schemes):
        source = Text("declared; the plan says the same")
    prescription = Prescription(
        dose_gy=dose_gy, fractions=fractions, target=_targets(regions), source=source
    )
    return _reading(plan, fractions, prescription)


def _says(stated: Prescription | _Unknown, dose_gy: float, schemes: Schemes) -> bool:
    if isinstance(stated, _Unknown):
        return False
    return schemes.same_dose(stated.dose_gy, dose_gy)


def _refuse_other_dose(
    declared_gy: float, stated_gy: Sequence[float], schemes: Schemes
) -> None:
    """Raise `CaseError` if a plan states doses of regions, and the declared one is not among them."""
    if not stated_gy:
        return
    if _is_one_of(declared_gy, stated_gy, schemes):
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
    hints: list[Text] = []
    for row in plan.dose_references:
        hints += _hints_of(row)
    for group in plan.fraction_groups:
        hints += _hints_of_beams(group)
    return tuple(hints)


def _hints_of_beams(group: FractionGroup) -> list[Text]:
    """Return what all beams of a group give together; nothing where one of them does not say."""
    beam_doses_gy = _known_gy(group.beam_doses_gy)
    if len(beam_doses_gy) < len(group.beam_doses_gy):
        return []
    if not beam_doses_gy:
        return []
    if not group.fractions:
        return []
    hint = Text(
        "beam doses at their specification points x {fractions} fractions: {dose_gy} Gy",
        fractions=group.fractions,
        dose_gy=sum(beam_doses_gy) * group.fractions,
    )
    return [hint]


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
