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
        return f"sbrtcheck: {where}{_problems(error)}"
    text = f"sbrtcheck: {where}{printable(str(error.problem))}\n"
    if isinstance(error, CaseError):
        text += _candidates(error.candidates, phi=phi)
    return text


def _problems(error: ProtocolError) -> str:
    problems = [printable(problem) for problem in error.problems]
    if len(problems) == 1:
        return f"{problems[0]}\n"
    rows = "".join(f"  {problem}\n" for problem in problems)
    return f"the protocol has {len(problems)} problems:\n{rows}"


def _candidates(candidates: Sequence[Sentence], *, phi: bool) -> str:
    if not candidates:
        return ""
    shown = [f"  {_candidate(row, phi=phi)}" for row in candidates[:MOST_ROWS]]
    if len(candidates) > MOST_ROWS:
        shown.append(f"  and {len(candidates) - MOST_ROWS} more")
    return "\n".join([_found(candidates, phi=phi), *shown, ""])


def _found(candidates: Sequence[Sentence], *, phi: bool) -> str:
    """Return the heading above candidates; it tells of labels that are held back."""
    labels = [row.values.get("label") for row in candidates if isinstance(row, Text)]
    if any(labels) and not phi:
        return "found (--phi shows labels):"
    return "found:"


def _candidate(row: Sentence, *, phi: bool) -> str:
    """Say a candidate; the label of a plan may name a patient whom no mask knows."""
    if isinstance(row, Text) and not phi:
        row = Text(row.template, **(dict(row.values) | {"label": ""}))
    return printable(str(row)).rstrip()


def _where(path: Path | None, typed: Sequence[Path], *, phi: bool) -> str:
    if path is None:
        return ""
    is_typed = path.absolute() in [name.absolute() for name in typed]
    if phi or is_typed:
        return f"{printable(str(path))}: "
    return f"{HIDDEN}: "
