"""Shifts and rotations of a static dose cloud, against closed forms, laws and re-exported files."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from builders import box, cylinder, dvh_of, linear_dose, plan, structure_set, write_case
from sbrtcheck import DVH, Case, Declared, load_case, load_protocol
from sbrtcheck.contours import build_region
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.model import ROI, Contour, DoseGrid, DoseReference, Prescription, Text
from sbrtcheck.phantoms import Axis, Sphere, even_axis, gaussian_dose
from sbrtcheck.protocol.metric import Metric, parse_constraint, parse_metric
from sbrtcheck.protocol.rules import Basis, Line
from sbrtcheck.report.robustness import render_robustness_json, robustness_schema
from sbrtcheck.robustness import (
    Robustness,
    Rotation,
    Row,
    Shift,
    assess,
    isocentre,
    shifted,
    turned,
)
from sbrtcheck.robustness.moving import Moving, Reach
from sbrtcheck.robustness.poses import DIRECTIONS, Point, Pose, rotations, shifts
from sbrtcheck.robustness.search import MOST_MM, smallest_break, worst_of
from test_cli import PASS_PLAN, SAMPLES, assert_refused, run

MEAN, NEAR_MAXIMUM = parse_metric("Dmean"), parse_metric("D0.035cc")
PRESCRIPTION = Prescription(
    dose_gy=30.0, fractions=5, target="PTV", source=Text("test")
)
ORIGIN = (0.0, 0.0, 0.0)


def moving(
    roi: ROI, dose: DoseGrid, *metrics: Metric, targets: Sequence[Reach] = ()
) -> Moving:
    return Moving(roi, dose, metrics, prescription=PRESCRIPTION, targets=targets)


def line(constraint: str) -> Line:
    return Line(
        constraint=parse_constraint(constraint), basis=Basis.CONVENTION, source="test"
    )


def shift(size_mm: float, *toward: int) -> Shift:
    x, y, z = toward
    return Shift(size_mm=size_mm, toward=(x, y, z))


def value(asked: Moving, metric: Metric, pose: Pose) -> float:
    found = asked.whole(metric, pose).value
    assert found is not None
    return found


def row_of(found: Robustness, roi: str, metric: str) -> Row:
    return next(
        row for row in found.rows if (row.roi, str(row.metric)) == (roi, metric)
    )


@pytest.fixture(scope="module")
def sample() -> Case:
    return load_case(PASS_PLAN)


# --- Poses --------------------------------------------------------------------------------------


def test_there_are_26_directions_of_one_length() -> None:
    assert len(set(DIRECTIONS)) == 26
    for pose in shifts(2.0):
        assert np.linalg.norm(pose.vector_mm) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("toward", "words"),
    [
        ((1, 0, 0), "left"),
        ((-1, 0, 0), "right"),
        ((0, -1, 0), "anterior"),
        ((0, 1, 0), "posterior"),
        ((0, 0, 1), "head"),
        ((0, 0, -1), "foot"),
        ((1, -1, 1), "left+anterior+head"),
    ],
)
def test_directions_are_those_of_the_patient(
    toward: tuple[int, int, int], words: str
) -> None:
    """x runs to the patient's left, y to the back, z to the head, in every patient position."""
    assert Shift(size_mm=1.0, toward=toward).direction == words


PLACES = {
    "head": (2, 1),
    "left": (0, 1),
    "right": (0, -1),
    "anterior": (1, -1),
    "posterior": (1, 1),
}


@pytest.mark.parametrize("angle_deg", [1.0, -1.0])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_rotation_does_what_its_words_say(axis: Axis, angle_deg: float) -> None:
    pose = Rotation(angle_deg=angle_deg, axis=axis, about_mm=ORIGIN)
    from_word, _, to_word = pose.direction.partition(", ")[2].partition(" to ")
    (from_axis, from_sign), (to_axis, to_sign) = PLACES[from_word], PLACES[to_word]
    point = np.zeros((1, 3))
    point[0, from_axis] = from_sign * 100

    moved = pose.moved(point)[0]

    assert moved[to_axis] * to_sign == pytest.approx(100 * math.sin(math.radians(1)))


