"""Two verdicts side by side: what moved, by how much, and what they were made from."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pydicom
import pytest

from builders import Files, box, cylinder, linear_dose, plan, structure_set, write_case
from sbrtcheck import ReadError, check, load_case, load_protocol
from sbrtcheck.model import Declared
from sbrtcheck.report.as_json import render_json
from sbrtcheck.report.diff import (
    Differences,
    Kind,
    compare_recorded,
    diff_json,
    diff_text,
)
from sbrtcheck.report.recorded import read_recorded
from test_cli import SAMPLES, assert_refused, run

PROTOCOL = load_protocol("nct06756087")
PTV = box("PTV_T8", (-12, -12, -12), (12, 12, 12))
FALLING = linear_dose(
    33.0, (0.0, -0.5, 0.0)
)  # 33 Gy in the target's middle, 21 Gy 24 mm behind

Document = dict[str, Any]


def cord(y_mm: float) -> Any:
    return cylinder("SpinalCord", (0, y_mm), 5, -30, 30)


def judged(folder: Path, y_mm: float = 30.0, **options: Any) -> str:
    """Return the verdict on a cord that lies so far behind the target's middle.

    In a folder of its own, so that plans of other tests do not lie beside it.
    """
    files = write_case(
        folder / "export" / "case",
        structure_set=structure_set((PTV, cord(y_mm))),
        dose=FALLING,
    )
    return render_json(check(load_case(files.plan), PROTOCOL, Declared(**options)))


def compared(before: str, after: str) -> Differences:
    return compare_recorded(
        read_recorded(before.encode()), read_recorded(after.encode())
    )


def edited(text: str, edit: Callable[[Document], object]) -> str:
    document: Document = json.loads(text)
    edit(document)
    return json.dumps(document)


def finding(document: Document, finding_id: str) -> Document:
    return next(row for row in document["findings"] if row["id"] == finding_id)


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    return judged(tmp_path_factory.mktemp("case"))


# --- What moved ---------------------------------------------------------------------------------


def test_a_verdict_beside_itself_moves_nothing(verdict: str) -> None:
    found = compared(verdict, verdict)

    assert (found.inputs, found.changes, found.same_outcomes) == ((), (), True)
    assert found.same == len(json.loads(verdict)["findings"])
    assert "Version, protocol, files and declarations are the same" in diff_text(found)
    assert f"No finding moved ({found.same} compared)" in diff_text(found)


def test_a_cord_that_lies_nearer_moves_its_outcome_by_so_many_gy(
    verdict: str, tmp_path: Path
) -> None:
    """10 mm nearer in 0.5 Gy a mm: 5 Gy more, and beyond the limit of 25.3 Gy."""
    found = compared(verdict, judged(tmp_path, 20.0))

    first = found.changes[0]
    assert first.finding.key == ("limit.cord", "SpinalCord", "D0.035cc")
    assert first.kind is Kind.OUTCOME
    assert first.by == pytest.approx(5.0, abs=1e-3)  # the engine's sub-cells
    assert first.by_percent == pytest.approx(100 * 5.0 / first.before.value, rel=1e-3)  # type: ignore[union-attr, operator]
    assert not found.same_outcomes
    assert "limit.cord SpinalCord D0.035cc: UNDECIDED -> FAIL;" in diff_text(found)
    assert "(+5.00 Gy, +" in diff_text(found)


def test_the_files_that_changed_are_named(verdict: str, tmp_path: Path) -> None:
    """Same UIDs, another content: only the structure set was drawn anew."""
    found = compared(verdict, judged(tmp_path, 20.0))

    assert [name for name, _, _ in found.inputs] == [
        "plan 1 structure set sha256",
        "plan 1 structure set dataset sha256",
    ]


def test_a_dose_of_another_content_is_told_by_its_hash(tmp_path: Path) -> None:
    files = write_case(tmp_path / "export" / "case", dose=FALLING)
    before = render_json(check(load_case(files.plan), PROTOCOL))
    dataset = pydicom.dcmread(files.dose)
    dataset.SeriesDescription = "exported again"
    dataset.save_as(files.dose)

    found = compared(before, render_json(check(load_case(files.plan), PROTOCOL)))

    assert [name for name, _, _ in found.inputs] == [
        "plan 1 dose 1 sha256",
        "plan 1 dose 1 dataset sha256",
    ]
    assert not found.changes


def test_what_was_declared_is_told(verdict: str, tmp_path: Path) -> None:
    after = judged(tmp_path, alone=True)

    assert ("declared alone", "no", "yes") in compared(verdict, after).inputs


def moved(verdict: str, edit: Callable[[Document], object]) -> Differences:
    return compared(verdict, edited(verdict, edit))


@pytest.mark.parametrize(
    ("edit", "kind", "words"),
    [
        (lambda f: f.update(outcome="FAIL"), Kind.OUTCOME, "UNDECIDED -> FAIL"),
        (
            lambda f: f.update(limit="<= 23 Gy"),
            Kind.LIMIT,
            "limit <= 25.3 Gy -> <= 23 Gy",
        ),
        (lambda f: f.update(value=f["value"] + 0.001), Kind.VALUE, "(+0.001"),
        (lambda f: f.update(value=None), Kind.VALUE, "-> not known"),
        (lambda f: f.update(low=1.0), Kind.INTERVAL, "-> 1 to"),
        (lambda f: f.update(message="else"), Kind.WORDS, "-> 'else'"),
        (
            lambda f: f.update(basis="convention"),
            Kind.WORDS,
            "'published' -> 'convention'",
        ),
    ],
)
def test_each_kind_of_change_is_told(
    verdict: str, edit: Callable[[Document], object], kind: Kind, words: str
) -> None:
    found = moved(verdict, lambda d: edit(finding(d, "limit.cord")))

    assert [change.kind for change in found.changes] == [kind]
    assert words in diff_text(found)
    assert found.same_outcomes is (kind is not Kind.OUTCOME)


def test_what_is_gone_and_what_is_new_differ_in_outcome(verdict: str) -> None:
    found = moved(verdict, lambda d: finding(d, "limit.cord").update(subject="other"))

    assert [change.kind for change in found.changes] == [Kind.VANISHED, Kind.APPEARED]
    assert not found.same_outcomes


def test_a_reported_row_that_is_new_moves_no_outcome(verdict: str) -> None:
    found = moved(
        verdict, lambda d: d["findings"].append({"id": "report.new", "subject": "PTV"})
    )

    assert found.same_outcomes
    assert "report.new PTV: not graded" in diff_text(found)


def test_rounding_of_sums_is_no_change(verdict: str) -> None:
    def nudge(document: Document) -> None:
        row = finding(document, "limit.cord")
        row["value"] *= 1 + 1e-12

    assert not moved(verdict, nudge).changes


def test_the_verdict_alone_may_differ(verdict: str) -> None:
    """Another version may rank its findings otherwise."""
    found = moved(verdict, lambda d: d.update(outcome="UNDECIDED"))

    assert not found.same_outcomes
    assert diff_text(found).startswith("Verdict: FAIL -> UNDECIDED\n")


def test_important_changes_come_first(verdict: str) -> None:
    def edit(document: Document) -> None:
        graded = [row for row in document["findings"] if row["outcome"] == "PASS"]
        reported = [
            row
            for row in document["findings"]
            if row["outcome"] is None and row["value"]
        ]
        reported[0]["value"] *= 3
        graded[0]["outcome"], graded[1]["outcome"] = "VARIATION", "FAIL"
        coverage = finding(document, "coverage")
        coverage["value"] *= 1.01

    found = moved(verdict, edit)

    outcomes = [change.finding.outcome for change in found.changes]
    kinds = [change.kind for change in found.changes]
    assert kinds == sorted(kinds, key=list(Kind).index)
    assert outcomes[0] is not None
    assert outcomes[0].name == "FAIL"
    assert kinds[-2:] == [Kind.VALUE, Kind.VALUE]
    assert found.changes[-1].finding.outcome is None


def test_version_and_protocol_are_told(verdict: str) -> None:
    def edit(document: Document) -> None:
        document["sbrtcheck"] = "9.9.9"
        document["protocol"].update(version="2.0", sha256="f" * 64)

    found = moved(verdict, edit)

    assert [name for name, _, _ in found.inputs] == [
        "sbrtcheck",
        "protocol version",
        "protocol sha256",
    ]
    assert "protocol sha256: " in diff_text(found)
    assert "f" * 13 not in diff_text(found)


def test_hashes_that_begin_alike_are_shown_whole(verdict: str) -> None:
    sha256 = json.loads(verdict)["protocol"]["sha256"]
    other = sha256[:-1] + ("0" if sha256[-1] != "0" else "1")

    found = moved(verdict, lambda d: d["protocol"].update(sha256=other))

    assert f"{sha256} -> {other}" in diff_text(found)


def test_a_percentage_moves_in_points(verdict: str) -> None:
    def edit(document: Document) -> None:
        finding(document, "coverage")["value"] = 50.0

    after = edited(verdict, lambda d: finding(d, "coverage").update(value=40.0))

    assert "50.0 -> 40.0 % (-10.0 points, -20 %)" in diff_text(
        compared(edited(verdict, edit), after)
    )


# --- Identity -----------------------------------------------------------------------------------


def named(folder: Path) -> Files:
    instance = replace(plan().instance, label="Jane T8")
    rois = (PTV, replace(cord(30.0), name="SpinalCord Doe"))
    return write_case(
        folder / "export" / "case",
        plan=replace(plan(), instance=instance),
        structure_set=structure_set(rois),
        dose=FALLING,
    )


def test_identity_is_shown_by_neither_side(tmp_path: Path) -> None:
    """One file was written with --phi: names in it are masked, and so pair with the other's."""
    result = check(load_case(named(tmp_path).plan), PROTOCOL)
    masked, shown = render_json(result), render_json(result, phi=True)
    assert "Doe" in shown

    same = compared(masked, shown)
    moved_too = compared(
        shown, edited(shown, lambda d: d["plans"][0].update(label="Doe again"))
    )

    assert not same.changes
    assert not same.inputs
    for found in (same, moved_too):
        for text in (diff_text(found), diff_json(found)):
            assert not any(word in text for word in ("Doe", "Jane", "P-0815"))
    assert "*** again" in diff_text(moved_too)


