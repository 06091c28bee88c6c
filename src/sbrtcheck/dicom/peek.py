"""Tell what a DICOM file is from its first bytes: a folder may hold thousands of CT slices."""

import re
from pathlib import Path
from typing import NamedTuple

HEAD_BYTES = 2048
UID_PATTERN = re.compile(rb"[0-9.]{5,64}")


class Peek(NamedTuple):
    """SOP class and instance of a file; the instance only where its file meta names it."""

    sop_class_uid: str
    sop_instance_uid: str | None


def peek(path: Path) -> Peek | None:
    """Return what the first bytes say, or None for a file that is not DICOM.

    The file meta (PS3.10 7.1) is explicit little endian in every DICOM file; without it the
    two UIDs are looked for at the start of the dataset.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[128:132] == b"DICM":
        sop_class = _uid(head, b"\x02\x00\x02\x00")
        instance = _uid(head, b"\x02\x00\x03\x00")
    else:
        sop_class = _uid(head, b"\x08\x00\x16\x00")
        instance = _uid(head, b"\x08\x00\x18\x00")
    return None if sop_class is None else Peek(sop_class, instance)


def _uid(head: bytes, tag: bytes) -> str | None:
    """Return the UID that follows a little-endian tag; VR and length take four bytes more."""
    start = head.find(tag)
    if start < 0:
        return None
    found = UID_PATTERN.match(head, start + 8)
    return None if found is None else found.group().decode("ascii")
