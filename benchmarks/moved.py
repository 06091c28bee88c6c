"""Tell which findings move between two versions of sbrtcheck on the same files.

    python benchmarks/moved.py                       the first release against this checkout
    python benchmarks/moved.py --old COMMIT          another commit against this checkout
    python benchmarks/moved.py --old-python PATH     what is installed there against this checkout
    python benchmarks/moved.py --files PATH ...      these plans, or those below these folders, alone

Plans are those of `sample_dicom`, generated ones, and real exports where these are at hand (see
`real_data`). The old version is installed into an environment of its own, kept in `--cache`; where
that cannot be done, as without a network, its source runs with this interpreter. The exit code is 0
if nothing moved, 1 if something did, 2 if nothing could be compared.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import pydicom

from real_data import real_data
from table import grid

__all__ = ["Answer", "Finding", "Kind", "Move", "moves_of", "report"]

HERE = Path(__file__).parent
CHECKOUT = HERE.parent
FIRST_RELEASE = "eb9dc1e"
GENERATOR = "sbrtcheck.phantoms.spine"
COULD_NOT_RUN = 2
RT_PLANS = ("1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.481.8")
RELATIVE = 1e-6  # of a number: less is another order of sums
EXAMPLES = 5
VERDICT = "verdict"
REFUSED = "REFUSED"  # no verdict: as strict as UNDECIDED
RANKS = {None: 0, "PASS": 1, "VARIATION": 2, "UNDECIDED": 3, REFUSED: 3, "FAIL": 4}
DRIVER = """
import contextlib, io, json, os, sys

sys.path[:0] = sys.argv[1:]
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # nothing but answers goes where answers are read

import sbrtcheck
from sbrtcheck.cli import main


def judge(path):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([path, "--json"])
        except SystemExit as end:
            code = end.code or 0
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def say(row):
    print(json.dumps(row), file=answers, flush=True)


say({"version": sbrtcheck.__version__, "place": os.path.dirname(sbrtcheck.__file__)})
for line in sys.stdin:
    say(judge(json.loads(line)))
