"""How a batch runs: kept verdicts, any order, any executor, and the command itself."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from batches import contents, outcomes, rows, run_here
from exports import export
from sbrtcheck import load_protocol
from sbrtcheck.batch.known import learn
from sbrtcheck.batch.runners import ExecutorRunner, Runner
from sbrtcheck.dossier.places import Place
from test_cli import run

UID = "1.2.826.0.1.3680043.10.999"


# --- Resume -------------------------------------------------------------------------------------


def test_resume_keeps_what_has_not_changed(tmp_path: Path) -> None:
    export(tmp_path / "in/1", 1, patient_id="A")
    second = export(tmp_path / "in/2", 2, patient_id="B", frame="2")
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    first = contents(out)

    again = run_here(tmp_path / "in", out=out, resume=True)
    assert (again.tally.kept, contents(out)) == (2, first)

    export(tmp_path / "in/2", 2, patient_id="B", frame="2", cord_gy=29.5)
    changed = run_here(tmp_path / "in", out=out, resume=True)
    assert changed.tally.kept == 1
    assert outcomes(out) == {"1": "PASS", "2": "FAIL"}
    assert second.plan.exists()


def test_results_that_are_whole_are_left_and_others_written_again(
    tmp_path: Path,
) -> None:
    export(tmp_path / "in", 1)
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    first, times = contents(out), (out / "run.json").read_bytes()

    again = run_here(tmp_path / "in", out=out, resume=True)
    assert (out / "run.json").read_bytes() == times
    assert again.published.outcomes["PASS"] == 1

    (out / "metrics.csv").write_text("lost")
    mended = run_here(tmp_path / "in", out=out, resume=True)
    assert contents(out) == first
    assert mended.published == again.published

    (tmp_path / "in/notes.txt").write_text("a stray")
    run_here(tmp_path / "in", out=out, resume=True)
    assert len(rows(out / "quarantine.csv")) == 1


def test_facts_and_protocol_are_part_of_what_is_kept(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    (tmp_path / "in/case.toml").write_text('prior_rt = "yes"\n')

    with_facts = run_here(tmp_path / "in", out=out, resume=True)
    assert (with_facts.tally.kept, outcomes(out)) == (0, {"1": "UNDECIDED"})

    protocol = load_protocol("nct06756087")
    other = replace(protocol, sha256="0" * 64)
    assert (
        run_here(tmp_path / "in", out=out, resume=True, protocol=other).tally.kept == 0
    )


def test_what_was_too_large_is_read_once_more_may_be(tmp_path: Path) -> None:
    """The bound is part of what a verdict depends on, and no problem of a file lasts with it."""
    files = export(tmp_path / "in", 1)
    size_bytes = files.dose.stat().st_size
    out = tmp_path / "out"

    run_here(tmp_path / "in", out=out, most_read_bytes=size_bytes - 1)
    (row,) = rows(out / "plans.csv")
    (stray,) = rows(out / "quarantine.csv")
    larger = run_here(tmp_path / "in", out=out, resume=True, most_read_bytes=size_bytes)

    assert row["outcome"] == "ERROR"
    assert "holds more than" in stray["reason"]
    assert larger.tally.kept == 0
    assert outcomes(out) == {"1": "PASS"}


def test_a_file_of_unknown_patient_that_was_too_large_is_looked_at_again(
    tmp_path: Path,
) -> None:
    """What is kept of a file says nothing of another bound."""
    path = tmp_path / "RD.dcm"
    path.write_bytes(export(tmp_path / "in", 1).dose.read_bytes())
    size_bytes = path.stat().st_size

    (small,) = learn([Place(str(path))], size_bytes - 1)
    (whole,) = learn([Place(str(path))], size_bytes)

    assert small.problem is not None
    assert "holds more than" in small.problem
    assert not small.lasts
    assert (whole.problem, whole.lasts) == (None, True)


def test_without_resume_everything_is_judged_again(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    run_here(tmp_path / "in", out=tmp_path / "out")

    assert run_here(tmp_path / "in", out=tmp_path / "out").tally.kept == 0


def test_a_torn_record_is_judged_again(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)
    first = contents(out)
    (record,) = (path for path in (out / ".records").iterdir())
    record.write_bytes(record.read_bytes()[:-500])

    assert run_here(tmp_path / "in", out=out, resume=True).tally.kept == 0
    assert contents(out) == first


def test_unchanged_files_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = export(tmp_path / "in", 1)
    for path in (*files, tmp_path / "in"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    monkeypatch.setattr(
        "sbrtcheck.batch.index.SETTLED_NS", -(10**18)
    )  # ctime cannot be set
    out = tmp_path / "out"
    run_here(tmp_path / "in", out=out)

    def refuse(path: object) -> None:
        raise AssertionError(f"{path} was read")

    for name in ("look", "learn", "learn_unopened"):
        monkeypatch.setattr(f"sbrtcheck.batch.find.{name}", refuse)
    assert run_here(tmp_path / "in", out=out, resume=True).tally.kept == 1


def test_a_file_that_changed_just_before_is_not_trusted(tmp_path: Path) -> None:
    from sbrtcheck.batch.index import Index, Kept
    from sbrtcheck.dossier.find import Contents
    from sbrtcheck.dossier.places import Entry

    entry, kept = Entry("/a", 1, 5_000_000_000, 5_000_000_000), Kept(Contents())
    index = Index(tmp_path)
    index.keep([(entry, kept)], read_ns=6_000_000_000)
    assert index.known(["/"]) == {}

    index.keep([(entry, kept)], read_ns=8_000_000_000)
    assert index.known(["/"]) == {"/a": (entry, kept)}
    assert index.known(["/b"]) == {}
    index.keep([], read_ns=9_000_000_000, gone=["/a"])
    assert index.known(["/"]) == {}


def test_a_damaged_index_is_as_good_as_none(tmp_path: Path) -> None:
    export(tmp_path / "in", 1)
    private = tmp_path / "private"
    private.mkdir()
    (private / "index.sqlite").write_bytes(
        b"this is no database, and long enough to be one" * 99
    )

    run_here(tmp_path / "in", out=tmp_path / "out", private=private)

    assert outcomes(tmp_path / "out") == {"1": "PASS"}


# --- Order and executors ------------------------------------------------------------------------


class Shuffled(Runner):
    """Gives tasks to another runner from last to first."""

    shares_disk = False

    def __init__(self, inner: Runner) -> None:
        super().__init__(inner.slots)
        self.inner = inner

    def run(self, function, tasks, **more):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN201
        return self.inner.run(function, reversed(list(tasks)), **more)

    def _submit(self, function, task, seconds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        raise NotImplementedError

    def _is_lost(self, error: BaseException | None) -> bool:
        raise NotImplementedError

    def close(self) -> None: ...


def test_no_plan_depends_on_those_before_it(samples: Path, tmp_path: Path) -> None:
    run_here(samples, out=tmp_path / "a")
    with ThreadPoolExecutor(1) as one:
        shuffled = Shuffled(ExecutorRunner(one, 1))
        run_here(samples, out=tmp_path / "b", runner=shuffled)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) > 18


def test_the_samples_get_the_verdicts_that_they_were_made_for(
    samples: Path, tmp_path: Path
) -> None:
    import tomllib

    run_here(samples, out=tmp_path / "out", phi=True)

    expected = tomllib.loads((samples / "expected.toml").read_text(encoding="utf-8"))
    found = {
        Path(row["path"]).parent.name: row["outcome"]
        for row in rows(tmp_path / "out/plans.csv")
    }
    for name, row in expected.items():
        if (samples / name / "RP.dcm").exists():
            assert found[name] == row.get("outcome", "ERROR"), name


# --- The command --------------------------------------------------------------------------------


def batch(*words: str | Path, private: Path) -> subprocess.CompletedProcess[str]:
    return run("batch", *words, "--private", private)


def test_the_command_writes_all_results_and_says_what_it_found(
    tmp_path: Path, tree: Path
) -> None:
    done = batch(tree, "--out", tmp_path / "out", private=tmp_path / "private")

    assert done.returncode == 2
    assert (
        "3 plans: PASS 1   VARIATION 0   UNDECIDED 0   FAIL 1   ERROR 1" in done.stdout
    )
    assert "DRAFT PROTOCOL" in done.stdout
    assert "Traceback" not in done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."}
    assert names == {
        "dvh.parquet",
        "findings.csv",
        "junit.xml",
        "metrics.csv",
        "metrics.parquet",
        "plans",
        "plans.csv",
        "quarantine.csv",
        "run.json",
        "summary.csv",
    }
    key = tmp_path / "private/pseudonym.key"
    if os.name != "nt":
        assert key.stat().st_mode & 0o777 == 0o600
    assert done.stderr.count("judging plans") >= 1


@pytest.mark.parametrize(
    ("roots", "fail_on", "code"),
    [
        (("shanghai",), "undecided", 0),
        (("shanghai", "guangzhou"), "undecided", 1),
        (("shanghai", "guangzhou", "beijing"), "undecided", 2),
        (("guangzhou",), "error", 0),
        (("guangzhou",), "fail", 1),
        (("beijing",), "error", 2),
        (("open",), "undecided", 3),
        (("open",), "fail", 0),
        (("varied",), "undecided", 0),
        (("varied",), "variation", 1),
    ],
)
def test_the_worst_plan_is_the_exit_code(
    tmp_path: Path,
    tree: Path,
    samples: Path,
    *,
    roots: tuple[str, ...],
    fail_on: str,
    code: int,
) -> None:
    from sbrtcheck.cli.batch import FailOn, exit_code

    places = {
        "open": samples / "t7_30gy5_no_level_undecided",
        "varied": samples / "t11t12_36gy6_variation",
    }
    result = run_here(
        *(places.get(name, tree / name) for name in roots), out=tmp_path / "out"
    )

    assert exit_code(result, FailOn(fail_on)) == code


def test_no_plan_at_all_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    done = batch(
        tmp_path / "in", "--out", tmp_path / "out", private=tmp_path / "private"
    )

    assert done.returncode == 2
    assert "no RT Plan below these folders" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere", "--out", "out"], "there is no folder or file nowhere"),
        (["in", "--out", "in/RP.dcm"], "results cannot be written here"),
        (["in", "--out", "out", "--cases", "no.csv"], "No such file"),
        (["in", "--out", "out", "--protocol", "none"], "no protocol called"),
        (["in", "--out", "out", "--key", "in/RP.dcm"], "not a key"),
    ],
)
def test_a_wrong_word_is_one_sentence(
    tmp_path: Path, words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(tmp_path / "in", 1)
    monkeypatch.chdir(tmp_path)

    done = batch(*words, private=tmp_path / "private")

    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupted_run_stops_cleanly_and_goes_on(tmp_path: Path) -> None:
    import signal

    for number in range(24):
        export(
            tmp_path / "in" / str(number),
            number,
            patient_id=f"P{number}",
            frame=str(number),
        )
    command: list[str | Path] = [
        *(sys.executable, "-m", "sbrtcheck.cli", "batch", tmp_path / "in", "-j", "1"),
        *("--out", tmp_path / "out", "--private", tmp_path / "private"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        for line in started.stderr:
            if "PASS" in line:
                started.send_signal(signal.SIGINT)
                break
        rest = started.stderr.read()
        assert started.wait(30) == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "out/run.json").exists()

    done = batch(
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--resume",
        private=tmp_path / "private",
    )
    assert done.returncode == 0
    assert "verdicts of an earlier run were kept" in done.stdout
