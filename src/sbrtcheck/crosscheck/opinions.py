"""Ask others about the graded ROIs of a verdict, from the same files."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sbrtcheck.checks.rule import Row
from sbrtcheck.checks.verdict import Finding, Verdict
from sbrtcheck.crosscheck.compare import METRICS, CrossCheck, Opinion, Other, compare
from sbrtcheck.crosscheck.dicompyler import ask_dicompyler, why_absent
from sbrtcheck.crosscheck.voxels import whole_voxels
from sbrtcheck.dicom import load_exported_dvhs
from sbrtcheck.dvh import DVH, Band, compute_band, dvh_of_exported
from sbrtcheck.errors import ReadError, UnsupportedError
from sbrtcheck.model import ROI, DoseGrid, ExportedDVH, StructureSet, Text

__all__ = ["DICOMPYLER", "PLANNING_SYSTEM", "Files", "ask_others", "cross_check"]

PLANNING_SYSTEM, DICOMPYLER = "planning system", "dicompyler-core"
GRADED = (Row.LIMIT, Row.COVERAGE)
VOLUME = METRICS[0]
# What a curve cannot tell in some units of volume.
UNKNOWN_IN = {"PERCENT": {VOLUME: Text("its volumes are in percent")}}

Subject = tuple[ROI, Band]


class Files(NamedTuple):
    """Where a structure set and a dose of it lie."""

    structure_set: Path
    dose: Path


def cross_check(verdict: Verdict) -> CrossCheck:
    """Compare the graded ROIs with the planning system's own DVHs and with dicompyler-core.

    The verdict is only read: it tells which ROIs are graded. Our side is computed anew, and both
    others read the files of the case, which have to be there (`case.open_case`).

    Returns
    -------
    An opinion of each source on each ROI; what cannot be compared says why. Nothing is raised: a
    second opinion must not stop the first.
    """
    try:
        return _compared(verdict)
    except Exception as error:  # noqa: BLE001 - the verdict stands, whatever happens here
        bug = "not compared: a bug in sbrtcheck, it ended with {error}"
        return CrossCheck(notes=(Text(bug, error=type(error).__name__),))


def _compared(verdict: Verdict) -> CrossCheck:
    case = verdict.case
    files = _files(verdict)
    if isinstance(files, Text):
        return CrossCheck(notes=(files,))
    rois, notes = _graded(verdict)
    second = ask_others(rois, case.structure_set, case.dose, files)
    return replace(second, notes=(*notes, *second.notes))


def _files(verdict: Verdict) -> Files | Text:
    """Return the files of a case, or why no other program can read what was judged."""
    case = verdict.case
    doses = case.links_of("RT Dose")
    structures = case.links_of("RT Structure Set")
    if verdict.parts or len(doses) > 1:
        return Text("not compared: the dose is a sum")
    links = (*structures[:1], *doses[:1])
    paths = [link.path for link in links if link.path is not None]
    if len(paths) < len(Files._fields):
        return Text("not compared: the case was not read from files")
    return Files(*paths)


def _graded(verdict: Verdict) -> tuple[list[ROI], tuple[Text, ...]]:
    """Return the graded ROIs that are drawn in the files; the others are noted."""
    names = {finding.roi for finding in verdict.findings if _is_graded(finding)}
    graded = [row.match for row in verdict.structures if row.match.roi.name in names]
    notes = tuple(
        Text(
            "{structure} ({roi}) is not compared: it is made here, not drawn in the files",
            structure=str(match.structure),
            roi=match.roi.name,
        )
        for match in graded
        if match.is_made
    )
    return [match.roi for match in graded if not match.is_made], notes


def _is_graded(finding: Finding) -> bool:
    """Tell whether a finding holds a value to a limit."""
    if finding.rule.row not in GRADED:
        return False
    return finding.value is not None and finding.outcome is not None


def ask_others(
    rois: Sequence[ROI], structure_set: StructureSet, dose: DoseGrid, files: Files
) -> CrossCheck:
    """Return the opinions on some ROIs of a structure set in a dose that was read from `files`."""
    subjects = [(roi, compute_band(roi, dose)) for roi in rois]
    theirs, about_theirs = _planning_system(structure_set, dose, files, subjects)
    others, about_others = _dicompyler(dose, files, subjects)
    by_roi = {id(roi): n for n, roi in enumerate(rois)}
    opinions = sorted((*theirs, *others), key=lambda pair: by_roi[id(pair[0])])
    return CrossCheck(
        opinions=tuple(opinion for _, opinion in opinions),
        notes=(*about_theirs, *about_others),
    )


# --- The planning system ------------------------------------------------------------------------

RoiOpinion = tuple[ROI, Opinion]


def _planning_system(
    structure_set: StructureSet,
    dose: DoseGrid,
    files: Files,
    subjects: Sequence[Subject],
) -> tuple[list[RoiOpinion], tuple[Text, ...]]:
    """Return its opinion on each ROI, and what is to be said of its curves as a whole."""
    drawn_on = None if dose.header is None else dose.header.referenced_structure_set_uid
    try:
        exported = load_exported_dvhs(files.dose)
    except ReadError as error:
        why = str(error.problem)
        return [], (Text("the planning system's DVHs cannot be read: {why}", why=why),)
    if not exported:
        return [], (Text("the RT Dose carries no DVH of the planning system"),)
    if drawn_on not in (None, structure_set.instance.sop_instance_uid):
        # ROI numbers mean something in one structure set only.
        return [], (
            Text("the DVHs in the RT Dose are of another structure set: not compared"),
        )
    return [
        (roi, _of_planning_system(roi, band, exported)) for roi, band in subjects
    ], ()


def _of_planning_system(
    roi: ROI, band: Band, exported: Iterable[ExportedDVH]
) -> Opinion:
    opinion = Opinion(source=PLANNING_SYSTEM, roi_name=roi.name)
    found = [row for row in exported if roi.number in row.included]
    volume_cc = band.nominal.volume_cc
    reasons = []
    for row in sorted(found, key=lambda row: row.kind != "CUMULATIVE"):
        try:
            dvh = dvh_of_exported(row, roi_name=roi.name, volume_cc=volume_cc)
        except UnsupportedError as error:
            reasons.append(Text("not comparable: {why}", why=str(error.problem)))
            continue
        unknown = UNKNOWN_IN.get(row.volume_units, {})
        return _beside(opinion, band, Other(dvh=dvh, unknown=unknown))
    none = Text("the RT Dose carries no DVH of it")
    return replace(opinion, reason=next(iter(reasons), none))


def _beside(opinion: Opinion, band: Band, other: Other) -> Opinion:
    differences = compare(band, other)
    notes = other.dvh.notes
    volume = differences[0]
    if volume.beyond is not None and volume.beyond < 0:
        part = Text(
            "its curve holds less than the whole ROI: of a part, or drawn otherwise"
        )
        notes = (*notes, part)
    return replace(opinion, differences=differences, notes=notes)


# --- dicompyler-core ----------------------------------------------------------------------------


def _dicompyler(
    dose: DoseGrid, files: Files, subjects: Sequence[Subject]
) -> tuple[list[RoiOpinion], tuple[Text, ...]]:
    """Return its opinion on each ROI, or what to do where it is not there."""
    try:
        answers = ask_dicompyler(*files, [roi for roi, _ in subjects])
    except ImportError as error:
        return [], (why_absent(error),)
    return [
        (roi, _of_dicompyler(roi, band, dose, answer))
        for (roi, band), answer in zip(subjects, answers, strict=True)
    ], ()


def _of_dicompyler(roi: ROI, band: Band, dose: DoseGrid, answer: DVH | Text) -> Opinion:
    opinion = Opinion(source=DICOMPYLER, roi_name=roi.name)
    if not band.nominal.is_complete:
        # It leaves out what lies beside the grid, and spreads what lies above and below it.
        why = Text("not comparable: the ROI leaves the dose grid")
        return replace(opinion, reason=why)
    if isinstance(answer, Text):
        return replace(opinion, reason=answer)
    readings: dict[str, DVH] = {}
    voxels = whole_voxels(roi, dose)
    if voxels is not None:
        readings["whole voxels"] = voxels
    return _beside(opinion, band, Other(dvh=answer, readings=readings))
