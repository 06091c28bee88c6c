"""What a planned treatment is: frozen values, with units in their names.

Everybody meets here: `dicom` makes these values, the workshop computes with them, `checks`
judges them. Nothing in this room knows of files.
"""

from sbrtcheck.model.facts import CaseFacts, Declared, PriorRadiotherapy
from sbrtcheck.model.identity import MASK, Patient, approval_term, patient_key
from sbrtcheck.model.sums import sum_doses
from sbrtcheck.model.text import Text
from sbrtcheck.model.values import (
    ROI,
    SAME_PLANE_MM,
    Beam,
    Contour,
    Convention,
    DoseGrid,
    DoseHeader,
    DoseReference,
    ExportedDVH,
    FloatArray,
    FractionGroup,
    Instance,
    Plan,
    Prescription,
    Rebuilt,
    StructureSet,
    Value,
    distinct,
    frozen_array,
    most_common_spacing_mm,
)

__all__ = [
    "MASK",
    "ROI",
    "SAME_PLANE_MM",
    "Beam",
    "CaseFacts",
    "Contour",
    "Convention",
    "Declared",
    "DoseGrid",
    "DoseHeader",
    "DoseReference",
    "ExportedDVH",
    "FloatArray",
    "FractionGroup",
    "Instance",
    "Patient",
    "Plan",
    "Prescription",
    "PriorRadiotherapy",
    "Rebuilt",
    "StructureSet",
    "Text",
    "Value",
    "approval_term",
    "distinct",
    "frozen_array",
    "most_common_spacing_mm",
    "patient_key",
    "sum_doses",
]
