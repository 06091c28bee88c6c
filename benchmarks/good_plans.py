"""How many good plans end without an alarm: 200 generated ones of each of five seeds."""

import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from sbrtcheck import Declared, SbrtCheckError, check, load_case, load_protocol
from sbrtcheck.checks.rule import Outcome
from sbrtcheck.dossier.facts import facts_beside, load_facts
from sbrtcheck.model import CaseFacts
from sbrtcheck.phantoms.spine import spine_plan
from sbrtcheck.phantoms.spine.__main__ import write
from table import Row, Section

__all__ = ["section"]

HEADING = "Needless alarms: generated good plans"
NOTE = (
    "`python -m sbrtcheck.phantoms.spine --seed N --count {count} FOLDER`; whether a plan is good"
    " follows from the numbers it was drawn with. Each is written as DICOM and judged as the command"
    " judges it. Good is exit code 0: PASS, or PASS with variations."
)
SEEDS = (1, 2, 3, 4, 5)
COUNT = 200
FEW = 16  # plans of the first seed, in the small form


@dataclass(frozen=True, slots=True)
class Judged:
    """One plan: what it was drawn as, its outcome, and why it is none of exit code 0."""

    seed: int
    number: int
    cells: tuple[tuple[str, str], ...]
    outcome: str
    why: str

    @property
    def is_quiet(self) -> bool:
        """Tell whether it ends in exit code 0."""
        return self.outcome in ("PASS", "VARIATION")


def section(*, small: bool) -> Section:
    """Judge the plans; the small form judges a few."""
    seeds, count = ((SEEDS[0],), FEW) if small else (SEEDS, COUNT)
    asked = [(seed, number) for seed in seeds for number in range(count)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = [row for row in pool.map(judged, asked, chunksize=4) if row is not None]
    rows = [
        _share(f"seed {seed}", [r for r in found if r.seed == seed], 98.0)
        for seed in seeds
    ]
    if not small:
        rows += list(_worst_cells(found))
    outcomes = {
        name: sum(row.outcome == name for row in found)
        for name in ("PASS", "VARIATION")
    }
    details = [
        f"{len(found)} plans: {outcomes['PASS']} PASS, {outcomes['VARIATION']} PASS with variations.",
        "",
        *(
            f"- {r.seed}/{r.number}: {r.outcome}, {r.why}"
            for r in found
            if not r.is_quiet
        ),
    ]
    return Section(
        heading=HEADING,
        note=NOTE.format(count=count),
        rows=tuple(rows),
        details=tuple(details),
    )


def judged(asked: tuple[int, int]) -> Judged | None:
    """Judge one plan; None where its own numbers do not keep clear of the lines."""
    seed, number = asked
    made = spine_plan(seed, number)
    if not made.is_good:
        return None
    cells = (
        *(("level", level) for level in made.drawn.levels),
        ("grid", f"{made.drawn.grid_mm:g} mm"),
        ("names", made.drawn.style),
    )
    with TemporaryDirectory() as folder:
        case = Path(folder) / "export" / "case"  # nothing lies beside it
        write(made, case, bits=(16, 32)[number % 2])
        outcome, why = _verdict(case / "RP.dcm")
    return Judged(seed, number, cells, outcome, why)


def _verdict(plan: Path) -> tuple[str, str]:
    beside = facts_beside(plan)
    facts = CaseFacts() if beside is None else load_facts(beside)
    try:
        verdict = check(
            load_case(plan), load_protocol("nct06756087"), Declared(facts=facts)
        )
    except SbrtCheckError as error:
        return "refused", str(error)
    bad = [
        f
        for f in verdict.findings
        if f.outcome is not None and f.outcome > Outcome.VARIATION
    ]
    causes = [f"{f.id} {f.subject}: {f.message}" for f in bad if f.held_by is None]
    return verdict.outcome.name, "; ".join(causes)


def _share(what: str, rows: list[Judged], must: float) -> Row:
    percent = 100 * sum(row.is_quiet for row in rows) / len(rows)
    return Row(
        what=f"{what}: {len(rows)} good plans in exit code 0",
        measured=percent,
        unit="%",
        must=must,
        reach_for=100.0,
        more_is_better=True,
        noise=0.0,
    )


def _worst_cells(found: list[Judged]) -> Iterator[Row]:
    """Yield the lowest share within the levels, the grids and the styles of names."""
    by_cell: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for row in found:
        for cell in row.cells:
            by_cell[cell].append(row)
    for kind in ("level", "grid", "names"):
        own = [(cell, rows) for cell, rows in by_cell.items() if cell[0] == kind]
        (_, name), rows = min(
            own, key=lambda pair: sum(r.is_quiet for r in pair[1]) / len(pair[1])
        )
        yield _share(f"worst {kind}, {name}", rows, 90.0)
