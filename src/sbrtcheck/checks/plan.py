"""What is treated, and how: does the plan itself say that it treats a patient with photons?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import answer, asked, by_severity, reported
from sbrtcheck.checks.read_course import QA_INTENTS
from sbrtcheck.checks.rule import PUBLISHED_CHECKS, Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Beam, Plan, Text, approval_term

PHOTON = "PHOTON"
MOST_MV = 10.0

APPROVAL = Rule(
    id="approval",
    title="approval",
    number="I1",
    asks="What is the approval status of the plan?",
    why="Plans are checked before approval, so it is reported only.",
    act="Nothing; approve the plan once it is checked.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="info",
)
REJECTED = Rule(
    id="plan.rejected",
    title="approval",
    number="I1",
    asks="Was the plan rejected?",
    why="A REJECTED plan is not to be treated.",
    act="Judge the plan that replaces it.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
INTENT = Rule(
    id="plan.intent",
    title="intent of the plan",
    number="I12",
    asks="Is this a plan for treatment, or one of quality assurance?",
    why="The dose of a verification or machine plan is not that of a patient.",
    act="Judge the plan that is treated.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
RESEARCH = Rule(
    id="plan.research",
    title="intent of the plan",
    number="I12",
    asks="Is the plan's intent RESEARCH?",
    why="In a trial that is common; it is said.",
    act="Nothing; it is reported.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="info",
)
BRACHY = Rule(
    id="plan.brachy",
    title="brachytherapy",
    number="I6",
    asks="Does the plan hold brachytherapy set-ups?",
    why="Only external photon plans are judged.",
    act="Judge it elsewhere.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
BEAMS = Rule(
    id="beams",
    title="beams",
    number="I2",
    asks="Does the plan hold a treatment beam?",
    why="A plan without one gives no dose that could be checked.",
    act="Export the plan again, whole.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
MISSING = Rule(
    id="beams.missing",
    title="beams",
    number="I2",
    asks="Does the plan hold every beam that its fraction groups name, each number once?",
    why="What is named and missing was lost on the way; of two beams of one number"
    " nobody can tell which is meant.",
    act="Export the plan again, whole.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
UNUSED = Rule(
    id="beams.unused",
    title="beams not used",
    number="I2",
    asks="Is there a treatment beam that no fraction group uses?",
    why="It may be a leftover, or be missing from the fractions.",
    act="Remove it, or assign it to the fraction group; export the plan again.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
    former="beams",
)
RADIATION = Rule(
    id="beams.radiation",
    title="kind of radiation",
    number="I6",
    asks="Do all treatment beams use photons?",
    why="Limits and dose engine of this protocol are those of external photons.",
    act="Judge it elsewhere.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
UNSTATED = Rule(
    id="beams.unstated",
    title="kind of radiation",
    number="I6",
    asks="Does each treatment beam state its kind of radiation?",
    why="Some systems leave it out; it is said.",
    act="Nothing; it is reported.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="info",
)
ENERGY = Rule(
    id="beams.energy",
    title="beam energy",
    number="I6",
    asks="Is every beam of 10 MV or less?",
    why="Above 10 MV neutrons add dose that the planning system does not count.",
    act="Plan with beams of 4 to 10 MV, or record why not.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
ONLY_PHOTONS = Text("judge it elsewhere: only external photon plans are judged here")
EXPORT = Text("export the plan again, whole")


def check_plan(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether the plan is one for treatment, by photons, with the beams that it names."""
    plan = evidence.case.plan
    severities = evidence.protocol.checks
    is_made_of_arrays = not plan.instance.sop_class_uid
    yield from _approval(evidence, plan)
    yield from _intent(plan)
    if is_made_of_arrays:
        return
    if plan.brachy_setups:
        message = Text(
            "the plan holds {count} brachytherapy set-ups: only external photon plans are judged",
            count=plan.brachy_setups,
        )
        yield asked(BRACHY, message, state=State.DECLARE, cure=ONLY_PHOTONS)
    treating = [beam for beam in plan.beams if beam.treats]
    yield _beams(treating)
    yield from _references(plan)
    yield from _radiation(treating)
    unused = _unused(plan, treating)
    if unused:
        message = Text(
            "no fraction group uses the treatment beams {beams}", beams=_listed(unused)
        )
        yield by_severity(UNUSED, severities, message, fault=True, cure=EXPORT)
    high = [beam for beam in treating if _is_of_high_energy(beam)]
    if high:
        message = Text(
            "beams of more than {most} MV: {beams}", most=MOST_MV, beams=_listed(high)
        )
        yield by_severity(ENERGY, severities, message, fault=True, cure=EXPORT)


