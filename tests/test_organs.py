"""Organs beside the cord: their limits against the sources, and how they are graded."""

import math
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import box
from sbrtcheck import Declared, Outcome, Verdict, check, load_protocol
from sbrtcheck.checks.rule import State
from sbrtcheck.protocol.metric import parse_constraint
from sbrtcheck.protocol.rules import Basis, Limit, Protocol
from test_checks import CORD, PROTOCOL, falling, found, in_zone, judge, judge_in

SOURCES = tomllib.loads(
    (Path(__file__).parent / "organ_sources.toml").read_text(encoding="utf-8")
)
TG101 = [(organ, *row) for organ, rows in SOURCES["tg101"].items() for row in rows]
SPARED = [(organ, *row) for organ, rows in SOURCES["spared"].items() for row in rows]
DERIVED = [(organ, *row) for organ, rows in SOURCES["derived"].items() for row in rows]
PASS, VARIATION, UNDECIDED, FAIL = Outcome


def limit_of(
    organ: str, fractions: int, metric: str, protocol: Protocol = PROTOCOL
) -> Limit:
    rows = protocol.limits_of(organ, fractions)
    (found,) = (row for row in rows if str(row.goal.constraint.metric) == metric)
    return found


def floored(dose_gy: float) -> float:
    return math.floor(round(dose_gy * 10, 6)) / 10


def iso_effect_gy(
    dose_gy: float, fractions: int, new: int, alpha_beta_gy: float
) -> float:
    """Return the total dose of equal n d (1 + d / ab) in another number of fractions."""
    bed_gy = dose_gy * (1 + dose_gy / fractions / alpha_beta_gy)
    half = alpha_beta_gy / 2
    return new * (-half + math.sqrt(half**2 + alpha_beta_gy * bed_gy / new))


# --- Against the sources ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nct06756087", "hytec-tg101-5fx"])
@pytest.mark.parametrize(
    ("organ", "metric", "five"), [(row[0], row[1], row[3]) for row in TG101]
)
def test_at_5_fractions_the_limit_is_that_of_tg101(
    organ: str, metric: str, five: float, name: str
) -> None:
    limit = limit_of(organ, 5, metric, load_protocol(name))

    assert limit.goal.constraint.limit == five
    assert limit.goal.basis is Basis.PUBLISHED
    assert limit.variation is None


@pytest.mark.parametrize(("organ", "metric", "three", "five", "alpha_beta"), TG101)
def test_at_4_fractions_the_limit_is_published_or_interpolated(
    organ: str, metric: str, three: float, five: float, alpha_beta: float
) -> None:
    limit = limit_of(organ, 4, metric)
    published = SOURCES["four"].get(organ, {}).get(metric)

    if organ in (
        "CaudaEquina",
        "SacralPlex",
    ):  # the lower of two linear-quadratic steps
        assert limit.goal.constraint.limit == floored(
            iso_effect_gy(three, 3, 4, alpha_beta)
        )
    elif published is None:
        assert limit.goal.constraint.limit == floored((three + five) / 2)
        assert "interpolated" in limit.goal.source
    else:
        assert limit.goal.constraint.limit == published
    assert limit.goal.basis is (Basis.DERIVED if published is None else Basis.PUBLISHED)
    assert limit.variation is None


@pytest.mark.parametrize("fractions", [6, 7])
@pytest.mark.parametrize(
    ("organ", "metric", "five", "alpha_beta"),
    [(row[0], row[1], *row[3:]) for row in TG101],
)
def test_at_6_and_7_fractions_the_goal_stays_and_the_last_line_is_derived(
    organ: str, metric: str, five: float, alpha_beta: float, fractions: int
) -> None:
    limit = limit_of(organ, fractions, metric)

    assert limit.goal.constraint.limit == five
    if not alpha_beta:
        assert limit.variation is None
        return
    assert limit.variation is not None
    assert limit.variation.constraint.limit == floored(
        iso_effect_gy(five, 5, fractions, alpha_beta)
    )
    assert limit.variation.basis is Basis.DERIVED


@pytest.mark.parametrize(("organ", "metric", "six", "seven"), DERIVED)
def test_derived_lines_are_those_of_the_table(
    organ: str, metric: str, six: float, seven: float
) -> None:
    for fractions, expected in ((6, six), (7, seven)):
        variation = limit_of(organ, fractions, metric).variation
        assert variation is not None
        assert variation.constraint.limit == expected


@pytest.mark.parametrize(("organ", "volume_cc", "three", "five"), SPARED)
def test_spared_volumes_are_those_of_tg101(
    organ: str, volume_cc: float, three: float, five: float
) -> None:
    doses = {4: floored((three + five) / 2), 5: five, 6: five, 7: five}
    for fractions, dose_gy in doses.items():
        goals = [row.goal.constraint for row in PROTOCOL.limits_of(organ, fractions)]
        assert [
            (goal.operator, goal.metric.kind, goal.metric.argument)
            for goal in goals
            if goal.limit == volume_cc
        ] == [(">=", "CV", dose_gy)]


