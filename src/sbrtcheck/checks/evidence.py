"""What the questions are asked of: matched ROIs, their DVHs, prescription, levels, course."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from sbrtcheck.checks.findings import numbered_subject, severity_of
from sbrtcheck.checks.read_course import Course
from sbrtcheck.checks.read_levels import TreatedLevels
from sbrtcheck.checks.read_neural import Kind, Neural
from sbrtcheck.checks.read_prescription import PrescriptionReading
from sbrtcheck.checks.read_targets import Targets
from sbrtcheck.checks.rule import Rule
from sbrtcheck.checks.verdict import JudgedROI
from sbrtcheck.contours import build_region, overlap_cc
from sbrtcheck.dossier import Case
from sbrtcheck.dvh import DVH, Band, DVHResult, add_dvhs, compute_band, compute_dvh
from sbrtcheck.dvh.beyond import Bound, bound_beyond_gy
from sbrtcheck.dvh.isodose import compute_isodoses
from sbrtcheck.model import ROI, Declared, DoseGrid, Prescription, Text, Value
from sbrtcheck.protocol.evaluate import Dosimetry, evaluate
from sbrtcheck.protocol.metric import Metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Limit, Protocol, Role, Severity

__all__ = [
    "ALL_TARGETS",
    "WHOLE_BODY",
    "Evidence",
    "compose_parts",
    "compute_dosimetry",
]

ALL_TARGETS = "all targets"
WHOLE_BODY = "whole body"
APART, WITHIN = (
    0.001,
    0.99,
)  # of the smaller target: shared parts that are rounding, or all of it
TARGET_ROLES = (Role.PTV, Role.CTV, Role.GTV)
# Judged in the dose of the plan itself, whatever other plans add.
OWN_DOSE_ROLES = (*TARGET_ROLES, Role.EXTERNAL, Role.VERTEBRA)

Subject = tuple[str, MatchedROI]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """A case made ready for questions.

    Parameters
    ----------
    subjects
        Each matched ROI with the name under which findings speak of it.
    neural
        What of the neural ROIs is judged as what; its parts have subjects of their own.
    treated_with
        The levels of plans that are added.
    others
        ROIs that stand for nothing.
    """

    case: Case
    protocol: Protocol
    declared: Declared
    reading: PrescriptionReading
    treated: TreatedLevels
    treated_with: tuple[TreatedLevels, ...]
    course: Course
    targets: Targets
    subjects: tuple[Subject, ...]
    neural: Neural
    dosimetry: Dosimetry
    others: tuple[MatchedROI, ...]
    notes: tuple[Text, ...] = ()

    def of_structure(self, structure: str) -> tuple[Subject, ...]:
        """Return the ROIs of a structure whose contours enclose a volume."""
        named = [pair for pair in self.subjects if pair[1].structure == structure]
        return tuple(pair for pair in named if is_drawn(pair[1]))

    def dvh(self, subject: str) -> DVHResult:
        """Return the DVH of a subject: a target, a neural structure or what has limits."""
        return self.dosimetry.dvhs[subject]

    def drawn(self, *roles: Role) -> tuple[Subject, ...]:
        """Return the ROIs of some roles whose contours enclose a volume, in the order of the file."""
        return _drawn_of(self.subjects, *roles)

    def graded_targets(self) -> tuple[Subject, ...]:
        """Return the PTVs whose coverage is graded."""
        return _graded_of(self.subjects, self.targets)

    def value(
        self, metric: Metric, subject: str, *, limit: float | None = None
    ) -> Value:
        """Answer a metric of a subject; `limit` is what it will be held to."""
        return evaluate(metric, subject, self.dosimetry, limit=limit)

    def limits_of(self, structure: str) -> tuple[Limit, ...]:
        """Return the rows of a structure; none where the fraction number is not known."""
        if self.fractions is None:
            return ()
        return self.protocol.limits_of(structure, self.fractions)

    def near_maximum(self, role: Role) -> Limit | None:
        """Return the strictest row of a role's D0.035cc; None where the fraction number is not known."""
        if self.fractions is None:
            return None
        structure = self.protocol.structure_of(role)
        return self.protocol.near_maximum(structure, self.fractions)

    def severity(self, rule: Rule) -> Severity:
        """Return the severity of a rule in this protocol."""
        return severity_of(rule, self.protocol.checks)

    def holds_back(self, rule: Rule) -> bool:
        """Tell whether a fault found by a rule leaves the answers open that rest on it."""
        return self.severity(rule) in ("error", "ask")

    @property
    def fractions(self) -> int | None:
        """Return the number of fractions, whatever is known of the dose."""
        return self.reading.fractions

    def judged_rois(self) -> tuple[JudgedROI, ...]:
        """Return all ROIs with what is known of them."""
        parts = self.neural.parts
        named = [_judged(match) for _, match in self.subjects]
        made = [_judged(part.match) for part in parts if part.kind is Kind.MADE_PRV]
        others = [
            JudgedROI(match=m, volume_cc=None, notes=m.roi.notes) for m in self.others
        ]
        return (*named, *made, *others)