# --- Shifts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pose", shifts(3.0), ids=lambda pose: pose.direction)
def test_in_a_linear_dose_a_shift_adds_gradient_times_shift(pose: Shift) -> None:
    slopes = (0.1, -0.2, 0.05)
    cord = moving(
        cylinder("cord", (0, 0), 5, -15, 15),
        linear_dose(20, slopes),
        MEAN,
        NEAR_MAXIMUM,
    )
    change_gy = float(np.dot(slopes, pose.vector_mm))

    for metric in (MEAN, NEAR_MAXIMUM):
        planned = value(cord, metric, shift(0, 0, 0, 0))
        assert value(cord, metric, pose) - planned == pytest.approx(change_gy, abs=1e-9)


def test_the_worst_shift_lies_along_the_gradient() -> None:
    cord = moving(
        cylinder("cord", (0, 0), 5, -15, 15), linear_dose(20, (0, -1, 0)), NEAR_MAXIMUM
    )

    worst = worst_of(cord, NEAR_MAXIMUM, shifts(2.0), size=2.0, upper=True)

    assert worst.pose == shift(2, 0, -1, 0)
    assert worst.value == pytest.approx(
        value(cord, NEAR_MAXIMUM, shift(0, 0, 0, 0)) + 2
    )


def test_a_symmetric_plan_is_as_bad_on_either_side() -> None:
    axis = even_axis(-40, 40, 2)
    dose = gaussian_dose(max_gy=40, sigma_mm=12).sampled(axis, axis, axis)
    target = moving(box("PTV", (-9, -9, -9), (9, 9, 9)), dose, parse_metric("D95%"))

    for x, y, z in DIRECTIONS:
        ways = [
            value(target, parse_metric("D95%"), shift(2, *s))
            for s in ((x, y, z), (-x, -y, -z))
        ]
        assert ways[0] == pytest.approx(ways[1], abs=1e-6)


def reexported(
    case: Case, folder: Path, *, contours: Point = ORIGIN, dose: Point = ORIGIN
) -> Case:
    """Write a case with its contours or its dose shifted, and read it as any other export."""
    x, y, z = contours
    rois = tuple(
        replace(
            roi,
            contours=tuple(
                Contour(
                    points_mm=c.points_mm + np.array([x, y]), z_mm=c.z_mm + z, xor=c.xor
                )
                for c in roi.contours
            ),
        )
        for roi in case.structure_set.rois
    )
    grid = case.dose
    moved = replace(
        grid,
        x_mm=grid.x_mm + dose[0],
        y_mm=grid.y_mm + dose[1],
        z_mm=grid.z_mm + dose[2],
    )
    folder.mkdir()
    save_plan(case.plan, folder / "RP.dcm")
    save_structure_set(replace(case.structure_set, rois=rois), folder / "RS.dcm")
    save_dose(moved, folder / "RD.dcm", bits=32)
    return load_case(folder / "RP.dcm")


def assert_same(ours: DVH, theirs: DVH, within: float) -> None:
    """Compare metrics; both ends of a sub-cell's dose may fall into the next bin by rounding."""
    for own, other in ((ours.mean_gy, theirs.mean_gy), (ours.max_gy, theirs.max_gy)):
        assert own == pytest.approx(other, abs=within)
    assert ours.min_gy == pytest.approx(theirs.min_gy, abs=within)
    volume_cc = theirs.volume_at_dose_cc(25.3)
    assert ours.volume_at_dose_cc(25.3) == pytest.approx(volume_cc, abs=within)
    bin_gy = 2 * ((ours.max_gy or 0.0) - (ours.min_gy or 0.0)) / 20_000
    for percent in (1.0, 50.0, 95.0):
        dose_gy = theirs.dose_at_percent_gy(percent)
        assert ours.dose_at_percent_gy(percent) == pytest.approx(
            dose_gy, abs=bin_gy + within
        )
    near_gy = theirs.dose_at_volume_gy(0.035)
    assert ours.dose_at_volume_gy(0.035) == pytest.approx(near_gy, abs=bin_gy + within)


