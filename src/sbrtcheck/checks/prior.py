"""Was this region irradiated before: what the trial says of it, and what the cord may still receive?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import answer, asked, by_severity, reported
from sbrtcheck.checks.read_levels import level_order
from sbrtcheck.checks.rule import Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.dvh import DVH
from sbrtcheck.model import CaseFacts, PriorRadiotherapy, Text
from sbrtcheck.protocol.names import LEVELS
from sbrtcheck.protocol.rules import Basis, Record, Role

PRIOR = Rule(
    id="prior_radiotherapy",
    title="earlier radiotherapy",
    asks="Was this region irradiated before, and what may the cord still receive?",
    why="The limits are those of a first irradiation; a cord that was irradiated before tolerates"
    " less.",
    act="State prior_rt in the case facts; after an earlier irradiation add its plan with --with, or"
    " state the EQD2 that it gave to the cord (prior_cord_eqd2_gy).",
    section=Section.FACTS,
    basis=Basis.PUBLISHED,
    source="HyTEC: Sahgal 2021, IJROBP 110:124, re-irradiation",
    severity="ask",
)
WITHIN = Rule(
    id="trial.prior_radiotherapy",
    title="radiotherapy before the trial",
    asks="Was a treated level irradiated within two years before the first fraction?",
    why="The trial excludes radiotherapy to the target lesion within two years (exclusion 3);"
    " earlier irradiation is allowed.",
    act="Check date and levels of the earlier irradiation in the case facts.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source="exclusion 3 of the trial",
)
NOT_PROVIDED = Text("not provided")
# What is only told of earlier irradiation, by what is declared.
TOLD = {
    PriorRadiotherapy.NONE: Text("declared: no earlier irradiation at this level"),
    PriorRadiotherapy.UNKNOWN: Text(
        "declared unknown: limits are those of a first irradiation"
    ),
}
NEXT_LEVEL = 1
ALPHA_BETA_GY = 2.0
# HyTEC, of the thecal sac: both courses, this one, its part of both, and the time between.
MOST_OF_BOTH_GY, MOST_OF_THIS_GY, MOST_PART, LEAST_DAYS = 70.0, 25.0, 0.5, 152
CURE = Text(
    "add the earlier plan with --with, or state prior_cord_eqd2_gy and prior_rt_date in the case"
    " facts"
)
SAY_WHEN = Text("state prior_rt_date and prior_rt_levels in the case facts")
NEURAL = (Role.CORD, Role.SAC, Role.CANAL, Role.CORD_PRV, Role.CAUDA)


def check_prior(evidence: Evidence) -> Iterator[Finding]:
    """Yield what an earlier irradiation means to the trial, and to the cord."""
    if evidence.protocol.record is not None:
        yield from _within(evidence, evidence.protocol.record)
    yield _tolerance(evidence)


# --- The trial ----------------------------------------------------------------------------------


def _within(evidence: Evidence, record: Record) -> Iterator[Finding]:
    facts = evidence.declared.facts
    if facts.prior_radiotherapy is not PriorRadiotherapy.YES:
        return
    yield replace(
        _of_trial(evidence, record, facts),
        line_basis=record.basis,
        line_source=record.source,
    )


def _of_trial(evidence: Evidence, record: Record, facts: CaseFacts) -> Finding:
    treated = evidence.treated.certain
    if _is_elsewhere(facts.prior_radiotherapy_levels, treated):
        message = Text(
            "the earlier irradiation was of {levels}, not of a treated level",
            levels=_listed(facts.prior_radiotherapy_levels),
        )
        return answer(WITHIN, Outcome.PASS, message)
    days = _days_before(facts)
    if days is None:
        message = Text("when an earlier irradiation took place is not stated")
        return asked(
            WITHIN, message, state=State.DECLARE, cure=SAY_WHEN, subject="case"
        )
    message = Text(
        "{days} days from the earlier irradiation to the first fraction, at least {least} asked of"
        " the same lesion",
        days=days,
        least=record.days_without_radiotherapy,
    )
    is_recent = days < record.days_without_radiotherapy
    if is_recent and not facts.prior_radiotherapy_levels:
        return asked(
            WITHIN, message, state=State.DECLARE, cure=SAY_WHEN, subject="case"
        )
    cure = Text("check date and levels of the earlier irradiation")
    checks = evidence.protocol.checks
    return by_severity(WITHIN, checks, message, fault=is_recent, cure=cure)


def _is_elsewhere(levels: Sequence[str], treated: Sequence[str]) -> bool:
    """Tell whether all levels are named and none of them is treated."""
    return bool(levels) and bool(treated) and not set(levels) & set(treated)


def _days_before(facts: CaseFacts) -> int | None:
    if facts.prior_radiotherapy_date is None or facts.first_fraction_date is None:
        return None
    return (facts.first_fraction_date - facts.prior_radiotherapy_date).days


def _listed(levels: Sequence[str]) -> str:
    return ", ".join(level_order(levels))


# --- The cord -----------------------------------------------------------------------------------


def _tolerance(evidence: Evidence) -> Finding:
    facts = evidence.declared.facts
    prior = facts.prior_radiotherapy
    if prior in TOLD:
        return reported(PRIOR, TOLD[prior])
    if prior is not PriorRadiotherapy.YES:
        return replace(reported(PRIOR, NOT_PROVIDED), state=State.NOT_PROVIDED)
    if _is_far(facts.prior_radiotherapy_levels, evidence.treated.certain):
        message = Text(
            "the earlier irradiation was of {levels}, more than a vertebra from any treated level",
            levels=_listed(facts.prior_radiotherapy_levels),
        )
        return answer(PRIOR, Outcome.PASS, message)
    if facts.prior_cord_eqd2_gy is not None:
        return _graded(evidence, facts, facts.prior_cord_eqd2_gy)
    message = Text(
        "earlier irradiation is declared: limits of a first irradiation do not decide; HyTEC"
        " for re-irradiation: cumulative thecal sac EQD2 (alpha/beta 2) at most 70 Gy, of this"
        " SBRT at most 25 Gy and half of the sum, 5 months or more between"
    )
    return asked(PRIOR, message, state=State.DECLARE, cure=CURE, subject="case")


def _is_far(levels: Sequence[str], treated: Sequence[str]) -> bool:
    """Tell whether every level that was irradiated lies more than one vertebra from every treated one."""
    pairs = [
        (LEVELS.index(one), LEVELS.index(other)) for one in levels for other in treated
    ]
    return bool(pairs) and all(abs(one - other) > NEXT_LEVEL for one, other in pairs)


def _graded(evidence: Evidence, facts: CaseFacts, prior_gy: float) -> Finding:
    """Grade this course beside an earlier one by what HyTEC recommends for re-irradiation."""
    this_gy, days = _eqd2_gy(evidence), _days_before(facts)
    if this_gy is None:
        message = Text("the EQD2 of this course at the cord cannot be known")
        cure = Text("settle prescription, cord and dose first")
        return asked(PRIOR, message, state=State.MISSING, cure=cure, subject="case")
    if days is None:
        message = Text("when an earlier irradiation took place is not stated")
        return asked(PRIOR, message, state=State.DECLARE, cure=SAY_WHEN, subject="case")
    both_gy = prior_gy + this_gy
    message = Text(
        "thecal sac EQD2 (alpha/beta 2): {prior_gy} Gy before and {this_gy} Gy now, {both_gy} Gy in"
        " all, {days} days between; HyTEC: at most 70 Gy in all, 25 Gy now and half of the sum, 5"
        " months or more between",
        prior_gy=prior_gy,
        this_gy=round(this_gy, 1),
        both_gy=round(both_gy, 1),
        days=days,
    )
    keeps = (
        both_gy <= MOST_OF_BOTH_GY
        and this_gy <= MOST_OF_THIS_GY
        and this_gy <= MOST_PART * both_gy
        and days >= LEAST_DAYS
    )
    return answer(PRIOR, Outcome.PASS if keeps else Outcome.FAIL, message)


def _eqd2_gy(evidence: Evidence) -> float | None:
    """Return the largest EQD2 of this course in what is drawn of the canal; None if not known."""
    fractions = evidence.fractions
    known = evidence.dosimetry.dvhs
    dvhs = [
        known[subject] for subject, _ in evidence.drawn(*NEURAL) if subject in known
    ]
    whole = [dvh for dvh in dvhs if isinstance(dvh, DVH) and dvh.is_complete]
    if fractions is None or not whole or len(whole) < len(dvhs):
        return None
    dose_gy = max(dvh.max_gy for dvh in whole)
    return dose_gy * (dose_gy / fractions + ALPHA_BETA_GY) / (2 + ALPHA_BETA_GY)


CHECKS = (check_prior,)
