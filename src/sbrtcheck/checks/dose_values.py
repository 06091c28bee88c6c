"""Are the values of the dose what a planning system calculates: where they are largest, what is missing."""

from collections.abc import Iterator

import numpy as np

from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import by_severity, not_asked, reported
from sbrtcheck.checks.rule import PUBLISHED_CHECKS, Row, Rule, Section
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import build_region, distances_mm
from sbrtcheck.dvh.outside import farthest_outside_mm
from sbrtcheck.model import DoseGrid, FloatArray, Text
from sbrtcheck.protocol.rules import Role

HETEROGENEITY = Rule(
    id="dose.heterogeneity",
    title="heterogeneity correction",
    number="I13",
    asks="Was the dose calculated with the densities of the patient?",
    why="In water alone cement, lung and bone count alike; beside lung and cement the dose is"
    " another.",
    act="Calculate the dose with heterogeneity correction.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
OVERRIDE = Rule(
    id="dose.overrides",
    title="heterogeneity correction",
    number="I13",
    asks="Were densities overridden for the dose?",
    why="Cement and artefacts are overridden by hand; which, a person has to see.",
    act="Nothing; compare with the list of overrides.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="info",
)
STEP = Rule(
    id="dose.step",
    title="resolution of the dose",
    number="I14",
    asks="Is one count of the dose file at most 0.02 Gy?",
    why="Coarser steps show in every metric.",
    act="Export the dose with 32 bits, or a finer scaling.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="info",
)
SATURATED = Rule(
    id="dose.saturated",
    title="cut-off dose",
    number="I14",
    asks="Are there no more than 8 values at the largest number that the dose file can hold?",
    why="A maximum has a few such values; many say that larger doses were cut off there.",
    act="Export the dose with a larger scaling, or with 32 bits.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
HOT_SPOT = Rule(
    id="dose.hot_spot",
    title="place of the maximum",
    number="I15",
    asks="Does the maximum of the dose lie in a target, or within 5 mm of one?",
    why="A maximum elsewhere is a hot spot in healthy tissue, or dose and targets are not of one"
    " plan.",
    act="Look at the maximum: a prosthesis, skin, or a wrong dose.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
MAXIMUM = Rule(
    id="dose.maximum",
    title="maximum of the dose",
    number="I18",
    asks="How large is the maximum, in Gy and of the prescription?",
    why="It tells to which isodose the plan is prescribed.",
    act="Nothing; it is reported.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="info",
    row=Row.FACT,
)
MAXIMUM_RANGE = Rule(
    id="dose.maximum_range",
    title="maximum of the dose",
    number="I18",
    asks="Does the maximum lie between 102 and 180 % of the prescription?",
    why="Plans of modulated photons reach 102 to 110 %, those to an isodose up to 180; beyond, dose"
    " and prescription may not belong together.",
    act="Look at prescription and dose in the planning system.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
OUTSIDE = Rule(
    id="dose.outside_body",
    title="dose outside the body",
    number="I19",
    asks="Is there more than 10 % of the prescription more than 5 mm outside the body contour?",
    why="Dose in air is a couch or a mask, or the body contour is too small.",
    act="Nothing where that is so; else look at the body contour.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="info",
)
BLANK = Rule(
    id="dose.blank_frames",
    title="blank planes of dose",
    number="I23",
    asks="Are there planes without any dose between planes with dose?",
    why="Dose does not stop and go on: planes were lost on the way.",
    act="Export the dose again.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
WATER = "WATER"
OVERRIDDEN = "ROI_OVERRIDE"
COARSE_GY = 0.02
MOST_AT_LARGEST = 8
MOST_LOOKED_AT = 1_000  # values that are the maximum
NEAR_MM = 5.0
RANGE_PERCENT = (102.0, 180.0)
ROUNDING_PERCENT = 0.05
BODY_MM = 5.0
SEEN = 0.1  # of the prescription
EXPORT = Text("export the dose again")


def check_dose_values(evidence: Evidence) -> Iterator[Finding]:
    """Yield what the values of the plan's own dose say of themselves."""
    dose = evidence.case.dose
    yield from _heterogeneity(evidence, dose)
    yield from _resolution(evidence, dose)
    yield from _blank_frames(evidence, dose)
    yield from _hot_spot(evidence, dose)
    yield from _maximum(evidence, dose)
    yield from _outside_body(evidence, dose)


def _heterogeneity(evidence: Evidence, dose: DoseGrid) -> Iterator[Finding]:
    if dose.header is None or not dose.header.heterogeneity_correction:
        return
    words = set(dose.header.heterogeneity_correction.replace("\\", " ").split())
    message = Text("dose calculated for {words}", words=" ".join(sorted(words)))
    yield by_severity(
        HETEROGENEITY,
        evidence.protocol.checks,
        message,
        fault=words == {WATER},
        cure=Text("calculate the dose with heterogeneity correction"),
    )
    if OVERRIDDEN in words:
        yield reported(OVERRIDE, Text("densities of ROIs are overridden for the dose"))


def _resolution(evidence: Evidence, dose: DoseGrid) -> Iterator[Finding]:
    if dose.header is None or dose.header.step_gy is None:
        return
    step_gy = dose.header.step_gy
    if step_gy > COARSE_GY:
        yield reported(
            STEP, Text("one count of the dose is {step_gy} Gy", step_gy=step_gy)
        )
    message = Text("no value of the dose is cut off")
    is_cut = dose.saturated > MOST_AT_LARGEST
    if is_cut:
        message = Text(
            "{count} values are the largest that the dose file can hold: larger ones may be cut off",
            count=dose.saturated,
        )
    yield by_severity(
        SATURATED,
        evidence.protocol.checks,
        message,
        fault=is_cut,
        cure=Text("export the dose with a larger scaling, or with 32 bits"),
        subject="dose",
    )


def _blank_frames(evidence: Evidence, dose: DoseGrid) -> Iterator[Finding]:
    filled = np.flatnonzero(dose.dose_gy.any(axis=(1, 2)))
    if not filled.size:
        return
    between = int(filled[-1] - filled[0] + 1 - filled.size)
    message = Text("dose on every plane between the first and the last with dose")
    if between:
        message = Text(
            "{count} planes without any dose lie between planes with dose",
            count=between,
        )
    yield by_severity(
        BLANK,
        evidence.protocol.checks,
        message,
        fault=between > 0,
        cure=EXPORT,
        subject="dose",
    )


def _hot_spot(evidence: Evidence, dose: DoseGrid) -> Iterator[Finding]:
    targets = evidence.drawn(Role.PTV)
    if not targets:
        yield not_asked(HOT_SPOT, Text("no target is known"), subject="dose")
        return
    places_mm = _maxima_mm(dose)
    away_mm = min(
        float(distances_mm(build_region(match.roi), places_mm).min())
        for _, match in targets
    )
    message = Text("the maximum lies in a target")
    if away_mm > 0:
        message = Text(
            "the maximum lies {away_mm} mm from the nearest target",
            away_mm=round(away_mm, 1),
        )
    yield by_severity(
        HOT_SPOT,
        evidence.protocol.checks,
        message,
        fault=away_mm > NEAR_MM,
        cure=Text("look at the maximum in the planning system"),
        subject="dose",
    )


def _maxima_mm(dose: DoseGrid) -> FloatArray:
    """Return where the dose is largest, shape (n, 3)."""
    k, j, i = np.nonzero(dose.dose_gy == dose.dose_gy.max())
    places = np.column_stack([dose.x_mm[i], dose.y_mm[j], dose.z_mm[k]])
    every = max(1, len(places) // MOST_LOOKED_AT)
    return np.asarray(places[::every], dtype=np.float64)


def _maximum(evidence: Evidence, dose: DoseGrid) -> Iterator[Finding]:
    prescription = evidence.reading.prescription
    if prescription is None:
        return
    maximum_gy = float(dose.dose_gy.max())
    percent = 100 * maximum_gy / prescription.dose_gy
    message = Text(
        "{maximum_gy} Gy, {percent} % of the prescription",
        maximum_gy=maximum_gy,
        percent=round(percent, 1),
    )
    yield reported(MAXIMUM, message, subject="dose")
    low, high = RANGE_PERCENT
    is_usual = low - ROUNDING_PERCENT <= percent <= high + ROUNDING_PERCENT
    yield by_severity(
        MAXIMUM_RANGE,
        evidence.protocol.checks,
        message,
        fault=not is_usual,
        cure=Text("look at prescription and dose in the planning system"),
        subject="dose",
    )


def _outside_body(evidence: Evidence, dose: DoseGrid) -> Iterator[Finding]:
    prescription = evidence.reading.prescription
    bodies = [match.roi for _, match in evidence.drawn(Role.EXTERNAL)]
    if prescription is None or not bodies:
        return
    away_mm = farthest_outside_mm(dose, SEEN * prescription.dose_gy, bodies)
    if away_mm <= BODY_MM:
        return
    message = Text(
        "more than {percent} % of the prescription up to {away_mm} mm outside the body contour",
        percent=100 * SEEN,
        away_mm=round(away_mm, 1),
    )
    yield reported(OUTSIDE, message, subject="dose")


CHECKS = (check_dose_values,)
