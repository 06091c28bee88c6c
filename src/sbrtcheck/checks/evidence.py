"""What the questions are asked of: matched ROIs, their DVHs, prescription and levels."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sbrtcheck.checks.course import Course
from sbrtcheck.checks.levels import TreatedLevels
from sbrtcheck.checks.prescription import PrescriptionReading
from sbrtcheck.checks.verdict import JudgedROI
from sbrtcheck.contours import build_region, grown, overlap_cc
from sbrtcheck.dossier import Case
from sbrtcheck.dvh import DVH, Band, add_dvhs, compute_band
from sbrtcheck.dvh.beyond import bound_beyond_gy
from sbrtcheck.dvh.isodose import compute_isodoses
from sbrtcheck.model import ROI, Declared, DoseGrid, Prescription, Text, Value
from sbrtcheck.protocol.evaluate import Dosimetry, evaluate
from sbrtcheck.protocol.metric import Metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Protocol, Role

NEURAL_ROLES = (Role.CORD, Role.CORD_PRV, Role.CAUDA, Role.SAC, Role.CANAL)
ALL_TARGETS = "all targets"
APART, WITHIN = 0.001, 0.99  # of the smaller target: shared parts that are rounding, or all of it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """A case made ready for questions.

    `subjects` pairs each matched ROI with the name under which findings speak of it;
    `treated_with` are the levels of plans that were added.
    """

    case: Case
    protocol: Protocol
    declared: Declared
    reading: PrescriptionReading
    treated: TreatedLevels
    treated_with: tuple[TreatedLevels, ...]
    course: Course
    subjects: tuple[tuple[str, MatchedROI], ...]
    dosimetry: Dosimetry
    others: tuple[MatchedROI, ...]
    notes: tuple[Text, ...] = ()

    def of_role(self, *roles: Role) -> tuple[tuple[str, MatchedROI], ...]:
        """Return the ROIs of some roles, with their subjects, in the order of the file."""
        return tuple(pair for pair in self.subjects if pair[1].role in roles)

    def dvh(self, subject: str) -> DVH:
        """Return the DVH of a subject: a target, a neural structure or an organ with limits."""
        return self.dosimetry.dvhs[subject]

    def drawn(self, *roles: Role) -> tuple[tuple[str, MatchedROI], ...]:
        """Return the ROIs of some roles whose contours enclose a volume."""
        return tuple(
            pair for pair in self.of_role(*roles) if self.dvh(pair[0]).volume_cc is not None
        )

    def value(self, metric: Metric, subject: str) -> Value:
        """Answer a metric of a subject."""
        return evaluate(metric, subject, self.dosimetry)

    @property
    def fractions(self) -> int | None:
        """Return the number of fractions, or None where the prescription is not known."""
        prescription = self.reading.prescription
        return None if prescription is None else prescription.fractions

    def judged_rois(self) -> tuple[JudgedROI, ...]:
        """Return all ROIs with what is known of them."""
        judged = []
        for subject, match in self.subjects:
            dvh = self.dosimetry.dvhs.get(subject)
            volume_cc = build_region(match.roi).volume_cc if dvh is None else dvh.volume_cc
            notes = match.roi.notes if dvh is None else dvh.notes
            judged.append(JudgedROI(match=match, volume_cc=volume_cc, notes=notes))
        judged += [JudgedROI(match=m, volume_cc=None, notes=m.roi.notes) for m in self.others]
        return tuple(judged)


def name_subjects(matches: tuple[MatchedROI, ...]) -> tuple[tuple[str, MatchedROI], ...]:
    """Name each matched ROI: by its structure, or by structure and ROI where several match."""
    matched = [m for m in matches if m.structure is not None]
    count = Counter(m.structure for m in matched)
    seen: Counter[str] = Counter()
    subjects = []
    for match in matched:
        subject = match.structure or ""
        if count[subject] > 1:
            subject = f"{subject}: {match.roi.name}"
        seen[subject] += 1
        subjects.append((subject if seen[subject] == 1 else f"{subject} #{seen[subject]}", match))
    return tuple(subjects)


def compose_parts(
    subjects: tuple[tuple[str, MatchedROI], ...], protocol: Protocol
) -> tuple[tuple[str, MatchedROI], ...]:
    """Return the structures that are not drawn as a whole, put together from their parts.

    Both lungs are one organ; so are both kidneys. Where only one is drawn, its name says so.
    """
    drawn = {match.structure for _, match in subjects}
    composed = []
    for name, row in protocol.structures.items():
        parts = [match for _, match in subjects if match.structure in row.parts]
        if name in drawn or not parts:
            continue
        roi = replace(
            parts[0].roi,
            name=" + ".join(match.roi.name for match in parts),
            contours=tuple(contour for match in parts for contour in match.roi.contours),
            notes=tuple(note for match in parts for note in match.roi.notes),
        )
        how = Text("put together from its parts")
        composed.append((name, MatchedROI(roi=roi, structure=name, role=row.role, how=how)))
    return tuple(composed)


def make_prvs(
    subjects: tuple[tuple[str, MatchedROI], ...], protocol: Protocol, dose: DoseGrid
) -> tuple[tuple[str, MatchedROI], ...]:
    """Return a planning risk volume for each cord, grown from it, where none is drawn.

    Where the cord lies on the dose grid and only its margin passes an end of it along z, the
    margin ends there: what is drawn is known.
    """
    if any(match.role is Role.CORD_PRV and match.roi.contours for _, match in subjects):
        return ()
    structure = protocol.structure_of(Role.CORD_PRV)
    margin_mm = protocol.neural.prv_margin_mm
    made = []
    for subject, match in subjects:
        if match.role is not Role.CORD or not match.roi.contours:
            continue
        how = Text(
            "made by sbrtcheck: {roi} + {margin_mm} mm (convention)",
            roi=match.roi.name,
            margin_mm=margin_mm,
        )
        name = f"{structure} of {subject}"
        prv = MatchedROI(
            roi=_ending_with(dose, grown(match.roi, margin_mm), match.roi),
            structure=structure,
            role=Role.CORD_PRV,
            how=how,
            is_made=True,
        )
        made.append((name, prv))
    return tuple(made)


def _ending_with(dose: DoseGrid, prv: ROI, cord: ROI) -> ROI:
    half_mm = (prv.plane_spacing_mm or 0.0) / 2
    low_mm, high_mm = float(dose.z_mm[0]), float(dose.z_mm[-1])
    if cord.z_mm[0] < low_mm or cord.z_mm[-1] > high_mm:
        return prv
    kept = tuple(
        contour
        for contour in prv.contours
        if low_mm <= contour.z_mm - half_mm and contour.z_mm + half_mm <= high_mm
    )
    if len(kept) == len(prv.contours):
        return prv
    note = Text("the margin ends where the dose grid does")
    return replace(prv, contours=kept, notes=(*prv.notes, note))


def compute_dosimetry(
    subjects: tuple[tuple[str, MatchedROI], ...],
    case: Case,
    course: Course,
    protocol: Protocol,
    prescription: Prescription | None,
) -> tuple[Dosimetry, tuple[Text, ...]]:
    """Compute what the questions need: targets in the plan's own dose, organs in the course's."""
    limited = {row.structure for row in protocol.limits}
    targets = {subject: match.roi for subject, match in subjects if match.role is Role.PTV}
    bands: dict[str, Band] = {}
    beyond_gy = {}
    for subject, match in subjects:
        if match.role is Role.PTV:
            bands[subject] = compute_band(match.roi, case.dose)
        elif match.role in NEURAL_ROLES or match.structure in limited:
            bands[subject] = compute_band(match.roi, course.dose)
            bound_gy = None
            if not bands[subject].nominal.is_complete:
                near = (*targets.values(), *course.added_targets)
                bound_gy = bound_beyond_gy(match.roi, course.dose, near)
            if bound_gy is not None:
                beyond_gy[subject] = bound_gy
    dvhs = {subject: band.nominal for subject, band in bands.items()}
    dosimetry = Dosimetry(dvhs=dvhs, prescription=prescription, bands=bands, beyond_gy=beyond_gy)
    if prescription is None or not targets:
        return dosimetry, ()
    external = next((m.roi for _, m in subjects if m.role is Role.EXTERNAL), None)
    isodoses = compute_isodoses(prescription.dose_gy, case.dose, targets, external)
    by_subject = dict(isodoses.by_target)
    if len(targets) > 1:
        union = _union(targets, dvhs)
        if union is not None:
            by_subject[ALL_TARGETS] = isodoses.union
            dvhs[ALL_TARGETS] = union
    return replace(dosimetry, isodoses=by_subject), isodoses.notes


def _union(targets: Mapping[str, ROI], dvhs: Mapping[str, DVH]) -> DVH | None:
    """Return the DVH of all targets together; None where some overlap in part.

    A target inside another adds nothing; targets apart add up.
    """
    regions = {name: build_region(roi) for name, roi in targets.items()}
    largest_first = sorted(
        (name for name in targets if regions[name].volume_cc),
        key=lambda name: -(regions[name].volume_cc or 0.0),
    )
    apart: list[str] = []
    for name in largest_first:
        volume_cc = regions[name].volume_cc or 0.0
        shares = [overlap_cc(regions[name], regions[other]) / volume_cc for other in apart]
        if any(APART < share < WITHIN for share in shares):
            return None
        if all(share <= APART for share in shares):
            apart.append(name)
    return None if not apart else add_dvhs([dvhs[name] for name in apart], name=ALL_TARGETS)
