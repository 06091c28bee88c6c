"""How the plan is delivered: metersets, machine, isocentre, set-up, arcs and openings of its beams."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

import numpy as np

from sbrtcheck.checks.devices import (
    is_named_set_up,
    is_special,
    states_other_beam_doses,
)
from sbrtcheck.checks.evidence import Evidence
from sbrtcheck.checks.findings import by_severity, numbered_subject, reported
from sbrtcheck.checks.rule import PUBLISHED_CHECKS, Row, Rule, Section
from sbrtcheck.checks.verdict import Finding
from sbrtcheck.contours import box_of, build_region
from sbrtcheck.dvh.reading import dose_at_gy
from sbrtcheck.model import (
    Beam,
    ControlPoint,
    DoseReference,
    FloatArray,
    FractionGroup,
    Opening,
    Plan,
    Point,
    Text,
)
from sbrtcheck.protocol.rules import Role

METERSETS = Rule(
    id="beams.no_meterset",
    title="monitor units",
    number="I3",
    asks="Does any treatment beam state monitor units?",
    why="A plan whose beams state none, or 0, cannot be delivered as it stands, and nobody can"
    " compare it with what is delivered.",
    act="Calculate the plan and export it again.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
METERSET = Rule(
    id="beams.meterset",
    title="monitor units",
    number="I3",
    asks="Does every treatment beam state monitor units above 0?",
    why="A beam without them was lost on the way or is not calculated. Set-up fields carry none.",
    act="Calculate the beam, or remove it, and export the plan again.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
WEIGHTS = Rule(
    id="beams.weights",
    title="meterset weights",
    number="I4",
    asks="Do the meterset weights of each beam rise from 0 to the final one?",
    why="Control points that begin elsewhere, fall, or end elsewhere deliver another beam than the"
    " one calculated.",
    act="Export the plan again; if it stays so, calculate it anew.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
BEAM_DOSE = Rule(
    id="beams.dose",
    title="dose by beams",
    number="I5",
    asks="Do the beam doses add up to the dose at their point, and to the prescription?",
    why="Doses of the beams and dose of the plan come from one calculation: where they differ, one"
    " of the files may be of another.",
    act="Nothing where the reason is known (a prescription to an isodose lies below); else look at"
    " both in the planning system.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="info",
    row=Row.FACT,
)
BEAM_DOSE_LOW = Rule(
    id="beams.dose_low",
    title="dose by beams",
    number="I5",
    asks="Do the beam doses add up to at least 80 % of the dose at their point, or of the"
    " prescription?",
    why="Beams that give less than the plan says are a plan that was changed after it was"
    " calculated.",
    act="Calculate the plan anew and export plan and dose together.",
    section=Section.DOSE,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
MACHINE = Rule(
    id="beams.machine",
    title="treatment machine",
    number="I7",
    asks="Are all treatment beams planned for one machine?",
    why="A session is given on one machine; a beam of another was copied and not converted.",
    act="Convert the beams to one machine.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
TREATING = Rule(
    id="beams.told",
    title="treatment beams",
    asks="How many treatment beams are there, of which energy, on which machine?",
    why="A person sees at a glance whether this is the plan that was meant.",
    act="Nothing; it is reported.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="info",
    row=Row.FACT,
)
ISOCENTRE = Rule(
    id="isocentre",
    title="isocentre",
    number="I8",
    asks="How many isocentres are there, and how far from the targets do they lie?",
    why="Each isocentre is a set-up; its place is compared with the set-up instruction.",
    act="Nothing; it is reported.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="info",
    row=Row.FACT,
)
FAR = Rule(
    id="isocentre.far",
    title="isocentre",
    number="I8",
    asks="Does every isocentre lie within 50 mm of the box around the targets?",
    why="Far from the isocentre small rotations of the patient become millimetres. Not asked of"
    " CyberKnife, Gamma Knife, Tomo, Unity, Halcyon and Ethos.",
    act="Look at the isocentre; plan with one near the target, or record why not.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
POSITION = Rule(
    id="setup.position",
    title="patient position",
    number="I9",
    asks="Does the patient position of the set-up agree with the orientation of the dose?",
    why="Rows and columns of a dose run as its image was taken: prone and supine taken for each"
    " other turn the patient about. The CT is not read for judging; only a dose whose rows and"
    " columns both contradict the position speaks.",
    act="Compare the position in the plan with that of the planning image.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
POSITIONS = Rule(
    id="setup.positions",
    title="patient position",
    number="I9",
    asks="Are all treatment beams given in one patient position?",
    why="One dose cannot be of a patient who lies in two ways.",
    act="Export a plan for each position, or correct the set-up of the beams.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="ask",
)
ARCS = Rule(
    id="beams.arcs",
    title="arcs",
    number="I10",
    asks="Are all gantry angles between 0 and 360 degrees, and does each arc move?",
    why="An angle beyond is a convention that the machine may read otherwise; an arc that stays"
    " where it is is a static beam.",
    act="Nothing where the machine takes it; else correct the beam.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="info",
)
MU = Rule(
    id="mu",
    title="monitor units",
    number="I11",
    asks="How many monitor units are given, and how many per cGy?",
    why="The number tells how modulated a plan is; 2 to 5 MU/cGy are usual for arcs.",
    act="Nothing; it is reported.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="info",
    row=Row.FACT,
)
MU_RANGE = Rule(
    id="mu.range",
    title="monitor units",
    number="I11",
    asks="Do the monitor units lie between 0.8 and 12 per cGy?",
    why="Fewer cannot give the dose, more are another unit, another number of fractions, or a plan"
    " that is hard to deliver. Not asked of machines that count otherwise.",
    act="Compare monitor units and fractions with the planning system.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
OPENINGS = Rule(
    id="beams.openings",
    title="jaws and leaves",
    number="I20",
    asks="Do leaf pairs not overlap, do jaws and leaves stay within 250 mm, and do arcs turn one way"
    " for no more than a full turn?",
    why="A machine cannot deliver what lies beyond its limits; a file that says so was damaged.",
    act="Export the plan again; if it stays so, calculate it anew.",
    section=Section.PLAN,
    source=PUBLISHED_CHECKS,
    severity="warning",
)
EXPORT = Text("export the plan again")
MINUTES = "MINUTE"
WEIGHT = 1e-3  # of the final weight
SAME_POINT_MM = 1.0
AGREES = 0.1
LEAST_OF_DOSE = 0.8
NEAR_MM = 50.0
CGY = 100.0
MU_PER_CGY = (0.8, 12.0)
MOST_MM = 250.0
SLACK = 0.1  # mm or degrees
# To which side rows and columns of an axial image run, along x and y.
SENSES = {"HFS": (1, 1), "HFP": (-1, -1), "FFS": (-1, 1), "FFP": (1, -1)}
TURNS = {"CW": 1.0, "CC": -1.0}


def check_delivery(evidence: Evidence) -> Iterator[Finding]:
    """Yield what the beams say of their delivery; what is not stated is no finding."""
    plan = evidence.case.plan
    if not plan.instance.sop_class_uid:
        return  # made of arrays
    treating = [beam for beam in plan.beams if beam.treats]
    usual = [beam for beam in treating if not is_special(plan, beam)]
    if treating:
        yield reported(TREATING, _told(treating))
    yield from _metersets(evidence, plan, usual)
    yield from _weights(evidence, treating)
    yield from _beam_doses(evidence, plan, treating)
    yield from _machines(evidence, treating)
    yield from _isocentres(evidence, usual)
    yield from _positions(evidence, treating)
    yield from _arcs(usual)
    yield from _monitor_units(evidence, plan, treating)
    yield from _openings(evidence, usual)


def _told(treating: Sequence[Beam]) -> Text:
    """Say how many beams treat, with what, and where."""
    message = Text("{count}", count=len(treating))
    energies = sorted({b.energy_mv for b in treating if b.energy_mv})
    if energies:
        listed = ", ".join(f"{energy_mv:g}" for energy_mv in energies)
        message = Text("{m} of {energies} MV", m=message, energies=listed)
    machines = dict.fromkeys(beam.machine for beam in treating if beam.machine)
    if machines:
        message = Text("{m} on {machines}", m=message, machines=", ".join(machines))
    return message


# --- Metersets ----------------------------------------------------------------------------------


def _metersets(
    evidence: Evidence, plan: Plan, usual: Sequence[Beam]
) -> Iterator[Finding]:
    asked = [beam for beam in usual if _is_given(plan, beam)]
    if not asked:
        return
    known = _by_beam(plan, "beam_metersets")
    unknown = [beam for beam in asked if not _is_positive(known.get(beam.number))]
    without = [beam for beam in unknown if not is_named_set_up(beam)]
    severities = evidence.protocol.checks
    is_none = len(unknown) == len(asked)
    message = Text("monitor units of {count} treatment beams", count=len(asked))
    none = Text("no treatment beam states monitor units above 0")
    yield by_severity(
        METERSETS, severities, none if is_none else message, fault=is_none, cure=EXPORT
    )
    if is_none:
        return
    some = Text("beams without monitor units: {beams}", beams=_listed(without))
    yield by_severity(
        METERSET,
        severities,
        some if without else message,
        fault=bool(without),
        cure=EXPORT,
    )


def _is_given(plan: Plan, beam: Beam) -> bool:
    """Tell whether monitor units of a beam belong in the plan; a beam of no group is told as such."""
    named = {number for group in plan.fraction_groups for number in group.beam_numbers}
    is_named = not named or beam.number in named
    return is_named and beam.dosimeter_unit != MINUTES


def _by_beam(plan: Plan, column: str) -> dict[int | None, float | None]:
    """Return what the fraction groups state of each beam, the first that is stated."""
    found: dict[int | None, float | None] = {}
    for group in plan.fraction_groups:
        for number, value in zip(
            group.beam_numbers, getattr(group, column), strict=False
        ):
            if found.get(number) is None:
                found[number] = value
    return found


def _is_positive(value: float | None) -> bool:
    return value is not None and value > 0


def _listed(beams: Iterable[Beam]) -> str:
    return ", ".join(f"{beam.number} '{beam.name}'" for beam in beams)


def _weights(evidence: Evidence, treating: Sequence[Beam]) -> Iterator[Finding]:
    asked = [beam for beam in treating if _weights_of(beam)]
    if not asked:
        return
    wrong = [beam for beam in asked if not _rises(beam)]
    message = Text("meterset weights of {count} beams", count=len(asked))
    if wrong:
        message = Text(
            "meterset weights do not rise from 0 to the final weight: {beams}",
            beams=_listed(wrong),
        )
    yield by_severity(
        WEIGHTS, evidence.protocol.checks, message, fault=bool(wrong), cure=EXPORT
    )


def _weights_of(beam: Beam) -> list[float]:
    return [point.weight for point in beam.control_points if point.weight is not None]


def _rises(beam: Beam) -> bool:
    """Tell whether the weights that are stated begin at 0, never fall, and end where they should."""
    weights = _weights_of(beam)
    final = weights[-1]
    if beam.final_weight is not None:
        final = beam.final_weight
    slack = WEIGHT * abs(final)
    points = beam.control_points
    if points[0].weight is not None and abs(points[0].weight) > slack:
        return False
    if points[-1].weight is not None and abs(points[-1].weight - final) > slack:
        return False
    return all(after >= before - slack for before, after in pairwise(weights))


# --- Dose by beams ------------------------------------------------------------------------------


def _beam_doses(
    evidence: Evidence, plan: Plan, treating: Sequence[Beam]
) -> Iterator[Finding]:
    group = _only_group(plan)
    if group is None or group.fractions is None or states_other_beam_doses(plan):
        return
    known_gy = _by_beam(plan, "beam_doses_gy")
    doses_gy = [known_gy.get(beam.number) for beam in treating]
    total_gy = group.fractions * sum(dose for dose in doses_gy if dose is not None)
    if None in doses_gy or total_gy <= 0:
        return
    against = _told_doses(evidence, plan, group)
    if not against:
        return
    words = against[0][0]
    for further, _ in against[1:]:
        words = Text("{one} and {other}", one=words, other=further)
    message = Text(
        "the beams add up to {total_gy} Gy, which differs from {words}",
        total_gy=total_gy,
        words=words,
    )
    ratios = [total_gy / dose_gy for _, dose_gy in against]
    if abs(ratios[0] - 1) <= AGREES:
        message = Text(
            "the beams add up to {total_gy} Gy, which agrees with {words}",
            total_gy=total_gy,
            words=words,
        )
    yield reported(BEAM_DOSE, message)
    yield by_severity(
        BEAM_DOSE_LOW,
        evidence.protocol.checks,
        message,
        fault=min(ratios) < LEAST_OF_DOSE,
        cure=EXPORT,
    )


def _told_doses(
    evidence: Evidence, plan: Plan, group: FractionGroup
) -> list[tuple[Text, float]]:
    """Return what the beams are compared with, the nearest to them first."""
    told = []
    there_gy = _dose_there_gy(evidence, plan, group)
    if there_gy is not None:
        told.append((Text("{there_gy} Gy at their point", there_gy=there_gy), there_gy))
    prescription = evidence.reading.prescription
    if prescription is not None:
        dose_gy = prescription.dose_gy
        told.append((Text("{dose_gy} Gy prescribed", dose_gy=dose_gy), dose_gy))
    return told


def _only_group(plan: Plan) -> FractionGroup | None:
    if len(plan.fraction_groups) != 1:
        return None
    return plan.fraction_groups[0]


def _dose_there_gy(
    evidence: Evidence, plan: Plan, group: FractionGroup
) -> float | None:
    """Return the dose where the beam doses are specified: the file's own, or that of the grid."""
    points = [point for point in group.beam_points_mm if point is not None]
    if not points or len(points) < len(group.beam_points_mm):
        return None
    if any(math.dist(points[0], point) > SAME_POINT_MM for point in points):
        return None
    references = [row for row in plan.dose_references if _lies_at(row, points[0])]
    stated_gy = [row.target_prescription_dose_gy for row in references]
    found_gy = next(filter(_is_positive, stated_gy), None)
    if found_gy is None:
        found_gy = dose_at_gy(evidence.case.dose, points[0])
    return found_gy if _is_positive(found_gy) else None