def test_labels_of_other_plans_are_never_shown(verdict: str) -> None:
    """With --phi they are in the file, and may name a patient whom no mask knows."""
    other = {
        "kind": "RT Plan",
        "sop_instance_uid": "1.2",
        "where": "beside",
        "label": "AHMAD",
    }

    found = compared(
        edited(verdict, lambda d: d.update(others=[])),
        edited(verdict, lambda d: d.update(others=[other])),
    )

    assert "other 1 sop instance uid: nothing -> 1.2" in diff_text(found)
    assert "AHMAD" not in diff_text(found) + diff_json(found)


def test_another_patient_is_told_without_a_name(tmp_path: Path) -> None:
    result = check(load_case(named(tmp_path).plan), PROTOCOL)
    shown = render_json(result, phi=True)

    found = compared(shown, edited(shown, lambda d: d["patient"].update(id="4711")))

    assert found.inputs == (("patient", "one patient", "another (not shown)"),)


def test_strings_of_a_file_cannot_move_the_cursor(verdict: str) -> None:
    found = moved(verdict, lambda d: finding(d, "limit.cord").update(message="\x1b[2J"))

    assert "\x1b" not in diff_text(found)


# --- What is refused ----------------------------------------------------------------------------

BROKEN: dict[str, Callable[[Document], object]] = {
    "it is of schema 2": lambda d: d.update(schema=2),
    "'findings' cannot be read": lambda d: d.update(findings={}),
    "'outcome' cannot be read": lambda d: d.update(outcome="GOOD"),
    "'protocol' cannot be read": lambda d: d.pop("protocol"),
    "'value' cannot be read": lambda d: finding(d, "limit.cord").update(value="16"),
    "'message' cannot be read": lambda d: finding(d, "limit.cord").update(message=7),
    "two findings limit.cord SpinalCord": lambda d: d["findings"].append(
        finding(d, "limit.cord")
    ),
}


