"""Where files lie: in folders, or as members of zip archives; and which files there are."""

import errno
import os
import re
import struct
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path
from typing import NamedTuple
from zlib import error as ZlibError  # noqa: N812 - a class, whatever its name

from sbrtcheck.dossier.groups import grouped
from sbrtcheck.errors import LargeError, ReadError
from sbrtcheck.files import GIGABYTE, is_folder, most_read_bytes, require_regular
from sbrtcheck.model import Text

__all__ = [
    "ARCHIVE_ERRORS",
    "FILES_UNPACKED",
    "LOCK",
    "MAKING",
    "RECORDS",
    "RUN",
    "ZIP",
    "Entry",
    "Listing",
    "Place",
    "Root",
    "Unread",
    "around",
    "list_files",
    "on_disk",
    "readable_archive",
    "unpacked",
    "why_closed",
]

ZIP = ".zip"
CHUNK_BYTES = 1 << 20
FILES_UNPACKED = 4  # as large as one may be: RT files of one archive
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
# What zipfile raises: BadZipFile has no common base with the errors of its decompressors, nor with
# those of names and numbers that are none.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    ZlibError,
    LZMAError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    IndexError,
    OverflowError,
    struct.error,
)


class Place(NamedTuple):
    """A file by its path; or, of the zip archive that the path is, the member of this number."""

    path: str
    member: int | None = None

    @property
    def is_member(self) -> bool:
        """Tell whether it lies in an archive."""
        return self.member is not None

    @property
    def folder(self) -> str:
        """Return the folder, or the archive, that holds it."""
        if self.is_member:
            return self.path
        return os.path.dirname(self.path)  # noqa: PTH120 - fast


class Root(NamedTuple):
    """A folder to look into, and whether all below it counts, too; or a single file."""

    path: Path
    deep: bool = True


class Entry(NamedTuple):
    """A file of the tree as the file system lists it: what tells that it has not changed."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the tree that could not be listed, read or looked at, and why."""

    path: str
    reason: Text


@dataclass(slots=True)
class Listing:
    """The files below some roots, each once, and what could not be listed."""

    paths: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    odd: list[Unread] = field(
        default_factory=list
    )  # no regular files: nothing is lost with them


def around(folder: Path) -> tuple[Root, ...]:
    """Return where to look for what belongs to a plan in a folder.

    The folder with all below it, the folder above it and the folders beside it, one level.
    """
    folder = folder.absolute()
    above = folder.parent
    roots = [Root(folder)]
    if above == folder:
        return tuple(roots)
    roots.append(Root(above, deep=False))
    try:
        with os.scandir(above) as entries:
            names = sorted(entry.path for entry in entries if _is_folder(entry))
    except OSError:
        return tuple(roots)  # listing it again will say so
    roots += [Root(Path(name), deep=False) for name in names if Path(name) != folder]
    return tuple(roots)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def list_files(roots: Sequence[Root], *, leave_out: Sequence[Path] = ()) -> Listing:
    """List every regular file below some roots, each once, in the order of names.

    Links to folders are followed, each folder once, so that no link can lead in a circle.
    """
    listing = Listing()
    skipped = {path.resolve() for path in leave_out}
    seen_folders: set[tuple[int, int]] = set()
    seen_files: set[str] = set()
    for root in roots:
        path = root.path.absolute()
        if not is_folder(path):
            _add_file(str(path), listing, seen_files)
            continue
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            if _is_among(folder, skipped):
                continue
            below = _list_folder(folder, listing, seen_folders, seen_files)
            if root.deep:
                waiting += reversed(below)
    return listing


def _is_among(folder: Path, resolved: set[Path]) -> bool:
    if not resolved:
        return False  # resolving asks the file system, for each folder
    return folder.resolve() in resolved


def _add_file(path: str, listing: Listing, seen: set[str]) -> None:
    if path not in seen:
        seen.add(path)
        listing.paths.append(path)


