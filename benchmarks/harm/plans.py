"""The plans that are harmed: small, sound, and each of a known outcome."""

import io
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from builders import box, dose_grid, instance, plan, structure_set, write_case
from sbrtcheck import check, load_case, load_protocol
from sbrtcheck.dicom import RT_DOSE
from sbrtcheck.model import Declared, FloatArray, Patient
from sbrtcheck.report.as_json import render_json

__all__ = [
    "BATCH",
    "IDENTITY",
    "NAMES",
    "SYNTAXES",
    "Family",
    "Files",
    "Harmed",
    "Plans",
    "deflated",
    "written",
]

BATCH = ("batch", "--out", "out", "--private", "private", "-j", "1")
IDENTITY = ("Quixote", "P-081547")  # of the patient: nowhere in an output
KINDS = ("RP", "RS", "RD")
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmed:
    """One case: files to write, and the command to run beside them.

    Parameters
    ----------
    files
        Content by path below the folder of the case.
    arguments
        Of the command, which runs in that folder.
    base
        The unharmed plan with whose outcome its own is compared.
    hidden
        What no output may show.
    prepare
        Makes in the folder what is no file: links, pipes, folders.
    """

    what: str
    files: Files
    arguments: tuple[str, ...] = ("RP.dcm",)
    base: str | None = None
    hidden: tuple[str, ...] = IDENTITY
    prepare: Callable[[Path], None] | None = None


Family = Callable[[random.Random, int, "Plans"], Harmed]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plans:
    """The unharmed plans.

    Parameters
    ----------
    files
        RP, RS and RD by plan and transfer syntax.
    directory
        A DICOMDIR and the files it lists.
    verdict
        What `--json` writes of the first plan.
    """

    files: Mapping[tuple[str, str], Files]
    directory: Files
    verdict: str

    def of(self, name: str, syntax: str = "explicit") -> dict[str, bytes]:
        """Return the three files of a plan by their names."""
        return dict(self.files[name, syntax])


def field(
    x: FloatArray, y: FloatArray, z: FloatArray, *, target_gy: float, cord_gy: float
) -> FloatArray:
    """Return a block of dose on the target, another on the cord behind it, little elsewhere."""
    target = (abs(x) <= 14) & (y <= 14) & (y >= -14) & (abs(z) <= 14)
    behind = (y > 14) & (abs(z) <= 40)
    dose_gy: FloatArray = target_gy * target + cord_gy * behind
    return dose_gy + 2.0 * (~target & ~behind)


def write_plan(
    folder: Path,
    *,
    target_gy: float = 31.0,
    cord_gy: float = 6.0,
    approval: str = "APPROVED",
    cord: str = "SpinalCord",
) -> None:
    """Write one plan of 30 Gy in 5 fractions to T8."""
    patient = Patient(patient_id=IDENTITY[1], name=IDENTITY[0], birth_date="19550607")
    rois = (
        box("PTV_T8", (-12, -12, -12), (12, 12, 12)),
        box(cord, (-4, 20, -39), (4, 28, 39)),
        box("Esophagus", (-6, -44, -24), (6, -34, 24)),
    )
    dose = dose_grid(
        partial(field, target_gy=target_gy, cord_gy=cord_gy),
        (-20, -48, -42),
        (20, 36, 42),
        step_mm=3.0,
    )
    the_plan, the_set = plan(), structure_set(rois)
    header = dose.header
    assert header is not None  # noqa: S101 - dose_grid makes one
    write_case(
        folder,
        plan=replace(
            the_plan,
            instance=replace(
                the_plan.instance, patient=patient, approval_status=approval
            ),
        ),
        structure_set=replace(
            the_set, instance=replace(the_set.instance, patient=patient)
        ),
        dose=replace(
            dose,
            header=replace(
                header,
                instance=replace(
                    instance(header.instance.sop_instance_uid, RT_DOSE),
                    patient=patient,
                ),
            ),
        ),
    )


WAYS: dict[str, Callable[[Path], None]] = {
    "good": write_plan,
    "hot cord": partial(write_plan, cord_gy=29.0),
    "cold target": partial(write_plan, target_gy=27.0),
    "rejected": partial(write_plan, approval="REJECTED"),
    "no cord": partial(write_plan, cord="Marrow"),
}
NAMES = tuple(WAYS)
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
}


def written(folder: Path) -> Plans:
    """Write all plans below a folder in each syntax; lengths of sequences are left open."""
    write_plan(folder / "first")
    verdict = _recorded(folder / "first")  # alone: other plans would be of its course
    files: dict[tuple[str, str], Files] = {}
    for name, write in WAYS.items():
        write(folder / name)
        for syntax in SYNTAXES:
            files[name, syntax] = {
                f"{kind}.dcm": _encoded(folder / name / f"{kind}.dcm", syntax)
                for kind in KINDS
            }
    directory = _listed(folder / "listed", folder / "first")
    return Plans(files=files, directory=directory, verdict=verdict)


def _listed(place: Path, plan_folder: Path) -> Files:
    """Return a DICOMDIR with what it lists."""
    listed = FileSet()
    for kind in KINDS:
        dataset = pydicom.dcmread(plan_folder / f"{kind}.dcm")
        dataset.InstanceNumber = "1"
        listed.add(dataset)
    listed.write(place)
    listed._stage["t"].cleanup()  # noqa: SLF001 - pydicom leaves it to the collector
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def _recorded(plan_folder: Path) -> str:
    case = load_case(plan_folder)
    verdict = check(case, load_protocol("nct06756087"), Declared())
    return render_json(verdict)


def _encoded(path: Path, syntax: str) -> bytes:
    dataset = pydicom.dcmread(path)
    _open_lengths(dataset)
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    copy = io.BytesIO()
    pydicom.dcmwrite(
        copy,
        dataset,
        implicit_vr=syntax == "implicit",
        little_endian=True,
        enforce_file_format=True,
    )
    return copy.getvalue()


def _open_lengths(dataset: Dataset) -> None:
    """Let sequences end by a mark, so that an element can be changed without its parents."""
    for element in dataset:
        if element.VR != "SQ":
            continue
        element.is_undefined_length = True
        for item in element.value:
            item.is_undefined_length_sequence_item = True
            _open_lengths(item)


def deflated(dataset: bytes) -> bytes:
    """Return a dataset as the deflated transfer syntax holds it."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(dataset) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)
