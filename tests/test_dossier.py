"""What lies around a plan: each file parsed once, what is bad costs itself, nothing is passed over."""

import csv
import os
import shutil
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from builders import Files, box, cylinder, structure_set, uniform_dose, write_case
from sbrtcheck import (
    CaseError,
    Declared,
    Outcome,
    Verdict,
    check,
    load_case,
    load_protocol,
)
from sbrtcheck.dicom import RT_ION_PLAN
from sbrtcheck.dicom.write import save_plan
from sbrtcheck.dossier.places import Listing, Root, list_files
from sbrtcheck.model import Patient
from test_case import OTHER_UID, WHOLE, other_plan, uids, write_small_case
from test_cli import PASS_PLAN, SAMPLES, assert_refused, run

PROTOCOL = load_protocol("nct06756087")
ONE, OTHER = "pair_sum_fail_t7", "pair_sum_fail_t8"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_small_case(tmp_path / "around" / "case")


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Return a folder with two plans of one patient: each keeps the cord, their sum does not."""
    for name in (ONE, OTHER):
        shutil.copytree(SAMPLES / name, tmp_path / "around" / name)
    return tmp_path / "around"


def judged(folder: Path, **keywords: Any) -> Verdict:
    return check(load_case(folder / ONE / "RP.dcm", **keywords), PROTOCOL)


def unseen(verdict: Verdict) -> list[str]:
    return [
        str(f.message)
        for f in verdict.findings
        if f.id == "course.unseen" and f.outcome is Outcome.UNDECIDED
    ]


def cord_of(verdict: Verdict) -> Outcome | None:
    return next(f.outcome for f in verdict.findings if f.id == "limit.cord")


# --- Parsed once --------------------------------------------------------------------------------


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count by SOP Instance UID which files are parsed."""
    counts: Counter[str] = Counter()
    read = read_partial

    def counted(*arguments: Any, **keywords: Any) -> Dataset:
        dataset = read(*arguments, **keywords)
        counts[str(dataset.get("SOPInstanceUID"))] += 1
        return dataset

    monkeypatch.setattr("sbrtcheck.dicom.dataset.read_partial", counted)
    return counts


@pytest.mark.parametrize("start", ["RP.dcm", "RS.dcm", "RD.dcm", ".", "zip"])
def test_each_file_of_the_patient_is_parsed_once(
    files: Files, parsed: Counter[str], start: str
) -> None:
    folder = files.plan.parent
    stranger = other_plan(OTHER_UID)
    instance = replace(stranger.instance, patient=Patient(patient_id="P-0816"))
    save_plan(replace(stranger, instance=instance), folder / "stranger")
    path = folder / start
    if start in (".", "zip"):
        (folder / "stranger").rename(folder.parent / "stranger")
    if start == "zip":
        path = folder.parent.parent / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.name)

    check(load_case(path), PROTOCOL)

    assert parsed == dict.fromkeys(WHOLE, 1)


def test_files_of_both_plans_of_a_course_are_parsed_once(
    pair: Path, parsed: Counter[str]
) -> None:
    judged(pair, with_plans=[pair / OTHER / "RP.dcm"])

    assert len(parsed) == 6
    assert set(parsed.values()) == {1}


# --- What is bad costs itself -------------------------------------------------------------------


def test_parts_of_a_course_are_added_unasked(pair: Path) -> None:
    assert cord_of(judged(pair)) is Outcome.FAIL


def test_a_link_to_itself_beside_a_plan_hides_nothing(pair: Path) -> None:
    (pair / OTHER / "loop").symlink_to("loop")

    verdict = judged(pair)

    assert len(verdict.parts) == 1, "the plan beside the link is seen"
    assert unseen(verdict) == []


def test_a_link_that_leads_nowhere_may_hide_a_plan(files: Files) -> None:
    (files.plan.parent / "gone").symlink_to("nowhere.dcm")

    (why,) = load_case(files.plan).unknown

    assert str(why) == "an entry of a folder cannot be read (a link that leads nowhere)"


def test_a_pipe_hides_nothing_and_stops_nothing(files: Files) -> None:
    os.mkfifo(files.plan.parent / "pipe")

    case = load_case(files.plan)

    assert uids(case) == WHOLE
    assert case.unknown == ()


