"""Open a DICOM file and read typed attributes from it, with a sentence for what is wrong.

pydicom raises whatever it stumbles over; nothing of that leaves this package.
"""

import hashlib
import io
import math
import os
import re
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, wraps
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

import numpy as np
import pydicom
from pydicom import config
from pydicom.datadict import dictionary_description, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from sbrtcheck.dicom.characters import UNREADABLE, decode
from sbrtcheck.errors import LargeError, ReadError, UnsupportedError
from sbrtcheck.files import GIGABYTE, most_read_bytes, open_regular
from sbrtcheck.model import FloatArray, Instance, Patient, Point, Text

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
STANDARD_ROOT = "1.2.840.10008."  # PS3.6: SOP classes of the standard begin so
NAMES = {
    RT_DOSE: "RT Dose",
    RT_STRUCTURE_SET: "RT Structure Set",
    RT_PLAN: "RT Plan",
    RT_ION_PLAN: "RT Ion Plan",
}

P = ParamSpec("P")
T = TypeVar("T")
UNDEFINED_LENGTH = 0xFFFFFFFF
AGE = re.compile(r"(\d{3})([DWMY])")
AGES_A_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
PADDING = 0  # the tag of zeros behind a dataset; none begins with it
CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 1 << 21  # of decimals that are parsed together
META_BYTES = 4096  # that hold the file meta
PIXEL_ELEMENTS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
PREAMBLE_BYTES = 132
META_GROUP, SYNTAX_ELEMENT = b"\x02\x00", b"\x10\x00"
LONG_META = (
    b"OB",
    b"OW",
    b"UN",
    b"UT",
)  # VRs of file meta whose length takes four bytes
PLAIN_VRS = ("CS", "DA", "DS", "IS", "UI")  # plain ASCII
TEXT_VRS = ("LO", "SH", "PN", "ST", "LT", "UT", "UC")  # in the stated character set
# Tag, VR and length, or tag and length: what pydicom reads of an element first.
TAG_BYTES = 8


@contextmanager
def mat(path: Path | None, where: str) -> Iterator[None]:
    """Turn whatever pydicom raises inside into a `ReadError` that says where it happened."""
    try:
        yield
    except ReadError:
        raise
    except MemoryError as error:
        raise ReadError(
            Text(
                "there is not enough memory to read {where}; close other programs, or export less",
                where=where,
            ),
            path=path,
        ) from error
    except (OSError, EOFError, struct.error) as error:  # what pydicom raises at a cut
        raise ReadError(
            Text(
                "{where} ends too early: truncated or damaged; export it again",
                where=where,
            ),
            path=path,
        ) from error
    except Exception as error:  # pydicom has no common base for its errors
        detail = _first_line(error)
        raise ReadError(
            Text(
                "{where} cannot be read ({detail}); export it again",
                where=where,
                detail=detail,
            ),
            path=path,
        ) from error


def _first_line(error: Exception) -> str:
    if str(error):
        return str(error).splitlines()[0][:120]
    return type(error).__name__


def quietly(load: Callable[P, T]) -> Callable[P, T]:
    """Keep pydicom from warning of odd values while a file is read: our getters judge them."""

    @wraps(load)
    def read(*args: P.args, **kwargs: P.kwargs) -> T:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            return load(*args, **kwargs)

    return read


def class_name(uid: str) -> str:
    """Return the name of a SOP class, or its UID where the standard knows none."""
    return NAMES.get(uid, as_uid(uid).name)


def as_uid(text: str) -> UID:
    """Return a UID as it stands in the file: pydicom would warn of an ill-formed one."""
    return UID(text, validation_mode=config.IGNORE)


