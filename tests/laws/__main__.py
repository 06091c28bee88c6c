"""All operations on all plans and samples: `python -m tests.laws --full [--shard I/N] [--out FILE]`.

A shard writes one JSON line for each plan and resumes from what is there. Files of several shards,
put together, are recorded in `benchmarks/results.md` by `--record`.
"""

import argparse
import json
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / name) for name in ("tests", "src", "benchmarks")]

from laws.bench import SAMPLES, SEED, Trial, quick_numbers, sample_trial, trial  # noqa: E402
from laws.court import first_answer, offences_of  # noqa: E402
from laws.operations import OPERATIONS  # noqa: E402
from sbrtcheck.checks import evidence  # noqa: E402
from sbrtcheck.model import ROI  # noqa: E402

KEPT = 64  # answers of each kind


class Line(TypedDict):
    """One line of the file: a plan, and what was found on it."""

    plan: str
    evaluations: int
    offences: list[str]


def main() -> None:
    """Run a shard and print commit, evaluations and offences as the last line."""
    options = _options()
    _keep_answers()
    done = _done(options.out)
    index, count = map(int, options.shard.split("/"))
    names = list(_names(options.plans, full=options.full))[index - 1 :: count]
    for name in names:
        if name in done:
            continue
        done[name] = _tried(_trial(name))
        first_answer.cache_clear()
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(done[name], ensure_ascii=False) + "\n")
    rows = [done[name] for name in names]
    offences = [offence for row in rows for offence in row["offences"]]
    sys.stdout.writelines(f"{offence}\n" for offence in offences)
    evaluations = sum(row["evaluations"] for row in rows)
    if options.record:
        _record(len(rows), evaluations, len(offences))
    sys.stdout.write(
        f"{_commit()} {evaluations} evaluations, {len(offences)} offences\n"
    )
    sys.exit(1 if offences else 0)


def _record(plans: int, evaluations: int, offences: int) -> None:
    """Write the section of the long runs."""
    from run import record
    from table import Section

    note = (
        f"`python -m tests.laws --full`: {plans} plans (generated ones and samples),"
        f" {evaluations} evaluations of {len(OPERATIONS)} operations, {offences} offences."
        " CI tries a slice."
    )
    record([Section(heading="All laws on all plans", note=note)])


def _keep_answers() -> None:
    """Keep DVHs and isodoses of ROIs and doses that operations leave alone: they are pure.

    Contours or a dose that are changed are other objects, and asked anew.
    """
    for name in ("compute_band", "compute_dvh", "compute_isodoses"):
        setattr(evidence, name, _kept(getattr(evidence, name)))


def _kept(answer: Callable[..., object]) -> Callable[..., object]:
    answers: OrderedDict[object, object] = OrderedDict()

    def asked(*about: object) -> object:
        key = tuple(map(_content, about))
        if key not in answers:
            answers[key] = answer(*about)
        answers.move_to_end(key)
        if len(answers) > KEPT:
            answers.popitem(last=False)
        return answers[key]

    return asked


def _content(value: object) -> object:
    """Return what tells one ROI, or the ROIs of several targets, from others."""
    if isinstance(value, ROI):
        return (
            value.name,
            value.contours,
            value.plane_spacing_mm,
            value.fills_thin_holes,
        )
    if isinstance(value, Mapping):
        return tuple((name, _content(roi)) for name, roi in value.items())
    return value


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.laws")
    parser.add_argument(
        "--full", action="store_true", help="all plans, not those quick to judge"
    )
    parser.add_argument("--plans", type=int, default=200)
    parser.add_argument("--shard", default="1/1", help="I/N, counted from 1")
    parser.add_argument("--out", type=Path, default=Path("laws.jsonl"))
    parser.add_argument("--record", action="store_true", help="write results.md")
    return parser.parse_args()


def _names(plans: int, *, full: bool) -> Iterator[str]:
    """Yield the names of plans, and of samples that hold one plan."""
    numbers = range(plans) if full else quick_numbers(plans)
    yield from (f"{SEED}/{number}" for number in numbers)
    if full:
        for plan in sorted(SAMPLES.glob("*/RP.dcm")):
            name = plan.parent.name
            if name != "t8_30gy5_wrong_rs" and not name.startswith("pair_"):
                yield name


def _trial(name: str) -> Trial:
    seed, slash, number = name.partition("/")
    return trial(int(seed), int(number)) if slash else sample_trial(name)


def _tried(tried: Trial) -> Line:
    """Try all operations on a trial, those of one case made first after one another."""
    evaluations = 0
    offences: list[str] = []
    for operation in sorted(OPERATIONS, key=lambda operation: operation.made):
        found = offences_of(tried, operation)
        if found is not None:
            evaluations += 1
            offences += found
    return {"plan": tried.name, "evaluations": evaluations, "offences": offences}


def _done(path: Path) -> dict[str, Line]:
    """Return the lines that are whole."""
    rows: dict[str, Line] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            rows[row["plan"]] = row
    return rows


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False
    ).stdout.strip()


if __name__ == "__main__":
    main()
