"""Is the spinal cord safe? Cord, PRV, cauda equina, thecal sac and canal.

The cord limit G is the HyTEC value of the fraction number; L is the last line (equal to G where
the protocol has none). Cord above L fails, between G and L is a variation; a PRV above G beside
a cord within G is a variation. A surrogate that is drawn alone is graded as the cord would be.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sbrtcheck.checks.evidence import NEURAL_ROLES, Evidence
from sbrtcheck.checks.limits import graded_finding, kept_by_all_of_it, unanswered
from sbrtcheck.checks.verdict import Finding, Outcome
from sbrtcheck.model import FloatArray, Text, distinct, main_spacing_mm
from sbrtcheck.protocol.metric import parse_metric
from sbrtcheck.protocol.names import LEVELS, MatchedROI
from sbrtcheck.protocol.rules import Basis, Limit, Role

DMAX = parse_metric("Dmax")
NEAR_MAXIMUM = parse_metric("D0.035cc")
SURROGATES = (Role.CORD_PRV, Role.SAC, Role.CANAL)
SAC_OR_CANAL = (Role.SAC, Role.CANAL)
BELOW_CONUS = (Role.CAUDA, *SAC_OR_CANAL)
L1, L2 = LEVELS.index("L1"), LEVELS.index("L2")
SAME_MM = 0.01  # rounding of plane positions
NEXT_PLANE = 1.5  # spacings; more between two planes means that one is missing


def check_neural(evidence: Evidence) -> Iterator[Finding]:
    """Yield what is needed at the treated levels, how far it is drawn, and every limit."""
    yield from _needed(evidence)
    gaps = tuple(_extent(evidence))
    yield from gaps
    incomplete = next((f.message for f in gaps if f.outcome is Outcome.UNDECIDED), None)
    for subject, match in evidence.of_role(*NEURAL_ROLES):
        yield _limit(evidence, subject, match, incomplete)
        yield from _volume_limits(evidence, subject, match, incomplete)
        yield _maximum(evidence, subject, match)


# --- What has to be drawn -----------------------------------------------------------------------


def _reaches(levels: tuple[str, ...], last: int) -> bool:
    """Tell whether any level is at or above `last`; unknown levels may be."""
    return not levels or any(LEVELS.index(level) <= last for level in levels)


class _Need(NamedTuple):
    """What has to be drawn: cord, or cauda or sac, or both where the cord may end."""

    cord: bool
    cauda: bool


def _need_at(levels: tuple[str, ...], conus: str | None) -> _Need:
    """Return what some levels need; unknown levels need a cord.

    The cord ends at L1 or L2 in nearly everybody, so both are needed there, unless the level of
    the conus is declared.
    """
    if not levels:
        return _Need(cord=True, cauda=False)
    places = [LEVELS.index(level) for level in levels]
    last_cord, first_cauda = (L2, L1) if conus is None else (LEVELS.index(conus),) * 2
    return _Need(cord=min(places) <= last_cord, cauda=max(places) >= first_cauda)


def _needed(evidence: Evidence) -> Iterator[Finding]:
    levels = evidence.treated.levels if evidence.treated.known else ()
    need = _need_at(levels, evidence.declared.facts.conus_level)
    if need.cord:
        yield _cord_needed(evidence, conus=need.cauda)
    if need.cauda:
        drawn = evidence.drawn(*BELOW_CONUS)
        yield _need(
            evidence,
            "neural.cauda",
            "CaudaEquina",
            Outcome.PASS if drawn else Outcome.UNDECIDED,
            Text("drawn as {roi}", roi=_names(drawn))
            if drawn
            else Text("neither cauda equina nor thecal sac is drawn; needed at L1-L5"),
        )


def _cord_needed(evidence: Evidence, *, conus: bool) -> Finding:
    structure = evidence.protocol.structure_of(Role.CORD)
    drawn = evidence.drawn(Role.CORD)
    surrogates = evidence.drawn(*SURROGATES)
    if drawn:
        outcome, message = Outcome.PASS, Text("drawn as {roi}", roi=_names(drawn))
    elif surrogates and not conus:
        outcome = Outcome.PASS
        message = Text("not drawn; judged by its surrogate {roi}", roi=_names(surrogates))
    elif conus:
        outcome = Outcome.UNDECIDED
        message = Text(
            "the cord is not drawn; at L1-L2 cord and cauda equina or thecal sac are needed"
        )
    else:
        outcome = Outcome.UNDECIDED
        message = Text("neither cord, PRV, thecal sac nor canal is drawn, or the name is not known")
    return _need(evidence, "neural.cord", structure, outcome, message)


def _need(
    evidence: Evidence, finding_id: str, subject: str, outcome: Outcome, message: Text
) -> Finding:
    rules = evidence.protocol.neural
    return Finding(
        id=finding_id,
        subject=subject,
        outcome=outcome,
        message=message,
        reason=message if outcome is Outcome.UNDECIDED else None,
        basis=Basis.CONVENTION,
        source=rules.source,
    )


def _names(pairs: tuple[tuple[str, MatchedROI], ...]) -> str:
    return ", ".join(match.roi.name for _, match in pairs)


# --- How far it is drawn ------------------------------------------------------------------------


class _Stretch(NamedTuple):
    low_mm: float
    high_mm: float


def _extent(evidence: Evidence) -> Iterator[Finding]:
    """Yield for each PTV whether neural contours lie on every plane of it and beyond."""
    rules = evidence.protocol.neural
    for subject, match in evidence.drawn(Role.PTV):
        roles = _roles_at(evidence, evidence.treated.of_target(match.roi.name))
        rois = evidence.drawn(*roles)
        if not rois:
            continue  # said by what is needed
        missing = _missing(match, rois, rules.extent_mm)
        yield Finding(
            id="neural.extent",
            subject=subject,
            roi=match.roi.name,
            outcome=Outcome.UNDECIDED if missing else Outcome.PASS,
            message=(
                Text(
                    "{rois} has no contours between z = {low_mm} and {high_mm} mm, within"
                    " {extent_mm} mm of {target}",
                    rois=_names(rois),
                    low_mm=missing.low_mm,
                    high_mm=missing.high_mm,
                    extent_mm=rules.extent_mm,
                    target=match.roi.name,
                )
                if missing
                else Text(
                    "{rois} drawn on every plane to {extent_mm} mm beyond {target}",
                    rois=_names(rois),
                    extent_mm=rules.extent_mm,
                    target=match.roi.name,
                )
            ),
            basis=rules.basis,
            source=rules.source,
        )


def _roles_at(evidence: Evidence, levels: tuple[str, ...]) -> tuple[Role, ...]:
    """Return the roles whose contours together have to pass a target of these levels."""
    need = _need_at(levels, evidence.declared.facts.conus_level)
    if need.cord and need.cauda:
        return (Role.CORD, *BELOW_CONUS)
    if need.cauda:
        return BELOW_CONUS
    for roles in ((Role.CORD,), (Role.CORD_PRV,), SAC_OR_CANAL):
        if evidence.drawn(*roles):
            return roles
    return ()


def _missing(
    target: MatchedROI, rois: tuple[tuple[str, MatchedROI], ...], extent_mm: float
) -> _Stretch | None:
    """Return the first stretch around a target where a contour plane is missing, if any."""
    target_mm = target.roi.z_mm
    drawn_mm = distinct(z for _, match in rois for z in match.roi.z_mm)
    spacing_mm = _spacing_mm(target_mm, drawn_mm, target.roi.plane_spacing_mm)
    low, high = target_mm[0] - extent_mm, target_mm[-1] + extent_mm
    # One plane more at each end stands for the edge of what has to be drawn.
    inside = drawn_mm[(drawn_mm >= low - SAME_MM) & (drawn_mm <= high + SAME_MM)]
    if not inside.size:
        return _Stretch(float(low), float(high))
    if inside[0] - spacing_mm >= low - SAME_MM:
        return _Stretch(float(low), float(inside[0]))
    for below, above in pairwise(inside.tolist()):
        if above - below > NEXT_PLANE * spacing_mm + SAME_MM:
            return _Stretch(below, above)
    if inside[-1] + spacing_mm <= high + SAME_MM:
        return _Stretch(float(inside[-1]), float(high))
    return None


def _spacing_mm(target_mm: FloatArray, drawn_mm: FloatArray, fallback_mm: float | None) -> float:
    """Return the spacing of the planes: the finer of the target's and the neural ROI's."""
    spacings = [main_spacing_mm(np.diff(z_mm)) for z_mm in (target_mm, drawn_mm)]
    known = [spacing for spacing in (*spacings, fallback_mm) if spacing is not None]
    return min(known) if known else 0.0


# --- Limits -------------------------------------------------------------------------------------


def _limit(evidence: Evidence, subject: str, match: MatchedROI, incomplete: Text | None) -> Finding:
    role = match.role
    finding_id = f"limit.{role.value}" if role else "limit"
    limits = neural_limits(evidence, match)
    if not limits:
        why = (
            Text("no limit without a known number of fractions")
            if evidence.fractions is None
            else Text(
                "the protocol has no limit at {fractions} fractions", fractions=evidence.fractions
            )
        )
        open_question = unanswered(
            finding_id=finding_id, subject=subject, message=why, line=None, match=match
        )
        # The dose is known all the same.
        value = evidence.value(NEAR_MAXIMUM, subject)
        return replace(open_question, metric=NEAR_MAXIMUM, value=value)
    limit = limits[0]
    finding = graded_finding(
        evidence,
        finding_id=finding_id,
        subject=subject,
        match=match,
        goal=limit.goal,
        variation=limit.variation,
    )
    if _is_beside_cord(evidence, match) and finding.outcome is Outcome.FAIL:
        finding = replace(
            finding,
            outcome=Outcome.VARIATION,
            message=Text("above {line}; the cord itself decides", line=str(limit.goal.constraint)),
        )
    if match.is_made:
        finding = replace(finding, message=Text("{m} ({how})", m=finding.message, how=match.how))
    finding = _with_surrogate_words(evidence, match, finding)
    finding = _with_maximum_words(evidence, subject, limit, finding)
    return _held_back(evidence, finding, incomplete)


def _volume_limits(
    evidence: Evidence, subject: str, match: MatchedROI, incomplete: Text | None
) -> Iterator[Finding]:
    """Yield the further limits of the cauda equina, beside that of its near-maximum."""
    for limit in neural_limits(evidence, match)[1:]:
        finding = graded_finding(
            evidence,
            finding_id="limit.cauda",
            subject=subject,
            match=match,
            goal=limit.goal,
            variation=limit.variation,
        )
        finding = kept_by_all_of_it(evidence, finding)
        yield _held_back(evidence, finding, incomplete)


def neural_limits(evidence: Evidence, match: MatchedROI) -> tuple[Limit, ...]:
    """Return the limits of a neural ROI, that of its near-maximum first.

    None without a known number of fractions, or where the protocol has none for it. A PRV beside
    a cord has no second line: the cord itself decides.
    """
    first = _limit_for(evidence, match)
    if first is None or evidence.fractions is None:
        return ()
    if _is_beside_cord(evidence, match):
        first = replace(first, variation=None)
    if match.role is not Role.CAUDA or match.structure is None:
        return (first,)
    return (first, *evidence.protocol.limits_of(match.structure, evidence.fractions)[1:])


def _is_beside_cord(evidence: Evidence, match: MatchedROI) -> bool:
    return match.role is Role.CORD_PRV and bool(evidence.drawn(Role.CORD))


def _limit_for(evidence: Evidence, match: MatchedROI) -> Limit | None:
    """Return the cord or the cauda limit: sac and canal keep the cord's down to L2."""
    protocol = evidence.protocol
    cord = match.role in (Role.CORD, Role.CORD_PRV)
    if match.role in SAC_OR_CANAL:
        levels = evidence.treated.levels if evidence.treated.known else ()
        cord = _reaches(levels, L2)
    structure = protocol.structure_of(Role.CORD if cord else Role.CAUDA)
    return None if evidence.fractions is None else protocol.limit(structure, evidence.fractions)


