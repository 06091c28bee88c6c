"""Every way in which a plan can fail to be judged, drawn as a tree.

SbrtCheckError
|- ReadError           a file is not what it must be: not DICOM, truncated, wrong kind, attribute missing
|  |- UnsupportedError valid DICOM that is declined: oblique contours, RELATIVE dose, ion plan, ...
|  `- LargeError      a file or an archive that is larger than may be read
|- CaseError           the files do not belong together: missing, ambiguous, contradicting
|- ProtocolError       a protocol file, with *all* its problems and their places
`- MetricError         a metric or constraint that does not parse, with a caret; also a ValueError

A plan that is bad gives findings, never an error; only files and declarations give errors.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

__all__ = [
    "CaseError",
    "LargeError",
    "MetricError",
    "ProtocolError",
    "ReadError",
    "SbrtCheckError",
    "UnsupportedError",
]


class Sentence(Protocol):
    """What says itself in English: a string, or a `Text`."""

    def __str__(self) -> str: ...


class SbrtCheckError(Exception):
    """The base of all errors that sbrtcheck raises on purpose.

    `path` is kept apart from the sentence: file names may hold a record number.
    """

    def __init__(self, problem: Sentence, *, path: Path | None = None) -> None:
        self.problem = problem
        self.path = path
        super().__init__(problem, path)

    def __str__(self) -> str:
        return (
            str(self.problem) if self.path is None else f"{self.path}: {self.problem}"
        )


class ReadError(SbrtCheckError):
    """A file is not what it must be."""


class UnsupportedError(ReadError):
    """A file is valid DICOM, but of a kind that is declined."""


class LargeError(ReadError):
    """A file or an archive is larger than may be read; what may be read can be asked for."""


class CaseError(SbrtCheckError):
    """The files, or what was declared about them, do not belong together.

    `candidates` are the files to choose from, one sentence each.
    """

    def __init__(
        self,
        problem: Sentence,
        *,
        path: Path | None = None,
        candidates: Sequence[Sentence] = (),
    ) -> None:
        super().__init__(problem, path=path)
        self.candidates = tuple(candidates)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {row}" for row in self.candidates)])


class ProtocolError(SbrtCheckError):
    """A protocol file cannot be used; `problems` lists all of them, each with its place."""

    def __init__(self, problems: Sequence[str], *, path: Path | None = None) -> None:
        super().__init__("; ".join(problems), path=path)
        self.problems = tuple(problems)


class MetricError(SbrtCheckError, ValueError):
    """A metric or constraint does not parse."""

    def __init__(self, text: str, column: int, expected: str) -> None:
        super().__init__(f"{text}\n{' ' * column}^ {expected}")
        self.text = text
        self.column = column
        self.expected = expected
