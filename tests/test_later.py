"""What is known to pass and should not: each row goes when it is mended.

The numbers are those of the list of lessons that the project keeps.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from builders import plan
from sbrtcheck import Outcome
from sbrtcheck.model import Contour, Plan
from test_checks import CORD, in_zone, judge


def later(lesson: int, what: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, reason=f"lesson {lesson}: {what}")


def without_meterset() -> Plan:
    (group,) = plan().fraction_groups
    none = tuple(0.0 for _ in group.beam_numbers)
    return replace(plan(), fraction_groups=(replace(group, beam_metersets=none),))


def with_isocentre_far_away() -> Plan:
    beams = tuple(
        replace(beam, isocentre_mm=(300.0, 0.0, 0.0)) for beam in plan().beams
    )
    return replace(plan(), beams=beams)


@later(41, "what the plan says of itself is read and not asked")
@pytest.mark.parametrize("made", [without_meterset, with_isocentre_far_away])
def test_a_plan_that_contradicts_itself_is_no_pass(made: Callable[[], Plan]) -> None:
    assert judge(CORD, the_plan=made()).outcome is not Outcome.PASS


@later(43, "a part, or the wrong thing, passes as the whole")
def test_a_thread_is_no_cord() -> None:
    assert judge(in_zone("cord", "SpinalCord", half=0.5)).outcome is not Outcome.PASS


def thinner(ring: Contour) -> Contour:
    """Return a ring of 30 % of its widths, beside the target."""
    middle = ring.points_mm.mean(axis=0)
    if abs(ring.z_mm) > 12:
        return ring
    return replace(ring, points_mm=middle + 0.3 * (ring.points_mm - middle))


@later(44, "a cord pinched beside the target passes")
def test_a_pinched_cord_is_no_pass() -> None:
    pinched = replace(CORD, contours=tuple(thinner(ring) for ring in CORD.contours))
    assert judge(pinched).outcome is not Outcome.PASS
