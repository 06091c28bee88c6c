"""Beam doses that add up, archives, DICOMDIRs and other plans of the patient."""

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from builders import (
    DOSE_UID,
    FRAME_UID,
    PLAN_UID,
    STRUCTURE_SET_UID,
    STUDY_UID,
    Files,
    dose_grid,
    instance,
    plan,
    write_case,
)
from sbrtcheck import CaseError, ReadError, UnsupportedError, load_case
from sbrtcheck.dicom import RT_PLAN
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.dossier import survey
from sbrtcheck.files import reading_at_most
from sbrtcheck.model import Beam, DoseGrid, FractionGroup, Patient, Plan, same_patient
from test_case import OTHER_UID, other_plan, small_dose, small_structure_set, uids

WHOLE = [PLAN_UID, STRUCTURE_SET_UID, DOSE_UID]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_case(
        tmp_path / "case", structure_set=small_structure_set(), dose=small_dose()
    )


# --- Doses of single beams ----------------------------------------------------------------------


def three_beams() -> Plan:
    """Return a plan of two treatment beams and a set-up beam."""
    kinds = ("TREATMENT", "TREATMENT", "SETUP")
    beams = tuple(
        Beam(number=n, name=f"B{n}", delivery_type=k) for n, k in enumerate(kinds, 1)
    )
    group = FractionGroup(
        number=1,
        fractions=5,
        beam_numbers=(1, 2),
        beam_doses_gy=(3, 3),
        beam_metersets=(9, 9),
    )
    return replace(plan(), beams=beams, fraction_groups=(group,))


def beam_dose(
    number: int, beams: Sequence[int], gy: float, step_mm: float = 4.0
) -> DoseGrid:
    grid = dose_grid(
        lambda x, y, z: gy + 0.1 * (x + y + z), (0, 0, 0), (12, 12, 12), step_mm
    )
    assert grid.header is not None
    header = replace(
        grid.header,
        instance=replace(
            grid.header.instance, sop_instance_uid=f"{OTHER_UID}.{number}"
        ),
        summation_type="BEAM",
        fraction_group_numbers=(1,),
        beam_numbers=tuple(beams),
    )
    return replace(grid, header=header)


def write_beams(files: Files, *doses: DoseGrid) -> None:
    save_plan(three_beams(), files.plan)
    files.dose.unlink()
    for number, dose in enumerate(doses, start=1):
        save_dose(dose, files.dose.with_name(f"beam{number}"), bits=32)


def test_beam_doses_that_hold_each_treatment_beam_once_add_up(files: Files) -> None:
    write_beams(files, beam_dose(1, [1], 10.0), beam_dose(2, [2], 5.0))

    case = load_case(files.plan)

    assert case.dose.dose_gy[0, 0, 0] == pytest.approx(15.0, abs=1e-6)
    assert case.dose.dose_gy[-1, -1, -1] == pytest.approx(15.0 + 0.2 * 36, abs=1e-6)
    assert len(case.links_of("RT Dose")) == 2
    assert "sum of 2 beam doses, each treatment beam once" in " ".join(
        map(str, case.notes)
    )


def test_beam_doses_on_different_grids_are_read_at_the_points_of_the_finest(
    files: Files,
) -> None:
    write_beams(files, beam_dose(1, [1], 10.0), beam_dose(2, [2], 5.0, step_mm=3.0))

    dose = load_case(files.plan).dose

    assert dose.x_mm.tolist() == [0, 3, 6, 9, 12]
    assert np.abs(np.diff(dose.dose_gy, axis=2) - 0.6).max() < 1e-6


def test_one_dose_of_both_beams_is_the_plan(files: Files) -> None:
    """PS3.3 C.8.8.3: BEAM is the dose of one or more beams."""
    write_beams(files, beam_dose(1, [1, 2], 30.0))

    assert load_case(files.plan).dose.dose_gy[0, 0, 0] == pytest.approx(30.0, abs=1e-6)


def test_the_dose_of_a_set_up_beam_is_left_out_and_noted(files: Files) -> None:
    write_beams(
        files, beam_dose(1, [1], 10.0), beam_dose(2, [2], 5.0), beam_dose(3, [3], 1.0)
    )

    case = load_case(files.plan)

    assert case.dose.dose_gy[0, 0, 0] == pytest.approx(15.0, abs=1e-6)
    assert any("not used: its beam does not treat" in str(note) for note in case.notes)


