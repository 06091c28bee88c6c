"""Reading: one DICOM file in, one value out, or one sentence that says what is wrong."""

import dataclasses
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from builders import (
    FRAME_UID,
    Files,
    box,
    dose_grid,
    linear_dose,
    plan,
    structure_set,
    write_case,
)
from sbrtcheck import ReadError, SbrtCheckError, UnsupportedError
from sbrtcheck.dicom import (
    RT_ION_PLAN,
    load_dose,
    load_dose_header,
    load_plan,
    load_structure_set,
    open_rt,
)
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.model import (
    ROI,
    Beam,
    Contour,
    ControlPoint,
    DoseGrid,
    DoseHeader,
    DoseReference,
    FractionGroup,
    Instance,
    Opening,
    Plan,
    StructureSet,
    Text,
)

LOADERS: tuple[Callable[[Path], object], ...] = (
    load_plan,
    load_structure_set,
    load_dose,
)
KINDS = pytest.mark.parametrize("kind", [0, 1, 2], ids=["RP", "RS", "RD"])
SYNTAXES = pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian],
)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Return a case of few bytes: two ROIs of two rings each, 125 dose values."""
    rois = [
        box("PTV_T8", (-3, -3, -3), (3, 3, 3)),
        box("SpinalCord", (-3, 5, -3), (3, 8, 3)),
    ]
    dose = dose_grid(
        lambda x, y, z: 20 + 0.1 * x + 0.2 * y + 0.3 * z, (-8, -8, -8), (8, 8, 8)
    )
    folder = tmp_path_factory.mktemp("intact")
    return write_case(folder, structure_set=structure_set(rois), dose=dose)


@pytest.fixture
def files(intact: Files, tmp_path: Path) -> Files:
    """Return a copy of that case, to be changed."""
    return Files(*(Path(shutil.copy(path, tmp_path)) for path in intact))


def edit(path: Path, change: Callable[[Dataset], object]) -> Path:
    """Change a file's dataset in place, whatever the standard says of the outcome."""
    with pydicom.config.disable_value_validation():
        dataset = pydicom.dcmread(path)
        change(dataset)
        pydicom.dcmwrite(path, dataset)
    return path


