"""The fuzzer sees what it is to see: a fault that is planted is told, a sound case is not."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest

if sys.platform == "win32":
    pytest.skip("forks a process for each case", allow_module_level=True)

import fuzz
from harm import FAMILIES
from harm.answers import Findings, better, shown_wrongly
from harm.octets import WAYS
from harm.plans import NAMES, Harmed, Plans, written
from harm.stream import elements_of

EXITS = {"good": 0, "hot cord": 1, "cold target": 1, "rejected": 3, "no cord": 3}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Plans:
    return written(tmp_path_factory.mktemp("plans"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "tried" / "case"


@pytest.mark.parametrize("name", NAMES)
def test_the_unharmed_plans_end_as_they_are_made(
    name: str, plans: Plans, place: Path
) -> None:
    harmed = Harmed(what=name, files=plans.of(name), base=name)
    fuzz._write(harmed, place)

    ended = fuzz._run(harmed, place)

    assert ended.exit == EXITS[name]
    assert fuzz._faults(harmed, ended, place) == []


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
@pytest.mark.parametrize("kind", ["RP", "RS", "RD"])
def test_the_elements_are_those_that_the_library_reads(
    kind: str, syntax: str, plans: Plans, tmp_path: Path
) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(plans.of("good", syntax)[f"{kind}.dcm"])
    dataset = pydicom.dcmread(path)
    read = [int(element.tag) for element in (*dataset.file_meta, *dataset.iterall())]

    found = elements_of(path.read_bytes(), implicit=syntax == "implicit")

    assert [e.tag for e in found if e.tag >> 16 != 0xFFFE] == read
    assert len({element.path for element in found if element.vr}) == len(read)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_case_follows_from_its_family_and_number(family: str, plans: Plans) -> None:
    def made(number: int) -> Harmed:
        rng = random.Random(f"{family} {number}")  # noqa: S311 - a fixed order
        return FAMILIES[family](rng, number, plans)

    for number in range(0, 60, 7):
        assert made(number).files == made(number).files
        assert made(number).arguments == made(number).arguments


def test_every_way_to_harm_bytes_harms(plans: Plans) -> None:
    data = plans.of("good")["RP.dcm"]
    elements = elements_of(data, implicit=False)

    for way in WAYS:
        seeds = map(random.Random, range(20))
        assert any(way(data, elements, rng) != data for rng in seeds), way


# --- Faults -------------------------------------------------------------------------------------


def raises(_: Sequence[str]) -> None:
    raise RuntimeError


def hangs(_: Sequence[str]) -> None:
    time.sleep(30)


def is_killed(_: Sequence[str]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_hungry(_: Sequence[str]) -> None:
    np.ones(2 * fuzz.MOST_BYTES // 8)


def says_nothing(_: Sequence[str]) -> None:
    sys.exit(2)


def confesses(_: Sequence[str]) -> None:
    sys.stderr.write("internal error\n")
    sys.exit(4)


def ends_well(_: Sequence[str]) -> None:
    sys.stdout.write("PASS\n")
    sys.exit(0)


@pytest.mark.parametrize(
    ("planted", "faults"),
    [
        (raises, ["crash: exit 4"]),
        (hangs, ["hang"]),
        (is_killed, [f"crash: exit -{int(signal.SIGKILL)}"]),
        (is_hungry, ["crash: exit 4"]),
        (says_nothing, ["no word"]),
        (confesses, ["crash: exit 4", "traceback"]),
        (ends_well, []),
    ],
)
def test_a_planted_fault_is_told(
    planted: Callable[[Sequence[str]], None],
    faults: list[str],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sbrtcheck.cli.main", planted)
    monkeypatch.setattr(fuzz, "MOST_S", 1)
    harmed = Harmed(what="planted", files={"RP.dcm": b"x"})
    fuzz._write(harmed, place)

    assert fuzz._faults(harmed, fuzz._run(harmed, place), place) == faults


@pytest.mark.parametrize(
    ("text", "is_table", "faults"),
    [
        ("a\nb", False, 0),
        ("\x1b[31m", False, 1),
        ("a\rb", False, 1),
        ("\u202e", False, 1),
        ("Quixote", False, 1),
        ("Traceback (most recent call last):", False, 1),
        ("a,b\r\n-1.5,+3\r\n", True, 0),
        ("a,b\r\n=1+1,x\r\n", True, 1),
        ("a,b\r\n -x,\uff1d1\r\n", True, 2),
        ('a,"\t@x"\r\n', True, 2),  # a formula, and a tab
    ],
)
def test_what_no_output_may_show_is_told(
    text: str, faults: int, *, is_table: bool
) -> None:
    told = shown_wrongly(text, is_table=is_table, hidden=("Quixote",))

    assert len(told) == faults


def finding(outcome: str, value: float | None, limit: str, name: str = "r") -> Findings:
    row = {"id": name, "outcome": outcome, "value": value, "limit": limit}
    return {(name, "", "s"): row}


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (finding("FAIL", 29.0, "<= 25"), finding("PASS", 24.0, "<= 25"), False),
        (finding("FAIL", 29.0, "<= 25"), finding("PASS", 29.0, "<= 25"), True),
        (finding("FAIL", 29.0, "<= 25"), finding("PASS", 30.0, "<= 25"), True),
        (finding("FAIL", 60.0, ">= 90"), finding("PASS", 95.0, ">= 90"), False),
        (finding("FAIL", 60.0, ">= 90"), finding("PASS", 60.0, ">= 90"), True),
        (finding("FAIL", 29.0, "<= 25"), {}, True),
        (finding("UNDECIDED", None, ""), {}, True),
        (finding("VARIATION", 29.0, "<= 25"), {}, False),
        (finding("UNDECIDED", None, "", "plan.rejected"), {}, False),
    ],
)
def test_a_milder_answer_needs_a_value_that_moved(
    before: Findings, after: Findings, *, is_told: bool
) -> None:
    assert bool(better(before, after)) is is_told


@pytest.mark.parametrize(("now", "is_told"), [(60.0, True), (95.0, False)])
def test_a_dose_that_does_not_fit_is_mended_by_another_dose_only(
    now: float, *, is_told: bool
) -> None:
    """The row states no value: that of the coverage tells whether the dose is another."""
    unfit = finding("UNDECIDED", None, "", "dose.fits_prescription")

    told = better(
        {**unfit, **finding("VARIATION", 60.0, ">= 90")},
        finding("VARIATION", now, ">= 90"),
    )

    assert bool(told) is is_told


def test_a_run_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fuzz.jsonl"
    words = ["fuzz", "--families", "bytes", "--count", "4", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    assert fuzz.main() == 0
    first = out.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [*words, "--count", "6"])

    assert fuzz.main() == 0

    lines = out.read_text(encoding="utf-8")
    assert lines.startswith(first)
    assert [json.loads(line)["number"] for line in lines.splitlines()] == [*range(6)]
    assert "| bytes | 6 |" in capsys.readouterr().out
