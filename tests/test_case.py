"""From any one file or folder: what belongs together, by UID, and why; or what is in the way."""

import shutil
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, DeflatedExplicitVRLittleEndian

from builders import (
    DOSE_UID,
    FRAME_UID,
    PLAN_UID,
    STRUCTURE_SET_UID,
    Files,
    box,
    dose_grid,
    plan,
    structure_set,
    write_case,
)
from sbrtcheck import CaseError, ReadError, UnsupportedError, load_case
from sbrtcheck.dicom import RT_ION_PLAN, RT_STRUCTURE_SET, Peek, peek
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.dossier import Case
from sbrtcheck.dossier.dose import REFUSED_SUMMATIONS
from sbrtcheck.model import DoseGrid, FractionGroup, Plan, StructureSet

OTHER_UID = "1.2.826.0.1.3680043.10.888.77"


def small_dose(
    uid: str = DOSE_UID, summation: str = "PLAN", plans: tuple[str, ...] = (PLAN_UID,)
) -> DoseGrid:
    """Return 2 x 2 x 2 doses of 30 Gy with this header."""
    grid = dose_grid(lambda x, y, z: 30 + 0 * (x + y + z), (0, 0, 0), (4, 4, 4))
    assert grid.header is not None
    header = replace(
        grid.header,
        instance=replace(grid.header.instance, sop_instance_uid=uid),
        summation_type=summation,
        referenced_plan_uids=plans,
    )
    return replace(grid, header=header)


def small_structure_set(uid: str = STRUCTURE_SET_UID) -> StructureSet:
    value = structure_set(
        [box("PTV_T8", (0, 0, 0), (3, 3, 3)), box("Cord", (0, 9, 0), (3, 12, 3))]
    )
    return replace(value, instance=replace(value.instance, sop_instance_uid=uid))


def other_plan(uid: str, structure_set_uid: str | None = STRUCTURE_SET_UID) -> Plan:
    value = plan()
    instance = replace(value.instance, sop_instance_uid=uid, label=f"plan {uid[-2:]}")
    return replace(value, instance=instance, structure_set_uid=structure_set_uid)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_small_case(tmp_path / "case")


def write_small_case(folder: Path) -> Files:
    return write_case(folder, structure_set=small_structure_set(), dose=small_dose())


def uids(case: Case) -> list[str]:
    return [link.instance.sop_instance_uid for link in case.links]


WHOLE = [PLAN_UID, STRUCTURE_SET_UID, DOSE_UID]


# --- Where to begin, where to look --------------------------------------------------------------


@pytest.mark.parametrize("argument", ["plan", "structure_set", "dose", "folder"])
@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("case", ("RP.1.2.3.dcm", "RS.1.2.3.dcm", "RD.1.2.3.dcm")),
        ("case", ("a", "b", "c")),
        ("张三 T8 计划 (1)", ("计划", "结构 1.DCM", "剂量.tmp")),
        ("a.dcm", ("RD.dcm", "RP.dcm", "RS.dcm")),
    ],
    ids=["usual", "no extension", "chinese", "misleading"],
)
def test_any_file_of_a_case_or_its_folder_leads_to_the_case(
    tmp_path: Path, folder: str, names: tuple[str, str, str], argument: str
) -> None:
    written = write_small_case(tmp_path / "written")
    (tmp_path / folder).mkdir()
    paths = [
        path.rename(tmp_path / folder / name)
        for path, name in zip(written, names, strict=True)
    ]
    given = dict(zip(Files._fields, paths, strict=True)) | {"folder": tmp_path / folder}

    assert uids(load_case(given[argument])) == WHOLE
    assert uids(load_case(str(given[argument]))) == WHOLE


@pytest.mark.parametrize("argument", ["plan", "structure_set", "dose"])
@pytest.mark.parametrize(
    "folders",
    [
        (".", ".", "."),
        ("RP", "RS", "RD"),
        (".", "RS", "RD"),
        ("RP", ".", "."),
        ("RP", "RS", "."),
    ],
    ids=["together", "beside", "below", "above", "mixed"],
)
def test_files_are_found_beside_below_and_above(
    tmp_path: Path, files: Files, folders: tuple[str, str, str], argument: str
) -> None:
    """Systems export into one folder; archives into one folder for each object."""
    moved = []
    for path, folder in zip(files, folders, strict=True):
        (tmp_path / "study" / folder).mkdir(parents=True, exist_ok=True)
        moved.append(path.rename(tmp_path / "study" / folder / path.name))

    assert uids(load_case(Files(*moved)._asdict()[argument])) == WHOLE