@pytest.mark.parametrize(
    "pose",
    [shift(1, 0, -1, 0), shift(3, 1, 0, 0), shift(2, 0, 0, -1)],
    ids=lambda pose: pose.direction,
)
def test_a_shift_equals_contours_that_were_exported_with_it(
    sample: Case, tmp_path: Path, pose: Shift
) -> None:
    """Straight shifts: coordinates are written to 0.001 mm."""
    planned = reexported(sample, tmp_path / "planned")
    exported = reexported(sample, tmp_path / "shifted", contours=pose.vector_mm)

    for roi, moved in zip(
        planned.structure_set.rois, exported.structure_set.rois, strict=True
    ):
        ours = dvh_of(roi, shifted(planned.dose, pose))
        assert_same(ours, dvh_of(moved, exported.dose), within=1e-6)


def test_a_shift_equals_a_dose_that_was_exported_the_other_way(
    sample: Case, tmp_path: Path
) -> None:
    """A diagonal one: positions of the dose are written to 1e-6 mm, 5e-6 Gy here."""
    pose = shift(3, 1, -1, 1)
    planned = reexported(sample, tmp_path / "planned")
    x, y, z = pose.vector_mm
    exported = reexported(sample, tmp_path / "shifted", dose=(-x, -y, -z))

    for roi in planned.structure_set.rois:
        ours = dvh_of(roi, shifted(planned.dose, pose))
        assert_same(ours, dvh_of(roi, exported.dose), within=1e-5)


def test_answers_are_those_of_the_exported_files(sample: Case, tmp_path: Path) -> None:
    """The whole way: the page of the planned files against the check of the shifted ones."""
    found = assess(sample, load_protocol("nct06756087"))
    worst = row_of(found, "SpinalCord", "D0.035cc").shifts[2]
    assert worst.pose == shift(3, 0, -1, 0)
    exported = reexported(sample, tmp_path / "shifted", contours=(0, -3, 0))

    dvh = dvh_of(exported.structure_set.roi("SpinalCord"), exported.dose)

    # The sample's dose was written with 16 bits, 0.0003 Gy half a step; here it has 32.
    assert worst.value == pytest.approx(dvh.dose_at_volume_gy(0.035), abs=1e-6)


def test_screening_finds_what_whole_dvhs_of_all_directions_find(sample: Case) -> None:
    rois = {"SpinalCord": ("D0.035cc", True), "PTV_T8": ("V100%", False)}
    for name, (text, upper) in rois.items():
        metric, roi = parse_metric(text), sample.structure_set.roi(name)
        asked, every = (moving(roi, sample.dose, metric) for _ in range(2))

        worst = worst_of(asked, metric, shifts(2.0), size=2.0, upper=upper)

        values = [value(every, metric, pose) for pose in shifts(2.0)]
        assert worst.value == (max(values) if upper else min(values))


# --- Rotations ----------------------------------------------------------------------------------


