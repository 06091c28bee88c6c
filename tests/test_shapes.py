"""Is the cord a cord, is the target whole, are dose values whole: each check on both sides of its line."""

from dataclasses import replace

import numpy as np
import pytest

from builders import box, cylinder, plan, structure_set
from sbrtcheck import Outcome, Verdict, check, load_protocol
from sbrtcheck.dossier import Case
from sbrtcheck.model import ROI, Contour, Declared, DoseGrid, DoseHeader, Plan
from test_checks import ORGANS, links

PASS, VARIATION, UNDECIDED, FAIL = Outcome
PROTOCOL = load_protocol("nct06756087")
TARGET = box("PTV_T8", (-12, -12, -12), (12, 12, 12), spacing_mm=2.0)
INFO = None
Found = list[Outcome | None]


def cord(
    y_mm: float = 24.0,
    radius_mm: float = 5.0,
    low_mm: float = -40.0,
    high_mm: float = 40.0,
    *,
    x_mm: float = 0.0,
    name: str = "SpinalCord",
    spacing_mm: float = 2.0,
) -> ROI:
    return cylinder(
        name, (x_mm, y_mm), radius_mm, low_mm, high_mm, spacing_mm=spacing_mm
    )


def falling_dose(header: DoseHeader | None = None) -> DoseGrid:
    """Return 33 Gy inside the target and less in front of, behind and beside it."""
    axis = np.arange(-60.0, 61.0, 2.0)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    away = np.maximum(np.maximum(np.abs(x), np.abs(y)), np.abs(z)) - 12
    dose_gy = 33.0 * np.exp(-np.maximum(away, 0) / 10) + 1e-3 * (away < -10)
    return DoseGrid(dose_gy=dose_gy, x_mm=axis, y_mm=axis, z_mm=axis, header=header)


def judge(
    *rois: ROI,
    dose: DoseGrid | None = None,
    the_plan: Plan | None = None,
    target: ROI | None = TARGET,
    levels: tuple[str, ...] = (),
) -> Verdict:
    drawn = (*rois, *ORGANS)
    if target is not None:
        drawn = (target, *drawn)
    case = Case(
        plan=the_plan or plan(),
        structure_set=structure_set(drawn),
        dose=dose or falling_dose(),
        links=links(None),
    )
    return check(case, PROTOCOL, Declared(levels=levels))


def judge_at(name: str, *rois: ROI) -> Verdict:
    """Judge with a target of another level."""
    return judge(*rois, target=replace(TARGET, name=name), the_plan=plan(target=name))


def outcomes(verdict: Verdict, rule: str) -> Found:
    return [finding.outcome for finding in verdict.findings if finding.id == rule]


# --- The cord -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ((3.9, 4.0), [VARIATION]),
        ((4.0, 4.0), [PASS]),
        ((15.0, 7.0), [PASS]),
        ((15.2, 7.0), [VARIATION]),
        ((9.0, 12.0), [PASS]),
        ((9.0, 12.2), [VARIATION]),
        ((10.0, 2.9), [VARIATION]),
        ((10.0, 3.0), [PASS]),
        ((10.0, 11.0), [PASS]),
        ((10.0, 11.1), [VARIATION]),
        ((5.0, 3.0), [PASS]),
        ((4.8, 3.0), [VARIATION]),
    ],
)
def test_a_cord_has_the_size_of_one(
    widths: tuple[float, float], expected: Found
) -> None:
    half_x, half_y = widths[0] / 2, widths[1] / 2
    made = box(
        "SpinalCord",
        (-half_x, 24 - half_y, -40),
        (half_x, 24 + half_y, 40),
        spacing_mm=2.0,
    )

    assert outcomes(judge(made), "cord.size") == expected


def test_below_the_cauda_no_size_is_asked() -> None:
    made = cord(radius_mm=1.0)
    verdict = judge_at("PTV_L4", made)

    assert verdict.levels == ("L4",)
    assert outcomes(verdict, "cord.size") == []


def scaled(roi: ROI, share: float, low_mm: float, high_mm: float) -> ROI:
    """Return an ROI whose planes between two heights have a share of their widths."""

    def ring(contour: Contour) -> Contour:
        if not low_mm <= contour.z_mm <= high_mm:
            return contour
        middle = contour.points_mm.mean(axis=0)
        return replace(contour, points_mm=middle + share * (contour.points_mm - middle))

    return replace(roi, contours=tuple(map(ring, roi.contours)))