"""

Key = tuple[str, str, str | None]  # id, subject and metric


class Kind(StrEnum):
    """How a finding moved, the most important first."""

    MILDER = "milder"
    STRICTER = "stricter"
    EVEN = "as strict, but another outcome"
    NUMBERS = "numbers"
    VANISHED = "vanished"
    APPEARED = "appeared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding of one version; numbers are value, low and high."""

    key: Key
    outcome: str | None
    numbers: tuple[float | None, ...] = (None, None, None)
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one version says of a plan; the code is None where its process died."""

    code: int | None
    findings: Mapping[Key, Finding]

    @property
    def refused(self) -> bool:
        """Tell whether no verdict was reached."""
        return self.findings[VERDICT, "plan", None].outcome == REFUSED

    @property
    def code_words(self) -> str:
        """Return the exit code for people."""
        return "died" if self.code is None else str(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What both versions say of a plan."""

    plan: str
    before: Answer
    after: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One finding of a plan that moved; None on the side where it is not there."""

    plan: str
    key: Key
    kind: Kind
    before: Finding | None
    after: Finding | None


# --- What moved ---------------------------------------------------------------------------------


def answer_of(row: Mapping[str, Any]) -> Answer:
    """Return what a version says, from its exit code and what it wrote."""
    document = _document(row["out"])
    if document is None:
        refused = Finding(
            key=(VERDICT, "plan", None),
            outcome=REFUSED,
            message=" ".join(row["err"].split()),
        )
        return Answer(code=row["code"], findings={refused.key: refused})
    whole = Finding(key=(VERDICT, "plan", None), outcome=document["outcome"])
    findings = {whole.key: whole}
    for finding in map(_finding, document["findings"]):
        if finding.key in findings:
            raise ValueError(f"a verdict holds two findings {finding.key}")
        findings[finding.key] = finding
    return Answer(code=row["code"], findings=findings)


def moves_of(compared: Compared) -> Iterator[Move]:
    """Yield what moved; where either version refuses the plan, that alone."""
    before, after = compared.before.findings, compared.after.findings
    keys: Iterable[Key] = dict.fromkeys([*before, *after])
    if compared.before.refused or compared.after.refused:
        keys = [(VERDICT, "plan", None)]
    for key in keys:
        sides = before.get(key), after.get(key)
        kind = _kind(*sides)
        if kind is not None:
            yield Move(
                plan=compared.plan, key=key, kind=kind, before=sides[0], after=sides[1]
            )


def _kind(before: Finding | None, after: Finding | None) -> Kind | None:
    if before is None or after is None:
        return _one_sided(before, after)
    ranks = RANKS[before.outcome], RANKS[after.outcome]
    if ranks[0] < ranks[1]:
        return Kind.STRICTER
    if ranks[0] > ranks[1]:
        return Kind.MILDER
    if before.outcome != after.outcome:
        return Kind.EVEN
    pairs = zip(before.numbers, after.numbers, strict=True)
    return None if all(_same(*pair) for pair in pairs) else Kind.NUMBERS


def _one_sided(before: Finding | None, after: Finding | None) -> Kind | None:
    """Tell how strict it is that a finding came or went: only one worse than PASS matters."""
    if after is not None:
        return Kind.STRICTER if RANKS[after.outcome] > RANKS["PASS"] else Kind.APPEARED
    if before is not None:
        return Kind.MILDER if RANKS[before.outcome] > RANKS["PASS"] else Kind.VANISHED
    return None


def _same(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    return abs(after - before) <= RELATIVE * max(abs(before), abs(after))


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(
        key=(row["id"], row["subject"], row["metric"]),
        outcome=row["outcome"],
        numbers=(row["value"], row["low"], row["high"]),
        message=row["message"],
    )


# --- Words --------------------------------------------------------------------------------------


def report(plans: Sequence[Compared], moves: Sequence[Move]) -> list[str]:
    """Return lines: moves by id and kind, then exit codes, then totals."""
    lines = []
    for rule in sorted({move.key[0] for move in moves}):
        chosen = [move for move in moves if move.key[0] == rule]
        lines += [f"## {rule}: {_counts(chosen)}", "", *_examples(chosen)]
    return [*lines, "## Exit codes", "", *_codes(plans), "", _totals(plans, moves)]


def _examples(moves: Sequence[Move]) -> Iterator[str]:
    for kind in Kind:
        chosen = [move for move in moves if move.kind is kind]
        if not chosen:
            continue
        yield f"{kind} ({len(chosen)})"
        yield from (_line(move) for move in chosen[:EXAMPLES])
        if len(chosen) > EXAMPLES:
            yield f"  and {len(chosen) - EXAMPLES} more"
        yield ""


def _line(move: Move) -> str:
    subject = " ".join(word for word in move.key[1:] if word)
    found = move.after or move.before
    message = "" if found is None else found.message
    sides = f"{_side(move.before)} -> {_side(move.after)}"
    return f"  {move.plan}, {subject}: {sides}; {message}".rstrip("; ")


def _side(finding: Finding | None) -> str:
    if finding is None:
        return "absent"
    outcome = finding.outcome or "not graded"
    value, low, high = finding.numbers
    if value is None and low is None and high is None:
        return outcome
    return f"{outcome} {_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.8g}"


def _counts(moves: Sequence[Move]) -> str:
    kinds = Counter(move.kind for move in moves)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in Kind if kinds[kind])


def _codes(plans: Sequence[Compared]) -> list[str]:
    pairs = Counter((row.before.code_words, row.after.code_words) for row in plans)
    body = [
        [before, after, str(count)] for (before, after), count in sorted(pairs.items())
    ]
    return grid(["before", "after", "plans"], body)


def _totals(plans: Sequence[Compared], moves: Sequence[Move]) -> str:
    findings = sum(len({*row.before.findings, *row.after.findings}) for row in plans)
    codes = sum(row.before.code != row.after.code for row in plans)
    moved = len({move.plan for move in moves})
    kinds = f": {_counts(moves)}" if moves else ""
    return (
        f"Total: {len(plans)} plans, {findings} findings; {len(moves)} findings moved in {moved}"
        f" plans{kinds}; {codes} exit codes changed"
    )


def _as_json(plans: Sequence[Compared], moves: Sequence[Move]) -> str:
    document = {
        "plans": [
            {"plan": row.plan, "before": row.before.code, "after": row.after.code}
            for row in plans
        ],
        "moves": [
            {
                "plan": move.plan,
                "id": move.key[0],
                "subject": move.key[1],
                "metric": move.key[2],
                "kind": move.kind.name.lower(),
                "before": _side_document(move.before),
                "after": _side_document(move.after),
            }
            for move in moves
        ],
        "totals": _totals(plans, moves),
    }
    return json.dumps(document, ensure_ascii=True, indent=1, allow_nan=False) + "\n"


def _side_document(finding: Finding | None) -> dict[str, object] | None:
    if finding is None:
        return None
    value, low, high = finding.numbers
    return {
        "outcome": finding.outcome,
        "value": value,
        "low": low,
        "high": high,
        "message": finding.message,
    }


# --- Two versions at work -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Installation:
    """An interpreter, and the source that it runs; None for what is installed there."""

    python: Path
    source: Path | None

    def command(self, *words: str) -> list[str]:
        """Return a command that imports nothing from the folder that it is run in."""
        return [str(self.python), "-P", *words]


class Worker:
    """A process of one version that judges plan after plan, and is replaced if it dies."""

    def __init__(self, installation: Installation, seconds: float) -> None:
        self.installation = installation
        self.seconds = seconds
        self.version = ""
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def judge(self, plan: Path) -> Answer:
        """Return what this version says of a plan; that it died where it takes too long."""
        line = self._ask(json.dumps(str(plan)))
        if line:
            return answer_of(json.loads(line))
        self._end()
        self._start()
        return answer_of(
            {"code": None, "out": "", "err": "the process died or took too long"}
        )

    def _start(self) -> None:
        source = self.installation.source
        self._process = subprocess.Popen(
            self.installation.command("-c", DRIVER, *([str(source)] if source else [])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=_environment(),
        )
        hello = self._ask(None)
        if not hello:
            _refuse(f"sbrtcheck does not start with {self.installation.python}")
        self.version = "{version} in {place}".format(**json.loads(hello))

    def _ask(self, line: str | None) -> str:
        """Return the next answer, empty where there is none."""
        timer = threading.Timer(self.seconds, self._process.kill)
        timer.start()
        try:
            if line is not None and self._process.stdin is not None:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            return (
                "" if self._process.stdout is None else self._process.stdout.readline()
            )
        except OSError:
            return ""
        finally:
            timer.cancel()

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()


def _compare(
    plans: Mapping[str, Path],
    old: Installation,
    new: Installation,
    *,
    jobs: int,
    seconds: float,
) -> list[Compared]:
    """Let both versions judge every plan; each core has a process of either."""
    free: queue.SimpleQueue[tuple[Worker, Worker]] = queue.SimpleQueue()

    def judge(name: str) -> Compared:
        pair = free.get()
        try:
            before, after = (worker.judge(plans[name]) for worker in pair)
        finally:
            free.put(pair)
        return Compared(plan=name, before=before, after=after)

    with ExitStack() as stack:
        for _ in range(min(jobs, len(plans))):
            before, after = (
                stack.enter_context(Worker(one, seconds)) for one in (old, new)
            )
            free.put((before, after))
        print(f"old: {before.version}\nnew: {after.version}", file=sys.stderr)
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(judge, plans))


def _environment() -> dict[str, str]:
    """Return the environment without what would lead to another version."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


