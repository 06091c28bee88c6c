"""What is known of each RT file of a tree: its first bytes, its hash, and whose it is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sbrtcheck import dicom
from sbrtcheck.dossier.find import Found
from sbrtcheck.dossier.places import Place, on_disk
from sbrtcheck.errors import LargeError, ReadError
from sbrtcheck.files import (
    open_regular,
    reading_at_most,
    why_not_opened,
)
from sbrtcheck.model import Instance, patient_key
from sbrtcheck.report.words import text_of

__all__ = [
    "Learned",
    "TreeFile",
    "learn",
    "learn_unopened",
    "place_order",
    "place_text",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was read of an RT file beyond its first bytes.

    Parameters
    ----------
    sha256
        Of its bytes; empty where they could not be read.
    is_opened
        The header was read, or could not be: `problem`.
    lasts
        Another look would say the same.
    """

    sha256: str = ""
    size_bytes: int = 0
    is_opened: bool = False
    patient_id: str | None = None
    study_uid: str | None = None
    frame_uid: str | None = None
    problem: str | None = None
    lasts: bool = True


class TreeFile(NamedTuple):
    """An RT file of the tree."""

    found: Found
    learned: Learned

    @property
    def place(self) -> Place:
        """Return where it lies."""
        return self.found.place

    @property
    def patient_id(self) -> str:
        """Return the patient ID, empty where none is known."""
        stated = self.found.peek.patient_id
        if self.found.patient_key is not None and stated is not None:
            return stated.decode("ascii")
        return text_of(self.learned.patient_id)

    @property
    def patient_key(self) -> str:
        """Return the patient ID as it is compared, empty where none is known."""
        return patient_key(self.patient_id)

    @property
    def identity(self) -> str:
        """Return what tells it from all others: its UID, or its content where it has none."""
        uid = self.found.peek.sop_instance_uid
        if uid:
            return uid
        return self.learned.sha256 or place_text(self.place)

    @property
    def frame_uid(self) -> str | None:
        """Return its frame of reference: of the header where that was read."""
        if self.learned.is_opened:
            return self.learned.frame_uid
        return self.found.peek.frame_uid

    def is_of_class(self, sop_class_uid: str) -> bool:
        """Tell whether its first bytes state a SOP class."""
        return self.found.peek.sop_class_uid == sop_class_uid


def place_text(place: Place) -> str:
    """Return where a file lies; a member of an archive by its number."""
    if place.member is None:
        return place.path
    return f"{place.path}#{place.member}"


def place_order(place: Place) -> tuple[str, int]:
    """Return what files are sorted by: paths, and the members of an archive as they lie in it."""
    if place.member is None:
        return place.path, -1
    return place.path, place.member


def learn_unopened(places: Sequence[Place], most_bytes: int) -> tuple[Learned, ...]:
    """Return the hash of each file; what is unpacked for it has a bound."""
    with reading_at_most(most_bytes):
        return tuple(_learned(place, opened=False) for place in places)


def learn(places: Sequence[Place], most_bytes: int) -> tuple[Learned, ...]:
    """Return the hash of each file, and of which patient its header says it is."""
    with reading_at_most(most_bytes):
        return tuple(_learned(place, opened=True) for place in places)


def _learned(place: Place, *, opened: bool) -> Learned:
    try:
        with on_disk([place]) as paths:
            return _of_path(paths[place], opened=opened)
    except ReadError as error:
        return Learned(problem=str(error.problem), is_opened=True, lasts=False)
    except OSError as error:
        why = why_not_opened(error)
        return Learned(problem=why, is_opened=opened, lasts=False)


def _of_path(path: Path, *, opened: bool) -> Learned:
    with open_regular(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = file.tell()
    if not opened:
        return Learned(sha256=sha256, size_bytes=size_bytes)
    try:
        instance = dicom.open_rt(path).instance
    except ReadError as error:
        return Learned(
            sha256=sha256,
            size_bytes=size_bytes,
            is_opened=True,
            problem=str(error.problem),
            lasts=not _may_pass(error),
        )
    return _of_instance(instance, sha256, size_bytes)


def _may_pass(error: ReadError) -> bool:
    """Tell whether the next look may say otherwise: more memory, another disk, another bound."""
    if isinstance(error, LargeError):
        return True
    return isinstance(error.__cause__, MemoryError | OSError)


def _of_instance(instance: Instance, sha256: str, size_bytes: int) -> Learned:
    return Learned(
        sha256=sha256,
        size_bytes=size_bytes,
        is_opened=True,
        patient_id=instance.patient.patient_id,
        study_uid=instance.study_instance_uid,
        frame_uid=instance.frame_of_reference_uid,
    )
