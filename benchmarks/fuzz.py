"""Harmed input of all kinds: what breaks the command, hangs it, fills memory, shows what it must not, or passes wrongly.

    python benchmarks/fuzz.py [--families bytes,elements] [--from N] [--count N] [--shard I/N]

Each case is made from its family and number alone and runs in a process of its own, forked with the
command loaded, under an alarm and an address-space limit. Results are appended to a file, a line
each; a run goes on where the last one of the same commit stopped. Linux only.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import TypedDict

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE)]

import sbrtcheck.cli  # noqa: E402
from harm import FAMILIES  # noqa: E402
from harm.answers import Findings, better, findings_of, shown_wrongly  # noqa: E402
from harm.plans import NAMES, Harmed, Plans, written  # noqa: E402
from laws.bench import Judged  # noqa: E402
from laws.silent import exemption  # noqa: E402
from table import Section, grid  # noqa: E402

MOST_S = 10
MOST_BYTES = 1024**3  # above what the process holds before; the doses are small
BROKEN = 4  # the exit code of a bug
BY_COMMAND = 400  # one case in so many runs by the real command, too
SHARES = {  # of a run of all families
    "bytes": 0.32,
    "elements": 0.26,
    "meaning": 0.16,
    "written": 0.1,
    "places": 0.08,
    "injected": 0.08,
}


COLUMNS = (
    "family",
    "cases",
    "exit codes",
    "crashes",
    "hangs",
    "false passes",
    "other faults",
    "better, with reason",
    "slowest",
    "most memory",
)


class Line(TypedDict):
    """One case: how it ended, and what is wrong with that."""

    family: str
    number: int
    what: str
    exit: int
    seconds: float
    megabytes: float
    faults: list[str]
    is_better: bool


def main() -> int:
    """Run cases and report; exit code 1 where any shows a fault."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        os.environ["HOME"] = str(Path(place) / "home")
        plans = written(Path(place) / "plans")
        unharmed = {name: _unharmed(plans, name, Path(place)) for name in NAMES}
        done = _done(options.out)
        with options.out.open("a", encoding="utf-8") as file:
            for family, number in _asked(options):
                if (family, number) in done:
                    continue
                line = _tried(
                    family, number, plans, unharmed, Path(place) / "tried" / "case"
                )
                done[family, number] = line
                file.write(json.dumps({"commit": _commit(), **line}) + "\n")
                file.flush()
    asked = [done[key] for key in _asked(options)]
    print("\n".join(report(asked)))
    if options.record:
        from run import record

        record([_section(asked)], f"commit {_commit()}, {datetime.now(UTC):%Y-%m-%d}")
    return 1 if any(line["faults"] for line in asked) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Try harmed input.")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000, help="over all families")
    parser.add_argument("--shard", default="1/1", help="I/N, counted from 1")
    parser.add_argument("--out", type=Path, default=Path("fuzz.jsonl"))
    parser.add_argument("--record", action="store_true", help="write results.md")
    options = parser.parse_args()
    if unknown := set(options.families.split(",")) - set(FAMILIES):
        parser.error(f"no such family: {', '.join(sorted(unknown))}")
    return options


