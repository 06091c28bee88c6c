"""What a verdict costs beyond starting Python and reading the files."""

import os
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from clock import median_ratio, take_turns
from table import Row, Section, grid

__all__ = ["section"]

HEADING = "Whole process"
NOTE = (
    "`sbrtcheck RP.dcm` on a sample plan over the bare cost of importing NumPy and pydicom and"
    " reading the same three files; processes take turns, median of {rounds} rounds."
)
SAMPLE = Path(__file__).parents[1] / "sample_dicom" / "t8_30gy5_pass"
ROUNDS = 15
FEW_ROUNDS = 7
NOISE = 0.6  # two busy cores, and processes that start from a cold cache
BARE = """
import numpy, pydicom
for name in ("RP", "RS", "RD"):
    pydicom.dcmread(rf"{folder}/{{name}}.dcm")
"""


def section(*, small: bool) -> Section:
    """Measure the ratio; the small form takes fewer rounds."""
    rounds = FEW_ROUNDS if small else ROUNDS
    script = str(Path(sys.executable).with_name("sbrtcheck"))
    commands = {
        "import NumPy and pydicom, read the three files": [
            sys.executable,
            "-c",
            BARE.format(folder=SAMPLE),
        ],
        "`sbrtcheck RP.dcm`, the whole verdict": [script, str(SAMPLE / "RP.dcm")],
        "`sbrtcheck --help`": [script, "--help"],
    }
    calls = {name: partial(_run, command) for name, command in commands.items()}
    times = take_turns(calls, rounds)
    bare, whole, _ = times.values()
    ratio = Row(
        what="verdict over bare process",
        must=3.0,
        reach_for=2.5,
        measured=median_ratio(whole, bare),
        unit="x",
        noise=NOISE,
    )
    body = [[name, f"{statistics.median(found):.3f}"] for name, found in times.items()]
    return Section(
        heading=HEADING,
        note=NOTE.format(rounds=rounds),
        rows=(ratio,),
        details=tuple(grid(["process", "median s"], body)),
    )


def _run(command: list[str]) -> None:
    # As for any user: bytecode is cached. Where an environment forbids it, imports would count.
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
    }
    subprocess.run(command, check=True, capture_output=True, env=environment)
