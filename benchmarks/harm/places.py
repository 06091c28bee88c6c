"""Harm to where a plan lies: archives, directories, folders with what does not belong there."""

import io
import os
import random
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from harm.octets import WAYS as BYTE_WAYS
from harm.plans import BATCH, NAMES, Harmed, Plans
from harm.stream import elements_of, replaced

__all__ = ["harm"]

MEMBERS = (
    "../../RP.dcm",
    "/RP.dcm",
    "a" * 300,
    "RP.dcm\n",
    "\x1b[31m.dcm",
    "\u810a\u9ad3.dcm",
    "C:\\x.dcm",
    "a/" * 200 + "x",
    "\u202e.dcm",
    "dir/",
)
IDS = (b"..\\..\\RP", b"RP.dcm", b"NOWHERE", b"A" * 300, b"\\", b"", b"RD.DCM", b"a\0b")
FILE_ID = 0x00041500


def harm(rng: random.Random, number: int, plans: Plans) -> Harmed:
    """Harm an archive, a directory file or a folder; the kinds in turn."""
    kinds = (_archive, _directory, _folder, _archive, _directory, _folder, _batch)
    return kinds[number % len(kinds)](rng, plans)


# --- Archives -----------------------------------------------------------------------------------


def _archive(rng: random.Random, plans: Plans) -> Harmed:
    name = rng.choice(NAMES)
    files = plans.of(name)
    ways = (
        _flipped,
        _cut,
        _padded,
        _renamed,
        _encrypted,
        _bomb,
        _nested,
        _twice,
        _lied,
    )
    way = rng.choice(ways)
    command = rng.choice(("check", "check", "find", "structures", "batch"))
    words = BATCH if command == "batch" else (command,)
    return Harmed(
        what=f"archive, {name}: {way.__name__.strip('_')}, {command}",
        files={"x.zip": way(files, rng)},
        arguments=(*words, "x.zip"),
        base=name if command == "check" else None,
    )


