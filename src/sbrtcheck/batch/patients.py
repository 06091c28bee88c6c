"""Which files are of one patient: one patient ID; without any, one study or frame of reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from sbrtcheck import dicom
from sbrtcheck.batch.known import TreeFile
from sbrtcheck.model import Text

__all__ = ["Group", "by_patient", "shared_frames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The RT files of one patient, and those of which that cannot be told, in the order of the tree.

    Parameters
    ----------
    files
        All of them.
    foreign
        Those of which it is not known that they are of this patient.
    """

    files: tuple[TreeFile, ...]
    foreign: frozenset[TreeFile] = frozenset()

    @property
    def own(self) -> tuple[TreeFile, ...]:
        """Return the files that are known to be of the patient."""
        return tuple(file for file in self.files if file not in self.foreign)

    @property
    def plans(self) -> tuple[TreeFile, ...]:
        """Return the first file of each RT Plan."""
        first: dict[str, TreeFile] = {}
        for file in sorted(self.own, key=_order):
            if file.is_of_class(dicom.RT_PLAN):
                first.setdefault(file.identity, file)
        return tuple(first.values())

    def patient_of(self, file: TreeFile) -> str:
        """Return the patient ID of a file; where it has none, of those it is taken together with."""
        if file.patient_key:
            return file.patient_id
        ids = {own.patient_key for own in self.own} - {""}
        if len(ids) == 1:
            return ids.pop()
        plans = self.plans or self.own
        return f"without ID {min(plan.identity for plan in plans)}"


def by_patient(files: Sequence[TreeFile]) -> list[Group]:
    """Part files by patient; one that cannot be read is tried with each patient it may be of."""
    known = [file for file in files if not _is_of_nobody(file)]
    lost = [file for file in files if _is_of_nobody(file)]
    broken = [file for file in files if file.learned.problem is not None]
    places = {file.place: number for number, file in enumerate(files)}
    groups = []
    for members in _joined(known):
        own = set(members)
        keys = {file.patient_key for file in members}
        foreign = [f for f in broken if f not in own and _may_be_of(f, keys)]
        everything = sorted([*members, *foreign], key=lambda file: places[file.place])
        groups.append(Group(files=tuple(everything), foreign=frozenset(foreign)))
    copies: dict[str, list[TreeFile]] = {}
    for file in lost:
        copies.setdefault(file.identity, []).append(file)
    return groups + [Group(files=tuple(same)) for same in copies.values()]


def shared_frames(files: Sequence[TreeFile]) -> Text | None:
    """Say that plans of several patient IDs lie in one frame of reference: one patient perhaps."""
    frames: dict[str, set[str]] = {}
    for file in files:
        frame = file.found.peek.frame_uid
        if file.learned.is_opened:
            frame = file.learned.frame_uid
        if file.is_of_class(dicom.RT_PLAN) and frame and file.patient_key:
            frames.setdefault(frame, set()).add(file.patient_key)
    count = sum(len(ids) > 1 for ids in frames.values())
    if not count:
        return None
    return Text(
        "frames of reference under several patient IDs: {count}; where these are one patient, doses"
        " of the plans were not added",
        count=count,
    )


def _order(file: TreeFile) -> tuple[str, int]:
    place = file.place
    if place.member is None:
        return place.path, -1
    return place.path, place.member


def _is_of_nobody(file: TreeFile) -> bool:
    """Tell whether a file cannot be read and does not say whose it is."""
    return file.learned.problem is not None and not file.patient_key


def _may_be_of(file: TreeFile, keys: set[str]) -> bool:
    return not file.patient_key or "" in keys or file.patient_key in keys


def _joined(files: Sequence[TreeFile]) -> list[list[TreeFile]]:
    """Join files of one patient ID; those without any with all of their study or frame."""
    shared = {key for file in files if not file.patient_key for key in _near(file)}
    groups: list[list[TreeFile]] = []
    at: dict[tuple[str, str], int] = {}
    for file in files:
        keys = [key for key in _near(file) if key in shared]
        if file.patient_key:
            keys.append(("id", file.patient_key))
        matching = sorted({at[key] for key in keys if key in at})
        if not matching:
            matching = [len(groups)]
            groups.append([])
        number = matching[0]
        for other in matching[1:]:  # what it shares with both makes them one
            groups[number] += groups[other]
            groups[other] = []
            at = {key: number if place == other else place for key, place in at.items()}
        groups[number].append(file)
        at |= dict.fromkeys(keys, number)
    return [group for group in groups if group]


def _near(file: TreeFile) -> list[tuple[str, str]]:
    """Return what files without patient ID may share with others."""
    stated = (("study", file.learned.study_uid), ("frame", file.learned.frame_uid))
    return [(kind, uid) for kind, uid in stated if uid]
