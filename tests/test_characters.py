"""Names in other character sets than stated: repaired where it is certain, and always said."""

from pathlib import Path

import pytest

from builders import box, structure_set, write_case
from sbrtcheck.dicom import load_plan, load_structure_set
from sbrtcheck.dicom.characters import decode
from sbrtcheck.dicom.write import save_structure_set

LATIN = ("ISO_IR 100",)
UTF8 = ("ISO_IR 192",)
GB = ("GB18030",)
CHINESE = (
    *(
        "脊髓",
        "马尾",
        "硬膜囊",
        "椎管",
        "食管",
        "食道",
        "气管",
        "主动脉",
        "双肺",
        "左肺",
        "右肺",
        "肾",
    ),
    *(
        "胃",
        "十二指肠",
        "小肠",
        "结肠",
        "皮肤",
        "计划靶区",
        "脊髓PRV",
        "PTV_胸8",
        "脊髓外扩3mm",
        "膀胱",
    ),
    *(
        "肱骨",
        "大体肿瘤",
        "第8胸椎",
        "腰2椎体",
        "心脏",
        "肝脏",
        "骶丛",
        "体表",
        "左肾",
        "右肾",
    ),
)
LATIN_NAMES = (
    *(
        "Größe",
        "Rückenmark",
        "Moelle épinière",
        "Müller^Jörg",
        "Poumon été",
        "Médula",
        "Niño",
    ),
    *("10° Keil", "Leber ±5mm", "Ösophagus", "GTV Übergröße", "Ångström"),
)


@pytest.mark.parametrize("stated", [LATIN, (), ("ISO_IR 6",), UTF8])
@pytest.mark.parametrize("name", [name for name in CHINESE if name != "胃"])
def test_chinese_bytes_under_a_wrong_label_are_read_as_what_they_are(
    name: str, stated: tuple[str, ...]
) -> None:
    """脊髓 in GBK reads as ¼¹Ëè in Latin-1 (pydicom#1166)."""
    assert decode(name.encode("gb18030"), stated) == (name, "GB18030")


@pytest.mark.parametrize("stated", [LATIN, ()])
def test_a_chinese_name_that_is_also_valid_utf8_is_read_as_chinese(
    stated: tuple[str, ...],
) -> None:
    """The two bytes of 胃 in GBK are those of θ in UTF-8; no organ is called θ."""
    assert decode("胃".encode("gbk"), stated) == ("胃", "GB18030")


@pytest.mark.parametrize("stated", [LATIN, (), GB, ("GBK",)])
@pytest.mark.parametrize("name", [*CHINESE, "食道 oesophagus"])
def test_utf8_under_a_wrong_label_is_read_as_what_it_is(
    name: str, stated: tuple[str, ...]
) -> None:
    assert decode(name.encode(), stated) == (name, "UTF-8")


@pytest.mark.parametrize(
    ("stated", "codec"), [(UTF8, "utf-8"), (GB, "gb18030"), (("GBK",), "gbk")]
)
@pytest.mark.parametrize("name", [*CHINESE, "馬尾神經"])
def test_a_right_label_is_believed(
    name: str, stated: tuple[str, ...], codec: str
) -> None:
    assert decode(name.encode(codec), stated) == (name, None)


@pytest.mark.parametrize("name", LATIN_NAMES)
def test_latin_names_stay_latin(name: str) -> None:
    assert decode(name.encode("latin-1"), LATIN) == (name, None)


@pytest.mark.parametrize("name", ["Moelle épinière", "Rückenmark", "Ganglio 10 °C"])
def test_latin_names_in_utf8_under_a_latin_label_are_read_as_utf8(name: str) -> None:
    assert decode(name.encode(), LATIN) == (name, "UTF-8")


def test_latin_letters_without_any_label_are_read_as_latin_1_and_said() -> None:
    assert decode("Rückenmark".encode("latin-1"), ()) == ("Rückenmark", "ISO 8859-1")


@pytest.mark.parametrize(
    ("raw", "stated", "name"),
    [
        (b"\x1b$)A\xbc\xb9\xcb\xe8", ("", "ISO 2022 IR 58"), "脊髓"),  # PS3.5 K
        (
            b"\x1b$B\x40T\x3f\x71\x1b(B PRV",
            ("", "ISO 2022 IR 87"),
            "脊髄 PRV",
        ),  # PS3.5 H
        (b"\x1b$)C\xc3\xb4\xbc\xf6", ("", "ISO 2022 IR 149"), "척수"),  # PS3.5 I
    ],
)
def test_names_that_switch_character_sets_are_read(
    raw: bytes, stated: tuple[str, ...], name: str
) -> None:
    assert decode(raw, stated) == (name, None)


def test_a_switch_of_character_sets_that_was_not_stated_is_read_and_said() -> None:
    assert decode(b"\x1b$)A\xbc\xb9\xcb\xe8", LATIN) == ("脊髓", "ISO 2022")


def test_a_stated_switch_that_never_happens_is_repaired() -> None:
    assert decode("脊髓".encode("gbk"), ("", "ISO 2022 IR 58")) == ("脊髓", "GB18030")


def test_what_cannot_be_read_is_said() -> None:
    text, read_as = decode(b"Cord \xff\xfe\xfd", UTF8)

    assert text.startswith("Cord ")
    assert read_as == "unreadable"


def test_ascii_needs_no_character_set() -> None:
    assert decode(b"SpinalCord_PRV02", ("nonsense",)) == ("SpinalCord_PRV02", None)


def mislabel(path: Path, label: str | None) -> None:
    """State another character set than the names are in."""
    content = path.read_bytes()
    at = content.index(b"\x08\x00\x05\x00CS")
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    new = (label or "").ljust(length).encode()
    path.write_bytes(content[: at + 8] + new + content[at + 8 + length :])


@pytest.mark.parametrize("label", ["ISO_IR 100", None])
def test_mislabelled_roi_names_are_repaired_and_noted(
    tmp_path: Path, label: str | None
) -> None:
    rois = [box("脊髓", (0, 0, 0), (9, 9, 9)), box("马尾", (0, 0, 0), (9, 9, 9))]
    save_structure_set(
        structure_set(rois), tmp_path / "a", character_set="ISO 2022 GBK"
    )
    mislabel(tmp_path / "a", label)

    read = load_structure_set(tmp_path / "a")

    assert [roi.name for roi in read.rois] == ["脊髓", "马尾"]
    stated = label or "none"
    assert [str(note) for note in read.notes] == [
        f"2 texts are not in the stated character set ({stated}): read as GB18030"
    ]


def test_a_file_in_its_stated_character_set_has_no_note(tmp_path: Path) -> None:
    files = write_case(tmp_path)

    assert load_plan(files.plan).notes == ()
    assert load_structure_set(files.structure_set).notes == ()
