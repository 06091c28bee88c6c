"""Measure accuracy and speed, and write `results.md` beside this file.

    python benchmarks/run.py                 everything: some minutes
    python benchmarks/run.py --small         within a minute, for a test machine; writes no file
    python benchmarks/run.py spheres cord    these subjects alone; writes no file
    python benchmarks/run.py --record batch  these subjects alone; writes their sections, and when

Whatever is measured, the exit code is 1 if a must is missed by more than noise. Tables that need
real exports say so where these are not at hand (see `real_data`). Other engines are measured where
they are installed: `pip install dicompyler-core==0.5.6`, the Debian package `plastimatch`.
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import band
import batch
import cord
import good_plans
import interval
import nelms
import noise
import peers
import planning_systems
import process
import robustness
import scaling
import second_opinions
import speed
import spheres
import tried
from table import Section

HERE = Path(__file__).parent
RESULTS = HERE / "results.md"
LONG_RUNS = ("All laws on all plans", "Harmed input")
DOCS = HERE.parent / "docs" / "dvh.md"
DOCS_BLOCK = ("<!-- results -->", "<!-- end of results -->")
IN_DOCS = (
    "nelms",
    "spheres",
    "cord",
    "planning_systems",
    "interval",
)  # what no clock decides
SUBJECTS: dict[str, Callable[..., Section]] = {
    module.__name__: module.section
    for module in (
        nelms,
        spheres,
        cord,
        planning_systems,
        second_opinions,
        interval,
        band,
        noise,
        tried,
        speed,
        scaling,
        process,
        robustness,
        batch,
        good_plans,
        peers,
    )
}


def main() -> int:
    """Measure what was asked for, print it, and tell whether all musts are met."""
    asked = _arguments()
    sections = []
    for name in asked.subjects or SUBJECTS:
        sections.append(SUBJECTS[name](small=asked.small))
        print("\n".join(sections[-1].lines()), flush=True)
    if asked.record and not asked.small:
        record(sections)
    elif not asked.small and not asked.subjects:
        lines = [*_head(), *(line for section in sections for line in section.lines())]
        text = "\n".join([*lines, *_long_runs()]).rstrip() + "\n"
        RESULTS.write_text(text, encoding="utf-8")
        _show_in_docs(dict(zip(SUBJECTS, sections, strict=True)))
    misses = [(section.heading, row) for section in sections for row in section.misses]
    for heading, row in misses:
        print(f"missed: {heading}: {' | '.join(row.cells())}", file=sys.stderr)
    return 1 if misses else 0


def _long_runs() -> list[str]:
    """Return the recorded sections of what takes hours, and is not measured here."""
    _, *parts = RESULTS.read_text(encoding="utf-8").split("\n## ")
    return [f"## {part}" for part in parts if part.partition("\n")[0] in LONG_RUNS]


def record(sections: Sequence[Section], measured: str | None = None) -> None:
    """Put sections in place of those of the same heading, each with what it was measured on."""
    head, *old = RESULTS.read_text(encoding="utf-8").split("\n## ")
    parts = {part.partition("\n")[0]: part for part in old}
    measured = f"(Measured apart: {measured or _measured()}.)"
    for section in sections:
        title, blank, *rest = section.lines()
        parts[section.heading] = "\n".join(
            [title.removeprefix("## "), blank, measured, "", *rest]
        )
    RESULTS.write_text(
        "\n## ".join([head, *(p.rstrip() + "\n" for p in parts.values())]), "utf-8"
    )


def _show_in_docs(sections: Mapping[str, Section]) -> None:
    """Put the accuracy tables into the page on DVHs."""
    first, last = DOCS_BLOCK
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(first)
    after = rest.partition(last)[2]
    shown = [
        line
        for name in IN_DOCS
        for line in (f"### {sections[name].heading}", "", *sections[name].table(), "")
    ]
    text = "\n".join([f"{before}{first}", "", *shown, f"{last}{after}"])
    DOCS.write_text(text, encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure accuracy and speed.")
    parser.add_argument(
        "subjects", nargs="*", metavar="subject", help=", ".join(SUBJECTS)
    )
    parser.add_argument(
        "--small", action="store_true", help="within a minute; write no file"
    )
    parser.add_argument(
        "--record", action="store_true", help="write the sections of the subjects"
    )
    asked = parser.parse_args()
    if unknown := set(asked.subjects) - set(SUBJECTS):
        parser.error(
            f"no such subject: {', '.join(sorted(unknown))}; there are {', '.join(SUBJECTS)}"
        )
    return asked


def _head() -> list[str]:
    """Return what was measured, when and with what."""
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in ("sbrtcheck", "numpy", "pydicom", "shapely")
    )
    return [
        "# Benchmark results",
        "",
        "Written by `python benchmarks/run.py`; not edited by hand.",
        "",
        f"- {_measured()}",
        f"- {packages}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        "",
    ]


def _measured() -> str:
    """Return what was measured, and when."""
    return f"commit {_commit()}, {datetime.now(UTC):%Y-%m-%d}"


def _commit() -> str:
    """Return the commit that was measured, marked where the tree differs from it."""
    changed = _git("status", "--porcelain", "--", "src", "protocols")
    return _git("rev-parse", "--short=12", "HEAD") + (
        " with changes" if changed else ""
    )


def _git(*words: str) -> str:
    command = ["git", "-C", str(HERE.parent), *words]
    return subprocess.run(
        command, capture_output=True, check=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
