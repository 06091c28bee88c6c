"""The language of dosimetry: what parses, what does not and where, and what has no answer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbrtcheck.dvh import DVH, compute_dvh
from sbrtcheck.errors import MetricError, SbrtCheckError
from sbrtcheck.metric import (
    Constraint,
    Dosimetry,
    Metric,
    Value,
    evaluate,
    number_text,
    parse_constraint,
    parse_metric,
)
from sbrtcheck.model import ROI, DoseGrid, Prescription, Text
from sbrtcheck.phantoms import Box, even_axis, linear_dose

LAW = settings(max_examples=200, deadline=None, derandomize=True, database=None)
RX = Prescription(dose_gy=40, fractions=5, target="PTV", source=Text("declared"))


def rising(high_mm: float = 20.0) -> DoseGrid:
    """Return a dose of 40 Gy at x = 0 that rises by 1 Gy/mm, up to x = `high_mm`."""
    axis_mm = even_axis(-20, 20, 2.0)
    field = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=40)
    return field.sampled(even_axis(high_mm - 40, high_mm, 2.0), axis_mm, axis_mm)


def box(*, high_mm: float = 20.0) -> DVH:
    """Return the DVH of a box of 2 cc, from 30 to 50 Gy in `rising`."""
    return compute_dvh(Box(size_mm=(20, 10, 10)).roi("box", spacing_mm=2), rising(high_mm))


def answer(text: str, dvh: DVH | None = None, *, rx: Prescription | None = RX) -> Value:
    dosimetry = Dosimetry(dvhs={"cord": dvh or box()}, prescription=rx)
    return evaluate(parse_metric(text), "cord", dosimetry)


# --- the grammar ---

NUMBERS = st.one_of(
    st.integers(1, 10_000).map(float),
    st.decimals("0.001", "999", places=3).map(float),
    st.floats(1e-6, 1e6),
)


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    kind = draw(st.sampled_from(["D", "V", "Dmin", "Dmax", "Dmean", "volume"]))
    argument, argument_unit = None, ""
    if kind == "D":
        argument_unit = draw(st.sampled_from(["%", "cc"]))
        argument = draw(NUMBERS.filter(lambda number: argument_unit == "cc" or number <= 100))
    if kind == "V":
        argument_unit = draw(st.sampled_from(["%", "Gy"]))
        argument = draw(NUMBERS)
    units = {"V": ["%", "cc"], "volume": ["cc"]}.get(kind, ["Gy", "%"])
    return Metric(kind, draw(st.sampled_from(units)), argument, argument_unit)


@LAW
@given(metrics())
def test_a_metric_printed_and_read_again_is_the_same(metric: Metric) -> None:
    assert parse_metric(str(metric)) == metric


@LAW
@given(metrics(), st.sampled_from(["<", "<=", ">", ">="]), NUMBERS)
def test_a_constraint_printed_and_read_again_is_the_same(
    metric: Metric, operator: str, limit: float
) -> None:
    constraint = Constraint(metric, operator, limit)

    assert parse_constraint(str(constraint)) == constraint


@pytest.mark.parametrize(
    "text",
    ["D0.035cc", "D95%", "V100%", "V20Gy", "V20Gy[cc]", "D95%[%]", "Dmax", "Dmean[%]", "volume"],
)
def test_a_metric_prints_as_it_was_written(text: str) -> None:
    assert str(parse_metric(text)) == text


@pytest.mark.parametrize(
    ("written", "printed"),
    [("  V20Gy ", "V20Gy"), ("D2.0%", "D2%"), ("D.5cc", "D0.5cc"), ("V20Gy[%]", "V20Gy")],
)
def test_a_metric_prints_in_its_plain_form(written: str, printed: str) -> None:
    assert str(parse_metric(written)) == printed


@pytest.mark.parametrize(
    ("number", "text"),
    [(25.3, "25.3"), (90.0, "90"), (0.035, "0.035"), (1e-05, "0.00001"), (1e22, "1" + 22 * "0")],
)
def test_numbers_print_without_exponents(number: float, text: str) -> None:
    """`1e-05` would not parse."""
    assert number_text(number) == text


def test_the_answer_of_v_is_in_per_cent_unless_asked_otherwise() -> None:
    assert parse_metric("V20Gy") == Metric("V", "%", 20, "Gy")
    assert parse_metric("V20Gy[cc]") == Metric("V", "cc", 20, "Gy")


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        (
            "",
            0,
            "expected one of D, DC, V, CV, Dmin, Dmax, Dmean, Dmedian, volume, CI.rtog, CI.paddick, GI.paddick, HI.icru83, R50",
        ),
        (
            "X95%",
            0,
            "expected one of D, DC, V, CV, Dmin, Dmax, Dmean, Dmedian, volume, CI.rtog, CI.paddick, GI.paddick, HI.icru83, R50",
        ),
        (
            "  d95%",
            2,
            "expected one of D, DC, V, CV, Dmin, Dmax, Dmean, Dmedian, volume, CI.rtog, CI.paddick, GI.paddick, HI.icru83, R50",
        ),
        ("D%", 1, "expected a number"),
        ("D-1cc", 1, "expected a number"),
        ("D 95%", 1, "expected a number"),
        ("D95", 3, "expected % or cc or mm3"),
        ("D95Gy", 3, "expected % or cc or mm3"),
        ("V20cc", 3, "expected % or Gy"),
        ("D0%", 1, "expected a volume above 0 and at most 100 %"),
        ("D0.0cc", 1, "expected a volume above 0 and at most 100 %"),
        ("D101%", 1, "expected a volume above 0 and at most 100 %"),
        ("V20Gy[Gy]", 6, "expected [%] or [cc]"),
        ("D95%[cc]", 5, "expected [Gy] or [%]"),
        ("V20Gy[cc", 8, "expected [%] or [cc]"),
        ("D95%x", 4, "expected nothing more here"),
        ("Dmax 3", 5, "expected nothing more here"),
        ("D95% <= 3Gy", 5, "expected nothing more here"),
    ],
)
def test_the_caret_stands_under_what_does_not_parse(text: str, column: int, expected: str) -> None:
    with pytest.raises(MetricError) as caught:
        parse_metric(text)

    assert str(caught.value) == f"{text}\n{' ' * column}^ {expected}"
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("D95%", 4, "expected <=, <, >= or >"),
        ("D95% = 3Gy", 5, "expected <=, <, >= or >"),
        ("D95% <= Gy", 8, "expected a number"),
        ("D95% <= 3", 9, "expected the limit's unit: Gy, % or cc"),
        ("D95% <= 3cGy", 9, "expected the limit's unit: Gy, % or cc"),
        ("D95% <= 3Gy!", 11, "expected nothing more here"),
        ("D95% <= 3cc", 9, "D95% is in Gy, the limit in cc"),
        ("D95%[%] >= 38Gy", 13, "D95%[%] is in %, the limit in Gy"),
        ("V20Gy <= 3Gy", 10, "V20Gy is in %, the limit in Gy"),
        ("V20Gy[cc] <= 3%", 14, "V20Gy[cc] is in cc, the limit in %"),
        ("volume >= 3%", 11, "volume is in cc, the limit in %"),
    ],
)
def test_the_caret_stands_under_what_is_no_constraint(
    text: str, column: int, expected: str
) -> None:
    with pytest.raises(MetricError) as caught:
        parse_constraint(text)

    assert str(caught.value) == f"{text}\n{' ' * column}^ {expected}"


def test_a_metric_error_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="expected a number"):
        parse_metric("D")
    with pytest.raises(SbrtCheckError, match="expected a number"):
        parse_metric("D")


# --- constraints ---


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("D0.035cc<=25.3Gy", "D0.035cc <= 25.3Gy"),
        ("D0.035cc ≤ 25.3 Gy", "D0.035cc <= 25.3Gy"),
        ("V100% ≥ 90%", "V100% >= 90%"),
        ("Dmax < 30Gy", "Dmax < 30Gy"),
        ("volume > 0.5cc", "volume > 0.5cc"),
        ("V20Gy <= 10cc", "V20Gy[cc] <= 10cc"),
        ("D95% >= 100%", "D95%[%] >= 100%"),
        ("V20Gy[cc] <= 10cc", "V20Gy[cc] <= 10cc"),
    ],
)
def test_a_limit_in_another_unit_asks_the_metric_for_it(text: str, printed: str) -> None:
    assert str(parse_constraint(text)) == printed


@pytest.mark.parametrize(
    ("operator", "below", "at", "above"),
    [
        ("<=", True, True, False),
        ("≤", True, True, False),
        ("<", True, False, False),
        (">=", False, True, True),
        ("≥", False, True, True),
        (">", False, False, True),
    ],
)
def test_a_value_on_the_limit_holds_only_if_the_sign_says_so(
    operator: str, below: bool, at: bool, above: bool
) -> None:
    constraint = parse_constraint(f"Dmax {operator} 25.3Gy")

    held = [constraint.holds(value) for value in (25.299999999, 25.3, 25.300000001)]
    assert held == [below, at, above]


def test_a_margin_is_positive_on_the_right_side() -> None:
    assert parse_constraint("Dmax <= 25Gy").margin(24.0) == 1
    assert parse_constraint("V100% >= 90%").margin(88.0) == -2
    assert parse_constraint("Dmax < 25Gy").is_upper
    assert not parse_constraint("V100% > 90%").is_upper


# --- answers: the box holds 0.1 cc, 5 %, in each Gy from 30 to 50; 40 Gy are prescribed ---


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("D95%", 31),
        ("D50%", 40),
        ("D0.1cc", 49),
        ("D95%[%]", 77.5),
        ("D0.1cc[%]", 122.5),
        ("V45Gy", 25),
        ("V45Gy[cc]", 0.5),
        ("V100%", 50),
        ("V100%[cc]", 1),
        ("V110%", 30),
        ("V60Gy", 0),
        ("V10Gy", 100),
        ("Dmin", 30),
        ("Dmax", 50),
        ("Dmean", 40),
        ("Dmax[%]", 125),
        ("volume", 2),
    ],
)
def test_a_metric_answers_in_its_unit(text: str, truth: float) -> None:
    # The curve has bins of 0.01 Gy, of which each holds 0.05 % or 0.001 cc.
    assert answer(text).value == pytest.approx(truth, abs=0.01)
    assert answer(text).reason is None


@pytest.mark.parametrize("text", ["V100%", "V100%[cc]", "D95%[%]", "Dmax[%]"])
def test_per_cent_of_dose_is_unknown_without_a_prescription(text: str) -> None:
    value = answer(text, rx=None)

    assert value.value is None
    assert str(value.reason) == "the prescription is not known"


@pytest.mark.parametrize("text", ["D95%", "D0.035cc", "V20Gy", "V20Gy[cc]", "Dmean", "volume"])
def test_other_metrics_need_no_prescription(text: str) -> None:
    assert answer(text, rx=None) == answer(text)
    assert answer(text, rx=None).value is not None


def test_an_roi_smaller_than_the_asked_volume_is_not_evaluated() -> None:
    value = answer("D2.5cc")

    assert value.value is None
    assert str(value.reason) == "the ROI has 2 cc, less than the 2.5 cc asked for"


@pytest.mark.parametrize("text", ["D95%", "V20Gy", "Dmax", "volume"])
def test_a_structure_that_is_not_there_is_not_evaluated(text: str) -> None:
    value = evaluate(parse_metric(text), "cauda", Dosimetry(dvhs={"cord": box()}))

    assert value == Value(None, reason=Text("{structure} is not there", structure="cauda"))
    assert str(value.reason) == "cauda is not there"


@pytest.mark.parametrize("text", ["D95%", "V20Gy", "Dmax", "volume"])
def test_an_roi_without_volume_is_not_evaluated(text: str) -> None:
    value = answer(text, compute_dvh(ROI(name="empty"), rising()))

    assert value.value is None
    assert str(value.reason) == "the ROI has no closed contours"


@pytest.mark.parametrize("text", ["D95%", "V20Gy", "Dmax", "Dmean"])
def test_an_roi_outside_the_dose_grid_is_not_evaluated(text: str) -> None:
    far = Box(size_mm=(5, 5, 6), centre_mm=(300, 0, 0)).roi("far", spacing_mm=2)
    value = answer(text, compute_dvh(far, rising()))

    assert value == Value(None, reason=Text("the ROI lies outside the dose grid"))


@pytest.mark.parametrize("text", ["D95%", "V20Gy", "Dmean", "Dmin", "V100%[cc]"])
def test_an_roi_that_leaves_the_dose_grid_has_no_value(text: str) -> None:
    value = answer(text, box(high_mm=0.0))

    assert (value.value, value.low, value.high) == (None, None, None)
    assert str(value.reason) == "50 % of the ROI lies outside the dose grid"


@pytest.mark.parametrize(
    ("text", "low"), [("D0.1cc", 39), ("Dmax", 40), ("D0.1cc[%]", 97.5), ("Dmax[%]", 100)]
)
def test_what_is_inside_bounds_a_near_maximum_from_below(text: str, low: float) -> None:
    value = answer(text, box(high_mm=0.0))

    assert value.value is None
    assert value.low == pytest.approx(low, abs=0.03)  # a bin of 0.01 Gy, in per cent of 40
    assert value.high is None


def test_the_volume_of_an_roi_needs_no_dose() -> None:
    assert answer("volume", box(high_mm=0.0)).value == pytest.approx(2, rel=1e-12)


def test_the_whole_volume_has_the_least_dose() -> None:
    dvh = box()

    assert answer("D100%", dvh).value == dvh.min_gy
    assert answer(f"D{dvh.volume_cc}cc", dvh).value == dvh.min_gy


def test_a_sliver_of_rounding_outside_the_grid_costs_no_answer() -> None:
    """The part outside is 1e-13 of the box."""
    dvh = compute_dvh(
        Box(size_mm=(20, 10, 10)).roi("box", spacing_mm=2),
        replace(rising(), x_mm=np.linspace(-20, 10 - 1e-12, 21)),
    )

    assert answer("D100%", dvh).value is not None
