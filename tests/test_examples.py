"""Each script in `examples/` runs on the samples, and says what the library says."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from builders import dvh_of
from sbrtcheck import compute_band, load_case

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_dicom"
PASS_PLAN = SAMPLES / "t8_30gy5_pass"
# Every script has a test below: one that is added without is missed by name.
TESTED = {
    "check_from_arrays.py",
    "compare_plans.py",
    "dvh_of_a_folder.py",
    "eqd2_of_two_courses.py",
    "near_maximum_by_convention.py",
    "population_dvh.py",
}


def run(script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(ROOT / "examples" / script), *map(str, words)]
    return subprocess.run(
        program, capture_output=True, check=True, text=True, encoding="utf-8"
    )


def test_every_example_is_run_here() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == TESTED


def test_dvhs_of_a_folder_are_those_of_the_library(tmp_path: Path) -> None:
    run("dvh_of_a_folder.py", PASS_PLAN, tmp_path / "curves.csv")

    with (tmp_path / "curves.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["roi"] == "SpinalCord"]
    case = load_case(PASS_PLAN)
    dvh = dvh_of(case.structure_set.roi("SpinalCord"), case.dose)
    assert [float(row["dose_gy"]) for row in rows] == dvh.dose_gy.tolist()
    assert [float(row["volume_cc"]) for row in rows] == dvh.volume_cc_at_dose.tolist()


def test_a_population_is_saved_as_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    done = run("population_dvh.py", SAMPLES, "SpinalCord", tmp_path / "cord.png")

    assert (tmp_path / "cord.png").read_bytes().startswith(b"\x89PNG")
    assert "29 plans" in done.stdout
    assert "t8_30gy5_wrong_rs left out" in done.stderr


def test_two_plans_are_compared() -> None:
    done = run("compare_plans.py", PASS_PLAN, SAMPLES / "t6_42gy7_cord_fail")

    row = next(
        r
        for r in done.stdout.splitlines()
        if r.startswith("SpinalCord  ") and "D0.035" in r
    )
    assert float(row.split()[2]) < 25.3 < float(row.split()[3])
    assert row.endswith("clear")


def test_a_plan_beside_itself_differs_in_nothing() -> None:
    done = run("compare_plans.py", PASS_PLAN, PASS_PLAN)

    assert "clear" not in done.stdout
    assert " +0.00 " in done.stdout


def test_eqd2_of_a_course_is_that_on_paper_and_the_sum_is_no_less() -> None:
    first, second = SAMPLES / "pair_sum_fail_t7", SAMPLES / "pair_sum_fail_t8"

    done = run("eqd2_of_two_courses.py", first, "5", second, "5")

    told = [float(line.split()[-2]) for line in done.stdout.splitlines()]
    case = load_case(first)
    near_gy = dvh_of(case.structure_set.roi("SpinalCord"), case.dose).dose_at_volume_gy(
        0.035
    )
    assert near_gy is not None
    # EQD2 is convex in dose: read between grid points it is a little more than that of the dose.
    on_paper = near_gy * (near_gy / 5 + 2) / 4
    assert on_paper - 0.01 <= told[0] <= 1.03 * on_paper
    assert max(told[:2]) <= told[2] <= told[0] + told[1]


def test_the_near_maximum_lies_in_its_interval_by_each_convention() -> None:
    done = run("near_maximum_by_convention.py", PASS_PLAN, "SpinalCord")

    *rows, interval = done.stdout.splitlines()
    words = interval.split()
    low, high = float(words[-4]), float(words[-2])
    found = [float(row.split()[3]) for row in rows]
    case = load_case(PASS_PLAN)
    value = compute_band(
        case.structure_set.roi("SpinalCord"), case.dose
    ).dose_at_volume_gy(0.035)
    assert found[0] == pytest.approx(value.value, abs=1e-3)
    assert len(found) == 4
    assert all(low - 1e-3 <= near_gy <= high + 1e-3 for near_gy in found)


def test_a_plan_of_arrays_is_judged_and_not_taken_for_proven() -> None:
    done = run("check_from_arrays.py")

    assert "SpinalCord D0.035cc" in done.stdout
    assert "nothing but the caller says" in done.stdout
    assert "Verdict: PASS" not in done.stdout
