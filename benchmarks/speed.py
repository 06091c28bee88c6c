"""What the ROIs of a real plan cost, and what they cost dicompyler-core."""

import statistics
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pydicom

from clock import median_ratio, take_turns
from dicompyler import NOT_INSTALLED, dicompyler_dvh
from real_data import NOT_BESIDE, real_data
from sbrtcheck import ROI, DoseGrid, compute_dvh
from sbrtcheck.dicom import load_dose, load_structure_set
from table import Row, Section

__all__ = ["section"]

HEADING = "Speed and memory: a breast plan"
NOTE = (
    "Structure set and dose are read before. Medians of {rounds} rounds in which both engines take"
    " turns; milliseconds hang on the machine, ratios far less. dicompyler-core: `get_dvh` of"
    " loaded data sets, default settings. Memory: the peak that Python and NumPy trace above the"
    " dose array and the contours."
)
ROUNDS = 5
FEW_ROUNDS = 3
NOISE = 0.5  # two busy cores; the engines' ratio moves with the caches
MEMORY_NOISE = 0.1
GROUPS = ("8 ROIs", "BODY")


def section(*, small: bool) -> Section:
    """Measure time, ratio and memory; the small form takes fewer rounds, and BODY only here."""
    folder = real_data("eclipse-breast-dvhseq")
    if folder is None:
        return Section(heading=HEADING, note=NOT_BESIDE)
    rounds = FEW_ROUNDS if small else ROUNDS
    dose = load_dose(folder / "rtdose.dcm")
    groups = dict(zip(GROUPS, _groups(folder), strict=True))
    ours: dict[str, Callable[[], None]] = {
        name: partial(_compute, rois, dose) for name, rois in groups.items()
    }
    theirs = _theirs(
        folder, {name: groups[name] for name in (GROUPS[:1] if small else GROUPS)}
    )
    calls: dict[str, Callable[[], None]] = {
        f"{name} here": call for name, call in ours.items()
    }
    calls |= {f"{name} there": call for name, call in theirs.items()}
    times = take_turns(calls, rounds)
    rows = (*_time_rows(times), *_ratio_rows(times), *_memory_rows(ours))
    note = NOTE.format(rounds=rounds) + ("" if theirs else f" {NOT_INSTALLED}.")
    return Section(heading=HEADING, note=note, rows=rows)


def _groups(folder: Path) -> tuple[list[ROI], list[ROI]]:
    """Return the ROIs with contours but BODY, and BODY alone."""
    rois = [roi for roi in load_structure_set(folder / "rtss.dcm").rois if roi.contours]
    return (
        [roi for roi in rois if roi.name != "BODY"],
        [roi for roi in rois if roi.name == "BODY"],
    )


def _compute(rois: Sequence[ROI], dose: DoseGrid) -> None:
    for roi in rois:
        compute_dvh(roi, dose)


def _theirs(
    folder: Path, groups: dict[str, list[ROI]]
) -> dict[str, Callable[[], None]]:
    """Return the same work for dicompyler-core; nothing where it is not installed."""
    get_dvh = dicompyler_dvh()
    if get_dvh is None:
        return {}
    structures = pydicom.dcmread(folder / "rtss.dcm")
    dose = pydicom.dcmread(folder / "rtdose.dcm")

    def compute(rois: Sequence[ROI]) -> None:
        for roi in rois:
            get_dvh(structures, dose, roi.number)

    return {name: partial(compute, rois) for name, rois in groups.items()}


def _time_rows(times: dict[str, list[float]]) -> list[Row]:
    limits_ms = {"8 ROIs": (80.0, 40.0), "BODY": (150.0, 60.0)}
    ours = [
        Row(
            what=f"{name}, time",
            must=must,
            reach_for=reach_for,
            measured=1000 * statistics.median(times[f"{name} here"]),
            unit="ms",
            noise=None,
        )
        for name, (must, reach_for) in limits_ms.items()
    ]
    theirs = [
        Row(
            what=f"{name}, time of dicompyler-core",
            measured=1000 * statistics.median(times[f"{name} there"]),
            unit="ms",
        )
        for name in GROUPS
        if f"{name} there" in times
    ]
    return ours + theirs


def _ratio_rows(times: dict[str, list[float]]) -> list[Row]:
    return [
        Row(
            what=f"{name}, faster than dicompyler-core",
            must=10.0,
            reach_for=25.0,
            measured=(
                median_ratio(times[f"{name} there"], times[f"{name} here"])
                if f"{name} there" in times
                else None
            ),
            unit="x",
            more_is_better=True,
            noise=NOISE,
        )
        for name in GROUPS
    ]


def _memory_rows(calls: dict[str, Callable[[], None]]) -> list[Row]:
    return [
        Row(
            what=f"{name}, peak memory",
            must=100.0,
            reach_for=50.0,
            measured=_peak_mb(call),
            unit="MB",
            noise=MEMORY_NOISE,
        )
        for name, call in calls.items()
    ]


def _peak_mb(call: Callable[[], None]) -> float:
    """Return how far the traced memory rises above what is held before the call."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (peak - before) / 1e6
