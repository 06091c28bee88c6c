"""What `sbrtcheck robustness` costs for a cord, its PRV and one target on a 2 mm grid."""

import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path

from clock import take_turns
from sbrtcheck import Case, load_case, load_protocol
from sbrtcheck.robustness import assess
from table import Row, Section

__all__ = ["section"]

HEADING = (
    "Robustness: 78 shifts, 12 rotations, the smallest shift that breaks each limit"
)
NOTE = (
    "A sample plan with cord, PRV and one target alone, on its grid of 2 mm, with all that `check`"
    " asks of it before; files are read before. Median of {rounds} rounds; seconds hang on the"
    " machine."
)
SAMPLE = Path(__file__).parents[1] / "sample_dicom" / "t8_30gy5_pass" / "RP.dcm"
ROIS = ("SpinalCord", "SpinalCord_PRV02", "PTV_T8")
ROUNDS = 5
FEW_ROUNDS = 1
NOISE = 1.0  # two busy cores


def section(*, small: bool) -> Section:
    """Measure the time; the small form takes one round."""
    rounds = FEW_ROUNDS if small else ROUNDS
    call = partial(assess, _three_rois(load_case(SAMPLE)), load_protocol("nct06756087"))
    times = take_turns({"assess": call}, rounds)
    time = Row(
        what="cord + PRV + one PTV",
        must=3.0,
        measured=statistics.median(times["assess"]),
        unit="s",
        noise=NOISE,
    )
    return Section(heading=HEADING, note=NOTE.format(rounds=rounds), rows=(time,))


def _three_rois(case: Case) -> Case:
    rois = tuple(case.structure_set.roi(name) for name in ROIS)
    return replace(case, structure_set=replace(case.structure_set, rois=rois))
