"""The protocol file: every number has a source, derived numbers are derived again."""

import math
from pathlib import Path

import pytest

from sbrtcheck import ProtocolError
from sbrtcheck.protocol.load import load_protocol, protocol_folders
from sbrtcheck.protocol.rules import Basis, Protocol

SHIPPED = next(
    file for folder in protocol_folders() for file in folder.glob("nct06756087.toml")
)


FIRST_ROW = """
[[limits]]
structure = "SpinalCord"
fractions = 4
[limits.goal]
constraint = "D0.035cc <= 23.0Gy"
basis = "published"
source = "HyTEC: Sahgal 2021, IJROBP 110:124, doi 10.1016/j.ijrobp.2019.09.038, 4 fractions"
"""


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_protocol("nct06756087")


def iso_effect_gy(
    dose_gy: float, fractions: int, new_fractions: int, alpha_beta_gy: float
) -> float:
    """Return the total dose in other fractions of equal BED: n d (1 + d / ab)."""
    bed_gy = dose_gy * (1 + dose_gy / fractions / alpha_beta_gy)
    half = alpha_beta_gy / 2
    each_gy = -half + math.sqrt(half**2 + alpha_beta_gy * bed_gy / new_fractions)
    return new_fractions * each_gy


def floored(dose_gy: float) -> float:
    return math.floor(dose_gy * 10) / 10


# Published values as printed: HyTEC (Sahgal 2021, abstract), AAPM TG-101 Table III.
HYTEC_GY = {4: 23.0, 5: 25.3}
TG101_CAUDA_GY = {3: 24.0, 5: 32.0}


def test_the_schemes_are_the_four_of_the_trial(protocol: Protocol) -> None:
    schemes = [(row.dose_gy, row.fractions) for row in protocol.schemes.allowed]

    assert schemes == [(24.0, 4), (30.0, 5), (36.0, 6), (42.0, 7)]
    assert all(dose_gy == 6 * fractions for dose_gy, fractions in schemes)
    assert protocol.schemes.basis is Basis.TRIAL


def test_the_levels_are_t5_to_l5_and_at_most_two(protocol: Protocol) -> None:
    assert protocol.levels is not None
    assert len(protocol.levels.allowed) == 13
    assert (protocol.levels.allowed[0], protocol.levels.allowed[-1]) == ("T5", "L5")
    assert protocol.levels.most == 2


@pytest.mark.parametrize("fractions", [4, 5, 6, 7])
def test_the_cord_goal_is_hytec_and_stays_at_its_last_published_value(
    protocol: Protocol, fractions: int
) -> None:
    limit = protocol.near_maximum("SpinalCord", fractions)

    assert limit is not None
    assert limit.goal.constraint.limit == HYTEC_GY[min(fractions, 5)]
    assert limit.goal.basis is Basis.PUBLISHED
    assert str(limit.goal.constraint.metric) == "D0.035cc"


@pytest.mark.parametrize("fractions", [6, 7])
def test_the_cord_lines_at_6_and_7_fractions_follow_from_hytec(
    protocol: Protocol, fractions: int
) -> None:
    """The smaller of the two linear-quadratic steps, floored to 0.1 Gy."""
    derived = min(
        iso_effect_gy(dose, n, fractions, 2.0) for n, dose in HYTEC_GY.items()
    )
    limit = protocol.near_maximum("SpinalCord", fractions)

    assert limit is not None
    assert limit.variation is not None
    assert limit.variation.constraint.limit == floored(derived)
    assert limit.variation.basis is Basis.DERIVED


@pytest.mark.parametrize("fractions", [4, 5])
def test_the_cord_has_no_second_line_where_a_limit_is_published(
    protocol: Protocol, fractions: int
) -> None:
    limit = protocol.near_maximum("SpinalCord", fractions)

    assert limit is not None
    assert limit.variation is None


