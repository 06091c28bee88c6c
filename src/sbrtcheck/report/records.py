"""Curves and metrics as plain columns and rows, for pandas, polars, pyarrow or a CSV writer.

    pandas.DataFrame(curve_columns(dvhs))     polars.DataFrame(curve_columns(dvhs))
    pandas.DataFrame(metric_columns(...))     polars.DataFrame(metric_columns(...))
    pyarrow.table(curve_columns(dvhs))        pyarrow.table(metric_columns(...))

None of them is needed here.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sbrtcheck.dvh import DVH, Band, DVHResult
from sbrtcheck.model import FloatArray, Prescription
from sbrtcheck.protocol.evaluate import evaluate_metric
from sbrtcheck.protocol.metric import Metric, parse_metric
from sbrtcheck.report.words import words_of

__all__ = [
    "CURVE_COLUMNS",
    "METRIC_COLUMNS",
    "curve_columns",
    "curve_records",
    "metric_columns",
    "metric_records",
]

CURVE_COLUMNS = ("roi", "dose_gy", "volume_cc", "volume_percent")
METRIC_COLUMNS = ("roi", "metric", "value", "low", "high", "unit", "reason")


def curve_columns(
    dvhs: Iterable[DVHResult | Band],
) -> dict[str, list[str] | FloatArray]:
    """Return the curves of ROIs as columns of equal length, ROI after ROI.

    Parameters
    ----------
    dvhs
        DVHs, or bands, of which the nominal curve counts.

    Returns
    -------
    "roi" (a list of names), and arrays of shape (n,): "dose_gy" ascending within an ROI,
    "volume_cc" and "volume_percent" that receive at least that dose, in percent of the whole ROI.
    An ROI of which no dose is known has no rows.

    Examples
    --------
    >>> from sbrtcheck import compute_dvh, curve_columns
    >>> from sbrtcheck.phantoms import Sphere, even_axis, linear_dose
    >>> axis = even_axis(-20, 20, 2)
    >>> dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=20).sampled(axis, axis, axis)
    >>> dvh = compute_dvh(Sphere(radius_mm=10).roi("sphere", spacing_mm=2), dose)
    >>> columns = curve_columns([dvh])
    >>> sorted(columns), columns["roi"][0], round(columns["volume_percent"][0])
    (['dose_gy', 'roi', 'volume_cc', 'volume_percent'], 'sphere', 100)
    """
    names: list[str] = []
    # Without any curve there are still arrays, of no length.
    doses_gy, volumes_cc, percents = [np.empty(0)], [np.empty(0)], [np.empty(0)]
    for dvh in _curves(dvhs):
        names += [dvh.roi_name] * dvh.dose_gy.size
        doses_gy.append(dvh.dose_gy)
        volumes_cc.append(dvh.volume_cc_at_dose)
        percents.append(100 * dvh.volume_cc_at_dose / dvh.volume_cc)
    return {
        "roi": names,
        "dose_gy": np.concatenate(doses_gy),
        "volume_cc": np.concatenate(volumes_cc),
        "volume_percent": np.concatenate(percents),
    }


def _curves(dvhs: Iterable[DVHResult | Band]) -> Iterator[DVH]:
    """Yield the curves of all that have one."""
    for given in dvhs:
        dvh = _nominal(given)
        if isinstance(dvh, DVH):
            yield dvh


def _nominal(dvh: DVHResult | Band) -> DVHResult:
    if isinstance(dvh, Band):
        return dvh.nominal
    return dvh


def curve_records(dvhs: Iterable[DVHResult | Band]) -> list[dict[str, str | float]]:
    """Return the rows of `curve_columns`, each as a mapping of plain strings and numbers.

    Parameters
    ----------
    dvhs
        DVHs, or bands, of which the nominal curve counts.

    Returns
    -------
    Mappings of "roi", "dose_gy", "volume_cc" and "volume_percent".

    Examples
    --------
    >>> from sbrtcheck import compute_dvh, curve_records
    >>> from sbrtcheck.phantoms import Sphere, even_axis, linear_dose
    >>> axis = even_axis(-20, 20, 2)
    >>> dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=20).sampled(axis, axis, axis)
    >>> rows = curve_records([compute_dvh(Sphere(radius_mm=10).roi("s", spacing_mm=2), dose)])
    >>> rows[0]["roi"], rows[-1]["volume_cc"]
    ('s', 0.0)
    """
    columns = curve_columns(dvhs)
    # Plain Python numbers: writers of JSON and CSV take them.
    plain = [_plain(columns[name]) for name in CURVE_COLUMNS]
    return [
        dict(zip(CURVE_COLUMNS, row, strict=True)) for row in zip(*plain, strict=True)
    ]


def _plain(column: list[str] | FloatArray) -> list[str] | list[float]:
    if isinstance(column, list):
        return column
    numbers: list[float] = column.tolist()
    return numbers


def _metric(metric: Metric | str) -> Metric:
    if isinstance(metric, str):
        return parse_metric(metric)
    return metric


def metric_records(
    dvhs: Iterable[DVHResult | Band],
    metrics: Sequence[Metric | str],
    *,
    prescription: Prescription | None = None,
) -> list[dict[str, str | float | None]]:
    """Return a row for each ROI and metric.

    Parameters
    ----------
    dvhs
        DVHs; or bands, whose answers have an interval.
    metrics
        Metrics or their texts: "D0.035cc", "V20Gy", "volume".
    prescription
        Needed where a metric speaks of it: "V100%".

    Returns
    -------
    Rows with "roi", "metric", "value", "low", "high", "unit" and "reason". What cannot be known has
    the value None and a reason; what has no interval has `low` and `high` of None.

    Raises
    ------
    MetricError
        If a text is no metric.

    Examples
    --------
    >>> from sbrtcheck import compute_dvh, metric_records
    >>> from sbrtcheck.phantoms import Sphere, even_axis, linear_dose
    >>> axis = even_axis(-20, 20, 2)
    >>> dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=20).sampled(axis, axis, axis)
    >>> dvh = compute_dvh(Sphere(radius_mm=10).roi("sphere", spacing_mm=2), dose)
    >>> half, much = metric_records([dvh], ["D50%", "D100cc"])
    >>> half["metric"], round(half["value"], 2), half["unit"]
    ('D50%', 20.0, 'Gy')
    >>> much["value"], much["reason"]
    (None, 'the ROI has 4.21 cc, less than the 100 cc asked for')
    """
    asked = [_metric(metric) for metric in metrics]
    rows: list[dict[str, str | float | None]] = []
    for dvh in dvhs:
        for metric in asked:
            value = evaluate_metric(metric, dvh, prescription=prescription)
            rows.append(
                {
                    "roi": _nominal(dvh).roi_name,
                    "metric": str(metric),
                    "value": value.value,
                    "low": value.low,
                    "high": value.high,
                    "unit": metric.unit,
                    "reason": words_of(value.reason),
                }
            )
    return rows


def metric_columns(
    dvhs: Iterable[DVHResult | Band],
    metrics: Sequence[Metric | str],
    *,
    prescription: Prescription | None = None,
) -> dict[str, list[str | float | None]]:
    """Return the rows of `metric_records` as columns of equal length.

    Frames find the type of a column from the whole of it; of rows, some look at the first hundred
    only, and fail where these hold no value.

    Parameters
    ----------
    dvhs, metrics, prescription
        As in `metric_records`.

    Returns
    -------
    Lists by the names of `METRIC_COLUMNS`.

    Raises
    ------
    MetricError
        If a text is no metric.

    Examples
    --------
    >>> from sbrtcheck import compute_dvh, metric_columns
    >>> from sbrtcheck.phantoms import Sphere, even_axis, linear_dose
    >>> axis = even_axis(-20, 20, 2)
    >>> dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=20).sampled(axis, axis, axis)
    >>> dvh = compute_dvh(Sphere(radius_mm=10).roi("sphere", spacing_mm=2), dose)
    >>> metric_columns([dvh], ["D50%", "D100cc"])["metric"]
    ['D50%', 'D100cc']
    """
    rows = metric_records(dvhs, metrics, prescription=prescription)
    return {name: [row[name] for row in rows] for name in METRIC_COLUMNS}
