"""All plans of a tree: found, linked, grouped, judged once, and none lost."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from batches import Quiet, contents, outcomes, plans, rows, run_here
from builders import box
from exports import export
from sbrtcheck import CaseError, check, load_case, load_protocol
from sbrtcheck.batch.runners import ExecutorRunner, Runner
from sbrtcheck.batch.work import Failed, PlanTask, judge_plan
from sbrtcheck.report.as_json import render_json
from test_cli import run

UID = "1.2.826.0.1.3680043.10.999"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree of three centres: one plan passes, one has a hot cord, one no dose."""
    folder = tmp_path_factory.mktemp("tree")
    export(folder / "shanghai/a", 1, patient_id="SH-1")
    export(folder / "guangzhou/x/y", 2, patient_id="GZ-1", frame="2", cord_gy=29.5)
    export(folder / "beijing", 3, patient_id="BJ-1", frame="3").dose.unlink()
    return folder


@pytest.fixture(scope="module")
def judged(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "out"
    run_here(tree, out=out)
    return out


# --- Every plan, once ---------------------------------------------------------------------------


def test_each_plan_has_one_outcome_and_totals_add_up(judged: Path) -> None:
    assert outcomes(judged) == {"1": "PASS", "2": "FAIL", "3": "ERROR"}
    counts = json.loads((judged / "run.json").read_text())["counts"]
    names = ("PASS", "VARIATION", "UNDECIDED", "FAIL", "ERROR")
    assert sum(counts[name] for name in names) == counts["plans"] == 3


def test_a_plan_without_dose_says_so(judged: Path) -> None:
    assert plans(judged)[f"{UID}.3.1"]["reason"] == "no RT Dose among the files names this plan"


def test_a_verdict_is_that_of_the_plan_alone(tree: Path, judged: Path) -> None:
    row = plans(judged)[f"{UID}.1.1"]
    alone = check(load_case(tree / "shanghai/a"), load_protocol("nct06756087"))

    written = json.loads((judged / "plans" / f"{row['plan']}.json").read_text())

    expected = json.loads(render_json(alone))
    how = "among the files of the run"
    assert written["plans"][0]["dose"][0]["how"] == f"it names this plan, {how}"
    for document in (written, expected):
        del document["plans"][0]["dose"][0]["how"]
        del document["plans"][0]["structure_set"]["how"]
        document["findings"] = [f for f in document["findings"] if f["id"] != "link"]
    assert written == expected


def test_files_are_linked_by_uid_across_folders(tmp_path: Path) -> None:
    files = export(tmp_path / "in/rp", 1)
    for path, folder in ((files.structure_set, "far/away/rs"), (files.dose, "rd")):
        (tmp_path / "in" / folder).mkdir(parents=True)
        path.rename(tmp_path / "in" / folder / "IM0001")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS"}


def test_archives_are_looked_into(tmp_path: Path) -> None:
    files = export(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "in/centre.ZIP", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, f"some/folder/{path.name}")
            path.unlink()

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS"}
    assert result.tally.quarantined == 0


def test_a_plan_may_lie_in_an_archive_and_its_dose_beside_it(tmp_path: Path) -> None:
    files = export(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "in/a.zip", "w") as archive:
        archive.write(files.plan, "RP.dcm")
        archive.write(files.structure_set, "RS.dcm")
    files.plan.unlink()
    files.structure_set.unlink()

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS"}


def test_a_damaged_archive_is_quarantined(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/bad.zip").write_bytes(b"PK\x03\x04 this is no archive")

    run_here(tmp_path / "in", tree / "shanghai", out=tmp_path / "out")

    found = rows(tmp_path / "out/quarantine.csv")
    assert [row["kind"] for row in found] == ["zip archive"]
    assert "cannot be unpacked" in found[0]["reason"]


def test_the_names_of_members_are_not_told(tmp_path: Path) -> None:
    files = export(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "in/a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(files.structure_set, "Zhang_Wei.dcm")
    content = bytearray((tmp_path / "in/a.zip").read_bytes())
    content[200:260] = bytes(60)
    (tmp_path / "in/a.zip").write_bytes(content)

    run_here(tmp_path / "in", out=tmp_path / "out")

    (row,) = rows(tmp_path / "out/quarantine.csv")
    assert row["reason"] == (
        "1 members are left out: the zip archive cannot be unpacked (it is damaged)"
    )


def test_what_may_pass_is_not_kept_in_the_index() -> None:
    from sbrtcheck.batch.headers import Contents, Header

    whole = Header(sop_class_uid="1", sha256="0")
    assert Contents(others={"CT Image Storage": 1}).lasts
    assert Contents(headers=((None, whole),)).lasts
    assert not Contents(problem="Input/output error").lasts
    assert not Contents(headers=((None, replace(whole, sha256="")),)).lasts


def test_copies_count_once(tmp_path: Path) -> None:
    export(tmp_path / "in/a", 1)
    shutil.copytree(tmp_path / "in/a", tmp_path / "in/b")

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS"}
    assert result.tally.copies == 3


@pytest.mark.parametrize("kind", ["plan", "structure_set", "dose"])
def test_one_uid_with_two_contents_is_refused(tmp_path: Path, kind: str) -> None:
    files = export(tmp_path / "in/a", 1)
    other = export(tmp_path / "other", 1, cord_gy=7.0, label="OLD", date="20250101")
    (tmp_path / "in/b").mkdir()
    shutil.copy(getattr(other, kind), tmp_path / "in/b/old.dcm")
    assert getattr(files, kind).read_bytes() != (tmp_path / "in/b/old.dcm").read_bytes()

    run_here(tmp_path / "in", out=tmp_path / "out")

    (row,) = plans(tmp_path / "out").values()
    assert row["outcome"] == "ERROR"
    assert "carry the same SOP Instance UID" in row["reason"]


def test_a_plan_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    files = export(tmp_path / "in", 1)
    files.plan.write_bytes(files.plan.read_bytes()[:-40])

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "ERROR"}
    assert "truncated" in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]


def test_what_belongs_to_no_plan_is_quarantined_with_its_reason(tmp_path: Path, tree: Path) -> None:
    stray = export(tmp_path / "in/stray", 8)
    stray.plan.unlink()
    (tmp_path / "in/notes.txt").write_text("not DICOM")
    (tmp_path / "in/link").symlink_to(tree, target_is_directory=True)
    (tmp_path / "in/gone.dcm").symlink_to(tmp_path / "nowhere")

    run_here(tmp_path / "in", out=tmp_path / "out")

    reasons = {(row["kind"], row["reason"]) for row in rows(tmp_path / "out/quarantine.csv")}
    assert reasons == {
        ("RT Structure Set", "no RT Plan among the files names this structure set"),
        ("RT Dose", "the plan that the dose names is not among the files"),
        ("file", "this is not a DICOM file"),
        ("part of the tree", "a link to a folder, which is not followed"),
        ("part of the tree", "the file cannot be read (No such file or directory)"),
    }


def test_images_are_counted_and_nothing_more(tmp_path: Path) -> None:
    from fleet import write_images

    write_images(tmp_path / "in", 50, 600)
    export(tmp_path / "in/plan", 1)

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    assert result.tally.files == {"CT Image Storage": 50}
    assert result.tally.quarantined == 0


def test_the_results_may_lie_within_the_tree(tmp_path: Path) -> None:
    export(tmp_path, 1)

    run_here(tmp_path, out=tmp_path / "out")
    result = run_here(tmp_path, out=tmp_path / "out", resume=True)

    assert (result.tally.plans, result.tally.quarantined, result.tally.kept) == (1, 0, 1)


def test_a_folder_of_other_files_is_not_written_into(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.docx").write_text("precious")

    with pytest.raises(CaseError, match="not of a batch"):
        run_here(tree, out=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.docx"]


def test_a_second_run_at_the_same_time_is_kept_out(tmp_path: Path, tree: Path) -> None:
    class Nosy(Quiet):
        def stage(self, name: str, total: int) -> None:
            if name == "finding files" and total == 0:
                with pytest.raises(CaseError, match="another run"):
                    run_here(tree, out=tmp_path / "out", resume=True, private=tmp_path / "p")
            super().stage(name, total)

    nosy = Nosy()
    run_here(tree, out=tmp_path / "out", progress=nosy)
    assert nosy.stages


# --- The plans of one patient -------------------------------------------------------------------


def test_the_approved_revision_is_judged_and_the_other_listed(tmp_path: Path) -> None:
    export(tmp_path / "in/old", 1, approval="REJECTED", cord_gy=29.5)
    export(tmp_path / "in/new", 2, date="20260108")

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    old, new = plans(tmp_path / "out")[f"{UID}.1.1"], plans(tmp_path / "out")[f"{UID}.2.1"]
    assert (new["outcome"], new["role"]) == ("PASS", "judged")
    assert (old["outcome"], old["role"]) == ("UNDECIDED", "superseded")
    assert "approved revision" in old["reason"]
    assert result.published.current == dict.fromkeys(result.published.current, 0) | {"PASS": 1}
    verdict = (tmp_path / "out/plans" / f"{new['plan']}.json").read_text()
    assert "revision of this plan, not judged: " in verdict
    assert "REJECTED" in verdict


@pytest.mark.parametrize("approval", ["APPROVED", "UNAPPROVED"])
def test_two_approved_revisions_or_none_are_undecided(tmp_path: Path, approval: str) -> None:
    for number in (1, 2):
        export(tmp_path / "in" / str(number), number, approval=approval)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "UNDECIDED"}
    row = plans(tmp_path / "out")[f"{UID}.1.1"]
    assert row["worst"] == "course.revisions case"
    assert "2 plans share targets" in row["reason"]


def test_a_hot_cord_fails_even_where_the_revision_is_open(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, cord_gy=29.5)
    export(tmp_path / "in/2", 2)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "FAIL", "2": "UNDECIDED"}


def test_the_same_level_on_another_image_is_a_revision(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, approval="UNAPPROVED", frame="1")
    export(tmp_path / "in/2", 2, frame="2")

    run_here(tmp_path / "in", out=tmp_path / "out")

    roles = {uid[-3]: row["role"] for uid, row in plans(tmp_path / "out").items()}
    assert roles == {"1": "superseded", "2": "judged"}


def test_targets_that_overlap_by_half_are_revisions_whatever_their_names(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, target="PTV", approval="UNAPPROVED")
    export(tmp_path / "in/2", 2, z_mm=6.0)

    run_here(tmp_path / "in", out=tmp_path / "out")

    roles = {uid[-3]: row["role"] for uid, row in plans(tmp_path / "out").items()}
    assert roles == {"1": "superseded", "2": "judged"}


def test_an_approved_revision_without_dose_is_an_error_and_the_draft_does_not_pass(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1, approval="UNAPPROVED")
    export(tmp_path / "in/2", 2).dose.unlink()

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR"}


def test_parts_of_one_course_are_judged_on_the_sum(tmp_path: Path) -> None:
    for number, target, z_mm in ((1, "PTV_T8", 0.0), (2, "PTV_T10", 40.0)):
        export(tmp_path / "in" / str(number), number, target=target, z_mm=z_mm, cord_gy=14.0)

    run_here(tmp_path / "in", out=tmp_path / "out")

    # 14 Gy each is far below 25.3 Gy; where both reach the cord, it receives 28 Gy.
    assert outcomes(tmp_path / "out") == {"1": "FAIL", "2": "FAIL"}
    for row in plans(tmp_path / "out").values():
        assert row["parts"] == "2"
        near_maximum = re.search(r"SpinalCord D0.035cc = ([\d.]+) Gy", row["reason"])
        assert near_maximum is not None
        assert float(near_maximum[1]) == pytest.approx(28.0, abs=0.01)
    metrics = rows(tmp_path / "out/metrics.csv")
    coverage = [float(row["value"]) for row in metrics if row["metric"] == "V100%"]
    assert coverage == pytest.approx([100.0, 100.0])  # each target in its own plan's dose


def test_vertebrae_are_counted_over_all_parts(tmp_path: Path) -> None:
    for number, target, z_mm in ((1, "PTV_T6", 0.0), (2, "PTV_T8", 40.0), (3, "PTV_T10", 80.0)):
        export(tmp_path / "in" / str(number), number, target=target, z_mm=z_mm)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert set(outcomes(tmp_path / "out").values()) == {"FAIL"}
    findings = rows(tmp_path / "out/findings.csv")
    assert {row["message"] for row in findings if row["id"] == "trial.vertebrae"} == {
        "3 treated, at most 2 allowed"
    }


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"frame": "2"}, "another frame of reference"),
        ({"dose_gy": 24.0, "fractions": 4}, "4 fractions, this one 5"),
    ],
)
def test_parts_that_cannot_be_added_leave_the_cord_undecided(
    tmp_path: Path, second: dict[str, object], why: str
) -> None:
    export(tmp_path / "in/1", 1)
    export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, **second)  # type: ignore[arg-type]

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "UNDECIDED"}
    assert why in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]


