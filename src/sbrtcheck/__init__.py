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
    "Case": "dossier",
    "CaseError": "errors",
    "Contour": "model",
    "Convention": "model",
    "Declared": "model",
    "DoseGrid": "model",
    "DVHResult": "dvh",
    "Finding": "checks.verdict",
    "LargeError": "errors",
    "Metric": "protocol.metric",
    "MetricError": "errors",
    "NoDose": "dvh",
    "NothingDrawn": "dvh",
    "Outcome": "checks.verdict",
    "Protocol": "protocol.rules",
    "ProtocolError": "errors",
    "ReadError": "errors",
    "SbrtCheckError": "errors",
    "StructureSet": "model",
    "UnsupportedError": "errors",
    "Value": "model",
    "Verdict": "checks.verdict",
    "Prescription": "model",
    "Text": "model",
    "case_from_arrays": "dossier",
    "check": "checks.judge",
    "compute_band": "dvh",
    "compute_dvh": "dvh",
    "curve_columns": "report.records",
    "curve_records": "report.records",
    "evaluate_metric": "protocol.evaluate",
    "grown": "contours",
    "load_case": "dossier",
    "load_dose": "dicom",
    "load_plan": "dicom",
    "load_protocol": "protocol.load",
    "load_structure_set": "dicom",
    "metric_columns": "report.records",
    "metric_records": "report.records",
    "parse_metric": "protocol.metric",
    "sum_doses": "model",
}

__all__ = [  # noqa: PLE0604 - the table above is the one list of names
    "__version__",
    *_HOMES,
]

if TYPE_CHECKING:
    from sbrtcheck.checks.judge import check as check
    from sbrtcheck.checks.verdict import Finding as Finding
    from sbrtcheck.checks.verdict import Outcome as Outcome
    from sbrtcheck.checks.verdict import Verdict as Verdict
    from sbrtcheck.contours import grown as grown
    from sbrtcheck.dicom import load_dose as load_dose
    from sbrtcheck.dicom import load_plan as load_plan
    from sbrtcheck.dicom import load_structure_set as load_structure_set
    from sbrtcheck.dossier import Case as Case
    from sbrtcheck.dossier import case_from_arrays as case_from_arrays
    from sbrtcheck.dossier import load_case as load_case
    from sbrtcheck.dvh import DVH as DVH
    from sbrtcheck.dvh import Band as Band
    from sbrtcheck.dvh import DVHResult as DVHResult
    from sbrtcheck.dvh import NoDose as NoDose
    from sbrtcheck.dvh import NothingDrawn as NothingDrawn
    from sbrtcheck.dvh import compute_band as compute_band
    from sbrtcheck.dvh import compute_dvh as compute_dvh
    from sbrtcheck.errors import CaseError as CaseError
    from sbrtcheck.errors import LargeError as LargeError
    from sbrtcheck.errors import MetricError as MetricError
    from sbrtcheck.errors import ProtocolError as ProtocolError
    from sbrtcheck.errors import ReadError as ReadError
    from sbrtcheck.errors import SbrtCheckError as SbrtCheckError
    from sbrtcheck.errors import UnsupportedError as UnsupportedError
    from sbrtcheck.model import ROI as ROI
    from sbrtcheck.model import Contour as Contour
    from sbrtcheck.model import Convention as Convention
    from sbrtcheck.model import Declared as Declared
    from sbrtcheck.model import DoseGrid as DoseGrid
    from sbrtcheck.model import Prescription as Prescription
    from sbrtcheck.model import StructureSet as StructureSet
    from sbrtcheck.model import Text as Text
    from sbrtcheck.model import Value as Value
    from sbrtcheck.model import sum_doses as sum_doses
    from sbrtcheck.protocol.evaluate import evaluate_metric as evaluate_metric
    from sbrtcheck.protocol.load import load_protocol as load_protocol
    from sbrtcheck.protocol.metric import Metric as Metric
    from sbrtcheck.protocol.metric import parse_metric as parse_metric
    from sbrtcheck.protocol.rules import Protocol as Protocol
    from sbrtcheck.report.records import curve_columns as curve_columns
    from sbrtcheck.report.records import curve_records as curve_records
    from sbrtcheck.report.records import metric_columns as metric_columns
    from sbrtcheck.report.records import metric_records as metric_records


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sbrtcheck' has no attribute '{name}'")
    return getattr(import_module(f"sbrtcheck.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
