"""Kills, full disks, hangs and hunger: each costs one plan at most, and `--resume` mends the rest."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

import sbrtcheck.batch.run as batch_run
from batches import Inline, contents, outcomes, plans, rows, run_here
from exports import export, export_many
from sbrtcheck import dicom
from sbrtcheck.batch.runners import ExecutorRunner, LocalRunner
from sbrtcheck.batch.work import Failed, PatientTask, judge_into

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX")

GIGABYTE = 1 << 30
UID = "1.2.826.0.1.3680043.10.999"
PLANS = 8
WITHIN = 13  # kills while files are written or moved
KILLS_AT_MOST = 4  # of one run, before it may end
WITHOUT = 9  # kills of the run or of one of its processes at any moment
SEED = 20261123


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "in"
    export_many(folder, PLANS)
    # Two plans of one patient: what is known of them is kept, too.
    export(
        folder / "part", PLANS, patient_id="P0", frame="0", target="PTV_T10", z_mm=40.0
    )
    return folder


@pytest.fixture(scope="module")
def unbroken(tree: Path) -> Path:
    out = tree.parent / "unbroken"
    run_here(tree, out=out)
    return out


# --- Kills --------------------------------------------------------------------------------------

# Runs a batch in this process, and ends it by SIGKILL when it opens, moves or removes a file of the
# results for the n-th time; a record is then half written. Without n, it counts.
PROGRAM = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from batches import run_here
tree, out, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
count = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def watch(event, arguments):
    global count
    if event not in ("open", "os.rename", "os.remove", "os.mkdir"):
        return
    path, mode = str(arguments[0]), arguments[1] if event == "open" else "w"
    if not path.startswith(str(out) + os.sep) or mode is None or "r" in str(mode):
        return
    count += 1
    if count == last:
        if event == "open":
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
                file.write(b'{{"outcome": "PASS", "reason": nu')
        die()

sys.addaudithook(watch)
run_here(tree, out=out, resume=True)
print(count)
"""


