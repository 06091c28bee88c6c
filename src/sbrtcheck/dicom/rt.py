"""One RT file, read and parsed once, and what it holds, each computed when it is asked for."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from sbrtcheck.dicom.dataset import (
    RT_DOSE,
    RT_ION_PLAN,
    RT_PLAN,
    RT_STRUCTURE_SET,
    Opened,
    is_private_plan,
    open_file,
    quietly,
    referenced_structure_set,
)
from sbrtcheck.dicom.dose import (
    read_dose,
    read_dose_header,
    read_dose_instance,
    referenced_plans,
)
from sbrtcheck.dicom.exported import read_exported_dvhs
from sbrtcheck.dicom.plan import read_plan, read_plan_instance
from sbrtcheck.dicom.same import hash_dataset
from sbrtcheck.dicom.structures import read_structure_set, read_structure_set_instance
from sbrtcheck.model import (
    DoseGrid,
    DoseHeader,
    ExportedDVH,
    Instance,
    Plan,
    StructureSet,
)

__all__ = ["RTFile", "open_rt"]

READ_INSTANCE = {
    RT_PLAN: read_plan_instance,
    RT_ION_PLAN: read_plan_instance,
    RT_STRUCTURE_SET: read_structure_set_instance,
    RT_DOSE: read_dose_instance,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class RTFile:
    """A file of one of the RT classes: its header, and on demand what it holds.

    Each method computes its answer once. They raise `ReadError` where the file is of another
    class, or what is asked for is damaged.

    Parameters
    ----------
    sop_class_uid
        That of RT Plan also for a plan in a vendor's own class.
    sha256
        Of the bytes; `dataset_sha256` of what they say, None where that cannot be told.
    structure_set_uid, plan_uids
        What a plan or dose names.
    """

    path: Path
    sop_class_uid: str
    size_bytes: int
    sha256: str
    dataset_sha256: str | None
    instance: Instance
    structure_set_uid: str | None
    plan_uids: tuple[str, ...]
    _opened: Opened = field(repr=False)

    def plan(self) -> Plan:
        """Return the plan; of an ion plan what names it, without beams and groups."""
        return self._plan

    def structure_set(self) -> StructureSet:
        """Return the structure set."""
        return self._structure_set

    def dose_header(self) -> DoseHeader:
        """Return what the dose says of itself."""
        return self._dose_header

    def dose(self) -> DoseGrid:
        """Return the dose with its values."""
        return self._dose

    def exported_dvhs(self) -> tuple[ExportedDVH, ...]:
        """Return the DVHs that the dose carries."""
        return self._exported_dvhs

    @cached_property
    def _plan(self) -> Plan:
        return read_plan(self._opened, self.instance)

    @cached_property
    def _structure_set(self) -> StructureSet:
        return read_structure_set(self._opened, self.instance)

    @cached_property
    def _dose_header(self) -> DoseHeader:
        return read_dose_header(self._opened, self.instance)

    @cached_property
    def _dose(self) -> DoseGrid:
        return read_dose(self._opened, self._dose_header)

    @cached_property
    def _exported_dvhs(self) -> tuple[ExportedDVH, ...]:
        return read_exported_dvhs(self._opened)


@quietly
def open_rt(path: Path) -> RTFile:
    """Read and parse an RT Plan, RT Ion Plan, RT Structure Set or RT Dose; only its header is judged.

    Raises
    ------
    ReadError
        If the file is missing, truncated, not DICOM or of another class, or its header is damaged.
    """
    return rt_file(open_file(path))


def rt_file(opened: Opened) -> RTFile:
    """Return an open file of one of the RT classes."""
    sop_class_uid = opened.sop_class_uid
    if is_private_plan(opened):
        sop_class_uid = RT_PLAN
    if sop_class_uid not in READ_INSTANCE:
        raise opened.root.fail(
            "this is not an RT Plan, RT Structure Set or RT Dose; give one of these"
        )
    dataset_sha256 = hash_dataset(opened)
    instance = replace(
        READ_INSTANCE[sop_class_uid](opened), dataset_sha256=dataset_sha256
    )
    return RTFile(
        path=opened.path,
        sop_class_uid=sop_class_uid,
        size_bytes=len(opened.content),
        sha256=opened.sha256,
        dataset_sha256=dataset_sha256,
        instance=instance,
        structure_set_uid=referenced_structure_set(opened.root),
        plan_uids=referenced_plans(opened.root),
        _opened=replace(opened, content=b""),  # the dataset holds its own copy
    )
