"""Synthetic bodies and doses of known truth."""

from sbrtcheck.phantoms.solids import (
    Axis,
    Box,
    Cone,
    Cylinder,
    DoseField,
    Solid,
    Sphere,
    Tube,
    even_axis,
    gaussian_dose,
    linear_dose,
    logistic_dose,
)

__all__ = [
    "Axis",
    "Box",
    "Cone",
    "Cylinder",
    "DoseField",
    "Solid",
    "Sphere",
    "Tube",
    "even_axis",
    "gaussian_dose",
    "linear_dose",
    "logistic_dose",
]
