"""The self-test passes here, fails where the engine is changed, and says so in its sheet."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

import sbrtcheck
from sbrtcheck.phantoms import Box, Cylinder, Sphere, linear_dose
from sbrtcheck.report.selftest import render_selftest, render_selftest_json
from sbrtcheck.selftest import Answer, Truth, phantoms, run_selftest
from sbrtcheck.selftest.truth import OneAxis, Radial
from test_cli import run

SOURCE = Path(sbrtcheck.__file__).parent
# Some phantoms of each kind: enough to see a change of 1 %, in seconds.
QUICK = {
    ("patient positions", "HFS"),
    ("patient positions", "FFDL"),
    ("frame offsets", "descending"),
    ("frame offsets", "absolute"),
    ("spheres", "10 mm, Gaussian"),
    ("cylinders", "axis z, linear x"),
    ("cylinders", "axis z, linear z"),
    ("holes", "exclusive-or"),
    ("holes", "ring in ring"),
    ("cord in a penumbra", "grid 1 mm"),
    ("gaps", "2 planes missing"),
    ("gaps", "6 planes missing"),
    ("beyond the grid", "a part of a rod"),
    ("smaller than asked", "1 cc"),
}
PROGRAM = """
import sys, tempfile
from pathlib import Path
from sbrtcheck.selftest import phantoms, run_selftest
quick = {quick!r}
chosen = [p for p in phantoms() if (p.subject, p.name) in quick]
assert len(chosen) == len(quick), "a phantom was renamed"
with tempfile.TemporaryDirectory() as folder:
    answers = run_selftest(Path(folder), chosen)