def moved(roi: ROI, x_mm: float, low_mm: float) -> ROI:
    """Return an ROI that is moved from a height on."""

    def ring(contour: Contour) -> Contour:
        if contour.z_mm < low_mm:
            return contour
        return replace(contour, points_mm=contour.points_mm + np.array([x_mm, 0.0]))

    return replace(roi, contours=tuple(map(ring, roi.contours)))


@pytest.mark.parametrize(
    ("share", "expected"),
    # A third of the area is a share of 0.577 of the widths.
    [(0.59, [PASS]), (0.57, [VARIATION])],
)
def test_a_plane_below_a_third_of_the_usual_area_is_pinched(
    share: float, expected: Found
) -> None:
    verdict = judge(scaled(cord(), share, 20, 22))

    assert outcomes(verdict, "cord.course") == expected
    assert outcomes(verdict, "cord.broken") == []


@pytest.mark.parametrize(("high_mm", "expected"), [(-1.0, []), (1.0, [UNDECIDED])])
def test_most_planes_pinched_beside_a_target_leave_open_what_the_cord_is(
    high_mm: float, expected: Found
) -> None:
    """Of 12 planes beside the target 6 are no majority, 7 are."""
    verdict = judge(scaled(cord(), 0.5, -12, high_mm))

    assert outcomes(verdict, "cord.broken") == expected


def test_the_end_of_a_cord_may_taper_away_from_targets_above_the_conus() -> None:
    tapered = scaled(cord(low_mm=-70), 0.4, -70, -42)

    assert outcomes(judge(tapered), "cord.course") == [PASS]
    assert outcomes(judge(scaled(tapered, 0.4, -40, -38)), "cord.course") == [VARIATION]


@pytest.mark.parametrize(("x_mm", "expected"), [(1.9, [PASS]), (2.2, [VARIATION])])
def test_a_cord_moves_by_less_than_a_millimetre_in_one(
    x_mm: float, expected: Found
) -> None:
    assert outcomes(judge(moved(cord(), x_mm, 0.0)), "cord.course") == expected


def test_planes_that_do_not_meet_are_named() -> None:
    verdict = judge(moved(cord(), 10.5, 20.0))

    (finding,) = (f for f in verdict.findings if f.id == "cord.course")
    assert finding.outcome is VARIATION
    assert "do not meet at z = 21 mm" in str(finding.message)


@pytest.mark.parametrize(("outside", "expected"), [(0.04, [PASS]), (0.2, [VARIATION])])
def test_a_cord_lies_in_its_canal(outside: float, expected: Found) -> None:
    """A box of 10 mm beside a canal that leaves a share and a millimetre of it out."""
    made = box("SpinalCord", (-5, 19, -40), (5, 29, 40), spacing_mm=2.0)
    right_mm = 5 - 10 * outside - 1.0
    canal = box("SpinalCanal", (-9, 15, -40), (right_mm, 33, 40), spacing_mm=2.0)

    assert outcomes(judge(made, canal), "cord.inside") == expected


@pytest.mark.parametrize(
    ("y_mm", "beside", "away"),
    [
        (56.9, [PASS], [PASS]),
        (57.1, [VARIATION], [PASS]),
        (76.9, [VARIATION], [PASS]),
        (77.1, [VARIATION], [UNDECIDED]),
    ],
)
def test_a_cord_passes_its_target_within_forty_millimetres(
    y_mm: float, beside: Found, away: Found
) -> None:
    verdict = judge(cord(y_mm))

    assert outcomes(verdict, "cord.beside") == beside
    assert outcomes(verdict, "cord.away") == away


@pytest.mark.parametrize(("x_mm", "expected"), [(31.9, [PASS]), (32.1, [VARIATION])])
def test_a_cord_does_not_run_beside_the_vertebra(x_mm: float, expected: Found) -> None:
    assert outcomes(judge(cord(x_mm=x_mm)), "cord.beside") == expected


def test_at_l3_no_cord_has_to_pass() -> None:
    verdict = judge_at("PTV_L3", cord(90.0))

    assert verdict.levels == ("L3",)
    assert outcomes(verdict, "cord.away") == []


@pytest.mark.parametrize(("deep_mm", "expected"), [(0.12, [PASS]), (0.14, [VARIATION])])
def test_a_target_that_reaches_into_the_cord_names_the_exclusion(
    deep_mm: float, expected: Found
) -> None:
    """10 mm wide and 24 mm high, it shares 0.24 cc for each millimetre of depth."""
    made = box("SpinalCord", (-5, 12 - deep_mm, -40), (5, 20, 40), spacing_mm=2.0)
    verdict = judge(made)

    assert outcomes(verdict, "cord.in_target") == expected
    if expected == [VARIATION]:
        (finding,) = (f for f in verdict.findings if f.id == "cord.in_target")
        assert "exclusion 5" in str(finding.message)


