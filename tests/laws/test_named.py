"""Offences that were found once, each by the plan and the operation that showed it."""

import pytest

from laws.bench import SEED, trial
from laws.court import offences_of
from laws.operations import OPERATIONS

BY_NAME = {operation.name: operation for operation in OPERATIONS}
NAMED = (
    # The PRV made of a cord hung on how the corners of its rings were listed.
    ("rotate rings", 16),
    ("double corners", 16),
    ("double corners", 32),
    # Pixels were written little endian also in the big-endian syntax.
    ("syntax: big endian", 2),
    # A gap narrower than half a spacing was carried on by nothing.
    ("remove high planes of neural, cord too hot", 21),
    ("remove high planes of neural, target too cold", 21),
    ("remove high planes of neural, level outside", 21),
    ("remove high planes of all that is neural", 21),
    # Of sac and canal the first one of the file stood for the cord.
    ("reorder", 73),
    ("reorder", 93),
    # The union of two targets was asked where no dose was known of one.
    ("trim 45 % at the foot, level outside", 3),
)


@pytest.mark.parametrize(("operation", "number"), NAMED)
def test_an_offence_stays_mended(operation: str, number: int) -> None:
    assert offences_of(trial(SEED, number), BY_NAME[operation]) == []


def test_every_operation_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(OPERATIONS)
