"""Orphaned doses, which name no plan among the files: left behind by a revision, or of a part?

Exports leave the dose of a plan behind whose revision was exported again. Its high dose lies at the
targets, and nowhere else. Any other may be that of a further part of the course, or of an
earlier one, and reach the same cord.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from sbrtcheck.dvh import high_dose_lies_about
from sbrtcheck.model import ROI, DoseGrid, DoseHeader, Instance, Text, sum_doses

__all__ = ["why_not_superseded"]

REVISED_WITHIN_DAYS = 90  # a longer time lies between courses, not between revisions
SEVERAL_PLANS = Text("it is the sum of several plans")


def why_not_superseded(
    doses: Sequence[DoseGrid], targets: Iterable[ROI], own: DoseGrid
) -> Text | None:
    """Say why doses may be given beside a plan; None if they are surely of revisions before it.

    Parameters
    ----------
    doses
        With their headers; those of single beams count together for each plan that they name.
    targets
        Of the plan and of those that are added to it, in its frame of reference.
    own
        The dose of the plan: revisions were made before it.
    """
    if own.header is None:
        return Text("it cannot be compared")
    plans: defaultdict[object, list[DoseGrid]] = defaultdict(list)
    for number, dose in enumerate(doses):
        header = dose.header
        if header is None:
            return SEVERAL_PLANS
        why = _why_no_revision(header, own.header.instance)
        if why is not None:
            return why
        plans[_plan_of(number, header)].append(dose)
    targets = tuple(targets)
    try:
        sums = [sum_doses(parts) for parts in plans.values()]
    except ValueError:
        return Text("its beams lie on grids that do not meet")
    if not all(high_dose_lies_about(dose, targets) for dose in sums):
        return Text("it is not of this plan's targets alone")
    return None


def _plan_of(number: int, header: DoseHeader) -> object:
    """Return what the doses of one plan share: of single beams the plans that they name."""
    if header.summation_type != "BEAM":
        return number
    return header.referenced_plan_uids


def _why_no_revision(header: DoseHeader, own: Instance) -> Text | None:
    """Say why a dose is not of one plan that this one may have replaced; None if it may be."""
    if len(header.referenced_plan_uids) > 1:
        return SEVERAL_PLANS
    stated_frames = {own.frame_of_reference_uid} - {None}
    if header.instance.frame_of_reference_uid not in stated_frames:
        return Text("it lies in another frame of reference")
    days = _days(header.instance.date, own.date)
    if days is None:
        return Text("the files do not say when it was made")
    if not 0 <= days <= REVISED_WITHIN_DAYS:
        return Text("it was made after the dose of the plan, or long before it")
    return None


def _days(earlier: str | None, later: str | None) -> int | None:
    """Return the days between two dates of DICOM (YYYYMMDD)."""
    if earlier is None or later is None:
        return None
    try:
        return (date.fromisoformat(later) - date.fromisoformat(earlier)).days
    except ValueError:
        return None