def test_a_part_that_is_no_verdict_leaves_the_cord_of_the_other_undecided(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1)
    broken = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0)
    broken.dose.write_bytes(broken.dose.read_bytes()[:-1000])

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR"}
    assert "other plans" in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]


def test_a_part_without_dose_leaves_the_cord_of_the_other_undecided(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1)
    export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0).dose.unlink()

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR"}
    assert plans(tmp_path / "out")[f"{UID}.1.1"]["parts"] == "1"


def test_a_plan_of_the_patient_that_cannot_be_read_leaves_the_others_undecided(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in/1", 1)
    cut = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0)
    cut.plan.write_bytes(cut.plan.read_bytes()[:-40])
    export(tmp_path / "in/3", 3, patient_id="Other", frame="3")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "ERROR", "3": "PASS"}
    assert "cannot be read: whether they give" in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]


def test_an_open_revision_of_a_part_leaves_the_cord_of_the_other_undecided(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1)
    for number in (2, 3):
        export(tmp_path / "in" / str(number), number, target="PTV_T10", z_mm=40.0)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert set(outcomes(tmp_path / "out").values()) == {"UNDECIDED"}


def test_a_superseded_part_is_not_added(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, cord_gy=14.0)
    export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, cord_gy=14.0, approval="REJECTED")
    export(tmp_path / "in/3", 3, target="PTV_T10", z_mm=40.0, cord_gy=6.0)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS", "2": "UNDECIDED", "3": "PASS"}


