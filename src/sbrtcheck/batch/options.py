"""What a run is asked for, and whom it tells how it goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sbrtcheck.batch.pseudonyms import Pseudonyms
from sbrtcheck.files import MOST_READ_BYTES
from sbrtcheck.protocol.rules import Protocol as TrialProtocol

__all__ = ["BatchOptions", "Progress", "Silent"]


class Progress(Protocol):
    """Is told how a run goes on."""

    def stage(self, name: str, total: int) -> None:
        """Say that a stage of so many steps begins."""

    def step(self, outcome: str | None = None, *, steps: int = 1) -> None:
        """Say that steps are done, one of them a plan with this outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """What a run is about.

    Parameters
    ----------
    roots
        Folders, or single files such as archives.
    out
        Where results go; made where it is not there.
    private
        A folder of this user only, for the index of files.
    pseudonyms
        Names for patients, plans and files.
    cases
        A `cases.csv`, or None.
    seconds
        The longest that one plan may take.
    most_read_bytes
        How large a DICOM file may be, once inflated.
    resume
        Keep the verdicts of an earlier run into the same folder whose inputs have not changed.
    phi
        Let names, IDs and paths into the results.
    """

    roots: tuple[Path, ...]
    out: Path
    private: Path
    pseudonyms: Pseudonyms
    protocol: TrialProtocol
    cases: Path | None = None
    seconds: float = 300.0
    most_read_bytes: int = MOST_READ_BYTES
    resume: bool = False
    phi: bool = False


class Silent:
    """A progress that says nothing."""

    def stage(self, name: str, total: int) -> None:
        """Take notice of a stage."""

    def step(self, outcome: str | None = None, *, steps: int = 1) -> None:
        """Take notice of steps."""
