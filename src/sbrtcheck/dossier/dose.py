"""Which RT Dose is the dose of a plan's whole course, or which of them add up to it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sbrtcheck import dicom
from sbrtcheck.dossier.choose import (
    Link,
    link_by_hand,
    near_rows,
    nearest_of,
    option_path,
    row,
    tail,
)
from sbrtcheck.dossier.search import NEAR, Found, Search
from sbrtcheck.errors import CaseError, ReadError, UnsupportedError
from sbrtcheck.model import DoseGrid, DoseHeader, Plan, Text, sum_doses

REFUSED_SUMMATIONS = {
    "BEAM": "it is the dose of single beams, not of the plan; export the plan dose",
    "BEAM_SESSION": "it is the dose of beams in one session; export the plan dose",
    "BRACHY": "it is a brachytherapy dose; export the plan dose",
    "BRACHY_SESSION": "it is a brachytherapy dose; export the plan dose",
    "CONTROL_POINT": "it is the dose of control points; export the plan dose",
    "FRACTION_SESSION": "it is the dose of one session, which is never multiplied; export the plan dose",
    "MULTI_PLAN": "it is the sum of several plans; export the dose of this plan",
    "PLAN_OVERVIEW": "it is an overview of several plans; export the dose of this plan",
    "RECORD": "it is a delivered dose from treatment records; export the plan dose",
}


class Candidate(NamedTuple):
    """An RT Dose that names the plan."""

    file: Found
    header: DoseHeader


class Chosen(NamedTuple):
    """The files whose doses add up to the course, each with its link."""

    links: tuple[Link, ...]
    paths: tuple[Path, ...]


def choose_dose(plan: Plan, search: Search, option: str | Path | None, notes: list[Text]) -> Chosen:
    """Choose the course dose of a plan: by hand, or by UID among the files around it.

    Raises
    ------
    CaseError
        If none names the plan, or several could be its dose.
    UnsupportedError
        If what names the plan is not physical dose of the whole course.
    """
    files = search.of_class(dicom.RT_DOSE)
    if option is not None:
        path = option_path(option, files, dicom.load_dose_header, "--dose")
        return _by_hand(plan, path)
    named = _naming(plan, files, notes)
    if not named:
        raise CaseError(
            Text(
                "no RT Dose beside the plan, nor one level up or down, names this plan;"
                " put it there or add --dose FILE"
            ),
            candidates=[*near_rows(files, "RT Dose"), *notes],
        )
    nearest = nearest_of([dose.file for dose in named], dicom.load_dose_header, notes)
    chosen = _course(plan, [Candidate(*pair) for pair in nearest], notes)
    return Chosen(
        links=tuple(
            Link(
                kind="RT Dose",
                instance=dose.header.instance,
                how=Text("it names this plan, {where}", where=dose.file.where),
                path=dose.file.path,
            )
            for dose in chosen
        ),
        paths=tuple(dose.file.path for dose in chosen),
    )


def load_course_dose(chosen: Chosen) -> tuple[DoseGrid, tuple[Link, ...]]:
    """Read the doses of a course and add them up; their links then hold the hash of each file."""
    grids = [dicom.load_dose(path) for path in chosen.paths]
    links = tuple(
        link if grid.header is None else replace(link, instance=grid.header.instance)
        for link, grid in zip(chosen.links, grids, strict=True)
    )
    return (sum_doses(grids) if grids[1:] else grids[0]), links


def _by_hand(plan: Plan, path: Path) -> Chosen:
    header = dicom.load_dose_header(path)
    _require_physical(header, path)
    why = why_not_course(header, plan)
    if header.summation_type == "BEAM" and header.beam_numbers:
        by_hand = Found(path, dicom.Peek(dicom.RT_DOSE, None), "given by hand")
        _all_beams(plan, [Candidate(by_hand, header)], [])
    elif why is not None:
        raise _refusal(header, why, path)
    matches = plan.instance.sop_instance_uid in header.referenced_plan_uids
    how = (
        Text("given by hand; it names this plan")
        if matches
        else Text("given by hand; it does not name this plan")
    )
    link = link_by_hand("RT Dose", header.instance, how, path, matches=matches)
    return Chosen((link,), (path,))


def _naming(plan: Plan, files: Sequence[Found], notes: list[Text]) -> list[Candidate]:
    """Return the doses that name a plan; note those that cannot be read."""
    named = []
    for file in files:
        if file.where not in NEAR and file.is_of_another(plan.instance.patient):
            continue
        try:
            header = dicom.load_dose_header(file.path)
        except ReadError as error:
            why = str(error.problem)
            notes.append(
                Text("an RT Dose {where} cannot be read: {why}", where=file.where, why=why)
            )
            continue
        if plan.instance.sop_instance_uid in header.referenced_plan_uids:
            named.append(Candidate(file, header))
    return named


def _course(plan: Plan, doses: Sequence[Candidate], notes: list[Text]) -> list[Candidate]:
    """Return the doses that are the course: one of the plan, of its one group, or all its beams.

    Whatever is not used is noted.
    """
    whole: list[Candidate] = []
    beams: list[Candidate] = []
    refused: list[tuple[Candidate, str]] = []
    for dose in doses:
        why = why_not_course(dose.header, plan)
        try:
            _require_physical(dose.header, dose.file.path)
        except UnsupportedError as error:
            why = str(error.problem)
            refused.append((dose, why))
            continue
        if dose.header.summation_type == "BEAM":
            beams.append(dose)
        elif why is None:
            whole.append(dose)
        else:
            refused.append((dose, why))
    whole = [dose for dose in whole if dose.header.summation_type == "PLAN"] or whole
    if not whole and beams:
        whole = _all_beams(plan, beams, notes)
    elif not whole:
        dose, why = refused[0]
        raise _refusal(dose.header, why, dose.file.path)
    elif len(whole) > 1:
        raise _ambiguous(whole)
    notes += [_unused(dose, why) for dose, why in refused]
    notes += [
        _unused(
            dose, f"{dose.header.summation_type} beside a {whole[0].header.summation_type} dose"
        )
        for dose in doses
        if dose not in whole and all(dose is not other for other, _ in refused)
    ]
    return whole


def _all_beams(plan: Plan, doses: Sequence[Candidate], notes: list[Text]) -> list[Candidate]:
    """Return the beam doses that hold each treatment beam exactly once.

    Raises
    ------
    UnsupportedError
        If beams are missing or stand in several doses; it names them.
    """
    names = {beam.number: beam.name for beam in plan.beams}
    treating = {beam.number for beam in plan.beams if beam.treats}
    used = [
        dose
        for dose in doses
        if not dose.header.beam_numbers or treating.intersection(dose.header.beam_numbers)
    ]
    held = Counter(number for dose in used for number in dose.header.beam_numbers)

    def listed(numbers: set[int]) -> str:
        return ", ".join(f"{n} '{names.get(n, '')}'" for n in sorted(numbers)) or "none"

    faults = {
        "missing are beams": treating - held.keys(),
        "held more than once are beams": {n for n, count in held.items() if count > 1},
        "not of the plan are beams": held.keys() - names.keys(),
    }
    problems = [f"{what} {listed(numbers)}" for what, numbers in faults.items() if numbers]
    if not treating:
        problems = ["the plan names no treatment beam"]
    if any(not dose.header.beam_numbers for dose in used):
        problems.append("one does not name its beam")
    if problems:
        raise UnsupportedError(
            Text(
                "this plan has only doses of single beams (BEAM), and they do not add up to it:"
                " {problems}; export the plan dose",
                problems="; ".join(problems),
            )
        )
    notes += [_unused(dose, "its beam does not treat") for dose in doses if dose not in used]
    notes.append(
        Text(
            "the plan dose is the sum of {count} beam doses, each treatment beam once",
            count=len(used),
        )
    )
    return used


def _unused(dose: Candidate, why: str) -> Text:
    uid = tail(dose.header.instance.sop_instance_uid)
    return Text("RT Dose {uid} not used: {why}", uid=uid, why=why)


def _ambiguous(doses: Sequence[Candidate]) -> CaseError:
    return CaseError(
        Text("{count} RT Doses are dose of this plan; choose one with --dose", count=len(doses)),
        candidates=[row(d.header.instance, "RT Dose", dose_detail(d.header)) for d in doses],
    )


def dose_detail(header: DoseHeader) -> str:
    """Describe a dose: kind and size of the grid."""
    columns, rows, frames = header.size
    return f"{header.summation_type or '(no summation)'}, grid {columns} x {rows} x {frames}"


def _require_physical(header: DoseHeader, path: Path) -> None:
    dicom.refuse_dose_kind(header, path)
    if min(header.size) < 2:
        raise UnsupportedError(Text("it has a single plane, row or column"), path=path)


def _refusal(header: DoseHeader, why: str, path: Path) -> UnsupportedError:
    summation = header.summation_type or "(none)"
    return UnsupportedError(
        Text("the RT Dose is of kind {summation}: {why}", summation=summation, why=why), path=path
    )


def why_not_course(header: DoseHeader, plan: Plan) -> str | None:
    """Return why a dose alone is not that of the whole course (PS3.3 C.8.8.3), or None.

    FRACTION is the dose of one whole fraction group, and so the course where there is one.
    """
    summation = header.summation_type
    if summation not in ("PLAN", "FRACTION"):
        return REFUSED_SUMMATIONS.get(
            summation, "it does not say whether it is the plan's whole dose"
        )
    if len(set(header.referenced_plan_uids)) > 1:
        return "it names several plans; export the dose of this plan"
    if summation == "FRACTION" and len(plan.fraction_groups) != 1:
        return "it is the dose of one of several fraction groups; export the plan dose"
    return _foreign_group(header, plan)


def _foreign_group(header: DoseHeader, plan: Plan) -> str | None:
    own = {group.number for group in plan.fraction_groups} - {None}
    foreign = sorted(set(header.fraction_group_numbers) - own) if own else []
    if not foreign:
        return None
    return f"it names fraction group {foreign[0]}, which the plan lacks; export the plan dose"