def turned_dvh(roi: ROI, dose: DoseGrid, pose: Rotation) -> DVH:
    reach = Reach(build_region(roi))
    return dvh_of(roi, turned(dose, pose, reach.low_mm, reach.high_mm))


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_linear_dose_turns_exactly(axis: Axis) -> None:
    """It is linear again, with a turned gradient: at the centroid it is that of the turned place."""
    slopes, middle = (0.1, -0.2, 0.05), np.array([[6.0, 3.0, 9.0]])
    pose = Rotation(angle_deg=2.0, axis=axis, about_mm=(-10.0, 4.0, 7.0))
    roi = box("PTV", (0, -6, 0), (12, 12, 18))

    dvh = turned_dvh(roi, linear_dose(20, slopes), pose)

    assert dvh.mean_gy == pytest.approx(
        20 + float((pose.moved(middle) @ slopes)[0]), abs=1e-9
    )


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_rotation_by_nothing_is_the_plan(sample: Case, axis: Axis) -> None:
    roi = sample.structure_set.roi("SpinalCord")
    pose = Rotation(angle_deg=0.0, axis=axis, about_mm=ORIGIN)

    dvh = turned_dvh(roi, sample.dose, pose)

    # A finer grid has finer sub-cells.
    planned = dvh_of(roi, sample.dose)
    assert dvh.max_gy == pytest.approx(planned.max_gy, abs=1e-3)
    assert dvh.dose_at_volume_gy(0.035) == pytest.approx(
        planned.dose_at_volume_gy(0.035), abs=0.01
    )


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_gaussian_dose_about_its_own_middle_stays(axis: Axis) -> None:
    """Wherever a ball turns to about the middle, it keeps its distance, and so its dose."""
    grid = even_axis(-40, 40, 2)
    dose = gaussian_dose(max_gy=40, sigma_mm=12).sampled(grid, grid, grid)
    ball = Sphere(radius_mm=6, centre_mm=(9, 7, 5)).roi("cord", spacing_mm=2)
    planned = dvh_of(ball, dose)

    for angle_deg in (2.0, -2.0):
        dvh = turned_dvh(
            ball, dose, Rotation(angle_deg=angle_deg, axis=axis, about_mm=ORIGIN)
        )
        # A 2 mm grid shows a Gaussian of 12 mm to 0.1 Gy, wherever its points lie.
        assert dvh.mean_gy == pytest.approx(planned.mean_gy, abs=0.05)
        near_gy = planned.dose_at_volume_gy(0.035)
        assert dvh.dose_at_volume_gy(0.035) == pytest.approx(near_gy, abs=0.1)


@pytest.mark.parametrize(
    ("name", "answer", "within"),
    [
        ("SpinalCord", lambda dvh: dvh.dose_at_volume_gy(0.035), 0.1),
        ("SpinalCord_PRV02", lambda dvh: dvh.dose_at_volume_gy(0.035), 0.1),
        ("PTV_T8", lambda dvh: dvh.volume_at_dose_percent(30.0), 0.3),
    ],
)
def test_a_turned_dose_equals_turned_rings(
    sample: Case, name: str, answer: Callable[[DVH], float], within: float
) -> None:
    """About z the contours can be turned in their planes: exact, so it bounds the resampling."""
    roi = sample.structure_set.roi(name)
    for pose in rotations(2.0, (0.0, -40.0, 0.0))[4:]:
        rings = tuple(
            Contour(
                points_mm=pose.moved(
                    np.column_stack([c.points_mm, np.zeros(len(c.points_mm))])
                )[:, :2],
                z_mm=c.z_mm,
            )
            for c in roi.contours
        )
        truth = answer(dvh_of(replace(roi, contours=rings), sample.dose))

        assert answer(turned_dvh(roi, sample.dose, pose)) == pytest.approx(
            truth, abs=within
        )


def test_one_degree_at_60_mm_is_one_millimetre() -> None:
    """Two levels with one isocentre: the far one moves like a shift of 60 mm x sin 1 degree."""
    dose = replace_z(linear_dose(30, (0, 1, 0)), -100)
    near, far = (box("PTV", (-9, -9, z - 9), (9, 9, z + 9)) for z in (0, 60))
    changes = []
    for roi in (near, far):
        target = moving(roi, dose, MEAN)
        worst = worst_of(target, MEAN, rotations(1.0, ORIGIN), size=1.0, upper=False)
        assert worst.value is not None
        changes.append(worst.value - value(target, MEAN, shift(0, 0, 0, 0)))

    assert changes[0] == pytest.approx(0, abs=1e-9)
    assert changes[1] == pytest.approx(-60 * math.sin(math.radians(1)), abs=1e-9)


def replace_z(dose: DoseGrid, low_mm: float) -> DoseGrid:
    """Stretch a grid whose dose does not change along z."""
    return replace(dose, z_mm=np.linspace(low_mm, -low_mm, dose.z_mm.size))


# --- What breaks a limit ------------------------------------------------------------------------


