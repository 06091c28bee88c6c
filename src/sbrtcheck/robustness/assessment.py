"""Ask the questions of `checks` again for a patient who lies elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.judge import gather, judge
from sbrtcheck.checks.limits import DMAX
from sbrtcheck.checks.neural import NEAR_MAXIMUM, further_limits, lines_of
from sbrtcheck.checks.read_neural import Kind, Part
from sbrtcheck.checks.rule import State
from sbrtcheck.checks.verdict import Finding, Outcome, Verdict
from sbrtcheck.contours import build_region
from sbrtcheck.dossier import Case
from sbrtcheck.model import Declared, DoseGrid, Plan, Text, Value
from sbrtcheck.protocol.metric import Metric, parse_metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Coverage, Limit, Line, Protocol, Role
from sbrtcheck.robustness.moving import Moving, Reach
from sbrtcheck.robustness.poses import (
    ROTATIONS_DEG,
    SHIFTS_MM,
    Point,
    rotations,
    shifts,
)
from sbrtcheck.robustness.search import Break, Worst, smallest_break, worst_of

__all__ = ["LEFT_OUT", "Robustness", "Row", "assess", "isocentre"]

TARGET_DOSE = parse_metric("D95%")  # reported beside coverage
SAME_MM = 0.01  # isocentres that differ by less are one
LEFT_OUT = (
    Text(
        "The dose cloud stands still while the patient moves through it as one rigid body, in all"
        " fractions alike."
    ),
    Text(
        "That leaves out: changes of the dose itself with anatomy, surface and set-up; motion"
        " within a fraction and of single beams; breathing; deformation; random errors that blur"
        " over the fractions; errors of contours and of dose calculation."
    ),
    Text(
        "Values are nominal, of one reading of contours and grid; the interval that check shows"
        " beside the planned value is not added."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric of one structure: as planned, at its worst for each size, and its limits.

    `rotations` are empty where no point to turn about is known, `shifts` too where the planned
    answer is not known; `planned.reason` says why. `instead_of` is the metric that was to be asked
    where the structure is smaller than its volume: then the maximum of all of it is.
    """

    subject: str
    roi: str
    how: Text
    metric: Metric
    instead_of: Metric | None = None
    planned: Value
    shifts: tuple[Worst, ...] = ()
    rotations: tuple[Worst, ...] = ()
    limits: tuple[Break, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Robustness:
    """What shifts and rotations make of a plan; `verdict` is what `check` says of it as planned.

    `about_mm` is the point that rotations turn about, None where it is not known; `about` says
    where it was read, or why it is not known. `unanswered` says what could not be answered.
    """

    verdict: Verdict
    about_mm: Point | None
    about: Text
    rows: tuple[Row, ...]
    unanswered: tuple[Text, ...]


def assess(
    case: Case,
    protocol: Protocol,
    declared: Declared | None = None,
    *,
    about_mm: Point | None = None,
) -> Robustness:
    """Return how far the limits of a protocol hold where the patient lies elsewhere.

    Parameters
    ----------
    about_mm
        The point that rotations turn about, x, y and z; without it, the one isocentre of all beams.

    Raises
    ------
    CaseError, UnsupportedError
        As `check` does.

    Notes
    -----
    A rigid shift of the patient by s reads the dose at x + s. Shifts of 1, 2 and 3 mm in 26
    directions, rotations of 1 and 2 degrees about three axes, either way. The smallest shift that
    breaks a limit is searched in steps of 0.5 mm to 10 mm, then halved down to 0.1 mm: a limit that
    breaks and holds again within one step may be passed over. Answers that are returned come from
    whole DVHs by the nominal convention.
    """
    evidence = gather(case, protocol, declared or Declared())
    verdict = judge(evidence)
    point, about = about_mm, Text("given")
    if about_mm is None:
        point, about = isocentre(case, [part.plan for part in verdict.parts])
    rows = tuple(
        row for asked in _asked(evidence) for row in _rows(evidence, asked, point)
    )
    unanswered = [*_unanswered(verdict, rows)]
    if point is None:
        unanswered.append(about)
    return Robustness(
        verdict=verdict,
        about_mm=point,
        about=about,
        rows=rows,
        unanswered=tuple(dict.fromkeys(unanswered)),
    )


def isocentre(case: Case, others: Sequence[Plan] = ()) -> tuple[Point | None, Text]:
    """Return the isocentre that all treatment beams share, and a sentence: whence, or why not."""
    plans = (case.plan, *others)
    beams = [beam for plan in plans for beam in plan.beams if beam.treats]
    points = [beam.isocentre_mm for beam in beams if beam.isocentre_mm is not None]
    cure = Text(
        "rotations need a point to turn about: add --about x,y,z (patient coordinates in mm)"
    )
    if not points or len(points) < len(beams):
        return None, Text(
            "not every treatment beam states its isocentre; {cure}", cure=cure
        )
    if np.ptp(np.array(points), axis=0).max() > SAME_MM:
        return None, Text(
            "the treatment beams have {count} isocentres; {cure}",
            count=len(set(points)),
            cure=cure,
        )
    return points[0], Text("isocentre of all treatment beams")


class _Question(NamedTuple):
    """A metric, the lines it must keep, and the metric that it stands for."""

    metric: Metric
    lines: tuple[Line, ...] = ()
    instead_of: Metric | None = None


class _Asked(NamedTuple):
    """A structure, the dose it lies in, and what is asked of it; `upper`: larger is worse."""

    subject: str
    match: MatchedROI
    dose: DoseGrid
    upper: bool
    questions: tuple[_Question, ...]


def _asked(evidence: Evidence) -> Iterator[_Asked]:
    """Yield what `check` asks of neural structures and targets, and the dose that covers these."""
    for part in evidence.neural.parts:
        if part.is_graded or part.kind is Kind.MADE_PRV:
            questions = _questions(evidence, part)
            yield _Asked(
                part.subject, part.match, evidence.course.dose, True, questions
            )
    coverage = evidence.protocol.coverage
    covered = _Question(coverage.goal.constraint.metric, _lines(coverage))
    for subject, match in evidence.drawn(Role.PTV):
        questions = (covered, _Question(TARGET_DOSE))
        yield _Asked(subject, match, evidence.case.dose, False, questions)


def _questions(evidence: Evidence, part: Part) -> tuple[_Question, ...]:
    """Return what is asked of a neural ROI: its near-maximum, and the further rows of the protocol."""
    first = _Question(NEAR_MAXIMUM, lines_of(evidence, part))
    further = further_limits(evidence, part)
    return (first, *(_question(evidence, part.subject, limit) for limit in further))


def _question(evidence: Evidence, subject: str, limit: Limit) -> _Question:
    """Return what a limit asks; of all of a structure that is smaller than the volume asked.

    So does `check`, of the limits beyond that of the near-maximum.
    """
    metric, lines = limit.goal.constraint.metric, _lines(limit)
    volume_cc = evidence.dvh(subject).volume_cc
    if metric.argument_unit != "cc" or volume_cc is None or metric.argument is None:
        return _Question(metric, lines)
    if volume_cc >= metric.argument:
        return _Question(metric, lines)
    of_all = (
        replace(line, constraint=replace(line.constraint, metric=DMAX))
        for line in lines
    )
    return _Question(DMAX, tuple(of_all), metric)


def _lines(limit: Limit | Coverage) -> tuple[Line, ...]:
    if limit.variation is None:
        return (limit.goal,)
    return limit.goal, limit.variation


def _rows(evidence: Evidence, asked: _Asked, point: Point | None) -> Iterator[Row]:
    moving = Moving(
        asked.match.roi,
        asked.dose,
        tuple(question.metric for question in asked.questions),
        prescription=evidence.reading.prescription,
        targets=_targets(evidence, asked.match),
    )
    for metric, lines, instead_of in asked.questions:
        planned = evidence.value(metric, asked.subject)
        known = planned.value is not None
        yield Row(
            subject=asked.subject,
            roi=asked.match.roi.name,
            how=asked.match.how,
            metric=metric,
            instead_of=instead_of,
            planned=planned,
            shifts=tuple(
                worst_of(moving, metric, shifts(size), size=size, upper=asked.upper)
                for size in SHIFTS_MM
                if known
            ),
            rotations=tuple(
                worst_of(
                    moving, metric, rotations(size, point), size=size, upper=asked.upper
                )
                for size in ROTATIONS_DEG
                if known and point is not None
            ),
            limits=tuple(smallest_break(moving, line) for line in lines),
        )


def _targets(evidence: Evidence, match: MatchedROI) -> list[Reach]:
    """Return what bounds the dose outside the grid, which is bounded for organs only."""
    if match.role is Role.PTV:
        return []
    drawn = [match.roi for _, match in evidence.drawn(Role.PTV)]
    regions = (build_region(roi) for roi in (*drawn, *evidence.course.added_targets))
    return [Reach(region) for region in regions if region.slabs]


def _undecided(verdict: Verdict) -> list[Finding]:
    """Return the findings that `check` cannot decide, but for answers at a limit."""
    return [
        finding
        for finding in verdict.findings
        if finding.outcome is Outcome.UNDECIDED and finding.state is not State.AT_LIMIT
    ]


def _unanswered(verdict: Verdict, rows: tuple[Row, ...]) -> Iterator[Text]:
    """Yield what `check` cannot decide, and which answers and poses are not known."""
    undecided = _undecided(verdict)
    for finding in undecided:
        yield Text("{subject}: {why}", subject=finding.subject, why=finding.message)
    said = {finding.subject for finding in undecided}
    for row in rows:
        if row.planned.value is None and row.subject not in said:
            why = row.planned.reason or Text("cannot be known")
            yield Text(
                "{subject} {metric}: {why}",
                subject=row.subject,
                metric=str(row.metric),
                why=why,
            )
        yield from _unknown_poses(row, row.shifts, "mm")
        yield from _unknown_poses(row, row.rotations, "degrees")


def _unknown_poses(row: Row, found: Sequence[Worst], unit: str) -> Iterator[Text]:
    """Yield of each size of shifts or rotations how many poses are not known."""
    for worst in found:
        if worst.unknown:
            yield Text(
                "{subject} {metric}: not known in {count} of {all} poses of {size} {unit},"
                " where it leaves the dose grid",
                subject=row.subject,
                metric=str(row.metric),
                count=len(worst.unknown),
                all=worst.poses,
                size=worst.size,
                unit=unit,
            )