def set_values(path: Path, **values: object) -> Path:
    """Set attributes of a file's dataset in place; None deletes."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return edit(path, change)


def replace_bytes(path: Path, old: bytes, new: bytes) -> Path:
    """Overwrite the first occurrence of some bytes with as many others."""
    content = path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new, 1))
    return path


HASHES = ("sha256", "dataset_sha256")


def facts(value: object) -> object:
    """Return a model value as plain dicts and lists, without the hashes of its file."""
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [facts(part) for part in value]
    if dataclasses.is_dataclass(value):
        names = (field.name for field in dataclasses.fields(value))
        return {
            name: facts(getattr(value, name)) for name in names if name not in HASHES
        }
    return value


def is_left_of(part: object, whole: object) -> bool:
    """Tell whether facts are those of the whole or absent: nothing is changed or invented."""
    if part is None or part in ("", []):
        return True
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(
            name in ("notes", "problem") or is_left_of(part[name], whole[name])
            for name in part
        )
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(is_left_of, part, whole))
    return part == whole


def load_or_refuse(kind: int, path: Path) -> object:
    """Load a file, or return None where it is refused in a sentence."""
    try:
        return LOADERS[kind](path)
    except SbrtCheckError:
        return None


# --- Encodings ----------------------------------------------------------------------------------


def detailed_plan() -> Plan:
    """Return a plan that states all that is read of one."""
    jaws = Opening(device="ASYMX", positions_mm=(-20.0, 30.5))
    leaves = Opening(device="MLCX", positions_mm=(-1.0, -2.0, 1.0, 2.5))
    points = (
        ControlPoint(weight=0.0, gantry_deg=181.0, rotation="CW", openings=(jaws,)),
        ControlPoint(weight=0.25, openings=(jaws, leaves)),
        ControlPoint(weight=0.5, gantry_deg=179.0, rotation="NONE"),
    )
    own = plan()
    beams = tuple(
        replace(
            beam,
            manufacturer="Maker",
            model="Model",
            dosimeter_unit="MU",
            position="HFS",
            final_weight=0.5,
            control_points=points,
        )
        for beam in own.beams
    )
    (group,) = own.fraction_groups
    corners = ((1.0, 2.0, -3.5),) * len(group.beam_numbers)
    references = tuple(
        replace(row, point_mm=(4.0, -5.0, 6.25)) for row in own.dose_references
    )
    return replace(
        own,
        instance=replace(own.instance, time="101112", model="Planner"),
        intent="CURATIVE",
        geometry="PATIENT",
        brachy_setups=2,
        beams=beams,
        fraction_groups=(replace(group, beam_points_mm=corners),),
        dose_references=references,
    )


@SYNTAXES
def test_a_plan_is_read_as_it_was_written(tmp_path: Path, syntax: str) -> None:
    written = detailed_plan()
    save_plan(written, tmp_path / "a", transfer_syntax=syntax)

    assert facts(load_plan(tmp_path / "a")) == facts(written)


@SYNTAXES
def test_a_structure_set_is_read_as_it_was_written(tmp_path: Path, syntax: str) -> None:
    rois = (
        replace(
            box("PTV_T8", (-3, -3, -3), (3, 3, 3)), number=7, interpreted_type="PTV"
        ),
        replace(
            box("SpinalCord", (-3, 5, -9), (3, 8, 9)),
            number=3,
            properties=(("REL_ELEC_DENSITY", 1.5), ("MEAN_EXCI_ENERGY", None)),
        ),
    )
    written = structure_set(rois)
    dated = replace(written.instance, time="101112", model="Planner")
    written = replace(written, instance=dated)
    save_structure_set(written, tmp_path / "a", transfer_syntax=syntax)

    assert facts(load_structure_set(tmp_path / "a")) == facts(written)


@SYNTAXES
@pytest.mark.parametrize("bits", [16, 32])
def test_a_dose_is_read_to_half_a_scaling_step(
    tmp_path: Path, syntax: str, bits: int
) -> None:
    written = linear_dose(20.0, (0.1, 0.2, -0.05))
    save_dose(written, tmp_path / "a", bits=bits, transfer_syntax=syntax)

    read = load_dose(tmp_path / "a")

    half_step_gy = float(written.dose_gy.max()) / (2**bits - 1) / 2
    assert np.abs(read.dose_gy - written.dose_gy).max() <= half_step_gy * (1 + 1e-6)
    assert facts((read.x_mm, read.y_mm, read.z_mm)) == facts(
        (written.x_mm, written.y_mm, written.z_mm)
    )
    assert facts(load_dose_header(tmp_path / "a")) == facts(read.header)


def test_a_big_endian_dose_is_read_with_its_bytes_in_order(files: Files) -> None:
    expected = load_dose(files.dose).dose_gy
    dataset = pydicom.dcmread(files.dose)
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(files.dose, dataset, implicit_vr=False, little_endian=False)

    assert load_dose(files.dose).dose_gy.tolist() == expected.tolist()


@KINDS
@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_a_file_without_dicom_header_is_read_and_noted(
    files: Files, kind: int, *, implicit: bool
) -> None:
    """Monaco and XiO export datasets without preamble and file meta."""
    expected = facts(LOADERS[kind](files[kind]))
    strip_header(files[kind], implicit=implicit)

    value = LOADERS[kind](files[kind])

    notes = [str(note) for note in instance_of(value).notes]
    assert len(notes) == 1
    assert "has no DICOM file header: read as" in notes[0]
    assert ("Implicit" if implicit else "Explicit") in notes[0]
    assert is_left_of(facts(value), expected)


def instance_of(value: object) -> Instance:
    header = value.header if isinstance(value, DoseGrid) else value
    assert isinstance(header, Plan | StructureSet | DoseHeader)
    return header.instance


def strip_header(path: Path, *, implicit: bool) -> None:
    dataset = pydicom.dcmread(path)
    bare = Dataset()
    bare.update(dataset)
    pydicom.dcmwrite(path, bare, implicit_vr=implicit, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"


@pytest.mark.parametrize("character_set", ["ISO_IR 192", "GB18030", "GBK"])
def test_chinese_names_are_read(tmp_path: Path, character_set: str) -> None:
    rois = [box("脊髓", (0, 0, 0), (9, 9, 9)), box("计划靶区PTV", (0, 0, 0), (9, 9, 9))]
    save_structure_set(structure_set(rois), tmp_path / "a", character_set=character_set)

    assert [roi.name for roi in load_structure_set(tmp_path / "a").rois] == [
        "脊髓",
        "计划靶区PTV",
    ]


def test_a_contour_of_more_than_64_kb_is_read_whole(tmp_path: Path) -> None:
    """Explicit VR has 16 bits for the length of a decimal string; beyond, it is written as UN."""
    angle = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    ring = Contour(
        points_mm=np.column_stack([np.cos(angle), np.sin(angle)]).round(3), z_mm=1.0
    )
    roi = replace(box("Body", (0, 0, 0), (3, 3, 3)), contours=(ring,))
    save_structure_set(
        structure_set([roi]), tmp_path / "a", transfer_syntax=ImplicitVRLittleEndian
    )
    dataset = pydicom.dcmread(tmp_path / "a")
    element = dataset.ROIContourSequence[0].ContourSequence[0]["ContourData"]
    assert len(element.value) == 15000

    (read,) = load_structure_set(tmp_path / "a").rois

    assert read.contours[0].points_mm.tolist() == ring.points_mm.tolist()


# --- Plan ---------------------------------------------------------------------------------------


def test_setup_beams_are_told_apart(tmp_path: Path) -> None:
    beams = tuple(
        Beam(number=number, name=kind, delivery_type=kind)
        for number, kind in enumerate(["TREATMENT", "SETUP", "OPEN_PORTFILM"], start=1)
    )
    save_plan(replace(plan(), beams=beams), tmp_path / "a")

    assert [beam.treats for beam in load_plan(tmp_path / "a").beams] == [
        True,
        False,
        False,
    ]


def test_dose_references_keep_their_kind_and_their_doses_apart(tmp_path: Path) -> None:
    references = (
        DoseReference(
            number=1, structure_type="SITE", type="TARGET", description="PTV_T8"
        ),
        DoseReference(
            number=2,
            structure_type="VOLUME",
            type="TARGET",
            target_prescription_dose_gy=30.0,
            delivery_maximum_dose_gy=42.5,
            referenced_roi_number=4,
        ),
        DoseReference(
            number=3,
            structure_type="POINT",
            type="ORGAN_AT_RISK",
            organ_at_risk_maximum_dose_gy=25.3,
        ),
        DoseReference(number=4, structure_type="COORDINATES", type="TARGET"),
    )
    save_plan(replace(plan(), dose_references=references), tmp_path / "a")

    assert load_plan(tmp_path / "a").dose_references == references


def test_each_fraction_group_keeps_its_beams(tmp_path: Path) -> None:
    groups = (
        FractionGroup(
            number=1,
            fractions=5,
            beam_numbers=(1, 2),
            beam_doses_gy=(3.0, None),
            beam_metersets=(None, 300.0),
        ),
        FractionGroup(number=2, fractions=1),
    )
    save_plan(replace(plan(), fraction_groups=groups), tmp_path / "a")

    assert load_plan(tmp_path / "a").fraction_groups == groups


def test_a_fraction_number_that_is_not_whole_is_refused(files: Files) -> None:
    edit(
        files.plan,
        lambda d: d.FractionGroupSequence[0].__setattr__("FractionGroupNumber", 12345),
    )
    replace_bytes(files.plan, b"12345", b"5.5  ")

    with pytest.raises(
        ReadError, match=r"Fraction Group Number holds 5\.5, which is not a whole"
    ):
        load_plan(files.plan)


@pytest.mark.parametrize(
    "value", [b"NaN   ", b"abc   ", b"1e999 ", b"3_0   ", b"30\\25 "]
)
def test_a_prescription_that_is_not_one_number_is_refused(
    files: Files, value: bytes
) -> None:
    """Python reads '3_0' as 30; DICOM does not."""
    edit(
        files.plan,
        lambda d: d.DoseReferenceSequence[0].__setattr__(
            "TargetPrescriptionDose", "24.753"
        ),
    )
    replace_bytes(files.plan, b"24.753", value)

    with pytest.raises(
        ReadError, match=r"Dose Reference Sequence item 1.*Target Prescription Dose"
    ):
        load_plan(files.plan)


def test_a_ct_slice_is_not_a_plan(files: Files) -> None:
    set_values(files.plan, SOPClassUID=CTImageStorage)

    with pytest.raises(ReadError, match="CT Image Storage: this is not an RT Plan"):
        load_plan(files.plan)


def test_a_structure_set_is_not_a_dose(files: Files) -> None:
    with pytest.raises(ReadError, match="RT Structure Set: this is not an RT Dose"):
        load_dose(files.structure_set)


PRIVATE_PLAN = "1.2.246.352.70.1.70"  # Varian's, as Halcyon plans have it


def test_a_plan_in_a_private_sop_class_is_read_and_noted(files: Files) -> None:
    expected = facts(load_plan(files.plan))
    set_values(files.plan, SOPClassUID=PRIVATE_PLAN)

    read = load_plan(files.plan)

    assert is_left_of(
        facts(replace(read, instance=replace(read.instance, sop_class_uid=""))),
        expected,
    )
    assert [str(note) for note in read.notes] == [
        f"the plan is of a vendor's own SOP class ({PRIVATE_PLAN}): read as RT Plan"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"Modality": "RTIMAGE"},
        {"SOPClassUID": CTImageStorage},
        {"FractionGroupSequence": None, "BeamSequence": None},
    ],
    ids=str,
)
def test_a_private_class_without_the_content_of_a_plan_is_no_plan(
    files: Files, change: dict[str, str | None]
) -> None:
    set_values(files.plan, **{"SOPClassUID": PRIVATE_PLAN, **change})

    with pytest.raises(ReadError, match="this is not an RT Plan"):
        load_plan(files.plan)


def test_an_ion_plan_is_declined(files: Files) -> None:
    set_values(files.plan, SOPClassUID=RT_ION_PLAN)

    with pytest.raises(UnsupportedError, match=r"RT Ion Plan .* only photon RT Plans"):
        load_plan(files.plan)


# --- Dose: geometry -----------------------------------------------------------------------------

POSITIONS = {
    "HFS": (1, 0, 0, 0, 1, 0),
    "HFP": (-1, 0, 0, 0, -1, 0),
    "FFS": (-1, 0, 0, 0, 1, 0),
    "FFP": (1, 0, 0, 0, -1, 0),
    "HFDL": (0, -1, 0, 1, 0, 0),
    "HFDR": (0, 1, 0, -1, 0, 0),
    "FFDL": (0, 1, 0, 1, 0, 0),
    "FFDR": (0, -1, 0, -1, 0, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
}


class Axis(NamedTuple):
    """One axis of a grid in patient coordinates: whole mm, so that nothing is rounded."""

    first_mm: int
    step_mm: int
    points: int

    @property
    def points_mm(self) -> list[int]:
        return [self.first_mm + self.step_mm * i for i in range(self.points)]


X, Y, Z = AXES = (Axis(-10, 2, 6), Axis(-33, 3, 5), Axis(100, 4, 4))


@pytest.mark.parametrize("position", POSITIONS)
def test_every_patient_position_gives_the_same_dose(
    files: Files, position: str
) -> None:
    """One physical field, three slopes: a swapped or mirrored axis changes a value somewhere."""
    row, column = np.array(POSITIONS[position]).reshape(2, 3)
    normal = np.cross(row, column)
    along = [int(np.flatnonzero(direction)[0]) for direction in (normal, column, row)]
    frames, rows, columns = (AXES[axis] for axis in along)
    # The first voxel stored lies where all three directions begin.
    origin = [
        axis.points_mm[0 if direction > 0 else -1]
        for axis, direction in zip(AXES, normal + column + row, strict=True)
    ]
    k, j, i = np.indices((frames.points, rows.points, columns.points))[..., None]
    x, y, z = np.moveaxis(
        np.array(origin)
        + k * frames.step_mm * normal
        + j * rows.step_mm * column
        + i * columns.step_mm * row,
        -1,
        0,
    )
    store(
        files.dose,
        5000 + 7 * x + 11 * y + 13 * z,
        ImagePositionPatient=origin,
        ImageOrientationPatient=[*row.tolist(), *column.tolist()],
        PixelSpacing=[rows.step_mm, columns.step_mm],
        GridFrameOffsetVector=[frames.step_mm * n for n in range(frames.points)],
    )

    grid = load_dose(files.dose)

    assert grid.x_mm.tolist() == X.points_mm
    assert grid.y_mm.tolist() == Y.points_mm
    assert grid.z_mm.tolist() == Z.points_mm
    truth = (
        5000 + 7 * grid.x_mm + 11 * grid.y_mm[:, None] + 13 * grid.z_mm[:, None, None]
    )
    assert grid.dose_gy.tolist() == (truth * 0.001).tolist()


def store(path: Path, stored: np.ndarray, **values: object) -> Path:
    """Give an RT Dose new pixels, in steps of 0.001 Gy, and whatever else is named."""
    frames, rows, columns = stored.shape
    return set_values(
        path,
        NumberOfFrames=frames,
        Rows=rows,
        Columns=columns,
        DoseGridScaling="0.001",
        PixelData=stored.astype("<u2").tobytes(),
        **values,
    )


def three_frames(
    path: Path, offsets_mm: list[float], z_mm: float, **values: object
) -> Path:
    """Store frames of 1, 2 and 3 Gy, the first at `z_mm`, at these frame offsets."""
    stored = np.full((3, 2, 2), np.array([1000, 2000, 3000])[:, None, None])
    return store(
        path,
        stored,
        ImagePositionPatient=[0, 0, z_mm],
        GridFrameOffsetVector=offsets_mm,
        **values,
    )


@pytest.mark.parametrize(
    ("offsets_mm", "z_mm", "dose_gy"),
    [
        ([0, 3, 6], [50, 53, 56], [1, 2, 3]),
        ([0, -3, -6], [44, 47, 50], [3, 2, 1]),
        ([0, 3, 7], [50, 53, 57], [1, 2, 3]),
        ([50, 53, 56], [50, 53, 56], [1, 2, 3]),
        ([50, 47, 44], [44, 47, 50], [3, 2, 1]),
        ([50, 53, 57.5], [50, 53, 57.5], [1, 2, 3]),
    ],
    ids=[
        "relative",
        "relative-descending",
        "relative-non-uniform",
        "absolute",
        "absolute-descending",
        "absolute-non-uniform",
    ],
)
def test_frame_offsets_place_the_frames(
    files: Files, offsets_mm: list[float], z_mm: list[float], dose_gy: list[float]
) -> None:
    grid = load_dose(three_frames(files.dose, offsets_mm, 50))

    assert grid.z_mm.tolist() == z_mm
    assert grid.dose_gy[:, 0, 0].tolist() == dose_gy


@pytest.mark.parametrize(
    ("offsets_mm", "sentence"),
    [
        (
            [10, 13, 16],
            r"starts at 10, which is neither 0 \(relative\) nor .* z of 50 mm",
        ),
        ([-50, -47, -44], r"starts at -50, which is neither 0"),
        ([0.0101, 3, 6], r"starts at 0.0101, which is neither 0"),
        ([50.051, 53, 56], r"starts at 50.05, which is neither 0"),
        ([0, 3, 3], "does not rise or fall steadily"),
        ([0, 3, 1], "does not rise or fall steadily"),
        ([0, 3], "places 2 frames, the dose has 3"),
        ([0, 3, 6, 9], "places 4 frames, the dose has 3"),
    ],
)
def test_frame_offsets_that_place_nothing_are_refused(
    files: Files, offsets_mm: list[float], sentence: str
) -> None:
    with pytest.raises(ReadError, match=sentence):
        load_dose(three_frames(files.dose, offsets_mm, 50))


@pytest.mark.parametrize("first_mm", [1e-10, -0.0099, 0.0099])
def test_a_first_offset_beside_zero_is_rounding(files: Files, first_mm: float) -> None:
    grid = load_dose(three_frames(files.dose, [first_mm, 3, 6], 50))

    assert grid.z_mm == pytest.approx([50, 53, 56], abs=0.01)


@pytest.mark.parametrize("away_mm", [-0.049, 0.049])
def test_absolute_offsets_may_be_rounded_apart_from_the_origin(
    files: Files, away_mm: float
) -> None:
    offsets_mm = [z_mm + away_mm for z_mm in (50, 53, 56)]

    assert (
        load_dose(three_frames(files.dose, offsets_mm, 50)).z_mm.tolist() == offsets_mm
    )


def test_absolute_frame_offsets_feet_first_are_refused(files: Files) -> None:
    """PS3.3 C.8.8.3.2 has them for orientation 1,0,0,0,1,0 only; here up and down are a guess."""
    three_frames(
        files.dose, [50, 53, 56], 50, ImageOrientationPatient=list(POSITIONS["FFS"])
    )

    with pytest.raises(ReadError, match="starts at 50, which is neither 0"):
        load_dose(files.dose)


def test_missing_frame_offsets_are_refused(files: Files) -> None:
    set_values(files.dose, GridFrameOffsetVector=None)

    with pytest.raises(ReadError, match="Grid Frame Offset Vector is missing or empty"):
        load_dose(files.dose)


@pytest.mark.parametrize("shape", [(1, 3, 3), (3, 1, 3), (3, 3, 1)])
def test_a_single_plane_row_or_column_is_declined(
    files: Files, shape: tuple[int, int, int]
) -> None:
    store(
        files.dose,
        np.ones(shape),
        GridFrameOffsetVector=[3 * frame for frame in range(shape[0])],
    )

    with pytest.raises(UnsupportedError, match="single plane, row or column"):
        load_dose(files.dose)


@pytest.mark.parametrize(
    "cosines",
    [
        [0.9998, 0.0175, 0, -0.0175, 0.9998, 0],
        [1, 0, 0, 0, 0.9998, 0.0175],
        [1, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [2, 0, 0, 0, 1, 0],
    ],
    ids=["turned", "tilted", "parallel", "nil", "long"],
)
def test_a_tilted_grid_is_declined(files: Files, cosines: list[float]) -> None:
    """One degree displaces dose by 1.7 mm at 100 mm."""
    set_values(files.dose, ImageOrientationPatient=cosines)

    with pytest.raises(UnsupportedError, match="tilted against the patient axes"):
        load_dose(files.dose)


@pytest.mark.parametrize(("sine", "is_declined"), [(0.00009, False), (0.00011, True)])
def test_a_tilt_of_a_hundredth_of_a_mm_at_100_mm_is_rounding(
    files: Files, sine: float, *, is_declined: bool
) -> None:
    set_values(files.dose, ImageOrientationPatient=[1, sine, 0, -sine, 1, 0])

    if not is_declined:
        assert load_dose(files.dose).dose_gy.size
        return
    with pytest.raises(UnsupportedError, match="tilted against the patient axes"):
        load_dose(files.dose)


@pytest.mark.parametrize(
    ("keyword", "value", "sentence"),
    [
        ("Rows", 0, r"no size \(5 x 0\)"),
        ("Columns", 0, r"no size \(0 x 5\)"),
        ("PixelSpacing", [0, 3], "Pixel Spacing must be positive"),
        ("PixelSpacing", [3, -3], "Pixel Spacing must be positive"),
        ("PixelSpacing", [3], "holds 1 values where 2 belong"),
        ("ImagePositionPatient", [0, 0], "holds 2 values where 3 belong"),
        ("ImageOrientationPatient", [1, 0, 0], "holds 3 values where 6 belong"),
        ("PixelSpacing", None, "Pixel Spacing is missing or empty"),
    ],
)
def test_a_grid_that_lies_nowhere_is_refused(
    files: Files, keyword: str, value: object, sentence: str
) -> None:
    set_values(files.dose, **{keyword: value})

    with pytest.raises(ReadError, match=sentence):
        load_dose(files.dose)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"PixelSpacing": ["1e-300", "3"]},
            "y_mm needs at least two strictly ascending",
        ),
        (
            {"ImagePositionPatient": ["1e300", "0", "0"]},
            "x_mm needs at least two strictly",
        ),
        ({"DoseGridScaling": "1e305"}, "dose_gy must be finite everywhere"),
    ],
)
def test_a_grid_beyond_all_numbers_is_refused(
    files: Files, values: dict[str, object], sentence: str
) -> None:
    set_values(files.dose, **values)

    with pytest.raises(ReadError, match=f"such a dose grid cannot be: {sentence}"):
        load_dose(files.dose)


# --- Dose: values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "value", "sentence"),
    [
        ("DoseUnits", "RELATIVE", "units of 'RELATIVE'; only absolute dose in GY"),
        ("DoseUnits", None, r"units of '\(not stated\)'; only absolute dose in GY"),
        ("DoseType", "EFFECTIVE", "type 'EFFECTIVE'; only PHYSICAL dose"),
        ("DoseType", "ERROR", "type 'ERROR'; only PHYSICAL dose"),
        ("DoseType", None, r"type '\(not stated\)'; only PHYSICAL dose"),
    ],
)
def test_what_is_not_physical_dose_in_gy_is_declined(
    files: Files, keyword: str, value: object, sentence: str
) -> None:
    set_values(files.dose, **{keyword: value})

    with pytest.raises(UnsupportedError, match=sentence):
        load_dose(files.dose)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("0", "Dose Grid Scaling is 0; it must be positive"),
        ("-0.001", "Dose Grid Scaling is -0.001; it must be positive"),
        ("", "Dose Grid Scaling is missing or empty"),
        (None, "Dose Grid Scaling is missing or empty"),
    ],
)
def test_dose_without_a_positive_scaling_is_refused(
    files: Files, value: object, sentence: str
) -> None:
    set_values(files.dose, DoseGridScaling=value)

    with pytest.raises(ReadError, match=sentence):
        load_dose(files.dose)


def test_negative_dose_is_refused(files: Files) -> None:
    """Signed values belong to a difference of doses (PS3.3 C.8.8.3.4.2)."""
    stored = np.full(125, 1000, dtype="<i2")
    stored[60] = -1
    set_values(
        files.dose,
        PixelRepresentation=1,
        PixelData=stored.tobytes(),
        DoseGridScaling="0.001",
    )

    with pytest.raises(ReadError, match=r"negative dose \(-0\.001 Gy\)"):
        load_dose(files.dose)


def test_signed_dose_that_is_nowhere_negative_is_read(files: Files) -> None:
    stored = np.full(125, 1000, dtype="<i2")
    set_values(
        files.dose,
        PixelRepresentation=1,
        PixelData=stored.tobytes(),
        DoseGridScaling="0.001",
    )

    assert (
        load_dose(files.dose).dose_gy.tolist()
        == np.full((5, 5, 5), 1000 * 0.001).tolist()
    )


@pytest.mark.parametrize("length", [2, 248, 250 + 1026])
def test_pixel_data_of_another_length_is_refused(files: Files, length: int) -> None:
    set_values(files.dose, PixelData=b"\1" * length)

    sentence = f"5 x 5 x 5 values of 16 bits take 250 bytes, Pixel Data has {length};"
    with pytest.raises(ReadError, match=sentence):
        load_dose(files.dose)


@pytest.mark.parametrize(("extra", "is_refused"), [(1, False), (3, True)])
def test_one_odd_byte_behind_the_dose_is_padding_and_three_are_damage(
    files: Files, extra: int, *, is_refused: bool
) -> None:
    content = files.dose.read_bytes()
    at = content.rindex(b"\xe0\x7f\x10\x00OW") + 8
    length = int.from_bytes(content[at : at + 4], "little")
    assert at + 4 + length == len(content)
    longer = (length + extra).to_bytes(4, "little")
    files.dose.write_bytes(content[:at] + longer + content[at + 4 :] + bytes(extra))

    if not is_refused:
        assert load_dose(files.dose).notes == ()
        return
    with pytest.raises(ReadError, match="the file is damaged"):
        load_dose(files.dose)


@pytest.mark.parametrize("extra", [2, 6, 1024])
@pytest.mark.parametrize("byte", [b"\0", b"\1"])
def test_padding_behind_the_dose_is_left_out_and_noted(
    files: Files, extra: int, byte: bytes
) -> None:
    expected = load_dose(files.dose)
    edit(files.dose, lambda d: setattr(d, "PixelData", d.PixelData + extra * byte))

    read = load_dose(files.dose)

    assert read.dose_gy.tolist() == expected.dose_gy.tolist()
    assert [str(note) for note in read.notes] == [
        f"{extra} bytes behind the last dose value are left out"
    ]
    assert expected.header is not None
    assert open_rt(files.dose).dataset_sha256 == expected.header.instance.dataset_sha256


def test_a_missing_number_of_frames_is_that_of_the_offsets(files: Files) -> None:
    expected = load_dose(files.dose)
    set_values(files.dose, NumberOfFrames=None)

    read = load_dose(files.dose)

    assert read.dose_gy.tolist() == expected.dose_gy.tolist()
    assert read.header is not None
    assert read.header.size == (5, 5, 5)
    assert [str(note) for note in read.notes] == [
        "Number of Frames is missing; 5 are read, as many as Grid Frame Offset Vector places"
    ]


def test_offsets_that_the_pixels_do_not_fill_place_no_frames(files: Files) -> None:
    set_values(files.dose, NumberOfFrames=None, PixelData=b"\1" * 100)

    with pytest.raises(ReadError, match="places 5 frames, the dose has 1"):
        load_dose(files.dose)


def test_dose_in_the_lower_bits_is_read_and_noted(files: Files) -> None:
    expected = load_dose(files.dose)

    def widen(dataset: Dataset) -> None:
        dataset.PixelData = (
            np.frombuffer(dataset.PixelData, "<u2").astype("<u4").tobytes()
        )
        dataset.BitsAllocated = 32

    edit(files.dose, widen)

    read = load_dose(files.dose)

    assert read.dose_gy.tolist() == expected.dose_gy.tolist()
    assert [str(note) for note in read.notes] == ["16 of 32 bits are stored"]


def test_values_beyond_the_stored_bits_are_refused(files: Files) -> None:
    set_values(files.dose, BitsStored=12, HighBit=11)

    with pytest.raises(
        ReadError, match="12 of 16 bits are stored, and High Bit or the values"
    ):
        load_dose(files.dose)


def test_words_stored_as_bytes_are_little_endian(files: Files) -> None:
    expected = load_dose(files.dose).dose_gy
    edit(files.dose, lambda d: setattr(d["PixelData"], "VR", "OB"))

    assert load_dose(files.dose).dose_gy.tolist() == expected.tolist()


def test_missing_pixel_data_is_refused(files: Files) -> None:
    set_values(files.dose, PixelData=None)

    with pytest.raises(ReadError, match=r"no dose values \(Pixel Data is missing\)"):
        load_dose(files.dose)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("BitsAllocated", 8), ("SamplesPerPixel", 3), ("PixelRepresentation", 7)],
)
def test_pixels_that_are_no_dose_are_refused(
    files: Files, keyword: str, value: int
) -> None:
    set_values(files.dose, **{keyword: value})

    with pytest.raises(ReadError, match="bits a value cannot be read"):
        load_dose(files.dose)


def test_compressed_dose_is_declined(files: Files) -> None:
    def compress(dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
        dataset.PixelData = encapsulate([b"\1\0\0\0"] * 5)
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True

    edit(files.dose, compress)

    with pytest.raises(
        UnsupportedError, match=r"compressed \(JPEG-LS.*\); export it uncompr"
    ):
        load_dose(files.dose)


def run_length_encode(dataset: Dataset) -> None:
    """Encode as PS3.5 G has it, in literal runs: one segment a byte, the highest first."""
    size = dataset.BitsAllocated // 8
    frames = np.frombuffer(dataset.PixelData, "u1").reshape(
        dataset.NumberOfFrames, -1, size
    )
    encoded = []
    for frame in frames:
        segments = [
            b"".join(
                bytes([len(run) - 1]) + run
                for run in (plane[at : at + 128] for at in range(0, len(plane), 128))
            )
            for plane in (frame[:, byte].tobytes() for byte in reversed(range(size)))
        ]
        segments = [segment + b"\x80" * (len(segment) % 2) for segment in segments]
        starts = 64 + np.cumsum([0, *map(len, segments[:-1])])
        header = np.zeros(16, "<u4")
        header[: size + 1] = [size, *starts]
        encoded.append(header.tobytes() + b"".join(segments))
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


@pytest.mark.parametrize("bits", [16, 32])
def test_run_length_encoded_dose_is_read(files: Files, bits: int) -> None:
    save_dose(load_dose(files.dose), files.dose, bits=bits)
    expected = load_dose(files.dose).dose_gy
    edit(files.dose, run_length_encode)

    assert load_dose(files.dose).dose_gy.tolist() == expected.tolist()


def test_damaged_run_lengths_are_refused(files: Files) -> None:
    edit(files.dose, run_length_encode)
    edit(
        files.dose,
        lambda d: setattr(d, "PixelData", encapsulate([b"\1\0\0\0" * 30] * 5)),
    )

    with pytest.raises(ReadError, match=r"Pixel Data \(RLE\)"):
        load_dose(files.dose)


def test_more_dose_than_run_lengths_can_hold_is_refused_without_memory(
    files: Files,
) -> None:
    def inflate(dataset: Dataset) -> None:
        run_length_encode(dataset)
        dataset.Rows = dataset.Columns = 65535

    edit(files.dose, inflate)

    with pytest.raises(ReadError, match=r"bytes of RLE cannot hold \d+ bytes of dose"):
        load_dose(files.dose)


@pytest.mark.parametrize(("keyword", "value"), [("BitsStored", 12), ("HighBit", 11)])
def test_dose_that_leaves_bits_unused_is_refused(
    files: Files, keyword: str, value: int
) -> None:
    set_values(files.dose, **{keyword: value})

    with pytest.raises(ReadError, match="export the dose with all bits"):
        load_dose(files.dose)


def test_an_unknown_transfer_syntax_is_declined(files: Files) -> None:
    replace_bytes(
        files.dose, b"1.2.840.10008.1.2.1\0\x02", b"1.2.840.10008.1.2.7\0\x02"
    )

    with pytest.raises(
        UnsupportedError, match=r"1\.2\.840\.10008\.1\.2\.7.*export it uncompressed"
    ):
        load_dose(files.dose)


@pytest.mark.parametrize("offsets", [5, 100_000])
def test_a_huge_declared_size_is_refused_without_memory(
    files: Files, offsets: int
) -> None:
    """65535 x 65535 x 100000 doses would take 3 PB."""
    dataset = pydicom.dcmread(files.dose)
    dataset.Rows = dataset.Columns = 65535
    dataset.NumberOfFrames = 100_000
    dataset.GridFrameOffsetVector = list(range(offsets))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    pydicom.dcmwrite(files.dose, dataset, implicit_vr=True, little_endian=True)

    tracemalloc.start()
    with pytest.raises(
        ReadError, match=r"places 5 frames, the dose has 100000|values of 16 bits"
    ):
        load_dose(files.dose)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 50e6


# --- Structure set ------------------------------------------------------------------------------


def first_ring(dataset: Dataset) -> Dataset:
    ring = dataset.ROIContourSequence[0].ContourSequence[0]
    assert isinstance(ring, Dataset)
    return ring


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"])
def test_contours_that_enclose_nothing_are_counted_not_read(
    files: Files, kind: str
) -> None:
    edit(
        files.structure_set,
        lambda d: first_ring(d).__setattr__("ContourGeometricType", kind),
    )

    ptv = load_structure_set(files.structure_set).roi("PTV_T8")

    assert len(ptv.contours) == 1
    assert [str(note) for note in ptv.notes] == [f"1 {kind} contours enclose nothing"]


def test_exclusive_or_rings_are_marked(files: Files) -> None:
    edit(
        files.structure_set,
        lambda d: first_ring(d).__setattr__("ContourGeometricType", "CLOSEDPLANAR_XOR"),
    )

    ptv = load_structure_set(files.structure_set).roi("PTV_T8")

    assert [ring.xor for ring in ptv.contours] == [True, False]


def test_a_ring_without_type_is_assumed_closed_and_noted(files: Files) -> None:
    edit(
        files.structure_set, lambda d: first_ring(d).__delattr__("ContourGeometricType")
    )

    ptv = load_structure_set(files.structure_set).roi("PTV_T8")

    assert len(ptv.contours) == 2
    assert [str(note) for note in ptv.notes] == [
        "1 x a contour without type, read as CLOSED_PLANAR"
    ]


def problem_of(path: Path) -> str:
    """Return why PTV_T8 cannot be read; the cord beside it can."""
    structures = load_structure_set(path)
    ptv, cord = structures.roi("PTV_T8"), structures.roi("SpinalCord")
    assert ptv.contours == ()
    assert len(cord.contours) == 2
    assert cord.problem is None
    return str(ptv.problem)


def test_a_ring_of_unknown_type_is_a_problem_of_its_roi(files: Files) -> None:
    edit(
        files.structure_set,
        lambda d: first_ring(d).__setattr__("ContourGeometricType", "BLOB"),
    )

    assert problem_of(files.structure_set) == (
        "a contour is of unknown type 'BLOB'; export it as CLOSED_PLANAR"
    )


@pytest.mark.parametrize("empty", ["no sequence", "no item", "no ring", "no points"])
def test_an_empty_roi_is_kept(files: Files, empty: str) -> None:
    """Empty is not missing: a cord that nobody drew has to be reported as such."""

    def change(dataset: Dataset) -> None:
        item = dataset.ROIContourSequence[1]
        if empty == "no sequence":
            del item.ContourSequence
        elif empty == "no item":
            del dataset.ROIContourSequence[1]
        elif empty == "no ring":
            item.ContourSequence = []
        else:
            for ring in item.ContourSequence:
                ring.ContourData, ring.NumberOfContourPoints = None, 0

    edit(files.structure_set, change)

    cord = load_structure_set(files.structure_set).roi("SpinalCord")

    assert cord.contours == ()
    assert [str(note) for note in cord.notes] == (
        ["a contour without points is left out"] * 2 if empty == "no points" else []
    )


@pytest.mark.parametrize(("span_mm", "is_oblique"), [(0.049, False), (0.051, True)])
def test_a_contour_that_leaves_its_plane_by_more_than_rounding_is_oblique(
    files: Files, span_mm: float, *, is_oblique: bool
) -> None:
    def tilt(dataset: Dataset) -> None:
        ring = first_ring(dataset)
        points = np.array(ring.ContourData, dtype=float).reshape(-1, 3)
        points[0, 2] += span_mm
        ring.ContourData = points.round(4).ravel().tolist()

    edit(files.structure_set, tilt)

    problems = [
        str(roi.problem) for roi in load_structure_set(files.structure_set).rois
    ]
    assert any("oblique" in problem for problem in problems) is is_oblique


@pytest.mark.parametrize(("missing", "angles_deg"), [(0, ()), (-1, (181.0,))])
def test_a_last_gantry_angle_alone_is_not_where_the_beam_stands(
    files: Files, missing: int, angles_deg: tuple[float, ...]
) -> None:
    def forget(dataset: Dataset) -> None:
        points = dataset.BeamSequence[0].ControlPointSequence
        assert len(points) > 1
        points[-1].GantryAngle = 179.0
        del points[missing].GantryAngle

    edit(files.plan, forget)

    assert load_plan(files.plan).beams[0].gantry_angles_deg == angles_deg


def test_an_oblique_contour_is_a_problem_of_its_roi(files: Files) -> None:
    def tilt(dataset: Dataset) -> None:
        ring = first_ring(dataset)
        points = np.array(ring.ContourData, dtype=float).reshape(-1, 3)
        points[0, 2] += 3.1
        ring.ContourData = points.ravel().tolist()

    edit(files.structure_set, tilt)

    assert problem_of(files.structure_set) == (
        "a contour lies in an oblique plane (z spans 3.1 mm); only axial contours are judged,"
        " draw it on axial planes"
    )


@pytest.mark.parametrize(
    "word", [b"NaN   ", b"abc   ", b"inf   ", b"1_0   ", b"      "]
)
def test_a_coordinate_that_is_not_a_number_is_a_problem_of_its_roi(
    files: Files, word: bytes
) -> None:
    replace_bytes(files.structure_set, b"-3.000", word)

    value = word.decode().strip()
    assert problem_of(files.structure_set) == (
        f"a contour holds '{value}', which is not a number; export it again"
    )


def test_a_coordinate_beyond_all_anatomy_is_a_problem_of_its_roi(files: Files) -> None:
    replace_bytes(files.structure_set, b"-3.000", b"-3e300")

    assert "has a coordinate of 3e+300 mm" in problem_of(files.structure_set)


def test_a_ring_that_lost_its_points_is_a_problem_of_its_roi(files: Files) -> None:
    """Left out, it would take a plane of the ROI with it."""
    edit(files.structure_set, lambda d: first_ring(d).__delattr__("ContourData"))

    assert "holds 0 numbers where 4 points are declared" in problem_of(
        files.structure_set
    )


@pytest.mark.parametrize("count", [10, 9, 15])
def test_a_ring_of_another_length_than_declared_is_a_problem_of_its_roi(
    files: Files, count: int
) -> None:
    edit(
        files.structure_set,
        lambda d: first_ring(d).__setattr__("ContourData", [1.0] * count),
    )

    problem = problem_of(files.structure_set)
    assert f"holds {count} numbers where 4 points are declared" in problem


def test_two_rois_with_one_number_are_refused(files: Files) -> None:
    edit(
        files.structure_set,
        lambda d: d.StructureSetROISequence[1].__setattr__("ROINumber", 1),
    )

    with pytest.raises(ReadError, match="ROI number 1 is used twice"):
        load_structure_set(files.structure_set)


def test_two_rois_with_one_name_are_both_kept(files: Files) -> None:
    edit(
        files.structure_set,
        lambda d: d.StructureSetROISequence[1].__setattr__("ROIName", "PTV_T8"),
    )

    assert [roi.name for roi in load_structure_set(files.structure_set).rois] == [
        "PTV_T8"
    ] * 2


def test_contours_without_a_name_are_noted(files: Files) -> None:
    edit(files.structure_set, lambda d: d.StructureSetROISequence.pop())

    notes = load_structure_set(files.structure_set).notes

    assert [str(note) for note in notes] == [
        "contours of ROI number 2, which has no name, are left out"
    ]


def test_each_roi_keeps_its_own_frame_of_reference(files: Files) -> None:
    edit(
        files.structure_set,
        lambda d: d.StructureSetROISequence[1].__setattr__(
            "ReferencedFrameOfReferenceUID", "1.2.3"
        ),
    )

    rois = load_structure_set(files.structure_set).rois

    assert [roi.frame_of_reference_uid for roi in rois] == [FRAME_UID, "1.2.3"]


# --- What is no DICOM ---------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500),
        b"# plan\n" * 100,
        b"\0" * 300,
        b"x",
    ],
    ids=["jpeg", "text", "zeros", "byte"],
)
def test_what_is_not_dicom_is_refused_as_such(
    tmp_path: Path, kind: int, content: bytes
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)

    with pytest.raises(ReadError, match=r"this is not a DICOM file|ends too early"):
        LOADERS[kind](path)


@pytest.mark.parametrize("load", [*LOADERS, load_dose_header])
def test_what_cannot_be_opened_is_refused_in_a_sentence(
    tmp_path: Path, load: Callable[[Path], object]
) -> None:
    (tmp_path / "empty").touch()

    with pytest.raises(ReadError, match="there is no such file"):
        load(tmp_path / "missing")
    with pytest.raises(ReadError, match="the file is empty"):
        load(tmp_path / "empty")
    with pytest.raises(ReadError, match="cannot be opened: this is a folder"):
        load(tmp_path)


def test_an_error_keeps_the_path_out_of_its_sentence(tmp_path: Path) -> None:
    """File names may hold a record number."""
    path = tmp_path / "0815_Doe.dcm"

    with pytest.raises(ReadError) as caught:
        load_dose_header(path)

    assert "0815" not in str(caught.value.problem)
    assert caught.value.path == path


# --- Damage -------------------------------------------------------------------------------------


def undefine_lengths(dataset: Dataset) -> None:
    """Write all sequences with delimiters in place of lengths, as many systems do."""
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                undefine_lengths(item)


@KINDS
@pytest.mark.parametrize("delimited", [False, True], ids=["lengths", "delimiters"])
def test_a_truncated_file_is_refused_or_lacks_a_part(
    files: Files, kind: int, *, delimited: bool
) -> None:
    """A file that is cut between two elements is whole to DICOM; nothing in it may differ."""
    path = files[kind]
    if delimited:
        edit(path, undefine_lengths)
    whole = facts(LOADERS[kind](path))
    content = path.read_bytes()
    cuts = set(np.linspace(0, len(content) - 1, 200).astype(int).tolist())
    ends = root_element_ends(path)

    for cut in sorted(cuts | ends):
        path.write_bytes(content[:cut])
        value = load_or_refuse(kind, path)
        assert value is None or cut in ends, cut
        assert value is None or is_left_of(facts(value), whole), cut


def root_element_ends(path: Path) -> set[int]:
    """Return where the elements of the dataset end, but for the last."""
    dataset = pydicom.dcmread(path)
    content = path.read_bytes()
    starts = set()
    for tag in list(dataset.keys())[1:]:
        group_element = tag.group.to_bytes(2, "little") + tag.element.to_bytes(
            2, "little"
        )
        tell = dataset.get_item(tag)
        offset = tell.value_tell if hasattr(tell, "value_tell") else tell.file_tell
        starts.add(content.rfind(group_element, 0, offset))
    return starts


def test_a_plan_cut_at_any_byte_is_refused_or_lacks_a_part(tmp_path: Path) -> None:
    small = replace(
        plan(), beams=(), fraction_groups=plan().fraction_groups[:1], name=""
    )
    path = tmp_path / "a"
    save_plan(small, path)
    whole, content, ends = (
        facts(load_plan(path)),
        path.read_bytes(),
        root_element_ends(path),
    )

    for cut in range(132, len(content)):
        path.write_bytes(content[:cut])
        value = load_or_refuse(0, path)
        assert value is None or cut in ends, cut
        assert value is None or is_left_of(facts(value), whole), cut


def test_a_truncated_file_is_called_truncated(files: Files) -> None:
    content = files.dose.read_bytes()
    files.dose.write_bytes(content[:-20])

    with pytest.raises(
        ReadError, match="truncated: Pixel Data holds 230 of 250 bytes; export it"
    ):
        load_dose(files.dose)


def test_a_truncated_deflated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    save_structure_set(
        structure_set(), path, transfer_syntax=DeflatedExplicitVRLittleEndian
    )
    content = path.read_bytes()

    for cut in range(400, len(content) - 8, len(content) // 50):
        path.write_bytes(content[:cut])
        with pytest.raises(ReadError):
            load_structure_set(path)


def elements(
    dataset: Dataset, route: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield the way to every attribute at the top and in first items."""
    for element in dataset:
        yield (*route, element.keyword)
        if element.VR == "SQ" and element.value:
            yield from elements(element.value[0], (*route, element.keyword))


