"""What a centre states beside the files: do surgery, dates, age and earlier treatment fit?"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import asked, by_severity, reported
from sbrtcheck.checks.read_levels import level_order
from sbrtcheck.checks.rule import Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Arm, Text
from sbrtcheck.protocol.names import read_levels
from sbrtcheck.protocol.rules import Basis, Calendar, Levels, Record, Role

NOT_PROVIDED = Text("not provided")
PLACEHOLDER = "19000101"
EARLIEST = date(1990, 1, 1)  # SBRT is younger: an earlier date stands for none
MEND = Text("mend the case facts, if they are wrong")
CALENDAR = "calendar of the protocol"
RECORD = "record of the trial"

SURGERY_INTERVAL = Rule(
    id="surgery_interval",
    title="time since surgery",
    asks="How many days lie between surgery and the first fraction?",
    why="The trial irradiates about two weeks after ablation and cement: earlier the"
    " wound, later the tumour decides.",
    act="Check both dates in the case facts; record the deviation where they are right.",
    section=Section.FACTS,
    basis=Basis.TRIAL,
    source=CALENDAR,
    severity="warning",
)
PLANNING_IMAGE = Rule(
    id="planning_image",
    title="planning image",
    asks="Was the planning image taken after surgery?",
    why="Cement and ablation change anatomy and densities: a plan on an image from"
    " before does not show the treated vertebra.",
    act="Check the dates; plan on an image that shows the cement.",
    section=Section.FACTS,
    basis=Basis.TRIAL,
    source=CALENDAR,
    severity="error",
)
COURSE_LENGTH = Rule(
    id="course_length",
    title="length of the course",
    asks="How many days does the course last from first to last fraction?",
    why="The trial gives its fractions within about two weeks; limits of 4 to 7"
    " fractions hold for courses of that length.",
    act="Check both dates in the case facts; record the deviation where they are right.",
    section=Section.FACTS,
    basis=Basis.TRIAL,
    source=CALENDAR,
    severity="warning",
)
AGE = Rule(
    id="age",
    title="age",
    asks="Is the patient old enough for the trial?",
    why="The trial includes adults only.",
    act="Check birth date and dates of treatment.",
    section=Section.FACTS,
    basis=Basis.TRIAL,
    source=CALENDAR,
    severity="error",
)
OPERATED = Rule(
    id="operated_levels",
    title="operated levels",
    asks="Are the treated vertebrae those that were operated?",
    why="The trial irradiates the vertebra that was ablated and cemented.",
    act="Check the levels of the case facts and of the plan.",
    section=Section.FACTS,
    basis=Basis.TRIAL,
    source=CALENDAR,
    severity="error",
)
DAILY = Rule(
    id="course_days",
    title="fractions a day",
    asks="Does the course have a day for each fraction?",
    why="No more than one fraction a day: the limits of 4 to 7 fractions assume a day between them.",
    act="Check both dates and the number of fractions.",
    section=Section.FACTS,
    basis=Basis.TRIAL,
    source=CALENDAR,
    severity="error",
)
ARM = Rule(
    id="trial.arm",
    title="arm of the trial",
    asks="Was the patient randomised to the arm that is irradiated?",
    why="Only the control arm receives SBRT; an SBRT plan of the experimental arm breaks the"
    " randomisation.",
    act="Check the randomisation before anything else.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source=RECORD,
    severity="error",
)
AFFECTED = Rule(
    id="trial.affected",
    title="affected vertebrae",
    asks="Are fewer than three vertebrae affected?",
    why="The trial includes patients with fewer than three affected sites; targets that this plan"
    " does not treat are counted until somebody says how many there are.",
    act="State affected_levels in the case facts.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source=RECORD,
    severity="error",
)
PLAN_DATE = Rule(
    id="trial.dates",
    title="date of the plan",
    asks="Does the plan's date lie within the trial?",
    why="A plan from before or after is of another patient or another time, or the date is wrong.",
    act="Nothing; check the date where it surprises.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source=RECORD,
    severity="info",
)
INSTITUTION = Rule(
    id="trial.centre",
    title="centre",
    asks="Do the files state one of the centres of the trial?",
    why="An unknown institution is another name of a centre, or a plan that came in by mistake.",
    act="Nothing; check where the plan comes from.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source=RECORD,
    severity="info",
)


def check_facts(evidence: Evidence) -> Iterator[Finding]:
    """Yield every question that case facts answer; what is not stated is "not provided"."""
    rules = evidence.protocol.calendar
    if rules is not None:
        yield _surgery_interval(evidence, rules)
        yield _planning_image(evidence, rules)
        yield _course_length(evidence, rules)
        yield from _daily(evidence, rules)
        yield _age(evidence, rules)
    if evidence.protocol.levels is not None:
        yield _operated(evidence, evidence.protocol.levels)
    record = evidence.protocol.record
    if record is not None:
        yield from _arm(evidence, record)
        yield from _affected(evidence, record)
        yield from _plan_date(evidence, record)
        yield from _institution(evidence, record)


def _surgery_interval(evidence: Evidence, rules: Calendar) -> Finding:
    facts = evidence.declared.facts
    if facts.surgery_date is None or facts.first_fraction_date is None:
        return _absent(SURGERY_INTERVAL, rules)
    days = (facts.first_fraction_date - facts.surgery_date).days
    low, high = rules.days_from_surgery
    message = Text(
        "{days} days from surgery to the first fraction; the trial says 'about two weeks' and '2-3"
        " weeks post-surgery': {low} to {high} are taken for that",
        days=days,
        low=low,
        high=high,
    )
    is_usual = low <= days <= high
    found = _judged(evidence, SURGERY_INTERVAL, message, rules, fault=not is_usual)
    if not is_usual and _is_reported(days, rules):
        found = replace(found, outcome=None, state=None, cure=None)
    if rules.window_basis is not None:
        found = replace(found, line_basis=rules.window_basis)
    return found


def _is_reported(days: int, rules: Calendar) -> bool:
    if rules.days_reported is None:
        return False
    low, high = rules.days_reported
    return low <= days <= high


def _planning_image(evidence: Evidence, rules: Calendar) -> Finding:
    # The planning CT precedes the structure set: a structure set before surgery is proof.
    surgery = evidence.declared.facts.surgery_date
    instance = evidence.case.structure_set.instance
    drawn, studied = _date(instance.date), _date(instance.study_date)
    image = studied if drawn is None else drawn
    if surgery is None or image is None:
        return _absent(PLANNING_IMAGE, rules)
    message = Text(
        "planning image of {image}, surgery on {surgery}",
        image=image.isoformat(),
        surgery=surgery.isoformat(),
    )
    found = _judged(evidence, PLANNING_IMAGE, message, rules, fault=image < surgery)
    if drawn is None and found.outcome is Outcome.FAIL:
        # A study may begin long before the image that is planned on.
        found = replace(found, outcome=Outcome.VARIATION)
    return found


def _course_length(evidence: Evidence, rules: Calendar) -> Finding:
    facts = evidence.declared.facts
    if facts.first_fraction_date is None or facts.last_fraction_date is None:
        return _absent(COURSE_LENGTH, rules)
    days = (facts.last_fraction_date - facts.first_fraction_date).days + 1
    message = Text(
        "{days} days from first to last fraction, {most} at most expected",
        days=days,
        most=rules.most_days,
    )
    fault = not 1 <= days <= rules.most_days
    return _judged(evidence, COURSE_LENGTH, message, rules, fault=fault)


def _age(evidence: Evidence, rules: Calendar) -> Finding:
    plan = evidence.case.plan.instance
    born = _date(plan.patient.birth_date)
    on = evidence.declared.facts.first_fraction_date
    if on is None:
        on = _date(plan.date)
    is_placeholder = plan.patient.birth_date in (plan.study_date, PLACEHOLDER)
    years: float | None = plan.age_years
    if born is not None and on is not None and not is_placeholder:
        years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    if years is None and born is not None and is_placeholder:
        message = Text("the birth date is a placeholder: the age is not known")
        found = reported(AGE, message)
        return replace(found, state=State.NOT_PROVIDED, line_source=rules.source)
    if years is None:
        return _absent(AGE, rules)
    message = Text(
        "the patient is at least {least} years old", least=rules.least_age_years
    )
    if years < rules.least_age_years:
        message = Text(
            "the patient is not yet {least} years old", least=rules.least_age_years
        )
    return _judged(evidence, AGE, message, rules, fault=years < rules.least_age_years)


def _operated(evidence: Evidence, rules: Levels) -> Finding:
    operated = evidence.declared.facts.operated_levels
    treated = evidence.treated.certain
    if not operated or not treated:
        return _absent(OPERATED, rules)
    message = Text(
        "operated {operated}, treated {treated}",
        operated=", ".join(level_order(operated)),
        treated=", ".join(treated),
    )
    fault = set(operated) != set(treated)
    return _judged(evidence, OPERATED, message, rules, fault=fault)


def _daily(evidence: Evidence, rules: Calendar) -> Iterator[Finding]:
    facts, fractions = evidence.declared.facts, evidence.fractions
    first, last = facts.first_fraction_date, facts.last_fraction_date
    if first is None or last is None or fractions is None:
        return
    days = (last - first).days + 1
    message = Text(
        "{fractions} fractions in {days} days: one a day at most",
        fractions=fractions,
        days=days,
    )
    yield _judged(evidence, DAILY, message, rules, fault=days < fractions)


def _arm(evidence: Evidence, record: Record) -> Iterator[Finding]:
    arm = evidence.declared.facts.arm
    if arm is None:
        return
    message = Text("randomised to the {arm} arm", arm=arm.value)
    is_fault = arm is Arm.EXPERIMENTAL
    if is_fault:
        message = Text("{m}: SBRT is given in the control arm only", m=message)
    yield _judged(evidence, ARM, message, record, fault=is_fault)


def _affected(evidence: Evidence, record: Record) -> Iterator[Finding]:
    """Yield whether more levels are affected than allowed, declared or treated by known plans."""
    declared = evidence.declared.facts.affected_levels
    plans = (evidence.treated, *evidence.treated_with)
    known = set(declared).union(*(plan.certain for plan in plans))
    possible = set(known)
    if not declared:
        possible |= _untreated(evidence)
    if not possible:
        return
    message = Text(
        "{count} vertebrae are affected ({levels}), at most {most} allowed",
        count=len(known),
        levels=", ".join(level_order(known)),
        most=record.most_affected,
    )
    most = record.most_affected
    if len(known) <= most < len(possible):
        message = Text(
            "targets that are drawn and not treated would make {count} affected vertebrae ({levels})",
            count=len(possible),
            levels=", ".join(level_order(possible)),
        )
        cure = Text("state affected_levels in the case facts")
        found = asked(AFFECTED, message, state=State.DECLARE, cure=cure, subject="case")
        yield replace(found, line_basis=record.basis, line_source=record.source)
        return
    yield _judged(evidence, AFFECTED, message, record, fault=len(known) > most)


def _untreated(evidence: Evidence) -> set[str]:
    """Return the levels of targets that are drawn and not graded."""
    graded = {subject for subject, _ in evidence.graded_targets()}
    others = [
        match for subject, match in evidence.drawn(Role.PTV) if subject not in graded
    ]
    return {
        level
        for match in others
        for level in read_levels(match.roi.name, Role.PTV).stated
    }


def _plan_date(evidence: Evidence, record: Record) -> Iterator[Finding]:
    on = _date(evidence.case.plan.instance.date)
    if record.plan_dates is None or on is None or on < EARLIEST:
        return
    first, last = record.plan_dates
    if not first <= on <= last:
        message = Text(
            "the plan is of {on}, outside the trial ({first} to {last})",
            on=on.isoformat(),
            first=first.isoformat(),
            last=last.isoformat(),
        )
        found = reported(PLAN_DATE, message)
        yield replace(found, line_basis=record.basis, line_source=record.source)


def _institution(evidence: Evidence, record: Record) -> Iterator[Finding]:
    stated = evidence.case.plan.instance.institution
    if stated is None or not record.centres:
        return
    if any(
        _is_called(stated, (name, *others)) for name, others in record.centres.items()
    ):
        return
    message = Text("the files state an institution that is none of the trial's centres")
    found = reported(INSTITUTION, message)
    yield replace(found, line_basis=record.basis, line_source=record.source)


def _is_called(stated: str, names: Iterable[str]) -> bool:
    """Tell whether an institution is meant by one of some names, whatever stands around it."""
    return any(_plain(name) in _plain(stated) for name in names)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _date(text: str | None) -> date | None:
    """Read a DICOM date; an odd one is as good as none."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _absent(rule: Rule, rules: Calendar | Levels | Record) -> Finding:
    found = reported(rule, NOT_PROVIDED)
    return replace(
        found,
        state=State.NOT_PROVIDED,
        line_basis=rules.basis,
        line_source=rules.source,
    )


def _judged(
    evidence: Evidence,
    rule: Rule,
    message: Text,
    rules: Calendar | Levels | Record,
    *,
    fault: bool,
) -> Finding:
    found = by_severity(rule, evidence.protocol.checks, message, fault=fault, cure=MEND)
    return replace(found, line_basis=rules.basis, line_source=rules.source)


CHECKS = (check_facts,)
