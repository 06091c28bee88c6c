"""What the questions are asked of: matched ROIs, their DVHs, prescription, levels, course."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sbrtcheck.checks.findings import severity_of
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
from sbrtcheck.protocol.rules import Protocol, Role, Severity

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

    def of_role(self, *roles: Role) -> tuple[Subject, ...]:
        """Return the ROIs of some roles, with their subjects, in the order of the file."""
        return tuple(pair for pair in self.subjects if pair[1].role in roles)

    def of_structure(self, structure: str) -> tuple[Subject, ...]:
        """Return the ROIs of a structure whose contours enclose a volume."""
        return tuple(
            pair
            for pair in self.subjects
            if pair[1].structure == structure and is_drawn(pair[1])
        )

    def dvh(self, subject: str) -> DVHResult:
        """Return the DVH of a subject: a target, a neural structure or what has limits."""
        return self.dosimetry.dvhs[subject]

    def drawn(self, *roles: Role) -> tuple[Subject, ...]:
        """Return the ROIs of some roles whose contours enclose a volume."""
        return tuple(pair for pair in self.of_role(*roles) if is_drawn(pair[1]))

    def graded_targets(self) -> tuple[Subject, ...]:
        """Return the PTVs whose coverage is graded."""
        return tuple(
            pair
            for pair in self.drawn(Role.PTV)
            if self.targets.graded(pair[1].roi.name)
        )

    def value(
        self, metric: Metric, subject: str, *, limit: float | None = None
    ) -> Value:
        """Answer a metric of a subject; `limit` is what it will be held to."""
        return evaluate(metric, subject, self.dosimetry, limit=limit)

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
        judged = [_judged(match) for _, match in self.subjects]
        made = [part.match for part in self.neural.parts if part.kind is Kind.MADE_PRV]
        judged += [_judged(match) for match in made]
        judged += [
            JudgedROI(match=m, volume_cc=None, notes=m.roi.notes) for m in self.others
        ]
        return tuple(judged)


def is_drawn(match: MatchedROI) -> bool:
    """Tell whether the contours of an ROI enclose a volume."""
    return bool(build_region(match.roi).slabs)


def _judged(match: MatchedROI) -> JudgedROI:
    region = build_region(match.roi)
    return JudgedROI(match=match, volume_cc=region.volume_cc, notes=region.notes)


# --- Subjects -----------------------------------------------------------------------------------


def name_subjects(matches: Sequence[MatchedROI]) -> tuple[Subject, ...]:
    """Name each matched ROI: by its structure, or by structure and ROI where several match."""
    matched = [(m.structure, m) for m in matches if m.structure is not None]
    count = Counter(structure for structure, _ in matched)
    seen: Counter[str] = Counter()
    subjects = []
    for structure, match in matched:
        subject = structure
        if count[structure] > 1:
            subject = f"{structure}: {match.roi.name}"
        seen[subject] += 1
        if seen[subject] > 1:
            subject = f"{subject} #{seen[subject]}"
        subjects.append((subject, match))
    return tuple(subjects)


def compose_parts(
    subjects: Sequence[Subject], protocol: Protocol
) -> tuple[Subject, ...]:
    """Return the structures that are not drawn as a whole, put together from their parts.

    Both lungs are one organ; so are both kidneys. Where only one is drawn, its name says so.
    """
    drawn = {match.structure for _, match in subjects if is_drawn(match)}
    composed = []
    for name, row in protocol.structures.items():
        parts = [m for _, m in subjects if m.structure in row.parts and is_drawn(m)]
        if name in drawn or not parts:
            continue
        roi = replace(
            parts[0].roi,
            name=" + ".join(match.roi.name for match in parts),
            contours=tuple(
                contour for match in parts for contour in match.roi.contours
            ),
            notes=tuple(note for match in parts for note in match.roi.notes),
        )
        how = Text("put together from its parts")
        composed.append(
            (name, MatchedROI(roi=roi, structure=name, role=row.role, how=how))
        )
    return tuple(composed)


# --- Dosimetry ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Doses:
    """Which dose answers for what: the plan's own, and that of the course."""

    own: DoseGrid
    course: Course

    def of(self, match: MatchedROI, protocol: Protocol) -> DoseGrid:
        """Return the dose that an ROI is judged in: serial organs in that of the course."""
        if match.role in TARGET_ROLES or match.role is Role.EXTERNAL:
            return self.own
        if not is_summed(match, protocol):
            return self.own
        return self.course.dose