@KINDS
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_any_attribute_may_be_missing_or_empty(
    files: Files, kind: int, how: str
) -> None:
    """De-identification removes what it likes: a sentence or a value, and no other value."""
    path = files[kind]
    whole = facts(LOADERS[kind](path))
    content = path.read_bytes()
    routes = list(elements(pydicom.dcmread(path)))
    assert len(routes) > 30

    for route in routes:
        path.write_bytes(content)

        def take_away(dataset: Dataset, route: tuple[str, ...] = route) -> None:
            for keyword in route[:-1]:
                dataset = dataset[keyword].value[0]
            if how == "missing":
                del dataset[route[-1]]
            else:
                dataset[route[-1]].value = None

        try:
            edit(path, take_away)
        except ValueError:
            assert route == ("PixelData",) or route[-1].startswith("SOP"), route
            continue
        value = load_or_refuse(kind, path)
        assert value is None or is_left_of(facts(value), whole), route


@KINDS
@settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_damaged_bytes_give_a_value_or_a_sentence(
    intact: Files, kind: int, data: st.DataObject
) -> None:
    content = bytearray(intact[kind].read_bytes())
    damage = st.tuples(st.integers(128, len(content) - 1), st.integers(0, 255))
    for offset, byte in data.draw(st.lists(damage, min_size=1, max_size=6)):
        content[offset] = byte
    path = intact[kind].with_name("damaged")
    path.write_bytes(content)

    load_or_refuse(kind, path)


