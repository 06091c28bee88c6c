"""What no sound export is: it is refused in a sentence, or judged as what it holds, in bounded time."""

import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from sbrtcheck import (
    CaseError,
    LargeError,
    Outcome,
    ProtocolError,
    ReadError,
    check,
    load_case,
)
from sbrtcheck.dicom import (
    RT_PLAN,
    load_dose,
    load_plan,
    load_structure_set,
    open_rt,
    peek,
)
from sbrtcheck.dicom.dataset import NotANumberError, open_file, parse_decimals
from sbrtcheck.dossier import survey
from sbrtcheck.dossier.facts import load_facts
from sbrtcheck.files import (
    MOST_READ_BYTES,
    MOST_WRITTEN_BYTES,
    most_read_bytes,
    read_toml,
    read_written,
    reading_at_most,
)
from sbrtcheck.protocol.load import load_protocol, protocol_folders

SAMPLE = Path(__file__).parents[1] / "sample_dicom/t8_30gy5_pass"
PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
LONG = "x" * 300
MEGABYTE = 1024**2


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return a folder of its own with the files of a good plan."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "export"))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sbrtcheck.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )


def outcome_of(folder: Path) -> Outcome:
    return check(load_case(folder), load_protocol("nct06756087")).outcome


# --- What is no regular file --------------------------------------------------------------------


@PIPES
@pytest.mark.parametrize(
    "read", [load_plan, load_dose, open_rt, load_case, load_facts, load_protocol]
)
def test_a_pipe_is_refused_where_a_file_is_asked_for(
    read: Callable[[Path], object], tmp_path: Path
) -> None:
    """To open it would wait for somebody who writes into it."""
    pipe = tmp_path / "plan.toml"
    os.mkfifo(pipe)

    with pytest.raises((ReadError, CaseError, ProtocolError)) as refused:
        read(pipe)

    assert re.search("not a regular file|no such file", str(refused.value))


@PIPES
def test_a_first_look_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="not a regular file"):
        peek(tmp_path / "pipe")


@PIPES
@pytest.mark.parametrize(
    "option", ["--struct", "--dose", "--with", "--protocol", "--case"]
)
def test_a_pipe_as_an_option_is_refused(option: str, export: Path) -> None:
    pipe = export.parent / "pipe.toml"
    os.mkfifo(pipe)

    ended = run(export / "RP.dcm", option, pipe)

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "option", ["--struct", "--dose", "--with", "--protocol", "--case", "--within"]
)
def test_a_name_that_no_file_system_takes_is_refused(option: str, export: Path) -> None:
    ended = run(export / "RP.dcm", option, LONG)

    assert ended.returncode == 2
    assert ended.stderr.startswith("sbrtcheck: ")
    assert "internal error" not in ended.stderr


@pytest.mark.parametrize("name", ["a\0b", LONG])
def test_such_a_name_is_refused_by_the_library(name: str) -> None:
    for read in (load_plan, load_case, load_facts, load_protocol):
        with pytest.raises((ReadError, CaseError, ProtocolError)):
            read(Path(name))


# --- Text that people write ---------------------------------------------------------------------


def shipped_protocol() -> str:
    found = (folder / "nct06756087.toml" for folder in protocol_folders())
    return next(path for path in found if path.exists()).read_text(encoding="utf-8")


def without_quotes(text: str) -> str:
    return re.sub(r'constraint = "[^"]*"', "constraint = 25.3", text, count=1)


def as_a_list(text: str) -> str:
    return re.sub(r'constraint = "[^"]*"', "constraint = [1]", text, count=1)


def nested(text: str) -> str:
    return f"{text}\nx = {'[' * 5000}{']' * 5000}\n"


