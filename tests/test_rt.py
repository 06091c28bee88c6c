"""One RT file: parsed once, known again however it is encoded, and its arrays frozen for good."""

import copy
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from builders import Files, box, dose_grid, linear_dose, plan, structure_set, write_case
from sbrtcheck import ReadError
from sbrtcheck.dicom import (
    RT_DOSE,
    RT_ION_PLAN,
    RT_PLAN,
    RT_STRUCTURE_SET,
    RTFile,
    open_rt,
)
from sbrtcheck.dicom.write import save_plan, save_structure_set
from sbrtcheck.dvh import DVH
from sbrtcheck.model import Beam, Contour, DoseGrid, ExportedDVH, frozen_array
from test_dicom_read import edit, run_length_encode, set_values, undefine_lengths

PRIVATE_PLAN = "1.2.246.352.70.1.70"
KINDS = pytest.mark.parametrize("kind", [0, 1, 2], ids=["RP", "RS", "RD"])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    rois = [
        box("PTV_T8", (-3, -3, -3), (3, 3, 3)),
        box("SpinalCord", (-3, 5, -3), (3, 8, 3)),
    ]
    dose = dose_grid(
        lambda x, y, z: 20 + 0.1 * x + 0.2 * y + 0.3 * z, (-8, -8, -8), (8, 8, 8)
    )
    return write_case(tmp_path, structure_set=structure_set(rois), dose=dose)


# --- One parse ----------------------------------------------------------------------------------

ASKED: tuple[tuple[Callable[[RTFile], object], ...], ...] = (
    (RTFile.plan,),
    (RTFile.structure_set,),
    (RTFile.dose_header, RTFile.dose, RTFile.exported_dvhs),
)


