"""Offences that are known: each is still one, or its row goes."""

import pytest

from laws.bench import trial
from laws.court import offences_of
from laws.known import KNOWN, Known
from laws.operations import OPERATIONS

BY_NAME = {operation.name: operation for operation in OPERATIONS}


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(known, marks=pytest.mark.xfail(strict=True, reason=known.reason))
        for known in KNOWN
    ],
    ids=lambda known: known.operation,
)
def test_the_law_holds_where_it_is_known_to_be_broken(known: Known) -> None:
    offences = offences_of(trial(known.seed, known.number), BY_NAME[known.operation])
    assert offences is not None
    assert [offence for offence in offences if known.about in offence] == []


def test_every_operation_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(OPERATIONS)
