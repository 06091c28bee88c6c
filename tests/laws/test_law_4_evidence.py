"""Law 4. Taking evidence away never turns FAIL or UNDECIDED into PASS or VARIATION."""

import pytest

from laws.bench import SEED, judged, trial
from laws.court import slice_offences
from laws.operations import Operation, operations_of
from laws.silent import SILENT, Silent
from sbrtcheck.checks.rule import Outcome

KINDS = operations_of(4)


@pytest.mark.parametrize(("kind", "operations"), KINDS.items(), ids=list(KINDS))
def test_the_law_holds_whatever_is_done(kind: str, operations: list[Operation]) -> None:
    assert slice_offences(kind, operations) == []


@pytest.mark.parametrize("row", SILENT, ids=lambda row: row.name)
def test_a_row_of_the_exemptions_is_really_silent(row: Silent) -> None:
    tried = trial(SEED, row.number)
    bad = row.bad(tried.case)
    assert bad is not None
    assert judged(lambda: bad, tried.declared).outcome >= Outcome.UNDECIDED
    taken = row.remove(bad)
    assert taken is not None
    assert judged(lambda: taken, tried.declared).outcome <= Outcome.VARIATION
