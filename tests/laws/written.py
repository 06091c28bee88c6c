"""Cases written to files in one way or another, changed there, and read again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from laws.makers import Maker
from sbrtcheck import load_case
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.dossier import Case

__all__ = ["POSITIONS", "Writing", "edited", "written"]

POSITIONS = ("HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR")
Edit = Callable[[Dataset], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How a case is written; file names in the order plan, structure set, dose."""

    transfer_syntax: str = ExplicitVRLittleEndian
    character_set: str = "ISO_IR 192"
    position: str = "HFS"
    names: tuple[str, str, str] = ("RP.dcm", "RS.dcm", "RD.dcm")
    copies: bool = False


def written(writing: Writing) -> Maker:
    """Return what writes a case and reads it again."""

    def make(case: Case) -> Case:
        with TemporaryDirectory() as folder:
            own = apart(folder)
            write(case, own, writing)
            return load_case(own / writing.names[0])

    return make


def edited(name: str, edit: Edit) -> Maker:
    """Return what writes a case, edits the dataset of one file, and reads it again."""

    def make(case: Case) -> Case:
        with TemporaryDirectory() as folder:
            own = apart(folder)
            write(case, own, Writing())
            path = own / name
            dataset = dcmread(path)
            edit(dataset)
            dataset.save_as(path)
            return load_case(own / "RP.dcm")

    return make


def apart(folder: str) -> Path:
    """Return a folder with none beside it: what lies beside is looked at, too."""
    own = Path(folder) / "export" / "case"
    own.mkdir(parents=True)
    return own


def write(case: Case, folder: Path, writing: Writing) -> None:
    """Write a case into a folder."""
    plan, structures, dose = (folder / name for name in writing.names)
    syntax, letters = writing.transfer_syntax, writing.character_set
    lying = case.plan
    if writing.position != "HFS":  # the patient lies as the dose is oriented
        lying = replace(lying, patient_positions=(writing.position,))
    save_plan(lying, plan, transfer_syntax=syntax, character_set=letters)
    save_structure_set(
        case.structure_set, structures, transfer_syntax=syntax, character_set=letters
    )
    save_dose(
        case.dose,
        dose,
        position=writing.position,
        transfer_syntax=syntax,
        character_set=letters,
    )
    if writing.copies:
        for path in (plan, structures, dose):
            copyfile(path, path.with_name(f"copy_of_{path.name}"))