# --- The old version ----------------------------------------------------------------------------


def _old(commit: str, cache: Path) -> Installation:
    """Install a commit into an environment of its own, or run its source if that cannot be done."""
    words = [
        "git",
        "-C",
        str(CHECKOUT),
        "rev-parse",
        "--short=12",
        f"{commit}^{{commit}}",
    ]
    found = subprocess.run(words, capture_output=True, check=False, text=True)
    if found.returncode != 0:
        _refuse(f"there is no commit {commit} in the history of this checkout")
    folder = cache / found.stdout.strip()
    python = _python_of(folder / "venv")
    finished = folder / "installed"
    if finished.exists():
        return Installation(python, None)
    tree = _extract(found.stdout.strip(), folder)
    if not _install(tree, folder / "venv"):
        print(
            f"{commit} cannot be installed; its source runs with this Python",
            file=sys.stderr,
        )
        return Installation(Path(sys.executable), tree / "src")
    finished.touch()
    return Installation(python, None)


def _extract(commit: str, folder: Path) -> Path:
    tree = folder / "tree"
    archive = folder / "tree.zip"
    folder.mkdir(parents=True, exist_ok=True)
    words = [
        "git",
        "-C",
        str(CHECKOUT),
        "archive",
        "--format=zip",
        "-o",
        str(archive),
        commit,
    ]
    # The samples are large, and not needed to install it.
    subprocess.run([*words, "--", ".", ":(exclude)sample_dicom"], check=True)
    with zipfile.ZipFile(archive) as content:
        content.extractall(tree)
    return tree


def _install(tree: Path, venv: Path) -> bool:
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        [str(_python_of(venv)), "-m", "pip", "install", "--quiet", str(tree)],
    )
    return all(
        subprocess.run(
            words, check=False, env=_environment(), stdout=sys.stderr
        ).returncode
        == 0
        for words in commands
    )


