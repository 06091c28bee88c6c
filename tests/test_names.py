"""Names: which structure an ROI is, and which levels it states."""

import time
import tomllib
from pathlib import Path

import pytest

from builders import box
from sbrtcheck import CaseError
from sbrtcheck.model import ROI
from sbrtcheck.protocol.load import load_protocol, protocol_folders
from sbrtcheck.protocol.names import first_alias, match_rois, normalise, read_levels, suggest
from sbrtcheck.protocol.rules import Protocol, Role


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_protocol("nct06756087")


def structure_of(name: str, protocol: Protocol) -> str | None:
    return match_rois([ROI(name=name)], protocol, {})[0].structure


TABLE = tomllib.loads((Path(__file__).parent / "roi_names.toml").read_text(encoding="utf-8"))
ROWS = [tuple(row) for rows in TABLE.values() for row in rows]


@pytest.mark.parametrize(("name", "structure", "levels"), ROWS, ids=[row[0] for row in ROWS])
def test_each_name_of_the_table_is_taken_for_what_it_means(
    name: str, structure: str, levels: str, protocol: Protocol
) -> None:
    match = match_rois([ROI(name=name)], protocol, {})[0]

    assert (match.structure or "") == structure
    assert " ".join(read_levels(name, match.role).stated) == levels


def why_unused(name: str, protocol: Protocol) -> str:
    return str(match_rois([box(name, (0, 0, 0), (9, 9, 9))], protocol, {})[0].how)


@pytest.mark.parametrize("name", ["H&N PTV_55 Gy", "ptv2 push", "PTV 1mm (off brainstem)"])
def test_a_target_whose_name_says_more_is_told_with_its_cure(name: str, protocol: Protocol) -> None:
    """Nothing in such a name says that the ROI was made from a target."""
    assert "its name holds more than the table knows" in why_unused(name, protocol)
    assert f'--alias "{name}=PTV"' in why_unused(name, protocol)


@pytest.mark.parametrize(
    "name", ["PTV-05", "PTV_T8-Cord", "PTV!", "PTV_EVAL_T8", "PTV_hot", "Lungs-PTV", "CTV_5mm"]
)
def test_a_name_that_tells_of_a_derived_structure_is_called_one(
    name: str, protocol: Protocol
) -> None:
    assert why_unused(name, protocol).endswith("but is a derived structure")


def test_a_point_is_no_derived_structure(protocol: Protocol) -> None:
    """Pinnacle names points of prescription after their target."""
    (point,) = match_rois([ROI(name="rx 1: H&N PTV 50 Gy: 200 cGy x 25")], protocol, {})

    assert str(point.how) == "looks like PTV, but has no closed contours"


def test_the_table_is_long_and_has_no_name_twice() -> None:
    assert len(ROWS) >= 250
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("name", [row[0] for row in ROWS if row[1]])
def test_no_name_is_taken_for_two_structures(name: str, protocol: Protocol) -> None:
    """So that the order of the table of patterns decides nothing."""
    even = normalise(name)
    found = [
        structure
        for structure, row in protocol.structures.items()
        if first_alias(even, row.aliases) and not first_alias(even, row.exclude)
    ]

    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("CordaEquina", "CaudaEquina"),
        ("SpinalCrod", "SpinalCord"),
        ("Oesphagus", "Esophagus"),
        ("Duodenun", "Duodenum"),
        ("Kidney_Lt.", "Kidney_L"),
        ("Thecal Sack", "ThecalSac"),
    ],
)
def test_a_near_miss_is_suggested_and_never_used(
    name: str, structure: str, protocol: Protocol
) -> None:
    assert suggest(name, protocol) == structure


@pytest.mark.parametrize("name", ["CordaEquina", "SpinalCrod", "Oesphagus", "Thecal Sack"])
def test_a_near_miss_stands_for_nothing(name: str, protocol: Protocol) -> None:
    assert structure_of(name, protocol) is None


@pytest.mark.parametrize("name", ["zSpinalCrod", "Marker", "Couch", "PTV_ring", "x", "", "Cement"])
def test_what_resembles_nothing_is_not_suggested(name: str, protocol: Protocol) -> None:
    assert suggest(name, protocol) is None


