"""Measure accuracy and speed, and write `results.md` beside this file.

    python benchmarks/run.py

Accuracy needs the Nelms 2015 benchmark beside the checkout; without it that table says so. Times
are ratios within one run: each round runs both processes, and medians are quoted.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import openpyxl

from sbrtcheck import ROI, DoseGrid, compute_dvh
from sbrtcheck.dicom import load_dose, load_structure_set

ROOT = Path(__file__).parents[1]
NELMS = ROOT.parent / "shared" / "data" / "nelms2015"
SAMPLE = ROOT / "sample_dicom" / "t8_30gy5_pass"
ROUNDS = 15
GRADIENTS = {"Z(AP)": "AntPost", "Y(SI)": "SupInf"}
MUST_MEDIAN = {"volume": 0.1, "D95": 0.1, "D5": 0.03, "D0.03cc": 0.35}
MUST_P95 = {"volume": 2.5, "D0.03cc": 3.0}

NELMS_NOTE = (
    "|error| in % of the analytical value; linear doses on 1, 2 and 3 mm grids, contours every 0.2"
    " to 3 mm. The volume's p95 is that of the slab convention itself, on rotated cylinders of 2 and"
    " 3 mm spacing."
)
BARE = """
import numpy, pydicom
for name in ("RP", "RS", "RD"):
    pydicom.dcmread(rf"{folder}/{{name}}.dcm")
"""


def nelms_errors() -> tuple[dict[str, list[float]], float]:
    """Return the errors of 90 rows in percent of truth, by quantity, and the seconds for all."""
    book = openpyxl.load_workbook(
        NELMS / "analytical" / "analytical_data.xlsx", data_only=True, read_only=True
    )
    rows = [row for row in book["Analytical"].iter_rows(min_row=2, values_only=True) if row[0]]
    doses: dict[tuple[str, int], DoseGrid] = {}
    rois: dict[str, ROI] = {}
    errors: dict[str, list[float]] = {
        name: [] for name in ("volume", "D95", "D5", "D0.03cc", "mean")
    }
    seconds = 0.0
    for row in rows:
        structure, voxel, gradient = str(row[0]), row[3], str(row[4])
        if not isinstance(voxel, int | float):
            continue  # the 0.2 mm grids are not part of the set
        key = (gradient, int(voxel))
        if key not in doses:
            doses[key] = load_dose(
                NELMS / "dose" / f"Linear_{GRADIENTS[gradient]}_{int(voxel)}mm_Aligned.dcm"
            )
        if structure not in rois:
            rois[structure] = load_structure_set(NELMS / "structures" / f"{structure}.dcm").rois[1]
        start = time.perf_counter()
        dvh = compute_dvh(rois[structure], doses[key])
        found = {
            "volume": dvh.volume_cc,
            "D95": dvh.dose_at_percent_gy(95),
            "D5": dvh.dose_at_percent_gy(5),
            "D0.03cc": dvh.dose_at_volume_gy(0.03),
            "mean": dvh.mean_gy,
        }
        seconds += time.perf_counter() - start
        truth = {
            "volume": row[5],
            "D95": row[10] / 100,
            "D5": row[11] / 100,
            "D0.03cc": row[13] / 100,
            "mean": row[8] / 100,
        }
        for name, value in found.items():
            if value is None:
                raise SystemExit(f"{structure}: no {name}")
            errors[name].append(100 * (value - truth[name]) / truth[name])
    return errors, seconds


def nelms_table() -> list[str]:
    """Return the accuracy table as lines of Markdown."""
    if not NELMS.is_dir():
        return ["The benchmark data are not beside this checkout: not measured."]
    errors, seconds = nelms_errors()
    lines = [
        "| quantity | median | must | p95 | must | largest |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in errors.items():
        size = np.abs(values)
        lines.append(
            f"| {name} | {np.median(size):.3f} | {MUST_MEDIAN.get(name, '')} "
            f"| {np.percentile(size, 95):.2f} | {MUST_P95.get(name, '')} | {size.max():.2f} |"
        )
    lines += ["", f"{len(errors['mean'])} rows in {seconds:.1f} s."]
    return lines


def seconds_of(command: list[str]) -> float:
    """Return the wall time of a process."""
    # As for any user: bytecode is cached. Where an environment forbids it, imports would count.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.perf_counter() - start


def process_lines() -> list[str]:
    """Return the whole-process ratio: a verdict against the bare imports and reads."""
    bare = [sys.executable, "-c", BARE.format(folder=SAMPLE)]
    script = str(Path(sys.executable).with_name("sbrtcheck"))
    whole = [script, str(SAMPLE / "RP.dcm")]
    times: dict[str, list[float]] = {"bare": [], "whole": [], "help": []}
    seconds_of(whole)  # fills the caches
    for _ in range(ROUNDS):
        times["bare"].append(seconds_of(bare))
        times["whole"].append(seconds_of(whole))
        times["help"].append(seconds_of([script, "--help"]))
    median = {name: statistics.median(values) for name, values in times.items()}
    ratio = statistics.median(w / b for w, b in zip(times["whole"], times["bare"], strict=True))
    return [
        "| process | median s |",
        "|---|---|",
        f"| import NumPy and pydicom, read the three files | {median['bare']:.3f} |",
        f"| `sbrtcheck RP.dcm`, the whole verdict | {median['whole']:.3f} |",
        f"| `sbrtcheck --help` | {median['help']:.3f} |",
        "",
        f"Ratio, median of {ROUNDS} rounds: **{ratio:.2f}** (must 3, reach for 2.5).",
    ]


def commit() -> str:
    """Return the commit that was measured, marked where the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, check=True
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "src", "protocols"], capture_output=True, check=True
    )
    return name.stdout.decode().strip() + (" with changes" if changed.stdout.strip() else "")


def main() -> None:
    """Measure everything and write the results."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("sbrtcheck", "numpy", "pydicom", "shapely")
    )
    lines = [
        "# Benchmark results",
        "",
        "Written by `python benchmarks/run.py`; not edited by hand.",
        "",
        f"- commit {commit()}, {datetime.now(UTC):%Y-%m-%d}",
        f"- {packages}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        "",
        "## Accuracy: Nelms 2015 (Med Phys 42:4435)",
        "",
        NELMS_NOTE,
        "",
        *nelms_table(),
        "",
        "## Whole process",
        "",
        *process_lines(),
        "",
    ]
    (Path(__file__).parent / "results.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