def with_many_digits(text: str) -> str:
    return f"{text}\nx = {'9' * 5000}\n"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (without_quotes, "25.3 is no constraint; write it so"),
        (as_a_list, "is no constraint"),
        (nested, "nested too deeply"),
        (with_many_digits, "not valid TOML"),
    ],
)
def test_a_broken_protocol_is_refused(
    broken: Callable[[str], str], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.toml"
    path.write_text(broken(shipped_protocol()), encoding="utf-8")

    with pytest.raises(ProtocolError, match=why):
        load_protocol(path)


@pytest.mark.parametrize("broken", [nested, with_many_digits])
def test_broken_case_facts_are_refused(
    broken: Callable[[str], str], tmp_path: Path
) -> None:
    path = tmp_path / "case.toml"
    path.write_text(broken(""), encoding="utf-8")

    with pytest.raises(CaseError, match="not valid TOML"):
        load_facts(path)


def test_a_file_of_words_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_bytes(b"#")
    os.truncate(path, MOST_WRITTEN_BYTES)
    assert len(read_written(path)) == MOST_WRITTEN_BYTES

    os.truncate(path, MOST_WRITTEN_BYTES + 1)

    with pytest.raises(OSError, match="larger than 32 MB"):
        read_written(path)


def test_a_byte_order_mark_is_no_part_of_toml(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")

    assert read_toml(path)[1] == {"a": 1}


# --- More than a dataset ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RP.dcm", "RS.dcm", "RD.dcm"])
def test_zeros_behind_a_file_are_skipped(name: str, export: Path) -> None:
    """8 MB of them would be a million elements."""
    before = open_rt(export / name)
    with (export / name).open("ab") as file:
        file.write(bytes(8 * MEGABYTE))

    after = open_rt(export / name)

    assert Tag(0, 0) not in open_file(export / name).root.dataset
    assert after.dataset_sha256 == before.dataset_sha256
    assert outcome_of(export) is Outcome.PASS


def deflated(path: Path, dataset: bytes) -> None:
    """Write a deflated file whose dataset is these bytes."""
    empty = pydicom.Dataset()
    empty.SOPClassUID = pydicom.uid.RTPlanStorage
    empty.SOPInstanceUID = "1.2.3"
    empty.file_meta = pydicom.dataset.FileMetaDataset()
    empty.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = io.BytesIO()
    pydicom.dcmwrite(head, empty, enforce_file_format=True)
    meta_bytes = 132 + 12 + struct.unpack_from("<L", head.getvalue(), 140)[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(
        head.getvalue()[:meta_bytes] + packer.compress(dataset) + packer.flush()
    )


@pytest.mark.parametrize(("beyond", "is_refused"), [(0, False), (1, True)])
def test_a_deflated_file_is_refused_before_it_is_inflated(
    beyond: int, *, is_refused: bool, tmp_path: Path
) -> None:
    """The bound holds for the bytes that deflating hides: 4 MB of zeros are 4 kB."""
    path = tmp_path / "bomb.dcm"
    most_bytes = 4 * MEGABYTE
    deflated(path, bytes(most_bytes + beyond))

    with reading_at_most(most_bytes):
        if not is_refused:
            assert open_file(path).sop_class_uid == RT_PLAN
            return
        with pytest.raises(LargeError, match="holds more than"):
            open_file(path)


@pytest.mark.parametrize("behind", [0, 1, 3 * MEGABYTE])
def test_what_lies_behind_a_deflated_dataset_is_not_inflated(
    behind: int, tmp_path: Path
) -> None:
    """A stream of odd length is padded; both end where the stream says."""
    path = tmp_path / "padded.dcm"
    deflated(path, bytes(3 * MEGABYTE))  # of several pieces
    with path.open("ab") as file:
        file.write(bytes(behind))

    assert open_file(path).sop_class_uid == RT_PLAN


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_deflated_dataset_that_ends_early_is_refused(
    kept: float, tmp_path: Path
) -> None:
    path = tmp_path / "cut.dcm"
    deflated(path, os.urandom(5 * MEGABYTE))
    os.truncate(path, int(path.stat().st_size * kept))

    with pytest.raises(ReadError):
        open_file(path)


def test_a_file_that_no_patient_has_is_refused_unread(export: Path) -> None:
    os.truncate(export / "RD.dcm", MOST_READ_BYTES + 1)

    with pytest.raises(ReadError, match="more than 1 GB"):
        load_dose(export / "RD.dcm")


COMMANDS = {
    "check": ("RP.dcm",),
    "dvh": ("RP.dcm",),
    "structures": ("RS.dcm",),
    "robustness": ("RP.dcm",),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_as_much_as_it_is_told(command: str, export: Path) -> None:
    """0.001 GB hold the plan and contours, not a file of a little more."""
    for name in ("RS.dcm", "RD.dcm"):
        padded = (export / name).read_bytes()
        (export / name).write_bytes(padded + bytes(1_100_000 - len(padded)))
    paths = [str(export / name) for name in COMMANDS[command]]

    small = run(command, *paths, "--max-size", "0.001")
    whole = run(command, *paths, "--max-size", "0.002")

    assert small.returncode == 2
    assert "holds more than 0.001 GB" in small.stderr
    assert "--max-size" in small.stderr
    assert whole.returncode == 0


def test_the_bound_ends_with_the_reading() -> None:
    with suppress(ReadError), reading_at_most(5):
        assert most_read_bytes() == 5
        raise ReadError("on purpose")

    assert most_read_bytes() == MOST_READ_BYTES


@pytest.mark.parametrize("block_bytes", [1, 3, 4, 5, 100])
@pytest.mark.parametrize("texts", [["1.5"], ["1.5", "-2", "33"], ["7"] * 12])
def test_decimals_are_the_same_in_blocks_of_any_size(
    block_bytes: int, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sbrtcheck.dicom.dataset.BLOCK_BYTES", block_bytes)
    chunks = ["\\".join(texts).encode(), b"", b"4.25\\5"]

    assert list(parse_decimals(chunks)) == [*map(float, texts), 4.25, 5.0]


@pytest.mark.parametrize("bad", [b"1\\\\2", b"1\\2\\", b"\\1", b"1\\x\\2", b"1\\1_0"])
def test_a_word_that_is_no_number_is_found_in_any_block(
    bad: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block_bytes in (1, 2, 100):
        monkeypatch.setattr("sbrtcheck.dicom.dataset.BLOCK_BYTES", block_bytes)
        with pytest.raises(NotANumberError):
            parse_decimals([bad])


def test_decimals_take_no_more_memory_than_a_few_times_their_bytes() -> None:
    """An object a word would take eight times as much as these."""
    text = b"\\".join([b"12.25"] * 2_000_000)
    tracemalloc.start()
    parse_decimals([text])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 6 * len(text)


@pytest.mark.parametrize(("beyond", "is_read"), [(0, True), (1, False)])
def test_an_roi_of_too_many_corners_is_not_parsed(
    beyond: int, *, is_read: bool, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cord = load_structure_set(export / "RS.dcm").roi("SpinalCord")
    corners = sum(len(ring.points_mm) for ring in cord.contours)
    monkeypatch.setattr("sbrtcheck.dicom.structures.MOST_CORNERS", corners - beyond)

    found = load_structure_set(export / "RS.dcm").roi("SpinalCord")

    assert (found.problem is None) == is_read
    if not is_read:
        assert f"more than {corners - 1} corners" in str(found.problem)
        assert outcome_of(export) is Outcome.UNDECIDED


# --- Archives -----------------------------------------------------------------------------------


def archive_of(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)


def test_a_member_whose_name_is_not_what_it_says_is_refused(export: Path) -> None:
    path = export.parent / "a.zip"
    archive_of(export, path)
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    content[entry + 8 : entry + 10] = struct.pack("<H", 0x800)  # UTF-8, it says
    content[entry + 46] = 0xFF
    path.write_bytes(content)

    with pytest.raises(ReadError, match="cannot be unpacked"):
        load_case(path)


def test_an_archive_of_many_members_is_opened_once(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(export / "many.zip", "w") as archive:
        for number in range(100):
            archive.writestr(f"{number}.txt", b"")

    opened: list[object] = []
    monkeypatch.setattr("sbrtcheck.dossier.places.require_regular", opened.append)

    survey(export)

    assert len(opened) == 1


def test_what_lies_behind_zeros_is_no_part_of_a_dataset(export: Path) -> None:
    """Neither where all is read, nor in a header alone."""
    before = open_rt(export / "RS.dcm").dataset_sha256
    with (export / "RS.dcm").open("ab") as file:
        file.write(bytes(64) + b"\xff" * 64)

    assert open_rt(export / "RS.dcm").dataset_sha256 == before
    header = open_file(export / "RS.dcm", header_only=True)
    assert Tag(0, 0) not in header.root.dataset


# --- What a console would obey ------------------------------------------------------------------

RED = "\x1b[31mred"


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("check", "--rx"),
        ("check", "--alias"),
        ("check", "--levels"),
        ("check", "--struct"),
        ("check", "--protocol"),
        ("check", "--json"),
        ("robustness", "--about"),
        ("dvh", "--metric"),
        ("dvh", "--structure"),
        ("dvh", "--csv"),
    ],
)
def test_what_was_typed_is_shown_and_not_obeyed(
    command: str, option: str, export: Path
) -> None:
    ended = run(command, export / "RP.dcm", option, f"{RED}/x.json")

    assert ended.returncode == 2
    assert "\x1b" not in ended.stdout + ended.stderr
    assert r"\x1b[31mred" in ended.stderr.lower()


@pytest.mark.parametrize(
    ("written", "refused"),
    [
        (r'"a\u001b[31m"', "U+001B"),
        (r'"a\u202e"', "U+202E"),
        ('"a\u2066"', "U+2066"),
        (r'"a\u0000"', "U+0000"),
        (r'"\u2028"', "U+2028"),
        (r'"one\ntwo\tthree"', None),
        ('"\u810a\u9ad3"', None),
    ],
)
def test_a_protocol_holds_only_what_can_be_seen(
    written: str, refused: str | None, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    text = re.sub("(?m)^title = .*", lambda _: f"title = {written}", shipped_protocol())
    own.write_text(text, encoding="utf-8")

    if refused is None:
        load_protocol(own)
        return
    with pytest.raises(ProtocolError) as error:
        load_protocol(own)
    assert f"'protocol.title' holds the character {refused}" in str(error.value)


def test_a_name_that_cannot_be_seen_is_refused_with_its_place(tmp_path: Path) -> None:
    facts = tmp_path / "case.toml"
    facts.write_text('[not_drawn]\n"Liver\\u200b" = "far"\n', encoding="utf-8")

    with pytest.raises(CaseError, match=r"'not_drawn' holds the character U\+200B"):
        load_facts(facts)