@pytest.mark.parametrize("gradient_gy_per_mm", [0.3, 1.0, 3.7])
def test_the_smallest_break_is_distance_over_gradient(
    gradient_gy_per_mm: float,
) -> None:
    dose = linear_dose(200, (0, -gradient_gy_per_mm, 0))
    cord = moving(cylinder("cord", (0, 0), 5, -15, 15), dose, NEAR_MAXIMUM)
    limit_gy = value(cord, NEAR_MAXIMUM, shift(0, 0, 0, 0)) + 2.34 * gradient_gy_per_mm

    found = smallest_break(cord, line(f"D0.035cc <= {limit_gy:.6f}Gy"))

    assert (found.holds_to_mm, found.breaks_at_mm) == (2.3, 2.4)
    assert found.shift is not None
    assert found.shift.direction == "anterior"
    assert found.known_to_mm >= 2.4


def test_coverage_breaks_where_dose_falls_short() -> None:
    dose = linear_dose(40, (1, 0, 0))
    target = moving(box("PTV", (-9, -9, -9), (9, 9, 9)), dose, parse_metric("V100%"))

    # The coldest corner has 31 Gy: the prescription is reached after 1 mm, 90 % after 1 + 1.8 mm.
    found = smallest_break(target, line("V100% >= 90%"))

    assert (found.holds_to_mm, found.breaks_at_mm) in {(2.7, 2.8), (2.8, 2.9)}
    assert found.shift is not None
    assert found.shift.direction == "right"


def test_what_is_broken_as_planned_is_not_searched() -> None:
    cord = moving(
        cylinder("cord", (0, 0), 5, -15, 15), linear_dose(30, (0, 0, 0)), NEAR_MAXIMUM
    )

    found = smallest_break(cord, line("D0.035cc <= 25.3Gy"))

    assert found.is_broken_as_planned
    assert found.breaks_at_mm is None


def test_what_never_breaks_holds_to_the_end_of_the_search() -> None:
    cord = moving(
        cylinder("cord", (0, 0), 5, -15, 15), linear_dose(10, (0, 0, 0)), NEAR_MAXIMUM
    )

    found = smallest_break(cord, line("D0.035cc <= 25.3Gy"))

    assert found.is_broken_as_planned is False
    assert (found.holds_to_mm, found.breaks_at_mm, found.known_to_mm) == (
        MOST_MM,
        None,
        MOST_MM,
    )


# --- Off the dose grid --------------------------------------------------------------------------


def test_a_shift_off_the_grid_is_not_known_and_no_pass() -> None:
    """It lies 2 mm from the left end: of 3 mm, only shifts along a diagonal of space stay on."""
    cord = moving(
        cylinder("cord", (41, 0), 5, -15, 15), linear_dose(10, (0, 0, 0)), NEAR_MAXIMUM
    )

    worst = worst_of(cord, NEAR_MAXIMUM, shifts(3.0), size=3.0, upper=True)
    found = smallest_break(cord, line("D0.035cc <= 25.3Gy"))

    assert {pose.direction for pose in worst.unknown if isinstance(pose, Shift)} == {
        "left",
        "left+anterior",
        "left+posterior",
        "left+head",
        "left+foot",
    }
    assert worst.value == pytest.approx(10)
    assert found.known_to_mm == 2.0
    assert found.breaks_at_mm is None


def test_all_directions_off_the_grid_leave_no_worst_case() -> None:
    roi = box("PTV", (-48, -48, -48), (48, 48, 48))
    target = moving(roi, linear_dose(30, (0, 0, 0)), parse_metric("V100%"))

    worst = worst_of(target, parse_metric("V100%"), shifts(1.0), size=1.0, upper=False)
    found = smallest_break(target, line("V100% >= 90%"))

    assert (worst.value, worst.pose, len(worst.unknown)) == (None, None, 26)
    assert (found.holds_to_mm, found.known_to_mm, found.breaks_at_mm) == (
        0.0,
        0.0,
        None,
    )