def _with_surrogate_words(evidence: Evidence, match: MatchedROI, finding: Finding) -> Finding:
    """Say where an ROI stands for the cord, or is called cord where there is none."""
    others = [m for _, m in evidence.drawn(Role.CORD, Role.CAUDA) if m is not match]
    if match.role in SURROGATES and not others:
        words = (
            Text("only a surrogate is drawn, and it exceeds: {m}", m=finding.message)
            if finding.outcome is Outcome.FAIL
            else Text("only a surrogate is drawn: {m}", m=finding.message)
        )
        return replace(finding, message=words)
    levels = evidence.treated.levels if evidence.treated.known else ()
    if match.role is Role.CORD and not _reaches(levels, L2):
        return replace(
            finding,
            message=Text("{m} (cord limit below L2: is this sac or cauda?)", m=finding.message),
        )
    return finding


def _with_maximum_words(
    evidence: Evidence, subject: str, limit: Limit, finding: Finding
) -> Finding:
    """Say when the point maximum is above a goal that the near-maximum keeps."""
    goal = limit.goal.constraint
    maximum = evidence.value(DMAX, subject).value
    near = None if finding.value is None else finding.value.value
    if maximum is None or near is None or not goal.holds(near) or goal.holds(maximum):
        return finding
    return replace(
        finding,
        message=Text(
            "{m}; the point maximum of {maximum_gy} Gy is above {limit} Gy",
            m=finding.message,
            maximum_gy=maximum,
            limit=goal.limit,
        ),
    )


