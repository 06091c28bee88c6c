"""The table of the cord: every row, just inside and just outside each line.

G and L are 25.3 and 25.3 Gy at 5 fractions, 25.3 and 29.0 Gy at 7; the cauda's last line is 32.0 and
36.9 Gy. The cord lies at x = -44 to -36 mm, in the zone of `test_checks`.
"""

from dataclasses import replace

import numpy as np
import pytest

from builders import box
from sbrtcheck import Declared, Outcome, Verdict, check
from sbrtcheck.checks.read_neural import Kind, Span, Zone, read_neural
from sbrtcheck.checks.rule import State
from sbrtcheck.contours import build_region
from sbrtcheck.model import CaseFacts, Text
from sbrtcheck.protocol.metric import parse_constraint
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Role
from test_checks import (
    CAUDA,
    CORD,
    PROTOCOL,
    PRV,
    SAC,
    ZONES,
    found,
    in_zone,
    judge,
    zoned_dose,
)

PASS, VARIATION, UNDECIDED, FAIL = Outcome
FLAT_GY = dict.fromkeys(ZONES, 10.0)


def cord(low: float, high: float) -> Verdict:
    return judge(in_zone("cord", "SpinalCord", low, high, half=4))


@pytest.mark.parametrize(
    ("fractions", "gy", "outcome"),
    [
        (5, 25.3, PASS),
        (5, 25.31, FAIL),
        (7, 25.3, PASS),
        (7, 25.31, VARIATION),
        (7, 29.0, VARIATION),
        (7, 29.01, FAIL),
    ],
)
def test_a_cord_passes_to_g_varies_to_l_and_fails_beyond(
    fractions: int, gy: float, outcome: Outcome
) -> None:
    verdict = judge(CORD, fractions=fractions, cord=gy, prv=gy)

    assert found(verdict, "limit.cord").outcome is outcome
    assert verdict.outcome is outcome


@pytest.mark.parametrize(
    ("gy", "outcome"),
    [(28.9, PASS), (29.0, PASS), (29.1, VARIATION), (41.0, VARIATION)],
)
def test_a_prv_beside_a_cord_is_decided_by_its_nominal_value(
    gy: float, outcome: Outcome
) -> None:
    """The cord's 20 Gy beside it put the last line into its interval, and hold nothing back."""
    finding = found(judge(CORD, PRV, fractions=7, cord=20.0, prv=gy), "limit.cord_prv")

    assert finding.outcome is outcome
    assert finding.state is not State.AT_LIMIT


@pytest.mark.parametrize(
    ("gy", "outcome"),
    [(25.3, PASS), (25.31, VARIATION), (27.2, VARIATION), (27.21, FAIL)],
)
def test_a_prv_drawn_alone_is_held_to_the_lines_of_the_cord(
    gy: float, outcome: Outcome
) -> None:
    verdict = judge(PRV, fractions=6, cord=gy, prv=gy)

    assert found(verdict, "limit.cord_prv").outcome is outcome
    assert verdict.outcome is outcome


@pytest.mark.parametrize("name", ["ThecalSac", "SpinalCanal"])
def test_sac_and_canal_beside_a_whole_cord_are_reported_with_its_limit(
    name: str,
) -> None:
    verdict = judge(CORD, in_zone("sac", name), sac=40.0)

    (finding,) = (f for f in verdict.findings if f.roi == name and f.line is not None)
    assert finding.outcome is None
    assert str(finding.line) == "D0.035cc <= 25.3Gy"
    assert verdict.outcome is PASS


@pytest.mark.parametrize(("gy", "outcome"), [(25.3, PASS), (25.31, FAIL)])
def test_a_sac_stands_for_the_cord_where_none_is_drawn(
    gy: float, outcome: Outcome
) -> None:
    """The cord ends in the middle of the target; the sac goes on below."""
    upper = in_zone("cord", "SpinalCord", 0, 30, half=4)
    verdict = judge(upper, SAC, sac=gy)

    assert found(verdict, "neural.extent").outcome is PASS
    assert found(verdict, "limit.sac").outcome is outcome
    assert found(verdict, "limit.cord", "SpinalCord").outcome is PASS
    assert found(verdict, "limit.cord", "cord, put together").outcome is outcome