@pytest.mark.parametrize(
    ("doses", "why"),
    [
        ([(1, [1])], "missing are beams 2 'B2'"),
        ([(1, [1]), (2, [1, 2])], "held more than once are beams 1 'B1'"),
        ([(1, [1]), (2, [2, 7])], "not of the plan are beams 7 ''"),
        ([(1, [1]), (2, [])], "one does not name its beam"),
        ([(3, [3])], "missing are beams 1 'B1', 2 'B2'"),
    ],
)
def test_beam_doses_that_are_not_the_plan_are_declined_with_the_beams(
    files: Files, doses: list[tuple[int, list[int]]], why: str
) -> None:
    write_beams(files, *(beam_dose(number, beams, 10.0) for number, beams in doses))

    with pytest.raises(UnsupportedError, match=why) as caught:
        load_case(files.plan)

    assert caught.value.path is None, "the problem is of several files, not of one"


def test_one_dose_of_all_beams_given_by_hand_is_the_plan(files: Files) -> None:
    write_beams(files, beam_dose(1, [1, 2], 30.0), beam_dose(2, [2], 5.0))

    whole, part = (files.dose.with_name(f"beam{n}") for n in (1, 2))

    assert load_case(files.plan, dose=whole).dose.dose_gy[0, 0, 0] == pytest.approx(
        30.0
    )
    with pytest.raises(UnsupportedError, match="missing are beams 1 'B1'"):
        load_case(files.plan, dose=part)


def test_any_beam_dose_leads_to_the_case(files: Files) -> None:
    write_beams(files, beam_dose(1, [1], 10.0), beam_dose(2, [2], 5.0))

    assert load_case(files.dose.with_name("beam2")).dose.dose_gy[
        0, 0, 0
    ] == pytest.approx(15.0)


def test_a_dose_of_a_foreign_fraction_group_is_declined(files: Files) -> None:
    dose = small_dose()
    assert dose.header is not None
    save_dose(
        replace(dose, header=replace(dose.header, fraction_group_numbers=(3,))),
        files.dose,
    )

    with pytest.raises(
        UnsupportedError, match="names fraction group 3, which the plan lacks"
    ):
        load_case(files.plan)


# --- Archives -----------------------------------------------------------------------------------


def zipped(folder: Path, path: Path, *, inside: str = "export/张三/") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, inside + file.name)
    return path


def test_a_zip_archive_leads_to_the_case(files: Files, tmp_path: Path) -> None:
    archive = zipped(files.plan.parent, tmp_path / "case.ZIP")

    assert uids(load_case(archive)) == WHOLE


def test_names_in_an_archive_cannot_leave_it(files: Files, tmp_path: Path) -> None:
    archive = zipped(files.plan.parent, tmp_path / "a.zip", inside="../../")
    before = sorted(tmp_path.rglob("*"))

    assert uids(load_case(archive)) == WHOLE
    assert sorted(tmp_path.rglob("*")) == before