def _held_back(evidence: Evidence, finding: Finding, incomplete: Text | None) -> Finding:
    """Turn an answer into UNDECIDED where contours or grid cannot carry it, unless it fails."""
    if finding.outcome is Outcome.FAIL:
        return finding
    spacing_mm = evidence.course.spacing_mm
    reason = evidence.course.problem or incomplete
    if spacing_mm > evidence.protocol.dose.grid_variation_mm + 1e-6:
        reason = Text(
            "a dose grid of {spacing_mm} mm is too coarse for a near-maximum", spacing_mm=spacing_mm
        )
    if reason is None:
        return finding
    return replace(finding, outcome=Outcome.UNDECIDED, reason=reason, message=reason)


def _maximum(evidence: Evidence, subject: str, match: MatchedROI) -> Finding:
    value = evidence.value(DMAX, subject)
    return Finding(
        id="report.neural",
        subject=subject,
        roi=match.roi.name,
        metric=DMAX,
        value=value,
        outcome=None,
        message=Text("reported"),
        reason=value.reason,
        basis=Basis.CONVENTION,
        source="point maximum over the structure, its surface included",
        required=False,
    )


def report_prv(evidence: Evidence) -> Iterator[Finding]:
    """Yield which PRV was made from a cord, where none is drawn."""
    for subject, match in evidence.of_role(Role.CORD_PRV):
        if match.is_made:
            yield Finding(
                id="report.prv",
                subject=subject,
                roi=match.roi.name,
                outcome=None,
                message=Text("no PRV is drawn; {how}", how=match.how),
                basis=Basis.CONVENTION,
                source="cord + 2 mm: project convention",
                required=False,
            )
