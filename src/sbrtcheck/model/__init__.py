"""What a planned treatment is: frozen values, with units in their names.

Everybody meets here: `dicom` makes these values, the workshop computes with them, `checks`
judges them. Nothing in this room knows of files.
"""

from sbrtcheck.model.facts import CaseFacts, Declared, PriorRadiotherapy
from sbrtcheck.model.frozen import sealed
from sbrtcheck.model.identity import (
    MASK,
    Patient,
    approval_term,
    names_agree,
    patient_key,
)
from sbrtcheck.model.sums import FaceBounds, Sums, sum_doses, sum_of_courses
from sbrtcheck.model.text import Text
from sbrtcheck.model.values import (
    MOST_CORNERS,
    NEXT_PLANE,
    ONE_PLANE,
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
    main_spacing_mm,
    same_patient,
    shortened,
)

__all__ = [
    "MASK",
    "MOST_CORNERS",
    "NEXT_PLANE",
    "ONE_PLANE",
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
    "FaceBounds",
    "FloatArray",
    "FractionGroup",
    "Instance",
    "Patient",
    "Plan",
    "Prescription",
    "PriorRadiotherapy",
    "Rebuilt",
    "StructureSet",
    "Sums",
    "Text",
    "Value",
    "approval_term",
    "distinct",
    "frozen_array",
    "main_spacing_mm",
    "names_agree",
    "patient_key",
    "same_patient",
    "sealed",
    "shortened",
    "sum_doses",
    "sum_of_courses",
]