def _lies_at(row: DoseReference, place: Point) -> bool:
    if row.point_mm is None:
        return False
    return math.dist(row.point_mm, place) <= SAME_POINT_MM


# --- Machine, isocentre, set-up -----------------------------------------------------------------


def _machines(evidence: Evidence, treating: Sequence[Beam]) -> Iterator[Finding]:
    names = list(dict.fromkeys(beam.machine for beam in treating if beam.machine))
    if not names:
        return
    message = Text("all treatment beams on {machine}", machine=names[0])
    if len(names) > 1:
        message = Text(
            "treatment beams of {count} machines: {machines}",
            count=len(names),
            machines=", ".join(names),
        )
    yield by_severity(
        MACHINE,
        evidence.protocol.checks,
        message,
        fault=len(names) > 1,
        cure=Text("convert the beams to one machine"),
    )


def _isocentres(evidence: Evidence, usual: Sequence[Beam]) -> Iterator[Finding]:
    places = list(
        dict.fromkeys(b.isocentre_mm for b in usual if b.isocentre_mm is not None)
    )
    targets = [match.roi for _, match in evidence.drawn(Role.PTV)]
    box = box_of([build_region(roi) for roi in targets])
    if not places or box is None:
        return
    away_mm = [_outside_mm(place, box.low_mm, box.high_mm) for place in places]
    farthest_mm = max(away_mm)
    message = Text(
        "{count} isocentre, {away_mm} mm from the box around the targets",
        count=len(places),
        away_mm=round(farthest_mm, 1),
    )
    if len(places) > 1:
        message = Text(
            "{count} isocentres, up to {away_mm} mm from the box around the targets",
            count=len(places),
            away_mm=round(farthest_mm, 1),
        )
    yield reported(ISOCENTRE, message)
    yield by_severity(
        FAR,
        evidence.protocol.checks,
        message,
        fault=farthest_mm > NEAR_MM,
        cure=Text("plan with an isocentre near the target"),
    )


