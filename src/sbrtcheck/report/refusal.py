"""An error as one clear sentence, without file names that the user did not type."""

from collections.abc import Sequence
from pathlib import Path

from sbrtcheck.errors import CaseError, ProtocolError, SbrtCheckError, Sentence
from sbrtcheck.model import Text
from sbrtcheck.report.words import printable

MOST_ROWS = 12
HIDDEN = "a file beside it (--phi shows its name)"


def render_refusal(error: SbrtCheckError, *, typed: Sequence[Path], phi: bool) -> str:
    """Return what stopped the run, for standard error."""
    where = _where(error.path, typed, phi=phi)
    if isinstance(error, ProtocolError):
        if len(error.problems) == 1:
            return f"sbrtcheck: {where}{printable(error.problems[0])}\n"
        rows = "".join(f"  {printable(problem)}\n" for problem in error.problems)
        return f"sbrtcheck: {where}the protocol has {len(error.problems)} problems:\n{rows}"
    text = f"sbrtcheck: {where}{printable(str(error.problem))}\n"
    if isinstance(error, CaseError) and error.candidates:
        shown = [
            f"  {_candidate(row, phi=phi)}" for row in error.candidates[:MOST_ROWS]
        ]
        if len(error.candidates) > MOST_ROWS:
            shown.append(f"  and {len(error.candidates) - MOST_ROWS} more")
        found = "found:\n"
        if not phi and any(_has_label(row) for row in error.candidates):
            found = "found (--phi shows labels):\n"
        text += found + "\n".join(shown) + "\n"
    return text


def _candidate(row: Sentence, *, phi: bool) -> str:
    """Say a candidate; the label of a plan may name a patient whom no mask knows."""
    if isinstance(row, Text) and _has_label(row) and not phi:
        row = Text(row.template, **(dict(row.values) | {"label": ""}))
    return printable(str(row)).rstrip()


def _has_label(row: Sentence) -> bool:
    return isinstance(row, Text) and bool(row.values.get("label"))


def _where(path: Path | None, typed: Sequence[Path], *, phi: bool) -> str:
    if path is None:
        return ""
    if phi or any(_same(path, name) for name in typed):
        return f"{printable(str(path))}: "
    return f"{HIDDEN}: "


def _same(path: Path, typed: Path) -> bool:
    return path == typed or path.absolute() == typed.absolute()
