"""`sbrtcheck dvh`: curves and metrics without a verdict, on the page and as CSV."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sbrtcheck import ROI, DoseGrid, compute_dvh
from sbrtcheck.model import Patient
from sbrtcheck.phantoms import Box, even_axis
from sbrtcheck.report.dvhs import curves_csv
from sbrtcheck.report.words import Voice
from test_cli import PASS_PLAN, run


def box(name: str, size_mm: float) -> ROI:
    return Box(size_mm=(size_mm, size_mm, size_mm)).roi(name, spacing_mm=2)


def even_dose() -> DoseGrid:
    axis = even_axis(-20, 20, 2)
    return DoseGrid(
        dose_gy=np.full((axis.size,) * 3, 20.0), x_mm=axis, y_mm=axis, z_mm=axis
    )


def test_dvh_shows_every_roi_and_judges_nothing() -> None:
    done = run("dvh", PASS_PLAN)

    assert done.returncode == 0
    assert "SpinalCord_PRV02" in done.stdout
    assert "nothing is judged" in done.stdout
    assert "PASS" not in done.stdout
    lungs = next(line for line in done.stdout.splitlines() if line.startswith("Lungs"))
    assert lungs.split()[2:] == ["?"] * 6  # they leave the grid


def test_dvh_answers_the_metrics_asked_for_of_the_rois_asked_for() -> None:
    done = run("dvh", PASS_PLAN, "-s", "SpinalCord", "-m", "D0.035cc", "-m", "D500cc")

    rows = [line for line in done.stdout.splitlines() if line.startswith("SpinalCord")]
    assert len(rows) == 2
    assert "Gy" in rows[0]
    assert "?" in rows[1].split()
    assert "less than the 500 cc" in rows[1]


def test_dvh_writes_curves_as_csv() -> None:
    done = run("dvh", PASS_PLAN, "-s", "PTV_T8", "--csv", "-")

    lines = done.stdout.splitlines()
    assert lines[0] == "roi,dose_gy,volume_cc,volume_percent"
    volumes = [float(line.split(",")[2]) for line in lines[1:]]
    assert volumes == sorted(volumes, reverse=True)
    assert volumes[-1] == 0


def test_dvh_writes_metrics_as_csv_that_a_spreadsheet_opens(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"

    done = run("dvh", PASS_PLAN, "-s", "PTV_T8", "-m", "V100%", "--csv", str(file))

    assert done.returncode == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    header, row = file.read_text(encoding="utf-8-sig").splitlines()
    assert header == "roi,metric,value,low,high,unit,reason"
    assert row.startswith("PTV_T8,V100%,9")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-s", "Cordx"), "no ROI is called or taken for 'Cordx'"),
        (("-m", "D0.03xcc"), "not a metric"),
        (("-m", "CI.paddick"), "needs isodose volumes"),
        (("--csv", "/nowhere/at/all.csv"), "cannot be written"),
        (("--rx", "20Gy/4"), "--rx"),
    ],
)
def test_dvh_refuses_in_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    done = run("dvh", PASS_PLAN, *words)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "＝", "＋", "－", "＠"])
def test_a_name_that_is_a_formula_is_text_in_a_cell(start: str) -> None:
    dvh = compute_dvh(box(f'{start}HYPERLINK("x")', 10), even_dose())

    rows = curves_csv([dvh], Voice(Patient(), phi=True))

    (name, *_) = next(csv.reader(rows.splitlines()[1:]))
    assert name == f'\'{start}HYPERLINK("x")'


def test_what_names_the_patient_is_masked_in_a_cell() -> None:
    dvh = compute_dvh(box("Cord Zhao", 10), even_dose())

    rows = curves_csv([dvh], Voice(Patient(name="Zhao^Yi"), phi=False))

    assert "Zhao" not in rows
