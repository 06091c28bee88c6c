"""One measured row against what it must be, and the Markdown of a table of them."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Row", "Section", "grid", "plain"]

ROUNDING = 0.02  # of a must: a figure that does not hang on the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity: what it must be, what to reach for, what was measured.

    Parameters
    ----------
    measured
        None where it could not be measured.
    must, reach_for
        Largest magnitudes, or least where `more_is_better`; None where none is asked.
    noise
        By what part of the must a figure may miss it before the run fails. None: never fails,
        as for milliseconds, which hang on the machine.
    """

    what: str
    measured: float | None
    unit: str = ""
    must: float | None = None
    reach_for: float | None = None
    more_is_better: bool = False
    noise: float | None = ROUNDING

    @property
    def met(self) -> bool | None:
        """Tell whether the must is met; None where none is asked or nothing measured."""
        return self._within(self.must, 0.0)

    @property
    def reached(self) -> bool | None:
        """Tell whether what is reached for is reached; None as in `met`."""
        return self._within(self.reach_for, 0.0)

    @property
    def missed(self) -> bool:
        """Tell whether the must is missed by more than noise."""
        return self.noise is not None and self._within(self.must, self.noise) is False

    def cells(self) -> list[str]:
        """Return the row for people: what, must, reach for, measured."""
        return [
            self.what,
            self._words(self.must),
            self._words(self.reach_for),
            self._found(),
        ]

    def _within(self, limit: float | None, slack: float) -> bool | None:
        if limit is None or self.measured is None:
            return None
        if self.more_is_better:
            return self.measured >= limit * (1 - slack)
        return abs(self.measured) <= limit * (1 + slack)

    def _words(self, value: float | None) -> str:
        return "" if value is None else f"{plain(value)} {self.unit}".rstrip()

    def _found(self) -> str:
        if self.measured is None:
            return "not measured"
        judged = {
            None: "",
            True: ", reached" if self.reached else ", met",
            False: ", **missed**",
        }
        return self._words(self.measured) + judged[self.met]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One subject of the benchmark: its rows, what to know of them, and what lies behind them.

    `note` and `details` are Markdown; without rows, the note says why.
    """

    heading: str
    note: str
    rows: tuple[Row, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def misses(self) -> tuple[Row, ...]:
        """Return the rows that miss their must by more than noise."""
        return tuple(row for row in self.rows if row.missed)

    def table(self) -> list[str]:
        """Return the rows as a Markdown table; nothing without rows."""
        cells = [row.cells() for row in self.rows]
        return grid(["what", "must", "reach for", "measured"], cells) if cells else []

    def lines(self) -> list[str]:
        """Return the section as lines of Markdown."""
        parts = [[f"## {self.heading}"], [self.note], self.table(), list(self.details)]
        return [line for part in parts if part for line in (*part, "")]


def plain(value: float) -> str:
    """Return a figure to three significant digits, without an exponent where it is large."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    rule = ["---"] * len(head)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *body)]
