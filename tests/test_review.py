"""A person's answer is kept beside the verdict: shown, tied to what was reviewed, and never part of it."""

import json
import shutil
import tomllib
from pathlib import Path

import jsonschema
import pytest

from batches import plans, rows, run_here
from exports import export
from sbrtcheck import CaseError
from sbrtcheck.dossier.review import load_review, review_beside
from sbrtcheck.model import Answer, Decision
from sbrtcheck.report.as_json import load_schema
from sbrtcheck.report.review import render_form, verdict_hash
from test_cli import run

SAMPLES = Path(__file__).parents[1] / "sample_dicom"
REASON = "the limit was discussed in the tumour board"


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """Return a folder of its own with a plan that FAILs, and nothing beside it."""
    folder = tmp_path / "export" / "case"
    shutil.copytree(SAMPLES / "t6_42gy7_cord_fail", folder)
    return folder


def verdict_of(folder: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(run(folder / "RP.dcm", "--json").stdout)
    return document


def filled_in(document: dict[str, object], **changes: str) -> str:
    """Fill in a form as a person would, but for what is told otherwise."""
    form = render_form(document)
    answers = {
        'reviewer = ""': 'reviewer = "Li Na"',
        'role = ""': 'role = "medical physicist"',
        "date = ": "date = 2026-02-03",
        'decision = ""': 'decision = "acceptable variation"',
        'answer = ""': 'answer = "accepted"',
        'reason = ""': f'reason = "{REASON}"',
    }
    for empty, answer in (answers | changes).items():
        form = form.replace(empty, answer)
    return form


def reviewed(folder: Path, **changes: str) -> None:
    text = filled_in(verdict_of(folder), **changes)
    (folder / "review.toml").write_text(text, encoding="utf-8")


# --- The form -----------------------------------------------------------------------------------


def test_the_form_asks_of_all_that_is_not_pass_and_of_facts(failed: Path) -> None:
    (failed / "v.json").write_text(json.dumps(verdict_of(failed)), encoding="utf-8")
    done = run("review", failed / "v.json")
    document = verdict_of(failed)
    found = document["findings"]
    assert isinstance(found, list)
    asked = [
        (row["id"], row["subject"], row["metric"])
        for row in found
        if row["outcome"] not in (None, "PASS") or row["state"] == "not provided"
    ]

    form = tomllib.loads(done.stdout.replace("date = ", "date = 2026-01-31"))

    assert done.returncode == 0
    given = [
        (row["finding"], row["subject"], row.get("metric")) for row in form["findings"]
    ]
    assert sorted(given, key=str) == sorted(asked, key=str)
    assert given[0][0] == "limit.cord"
    assert form["verdict"] == verdict_hash(document)


def test_an_empty_form_is_refused_with_all_that_is_missing(failed: Path) -> None:
    form = render_form(verdict_of(failed)).replace("date = ", "date = 2026-02-03")
    (failed / "review.toml").write_text(form, encoding="utf-8")

    done = run(failed / "RP.dcm")

    assert done.returncode == 2
    for words in (
        "reviewer: write at least 1",
        "decision: '' is not",
        "findings.0.answer",
    ):
        assert words in done.stderr


@pytest.mark.parametrize("content", ["{}", "no JSON", "[1]"])
def test_what_is_no_verdict_gives_no_form(content: str, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(content, encoding="utf-8")

    done = run("review", tmp_path / "v.json")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--json wrote" in done.stderr


# --- What is shown ------------------------------------------------------------------------------


def test_a_review_is_shown_and_moves_nothing(failed: Path) -> None:
    before = run(failed / "RP.dcm")
    reviewed(failed)

    after = run(failed / "RP.dcm")
    quiet = run(failed / "RP.dcm", "-q")

    assert (before.returncode, after.returncode, quiet.returncode) == (1, 1, 1)
    for page in (after.stdout, quiet.stdout):
        assert "VERDICT: × FAIL" in page
        assert "ACCEPTABLE VARIATION: Li Na (medical physicist), 2026-02-03" in page
        assert "(accepted by Li Na)" in page
        assert f"accepted: {REASON}" in " ".join(page.split())
    assert "Review" not in before.stdout


def test_a_review_stands_in_json_beside_the_same_findings(failed: Path) -> None:
    before = verdict_of(failed)
    reviewed(failed)

    after = verdict_of(failed)

    jsonschema.validate(after, load_schema())
    review = after.pop("review")
    assert isinstance(review, dict)
    assert after == before
    assert review["of_this_verdict"] is True
    assert review["decision"] == "acceptable variation"
    assert review["findings"][0]["answer"] == "accepted"


def test_a_review_of_another_verdict_says_so(failed: Path) -> None:
    reviewed(failed)
    (failed / "case.toml").write_text('operated_levels = ["T9"]', encoding="utf-8")

    done = run(failed / "RP.dcm", "--levels", "T6")

    assert "REVIEW OF AN EARLIER VERDICT" in done.stdout


def test_version_and_place_do_not_make_another_verdict(
    failed: Path, tmp_path: Path
) -> None:
    document = verdict_of(failed)
    moved = tmp_path / "other" / "place"
    shutil.copytree(failed, moved)

    assert verdict_hash(verdict_of(moved)) == verdict_hash(document)
    assert verdict_hash(document | {"sbrtcheck": "9.9"}) == verdict_hash(document)
    assert verdict_hash(document | {"outcome": "PASS"}) != verdict_hash(document)


def test_a_review_of_another_plan_is_not_shown_and_refused_where_it_is_given(
    failed: Path, tmp_path: Path
) -> None:
    reviewed(failed)
    other = tmp_path / "second" / "case"
    shutil.copytree(SAMPLES / "t8_30gy5_pass", other)
    shutil.copy(failed / "review.toml", other)

    beside = run(other / "RP.dcm")
    given = run(other / "RP.dcm", "--review", failed / "review.toml")

    assert (beside.returncode, given.returncode) == (0, 2)
    assert "Li Na" not in beside.stdout
    assert "the review is of another plan" in given.stderr


def test_a_review_that_is_given_is_shown(failed: Path, tmp_path: Path) -> None:
    reviewed(failed)
    elsewhere = tmp_path / "answer.toml"
    (failed / "review.toml").rename(elsewhere)

    assert "Li Na" not in run(failed / "RP.dcm").stdout
    assert "Li Na" in run(failed / "RP.dcm", "--review", elsewhere).stdout


# --- Reading ------------------------------------------------------------------------------------


def test_all_of_a_review_is_read(failed: Path) -> None:
    reviewed(failed)
    beside = review_beside(failed / "RP.dcm")
    assert beside is not None

    review = load_review(beside)

    assert (review.reviewer, review.role) == ("Li Na", "medical physicist")
    assert review.decision is Decision.ACCEPTABLE
    assert review.on.isoformat() == "2026-02-03"
    row = review.of("limit.cord", "SpinalCord", "D0.035cc")
    assert row is not None
    assert (row.answer, row.reason) == (Answer.ACCEPTED, REASON)
    assert review.of("limit.cord", "SpinalCord", None) is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({'reason = ""': 'reason = "123456789"'}, "write at least 10 characters"),
        ({'decision = ""': 'decision = "fine"'}, "decision: 'fine' is not"),
        ({'answer = ""': 'answer = "maybe"'}, "answer: 'maybe' is not"),
        ({'role = ""': 'role = " "'}, "role: write at least 1 characters"),
        ({"schema = 1": "schema = 2"}, "schema: "),
        ({"schema = 1": "schema = 1\nsigned = true"}, "signed: "),
        ({"date = ": "date = 99"}, "date: "),
        ({'verdict = "': 'verdict = "x'}, "verdict: "),
    ],
)
def test_what_is_wrong_with_a_review_is_said(
    failed: Path, change: dict[str, str], problem: str
) -> None:
    reviewed(failed, **change)

    with pytest.raises(CaseError) as caught:
        load_review(failed / "review.toml")

    assert problem in str(caught.value)


