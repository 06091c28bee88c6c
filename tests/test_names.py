"""Names: which structure an ROI is, and which levels it states."""

import pytest

from sbrtcheck import CaseError
from sbrtcheck.model import ROI
from sbrtcheck.names import match_rois, read_levels
from sbrtcheck.protocol import Protocol, Role, load_protocol


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_protocol("nct06756087")


def structure_of(name: str, protocol: Protocol) -> str | None:
    return match_rois([ROI(name=name)], protocol, {})[0].structure


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("SpinalCord", "SpinalCord"),
        ("Spinal Cord", "SpinalCord"),
        ("SPINAL_CORD", "SpinalCord"),
        ("cord", "SpinalCord"),
        ("SPINAL CORD2", "SpinalCord"),
        ("SpinalCord_Thor", "SpinalCord"),
        ("脊髓", "SpinalCord"),
        ("ＳｐｉｎａｌＣｏｒｄ", "SpinalCord"),
        ("SpinalCord_PRV02", "SpinalCord_PRV"),
        ("SC PRV", "SpinalCord_PRV"),
        ("Cord-PRV", "SpinalCord_PRV"),
        ("Cord+2mm", "SpinalCord_PRV"),
        ("Spinal_Cord+2", "SpinalCord_PRV"),
        ("cord_3mm", "SpinalCord_PRV"),
        ("脊髓PRV", "SpinalCord_PRV"),
        ("脊髓+3mm", "SpinalCord_PRV"),
        ("CaudaEquina", "CaudaEquina"),
        ("cauda_equina", "CaudaEquina"),
        ("马尾", "CaudaEquina"),
        ("Thecal Sac", "ThecalSac"),
        ("硬膜囊", "ThecalSac"),
        ("SpinalCanal", "SpinalCanal"),
        ("椎管", "SpinalCanal"),
        ("PTV", "PTV"),
        ("PTV_T8", "PTV"),
        ("PTV_VB_T08_3000", "PTV"),
        ("PGTV", "PTV"),
        ("PTV-G", "PTV"),
        ("T8_PTV", "PTV"),
        ("胸8PTV", "PTV"),
        ("计划靶区", "PTV"),
        ("CTV_T8", "CTV"),
        ("GTV_T1", "GTV"),
        ("VB_T08", "VB"),
        ("胸8椎体", "VB"),
        ("BODY", "External"),
    ],
)
def test_a_name_of_the_table_is_its_structure(
    name: str, structure: str, protocol: Protocol
) -> None:
    assert structure_of(name, protocol) == structure


@pytest.mark.parametrize(
    "name",
    [
        "zCord_opt",
        "Cord_opt",
        "Cord-PTV",
        "CordaEquina",
        "PTV_eval",
        "PTV-EVAL",
        "PTVopt",
        "PTV_opt",
        "PTV-PRV",
        "PTV!",
        "PTV-5mm",
        "PTV_T8-05",
        "PTV+5mm",
        "PTV-SpinalCord_PRV02",
        "PTV_old",
        "Ring_PTV",
        "zPTV",
        "_PTV",
        "D2cm_PTV",
        "Body-PTV",
        "SpinalCord_PTV",
        "Vertebra",
        "",
    ],
)
def test_helpers_and_near_misses_stand_for_nothing(name: str, protocol: Protocol) -> None:
    assert structure_of(name, protocol) is None


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
