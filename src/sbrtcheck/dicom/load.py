"""One file in, one value out: shortcuts for those who want one thing of a file."""

from pathlib import Path

from sbrtcheck.dicom.dataset import (
    RT_DOSE,
    RT_ION_PLAN,
    RT_PLAN,
    RT_STRUCTURE_SET,
    open_file,
    quietly,
    require_class,
)
from sbrtcheck.dicom.dose import read_dose_header, read_dose_instance
from sbrtcheck.dicom.exported import read_exported_dvhs
from sbrtcheck.dicom.plan import read_plan_instance
from sbrtcheck.dicom.rt import RTFile, rt_file
from sbrtcheck.dicom.structures import read_structure_set_instance
from sbrtcheck.model import (
    DoseGrid,
    DoseHeader,
    ExportedDVH,
    Instance,
    Plan,
    StructureSet,
)


@quietly
def load_plan(path: Path) -> Plan:
    """Read an RT Plan.

    Raises
    ------
    ReadError
        If the file is not a readable RT Plan; `UnsupportedError` for an ion plan.
    """
    return _open(path, RT_PLAN).plan()


@quietly
def load_structure_set(path: Path) -> StructureSet:
    """Read an RT Structure Set. ROIs without contours are kept: empty is not missing.

    Raises
    ------
    ReadError
        If the file is not a readable RT Structure Set.
    """
    return _open(path, RT_STRUCTURE_SET).structure_set()


@quietly
def load_dose(path: Path) -> DoseGrid:
    """Read an RT Dose with its values, its axes brought to ascending patient coordinates.

    Raises
    ------
    ReadError
        If the file is not a readable RT Dose; `UnsupportedError` for one that is declined.
    """
    return _open(path, RT_DOSE).dose()


def _open(path: Path, expected: str) -> RTFile:
    opened = open_file(path)
    require_class(opened, expected)
    return rt_file(opened)


@quietly
def load_dose_header(path: Path) -> DoseHeader:
    """Read what an RT Dose says of itself, without its values.

    Raises
    ------
    ReadError
        If the file is not a readable RT Dose.
    """
    opened = open_file(path, header_only=True)
    require_class(opened, RT_DOSE)
    return read_dose_header(opened, read_dose_instance(opened))


@quietly
def load_exported_dvhs(path: Path) -> tuple[ExportedDVH, ...]:
    """Read the DVHs that an RT Dose carries; none where it carries none.

    Raises
    ------
    ReadError
        If the file is not a readable RT Dose, or a curve is damaged.
    """
    return read_exported_dvhs(open_file(path, header_only=True))


@quietly
def load_structure_set_header(path: Path) -> Instance:
    """Read which structure set it is, without its contours.

    Raises
    ------
    ReadError
        If the file is not a readable RT Structure Set.
    """
    opened = open_file(path, header_only=True)
    require_class(opened, RT_STRUCTURE_SET)
    return read_structure_set_instance(opened)


@quietly
def load_ion_plan_header(path: Path) -> Instance:
    """Read which plan an RT Ion Plan is; its content is not judged.

    Raises
    ------
    ReadError
        If the file is not a readable RT Ion Plan.
    """
    opened = open_file(path, header_only=True)
    if opened.sop_class_uid != RT_ION_PLAN:
        raise opened.root.fail("this is not an RT Ion Plan; give the file of one")
    return read_plan_instance(opened)