def is_summed(match: MatchedROI, protocol: Protocol) -> bool:
    """Tell whether an ROI is judged in the dose of the whole course."""
    if match.role is not Role.ORGAN:
        return match.role not in (*TARGET_ROLES, Role.EXTERNAL, Role.VERTEBRA)
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
    limited = {row.structure for row in protocol.limits}
    doses = _Doses(own=case.dose, course=course)
    wanted = [
        (s, m) for s, m in subjects if m.role is Role.PTV or m.structure in limited
    ]
    wanted += [(part.subject, part.match) for part in neural.parts if part.is_graded]
    wanted = [(subject, match) for subject, match in wanted if is_drawn(match)]
    bands: dict[str, Band] = {}
    for subject, match in wanted:
        if subject not in bands:
            bands[subject] = compute_band(match.roi, doses.of(match, protocol))
    dvhs = {subject: band.nominal for subject, band in bands.items()}
    for part in neural.parts:
        if not part.is_graded and part.subject not in dvhs:
            dvhs[part.subject] = compute_dvh(part.match.roi, course.dose)
    for subject, match in subjects:
        if (
            match.role in (Role.CTV, Role.GTV)
            and subject not in dvhs
            and is_drawn(match)
        ):
            dvhs[subject] = compute_dvh(match.roi, case.dose)
    near = [match.roi for _, match in subjects if match.role is Role.PTV]
    asked = [*wanted, *((p.subject, p.match) for p in neural.parts if not p.is_graded)]
    dosimetry = Dosimetry(
        dvhs=dvhs,
        prescription=prescription,
        bands=bands,
        beyond=_bounds(asked, dvhs, doses, protocol, [*near, *course.added_targets]),
        highest=_highest(wanted, course, protocol),
    )
    return _with_isodoses(dosimetry, subjects, targets, case, prescription)


def _bounds(
    asked: Sequence[Subject],
    dvhs: Mapping[str, DVHResult],
    doses: _Doses,
    protocol: Protocol,
    targets: Sequence[ROI],
) -> dict[str, Bound]:
    """Return what bounds the dose of ROIs that leave the grid; of a target nothing does."""
    bounds = {}
    for subject, match in asked:
        if match.role in TARGET_ROLES or dvhs[subject].is_complete:
            continue
        dose = doses.of(match, protocol)
        if dose is doses.course.dose:
            dose = doses.course.highest
        bound = bound_beyond_gy(match.roi, dose, targets)
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
    rois = {
        subject: match.roi
        for subject, match in subjects
        if match.role is Role.PTV and is_drawn(match) and targets.graded(match.roi.name)
    }
    if prescription is None or not rois:
        return dosimetry, ()
    external = next((m.roi for _, m in subjects if m.role is Role.EXTERNAL), None)
    isodoses = compute_isodoses(prescription.dose_gy, case.dose, rois, external)
    by_subject = dict(isodoses.by_target)
    dvhs = dict(dosimetry.dvhs)
    union = _union(rois, dvhs) if len(rois) > 1 else None
    if union is not None:
        by_subject[ALL_TARGETS] = isodoses.union
        dvhs[ALL_TARGETS] = union
    return replace(dosimetry, dvhs=dvhs, isodoses=by_subject), isodoses.notes


def _union(targets: Mapping[str, ROI], dvhs: Mapping[str, DVHResult]) -> DVH | None:
    """Return the DVH of all targets together; None where some overlap in part.

    A target inside another adds nothing; targets apart add up. Where no dose is known of one,
    none is known of all.
    """
    known = {name: dvhs[name] for name in targets}
    with_dose = {name: dvh for name, dvh in known.items() if isinstance(dvh, DVH)}
    if len(with_dose) < len(known):
        return None
    regions = {name: build_region(roi) for name, roi in targets.items()}
    apart: list[str] = []
    for name in sorted(with_dose, key=lambda name: -with_dose[name].volume_cc):
        volume_cc = with_dose[name].volume_cc
        shares = [overlap_cc(regions[name], regions[one]) / volume_cc for one in apart]
        if any(APART < share < WITHIN for share in shares):
            return None
        if all(share <= APART for share in shares):
            apart.append(name)
    return add_dvhs([with_dose[name] for name in apart], name=ALL_TARGETS)
