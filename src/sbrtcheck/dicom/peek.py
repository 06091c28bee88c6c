"""Tell what a DICOM file is from its first bytes: a folder may hold thousands of CT slices."""

import re
from pathlib import Path
from typing import NamedTuple

from sbrtcheck.dicom.dataset import NAMES, RT_PLAN, STANDARD_ROOT
from sbrtcheck.files import open_regular

HEAD_BYTES = 2048
PREAMBLE_BYTES = 132
LONGEST_ID = 64  # characters of an LO element (PS3.5 6.2)
PLAN_MODALITY = re.compile(rb"\x08\x00\x60\x00.{4}RTPLAN", re.DOTALL)
PATIENT_ID = re.compile(rb"\x10\x00\x20\x00(..)(..)", re.DOTALL)
SOP_CLASS, SOP_INSTANCE = (b"\x08\x00\x16\x00", b"\x08\x00\x18\x00")
STUDY, FRAME = (b"\x20\x00\x0d\x00", b"\x20\x00\x52\x00")
META_SOP_CLASS, META_SOP_INSTANCE = (b"\x02\x00\x02\x00", b"\x02\x00\x03\x00")


class Peek(NamedTuple):
    """SOP class and instance of a file; all else only of RT files, where their first bytes say it."""

    sop_class_uid: str
    sop_instance_uid: str | None
    patient_id: bytes | None = None
    study_uid: str | None = None
    frame_uid: str | None = None


def peek(path: Path) -> Peek | None:
    """Return what the first bytes say, or None for a file that is not DICOM.

    The dataset is asked before the file meta (PS3.10 7.1): de-identification may leave old UIDs
    in the latter, but a deflated or big-endian dataset cannot be searched.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    with open_regular(path) as file:
        return peek_bytes(file.read(HEAD_BYTES))


def peek_bytes(head: bytes) -> Peek | None:
    """Return what the first bytes of a file say, or None if they are not DICOM."""
    has_meta = head[128:PREAMBLE_BYTES] == b"DICM"
    body = head
    if has_meta:
        body = head[PREAMBLE_BYTES:]
    sop_class = _uid(body, SOP_CLASS)
    if sop_class is None and has_meta:
        sop_class = _uid(body, META_SOP_CLASS)
    if sop_class is None:
        return None
    is_standard = sop_class.startswith(STANDARD_ROOT)
    if is_standard and sop_class not in NAMES:
        return Peek(sop_class, None)  # thousands of images: what they are is enough
    instance = _uid(body, SOP_INSTANCE)
    if instance is None and has_meta:
        instance = _uid(body, META_SOP_INSTANCE)
    if not is_standard and PLAN_MODALITY.search(body):
        sop_class = RT_PLAN  # a vendor's own class (Halcyon); reading it decides
    return Peek(
        sop_class, instance, _patient_id(body), _uid(body, STUDY), _uid(body, FRAME)
    )


def _patient_id(body: bytes) -> bytes | None:
    """Return the bytes of an explicit or implicit LO element, or None if they end too early."""
    found = PATIENT_ID.search(body)
    if found is None:
        return None
    size = found.group(1) + found.group(2)
    if found.group(1) == b"LO":
        size = found.group(2)
    length = int.from_bytes(size, "little")
    value = body[found.end() : found.end() + length]
    if len(value) == length <= LONGEST_ID:
        return value.strip(b" \0")
    return None


def _uid(head: bytes, tag: bytes) -> str | None:
    """Return the UID that follows a little-endian tag; VR and length take four bytes."""
    found = re.search(re.escape(tag) + rb".{4}([0-9.]{5,64})", head, re.DOTALL)
    if found is None:
        return None
    return found.group(1).decode("ascii")
