"""Find every file below some folders, tell what each is, and link plans with what belongs to them."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.batch.headers import NOT_DICOM, Contents, Header, look, read_contents
from sbrtcheck.batch.index import Index
from sbrtcheck.batch.linking import Item, Linked, link
from sbrtcheck.batch.options import BatchOptions, Progress
from sbrtcheck.batch.places import ZIP, Entry, Fault, Place, walk
from sbrtcheck.batch.results import Stray
from sbrtcheck.batch.runners import Runner
from sbrtcheck.batch.work import Failed, hidden
from sbrtcheck.dossier.facts import FILE_NAME
from sbrtcheck.model import patient_key

__all__ = ["Tree", "find_tree", "place_text", "strays_of"]

FILES_AT_ONCE = 16  # headers of so many files are read in one task
ARCHIVE_WITHIN = "archive within an archive"


@dataclass(slots=True)
class Tree:
    """All that lies below the roots; `others` counts what is no RT file by its kind."""

    linked: Linked
    rt_files: int
    faults: list[Fault]
    closed: list[tuple[Entry, str]] = field(default_factory=list)  # files that are no RT files
    others: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def find_tree(options: BatchOptions, runner: Runner, progress: Progress) -> Tree:
    """Find all files below the roots, read what is new, and link it."""
    progress.stage("finding files", 0)
    now_ns = time.time_ns()
    entries, faults = walk(options.roots, leave_out=[options.out, options.private])
    index = Index(options.private)
    contents, gone = index.known(entries, [str(root.absolute()) for root in options.roots])
    unread: list[Entry] = []
    read: list[tuple[Entry, Contents]] = []
    for entry in entries:
        if entry.path in contents:
            continue
        seen = look(entry.path)
        if seen is None:
            unread.append(entry)
        else:
            contents[entry.path] = seen
            read.append((entry, seen))
    for entry, seen in _read(unread, options, runner, progress):
        contents[entry.path] = seen
        read.append((entry, seen))
    notes = []
    read = [(entry, seen) for entry, seen in read if seen.lasts]
    if (read or gone) and not index.keep(read, read_ns=now_ns, gone=gone):
        notes.append("the index of files cannot be written: the next run reads all of them again")
    items = [
        Item(Place(entry.path, member), header)
        for entry in entries
        for member, header in contents[entry.path].headers
    ]
    tree = Tree(link(items), len(items), faults, notes=notes)
    own = None if options.cases is None else str(options.cases.absolute())
    used = {str(Path(files.plan.place.path).with_name(FILE_NAME)) for files in tree.linked.plans}
    for entry in entries:
        _note_others(tree, entry, contents[entry.path], own, used)
    tree.notes += _doubts(tree)
    return tree


def _doubts(tree: Tree) -> Iterator[str]:
    """Say what may hide a plan, or that two plans are of one patient."""
    parts = len(tree.faults) + sum(entry.path.lower().endswith(ZIP) for entry, _ in tree.closed)
    if parts:
        yield f"parts of the tree not looked at, or not wholly: {parts} (quarantine.csv)"
    frames: dict[str, set[str]] = {}
    for files in tree.linked.plans:
        header = files.plan.header
        if header.frame_uid and header.patient_id:
            frames.setdefault(header.frame_uid, set()).add(patient_key(header.patient_id))
    shared = sum(len(ids) > 1 for ids in frames.values())
    if shared:
        yield (
            f"frames of reference under several patient IDs: {shared}; where these are one patient,"
            " doses of the plans were not added"
        )


def _read(
    entries: Sequence[Entry], options: BatchOptions, runner: Runner, progress: Progress
) -> Iterator[tuple[Entry, Contents]]:
    """Read RT headers on all processes; what ends a process costs one file."""
    progress.stage("reading headers", len(entries))
    by_path = {entry.path: entry for entry in entries}
    paths = [entry.path for entry in entries]
    chunks = [
        tuple(paths[start : start + FILES_AT_ONCE]) for start in range(0, len(paths), FILES_AT_ONCE)
    ]
    single: list[tuple[str, ...]] = []
    for tasks in (chunks, single):
        for chunk, answer in runner.run(read_contents, tasks, seconds=options.seconds):
            if not isinstance(answer, Failed):
                progress.step(steps=len(chunk))
                yield from ((by_path[path], seen) for path, seen in zip(chunk, answer, strict=True))
            elif len(chunk) > 1:
                single += [(path,) for path in chunk]
            else:
                progress.step()
                yield by_path[chunk[0]], _unreadable(chunk[0], answer.reason)


def _unreadable(path: str, reason: str) -> Contents:
    try:
        peek = dicom.peek(Path(path))
    except OSError:
        peek = None
    if peek is None:
        return Contents(problem=reason)
    header = Header(
        sop_class_uid=peek.sop_class_uid,
        sop_instance_uid=peek.sop_instance_uid or "",
        problem=reason,
    )
    return Contents(headers=((None, header),))


def _note_others(
    tree: Tree, entry: Entry, contents: Contents, own: str | None, used: set[str]
) -> None:
    """Count what is no RT file; name what is neither DICOM nor of ours."""
    odd = {kind: n for kind, n in contents.others.items() if kind in (NOT_DICOM, ARCHIVE_WITHIN)}
    if odd and (entry.path == own or entry.path in used):
        return
    if odd and Path(entry.path).name == FILE_NAME:
        tree.closed.append((entry, "case facts that no plan in this folder uses"))
        return
    tree.others.update(contents.others)
    if contents.problem is not None:
        tree.closed.append((entry, contents.problem))
    elif entry.path.lower().endswith(ZIP):
        tree.closed += [(entry, f"{n} members were not opened: {kind}") for kind, n in odd.items()]
    elif odd:
        tree.closed.append((entry, "this is not a DICOM file"))


def strays_of(tree: Tree, options: BatchOptions) -> list[Stray]:
    """Return all files that belong to no plan, and the parts of the tree that were not looked at."""
    name = options.pseudonyms.file

    def said(reason: str, item: Item | None = None) -> str:
        if options.phi or item is None:
            return reason
        return hidden(reason, [item])

    strays = [
        Stray(
            pseudonym=name(place_text(item.place)),
            path=place_text(item.place),
            kind="",
            reason=said(reason, item),
            header=item.header,
        )
        for item, reason in tree.linked.strays
    ]
    strays += [
        Stray(
            pseudonym=name(entry.path),
            path=entry.path,
            kind="zip archive" if entry.path.lower().endswith(ZIP) else "file",
            reason=reason,
            size_bytes=entry.size,
        )
        for entry, reason in tree.closed
    ]
    strays += [
        Stray(
            pseudonym=name(fault.path),
            path=fault.path,
            kind="part of the tree",
            reason=fault.reason,
        )
        for fault in tree.faults
    ]
    return strays


def place_text(place: Place) -> str:
    """Return where a file lies; a member of an archive by its number."""
    return place.path if place.member is None else f"{place.path}#{place.member}"
