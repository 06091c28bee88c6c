"""What else of this patient's treatment reaches the same cord? Other plans, added or not."""

from collections.abc import Iterator

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import answer, asked, numbered_subject, reported
from sbrtcheck.checks.read_course import plan_words
from sbrtcheck.checks.rule import Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.dossier import Case, tail
from sbrtcheck.model import Instance, Text, approval_term

ONE_CORD = "two plans, one cord: the cord receives the sum"

ADDED = Rule(
    id="course",
    title="doses of the course",
    asks="Are all plans added that give dose to this cord?",
    why="Two plans that treat neighbouring vertebrae both reach the cord: each may"
    " keep its limit while the sum does not.",
    act="Add the other plan with --with, or declare with --alone that none adds dose.",
    section=Section.COURSE,
    source=ONE_CORD,
)
OTHER_PLANS = Rule(
    id="course.unseen",
    title="other plans",
    asks="Could everything be seen that may hold another plan of this patient?",
    why="A second plan near this one gives dose to the same cord; what could not be"
    " read or listed may be that plan.",
    act="Make the files readable, remove those that do not belong here, or declare --alone.",
    section=Section.COURSE,
    source=ONE_CORD,
    severity="ask",
)
SUPERSEDED = Rule(
    id="course.superseded",
    title="superseded plan",
    asks="Does another plan of the same targets replace this one?",
    why="Of two revisions the approved one is treated; a verdict on the other"
    " protects nobody.",
    act="Judge the plan that is treated.",
    section=Section.COURSE,
    source="of revisions of one plan, the one that is approved is treated",
    severity="ask",
)
REVISIONS = Rule(
    id="course.revisions",
    title="revisions",
    asks="Which plans of the patient treat the same targets?",
    why="They are taken for revisions and not added.",
    act="Where one of them is a further course, add it with --with.",
    section=Section.COURSE,
    source=ONE_CORD,
    severity="info",
)
OTHERS = Rule(
    id="course.others",
    title="other plans",
    asks="Which plans of the patient treat other targets?",
    why="They are named so that a person can tell whether they add dose.",
    act="Nothing; it is reported.",
    section=Section.COURSE,
    source=ONE_CORD,
    severity="info",
)


def check_course(evidence: Evidence) -> Iterator[Finding]:
    """Yield what becomes of every other plan of the patient."""
    course = evidence.course
    for part in course.parts:
        yield _added(part)
    if course.superseded is not None:
        yield asked(
            SUPERSEDED,
            course.superseded.why,
            state=State.DECLARE,
            cure=course.superseded.cure,
            subject="case",
        )
    for number, question in enumerate(course.open, start=1):
        yield asked(
            OTHER_PLANS,
            question.why,
            state=State.MISSING,
            cure=question.cure,
            subject=numbered_subject("case", number),
        )
    if course.revisions and course.superseded is None:
        yield reported(REVISIONS, _replaced(evidence))
    for number, text in enumerate(course.reported, start=1):
        yield reported(OTHERS, text, subject=numbered_subject("case", number))


def waits_for_course(evidence: Evidence) -> bool:
    """Tell whether limits of serial organs wait for what is not known of the course."""
    if not evidence.course.open:
        return False
    return evidence.holds_back(OTHER_PLANS)


def _added(part: Case) -> Finding:
    instance = part.plan.instance
    message = Text(
        "plan {plan} is added for neural structures and organs; assumed to be given on the same"
        " days",
        plan=plan_words(instance),
    )
    subject = f"plan {tail(instance.sop_instance_uid)}"
    return answer(ADDED, Outcome.PASS, message, subject=subject)


def _replaced(evidence: Evidence) -> Text:
    rows = evidence.course.revisions
    plans = "; ".join(str(plan_words(row.instance)) for row in rows)
    status = ", ".join(dict.fromkeys(_approval(row.instance) for row in rows))
    return Text(
        "other plans of the patient treat the same target, taken for revisions and not added:"
        " {plans} ({status})",
        plans=plans,
        status=status,
    )


def _approval(instance: Instance) -> str:
    term = approval_term(instance.approval_status)
    if term is None:
        return "no approval status"
    return term


CHECKS = (check_course,)