def _python_of(venv: Path) -> Path:
    if os.name == "nt":
        return venv / "Scripts" / "python.exe"
    return venv / "bin" / "python"


# --- The plans ----------------------------------------------------------------------------------


def _plans(
    asked: argparse.Namespace, new: Installation, scratch: Path
) -> dict[str, Path]:
    """Return every plan by the name that it is shown with."""
    if asked.files:
        return {
            path.as_posix(): path.resolve()
            for root in asked.files
            for path in _below(root)
        }
    roots = {"sample_dicom": CHECKOUT / "sample_dicom"}
    if asked.count and _generate(new, asked.seed, asked.count, scratch / "generated"):
        roots["generated"] = scratch / "generated"
    if asked.data is not None and asked.data.is_dir():
        roots["data"] = asked.data
    else:
        print("no real exports: data not beside this checkout", file=sys.stderr)
    return {
        f"{name}/{path.relative_to(root).as_posix()}": path.resolve()
        for name, root in roots.items()
        for path in _below(root)
    }


def _below(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    return sorted(path for path in root.rglob("*") if path.is_file() and _is_plan(path))


def _is_plan(path: Path) -> bool:
    tags = ["SOPClassUID", "Modality"]
    try:
        dataset = pydicom.dcmread(
            path, specific_tags=tags, stop_before_pixels=True, force=True
        )
        return (
            dataset.get("Modality") == "RTPLAN"
            or dataset.get("SOPClassUID") in RT_PLANS
        )
    except Exception:  # noqa: BLE001 - whatever cannot be read as DICOM is no plan
        return False


def _generate(new: Installation, seed: int, count: int, folder: Path) -> bool:
    """Write generated plans; tell whether this version can."""
    words = ["-m", GENERATOR, "--seed", str(seed), "--count", str(count), str(folder)]
    environment = {**_environment(), "PYTHONPATH": str(new.source)}
    done = subprocess.run(
        new.command(*words),
        check=False,
        env=environment,
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode == 0:
        return True
    last = done.stderr.rstrip().rpartition("\n")[2]
    if GENERATOR not in last:
        _refuse(f"plans cannot be generated: {last}")
    print(
        f"no generated plans: there is no {GENERATOR} in this checkout", file=sys.stderr
    )
    return False


# --- The command --------------------------------------------------------------------------------


def main() -> int:
    """Compare, print what moved, and tell whether nothing did."""
    asked = _arguments()
    new = Installation(Path(sys.executable), CHECKOUT / "src")
    with tempfile.TemporaryDirectory(
        prefix="sbrtcheck-moved-", ignore_cleanup_errors=True
    ) as scratch:
        plans = _plans(asked, new, Path(scratch))
        if not plans:
            _refuse("there is no RT Plan to compare")
        if asked.old_python is None:
            old = _old(asked.old, (asked.cache or Path(scratch)).absolute())
        else:
            old = Installation(asked.old_python.absolute(), None)
        compared = _compare(plans, old, new, jobs=asked.jobs, seconds=asked.seconds)
    moves = [move for row in compared for move in moves_of(row)]
    print("\n".join(report(compared, moves)))
    if asked.json is not None:
        asked.json.write_text(_as_json(compared, moves), encoding="utf-8")
    changed = any(row.before.code != row.after.code for row in compared)
    return 1 if moves or changed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Tell which findings move between two versions."
    )
    old = parser.add_mutually_exclusive_group()
    old.add_argument(
        "--old", metavar="COMMIT", default=FIRST_RELEASE, help="the old version"
    )
    old.add_argument(
        "--old-python", metavar="PATH", type=Path, help="Python that has it installed"
    )
    parser.add_argument(
        "--cache", metavar="DIR", type=Path, help="folder that keeps what is built"
    )
    parser.add_argument(
        "--count", type=int, default=200, help="how many plans to generate"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the generated plans")
    parser.add_argument(
        "--files", metavar="PATH", type=Path, nargs="+", help="these plans alone"
    )
    parser.add_argument("--data", metavar="DIR", type=Path, default=real_data(""))
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="plans at once"
    )
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="that one plan may take"
    )
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="write all that moved there"
    )
    asked = parser.parse_args()
    if asked.jobs < 1:
        parser.error("--jobs: at least 1")
    if missing := [path for path in asked.files or () if not path.exists()]:
        parser.error(f"there is no {missing[0]}")
    return asked


def _refuse(sentence: str) -> NoReturn:
    print(f"moved: {sentence}", file=sys.stderr)
    sys.exit(COULD_NOT_RUN)


if __name__ == "__main__":
    # A console of another code page shows an escape, not a crash.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
