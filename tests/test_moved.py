"""What moves between two versions: how strict a change is, and how it is told."""

import json
from typing import Any

import pytest

from moved import Answer, Compared, Kind, Move, answer_of, moves_of, report

REFUSAL = {"code": 2, "out": "", "err": "sbrtcheck: RP.dcm: this is not DICOM\n"}


def row(outcome: str | None, value: float | None = 1.0, **more: Any) -> dict[str, Any]:
    """Return a finding as `--json` writes it."""
    finding = {
        "id": "cord.max",
        "subject": "T8",
        "metric": "D0.035cc",
        "message": "as it is",
    }
    return {
        **finding,
        "outcome": outcome,
        "value": value,
        "low": value,
        "high": value,
        **more,
    }


def answer(
    *rows: dict[str, Any], outcome: str = "PASS", code: int = 0, **more: Any
) -> Answer:
    document = {"outcome": outcome, "findings": list(rows), **more}
    return answer_of({"code": code, "out": json.dumps(document), "err": ""})


def moved(before: Answer, after: Answer) -> list[Move]:
    return list(moves_of(Compared(plan="a/RP.dcm", before=before, after=after)))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (row("PASS"), row("VARIATION"), Kind.STRICTER),
        (row("VARIATION"), row("UNDECIDED"), Kind.STRICTER),
        (row("UNDECIDED"), row("FAIL"), Kind.STRICTER),
        (row(None), row("PASS"), Kind.STRICTER),
        (row("FAIL"), row("UNDECIDED"), Kind.MILDER),
        (row("PASS"), row(None), Kind.MILDER),
        (row("PASS", 1.0), row("PASS", 1.00001), Kind.NUMBERS),
        (row("PASS", 1.0), row("PASS", None), Kind.NUMBERS),
        (row("PASS"), row("PASS", high=1.5), Kind.NUMBERS),
        (row("PASS", 1.0), row("FAIL", 2.0), Kind.STRICTER),
    ],
)
def test_a_finding_of_both_versions_moves_by_outcome_then_by_numbers(
    before: dict[str, Any], after: dict[str, Any], kind: Kind
) -> None:
    found = moved(answer(before), answer(after))

    assert [(move.kind, move.key) for move in found] == [
        (kind, ("cord.max", "T8", "D0.035cc"))
    ]


@pytest.mark.parametrize(
    ("outcome", "came", "went"),
    [
        ("FAIL", Kind.STRICTER, Kind.MILDER),
        ("UNDECIDED", Kind.STRICTER, Kind.MILDER),
        ("VARIATION", Kind.STRICTER, Kind.MILDER),
        ("PASS", Kind.APPEARED, Kind.VANISHED),
        (None, Kind.APPEARED, Kind.VANISHED),
    ],
)
def test_a_finding_that_comes_or_goes_is_strict_if_worse_than_pass(
    outcome: str | None, came: Kind, went: Kind
) -> None:
    assert [move.kind for move in moved(answer(), answer(row(outcome)))] == [came]
    assert [move.kind for move in moved(answer(row(outcome)), answer())] == [went]


def test_rounding_words_and_keys_of_a_newer_version_move_nothing() -> None:
    newer = row("PASS", 1.0000005, message="in other words", further=[1, 2])

    assert moved(answer(row("PASS", 1.0)), answer(newer, trial="PASS")) == []


def test_another_metric_is_another_finding() -> None:
    found = moved(answer(row("PASS")), answer(row("FAIL", metric="Dmax")))

    assert {(move.kind, move.key[2]) for move in found} == {
        (Kind.VANISHED, "D0.035cc"),
        (Kind.STRICTER, "Dmax"),
    }


@pytest.mark.parametrize(
    ("outcome", "code", "kind"),
    [("PASS", 0, Kind.STRICTER), ("UNDECIDED", 3, Kind.EVEN), ("FAIL", 1, Kind.MILDER)],
)
def test_a_refusal_is_as_strict_as_undecided_and_the_only_move_of_its_plan(
    outcome: str, code: int, kind: Kind
) -> None:
    before = answer(row(outcome), row("FAIL", subject="T9"), outcome=outcome, code=code)

    (move,) = moved(before, answer_of(REFUSAL))

    assert (move.kind, move.key[0]) == (kind, "verdict")
    assert move.after is not None
    assert "not DICOM" in move.after.message


def test_two_refusals_are_the_same() -> None:
    assert moved(answer_of(REFUSAL), answer_of(REFUSAL)) == []


def test_a_verdict_with_two_findings_of_one_key_is_not_compared() -> None:
    with pytest.raises(ValueError, match="two findings"):
        answer(row("PASS"), row("FAIL"))


def test_the_report_counts_all_and_shows_few() -> None:
    before, after = (
        answer(row("PASS")),
        answer(row("FAIL", 2.0), outcome="FAIL", code=1),
    )
    plans = [
        Compared(plan=f"{number}/RP.dcm", before=before, after=after)
        for number in range(7)
    ]

    lines = report(plans, [move for plan in plans for move in moves_of(plan)])

    assert "## cord.max: 7 stricter" in lines
    shown = "T8 D0.035cc: PASS 1 [1, 1] -> FAIL 2 [2, 2]; as it is"
    assert sum(shown in line for line in lines) == 5
    assert lines.count("  and 2 more") == 2
    assert "| 0 | 1 | 7 |" in lines
    assert lines[-1] == (
        "Total: 7 plans, 14 findings; 14 findings moved in 7 plans: 14 stricter;"
        " 7 exit codes changed"
    )
