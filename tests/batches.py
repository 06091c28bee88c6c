"""Runs of a batch in this process, and its tables read back."""

import csv
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from sbrtcheck import load_protocol
from sbrtcheck.batch.options import BatchOptions
from sbrtcheck.batch.pseudonyms import Pseudonyms
from sbrtcheck.batch.run import BatchResult, run_batch
from sbrtcheck.batch.runners import ExecutorRunner, Runner

KEY = bytes(range(32))
NAMES = Pseudonyms(KEY)


class Inline(Executor):
    """Does each task at once, in this process."""

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as any executor
            future.set_exception(error)
        return future


class Quiet:
    """A progress that counts the outcomes it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.outcomes: list[str] = []

    def stage(self, name: str, total: int) -> None:
        self.stages.append((name, total))

    def step(self, outcome: str | None = None, *, steps: int = 1) -> None:  # noqa: ARG002
        if outcome is not None:
            self.outcomes.append(outcome)


def run_here(
    *roots: Path,
    out: Path,
    runner: Runner | None = None,
    progress: Quiet | None = None,
    **more: Any,
) -> BatchResult:
    """Judge all plans below some folders in this process."""
    private = more.pop("private", out.with_name(out.name + ".private"))
    private.mkdir(exist_ok=True, parents=True)
    options = BatchOptions(
        roots=roots,
        out=out,
        private=private,
        pseudonyms=NAMES,
        protocol=more.pop("protocol", None) or load_protocol("nct06756087"),
        **more,
    )
    return run_batch(
        options, runner or ExecutorRunner(Inline(), 1), progress or Quiet()
    )


def rows(path: Path) -> list[dict[str, str]]:
    """Read a table as a spreadsheet program does."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def plans(out: Path) -> dict[str, dict[str, str]]:
    """Return the rows of plans.csv by the UID of the plan."""
    return {row["sop_instance_uid"]: row for row in rows(out / "plans.csv")}


def outcomes(out: Path) -> dict[str, str]:
    """Return the outcome of each plan by the number that made its UID."""
    return {uid.split(".")[-2]: row["outcome"] for uid, row in plans(out).items()}


def contents(out: Path) -> dict[str, bytes]:
    """Return the bytes of all results but `run.json`, which holds times."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
        and not path.relative_to(out).as_posix().startswith((".", "run.json"))
    }
