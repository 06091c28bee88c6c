"""Machines that treat off the isocentre or in other units, and systems with beam doses of their own."""

import re

from sbrtcheck.model import Beam, Plan

__all__ = ["is_named_set_up", "is_special", "states_other_beam_doses"]

# Of manufacturer, model or machine: no word that merely ends so (Community).
SPECIAL = re.compile(
    r"(?<![a-z])(cyber[ _-]?knife|gamma[ _-]?(knife|plan)|leksell|perfexion|tomo|hi[ _-]?art"
    r"|radixact|unity|mr[ _-]?linac|ethos|halcyon)"
)
# Planning systems whose Beam Dose is 0.18 to 165 times what the beams give.
OTHER_BEAM_DOSES = re.compile(r"(?<![a-z])(monaco|cms|xio)(?![a-z])")
# Set-up fields that older systems write as treatment beams.
SET_UP = re.compile(r"(?<![a-z])(cbct|kv|drr|set[ _-]?up|portal)(?![a-z])")
GAMMA = "GAMMA"


def is_special(plan: Plan, beam: Beam) -> bool:
    """Tell whether rules of isocentre, metersets and openings do not hold for a beam."""
    if beam.radiation_type == GAMMA:
        return True
    own = plan.instance
    words = (own.manufacturer, own.model, beam.manufacturer, beam.model, beam.machine)
    return _tells(SPECIAL, words)


def is_named_set_up(beam: Beam) -> bool:
    """Tell whether the name of a beam is that of a field for imaging."""
    return _tells(SET_UP, (beam.name,))


def states_other_beam_doses(plan: Plan) -> bool:
    """Tell whether the planning system is known to state beam doses in units of its own."""
    return _tells(OTHER_BEAM_DOSES, (plan.instance.manufacturer, plan.instance.model))


def _tells(pattern: re.Pattern[str], words: tuple[str | None, ...]) -> bool:
    return any(
        pattern.search(word.casefold()) is not None
        for word in words
        if word is not None
    )
