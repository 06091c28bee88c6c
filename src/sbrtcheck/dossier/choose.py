"""Which structure set belongs to a plan, by UID, and why; and what all choosing shares."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sbrtcheck import dicom
from sbrtcheck.dossier.search import NEAR, Found, Search
from sbrtcheck.errors import CaseError
from sbrtcheck.model import DoseHeader, Instance, Plan, StructureSet, Text

TAIL = 10  # characters of a UID that are shown


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


def tail(uid: str) -> str:
    """Return the end of a UID, which tells files apart without filling a line."""
    return uid if len(uid) <= TAIL else "…" + uid[-TAIL:]


T = TypeVar("T", Plan, StructureSet, DoseHeader)


def unique(files: Iterable[Found], load: Callable[[Path], T]) -> list[tuple[Found, T]]:
    """Read files, copies of one content counted once.

    Raises
    ------
    CaseError
        If two files carry one SOP Instance UID and different content.
    """
    kept: dict[str, tuple[Found, T]] = {}
    for file in files:
        value = load(file.path)
        uid = value.instance.sop_instance_uid
        if uid not in kept:
            kept[uid] = (file, value)
        elif file.path.read_bytes() != kept[uid][0].path.read_bytes():
            raise CaseError(
                Text(
                    "two files carry the same SOP Instance UID {uid} and differ in content;"
                    " remove the wrong one",
                    uid=tail(uid),
                ),
                candidates=[row(value.instance, dicom.class_name(file.peek.sop_class_uid))],
            )
    return list(kept.values())


def nearest_of(
    files: Sequence[Found], load: Callable[[Path], T], notes: list[Text]
) -> list[tuple[Found, T]]:
    """Read the files of the nearest kind of place; note what differs from them further away.

    A folder that holds a whole export speaks for itself: an older copy in a folder beside it
    must neither be taken nor stop the run, but it is said.
    """
    near = [file for file in files if file.where == files[0].where]
    found = unique(near, load)
    contents = {file.path.read_bytes() for file, _ in found}
    for file in files[len(near) :]:
        if file.path.read_bytes() not in contents:
            kind = dicom.class_name(file.peek.sop_class_uid)
            notes.append(
                Text(
                    "another {kind} of this plan lies {where}: not used",
                    kind=kind,
                    where=file.where,
                )
            )
    return found


def uid_of(file: Found, load: Callable[[Path], T]) -> str:
    """Return the SOP Instance UID of a file, read from its dataset where its meta lacks it."""
    return file.peek.sop_instance_uid or load(file.path).instance.sop_instance_uid


def row(instance: Instance, kind: str, detail: str = "") -> Text:
    """Describe a candidate without file name, which may hold a record number."""
    return Text(
        "{kind} {uid}  {date}  {detail}  {label}",
        kind=kind,
        uid=tail(instance.sop_instance_uid),
        label=f"'{instance.patient.masked(instance.label)}'" if instance.label else "",
        date=instance.date or "no date",
        detail=detail,
    )


def choose_structures(
    plan: Plan, search: Search, option: str | Path | None, notes: list[Text]
) -> tuple[Link, StructureSet]:
    """Choose the structure set that a plan names, or the one given by hand.

    Raises
    ------
    CaseError
        If the plan names none, or it is not among the files.
    """
    candidates = search.of_class(dicom.RT_STRUCTURE_SET)
    wanted = plan.structure_set_uid
    if option is not None:
        path = option_path(option, candidates, dicom.load_structure_set, "--struct")
        structures = dicom.load_structure_set(path)
        matches = structures.instance.sop_instance_uid == wanted
        how = (
            Text("given by hand; it is the one that the plan names")
            if matches
            else Text("given by hand; the plan names {uid}", uid=tail(wanted or "none"))
        )
        link = link_by_hand("RT Structure Set", structures.instance, how, path, matches=matches)
        return link, structures
    if wanted is None:
        raise CaseError(
            Text("the plan names no structure set; add --struct FILE"),
            candidates=[*near_rows(candidates, "RT Structure Set"), *search.notes],
        )
    named = [file for file in candidates if file.peek.sop_instance_uid in (wanted, None)]
    named = [file for file in named if uid_of(file, dicom.load_structure_set) == wanted]
    if not named:
        raise CaseError(
            Text(
                "the structure set {uid} that the plan names is not beside it, nor one level up"
                " or down; put it there or add --struct FILE",
                uid=tail(wanted),
            ),
            candidates=[*near_rows(candidates, "RT Structure Set"), *search.notes],
        )
    file, structures = nearest_of(named, dicom.load_structure_set, notes)[0]
    how = Text("named by the plan, {where}", where=file.where)
    instance = structures.instance
    return Link(kind="RT Structure Set", instance=instance, how=how, path=file.path), structures


def near_rows(candidates: Sequence[Found], kind: str) -> list[Text]:
    """Describe the candidates with the plan; those in folders around it are only counted."""
    near = [file for file in candidates if file.where in NEAR]
    rows = [
        Text(
            "{kind} {uid}  {where}",
            kind=kind,
            uid=tail(file.peek.sop_instance_uid or "without UID"),
            where=file.where,
        )
        for file in near
    ]
    if len(near) < len(candidates):
        rows.append(Text("{count} of other folders", count=len(candidates) - len(near)))
    return rows


def link_by_hand(kind: str, instance: Instance, how: Text, path: Path, *, matches: bool) -> Link:
    """Return the link of a file that the user named."""
    return Link(kind=kind, instance=instance, how=how, by_hand=True, matches_uid=matches, path=path)


def option_path(
    option: str | Path, candidates: Sequence[Found], load: Callable[[Path], T], name: str
) -> Path:
    """Return the file that an option names: a path, or the end of one candidate's UID."""
    if Path(option).exists():
        return Path(option)
    ending = str(option).lstrip("….")
    if not ending.replace(".", "").isdigit():
        raise CaseError(Text("{name}: there is no such file", name=name), path=Path(option))
    ends = (f for f in candidates if (f.peek.sop_instance_uid or "").endswith(ending))
    found = unique(ends, load)
    if len(found) == 1:
        return found[0][0].path
    raise CaseError(
        Text(
            "{name}: {count} files found here have a UID that ends with {ending}",
            name=name,
            count=len(found),
            ending=ending,
        ),
        candidates=[row(value.instance, "UID") for _, value in found],
    )