def test_distances_are_told() -> None:
    verdict = judge(cord(24.0), box("CTV_T8", (-9, -9, -9), (9, 9, 9), spacing_mm=2.0))

    told = [str(f.message) for f in verdict.findings if f.id == "distances"]
    assert told == [
        "7 mm from 'PTV_T8' to 'SpinalCord'",
        "10 mm from 'CTV_T8' to 'SpinalCord'",
    ]


def test_holes_and_pieces_of_a_cord_are_named() -> None:
    whole = cord()
    hole = cord(radius_mm=2.0, low_mm=-12, high_mm=-8)
    speck = cord(32.0, 0.8, 8, 10)
    made = replace(whole, contours=(*whole.contours, *hole.contours, *speck.contours))

    verdict = judge(made)

    assert outcomes(judge(whole), "cord.pieces") == [PASS]
    told = [str(f.message) for f in verdict.findings if f.id == "cord.pieces"]
    assert outcomes(verdict, "cord.pieces") == [VARIATION, VARIATION]
    assert "holes of up to 12.6 mm2 on 2 planes, z = -11 to -9 mm" in told[0]
    assert "the smallest of 2.01 mm2 at z = 9 mm" in told[1]


@pytest.mark.parametrize(
    ("name", "margin_mm", "expected"),
    [
        ("SpinalCord_PRV02", 2.0, [PASS]),
        ("SpinalCord_PRV02", 2.55, [PASS]),
        ("SpinalCord_PRV02", 2.65, [VARIATION]),
        ("SpinalCord_PRV02", 1.35, [VARIATION]),
        ("SpinalCord_PRV03", 3.0, [PASS]),
        ("SpinalCord_PRV", 3.0, [PASS]),
    ],
)
def test_a_prv_is_as_wide_as_its_name_says(
    name: str, margin_mm: float, expected: Found
) -> None:
    verdict = judge(cord(), cord(radius_mm=5 + margin_mm, name=name))

    assert outcomes(verdict, "prv.margin") == expected


def test_a_thread_is_no_cord() -> None:
    thread = box("SpinalCord", (-0.5, 20, -40), (0.5, 28, 40), spacing_mm=2.0)

    assert judge(thread).outcome is VARIATION


def test_a_cord_that_is_pinched_beside_the_target_is_no_pass() -> None:
    assert judge(cord()).outcome is not UNDECIDED
    assert judge(scaled(cord(), 0.3, -12, 12)).outcome is UNDECIDED


# --- Targets ------------------------------------------------------------------------------------


def without_planes(roi: ROI, *heights_mm: float) -> ROI:
    kept = (ring for ring in roi.contours if ring.z_mm not in heights_mm)
    return replace(roi, contours=tuple(kept))


@pytest.mark.parametrize(
    ("missing", "gaps", "parts"),
    [
        ((), [PASS], []),
        ((1.0,), [UNDECIDED], []),
        ((1.0, 3.0), [UNDECIDED], []),
        ((1.0, 3.0, 5.0), [PASS], [INFO]),
    ],
)
def test_a_gap_of_one_or_two_planes_is_asked_about(
    missing: tuple[float, ...], gaps: Found, parts: Found
) -> None:
    verdict = judge(cord(), target=without_planes(TARGET, *missing))

    assert outcomes(verdict, "target.gaps") == gaps
    assert outcomes(verdict, "target.parts") == parts


@pytest.mark.parametrize(
    ("missing", "short", "shorter"),
    [
        ((), [PASS], [PASS]),
        ((11.0,), [VARIATION], [PASS]),
        ((11.0, 9.0), [VARIATION], [UNDECIDED]),
    ],
)
def test_a_target_is_as_high_as_its_ctv(
    missing: tuple[float, ...], short: Found, shorter: Found
) -> None:
    ctv = box("CTV_T8", (-10, -10, -12), (10, 10, 12), spacing_mm=2.0)
    verdict = judge(cord(), ctv, target=without_planes(TARGET, *missing))

    assert outcomes(verdict, "target.short") == short
    assert outcomes(verdict, "target.shorter") == shorter