print(sum(not answer.passes for answer in answers))
"""
MUTATIONS = {
    "area": (
        "contours/rings.py",
        "np.append(cross, 0.0), start) / 2",
        "np.append(cross, 0.0), start) / 1.98",
    ),
    "thickness": (
        "contours/region.py",
        "return self.high_mm - self.low_mm",
        "return 1.01 * (self.high_mm - self.low_mm)",
    ),
    "lower cap": (
        "contours/region.py",
        "low_mm = [planes[0].z_mm - spacing_mm / 2]",
        "low_mm = [planes[0].z_mm]",
    ),
    "gaps never filled": (
        "contours/region.py",
        "MOST_MISSING_PLANES = 2",
        "MOST_MISSING_PLANES = 0",
    ),
    "gaps always filled": (
        "contours/region.py",
        "MOST_MISSING_PLANES = 2",
        "MOST_MISSING_PLANES = 20",
    ),
    "exclusive-or ignored": (
        "contours/drawn.py",
        "xor = any(rings[index].xor for index in indices)",
        "xor = False",
    ),
    "holes filled": (
        "contours/drawn.py",
        "np.add.at(depth, other[inside_one], 1)",
        "pass",
    ),
    "dose scaling": (
        "dicom/dose.py",
        'root.numbers("PixelSpacing")',
        '1.01 * root.numbers("PixelSpacing")',
    ),
    "frames upside down": (
        "dicom/dose.py",
        "return origin_mm + sign * offsets",
        "return origin_mm + abs(offsets)",
    ),
    "half a voxel": (
        "dicom/dose.py",
        "column_mm = origin[order[2]]",
        "column_mm = spacing[1] / 2 + origin[order[2]]",
    ),
    "rows and columns": (
        "dicom/dose.py",
        "signs[1] * spacing[0]",
        "signs[1] * spacing[1]",
    ),
    "linear reading": (
        "dvh/reading.py",
        "np.stack([1 - share, share])",
        "np.stack([1.01 - share, share])",
    ),
    "nearest instead of linear": (
        "dvh/reading.py",
        "np.stack([1 - share, share])",
        "np.stack([1.0 * (share < 0.5), 1.0 * (share >= 0.5)])",
    ),
    "mean of a cell": ("dvh/cells.py", "mean_gy /= 6", "mean_gy /= 5.94"),
    "curve": (
        "dvh/compute.py",
        "frozen_array(kept(measured.edges_gy), ndim=1)",
        "frozen_array(1.01 * kept(measured.edges_gy), ndim=1)",
    ),
    "mean": (
        "dvh/compute.py",
        "measured.dose_gy_cc / inside_cc",
        "measured.dose_gy_cc / inside_cc * 1.01",
    ),
    "maximum": (
        "dvh/compute.py",
        "high_gy = max(high_gy, float(wall.dose_gy.max()))",
        "high_gy = max(high_gy, 0.99 * float(wall.dose_gy.max()))",
    ),
    "volume beyond the grid": (
        "dvh/compute.py",
        "outside_cc, scale = volume_cc - inside_cc, 1.0",
        "outside_cc, scale = 0.0, 1.0",
    ),
    "0 for unknown": (
        "dvh/curve.py",
        "return self.dose_inside_gy(volume_cc) if self.is_complete else None",
        "return self.dose_inside_gy(volume_cc) or 0.0",
    ),
    "volume at dose": (
        "dvh/curve.py",
        "return float(\n            np.interp(dose_gy, self.dose_gy, self.volume_cc_at_dose, right=0.0)",
        "return 1.01 * float(\n            np.interp(dose_gy, self.dose_gy, self.volume_cc_at_dose, right=0.0)",
    ),
}


def failures_of(source: Path) -> int:
    """Return how many answers fail; a crash counts as one, for `selftest` ends without a pass."""
    program = [sys.executable, "-c", PROGRAM.format(quick=QUICK)]
    done = subprocess.run(
        program,
        capture_output=True,
        check=False,
        text=True,
        env={"PYTHONPATH": str(source.parent)},
    )
    return int(done.stdout) if done.returncode == 0 else 1


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("mutated") / "sbrtcheck"
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("__pycache__"))
    if not (target / "protocols").is_dir():
        shutil.copytree(SOURCE.parents[1] / "protocols", target / "protocols")
    return target


def test_the_engine_as_it_is_passes(copied: Path) -> None:
    assert failures_of(copied) == 0


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_line_of_the_engine_fails(copied: Path, name: str) -> None:
    file, old, new = MUTATIONS[name]
    path = copied / file
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1, (
        f"{file} no longer holds the line to be changed: {old}"
    )
    path.write_text(source.replace(old, new), encoding="utf-8")
    try:
        assert failures_of(copied) > 0
    finally:
        path.write_text(source, encoding="utf-8")


# --- Truth ---------------------------------------------------------------------------------------


def test_a_ramp_over_a_box_is_even() -> None:
    box = Box(size_mm=(10.0, 10.0, 10.0))
    known = OneAxis(box, "x", lambda x_mm: 30 + x_mm)

    assert known.mean_gy == pytest.approx(30, abs=1e-6)
    assert known.dose_at_volume_gy(0.2) == pytest.approx(33, abs=1e-9)
    assert known.volume_at_dose_cc(27) == pytest.approx(0.8, abs=1e-9)
    assert (known.min_gy, known.max_gy) == pytest.approx((25, 35), abs=1e-6)


def test_a_falling_dose_is_the_mirror_of_a_rising_one() -> None:
    ball = Sphere(radius_mm=7.0)
    rises = OneAxis(ball, "y", lambda y_mm: 30 + y_mm)
    falls = OneAxis(ball, "y", lambda y_mm: 30 - y_mm, rises=False)

    for share in (0.02, 0.5, 0.95):
        asked_cc = share * ball.volume_cc
        assert falls.dose_at_volume_gy(asked_cc) == pytest.approx(
            rises.dose_at_volume_gy(asked_cc), abs=1e-9
        )


def test_the_mean_over_a_rod_is_that_of_a_quadrature() -> None:
    """Chords of the circle weigh the dose: integrated by SciPy instead of by slices."""
    rod = Cylinder(radius_mm=5.0, length_mm=40.0)
    field = linear_dose(gradient_gy_per_mm=1.0, axis="y", at_origin_gy=3.0)

    def squared_gy(y_mm: np.ndarray) -> np.ndarray:
        return (3 + y_mm) ** 2

    known = OneAxis(rod, "y", squared_gy)
    whole, _ = quad(lambda y: (3 + y) ** 2 * 2 * np.sqrt(25 - y**2), -5, 5)
    # Not monotone below -3 mm, which only the mean may ignore.
    assert known.mean_gy == pytest.approx(whole / (np.pi * 25), rel=1e-5)
    assert field.dose_gy_at(np.zeros(1), np.ones(1), np.zeros(1))[0] == pytest.approx(
        4.0
    )


def test_a_hot_spot_in_a_ball_is_known_by_its_shells() -> None:
    ball = Sphere(radius_mm=10.0)
    known = Radial(ball, lambda r_mm: 40 * np.exp(-(r_mm**2) / 200))
    whole, _ = quad(lambda r: 40 * np.exp(-(r**2) / 200) * 4 * np.pi * r**2, 0, 10)

    assert known.mean_gy == pytest.approx(whole / (4 / 3 * np.pi * 1000), rel=1e-5)
    assert known.dose_at_volume_gy(ball.volume_cc / 8) == pytest.approx(
        40 * np.exp(-25 / 200)
    )


# --- The sheet -----------------------------------------------------------------------------------


def answer(measured: float | None, value: float | None = 10.0) -> Answer:
    truth = Truth(metric="D95%", value=value, allowed=0.1, why="digits")
    return Answer(
        subject="spheres", phantom="10 mm", truth=truth, measured=measured, unit="Gy"
    )


@pytest.mark.parametrize(
    ("measured", "value", "passes"),
    [
        (10.09, 10.0, True),
        (9.89, 10.0, False),
        (None, 10.0, False),
        (None, None, True),
        (0.0, None, False),
    ],
)
def test_an_answer_passes_within_its_allowed_error(
    measured: float | None, value: float | None, passes: bool
) -> None:
    assert answer(measured, value).passes is passes


def test_a_failing_answer_is_shown_even_where_only_the_worst_are() -> None:
    page = render_selftest([answer(10.0), answer(9.0)], {"sbrtcheck": "x"}, width=110)

    assert "Self-test: FAIL, 1 of 2" in page
    assert "-1.0000" in page


def test_the_sheet_holds_every_answer_and_what_was_tested() -> None:
    sheet = json.loads(
        render_selftest_json([answer(10.0), answer(None)], {"numpy": "2"})
    )

    assert sheet["outcome"] == "FAIL"
    assert sheet["numpy"] == "2"
    assert [row["measured"] for row in sheet["answers"]] == [10.0, None]


def test_the_phantoms_cover_what_they_should(tmp_path: Path) -> None:
    chosen = list(phantoms())

    assert len({(p.subject, p.name) for p in chosen}) == len(chosen)
    assert {p.position for p in chosen} >= {"HFS", "FFP", "HFDL", "FFDR"}
    assert {p.offsets for p in chosen} == {"relative", "descending", "absolute"}
    seen: list[str] = []
    answers = run_selftest(tmp_path, chosen[:2], done=seen.append)
    assert seen == ["patient positions: HFS", "patient positions: HFP"]
    assert len(answers) == len(chosen[0].truths) + len(chosen[1].truths)


def test_the_command_writes_a_dated_sheet_and_passes(tmp_path: Path) -> None:
    done = run("selftest", "--out", tmp_path)

    assert done.returncode == 0, done.stdout
    assert "Self-test: PASS" in done.stdout
    text, sheet = (
        next(tmp_path.glob(f"sbrtcheck-selftest-20??-??-??.{s}"))
        for s in ("txt", "json")
    )
    answers = json.loads(sheet.read_text(encoding="utf-8"))["answers"]
    assert len(answers) > 300
    assert all(row["passes"] for row in answers)
    assert "cord in a penumbra" in text.read_text(encoding="utf-8")


def test_a_sheet_that_cannot_be_written_is_refused_in_a_sentence(
    tmp_path: Path,
) -> None:
    done = run("selftest", "--out", tmp_path / "not" / "there")

    assert done.returncode == 2
    assert "--out" in done.stderr
    assert "Traceback" not in done.stderr
