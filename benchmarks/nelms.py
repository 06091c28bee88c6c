"""Nelms et al. 2015 (Med Phys 42:4435): contours and linear doses with published truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import openpyxl
from numpy.typing import NDArray

from known import dvh_of
from real_data import NOT_BESIDE, real_data
from sbrtcheck import DVH, ROI, DoseGrid
from sbrtcheck.dicom import load_dose, load_structure_set
from table import Row, Section, grid

__all__ = [
    "SHAPE",
    "Answers",
    "NelmsCase",
    "answers",
    "error_percent",
    "nelms_cases",
    "section",
]

Answers = Mapping[str, float | None]

HEADING = "Accuracy: Nelms 2015 (Med Phys 42:4435)"
NOTE = (
    "|error| in % of the analytical value; linear doses on 1, 2 and 3 mm grids, contours every 0.2"
    " to 3 mm. The volume's p95 is that of the slab convention itself, on rotated cylinders of 2"
    " and 3 mm spacing; the shape convention stands under 'What was tried'."
)
GRADIENTS = {"Z(AP)": "AntPost", "Y(SI)": "SupInf"}
TRUTH_COLUMNS = {"volume": 5, "D95": 10, "D5": 11, "D0.03cc": 13, "mean": 8}
SHAPE = 1  # in each structure set; the ROI before it is a point
MEDIANS = {"volume": 0.1, "D95": 0.1, "D5": 0.03, "D0.03cc": 0.35}  # to be halved
TAILS = {"volume": (2.5, 1.5), "D0.03cc": (3.0, 1.5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NelmsCase:
    """One row of the authors' workbook: two files, the spacing of the dose grid, the truth."""

    structures: Path
    dose: Path
    voxel_mm: int
    truth: Mapping[str, float]


def nelms_cases(folder: Path) -> list[NelmsCase]:
    """Return the 90 rows whose dose grids are in the set; the 0.2 mm grids are not."""
    file = folder / "analytical" / "analytical_data.xlsx"
    book = openpyxl.load_workbook(file, data_only=True, read_only=True)
    rows = list(book["Analytical"].iter_rows(values_only=True))
    book.close()
    return [_case(folder, row) for row in rows if isinstance(row[3], int | float)]


def _case(folder: Path, row: tuple[object, ...]) -> NelmsCase:
    scales = {name: 1.0 if name == "volume" else 0.01 for name in TRUTH_COLUMNS}  # cGy
    voxel_mm = round(float(str(row[3])))
    return NelmsCase(
        structures=folder / "structures" / f"{row[0]}.dcm",
        dose=folder
        / "dose"
        / f"Linear_{GRADIENTS[str(row[4])]}_{voxel_mm}mm_Aligned.dcm",
        voxel_mm=voxel_mm,
        truth={
            name: float(str(row[at])) * scales[name]
            for name, at in TRUTH_COLUMNS.items()
        },
    )


def answers(dvh: DVH) -> Answers:
    """Return what the workbook gives truth for; doses in Gy, the volume in cc."""
    return {
        "volume": dvh.volume_cc,
        "D95": dvh.dose_at_percent_gy(95),
        "D5": dvh.dose_at_percent_gy(5),
        "D0.03cc": dvh.dose_at_volume_gy(0.03),
        "mean": dvh.mean_gy,
    }


def error_percent(
    found: list[Answers], cases: list[NelmsCase]
) -> dict[str, NDArray[np.float64]]:
    """Return |found / truth - 1| of all answers in per cent, by quantity; None is left out."""
    return {
        name: np.array(
            [
                100 * abs(value / case.truth[name] - 1)
                for given, case in zip(found, cases, strict=True)
                if (value := given[name]) is not None
            ]
        )
        for name in TRUTH_COLUMNS
    }


def section(*, small: bool) -> Section:  # noqa: ARG001 - all rows cost a few seconds
    """Measure all rows."""
    folder = real_data("nelms2015")
    if folder is None:
        return Section(heading=HEADING, note=NOT_BESIDE)
    cases = nelms_cases(folder)
    found, seconds = _found(cases)
    errors = error_percent(found, cases)
    return Section(
        heading=HEADING, note=NOTE, rows=_rows(errors), details=_all(errors, seconds)
    )


def _found(cases: list[NelmsCase]) -> tuple[list[Answers], float]:
    """Return the answers to all cases, and the seconds for them without reading files."""
    doses: dict[Path, DoseGrid] = {case.dose: load_dose(case.dose) for case in cases}
    files = {case.structures for case in cases}
    rois: dict[Path, ROI] = {
        file: load_structure_set(file).rois[SHAPE] for file in files
    }
    start = perf_counter()
    found = [answers(dvh_of(rois[case.structures], doses[case.dose])) for case in cases]
    return found, perf_counter() - start


def _rows(errors: Mapping[str, NDArray[np.float64]]) -> tuple[Row, ...]:
    medians = [
        Row(
            what=f"{name}, median",
            must=must,
            reach_for=must / 2,
            measured=float(np.median(errors[name])),
            unit="%",
        )
        for name, must in MEDIANS.items()
    ]
    tails = [
        Row(
            what=f"{name}, p95",
            must=must,
            reach_for=reach_for,
            measured=float(np.percentile(errors[name], 95)),
            unit="%",
        )
        for name, (must, reach_for) in TAILS.items()
    ]
    return (*medians, *tails)


def _all(errors: Mapping[str, NDArray[np.float64]], seconds: float) -> tuple[str, ...]:
    body = [
        [name, f"{np.median(e):.3f}", f"{np.percentile(e, 95):.2f}", f"{e.max():.2f}"]
        for name, e in errors.items()
    ]
    count = min(len(e) for e in errors.values())
    closing = f"{count} rows answered in {seconds:.1f} s, files read before."
    return (
        *grid(["quantity, error in %", "median", "p95", "largest"], body),
        "",
        closing,
    )
