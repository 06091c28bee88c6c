"""Tell what a dataset says, however it is encoded: copies from an archive have other bytes."""

import hashlib
import struct
import zlib

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from sbrtcheck.dicom.dataset import PADDING, UNDEFINED_LENGTH, Opened, file_meta

__all__ = ["MOST_PADDING_BYTES", "MOST_RLE", "declared_pixel_bytes", "hash_dataset"]

MOST_PADDING_BYTES = 1024  # behind Pixel Data
MOST_RLE = 64  # a run takes 2 bytes and stands for 128 at most (PS3.5 G.3.2)
PIXEL_DATA = 0x7FE00010
TRAILING_PADDING = 0xFFFCFFFC
ITEM, ITEM_END, SEQUENCE_END = (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD)
LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV"))
LONG_VRS |= {b"UC", b"UN", b"UR", b"UT", b"UV"}
SWAPPED = {b"US": "u2", b"SS": "u2", b"OW": "u2", b"AT": "u2", b"UL": "u4", b"SL": "u4"}
SWAPPED |= {
    b"FL": "u4",
    b"OF": "u4",
    b"OL": "u4",
    b"FD": "u8",
    b"OD": "u8",
    b"OV": "u8",
}
SWAPPED |= {b"SV": "u8", b"UV": "u8"}

# Bytes in pieces: to join them at each level of nesting would hold large contours several times.
Said = list[bytes]
Parts = list[tuple[int, Said]]  # of a dataset: tags, and what each says


class _UntilError(ValueError):
    """The bytes are not the sequence that they look like."""


def hash_dataset(opened: Opened) -> str | None:
    """Return a hash of what a file says, or None where its elements cannot be told apart.

    Transfer syntax, file meta, group lengths, encoding of sequence lengths and padding do not
    change it; any value does.
    """
    try:
        parts = _root_parts(opened)
    except (ValueError, IndexError, RecursionError, struct.error, zlib.error):
        return None
    digest = hashlib.sha256()
    for piece in _in_order(parts):
        digest.update(piece)
    return digest.hexdigest()


def declared_pixel_bytes(opened: Opened) -> int | None:
    """Return how many bytes the declared size of Pixel Data takes; None where it is not stated."""
    size = 1
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        size *= _stated(opened, keyword)
    return size * max(_stated(opened, "NumberOfFrames"), 1) // 8 or None


def _stated(opened: Opened, keyword: str) -> int:
    word = opened.root.text(keyword)
    if not word.isdecimal():
        return 0
    return int(word)


def _root_parts(opened: Opened) -> Parts:
    content = opened.content
    start, _ = file_meta(content)
    if opened.transfer_syntax == DeflatedExplicitVRLittleEndian:
        content, start = (
            zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:]),
            0,
        )
    implicit, little = opened.root.dataset.original_encoding
    walk = _Walk(content, implicit=bool(implicit), little=little is not False)
    parts, _ = walk.dataset(start, len(content))
    if walk.pixels is None:
        return parts
    said = _pixel_hash(opened, walk.pixels, little=walk.little)
    return [*parts, (PIXEL_DATA, [said])]


def _pixel_hash(
    opened: Opened, pixels: tuple[bytes, memoryview], *, little: bool
) -> bytes:
    """Return the hash of Pixel Data as uncompressed little endian, cut to its declared size."""
    vr, stored = pixels
    declared = declared_pixel_bytes(opened)
    if opened.transfer_syntax == RLELossless:
        return hashlib.sha256(_run_lengths_decoded(opened, stored, declared)).digest()
    if declared is not None and 0 <= len(stored) - declared <= MOST_PADDING_BYTES:
        stored = stored[:declared]
    item_bytes = _stated(opened, "BitsAllocated") // 8
    if little or vr == b"OB" or item_bytes not in (2, 4, 8):
        return hashlib.sha256(stored).digest()
    return hashlib.sha256(_swapped(bytes(stored), f"u{item_bytes}")).digest()


def _run_lengths_decoded(
    opened: Opened, stored: memoryview, declared: int | None
) -> bytes:
    from pydicom.pixels.utils import pixel_array

    if declared is not None and declared > MOST_RLE * len(stored):
        return bytes(stored)
    try:
        return bytes(
            np.ascontiguousarray(pixel_array(opened.root.dataset, raw=True)).data
        )
    except Exception:  # noqa: BLE001 - pydicom has no common base; reading the dose says why
        return bytes(stored)


def _swapped(value: bytes, kind: str) -> bytes:
    if len(value) % np.dtype(kind).itemsize:
        return value
    return np.frombuffer(value, kind).byteswap().tobytes()


