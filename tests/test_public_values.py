"""Public values: frozen whatever is asked of them, whole after a copy, short when shown."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import sbrtcheck
import sbrtcheck.model
from builders import dose_grid
from sbrtcheck import (
    check,
    compute_band,
    compute_dvh,
    load_case,
    load_protocol,
    parse_metric,
)
from sbrtcheck.dvh import NoDose, NothingDrawn
from sbrtcheck.model import (
    ROI,
    Answer,
    Decision,
    Declared,
    ExportedDVH,
    FloatArray,
    Review,
    ReviewedFinding,
    Value,
)
from sbrtcheck.phantoms import Sphere

SAMPLE = Path(__file__).parents[1] / "sample_dicom/t8_30gy5_pass"
LONGEST = 200  # characters of a repr
# All fields of these are few and plain.
OF_FEW_FIELDS = (
    "CaseFacts",
    "Convention",
    "Declared",
    "DoseHeader",
    "DoseReference",
    "Metric",
)


REVIEW = Review(
    plan="1.2.3",
    verdict="0" * 64,
    reviewer="Li Na",
    role="medical physicist",
    on=date(2026, 2, 3),
    decision=Decision.RETURNED,
    findings=(
        ReviewedFinding(
            finding="limit.cord",
            subject="SpinalCord",
            answer=Answer.REJECTED,
            reason="the cord is not drawn to its end " * 9,
        ),
    ),
)


def made() -> dict[str, object]:
    """Return one value of each public class that holds data."""
    case = load_case(SAMPLE)
    verdict = check(case, load_protocol("nct06756087"))
    roi = case.structure_set.rois[0]
    header = case.dose.header
    assert header is not None
    away = Sphere(radius_mm=3).roi("x", spacing_mm=1)
    elsewhere = dose_grid(lambda x, y, z: x + y + z, (100, 100, 100), (120, 120, 120))
    values = [
        case,
        case.plan,
        case.structure_set,
        case.dose,
        case.plan.instance,
        case.plan.instance.patient,
        case.plan.beams[0],
        case.plan.fraction_groups[0],
        case.plan.dose_references[0],
        header,
        roi,
        roi.contours[0],
        compute_dvh(roi, case.dose),
        compute_band(roi, case.dose),
        compute_dvh(ROI(name="empty"), case.dose),
        compute_dvh(away, elsewhere),
        verdict,
        verdict.findings[0],
        verdict.prescription,
        verdict.declared,
        verdict.declared.facts,
        verdict.protocol,
        sbrtcheck.Convention(),
        parse_metric("D0.035cc"),
        Value(1.0),
        verdict.findings[0].message,
        ExportedDVH(bin_widths=[1.0, 1.0], volumes=[2.0, 1.0]),  # type: ignore[arg-type]
        case.plan.beams[0].control_points[0],
        case.plan.beams[0].control_points[0].openings[0],
        REVIEW,
        REVIEW.findings[0],
    ]
    return {type(value).__name__: value for value in values}


VALUES = made()


def public_classes() -> set[str]:
    names = {*sbrtcheck.__all__, *sbrtcheck.model.__all__}
    found = [
        getattr(sbrtcheck, name, getattr(sbrtcheck.model, name, None)) for name in names
    ]
    return {
        kind.__name__ for kind in found if isinstance(kind, type) and is_dataclass(kind)
    }


def test_each_public_class_is_tried() -> None:
    assert public_classes() <= {*VALUES, "FaceBounds", "Sums"}
    assert {NoDose.__name__, NothingDrawn.__name__, Declared.__name__} <= {*VALUES}


@pytest.mark.parametrize("name", VALUES)
def test_no_attribute_can_be_set_or_deleted_whether_or_not_it_is_there(
    name: str,
) -> None:
    value = VALUES[name]
    there = fields(value)[0].name  # type: ignore[arg-type]

    for attribute in (there, "no_such_name"):
        with pytest.raises(
            FrozenInstanceError, match=f"'{attribute}' cannot be changed"
        ):
            setattr(value, attribute, 1)
        with pytest.raises(
            FrozenInstanceError, match=f"'{attribute}' cannot be changed"
        ):
            delattr(value, attribute)


@pytest.mark.parametrize("name", sorted({*VALUES} - {*OF_FEW_FIELDS}))
def test_a_repr_is_a_short_line(name: str) -> None:
    shown = repr(VALUES[name])

    assert len(shown) <= LONGEST
    assert "\n" not in shown


def test_no_repr_names_the_patient() -> None:
    case = load_case(SAMPLE)
    name = case.plan.instance.patient.name
    patient_id = case.plan.instance.patient.patient_id
    assert name
    assert patient_id

    for shown in map(repr, VALUES.values()):
        assert name not in shown
        assert patient_id not in shown


def pickled(value: object) -> object:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


def arrays_of(value: object) -> list[FloatArray]:
    found = [getattr(value, field.name) for field in fields(value)]  # type: ignore[arg-type]
    return [array for array in found if isinstance(array, np.ndarray)]


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("name", ["Contour", "DoseGrid", "DVH", "ExportedDVH"])
def test_arrays_of_a_copy_are_frozen(
    name: str, way: Callable[[object], object]
) -> None:
    copied = way(VALUES[name])

    assert arrays_of(copied)
    for array, original in zip(arrays_of(copied), arrays_of(VALUES[name]), strict=True):
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, original)
        with pytest.raises(ValueError, match="read-only"):
            array.flat[0] = 7.0


@pytest.mark.parametrize("hidden", [False, True])
def test_what_was_given_can_change_and_the_value_does_not(*, hidden: bool) -> None:
    """A view that cannot be written may still follow an array that can."""
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    given = corners.view()
    given.flags.writeable = not hidden

    ring = sbrtcheck.Contour(points_mm=given, z_mm=0.0)
    corners[:] = 9.0

    assert ring.points_mm.tolist() == [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
