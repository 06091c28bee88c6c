"""Is this the dose of the prescription, on a grid that can carry the answer?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sbrtcheck.checks.evidence import Evidence, Subject
from sbrtcheck.checks.findings import answer, asked, not_asked
from sbrtcheck.checks.read_neural import NEURAL_ROLES
from sbrtcheck.checks.rule import Outcome, Rule, Section, State
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.dvh import DVHResult, NothingDrawn
from sbrtcheck.dvh.beyond import Bound
from sbrtcheck.errors import UnsupportedError
from sbrtcheck.model import Prescription, Text
from sbrtcheck.protocol.evaluate import SMALL
from sbrtcheck.protocol.metric import parse_metric
from sbrtcheck.protocol.names import MatchedROI
from sbrtcheck.protocol.rules import DoseRules, Role

MEDIAN = parse_metric("D50%")
COVERED_ROLES = (*NEURAL_ROLES, Role.PTV)  # what has to lie in the dose grid
ROUNDING_MM = 1e-3
CONVENTION = "project choice, unconfirmed"

FITS = Rule(
    id="dose.fits_prescription",
    title="dose against prescription",
    asks="Does the median dose of each target fit the prescription?",
    why="A dose of one session, of another plan or another scale makes every number"
    " wrong by the same factor.",
    act="Export the dose of this plan, or declare its prescription with --rx.",
    section=Section.DOSE,
    source=CONVENTION,
    severity="ask",
)
GRID = Rule(
    id="dose.grid",
    title="dose grid",
    asks="Is the dose grid fine enough for the near-maximum of a cord?",
    why="Dose falls by 10 % in a millimetre beside a spine target; on a coarse grid"
    " the near-maximum is a guess.",
    act="Calculate the dose again on a grid of at most 2 mm.",
    section=Section.DOSE,
    source=CONVENTION,
    severity="ask",
)
COVERS = Rule(
    id="dose.covers",
    title="extent of the dose grid",
    asks="Does the dose grid hold every target and neural structure?",
    why="Where a structure leaves the grid its dose is not known, unless what leaves"
    " it is far from every target and the dose at the grid's faces bounds it.",
    act="Export the dose on a grid that reaches 2 cm beyond every target.",
    section=Section.DOSE,
    source=CONVENTION,
    severity="ask",
)


# What the grid holds where it holds all, by whether a target and a neural structure are drawn.
HELD = {
    (True, True): Text("the dose grid holds every target and neural structure"),
    (True, False): Text("the dose grid holds every target"),
    (False, True): Text("the dose grid holds every neural structure"),
}


def check_dose(evidence: Evidence) -> Iterator[Finding]:
    """Yield whether the dose fits the prescription, its grid is fine enough and large enough."""
    rules = evidence.protocol.dose
    findings = [*_fits(evidence), _grid_spacing(evidence), *_covers(evidence)]
    for finding in findings:
        yield replace(finding, line_basis=rules.basis, line_source=rules.source)


def _fits(evidence: Evidence) -> Iterator[Finding]:
    """Yield for each target whether its median dose fits the prescription.

    Raises
    ------
    UnsupportedError
        If it fits only after multiplication with the number of fractions.
    """
    rules = evidence.protocol.dose
    prescription = evidence.reading.prescription
    targets = evidence.graded_targets()
    if prescription is None or not targets:
        yield not_asked(
            FITS, Text("no target or no prescription is known"), subject="dose"
        )
        return
    ratios = _median_ratios(evidence, targets, prescription.dose_gy)
    _refuse_one_session(list(ratios.values()), prescription, rules)
    for subject, match in targets:
        if subject in ratios:
            yield _fit(rules, subject, match, ratios[subject])
            continue
        message = Text("the median target dose cannot be known")
        cure = Text("export the dose on a grid that holds the target")
        yield asked(
            FITS,
            message,
            state=State.MISSING,
            cure=cure,
            subject=subject,
            roi=match.roi.name,
        )


def _median_ratios(
    evidence: Evidence, targets: Sequence[Subject], prescribed_gy: float
) -> dict[str, float]:
    """Return the median dose of targets in parts of what is prescribed, where it is known."""
    ratios = {}
    for subject, _ in targets:
        median_gy = evidence.value(MEDIAN, subject).value
        if median_gy is not None:
            ratios[subject] = median_gy / prescribed_gy
    return ratios


def _refuse_one_session(
    ratios: list[float], prescription: Prescription, rules: DoseRules
) -> None:
    """Raise `UnsupportedError` for a dose that fits only when it is multiplied by the fractions."""
    number = prescription.fractions
    if any(_is_fit(ratio, rules) for ratio in ratios):
        return
    if not any(_is_fit(ratio * number, rules) for ratio in ratios):
        return
    raise UnsupportedError(
        Text(
            "the dose looks like one session: the median target dose times {fractions} fits the"
            " prescription of {dose_gy} Gy; export the dose of the whole plan",
            fractions=number,
            dose_gy=prescription.dose_gy,
        )
    )


def _is_fit(ratio: float, rules: DoseRules) -> bool:
    return rules.median_low <= ratio <= rules.median_high


def _fit(rules: DoseRules, subject: str, match: MatchedROI, ratio: float) -> Finding:
    roi = match.roi.name
    percent = 100 * ratio
    if not _is_fit(ratio, rules):
        message = Text(
            "dose does not fit the prescription: the median target dose is {percent} % of it",
            percent=percent,
        )
        cure = Text(
            "export the dose of this plan, or declare its prescription with --rx"
        )
        return asked(
            FITS, message, state=State.DECLARE, cure=cure, subject=subject, roi=roi
        )
    if ratio > rules.median_variation:
        message = Text(
            "median target dose is {percent} % of the prescription, more than {most} %",
            percent=percent,
            most=100 * rules.median_variation,
        )
        return answer(FITS, Outcome.VARIATION, message, subject=subject, roi=roi)
    message = Text(
        "median target dose is {percent} % of the prescription", percent=percent
    )
    return answer(FITS, Outcome.PASS, message, subject=subject, roi=roi)


def _grid_spacing(evidence: Evidence) -> Finding:
    rules = evidence.protocol.dose
    spacing_mm = max(evidence.case.dose.spacing_mm)
    if spacing_mm <= rules.grid_goal_mm + ROUNDING_MM:
        message = Text("dose grid of {spacing_mm} mm", spacing_mm=spacing_mm)
        return answer(GRID, Outcome.PASS, message, subject="dose")
    if spacing_mm <= rules.grid_variation_mm + ROUNDING_MM:
        message = Text(
            "dose grid of {spacing_mm} mm, coarser than {goal_mm} mm",
            spacing_mm=spacing_mm,
            goal_mm=rules.grid_goal_mm,
        )
        return answer(GRID, Outcome.VARIATION, message, subject="dose")
    message = Text(
        "dose grid of {spacing_mm} mm is too coarse for the near-maximum of a cord",
        spacing_mm=spacing_mm,
    )
    cure = Text(
        "calculate the dose on a grid of at most {mm} mm", mm=rules.grid_goal_mm
    )
    return asked(GRID, message, state=State.MISSING, cure=cure, subject="dose")


def _covers(evidence: Evidence) -> Iterator[Finding]:
    drawn = _with_dvh(evidence, *COVERED_ROLES)
    outside = [pair for pair in drawn if not evidence.dvh(pair[0]).is_complete]
    for subject, match in outside:
        yield _outside(evidence, subject, match)
    if not drawn:
        message = Text("no target or neural structure is known")
        yield not_asked(COVERS, message, subject="dose")
    elif not outside:
        yield answer(COVERS, Outcome.PASS, _holds(evidence), subject="dose")


def _with_dvh(evidence: Evidence, *roles: Role) -> list[Subject]:
    """Return the drawn ROIs of some roles that have a DVH under their own name."""
    known = evidence.dosimetry.dvhs
    return [pair for pair in evidence.drawn(*roles) if pair[0] in known]


def _holds(evidence: Evidence) -> Text:
    """Say what the dose grid holds, and which graded organs it does not hold whole."""
    has_target = bool(evidence.drawn(Role.PTV))
    has_neural = bool(evidence.drawn(*NEURAL_ROLES))
    message = HELD[has_target, has_neural]
    shares = [
        f"{match.roi.name} ({_percent_outside(evidence.dvh(subject)):.3g} %)"
        for subject, match in _with_dvh(evidence, Role.ORGAN)
        if not evidence.dvh(subject).is_complete
    ]
    if not shares:
        return message
    return Text("{m}; outside it lie {organs}", m=message, organs=", ".join(shares))


def _outside(evidence: Evidence, subject: str, match: MatchedROI) -> Finding:
    """Say how much lies outside, and whether its dose is bounded."""
    percent = _percent_outside(evidence.dvh(subject))
    roi = match.roi.name
    bound = _counting_bound(evidence, subject)
    message = Text(
        "{percent} % of '{roi}' lies outside the dose grid", percent=percent, roi=roi
    )
    if bound is None:
        cure = Text(
            "export the dose on a grid that holds it, at least 2 cm beyond every target"
        )
        return asked(
            COVERS, message, state=State.MISSING, cure=cure, subject=subject, roi=roi
        )
    least_cm = 2
    if bound.is_near:
        least_cm = 1
    message = Text(
        "{m}, through faces that are {least_cm} cm or more from every target; at most {bound_gy} Gy"
        " there",
        m=message,
        least_cm=least_cm,
        bound_gy=bound.dose_gy,
    )
    finding = answer(COVERS, Outcome.PASS, message, subject=subject, roi=roi)
    return replace(finding, state=State.BOUNDED)


def _counting_bound(evidence: Evidence, subject: str) -> Bound | None:
    """Return what bounds the dose outside the grid, if it counts for the limit of the cord."""
    bound = evidence.dosimetry.beyond.get(subject)
    if bound is None:
        return None
    if not bound.is_near:
        return bound
    limit = evidence.near_maximum(Role.CORD)
    if limit is None:
        return None
    counting_gy = SMALL * limit.goal.constraint.limit
    if bound.dose_gy > counting_gy:
        return None
    return bound


def _percent_outside(dvh: DVHResult) -> float:
    if isinstance(dvh, NothingDrawn):
        return 0.0
    return 100 * dvh.volume_outside_cc / dvh.volume_cc


CHECKS = (check_dose,)
