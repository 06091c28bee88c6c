"""What a batch costs: plans a second, cores, memory, growth, finding files, a second run."""

import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from fleet import write_images, write_plans
from table import Row, Section, grid

__all__ = ["section"]

HEADING = "Batch"
NOTE = (
    "`sbrtcheck batch` on copies of one sample plan (RP, RS and RD of 0.8 MB, other UIDs and patients),"
    " whole commands with their start, on {cores} cores. Memory is the largest resident set of a"
    " process that was seen, every 0.1 s."
)
CORES = 2
SIZES = (60, 240, 1000)
FEW_SIZES = (12, 36)
IMAGES = 100_000
FEW_IMAGES = 5_000
IMAGE_BYTES = 2_300  # as much as is ever read of one
MEGABYTE = 1024**2
NOISE = 0.15
MANY = 100_000
CLUSTER_CORES = 100


@dataclass(frozen=True, slots=True)
class Run:
    """One command: how long it took, what its processes held, what it says of itself."""

    seconds: float
    worker_mb: float
    parent_mb: float


def section(*, small: bool) -> Section:
    """Measure; the small form takes few plans and images."""
    sizes = FEW_SIZES if small else SIZES
    images = FEW_IMAGES if small else IMAGES
    with tempfile.TemporaryDirectory(prefix="sbrtcheck-bench-") as scratch:
        folder = Path(scratch)
        fleet = folder / "plans"
        cases = list(write_plans(fleet, sizes[-1]))
        runs = {}
        for size in sizes:
            chosen = _tree(folder / f"of{size}", cases[:size])
            runs[size] = _run(chosen, folder / f"out{size}", CORES)
        middle = sizes[-2]
        alone = _run(folder / f"of{middle}", folder / "alone", 1)
        again = _run(
            folder / f"of{sizes[-1]}", folder / f"out{sizes[-1]}", CORES, "--resume"
        )
        write_images(folder / "images", images, IMAGE_BYTES)
        _tree(folder / "images/plan", cases[:1])
        first = _run(folder / "images", folder / "found", 1)
        second = _run(folder / "images", folder / "found", 1, "--resume")
    both = runs[middle]
    largest = runs[sizes[-1]]
    growth = math.log(largest.seconds / runs[sizes[0]].seconds) / math.log(
        sizes[-1] / sizes[0]
    )
    rows = (
        Row(
            what=f"{middle} plans on 1 core",
            measured=middle / alone.seconds,
            unit="plans/s",
        ),
        Row(
            what=f"{middle} plans on 2 cores",
            measured=middle / both.seconds,
            unit="plans/s",
        ),
        Row(
            what="efficiency of 2 cores",
            must=85,
            measured=100 * alone.seconds / both.seconds / CORES,
            unit="%",
            more_is_better=True,
            # A process takes a second to start: few plans do not pay for it.
            noise=None if small else NOISE,
        ),
        Row(what="memory of a worker", must=400, measured=largest.worker_mb, unit="MB"),
        Row(
            what=f"memory of the run itself, {sizes[-1]} plans",
            measured=largest.parent_mb,
            unit="MB",
        ),
        Row(
            what=f"growth from {sizes[0]} to {sizes[-1]} plans, exponent",
            must=1.0,
            measured=growth,
            noise=NOISE,
        ),
        Row(
            what=f"second run with nothing changed, {sizes[-1]} plans, of the first",
            must=None if small else 5,
            measured=100 * again.seconds / largest.seconds,
            unit="%",
            noise=NOISE,
        ),
        Row(
            what=f"{images} files found and told, first run",
            measured=first.seconds,
            unit="s",
        ),
        Row(what=f"{images} files, second run", measured=second.seconds, unit="s"),
    )
    body = [
        [str(size), f"{run.seconds:.1f}", f"{1000 * run.seconds / size:.0f}"]
        for size, run in runs.items()
    ]
    return Section(
        heading=HEADING,
        note=NOTE.format(cores=CORES),
        rows=rows,
        details=(
            *grid(["plans", "s", "ms a plan"], body),
            "",
            *_on_paper(alone, middle, again, sizes[-1]),
        ),
    )


def _tree(folder: Path, cases: list[Path]) -> Path:
    """Make a tree of some cases; links cost nothing."""
    for case in cases:
        place = folder / case.name
        place.mkdir(parents=True)
        for path in case.iterdir():
            (place / path.name).hardlink_to(path)
    return folder


def _run(tree: Path, out: Path, jobs: int, *more: str) -> Run:
    words = [
        "batch",
        tree,
        "--out",
        out,
        "--private",
        out.with_name(out.name + ".private"),
    ]
    script = Path(sys.executable).with_name("sbrtcheck")
    command = [str(script), *map(str, words), "-j", str(jobs), *more]
    start = time.perf_counter()
    workers: dict[int, int] = {}
    parent = 0
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        run = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                parent = max(parent, run.memory_info().rss)
                for child in run.children(recursive=True):
                    workers[child.pid] = max(
                        workers.get(child.pid, 0), child.memory_info().rss
                    )
            except psutil.Error:
                pass  # it has just ended
            time.sleep(0.1)
    if process.returncode != 0:
        raise RuntimeError(f"a batch of passing plans ended with {process.returncode}")
    return Run(
        seconds=time.perf_counter() - start,
        worker_mb=max(workers.values(), default=0) / MEGABYTE,
        parent_mb=parent / MEGABYTE,
    )


def _on_paper(alone: Run, size: int, again: Run, kept: int) -> list[str]:
    """Say what many plans would cost, from what was measured."""
    core_s = alone.seconds / size
    publish_s = again.seconds / kept
    hours = MANY * core_s / 3600
    cost = (
        f"On paper, {MANY} plans: {hours:.1f} core hours at {core_s:.2f} s a plan, so"
        f" {60 * hours / CLUSTER_CORES:.0f} minutes on {CLUSTER_CORES} cores of a Dask cluster. Real"
        " exports have 10 to 50 MB each and are read twice (once for their hashes, once to be"
        " judged): 2 to 10 TB, 30 minutes to 3 hours from a store of 1 GB/s. One process finds, links"
        f" and writes the tables: about {MANY * publish_s / 60:.0f} minutes at the measured rate, and"
        " some 2 kB of memory for each of 300 000 RT files."
    )
    breaks = (
        "Where it breaks first: the store that files are read from, then that one process, which"
        " receives a record of 60 to 100 kB from each plan (10 GB in all through the scheduler) and"
        " writes the tables alone. Before that matters, run each centre by itself and read the"
        " tables of all centres together: Parquet takes a list of files."
    )
    return [cost, "", breaks]
