"""All plans of a tree: found, linked, grouped, judged once, and none lost."""

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

from batches import Quiet, contents, outcomes, plans, rows, run_here
from builders import box
from exports import export
from sbrtcheck import CaseError, check, load_case, load_protocol
from sbrtcheck.report.as_json import render_json

UID = "1.2.826.0.1.3680043.10.999"


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
    reason = plans(judged)[f"{UID}.3.1"]["reason"]
    assert reason.startswith("no RT Dose beside the plan, nor in the folders around it")


def test_a_verdict_is_that_of_the_plan_alone(tree: Path, judged: Path) -> None:
    row = plans(judged)[f"{UID}.1.1"]
    alone = check(load_case(tree / "shanghai/a"), load_protocol("nct06756087"))

    written = json.loads((judged / "plans" / f"{row['plan']}.json").read_text())

    expected = json.loads(render_json(alone))
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
    with zipfile.ZipFile(
        tmp_path / "in/centre.ZIP", "w", zipfile.ZIP_DEFLATED
    ) as archive:
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
        "a member of a zip archive cannot be read (it is damaged); unpack it and give the folder"
    )


def test_what_may_pass_is_not_kept_in_the_index() -> None:
    from sbrtcheck.batch.index import Kept
    from sbrtcheck.batch.known import Learned
    from sbrtcheck.dossier.find import Contents
    from sbrtcheck.dossier.places import Place, Unread
    from sbrtcheck.model import Text

    place = Place("/a")
    assert Kept(Contents(others={"CT Image Storage": 1})).lasts
    assert Kept(Contents(), {place: Learned(sha256="0")}).lasts
    assert not Kept(Contents(unread=(Unread("/a", Text("Input/output error")),))).lasts
    assert not Kept(Contents(), {place: Learned(lasts=False)}).lasts


def test_the_index_gives_back_what_it_was_given() -> None:
    from sbrtcheck.batch.index import Kept
    from sbrtcheck.batch.known import Learned
    from sbrtcheck.dicom import Peek
    from sbrtcheck.dossier.find import Contents, Found
    from sbrtcheck.dossier.places import Place, Unread
    from sbrtcheck.model import Text

    found = Found(
        Place("/a.zip", 3), Peek("1.2", "3.4", "病历".encode("gb18030"), "5", None)
    )
    unread = Unread("/a.zip", Text("a member: {why}", why=Text("{n} of it", n=2)))
    contents = Contents((found,), {"not DICOM": 2}, (unread,))
    kept = Kept(
        contents, {found.place: Learned(sha256="0", patient_id="A", is_opened=True)}
    )
    assert Kept.from_json(kept.to_json(), "/a.zip") == kept


def test_copies_count_once(tmp_path: Path) -> None:
    export(tmp_path / "in/a", 1)
    shutil.copytree(tmp_path / "in/a", tmp_path / "in/b")

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS"}
    assert result.tally.copies == 3


@pytest.mark.parametrize("kind", ["plan", "structure_set", "dose"])
def test_one_uid_with_two_contents_in_one_folder_is_refused(
    tmp_path: Path, kind: str
) -> None:
    files = export(tmp_path / "in/a", 1)
    other = export(tmp_path / "other", 1, cord_gy=7.0, label="OLD", date="20250101")
    shutil.copy(getattr(other, kind), tmp_path / "in/a/old.dcm")
    assert getattr(files, kind).read_bytes() != (tmp_path / "in/a/old.dcm").read_bytes()

    run_here(tmp_path / "in", out=tmp_path / "out")

    (row,) = plans(tmp_path / "out").values()
    assert row["outcome"] == "ERROR"
    assert "carry the same SOP Instance UID" in row["reason"]
    for stray in rows(tmp_path / "out/quarantine.csv"):
        assert "carry the same SOP Instance UID" in stray["reason"]
        assert stray["kind"] == "RT Plan"


@pytest.mark.parametrize(
    ("kind", "name"), [("structure_set", "RT Structure Set"), ("dose", "RT Dose")]
)
def test_of_two_contents_the_one_nearer_to_the_plan_is_used(
    tmp_path: Path, kind: str, name: str
) -> None:
    export(tmp_path / "in/a", 1)
    other = export(tmp_path / "other", 1, cord_gy=7.0, label="OLD", date="20250101")
    (tmp_path / "in/b").mkdir()
    shutil.copy(getattr(other, kind), tmp_path / "in/b/old.dcm")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS"}
    (stray,) = rows(tmp_path / "out/quarantine.csv")
    assert (stray["kind"], stray["reason"]) == (
        name,
        f"another {name} of its plan lies nearer to it",
    )


def test_a_plan_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    files = export(tmp_path / "in", 1)
    files.plan.write_bytes(files.plan.read_bytes()[:-40])

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "ERROR"}
    assert "truncated" in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]