def test_the_hilum_limit_is_in_percent_not_in_cc() -> None:
    """A public file stores 66.7 % of a kidney as 66.7 cc."""
    goal = PROTOCOL.limits_of("Kidney_Hilum", 5)[0].goal.constraint

    assert str(goal) == "V23Gy <= 66.6%"
    assert goal.limit < 200 / 3


def test_every_organ_row_has_a_source_of_the_table() -> None:
    """No limit of an organ is there that the sources do not hold."""
    known = {(organ, metric) for organ, metric, *_ in TG101}
    for row in PROTOCOL.limits:
        metric = row.goal.constraint.metric
        if row.structure in ("SpinalCord", *SOURCES["spared"], *SOURCES["hilum"]):
            continue
        assert (row.structure, str(metric)) in known


# --- Grading ------------------------------------------------------------------------------------


def outcomes(verdict: Verdict, organ: str) -> list[Outcome | None]:
    return [
        f.outcome
        for f in verdict.findings
        if f.id == "limit.organ" and f.subject == organ
    ]


@pytest.mark.parametrize(
    ("name", "organ", "outcome"),
    [
        ("Stomach", "Stomach", FAIL),
        ("Duodenum", "Duodenum", FAIL),
        ("Colon", "Colon", FAIL),
        ("SacralPlex", "SacralPlex", FAIL),
        ("Heart", "Heart", VARIATION),
        ("Trachea", "Trachea", VARIATION),
        ("Skin", "Skin", VARIATION),
        ("Aorta", "GreatVes", VARIATION),
    ],
)
def test_a_drawn_organ_over_its_limit_is_graded_by_its_severity(
    name: str, organ: str, outcome: Outcome
) -> None:
    verdict = judge(CORD, in_zone("sac", name), sac=60.0)

    assert outcomes(verdict, organ)[0] is outcome
    assert verdict.outcome is outcome


@pytest.mark.parametrize("fractions", [6, 7])
def test_between_goal_and_derived_line_is_a_variation(fractions: int) -> None:
    """D10cc: the goal is 18 Gy, the last line 19.1 and 20.1 Gy."""
    stomach = in_zone("sac", "Stomach", half=8)
    verdict = judge(CORD, stomach, fractions=fractions, sac=19.0)

    assert outcomes(verdict, "Stomach") == [PASS, VARIATION]


def test_an_organ_that_is_neither_drawn_nor_expected_is_not_required() -> None:
    verdict = judge(CORD)

    rows = [f for f in verdict.findings if f.subject == "Stomach"]
    assert len(rows) == len(PROTOCOL.limits_of("Stomach", 5))
    assert all(f.state is State.NOT_ASKED and not f.required for f in rows)


@pytest.mark.parametrize(
    ("target", "organ", "expected"),
    [
        ("PTV_T5", "Esophagus", UNDECIDED),
        ("PTV_T10", "Esophagus", UNDECIDED),
        ("PTV_T11", "Esophagus", None),
        ("PTV_T11", "Kidneys", None),
        ("PTV_T12", "Kidneys", VARIATION),
        ("PTV_L3", "Kidneys", VARIATION),
        ("PTV_L4", "Kidneys", None),
        ("PTV_L1", "Bowel_Small", UNDECIDED),
        ("PTV_L5", "Bowel_Small", UNDECIDED),
        ("PTV_T8", "Bowel_Small", None),
    ],
)
def test_an_organ_that_should_be_drawn_and_is_not_is_asked_for_by_its_severity(
    target: str, organ: str, expected: Outcome | None
) -> None:
    drawn = judge(CORD, target_name=target)
    rois = tuple(roi for roi in drawn.case.structure_set.rois if roi.name != organ)
    structures = replace(drawn.case.structure_set, rois=rois)
    verdict = check(replace(drawn.case, structure_set=structures), PROTOCOL)

    rows = [f for f in verdict.findings if f.id == "organ.drawn" and f.subject == organ]
    assert [f.outcome for f in rows] == ([] if expected is None else [expected])
    assert not any(f.subject == organ for f in drawn.findings if f.id == "organ.drawn")


@pytest.mark.parametrize(("target", "expected"), [("PTV_T11", True), ("PTV_L1", False)])
def test_one_of_bowel_stomach_and_duodenum_is_enough_at_t11_and_t12(
    target: str, *, expected: bool
) -> None:
    drawn = judge(CORD, target_name=target).case
    rois = tuple(roi for roi in drawn.structure_set.rois if roi.name != "Bowel_Small")
    stomach = (*rois, in_zone("sac", "Stomach"))

    none, one = (
        check(
            replace(drawn, structure_set=replace(drawn.structure_set, rois=own)),
            PROTOCOL,
        )
        for own in (rois, stomach)
    )

    subject = "Bowel_Small or Stomach or Duodenum"
    assert any(f.subject == subject for f in none.findings) is expected
    assert not any(f.subject == subject for f in one.findings)