def test_a_reason_of_ten_characters_is_enough(failed: Path) -> None:
    reviewed(failed, **{'reason = ""': 'reason = "1234567890"'})

    assert load_review(failed / "review.toml").findings[0].reason == "1234567890"


# --- Batch --------------------------------------------------------------------------------------


def test_a_batch_lists_reviews_and_no_outcome_moves(tmp_path: Path) -> None:
    first = export(tmp_path / "in/1", 1, patient_id="A", cord_gy=29.5)
    export(tmp_path / "in/2", 2, patient_id="B", frame="2")
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    before = {uid: row["outcome"] for uid, row in plans(out).items()}
    text = filled_in(verdict_of(first.plan.parent))
    first.plan.with_name("review.toml").write_text(text, encoding="utf-8")

    again = run_here(tmp_path / "in", out=out, resume=True)

    assert {uid: row["outcome"] for uid, row in plans(out).items()} == before
    assert again.tally.kept == 2
    assert rows(out / "quarantine.csv") == []
    reviews = sorted(row["reviewer"] for row in rows(out / "plans.csv"))
    assert reviews == ["", "Li Na"]
    row = next(row for row in rows(out / "plans.csv") if row["reviewer"])
    assert row["outcome"] == "FAIL"
    assert row["review_date"] == "2026-02-03"
    assert row["review_decision"] == "acceptable variation"
    stale = text.replace(verdict_hash(verdict_of(first.plan.parent)), "0" * 64)
    first.plan.with_name("review.toml").write_text(stale, encoding="utf-8")
    run_here(tmp_path / "in", out=out, resume=True)
    row = next(row for row in rows(out / "plans.csv") if row["reviewer"])
    assert row["review_decision"] == "of an earlier verdict: acceptable variation"
    assert int(row["reviewed_findings"]) > 0


def test_a_review_that_cannot_be_read_costs_no_plan(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    (tmp_path / "in/review.toml").write_text("x = ", encoding="utf-8")

    run_here(tmp_path / "in", out=tmp_path / "out")

    (row,) = rows(tmp_path / "out" / "plans.csv")
    assert row["outcome"] == "PASS"
    assert row["review_decision"].startswith("not read: the review: not valid TOML")