def test_what_belongs_to_no_plan_is_quarantined_with_its_reason(
    tmp_path: Path, tree: Path
) -> None:
    stray = export(tmp_path / "in/stray", 8)
    stray.plan.unlink()
    (tmp_path / "in/notes.txt").write_text("not DICOM")
    (tmp_path / "in/link").symlink_to(tree / "shanghai", target_is_directory=True)
    (tmp_path / "in/gone.dcm").symlink_to(tmp_path / "nowhere")

    result = run_here(tmp_path / "in", out=tmp_path / "out")

    assert (
        "parts of the tree not looked at, or not wholly: 1 (quarantine.csv)"
        in result.notes
    )
    tally = result.tally
    assert (tally.rt_files, tally.used, tally.copies) == (5, 3, 0)
    assert outcomes(tmp_path / "out") == {"1": "UNDECIDED"}  # the link may hide a plan
    reasons = {
        (row["kind"], row["reason"]) for row in rows(tmp_path / "out/quarantine.csv")
    }
    assert reasons == {
        ("RT Structure Set", "no RT Plan among the files names this structure set"),
        ("RT Dose", "the plan that the dose names is not among the files"),
        ("file", "this is not a DICOM file"),
        (
            "part of the tree",
            "an entry of a folder cannot be read (a link that leads nowhere)",
        ),
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

    assert (result.tally.plans, result.tally.quarantined, result.tally.kept) == (
        1,
        0,
        1,
    )


def test_results_of_another_run_are_passed_over_and_what_lies_between_them_is_found(
    tmp_path: Path,
) -> None:
    export(tmp_path, 1)
    run_here(tmp_path, out=tmp_path / "january", private=tmp_path / "p")

    export(tmp_path / "january/plans", 2, patient_id="Other", frame="2")

    result = run_here(tmp_path, out=tmp_path / "february", private=tmp_path / "p")

    assert result.tally.plans == 2
    assert rows(tmp_path / "february/quarantine.csv") == []


def test_a_folder_of_other_files_is_not_written_into(
    tmp_path: Path, tree: Path
) -> None:
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
                    run_here(
                        tree, out=tmp_path / "out", resume=True, private=tmp_path / "p"
                    )
            super().stage(name, total)

    nosy = Nosy()
    run_here(tree, out=tmp_path / "out", progress=nosy)
    assert nosy.stages


# --- Identity -----------------------------------------------------------------------------------


def test_no_result_holds_identity_or_paths(tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    import pydicom

    secret = tmp_path / "Zhang_Wei_P-4711"
    rois = (
        box("Zhang ring", (-6, -46, -24), (6, -45, 24)),
        box("Tschang ring", (-6, -47, -24), (6, -46, 24)),
        box("Ｐ－４７１１ p_4711", (-6, -48, -24), (6, -47, 24)),
    )
    spelt = export(
        secret / "a", 1, label="P4711 07.06.1955", extra=rois, approval="BY ZHANG WEI"
    )
    structures = pydicom.dcmread(spelt.structure_set)
    structures.PatientName = "Tschang^Wei"
    structures.save_as(spelt.structure_set)
    export(
        secret / "b", 2, target="PTV_T10", z_mm=40.0, label="ZHANG boost"
    ).dose.unlink()
    export(
        secret / "c", 3, patient_id="Q-1", frame="3", patient_name="Li^Na"
    ).plan.unlink()
    cut = export(
        secret / "d", 4, patient_id="P-0815", frame="4", patient_name="Quast^Jane"
    )
    cut.plan.write_bytes(cut.plan.read_bytes()[:-40])
    (secret / "Zhang.txt").write_text("x")
    cases = secret / "cases.csv"
    cases.write_text("patient_id,centre\nP-4711,Shanghai\nP-9999,Beijing\n")
    names = (
        "zhang",
        "tschang",
        "wei",
        "p-4711",
        "p-0815",
        "p-9999",
        "quast",
        "li^na",
        "p4711",
        "p_4711",
        "ｐ－４",
    )
    identifiers = (
        *names,
        "19550607",
        "1955-06-07",
        "07.06.1955",
        str(tmp_path).casefold(),
    )

    run_here(secret, out=tmp_path / "out", cases=cases)

    texts = {
        name: content.decode("latin-1")
        for name, content in contents(tmp_path / "out").items()
    }
    texts["run.json"] = (tmp_path / "out/run.json").read_text()
    for name in ("metrics.parquet", "dvh.parquet"):
        texts[name] += str(pq.read_table(tmp_path / "out" / name).to_pylist())
    for record in (tmp_path / "out/.records").iterdir():
        texts[record.name] = record.read_text()
    assert len(texts) > 12
    for name, text in texts.items():
        for identifier in identifiers:
            assert identifier not in text.casefold().replace("weight", ""), (
                identifier,
                name,
            )

    run_here(secret, out=tmp_path / "open", cases=cases, phi=True)
    row = plans(tmp_path / "open")[f"{UID}.1.1"]
    assert row["approval"] == "other"
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
    assert NAMES.patient("A-1").removeprefix("pt-") != NAMES.plan("A-1").removeprefix(
        "plan-"
    )


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    from sbrtcheck.batch.pseudonyms import load_key

    load_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)

    assert "chmod 600" in load_key(tmp_path / "key")[1][0]


# --- JUnit --------------------------------------------------------------------------------------


def test_junit_is_green_for_passes_only(
    tmp_path: Path, tree: Path, samples: Path
) -> None:
    undecided = samples / "t7_30gy5_no_level_undecided"
    run_here(tree, undecided, out=tmp_path / "out")

    (suite,) = ET.parse(tmp_path / "out/junit.xml").getroot()  # noqa: S314 - our own file
    children = sorted(child.tag for case in suite for child in case)
    assert children == ["error", "failure", "failure"]
    assert suite.attrib["tests"] == "4"
    assert suite.attrib["failures"] == "2"


# --- What must not pass -------------------------------------------------------------------------


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
        "1 members were not opened: files that are not DICOM",
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

    assert outcomes(tmp_path / "out") == {
        "2": "UNDECIDED"
    }  # it may have been a plan of theirs
    assert "course.unseen case" in plans(tmp_path / "out")[f"{UID}.2.1"]["worst"]
    reasons = [row["reason"] for row in rows(tmp_path / "out/quarantine.csv")]
    assert any(
        reason.startswith("a member of a zip archive cannot be read")
        for reason in reasons
    )


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
    shutil.copy(
        export(tmp_path / "other", 1, label="OLD").plan, tmp_path / "in/old.dcm"
    )

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
