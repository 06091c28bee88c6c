"""Names: which structure an ROI is, and which levels it states."""

import time
import tomllib
from pathlib import Path

import pytest

from builders import box
from sbrtcheck import CaseError
from sbrtcheck.model import ROI
from sbrtcheck.protocol.load import load_protocol, protocol_folders
from sbrtcheck.protocol.names import (
    MatchedROI,
    bare_name,
    first_alias,
    looks_relevant,
    match_rois,
    read_levels,
    suggest,
)
from sbrtcheck.protocol.rules import Protocol, Role


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_protocol("nct06756087")


def structure_of(name: str, protocol: Protocol) -> str | None:
    return match_rois([ROI(name=name)], protocol, {})[0].structure


TABLE = tomllib.loads(
    (Path(__file__).parent / "roi_names.toml").read_text(encoding="utf-8")
)
ROWS = [tuple(row) for rows in TABLE.values() for row in rows]


@pytest.mark.parametrize(
    ("name", "structure", "levels"), ROWS, ids=[row[0] for row in ROWS]
)
def test_each_name_of_the_table_is_taken_for_what_it_means(
    name: str, structure: str, levels: str, protocol: Protocol
) -> None:
    match = match_rois([ROI(name=name)], protocol, {})[0]

    assert (match.structure or "") == structure
    assert " ".join(read_levels(name, match.role).stated) == levels


def why_unused(name: str, protocol: Protocol) -> str:
    return str(match_rois([box(name, (0, 0, 0), (9, 9, 9))], protocol, {})[0].how)


@pytest.mark.parametrize(
    "name", ["H&N PTV_55 Gy", "ptv2 push", "PTV 1mm (off brainstem)"]
)
def test_a_target_whose_name_says_more_is_told_with_its_cure(
    name: str, protocol: Protocol
) -> None:
    """Nothing in such a name says that the ROI was made from a target."""
    assert "its name holds more than the table knows" in why_unused(name, protocol)
    assert f'--alias "{name}=PTV"' in why_unused(name, protocol)


@pytest.mark.parametrize(
    "name",
    ["PTV-05", "PTV_T8-Cord", "PTV!", "PTV_EVAL_T8", "PTV_hot", "Lungs-PTV", "CTV_5mm"],
)
def test_a_name_that_tells_of_a_derived_structure_is_called_one(
    name: str, protocol: Protocol
) -> None:
    assert why_unused(name, protocol).endswith("but is a derived structure")


def drawn(name: str, protocol: Protocol) -> MatchedROI:
    return match_rois([box(name, (0, 0, 0), (9, 9, 9))], protocol, {})[0]


@pytest.mark.parametrize(
    "name",
    [
        "PTV T10 new", "ITV_T10", "ITV-T8", "TV_T8", "Target_1", "TARGET", "靶区", "靶区2", "转移灶", "转移灶_胸8",
        "PTV95", "PTV_T7-T8 new", "PTV-1 new", "H&N PTV_55 Gy",
    ],
)  # fmt: skip
def test_another_kind_of_target_is_alike_and_not_derived(
    name: str, protocol: Protocol
) -> None:
    match = drawn(name, protocol)

    assert (match.structure, match.role) == (None, None)
    assert match.alike is Role.PTV
    assert not match.is_derived
    assert looks_relevant(match)
    assert f'--alias "{name}=PTV"' in str(match.how)


@pytest.mark.parametrize(
    "name",
    [
        "PTV boost old", "zPTV", "PTV_ring", "ITV_ring", "PTV!", "PTV_T8-Cord", "PTV-05", "Lungs-PTV", "NS_PTV",
        "LUNGS-ITV's", "PTV_T8_D5", "PTV-2mm", "ITV_opt", "靶区_优化", "PTV_T8_D95", "_ITV",
    ],
)  # fmt: skip
def test_a_derived_target_is_alike_and_derived(name: str, protocol: Protocol) -> None:
    match = drawn(name, protocol)

    assert match.role is None
    assert match.alike is Role.PTV
    assert match.is_derived