def _is_of_high_energy(beam: Beam) -> bool:
    if beam.energy_mv is None:
        return False
    return beam.energy_mv > MOST_MV


def _approval(evidence: Evidence, plan: Plan) -> Iterator[Finding]:
    """Yield the approval status; plans are checked before approval, so only REJECTED is asked."""
    status = plan.instance.approval_status
    message = Text("the plan is without approval status")
    if status:
        message = Text("the plan is {status}", status=status)
    yield by_severity(
        APPROVAL,
        evidence.protocol.checks,
        message,
        fault=status != "APPROVED",
        cure=Text("approve the plan"),
    )
    if approval_term(status) == "REJECTED":
        message = Text("the plan is REJECTED: it is not to be treated")
        cure = Text("judge the plan that replaces it")
        yield asked(REJECTED, message, state=State.DECLARE, cure=cure)


def _intent(plan: Plan) -> Iterator[Finding]:
    cure = Text("judge the plan that is treated, not the one of its quality assurance")
    for word in dict.fromkeys((plan.intent, plan.geometry)):
        if word in QA_INTENTS:
            message = Text("this is a QA plan ({intent})", intent=word)
            yield asked(INTENT, message, state=State.DECLARE, cure=cure)
            return
    if plan.intent == "RESEARCH":
        yield reported(RESEARCH, Text("the plan's intent is RESEARCH"), subject="plan")


def _beams(treating: Sequence[Beam]) -> Finding:
    if treating:
        return answer(
            BEAMS, Outcome.PASS, Text("{count} treatment beams", count=len(treating))
        )
    message = Text(
        "the plan holds no treatment beam: only external photon plans are judged"
    )
    return asked(BEAMS, message, state=State.MISSING, cure=EXPORT, subject="case")


def _references(plan: Plan) -> Iterator[Finding]:
    """Yield the beams that a fraction group names and the plan lacks, and numbers used twice."""
    known = Counter(beam.number for beam in plan.beams)
    missing = [_number_text(number) for number in _named(plan) if number not in known]
    if missing:
        message = Text(
            "the fraction group names beams that the plan lacks: {beams}",
            beams=", ".join(missing),
        )
        yield asked(MISSING, message, state=State.MISSING, cure=EXPORT, subject="case")
    twice = [str(number) for number, count in known.items() if count > 1]
    if twice:
        message = Text("beam numbers stand twice: {beams}", beams=", ".join(twice))
        yield asked(
            MISSING, message, state=State.MISSING, cure=EXPORT, subject="case #2"
        )


def _named(plan: Plan) -> list[int | None]:
    """Return the numbers of the beams that fraction groups name, each once."""
    numbers = chain.from_iterable(group.beam_numbers for group in plan.fraction_groups)
    return list(dict.fromkeys(numbers))


def _number_text(number: int | None) -> str:
    if number is None:
        return "?"
    return str(number)


def _unused(plan: Plan, treating: Sequence[Beam]) -> list[Beam]:
    """Return the treatment beams that no fraction group names; none where groups name no beams."""
    named = _named(plan)
    if not named:
        return []
    return [beam for beam in treating if beam.number not in named]


def _radiation(treating: Sequence[Beam]) -> Iterator[Finding]:
    other = [beam for beam in treating if beam.radiation_type not in ("", PHOTON)]
    if other:
        kinds = ", ".join(dict.fromkeys(beam.radiation_type for beam in other))
        message = Text(
            "beams of {kinds}: only external photon plans are judged ({beams})",
            kinds=kinds,
            beams=_listed(other),
        )
        yield asked(
            RADIATION, message, state=State.DECLARE, cure=ONLY_PHOTONS, subject="case"
        )
    unstated = [beam for beam in treating if not beam.radiation_type]
    if unstated:
        message = Text(
            "beams state no radiation type: {beams}", beams=_listed(unstated)
        )
        yield reported(UNSTATED, message)


def _listed(beams: Sequence[Beam]) -> str:
    return ", ".join(f"{beam.number} '{beam.name}'" for beam in beams)


CHECKS = (check_plan,)
