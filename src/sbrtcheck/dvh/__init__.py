"""Dose, occupancy and thickness become volume per dose."""

from sbrtcheck.dvh.band import Band, compute_band
from sbrtcheck.dvh.compute import compute_dvh
from sbrtcheck.dvh.curve import DVH, DVHResult, NoDose, NothingDrawn, add_dvhs
from sbrtcheck.dvh.exported import dvh_of_exported
from sbrtcheck.dvh.islands import high_dose_lies_about

__all__ = [
    "DVH",
    "Band",
    "DVHResult",
    "NoDose",
    "NothingDrawn",
    "add_dvhs",
    "compute_band",
    "compute_dvh",
    "dvh_of_exported",
    "high_dose_lies_about",
]