@pytest.mark.parametrize(
    "name", ["Marker", "Couch", "PTV_T8", "CTV_T8", "IGTV_T9", "Vitv", "SpinalCord"]
)
def test_what_is_known_or_no_target_is_alike_nothing(
    name: str, protocol: Protocol
) -> None:
    assert drawn(name, protocol).alike is None


def test_an_excluded_ctv_is_alike_a_ctv(protocol: Protocol) -> None:
    match = drawn("CTV_old", protocol)

    assert match.alike is Role.CTV
    assert match.is_derived


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
    even = bare_name(name)
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


@pytest.mark.parametrize(
    "name", ["CordaEquina", "SpinalCrod", "Oesphagus", "Thecal Sack"]
)
def test_a_near_miss_stands_for_nothing(name: str, protocol: Protocol) -> None:
    assert structure_of(name, protocol) is None


@pytest.mark.parametrize(
    "name", ["zSpinalCrod", "Marker", "Couch", "PTV_ring", "x", "", "Cement"]
)
def test_what_resembles_nothing_is_not_suggested(name: str, protocol: Protocol) -> None:
    assert suggest(name, protocol) is None


@pytest.mark.parametrize(
    "name",
    ["SpinalCord-PTV", "SpinalCanal_PRV", "ThecalSac_crop", "Bronchus_PRV", "PTV_T8+5"],
)
def test_a_derived_structure_is_never_suggested_as_the_whole(
    name: str, protocol: Protocol
) -> None:
    assert suggest(name, protocol) is None


@pytest.mark.parametrize(
    "piece", ["t8_", "d8", "_mr", "-", "(mr", "胸8、", "1", "_d5t8", "itv", "十", " "]
)
@pytest.mark.parametrize("start", ["PTV", "CTV_", "GTV", "ITV", "T8", "Cord", "VB_"])
def test_no_long_name_takes_long_to_read(
    start: str, piece: str, protocol: Protocol
) -> None:
    name = start + piece * 2000
    began = time.perf_counter()

    drawn(name + "!", protocol)
    read_levels(name, Role.PTV)

    assert time.perf_counter() - began < 3.0


@pytest.mark.parametrize(
    "name", ["1" * 60, "_1" * 30, "t8" * 30, "12" * 29, "胸" * 60, "-_1" * 20]
)
def test_no_name_takes_long_to_match(name: str, protocol: Protocol) -> None:
    """A pattern that tries every way to split a name would take minutes here."""
    start = time.perf_counter()

    structure_of(f"PTV{name}!", protocol)

    assert time.perf_counter() - start < 1.0


def test_a_protocol_can_add_and_replace_structures_of_the_table(tmp_path: Path) -> None:
    source = next(
        f for folder in protocol_folders() for f in folder.glob("nct06756087.toml")
    )
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
        ("PTV_D8", "T8"),
        ("PTVD12", "T12"),
        ("PTV_D8-9", "T8 T9"),
        ("PTV_D8D9", "T8 T9"),
        ("PTV_D11-D12", "T11 T12"),
        ("D8_PTV", "T8"),
        ("PTV_D1", ""),
        ("PTV_D4", ""),
        ("PTV_D13", ""),
        ("PTV_D_8", ""),
        ("PTV_D_2cm", ""),
        ("PTV_D5cc", ""),
        ("PTV_D50", ""),
        ("PTV_D95", ""),
        ("PTV_T8_D5", "T8"),
        ("PTV_V2", ""),
        ("PTV_L3椎体", "L3"),
        ("PTV_T11-12", "T11 T12"),
        ("胸十三", ""),
        ("SpinalCord_PRV02", ""),
    ],
)
def test_a_name_states_these_levels(name: str, levels: str) -> None:
    assert read_levels(name, Role.PTV).stated == tuple(levels.split())


