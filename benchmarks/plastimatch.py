"""The C++ program plastimatch (a Debian package), where it is installed."""

import csv
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nelms import Answers

__all__ = ["plastimatch_answers", "plastimatch_version"]

BIN_GY = 0.01
BINS = 4000
VOXEL = re.compile(r"checking voxel size\.\.\.\n.*\n(\S+) (\S+) (\S+)\n")

Floats = NDArray[np.float64]


def plastimatch_version() -> str | None:
    """Return its version, or None where it is not installed."""
    if shutil.which("plastimatch") is None:
        return None
    return _printed("--version").split()[-1]


def plastimatch_answers(structures: Path, dose: Path) -> Answers:
    """Return what it answers for the last ROI from two files; of an empty histogram, nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "RS.dcm").symlink_to(structures.resolve())
        (folder / "RD.dcm").symlink_to(dose.resolve())
        table = folder / "dvh.csv"
        words = [
            "--normalization",
            "vox",
            "--bin-width",
            str(BIN_GY),
            "--num-bins",
            str(BINS),
        ]
        printed = _printed("dvh", "--input", name, "--output-csv", str(table), *words)
        with table.open(encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
    found = VOXEL.search(printed)
    if found is None:
        raise RuntimeError(f"plastimatch named no voxel size:\n{printed}")
    voxel_cc = float(np.prod([float(size_mm) for size_mm in found.groups()])) / 1000
    dose_gy = np.array([float(row[0]) for row in rows])
    volume_cc = np.array([float(row[-1]) for row in rows]) * voxel_cc
    return _answers(dose_gy, volume_cc)


def _answers(dose_gy: Floats, volume_cc: Floats) -> Answers:
    whole_cc = float(volume_cc[0])
    if whole_cc <= 0:
        return dict.fromkeys(("volume", "D95", "D5", "D0.03cc", "mean"))

    def dose_at_gy(asked_cc: float) -> float | None:
        return float(np.interp(asked_cc, volume_cc[::-1], dose_gy[::-1]))

    return {
        "volume": whole_cc,
        "D95": dose_at_gy(0.95 * whole_cc),
        "D5": dose_at_gy(0.05 * whole_cc),
        "D0.03cc": dose_at_gy(0.03) if whole_cc >= 0.03 else None,
        "mean": float(np.trapezoid(volume_cc, dose_gy)) / whole_cc,
    }


def _printed(*words: str) -> str:
    """Return what a plastimatch process prints."""
    command = [str(shutil.which("plastimatch")), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