@pytest.mark.parametrize(
    "name", ["SpinalCord-PTV", "SpinalCanal_PRV", "ThecalSac_crop", "Bronchus_PRV", "PTV_T8+5"]
)
def test_a_derived_structure_is_never_suggested_as_the_whole(name: str, protocol: Protocol) -> None:
    assert suggest(name, protocol) is None


@pytest.mark.parametrize("name", ["1" * 60, "_1" * 30, "t8" * 30, "12" * 29, "胸" * 60, "-_1" * 20])
def test_no_name_takes_long_to_match(name: str, protocol: Protocol) -> None:
    """A pattern that tries every way to split a name would take minutes here."""
    start = time.perf_counter()

    structure_of(f"PTV{name}!", protocol)

    assert time.perf_counter() - start < 1.0


def test_a_protocol_can_add_and_replace_structures_of_the_table(tmp_path: Path) -> None:
    source = next(f for folder in protocol_folders() for f in folder.glob("nct06756087.toml"))
    own = '\n[structures.SpinalCord]\nrole = "cord"\naliases = ["my cord"]\n'
    edited = tmp_path / "own.toml"
    edited.write_text(source.read_text(encoding="utf-8") + own, encoding="utf-8")

    protocol = load_protocol(edited)

    assert structure_of("My_Cord", protocol) == "SpinalCord"
    assert structure_of("SpinalCord", protocol) is None
    assert structure_of("ThecalSac", protocol) == "ThecalSac"


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("PTV_T8", "T8"),
        ("PTVT8", "T8"),
        ("PTV_VB_T08", "T8"),
        ("VB_L2", "L2"),
        ("PTV_Th8", "T8"),
        ("PTV T 8", "T8"),
        ("ｐｔｖ＿Ｔ８", "T8"),
        ("T7-8", "T7 T8"),
        ("PTV_T7-T8", "T7 T8"),
        ("PTV_T11+12", "T11 T12"),
        ("PTV_T11_T12", "T11 T12"),
        ("PTV_T11T12", "T11 T12"),
        ("T10-L1", "T10 T11 T12 L1"),
        ("C7/T1", "C7 T1"),
        ("PTV_T8_30Gy", "T8"),
        ("PTV_T8-30Gy", "T8"),
        ("PTV_T8-5mm", "T8"),
        ("PTV_T8_2", "T8"),
        ("PTV_VB_T08_3000", "T8"),
        ("PTVp1_L3", "L3"),
        ("胸8", "T8"),
        ("胸7-8", "T7 T8"),
        ("胸7、8", "T7 T8"),
        ("腰2椎体", "L2"),
        ("第8胸椎", "T8"),
        ("第十一胸椎", "T11"),
        ("PTV_胸十二", "T12"),
        ("PTV", ""),
        ("PTV_L", ""),
        ("PTV_R", ""),
        ("PTV-5mm", ""),
        ("PTV_3000x5", ""),
        ("PTV_24Gy", ""),
        ("PTV_L2x5", ""),
        ("PTV_T13", ""),
        ("SpinalCord_PRV02", ""),
    ],
)
def test_a_name_states_these_levels(name: str, levels: str) -> None:
    assert read_levels(name, Role.PTV).stated == tuple(levels.split())


@pytest.mark.parametrize(("name", "role"), [("GTV_T1", Role.GTV), ("CTV_T2", Role.CTV)])
def test_t1_to_t4_on_gtv_and_ctv_may_be_mr_sequences(name: str, role: Role) -> None:
    levels = read_levels(name, role)

    assert not levels.stated
    assert levels.unclear == (name[-2:],)


def test_an_alias_comes_before_the_table_and_is_marked_as_declared(protocol: Protocol) -> None:
    match = match_rois([ROI(name="my cord")], protocol, {"my cord": "SpinalCord"})[0]

    assert match.structure == "SpinalCord"
    assert match.declared


def test_an_alias_for_an_absent_roi_is_refused_with_the_names_there(protocol: Protocol) -> None:
    with pytest.raises(CaseError, match=r"no ROI is called 'Cord'(.|\n)*Myelon"):
        match_rois([ROI(name="Myelon")], protocol, {"Cord": "SpinalCord"})


def test_an_alias_for_an_unknown_structure_is_refused_with_the_choices(
    protocol: Protocol,
) -> None:
    with pytest.raises(CaseError, match=r"no structure 'Spine'(.|\n)*SpinalCord"):
        match_rois([ROI(name="x")], protocol, {"x": "Spine"})
