"""The EQD2 of two courses, summed point by point, and what the cord has received in all.

    python examples/eqd2_of_two_courses.py FIRST 5 SECOND 5

Each course's physical dose becomes EQD2 = D (D / n + a/b) / (2 + a/b) at every grid point, with its
own number of fractions n (Fowler 1989, Br J Radiol 62:679); then both are added on the finer grid.
Both must lie in one frame of reference: sbrtcheck registers nothing, and a cord that moved between
the courses makes the sum wrong. Recovery between the courses is left out.
"""

import sys
from dataclasses import replace

from sbrtcheck import DoseGrid, compute_dvh, load_case, sum_doses

ALPHA_BETA_GY = 2.0  # spinal cord, HyTEC: Sahgal 2021
CORD = "SpinalCord"


def as_eqd2(dose: DoseGrid, fractions: int) -> DoseGrid:
    """Return the dose as EQD2, grid point by grid point."""
    dose_gy = dose.dose_gy
    return replace(
        dose,
        dose_gy=dose_gy * (dose_gy / fractions + ALPHA_BETA_GY) / (2 + ALPHA_BETA_GY),
    )


first, second = load_case(sys.argv[1]), load_case(sys.argv[3])
frames = {
    case.structure_set.instance.frame_of_reference_uid for case in (first, second)
}
if len(frames) > 1:
    sys.exit("the courses lie in different frames of reference: register them first")
courses = [
    as_eqd2(case.dose, fractions)
    for case, fractions in ((first, int(sys.argv[2])), (second, int(sys.argv[4])))
]
cord = first.structure_set.roi(CORD)
for name, dose in (
    ("first", courses[0]),
    ("second", courses[1]),
    ("both", sum_doses(courses)),
):
    eqd2_gy = compute_dvh(cord, dose).dose_at_volume_gy(0.035)
    answer = (
        "not known: the cord leaves the grid"
        if eqd2_gy is None
        else f"{eqd2_gy:.2f} Gy"
    )
    print(f"{name:7} D0.035cc of {CORD} as EQD2[ab={ALPHA_BETA_GY:g}]: {answer}")