def _zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _flipped(files: dict[str, bytes], rng: random.Random) -> bytes:
    data = bytearray(_zipped(files))
    middle = data.rindex(b"PK\1\2") if rng.random() < 0.5 else 0
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(middle, len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _cut(files: dict[str, bytes], rng: random.Random) -> bytes:
    data = _zipped(files)
    return data[: rng.randrange(len(data))]


def _padded(files: dict[str, bytes], rng: random.Random) -> bytes:
    data = _zipped(files)
    noise = rng.randbytes(rng.choice((1, 100, 70_000)))
    return rng.choice((data + noise, noise + data, bytes(1000) + data))


def _renamed(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Give members odd names; one in two has bytes that are no UTF-8, flagged as UTF-8."""
    odd = {rng.choice(MEMBERS): files["RP.dcm"], **files}
    data = _zipped({**odd, "namename.dcm": files["RS.dcm"]})
    if rng.random() < 0.5:
        data = data.replace(b"namename", b"\xff\xfe\x80\xc3\x28\xa0\xa1\xe2")
        data = data.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\0\x08")
    return data


def _encrypted(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Flag members as encrypted, or name a method of compression that is none."""
    data = bytearray(_zipped(files))
    at = data.index(b"PK\1\2")
    while at >= 0:
        if rng.random() < 0.6:
            struct.pack_into("<H", data, at + 8, 1)
        else:
            struct.pack_into("<H", data, at + 10, rng.choice((12, 14, 93, 99)))
        at = data.find(b"PK\1\2", at + 4)
    return bytes(data)


def _bomb(files: dict[str, bytes], rng: random.Random) -> bytes:
    zeros = bytes(rng.choice((1_000_000, 300_000_000)))
    return _zipped({**files, "RX.dcm": rng.choice((b"", files["RP.dcm"])) + zeros})


def _nested(files: dict[str, bytes], rng: random.Random) -> bytes:
    data = _zipped(files)
    for depth in range(rng.choice((1, 3, 40))):
        data = _zipped({f"{depth}.zip": data})
    return data


def _twice(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Write members twice, or very many of them."""
    if rng.random() < 0.5:
        return _zipped({**files, **{f"b/{name}": data for name, data in files.items()}})
    return _zipped({**files, **{f"n/{number}": b"x" for number in range(20_000)}})


def _lied(files: dict[str, bytes], rng: random.Random) -> bytes:
    """Declare other sizes."""
    data = bytearray(_zipped(files))
    at = data.index(b"PK\1\2")
    field = rng.choice((20, 24, 42))
    struct.pack_into("<I", data, at + field, rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF)))
    return bytes(data)


# --- Directory files ----------------------------------------------------------------------------


def _directory(rng: random.Random, plans: Plans) -> Harmed:
    data = plans.directory["DICOMDIR"]
    elements = elements_of(data, implicit=False)
    if rng.random() < 0.4:
        way = "an entry"
        ids = [element for element in elements if element.tag == FILE_ID]
        data = replaced(data, rng.choice(ids), rng.choice(IDS))
    else:
        how = rng.choice(BYTE_WAYS)
        way, data = how.__name__, how(data, elements, rng)
    command = rng.choice(("check", "find", "structures"))
    place = rng.choice(("DICOMDIR", "."))
    return Harmed(
        what=f"DICOMDIR: {way}, {command} {place}",
        files={**plans.directory, "DICOMDIR": data},
        arguments=(command, place),
    )


# --- Folders ------------------------------------------------------------------------------------


def _link(folder: Path, to: str) -> None:
    (folder / "link.dcm").symlink_to(to)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.dcm")


def _bytes_name(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.dcm")).write_bytes(b"DICM")


def _deep(folder: Path) -> None:
    for _ in range(60):
        folder = folder / ("d" * 30)
    folder.mkdir(parents=True)


def _many(folder: Path) -> None:
    for number in range(3000):
        (folder / f"IM{number}").write_bytes(b"")


def _closed(folder: Path) -> None:
    (folder / "closed").mkdir(mode=0)


def _folder_name(folder: Path) -> None:
    (folder / "RX.dcm").mkdir()


PREPARED: tuple[Callable[[Path], None], ...] = (
    partial(_link, to="link.dcm"),
    partial(_link, to="."),
    partial(_link, to="/dev/zero"),
    partial(_link, to="nowhere"),
    partial(_link, to="RP.dcm"),
    _pipe,
    _bytes_name,
    _deep,
    _many,
    _closed,
    _folder_name,
)
STRANGE = {
    "empty.dcm": b"",
    "noise.dcm": bytes(range(256)) * 40,
    "DICOMDIR": b"x" * 500,
    "x.zip": b"PK\3\4",
    "case.toml": b"[",
    "\x1b[31mred.dcm": b"",
    "a\nb.dcm": b"",
    "n" * 250: b"",
    "head.dcm": bytes(128) + b"DICM",
    "html.dcm": b"<html>" * 100,
}


def _folder(rng: random.Random, plans: Plans) -> Harmed:
    name = rng.choice(NAMES)
    strange = rng.sample(sorted(STRANGE), rng.choice((0, 1, 2)))
    command = rng.choice(("check", "check", "find", "structures", "dvh"))
    prepare = rng.choice(PREPARED)
    place = rng.choice((".", "RP.dcm", "link.dcm", "pipe.dcm", *strange))
    return Harmed(
        what=f"folder, {name}: {prepare} and {strange!r}, {command} {place!r}",
        files={**plans.of(name), **{key: STRANGE[key] for key in strange}},
        arguments=(command, place),
        prepare=prepare,
    )


def _batch(rng: random.Random, plans: Plans) -> Harmed:
    files: dict[str, bytes] = {}
    for turn in range(2):
        files |= {f"in/{turn}/{k}": v for k, v in plans.of(rng.choice(NAMES)).items()}
    strange = rng.sample(sorted(STRANGE), 2)
    files |= {f"in/{key}": STRANGE[key] for key in strange}
    how = rng.choice(BYTE_WAYS)
    one = rng.choice(
        [key for key in files if key.endswith(("RS.dcm", "RD.dcm", "RP.dcm"))]
    )
    files[one] = how(files[one], elements_of(files[one], implicit=False), rng)
    return Harmed(
        what=f"batch: {how.__name__} {one}, {strange!r}",
        files=files,
        arguments=(*BATCH, "in"),
        prepare=partial(_in_batch, prepare=rng.choice(PREPARED)),
    )


def _in_batch(folder: Path, *, prepare: Callable[[Path], None]) -> None:
    prepare(folder / "in")
