"""Which RT Dose is the dose of a plan's whole course, or which of them add up to it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from sbrtcheck import dicom
from sbrtcheck.dicom import RTFile
from sbrtcheck.dossier.case import tail
from sbrtcheck.dossier.groups import grouped
from sbrtcheck.errors import CaseError, ReadError, UnsupportedError
from sbrtcheck.model import DoseGrid, DoseHeader, Instance, Plan, Text, sum_doses

__all__ = [
    "Chosen",
    "candidate_row",
    "choose_dose",
    "course_dose",
    "dose_words",
    "why_not_course",
]

BEAM = "BEAM"
REFUSED_SUMMATIONS = {
    "BEAM": Text(
        "it is the dose of single beams, not of the plan; export the plan dose"
    ),
    "BEAM_SESSION": Text(
        "it is the dose of beams in one session; export the plan dose"
    ),
    "BRACHY": Text("it is a brachytherapy dose; export the plan dose"),
    "BRACHY_SESSION": Text("it is a brachytherapy dose; export the plan dose"),
    "CONTROL_POINT": Text("it is the dose of control points; export the plan dose"),
    "FRACTION_SESSION": Text(
        "it is the dose of one session, which is never multiplied; export the plan dose"
    ),
    "MULTI_PLAN": Text("it is the sum of several plans; export the dose of this plan"),
    "PLAN_OVERVIEW": Text(
        "it is an overview of several plans; export the dose of this plan"
    ),
    "RECORD": Text(
        "it is a delivered dose from treatment records; export the plan dose"
    ),
}
UNSTATED = Text("it does not say whether it is the plan's whole dose")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files whose doses add up to the course, and what is said of the others."""

    doses: tuple[RTFile, ...]
    notes: tuple[Text, ...] = ()


def choose_dose(plan: Plan, doses: Sequence[RTFile]) -> Chosen:
    """Choose the course dose of a plan among the doses that name it.

    One of the plan, of its one fraction group, or all its beams.

    Raises
    ------
    CaseError
        If several could be its dose.
    UnsupportedError
        If what names the plan is not physical dose of the whole course.
    """
    whole, beams, refused = _sorted(plan, doses)
    by_summation = grouped(whole, lambda dose: dose.dose_header().summation_type)
    whole = by_summation.get("PLAN", whole)
    if len(whole) > 1:
        raise CaseError(
            Text(
                "{count} RT Doses are dose of this plan; choose one with --dose",
                count=len(whole),
            ),
            candidates=[_row(dose) for dose in whole],
        )
    notes = [_unused(dose, why) for dose, why in refused.items()]
    if whole:
        told = {*whole, *refused}
        others = [dose for dose in doses if dose not in told]
        return Chosen(tuple(whole), (*_beside(whole[0], others), *notes))
    if beams:
        used = all_beams(plan, beams)
        return Chosen(tuple(used), (*_summed(used, beams), *notes))
    dose, why = next(iter(refused.items()))
    raise _refusal(dose, why)


def _beside(whole: RTFile, others: Sequence[RTFile]) -> list[Text]:
    """Say of other doses that they lie beside that of the course."""
    beside = Text(
        "it lies beside a {summation} dose",
        summation=whole.dose_header().summation_type,
    )
    return [_unused(dose, beside) for dose in others]


def _summed(used: Sequence[RTFile], beams: Sequence[RTFile]) -> list[Text]:
    """Say that the beam doses are added up, and which of them are not."""
    summed = Text(
        "the plan dose is the sum of {count} beam doses, each treatment beam once",
        count=len(used),
    )
    idle = Text("its beam does not treat")
    return [summed, *(_unused(dose, idle) for dose in beams if dose not in used)]


def _sorted(
    plan: Plan, doses: Sequence[RTFile]
) -> tuple[list[RTFile], list[RTFile], dict[RTFile, Text]]:
    """Part doses into those of the whole course, those of single beams, and those refused with why."""
    whole: list[RTFile] = []
    beams: list[RTFile] = []
    refused: dict[RTFile, Text] = {}
    for dose in doses:
        try:
            header = dose.dose_header()
            require_physical(header)
        except ReadError as error:
            refused[dose] = Text("{why}", why=str(error.problem))
            continue
        why = why_not_course(header, plan)
        if header.summation_type == BEAM:
            beams.append(dose)
        elif why is None:
            whole.append(dose)
        else:
            refused[dose] = why
    return whole, beams, refused


def course_dose(plan: Plan, doses: Sequence[RTFile]) -> DoseGrid:
    """Read the doses that add up to the course of a plan, and add them up.

    Raises
    ------
    CaseError
        If they lie in different frames of reference, or on grids that do not meet.
    ReadError
        If one cannot be read.
    """
    frames = {dose.instance.frame_of_reference_uid for dose in doses}
    if len(frames) > 1:
        raise CaseError(
            Text(
                "the beam doses have different frames of reference; export the plan dose"
            )
        )
    if not one_frame(plan.instance.frame_of_reference_uid, *frames):
        raise CaseError(
            Text(
                "plan and dose have different frames of reference; export the dose of this plan"
            )
        )
    grids = [dose.dose() for dose in doses]
    if len(grids) == 1:
        return grids[0]
    try:
        return sum_doses(grids)
    except ValueError as error:
        raise CaseError(
            Text(
                "the beam doses cannot be added: {why}; export the plan dose",
                why=str(error),
            )
        ) from error