def test_a_sac_beside_no_target_does_not_stand_for_a_cord_that_is_drawn_there() -> None:
    """Where the cord is drawn the sac is not asked: only its part below is graded."""
    upper = in_zone("cord", "SpinalCord", 0, 30, half=4)
    base = judge(upper, SAC).case
    hot = base.dose.dose_gy.copy()
    is_sac = np.abs(base.dose.x_mm - 74.0) < 11
    hot[np.ix_(base.dose.z_mm > 6, np.ones(base.dose.y_mm.size, bool), is_sac)] = 40.0
    verdict = check(replace(base, dose=replace(base.dose, dose_gy=hot)), PROTOCOL)

    assert found(verdict, "limit.sac").outcome is PASS


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-13, 19, PASS),  # 5 mm of 6 are missing below
        (-12.9, 19.1, UNDECIDED),  # 5.1 mm
        (-19, 13, PASS),
        (-19.1, 12.9, UNDECIDED),
        (-13, 13, PASS),
    ],
)
def test_up_to_5_mm_at_an_end_are_carried_on(
    low: float, high: float, outcome: Outcome
) -> None:
    verdict = cord(low, high)

    assert found(verdict, "neural.extent").outcome is outcome
    assert found(verdict, "limit.cord", "SpinalCord").outcome is outcome
    assert verdict.outcome is outcome


@pytest.mark.parametrize(("gy", "outcome"), [(20.0, PASS), (40.0, UNDECIDED)])
def test_over_a_line_only_where_an_end_was_carried_on_is_no_failure(
    gy: float, outcome: Outcome
) -> None:
    base = cord(-13, 19).case
    below = (base.dose.z_mm < -15)[:, None, None]  # 2 mm below the end of the cord
    dose = replace(base.dose, dose_gy=np.where(below, gy, base.dose.dose_gy))
    verdict = check(replace(base, dose=dose), PROTOCOL)

    assert found(verdict, "limit.cord", "SpinalCord").outcome is PASS
    assert found(verdict, "limit.cord", "SpinalCord (carried on)").outcome is outcome


# --- Conus and cauda ----------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["T12", "L1", "L2"])
@pytest.mark.parametrize(
    ("gy", "outcome"),
    [(25.3, PASS), (25.31, UNDECIDED), (32.0, UNDECIDED), (32.1, FAIL)],
)
def test_at_the_conus_a_sac_may_be_cord_or_cauda(
    level: str, gy: float, outcome: Outcome
) -> None:
    finding = found(judge(SAC, target_name=f"PTV_{level}", sac=gy), "limit.sac")

    assert finding.outcome is outcome
    if outcome is PASS:
        assert "kept by the stricter limit" in str(finding.message)
    if outcome is UNDECIDED:
        assert "conus_level" in str(finding.cure)


@pytest.mark.parametrize(
    ("gy", "outcome"), [(25.31, VARIATION), (29.0, VARIATION), (29.1, UNDECIDED)]
)
def test_at_the_conus_the_cords_second_line_is_a_variation(
    gy: float, outcome: Outcome
) -> None:
    verdict = judge(SAC, fractions=7, target_name="PTV_L1", sac=gy)

    assert found(verdict, "limit.sac").outcome is outcome


@pytest.mark.parametrize(
    ("gy", "outcome"), [(25.3, PASS), (25.31, UNDECIDED), (32.1, FAIL)]
)
def test_at_the_conus_a_cauda_may_be_cord(gy: float, outcome: Outcome) -> None:
    small = in_zone(
        "cauda", "CaudaEquina", half=3
    )  # 4.3 cc: its volume limit cannot be broken
    verdict = judge(small, target_name="PTV_L1", cauda=gy)

    (finding,) = (
        f
        for f in verdict.findings
        if f.id == "limit.cauda" and str(f.metric) == "D0.035cc"
    )
    assert finding.outcome is outcome


@pytest.mark.parametrize("conus", [None, "T12", "L1", "L2"])
@pytest.mark.parametrize(("gy", "outcome"), [(25.3, PASS), (25.31, FAIL)])
def test_a_roi_called_cord_fails_above_l_at_the_conus_whatever_is_declared(
    conus: str | None, gy: float, outcome: Outcome
) -> None:
    declared = Declared(facts=CaseFacts(conus_level=conus))
    verdict = judge(CORD, target_name="PTV_L2", declared=declared, cord=gy, prv=gy)

    assert found(verdict, "limit.cord").outcome is outcome