@pytest.mark.parametrize(
    ("name", "role", "impossible"),
    [
        ("PTV_L6", Role.PTV, "L6"),
        ("PTVL6", Role.PTV, "L6"),
        ("PTV_L5_L6", Role.PTV, "L6"),
        ("PTV_T12T13", Role.PTV, "T13"),
        ("PTV_L5-L6", Role.PTV, "L6"),
        ("PTV_T13", Role.PTV, "T13"),
        ("VB_T13", Role.VERTEBRA, "T13"),
        ("L6", Role.VERTEBRA, "L6"),
        ("PTV_Th13", Role.PTV, "T13"),
        ("CTV_T0", Role.CTV, "T0"),
        ("GTV_L0", Role.GTV, "L0"),
        ("PTV_S6", Role.PTV, "S6"),
        ("PTV_C8", Role.PTV, "C8"),
        ("PTV_胸13", Role.PTV, "T13"),
        ("胸十三", Role.VERTEBRA, "T13"),
        ("第6腰椎", Role.VERTEBRA, "L6"),
        ("PTV_T8_L6", Role.PTV, "L6"),
        ("PTV_T8", Role.PTV, ""),
        ("PTV_P1", Role.PTV, ""),
        ("PTV_24Gy", Role.PTV, ""),
        ("PTV_T30", Role.PTV, ""),
        ("PTV_L6x5", Role.PTV, ""),
        ("PTV_L6mm", Role.PTV, ""),
        ("PTV_T13abc", Role.PTV, ""),
        ("PTV_D13", Role.PTV, ""),
        ("SpinalCord_L6", Role.CORD, ""),
        ("T13", None, ""),
    ],
)
def test_a_level_that_no_spine_has_is_told_apart(
    name: str, role: Role | None, impossible: str
) -> None:
    assert read_levels(name, role).impossible == tuple(impossible.split())


@pytest.mark.parametrize(("name", "role"), [("GTV_T1", Role.GTV), ("CTV_T2", Role.CTV)])
def test_t1_to_t4_on_gtv_and_ctv_may_be_mr_sequences(name: str, role: Role) -> None:
    levels = read_levels(name, role)

    assert not levels.stated
    assert levels.unclear == (name[-2:],)


def test_an_alias_comes_before_the_table_and_is_marked_as_declared(
    protocol: Protocol,
) -> None:
    match = match_rois([ROI(name="my cord")], protocol, {"my cord": "SpinalCord"})[0]

    assert match.structure == "SpinalCord"
    assert match.declared


def test_an_alias_for_an_absent_roi_is_refused_with_the_names_there(
    protocol: Protocol,
) -> None:
    with pytest.raises(CaseError, match=r"no ROI is called 'Cord'(.|\n)*Myelon"):
        match_rois([ROI(name="Myelon")], protocol, {"Cord": "SpinalCord"})


def test_an_alias_for_an_unknown_structure_is_refused_with_the_choices(
    protocol: Protocol,
) -> None:
    with pytest.raises(CaseError, match=r"no structure 'Spine'(.|\n)*SpinalCord"):
        match_rois([ROI(name="x")], protocol, {"x": "Spine"})


def aliased(
    protocol: Protocol,
    aliases: dict[str, str],
    *names: str,
    levels: tuple[str, ...] = (),
) -> dict[str, MatchedROI]:
    rois = [box(name, (0, 0, 0), (9, 9, 9)) for name in names]
    matches = match_rois(rois, protocol, aliases, levels=levels)
    return {match.roi.name: match for match in matches}


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("SpinalCord", "External"),
        ("SpinalCord", "SpinalCanal"),
        ("External", "SpinalCord"),
        ("CTV_T8", "SpinalCord"),
        ("PTV_T8", "CTV"),
        ("Kidneys", "Liver"),
        ("ThecalSac", "CaudaEquina"),
    ],
)
def test_an_alias_takes_no_role_away(
    name: str, structure: str, protocol: Protocol
) -> None:
    with pytest.raises(
        CaseError, match=r"a declaration fills a gap, it does not overrule"
    ):
        aliased(protocol, {name: structure}, name)