def test_plans_without_patient_id_are_one_patient_in_one_study(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, cord_gy=14.0)
    export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, cord_gy=14.0, patient_id=None)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "FAIL", "2": "FAIL"}


@pytest.mark.parametrize("approval", ["APPROVED", "UNAPPROVED"])
def test_one_id_with_two_names_is_undecided(tmp_path: Path, approval: str) -> None:
    """Two centres may use one pseudonym: a plan must not be taken for a revision of a stranger's."""
    export(tmp_path / "in/1", 1, patient_name="Zhang^Wei", approval=approval)
    export(tmp_path / "in/2", 2, patient_name="Li^Na", frame="2")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED", "2": "UNDECIDED"}
    assert "different names or birth dates" in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]


def test_plans_of_two_patients_are_not_compared(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, patient_id="A")
    export(tmp_path / "in/2", 2, patient_id="B")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS", "2": "PASS"}


# --- Resume -------------------------------------------------------------------------------------


def test_resume_keeps_what_has_not_changed(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, patient_id="A")
    second = export(tmp_path / "in/2", 2, patient_id="B", frame="2")
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    first = contents(out)

    again = run_here(tmp_path / "in", out=out, resume=True)
    assert (again.tally.kept, contents(out)) == (2, first)

    export(tmp_path / "in/2", 2, patient_id="B", frame="2", cord_gy=29.5)
    changed = run_here(tmp_path / "in", out=out, resume=True)
    assert changed.tally.kept == 1
    assert outcomes(out) == {"1": "PASS", "2": "FAIL"}
    assert second.plan.exists()