def _in_order(parts: Parts) -> Said:
    """Return the elements of a dataset in the order of their tags."""
    parts.sort()
    pieces: Said = []
    for tag, said in parts:
        pieces.append(struct.pack(">II", tag, _length(said)))
        pieces += said
    return pieces


def _length(said: Said) -> int:
    return sum(map(len, said))


class _Walk:
    """Walk over the elements of encoded bytes, without making values of them."""

    def __init__(
        self, content: bytes | memoryview, *, implicit: bool, little: bool
    ) -> None:
        self.content = content
        self.implicit = implicit
        self.little = little
        self.pixels: tuple[bytes, memoryview] | None = None
        order = "<" if little else ">"
        self.tag_and_length = struct.Struct(order + "HHL").unpack_from
        self.tag_and_short = struct.Struct(order + "HH2sH").unpack_from
        self.long = struct.Struct(order + "L").unpack_from
        self.item = struct.pack(order + "HH", 0xFFFE, 0xE000)

    def head(self, at: int) -> tuple[int, bytes, int, int]:
        """Return tag, VR ("" if implicit), length and the start of the value of an element."""
        group, element, vr, length = self.tag_and_short(self.content, at)
        tag = group << 16 | element
        if self.implicit or group == 0xFFFE or not vr.isalpha():
            return tag, b"", self.long(self.content, at + 4)[0], at + 8
        if vr in LONG_VRS:
            return tag, vr, self.long(self.content, at + 8)[0], at + 12
        return tag, vr, length, at + 8

    def dataset(self, at: int, end: int) -> tuple[Parts, int]:
        """Return what the elements from `at` on say, and where they end."""
        parts: Parts = []
        while end - at >= 8:
            tag, vr, length, start = self.head(at)
            if tag == PADDING:
                break
            if tag == ITEM_END:
                return parts, start
            if length == UNDEFINED_LENGTH:
                said, at = self.undefined(tag, vr, start, end)
            else:
                at = start + length
                said = self.value(tag, vr, start, at)
            if at > end:
                raise _UntilError
            if tag & 0xFFFF and tag not in (TRAILING_PADDING, PIXEL_DATA):
                parts.append((tag, said))
        return parts, end

    def value(self, tag: int, vr: bytes, start: int, end: int) -> Said:
        """Return what an element of defined length says."""
        if tag == PIXEL_DATA:
            self.pixels = (vr, memoryview(self.content)[start:end])
            return []
        inside = memoryview(self.content)[start:end]
        if vr in (b"SQ", b"UN", b""):
            said = self.defined(vr, inside)
            if said is not None:
                return said
        value = bytes(inside)
        if not self.little and vr in SWAPPED:
            value = _swapped(value, SWAPPED[vr])
        return [value.rstrip(b" \0")]

    def defined(self, vr: bytes, value: memoryview) -> Said | None:
        """Return what a sequence of defined length says, or None if the value is none.

        Where the VR does not tell, the items do; those of UN are implicit little endian, whatever
        is around them (PS3.5 6.2.2).
        """
        implicit = self.implicit or vr == b"UN"
        walk = _Walk(value, implicit=implicit, little=self.little or vr == b"UN")
        if bytes(value[:4]) != walk.item:
            return None
        try:
            said, end = walk.items(0, len(value))
        except (_UntilError, struct.error):
            return None
        if end != len(value):
            return None
        return said

    def undefined(self, tag: int, vr: bytes, start: int, end: int) -> tuple[Said, int]:
        """Return what a sequence, or encapsulated Pixel Data, of undefined length says."""
        if tag == PIXEL_DATA:
            stop = self.fragments_end(start)
            self.pixels = (vr, memoryview(self.content)[start:stop])
            return [], stop
        if vr != b"UN":
            return self.items(start, end)
        walk = _Walk(self.content, implicit=True, little=True)
        return walk.items(start, end)

    def items(self, at: int, end: int) -> tuple[Said, int]:
        """Return what the items of a sequence say, and where the sequence ends."""
        said: Said = []
        while end - at >= 8:
            tag, _, length, at = self.head(at)
            if tag == SEQUENCE_END:
                break
            if tag != ITEM:
                raise _UntilError
            stop = end
            if length != UNDEFINED_LENGTH:
                stop = at + length
            if stop > end:
                raise _UntilError
            parts, at = self.dataset(at, stop)
            inside = _in_order(parts)
            said.append(struct.pack(">I", _length(inside)))
            said += inside
        return said, at

    def fragments_end(self, at: int) -> int:
        """Return where encapsulated Pixel Data ends."""
        while True:
            tag, _, length, at = self.head(at)
            if tag == SEQUENCE_END:
                return at
            at += length