@dataclass(frozen=True, slots=True)
class Record:
    """A dataset or a sequence item, and the words that say which one it is."""

    dataset: Dataset
    what: str
    path: Path | None = None
    character_sets: tuple[str, ...] = ()
    misread: "Counter[str]" = field(
        default_factory=Counter
    )  # shared by all items of a file

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.dataset

    def fail(self, problem: str, /, **values: str | float) -> ReadError:
        """Return the error that says `problem` of this record."""
        sentence = Text(
            "{what}: {problem}", what=self.what, problem=Text(problem, **values)
        )
        return ReadError(sentence, path=self.path)

    def missing(self, keyword: str) -> ReadError:
        """Return the error for an attribute that has to be there and is not."""
        return self.fail(
            "{name} is missing or empty; export the file again", name=label(keyword)
        )

    def text(self, keyword: str) -> str:
        """Return an attribute as one line of text; "" where it is absent or empty."""
        tag, vr = _entry(keyword)
        if vr in PLAIN_VRS:
            return self.raw(keyword).decode("ascii", "replace").strip()
        with mat(self.path, f"{self.what}: {label(keyword)}"):
            if tag not in self.dataset:
                return ""
            stored = self.dataset.get_item(tag).value
            if vr in TEXT_VRS and isinstance(stored, bytes):
                return self._decoded(stored)
            value = self.dataset[tag].value
        if value is None:
            return ""
        return str(value).strip()

    def _decoded(self, raw: bytes) -> str:
        text, read_as = decode(raw.rstrip(b" \0"), self.character_sets)
        if read_as is not None:
            self.misread[read_as] += 1
        return text.strip()

    def character_notes(self) -> tuple[Text, ...]:
        """Return what was read in another character set than the file states."""
        stated = "\\".join(self.character_sets) or "none"
        return tuple(
            _misread_note(name, count, stated) for name, count in self.misread.items()
        )

    def uid(self, keyword: str) -> str | None:
        """Return a UID, or None where it is absent or empty."""
        return self.stated(keyword)

    def stated(self, keyword: str) -> str | None:
        """Return an attribute as one line of text, or None where it is absent or empty."""
        return self.text(keyword) or None

    def number(self, keyword: str) -> float | None:
        """Return a finite number, or None where it is absent or empty."""
        value = self.text(keyword)
        if not value:
            return None
        number = _decimal(value.encode())
        if not math.isfinite(number):
            raise self.fail(
                "{name} holds '{value}', which is not a number; export the file again",
                name=label(keyword),
                value=value,
            )
        return number

    def integer(self, keyword: str) -> int | None:
        """Return a whole number, or None where it is absent or empty."""
        number = self.number(keyword)
        if number is None:
            return None
        if not number.is_integer():
            raise self.fail(
                "{name} holds {value}, which is not a whole number; export the file again",
                name=label(keyword),
                value=number,
            )
        return int(number)

    def count(self, keyword: str) -> int:
        """Return how many an attribute states; none where it is absent or empty."""
        number = self.integer(keyword)
        if number is None:
            return 0
        return number

    def required(self, keyword: str) -> float:
        """Return a finite number that has to be there."""
        number = self.number(keyword)
        if number is None:
            raise self.missing(keyword)
        return number

    def required_integer(self, keyword: str) -> int:
        """Return a whole number that has to be there."""
        number = self.integer(keyword)
        if number is None:
            raise self.missing(keyword)
        return number

    def numbers(self, keyword: str) -> FloatArray:
        """Return all values of an attribute, shape (n,); empty where it is absent or empty."""
        try:
            return parse_decimals([self.raw(keyword)])
        except NotANumberError as error:
            raise self.fail(
                "{name} holds '{value}', which is not a number; export the file again",
                name=label(keyword),
                value=error.word,
            ) from error

    def point(self, keyword: str) -> Point | None:
        """Return a point in patient coordinates, or None where three numbers do not stand there."""
        values = self.numbers(keyword).tolist()
        if len(values) != 3:
            return None
        x_mm, y_mm, z_mm = values
        return x_mm, y_mm, z_mm

    def raw(self, keyword: str) -> bytes:
        r"""Return the bytes of a decimal string, its values parted by backslashes.

        pydicom makes an object of every decimal; the bytes are ten times faster to parse.
        """
        tag, _ = _entry(keyword)
        with mat(self.path, f"{self.what}: {label(keyword)}"):
            return _stored_bytes(self.dataset, tag).strip(b" \0")

    def items(self, keyword: str) -> tuple["Record", ...]:
        """Return the items of a sequence; none where it is absent or empty."""
        with mat(self.path, f"{self.what}: {label(keyword)}"):
            sequence = self.dataset.get(keyword) or ()
            if not isinstance(sequence, pydicom.Sequence | tuple):
                raise self.fail(
                    "{name} is not a sequence; export the file again",
                    name=label(keyword),
                )
            where = f"{self.what}, {label(keyword)} item"
            records = tuple(
                Record(
                    item,
                    f"{where} {number}",
                    self.path,
                    self._sets_of(item),
                    self.misread,
                )
                for number, item in enumerate(sequence, start=1)
            )
            for record in records:
                _refuse_truncated(record)
        return records

    def _sets_of(self, item: Dataset) -> tuple[str, ...]:
        """Return the character sets of an item: its own, or those around it (PS3.5 6.1.2.5)."""
        if CHARACTER_SET in item:
            return stated_character_sets(item)
        return self.character_sets


