"""One DICOM file in, one model value out, and back; all quirks of files live and end here."""

from sbrtcheck.dicom.dataset import (
    RT_DOSE,
    RT_ION_PLAN,
    RT_PLAN,
    RT_STRUCTURE_SET,
    class_name,
)
from sbrtcheck.dicom.dose import refuse_dose_kind
from sbrtcheck.dicom.former import former_names
from sbrtcheck.dicom.load import (
    load_dose,
    load_dose_header,
    load_exported_dvhs,
    load_ion_plan_header,
    load_plan,
    load_structure_set,
    load_structure_set_header,
)
from sbrtcheck.dicom.peek import HEAD_BYTES, Peek, peek, peek_bytes
from sbrtcheck.dicom.rt import RTFile, open_rt

__all__ = [
    "HEAD_BYTES",
    "RT_DOSE",
    "RT_ION_PLAN",
    "RT_PLAN",
    "RT_STRUCTURE_SET",
    "Peek",
    "RTFile",
    "class_name",
    "former_names",
    "load_dose",
    "load_dose_header",
    "load_exported_dvhs",
    "load_ion_plan_header",
    "load_plan",
    "load_structure_set",
    "load_structure_set_header",
    "open_rt",
    "peek",
    "peek_bytes",
    "refuse_dose_kind",
]