@pytest.mark.parametrize(
    ("out_mm", "holds", "leaves"),
    # 20 mm wide: a millimetre beyond half a millimetre of grace is 5 % of it.
    [
        (0.6, [PASS], [PASS]),
        (0.8, [VARIATION], [PASS]),
        (2.4, [VARIATION], [PASS]),
        (2.6, [VARIATION], [UNDECIDED]),
    ],
)
def test_a_ptv_holds_its_ctv(out_mm: float, holds: Found, leaves: Found) -> None:
    ctv = box(
        "CTV_T8",
        (-8 + out_mm - 12 + 12, -10, -10),
        (12 + out_mm, 10, 10),
        spacing_mm=2.0,
    )
    verdict = judge(cord(), ctv)

    assert outcomes(verdict, "target.holds") == holds
    assert outcomes(verdict, "target.leaves") == leaves


def test_what_is_cut_back_at_the_cord_is_no_fault() -> None:
    """The CTV goes on to the cord; the PTV ends 3 mm before it."""
    ctv = box("CTV_T8", (-5, -10, -10), (5, 14.9, 10), spacing_mm=2.0)
    near = box("SpinalCord", (-5, 15, -40), (5, 25, 40), spacing_mm=2.0)
    verdict = judge(near, ctv)

    assert outcomes(verdict, "target.holds") == [PASS]


def test_a_gtv_without_ctv_is_held_by_the_ptv() -> None:
    gtv = box("GTV_T8", (-5, -5, -6), (5, 5, 6), spacing_mm=2.0)

    assert outcomes(judge(cord(), gtv), "target.holds") == [PASS]
    assert outcomes(judge(cord()), "target.holds") == []


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [("VB_T7", "VB_T9", [PASS]), ("VB_T9", "VB_T7", [UNDECIDED])],
)
def test_vertebrae_lie_in_the_order_of_their_names(
    upper: str, lower: str, expected: Found
) -> None:
    verdict = judge(
        cord(low_mm=-60, high_mm=60),
        box(upper, (-15, -15, 16), (15, 15, 40), spacing_mm=2.0),
        box(lower, (-15, -15, -40), (15, 15, -16), spacing_mm=2.0),
    )

    assert outcomes(verdict, "target.order") == expected


@pytest.mark.parametrize(
    ("name", "height_mm", "expected"),
    [
        ("CTV_T8", 14.0, []),
        ("CTV_T8", 12.0, [INFO]),
        ("CTV_T8", 46.0, [INFO]),
        ("CTV_T8", 44.0, []),
        ("CTV_T8-9", 46.0, []),
        ("CTV", 46.0, []),
    ],
)
def test_the_height_of_a_ctv_is_that_of_its_levels(
    name: str, height_mm: float, expected: Found
) -> None:
    half = height_mm / 2
    target = box("PTV_T8", (-12, -12, -24), (12, 12, 24), spacing_mm=2.0)
    ctv = box(name, (-9, -9, -half), (9, 9, half), spacing_mm=2.0)
    verdict = judge(cord(low_mm=-58, high_mm=58), ctv, target=target)

    assert outcomes(verdict, "target.height") == expected


@pytest.mark.parametrize(
    ("spacing_mm", "wide", "spacing", "coarse"),
    [
        (2.0, [], PASS, PASS),
        (2.4, [INFO], PASS, PASS),
        (3.0, [INFO], PASS, PASS),
        (4.0, [], VARIATION, PASS),
        (5.0, [], VARIATION, PASS),
        (6.0, [], VARIATION, UNDECIDED),
    ],
)
def test_contours_are_drawn_finely_enough(
    spacing_mm: float, wide: Found, spacing: Outcome, coarse: Outcome
) -> None:
    made = cord(low_mm=-60, high_mm=60, spacing_mm=spacing_mm)
    verdict = judge(made)

    assert outcomes(verdict, "contours.wide") == wide
    assert outcomes(verdict, "contours.spacing") == [PASS, spacing]
    assert outcomes(verdict, "target.coarse") == [PASS]
    assert outcomes(verdict, "cord.coarse") == [coarse]


@pytest.mark.parametrize(("planes", "expected"), [(2, UNDECIDED), (3, PASS)])
def test_two_planes_are_no_target(planes: int, expected: Outcome) -> None:
    half = 2.0 * planes / 2
    target = box("PTV_T8", (-12, -12, -half), (12, 12, half), spacing_mm=2.0)

    verdict = judge(cord(), target=target)

    assert outcomes(verdict, "target.few") == [expected]
    assert outcomes(verdict, "cord.few") == [PASS]


@pytest.mark.parametrize(
    ("level", "expected"), [("T8", [UNDECIDED]), ("L1", []), ("L4", [])]
)
def test_two_planes_of_a_cord_are_asked_about_only_where_it_has_to_pass(
    level: str, expected: Found
) -> None:
    verdict = judge_at(f"PTV_{level}", cord(low_mm=-2, high_mm=2))

    assert outcomes(verdict, "cord.few") == expected


