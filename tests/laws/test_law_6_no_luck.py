"""Law 6. No answer hangs on the order of a listing, or on files that have nothing to do with it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from laws.bench import SAMPLES, SEED, protocol, trial
from laws.written import Writing, write
from sbrtcheck import check, load_case
from sbrtcheck.model import Declared
from sbrtcheck.report.as_json import render_json

SAMPLE = "t8_30gy5_pass"
BESIDE = 3_000
GENERATED = (4, 5, 13)


def text_of(folder: Path) -> str:
    """Return what is said of the plan in a folder."""
    return render_json(check(load_case(folder), protocol(), Declared()))


class Turned:
    """A listing of a folder, by name or against it."""

    def __init__(self, path: str | os.PathLike[str], *, back: bool) -> None:
        with LISTED(path) as entries:
            self.entries = iter(
                sorted(entries, key=lambda entry: entry.name, reverse=back)
            )

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return self.entries

    def __next__(self) -> os.DirEntry[str]:
        return next(self.entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Have nothing to close."""


LISTED = os.scandir


def fill(folder: Path, number: int | None) -> Path:
    """Put a sample, or a generated plan, into a folder."""
    if number is None:
        shutil.copytree(SAMPLES / SAMPLE, folder)
    else:
        folder.mkdir(parents=True)
        write(trial(SEED, number).case, folder, Writing())
    return folder


@pytest.mark.parametrize("number", [None, *GENERATED])
def test_the_order_of_a_listing_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    folder = fill(tmp_path / "in" / "case", number)
    found = []
    for back in (False, True):
        monkeypatch.setattr(
            os, "scandir", lambda path=".", back=back: Turned(path, back=back)
        )
        found.append(text_of(folder))
    assert found[0] == found[1], f"{SEED}/{number}"


@pytest.mark.parametrize("number", [None, GENERATED[0]])
def test_thousands_of_other_files_decide_nothing(
    tmp_path: Path, number: int | None
) -> None:
    folder = fill(tmp_path / "in" / "case", number)
    alone = text_of(folder)
    for index in range(BESIDE):
        place = (folder, folder.parent, folder.parent / "notes")[index % 3]
        place.mkdir(exist_ok=True)
        (place / f"{index:05d}.txt").write_text(f"note {index}\n", encoding="utf-8")
    assert text_of(folder) == alone, f"{SEED}/{number}"
