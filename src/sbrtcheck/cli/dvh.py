"""`sbrtcheck dvh`: curves and metrics of a plan's ROIs, without a verdict."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sbrtcheck.cli import options
from sbrtcheck.cli.common import (
    app,
    declared_by,
    page_width,
    reading,
    refuse,
    usage,
    write_whole,
)

if TYPE_CHECKING:
    from sbrtcheck.dvh import Band
    from sbrtcheck.model import ROI, Declared, DoseGrid, Plan, Prescription
    from sbrtcheck.protocol.metric import Metric
    from sbrtcheck.protocol.names import MatchedROI
    from sbrtcheck.protocol.rules import Protocol

BYTE_ORDER_MARK = "\ufeff"  # by it a spreadsheet knows UTF-8


@app.command()
def dvh(
    path: options.PlanPath,
    *,
    structure: Annotated[
        list[str] | None,
        typer.Option(
            "-s",
            "--structure",
            help="An ROI, or what it is taken for; default: all. Repeatable.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "-m", "--metric", help="D0.035cc, V20Gy, V100%, Dmean ... Repeatable."
        ),
    ] = None,
    csv_file: Annotated[
        str | None,
        typer.Option(
            "--csv",
            metavar="FILE|-",
            help="Write CSV to FILE or, for -, to standard output: metrics, or without -m curves.",
        ),
    ] = None,
    struct: options.StructFile = None,
    dose: options.DoseFile = None,
    rx: options.Rx = None,
    alias: options.Alias = None,
    protocol: options.ProtocolName = options.DEFAULT_PROTOCOL,
    max_size: options.MaxSize = options.DEFAULT_MAX_SIZE,
    ascii_only: options.Ascii = False,
    phi: options.Phi = False,
) -> None:
    """Show DVHs of a plan's own dose: an overview, or the metrics asked for. Nothing is judged.

    Metrics come with an interval: what other readings of contours and grid would say.
    """
    from sbrtcheck.dossier import Options, load_contours_and_dose
    from sbrtcheck.dvh import compute_dvh
    from sbrtcheck.errors import SbrtCheckError
    from sbrtcheck.protocol.load import load_protocol
    from sbrtcheck.protocol.names import match_rois
    from sbrtcheck.report.dvhs import (
        curves_csv,
        metrics_csv,
        render_metrics,
        render_overview,
    )
    from sbrtcheck.report.words import Voice

    metrics = _metrics(metric or [])
    typed = [Path(name) for name in (path, struct, dose, protocol) if name]
    try:
        loaded = load_protocol(protocol)
        declared = declared_by(rx, alias or [], None)
        with reading(max_size):
            case = load_contours_and_dose(
                path, Options(structure_set=struct, dose=dose)
            )
        matches = match_rois(case.structure_set.rois, loaded, declared.aliases)
        rois = _chosen(matches, structure or [])
        prescription = _prescription(case.plan, declared, loaded)
    except SbrtCheckError as error:
        refuse(error, typed, phi=phi)
    voice = Voice(*case.patients, phi=phi)
    width = page_width()
    if metrics:
        bands = _bands(rois, case.dose, matches)
        page = render_metrics(
            bands, metrics, prescription, voice, width=width, ascii_only=ascii_only
        )
        rows = metrics_csv(bands, metrics, prescription, voice) if csv_file else ""
    else:
        dvhs = [compute_dvh(roi, case.dose) for roi in rois]
        page = render_overview(dvhs, voice, width=width, ascii_only=ascii_only)
        rows = curves_csv(dvhs, voice) if csv_file else ""
    if csv_file == "-":
        sys.stdout.write(rows)
        return
    if csv_file is not None:
        write_whole(Path(csv_file), BYTE_ORDER_MARK + rows, option="--csv")
    sys.stdout.write(page)


def _bands(
    rois: "Sequence[ROI]", dose: "DoseGrid", matches: "Sequence[MatchedROI]"
) -> "list[Band]":
    """Return DVHs with their intervals, bounded by the targets' fall-off beyond the grid."""
    from sbrtcheck.dvh import compute_band
    from sbrtcheck.dvh.beyond import bound_beyond_gy
    from sbrtcheck.protocol.rules import Role

    targets = [match.roi for match in matches if match.role is Role.PTV]
    return [
        replace(compute_band(roi, dose), beyond=bound_beyond_gy(roi, dose, targets))
        for roi in rois
    ]


def _prescription(
    plan: "Plan | None", declared: "Declared", protocol: "Protocol"
) -> "Prescription | None":
    """Return the prescription of a plan, or the one declared where there is no plan."""
    from sbrtcheck.checks.read_prescription import read_prescription
    from sbrtcheck.model import Prescription

    if plan is not None and not plan.is_ion:
        return read_prescription(plan, declared, protocol.schemes).prescription
    if declared.prescription is None:
        return None
    dose_gy, fractions = declared.prescription
    return Prescription(dose_gy=dose_gy, fractions=fractions)


def _metrics(texts: Sequence[str]) -> "list[Metric]":
    from sbrtcheck.errors import MetricError
    from sbrtcheck.protocol.evaluate import INDICES
    from sbrtcheck.protocol.metric import parse_metric

    try:
        metrics = [parse_metric(text) for text in texts]
    except MetricError as error:
        usage(f"--metric: not a metric\n{error}")
    for asked in metrics:
        if asked.kind in INDICES:
            usage(
                f"--metric: {asked} needs isodose volumes; `sbrtcheck check` reports it"
            )
    return metrics


def _chosen(matches: "Sequence[MatchedROI]", names: Sequence[str]) -> "list[ROI]":
    """Return the ROIs of these names, or taken for these structures; all without a name."""
    if not names:
        return [match.roi for match in matches if match.roi.contours]
    chosen: dict[int, ROI] = {}
    for name in names:
        asked = name.strip().casefold()
        found = [
            match for match in matches if match.roi.name.strip().casefold() == asked
        ]
        if not found:
            found = [match for match in matches if _taken_for(match) == asked]
        if not found:
            usage(
                f"--structure: no ROI is called or taken for '{name}'; see sbrtcheck structures"
            )
        chosen |= {id(match.roi): match.roi for match in found}
    return list(chosen.values())


def _taken_for(match: "MatchedROI") -> str:
    if match.structure is None:
        return ""
    return match.structure.casefold()