@pytest.mark.parametrize(
    ("constraint", "outcome"),
    [
        ("D0.035cc <= 33.1Gy", PASS),  # the grid holds 33 Gy at most
        ("Dmax <= 33.1Gy", PASS),
        ("Dmean <= 33.1Gy", PASS),
        ("D50% <= 33.1Gy", PASS),
        ("D500cc <= 32.9Gy", PASS),  # of the body: the target zone has less
        ("D0.035cc <= 32.9Gy", UNDECIDED),
        ("Dmax <= 32.9Gy", UNDECIDED),
        # A part of the body may have more of these than the whole.
        ("Dmean <= 32.9Gy", UNDECIDED),
        ("D50% <= 32.9Gy", UNDECIDED),
        ("D0.035cc[%] <= 150%", UNDECIDED),
        ("V20Gy <= 99%", UNDECIDED),
        ("CV5Gy >= 1cc", UNDECIDED),
        ("EQD2[ab=3] D0.035cc <= 33.1Gy", UNDECIDED),  # 33 Gy in 5 are 63.4 Gy in 2 Gy
    ],
)
def test_an_organ_that_is_not_drawn_passes_only_if_no_part_of_the_body_can_exceed_its_limit(
    constraint: str, outcome: Outcome
) -> None:
    """The mean of this body is 6 Gy, half of it has less than 6 Gy."""
    row = limit_of("Esophagus", 5, "D0.035cc")
    asked = replace(
        row, goal=replace(row.goal, constraint=parse_constraint(constraint))
    )
    others = tuple(r for r in PROTOCOL.limits if r.structure != "Esophagus")
    protocol = replace(PROTOCOL, limits=(*others, asked))
    body = box("External", (-58, -38, -58), (58, 38, 58), spacing_mm=2.0)
    case = judge(CORD, body).case
    rois = tuple(roi for roi in case.structure_set.rois if roi.name != "Esophagus")
    structures = replace(case.structure_set, rois=rois)

    verdict = check(replace(case, structure_set=structures), protocol)

    assert found(verdict, "organ.drawn", "Esophagus").outcome is outcome


@pytest.mark.parametrize(
    ("limit_gy", "outcome"),
    [
        (33.1, PASS),  # the grid holds 33 Gy at most
        (32.9, UNDECIDED),  # the target receives more
        (15.0, UNDECIDED),
        (7.0, UNDECIDED),
    ],
)
def test_a_body_that_leaves_the_target_out_does_not_show_that_a_part_is_spared(
    limit_gy: float, outcome: Outcome
) -> None:
    """The contour of the body ends in front of the target: no dose within it is above 6 Gy."""
    constraint = parse_constraint(f"D0.035cc <= {limit_gy}Gy")
    row = limit_of("Esophagus", 5, "D0.035cc")
    asked = replace(row, goal=replace(row.goal, constraint=constraint))
    others = tuple(r for r in PROTOCOL.limits if r.structure != "Esophagus")
    body = box("External", (30, -38, -58), (58, 38, 58), spacing_mm=2.0)
    case = judge(CORD, body).case
    rois = tuple(roi for roi in case.structure_set.rois if roi.name != "Esophagus")
    structures = replace(case.structure_set, rois=rois)

    verdict = check(
        replace(case, structure_set=structures),
        replace(PROTOCOL, limits=(*others, asked)),
    )

    assert found(verdict, "organ.drawn", "Esophagus").outcome is outcome


@pytest.mark.parametrize("target", ["PTV_L4", "PTV_L5"])
def test_a_sacral_plexus_that_is_not_drawn_is_a_variation(target: str) -> None:
    assert (
        found(judge(CORD, target_name=target), "organ.drawn", "SacralPlex").outcome
        is VARIATION
    )


def test_two_kidneys_are_judged_together() -> None:
    """150 cc each: neither alone spares 200 cc, both together do."""
    left = box("Kidney_L", (64, -26, -48), (90, 26, 60), spacing_mm=2.0)
    right = box("Kidney_R", (-90, -26, -48), (-64, 26, 60), spacing_mm=2.0)
    drawn = judge(CORD, left, right, organs=5.0).case
    rois = tuple(roi for roi in drawn.structure_set.rois if roi.name != "Kidneys")
    structures = replace(drawn.structure_set, rois=rois)
    verdict = check(replace(drawn, structure_set=structures), PROTOCOL)

    (finding,) = (f for f in verdict.findings if f.subject == "Kidneys")
    assert finding.roi == "Kidney_L + Kidney_R"
    assert finding.value is not None
    assert finding.value.value == pytest.approx(2 * 2.6 * 5.2 * 10.8, rel=1e-3)
    assert finding.outcome is PASS


