"""A plan with what belongs to it, and what else of its patient was found."""

from dataclasses import dataclass
from pathlib import Path

from sbrtcheck.dicom import RTFile
from sbrtcheck.model import (
    DoseGrid,
    Instance,
    Patient,
    Plan,
    StructureSet,
    Text,
    sealed,
)

__all__ = ["NEAR_TAIL", "Case", "Link", "Sibling", "tail"]

NEAR_TAIL = 10  # characters of a UID that are shown


def tail(uid: str) -> str:
    """Return the end of a UID, which tells files apart without filling a line."""
    if len(uid) <= NEAR_TAIL:
        return uid
    return "…" + uid[-NEAR_TAIL:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Which file was taken as part of the case, and why; `by_hand` if the user named it.

    `path` is where it was read; what was unpacked is gone when the case is closed (`open_case`).
    """

    kind: str
    instance: Instance
    how: Text
    by_hand: bool = False
    matches_uid: bool = True
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sibling:
    """Another plan of the same patient.

    Parameters
    ----------
    plan
        None where it cannot be read as a photon plan: an ion plan.
    structure_set
        The one that the plan names, where it was found and can be read.
    doses
        The RT Doses that name the plan, not yet read.
    asked_for
        The user has asked to add it (`--with`).
    dose
        The dose of its course, where it is known without a file.
    """

    instance: Instance
    kind: str
    where: str
    plan: Plan | None = None
    structure_set: StructureSet | None = None
    doses: tuple[RTFile, ...] = ()
    asked_for: bool = False
    dose: DoseGrid | None = None

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Return what its files say of themselves: plan, doses, structure set."""
        of_doses = [dose.instance for dose in self.doses]
        if self.structure_set is None:
            return (self.instance, *of_doses)
        return (self.instance, *of_doses, self.structure_set.instance)

    def __repr__(self) -> str:
        return (
            f"Sibling({self.kind} {tail(self.instance.sop_instance_uid)}, {self.where})"
        )


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A plan, its structure set and its dose, proven to belong together.

    Parameters
    ----------
    siblings
        Further plans of the patient among the files.
    orphans
        Doses of the patient that name no plan among the files.
    unknown
        Why there may be further plans: what could not be read, listed or looked at.
    """

    plan: Plan
    structure_set: StructureSet
    dose: DoseGrid
    links: tuple[Link, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    orphans: tuple[RTFile, ...] = ()
    unknown: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()

    def __repr__(self) -> str:
        uid = tail(self.plan.instance.sop_instance_uid)
        return f"Case({uid}, {len(self.structure_set.rois)} ROIs, {len(self.siblings)} siblings)"

    def links_of(self, kind: str) -> tuple[Link, ...]:
        """Return the links of one kind of file: "RT Plan", "RT Structure Set", "RT Dose"."""
        return tuple(link for link in self.links if link.kind == kind)

    @property
    def dose_frame_uid(self) -> str | None:
        """Return the frame of reference that the dose states, in its file or in its header."""
        links = self.links_of("RT Dose")
        if links:
            return links[0].instance.frame_of_reference_uid
        header = self.dose.header
        if header is None:
            return None
        return header.instance.frame_of_reference_uid

    @property
    def patients(self) -> tuple[Patient, ...]:
        """Return who the files say the patient is, the plan first: they may spell a name otherwise."""
        files: tuple[Link | RTFile, ...] = (*self.links, *self.orphans)
        instances = [self.plan.instance, self.structure_set.instance]
        instances += [file.instance for file in files]
        for sibling in self.siblings:
            instances += sibling.instances
        return tuple(dict.fromkeys(instance.patient for instance in instances))