def test_only_rt_files_are_unpacked(files: Files, tmp_path: Path) -> None:
    archive = zipped(files.plan.parent, tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("huge.bin", b"\0" * 10_000_000)

    with reading_at_most(1_000_000):
        assert uids(load_case(archive)) == WHOLE


@pytest.mark.parametrize(
    ("beyond", "problem"),
    [(0, "the file holds more"), (1, "unpack it and give the folder")],
)
def test_an_archive_may_unpack_to_four_times_what_a_file_may_hold(
    beyond: int, problem: str, files: Files, tmp_path: Path
) -> None:
    """Just inside, all is unpacked, and the file that holds most of it is too large by itself."""
    archive = zipped(files.plan.parent, tmp_path / "a.zip")
    unpacked = sum(path.stat().st_size for path in files.plan.parent.iterdir())

    with (
        reading_at_most(-(-unpacked // 4) - beyond),
        pytest.raises(ReadError, match=problem),
    ):
        load_case(archive)


@pytest.mark.parametrize("content", [b"PK\3\4 no archive", b""])
def test_a_damaged_archive_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)

    with pytest.raises(ReadError, match="zip archive cannot be unpacked"):
        load_case(path)


def test_an_archive_of_two_plans_is_ambiguous_and_named_itself(
    files: Files, tmp_path: Path
) -> None:
    save_plan(other_plan(OTHER_UID), files.plan.with_name("other"))
    archive = zipped(files.plan.parent, tmp_path / "a.zip")

    with pytest.raises(CaseError, match="holds 2 RT Plans") as caught:
        load_case(archive)

    assert caught.value.path == archive


# --- DICOMDIR -----------------------------------------------------------------------------------


@pytest.fixture
def directory(files: Files, tmp_path: Path) -> Path:
    """Return the DICOMDIR of a file set whose files lie four folders deep (PS3.10 8)."""
    media = FileSet()
    for path in files:
        dataset = pydicom.dcmread(path)
        dataset.InstanceNumber = 1
        dataset.save_as(path)
        media.add(dataset)
    media.write(tmp_path / "media")
    media._stage[
        "t"
    ].cleanup()  # pydicom leaves its staging folder to the garbage collector
    assert not list((tmp_path / "media").glob("*.dcm"))
    return tmp_path / "media" / "DICOMDIR"


def test_a_dicomdir_leads_to_the_case(directory: Path) -> None:
    assert uids(load_case(directory)) == WHOLE


def test_the_folder_of_a_dicomdir_leads_to_the_case(directory: Path) -> None:
    assert uids(load_case(directory.parent)) == WHOLE


def test_a_dicomdir_cannot_name_files_outside_its_folder(directory: Path) -> None:
    with pydicom.config.disable_value_validation():
        content = pydicom.dcmread(directory)
        for record in content.DirectoryRecordSequence:
            if "ReferencedFileID" in record:
                record.ReferencedFileID = ["..", "case", "RP.dcm"]
        content.save_as(directory)
    for folder in directory.parent.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)

    with pytest.raises(CaseError, match="holds no RT Plan"):
        load_case(directory)


# --- Other plans of the patient -----------------------------------------------------------------


def save_other(
    files: Files,
    patient_id: str | None = "P-0815",
    folder: str = "",
    uid: str = OTHER_UID,
) -> Path:
    value = other_plan(uid)
    header = replace(value.instance, patient=Patient(patient_id=patient_id))
    path = files.plan.parent / folder / f"other{uid[-1]}"
    path.parent.mkdir(exist_ok=True)
    save_plan(replace(value, instance=header), path)
    return path


def other_uids(files: Files) -> list[str]:
    return [other.instance.sop_instance_uid for other in load_case(files.plan).siblings]


def test_a_lone_plan_has_no_others(files: Files) -> None:
    assert other_uids(files) == []


@pytest.mark.parametrize("folder", ["", "below", "../beside"])
def test_another_plan_of_the_patient_is_listed(files: Files, folder: str) -> None:
    save_other(files, folder=folder)

    assert other_uids(files) == [OTHER_UID]


def test_the_case_of_letters_in_an_id_does_not_make_another_patient(
    files: Files,
) -> None:
    save_other(files, patient_id="p-0815")

    assert other_uids(files) == [OTHER_UID]


def test_a_plan_of_another_patient_is_not_listed(files: Files) -> None:
    save_other(files, patient_id="P-0816")

    assert other_uids(files) == []


def test_without_ids_a_plan_of_the_same_study_is_of_the_patient(files: Files) -> None:
    save_other(files, patient_id=None)

    assert other_uids(files) == [OTHER_UID]


@pytest.mark.parametrize(
    ("own", "other", "study", "frame", "expected"),
    [
        ("P-1", "p-1 ", "1.2", "1.3", True),  # one ID at two centres
        ("P-1", "P-2", STUDY_UID, FRAME_UID, False),
        (None, None, STUDY_UID, "1.3", True),
        (None, "P-2", "1.2", FRAME_UID, True),
        ("P-1", None, "1.2", "1.3", False),
        (None, None, None, None, False),
    ],
)
def test_ids_tell_patients_and_only_without_them_study_or_frame(
    own: str | None,
    other: str | None,
    study: str | None,
    frame: str | None,
    *,
    expected: bool,
) -> None:
    first = replace(instance(PLAN_UID, RT_PLAN), patient=Patient(patient_id=own))
    second = replace(
        instance(OTHER_UID, RT_PLAN),
        patient=Patient(patient_id=other),
        study_instance_uid=study,
        frame_of_reference_uid=frame,
    )
    if study is None:
        first = replace(first, study_instance_uid=None, frame_of_reference_uid=None)

    assert same_patient(first, second) is expected
    assert same_patient(second, first) is expected


def test_a_copy_of_the_plan_or_of_an_other_is_listed_once(files: Files) -> None:
    shutil.copy(files.plan, files.plan.with_name("copy"))
    shutil.copy(save_other(files), files.plan.with_name("other copy"))

    assert other_uids(files) == [OTHER_UID]


def test_an_other_plan_brings_the_structure_set_that_it_names(files: Files) -> None:
    own = small_structure_set(OTHER_UID + "5")
    save_structure_set(own, files.plan.with_name("RS2"))
    save_plan(other_plan(OTHER_UID, OTHER_UID + "5"), files.plan.with_name("other"))

    (other,) = load_case(files.plan).siblings

    assert other.structure_set is not None
    assert other.structure_set.instance.sop_instance_uid == OTHER_UID + "5"


def test_an_ion_plan_of_the_patient_is_an_other(files: Files) -> None:
    path = save_other(files)
    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.8"
    dataset.save_as(path)

    (other,) = load_case(files.plan).siblings

    assert other.kind == "RT Ion Plan"
    assert other.plan is not None, "what it treats is known, though it is not judged"


def test_a_plan_that_cannot_be_read_leaves_the_other_plans_unknown(
    files: Files,
) -> None:
    path = save_other(files)
    path.write_bytes(path.read_bytes()[:-40])

    (why,) = map(str, load_case(files.plan).unknown)

    assert (
        "an RT Plan in the same folder cannot be read, and may be of this patient"
        in why
    )


# --- Adding a plan ------------------------------------------------------------------------------


def save_second_case(files: Files, patient_id: str = "P-0815") -> Path:
    """Write a second plan with its dose beside the first."""
    path = save_other(files, patient_id=patient_id)
    dose = small_dose(OTHER_UID + "8", plans=(OTHER_UID,))
    save_dose(dose, files.dose.with_name("other dose"))
    return path


@pytest.mark.parametrize("by", ["path", "uid"])
def test_a_plan_that_is_added_by_hand_is_one_sibling_with_its_dose(
    files: Files, by: str
) -> None:
    path = save_second_case(files)

    case = load_case(files.plan, with_plans=[path if by == "path" else OTHER_UID[-6:]])

    (sibling,) = case.siblings
    assert sibling.instance.sop_instance_uid == OTHER_UID
    assert sibling.asked_for
    assert [dose.plan_uids for dose in sibling.doses] == [(OTHER_UID,)]


def test_a_plan_cannot_be_added_to_itself(files: Files) -> None:
    with pytest.raises(CaseError, match="--with: this is the plan itself"):
        load_case(files.plan, with_plans=[files.plan])


def test_a_plan_of_another_patient_cannot_be_added(files: Files) -> None:
    path = save_second_case(files, patient_id="P-0816")

    with pytest.raises(CaseError, match="different patients"):
        load_case(files.plan, with_plans=[path])


# --- Everything seen ----------------------------------------------------------------------------


def test_a_survey_lists_every_file_with_its_relation(files: Files) -> None:
    save_other(files)
    save_other(files, patient_id="P-0816", uid=OTHER_UID + "3")
    save_structure_set(
        small_structure_set(OTHER_UID + "4"), files.plan.with_name("RS2")
    )
    save_dose(small_dose(OTHER_UID + "6", "RECORD"), files.plan.with_name("record"))
    files.plan.with_name("notes.txt").write_text("hello", encoding="utf-8")

    rows = {str(row.relation): row for row in survey(files.plan)}

    linked = [text for text, row in rows.items() if row.linked]
    assert linked == [
        "PLAN, grid 2 x 2 x 2; it names a plan",
        "a plan",
        "the structure set that a plan names",
    ]
    assert "another plan of this patient" in rows
    assert rows["of other patients: only counted"].count == 1
    assert "a structure set that no plan names" in rows
    assert any("it names a plan, but it is a delivered dose" in text for text in rows)
    assert rows["not looked into"].kind == "files that are not DICOM"


@pytest.mark.parametrize("argument", ["structure_set", "dose"])
def test_a_survey_starts_from_any_file(files: Files, argument: str) -> None:
    rows = survey(getattr(files, argument))

    assert sum(row.linked for row in rows) == 3


def test_a_survey_says_why_a_file_cannot_be_read(files: Files) -> None:
    content = files.structure_set.read_bytes()
    files.structure_set.write_bytes(content[: len(content) // 2])

    assert any("cannot be read: " in str(row.relation) for row in survey(files.plan))
