"""Isodose volumes against closed forms: tents of dose, whose trilinear reading is exact, and spheres."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import box, dose_grid
from sbrtcheck.dvh.isodose import Isodose, Isodoses, compute_isodoses
from sbrtcheck.model import ROI, DoseGrid
from sbrtcheck.phantoms import Sphere, even_axis

LAW = settings(max_examples=25, deadline=None, derandomize=True, database=None)
PTV = box("PTV", (-4, -4, -4), (4, 4, 4), spacing_mm=2)


def tent(
    half_mm: float = 30.0, *, top_gy: float = 40.0, step_mm: float = 2.0
) -> DoseGrid:
    """Return a dose that falls by 1 Gy per mm of |x| + |y| + |z|: its isodoses are octahedra."""
    return dose_grid(
        lambda x, y, z: top_gy - abs(x) - abs(y) - abs(z),
        (-half_mm,) * 3,
        (half_mm,) * 3,
        step_mm,
    )


def two_tents(*, apart_mm: float) -> DoseGrid:
    """Return the higher of two tents of 40 Gy on the x axis."""
    return dose_grid(
        lambda x, y, z: 40 - abs(abs(x) - apart_mm / 2) - abs(y) - abs(z),
        (-80, -40, -40),
        (80, 40, 40),
        2.0,
    )


def octahedron_cc(reach_mm: float) -> float:
    return 4 / 3 * reach_mm**3 / 1000


def ball_cc(radius_mm: float) -> float:
    return 4 / 3 * np.pi * radius_mm**3 / 1000


def isodose(rx_gy: float, dose: DoseGrid, external: ROI | None = None) -> Isodose:
    return compute_isodoses(rx_gy, dose, {"PTV": PTV}, external).union


def targets_at(*centres_mm: float) -> dict[str, ROI]:
    return {
        f"PTV{number}": box(
            f"PTV{number}", (x - 4, -4, -4), (x + 4, 4, 4), spacing_mm=2
        )
        for number, x in enumerate(centres_mm)
    }


# --- volume ---


@pytest.mark.parametrize(
    ("reach_mm", "tolerance"), [(20, 2e-4), (21.3, 2e-4), (5, 1e-3)]
)
def test_an_octahedron_has_its_volume(reach_mm: float, tolerance: float) -> None:
    """Trilinear reading of the tent is exact, so all of the error is that of cutting cells."""
    dose = tent(top_gy=30 + reach_mm)

    assert isodose(30, dose).full.volume_cc == pytest.approx(
        octahedron_cc(reach_mm), rel=tolerance
    )


@pytest.mark.parametrize(("radius_mm", "tolerance"), [(20, 2e-3), (5, 1e-2)])
@pytest.mark.parametrize("shift_mm", [0.0, 0.3, 0.9])
def test_a_sphere_has_its_volume(
    radius_mm: float, tolerance: float, shift_mm: float
) -> None:
    """A Gaussian of sigma r / sqrt 3 has no Laplacian at r: trilinear reading keeps the radius."""
    dose = dose_grid(
        lambda x, y, z: (
            30
            * np.exp(
                1.5
                - 1.5
                * ((x - shift_mm) ** 2 + (y + shift_mm) ** 2 + z**2)
                / radius_mm**2
            )
        ),
        (-44,) * 3,
        (44,) * 3,
        2.0,
    )

    assert isodose(30, dose).full.volume_cc == pytest.approx(
        ball_cc(radius_mm), rel=tolerance
    )


def test_full_and_half_are_those_of_a_dose_that_falls_with_distance() -> None:
    """In 30 Gy x 10 mm / r, harmonic, the isodoses of 30 and 15 Gy have radii of 10 and 20 mm."""
    dose = dose_grid(
        lambda x, y, z: 300 / np.maximum(np.sqrt((x - 0.3) ** 2 + y**2 + z**2), 1),
        (-44,) * 3,
        (44,) * 3,
        2.0,
    )

    found = isodose(30, dose)

    assert found.full.volume_cc == pytest.approx(ball_cc(10), rel=2e-3)
    assert found.half.volume_cc == pytest.approx(ball_cc(20), rel=2e-3)
    assert (found.full.dose_gy, found.half.dose_gy) == (30, 15)


def test_steps_need_not_be_even() -> None:
    """Where a grid plane lies at 0, the tent is trilinear whatever the steps are."""
    axes = [
        np.array([-30, -27, -20, -19, -11, -6, -4, 0, 1, 5, 9, 14, 22, 26, 31.0]),
        np.array([-28, -23, -17, -11.5, -5, 0, 2.5, 8, 13, 17, 24, 29.0]),
        np.array([-30, -21, -12, -3, 0, 5, 12, 18, 25, 30.0]),
    ]
    x, y, z = axes
    gy = 40 - abs(x) - abs(y)[:, None] - abs(z)[:, None, None]
    dose = DoseGrid(dose_gy=gy, x_mm=x, y_mm=y, z_mm=z)

    # Cells of up to 9 mm at the corners of an octahedron of 20 mm.
    assert isodose(20, dose).full.volume_cc == pytest.approx(
        octahedron_cc(20), rel=3e-3
    )


@LAW
@given(st.floats(5, 30), st.floats(0.1, 10))
def test_dose_and_prescription_in_another_unit_change_no_volume(
    rx_gy: float, scale: float
) -> None:
    dose = tent(top_gy=30)
    scaled = DoseGrid(
        dose_gy=dose.dose_gy * scale, x_mm=dose.x_mm, y_mm=dose.y_mm, z_mm=dose.z_mm
    )

    found, other = isodose(rx_gy, dose).full, isodose(rx_gy * scale, scaled).full

    if found.volume_cc is not None:
        assert other.volume_cc == pytest.approx(found.volume_cc, rel=1e-6, abs=1e-9)


@LAW
@given(st.floats(12, 39), st.floats(12, 39))
def test_a_higher_dose_has_no_larger_volume(one_gy: float, other_gy: float) -> None:
    low, high = sorted([one_gy, other_gy])

    larger, smaller = (isodose(gy, tent()).full.volume_cc for gy in (low, high))

    assert larger is not None
    assert smaller is not None
    assert smaller <= larger


def test_a_dose_that_nothing_receives_has_an_empty_isodose() -> None:
    assert isodose(60, tent(top_gy=40)).full.volume_cc == 0


# --- the border of the dose grid ---


def test_an_isodose_at_the_border_of_the_dose_grid_has_no_volume() -> None:
    """At 30 mm from the middle the dose is 10 Gy: half of 20 Gy is there."""
    found = isodose(20, tent(30))

    assert found.full.volume_cc == pytest.approx(octahedron_cc(20), rel=2e-4)
    assert found.half.volume_cc is None
    assert str(found.half.reason) == "the isodose of 10 Gy leaves the dose grid"


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [0, -1])
def test_every_face_of_the_dose_grid_is_a_border(axis: int, side: int) -> None:
    dose = tent(30)
    hot = dose.dose_gy.copy()
    np.moveaxis(hot, axis, 0)[side, 15, 15] = 50
    found = isodose(
        35, DoseGrid(dose_gy=hot, x_mm=dose.x_mm, y_mm=dose.y_mm, z_mm=dose.z_mm)
    )

    assert found.full.volume_cc is None


# --- the patient's outline ---


def test_an_outline_around_the_isodose_changes_nothing() -> None:
    body = box("BODY", (-60, -60, -60), (60, 60, 60))

    assert isodose(30, tent(44), body) == isodose(30, tent(44))


def test_what_lies_outside_the_body_does_not_count() -> None:
    """The body ends at x = 0, through the middle of the octahedron."""
    body = box("BODY", (-60, -60, -60), (0, 60, 60), spacing_mm=2)

    # The DVH of so large a body is cut into voxels, not finer.
    assert isodose(24, tent(44), body).full.volume_cc == pytest.approx(
        octahedron_cc(16) / 2, rel=0.01
    )


def test_a_body_without_contours_is_no_body() -> None:
    """An empty External would leave nothing of any isodose."""
    assert isodose(30, tent(44), ROI(name="BODY")) == isodose(30, tent(44))


def test_a_body_without_volume_leaves_the_isodose_unknown() -> None:
    flat = box("BODY", (0, 0, -20), (1e-6, 1e-6, 20))

    found = isodose(30, tent(44), flat)

    assert found.full.volume_cc is None
    assert str(found.full.reason) == "the body contour has no volume"


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (box("BODY", (-60, -60, -60), (60, 60, 60)), ""),
        (
            None,
            "no body contour is drawn: isodose volumes count in the whole dose grid",
        ),
        (
            ROI(name="BODY"),
            "no body contour is drawn: isodose volumes count in the whole dose grid",
        ),
    ],
)
def test_without_a_body_contour_a_note_says_where_the_isodose_counts(
    body: ROI | None, note: str
) -> None:
    notes = [str(n) for n in compute_isodoses(30, tent(44), {"PTV": PTV}, body).notes]

    assert "".join(notes) == note


def test_of_several_targets_near_the_skin_no_volume_is_known() -> None:
    body = box("BODY", (-25, -60, -60), (60, 60, 60))
    found = compute_isodoses(30, two_tents(apart_mm=60), targets_at(-30, 30), body)

    assert str(found.union.full.reason) == (
        "the isodose leaves the body contour: not separable by target"
    )


# --- several targets ---


def pair(rx_gy: float, apart_mm: float) -> Isodoses:
    return compute_isodoses(
        rx_gy,
        two_tents(apart_mm=apart_mm),
        targets_at(-apart_mm / 2, apart_mm / 2),
        None,
    )


def test_a_single_target_has_all_of_the_isodose() -> None:
    """Also the hot spot that is not near it (RTOG: all of the prescription isodose)."""
    found = compute_isodoses(30, two_tents(apart_mm=60), targets_at(-30), None)

    assert found.union.full.volume_cc == pytest.approx(2 * octahedron_cc(10), rel=1e-3)
    assert found.by_target["PTV0"] == found.union


def test_targets_with_isodoses_apart_have_their_own() -> None:
    found = pair(30, 60)

    assert found.union.full.volume_cc == pytest.approx(2 * octahedron_cc(10), rel=1e-3)
    for target in ("PTV0", "PTV1"):
        assert found.by_target[target].full.volume_cc == pytest.approx(
            octahedron_cc(10), rel=1e-3
        )


def test_whether_targets_are_separable_is_decided_at_each_dose() -> None:
    """Tents 40 mm apart touch at 20 Gy: 30 Gy lie apart, 15 Gy together."""
    found = pair(30, 40)

    for target in ("PTV0", "PTV1"):
        assert found.by_target[target].full.volume_cc == pytest.approx(
            octahedron_cc(10), rel=1e-3
        )
        assert found.by_target[target].half.volume_cc is None
        assert (
            str(found.by_target[target].half.reason)
            == "not separable from another target's"
        )
    assert found.union.half.volume_cc is not None


def test_a_hot_spot_that_reaches_no_target_belongs_to_all_together() -> None:
    targets = targets_at(-30, 30)
    spot = targets_at(-30, -24)  # both at the left tent: the right one is no target's

    apart = compute_isodoses(30, two_tents(apart_mm=60), targets, None)
    found = compute_isodoses(30, two_tents(apart_mm=60), spot, None)

    assert found.union.full.volume_cc == apart.union.full.volume_cc
    assert found.by_target["PTV0"].full.volume_cc is None


def test_a_target_between_grid_points_is_found() -> None:
    """It holds no grid point, and shares the isodose of another all the same."""
    thin = box("thin", (0.4, 0.4, -4), (1.6, 1.6, 4), spacing_mm=2)
    other = box("PTV", (-4, -4, -4), (0, 4, 4), spacing_mm=2)
    found = compute_isodoses(30, tent(44), {"thin": thin, "PTV": other}, None)

    for target in ("thin", "PTV"):
        assert (
            str(found.by_target[target].full.reason)
            == "not separable from another target's"
        )


def test_a_target_that_no_isodose_reaches_has_none() -> None:
    found = compute_isodoses(30, two_tents(apart_mm=60), targets_at(-30, 0), None)

    assert found.by_target["PTV1"].full.volume_cc == 0
    assert found.by_target["PTV0"].full.volume_cc == pytest.approx(
        octahedron_cc(10), rel=1e-3
    )


def test_a_target_beyond_the_isodose_grid_box_shares_nothing() -> None:
    far = Sphere(radius_mm=5, centre_mm=(70, 30, 300)).roi("far", spacing_mm=2)
    found = compute_isodoses(
        30, two_tents(apart_mm=60), targets_at(-30) | {"far": far}, None
    )

    assert found.by_target["far"].full.volume_cc == 0
    assert found.by_target["PTV0"].full.volume_cc == pytest.approx(
        octahedron_cc(10), rel=1e-3
    )


@pytest.mark.parametrize("across", [(1, 0, 0), (1, 1, 0), (0, 1, 1), (1, 1, 1)])
def test_isodoses_that_share_a_cell_are_not_separable(
    across: tuple[int, int, int],
) -> None:
    """Two blocks of hot grid points, the second one step on along some axes: side, edge or corner.

    Each target lies at the far end of its block, off the cell that both blocks reach.
    """
    step = np.array(across)
    points = np.stack(np.meshgrid(*3 * [np.arange(-16, 17)], indexing="ij"), axis=-1)
    # Along an axis that is not crossed both blocks have the same points.
    hot = [
        np.where(step, (low <= points) & (points < low + 8), abs(points) <= 4).all(-1)
        for low in (-8, 0)
    ]
    axis = even_axis(-32, 32, 2.0)
    gy = np.where(hot[0] | hot[1], 30.0, 10.0).transpose(2, 1, 0)
    dose = DoseGrid(dose_gy=gy, x_mm=axis, y_mm=axis, z_mm=axis)
    targets = {
        name: box(name, tuple(middle - 2), tuple(middle + 2), spacing_mm=2)
        for name, middle in (("low", -12.0 * step), ("high", 10.0 * step))
    }

    found = compute_isodoses(25, dose, targets, None).by_target

    for target in targets:
        assert found[target].full.volume_cc is None
        assert str(found[target].full.reason) == "not separable from another target's"
