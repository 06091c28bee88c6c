"""What `--crosscheck` finds on real exports: the planning system's own DVHs, and dicompyler-core's."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from real_data import NOT_BESIDE, real_data
from sbrtcheck.crosscheck import CrossCheck, Difference, Files, Opinion, ask_others
from sbrtcheck.dicom import load_dose, load_structure_set
from table import Row, Section, grid

__all__ = ["section"]

HEADING = "Cross-check over real exports"
NOTE = (
    "Every ROI with contours that lies on the dose grid: theirs less ours, median / worst of"
    " |difference|, volume in % of ours, the rest in Gy. Explained: differences that lie within our"
    " interval (reading of contours and grid), within what counting whole dose voxels gives"
    " (dicompyler-core), or half a bin of their curve beyond; of those not explained, how far the"
    " worst lies beyond. {left_out} ROIs leave their dose grid or have no answer."
)
SETS = (
    ("breast, Eclipse", "eclipse-breast-dvhseq", "rtss.dcm", "rtdose.dcm"),
    ("brain, Pinnacle", "pinnacle-brain-srs-5x5.5", "rtst.dcm", "rtdose.dcm"),
    ("head and neck, Pinnacle", "pinnacle-hn-22fx", "RS.dcm", "RD.dcm"),
    ("head and neck, 3 phases, Pinnacle", "pinnacle-hn-3phase", "RS.dcm", "RD.dcm"),
    (
        "brain, GammaPlan",
        "brain-srs-multivendor/gammaplan",
        "RS_small.dcm",
        "RD_small.dcm",
    ),
    ("boxes, RayStation", "raystation-proton-ramp/rs12_physical", "RS.dcm", "RD.dcm"),
    (
        "shapes, Oncentra, beam 1",
        "oncentra-phantom-per-beam",
        "RS.dcm",
        "RD_beam_1.dcm",
    ),
)
SMALL = SETS[-2:-1]
COLUMNS = ("volume", "Dmean", "D95%", "D0.035cc")
SOURCES = ("planning system", "dicompyler-core")


class Compared(NamedTuple):
    """What the sources say of one set."""

    name: str
    second: CrossCheck


def section(*, small: bool) -> Section:
    """Compare every ROI of every set; the small form takes one set."""
    compared = [
        Compared(name, _ask(folder, structures, dose))
        for name, place, structures, dose in (SMALL if small else SETS)
        if (folder := real_data(place)) is not None
    ]
    if not compared:
        return Section(heading=HEADING, note=NOT_BESIDE)
    left_out = sum(not o.differences for _, second in compared for o in second.opinions)
    rows = [_explained(source, compared) for source in SOURCES]
    body = [_cells(entry, source) for source in SOURCES for entry in compared]
    head = ["set", "source", "ROIs", *COLUMNS, "explained", "worst beyond"]
    return Section(
        heading=HEADING,
        note=NOTE.format(left_out=left_out),
        rows=tuple(rows),
        details=tuple(grid(head, [cells for cells in body if cells])),
    )


def _ask(folder: Path, structures: str, dose: str) -> CrossCheck:
    files = Files(folder / structures, folder / dose)
    structure_set, grid_gy = (
        load_structure_set(files.structure_set),
        load_dose(files.dose),
    )
    rois = [roi for roi in structure_set.rois if roi.contours]
    return ask_others(rois, structure_set, grid_gy, files)


def _of(entry: Compared, source: str) -> list[Opinion]:
    return [o for o in entry.second.opinions if o.source == source and o.differences]


def _judged(opinions: Sequence[Opinion]) -> list[Difference]:
    return [row for o in opinions for row in o.differences if row.beyond is not None]


def _explained(source: str, compared: Sequence[Compared]) -> Row:
    rows = _judged([o for entry in compared for o in _of(entry, source)])
    share = 100 * sum(not row.beyond for row in rows) / len(rows) if rows else None
    return Row(what=f"{source}, differences explained", measured=share, unit="%")


def _cells(entry: Compared, source: str) -> list[str]:
    """Return one set as one source sees it; nothing where it says nothing."""
    opinions = _of(entry, source)
    if not opinions:
        return []
    rows = _judged(opinions)
    explained = sum(not row.beyond for row in rows)
    beyond = [row for row in rows if row.beyond]
    worst = max(
        beyond,
        key=lambda row: abs(row.beyond or 0.0) / (row.ours.value or 1),
        default=None,
    )
    return [
        entry.name,
        source,
        str(len(opinions)),
        *(_median_and_worst(rows, column) for column in COLUMNS),
        f"{explained} of {len(rows)}",
        ""
        if worst is None
        else f"{worst.metric} {worst.beyond:+.2g} {worst.metric.unit}",
    ]


def _median_and_worst(rows: Sequence[Difference], column: str) -> str:
    sizes = [
        abs(row.difference) * (100 / row.ours.value if column == "volume" else 1)
        for row in rows
        if str(row.metric) == column and row.difference is not None and row.ours.value
    ]
    return f"{np.median(sizes):.2g} / {max(sizes):.2g}" if sizes else ""
