"""Find every file below some folders, and learn of each RT file its hash and its patient."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.batch.index import Index, Kept
from sbrtcheck.batch.known import Learned, TreeFile, learn, learn_unopened
from sbrtcheck.batch.options import BatchOptions, Progress
from sbrtcheck.batch.runners import Runner
from sbrtcheck.batch.work import Failed
from sbrtcheck.dossier.facts import FILE_NAME
from sbrtcheck.dossier.find import (
    ARCHIVE_WITHIN,
    NOT_DICOM,
    Contents,
    Survey,
    find_files,
    look,
)
from sbrtcheck.dossier.places import ZIP, Entry, Place, Root
from sbrtcheck.dossier.review import REVIEW_FILE
from sbrtcheck.model import Text

__all__ = ["Odd", "Tree", "find_tree"]

FILES_AT_ONCE = 16  # so many files are hashed in one task
STRANGE = (NOT_DICOM, ARCHIVE_WITHIN)
NOTHING_YET = Learned()
NO_DICOM_FILE = Text("this is not a DICOM file")
UNUSED_FACTS = Text("case facts that no plan in this folder uses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """A file that is no RT file, or a part of the tree that was not looked at, and why."""

    path: str
    kind: str
    reason: Text
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """All that lies below the roots.

    Parameters
    ----------
    files
        The RT files, in the order in which they were found.
    unread
        Why there may be further ones.
    odd
        What is neither an RT file nor an image.
    others
        How many other files there are, by what they are.
    """

    files: tuple[TreeFile, ...]
    unread: tuple[Text, ...] = ()
    odd: tuple[Odd, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Text, ...] = ()


def find_tree(options: BatchOptions, runner: Runner, progress: Progress) -> Tree:
    """Find all files below the roots, and read what is new."""
    progress.stage("finding files", 0)
    now_ns = time.time_ns()
    index = Index(options.private)
    looked = _Looked(index.known([str(root.absolute()) for root in options.roots]))
    survey = find_files(
        [Root(root) for root in options.roots],
        leave_out=[options.out, options.private],
        known=looked,
    )
    learned = _learn_all(survey, looked, options, runner, progress)
    notes = []
    if not looked.keep(index, learned, read_ns=now_ns):
        notes.append(
            Text(
                "the index of files cannot be written: the next run reads all of them again"
            )
        )
    files = tuple(TreeFile(found, learned[found.place]) for found in survey.found)
    odd, others = _odd(survey, looked, files, options)
    parts = len({row.path for row in survey.unread})
    if parts:
        told = (
            "parts of the tree not looked at, or not wholly: {count} (quarantine.csv)"
        )
        notes.append(Text(told, count=parts))
    return Tree(
        files=files,
        unread=tuple(dict.fromkeys(row.reason for row in survey.unread)),
        odd=tuple(odd),
        others=others,
        notes=tuple(notes),
    )


class _Looked(Mapping[str, Contents]):
    """What each path holds: as it is known where the file has not changed, else by a look."""

    def __init__(self, known: Mapping[str, tuple[Entry, Kept]]) -> None:
        self._known = known
        self.entries: dict[str, Entry] = {}
        self.seen: dict[str, Contents] = {}
        self.learned: dict[Place, Learned] = {}

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str)

    def __getitem__(self, path: str) -> Contents:
        if path not in self.seen:
            self.seen[path] = self._look(path)
        return self.seen[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self.seen)

    def __len__(self) -> int:
        return len(self.seen)

    def _look(self, path: str) -> Contents:
        try:
            status = os.stat(path)  # noqa: PTH116 - fast
        except OSError:
            return look(path)  # it says why it cannot be opened
        entry = Entry(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        self.entries[path] = entry
        before, kept = self._known.get(path, (None, Kept(Contents())))
        if before != entry:
            return look(path)
        self.learned |= kept.learned
        return kept.contents

    def keep(
        self, index: Index, learned: Mapping[Place, Learned], *, read_ns: int
    ) -> bool:
        """Write what is new into the index; False where that cannot be."""
        gone = sorted(self._known.keys() - self.seen.keys())
        read = []
        for path, entry in self.entries.items():
            contents = self.seen[path]
            kept = Kept(contents, {f.place: learned[f.place] for f in contents.found})
            if not kept.lasts:
                continue
            if self._known.get(path) != (entry, kept):
                read.append((entry, kept))
        if not read and not gone:
            return True
        return index.keep(read, read_ns=read_ns, gone=gone)


# --- RT files -----------------------------------------------------------------------------------


def _learn_all(
    survey: Survey,
    looked: _Looked,
    options: BatchOptions,
    runner: Runner,
    progress: Progress,
) -> dict[Place, Learned]:
    """Return what is known of each RT file.

    A file is opened where its first bytes do not say whose it is. Where one states no patient ID
    at all, study and frame of reference of every other one are needed.
    """
    learned = dict(looked.learned)
    places = [found.place for found in survey.found]
    unsure = [found.place for found in survey.found if found.patient_key is None]
    to_open = _unopened(unsure, learned)
    settled = learned.keys() | set(unsure)
    to_hash = [place for place in places if place not in settled]
    progress.stage("reading headers", len(to_open) + len(to_hash))
    learned |= _read(learn_unopened, to_hash, options, runner, progress)
    learned |= _read(learn, to_open, options, runner, progress)
    if any(_states_no_patient(learned[place]) for place in unsure):
        rest = _unopened(places, learned)
        learned |= _read(learn, rest, options, runner, progress)
    return learned


def _unopened(places: Sequence[Place], learned: Mapping[Place, Learned]) -> list[Place]:
    """Return the files whose header was not read."""
    return [place for place in places if not learned.get(place, NOTHING_YET).is_opened]


def _states_no_patient(learned: Learned) -> bool:
    return learned.problem is None and not learned.patient_id


def _read(
    function: Callable[..., tuple[Learned, ...]],
    places: Sequence[Place],
    options: BatchOptions,
    runner: Runner,
    progress: Progress,
) -> dict[Place, Learned]:
    """Read files on all processes; what ends a process costs one file."""
    bounded = partial(function, most_bytes=options.most_read_bytes)
    found: dict[Place, Learned] = {}
    starts = range(0, len(places), FILES_AT_ONCE)
    chunks = [tuple(places[start : start + FILES_AT_ONCE]) for start in starts]
    single: list[tuple[Place, ...]] = []
    for tasks in (chunks, single):
        for chunk, answer in runner.run(bounded, tasks, seconds=options.seconds):
            if not isinstance(answer, Failed):
                progress.step(steps=len(chunk))
                found |= dict(zip(chunk, answer, strict=True))
            elif len(chunk) > 1:
                single += [(place,) for place in chunk]
            else:
                progress.step()
                found[chunk[0]] = Learned(
                    problem=answer.reason, is_opened=True, lasts=False
                )
    return found


# --- What else there is -------------------------------------------------------------------------


def _odd(
    survey: Survey, looked: _Looked, files: Sequence[TreeFile], options: BatchOptions
) -> tuple[list[Odd], dict[str, int]]:
    """Return what is neither DICOM nor of ours, and how many files of other kinds there are."""
    ours = _ours(files, options)
    rows: list[Odd] = []
    others: Counter[str] = Counter()
    for path, contents in looked.items():
        strange = {k: n for k, n in contents.others.items() if k in STRANGE}
        if not strange:
            others.update(contents.others)
            continue
        if path in ours:
            continue
        odd = Odd(
            path=path,
            kind="file",
            reason=NO_DICOM_FILE,
            size_bytes=looked.entries[path].size,
        )
        if Path(path).name == FILE_NAME:
            rows.append(replace(odd, reason=UNUSED_FACTS))
            continue
        others.update(contents.others)
        rows += _odd_rows(odd, strange)
    rows += [
        Odd(path=row.path, kind=_kind(row.path), reason=row.reason)
        for row in survey.unread
    ]
    rows += [
        Odd(path=row.path, kind="part of the tree", reason=row.reason)
        for row in survey.odd
    ]
    return rows, dict(others)


def _ours(files: Sequence[TreeFile], options: BatchOptions) -> set[str]:
    """Return the files that are read beside the exports: the cases, facts and reviews beside plans."""
    ours = {
        str(Path(file.place.path).with_name(name))
        for file in files
        for name in (FILE_NAME, REVIEW_FILE)
        if file.is_of_class(dicom.RT_PLAN)
    }
    if options.cases is not None:
        ours.add(str(options.cases.absolute()))
    return ours


def _odd_rows(odd: Odd, strange: Mapping[str, int]) -> list[Odd]:
    """Name a file that is neither DICOM nor of ours; of an archive, what was not opened."""
    if not odd.path.lower().endswith(ZIP):
        return [odd]
    template = "{count} members were not opened: {kind}"
    return [
        replace(odd, kind="zip archive", reason=Text(template, count=count, kind=kind))
        for kind, count in strange.items()
    ]


def _kind(path: str) -> str:
    return "zip archive" if path.lower().endswith(ZIP) else "part of the tree"