@pytest.mark.parametrize(("radius_mm", "expected"), [(5.0, [INFO]), (4.8, [])])
def test_a_copy_under_another_name_is_told(radius_mm: float, expected: Found) -> None:
    """4.8 mm have 92 % of the area of 5 mm."""
    verdict = judge(cord(), cord(radius_mm=radius_mm, name="Spinal Cord"))

    assert outcomes(verdict, "contours.twice") == expected


# --- The values of the dose ---------------------------------------------------------------------


def headed(**values: object) -> DoseGrid:
    instance = structure_set().instance
    return falling_dose(DoseHeader(instance=instance, **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "correction", "override"),
    [
        ("WATER", [VARIATION], []),
        ("IMAGE", [PASS], []),
        ("ROI_OVERRIDE", [PASS], [INFO]),
        ("IMAGE\\ROI_OVERRIDE", [PASS], [INFO]),
        ("WATER\\ROI_OVERRIDE", [PASS], [INFO]),
        ("", [], []),
    ],
)
def test_only_water_is_another_patient(
    words: str, correction: Found, override: Found
) -> None:
    verdict = judge(cord(), dose=headed(heterogeneity_correction=words))

    assert outcomes(verdict, "dose.heterogeneity") == correction
    assert outcomes(verdict, "dose.overrides") == override


@pytest.mark.parametrize(
    ("step_gy", "expected"), [(0.02, []), (0.021, [INFO]), (None, [])]
)
def test_coarse_steps_of_dose_are_told(step_gy: float | None, expected: Found) -> None:
    assert (
        outcomes(judge(cord(), dose=headed(step_gy=step_gy)), "dose.step") == expected
    )


@pytest.mark.parametrize(("count", "expected"), [(8, PASS), (9, UNDECIDED)])
def test_many_largest_values_are_cut_off(count: int, expected: Outcome) -> None:
    dose = replace(headed(step_gy=0.001), saturated=count)

    assert outcomes(judge(cord(), dose=dose), "dose.saturated") == [expected]


def test_blank_planes_between_planes_with_dose_are_lost() -> None:
    dose = falling_dose()
    values = dose.dose_gy.copy()
    values[:10] = values[-10:] = 0.0
    outer = replace(dose, dose_gy=values)
    values = values.copy()
    values[30] = 0.0

    assert outcomes(judge(cord(), dose=outer), "dose.blank_frames") == [PASS]
    lost = judge(cord(), dose=replace(dose, dose_gy=values))
    assert outcomes(lost, "dose.blank_frames") == [UNDECIDED]


@pytest.mark.parametrize(
    ("x_index", "expected"),
    # x = 16 mm is 4 mm from the target's face, 18 mm are 6.
    [(30, PASS), (38, PASS), (39, VARIATION)],
)
def test_the_maximum_lies_in_or_near_a_target(x_index: int, expected: Outcome) -> None:
    dose = falling_dose()
    values = dose.dose_gy.copy()
    values[30, 30, x_index] = 40.0

    verdict = judge(cord(), dose=replace(dose, dose_gy=values))

    assert outcomes(verdict, "dose.hot_spot") == [expected]


@pytest.mark.parametrize(
    ("maximum_gy", "expected"),
    [(30.5, VARIATION), (30.6, PASS), (54.0, PASS), (54.1, VARIATION)],
)
def test_the_maximum_is_a_usual_part_of_the_prescription(
    maximum_gy: float, expected: Outcome
) -> None:
    dose = falling_dose()
    values = np.minimum(dose.dose_gy, 30.0)
    values[30, 30, 30] = maximum_gy

    verdict = judge(cord(), dose=replace(dose, dose_gy=values))

    assert outcomes(verdict, "dose.maximum_range") == [expected]
    assert outcomes(verdict, "dose.maximum") == [INFO]


@pytest.mark.parametrize(("half_mm", "expected"), [(32.0, []), (28.0, [INFO])])
def test_dose_outside_the_body_is_told(half_mm: float, expected: Found) -> None:
    """3 Gy reach to 36 mm: 33 Gy fall by e every 10 mm from 12 mm on."""
    body = box("External", (-half_mm,) * 3, (half_mm,) * 3, spacing_mm=2.0)

    assert outcomes(judge(cord(), body), "dose.outside_body") == expected
    assert outcomes(judge(cord()), "dose.outside_body") == []
