"""A bar for a run of several stages, with counts and the time that remains, on standard error."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["StageBar", "stage_bar"]

LINES = 10  # in a pipe or file, a stage says so often how far it is


class StageBar:
    """Is told of stages and steps, and shows them."""

    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream
        self._name, self._total, self._done = "", 0, 0
        self._outcomes: Counter[str] = Counter()
        self._task = progress.add_task("", total=None)

    def stage(self, name: str, total: int) -> None:
        """Say that a stage of so many steps begins; 0 if that is not known."""
        self._name, self._total, self._done = name, total, 0
        self._outcomes.clear()
        self._progress.reset(self._task, total=total or None, description=name)
        self._say(_opening(name, total))

    def step(self, outcome: str | None = None, *, steps: int = 1) -> None:
        """Say that steps are done, one of them with an outcome."""
        before, self._done = self._done, self._done + steps
        if outcome is not None:
            self._outcomes[outcome] += 1
        counts = "  ".join(
            f"{name} {count}" for name, count in sorted(self._outcomes.items())
        )
        self._progress.update(
            self._task, advance=steps, description=f"{self._name}  {counts}"
        )
        every = max(-(-self._total // LINES), 1)
        is_long = self._total > LINES
        is_further = self._done // every > before // every
        if is_long and is_further:
            self._say(f"{self._name}: {self._done} of {self._total}  {counts}\n")

    def _say(self, line: str) -> None:
        """Write a line where no bar is shown."""
        if self._progress.disable:
            self._stream.write(line)
            self._stream.flush()


def _opening(name: str, total: int) -> str:
    if total == 0:
        return f"{name}\n"
    return f"{name}: {total}\n"


@contextmanager
def stage_bar(stream: TextIO) -> Iterator[StageBar]:
    """Show a bar on a terminal; in a pipe or file, a line now and then."""
    console = Console(file=stream)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield StageBar(progress, stream)