def is_drawn(match: MatchedROI) -> bool:
    """Tell whether the contours of an ROI enclose a volume."""
    return bool(build_region(match.roi).slabs)


def _judged(match: MatchedROI) -> JudgedROI:
    region = build_region(match.roi)
    return JudgedROI(match=match, volume_cc=region.volume_cc, notes=region.notes)


def _drawn_of(subjects: Sequence[Subject], *roles: Role) -> tuple[Subject, ...]:
    of_roles = [pair for pair in subjects if pair[1].role in roles]
    return tuple(pair for pair in of_roles if is_drawn(pair[1]))


def _graded_of(subjects: Sequence[Subject], targets: Targets) -> tuple[Subject, ...]:
    drawn = _drawn_of(subjects, Role.PTV)
    return tuple(pair for pair in drawn if targets.graded(pair[1].roi.name))


# --- Subjects -----------------------------------------------------------------------------------


def name_subjects(matches: Sequence[MatchedROI]) -> tuple[Subject, ...]:
    """Name each matched ROI: by its structure, or by structure and ROI where several match."""
    count = Counter(match.structure for match in matches)
    seen: Counter[str] = Counter()
    subjects = []
    for match in matches:
        if match.structure is None:
            continue
        subject = match.structure
        if count[subject] > 1:
            subject = f"{subject}: {match.roi.name}"
        seen[subject] += 1
        subjects.append((numbered_subject(subject, seen[subject]), match))
    return tuple(subjects)


def compose_parts(
    subjects: Sequence[Subject], protocol: Protocol
) -> tuple[Subject, ...]:
    """Return the structures that are not drawn as a whole, put together from their parts.

    Both lungs are one organ; so are both kidneys. Where only one is drawn, its name says so.
    """
    drawn = [match for _, match in subjects if is_drawn(match)]
    whole = {match.structure for match in drawn}
    composed = []
    for name, row in protocol.structures.items():
        parts = [match for match in drawn if match.structure in row.parts]
        if name in whole or not parts:
            continue
        how = Text("put together from its parts")
        match = MatchedROI(
            roi=_put_together(parts), structure=name, role=row.role, how=how
        )
        composed.append((name, match))
    return tuple(composed)


def _put_together(parts: Sequence[MatchedROI]) -> ROI:
    rois = [match.roi for match in parts]
    return replace(
        rois[0],
        name=" + ".join(roi.name for roi in rois),
        contours=tuple(chain.from_iterable(roi.contours for roi in rois)),
        notes=tuple(chain.from_iterable(roi.notes for roi in rois)),
    )


# --- Dosimetry ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Doses:
    """Which dose answers for what: the plan's own, and that of the course."""

    own: DoseGrid
    course: Course
    protocol: Protocol

    def of(self, match: MatchedROI) -> DoseGrid:
        """Return the dose that an ROI is judged in: serial organs in that of the course."""
        if is_summed(match, self.protocol):
            return self.course.dose
        return self.own

    def highest_of(self, match: MatchedROI) -> DoseGrid:
        """Return that dose, with the most that each part of the course can add beyond its grid."""
        if is_summed(match, self.protocol):
            return self.course.highest
        return self.own


def is_summed(match: MatchedROI, protocol: Protocol) -> bool:
    """Tell whether an ROI is judged in the dose of the whole course."""
    if match.role is not Role.ORGAN:
        return match.role not in OWN_DOSE_ROLES
    if match.structure is None:
        return False
    rules = protocol.organs.get(match.structure)
    return rules is not None and rules.severity == "error"


