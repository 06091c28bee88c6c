"""Which files are of one patient: one patient ID; without any, one study or frame of reference."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sbrtcheck import dicom
from sbrtcheck.batch.known import TreeFile, place_order, place_text
from sbrtcheck.dossier.groups import grouped
from sbrtcheck.model import Text

__all__ = ["Group", "by_patient", "shared_frames"]

_Key = tuple[str, str]  # what files may share: of which kind, and which one


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
        for file in sorted(self.own, key=lambda file: place_order(file.place)):
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
    broken = [file for file in files if file.learned.problem is not None]
    lost = [file for file in broken if not file.patient_key]
    numbers = dict(zip(files, range(len(files)), strict=True))
    known = sorted(numbers.keys() - set(lost), key=numbers.__getitem__)
    groups = []
    for members in _joined(known):
        keys = {file.patient_key for file in members}
        own = frozenset(members)
        foreign = frozenset(f for f in broken if _may_be_of(f, keys)) - own
        everything = sorted(own | foreign, key=numbers.__getitem__)
        groups.append(Group(files=tuple(everything), foreign=foreign))
    return groups + _groups_of_nobody(lost)


def _groups_of_nobody(lost: Sequence[TreeFile]) -> list[Group]:
    """Take files that cannot be read, and do not say whose they are, together with copies only."""
    copies = grouped(lost, lambda file: file.identity)
    return [Group(files=tuple(same)) for same in copies.values()]


def shared_frames(files: Sequence[TreeFile]) -> Text | None:
    """Say that plans of several patient IDs lie in one frame of reference: one patient perhaps."""
    frames: dict[str | None, set[str]] = {}
    for file in files:
        if file.is_of_class(dicom.RT_PLAN):
            frames.setdefault(file.frame_uid, set()).add(file.patient_key)
    count = sum(len(ids - {""}) > 1 for frame, ids in frames.items() if frame)
    if not count:
        return None
    return Text(
        "frames of reference under several patient IDs: {count}; where these are one patient, doses"
        " of the plans were not added",
        count=count,
    )


def _may_be_of(file: TreeFile, keys: set[str]) -> bool:
    if not file.patient_key:
        return True
    return not keys.isdisjoint({"", file.patient_key})


def _joined(files: Sequence[TreeFile]) -> list[list[TreeFile]]:
    """Join files of one patient ID; those without any with all of their study or frame."""
    shared = {key for file in files if not file.patient_key for key in _near(file)}
    above: dict[_Key, _Key] = {}
    for file in files:  # what it shares with two others makes them one
        first, *others = (_top(key, above) for key in _keys(file, shared))
        above |= dict.fromkeys(others, first)
    groups = grouped(files, lambda file: _top(_keys(file, shared)[0], above))
    return list(groups.values())


def _top(key: _Key, above: Mapping[_Key, _Key]) -> _Key:
    """Return what stands for all that a key was joined with."""
    while above.get(key, key) != key:
        key = above[key]
    return key


def _keys(file: TreeFile, shared: AbstractSet[_Key]) -> list[_Key]:
    """Return what joins a file with others, at least its own place."""
    keys = [key for key in _near(file) if key in shared]
    if file.patient_key:
        keys.append(("id", file.patient_key))
    return keys or [("place", place_text(file.place))]


def _near(file: TreeFile) -> list[_Key]:
    """Return what files without patient ID may share with others."""
    stated = (("study", file.learned.study_uid), ("frame", file.learned.frame_uid))
    return [(kind, uid) for kind, uid in stated if uid]
