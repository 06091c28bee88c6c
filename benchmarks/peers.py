"""The Nelms 2015 rows as other open engines answer them, beside ours in the same run."""

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicompyler import NOT_INSTALLED, dicompyler_answers, dicompyler_dvh
from known import dvh_of
from nelms import SHAPE, Answers, NelmsCase, answers, error_percent, nelms_cases
from plastimatch import plastimatch_answers, plastimatch_version
from real_data import NOT_BESIDE, real_data
from sbrtcheck.dicom import load_dose, load_structure_set
from table import Section, grid

__all__ = ["section"]

HEADING = "Other engines on the Nelms 2015 rows"
NOTE = (
    "|error| in % of the analytical value, median / p95, over {count} rows; empty: rows that an"
    " engine answers with no volume, left out of its errors. Seconds for all rows, each read from"
    " its two files anew; plastimatch in processes of its own, without a CT to take voxels from. dicompyler-core's"
    " finer settings are the best of those tried for volume and for the near-maximum: a quarter of"
    " the voxel in plane and structure extents, without and with two segments between planes."
)
QUANTITIES = ("volume", "D95", "D5", "D0.03cc", "mean")
EVERY = 45  # row, in the small form
ROI_NUMBER = 2

Engine = Callable[[NelmsCase], Answers]


def section(*, small: bool) -> Section:
    """Measure all engines at hand; the small form takes few rows."""
    folder = real_data("nelms2015")
    if folder is None:
        return Section(heading=HEADING, note=NOT_BESIDE)
    cases = nelms_cases(folder)[:: EVERY if small else 1]
    body = [_cells(name, engine, cases) for name, engine in _engines().items()]
    head = ["engine", *QUANTITIES, "empty", "seconds"]
    note = NOTE.format(count=len(cases))
    return Section(heading=HEADING, note=note, details=tuple(grid(head, body)))


def _engines() -> dict[str, Engine | str]:
    """Return the engines by name; of one that is missing, the sentence that says so."""
    settings: dict[str, Callable[[NelmsCase], dict[str, Any]]] = {
        "dicompyler-core, default": _default,
        "dicompyler-core, finer in plane": _finer,
        "dicompyler-core, finer in plane and between": _finer_between,
    }
    there = dicompyler_dvh() is not None
    version = plastimatch_version()
    return {
        "sbrtcheck": _ours,
        **{
            name: partial(_dicompyler, setting) if there else NOT_INSTALLED
            for name, setting in settings.items()
        },
        f"plastimatch {version or ''}".rstrip(): (
            _plastimatch if version else "plastimatch is not installed: not measured"
        ),
    }


def _cells(name: str, engine: Engine | str, cases: list[NelmsCase]) -> list[str]:
    if isinstance(engine, str):
        return [name, engine, *[""] * (len(QUANTITIES) + 1)]
    start = perf_counter()
    found = [engine(case) for case in cases]
    seconds = perf_counter() - start
    errors = error_percent(found, cases)
    sizes = [_summary(errors[what]) for what in QUANTITIES]
    empty = sum(given["volume"] is None for given in found)
    return [name, *sizes, str(empty), f"{seconds:.1f}"]


def _summary(errors: NDArray[np.float64]) -> str:
    if not errors.size:
        return "none"
    return f"{np.median(errors):.2f} / {np.percentile(errors, 95):.1f}"


def _ours(case: NelmsCase) -> Answers:
    roi = load_structure_set(case.structures).rois[SHAPE]
    return answers(dvh_of(roi, load_dose(case.dose)))


def _dicompyler(
    settings: Callable[[NelmsCase], dict[str, Any]], case: NelmsCase
) -> Answers:
    return dicompyler_answers(case.structures, case.dose, ROI_NUMBER, settings(case))


def _default(_: NelmsCase) -> dict[str, Any]:
    return {}


def _finer(case: NelmsCase) -> dict[str, Any]:
    return {
        "use_structure_extents": True,
        "interpolation_resolution": case.voxel_mm / 4,
    }


def _finer_between(case: NelmsCase) -> dict[str, Any]:
    return {**_finer(case), "interpolation_segments_between_planes": 2}


def _plastimatch(case: NelmsCase) -> Answers:
    return plastimatch_answers(case.structures, case.dose)
