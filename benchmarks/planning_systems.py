"""Whole curves beside those of a planning system."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from known import dvh_of
from real_data import NOT_BESIDE, real_data
from sbrtcheck import DVH, DoseGrid
from sbrtcheck.dicom import load_dose, load_structure_set
from table import Row, Section

__all__ = ["section"]

HEADING = "Agreement with a planning system"
NOTE = (
    "Mean |difference| from Eclipse's curve, in % of volume, each curve in % of its own volume. The"
    " breast plan has contours every 3 mm and is for information."
)
MUST, REACH_FOR = 0.05, 0.02

Floats = NDArray[np.float64]


def section(*, small: bool) -> Section:
    """Compare the prostate plan and, but for the small form, the breast plan."""
    prostate, breast = (
        real_data("eclipse-prostate-rando"),
        real_data("eclipse-breast-dvhseq"),
    )
    if prostate is None or breast is None:
        return Section(heading=HEADING, note=NOT_BESIDE)
    rows = _prostate(prostate) + ([] if small else _breast(breast))
    return Section(heading=HEADING, note=NOTE, rows=tuple(rows))


def _difference_percent(dvh: DVH, dose_gy: Floats, percent: Floats) -> float:
    """Return the mean difference where either curve is above zero."""
    ours = 100 * np.interp(dose_gy, dvh.dose_gy, dvh.volume_cc_at_dose, right=0.0)
    used = (percent > 0) | (ours > 0)
    return float(np.abs(ours / (dvh.volume_cc or 1.0) - percent)[used].mean())


def _prostate(folder: Path) -> list[Row]:
    structures, dose = (
        load_structure_set(folder / "RS.dcm"),
        _nrrd_dose(folder / "RTDOSE.nrrd"),
    )
    with (folder / "EclipseProstate_DvhTable_Eclipse.csv").open(
        encoding="utf-8"
    ) as file:
        table = list(csv.reader(file))
    return [
        Row(
            what=f"prostate plan, {name}",
            must=MUST,
            reach_for=REACH_FOR,
            measured=_difference_percent(
                dvh_of(structures.roi(name), dose), *_column(table, name)
            ),
            unit="%",
        )
        for name in ("PTV", "Bladder")
    ]


def _column(table: list[list[str]], name: str) -> tuple[Floats, Floats]:
    """Return the doses in Gy and the volumes in % of one ROI."""
    at = next(
        i for i, head in enumerate(table[0]) if head.startswith(f"{name}_DvhArray Dose")
    )
    curve = np.array(
        [[float(row[at]), float(row[at + 1])] for row in table[1:] if row[at]]
    )
    return curve[:, 0], curve[:, 1]


def _nrrd_dose(path: Path) -> DoseGrid:
    """Read the prostate plan's dose, which is not at hand as DICOM: 2.5 mm, 32-bit floats."""
    header, _, packed = path.read_bytes().partition(b"\n\n")
    fields = dict(
        line.split(": ", 1)
        for line in header.decode("ascii").splitlines()
        if ": " in line
    )
    columns, rows, frames = map(int, fields["sizes"].split())
    origin_mm = [float(word) for word in fields["space origin"].strip("()").split(",")]
    dose_gy = np.frombuffer(gzip.decompress(packed), "<f4").reshape(
        frames, rows, columns
    )
    x_mm, y_mm, z_mm = (
        np.asarray(start_mm + 2.5 * np.arange(count), dtype=np.float64)
        for start_mm, count in zip(origin_mm, (columns, rows, frames), strict=True)
    )
    return DoseGrid(dose_gy=dose_gy.astype(np.float64), x_mm=x_mm, y_mm=y_mm, z_mm=z_mm)


def _breast(folder: Path) -> list[Row]:
    """Compare with the DVH Sequence of the RT Dose itself (PS3.3 C.8.8.4)."""
    structures, dose = (
        load_structure_set(folder / "rtss.dcm"),
        load_dose(folder / "rtdose.dcm"),
    )
    rois = {roi.number: roi for roi in structures.rois}
    rows = []
    for item in pydicom.dcmread(folder / "rtdose.dcm").DVHSequence:
        roi = rois[int(item.DVHReferencedROISequence[0].ReferencedROINumber)]
        data = np.array(item.DVHData, dtype=float).reshape(-1, 2)
        dose_gy = np.concatenate([[0.0], np.cumsum(data[:-1, 0])]) * float(
            item.DVHDoseScaling
        )
        percent = 100 * np.clip(data[:, 1], 0, None) / data[0, 1]
        difference = _difference_percent(dvh_of(roi, dose), dose_gy, percent)
        rows.append(Row(what=f"breast plan, {roi.name}", measured=difference, unit="%"))
    return rows