CHARACTER_SET = Tag("SpecificCharacterSet")


def _misread_note(read_as: str, count: int, stated: str) -> Text:
    if read_as == UNREADABLE:
        return Text(
            "{count} texts cannot be read in the stated character set ({stated})",
            count=count,
            stated=stated,
        )
    return Text(
        "{count} texts are not in the stated character set ({stated}): read as {name}",
        count=count,
        stated=stated,
        name=read_as,
    )


def stated_character_sets(dataset: Dataset) -> tuple[str, ...]:
    """Return the values of SpecificCharacterSet as they stand in the file; none if absent."""
    stored = _stored_bytes(dataset, CHARACTER_SET).decode("ascii", "replace")
    words = stored.rstrip(" \0").split("\\")
    if not any(words):
        return ()
    return tuple(word.strip() for word in words)


def _stored_bytes(dataset: Dataset, tag: BaseTag) -> bytes:
    """Return the bytes of an element, also where pydicom has made a value of them."""
    if tag not in dataset:
        return b""
    value = dataset.get_item(tag).value
    if isinstance(value, bytes):
        return value
    if isinstance(value, MutableSequence):
        return "\\".join(str(v) for v in value).encode()
    if value is None:
        return b""
    return str(value).encode()


@cache
def _entry(keyword: str) -> tuple[BaseTag, str]:
    """Return the tag of a keyword and its kind of value (VR)."""
    tag = Tag(keyword)
    return tag, dictionary_VR(tag)


@cache
def label(keyword: str) -> str:
    """Return the standard's name of an attribute, as physicists see it in DICOM viewers."""
    return dictionary_description(keyword)


class NotANumberError(ValueError):
    """A word that stands where a finite number belongs."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def parse_decimals(chunks: Sequence[bytes]) -> FloatArray:
    r"""Parse decimal strings parted by backslashes, all in one go, shape (n,).

    Raises
    ------
    NotANumberError
        If a value is not a finite number.
    """
    joined = b"\\".join([chunk for chunk in chunks if chunk])
    if not joined:
        return np.empty(0)
    return np.concatenate([_parsed(block) for block in _blocks(joined)])


def _blocks(joined: bytes) -> Iterator[bytes]:
    """Yield decimals in pieces: an object a word takes ten times the memory of its bytes."""
    start = 0
    while start <= len(joined):
        end = joined.find(b"\\", start + BLOCK_BYTES)
        if end < 0:
            end = len(joined)
        yield joined[start:end]
        start = end + 1


def _parsed(block: bytes) -> FloatArray:
    words = block.split(b"\\")
    try:
        numbers = np.fromiter(map(float, words), np.float64, len(words))
    except ValueError as error:
        raise _not_a_number(words) from error
    if b"_" in block or not np.isfinite(numbers).all():
        raise _not_a_number(words)
    return numbers


def _not_a_number(words: Sequence[bytes]) -> NotANumberError:
    """Return the error for the first of some words that is not a finite number."""
    wrong = next(word for word in words if not math.isfinite(_decimal(word)))
    return NotANumberError(wrong.decode("ascii", "replace").strip())


def _decimal(word: bytes) -> float:
    """Return the number, or NaN; Python reads "1_0" as 10, DICOM does not (PS3.5 6.2, DS)."""
    if b"_" in word:
        return math.nan
    try:
        return float(word)
    except ValueError:
        return math.nan


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as read: its root record, its bytes and their hash, and what opening had to assume.

    `content` and `sha256` are empty where only the header was read.
    """

    path: Path
    root: Record
    sop_class_uid: str
    transfer_syntax: UID
    sha256: str
    content: bytes
    notes: tuple[Text, ...]


class _Bytes(io.BytesIO):
    """The bytes of a file, and whether they end inside a tag, which pydicom passes over."""

    cut_tag = False

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if size == TAG_BYTES and len(found) < TAG_BYTES and found.strip(b"\0"):
            self.cut_tag = True
        return found


