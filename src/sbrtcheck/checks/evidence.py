"""What the questions are asked of: matched ROIs, their DVHs, prescription and levels."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sbrtcheck.case import Case
from sbrtcheck.checks.levels import TreatedLevels
from sbrtcheck.checks.prescription import PrescriptionReading
from sbrtcheck.contours import build_region
from sbrtcheck.dvh import DVH, compute_dvh
from sbrtcheck.metric import Dosimetry, Metric, Value, evaluate
from sbrtcheck.model import Declared
from sbrtcheck.names import MatchedROI
from sbrtcheck.protocol import Protocol, Role
from sbrtcheck.verdict import JudgedROI

NEURAL_ROLES = (Role.CORD, Role.CORD_PRV, Role.CAUDA, Role.SAC, Role.CANAL)
DVH_ROLES = (*NEURAL_ROLES, Role.PTV)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """A case made ready for questions.

    `subjects` pairs each matched ROI with the name under which findings speak of it.
    """

    case: Case
    protocol: Protocol
    declared: Declared
    reading: PrescriptionReading
    treated: TreatedLevels
    subjects: tuple[tuple[str, MatchedROI], ...]
    dosimetry: Dosimetry
    others: tuple[MatchedROI, ...]

    def of_role(self, *roles: Role) -> tuple[tuple[str, MatchedROI], ...]:
        """Return the ROIs of some roles, with their subjects, in the order of the file."""
        return tuple(pair for pair in self.subjects if pair[1].role in roles)

    def dvh(self, subject: str) -> DVH:
        """Return the DVH of a subject; all ROIs of `DVH_ROLES` have one."""
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


def compute_dvhs(subjects: tuple[tuple[str, MatchedROI], ...], case: Case) -> Mapping[str, DVH]:
    """Compute the DVH of every subject that is a target or a neural structure."""
    return {
        subject: compute_dvh(match.roi, case.dose)
        for subject, match in subjects
        if match.role in DVH_ROLES
    }