@KINDS
def test_a_file_is_parsed_once_whatever_is_asked(
    files: Files, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    parse = read_partial

    def counted(*args: object, **kwargs: object) -> object:
        parsed.append(args)
        return parse(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("sbrtcheck.dicom.dataset.read_partial", counted)

    file = open_rt(files[kind])
    answers = [ask(file) for ask in ASKED[kind]]

    assert len(parsed) == 1
    assert all(
        ask(file) is answer for ask, answer in zip(ASKED[kind], answers, strict=True)
    )


def test_a_file_tells_what_it_is_and_what_it_names(files: Files) -> None:
    read_plan, structures, dose = (open_rt(path) for path in files)

    assert [f.sop_class_uid for f in (read_plan, structures, dose)] == [
        RT_PLAN,
        RT_STRUCTURE_SET,
        RT_DOSE,
    ]
    assert read_plan.structure_set_uid == structures.instance.sop_instance_uid
    assert dose.plan_uids == (read_plan.instance.sop_instance_uid,)
    assert read_plan.size_bytes == files.plan.stat().st_size
    assert read_plan.sha256 == read_plan.instance.sha256
    assert read_plan.dataset_sha256 == read_plan.instance.dataset_sha256


def test_a_private_plan_is_a_plan(files: Files) -> None:
    set_values(files.plan, SOPClassUID=PRIVATE_PLAN)

    file = open_rt(files.plan)

    assert (file.sop_class_uid, file.instance.sop_class_uid) == (RT_PLAN, PRIVATE_PLAN)
    assert len(file.plan().beams) > 0


def test_an_ion_plan_says_that_it_is_one_and_what_it_names(files: Files) -> None:
    whole = open_rt(files.plan).plan()
    set_values(files.plan, SOPClassUID=RT_ION_PLAN)

    ion = open_rt(files.plan).plan()

    assert ion.is_ion
    assert ion.structure_set_uid == whole.structure_set_uid
    assert (ion.beams, ion.fraction_groups) == ((), ())


def test_damage_inside_a_plan_leaves_its_header_readable(files: Files) -> None:
    edit(files.plan, lambda d: d.BeamSequence[0].__delattr__("BeamNumber"))

    file = open_rt(files.plan)

    assert file.instance.sop_instance_uid
    with pytest.raises(ReadError, match="Beam Number is missing"):
        file.plan()


def test_another_class_is_refused(files: Files) -> None:
    with pytest.raises(ReadError, match="this is not an RT Dose"):
        open_rt(files.plan).dose()
    set_values(files.plan, SOPClassUID=CTImageStorage)
    with pytest.raises(ReadError, match="not an RT Plan, RT Structure Set or RT Dose"):
        open_rt(files.plan)


def test_a_plan_without_beams_or_with_one_number_twice_is_read(tmp_path: Path) -> None:
    twice = (Beam(number=1, radiation_type="PROTON"), Beam(number=1))
    save_plan(replace(plan(), beams=twice), tmp_path / "twice")
    save_plan(replace(plan(), beams=()), tmp_path / "none")

    beams = open_rt(tmp_path / "twice").plan().beams

    assert [(beam.number, beam.radiation_type) for beam in beams] == [
        (1, "PROTON"),
        (1, "PHOTON"),
    ]
    assert open_rt(tmp_path / "none").plan().beams == ()


def test_coded_words_are_read_in_upper_case(files: Files) -> None:
    def lower(dataset: Dataset) -> None:
        dataset.PlanIntent = "verification"
        dataset.BeamSequence[0].RadiationType = "proton"

    edit(files.plan, lower)

    read = open_rt(files.plan).plan()

    assert (read.intent, read.beams[0].radiation_type) == ("VERIFICATION", "PROTON")


def test_a_group_row_without_beam_number_is_read_as_unknown(files: Files) -> None:
    whole = open_rt(files.plan).plan().fraction_groups[0]
    edit(
        files.plan,
        lambda d: (
            d.FractionGroupSequence[0]
            .ReferencedBeamSequence[0]
            .__delattr__("ReferencedBeamNumber")
        ),
    )

    group = open_rt(files.plan).plan().fraction_groups[0]

    assert group == replace(whole, beam_numbers=(None, *whole.beam_numbers[1:]))


# --- One hash -----------------------------------------------------------------------------------


def encode(path: Path, syntax: str) -> None:
    dataset = pydicom.dcmread(path)
    big_endian = syntax == ExplicitVRBigEndian
    list(dataset.iterall())  # else nested values would be copied in the order they had
    if big_endian and "PixelData" in dataset:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=not big_endian)


def without_meta(path: Path) -> None:
    bare = Dataset()
    bare.update(pydicom.dcmread(path))
    pydicom.dcmwrite(path, bare, implicit_vr=True, little_endian=True)


def with_group_length(dataset: Dataset) -> None:
    dataset.add_new(Tag(0x0008, 0x0000), "UL", 1234)
    dataset.add_new(Tag(0xFFFC, 0xFFFC), "OB", b"\0" * 64)


def padded(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(512))


ENCODINGS: dict[str, Callable[[Path], object]] = {
    "implicit": lambda path: encode(path, ImplicitVRLittleEndian),
    "explicit": lambda path: encode(path, ExplicitVRLittleEndian),
    "deflated": lambda path: encode(path, DeflatedExplicitVRLittleEndian),
    "big endian": lambda path: encode(path, ExplicitVRBigEndian),
    "no file meta": without_meta,
    "undefined lengths": lambda path: edit(path, undefine_lengths),
    "group length": lambda path: edit(path, with_group_length),
    "zeros behind": padded,
    "spaces": lambda path: set_values(path, Manufacturer="sbrtcheck   "),
}


@KINDS
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_copy_in_another_encoding_says_the_same(
    files: Files, kind: int, encoding: str
) -> None:
    before = open_rt(files[kind])
    assert before.instance.manufacturer == "sbrtcheck"
    ENCODINGS[encoding](files[kind])

    after = open_rt(files[kind])

    assert after.dataset_sha256 is not None
    assert after.dataset_sha256 == before.dataset_sha256


def test_undefined_lengths_in_implicit_vr_say_the_same(files: Files) -> None:
    before = open_rt(files.plan).dataset_sha256
    edit(files.plan, undefine_lengths)
    encode(files.plan, ImplicitVRLittleEndian)

    assert open_rt(files.plan).dataset_sha256 == before


def test_a_run_length_encoded_dose_says_the_same(files: Files) -> None:
    before = open_rt(files.dose).dataset_sha256
    edit(files.dose, run_length_encode)

    assert open_rt(files.dose).dataset_sha256 == before


def test_private_sequences_say_the_same_where_their_vr_is_not_told(
    files: Files,
) -> None:
    item = Dataset()
    item.add_new(Tag(0x3287, 0x0010), "LO", "VENDOR")
    item.add_new(Tag(0x3287, 0x1001), "LO", "odd")
    edit(files.plan, lambda d: d.add_new(Tag(0x3287, 0x1000), "SQ", [item]))
    before = open_rt(files.plan).dataset_sha256
    encode(files.plan, ImplicitVRLittleEndian)

    assert open_rt(files.plan).dataset_sha256 == before


def change_pixel(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:-2] + b"\x07\x00"


CHANGES: dict[str, tuple[int, Callable[[Dataset], object]]] = {
    "text": (0, lambda d: setattr(d, "RTPlanName", "other")),
    "nested": (0, lambda d: setattr(d.BeamSequence[0], "BeamName", "other")),
    "items": (0, lambda d: d.BeamSequence.append(d.BeamSequence[0])),
    "coordinate": (
        1,
        lambda d: setattr(
            d.ROIContourSequence[0].ContourSequence[0],
            "ContourData",
            ["0", *d.ROIContourSequence[0].ContourSequence[0].ContourData[1:]],
        ),
    ),
    "pixel": (2, change_pixel),
    "binary": (2, lambda d: setattr(d, "HighBit", 14)),
    "deleted": (2, lambda d: d.__delattr__("DoseType")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_value_says_something_else(files: Files, name: str) -> None:
    kind, change = CHANGES[name]
    before = open_rt(files[kind]).dataset_sha256
    edit(files[kind], change)

    assert open_rt(files[kind]).dataset_sha256 not in (before, None)


def test_hashing_many_points_takes_little_time(tmp_path: Path) -> None:
    from sbrtcheck.dicom.dataset import open_file
    from sbrtcheck.dicom.same import hash_dataset

    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    rings = tuple(Contour(points_mm=points, z_mm=float(z)) for z in range(1400))
    roi = replace(box("Body", (0, 0, 0), (3, 3, 3)), contours=rings)
    save_structure_set(structure_set([roi]), tmp_path / "a")
    opened = open_file(tmp_path / "a")

    times_s = []
    for _ in range(5):
        start_s = time.process_time()
        assert hash_dataset(opened)
        times_s.append(time.process_time() - start_s)

    assert min(times_s) < 0.05


# --- Frozen arrays ------------------------------------------------------------------------------


def frozen_values() -> dict[str, tuple[object, tuple[str, ...]]]:
    contour = Contour(points_mm=np.array([[0.0, 0], [1, 0], [1, 1]]), z_mm=1.0)
    exported = ExportedDVH(bin_widths=np.array([1.0, 2]), volumes=np.array([3.0, 1]))
    dvh = DVH(
        roi_name="a",
        volume_cc=1.0,
        volume_outside_cc=0.0,
        dose_gy=np.array([0.0, 1]),
        volume_cc_at_dose=np.array([1.0, 0]),
        min_gy=0.0,
        max_gy=1.0,
        mean_gy=0.5,
    )
    return {
        "contour": (contour, ("points_mm",)),
        "dose": (
            linear_dose(20.0, (0.1, 0.2, -0.05)),
            ("dose_gy", "x_mm", "y_mm", "z_mm"),
        ),
        "exported": (exported, ("bin_widths", "volumes")),
        "dvh": (dvh, ("dose_gy", "volume_cc_at_dose")),
    }


def through_pickle(value: object) -> object:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


@pytest.mark.parametrize("make", [through_pickle, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("name", ["contour", "dose", "exported", "dvh"])
def test_arrays_stay_frozen_through_copies(
    name: str, make: Callable[[object], object]
) -> None:
    value, arrays = frozen_values()[name]

    again = make(value)

    for array in arrays:
        before, after = getattr(value, array), getattr(again, array)
        assert after.tolist() == before.tolist()
        assert not after.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            after[0] = 0


def test_a_read_only_view_of_a_writeable_array_is_copied() -> None:
    base = np.zeros((3, 2))
    view = base[:]
    view.flags.writeable = False

    contour = Contour(points_mm=view, z_mm=0.0)
    base[0, 0] = 7.0

    assert contour.points_mm[0, 0] == 0.0


def test_what_nobody_can_write_is_not_copied() -> None:
    frozen = frozen_array([1.0, 2.0, 3.0], ndim=1)

    assert frozen_array(frozen, ndim=1) is frozen
    assert np.shares_memory(frozen_array(frozen[1:], ndim=1), frozen)


def test_a_dose_as_read_is_handed_over(files: Files) -> None:
    dose = open_rt(files.dose).dose()

    again = DoseGrid(
        dose_gy=dose.dose_gy, x_mm=dose.x_mm, y_mm=dose.y_mm, z_mm=dose.z_mm
    )

    assert again.dose_gy is dose.dose_gy
    assert dose.dose_gy.base is None
