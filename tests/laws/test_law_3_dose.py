"""Law 3. More dose to an organ, or less to a target, never gives a better answer."""

import pytest

from laws.court import slice_offences
from laws.operations import Operation, operations_of

KINDS = operations_of(3)


@pytest.mark.parametrize(("kind", "operations"), KINDS.items(), ids=list(KINDS))
def test_the_law_holds_whatever_is_done(kind: str, operations: list[Operation]) -> None:
    assert slice_offences(kind, operations) == []
