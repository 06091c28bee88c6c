"""The commands beside the verdict: find, structures, protocol; and the options for two plans."""

import json
import shutil
import zipfile
from pathlib import Path

import pydicom
import pytest

from builders import box, structure_set, write_case
from test_cli import PASS_PLAN, SAMPLES, assert_refused, run

PAIR = SAMPLES / "pair_sum_fail_t7" / "RP.dcm", SAMPLES / "pair_sum_fail_t8" / "RP.dcm"


def test_find_shows_every_file_and_judges_nothing() -> None:
    done = run("find", PASS_PLAN)

    assert done.returncode == 0
    assert "the structure set that a plan names" in " ".join(done.stdout.split())
    assert "of other patients: only counted" in " ".join(done.stdout.split())
    assert "VERDICT" not in done.stdout
    assert "RP.dcm" not in done.stdout


def test_find_shows_the_files_of_every_patient_of_a_folder() -> None:
    done = run("find", SAMPLES)

    assert done.returncode == 0
    plans = [row for row in done.stdout.splitlines() if row.startswith("*  RT Plan ")]
    assert len(plans) == len(list(SAMPLES.glob("*/RP.dcm")))


def test_find_says_what_stops_it(tmp_path: Path) -> None:
    assert_refused(run("find", tmp_path), "there is no RT file below this folder")


@pytest.mark.parametrize("command", ["find", "structures"])
def test_a_missing_path_is_refused_in_a_sentence(tmp_path: Path, command: str) -> None:
    assert_refused(run(command, tmp_path / "none.dcm"), "there is no such file")


def test_structures_shows_what_each_roi_is_taken_for_and_why() -> None:
    done = run("structures", PASS_PLAN)

    assert done.returncode == 0
    rows = {
        line.split()[0]: line for line in done.stdout.splitlines()[1:] if line.strip()
    }
    assert "matches 'SpinalCord'" in rows["SpinalCord"]
    assert "2.38" in rows["SpinalCord"]
    assert "T8" in rows["PTV_T8"]


def test_structures_counts_holes_and_gaps_and_suggests(tmp_path: Path) -> None:
    outer, inner = (box("Oesphagus", (-n, -n, 0), (n, n, 30)) for n in (9, 4))
    rings = tuple(
        ring
        for pair in zip(outer.contours, inner.contours, strict=True)
        for ring in pair
        if ring.z_mm not in (13.5, 16.5)
    )
    roi = type(outer)(name="Oesphagus", contours=rings, plane_spacing_mm=3.0)
    files = write_case(tmp_path / "case", structure_set=structure_set([roi]))

    done = run("structures", files.structure_set)

    row = " ".join(done.stdout.split())
    assert "did you mean Esophagus?" in row
    assert "8 8 1" in row  # planes, holes, gaps
    assert "2 contour planes are missing" in row


@pytest.mark.parametrize("command", ["structures", "find"])
def test_names_of_the_patient_are_masked(tmp_path: Path, command: str) -> None:
    files = write_case(
        tmp_path / "apart" / "case",  # the search sees the folders beside it
        structure_set=structure_set([box("Jane DOE", (0, 0, 0), (9, 9, 9))]),
    )
    dataset = pydicom.dcmread(files.plan)
    dataset.RTPlanLabel = "Doe T8"
    dataset.save_as(files.plan)

    done = run(command, files.plan)

    assert done.returncode == 0
    assert "doe" not in done.stdout.lower()
    assert "doe" in run(command, files.plan, "--phi").stdout.lower()


def test_labels_of_plans_to_choose_from_are_hidden_unless_asked_for(
    tmp_path: Path,
) -> None:
    """The folder of an export may hold plans of other patients."""
    folder = tmp_path / "case"
    files = write_case(folder)
    dataset = pydicom.dcmread(files.plan)
    dataset.SOPInstanceUID += ".2"
    dataset.RTPlanLabel = "AHMAD"
    dataset.save_as(folder / "RP2.dcm")

    refused, found = run(folder), run("find", files.plan)

    assert "found (--phi shows labels):" in refused.stderr
    assert "AHMAD" not in refused.stderr + found.stdout
    assert "AHMAD" in run(folder, "--phi").stderr
    assert "AHMAD" in run("find", files.plan, "--phi").stdout


def test_ascii_tables_are_ascii() -> None:
    for command in ("structures", "find"):
        assert run(
            command, SAMPLES / "t8_30gy5_chinese_pass" / "RP.dcm", "--ascii"
        ).stdout.isascii()


