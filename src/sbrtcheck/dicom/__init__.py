"""One DICOM file in, one model value out, and back; all quirks of files live and end here."""

from sbrtcheck.dicom.dataset import RT_DOSE, RT_ION_PLAN, RT_PLAN, RT_STRUCTURE_SET, class_name
from sbrtcheck.dicom.dose import load_dose, load_dose_header, refuse_dose_kind
from sbrtcheck.dicom.peek import Peek, peek
from sbrtcheck.dicom.plan import load_plan
from sbrtcheck.dicom.structures import load_structure_set

__all__ = [
    "RT_DOSE",
    "RT_ION_PLAN",
    "RT_PLAN",
    "RT_STRUCTURE_SET",
    "Peek",
    "class_name",
    "load_dose",
    "load_dose_header",
    "load_plan",
    "load_structure_set",
    "peek",
    "refuse_dose_kind",
]