def one_frame(*frame_uids: str | None) -> bool:
    """Tell whether no two frames of reference differ; one that is not stated may be any."""
    return len(set(frame_uids) - {None}) < 2


def all_beams(plan: Plan, doses: Sequence[RTFile]) -> list[RTFile]:
    """Return the beam doses that hold each treatment beam exactly once.

    Raises
    ------
    UnsupportedError
        If beams are missing or stand in several doses; it names them.
    """
    names = {beam.number: beam.name for beam in plan.beams}
    treating = {beam.number for beam in plan.beams if beam.treats}
    used = [dose for dose in doses if _may_hold(dose, treating)]
    held_in = [dose.dose_header().beam_numbers for dose in used]
    problems = _beam_problems(treating, held_in, names)
    if problems:
        raise UnsupportedError(
            Text(
                "this plan has only doses of single beams (BEAM), and they do not add up to it:"
                " {problems}; export the plan dose",
                problems="; ".join(str(problem) for problem in problems),
            )
        )
    return used


def _may_hold(dose: RTFile, treating: set[int]) -> bool:
    """Tell whether a beam dose is of a treatment beam; one that names no beam may be."""
    numbers = dose.dose_header().beam_numbers
    if not numbers:
        return True
    return not treating.isdisjoint(numbers)


def _beam_problems(
    treating: set[int], held_in: Sequence[tuple[int, ...]], names: dict[int, str]
) -> list[Text]:
    """Say why doses that hold these beams do not add up to all treatment beams, each once."""

    def listed(numbers: set[int]) -> str:
        return ", ".join(f"{n} '{names.get(n, '')}'" for n in sorted(numbers))

    held = Counter(chain.from_iterable(held_in))
    missing = treating - held.keys()
    twice = set(held - Counter(held.keys()))
    foreign = held.keys() - names.keys()
    rows = (
        (not treating, Text("the plan names no treatment beam")),
        (missing, Text("missing are beams {beams}", beams=listed(missing))),
        (twice, Text("held more than once are beams {beams}", beams=listed(twice))),
        (foreign, Text("not of the plan are beams {beams}", beams=listed(foreign))),
        (() in held_in, Text("one does not name its beam")),
    )
    return [problem for holds, problem in rows if holds]


def _unused(dose: RTFile, why: Text) -> Text:
    uid = tail(dose.instance.sop_instance_uid)
    return Text("RT Dose {uid} not used: {why}", uid=uid, why=why)


def candidate_row(instance: Instance, kind: str, detail: str) -> Text:
    """Describe a candidate without file name, which may hold a record number."""
    label = ""
    if instance.label:
        label = f"'{instance.patient.masked(instance.label)}'"
    date = "no date"
    if instance.date is not None:
        date = instance.date
    return Text(
        "{kind} {uid}  {date}  {detail}  {label}",
        kind=kind,
        uid=tail(instance.sop_instance_uid),
        label=label,
        date=date,
        detail=detail,
    )


def _row(dose: RTFile) -> Text:
    return candidate_row(dose.instance, "RT Dose", dose_words(dose.dose_header()))


def dose_words(header: DoseHeader) -> str:
    """Describe a dose: kind and size of the grid."""
    columns, rows, frames = header.size
    summation = header.summation_type or "(no summation)"
    return f"{summation}, grid {columns} x {rows} x {frames}"


def require_physical(header: DoseHeader) -> None:
    """Raise `UnsupportedError` for what is not physical dose in a volume."""
    dicom.refuse_dose_kind(header, None)
    if min(header.size) < 2:
        raise UnsupportedError(Text("it has a single plane, row or column"))


def refuse_not_course(dose: RTFile, plan: Plan) -> None:
    """Raise `UnsupportedError` for a dose, given by hand, that is not that of the course."""
    header = dose.dose_header()
    require_physical(header)
    if header.summation_type == BEAM and header.beam_numbers:
        all_beams(plan, [dose])
        return
    why = why_not_course(header, plan)
    if why is not None:
        raise _refusal(dose, why)


def _refusal(dose: RTFile, why: Text) -> UnsupportedError:
    try:
        summation = dose.dose_header().summation_type
    except ReadError:
        summation = ""
    kind = summation or "(none)"
    return UnsupportedError(
        Text("the RT Dose is of kind {summation}: {why}", summation=kind, why=why),
        path=dose.path,
    )


def why_not_course(header: DoseHeader, plan: Plan) -> Text | None:
    """Return why a dose alone is not that of the whole course (PS3.3 C.8.8.3), or None.

    FRACTION is the dose of one whole fraction group, and so the course where there is one.
    """
    summation = header.summation_type
    if summation not in ("PLAN", "FRACTION"):
        return REFUSED_SUMMATIONS.get(summation, UNSTATED)
    if len(set(header.referenced_plan_uids)) > 1:
        return Text("it names several plans; export the dose of this plan")
    if summation == "FRACTION" and len(plan.fraction_groups) != 1:
        return Text(
            "it is the dose of one of several fraction groups; export the plan dose"
        )
    return _foreign_group(header, plan)


def _foreign_group(header: DoseHeader, plan: Plan) -> Text | None:
    own = {group.number for group in plan.fraction_groups} - {None}
    if not own:
        return None
    foreign = sorted(set(header.fraction_group_numbers) - own)
    if not foreign:
        return None
    return Text(
        "it names fraction group {number}, which the plan lacks; export the plan dose",
        number=foreign[0],
    )
