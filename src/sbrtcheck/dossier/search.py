"""Find the RT files around a path: folders near it, zip archives, DICOMDIRs.

Files are looked for beside the plan, one level down, in sibling folders and one level up, in
this order, within bounds of number and time. Only the first bytes of a file are read.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile
from zlib import error as ZlibError  # noqa: N812 - a class, whatever its name

from sbrtcheck import dicom
from sbrtcheck.errors import ReadError
from sbrtcheck.model import Patient, Text

if TYPE_CHECKING:
    from zipfile import ZipFile

MAX_FILES = 5_000
MAX_SECONDS = 5.0
MAX_UNPACKED_BYTES = 4 * 1024**3  # of RT files in one archive
NEAR = ("in the same folder", "one folder below", "named in the DICOMDIR")
RT_CLASSES = (dicom.RT_PLAN, dicom.RT_STRUCTURE_SET, dicom.RT_DOSE, dicom.RT_ION_PLAN)
ZIP = ".zip"
# What zipfile raises: BadZipFile has no common base with the errors of its decompressors.
ARCHIVE_ERRORS = (BadZipFile, ZlibError, LZMAError, RuntimeError, OSError, EOFError)


class Found(NamedTuple):
    """An RT file, what its first bytes say, and where it lies."""

    path: Path
    peek: dicom.Peek
    where: str

    def is_of_another(self, patient: Patient) -> bool:
        """Tell by its first bytes that the file is of another patient; unsure is no."""
        peeked, own = self.peek.patient_id, patient.patient_id
        if not peeked or not own or not peeked.isascii() or not own.isascii():
            return False
        return peeked.decode("ascii").casefold() != own.casefold()


@dataclass(frozen=True, slots=True)
class Search:
    """The RT files around a folder, nearest first, and whether a bound cut the search short.

    `rest` counts the other files by what they are.
    """

    files: tuple[Found, ...]
    cut_short: bool
    rest: Mapping[str, int] = field(default_factory=dict)

    def of_class(self, sop_class_uid: str) -> list[Found]:
        """Return the files of a SOP class."""
        return [file for file in self.files if file.peek.sop_class_uid == sop_class_uid]

    def joined(self, other: "Search") -> "Search":
        """Return this search with the files that only another one met, at its end."""
        paths = {file.path for file in self.files}
        more = tuple(file for file in other.files if file.path not in paths)
        cut_short = self.cut_short or other.cut_short
        return Search((*self.files, *more), cut_short=cut_short, rest=self.rest)

    @property
    def notes(self) -> tuple[Text, ...]:
        """Say that there may be more files, where the search was cut short."""
        if not self.cut_short:
            return ()
        note = Text(
            "the search for files stopped after {count} files or {seconds} s:"
            " others of this plan may exist",
            count=MAX_FILES,
            seconds=MAX_SECONDS,
        )
        return (note,)


def class_of(path: Path) -> str | None:
    """Return the SOP class that the first bytes of a file name, or None."""
    try:
        peek = dicom.peek(path)
    except OSError:
        return None
    return peek.sop_class_uid if peek else None


def search_around(folder: Path, *, around: bool = True) -> Search:
    """Peek at the files in a folder and one level down; `around`: also siblings and one level up."""
    deadline = time.monotonic() + MAX_SECONDS
    found: list[Found] = []
    rest: Counter[str] = Counter()
    seen: set[Path] = set()
    for path, where in _files(folder.absolute(), around=around):
        if path in seen:
            continue
        seen.add(path)
        if len(seen) > MAX_FILES or time.monotonic() > deadline:
            return Search(tuple(found), cut_short=True, rest=rest)
        try:
            peek = dicom.peek(path)
        except OSError:
            rest["files that cannot be opened"] += 1
            continue  # no candidate; missing ones are reported
        if peek is None:
            rest["files that are not DICOM"] += 1
        elif peek.sop_class_uid in RT_CLASSES:
            found.append(Found(path, peek, where))
        else:
            rest[dicom.class_name(peek.sop_class_uid)] += 1
    return Search(tuple(found), cut_short=False, rest=rest)


def _files(folder: Path, *, around: bool) -> Iterator[tuple[Path, str]]:
    files, below = _listing(folder)
    yield from ((path, NEAR[0]) for path in files)
    for subfolder in below:
        yield from ((path, NEAR[1]) for path in _listing(subfolder)[0])
    yield from ((path, NEAR[2]) for path in _of_directory(folder, files))
    if not around or folder.parent == folder:
        return
    above, siblings = _listing(folder.parent)
    for sibling in siblings:
        if sibling != folder:
            yield from ((path, "in a folder beside") for path in _listing(sibling)[0])
    yield from ((path, "one folder above") for path in above)


def _of_directory(folder: Path, files: list[Path]) -> list[Path]:
    """Return the RT files that a DICOMDIR in this folder names (PS3.3 F), none outside it."""
    directories = [path for path in files if path.name.upper() == "DICOMDIR"]
    named: list[Path] = []
    for directory in directories:
        try:
            file_ids = dicom.load_directory(directory)
        except ReadError:
            continue  # the files themselves are looked at anyway
        paths = (folder.joinpath(*parts) for parts in file_ids)
        named += [path for path in paths if _lies_in(path, folder) and path.is_file()]
    return named


def _lies_in(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def _listing(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files and the folders in a folder, by name; none where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            rows = sorted(entries, key=lambda entry: entry.name)
            files = [Path(row.path) for row in rows if row.is_file()]
            folders = [Path(row.path) for row in rows if row.is_dir(follow_symlinks=False)]
    except OSError:
        return [], []
    return files, folders


# --- Archives -----------------------------------------------------------------------------------


def why_closed(error: Exception) -> str:
    """Say why an archive cannot be read; its members' names, which may name a patient, are kept out."""
    if isinstance(error, NotImplementedError):
        return "its compression is not known here"
    if isinstance(error, RuntimeError):
        return "it is encrypted"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is damaged"


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Give the folder to be looked at: a zip archive's RT files in a temporary one.

    Images stay packed: a plan needs none of them. The folder is gone afterwards.

    Raises
    ------
    ReadError
        If the archive is damaged, encrypted, or holds more than can be unpacked.
    """
    if path.suffix.lower() != ZIP or not path.is_file():
        yield path
        return
    import tempfile
    import zipfile

    with tempfile.TemporaryDirectory(prefix="sbrtcheck-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, Path(folder), path)
        except ARCHIVE_ERRORS as error:
            raise ReadError(
                Text(
                    "the zip archive cannot be unpacked ({why}); unpack it and give the folder",
                    why=why_closed(error),
                ),
                path=path,
            ) from error
        yield Path(folder)


def _unpack(archive: "ZipFile", folder: Path, path: Path) -> None:
    import shutil

    left_bytes = MAX_UNPACKED_BYTES
    for number, member in enumerate(archive.infolist()):
        if member.is_dir():
            continue
        with archive.open(member) as packed:
            peek = dicom.peek_bytes(packed.read(dicom.HEAD_BYTES))
        if peek is None or peek.sop_class_uid not in RT_CLASSES:
            continue
        left_bytes -= member.file_size
        if left_bytes < 0:
            raise ReadError(
                Text(
                    "the RT files in the zip archive take more than {gb} GB; unpack it and give"
                    " the folder",
                    gb=MAX_UNPACKED_BYTES // 1024**3,
                ),
                path=path,
            )
        # Names of members are not trusted: "../x" would leave the folder.
        with archive.open(member) as packed, (folder / f"{number:06d}.dcm").open("wb") as file:
            shutil.copyfileobj(packed, file)
