"""Synthetic spine plans are what they say they are, measured without the code that made them."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import shapely

from sbrtcheck.model import ROI, Contour, FloatArray
from sbrtcheck.phantoms.spine import NAMES, Drawn, SpinePlan, draw, roi_name, spine_plan
from sbrtcheck.phantoms.spine.__main__ import write
from sbrtcheck.phantoms.spine.drawn import Style
from sbrtcheck.protocol.load import load_protocol
from sbrtcheck.protocol.names import match_rois, read_levels
from sbrtcheck.protocol.rules import Protocol

BUILT = 60
FEW = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def built() -> list[SpinePlan]:
    return [spine_plan(7, number) for number in range(BUILT)]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(spine_plan(3, 4), tmp_path / name, bits=32)
    for name in ("RP.dcm", "RS.dcm", "RD.dcm"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()


def test_other_seeds_and_numbers_give_other_plans() -> None:
    assert (
        len({repr(draw(seed, number)) for seed in range(5) for number in range(20)})
        == 100
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("levels", 25),
        ("fractions", 4),
        ("prv_mm", 5),
        ("cord", 2),
        ("sac", 2),
        ("canal", 2),
        ("cauda", 2),
        ("oesophagus", 4),
        ("gut", 4),
        ("gut_kind", 3),
        ("kidneys", 4),
        ("plexus", 4),
        ("style", 7),
        ("variant", 2),
        ("grid_mm", 5),
        ("planes_mm", 6),
        ("outline", 3),
        ("reference", 3),
    ],
)
def test_every_value_of_a_property_occurs(name: str, count: int) -> None:
    assert len({getattr(draw(1, number), name) for number in range(300)}) == count


def test_a_drawn_plan_says_itself_in_one_line() -> None:
    assert "\n" not in repr(draw(1, 1))
    assert all(getattr(draw(1, 1), row.name) is not None for row in fields(Drawn)[:3])


def test_every_name_is_understood() -> None:
    protocol = load_protocol("nct06756087")
    for style, table in NAMES.items():
        for structure in table:
            for variant in (0, 1):
                for prv_mm in (1.0, 1.5, 2.0, 3.0):
                    _is_understood(protocol, structure, style, variant, prv_mm)


def _is_understood(
    protocol: Protocol, structure: str, style: Style, variant: int, prv_mm: float
) -> None:
    for level in ("T5", "T10", "L2"):
        name = roi_name(structure, style, variant, level=level, prv_mm=prv_mm)
        ring = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]])
        roi = ROI(name=name, contours=(Contour(points_mm=ring, z_mm=0.0),))
        (match,) = match_rois([roi], protocol, {})
        assert match.structure == structure, name
        if structure in ("PTV", "CTV", "GTV", "VB"):
            assert read_levels(name).stated == (level,), name


def test_nearly_all_plans_are_good(built: list[SpinePlan]) -> None:
    assert sum(made.is_good for made in built) >= 0.99 * BUILT


def test_coverage_is_as_drawn(built: list[SpinePlan]) -> None:
    for made in built:
        lower = min(made.truth.coverage_percent.values())
        assert lower == pytest.approx(made.drawn.coverage_percent, abs=0.5), made.drawn


@pytest.mark.parametrize("number", FEW)
def test_true_numbers_are_those_of_an_independent_sampling(
    built: list[SpinePlan], number: int
) -> None:
    made = built[number]
    spacing = made.drawn.planes_mm
    targets = [roi for roi in made.structure_set.rois if roi.interpreted_type == "PTV"]
    for roi, truth in zip(targets, made.truth.coverage_percent.values(), strict=True):
        dose = _doses_gy(made, roi, spacing)
        assert 100 * np.mean(dose >= made.drawn.rx_gy) == pytest.approx(truth, abs=0.6)
        assert dose.max() <= made.truth.maximum_gy * 1.01
    for structure, maximum in made.truth.maxima_gy.items():
        name = roi_name(
            structure, made.drawn.style, made.drawn.variant, prv_mm=made.drawn.prv_mm
        )
        for roi in made.structure_set.rois:
            if roi.name == name and structure.startswith(("Spinal", "Thecal", "Cauda")):
                assert _doses_gy(made, roi, spacing).max() == pytest.approx(
                    maximum, rel=0.04
                )


def _doses_gy(made: SpinePlan, roi: ROI, spacing: float) -> FloatArray:
    """Return the dose at random points of the slabs of an ROI."""
    rng = np.random.default_rng(0)
    doses = []
    for contour in roi.contours:
        ring = contour.points_mm
        low, high = ring.min(axis=0), ring.max(axis=0)
        points = rng.uniform(low, high, (4000, 2))
        shape = shapely.Polygon(ring)
        points = points[
            shapely.intersects_xy(shape.buffer(1e-6), points[:, 0], points[:, 1])
        ]
        z_mm = contour.z_mm + spacing * rng.uniform(-0.5, 0.5, len(points))
        # Rows fall as the area of the plane does, so that no plane weighs more than it has.
        doses.append(
            (shape.area, made.field.dose_gy_at(points[:, 0], points[:, 1], z_mm))
        )
    least = min(len(dose) / area for area, dose in doses)
    return np.concatenate([dose[-max(1, int(least * area)) :] for area, dose in doses])


def test_the_grid_holds_what_is_judged(built: list[SpinePlan]) -> None:
    for made in built:
        organs = [
            roi for roi in made.structure_set.rois if roi.interpreted_type != "EXTERNAL"
        ]
        z_mm = np.concatenate([roi.z_mm for roi in organs])
        assert (
            made.dose.z_mm[0] + made.drawn.grid_mm
            <= z_mm.min() - made.drawn.planes_mm / 2
        )
        assert (
            made.dose.z_mm[-1] - made.drawn.grid_mm
            >= z_mm.max() + made.drawn.planes_mm / 2
        )


def test_absent_organs_are_named_in_the_facts(built: list[SpinePlan]) -> None:
    for made in built:
        absent = "absent" in (made.drawn.oesophagus, made.drawn.gut)
        assert ("not_drawn" in made.facts) == absent
