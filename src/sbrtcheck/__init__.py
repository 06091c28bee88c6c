"""Verify spine SBRT plans before treatment.

The names below are public; breaking changes come only with a minor version and a line in the
changelog. They are loaded on first use, so that `sbrtcheck --help` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "DVH": "dvh",
    "Band": "dvh",
    "ROI": "model",
    "Case": "case",
    "CaseError": "errors",
    "Contour": "model",
    "Convention": "model",
    "Declared": "model",
    "DoseGrid": "model",
    "Finding": "verdict",
    "Metric": "metric",
    "MetricError": "errors",
    "Outcome": "verdict",
    "Protocol": "protocol",
    "ProtocolError": "errors",
    "ReadError": "errors",
    "SbrtCheckError": "errors",
    "StructureSet": "model",
    "UnsupportedError": "errors",
    "Value": "model",
    "Verdict": "verdict",
    "Prescription": "model",
    "Text": "model",
    "case_from_arrays": "case",
    "check": "checks",
    "compute_band": "dvh",
    "compute_dvh": "dvh",
    "curve_columns": "records",
    "curve_records": "records",
    "evaluate_metric": "metric",
    "grown": "contours",
    "load_case": "case",
    "load_protocol": "protocol",
    "metric_records": "records",
    "parse_metric": "metric",
    "sum_doses": "summation",
}

__all__ = [  # noqa: PLE0604 - the table above is the one list of names
    "__version__",
    *_HOMES,
]

if TYPE_CHECKING:
    from sbrtcheck.case import Case as Case
    from sbrtcheck.case import case_from_arrays as case_from_arrays
    from sbrtcheck.case import load_case as load_case
    from sbrtcheck.checks import check as check
    from sbrtcheck.contours import grown as grown
    from sbrtcheck.dvh import DVH as DVH
    from sbrtcheck.dvh import Band as Band
    from sbrtcheck.dvh import compute_band as compute_band
    from sbrtcheck.dvh import compute_dvh as compute_dvh
    from sbrtcheck.errors import CaseError as CaseError
    from sbrtcheck.errors import MetricError as MetricError
    from sbrtcheck.errors import ProtocolError as ProtocolError
    from sbrtcheck.errors import ReadError as ReadError
    from sbrtcheck.errors import SbrtCheckError as SbrtCheckError
    from sbrtcheck.errors import UnsupportedError as UnsupportedError
    from sbrtcheck.metric import Metric as Metric
    from sbrtcheck.metric import evaluate_metric as evaluate_metric
    from sbrtcheck.metric import parse_metric as parse_metric
    from sbrtcheck.model import ROI as ROI
    from sbrtcheck.model import Contour as Contour
    from sbrtcheck.model import Convention as Convention
    from sbrtcheck.model import Declared as Declared
    from sbrtcheck.model import DoseGrid as DoseGrid
    from sbrtcheck.model import Prescription as Prescription
    from sbrtcheck.model import StructureSet as StructureSet
    from sbrtcheck.model import Text as Text
    from sbrtcheck.model import Value as Value
    from sbrtcheck.protocol import Protocol as Protocol
    from sbrtcheck.protocol import load_protocol as load_protocol
    from sbrtcheck.records import curve_columns as curve_columns
    from sbrtcheck.records import curve_records as curve_records
    from sbrtcheck.records import metric_records as metric_records
    from sbrtcheck.summation import sum_doses as sum_doses
    from sbrtcheck.verdict import Finding as Finding
    from sbrtcheck.verdict import Outcome as Outcome
    from sbrtcheck.verdict import Verdict as Verdict


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sbrtcheck' has no attribute '{name}'")
    return getattr(import_module(f"sbrtcheck.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