def _list_folder(
    folder: Path,
    listing: Listing,
    seen_folders: set[tuple[int, int]],
    seen_files: set[str],
) -> list[Path]:
    """List one folder; return the folders in it. One bad entry costs that entry."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen_folders:
            return []
        seen_folders.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as rows:
            listed = sorted(rows, key=lambda row: row.name)
    except OSError as error:
        why = Text("a folder cannot be listed ({why})", why=_why(error))
        listing.unread.append(Unread(str(folder), why))
        return []
    below = []
    for row in _without_results(folder, listed):
        try:
            if row.is_dir():
                below.append(Path(row.path))
            elif row.is_file():
                _add_file(row.path, listing, seen_files)
            else:
                _add_odd(row, listing)
        except OSError as error:
            why = Text("an entry of a folder cannot be read ({why})", why=_why(error))
            _listed_under(error, listing).append(Unread(row.path, why))
    return below


def _listed_under(error: OSError, listing: Listing) -> list[Unread]:
    """Return where an entry is kept that cannot be looked at: a link to itself hides nothing."""
    if error.errno == errno.ELOOP:
        return listing.odd
    return listing.unread


def _add_odd(row: "os.DirEntry[str]", listing: Listing) -> None:
    """Keep what is no regular file: a link that leads nowhere hides one, a pipe does not."""
    if row.is_symlink():
        why = Text("an entry of a folder cannot be read (a link that leads nowhere)")
        listing.unread.append(Unread(row.path, why))
        return
    listing.odd.append(Unread(row.path, Text("this is not a regular file")))


def _why(error: OSError) -> str:
    if error.strerror is None:
        return type(error).__name__
    return error.strerror


def _without_results(
    folder: Path, listed: "list[os.DirEntry[str]]"
) -> "list[os.DirEntry[str]]":
    """Leave out what a batch has written; all else that lies beside it is looked at."""
    written = _written(folder, {row.name for row in listed})
    return [row for row in listed if row.name not in written]


def _written(folder: Path, names: set[str]) -> set[str]:
    """Return which names in a folder are of files that a batch has written."""
    if names.issuperset({RUN, RECORDS}):
        return names.intersection(WRITTEN)
    if _is_beside_records(folder):
        return {name for name in names if VERDICT.fullmatch(name)}
    return set()


def _is_beside_records(folder: Path) -> bool:
    """Tell whether a folder lies beside the records of a batch, which keeps its verdicts there."""
    beside = folder.parent  # of the topmost folder it is that folder itself
    return (beside / RUN).is_file() and (beside / RECORDS).is_dir()


# --- Archives -----------------------------------------------------------------------------------


def why_closed(error: Exception) -> Text:
    """Say why an archive cannot be read; its members' names, which may name a patient, are kept out."""
    if isinstance(error, NotImplementedError):
        return Text("its compression is not known here")
    if isinstance(error, RuntimeError):
        return Text("it is encrypted")
    if isinstance(error, OSError):
        return Text("{why}", why=_why(error))
    return Text("it is damaged")


@contextmanager
def readable_archive(path: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive; what is wrong with it is one `ReadError`."""
    try:
        require_regular(path)
        with zipfile.ZipFile(path) as archive:
            yield archive
    except ARCHIVE_ERRORS as error:
        why = Text(
            "the zip archive cannot be unpacked ({why}); unpack it and give the folder",
            why=why_closed(error),
        )
        raise ReadError(why, path=Path(path)) from error


@contextmanager
def on_disk(places: Sequence[Place]) -> Iterator[dict[Place, Path]]:
    """Give the path of each place; members of archives are unpacked into a folder that goes again.

    Raises
    ------
    ReadError
        If an archive cannot be read, or holds more than may be unpacked.
    """
    packed = [place for place in places if place.is_member]
    paths = {place: Path(place.path) for place in places if not place.is_member}
    if not packed:
        yield paths
        return
    with tempfile.TemporaryDirectory(prefix="sbrtcheck-") as folder:
        yield paths | _unpack_all(packed, folder)


def _unpack_all(places: Sequence[Place], folder: str) -> dict[Place, Path]:
    """Unpack members of archives into a folder; return the path of each."""
    # Names of members are not trusted: "../x" would leave the folder.
    paths = {
        place: Path(folder, f"{number:06d}.dcm") for number, place in enumerate(places)
    }
    left_bytes = FILES_UNPACKED * most_read_bytes()
    for path, members in grouped(places, lambda place: place.path).items():
        with readable_archive(path) as archive:
            infos = archive.infolist()
            for place in members:
                assert place.member is not None  # noqa: S101 - only members are packed
                packed = infos[place.member]
                left_bytes -= _unpack(archive, packed, paths[place], left_bytes)
    return paths


def _unpack(
    archive: zipfile.ZipFile, packed: zipfile.ZipInfo, target: Path, most_bytes: int
) -> int:
    """Unpack one member; return its size, which nobody trusts before."""
    written = 0
    with archive.open(packed) as source, target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            written += len(chunk)
            if written > most_bytes:
                raise LargeError(
                    Text(
                        "the RT files in the zip archive take more than {gb} GB; unpack it and"
                        " give the folder, or let more be read (--max-size)",
                        gb=FILES_UNPACKED * most_read_bytes() / GIGABYTE,
                    ),
                    path=Path(str(archive.filename)),
                )
            file.write(chunk)
    return written


@contextmanager
def unpacked(places: Sequence[Place]) -> Iterator[Path]:
    """Unpack members of archives into a folder of their own, and give it; it goes again."""
    with tempfile.TemporaryDirectory(prefix="sbrtcheck-") as folder:
        _unpack_all(places, folder)
        yield Path(folder)