def compute_dosimetry(
    subjects: Sequence[Subject],
    neural: Neural,
    targets: Targets,
    *,
    case: Case,
    course: Course,
    protocol: Protocol,
    prescription: Prescription | None,
) -> tuple[Dosimetry, tuple[Text, ...]]:
    """Compute what the questions need: targets in the plan's own dose, organs in the course's."""
    doses = _Doses(own=case.dose, course=course, protocol=protocol)
    wanted = _with_interval(subjects, neural, protocol)
    bands: dict[str, Band] = {}
    for subject, match in wanted:
        if subject not in bands:
            bands[subject] = compute_band(match.roi, doses.of(match))
    dvhs = {subject: band.nominal for subject, band in bands.items()}
    reported = [(p.subject, p.match) for p in neural.parts if not p.is_graded]
    inner = _drawn_of(subjects, Role.CTV, Role.GTV)
    for subject, match in (*reported, *inner):
        if subject not in dvhs:
            dvhs[subject] = compute_dvh(match.roi, doses.of(match))
    near = [match.roi for _, match in subjects if match.role is Role.PTV]
    dosimetry = Dosimetry(
        dvhs=dvhs,
        prescription=prescription,
        bands=bands,
        beyond=_bounds(
            [*wanted, *reported], dvhs, doses, [*near, *course.added_targets]
        ),
        highest=_highest(wanted, course, protocol),
    )
    return _with_isodoses(dosimetry, subjects, targets, case, prescription)


def _with_interval(
    subjects: Sequence[Subject], neural: Neural, protocol: Protocol
) -> list[Subject]:
    """Return what is held to lines, and needs a DVH with its interval."""
    limited = {row.structure for row in protocol.limits}
    by_rows = [pair for pair in subjects if _has_lines(pair[1], limited)]
    by_table = [(part.subject, part.match) for part in neural.parts if part.is_graded]
    return [pair for pair in (*by_rows, *by_table) if is_drawn(pair[1])]


def _has_lines(match: MatchedROI, limited: set[str]) -> bool:
    """Tell whether an ROI is held to lines: those of coverage, or rows of its structure."""
    if match.role is Role.PTV:
        return True
    return match.structure in limited


def _bounds(
    asked: Sequence[Subject],
    dvhs: Mapping[str, DVHResult],
    doses: _Doses,
    targets: Sequence[ROI],
) -> dict[str, Bound]:
    """Return what bounds the dose of ROIs that leave the grid; of a target nothing does."""
    bounds = {}
    for subject, match in asked:
        if match.role in TARGET_ROLES or dvhs[subject].is_complete:
            continue
        bound = bound_beyond_gy(match.roi, doses.highest_of(match), targets)
        if bound is not None:
            bounds[subject] = bound
    return bounds


def _highest(
    wanted: Sequence[Subject], course: Course, protocol: Protocol
) -> dict[str, Band]:
    """Return the bands in the highest sum of all plans, where grids do not hold one another."""
    if course.highest is course.dose:
        return {}
    return {
        subject: compute_band(match.roi, course.highest)
        for subject, match in wanted
        if is_summed(match, protocol)
    }


def _with_isodoses(
    dosimetry: Dosimetry,
    subjects: Sequence[Subject],
    targets: Targets,
    case: Case,
    prescription: Prescription | None,
) -> tuple[Dosimetry, tuple[Text, ...]]:
    """Add isodose volumes of the plan's targets, and the DVH of all targets together."""
    graded = _graded_of(subjects, targets)
    rois = {subject: match.roi for subject, match in graded}
    if prescription is None or not rois:
        return dosimetry, ()
    external = next((m.roi for _, m in subjects if m.role is Role.EXTERNAL), None)
    isodoses = compute_isodoses(prescription.dose_gy, case.dose, rois, external)
    by_subject = dict(isodoses.by_target)
    dvhs = dict(dosimetry.dvhs)
    union = _union(rois, dvhs)
    if union is not None:
        by_subject[ALL_TARGETS] = isodoses.union
        dvhs[ALL_TARGETS] = union
    return replace(dosimetry, dvhs=dvhs, isodoses=by_subject), isodoses.notes


def _union(targets: Mapping[str, ROI], dvhs: Mapping[str, DVHResult]) -> DVH | None:
    """Return the DVH of several targets together; None of one alone, or where some overlap in part.

    A target inside another adds nothing; targets apart add up. Where no dose is known of one,
    none is known of all.
    """
    with_dose = {name: dvh for name in targets if isinstance(dvh := dvhs[name], DVH)}
    if len(targets) == 1:
        return None
    if len(with_dose) < len(targets):
        return None
    apart: dict[str, DVH] = {}
    for name in sorted(targets, key=lambda name: -with_dose[name].volume_cc):
        region, volume_cc = build_region(targets[name]), with_dose[name].volume_cc
        shares = [
            overlap_cc(region, build_region(targets[one])) / volume_cc for one in apart
        ]
        shared = [share for share in shares if share > APART]
        if not shared:
            apart[name] = with_dose[name]
        elif min(shared) < WITHIN:
            return None
    return add_dvhs(list(apart.values()), name=ALL_TARGETS)
