"""The README tells the truth: its output, its library example, its exit codes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_output_shown_is_the_output() -> None:
    shown = re.findall(r"```\n(sbrtcheck 0.*?)```", README, re.DOTALL)
    program = "import sys; from sbrtcheck.cli import main; main(sys.argv[1:])"

    done = subprocess.run(
        [sys.executable, "-c", program, "sample_dicom/t8_30gy5_pass/RP.dcm"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )

    assert shown == [done.stdout.decode("utf-8")]


def test_the_library_example_runs() -> None:
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    subprocess.run([sys.executable, "-c", example[0]], cwd=ROOT, check=True)


def test_every_option_is_in_the_readme() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sbrtcheck.cli", "check", "--help"],
        capture_output=True,
        check=True,
    )
    options = set(re.findall(r"--[a-z-]+", done.stdout.decode("utf-8"))) - {
        "--help",
        "--quiet",
        "--verbose",
    }

    assert options <= set(re.findall(r"--[a-z-]+", README))