def test_the_cauda_limits_follow_from_tg101(protocol: Protocol) -> None:
    four, five, six, seven = (
        protocol.near_maximum("CaudaEquina", n) for n in (4, 5, 6, 7)
    )

    assert four is not None
    assert five is not None
    assert six is not None
    assert seven is not None
    steps = [iso_effect_gy(dose, n, 4, 2.0) for n, dose in TG101_CAUDA_GY.items()]
    assert four.goal.constraint.limit == floored(min(steps))
    assert five.goal.constraint.limit == TG101_CAUDA_GY[5]
    for fractions, limit in ((6, six), (7, seven)):
        assert limit.goal.constraint.limit == TG101_CAUDA_GY[5]
        assert limit.variation is not None
        assert limit.variation.constraint.limit == floored(
            iso_effect_gy(32.0, 5, fractions, 2.0)
        )


def test_only_schemes_and_levels_rest_on_the_trial(protocol: Protocol) -> None:
    lines = [
        line for row in protocol.limits for line in (row.goal, row.variation) if line
    ]
    coverage = [protocol.coverage.goal, protocol.coverage.variation]

    assert all(line.basis is not Basis.TRIAL for line in (*lines, *coverage) if line)
    assert all(line.source for line in lines)


def test_the_shipped_protocol_is_a_draft(protocol: Protocol) -> None:
    assert protocol.protocol.status == "draft"


def test_all_problems_are_reported_at_once_with_their_places(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    text = text.replace(
        'constraint = "D0.035cc <= 23.0Gy"', 'constraint = "D0.035c <= 23.0Gy"'
    )
    text = text.replace("most = 2", "most = 0")
    text = text.replace('status = "draft"', 'status = "final"')
    edited = tmp_path / "edited.toml"
    edited.write_text(text, encoding="utf-8")

    with pytest.raises(ProtocolError) as caught:
        load_protocol(edited)

    places = " ".join(problem.split(":")[0] for problem in caught.value.problems)
    assert places.split() == [
        "protocol.status",
        "levels.most",
        "limits[0].goal.constraint",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("D0.035cc <= 27.2Gy", "D0.035cc <= 25.0Gy", "is stricter than the goal"),
        ("D0.035cc <= 27.2Gy", "D1cc <= 27.2Gy", "does not ask the same"),
        (
            'structure = "CaudaEquina"\nfractions = 5',
            'structure = "Cauda"\nfractions = 5',
            "is not under",
        ),
        (
            'structure = "SpinalCord"\nfractions = 7',
            'structure = "SpinalCord"\nfractions = 6',
            "SpinalCord has no line for D0.035cc at 7 fractions",
        ),
        ("[[limits]]", f"{FIRST_ROW}\n[[limits]]", "asks the same as"),
        ('role = "cauda"', 'role = "cord"', "none has the role 'cauda'"),
        ("'re:^大体肿瘤'", "'re:^(大体肿瘤'", "not a regular expression"),
        ("[checks]", '[checks]\napproval = "loud"', "checks.approval"),
        (
            'source = "project choice, unconfirmed"',
            'source = ""',
            "at least 1 character",
        ),
        ("schema = 1", "schema = 2", "schema"),
        ("schema = 1", "schema = 1\nextra = 3", "extra"),
    ],
)
def test_a_protocol_that_cannot_be_right_is_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    edit_copy(tmp_path, old, new)

    with pytest.raises(ProtocolError, match=problem):
        load_protocol(tmp_path / SHIPPED.name)


def edit_copy(folder: Path, old: str, new: str) -> None:
    """Copy the shipped protocol with its table of names, and change the first of some words."""
    changed = 0
    for name in (SHIPPED.name, "names/spine.toml"):
        text = (SHIPPED.parent / name).read_text(encoding="utf-8")
        changed += old in text
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert changed == 1


def test_an_unknown_name_lists_the_shipped_protocols() -> None:
    with pytest.raises(
        ProtocolError, match="shipped are: hytec-tg101-5fx, nct06756087"
    ):
        load_protocol("nct0")


def test_broken_toml_names_line_and_column(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("schema = \n", encoding="utf-8")

    with pytest.raises(ProtocolError, match=r"not valid TOML: .*line 1"):
        load_protocol(broken)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="no such file"):
        load_protocol(tmp_path / "absent.toml")
