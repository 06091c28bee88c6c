"""What a centre states beside the files: do surgery, dates, age and earlier treatment fit?"""

from collections.abc import Iterator
from datetime import date

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.identity import SEVERITY_OUTCOME
from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.model import PriorRadiotherapy, Text
from sbrtcheck.protocol.names import LEVELS
from sbrtcheck.protocol.rules import Basis, Calendar, Levels

NOT_PROVIDED = Text("not provided")
HYTEC = "HyTEC: Sahgal 2021, IJROBP 110:124, re-irradiation"


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
        return _finding(evidence, "surgery_interval", None, rules)
    days = (facts.first_fraction_date - facts.surgery_date).days
    low, high = rules.days_from_surgery
    message = Text(
        "{days} days from surgery to the first fraction; {low} to {high} agree with both wordings of"
        " the trial ('about two weeks' and '2-3 weeks post-surgery')",
        days=days,
        low=low,
        high=high,
    )
    return _finding(evidence, "surgery_interval", message, rules, fault=not low <= days <= high)


def _planning_image(evidence: Evidence, rules: Calendar) -> Finding:
    # The planning CT precedes the structure set: a structure set before surgery is proof.
    surgery = evidence.declared.facts.surgery_date
    instance = evidence.case.structure_set.instance
    dates = [read for read in map(_date, (instance.study_date, instance.date)) if read is not None]
    if surgery is None or not dates:
        return _finding(evidence, "planning_image", None, rules)
    first = min(dates)
    message = Text(
        "planning image of {image}, surgery on {surgery}",
        image=first.isoformat(),
        surgery=surgery.isoformat(),
    )
    return _finding(evidence, "planning_image", message, rules, fault=first < surgery)


def _course_length(evidence: Evidence, rules: Calendar) -> Finding:
    facts = evidence.declared.facts
    if facts.first_fraction_date is None or facts.last_fraction_date is None:
        return _finding(evidence, "course_length", None, rules)
    days = (facts.last_fraction_date - facts.first_fraction_date).days + 1
    message = Text(
        "{days} days from first to last fraction, {most} at most expected",
        days=days,
        most=rules.most_days,
    )
    return _finding(
        evidence, "course_length", message, rules, fault=days > rules.most_days or days < 1
    )


def _age(evidence: Evidence, rules: Calendar) -> Finding:
    plan = evidence.case.plan.instance
    facts = evidence.declared.facts
    born = _date(plan.patient.birth_date)
    on = facts.first_fraction_date or _date(plan.date)
    if born is None or on is None:
        return _finding(evidence, "age", None, rules)
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    message = Text(
        "the patient is {verdict} {least} years old",
        verdict="at least" if years >= rules.least_age_years else "not yet",
        least=rules.least_age_years,
    )
    return _finding(evidence, "age", message, rules, fault=years < rules.least_age_years)


def _operated(evidence: Evidence, rules: Levels) -> Finding:
    operated = evidence.declared.facts.operated_levels
    treated = evidence.treated.levels if evidence.treated.known else ()
    if not operated or not treated:
        return _finding(evidence, "operated_levels", None, rules)
    message = Text(
        "operated {operated}, treated {treated}",
        operated=", ".join(sorted(operated, key=LEVELS.index)),
        treated=", ".join(treated),
    )
    return _finding(
        evidence, "operated_levels", message, rules, fault=set(operated) != set(treated)
    )


def _prior_radiotherapy(evidence: Evidence) -> Finding:
    prior = evidence.declared.facts.prior_radiotherapy
    outcome = None
    message = NOT_PROVIDED
    if prior is PriorRadiotherapy.NONE:
        message = Text("declared: no earlier irradiation at this level")
    elif prior is PriorRadiotherapy.UNKNOWN:
        message = Text("declared unknown: limits are those of a first irradiation")
    elif prior is PriorRadiotherapy.YES:
        outcome = Outcome.UNDECIDED
        message = Text(
            "earlier irradiation is declared: limits of a first irradiation do not decide; HyTEC"
            " for re-irradiation: cumulative thecal sac EQD2 (alpha/beta 2) at most 70 Gy, of this"
            " SBRT at most 25 Gy and half of the sum, 5 months or more between"
        )
    return Finding(
        id="prior_radiotherapy",
        subject="case",
        outcome=outcome,
        message=message,
        reason=message if outcome is not None else None,
        basis=Basis.PUBLISHED,
        source=HYTEC,
        required=outcome is not None,
    )


def _date(text: str | None) -> date | None:
    """Read a DICOM date; an odd one is as good as none."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None


def _finding(
    evidence: Evidence,
    check: str,
    message: Text | None,
    rules: Calendar | Levels,
    *,
    fault: bool = False,
) -> Finding:
    severity = evidence.protocol.checks[check]
    worst = SEVERITY_OUTCOME[severity]
    answered = message is not None and worst is not None
    return Finding(
        id=check,
        subject="case",
        outcome=(worst if fault else Outcome.PASS) if answered else None,
        message=message or NOT_PROVIDED,
        basis=rules.basis,
        source=rules.source,
        required=answered,
    )