@pytest.mark.parametrize(
    ("name", "structure"),
    [("SpinalCord", "SpinalCord"), ("PTV_eval", "PTV"), ("ITV_T8", "PTV")],
)
def test_an_alias_that_takes_nothing_away_is_only_declared(
    name: str, structure: str, protocol: Protocol
) -> None:
    match = aliased(protocol, {name: structure}, name)[name]

    assert match.structure == structure
    assert str(match.how) == "declared"
    assert match.alike is None


@pytest.mark.parametrize(
    "others", [(), ("PTV_T9",), ("PTV_opt",), ("PTV_T9", "PTV_L1")]
)
@pytest.mark.parametrize("name", ["CTV_T8", "GTV_T8"])
def test_a_ctv_may_be_the_target_where_none_of_its_level_is_drawn(
    name: str, others: tuple[str, ...], protocol: Protocol
) -> None:
    match = aliased(protocol, {name: "PTV"}, name, *others)[name]

    assert match.role is Role.PTV
    assert str(match.how) == f"declared; the table knows it as {name[:3]}"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("CTV_T8", "PTV_T8"),
        ("CTV_T8", "PTV"),
        ("CTV", "PTV_T9"),
        ("GTV_T8", "T7-8 PTV"),
    ],
)
def test_a_ctv_is_no_target_where_one_may_be_of_its_level(
    name: str, other: str, protocol: Protocol
) -> None:
    with pytest.raises(
        CaseError, match=f"'{name}' cannot stand for PTV, since '{other}' is drawn"
    ):
        aliased(protocol, {name: "PTV"}, name, other)


def test_a_ctv_is_no_target_beside_one_that_is_declared(protocol: Protocol) -> None:
    with pytest.raises(CaseError, match="since 'boost T8' is drawn"):
        aliased(protocol, {"CTV_T8": "PTV", "boost T8": "PTV"}, "CTV_T8", "boost T8")


def test_two_zero_margin_targets_are_declared_together(protocol: Protocol) -> None:
    found = aliased(protocol, {"CTV_T8": "PTV", "CTV_T9": "PTV"}, "CTV_T8", "CTV_T9")

    assert all(match.role is Role.PTV for match in found.values())


@pytest.mark.parametrize("structure", ["ThecalSac", "CaudaEquina"])
@pytest.mark.parametrize(
    ("targets", "levels"),
    [
        (("PTV_L4",), ()),
        (("PTV_L3-5",), ()),
        (("PTV",), ("L4",)),
        (("PTV_L3", "PTV_L5"), ("L3", "L5")),
    ],
)
def test_a_cord_may_be_sac_or_cauda_where_all_levels_are_below_l2(
    structure: str,
    targets: tuple[str, ...],
    levels: tuple[str, ...],
    protocol: Protocol,
) -> None:
    found = aliased(protocol, {"Cord": structure}, "Cord", *targets, levels=levels)

    assert found["Cord"].structure == structure
    assert str(found["Cord"].how) == "declared; the table knows it as SpinalCord"


@pytest.mark.parametrize(
    ("targets", "levels"),
    [
        ((), ()),
        (("PTV",), ()),
        (("PTV_L2",), ()),
        (("PTV_L4", "PTV"), ()),
        (("PTV_L4", "PTV_T8"), ()),
        (("PTV_L4_L6",), ()),
        (("PTV_T8",), ("L4",)),
        (("PTV",), ("L2", "L3")),
    ],
)
def test_a_cord_stays_one_elsewhere(
    targets: tuple[str, ...], levels: tuple[str, ...], protocol: Protocol
) -> None:
    with pytest.raises(
        CaseError, match="only where every treated level is known to be one of L3"
    ):
        aliased(protocol, {"Cord": "ThecalSac"}, "Cord", *targets, levels=levels)
