"""Operations tried on trials, and their offences."""

from functools import lru_cache

from laws.bench import SEED, Judged, Trial, chosen, judged, quick_numbers, trial
from laws.operations import MADE, Operation
from laws.silent import exemption
from sbrtcheck.dossier import Case
from sbrtcheck.errors import SbrtCheckError

__all__ = ["offences_of", "slice_offences"]

PLANS = 20  # that each kind of operation is tried on
POOL = 24  # plans of which they are chosen
STRIDE = 7  # so that neighbours in the list are not all that is tried


@lru_cache(maxsize=120)
def first_answer(tried: Trial, made: str) -> tuple[Case, Judged] | None:
    """Return a case made ready for an operation, and what the court says of it."""
    try:
        case = MADE[made](tried.case)
    except SbrtCheckError as error:
        raise AssertionError(f"{tried.name}, {made}: {error}") from error
    if case is None:
        return None
    return case, judged(lambda: case, tried.declared)


def offences_of(tried: Trial, operation: Operation) -> list[str] | None:
    """Return the offences of an operation on a trial; None where there is nothing to do."""
    ready = first_answer(tried, operation.made)
    if ready is None:
        return None
    case, before = ready
    try:
        changed = operation.apply(case)
    except SbrtCheckError as error:
        after = Judged(verdict=None, error=str(error))
    else:
        if changed is None:
            return None
        after = judged(lambda: changed, tried.declared)
        if (
            operation.law == 4
            and not after.crash
            and exemption(case, changed, before) is not None
        ):
            return []
    offences = operation.claim(before, after)
    if after.crash:
        offences = [after.crash]
    return [f"{tried.name}, {operation.name}: {offence}" for offence in offences]


def slice_offences(kind: str, operations: list[Operation]) -> list[str]:
    """Try a kind of operations on a slice of plans: the operations in turn."""
    found: list[str] = []
    for turn, number in enumerate(chosen(kind, PLANS, quick_numbers(POOL))):
        tried = trial(SEED, number)
        for step in range(len(operations)):
            operation = operations[(turn * STRIDE + step) % len(operations)]
            offences = offences_of(tried, operation)
            if offences is not None:
                found += offences
                break
    return found