def _outside_mm(place: Point, low_mm: FloatArray, high_mm: FloatArray) -> float:
    """Return how far a point lies from a box, 0 inside."""
    at_mm = np.array(place)
    beyond = np.maximum(np.maximum(low_mm - at_mm, at_mm - high_mm), 0.0)
    return float(np.linalg.norm(beyond))


def _positions(evidence: Evidence, treating: Sequence[Beam]) -> Iterator[Finding]:
    positions = list(dict.fromkeys(beam.position for beam in treating if beam.position))
    if not positions:
        return
    severities = evidence.protocol.checks
    told = ", ".join(positions)
    message = Text("patient position {positions}", positions=told)
    if len(positions) > 1:
        message = Text(
            "treatment beams in several patient positions: {positions}", positions=told
        )
    yield by_severity(
        POSITIONS,
        severities,
        message,
        fault=len(positions) > 1,
        cure=Text("export a plan for each position"),
    )
    header = evidence.case.dose.header
    if len(positions) > 1 or header is None:
        return
    senses = _senses(header.orientation)
    expected = SENSES.get(positions[0])
    if senses is None or expected is None:
        return
    contradicts = senses == (-expected[0], -expected[1])
    if contradicts:
        message = Text(
            "patient position {position}, and the dose is oriented the other way about",
            position=positions[0],
        )
    yield by_severity(
        POSITION,
        severities,
        message,
        fault=contradicts,
        cure=Text("compare the position with that of the planning image"),
    )