def _asked(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Yield the cases of a run: each family has its share, numbered from `--from`."""
    families = options.families.split(",")
    whole = sum(SHARES[family] for family in families)
    index, count = map(int, options.shard.split("/"))
    for family in families:
        numbers = round(options.count * SHARES[family] / whole)
        for number in range(options.first, options.first + numbers):
            if number % count == index - 1:
                yield family, number


def _done(out: Path) -> dict[tuple[str, int], Line]:
    """Return what a run of this commit has tried before; a line that was cut off is tried again."""
    done: dict[tuple[str, int], Line] = {}
    if not out.exists():
        return done
    for text in out.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if line.pop("commit") == _commit():
            done[line["family"], line["number"]] = line
    return done


# --- One case -----------------------------------------------------------------------------------


def _tried(
    family: str,
    number: int,
    plans: Plans,
    unharmed: Mapping[str, "Ended"],
    folder: Path,
) -> Line:
    rng = random.Random(f"{family} {number}")  # noqa: S311 - a fixed order, no secret
    harmed = FAMILIES[family](rng, number, plans)
    _write(harmed, folder)
    ended = _run(harmed, folder)
    faults = _faults(harmed, ended, folder)
    is_better = False
    if harmed.base is not None and ended.exit == 0:
        before = unharmed[harmed.base]
        is_better = before.exit != 0
        if is_better:
            faults += _passes_wrongly(before, ended, plans.of(harmed.base), folder)
    if number % BY_COMMAND == 0:
        _write(harmed, folder)
        faults += _by_command(harmed, folder, ended)
    _clear(folder)
    return Line(
        family=family,
        number=number,
        what=harmed.what,
        exit=ended.exit,
        seconds=round(ended.seconds, 3),
        megabytes=round(ended.megabytes, 1),
        faults=faults,
        is_better=is_better,
    )


def _write(harmed: Harmed, folder: Path) -> None:
    _clear(folder)
    folder.mkdir(parents=True)
    for name, data in harmed.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if harmed.prepare is not None:
        harmed.prepare(folder)


def _clear(folder: Path) -> None:
    for path in folder.rglob("closed"):
        path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


class Ended:
    """How a case ended: exit code, or minus the signal; time and memory; what it said."""

    def __init__(self, status: int, seconds: float, used: float, place: Path) -> None:
        """Read what was said from the place that streams were led to."""
        self.exit = (
            -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        )
        self.seconds = seconds
        self.megabytes = used
        self.said = _text(place / "stdout")
        self.told = _text(place / "stderr")
        self.findings: Findings | None = findings_of(place / "verdict.json")


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "backslashreplace")


def _arguments(harmed: Harmed, place: Path) -> list[str]:
    """Return the words of the command; a verdict that is compared is recorded, too."""
    if harmed.base is None:
        return list(harmed.arguments)
    return [*harmed.arguments, "--json", str(place / "verdict.json")]


def _run(harmed: Harmed, folder: Path) -> Ended:
    """Run the command in a process of its own."""
    place = _place_of(folder)
    started = perf_counter()
    child = os.fork()
    if child == 0:
        _in_child(_arguments(harmed, place), folder, place)
    _, status, usage = os.wait4(child, 0)
    held = int((place / "held").read_text(encoding="ascii"))
    used = max(0, usage.ru_maxrss * 1024 - held) / 1e6
    return Ended(status, perf_counter() - started, used, place)


def _place_of(folder: Path) -> Path:
    """Return an empty folder beside the case, for what it says."""
    place = folder.with_name("said")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def _pages_bytes() -> tuple[int, int]:
    """Return how much address space and how much memory this process has."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(pages[0]) * resource.getpagesize(), int(
        pages[1]
    ) * resource.getpagesize()


def _in_child(arguments: Sequence[str], folder: Path, place: Path) -> None:
    """Run the command and end; an alarm, or a fault of the interpreter, ends it by a signal."""
    code = BROKEN
    try:
        os.chdir(folder)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT), number)
            stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
        space, held = _pages_bytes()
        (place / "held").write_text(str(held), encoding="ascii")
        most = space + MOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(MOST_S)
        if arguments[0] == "batch":  # starts processes of its own: limits go with it
            command = [sys.executable, "-m", "sbrtcheck.cli", *arguments]
            os.execv(sys.executable, command)  # noqa: S606 - arguments, no shell
        sbrtcheck.cli.main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else BROKEN
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# --- What is wrong ------------------------------------------------------------------------------


def _faults(harmed: Harmed, ended: Ended, folder: Path) -> list[str]:
    faults = []
    if ended.exit == -signal.SIGALRM:
        faults.append("hang")
    elif ended.exit < 0 or ended.exit not in (0, 1, 2, 3):
        faults.append(f"crash: exit {ended.exit}")
    if "not enough memory" in ended.told:
        faults.append("memory")
    if ended.exit == 2 and not ended.told and not ended.said:
        faults.append("no word")
    is_table = "--csv" in harmed.arguments
    faults += shown_wrongly(ended.said, is_table=is_table, hidden=harmed.hidden)
    faults += shown_wrongly(ended.told, is_table=False, hidden=harmed.hidden)
    for path in sorted((folder / "out").rglob("*.csv")):
        text = path.read_text(encoding="utf-8-sig")
        faults += [
            f"{path.name}: {fault}"
            for fault in shown_wrongly(text, is_table=True, hidden=harmed.hidden)
        ]
    return faults


