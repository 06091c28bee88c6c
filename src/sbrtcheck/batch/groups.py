"""What the plans of one patient are to each other: revisions of one plan, or parts of one course."""

import json
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from sbrtcheck import dicom
from sbrtcheck.batch.linking import Item, Linked, PlanFiles, by_patient
from sbrtcheck.batch.options import Progress
from sbrtcheck.batch.runners import Runner
from sbrtcheck.batch.work import (
    END,
    Failed,
    PatientTask,
    Related,
    read_record,
    relate,
    write_record,
)
from sbrtcheck.dossier import tail
from sbrtcheck.model import patient_key

__all__ = ["Grouped", "group_plans"]

APPROVED = "APPROVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """A plan, and what the other plans of its patient are to it.

    Parameters
    ----------
    parts
        Plans of other targets that are treated too, whose dose is to be added.
    beside
        Files of further plans, of which it is not known whether they give dose.
    revisions
        Words for plans that this one replaces.
    orphans
        Doses of the patient that name plans which are not among the files.
    patient
        The patient ID; of a plan without any, that of the plans it is taken together with.
    superseded_by
        Why another plan is judged in place of this one, or None.
    open_question
        Why it is not known which of the revisions is treated, or None.
    """

    files: PlanFiles
    parts: tuple[PlanFiles, ...] = ()
    beside: tuple[Item, ...] = ()
    revisions: tuple[str, ...] = ()
    orphans: tuple[Item, ...] = ()
    patient: str = ""
    superseded_by: str | None = None
    open_question: str | None = None


def group_plans(
    linked: Linked,
    runner: Runner,
    protocol: bytes,
    progress: Progress,
    *,
    seconds: float,
    records: Path,
) -> tuple[list[Grouped], set[str]]:
    """Tell for each plan what the other plans of its patient are to it.

    Answers are kept in a folder of records; the names of those that count now are returned, too.
    """
    patients = by_patient(linked.plans)
    grouped: list[Grouped] = []
    asked: dict[PatientTask, list[PlanFiles]] = {}
    for plans in patients:
        drawn = [plan for plan in plans if _is_drawn(plan)]
        if _names_two_people(plans):
            grouped += _of_two_people(plans)
            continue
        if len(drawn) < 2:
            grouped += _of_patient(plans, [[plan] for plan in drawn], linked)
            continue
        pairs = tuple((p.plan, p.structure_set) for p in drawn if p.structure_set is not None)
        asked[PatientTask(plans=pairs, protocol=protocol)] = plans
    keys = {task.key(): task for task in asked}
    for key, task in keys.items():
        kept = read_record(records / f"{key}.json")
        if kept is not None:
            told = Related(*json.loads(kept.removesuffix(END)))
            grouped += _as_told(asked.pop(task), told, linked)
    if asked:
        progress.stage("comparing plans of one patient", len(asked))
    for task, answer in runner.run(relate, asked, seconds=seconds):
        progress.step()
        if isinstance(answer, Failed):
            grouped += _as_told(asked[task], None, linked)
            continue
        with suppress(OSError):  # it is found again next time
            write_record(records, task.key(), json.dumps(answer).encode() + END)
        grouped += _as_told(asked[task], answer, linked)
    patient_of = {plan: name for plans in patients for plan, name in _named(plans).items()}
    named = [replace(one, patient=patient_of[one.files.identity]) for one in grouped]
    return named, set(keys)


def _named(plans: Sequence[PlanFiles]) -> dict[str, str]:
    """Return the patient ID of each plan; where it has none, of the plans it is taken together with."""
    found = {plan.identity: plan.plan.header.patient_id or "" for plan in plans}
    own = {patient_key(name) for name in found.values()} - {""}
    shared = own.pop() if len(own) == 1 else f"without ID {min(found)}"
    return {plan: name if patient_key(name) else shared for plan, name in found.items()}


def _as_told(plans: Sequence[PlanFiles], related: Related | None, linked: Linked) -> list[Grouped]:
    """Group the plans of a patient; where nothing is known, each is judged beside the others."""
    drawn = [plan for plan in plans if _is_drawn(plan)]
    if related is None:
        return _of_patient(plans, [[plan] for plan in drawn], linked, known=False)
    groups: dict[int, list[PlanFiles]] = {}
    for plan, number in zip(drawn, related.numbers, strict=True):
        groups.setdefault(number, []).append(plan)
    same = {frozenset((drawn[a].identity, drawn[b].identity)) for a, b in related.same}
    return _of_patient(plans, list(groups.values()), linked, same=same)


def _is_drawn(plan: PlanFiles) -> bool:
    """Tell whether plan and structure set can be read, so that its targets are known."""
    rois = plan.structure_set
    return plan.is_one and rois is not None and rois.header.problem is None


def _of_patient(
    plans: Sequence[PlanFiles],
    groups: Sequence[Sequence[PlanFiles]],
    linked: Linked,
    *,
    known: bool = True,
    same: AbstractSet[frozenset[str]] = frozenset(),
) -> list[Grouped]:
    """Tell for each plan of a patient; `groups` part those that are drawn into revisions.

    `same` are the pairs of plans of which either may replace the other.
    """
    broken = [plan for plan in plans if not _is_drawn(plan)]
    grouped = [Grouped(files=plan) for plan in broken]
    ions = [item for item in linked.ion_plans if _is_of(item, plans)]
    orphans = tuple(item for item in linked.orphans if _is_of(item, plans))
    unread = sum(not plan.is_one for plan in broken)
    question = None
    if unread:
        question = (
            f"{unread} more RT Plans of this patient cannot be read: whether they give dose to the"
            " same cord is not known"
        )
    chosen = [_treated(group, same) for group in groups]
    for number, group in enumerate(groups):
        parts: list[PlanFiles] = []
        unsure = [plan for plan in broken if plan.is_one]
        for at, (other, treated) in enumerate(zip(groups, chosen, strict=True)):
            if at == number:
                continue
            if treated is None or not known:
                unsure += other
            else:
                (parts if treated.problem is None else unsure).append(treated)
        beside = [item for plan in unsure for item in _without_dose(plan)] + ions
        grouped += [
            replace(one, open_question=one.open_question or question, orphans=orphans)
            for one in _of_group(group, chosen[number], tuple(parts), tuple(dict.fromkeys(beside)))
        ]
    return grouped


def _names_two_people(plans: Sequence[PlanFiles]) -> bool:
    """Tell whether files of one patient ID state different names or birth dates."""
    headers = [plan.plan.header for plan in plans if plan.is_one]
    names = [_spellings(header.patient_name) for header in headers if header.patient_name]
    births = {header.birth_date for header in headers if header.birth_date}
    alike = all(one & other for one, other in combinations(names, 2) if one and other)
    return not alike or len(births) > 1


def _spellings(name: str) -> set[tuple[str, ...]]:
    """Return family, given and middle name in each script that a name is written in (PS3.5 6.2.1)."""
    scripts = [script.split("^")[:3] for script in name.casefold().split("=")]
    words = [tuple(re.findall(r"[^\s^,.]+", " ".join(script))) for script in scripts]
    return {spelling for spelling in words if spelling}


def _of_two_people(plans: Sequence[PlanFiles]) -> list[Grouped]:
    """Leave each plan undecided: it is neither known to be of the same patient nor of another."""
    question = (
        f"{len(plans)} plans have this patient ID, and their files state different names or birth"
        " dates: which of them are of one patient is not known"
    )
    return [Grouped(files=plan, open_question=question) for plan in plans]


def _without_dose(plan: PlanFiles) -> list[Item]:
    return [item for item in plan.files if item.header.sop_class_uid != dicom.RT_DOSE]


def _of_group(
    group: Sequence[PlanFiles],
    treated: PlanFiles | None,
    parts: tuple[PlanFiles, ...],
    beside: tuple[Item, ...],
) -> list[Grouped]:
    told = {plan.identity: _told(plan) for plan in group}
    if treated is not None:
        replaced = tuple(told[plan.identity] for plan in group if plan is not treated)
        superseded_by = f"superseded by its approved revision {told[treated.identity]}; not judged"
        return [
            Grouped(files=plan, parts=parts, beside=beside, revisions=replaced)
            if plan is treated
            else Grouped(files=plan, superseded_by=superseded_by)
            for plan in group
        ]
    count = sum(_is_approved(plan) for plan in group)
    question = (
        f"{len(group)} plans share targets, {count or 'none'} of them approved:"
        f" which one is treated is not known ({'; '.join(told.values())})"
    )
    return [
        Grouped(
            files=plan,
            parts=parts,
            beside=beside,
            revisions=tuple(told[other.identity] for other in group if other is not plan),
            open_question=question,
        )
        for plan in group
    ]


def _treated(group: Sequence[PlanFiles], same: AbstractSet[frozenset[str]]) -> PlanFiles | None:
    """Return the plan of a group that is treated: the only one, or the only approved one.

    It must be able to replace every other: a plan of which it treats a part only stays open.
    """
    approved = [plan for plan in group if _is_approved(plan)] if len(group) > 1 else list(group)
    if len(approved) != 1:
        return None
    others = [plan for plan in group if plan is not approved[0]]
    whole = all(frozenset((plan.identity, approved[0].identity)) in same for plan in others)
    return approved[0] if whole else None


def _is_approved(plan: PlanFiles) -> bool:
    return plan.plan.header.approval == APPROVED


def _told(plan: PlanFiles) -> str:
    header = plan.plan.header
    date = f" of {header.date}" if header.date else ""
    return f"{tail(header.sop_instance_uid)}{date}, {header.approval or 'no approval status'}"


def _is_of(item: Item, plans: Sequence[PlanFiles]) -> bool:
    """Tell whether a file is of the patient of some plans; without ID, by study or frame."""
    own = patient_key(item.header.patient_id)
    own_uids = {item.header.study_uid, item.header.frame_uid}
    headers = [plan.plan.header for plan in plans]
    ids = {patient_key(header.patient_id) for header in headers}
    if own and "" not in ids:
        return own in ids
    near = {uid for header in headers for uid in (header.study_uid, header.frame_uid) if uid}
    return (bool(own) and own in ids) or bool(near & own_uids)