def test_a_long_cord_that_leaves_the_grid_far_away_is_bounded_in_every_pose() -> None:
    """As in the check: faces 2 cm from the target, dose below what the near-maximum has."""
    found = assess(
        load_case(SAMPLES / "t8_30gy5_cord_leaves_grid_pass"),
        load_protocol("nct06756087"),
    )
    row = row_of(found, "SpinalCord", "D0.035cc")

    assert found.unanswered == ()
    assert all(worst.value is not None for worst in (*row.shifts, *row.rotations))


def test_a_turned_roi_off_the_grid_is_not_known() -> None:
    cord = moving(
        cylinder("cord", (42, 0), 5, -45, 45), linear_dose(10, (0, 0, 0)), NEAR_MAXIMUM
    )

    worst = worst_of(cord, NEAR_MAXIMUM, rotations(2.0, ORIGIN), size=2.0, upper=True)

    assert len(worst.unknown) == 6


# --- Questions and what stays open --------------------------------------------------------------


def test_goal_and_last_line_have_a_break_each() -> None:
    """36 Gy in 6: cord 25.3 Gy and 27.2 Gy; a PRV beside a cord has its goal only."""
    found = assess(
        load_case(SAMPLES / "t11t12_36gy6_variation"), load_protocol("nct06756087")
    )

    cord = row_of(found, "SpinalCord", "D0.035cc")
    prv = next(row for row in found.rows if row.subject.startswith("SpinalCord_PRV"))
    assert [limit.line.constraint.limit for limit in cord.limits] == [25.3, 27.2]
    assert [limit.is_broken_as_planned for limit in prv.limits] == [True]
    first, second = (limit.breaks_at_mm for limit in cord.limits)
    assert first is not None
    assert second is not None
    assert first < second


def test_a_structure_smaller_than_the_volume_asked_is_asked_for_all_of_it() -> None:
    found = assess(load_case(SAMPLES / "l2_24gy4_pass"), load_protocol("nct06756087"))

    row = row_of(found, "CaudaEquina", "Dmax")

    assert str(row.instead_of) == "D5cc"
    assert found.unanswered == ()


def two_isocentres(tmp_path: Path) -> Path:
    own = plan()
    beams = (
        own.beams[0],
        replace(own.beams[0], number=2, isocentre_mm=(0.0, 0.0, 60.0)),
    )
    group = replace(
        own.fraction_groups[0],
        beam_numbers=(1, 2),
        beam_doses_gy=(3.0, 3.0),
        beam_metersets=(700.0, 700.0),
    )
    return write_case(
        tmp_path / "case", plan=replace(own, beams=beams, fraction_groups=(group,))
    ).plan


def test_two_isocentres_leave_rotations_open_until_a_point_is_given(
    tmp_path: Path,
) -> None:
    path = two_isocentres(tmp_path)

    unknown, given = (
        run("robustness", path, "--alone"),
        run("robustness", path, "--about", "0,-5,9"),
    )

    assert unknown.returncode == 3
    assert "the treatment beams have 2 isocentres" in unknown.stdout
    assert "add --about" in unknown.stdout
    assert "about (0, -5, 9) mm: given" in given.stdout
    assert "isocentres" not in given.stdout


def test_setup_beams_have_no_say_in_the_isocentre(sample: Case) -> None:
    assert any(not beam.treats for beam in sample.plan.beams)
    moved = tuple(
        beam if beam.treats else replace(beam, isocentre_mm=(0.0, 0.0, 99.0))
        for beam in sample.plan.beams
    )

    point, _ = isocentre(replace(sample, plan=replace(sample.plan, beams=moved)))

    assert point == ORIGIN


def test_without_a_prescription_the_cord_is_graded_and_coverage_is_not(
    tmp_path: Path,
) -> None:
    bare = replace(plan(), dose_references=(DoseReference(type="TARGET"),))
    case = load_case(write_case(tmp_path / "case", plan=bare).plan)

    found = assess(case, load_protocol("nct06756087"))

    assert row_of(found, "SpinalCord", "D0.035cc").limits != (), (
        "it asks for fractions alone"
    )
    assert row_of(found, "PTV_T8", "V100%").shifts == ()
    assert any("prescription" in str(text) for text in found.unanswered)