def test_a_small_organ_that_is_spared_as_a_whole_is_not_graded() -> None:
    verdict = judge(CORD, in_zone("sac", "Liver"), sac=3.0)

    (finding,) = (f for f in verdict.findings if f.subject == "Liver")
    assert finding.outcome is None
    assert "only 8.64 cc are drawn; all of it stays below" in str(finding.message)


def test_a_small_organ_of_which_an_end_is_not_spared_is_graded() -> None:
    base = judge(CORD, in_zone("sac", "Liver"), sac=3.0).case
    beyond = (base.dose.z_mm > 24)[:, None, None]  # a tenth of it
    dose = replace(base.dose, dose_gy=np.where(beyond, 40.0, base.dose.dose_gy))
    verdict = check(replace(base, dose=dose), PROTOCOL)

    (finding,) = (f for f in verdict.findings if f.subject == "Liver")
    assert finding.value is not None
    assert finding.value.value == pytest.approx(0.9 * 8.64, rel=0.05)
    assert finding.outcome is VARIATION


def test_an_organ_smaller_than_the_volume_asked_holds_no_such_volume() -> None:
    small = in_zone("sac", "Esophagus2", half=1)
    declared = Declared(aliases={"Esophagus2": "Stomach"})

    high, low = (judge(CORD, small, declared=declared, sac=gy) for gy in (20.0, 17.0))

    assert outcomes(high, "Stomach") == [PASS, PASS]
    assert outcomes(low, "Stomach") == [PASS, PASS]
    texts = [str(f.message) for f in high.findings if f.subject == "Stomach"]
    assert texts[1].endswith("no such volume of it exists")


@pytest.mark.parametrize(
    ("gy", "end_mm", "expected"),
    [
        (25.0, 18, [PASS, PASS]),  # it fills the extent: no 5 cc of it exist
        (25.0, 11, [UNDECIDED, UNDECIDED]),  # 7 mm are missing at an end
        (15.0, 11, [UNDECIDED, UNDECIDED]),  # what is missing may lie anywhere
        (40.0, 11, [FAIL, UNDECIDED]),
    ],
)
def test_an_oesophagus_smaller_than_the_volume_asked_passes_where_it_fills_the_extent(
    gy: float, end_mm: float, expected: list[Outcome]
) -> None:
    """D0.035cc <= 35 Gy and D5cc <= 19.5 Gy; 2 x 12 mm over at most 36 mm is less than 1 cc."""
    oesophagus = in_zone("sac", "Esophagus", -18, end_mm, half=1)
    drawn = judge(CORD, sac=gy).case
    rois = (
        *(roi for roi in drawn.structure_set.rois if roi.name != "Esophagus"),
        oesophagus,
    )
    verdict = check(
        replace(drawn, structure_set=replace(drawn.structure_set, rois=rois)), PROTOCOL
    )

    assert outcomes(verdict, "Esophagus") == expected


def test_an_organ_that_lies_outside_the_grid_is_judged_by_its_bound() -> None:
    """The colon begins 20 mm beyond a face on which no dose exceeds 3.3 Gy."""
    far = in_zone("sac", "Colon", -140, -80)
    verdict = judge_in(falling(20.0, per_mm=0.4), CORD, far)

    rows = [f for f in verdict.findings if f.subject == "Colon"]
    assert [f.outcome for f in rows] == [PASS, PASS]
    assert rows[0].value is not None
    assert rows[0].value.value is None
    assert rows[0].value.high == pytest.approx(3.3)
    assert "by its bound" in str(rows[0].message)


def test_an_organ_outside_the_grid_is_undecided_without_a_bound() -> None:
    """It lies beyond a face 8 mm from the target, which bounds nothing."""
    verdict = judge_in(
        falling(20.0, per_mm=0.6, top_mm=20.0), CORD, in_zone("sac", "Colon", 60, 90)
    )

    assert outcomes(verdict, "Colon") == [UNDECIDED, UNDECIDED]


def test_the_sentence_about_the_grid_names_the_organs_that_leave_it() -> None:
    """A colon of 60 mm ends 20 mm below the grid; its limits are judged by their own rules."""
    colon = in_zone("sac", "Colon", -80, -20)

    finding = found(judge_in(falling(20.0, per_mm=0.4), CORD, colon), "dose.covers")
    whole = found(judge(CORD), "dose.covers")

    assert finding.outcome is whole.outcome is PASS
    assert str(whole.message) == "the dose grid holds every target and neural structure"
    assert str(finding.message) == f"{whole.message}; outside it lie Colon (33.3 %)"
