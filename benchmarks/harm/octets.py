"""Harm to the bytes of a file, as a broken disk, transfer or writer does it."""

import random
import struct
import zlib
from collections.abc import Callable

from harm.plans import NAMES, SYNTAXES, Harmed, Plans, deflated
from harm.stream import Element, elements_of, header_end

__all__ = ["harm"]

Way = Callable[[bytes, list[Element], random.Random], bytes]
VRS = (
    b"AE",
    b"AS",
    b"AT",
    b"CS",
    b"DA",
    b"DS",
    b"DT",
    b"FD",
    b"FL",
    b"IS",
    b"LO",
    b"LT",
    b"OB",
    b"OD",
    b"OF",
    b"OL",
    b"OW",
    b"PN",
    b"SH",
    b"SL",
    b"SQ",
    b"SS",
    b"ST",
    b"TM",
    b"UC",
    b"UI",
    b"UL",
    b"UN",
    b"UR",
    b"US",
    b"UT",
    b"UV",
    b"ZZ",
    b"\0\0",
    b"  ",
)
LENGTHS = (0, 1, 2, 3, 0x7FFE, 0xFFFE, 0xFFFF, 0x7FFFFFFE, 0xFFFFFFFE, 0xFFFFFFFF)
NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
TAGS = (0, 0x00020010, 0x00080016, 0x00080018, 0x300600_50, 0x7FE00010, 0xFFFEE00D)
UIDS = (
    b"1.2.840.10008.1.2",
    b"1.2.840.10008.1.2.1",
    b"1.2.840.10008.1.2.1.99",
    b"1.2.840.10008.1.2.2",
    b"1.2.840.10008.1.2.4.50",
    b"1.2.840.10008.1.2.5",
    b"1.2.3",
    b"",
)
SIZED = (0x00280008, 0x00280010, 0x00280011, 0x00280002, 0x30060046, 0x00280100)


def flip(data: bytes, _elements: list[Element], rng: random.Random) -> bytes:
    """Flip one to eight bits anywhere."""
    harmed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        harmed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(harmed)