def run_until(tree: Path, out: Path, event: int) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(path=[str(Path(__file__).parent)])
    command = [sys.executable, "-c", program, str(tree), str(out), str(event)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_kills_while_files_are_written_lose_nothing(
    tree: Path, unbroken: Path, tmp_path: Path
) -> None:
    whole = run_until(tree, tmp_path / "count", 0)
    assert whole.returncode == 0, whole.stderr
    events = int(whole.stdout)
    assert contents(tmp_path / "count") == contents(unbroken)

    chance = random.Random(SEED)  # noqa: S311 - chosen once, the same for ever
    kills = 0
    for round_ in range(WITHIN):
        if kills >= WITHIN:
            break
        out = tmp_path / f"out{round_}"
        for at in chance.choices(range(1, events + 1), k=KILLS_AT_MOST):
            kills += run_until(tree, out, at).returncode == -signal.SIGKILL
        assert run_until(tree, out, 0).returncode == 0
        assert contents(out) == contents(unbroken)
    assert kills >= WITHIN


def command(tree: Path, out: Path) -> list[str]:
    words = [
        "batch",
        tree,
        "--out",
        out,
        "--private",
        out.with_name("private"),
        "--resume",
    ]
    return [sys.executable, "-m", "sbrtcheck.cli", *map(str, words), "-j", "2"]


def test_kills_of_the_run_or_its_processes_lose_nothing(
    tree: Path, tmp_path: Path
) -> None:
    reference = tmp_path / "reference"
    subprocess.run(command(tree, reference), capture_output=True, check=False)
    expected = contents(reference)
    assert len(expected) > PLANS

    chance = random.Random(SEED)  # noqa: S311
    kills: Counter[str] = Counter()
    round_ = 0
    while (
        kills["run"] + kills["process"] < WITHOUT
        or not kills["run"]
        or not kills["process"]
    ):
        out, round_ = tmp_path / f"out{round_}", round_ + 1
        for victim in chance.choices(["run", "process"], k=4):
            with subprocess.Popen(
                command(tree, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as run:
                time.sleep(chance.uniform(1.0, 3.5))
                kills[_kill(run.pid, victim, chance)] += 1
                # A run whose process was killed goes on by itself.
                run.wait(120)
            # What a killed run leaves behind ends by itself, too.
        done = subprocess.run(
            command(tree, out), capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stderr
        assert contents(out) == expected


def _kill(pid: int, victim: str, chance: random.Random) -> str:
    """Kill a run or one of its processes; say which, "" if it had ended."""
    try:
        run = psutil.Process(pid)
        workers = [
            child
            for child in run.children(recursive=True)
            if any("spawn_main" in word for word in child.cmdline())
        ]
        of_process = victim == "process" and bool(workers)
        target = chance.choice(workers) if of_process else run
        target.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return ""
    return "process" if of_process else "run"


def test_processes_end_with_the_run_that_started_them(
    tree: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        command(tree, tmp_path / "out"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as run:
        children: list[psutil.Process] = []
        for _ in range(100):
            time.sleep(0.1)
            children = psutil.Process(run.pid).children(recursive=True)
            if len(children) >= 2:
                break
        time.sleep(1.0)
        children = psutil.Process(run.pid).children(recursive=True)
        run.kill()
        run.wait()
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


# --- One plan goes wrong ------------------------------------------------------------------------


def judge_or_misbehave(folder: str, task: PatientTask) -> Failed | None:
    """Judge a plan as ever, unless its patient is named after a fault."""
    fault = task.files[0].patient_id
    dose = next(Path(f.place.path) for f in task.files if f.is_of_class(dicom.RT_DOSE))
    if fault == "HANG":
        while True:
            time.sleep(1)
    if fault == "CRASH":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "HOG":
        hunger = np.ones(10 * GIGABYTE // 8)
        assert hunger.any()
    if fault == "VANISH":
        dose.unlink()
    if fault == "CHANGE":
        content = bytearray(dose.read_bytes())
        content[-4:] = b"\1\2\3\4"
        dose.write_bytes(content)
    if fault == "BUG":
        object.__setattr__(task, "protocol", b"no protocol")
    return judge_into(folder, task)


FAULTS = {
    "HANG": "it took longer than 6 s",
    "CRASH": "ended unexpectedly, twice",
    "HOG": "more memory",
    "VANISH": "is gone since the run began",
    "CHANGE": "changed since the run began",
    "BUG": "internal error, a bug in sbrtcheck",
}


@pytest.fixture
def two_processes() -> Iterator[LocalRunner]:
    runner = LocalRunner(2, memory_bytes=3 * GIGABYTE)
    yield runner
    runner.close()


def test_what_one_plan_does_costs_that_plan_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_processes: LocalRunner
) -> None:
    names = [*FAULTS, "A", "B", "C"]
    for number, name in enumerate(names):
        export(tmp_path / "in" / name, number, patient_id=name, frame=str(number))
    monkeypatch.setattr(batch_run, "judge_into", judge_or_misbehave)
    out = tmp_path / "out"

    run_here(tmp_path / "in", out=out, runner=two_processes, seconds=6.0)

    found = plans(out)
    for number, name in enumerate(names):
        row = found[f"{UID}.{number}.1"]
        assert row["outcome"] == ("ERROR" if name in FAULTS else "PASS"), (
            name,
            row["reason"],
        )
        assert FAULTS.get(name, "") in row["reason"]

    # What may pass is tried again; the file that is gone stays gone.
    monkeypatch.undo()
    again = run_here(tmp_path / "in", out=out, runner=two_processes, resume=True)
    assert again.tally.kept == 3
    errors = [
        names[int(n)] for n, outcome in outcomes(out).items() if outcome != "PASS"
    ]
    assert errors == ["VANISH"]


def test_a_dose_that_does_not_fit_into_memory_is_an_error(tmp_path: Path) -> None:
    """Not what the file says of itself, but what it holds: 0.95 GB of zeros, kept sparse on disk."""
    files = export(tmp_path / "in/large", 1, patient_id="A")
    export(tmp_path / "in/small", 2, patient_id="B", frame="2")
    with files.dose.open("r+b") as file:
        file.truncate(GIGABYTE * 95 // 100)
    runner = LocalRunner(1, memory_bytes=GIGABYTE)
    try:
        run_here(tmp_path / "in", out=tmp_path / "out", runner=runner)
    finally:
        runner.close()

    assert outcomes(tmp_path / "out") == {"1": "ERROR", "2": "PASS"}
    assert "more memory" in plans(tmp_path / "out")[f"{UID}.1.1"]["reason"]
    assert (
        len(list((tmp_path / "out/.records").glob("*.json"))) == 1
    )  # it is tried again


@pytest.mark.parametrize("most_gb", [2, 6])
def test_a_limit_of_the_machine_below_that_of_the_run_is_kept(
    most_gb: int, tmp_path: Path
) -> None:
    """`ulimit -v`: what is set for all processes cannot be raised by one of them."""
    export(tmp_path / "in", 1)

    limited = ["bash", "-c", f'ulimit -v {most_gb << 20}; exec "$@"', "bash"]
    words = [*limited, *command(tmp_path / "in", tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert "Traceback" not in done.stderr
    assert outcomes(tmp_path / "out") == {"1": "PASS"}


def test_a_pipe_in_the_tree_is_not_opened(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    os.mkfifo(tmp_path / "in/RD2.dcm")

    run_here(tmp_path / "in", out=tmp_path / "out")

    assert outcomes(tmp_path / "out") == {"1": "PASS"}
    (row,) = rows(tmp_path / "out/quarantine.csv")
    assert row["reason"] == "this is not a regular file"


# --- The disk -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_record_that_cannot_be_written_costs_its_plan_only(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write = Path.write_bytes
    written: list[str] = []

    def full(path: Path, content: bytes) -> int:
        if path.suffix == ".partial" and len(content) > 2000:
            written.append(path.name)
            if len(written) == 3:
                raise OSError(code, os.strerror(code))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    run_here(tree, out=tmp_path / "out")

    found = outcomes(tmp_path / "out")
    assert list(found.values()).count("ERROR") == 1
    (row,) = (
        row for row in plans(tmp_path / "out").values() if row["outcome"] == "ERROR"
    )
    assert row["reason"] == f"its result could not be written ({os.strerror(code)})"

    monkeypatch.undo()
    assert run_here(tree, out=tmp_path / "out", resume=True).tally.kept == PLANS
    assert "ERROR" not in outcomes(tmp_path / "out").values()


def test_tables_that_cannot_be_written_leave_the_verdicts(
    tree: Path, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("sbrtcheck.batch.results.write_junit", full)
    with pytest.raises(OSError, match="No space"):
        run_here(tree, out=tmp_path / "out")
    assert not (tmp_path / "out/run.json").exists()
    monkeypatch.undo()

    assert run_here(tree, out=tmp_path / "out", resume=True).tally.kept == PLANS + 1
    assert contents(tmp_path / "out") == contents(unbroken)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["/bin/umount", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_room_mends_it(
    tree: Path, small_disk: Path, tmp_path: Path
) -> None:
    out = small_disk / "out"
    words = [*command(tree, out)]
    words[words.index("--private") + 1] = str(tmp_path / "private")

    full = subprocess.run(words, capture_output=True, text=True, check=False)
    assert full.returncode == 2
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    assert not (out / "run.json").exists()

    grow = ["/bin/mount", "-o", "remount,size=100m", str(small_disk)]
    subprocess.run(grow, check=True)
    mended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert mended.returncode == 1
    assert "ERROR 0" in mended.stdout


def test_a_folder_that_cannot_be_written_is_refused_before_work(
    tree: Path, tmp_path: Path
) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("there is no /proc")
    words = command(tree, Path("/proc/results"))
    words[words.index("--private") + 1] = str(tmp_path / "private")

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "results cannot be written here" in done.stderr
    assert "judging" not in done.stderr


# --- Executors ----------------------------------------------------------------------------------


def test_an_executor_whose_process_ends_is_asked_once_more(tmp_path: Path) -> None:
    class Frail(Inline):
        calls = 0

        def submit(self, function, /, *args, **kwargs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202
            Frail.calls += 1
            if Frail.calls % 3 == 0:
                return super().submit(_lost)
            return super().submit(function, *args, **kwargs)

    for number in range(4):
        export(
            tmp_path / "in" / str(number),
            number,
            patient_id=f"P{number}",
            frame=str(number),
        )
    run_here(tmp_path / "in", out=tmp_path / "out", runner=ExecutorRunner(Frail(), 2))

    assert set(outcomes(tmp_path / "out").values()) == {"PASS"}


def _lost() -> None:
    raise RuntimeError("the worker is lost")


def test_a_task_that_an_executor_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import Future

    monkeypatch.setattr("sbrtcheck.batch.runners.START_SECONDS", 0.0)

    class Stuck(Inline):
        calls = 0

        def submit(self, function, /, *args, **kwargs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202
            Stuck.calls += 1
            if Stuck.calls == 3:
                future: Future[object] = Future()
                future.set_running_or_notify_cancel()
                return future
            return super().submit(function, *args, **kwargs)

    for number in range(4):
        export(
            tmp_path / "in" / str(number),
            number,
            patient_id=f"P{number}",
            frame=str(number),
        )
    run_here(
        tmp_path / "in",
        out=tmp_path / "out",
        runner=ExecutorRunner(Stuck(), 2),
        seconds=3.0,
    )

    found = list(outcomes(tmp_path / "out").values())
    assert (found.count("PASS"), found.count("ERROR")) == (3, 1)
    (reason,) = {row["reason"] for row in plans(tmp_path / "out").values()} - {""}
    assert reason == "it took longer than 3 s"


def fail_with(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (MemoryError(), "more memory"),
        (OSError(), "ended unexpectedly, twice (OSError)"),  # as a lost connection is
        (RuntimeError(), "ended unexpectedly, twice (RuntimeError)"),
    ],
)
def test_an_executor_tells_an_error_of_a_task_from_the_end_of_its_process(
    error: Exception, told: str
) -> None:
    with ThreadPoolExecutor(1) as one:
        runner = ExecutorRunner(one, 1)
        ((_, answer),) = runner.run(fail_with, [error], seconds=30.0)

    assert isinstance(answer, Failed)
    assert told in answer.reason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (MemoryError(), "more memory"),
        (RuntimeError(), "a bug in sbrtcheck (RuntimeError)"),
        (OSError(), "a bug in sbrtcheck (OSError)"),  # says nothing of itself
    ],
)
def test_an_error_of_a_task_is_told_as_what_it_is(
    error: Exception, told: str, two_processes: LocalRunner
) -> None:
    """And not as the end of its process, after a second attempt."""
    (_, answer), *others = two_processes.run(fail_with, [error], seconds=30.0)

    assert others == []
    assert isinstance(answer, Failed)
    assert told in answer.reason
    assert "ended unexpectedly" not in answer.reason