def test_results_that_are_whole_are_left_and_others_written_again(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    first, times = contents(out), (out / "run.json").read_bytes()

    again = run_here(tmp_path / "in", out=out, resume=True)
    assert (out / "run.json").read_bytes() == times
    assert again.published.outcomes["PASS"] == 1

    (out / "metrics.csv").write_text("lost")
    mended = run_here(tmp_path / "in", out=out, resume=True)
    assert contents(out) == first
    assert mended.published == again.published

    (tmp_path / "in/notes.txt").write_text("a stray")
    run_here(tmp_path / "in", out=out, resume=True)
    assert len(rows(out / "quarantine.csv")) == 1


def test_facts_and_protocol_are_part_of_what_is_kept(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    (tmp_path / "in/case.toml").write_text('prior_rt = "yes"\n')

    with_facts = run_here(tmp_path / "in", out=out, resume=True)
    assert (with_facts.tally.kept, outcomes(out)) == (0, {"1": "UNDECIDED"})

    protocol = load_protocol("nct06756087")
    other = replace(protocol, sha256="0" * 64)
    assert run_here(tmp_path / "in", out=out, resume=True, protocol=other).tally.kept == 0


def test_without_resume_everything_is_judged_again(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    run_here(tmp_path / "in", out=tmp_path / "out")

    assert run_here(tmp_path / "in", out=tmp_path / "out").tally.kept == 0


def test_a_torn_record_is_judged_again(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    first = contents(out)
    (record,) = (path for path in (out / ".records").iterdir())
    record.write_bytes(record.read_bytes()[:-500])

    assert run_here(tmp_path / "in", out=out, resume=True).tally.kept == 0
    assert contents(out) == first


def test_unchanged_files_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = export(tmp_path / "in", 1)
    for path in (*files, tmp_path / "in"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    monkeypatch.setattr("sbrtcheck.batch.index.SETTLED_NS", -(10**18))  # ctime cannot be set
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)

    def refuse(path: object) -> None:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("sbrtcheck.batch.find.look", refuse)
    monkeypatch.setattr("sbrtcheck.batch.find.read_contents", refuse)
    assert run_here(tmp_path / "in", out=out, resume=True).tally.kept == 1


def test_a_file_that_changed_just_before_is_not_trusted(tmp_path: Path) -> None:
    from sbrtcheck.batch.headers import Contents
    from sbrtcheck.batch.index import Index
    from sbrtcheck.batch.places import Entry

    entry = Entry("/a", 1, 5_000_000_000, 5_000_000_000)
    index = Index(tmp_path)
    index.keep([(entry, Contents())], read_ns=6_000_000_000)
    assert index.known([entry], ["/"]) == ({}, [])

    index.keep([(entry, Contents())], read_ns=8_000_000_000)
    assert index.known([entry], ["/"]) == ({"/a": Contents()}, [])
    assert index.known([entry._replace(size=2)], ["/"]) == ({}, [])
    assert index.known([], ["/"]) == ({}, ["/a"])


def test_a_damaged_index_is_as_good_as_none(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    private = tmp_path / "private"
    private.mkdir()
    (private / "index.sqlite").write_bytes(b"this is no database, and long enough to be one" * 99)

    run_here(tmp_path / "in", out=tmp_path / "out", private=private)

    assert outcomes(tmp_path / "out") == {"1": "PASS"}


# --- Order and executors ------------------------------------------------------------------------


class Shuffled(Runner):
    """Gives tasks to another runner from last to first."""

    shares_disk = False

    def __init__(self, inner: Runner) -> None:
        super().__init__(inner.slots)
        self.inner = inner

    def run(self, function, tasks, *, seconds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        return self.inner.run(function, reversed(list(tasks)), seconds=seconds)

    def _submit(self, function, task, seconds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        raise NotImplementedError

    def _is_lost(self, error: BaseException | None) -> bool:
        raise NotImplementedError

    def close(self) -> None: ...


def test_no_plan_depends_on_those_before_it(samples: Path, tmp_path: Path) -> None:
    run_here(samples, out=tmp_path / "a")
    with ThreadPoolExecutor(1) as one:
        shuffled = Shuffled(ExecutorRunner(one, 1))
        run_here(samples, out=tmp_path / "b", runner=shuffled)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) > 18


def test_the_samples_get_the_verdicts_that_they_were_made_for(
    samples: Path, tmp_path: Path
) -> None:
    import tomllib

    run_here(samples, out=tmp_path / "out", phi=True)

    expected = tomllib.loads((samples / "expected.toml").read_text(encoding="utf-8"))
    found = {
        Path(row["path"]).parent.name: row["outcome"] for row in rows(tmp_path / "out/plans.csv")
    }
    for name, row in expected.items():
        # Alone, a part of a course is undecided; here the sum decides.
        wanted = {"pair_sum_pass": "VARIATION", "pair_sum_fail": "FAIL"}.get(name[:13])
        wanted = wanted or {1: "FAIL", 3: "UNDECIDED", 2: "ERROR"}.get(row["exit_code"])
        assert found[name] == wanted or (wanted is None and found[name] in ("PASS", "VARIATION"))


# --- The command --------------------------------------------------------------------------------


def batch(*words: str | Path, private: Path) -> subprocess.CompletedProcess[str]:
    return run("batch", *words, "--private", private)


def test_the_command_writes_all_results_and_says_what_it_found(tmp_path: Path, tree: Path) -> None:
    done = batch(tree, "--out", tmp_path / "out", private=tmp_path / "private")

    assert done.returncode == 2
    assert "3 plans: PASS 1   VARIATION 0   UNDECIDED 0   FAIL 1   ERROR 1" in done.stdout
    assert "DRAFT PROTOCOL" in done.stdout
    assert "Traceback" not in done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."}
    assert names == {
        "dvh.parquet",
        "findings.csv",
        "junit.xml",
        "metrics.csv",
        "metrics.parquet",
        "plans",
        "plans.csv",
        "quarantine.csv",
        "run.json",
        "summary.csv",
    }
    key = tmp_path / "private/pseudonym.key"
    if os.name != "nt":
        assert key.stat().st_mode & 0o777 == 0o600
    assert done.stderr.count("judging plans") >= 1


@pytest.mark.parametrize(
    ("roots", "fail_on", "code"),
    [
        (("shanghai",), "undecided", 0),
        (("shanghai", "guangzhou"), "undecided", 1),
        (("shanghai", "guangzhou", "beijing"), "undecided", 2),
        (("guangzhou",), "error", 0),
        (("guangzhou",), "fail", 1),
        (("beijing",), "error", 2),
        (("open",), "undecided", 3),
        (("open",), "fail", 0),
        (("varied",), "undecided", 0),
        (("varied",), "variation", 1),
    ],
)
def test_the_worst_plan_is_the_exit_code(
    tmp_path: Path, tree: Path, samples: Path, *, roots: tuple[str, ...], fail_on: str, code: int
) -> None:
    from sbrtcheck.cli.batch import FailOn, exit_code

    places = {
        "open": samples / "t7_30gy5_no_level_undecided",
        "varied": samples / "t11t12_36gy6_variation",
    }
    result = run_here(*(places.get(name, tree / name) for name in roots), out=tmp_path / "out")

    assert exit_code(result, FailOn(fail_on)) == code


def test_no_plan_at_all_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    done = batch(tmp_path / "in", "--out", tmp_path / "out", private=tmp_path / "private")

    assert done.returncode == 2
    assert "no RT Plan below these folders" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere", "--out", "out"], "there is no folder or file nowhere"),
        (["in", "--out", "in/RP.dcm"], "results cannot be written here"),
        (["in", "--out", "out", "--cases", "no.csv"], "No such file"),
        (["in", "--out", "out", "--protocol", "none"], "no protocol called"),
        (["in", "--out", "out", "--key", "in/RP.dcm"], "not a key"),
    ],
)
def test_a_wrong_word_is_one_sentence(
    tmp_path: Path, words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path / "in", 1)
    monkeypatch.chdir(tmp_path)

    done = batch(*words, private=tmp_path / "private")

    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupted_run_stops_cleanly_and_goes_on(tmp_path: Path) -> None:
    import signal

    for number in range(12):
        export(tmp_path / "in" / str(number), number, patient_id=f"P{number}", frame=str(number))
    command: list[str | Path] = [
        *(sys.executable, "-m", "sbrtcheck.cli", "batch", tmp_path / "in", "-j", "1"),
        *("--out", tmp_path / "out", "--private", tmp_path / "private"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        for line in started.stderr:
            if "PASS" in line:
                started.send_signal(signal.SIGINT)
                break
        rest = started.stderr.read()
        assert started.wait(30) == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "out/run.json").exists()

    done = batch(
        tmp_path / "in", "--out", tmp_path / "out", "--resume", private=tmp_path / "private"
    )
    assert done.returncode == 0
    assert "verdicts of an earlier run were kept" in done.stdout


# --- Identity -----------------------------------------------------------------------------------


def test_no_result_holds_identity_or_paths(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    secret = tmp_path / "Zhang_Wei_P-4711"
    rois = (box("Zhang ring", (-6, -46, -24), (6, -45, 24)),)
    export(secret / "a", 1, label="P-4711 Wei", extra=rois)
    export(secret / "b", 2, target="PTV_T10", z_mm=40.0, label="ZHANG boost").dose.unlink()
    export(secret / "c", 3, patient_id="Q-1", frame="3", patient_name="Li^Na").plan.unlink()
    cut = export(secret / "d", 4, patient_id="P-0815", frame="4", patient_name="Quast^Jane")
    cut.plan.write_bytes(cut.plan.read_bytes()[:-40])
    (secret / "Zhang.txt").write_text("x")
    cases = secret / "cases.csv"
    cases.write_text("patient_id,centre\nP-4711,Shanghai\nP-9999,Beijing\n")
    names = ("zhang", "wei", "p-4711", "p-0815", "p-9999", "quast", "li^na")
    identifiers = (*names, "19550607", "1955-06-07", str(tmp_path).casefold())

    run_here(secret, out=tmp_path / "out", cases=cases)

    texts = {
        name: content.decode("latin-1") for name, content in contents(tmp_path / "out").items()
    }
    texts["run.json"] = (tmp_path / "out/run.json").read_text()
    for name in ("metrics.parquet", "dvh.parquet"):
        texts[name] += str(pq.read_table(tmp_path / "out" / name).to_pylist())
    for record in (tmp_path / "out/.records").iterdir():
        texts[record.name] = record.read_text()
    assert len(texts) > 12
    for name, text in texts.items():
        for identifier in identifiers:
            assert identifier not in text.casefold().replace("weight", ""), (identifier, name)

    run_here(secret, out=tmp_path / "open", cases=cases, phi=True)
    row = plans(tmp_path / "open")[f"{UID}.1.1"]
    assert row["patient_id"] == "P-4711"
    assert row["path"].startswith(str(secret))


def test_a_pseudonym_is_that_of_the_key(tmp_path: Path) -> None:
    from batches import NAMES
    from sbrtcheck.batch.pseudonyms import Pseudonyms, load_key

    key, notes = load_key(tmp_path / "key")
    again, silence = load_key(tmp_path / "key")

    assert (key, silence) == (again, [])
    assert "new key" in notes[0]
    assert Pseudonyms(key).patient("A-1 ") == Pseudonyms(again).patient("a-1")
    assert Pseudonyms(key).patient("A-1") != NAMES.patient("A-1")
    assert NAMES.patient("A-1") != NAMES.patient("A-2")
    assert NAMES.patient("A-1").removeprefix("pt-") != NAMES.plan("A-1").removeprefix("plan-")


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    from sbrtcheck.batch.pseudonyms import load_key

    load_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)

    assert "chmod 600" in load_key(tmp_path / "key")[1][0]


# --- JUnit --------------------------------------------------------------------------------------


def test_junit_is_green_for_passes_only(tmp_path: Path, tree: Path, samples: Path) -> None:
    undecided = samples / "t7_30gy5_no_level_undecided"
    run_here(tree, undecided, out=tmp_path / "out")

    (suite,) = ET.parse(tmp_path / "out/junit.xml").getroot()  # noqa: S314 - our own file
    children = sorted(child.tag for case in suite for child in case)
    assert children == ["error", "failure", "failure"]
    assert suite.attrib["tests"] == "4"
    assert suite.attrib["failures"] == "2"


# --- What must not pass -------------------------------------------------------------------------


def test_a_plan_of_two_targets_does_not_join_the_plans_of_each(tmp_path: Path) -> None:
    """T8 is approved; T7, and a rejected plan of both, must not be taken for its revisions."""
    second = box("PTV_T10", (-12, -12, 28), (12, 12, 52))
    export(tmp_path / "in/b", 1, cord_gy=14.0)
    export(tmp_path / "in/c", 2, target="PTV_T10", z_mm=40.0, cord_gy=14.0, approval="UNAPPROVED")
    export(
        tmp_path / "in/a",
        3,
        target="PTV_T8",
        approval="REJECTED",
        extra=(second,),
        names_target=False,
    )

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert not {"PASS", "VARIATION"} & set(outcomes(tmp_path / "out").values())
    assert {row["role"] for row in plans(tmp_path / "out").values()} == {"judged"}


def test_a_part_that_is_gone_when_it_is_added_leaves_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path / "in/1", 1, cord_gy=14.0)
    part = export(tmp_path / "in/2", 2, target="PTV_T10", z_mm=40.0, cord_gy=14.0)
    content = part.plan.read_bytes()
    judge = judge_plan

    def judge_without(task: PlanTask) -> bytes | Failed:
        part.plan.unlink(missing_ok=True)
        return judge(task)

    monkeypatch.setattr("sbrtcheck.batch.run.judge_plan", judge_without)
    run_here(tmp_path / "in", out=tmp_path / "out")
    assert set(outcomes(tmp_path / "out").values()) == {"ERROR"}

    monkeypatch.undo()
    part.plan.write_bytes(content)
    result = run_here(tmp_path / "in", out=tmp_path / "out", resume=True)
    assert (result.tally.kept, set(outcomes(tmp_path / "out").values())) == (0, {"FAIL"})


def test_an_error_is_told_also_of_a_plan_that_was_replaced(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, approval="UNAPPROVED").dose.unlink()
    export(tmp_path / "in/2", 2)

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "ERROR", "2": "PASS"}


def test_facts_beside_an_archive_are_read_and_others_named(tmp_path: Path) -> None:
    files = export(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "in/p.zip", "w") as archive:
        for path in files:
            archive.write(path, path.name)
            path.unlink()
        archive.writestr("readme.txt", "not DICOM")
    (tmp_path / "in/case.toml").write_text('prior_rt = "yes"\n')
    (tmp_path / "in/else").mkdir()
    (tmp_path / "in/else/case.toml").write_text('prior_rt = "none"\n')

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED"}
    reasons = {row["reason"] for row in rows(tmp_path / "out/quarantine.csv")}
    assert reasons == {
        "1 members were not opened: not DICOM",
        "case facts that no plan in this folder uses",
    }


def test_a_damaged_member_costs_itself_only(tmp_path: Path) -> None:
    first = export(tmp_path / "a", 1)
    second = export(tmp_path / "b", 2, patient_id="B", frame="2")
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in/p.zip", "w") as archive:
        for path in (*first, *second):
            archive.write(path, f"{path.parent.name}/{path.name}")
    content = (tmp_path / "in/p.zip").read_bytes()
    at = content.index(first.plan.read_bytes()[-60:])
    (tmp_path / "in/p.zip").write_bytes(content[:at] + b"\xff" + content[at + 1 :])

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"2": "PASS"}
    reasons = [row["reason"] for row in rows(tmp_path / "out/quarantine.csv")]
    assert any(reason.startswith("1 members are left out") for reason in reasons)


def test_exports_within_the_results_are_not_touched(tmp_path: Path) -> None:
    files = export(tmp_path / "trial/plans/1", 1)
    (tmp_path / "trial/run.json").write_text("{}")

    with pytest.raises(CaseError, match="holds the exports themselves"):
        run_here(tmp_path / "trial/plans", out=tmp_path / "trial")
    assert all(path.exists() for path in files)


def test_a_refused_run_leaves_the_records_of_the_other(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    records = list((out / ".records").iterdir())

    class Nosy(Quiet):
        def stage(self, name: str, total: int) -> None:
            if name == "finding files":
                with pytest.raises(CaseError, match="another run"):
                    run_here(tmp_path / "in", out=out, private=tmp_path / "p")
            super().stage(name, total)

    run_here(tmp_path / "in", out=out, resume=True, progress=Nosy())
    assert list((out / ".records").iterdir()) == records


def test_a_second_content_of_a_plan_is_quarantined(tmp_path: Path) -> None:
    export(tmp_path / "in/a", 1)
    shutil.copy(export(tmp_path / "other", 1, label="OLD").plan, tmp_path / "in/old.dcm")

    run_here(tmp_path / "in", out=tmp_path / "out")

    kinds = [row["kind"] for row in rows(tmp_path / "out/quarantine.csv")]
    assert kinds.count("RT Plan") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes are those of Linux")
def test_names_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    tree = (tmp_path / "in").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xd5\xc5"))

    for phi in (False, True):
        run_here(tree, out=tmp_path / f"out{phi}", phi=phi)
        assert outcomes(tmp_path / f"out{phi}") == {"1": "PASS"}