def flip_header(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Flip a bit of an element's tag, VR or length."""
    harmed = bytearray(data)
    element = rng.choice(elements)
    harmed[rng.randrange(element.at, element.value_at)] ^= 1 << rng.randrange(8)
    return bytes(harmed)


def scribble(data: bytes, _: list[Element], rng: random.Random) -> bytes:
    """Write noise over a stretch."""
    at = rng.randrange(len(data))
    noise = rng.randbytes(rng.choice((1, 4, 16, 200)))
    return data[:at] + noise + data[at + len(noise) :]


def truncate(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """End the file at an element, in its header, in its value, or just behind."""
    element = rng.choice(elements)
    middle = (element.value_at + element.end) // 2
    return data[: rng.choice((element.at, element.length_at, middle, element.end - 1))]


def lie(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Write a length that is not the value's."""
    element = rng.choice(elements)
    true = element.end - element.value_at
    left = len(data) - element.value_at
    length = rng.choice((*LENGTHS, true + 1, true - 1, true + 2, 2 * true, left + 2))
    return _with_length(data, element, length)


def leave_open(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Give a value the open length of a sequence."""
    wide = [element for element in elements if element.length_width == 4]
    return _with_length(data, rng.choice(wide), 0xFFFFFFFF)


def _with_length(data: bytes, element: Element, length: int) -> bytes:
    written = (length & ((1 << 8 * element.length_width) - 1)).to_bytes(
        element.length_width, "little"
    )
    return data[: element.length_at] + written + data[element.value_at :]


def declare(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Declare a size, a count or a number that is huge, zero or another."""
    sized = [e for e in elements if e.tag in SIZED or e.vr in ("US", "UL", "IS")]
    if not sized:
        return flip(data, elements, rng)
    element = rng.choice(sized)
    size = element.end - element.value_at
    number = rng.choice(NUMBERS)
    if element.vr in ("US", "UL"):
        value = (number & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    else:
        value = str(number).encode()[:size].ljust(size)
    return data[: element.value_at] + value + data[element.end :]


def rename(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Write another VR, in words or bytes that are none."""
    named = [element for element in elements if element.vr]
    element = rng.choice(named)
    return data[: element.at + 4] + rng.choice(VRS) + data[element.at + 6 :]


def retag(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Write another tag."""
    element = rng.choice(elements)
    tag = rng.choice((*TAGS, rng.choice(elements).tag, rng.getrandbits(32)))
    written = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return data[: element.at] + written + data[element.at + 4 :]


def other_syntax(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Name another transfer syntax than the one that is written."""
    (element,) = (e for e in elements if e.path == (0x00020010,))
    size = element.end - element.value_at
    uid = rng.choice(UIDS)[:size].ljust(size, b"\0")
    return data[: element.value_at] + uid + data[element.end :]


def swap(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Exchange two elements."""
    first, second = sorted(rng.sample(elements, 2), key=lambda element: element.at)
    if first.end > second.at:
        return flip(data, elements, rng)
    return (
        data[: first.at]
        + data[second.at : second.end]
        + data[first.end : second.at]
        + data[first.at : first.end]
        + data[second.end :]
    )


def lose(data: bytes, _: list[Element], rng: random.Random) -> bytes:
    """Lose a stretch."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 2, 8, 512, 5000)) :]


def insert(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Put zeros or noise before an element."""
    at = rng.choice(elements).at
    size = rng.choice((1, 2, 8, 512, 100_000))
    return (
        data[:at] + rng.choice((bytes(size), rng.randbytes(min(size, 512)))) + data[at:]
    )


def repeat(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Write an element, or a stretch, twice or many times."""
    element = rng.choice(elements)
    part = data[element.at : element.end]
    return data[: element.end] + part * rng.choice((1, 2, 100)) + data[element.end :]


def append(data: bytes, _: list[Element], rng: random.Random) -> bytes:
    """Put zeros, noise, or the file itself behind it."""
    return data + rng.choice((bytes(1_000_000), rng.randbytes(1000), data))


def behead(data: bytes, _: list[Element], rng: random.Random) -> bytes:
    """Take the preamble, the meta information or both."""
    end = header_end(data)
    return rng.choice((data[128:], data[132:], data[end:], data[:128] + data[132:]))


def deflate(data: bytes, elements: list[Element], rng: random.Random) -> bytes:
    """Write the dataset deflated, harmed before or behind it, or as much as a bomb holds."""
    named = other_syntax_of(data, elements, b"1.2.840.10008.1.2.1.99")
    end = header_end(named)
    head, dataset = named[:end], named[end:]
    packed = deflated(dataset)
    kind = rng.randrange(5)
    if kind == 0:
        return head + packed
    if kind == 1:
        return head + packed[: rng.randrange(len(packed))]
    if kind == 2:
        return head + flip(packed, [], rng)
    if kind == 3:
        return head + packed + rng.choice((bytes(1000), rng.randbytes(1000)))
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(dataset)
    for _ in range(rng.choice((10, 1200))):
        bomb += packer.compress(bytes(1_000_000))
    return head + bomb + packer.flush()


def other_syntax_of(data: bytes, elements: list[Element], uid: bytes) -> bytes:
    """Return a file that names a transfer syntax; its meta information keeps its length right."""
    (element,) = (e for e in elements if e.path == (0x00020010,))
    uid += b"\0" * (len(uid) % 2)
    grown = len(uid) - (element.end - element.value_at)
    length = header_end(data) - 144 + grown
    named = (
        data[: element.length_at]
        + len(uid).to_bytes(2, "little")
        + uid
        + data[element.end :]
    )
    return named[:140] + struct.pack("<I", length) + named[144:]


WAYS: tuple[Way, ...] = (
    flip,
    flip_header,
    scribble,
    truncate,
    lie,
    leave_open,
    declare,
    rename,
    retag,
    other_syntax,
    swap,
    lose,
    insert,
    repeat,
    append,
    behead,
    deflate,
)


def harm(rng: random.Random, number: int, plans: Plans) -> Harmed:
    """Harm one of the three files once; one case in eight harms two of them."""
    way = WAYS[number % len(WAYS)]
    name, syntax = rng.choice(NAMES), rng.choice(tuple(SYNTAXES))
    files = plans.of(name, syntax)
    chosen = rng.sample(sorted(files), 1 + (rng.random() < 0.125))
    for file in chosen:
        elements = elements_of(files[file], implicit=syntax == "implicit")
        files[file] = way(files[file], elements, rng)
    return Harmed(
        what=f"{name}, {syntax}: {way.__name__} {' and '.join(chosen)}",
        files=files,
        base=name,
    )
