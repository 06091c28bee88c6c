"""DVHs without a verdict: a page for the terminal, and CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from sbrtcheck.dvh import DVH, Band, DVHResult, NothingDrawn
from sbrtcheck.model import Prescription
from sbrtcheck.protocol.metric import Metric
from sbrtcheck.report.records import (
    CURVE_COLUMNS,
    METRIC_COLUMNS,
    curve_records,
    metric_records,
)
from sbrtcheck.report.tables import for_console, notes_below, table
from sbrtcheck.report.words import (
    Voice,
    decimals_for,
    inert,
    joined,
    number_and_interval,
    text_of,
    told_of,
    words_of,
)

UNKNOWN = "?"
FOOT = "Of this plan's own dose; nothing is judged. Intervals: reading of contours and grid only."


def render_metrics(
    bands: Sequence[Band],
    metrics: Sequence[Metric],
    prescription: Prescription | None,
    voice: Voice,
    *,
    width: int,
    ascii_only: bool = False,
) -> str:
    """Return a row for each ROI and metric: value, interval, unit, or why it is not known."""
    rows = [("ROI", "metric", "value", "(low-high)", "unit", "")]
    for record in metric_records(bands, metrics, prescription=prescription):
        shown, interval = _shown(record)
        rows.append(
            (
                voice.name(str(record["roi"])),
                str(record["metric"]),
                shown,
                interval,
                str(record["unit"]),
                voice.name(text_of(words_of(record["reason"]))),
            )
        )
    text = table(rows, width, right=(2,)) + _foot(
        [band.nominal for band in bands], voice
    )
    return for_console(text, ascii_only=ascii_only)


DOSES = ("Dmin", "D98%", "Dmean", "D2%", "D0.035cc", "Dmax")


def render_overview(
    dvhs: Sequence[DVHResult], voice: Voice, *, width: int, ascii_only: bool = False
) -> str:
    """Return a row for each ROI: volume, and least, mean, near-maximum and highest dose."""
    rows: list[tuple[str, ...]] = [("ROI", "cc", *DOSES[:-1], f"{DOSES[-1]} [Gy]")]
    rows += [
        (voice.name(dvh.roi_name), _number(dvh.volume_cc, "cc"), *_doses(dvh))
        for dvh in dvhs
    ]
    text = table(rows, width, right=tuple(range(1, 8))) + _foot(dvhs, voice)
    return for_console(text, ascii_only=ascii_only)


def _doses(dvh: DVHResult) -> list[str]:
    """Return the doses of the overview; none is known of an ROI that leaves the grid."""
    if not isinstance(dvh, DVH) or not dvh.is_complete:
        return [UNKNOWN] * len(DOSES)
    doses_gy = (
        dvh.min_gy,
        dvh.dose_at_percent_gy(98),
        dvh.mean_gy,
        dvh.dose_at_percent_gy(2),
        dvh.dose_at_volume_gy(0.035),
        dvh.max_gy,
    )
    return [_number(dose_gy, "Gy") for dose_gy in doses_gy]


def curves_csv(dvhs: Iterable[DVHResult], voice: Voice) -> str:
    """Return all curves as CSV: ROI, dose, volume in cc and in percent of the ROI."""
    return _csv(CURVE_COLUMNS, curve_records(dvhs), voice)


def metrics_csv(
    bands: Iterable[Band],
    metrics: Sequence[Metric],
    prescription: Prescription | None,
    voice: Voice,
) -> str:
    """Return metrics as CSV, a line for each ROI and metric; what is not known stays empty."""
    records = metric_records(bands, metrics, prescription=prescription)
    return _csv(METRIC_COLUMNS, records, voice)


def _csv(
    columns: Sequence[str],
    records: Iterable[Mapping[str, str | float | None]],
    voice: Voice,
) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for record in records:
        writer.writerow([_cell(record[column], voice) for column in columns])
    return buffer.getvalue()


def _cell(value: str | float | None, voice: Voice) -> str:
    """Return what stands in a cell: numbers whole, strings masked and never a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return inert(voice.name(value))
    return repr(value)


def _shown(record: Mapping[str, str | float | None]) -> tuple[str, str]:
    value = _float(record["value"])
    low, high = _float(record["low"]), _float(record["high"])
    if value is None:
        at_least = told_of(low, ">= {:.2f}".format)
        at_most = told_of(high, "<= {:.2f}".format)
        return UNKNOWN, joined((at_least, at_most))
    decimals = decimals_for(value, str(record["unit"]))
    if low is None or high is None:
        return f"{value:.{decimals}f}", ""
    return number_and_interval(value, low, high, None, decimals)


def _float(value: str | float | None) -> float | None:
    if value is None:
        return None
    return float(value)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.{decimals_for(value, unit)}f}"


def _foot(dvhs: Sequence[DVHResult], voice: Voice) -> str:
    """Return what was assumed or mended in each ROI, what of it has no dose, and what this is."""
    notes: list[str] = []
    for dvh in dvhs:
        name = voice.name(dvh.roi_name)
        notes += voice.say_about(name, dvh.notes)
        is_drawn = not isinstance(dvh, NothingDrawn)
        if is_drawn and not dvh.is_complete:
            notes.append(
                f"{name}: {_number(dvh.volume_outside_cc, 'cc')} cc lie outside the dose grid;"
                " no dose is known there"
            )
    return f"{notes_below(notes)}\n{FOOT}\n"
