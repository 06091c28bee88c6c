"""Where the elements of an encoded dataset lie, found without the library that is tried."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pydicom

__all__ = ["Element", "elements_of", "header_end", "replaced"]

PREAMBLE = 132
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR"}
LONG |= {b"UT", b"UV"}
OPEN = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
MARKS = (ITEM, ITEM_END, SEQUENCE_END)


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Where one element, or the mark of an item, lies in a file.

    Parameters
    ----------
    path
        Tags and item numbers from the top, as (0x300A0010, 1, 0x300A0026).
    vr
        Two letters; none for the marks of items.
    length_at, length_width
        Where its length is written, and in how many bytes.
    """

    path: tuple[int, ...]
    vr: str
    at: int
    length_at: int
    length_width: int
    value_at: int
    end: int

    @property
    def tag(self) -> int:
        """Return its tag as one number."""
        return self.path[-1]

    @property
    def is_sequence(self) -> bool:
        """Tell whether it holds items."""
        return self.vr == "SQ"


def header_end(data: bytes) -> int:
    """Return where the file's meta information ends and its dataset begins."""
    (length,) = struct.unpack_from("<I", data, PREAMBLE + 8)
    return PREAMBLE + 12 + int(length)


def elements_of(data: bytes, *, implicit: bool) -> list[Element]:
    """Return all elements of meta information and dataset, those of sequences after their own."""
    end = header_end(data)
    head = _walk(data, PREAMBLE, end, (), implicit=False)
    return [*head, *_walk(data, end, len(data), (), implicit=implicit)]


def _walk(
    data: bytes, at: int, end: int, path: tuple[int, ...], *, implicit: bool
) -> Iterator[Element]:
    """Yield elements from here; where sequences are of open length, each with its whole path."""
    item = 0
    levels: list[tuple[tuple[int, ...], int]] = []
    while at < end:
        group, number = struct.unpack_from("<HH", data, at)
        tag = group << 16 | number
        found = _element(data, at, (*path, tag), implicit=implicit and group != 2)
        yield found
        at = found.end
        if tag == SEQUENCE_END and levels:
            path, item = levels.pop()
        elif tag == ITEM:
            path = (*path[:-1], item) if path and item else (*path, item)
            item += 1
        elif found.is_sequence:
            levels.append((path, item))
            path, item = (*path, tag), 0


def _element(data: bytes, at: int, path: tuple[int, ...], *, implicit: bool) -> Element:
    tag = path[-1]
    vr = data[at + 4 : at + 6]
    if tag in MARKS:
        name, length_at, width = "", at + 4, 4
    elif implicit:
        name, length_at, width = _known(tag), at + 4, 4
    elif vr in LONG:
        name, length_at, width = vr.decode(), at + 8, 4
    else:
        name, length_at, width = vr.decode(), at + 6, 2
    value_at = length_at + width
    length = int.from_bytes(data[length_at:value_at], "little")
    holds_items = name == "SQ" or tag in MARKS
    return Element(
        path=path,
        vr=name,
        at=at,
        length_at=length_at,
        length_width=width,
        value_at=value_at,
        end=value_at if holds_items else value_at + length,
    )


def _known(tag: int) -> str:
    try:
        return pydicom.datadict.dictionary_VR(tag)[:2]
    except KeyError:
        return "UN"


def replaced(data: bytes, element: Element, value: bytes) -> bytes:
    """Return the file with another value for an element, padded to even length."""
    value += (b"\0" if element.vr in ("UI", "OB", "OW") else b" ") * (len(value) % 2)
    most = (1 << 8 * element.length_width) - 2
    value = value[:most]
    length = len(value).to_bytes(element.length_width, "little")
    return data[: element.length_at] + length + value + data[element.end :]
