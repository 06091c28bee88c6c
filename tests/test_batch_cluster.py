"""A batch on a Dask cluster of real processes gives the tables of a batch on this computer."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batches import contents
from exports import export_many

distributed = pytest.importorskip("distributed")

PLANS = 12


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster") / "in"
    export_many(folder, PLANS)
    return folder


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Start a scheduler, and give its address."""
    address_file = tmp_path / "scheduler.json"
    command = [
        "scheduler",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(address_file),
    ]
    with _dask(command, tmp_path) as process:
        for _ in range(300):
            if address_file.exists() and address_file.read_text().strip().endswith("}"):
                break
            time.sleep(0.1)
        import json

        yield json.loads(address_file.read_text())["address"]
        process.kill()


def _dask(words: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / f"{words[0]}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words], stdout=log, stderr=log
        )


def _worker(address: str, folder: Path) -> "subprocess.Popen[bytes]":
    # Without a nanny, a killed worker stays dead.
    words = ["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    return _dask([*words, "--local-directory", str(folder)], folder)


def _batch(tree: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    words = ["batch", tree, "--out", out, "--private", out.with_name("private"), *more]
    return subprocess.Popen(
        [sys.executable, "-m", "sbrtcheck.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_cluster_that_loses_a_worker_gives_the_same_tables(
    tree: Path, tmp_path: Path, scheduler: str
) -> None:
    with _batch(tree, tmp_path / "here", "-j", "1") as run:
        run.communicate()
        assert run.returncode == 1

    workers = [_worker(scheduler, tmp_path) for _ in range(2)]
    try:
        _wait_for_workers(scheduler, 2)
        with _batch(tree, tmp_path / "there", "--scheduler", scheduler) as run:
            assert run.stdout is not None
            told = ""
            for line in run.stdout:
                told += line
                if line.startswith("judging plans: 2 of"):
                    workers[0].kill()
            assert run.wait(120) == 1, told
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()

    assert "judging plans: 2 of" in told
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def _wait_for_workers(address: str, count: int) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def test_a_cluster_without_workers_is_one_sentence(
    tree: Path, tmp_path: Path, scheduler: str
) -> None:
    with _batch(tree, tmp_path / "out", "--scheduler", scheduler) as run:
        told, _ = run.communicate()

    assert run.returncode == 2
    assert "the cluster has no workers; start some" in told
    assert "Traceback" not in told


def test_a_scheduler_that_does_not_answer_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sbrtcheck import CaseError
    from sbrtcheck.batch.cluster import cluster_executor

    monkeypatch.setattr("sbrtcheck.batch.cluster.PATIENCE", "1s")
    with (
        pytest.raises(CaseError, match="no Dask scheduler answers at tcp://127"),
        cluster_executor("tcp://127.0.0.1:9"),
    ):
        pytest.fail("it did not refuse")


def test_another_version_on_the_workers_is_refused() -> None:
    from sbrtcheck import CaseError
    from sbrtcheck.batch.cluster import _require_one_version

    with pytest.raises(CaseError, match=r"the workers run sbrtcheck 0\.0\.1"):
        _require_one_version({"tcp://a": "0.0.1"})