@pytest.mark.parametrize(
    ("conus", "gy", "outcome"),
    [
        ("L1", 25.3, PASS),
        ("L1", 25.31, FAIL),
        ("T12", 32.0, PASS),
        ("T12", 32.1, FAIL),
    ],
)
def test_a_declared_conus_settles_which_limit_holds_at_l1(
    conus: str, gy: float, outcome: Outcome
) -> None:
    declared = Declared(facts=CaseFacts(conus_level=conus))
    verdict = judge(SAC, target_name="PTV_L1", declared=declared, sac=gy)

    assert found(verdict, "limit.sac").outcome is outcome


@pytest.mark.parametrize("level", ["L3", "L5"])
@pytest.mark.parametrize(
    ("gy", "outcome"),
    [(25.3, PASS), (25.31, UNDECIDED), (36.9, UNDECIDED), (37.0, FAIL)],
)
def test_a_roi_called_cord_below_the_conus_is_asked_about(
    level: str, gy: float, outcome: Outcome
) -> None:
    verdict = judge(CORD, fractions=7, target_name=f"PTV_{level}", cord=gy, prv=gy)

    assert found(verdict, "limit.cord").outcome is outcome


def test_at_l3_to_l5_sac_and_canal_are_held_to_the_cauda_limit_beside_one() -> None:
    verdict = judge(CAUDA, SAC, target_name="PTV_L4", sac=32.1)

    assert found(verdict, "limit.sac").outcome is FAIL


# --- PRVs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "holds", "doubt", "made"),
    [
        (94.0, VARIATION, True, PASS),
        (96.0, VARIATION, False, PASS),
        (99.5, PASS, False, None),
        (100.0, PASS, False, None),
    ],
)
def test_a_prv_that_does_not_hold_the_cord_is_graded_beside_a_made_one(
    percent: float, holds: Outcome, made: Outcome | None, *, doubt: bool
) -> None:
    """The cord is 8 mm wide along x; so much of it lies in the PRV. 0.5 % of 2.3 cc are 0.012 cc."""
    right = -44 + 8 * percent / 100
    cut = box("SpinalCord_PRV02", (-48.5, -8.5, -30), (right, 8.5, 30), spacing_mm=2.0)
    verdict = judge(CORD, cut)

    assert found(verdict, "prv.holds_cord").outcome is holds
    assert any(f.id == "prv.is_of_cord" for f in verdict.findings) is doubt
    assert found(verdict, "limit.cord_prv", "SpinalCord_PRV").outcome is PASS
    of_made = "SpinalCord_PRV of SpinalCord"
    rows = [
        f for f in verdict.findings if f.id == "limit.cord_prv" and f.subject == of_made
    ]
    assert [f.outcome for f in rows] == ([] if made is None else [made])
    assert verdict.outcome is (UNDECIDED if doubt else holds)


def test_a_made_prv_is_reported_where_none_is_drawn() -> None:
    """41 Gy a little beside the cord are above every line, and move nothing."""
    verdict = judge(CORD, fractions=7, prv=41.0)

    assert found(verdict, "limit.cord_prv").outcome is None
    assert verdict.outcome is PASS


@pytest.mark.parametrize(
    ("low", "ends_mm"),
    [
        (-57.9, -59.9),  # with all of its margin
        (-58.3, -59.3),  # one more plane at -59.8 mm would reach to -60.3 mm
    ],
)
def test_a_made_prv_ends_on_the_dose_grid_with_all_of_its_last_slab(
    low: float, ends_mm: float
) -> None:
    """The grid begins at -60 mm; the planes of the margin are 1 mm apart."""
    verdict = judge(in_zone("cord", "SpinalCord", low, low + 100, half=4))

    (made,) = (one.match.roi for one in verdict.structures if one.match.is_made)
    assert build_region(made).low_mm == pytest.approx(ends_mm)
    value = found(verdict, "limit.cord_prv").value
    assert value is not None
    assert value.value == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("name", "margin_mm", "is_graded"),
    [
        ("SpinalCord_PRV02", 4.5, True),  # a name goes before the measure
        ("SpinalCord_PRV03", 4.5, True),
        ("SpinalCord_PRV05", 4.5, False),
        ("SpinalCord_PRV", 3.0, True),
        ("SpinalCord_PRV", 4.5, False),
    ],
)
def test_a_prv_wider_than_3_5_mm_by_name_or_measure_is_reported(
    name: str, margin_mm: float, *, is_graded: bool
) -> None:
    half = 4 + margin_mm
    wide = box(name, (-40 - half, -half, -30), (-40 + half, half, 30), spacing_mm=2.0)
    verdict = judge(CORD, wide, prv=40.0)

    finding = found(verdict, "limit.cord_prv", "SpinalCord_PRV")
    assert (finding.outcome is not None) is is_graded
    assert ("this wide" in str(finding.message)) is not is_graded