def test_a_cord_that_is_not_drawn_is_said() -> None:
    done = run("robustness", SAMPLES / "t10_30gy5_no_cord_undecided")

    assert done.returncode == 3
    assert "Not answered" in done.stdout
    assert (
        "neither cord, PRV, thecal sac, canal nor cauda equina is drawn" in done.stdout
    )


# --- Command ------------------------------------------------------------------------------------


def test_the_page_names_worst_cases_breaks_and_what_is_left_out() -> None:
    done = run("robustness", PASS_PLAN)

    assert (done.returncode, done.stderr) == (0, "")
    assert "27.07 A" in done.stdout
    assert "2.4-2.5 mm anterior" in done.stdout
    assert "this page is no verdict" in done.stdout
    assert "The dose cloud stands still" in done.stdout
    assert "breathing" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 110


def test_a_failing_plan_is_answered_all_the_same() -> None:
    """Exit codes tell whether there is an answer, not which."""
    done = run("robustness", SAMPLES / "t6_42gy7_cord_fail")

    assert done.returncode == 0
    assert "× broken as planned" in done.stdout
    assert "× FAIL" in done.stdout


def test_json_keeps_its_schema_and_says_how_it_sampled(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = run("robustness", PASS_PLAN, "--json", out)
    document = json.loads(out.read_text(encoding="utf-8"))

    jsonschema.validate(document, robustness_schema())
    assert done.returncode == document["exit_code"] == 0
    assert document["sampling"]["bracket_mm"] == 0.1
    cord = next(row for row in document["rows"] if row["roi"] == "SpinalCord")
    assert [worst["size_mm"] for worst in cord["shifts"]] == [1.0, 2.0, 3.0]
    assert cord["shifts"][2]["pose"]["direction"] == "anterior"
    assert cord["limits"][0]["breaks_at_mm"] == 2.5


@pytest.mark.parametrize(
    "name",
    [
        "t8_30gy5_cord_leaves_grid_undecided",
        "t8_27gy3_scheme_fail",
        "t10_30gy5_no_cord_undecided",
    ],
)
def test_json_of_open_questions_keeps_its_schema(name: str) -> None:
    found = assess(load_case(SAMPLES / name), load_protocol("nct06756087"))

    document = json.loads(render_robustness_json(found))

    jsonschema.validate(document, robustness_schema())
    assert document["exit_code"] == 3
    assert document["unanswered"]


def test_added_plans_move_together() -> None:
    pair = [SAMPLES / f"pair_sum_fail_t{level}" / "RP.dcm" for level in (7, 8)]
    case = load_case(pair[0], with_plans=[pair[1]])

    alone = assess(
        load_case(pair[0]), load_protocol("nct06756087"), Declared(alone=True)
    )
    summed = assess(case, load_protocol("nct06756087"), about_mm=ORIGIN)

    for one, both in zip(alone.rows[0].shifts, summed.rows[0].shifts, strict=True):
        assert one.value is not None
        assert both.value is not None
        assert both.value > one.value


def test_names_of_the_patient_are_masked(tmp_path: Path) -> None:
    rois = (*structure_set().rois[:1], cylinder("SpinalCord DOE", (0, 24), 5, -30, 30))
    files = write_case(tmp_path / "case", structure_set=structure_set(rois))
    asked = ("robustness", files.plan, "--alias", "SpinalCord DOE=SpinalCord")

    assert "DOE" not in run(*asked).stdout
    assert "DOE" not in run(*asked, "--json").stdout
    assert "DOE" in run(*asked, "--phi").stdout


def test_ascii_is_ascii() -> None:
    assert run("robustness", PASS_PLAN, "--ascii").stdout.isascii()


@pytest.mark.parametrize("typed", ["1,2", "a,b,c", "nan,0,0", "1,2,inf"])
def test_a_point_that_is_none_is_refused(typed: str) -> None:
    assert_refused(
        run("robustness", PASS_PLAN, "--about", typed), "--about", "write x,y,z"
    )


def test_a_missing_plan_is_refused(tmp_path: Path) -> None:
    assert_refused(run("robustness", tmp_path / "none.dcm"), "there is no such file")
