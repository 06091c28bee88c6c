"""Is this the dose of the prescription, on a grid that can carry the answer?"""

from collections.abc import Iterator

from sbrtcheck.checks.evidence import NEURAL_ROLES, Evidence
from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.dvh import DVH
from sbrtcheck.errors import UnsupportedError
from sbrtcheck.model import Text
from sbrtcheck.protocol.metric import parse_metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import Role

MEDIAN = parse_metric("D50%")
COVERED_ROLES = (*NEURAL_ROLES, Role.PTV)  # what has to lie in the dose grid
ROUNDING_MM = 1e-3


def check_dose(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether the dose fits the prescription, its grid is fine enough and large enough."""
    yield from _fits(evidence)
    yield _grid_spacing(evidence)
    yield from _covers(evidence)


def _fits(evidence: Evidence) -> Iterator[Finding]:
    """Yield for each target whether its median dose fits the prescription.

    Raises
    ------
    UnsupportedError
        If it fits only after multiplication with the number of fractions.
    """
    rules = evidence.protocol.dose
    prescription = evidence.reading.prescription
    if prescription is None:
        return
    ratios = {}
    for subject, match in evidence.of_role(Role.PTV):
        median_gy = evidence.value(MEDIAN, subject).value
        ratios[subject] = (match, None if median_gy is None else median_gy / prescription.dose_gy)

    def fits(ratio: float | None) -> bool:
        return ratio is not None and rules.median_low <= ratio <= rules.median_high

    known = [ratio for _, ratio in ratios.values() if ratio is not None]
    n = prescription.fractions
    if known and not any(map(fits, known)) and n > 1 and any(fits(r * n) for r in known):
        raise UnsupportedError(
            Text(
                "the dose looks like one session: the median target dose times {fractions} fits the"
                " prescription of {dose_gy} Gy; export the dose of the whole plan",
                fractions=n,
                dose_gy=prescription.dose_gy,
            )
        )
    for subject, (match, ratio) in ratios.items():
        outcome = Outcome.PASS if fits(ratio) else Outcome.UNDECIDED
        message = Text("the median target dose cannot be known")
        if ratio is not None:
            sentence = (
                "median target dose is {percent} % of the prescription"
                if outcome is Outcome.PASS
                else "dose does not fit the prescription: the median target dose is {percent} % of it"
            )
            message = Text(sentence, percent=100 * ratio)
        yield Finding(
            id="dose.fits_prescription",
            subject=subject,
            roi=match.roi.name,
            outcome=outcome,
            message=message,
            basis=rules.basis,
            source=rules.source,
        )


def _grid_spacing(evidence: Evidence) -> Finding:
    rules = evidence.protocol.dose
    spacing_mm = max(evidence.case.dose.spacing_mm)
    if spacing_mm <= rules.grid_goal_mm + ROUNDING_MM:
        outcome, sentence = Outcome.PASS, "dose grid of {spacing_mm} mm"
    elif spacing_mm <= rules.grid_variation_mm + ROUNDING_MM:
        outcome = Outcome.VARIATION
        sentence = "dose grid of {spacing_mm} mm, coarser than {goal_mm} mm"
    else:
        outcome = Outcome.UNDECIDED
        sentence = "dose grid of {spacing_mm} mm is too coarse for the near-maximum of a cord"
    return Finding(
        id="dose.grid",
        subject="dose",
        outcome=outcome,
        message=Text(sentence, spacing_mm=spacing_mm, goal_mm=rules.grid_goal_mm),
        basis=rules.basis,
        source=rules.source,
    )


def _covers(evidence: Evidence) -> Iterator[Finding]:
    rules = evidence.protocol.dose
    outside = [
        (subject, match)
        for subject, match in evidence.drawn(*COVERED_ROLES)
        if not evidence.dvh(subject).is_complete
    ]
    for subject, match in outside:
        yield _outside(evidence, subject, match)
    if not outside:
        yield Finding(
            id="dose.covers",
            subject="dose",
            outcome=Outcome.PASS,
            message=_holds(evidence),
            basis=rules.basis,
            source=rules.source,
        )


def _holds(evidence: Evidence) -> Text:
    """Say what the dose grid holds, and which graded organs it does not hold whole."""
    message = Text("the dose grid holds every target and neural structure")
    shares = [
        f"{match.roi.name} ({_percent_outside(evidence.dvh(subject)):.3g} %)"
        for subject, match in evidence.of_role(Role.ORGAN)
        if _is_graded(evidence, match) and not evidence.dvh(subject).is_complete
    ]
    if not shares:
        return message
    return Text("{m}; outside it lie {organs}", m=message, organs=", ".join(shares))


def _is_graded(evidence: Evidence, match: MatchedROI) -> bool:
    fractions = evidence.fractions
    return bool(fractions and evidence.protocol.limits_of(match.structure or "", fractions))


def _outside(evidence: Evidence, subject: str, match: MatchedROI) -> Finding:
    """Say how much lies outside, and whether its dose is bounded."""
    rules = evidence.protocol.dose
    percent = _percent_outside(evidence.dvh(subject))
    roi = match.roi.name
    bound_gy = evidence.dosimetry.beyond_gy.get(subject)
    message = Text("{percent} % of '{roi}' lies outside the dose grid", percent=percent, roi=roi)
    if bound_gy is not None:
        message = Text(
            "{m}, through faces that are 2 cm or more from every target; at most {bound_gy} Gy there",
            m=message,
            bound_gy=bound_gy,
        )
    return Finding(
        id="dose.covers",
        subject=subject,
        roi=roi,
        outcome=Outcome.UNDECIDED if bound_gy is None else Outcome.PASS,
        message=message,
        basis=rules.basis,
        source=rules.source,
    )


def _percent_outside(dvh: DVH) -> float:
    if dvh.max_gy is None or not dvh.volume_cc:
        return 100.0
    return 100 * dvh.volume_outside_cc / dvh.volume_cc
