"""Tell what each file below some roots is by its first bytes; RT files are kept, others counted."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

from sbrtcheck import dicom
from sbrtcheck.dossier.places import (
    ARCHIVE_ERRORS,
    ZIP,
    Place,
    Root,
    Unread,
    list_files,
    readable_archive,
    why_closed,
)
from sbrtcheck.errors import ReadError
from sbrtcheck.model import Instance, Text, patient_key

__all__ = ["RT_CLASSES", "Contents", "Found", "Survey", "find_files", "look"]

RT_CLASSES = (dicom.RT_PLAN, dicom.RT_STRUCTURE_SET, dicom.RT_DOSE, dicom.RT_ION_PLAN)
NOT_DICOM = "files that are not DICOM"
ARCHIVE_WITHIN = "archives within an archive"


class Found(NamedTuple):
    """An RT file: where it lies, and what its first bytes say."""

    place: Place
    peek: dicom.Peek

    @property
    def patient_key(self) -> str | None:
        """Return the patient ID as it is compared, where the first bytes say it for certain."""
        stated = self.peek.patient_id
        if stated is None:
            return None
        if not stated.isascii():
            return None
        key = patient_key(stated.decode("ascii"))
        return key or None

    def may_be_of(self, instance: Instance) -> bool:
        """Tell whether the file may be of the patient of another one; unsure is yes."""
        stated = self.patient_key
        if stated is None:
            return True
        own = patient_key(instance.patient.patient_id)
        return own in ("", stated)


class Contents(NamedTuple):
    """What one path holds: an RT file, or an archive with some, or something else."""

    found: tuple[Found, ...] = ()
    others: Mapping[str, int] = {}
    unread: tuple[Unread, ...] = ()


NOTHING_KNOWN: Mapping[str, Contents] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All that lies below some roots.

    Parameters
    ----------
    found
        The RT files.
    others
        How many other files there are, by what they are.
    unread
        What could not be listed, read or looked at: it may hide an RT file.
    odd
        What is no regular file.
    """

    found: tuple[Found, ...]
    others: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    odd: tuple[Unread, ...] = ()


def find_files(
    roots: Sequence[Root],
    *,
    leave_out: Sequence[Path] = (),
    known: Mapping[str, Contents] = NOTHING_KNOWN,
) -> Survey:
    """Look at every file below some roots; what is known of a path already is taken as known."""
    listing = list_files(roots, leave_out=leave_out)
    found: list[Found] = []
    others: Counter[str] = Counter()
    unread = list(listing.unread)
    for path in listing.paths:
        contents = known.get(path)
        if contents is None:
            contents = look(path)
        found += contents.found
        unread += contents.unread
        others.update(contents.others)
    return Survey(
        found=tuple(found),
        others=dict(others),
        unread=tuple(unread),
        odd=tuple(listing.odd),
    )


def look(path: str) -> Contents:
    """Tell by its first bytes what a path holds."""
    if path.lower().endswith(ZIP):
        return _look_into(path)
    try:
        head = _head(path)
    except OSError as error:
        why = Text("a file cannot be opened ({why})", why=str(error.strerror))
        return Contents(unread=(Unread(path, why),))
    seen = _seen(head)
    if isinstance(seen, str):
        return Contents(others={seen: 1})
    return Contents(found=(Found(Place(path), seen),))


def _seen(head: bytes) -> dicom.Peek | str:
    """Return what the first bytes of a file say: of an RT file all, of another its kind."""
    peek = dicom.peek_bytes(head)
    if peek is None:
        return NOT_DICOM
    if peek.sop_class_uid in RT_CLASSES:
        return peek
    return dicom.class_name(peek.sop_class_uid)


def _head(path: str) -> bytes:
    """Read the first bytes with as few calls as there can be: folders may hold many images."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return os.read(descriptor, dicom.HEAD_BYTES)
    finally:
        os.close(descriptor)


def _look_into(path: str) -> Contents:
    """Tell what the members of an archive are; a member that cannot be read costs that member."""
    try:
        with readable_archive(path) as archive:
            seen = [
                (number, _peek_member(archive, member))
                for number, member in enumerate(archive.infolist())
                if not member.is_dir()
            ]
    except ReadError as error:
        why = Text("a zip archive cannot be read: {why}", why=str(error.problem))
        return Contents(unread=(Unread(path, why),))
    return Contents(
        found=tuple(
            Found(Place(path, number), what)
            for number, what in seen
            if isinstance(what, dicom.Peek)
        ),
        others=dict(Counter(what for _, what in seen if isinstance(what, str))),
        unread=tuple(Unread(path, what) for _, what in seen if isinstance(what, Text)),
    )


def _peek_member(archive: ZipFile, member: ZipInfo) -> dicom.Peek | str | Text:
    """Return what a member is: an RT file, a kind of other file, or why it cannot be read."""
    if member.filename.lower().endswith(ZIP):
        return ARCHIVE_WITHIN
    try:
        with archive.open(member) as packed:
            return _seen(packed.read(dicom.HEAD_BYTES))
    except ARCHIVE_ERRORS as error:
        return Text(
            "a member of a zip archive cannot be read ({why}); unpack it and give the folder",
            why=why_closed(error),
        )


def of_class(found: Sequence[Found], sop_class_uid: str) -> Iterator[Found]:
    """Yield the files of a SOP class."""
    return (file for file in found if file.peek.sop_class_uid == sop_class_uid)