@pytest.mark.parametrize("name", ["ThecalSac", "SpinalCanal", "SpinalCord_PRV02"])
@pytest.mark.parametrize("hot_first", [True, False])
def test_of_two_rois_that_stand_for_the_cord_the_worse_one_counts(
    name: str, *, hot_first: bool
) -> None:
    """None is drawn as the cord, and neither takes the other's place."""
    cool, hot = in_zone("sac", f"{name}"), in_zone("cauda", f"{name} ")
    both = [hot, cool] if hot_first else [cool, hot]

    verdict = judge(*both, sac=10.0, cauda=30.0)

    assert verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize("canal_first", [True, False])
def test_the_sac_stands_for_the_cord_before_the_canal(*, canal_first: bool) -> None:
    """Whatever comes first in the file; the canal is reported beside it."""
    sac, canal = in_zone("sac", "ThecalSac"), in_zone("cauda", "SpinalCanal")
    both = [canal, sac] if canal_first else [sac, canal]

    verdict = judge(*both, sac=10.0, cauda=30.0)

    assert found(verdict, "limit.sac").outcome is Outcome.PASS
    assert found(verdict, "limit.canal").outcome is None


@pytest.mark.parametrize(("hot_gy", "row"), [(25.0, PASS), (40.0, FAIL)])
def test_rows_on_a_canal_are_asked_of_all_of_it_and_the_cords_line_of_its_part(
    hot_gy: float, row: Outcome
) -> None:
    """The canal is hot beside the drawn cord only; above, where none is drawn, it has 10 Gy."""
    half = in_zone("cord", "SpinalCord", -30, 0, half=4)
    drawn = judge(half, in_zone("sac", "SpinalCanal"), sac=hot_gy).case
    dose_gy = np.array(drawn.dose.dose_gy)
    above = drawn.dose.z_mm > -8
    in_canal = np.abs(drawn.dose.x_mm - ZONES["sac"]) < 10
    dose_gy[np.ix_(above, np.abs(drawn.dose.y_mm) < 40, in_canal)] = 10.0
    dose = replace(drawn.dose, dose_gy=dose_gy)
    like = PROTOCOL.limits_of("SpinalCord", 5)[0]
    constraint = parse_constraint("D0.035cc <= 30Gy")
    asked = replace(
        like,
        structure="SpinalCanal",
        goal=replace(like.goal, constraint=constraint),
        variation=None,
    )
    protocol = replace(PROTOCOL, limits=(*PROTOCOL.limits, asked))

    verdict = check(replace(drawn, dose=dose), protocol)

    whole = found(verdict, "limit.canal.2", "SpinalCanal")
    part = found(verdict, "limit.canal", "SpinalCanal (in part)")
    assert (whole.outcome, part.outcome) == (row, PASS)
    assert whole.value is not None
    assert part.value is not None
    assert whole.value.value == pytest.approx(hot_gy)
    assert part.value.value == pytest.approx(10.0)


def test_zones_change_half_way_to_the_next_target_also_beside_a_longer_one() -> None:
    """L3 to L4 holds another target; half of the 20 mm from there up to L1 is the cauda's."""
    spans = [
        Span(
            subject=name,
            target=name,
            low_mm=low_mm,
            high_mm=high_mm,
            margin_mm=0.0,
            zone=zone,
            cord_zone=zone,
        )
        for name, low_mm, high_mm, zone in (
            ("L3-L4", -40.0, -10.0, Zone.CAUDA),
            ("L4", -35.0, -30.0, Zone.CAUDA),
            ("L1", 10.0, 40.0, Zone.CORD),
        )
    ]
    sac = MatchedROI(
        roi=in_zone("sac", "ThecalSac", -40, 40),
        structure="ThecalSac",
        role=Role.SAC,
        how=Text("by name"),
    )

    neural = read_neural(
        [("ThecalSac", sac)], spans, PROTOCOL.neural, "PRV", zoned_dose(**FLAT_GY)
    )

    judged = {part.kind: build_region(part.match.roi) for part in neural.parts}
    assert judged[Kind.CAUDA].high_mm == pytest.approx(0.0, abs=1.0)
    assert judged[Kind.STAND_IN].low_mm == pytest.approx(0.0, abs=1.0)
