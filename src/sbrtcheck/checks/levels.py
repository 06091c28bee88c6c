"""May the treated vertebrae be treated, and are they not too many?"""

from collections.abc import Iterator
from itertools import chain

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.read_levels import level_order
from sbrtcheck.checks.rule import Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.model import Text
from sbrtcheck.protocol.rules import Basis, Levels

LEVELS_ALLOWED = Rule(
    id="trial.levels",
    title="vertebral levels",
    asks="Does every treated vertebra lie within the levels of the protocol?",
    why="The trial treats T5 to L5; a level is known from names of targets and"
    " vertebrae, or declared, never from a height on the image.",
    act="Name the target by its level or declare it with --levels; a level outside"
    " the protocol cannot be treated in it.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source="levels of the protocol",
)
VERTEBRAE = Rule(
    id="trial.vertebrae",
    title="number of vertebrae",
    asks="Are no more vertebrae treated than the protocol allows?",
    why="The trial treats at most two.",
    act="Check the levels; more vertebrae than allowed cannot be treated in the protocol.",
    section=Section.TRIAL,
    basis=Basis.TRIAL,
    source="levels of the protocol",
)


def check_levels(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether the treated levels are allowed, and not too many."""
    rules = evidence.protocol.levels
    if rules is None:
        return
    yield _allowed(evidence, rules)
    yield _count(evidence, rules)


def _allowed(evidence: Evidence, rules: Levels) -> Finding:
    treated = evidence.treated
    outside = level_order(set(treated.levels) - set(rules.allowed))
    span = f"{rules.allowed[0]}-{rules.allowed[-1]}"
    if outside:
        message = Text(
            "{levels} is outside {span}", levels=", ".join(outside), span=span
        )
        return _finding(LEVELS_ALLOWED, rules, Outcome.FAIL, message)
    if treated.problem is not None:
        return _asked(LEVELS_ALLOWED, rules, treated.problem, treated.cure)
    named = ", ".join(treated.levels)
    message = Text("{levels} within {span}", levels=named, span=span)
    return _finding(LEVELS_ALLOWED, rules, Outcome.PASS, message)


def _count(evidence: Evidence, rules: Levels) -> Finding:
    """Count the vertebrae of all parts of the course."""
    everyone = (evidence.treated, *evidence.treated_with)
    levels = level_order(chain.from_iterable(one.levels for one in everyone))
    count = len(levels)
    if count > rules.most:
        message = Text(
            "{count} treated ({levels}), at most {most} allowed",
            count=count,
            most=rules.most,
            levels=", ".join(levels),
        )
        return _finding(VERTEBRAE, rules, Outcome.FAIL, message)
    for one in everyone:
        if one.problem is not None:
            return _asked(
                VERTEBRAE, rules, one.problem, one.cure, held_by=LEVELS_ALLOWED.id
            )
    message = Text(
        "{count} treated, at most {most} allowed", count=count, most=rules.most
    )
    return _finding(VERTEBRAE, rules, Outcome.PASS, message)


def _finding(rule: Rule, rules: Levels, outcome: Outcome, message: Text) -> Finding:
    return Finding(
        rule=rule,
        subject="plan",
        outcome=outcome,
        message=message,
        line_basis=rules.basis,
        line_source=rules.source,
        place="levels",
    )


def _asked(
    rule: Rule, rules: Levels, why: Text, cure: Text, *, held_by: str | None = None
) -> Finding:
    return Finding(
        rule=rule,
        subject="plan",
        outcome=Outcome.UNDECIDED,
        message=why,
        reason=why,
        state=State.DECLARE,
        cure=cure,
        line_basis=rules.basis,
        line_source=rules.source,
        place="levels",
        held_by=held_by,
    )


CHECKS = (check_levels,)