# --- Protocols ----------------------------------------------------------------------------------


def test_protocols_are_listed_and_shown_with_their_sources() -> None:
    listed = run("protocol", "list").stdout
    shown = run("protocol", "show", "hytec-tg101-5fx").stdout

    assert "nct06756087" in listed
    assert "hytec-tg101-5fx" in listed
    assert "D0.035cc <= 25.3Gy" in shown
    assert "HyTEC" in shown


def test_lint_tells_a_sound_protocol_from_one_that_is_not(tmp_path: Path) -> None:
    sound = run("protocol", "lint", "nct06756087")
    assert (sound.returncode, sound.stdout) == (0, "no problems\n")
    own = tmp_path / "own.toml"
    own.write_text("schema = 1\n", encoding="utf-8")

    done = run("protocol", "lint", own)

    assert done.returncode == 1
    assert "limits: Field required" in done.stdout


def test_schemas_are_printed_as_json() -> None:
    assert "limits" in json.loads(run("protocol", "schema").stdout)["properties"]
    assert (
        "surgery_date"
        in json.loads(run("protocol", "schema", "--case").stdout)["properties"]
    )


def test_the_second_protocol_judges_without_trial_rules() -> None:
    done = run(PASS_PLAN, "--protocol", "hytec-tg101-5fx")

    assert done.returncode == 0
    assert "Trial rules (hytec-tg101-5fx): none in this protocol" in done.stdout


# --- Two plans ----------------------------------------------------------------------------------


def test_two_plans_are_added_unasked_alone_passes_the_sum_fails() -> None:
    unasked, alone = run(PAIR[0]), run(PAIR[0], "--alone", "-q")
    summed = run(PAIR[0], "--with", PAIR[1])

    assert (unasked.returncode, alone.returncode, summed.returncode) == (1, 0, 1)
    assert "Added plan" in unasked.stdout
    assert "Added plan" in summed.stdout


def test_alone_and_with_contradict_each_other() -> None:
    assert_refused(run(PAIR[0], "--with", PAIR[1], "--alone"), "contradict")


def test_a_missing_plan_to_add_is_named(tmp_path: Path) -> None:
    assert_refused(
        run(PAIR[0], "--with", tmp_path / "none.dcm"), "--with: there is no such file"
    )


def test_a_plan_to_add_without_dose_leaves_the_cord_undecided(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PAIR[1].parent, tmp_path / "second"))
    (folder / "RD.dcm").unlink()

    done = run(PAIR[0], "--with", folder / "RP.dcm", "--json")

    (found,) = (
        f for f in json.loads(done.stdout)["findings"] if f["id"] == "course.unseen"
    )
    assert (done.returncode, found["outcome"]) == (3, "UNDECIDED")
    assert "cannot be added: no RT Dose names it" in found["message"]


# --- Case facts ---------------------------------------------------------------------------------


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PASS_PLAN.parent, tmp_path / "case"))


def test_case_facts_beside_the_plan_are_read(case: Path) -> None:
    (case / "case.toml").write_text('prior_rt = "none"\noperated_levels = ["T8"]\n')

    done = run(case / "RP.dcm", "-v")

    assert "VERDICT: √ PASS\n" in done.stdout
    assert "operated T8, treated T8" in done.stdout


def test_case_facts_given_by_hand_come_first(case: Path, tmp_path: Path) -> None:
    (case / "case.toml").write_text('prior_rt = "none"\n')
    other = tmp_path / "other.toml"
    other.write_text('prior_rt = "yes"\n')

    assert run(case / "RP.dcm", "--case", other, "-q").returncode == 3


def test_a_slip_in_the_case_facts_is_refused_with_its_cure(case: Path) -> None:
    (case / "case.toml").write_text("sugery_date = 2026-01-02\n")

    assert_refused(
        run(case / "RP.dcm"), "sugery_date: unknown key; did you mean surgery_date?"
    )


# --- Archives -----------------------------------------------------------------------------------


def test_a_zip_archive_is_judged_and_leaves_nothing_behind(
    case: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in case.iterdir():
            archive.write(file, f"export/{file.name}")
    before = sorted(tmp_path.rglob("*"))

    done = run(tmp_path / "a.zip", "-q", TMPDIR=str(tmp_path))

    assert done.returncode == 0
    assert sorted(tmp_path.rglob("*")) == before