@pytest.mark.parametrize(("count", "is_refused"), [(5_000, False), (5_001, True)])
def test_a_structure_set_of_too_many_rois_is_refused(
    count: int, *, is_refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / "RS.dcm"
    save_structure_set(structure_set([ROI(name=str(n)) for n in range(count)]), path)

    if not is_refused:
        assert len(load_structure_set(path).rois) == count
        return
    with pytest.raises(ReadError, match="5001 ROIs: no patient has more than 5000"):
        load_structure_set(path)


@pytest.mark.parametrize("count", [1, 3])
def test_contours_without_a_name_are_told_of_once(count: int, tmp_path: Path) -> None:
    path = tmp_path / "RS.dcm"
    rois = [box(f"ROI {n}", (0, 0, 0), (5, 5, 5), spacing_mm=1.0) for n in range(4)]
    save_structure_set(structure_set(rois), path)
    dataset = pydicom.dcmread(path)
    del dataset.StructureSetROISequence[:count]
    dataset.save_as(path)

    (note,) = load_structure_set(path).notes

    told = {
        1: "contours of ROI number 1, which has no name",
        3: "contours of 3 ROI numbers",
    }
    assert told[count] in str(note)


# --- Values that are cut off --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "signed", "largest"),
    [(16, 0, 2**16 - 1), (16, 1, 2**15 - 1), (32, 0, 2**32 - 1), (32, 1, 2**31 - 1)],
)
def test_the_largest_number_is_that_of_the_bits_and_sign(
    files: Files, bits: int, signed: int, largest: int
) -> None:
    def cut(dataset: pydicom.Dataset) -> None:
        kind = f"<{'i' if signed else 'u'}{bits // 8}"
        shape = (dataset.NumberOfFrames, dataset.Rows, dataset.Columns)
        stored = np.ones(shape, kind)
        stored.flat[:7] = largest
        stored.flat[7:9] = largest - 1
        dataset.BitsAllocated = dataset.BitsStored = bits
        dataset.HighBit = bits - 1
        dataset.PixelRepresentation = signed
        dataset.PixelData = stored.tobytes()

    edit(files.dose, cut)

    assert load_dose(files.dose).saturated == 7


def test_the_order_of_elements_does_not_change_what_a_dataset_says(
    files: Files,
) -> None:
    """A file whose first two elements were swapped says the same."""
    before = open_rt(files.plan).dataset_sha256
    content = files.plan.read_bytes()
    first = content.index(b"\x08\x00\x05\x00CS")
    second = content.index(b"\x08\x00\x12\x00DA")
    third = content.index(b"\x08\x00\x13\x00TM")
    swapped = content[:first] + content[second:third] + content[first:second]
    files.plan.write_bytes(swapped + content[third:])

    assert open_rt(files.plan).dataset_sha256 == before