@pytest.mark.parametrize(("words", "edit"), BROKEN.items())
def test_what_is_no_whole_verdict_is_refused(
    verdict: str, words: str, edit: Callable[[Document], object]
) -> None:
    with pytest.raises(ReadError, match=words):
        read_recorded(edited(verdict, edit).encode())


@pytest.mark.parametrize("number", [10**400, -(10**400), True])
def test_a_number_that_no_float_holds_is_refused(verdict: str, number: object) -> None:
    broken = edited(verdict, lambda d: finding(d, "limit.cord").update(value=number))

    with pytest.raises(ReadError, match="'value' cannot be read"):
        read_recorded(broken.encode())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("sbrtcheck: there is no such file", "not JSON"),
        ("\x00\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a verdict of sbrtcheck"),
        ('{"schema": NaN}', "not JSON"),
        ("{}", "not a verdict of sbrtcheck"),
    ],
    ids=["empty", "refusal", "bytes", "deep", "list", "nan", "object"],
)
def test_other_files_are_refused(text: str, words: str) -> None:
    with pytest.raises(ReadError, match=words):
        read_recorded(text.encode("latin-1"))


def test_the_differences_of_two_verdicts_are_no_verdict(verdict: str) -> None:
    with pytest.raises(ReadError, match="cannot be read"):
        read_recorded(diff_json(compared(verdict, verdict)).encode())


