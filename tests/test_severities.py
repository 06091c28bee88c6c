"""What a protocol may make of a check, and what it may not silence."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from builders import plan
from sbrtcheck import Outcome, ProtocolError, Verdict, check, load_case
from sbrtcheck.protocol.metric import parse_constraint
from sbrtcheck.protocol.rules import Protocol, Severity
from test_checks import APART, CORD, PROTOCOL, found, in_zone, judge

PASS, VARIATION, UNDECIDED, FAIL = Outcome
SAMPLES = Path(__file__).parents[1] / "sample_dicom"


def with_checks(**severities: Severity) -> Protocol:
    """Return the shipped protocol with severities; `__` stands for the dot of a name."""
    checks = {
        name.replace("__", "."): severity for name, severity in severities.items()
    }
    return replace(PROTOCOL, checks=APART | checks)


def with_unused_beam(protocol: Protocol) -> Verdict:
    first = plan().beams[0]
    both = replace(plan(), beams=(first, replace(first, number=2, name="Arc 2")))
    return judge(CORD, the_plan=both, protocol=protocol)


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"checks\.aproval: unknown check"):
        judge(CORD, protocol=with_checks(aproval="info"))


@pytest.mark.parametrize("severity", ["info", "off"])
@pytest.mark.parametrize(
    "name",
    ["neural__extent", "limit__cord", "coverage", "target__unclear", "dose__grid"],
)
def test_a_question_of_target_dose_or_cord_is_not_silenced(
    name: str, severity: Severity
) -> None:
    with pytest.raises(ProtocolError, match="would silence a question"):
        judge(CORD, protocol=with_checks(**{name: severity}))


def test_all_that_is_wrong_is_listed() -> None:
    with pytest.raises(ProtocolError) as caught:
        judge(CORD, protocol=with_checks(aproval="info", coverage="off"))

    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("severity", ["error", "ask", "warning"])
def test_a_guarded_check_takes_any_severity_that_is_an_answer(
    severity: Severity,
) -> None:
    verdict = judge(CORD, protocol=with_checks(neural__extent=severity))

    assert verdict.outcome is PASS


@pytest.mark.parametrize(
    ("severity", "outcome"),
    [("error", FAIL), ("ask", UNDECIDED), ("warning", VARIATION), ("info", None)],
)
def test_a_severity_decides_what_a_fault_is(
    severity: Severity, outcome: Outcome | None
) -> None:
    verdict = with_unused_beam(with_checks(beams__unused=severity))

    assert found(verdict, "beams.unused").outcome is outcome
    assert verdict.outcome is (PASS if outcome is None else outcome)


def test_the_name_of_an_earlier_release_still_works() -> None:
    """`beams` once told what an unused beam is."""
    assert found(with_unused_beam(with_checks()), "beams.unused").outcome is VARIATION
    assert (
        found(with_unused_beam(with_checks(beams="error")), "beams.unused").outcome
        is FAIL
    )


def test_the_new_name_goes_before_the_former_one() -> None:
    both = with_checks(beams="error", beams__unused="warning")

    assert found(with_unused_beam(both), "beams.unused").outcome is VARIATION


def test_a_check_that_is_not_guarded_can_be_turned_off() -> None:
    verdict = judge(CORD, protocol=with_checks(approval="off"))

    assert not any(f.id == "approval" for f in verdict.findings)
    assert found(judge(CORD), "approval").outcome is None


SHORT_CORD = in_zone("cord", "SpinalCord", -12, 12)


@pytest.mark.parametrize(
    ("severity", "outcome", "limit"),
    [
        ("error", FAIL, UNDECIDED),
        ("ask", UNDECIDED, UNDECIDED),
        ("warning", VARIATION, PASS),
    ],
)
def test_a_severity_decides_what_a_question_is_and_what_rests_on_it(
    severity: Severity, outcome: Outcome, limit: Outcome
) -> None:
    verdict = judge(SHORT_CORD, protocol=with_checks(neural__extent=severity))

    assert found(verdict, "neural.extent").outcome is outcome
    assert found(verdict, "limit.cord").outcome is limit


@pytest.mark.parametrize("severity", ["error", "ask", "warning"])
@pytest.mark.parametrize("name", ["limit__cord", "coverage"])
def test_the_lines_of_a_limit_are_not_a_matter_of_severity(
    name: str, severity: Severity
) -> None:
    with pytest.raises(ProtocolError, match="its lines decide"):
        judge(CORD, protocol=with_checks(**{name: severity}))


def with_row_of_1_cc(protocol: Protocol) -> Protocol:
    """Add a row on another metric of the cord to each that it has."""
    rows = [row for row in protocol.limits if row.structure == "SpinalCord"]
    more = [
        replace(
            row, goal=replace(row.goal, constraint=parse_constraint("D1cc <= 60Gy"))
        )
        for row in rows
    ]
    return replace(protocol, limits=(*protocol.limits, *more))


@pytest.mark.parametrize("severity", ["ask", "warning"])
def test_a_course_that_is_not_asked_holds_back_no_row(
    severity: Severity, tmp_path: Path
) -> None:
    """The other plan of the patient lies there without its dose."""
    shutil.copytree(SAMPLES / "pair_sum_pass_t7", tmp_path / "one")
    shutil.copy(SAMPLES / "pair_sum_pass_t9" / "RP.dcm", tmp_path / "other.dcm")
    case = load_case(tmp_path / "one" / "RP.dcm")
    protocol = with_row_of_1_cc(with_checks(course__unseen=severity))

    verdict = check(case, protocol)

    held = {str(f.metric) for f in verdict.findings if f.held_by == "course.unseen"}
    asked = {"D0.035cc", "D1cc"} & held
    assert asked == ({"D0.035cc", "D1cc"} if severity == "ask" else set())
