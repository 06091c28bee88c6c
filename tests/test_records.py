"""Curves and metrics as columns and rows."""

import json

import numpy as np
import pytest

from builders import dvh_of
from sbrtcheck import (
    DVH,
    DoseGrid,
    MetricError,
    Prescription,
    compute_band,
    compute_dvh,
    curve_columns,
    curve_records,
    evaluate_metric,
    metric_columns,
    metric_records,
)
from sbrtcheck.phantoms import Box, even_axis, linear_dose
from sbrtcheck.report.records import CURVE_COLUMNS, METRIC_COLUMNS

AXIS = even_axis(-20, 20, 2)
RX = Prescription(dose_gy=20, fractions=5)


def dose() -> DoseGrid:
    return linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=20).sampled(
        AXIS, AXIS, AXIS
    )


def cube(name: str = "cube") -> DVH:
    return dvh_of(Box(size_mm=(10, 10, 10)).roi(name, spacing_mm=2), dose())


def test_columns_have_one_length_and_the_curve_of_each_roi() -> None:
    one, two = cube("one"), cube("two")

    columns = curve_columns([one, two])

    assert tuple(columns) == CURVE_COLUMNS
    size = one.dose_gy.size
    assert {len(column) for column in columns.values()} == {2 * size}
    assert columns["roi"] == ["one"] * size + ["two"] * size
    np.testing.assert_array_equal(columns["volume_cc"][size:], two.volume_cc_at_dose)
    assert columns["volume_percent"][0] == pytest.approx(100)


def test_rows_are_the_columns_in_plain_numbers() -> None:
    dvh = cube()

    rows = curve_records([dvh])

    assert [row["dose_gy"] for row in rows] == dvh.dose_gy.tolist()
    assert json.loads(json.dumps(rows))[0]["roi"] == "cube"


def test_an_roi_without_a_dose_has_no_rows() -> None:
    far = Box(size_mm=(4, 4, 4), centre_mm=(100, 0, 0)).roi("far", spacing_mm=2)

    assert curve_records([compute_dvh(far, dose())]) == []


def test_metrics_of_a_cube_in_a_ramp_are_those_on_paper() -> None:
    """The dose rises from 15 to 25 Gy over 10 mm: D20% is 23 Gy, V20Gy half of 1 cc."""
    rows = metric_records(
        [cube()], ["D20%", "V20Gy[cc]", "V100%", "volume"], prescription=RX
    )

    assert [tuple(row) for row in rows] == [METRIC_COLUMNS] * 4
    assert [row["value"] for row in rows] == pytest.approx([23, 0.5, 50, 1], rel=1e-5)
    assert [row["unit"] for row in rows] == ["Gy", "cc", "%", "cc"]
    assert all(row["reason"] is None for row in rows)


def test_what_cannot_be_known_is_none_with_a_reason() -> None:
    small, unprescribed = metric_records([cube()], ["D2cc", "V100%"])

    assert small["value"] is None
    assert "less than the 2 cc" in str(small["reason"])
    assert unprescribed["value"] is None
    assert unprescribed["reason"] == "the prescription is not known"


def test_a_band_answers_with_an_interval_and_a_dvh_without() -> None:
    box = Box(size_mm=(10, 10, 10)).roi("cube", spacing_mm=2)
    band = compute_band(box, dose())

    of_band, of_dvh = metric_records([band, band.nominal], ["D0.035cc"])

    assert isinstance(of_band["low"], float)
    assert of_band["low"] < of_band["value"] <= of_band["high"]  # type: ignore[operator]
    assert of_band["value"] == of_dvh["value"]
    assert of_dvh["low"] is None


def test_a_text_that_is_no_metric_is_refused() -> None:
    with pytest.raises(MetricError, match="expected"):
        evaluate_metric("D0.035", cube())


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_take_columns_and_rows_as_they_are(library: str) -> None:
    module = pytest.importorskip(library)
    columns, rows = curve_columns([cube()]), metric_records([cube()], ["D2cc", "D50%"])

    if library == "pyarrow":
        curve, metrics = module.table(columns), module.Table.from_pylist(rows)
        assert curve.column_names == list(CURVE_COLUMNS)
        assert metrics.column("value").to_pylist() == [None, rows[1]["value"]]
    else:
        curve, metrics = module.DataFrame(columns), module.DataFrame(rows)
        assert list(curve.columns) == list(CURVE_COLUMNS)
        assert len(metrics) == 2


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("unknown", [0, 99, 100, 101, 1000])
def test_frames_take_columns_of_metrics_however_many_are_unknown_at_first(
    library: str, unknown: int
) -> None:
    module = pytest.importorskip(library)
    columns = metric_columns([cube()], ["D2cc"] * unknown + ["D50%"])
    frame = (module.table if library == "pyarrow" else module.DataFrame)(columns)

    assert list(columns) == list(METRIC_COLUMNS)
    assert len(frame) == unknown + 1
    value = frame["value"].to_pylist() if library == "pyarrow" else frame["value"]
    assert float(list(value)[-1]) == columns["value"][-1]