def _senses(orientation: Sequence[float]) -> tuple[float, float] | None:
    """Return to which side rows run along x and columns along y; None of other images."""
    if len(orientation) != 6:
        return None
    along_x, along_y = orientation[0], orientation[4]
    if min(abs(along_x), abs(along_y)) < 0.5:
        return None
    return math.copysign(1, along_x), math.copysign(1, along_y)


# --- Arcs and openings --------------------------------------------------------------------------


def _arcs(usual: Sequence[Beam]) -> Iterator[Finding]:
    beyond = [beam for beam in usual if not all(0 <= a <= 360 for a in _angles(beam))]
    still = [beam for beam in usual if _stays(beam)]
    if beyond:
        message = Text("gantry angles beyond 0 to 360: {beams}", beams=_listed(beyond))
        yield reported(ARCS, message)
    if still:
        message = Text("arcs that do not move: {beams}", beams=_listed(still))
        yield reported(ARCS, message, subject="case #2")


def _angles(beam: Beam) -> list[float]:
    known = (point.gantry_deg for point in beam.control_points)
    return [angle for angle in known if angle is not None]


def _stays(beam: Beam) -> bool:
    """Tell whether a beam says that the gantry turns, and it never does."""
    turns = any(point.rotation in TURNS for point in beam.control_points[:-1])
    return turns and len(set(_angles(beam))) < 2


