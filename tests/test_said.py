"""Sentences that are seldom said: each is said where it should be, and only there."""

import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest

from builders import DOSE_UID, PLAN_UID, box, plan, structure_set, uniform_dose
from sbrtcheck import (
    CaseError,
    Declared,
    Outcome,
    ProtocolError,
    ReadError,
    check,
    load_case,
)
from sbrtcheck.batch.cluster import cluster_executor
from sbrtcheck.batch.pseudonyms import load_key, private_folder
from sbrtcheck.checks.orphans import why_not_superseded
from sbrtcheck.crosscheck.dicompyler import why_absent
from sbrtcheck.dicom import load_plan
from sbrtcheck.dossier import load_structures, survey
from sbrtcheck.dossier.find import look
from sbrtcheck.dossier.places import why_closed
from sbrtcheck.model import ROI, CaseFacts, DoseGrid, DoseHeader
from sbrtcheck.phantoms.spine import roi_name
from sbrtcheck.protocol.load import load_protocol
from sbrtcheck.robustness.assessment import isocentre
from test_checks import CORD, PROTOCOL, found, judge

SAMPLES = Path(__file__).parents[1] / "sample_dicom"
ROOT_USER = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root opens every file"
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder of its own with a good plan."""
    return Path(shutil.copytree(SAMPLES / "t8_30gy5_pass", tmp_path / "in" / "case"))


def edited(path: Path, change: Callable[[pydicom.Dataset], object]) -> None:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)


def refused(path: Path, **options: object) -> str:
    with pytest.raises((CaseError, ReadError)) as caught:
        load_case(path, **options)  # type: ignore[arg-type]
    return str(caught.value.problem)


# --- Which files --------------------------------------------------------------------------------


def test_an_empty_path_is_no_file() -> None:
    with pytest.raises(CaseError, match="an empty path names no file"):
        load_case("")


def test_an_empty_plan_to_add_is_no_file(files: Path) -> None:
    assert "an empty path names no plan" in refused(files, with_plans=("",))


def test_an_archive_without_a_plan_says_so(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("notes.txt", "nothing")

    assert "the archive holds no RT Plan" in refused(archive)


@pytest.mark.parametrize("option", ["structure_set", "dose"])
def test_a_file_of_another_kind_is_not_taken(option: str, files: Path) -> None:
    assert "this is not an RT" in refused(files, **{option: files / "RP.dcm"})


def test_a_structure_set_is_named_as_given(files: Path) -> None:
    case = load_case(files, structure_set=files / "RS.dcm")
    (link,) = case.links_of("RT Structure Set")
    edited(files / "RP.dcm", lambda d: d.__delattr__("ReferencedStructureSetSequence"))
    unnamed = load_case(files, structure_set=files / "RS.dcm")
    (other,) = unnamed.links_of("RT Structure Set")

    assert str(link.how) == "given by hand; it is the one that the plan names"
    assert str(other.how) == "given by hand; the plan names none"


def test_a_folder_without_contours_says_so(files: Path) -> None:
    (files / "RS.dcm").unlink()

    with pytest.raises(CaseError, match="holds no RT Structure Set"):
        load_structures(files)
    with pytest.raises(CaseError, match="the structure set that it names is not"):
        load_structures(files / "RP.dcm")


def test_all_contours_in_another_frame_are_of_another_registration(files: Path) -> None:
    def elsewhere(dataset: pydicom.Dataset) -> None:
        for roi in dataset.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = "1.2.3.4"
        dataset.FrameOfReferenceUID = "1.2.3.4"

    edited(files / "RS.dcm", elsewhere)

    assert "different frames of reference; export one" in refused(files)


def test_a_plan_that_names_two_structure_sets_uses_the_first(files: Path) -> None:
    def twice(dataset: pydicom.Dataset) -> None:
        (own,) = dataset.ReferencedStructureSetSequence
        dataset.ReferencedStructureSetSequence = [own, own]

    edited(files / "RP.dcm", twice)

    notes = [str(note) for note in load_plan(files / "RP.dcm").notes]
    assert notes == ["the plan refers to 2 structure sets; the first is used"]


def test_a_survey_names_copies_and_what_it_cannot_read(files: Path) -> None:
    shutil.copy(files / "RP.dcm", files / "copy.dcm")
    edited(files / "RD.dcm", lambda d: setattr(d, "DoseUnits", "RELATIVE"))

    said = {str(row.relation) for row in survey(files)}

    assert "a copy" in said
    assert any(words.startswith("cannot be read: ") for words in said)


def test_why_an_archive_stays_closed() -> None:
    reasons = [
        (NotImplementedError(), "its compression is not known here"),
        (RuntimeError(), "it is encrypted"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (zipfile.BadZipFile(), "it is damaged"),
    ]

    assert [str(why_closed(error)) for error, _ in reasons] == [
        words for _, words in reasons
    ]


def test_a_file_that_cannot_be_opened_is_part_of_the_answer(tmp_path: Path) -> None:
    (unread,) = look(str(tmp_path / "gone.dcm")).unread

    assert "a file cannot be opened" in str(unread.reason)


# --- Facts, levels, names -----------------------------------------------------------------------


def test_an_organ_that_is_drawn_is_not_declared_away() -> None:
    facts = CaseFacts(not_drawn={"Esophagus": "resected"})

    with pytest.raises(CaseError, match="not_drawn names Esophagus, which is drawn"):
        judge(CORD, declared=Declared(facts=facts))


def test_operated_levels_fill_what_names_leave_open() -> None:
    declared = Declared(facts=CaseFacts(operated_levels=("T8",)))
    verdict = judge(
        CORD, target_name="PTV", declared=declared, the_plan=plan(target="PTV")
    )

    assert verdict.levels == ("T8",)
    assert str(verdict.levels_source) == "declared: operated levels"


def test_a_vertebra_that_is_none_is_asked_about() -> None:
    verdict = judge(CORD, target_name="PTV_L6", the_plan=plan(target="PTV_L6"))

    said = str(found(verdict, "trial.levels").message)
    assert said == "'PTV_L6' names a vertebra that does not exist"


def test_a_placeholder_is_no_age() -> None:
    case = judge(CORD).case
    patient = replace(case.plan.instance.patient, birth_date="19000101")
    header = replace(case.plan.instance, patient=patient)
    verdict = check(replace(case, plan=replace(case.plan, instance=header)), PROTOCOL)

    said = str(found(verdict, "age").message)
    assert said == "the birth date is a placeholder: the age is not known"


@pytest.mark.parametrize(
    ("fact", "rule"),
    [
        (CaseFacts(operated_levels=("T9",)), "operated_levels"),
        (CaseFacts(surgery_date=date(2026, 1, 6)), "planning_image"),
    ],
)
def test_a_fact_as_a_question_is_mended_in_the_facts(
    fact: CaseFacts, rule: str
) -> None:
    checks = {**PROTOCOL.checks, rule: "ask"}
    protocol = replace(PROTOCOL, checks=checks)
    verdict = judge(CORD, declared=Declared(facts=fact), protocol=protocol)

    finding = found(verdict, rule)
    assert finding.outcome is Outcome.UNDECIDED
    assert str(finding.cure) == "mend the case facts, if they are wrong"


def test_one_kidney_of_two_is_told() -> None:
    left = box("Kidney_L", (90, -6, -30), (102, 6, 30), spacing_mm=2.0)
    case = judge(CORD, target_name="PTV_L1", the_plan=plan(target="PTV_L1")).case
    others = (r for r in case.structure_set.rois if "Kidney" not in r.name)
    verdict = check(
        replace(case, structure_set=structure_set((*others, left))), PROTOCOL
    )

    (finding,) = (f for f in verdict.findings if f.id == "organ.one_of_two")
    assert str(finding.message) == "of Kidneys only Kidney_L is drawn"


# --- Protocols ----------------------------------------------------------------------------------

TOML = Path(__file__).parents[1] / "protocols" / "nct06756087.toml"


def protocol_with(tmp_path: Path, names: str) -> Path:
    path = tmp_path / "own.toml"
    text = TOML.read_text(encoding="utf-8")
    line = next(row for row in text.splitlines() if row.startswith("names ="))
    path.write_text(text.replace(line, f"names = {names}"), encoding="utf-8")
    return path


def test_a_table_of_names_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="no table of names called 'nowhere'"):
        load_protocol(protocol_with(tmp_path, '"nowhere"'))


def test_a_table_of_names_holds_names_only(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("schemes = 1\n", encoding="utf-8")

    with pytest.raises(ProtocolError, match="schemes: does not belong"):
        load_protocol(protocol_with(tmp_path, '"mine.toml"'))


# --- The rest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ((None,), "not every treatment beam states its isocentre"),
        (((0.0, 0.0, 0.0), (9.0, 0.0, 0.0)), "the treatment beams have 2 isocentres"),
    ],
)
def test_rotations_need_one_isocentre(
    places: tuple[tuple[float, float, float] | None, ...], words: str
) -> None:
    (beam,) = plan().beams
    beams = tuple(
        replace(beam, number=n, isocentre_mm=place) for n, place in enumerate(places, 1)
    )
    case = replace(judge(CORD).case, plan=replace(plan(), beams=beams))

    point, why = isocentre(case)

    assert point is None
    assert words in str(why)
    assert "add --about x,y,z" in str(why)


def test_a_dose_without_a_header_is_compared_with_nothing() -> None:
    own = replace(uniform_dose(), header=None)

    assert str(why_not_superseded([], (), own)) == "it cannot be compared"


def test_doses_of_beams_apart_are_no_revision() -> None:
    case = judge(CORD).case
    header = DoseHeader(
        instance=replace(case.plan.instance, sop_instance_uid=DOSE_UID),
        summation_type="BEAM",
        referenced_plan_uids=(PLAN_UID,),
    )
    axis = np.arange(0.0, 10.0, 2.0)
    near = DoseGrid(
        dose_gy=np.ones((5, 5, 5)), x_mm=axis, y_mm=axis, z_mm=axis, header=header
    )
    far = replace(near, x_mm=axis + 500)
    own = replace(near, header=replace(header, summation_type="PLAN"))

    why = why_not_superseded([near, far], (), own)

    assert str(why) == "its beams lie on grids that do not meet"


def test_a_missing_part_of_dicompyler_is_named() -> None:
    assert "is not installed" in str(why_absent(ImportError(name="dicompylercore.x")))
    assert str(why_absent(ImportError(name="six"))) == (
        "dicompyler-core cannot be imported: six is missing"
    )


def test_a_cluster_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(CaseError, match="needs the extra 'dask'"):
        cluster_executor("tcp://127.0.0.1:1").__enter__()


def test_a_private_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")

    with pytest.raises(CaseError, match="the private folder cannot be made"):
        private_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("content", "problem"),
    [("00" * 8, "is shorter than"), ("no key", "this is not a key")],
)
def test_a_key_that_is_none_is_refused(
    content: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text(content, encoding="ascii")

    with pytest.raises(CaseError, match=problem):
        load_key(path)


def test_a_key_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="the key for pseudonyms: "):
        load_key(tmp_path / "nowhere" / "key")


def test_a_name_of_no_structure_is_asked_for_in_vain() -> None:
    with pytest.raises(CaseError, match="no name of Spleen is known"):
        roi_name("Spleen", "english", 0, level="T8")


def test_a_roi_is_asked_for_by_its_own_name() -> None:
    twice = structure_set((CORD, CORD))

    with pytest.raises(CaseError, match="has 2 ROIs called 'SpinalCord'"):
        twice.roi("SpinalCord")
    assert isinstance(structure_set((CORD,)).roi("SpinalCord"), ROI)