def test_a_folder_of_three_folders_leads_to_the_case(
    tmp_path: Path, files: Files
) -> None:
    for path in files:
        (tmp_path / "study" / path.stem).mkdir(parents=True)
        path.rename(tmp_path / "study" / path.stem / path.name)

    assert uids(load_case(tmp_path / "study")) == WHOLE


def test_a_bare_file_name_is_looked_up_where_one_stands(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.plan.parent)

    assert uids(load_case("RP.dcm")) == WHOLE
    assert uids(load_case(".")) == WHOLE


def test_each_link_says_why_it_was_taken(tmp_path: Path, files: Files) -> None:
    (tmp_path / "RD").mkdir()
    files.dose.rename(tmp_path / "RD" / "RD.dcm")

    links = load_case(files.plan).links

    assert [(link.kind, str(link.how)) for link in links] == [
        ("RT Plan", "the plan to be judged"),
        ("RT Structure Set", "named by the plan, in the same folder"),
        ("RT Dose", "it names this plan, in a folder beside"),
    ]
    assert not any(link.by_hand for link in links)


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_files_without_dicom_header_are_found(files: Files, *, implicit: bool) -> None:
    for path in files:
        bare = Dataset()
        bare.update(pydicom.dcmread(path))
        pydicom.dcmwrite(path, bare, implicit_vr=implicit, little_endian=True)

    assert uids(load_case(files.plan.parent)) == WHOLE


def test_the_dataset_is_believed_not_the_file_header(files: Files) -> None:
    """De-identification gives new UIDs to the dataset and may leave the old in the header."""
    for path in files:
        content = path.read_bytes()
        uid = pydicom.dcmread(path).SOPInstanceUID.encode()
        stale = uid[:-1] + b"9"
        path.write_bytes(content.replace(uid, stale, 1))
        assert (
            pydicom.dcmread(path).file_meta.MediaStorageSOPInstanceUID == stale.decode()
        )

    assert [uids(load_case(path)) for path in files] == [WHOLE] * 3