def _unharmed(plans: Plans, name: str, place: Path) -> Ended:
    """Return how an unharmed plan ends."""
    harmed = Harmed(what=name, files=plans.of(name), base=name)
    folder = place / name / "case"
    _write(harmed, folder)
    return _run(harmed, folder)


def _passes_wrongly(
    before: Ended, after: Ended, files: Mapping[str, bytes], folder: Path
) -> list[str]:
    """Tell of a pass that has no reason: no value moved its way, and no exemption holds."""
    if before.findings is None or after.findings is None:
        return []
    milder = better(before.findings, after.findings)
    if not milder or _is_exempt(files, folder):
        return []
    return [f"false pass: {', '.join(milder)}"]


def _is_exempt(files: Mapping[str, bytes], folder: Path) -> bool:
    """Tell whether the table of exemptions from the law of evidence lets it go unnoticed."""
    from sbrtcheck import check, load_case, load_protocol

    whole = folder.parents[1] / "whole" / "case"
    _write(Harmed(what="unharmed", files=files), whole)
    case, harmed = load_case(whole / "RP.dcm"), load_case(folder / "RP.dcm")
    answer = Judged(verdict=check(case, load_protocol("nct06756087")))
    return exemption(case, harmed, answer) is not None


def _by_command(harmed: Harmed, folder: Path, ended: Ended) -> list[str]:
    """Tell where the real command ends or speaks otherwise."""
    place = _place_of(folder)
    command = [sys.executable, "-m", "sbrtcheck.cli", *_arguments(harmed, place)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, check=False, timeout=60
    )
    if done.returncode != ended.exit:
        return [f"the command ends with {done.returncode}, in process {ended.exit}"]
    if done.stdout.decode("utf-8", "backslashreplace") != ended.said:
        return ["the command says something else"]
    return []


# --- The report ---------------------------------------------------------------------------------


def report(lines: Sequence[Line]) -> list[str]:
    """Return the report: a table of families, then each fault."""
    faulty = [line for line in lines if line["faults"]]
    faults = [f"{_name(line)}: {'; '.join(line['faults'])}" for line in faulty]
    return [f"{_commit()}: {len(lines)} cases", "", *_table(lines), "", *faults]


def _section(lines: Sequence[Line]) -> Section:
    note = (
        "`python benchmarks/fuzz.py --count 100000`: a case follows from its family and number."
        f" Bounds: {MOST_S} s, {MOST_BYTES // 1024**3} GB above what the process holds before."
        " A false pass is milder than the unharmed plan without a value that moved its way;"
        " memory is that above the process before the case."
    )
    return Section(heading="Harmed input", note=note, details=tuple(_table(lines)))


def _table(lines: Sequence[Line]) -> list[str]:
    families = dict.fromkeys(line["family"] for line in lines)
    rows = [
        _row(family, [line for line in lines if line["family"] == family])
        for family in families
    ]
    return grid(COLUMNS, [*rows, _row("all", lines)])


def _row(name: str, lines: Sequence[Line]) -> list[str]:
    codes = Counter(line["exit"] for line in lines)
    faults = Counter(
        fault.partition(":")[0] for line in lines for fault in line["faults"]
    )
    known = {kind: faults.pop(kind, 0) for kind in ("crash", "hang", "false pass")}
    slowest = max((line["seconds"] for line in lines), default=0.0)
    most = max((line["megabytes"] for line in lines), default=0.0)
    cells = [
        name,
        len(lines),
        ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())),
        known["crash"],
        known["hang"],
        known["false pass"],
        faults.total(),
        sum(line["is_better"] for line in lines),
        f"{slowest:.1f} s",
        f"{most:.0f} MB",
    ]
    return list(map(str, cells))


def _name(line: Line) -> str:
    return f"{line['family']} {line['number']} ({line['what']})"


@cache
def _commit() -> str:
    """Return the commit, marked where the sources differ from it."""
    command = ["git", "-C", str(HERE.parent)]
    told = [
        subprocess.run(
            [*command, *words], capture_output=True, check=True, text=True
        ).stdout.strip()
        for words in (
            ("rev-parse", "--short=12", "HEAD"),
            ("status", "--porcelain", "--", "src", "protocols"),
        )
    ]
    return told[0] + (" with changes" if told[1] else "")


if __name__ == "__main__":
    sys.exit(main())
