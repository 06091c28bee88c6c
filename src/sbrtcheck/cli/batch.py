"""`sbrtcheck batch`: judge every plan below some folders, and write tables."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sbrtcheck.cli import options
from sbrtcheck.cli.common import COULD_NOT_RUN, app, page_width, refuse, shown, usage

if TYPE_CHECKING:
    from sbrtcheck.batch.pseudonyms import Pseudonyms
    from sbrtcheck.batch.run import BatchResult
    from sbrtcheck.batch.runners import Runner

INTERRUPTED = 130


class FailOn(StrEnum):
    """The least outcome that makes the exit code other than 0."""

    VARIATION = "variation"
    UNDECIDED = "undecided"
    FAIL = "fail"
    ERROR = "error"


@app.command()
def batch(
    roots: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Folders or zip archives with exports."),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="The folder that results go to.")],
    cases: Annotated[
        Path | None,
        typer.Option("--cases", help="cases.csv: case facts, a row per patient."),
    ] = None,
    protocol: options.ProtocolName = options.DEFAULT_PROTOCOL,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Keep verdicts in --out whose inputs have not changed."
        ),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, help="Plans at once; default: all cores."),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit",
            min=1.0,
            max=86_400.0,
            help="Seconds that one plan may take.",
        ),
    ] = 300.0,
    memory_limit: Annotated[
        float,
        typer.Option(
            "--memory-limit",
            min=1.0,
            max=1024.0,
            help="Gigabytes that one process may take.",
        ),
    ] = 4.0,
    max_size: options.MaxSize = options.DEFAULT_MAX_SIZE,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="ADDRESS",
            help="Use a Dask cluster: tcp://host:8786.",
        ),
    ] = None,
    fail_on: Annotated[
        FailOn,
        typer.Option("--fail-on", help="The least outcome that is not exit code 0."),
    ] = FailOn.UNDECIDED,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key", help="Key for pseudonyms; default: one in the private folder."
        ),
    ] = None,
    private: Annotated[
        Path | None,
        typer.Option(
            "--private",
            help="Folder for key and file index; default: one of this user.",
        ),
    ] = None,
    ascii_only: options.Ascii = False,
    phi: Annotated[
        bool,
        typer.Option("--phi", help="Let patient identity and paths into the results."),
    ] = False,
) -> None:
    """Judge every RT Plan below some folders and write tables of all results.

    Exit codes: 0 all pass (or variations), 1 a plan is FAIL, 2 could not run or a plan is ERROR,
    3 a plan is UNDECIDED, 4 internal error, 130 interrupted; the worst plan counts.
    """
    from sbrtcheck.batch.options import BatchOptions
    from sbrtcheck.batch.page import render_batch
    from sbrtcheck.batch.pseudonyms import private_folder
    from sbrtcheck.batch.run import run_batch
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.files import GIGABYTE
    from sbrtcheck.protocol.load import load_protocol
    from sbrtcheck.report.progress import stage_bar

    typed = [
        path for path in (*roots, out, cases, key, private, Path(protocol)) if path
    ]
    _require_all(roots)
    try:
        folder = private_folder(private)
        asked = BatchOptions(
            roots=tuple(roots),
            out=out,
            private=folder,
            pseudonyms=_pseudonyms(key, folder),
            protocol=load_protocol(protocol),
            cases=cases,
            seconds=time_limit,
            most_read_bytes=int(max_size * GIGABYTE),
            resume=resume,
            phi=phi,
        )
        with (
            _interruptible(out),
            _runner(scheduler, jobs or _cores(), memory_limit) as runner,
            stage_bar(sys.stderr) as progress,
        ):
            result = run_batch(asked, runner, progress)
    except SbrtCheckError as error:
        refuse(error, typed, phi=phi)
    except OSError as error:
        usage(
            f"results cannot be written to {out} ({error.strerror}); verdicts reached so far are"
            " kept: make room and run again with --resume"
        )
    sys.stdout.write(render_batch(result, width=page_width(), ascii_only=ascii_only))
    sys.stdout.write(f"Written to {shown(out)}\n")
    if result.tally.plans == 0:
        usage("there is no RT Plan below these folders; nothing was judged")
    raise typer.Exit(exit_code(result, fail_on))


def _require_all(roots: list[Path]) -> None:
    from sbrtcheck.files import is_there

    for root in roots:
        if not is_there(root):
            usage(f"there is no folder or file {root}; nothing was judged")


def _pseudonyms(key: Path | None, folder: Path) -> "Pseudonyms":
    """Return pseudonyms by the key asked for, and say what there is to say of the key."""
    from sbrtcheck.batch.pseudonyms import KEY_FILE, Pseudonyms, load_key

    file = key or folder / KEY_FILE
    secret, notes = load_key(file)
    sys.stderr.writelines(f"sbrtcheck: {shown(file)}: {note}\n" for note in notes)
    return Pseudonyms(secret)


def exit_code(result: "BatchResult", fail_on: FailOn) -> int:
    """Return the code of the worst plan that `fail_on` lets count; superseded plans do not."""
    codes = {"ERROR": COULD_NOT_RUN, "FAIL": 1, "UNDECIDED": 3, "VARIATION": 1}
    for outcome, code in codes.items():
        if result.published.current[outcome]:
            return code
        if outcome == fail_on.upper():
            return 0
    return 0


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    """End cleanly on Ctrl-C, and on the signal by which other programs say it."""

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(
            f"sbrtcheck: interrupted; no tables were written. Verdicts reached so far are kept in"
            f" {shown(out)}: run again with --resume\n"
        )
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _runner(scheduler: str | None, jobs: int, memory_gb: float) -> Iterator["Runner"]:
    from sbrtcheck.batch.runners import ExecutorRunner, LocalRunner
    from sbrtcheck.files import GIGABYTE

    if scheduler is not None:
        from sbrtcheck.batch.cluster import cluster_executor

        with cluster_executor(scheduler) as (executor, slots):
            yield ExecutorRunner(executor, slots)
        return
    runner = LocalRunner(jobs, memory_bytes=int(memory_gb * GIGABYTE))
    try:
        yield runner
    finally:
        runner.close()