def _monitor_units(
    evidence: Evidence, plan: Plan, treating: Sequence[Beam]
) -> Iterator[Finding]:
    known = _by_beam(plan, "beam_metersets")
    units = [known.get(beam.number) for beam in treating]
    stated = [value for value in units if value is not None and value > 0]
    if not stated or len(plan.fraction_groups) != 1:
        return
    prescription = evidence.reading.prescription
    if prescription is None:
        yield reported(MU, Text("{mu} MU a fraction", mu=sum(stated)))
        return
    ratio = sum(stated) / (CGY * prescription.dose_per_fraction_gy)
    message = Text("{mu} MU a fraction, {ratio} MU/cGy", mu=sum(stated), ratio=ratio)
    yield reported(MU, message)
    counts_otherwise = any(
        is_special(plan, beam) or beam.dosimeter_unit == MINUTES for beam in treating
    )
    if counts_otherwise or len(stated) < len(units):
        return
    low, high = MU_PER_CGY
    yield by_severity(
        MU_RANGE,
        evidence.protocol.checks,
        message,
        fault=not low <= ratio <= high,
        cure=Text("compare monitor units and fractions with the planning system"),
    )


def _openings(evidence: Evidence, usual: Sequence[Beam]) -> Iterator[Finding]:
    told = [beam for beam in usual if any(_openings_of(beam)) or len(_angles(beam)) > 2]
    if not told:
        return
    problems = []
    if overlapping := [beam for beam in told if _overlaps(beam)]:
        beams = _listed(overlapping)
        problems.append(Text("jaws or leaves overlap: {beams}", beams=beams))
    if wide := [beam for beam in told if _is_wide(beam)]:
        sentence = "jaws or leaves beyond {most_mm} mm: {beams}"
        problems.append(Text(sentence, most_mm=MOST_MM, beams=_listed(wide)))
    if turning := [beam for beam in told if _turned_deg(beam) > 360 + SLACK]:
        sentence = "the gantry turns back, or more than once about: {beams}"
        problems.append(Text(sentence, beams=_listed(turning)))
    whole = Text("jaws, leaves and arcs of {count} beams", count=len(told))
    for number, message in enumerate(problems or [whole], 1):
        yield by_severity(
            OPENINGS,
            evidence.protocol.checks,
            message,
            fault=bool(problems),
            cure=EXPORT,
            subject=numbered_subject("case", number),
        )