def test_a_folder_that_cannot_be_listed_leaves_the_course_undecided(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights do not bind every user, so the refusal is made here."""
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == OTHER:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("sbrtcheck.dossier.places.os.scandir", refusing)

    verdict = judged(pair)

    assert "a folder cannot be listed (Permission denied)" in " ".join(unseen(verdict))
    assert cord_of(verdict) is Outcome.UNDECIDED


def truncate(folder: Path) -> None:
    content = (folder / "RP.dcm").read_bytes()
    (folder / "RP.dcm").write_bytes(content[: len(content) * 2 // 3])


def spoil_number(folder: Path) -> None:
    path = folder / "RP.dcm"
    content = path.read_bytes()
    tag = b"\x0a\x30\x26\x00DS"  # Target Prescription Dose
    start = content.index(tag) + 8
    length = content[start - 2]
    path.write_bytes(content[:start] + b"3,0".ljust(length) + content[start + length :])


def remove_plan(folder: Path) -> None:
    (folder / "RP.dcm").unlink()


@pytest.mark.parametrize("spoil", [truncate, spoil_number, remove_plan])
def test_a_second_plan_that_cannot_be_read_leaves_the_cord_undecided(
    pair: Path, spoil: Any
) -> None:
    spoil(pair / OTHER)

    verdict = judged(pair)

    assert cord_of(verdict) is Outcome.UNDECIDED
    assert verdict.outcome is Outcome.UNDECIDED
    alone = check(load_case(pair / ONE / "RP.dcm"), PROTOCOL, Declared(alone=True))
    assert cord_of(alone) is Outcome.PASS


# --- Copies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["deflated", "without file meta"])
def test_a_copy_that_was_written_in_another_way_is_one_file(
    files: Files, way: str
) -> None:
    copies = files.plan.parent / "copies"
    copies.mkdir()
    for path in files:
        dataset = pydicom.dcmread(path)
        if way == "deflated":
            dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
            pydicom.dcmwrite(copies / path.name, dataset)
        else:
            bare = Dataset()
            bare.update(dataset)
            pydicom.dcmwrite(
                copies / path.name, bare, implicit_vr=True, little_endian=True
            )

    case = load_case(files.plan.parent)

    assert uids(case) == WHOLE
    assert (case.siblings, case.unknown, case.notes) == ((), (), ())


def test_two_contents_of_another_plan_leave_the_other_plans_unknown(
    files: Files,
) -> None:
    for number, label in enumerate("AB"):
        other = other_plan(OTHER_UID)
        instance = replace(other.instance, label=label)
        save_plan(
            replace(other, instance=instance), files.plan.with_name(f"other {number}")
        )

    assert any(
        "two RT Plans carry the UID" in str(why) and "differ in content" in str(why)
        for why in load_case(files.plan).unknown
    )


# --- Where is looked ----------------------------------------------------------------------------


def test_within_widens_the_search_to_all_below_a_folder(pair: Path) -> None:
    (pair / "far" / "below").mkdir(parents=True)
    (pair / OTHER).rename(pair / "far" / "below" / OTHER)

    assert cord_of(judged(pair)) is Outcome.PASS
    assert cord_of(judged(pair, within=pair)) is Outcome.FAIL


def test_within_a_folder_that_does_not_hold_the_plan_is_refused(
    files: Files, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()

    with pytest.raises(
        CaseError, match="--within: the plan does not lie below this folder"
    ):
        load_case(files.plan, within=tmp_path / "elsewhere")
    with pytest.raises(CaseError, match="--within: there is no such folder"):
        load_case(files.plan, within=tmp_path / "nowhere")


@pytest.mark.parametrize("typed", [("check", ""), ("dvh", ""), ("batch", "")])
def test_an_empty_argument_is_a_usage_error(typed: tuple[str, ...]) -> None:
    done = run(*typed)

    assert done.returncode == 2
    assert done.stderr


def test_an_empty_plan_to_add_is_a_usage_error() -> None:
    assert_refused(run(PASS_PLAN, "--with", ""), "an argument is empty")


# --- Without a photon plan ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["none", "ion"])
@pytest.mark.parametrize("command", ["dvh", "structures"])
def test_structures_and_dose_are_read_without_a_photon_plan(
    files: Files, kind: str, command: str
) -> None:
    if kind == "none":
        files.plan.unlink()
    else:
        dataset = pydicom.dcmread(files.plan)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(
            RT_ION_PLAN
        )
        dataset.save_as(files.plan)

    done = run(command, files.plan.parent)

    assert done.returncode == 0
    assert "PTV_T8" in done.stdout


def test_an_roi_that_leaves_the_grid_has_bounds_to_both_sides(tmp_path: Path) -> None:
    rois = [
        box("PTV_T8", (-12, -12, -12), (12, 12, 12)),
        cylinder("Cord", (0, 24), 5, -30, 90),
    ]
    path = tmp_path / "around" / "case"
    files = write_case(path, structure_set=structure_set(rois), dose=uniform_dose(20.0))
    files.plan.unlink()

    done = run("dvh", path, "-s", "Cord", "-m", "V10Gy", "-m", "Dmean", "--csv", "-")

    assert done.returncode == 0, done.stderr
    volume, mean = csv.DictReader(done.stdout.splitlines())
    # 78 of 120 mm lie inside at 20 Gy: the rest has up to 20 Gy, or none.
    assert float(volume["low"]) == pytest.approx(65, abs=2)
    assert float(volume["high"]) == pytest.approx(100)
    assert float(mean["low"]) == pytest.approx(13, abs=0.4)
    assert float(mean["high"]) == pytest.approx(20)


def test_without_a_target_nothing_bounds_what_lies_outside(tmp_path: Path) -> None:
    path = tmp_path / "around" / "case"
    rois = [cylinder("Cord", (0, 24), 5, -30, 90)]
    files = write_case(path, structure_set=structure_set(rois), dose=uniform_dose(20.0))
    files.plan.unlink()

    done = run("dvh", path, "-s", "Cord", "-m", "Dmean", "--csv", "-")

    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row["high"] == ""


# --- What is said -------------------------------------------------------------------------------


def test_quiet_still_shows_every_reason(pair: Path) -> None:
    truncate(pair / OTHER)
    done = run(pair / ONE / "RP.dcm", "-q")

    assert done.returncode == 3
    assert "other plans" in done.stdout


def test_a_pass_with_variations_says_how_many() -> None:
    done = run(SAMPLES / "t11t12_36gy6_variation", "-q")

    assert done.returncode == 0
    assert "PASS WITH 1 VARIATION" in done.stdout


def test_the_topmost_folder_can_be_looked_at() -> None:
    """A plan's surroundings may be the root of the file system, which has no name."""
    top = Path(Path.cwd().anchor)

    listing = list_files([Root(top, deep=False)])

    assert isinstance(listing, Listing)
