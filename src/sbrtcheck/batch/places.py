"""Where the files of a run lie: in folders, or as members of zip archives; and what each one is."""

import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from sbrtcheck.dossier import ARCHIVE_ERRORS, MAX_UNPACKED_BYTES, why_closed
from sbrtcheck.errors import ReadError
from sbrtcheck.model import Text

__all__ = ["LOCK", "MAKING", "RECORDS", "RUN", "ZIP", "Entry", "Fault", "Place", "on_disk", "walk"]

ZIP = ".zip"
CHUNK_BYTES = 1 << 20
RUN = "run.json"  # what a folder of results holds
RECORDS = ".records"
LOCK = ".lock"
MAKING = ".making"  # where files are made
WRITTEN = (
    *(RUN, RECORDS, LOCK, MAKING),
    *("plans.csv", "findings.csv", "metrics.csv", "metrics.parquet", "dvh.parquet"),
    *("summary.csv", "quarantine.csv", "junit.xml"),
)
VERDICT = re.compile(r"plan-[0-9a-f]{16}\.json")


class Place(NamedTuple):
    """A file by its path; or, of the zip archive that the path is, the member of this number."""

    path: str
    member: int | None = None


class Entry(NamedTuple):
    """A file of the tree as the file system lists it: what tells that it has not changed."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A part of the tree that was not looked at, and why."""

    path: str
    reason: str


def walk(
    roots: Sequence[Path], *, leave_out: Sequence[Path] = ()
) -> tuple[list[Entry], list[Fault]]:
    """List every file below some folders, each once, by name; links to folders are not followed.

    A root may also be a single file, such as a zip archive.
    """
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    skipped = {path.resolve() for path in leave_out}
    waiting = [root.absolute() for root in reversed(roots)]
    for root in roots:
        if not root.is_dir():
            waiting.remove(root.absolute())
            _note_file(str(root.absolute()), root.stat, entries, faults)
    seen: set[Path] = set()
    while waiting:
        folder = waiting.pop()
        if folder in seen or folder.resolve() in skipped:
            continue
        seen.add(folder)
        try:
            with os.scandir(folder) as rows:
                listed = sorted(rows, key=lambda row: row.name)
        except OSError as error:
            faults.append(Fault(str(folder), f"the folder cannot be read ({error.strerror})"))
            continue
        listed = _without_results(folder, listed)
        below = []
        for row in listed:
            if row.is_dir(follow_symlinks=False):
                below.append(Path(row.path))
            elif row.is_symlink() and row.is_dir():
                faults.append(Fault(row.path, "a link to a folder, which is not followed"))
            else:
                _note_file(row.path, row.stat, entries, faults)
        waiting += reversed(below)
    return list(entries.values()), faults


def _without_results(folder: Path, listed: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Leave out what another run has written; all else that lies beside it is looked at."""
    if {RUN, RECORDS}.issubset(row.name for row in listed):
        return [row for row in listed if row.name not in WRITTEN]
    if folder.with_name(RUN).is_file() and folder.with_name(RECORDS).is_dir():
        return [row for row in listed if VERDICT.fullmatch(row.name) is None]
    return listed


def _note_file(
    path: str,
    stat_of: Callable[[], os.stat_result],
    entries: dict[str, Entry],
    faults: list[Fault],
) -> None:
    try:
        stat = stat_of()
    except OSError as error:
        faults.append(Fault(path, f"the file cannot be read ({error.strerror})"))
        return
    if not S_ISREG(stat.st_mode):  # opening a pipe would wait for ever
        faults.append(Fault(path, "this is not a regular file"))
        return
    entries[path] = Entry(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@contextmanager
def on_disk(places: Sequence[Place]) -> Iterator[dict[Place, Path]]:
    """Give the path of each place; members of archives are unpacked into a folder that goes again.

    Raises
    ------
    ReadError
        If an archive cannot be read, or holds more than may be unpacked.
    """
    packed = [place for place in places if place.member is not None]
    paths = {place: Path(place.path) for place in places if place.member is None}
    if not packed:
        yield paths
        return
    with tempfile.TemporaryDirectory(prefix="sbrtcheck-") as folder:
        for number, place in enumerate(packed):
            paths[place] = Path(folder, f"{number:06d}.dcm")
            _unpack(place, paths[place])
        yield paths


def _unpack(place: Place, target: Path) -> None:
    with readable_archive(place.path) as archive:
        member = archive.infolist()[place.member or 0]
        if member.file_size > MAX_UNPACKED_BYTES:
            raise ReadError(Text("a member of the zip archive is too large"), path=Path(place.path))
        # Names of members are not trusted: "../x" would leave the folder.
        with archive.open(member) as source, target.open("wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                file.write(chunk)


@contextmanager
def readable_archive(path: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive; what is wrong with it is one `ReadError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except ARCHIVE_ERRORS as error:
        why = Text("the zip archive cannot be unpacked ({why})", why=why_closed(error))
        raise ReadError(why, path=Path(path)) from error