def _openings_of(beam: Beam) -> Iterator[Opening]:
    yield from chain.from_iterable(point.openings for point in beam.control_points)


def _overlaps(beam: Beam) -> bool:
    """Tell whether one side of jaws or leaves stands beyond the other."""
    for opening in _openings_of(beam):
        half = len(opening.positions_mm) // 2
        pairs = zip(
            opening.positions_mm[:half], opening.positions_mm[half:], strict=False
        )
        if any(one > other + SLACK for one, other in pairs):
            return True
    return False


def _is_wide(beam: Beam) -> bool:
    openings = _openings_of(beam)
    return any(
        abs(position) > MOST_MM + SLACK
        for opening in openings
        for position in opening.positions_mm
    )


def _turned_deg(beam: Beam) -> float:
    """Return the longest way that the gantry turns in one direction, as its angles follow."""
    longest = turned = sense = 0.0
    known = [point for point in beam.control_points if point.gantry_deg is not None]
    rotation = ""
    for before, after in pairwise(known):
        rotation = before.rotation or rotation
        turns = TURNS.get(rotation, 0.0)
        if turns != sense:
            sense, turned = turns, 0.0
        turned += _step_deg(before, after, sense)
        longest = max(longest, turned)
    return longest


def _step_deg(before: ControlPoint, after: ControlPoint, sense: float) -> float:
    """Return how far the gantry turns between two points; 0 where it does not say that it does."""
    if before.gantry_deg is None or after.gantry_deg is None:
        return 0.0
    moved_deg = after.gantry_deg - before.gantry_deg
    step_deg = abs(sense) * (moved_deg * sense % 360.0)
    if step_deg > 360 - SLACK:  # rounding, not a turn
        return 0.0
    return step_deg


CHECKS = (check_delivery,)
