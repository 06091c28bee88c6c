"""Second opinions on real exports; without the folder, skipped."""

from pathlib import Path

import pytest

from sbrtcheck.crosscheck import Difference, Files, ask_others
from sbrtcheck.dicom import load_dose, load_structure_set

LARGE_CC = 10  # smaller ROIs of this plan are drawn on 2 to 4 planes


def opinions(folder: Path, structures: str, dose: str, source: str) -> list[Difference]:
    """Return what a source says of all ROIs that lie on the dose grid."""
    files = Files(folder / structures, folder / dose)
    structure_set, grid = load_structure_set(files.structure_set), load_dose(files.dose)
    rois = [roi for roi in structure_set.rois if roi.contours and roi.name != "BODY"]
    second = ask_others(rois, structure_set, grid, files)
    return [row for o in second.opinions if o.source == source for row in o.differences]


def test_eclipses_own_curves_are_explained(real_data: Path) -> None:
    """Doses to 0.1 Gy of 14 Gy, and nothing beyond contours and grid, but for tiny ROIs."""
    rows = opinions(
        real_data / "eclipse-breast-dvhseq", "rtss.dcm", "rtdose.dcm", "planning system"
    )
    five = [rows[n : n + 5] for n in range(0, len(rows), 5)]
    large = [row for roi in five if (roi[0].ours.value or 0) > LARGE_CC for row in roi]

    assert len(large) == 5 * 5
    assert [row for row in large if row.beyond] == []
    assert (
        max(abs(row.difference or 0) for row in large if row.metric.unit == "Gy") < 0.1
    )


@pytest.mark.parametrize(
    ("folder", "structures", "dose"),
    [
        ("eclipse-breast-dvhseq", "rtss.dcm", "rtdose.dcm"),
        ("pinnacle-brain-srs-5x5.5", "rtst.dcm", "rtdose.dcm"),
        ("raystation-proton-ramp/rs12_physical", "RS.dcm", "RD.dcm"),
    ],
)
def test_dicompyler_core_reads_the_same_files_as_we_do(
    real_data: Path, folder: str, structures: str, dose: str
) -> None:
    """What it answers is what whole dose voxels of our own reading come to."""
    pytest.importorskip("dicompylercore")
    rows = opinions(real_data / folder, structures, dose, "dicompyler-core")

    assert len(rows) >= 25
    assert [row for row in rows if row.beyond] == []