def file_meta(head: bytes) -> tuple[int, str]:
    """Return where the dataset begins, behind preamble and file meta, and the stated syntax."""
    at, syntax = 0, ""
    if head[128:PREAMBLE_BYTES] == b"DICM":
        at = PREAMBLE_BYTES
    while head[at : at + 2] == META_GROUP:
        element, vr = head[at + 2 : at + 4], head[at + 4 : at + 6]
        start = at + 8
        size = head[at + 6 : start]
        if vr in LONG_META:
            start = at + 12
            size = head[at + 8 : start]
        elif not vr.isalpha():  # implicit, as file meta must not be
            size = head[at + 4 : start]
        at = start + int.from_bytes(size, "little")
        if element == SYNTAX_ELEMENT:
            syntax = head[start:at].decode("ascii", "replace").strip("\0 ")
    return at, syntax


def _refuse_large(file: BinaryIO, path: Path) -> None:
    """Raise `LargeError` for a file that takes too much memory, before it is read or inflated."""
    most_bytes = most_read_bytes()
    large = LargeError(
        Text(
            "the file holds more than {gb} GB; export it again, a dose on a coarser grid, or let"
            " more be read (--max-size)",
            gb=most_bytes / GIGABYTE,
        ),
        path=path,
    )
    if file.seek(0, os.SEEK_END) > most_bytes:
        raise large
    file.seek(0)
    start, syntax = file_meta(file.read(META_BYTES))
    file.seek(0)
    if syntax != DeflatedExplicitVRLittleEndian:
        return
    file.seek(start)
    if _inflates_beyond(file, most_bytes):
        raise large
    file.seek(0)


def _inflates_beyond(file: BinaryIO, most_bytes: int) -> bool:
    """Tell whether a deflated dataset is too large; inflated in pieces that are not kept."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated_bytes, piece = 0, b""
    waiting = file.read(CHUNK_BYTES)
    while not inflating.eof and (waiting or piece):
        try:
            piece = inflating.decompress(waiting, CHUNK_BYTES)
        except zlib.error:
            return False  # reading it says so
        inflated_bytes += len(piece)
        if inflated_bytes > most_bytes:
            return True
        waiting = inflating.unconsumed_tail or file.read(CHUNK_BYTES)
    return False


def _is_padding(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001 - asked by pydicom
    """Tell where to stop reading: zeros behind a dataset are no elements, megabytes of them."""
    return int(tag) == PADDING


def _is_behind_header(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Tell where the header ends."""
    return int(tag) in PIXEL_ELEMENTS or _is_padding(tag, vr, length)


def open_file(path: Path, *, header_only: bool = False) -> Opened:
    """Read a DICOM file, with or without Part-10 header.

    Raises
    ------
    ReadError
        If the file is missing, is not DICOM, is truncated, or is larger than may be read.
    """
    try:
        with open_regular(path) as file:
            if not file.peek(1):
                raise ReadError(Text("the file is empty"), path=path)
            _refuse_large(file, path)
            content, sha256 = b"", ""
            stream: BinaryIO = file
            stop = _is_behind_header
            if not header_only:
                content = file.read()
                sha256 = hashlib.sha256(content).hexdigest()
                stream, stop = _Bytes(content), _is_padding
            with mat(path, "the file"):
                dataset = read_partial(stream, stop_when=stop, force=True)
                syntax = as_uid(str(dataset.file_meta.get("TransferSyntaxUID", "")))
    except FileNotFoundError as error:
        raise ReadError(Text("there is no such file"), path=path) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ReadError(
            Text("cannot be opened: {reason}", reason=reason), path=path
        ) from error
    with mat(path, "the file"):
        root = Record(dataset, "the file", path, stated_character_sets(dataset))
    sop_class_uid = _sop_class(root)
    root = replace(root, what=class_name(sop_class_uid))
    with mat(path, root.what):
        _refuse_truncated(root)
    if isinstance(stream, _Bytes) and stream.cut_tag:
        raise root.fail("the file is truncated: it ends inside a tag; export it again")
    notes: tuple[Text, ...] = ()
    if not syntax:
        syntax = _guessed_syntax(dataset)
        note = Text(
            "{what} has no DICOM file header: read as {syntax}",
            what=root.what,
            syntax=syntax.name,
        )
        notes = (note,)
    return Opened(path, root, sop_class_uid, syntax, sha256, content, notes)


