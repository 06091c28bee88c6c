"""What a centre states beside the files: do surgery, dates, age and earlier treatment fit?"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import asked, by_severity, reported
from sbrtcheck.checks.read_levels import level_order
from sbrtcheck.checks.rule import Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import PriorRadiotherapy, Text
from sbrtcheck.protocol.rules import Basis, Calendar, Levels

NOT_PROVIDED = Text("not provided")
PLACEHOLDER = "19000101"
MEND = Text("mend the case facts, if they are wrong")
CALENDAR = "calendar of the protocol"

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
PRIOR = Rule(
    id="prior_radiotherapy",
    title="earlier radiotherapy",
    asks="Was this level irradiated before?",
    why="The limits are those of a first irradiation; a cord that was irradiated"
    " before tolerates less.",
    act="State prior_rt in the case facts; after an earlier irradiation judge the sum"
    " elsewhere.",
    section=Section.FACTS,
    basis=Basis.PUBLISHED,
    source="HyTEC: Sahgal 2021, IJROBP 110:124, re-irradiation",
    severity="ask",
)


# What is only told of earlier irradiation, by what is declared.
PRIOR_TOLD = {
    PriorRadiotherapy.NONE: Text("declared: no earlier irradiation at this level"),
    PriorRadiotherapy.UNKNOWN: Text(
        "declared unknown: limits are those of a first irradiation"
    ),
}


def check_facts(evidence: Evidence) -> Iterator[Finding]:
    """Yield every question that case facts answer; what is not stated is "not provided"."""
    rules = evidence.protocol.calendar
    if rules is not None:
        yield _surgery_interval(evidence, rules)
        yield _planning_image(evidence, rules)
        yield _course_length(evidence, rules)
        yield _age(evidence, rules)
    if evidence.protocol.levels is not None:
        yield _operated(evidence, evidence.protocol.levels)
    yield _prior_radiotherapy(evidence)


def _surgery_interval(evidence: Evidence, rules: Calendar) -> Finding:
    facts = evidence.declared.facts
    if facts.surgery_date is None or facts.first_fraction_date is None:
        return _absent(SURGERY_INTERVAL, rules)
    days = (facts.first_fraction_date - facts.surgery_date).days
    low, high = rules.days_from_surgery
    message = Text(
        "{days} days from surgery to the first fraction; {low} to {high} agree with both wordings of"
        " the trial ('about two weeks' and '2-3 weeks post-surgery')",
        days=days,
        low=low,
        high=high,
    )
    return _judged(
        evidence, SURGERY_INTERVAL, message, rules, fault=not low <= days <= high
    )


def _planning_image(evidence: Evidence, rules: Calendar) -> Finding:
    # The planning CT precedes the structure set: a structure set before surgery is proof.
    surgery = evidence.declared.facts.surgery_date
    instance = evidence.case.structure_set.instance
    dates = [
        read
        for read in map(_date, (instance.study_date, instance.date))
        if read is not None
    ]
    if surgery is None or not dates:
        return _absent(PLANNING_IMAGE, rules)
    first = min(dates)
    message = Text(
        "planning image of {image}, surgery on {surgery}",
        image=first.isoformat(),
        surgery=surgery.isoformat(),
    )
    return _judged(evidence, PLANNING_IMAGE, message, rules, fault=first < surgery)


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
    if born is None or on is None:
        return _absent(AGE, rules)
    if plan.patient.birth_date in (plan.study_date, PLACEHOLDER):
        message = Text("the birth date is a placeholder: the age is not known")
        found = reported(AGE, message)
        return replace(found, state=State.NOT_PROVIDED, line_source=rules.source)
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
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


def _prior_radiotherapy(evidence: Evidence) -> Finding:
    prior = evidence.declared.facts.prior_radiotherapy
    if prior in PRIOR_TOLD:
        return reported(PRIOR, PRIOR_TOLD[prior])
    if prior is PriorRadiotherapy.YES:
        message = Text(
            "earlier irradiation is declared: limits of a first irradiation do not decide; HyTEC"
            " for re-irradiation: cumulative thecal sac EQD2 (alpha/beta 2) at most 70 Gy, of this"
            " SBRT at most 25 Gy and half of the sum, 5 months or more between"
        )
        cure = Text("judge the sum of both courses by the limits for re-irradiation")
        return asked(PRIOR, message, state=State.DECLARE, cure=cure, subject="case")
    return replace(reported(PRIOR, NOT_PROVIDED), state=State.NOT_PROVIDED)


def _date(text: str | None) -> date | None:
    """Read a DICOM date; an odd one is as good as none."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _absent(rule: Rule, rules: Calendar | Levels) -> Finding:
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
    rules: Calendar | Levels,
    *,
    fault: bool,
) -> Finding:
    found = by_severity(rule, evidence.protocol.checks, message, fault=fault, cure=MEND)
    return replace(found, line_basis=rules.basis, line_source=rules.source)


CHECKS = (check_facts,)