def test_what_a_windows_console_writes_is_read(verdict: str) -> None:
    assert read_recorded(verdict.encode("utf-16")).findings
    assert read_recorded(verdict.encode("utf-8-sig")).findings


# --- The command --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("verdicts")
    for name, sample in (("a", "t8_30gy5_pass"), ("b", "t6_42gy7_cord_fail")):
        run(SAMPLES / sample, "--json", folder / f"{name}.json", "-q")
    return folder / "a.json", folder / "b.json"


def test_exit_codes_are_those_of_diff(files: tuple[Path, Path], tmp_path: Path) -> None:
    same, other = run("diff", files[0], files[0]), run("diff", *files)

    assert (same.returncode, other.returncode) == (0, 1)
    assert "No finding moved" in same.stdout
    assert other.stdout.startswith("Verdict: PASS -> FAIL")
    assert "plan 1 prescription dose gy: 30 -> 42" in other.stdout
    assert_refused(
        run("diff", files[0], tmp_path / "none.json"), "none.json: cannot be opened"
    )
    assert_refused(
        run("diff", SAMPLES / "t8_30gy5_pass" / "RP.dcm", files[1]), "RP.dcm", "JSON"
    )


def test_json_of_the_differences_is_valid_by_its_schema(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    source = Path(read_recorded.__code__.co_filename).with_name("diff.schema.json")
    schema = json.loads(source.read_text(encoding="utf-8"))

    shown = run("diff", *files, "--json")
    written = run("diff", *files, "--json", tmp_path / "d.json")

    document = json.loads(shown.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    assert document == json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert written.stdout.startswith("Verdict: ")
    assert document["outcome"] == {"before": "PASS", "after": "FAIL"}
    assert len({row["kind"] for row in document["findings"]}) > 2


def test_no_input_is_written_over(files: tuple[Path, Path], tmp_path: Path) -> None:
    """`--json A.json B.json` takes A for the file to be written, and finds nothing to compare."""
    own = [Path(shutil.copy(file, tmp_path)) for file in files]
    before = [file.read_bytes() for file in own]

    assert run("diff", "--json", *own).returncode == 2
    assert_refused(
        run("diff", "--json", own[0], *own), "is one of the files to be compared"
    )
    assert [file.read_bytes() for file in own] == before