def test_nothing_on_disk_is_changed(files: Files) -> None:
    def state() -> dict[str, tuple[int, int, bytes]]:
        return {
            str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
            for path in files.plan.parents[1].rglob("*")
            if path.is_file()
        }

    before = state()
    load_case(files.plan)
    load_case(files.plan.parent)

    assert state() == before
    assert len(before) == 3


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the SOP class of each file that pydicom parses is added."""
    classes: list[str] = []
    dcmread = pydicom.dcmread

    def counted(*arguments: object, **keywords: object) -> Dataset:
        dataset = dcmread(*arguments, **keywords)  # type: ignore[arg-type]
        classes.append(dataset.SOPClassUID)
        return dataset

    monkeypatch.setattr("sbrtcheck.dicom.dataset.pydicom.dcmread", counted)
    return classes


def test_image_slices_beside_the_plan_are_not_parsed(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = image_slice(files.plan)
    for number in range(300):
        (files.plan.parent / f"CT{number:03}").write_bytes(content)
    classes = count_reads(monkeypatch)

    assert uids(load_case(files.plan)) == WHOLE
    assert uids(load_case(files.plan.parent)) == WHOLE
    assert CTImageStorage not in classes
    assert len(classes) < 20


def image_slice(template: Path) -> bytes:
    dataset = pydicom.dcmread(template)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.Modality = "CT"
    path = template.with_name("slice")
    pydicom.dcmwrite(path, dataset)
    content = path.read_bytes()
    path.unlink()
    return content


def test_no_search_is_cut_short(files: Files) -> None:
    """What a case is must not hang on the number of files that have nothing to do with it."""
    for number in range(3000):
        (files.plan.parent / f"A {number}").write_text("no DICOM")

    for path in (files.plan, files.plan.parent):
        case = load_case(path)
        assert uids(case) == WHOLE
        assert (case.notes, case.unknown) == ((), ())


@pytest.mark.parametrize("field", ["dose", "structure_set"])
def test_what_lies_last_among_many_files_is_found(files: Files, field: str) -> None:
    for number in range(300):
        (files.plan.parent / f"A {number}").write_text("no DICOM")
    path = files._asdict()[field]
    path.rename(path.with_name("Z"))

    assert uids(load_case(files.plan)) == WHOLE


def test_more_files_of_one_patient_than_can_be_are_refused_with_their_number(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sbrtcheck.dossier.link.MOST_FILES", 2)

    with pytest.raises(
        CaseError, match=r"more than 2 RT files of this patient lie here \(3\)"
    ):
        load_case(files.plan)


# --- The plan -----------------------------------------------------------------------------------


def test_an_empty_folder_holds_no_plan(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="the folder holds no RT Plan"):
        load_case(tmp_path)


def test_a_missing_path_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="there is no such file"):
        load_case(tmp_path / "missing.dcm")


def test_a_folder_of_three_plans_is_ambiguous(files: Files) -> None:
    for ending in ("21", "22"):
        save_plan(other_plan(OTHER_UID + ending), files.plan.with_name(ending))

    with pytest.raises(
        CaseError, match="the folder holds 3 RT Plans; give the file of"
    ) as caught:
        load_case(files.plan.parent)

    rows = [str(row) for row in caught.value.candidates]
    assert len(rows) == 3
    for label in ("T8 SBRT", "plan 21", "plan 22"):
        assert sum(label in row for row in rows) == 1
    assert uids(load_case(files.plan)) == WHOLE


def test_a_structure_set_of_two_plans_is_ambiguous(files: Files) -> None:
    save_plan(other_plan(OTHER_UID), files.plan.with_name("second"))

    with pytest.raises(
        CaseError, match="2 RT Plans belong to this structure set; give the file"
    ):
        load_case(files.structure_set)


def test_a_dose_of_two_plans_is_ambiguous(files: Files) -> None:
    save_plan(other_plan(OTHER_UID), files.plan.with_name("second"))
    save_dose(small_dose(plans=(PLAN_UID, OTHER_UID)), files.dose)

    with pytest.raises(
        CaseError, match="2 RT Plans belong to this dose; give the file of one"
    ):
        load_case(files.dose)


@pytest.mark.parametrize("argument", ["structure_set", "dose"])
def test_a_file_whose_plan_is_not_there_leads_nowhere(
    files: Files, argument: str
) -> None:
    files.plan.unlink()

    with pytest.raises(
        CaseError, match=rf"no RT Plan of this {argument.replace('_', ' ')} lies"
    ):
        load_case(files._asdict()[argument])


def test_the_other_plan_of_a_folder_does_not_disturb(files: Files) -> None:
    save_plan(
        other_plan(OTHER_UID, structure_set_uid="1.2.3"), files.plan.with_name("0")
    )
    save_dose(
        small_dose(OTHER_UID + "1", plans=(OTHER_UID,)), files.plan.with_name("1")
    )

    assert [uids(load_case(path)) for path in files] == [WHOLE] * 3


@pytest.mark.parametrize("argument", ["plan", "structure_set", "dose", "folder"])
def test_an_ion_plan_is_declined_by_name(files: Files, argument: str) -> None:
    dataset = pydicom.dcmread(files.plan)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(RT_ION_PLAN)
    pydicom.dcmwrite(files.plan, dataset)
    given = files._asdict() | {"folder": files.plan.parent}

    with pytest.raises(
        UnsupportedError, match=r"RT Ion Plan.*; only photon RT Plans are judged"
    ):
        load_case(given[argument])


# --- The structure set --------------------------------------------------------------------------


def test_another_structure_set_beside_the_plan_is_not_taken(files: Files) -> None:
    save_structure_set(small_structure_set(OTHER_UID), files.structure_set)

    sentence = r"structure set …3\.10\.999\.2 that the plan names is not .*; .* add --struct FILE"
    with pytest.raises(CaseError, match=sentence) as caught:
        load_case(files.plan)

    (row,) = caught.value.candidates
    assert str(row).endswith("in the same folder")


@pytest.mark.parametrize("by", ["path", "UID ending"])
def test_a_structure_set_given_by_hand_is_taken_and_marked(
    files: Files, by: str
) -> None:
    save_structure_set(small_structure_set(OTHER_UID), files.structure_set)
    option = files.structure_set if by == "path" else OTHER_UID[-6:]

    link = load_case(files.plan, structure_set=option).links[1]

    assert link.by_hand
    assert not link.matches_uid
    assert str(link.how) == "given by hand; the plan names …3.10.999.2"


def hide_uid(path: Path, uid: str) -> None:
    """Write a structure set whose first bytes do not tell its UID."""
    syntax = DeflatedExplicitVRLittleEndian
    save_structure_set(small_structure_set(uid), path, transfer_syntax=syntax)
    path.write_bytes(path.read_bytes().replace(b"\2\0\3\0UI", b"\2\0\3\1UI", 1))
    assert peek(path) == Peek(RT_STRUCTURE_SET, None)


def test_a_structure_set_whose_first_bytes_hide_its_uid_is_found(files: Files) -> None:
    hide_uid(files.structure_set, STRUCTURE_SET_UID)

    assert uids(load_case(files.plan)) == WHOLE


def test_a_structure_set_whose_first_bytes_hide_another_uid_is_not_taken(
    files: Files,
) -> None:
    hide_uid(files.structure_set, OTHER_UID)

    with pytest.raises(CaseError, match="that the plan names is not beside it"):
        load_case(files.plan)


def test_the_right_structure_set_given_by_hand_is_not_marked_as_foreign(
    files: Files,
) -> None:
    link = load_case(files.plan, structure_set=files.structure_set).links[1]

    assert link.matches_uid
    assert str(link.how) == "given by hand; it is the one that the plan names"


def test_a_plan_that_names_no_structure_set_asks_for_one(files: Files) -> None:
    save_plan(other_plan(PLAN_UID, structure_set_uid=None), files.plan)

    with pytest.raises(
        CaseError, match="the plan names no structure set; add --struct FILE"
    ):
        load_case(files.plan)


def test_a_missing_option_is_refused_by_its_name(files: Files) -> None:
    with pytest.raises(CaseError, match="--struct: there is no such file"):
        load_case(files.plan, structure_set="nowhere.dcm")
    with pytest.raises(CaseError, match="--dose: there is no such file"):
        load_case(files.plan, dose="…")
    with pytest.raises(
        CaseError, match="--dose: 0 files found here have a UID that ends with 99"
    ):
        load_case(files.plan, dose="99")


# --- The dose -----------------------------------------------------------------------------------


def test_two_plan_doses_are_ambiguous(files: Files) -> None:
    save_dose(small_dose(OTHER_UID), files.dose.with_name("second"))

    with pytest.raises(
        CaseError, match="2 RT Doses are dose of this plan; choose one with --dose"
    ) as caught:
        load_case(files.plan)

    rows = [str(row) for row in caught.value.candidates]
    assert len(rows) == 2
    assert all("PLAN, grid 2 x 2 x 2" in row for row in rows)
    assert any(OTHER_UID[-10:] in row for row in rows)


@pytest.mark.parametrize("copies", [1, 2])
def test_a_uid_ending_chooses_among_the_candidates(files: Files, copies: int) -> None:
    """The candidates are listed with the ends of their UIDs, so these must be accepted."""
    for number in range(copies):
        save_dose(small_dose(OTHER_UID), files.dose.with_name(f"second {number}"))

    for option in (OTHER_UID, OTHER_UID[-10:], "…" + OTHER_UID[-10:]):
        link = load_case(files.plan, dose=option).links[2]
        assert link.instance.sop_instance_uid == OTHER_UID
        assert link.by_hand
        assert link.matches_uid


def test_a_uid_ending_of_two_candidates_chooses_none(files: Files) -> None:
    save_dose(small_dose("1.2.3"), files.dose.with_name("second"))

    with pytest.raises(
        CaseError, match="--dose: 2 files found here have a UID that ends with 3"
    ):
        load_case(files.plan, dose="3")


def test_identical_copies_count_once(files: Files) -> None:
    below = files.plan.parent / "copy"
    below.mkdir()
    for path in files:
        shutil.copy(path, below / path.name)

    assert uids(load_case(files.plan)) == WHOLE
    assert uids(load_case(files.plan.parent)) == WHOLE


@pytest.mark.parametrize("field", ["structure_set", "dose"])
def test_the_nearest_file_is_taken_and_another_further_away_is_noted(
    tmp_path: Path, files: Files, field: str
) -> None:
    """A folder that holds a whole export speaks for itself, but what lies beside it is said."""
    older = tmp_path / "an older export"
    older.mkdir()
    dataset = pydicom.dcmread(files._asdict()[field])
    dataset.SeriesDescription = "older"
    pydicom.dcmwrite(older / "a", dataset)

    case = load_case(files.plan)

    assert "in the same folder" in str(case.links[Files._fields.index(field)].how)
    (note,) = case.notes
    kind = {"structure_set": "RT Structure Set", "dose": "RT Dose"}[field]
    assert str(note) == f"another {kind} of this plan lies in a folder beside: not used"


@pytest.mark.parametrize("field", ["structure_set", "dose", "plan"])
def test_one_uid_with_two_contents_is_refused(files: Files, field: str) -> None:
    path = files._asdict()[field]
    dataset = pydicom.dcmread(path)
    dataset.SeriesDescription = "edited"
    pydicom.dcmwrite(path.with_name("edited"), dataset)

    with pytest.raises(
        CaseError, match=r"the same SOP Instance UID .* differ in content"
    ):
        load_case(files.plan.parent)


def test_the_plan_dose_is_preferred_and_the_others_are_noted(files: Files) -> None:
    save_dose(small_dose(OTHER_UID + "1", "BEAM"), files.dose.with_name("beam"))
    save_dose(small_dose(OTHER_UID + "2", "FRACTION"), files.dose.with_name("fraction"))

    case = load_case(files.plan)

    assert uids(case) == WHOLE
    notes = sorted(str(note) for note in case.notes)
    assert len(notes) == 2
    assert all(note.endswith("not used: it lies beside a PLAN dose") for note in notes)


def test_the_dose_of_the_only_fraction_group_is_the_course(files: Files) -> None:
    """PS3.3 C.8.8.3: FRACTION is one whole fraction group; one session is FRACTION_SESSION."""
    save_dose(small_dose(summation="FRACTION"), files.dose)

    assert uids(load_case(files.plan)) == WHOLE


def test_the_dose_of_one_of_two_fraction_groups_is_declined(files: Files) -> None:
    groups = tuple(FractionGroup(number=number, fractions=3) for number in (1, 2))
    save_plan(replace(plan(), fraction_groups=groups), files.plan)
    save_dose(small_dose(summation="FRACTION"), files.dose)

    with pytest.raises(
        UnsupportedError, match="one of several fraction groups; export the plan"
    ):
        load_case(files.plan)


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        *((kind, why) for kind, why in REFUSED_SUMMATIONS.items() if kind != "BEAM"),
        ("SOMETHING", "it does not say whether it is the plan's whole dose"),
    ],
)
def test_a_dose_that_is_not_the_course_is_declined_with_its_reason(
    files: Files, kind: str, why: str, *, by_hand: bool
) -> None:
    save_dose(small_dose(summation=kind), files.dose)

    with pytest.raises(UnsupportedError) as caught:
        load_case(files.plan, dose=files.dose if by_hand else None)

    assert str(caught.value.problem).endswith(f"the RT Dose is of kind {kind}: {why}")


def test_each_kind_of_dose_has_its_own_reason() -> None:
    alike = {"BRACHY", "BRACHY_SESSION"}
    reasons = [why for kind, why in REFUSED_SUMMATIONS.items() if kind not in alike]

    assert len(set(reasons)) == len(reasons)


def test_a_plan_dose_that_names_two_plans_is_declined(files: Files) -> None:
    """A sum under the name of PLAN: one plan would be judged by the dose of two."""
    save_dose(small_dose(plans=(PLAN_UID, OTHER_UID)), files.dose)

    with pytest.raises(
        UnsupportedError, match="kind PLAN: it names several plans; export the"
    ):
        load_case(files.plan)


@pytest.mark.parametrize("argument", ["plan", "dose"])
def test_a_relative_dose_is_declined_before_anything_is_searched(
    files: Files, argument: str
) -> None:
    dataset = pydicom.dcmread(files.dose)
    dataset.DoseUnits = "RELATIVE"
    pydicom.dcmwrite(files.dose, dataset)

    with pytest.raises(UnsupportedError, match="the dose is in units of 'RELATIVE'"):
        load_case(files._asdict()[argument])


def test_a_dose_of_another_plan_is_not_taken(files: Files) -> None:
    save_dose(small_dose(plans=(OTHER_UID,)), files.dose)

    with pytest.raises(
        CaseError, match=r"no RT Dose .* names this plan; .* add --dose FILE"
    ):
        load_case(files.plan)

    link = load_case(files.plan, dose=files.dose).links[2]
    assert not link.matches_uid
    assert str(link.how) == "given by hand; it does not name this plan"


def test_a_damaged_dose_beside_a_whole_one_may_be_of_a_plan_that_is_not_known(
    files: Files,
) -> None:
    content = files.dose.read_bytes()
    start = content.index(b"\x04\x30\x02\x00")  # Dose Units: the header ends inside
    files.dose.with_name("damaged").write_bytes(content[: start + 9])

    (why,) = load_case(files.plan).unknown

    assert str(why).startswith(
        "an RT Dose in the same folder cannot be read, and may be of this patient: RT Dose: the file"
    )


# --- One patient, one frame of reference --------------------------------------------------------


@pytest.mark.parametrize("field", Files._fields)
def test_files_of_two_patients_are_refused_without_naming_them(
    files: Files, field: str
) -> None:
    dataset = pydicom.dcmread(files._asdict()[field])
    dataset.PatientID = "P-4711"
    pydicom.dcmwrite(files._asdict()[field], dataset)

    with pytest.raises(
        CaseError, match="different patients: their patient IDs differ"
    ) as caught:
        load_case(files.plan)

    assert "4711" not in str(caught.value)
    assert "0815" not in str(caught.value)


@pytest.mark.parametrize("field", ["structure_set", "dose"])
@pytest.mark.parametrize(
    ("patient_id", "is_refused"), [("p-0815", False), ("P-4711", True)]
)
def test_a_file_of_another_patient_is_refused_also_when_given_by_hand(
    tmp_path: Path, files: Files, field: str, patient_id: str, *, is_refused: bool
) -> None:
    dataset = pydicom.dcmread(files._asdict()[field])
    dataset.PatientID = patient_id
    given = tmp_path / "given.dcm"
    pydicom.dcmwrite(given, dataset)
    structures, dose = (
        given if field == kind else None for kind in ("structure_set", "dose")
    )

    if not is_refused:
        assert uids(load_case(files.plan, structure_set=structures, dose=dose)) == WHOLE
        return
    with pytest.raises(CaseError, match="different patients: their patient IDs differ"):
        load_case(files.plan, structure_set=structures, dose=dose)


def test_a_missing_patient_id_is_no_other_patient(files: Files) -> None:
    """De-identified files are linked by UIDs alone; the identity check reports it."""
    dataset = pydicom.dcmread(files.dose)
    dataset.PatientID = ""
    pydicom.dcmwrite(files.dose, dataset)

    assert uids(load_case(files.plan)) == WHOLE


def test_a_dose_in_another_frame_of_reference_is_refused(files: Files) -> None:
    dataset = pydicom.dcmread(files.dose)
    dataset.FrameOfReferenceUID = OTHER_UID
    pydicom.dcmwrite(files.dose, dataset)

    with pytest.raises(
        CaseError, match="plan and dose have different frames of reference"
    ):
        load_case(files.plan)


def test_an_roi_drawn_on_another_image_loses_its_contours(files: Files) -> None:
    """An MR contour in CT coordinates lies anywhere; without contours it cannot pass."""
    structures = small_structure_set()
    ptv, cord = structures.rois
    foreign = replace(cord, frame_of_reference_uid=OTHER_UID)
    save_structure_set(replace(structures, rois=(ptv, foreign)), files.structure_set)

    read = load_case(files.plan).structure_set

    assert [len(roi.contours) for roi in read.rois] == [len(ptv.contours), 0]
    assert str(read.roi("Cord").problem) == (
        "it is drawn in another frame of reference than the dose"
    )
    assert read.roi("PTV_T8").frame_of_reference_uid == FRAME_UID