def _sop_class(root: Record) -> str:
    not_dicom = ReadError(
        Text("this is not a DICOM file; give an RT Plan, RT Structure Set or RT Dose"),
        path=root.path,
    )
    try:
        meta = Record(
            getattr(root.dataset, "file_meta", Dataset()), "the file header", root.path
        )
        # A DICOMDIR says what it is in its header only (PS3.10 7.1).
        uid = root.uid("SOPClassUID") or meta.uid("MediaStorageSOPClassUID")
    except ReadError as error:
        raise not_dicom from error
    # Forced reading finds "elements" in any file: only a well-formed UID is proof of DICOM.
    if uid is None or not as_uid(uid).is_valid or "." not in uid:
        raise not_dicom
    return uid


def _refuse_truncated(record: Record) -> None:
    """Compare each element's bytes with its declared length; pydicom takes what is there."""
    for (
        element
    ) in record.dataset.values():  # as they are: iterating a Dataset converts them
        if (
            not isinstance(element, RawDataElement)
            or element.length == UNDEFINED_LENGTH
        ):
            continue
        if element.value is not None and len(element.value) < element.length:
            raise record.fail(
                "the file is truncated: {name} holds {found} of {declared} bytes; export it again",
                name=_tag_name(element),
                found=len(element.value),
                declared=element.length,
            )


def _tag_name(element: RawDataElement) -> str:
    try:
        return dictionary_description(element.tag)
    except KeyError:
        return str(Tag(element.tag))


def _guessed_syntax(dataset: Dataset) -> UID:
    explicit, little = not dataset.original_encoding[0], dataset.original_encoding[1]
    if not explicit:
        return UID("1.2.840.10008.1.2")
    if little:
        return UID("1.2.840.10008.1.2.1")
    return UID("1.2.840.10008.1.2.2")


def require_class(opened: Opened, expected: str) -> Record:
    """Return the root record if the file is of the expected SOP class.

    Raises
    ------
    ReadError
        If it is of another; `UnsupportedError` for an ion plan.
    """
    found = opened.sop_class_uid
    if found == expected or (expected == RT_PLAN and is_private_plan(opened)):
        return opened.root
    if found == RT_ION_PLAN:
        raise UnsupportedError(
            Text(
                "this is an RT Ion Plan (protons or ions); only photon RT Plans are judged;"
                " `sbrtcheck dvh` shows the doses of others"
            ),
            path=opened.root.path,
        )
    raise opened.root.fail(
        "this is not an {expected}; give the file of one", expected=NAMES[expected]
    )


def is_private_plan(opened: Opened) -> bool:
    """Tell a plan in a vendor's own SOP class (Halcyon) by its content."""
    root = opened.root
    private = not opened.sop_class_uid.startswith(STANDARD_ROOT)
    holds_plan = "FractionGroupSequence" in root or "BeamSequence" in root
    return private and root.text("Modality").upper() == "RTPLAN" and holds_plan


def referenced_structure_set(root: Record) -> str | None:
    """Return the UID of the first structure set that a plan or dose names."""
    structure_sets = root.items("ReferencedStructureSetSequence")
    if not structure_sets:
        return None
    return structure_sets[0].uid("ReferencedSOPInstanceUID")


def _age_years(text: str) -> float | None:
    """Return an age such as "065Y" in years; None where it is not written so (PS3.5 6.2, AS)."""
    found = AGE.fullmatch(text.strip().upper())
    if found is None:
        return None
    return int(found[1]) / AGES_A_YEAR[found[2]]


def read_instance(opened: Opened, *, label_keyword: str, date_keyword: str) -> Instance:
    """Read the header that all RT objects share; the time stands beside the date."""
    root = opened.root
    uid = root.uid("SOPInstanceUID")
    if uid is None:
        raise root.missing("SOPInstanceUID")
    return Instance(
        sop_instance_uid=uid,
        sop_class_uid=opened.sop_class_uid,
        patient=Patient(
            patient_id=root.stated("PatientID"),
            name=root.stated("PatientName"),
            birth_date=root.stated("PatientBirthDate"),
        ),
        study_instance_uid=root.uid("StudyInstanceUID"),
        frame_of_reference_uid=root.uid("FrameOfReferenceUID"),
        label=root.stated(label_keyword),
        date=root.stated(date_keyword),
        time=root.stated(date_keyword.replace("Date", "Time")),
        study_date=root.stated("StudyDate"),
        approval_status=root.stated("ApprovalStatus"),
        manufacturer=root.stated("Manufacturer"),
        model=root.stated("ManufacturerModelName"),
        institution=root.stated("InstitutionName"),
        age_years=_age_years(root.text("PatientAge")),
        sha256=opened.sha256 or None,
        notes=opened.notes,
    )
