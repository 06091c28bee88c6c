"""The operations of the laws: what is done to which case, and what must then hold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from shapely.geometry import Polygon

from laws.bench import GRADED, Judged, Key, rank
from laws.makers import (
    ADDED_GY,
    Maker,
    all_rings,
    chain,
    neural_grown,
    neural_hotter,
    neural_moved,
    neural_rings,
    neural_scaled,
    only_one_neural,
    scaled,
    target_colder,
    trimmed,
    with_rois,
    without,
    without_planes,
    without_roi,
)
from laws.written import POSITIONS, Writing, edited, written
from sbrtcheck.checks.read_neural import NEURAL_ROLES
from sbrtcheck.checks.rule import Outcome, Row
from sbrtcheck.dossier import Case
from sbrtcheck.model import ROI, Contour
from sbrtcheck.protocol.rules import Role

__all__ = ["MADE", "OPERATIONS", "Operation", "operations_of"]

Claim = Callable[[Judged, Judged], list[str]]
SAME = 1e-6  # relative, of values that mean the same
STEPS = tuple(round(0.80 + 0.02 * step, 2) for step in range(26))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing done to a case, and what must hold of the answers before and after.

    Parameters
    ----------
    name
        Unique over all laws.
    kind
        Operations of one kind are tried on some plans each in turn.
    apply
        Returns None where the case has nothing to do it to.
    claim
        Returns the offences against the law.
    made
        What is done to the case first: a name of `MADE`.
    """

    law: int
    name: str
    kind: str
    apply: Maker
    claim: Claim
    made: str = "as drawn"


# --- What must hold -----------------------------------------------------------------------------


def shown(key: Key, before: object, after: object) -> str:
    """Return an offence in one line."""
    return f"{' '.join(part for part in key if part)}: {before} -> {after}"


def never_better(row: Row, before: Judged, after: Judged) -> list[str]:
    """Tell which answers of one table became better, or went."""
    now = after.rows(row)
    offences = []
    for key, finding in before.rows(row).items():
        then = Outcome.UNDECIDED if after.verdict is None else rank(now.get(key))
        if then < rank(finding):
            offences.append(shown(key, rank(finding).name, then.name))
    return offences


def more_dose(before: Judged, after: Judged) -> list[str]:
    """Claim that no limit is answered better, nor the verdict while a limit is answered worse."""
    return never_better(Row.LIMIT, before, after) + verdict_follows(before, after)


def less_dose(before: Judged, after: Judged) -> list[str]:
    """Claim that no coverage is answered better."""
    return never_better(Row.COVERAGE, before, after)


def verdict_follows(before: Judged, after: Judged) -> list[str]:
    """Claim that no other rule takes the worst answer of a limit away.

    Nor is the verdict better while that answer is worse, unless coverage, which more dose mends, had
    held the verdict back.
    """
    limits = [worst_of(judged, Row.LIMIT) for judged in (before, after)]
    offences = []
    if after.outcome < limits[1]:
        offences.append(f"verdict {after.outcome.name} beside {limits[1].name}")
    if worst_of(before, Row.COVERAGE) >= before.outcome:
        return offences
    if limits[0] < limits[1] and after.outcome < before.outcome:
        offences.append(f"verdict {before.outcome.name} -> {after.outcome.name}")
    return offences


def worst_of(judged: Judged, row: Row) -> Outcome:
    """Return the worst answer of one table."""
    return max(map(rank, judged.rows(row).values()), default=Outcome.PASS)


def higher_not_better(before: Judged, after: Judged) -> list[str]:
    """Claim that no limit whose value stays or rises is answered better."""
    offences = []
    now = after.rows(Row.LIMIT)
    for key, finding in before.rows(Row.LIMIT).items():
        other = now.get(key)
        if other is None or finding.value is None or other.value is None:
            continue
        old, new = finding.value.value, other.value.value
        if old is None or new is None or new < old:
            continue
        if rank(other) < rank(finding):
            offences.append(
                shown(key, f"{rank(finding).name} {old}", f"{rank(other).name} {new}")
            )
    return offences


def no_rescue(before: Judged, after: Judged) -> list[str]:
    """Claim that FAIL or UNDECIDED never becomes PASS or VARIATION."""
    if before.outcome >= Outcome.UNDECIDED > after.outcome:
        return [f"verdict {before.outcome.name} -> {after.outcome.name}"]
    return []


def required(before: Judged, after: Judged) -> list[str]:
    """Claim that without it there is no PASS and no VARIATION."""
    if after.outcome < Outcome.UNDECIDED:
        return [f"verdict {before.outcome.name} -> {after.outcome.name}"]
    return []


def still_not_passed(before: Judged, after: Judged) -> list[str]:
    """Claim that what failed is no PASS and no VARIATION."""
    return required(before, after) if before.outcome is Outcome.FAIL else []


def same(before: Judged, after: Judged) -> list[str]:
    """Claim that the answers of all tables are the same: outcomes, and values to 1e-6."""
    if before.outcome is not after.outcome:
        return [
            f"verdict {before.outcome.name} -> {after.outcome.name} {after.error}".strip()
        ]
    old, new = (judged.rows(*GRADED, Row.REPORT) for judged in (before, after))
    offences = [f"only in one: {key}" for key in sorted(set(old) ^ set(new))]
    for key in sorted(set(old) & set(new)):
        if old[key].outcome is not new[key].outcome:
            offences.append(shown(key, old[key].outcome, new[key].outcome))
        first, second = old[key].value, new[key].value
        a = None if first is None else first.value
        b = None if second is None else second.value
        if not agree(a, b):
            offences.append(shown(key, a, b))
    return offences


def agree(one: float | None, other: float | None) -> bool:
    """Tell whether two values are the same to 1e-6."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SAME * max(abs(one), abs(other), 1e-3)


# --- Law 3 --------------------------------------------------------------------------------------


def dose_operations() -> Iterator[Operation]:
    """Yield what gives an organ more, or a target less."""
    for low, high in pairwise(STEPS):
        for more in (True, False):
            first, then = (low, high) if more else (high, low)
            yield Operation(
                law=3,
                kind="scale up" if more else "scale down",
                name=f"scale {first:.2f} to {then:.2f}",
                made=f"scaled {first:.2f}",
                apply=scaled(then / first),
                claim=more_dose if more else less_dose,
            )
    for percent in range(102, 160, 6):
        yield Operation(
            law=3,
            kind="cord hotter",
            name=f"dose near the cord {percent} %",
            apply=neural_scaled(percent / 100),
            claim=more_dose,
        )
    for step in range(1, 13):
        yield Operation(
            law=3,
            kind="cord moved",
            name=f"cord moved {step * 0.5} mm",
            apply=neural_moved(step * 0.5),
            claim=higher_not_better,
        )
        yield Operation(
            law=3,
            kind="cord moved",
            name=f"hot cord moved {step * 0.5} mm",
            made="cord too hot",
            apply=neural_moved(step * 0.5),
            claim=higher_not_better,
        )
    for step in range(1, 9):
        yield Operation(
            law=3,
            kind="cord grown",
            name=f"cord grown {step * 0.25} mm",
            apply=neural_grown(step * 0.25),
            claim=higher_not_better,
        )
    for percent in range(98, 78, -2):
        yield Operation(
            law=3,
            kind="target colder",
            name=f"dose in the target {percent} %",
            apply=target_colder(percent / 100),
            claim=less_dose,
        )


# --- Law 4 --------------------------------------------------------------------------------------

BAD = ("cord too hot", "target too cold", "level outside")
SIDES = (
    ("right", 0, True),
    ("left", 0, False),
    ("front", 1, True),
    ("back", 1, False),
    ("foot", 2, True),
    ("head", 2, False),
)


def evidence_operations() -> Iterator[Operation]:
    """Yield what takes evidence away."""
    for made in BAD:
        for index in range(16):
            yield Operation(
                law=4,
                kind="remove a ROI",
                name=f"remove ROI {index}, {made}",
                made=made,
                apply=without_roi(index),
                claim=no_rescue,
            )
        yield from plane_operations(made)
        for side, axis, low in SIDES:
            for percent in (5, 15, 30, 45):
                yield Operation(
                    law=4,
                    kind="trim the grid",
                    name=f"trim {percent} % at the {side}, {made}",
                    made=made,
                    apply=trimmed(axis, percent / 100, low=low),
                    claim=no_rescue,
                )
    yield from required_operations()


def plane_operations(made: str) -> Iterator[Operation]:
    """Yield what takes planes away."""
    parts = {"neural": NEURAL_ROLES, "target": (Role.PTV,), "organ": (Role.ORGAN,)}
    for part, roles in parts.items():
        for which in ("middle", "low", "high"):
            if part == "target" and which != "middle":
                continue  # end planes of a target: see `silent`
            yield Operation(
                law=4,
                kind="remove planes",
                name=f"remove {which} planes of {part}, {made}",
                made=made,
                apply=without_planes(roles, which),
                claim=no_rescue,
            )


def required_operations() -> Iterator[Operation]:
    """Yield what takes away what a PASS cannot do without."""
    yield Operation(
        law=4,
        kind="required: neural",
        name="remove all that is neural",
        apply=without(*NEURAL_ROLES),
        claim=required,
    )
    for which in ("middle", "low", "high"):
        yield Operation(
            law=4,
            kind="required: neural",
            name=f"remove {which} planes of all that is neural",
            apply=without_planes(NEURAL_ROLES, which),
            claim=required,
        )
    yield Operation(
        law=4,
        kind="required: target",
        name="remove all targets",
        apply=without(Role.PTV),
        claim=required,
    )
    attributes = {
        "RP.dcm": (
            "BeamSequence",
            "FractionGroupSequence",
            "ReferencedStructureSetSequence",
        ),
        "RD.dcm": (
            "DoseSummationType",
            "DoseUnits",
            "FrameOfReferenceUID",
            "PixelData",
        ),
        "RS.dcm": ("ROIContourSequence", "StructureSetROISequence"),
    }
    attributes["RP.dcm"] += ("DoseReferenceSequence",)
    attributes["RD.dcm"] += ("ReferencedRTPlanSequence", "GridFrameOffsetVector")
    for file, keywords in attributes.items():
        for keyword in keywords:
            yield Operation(
                law=4,
                kind="required: attributes",
                name=f"remove {keyword} of {file}",
                made="as files",
                apply=edited(file, partial(remove, keyword=keyword)),
                claim=required,
            )
    yield Operation(
        law=4,
        kind="required: attributes",
        name="remove every frame of reference of RS.dcm",
        made="as files",
        apply=edited("RS.dcm", remove_frames),
        claim=required,
    )


def remove(dataset: Dataset, keyword: str) -> None:
    """Delete an attribute."""
    if keyword in dataset:
        delattr(dataset, keyword)


def remove_frames(dataset: Dataset) -> None:
    """Delete all that states a frame of reference."""
    remove(dataset, "FrameOfReferenceUID")
    remove(dataset, "ReferencedFrameOfReferenceSequence")
    for item in dataset.StructureSetROISequence:
        remove(item, "ReferencedFrameOfReferenceUID")


# --- Law 5 --------------------------------------------------------------------------------------


def reversed_rings(roi: ROI) -> Iterator[Contour]:
    """Yield rings drawn the other way round."""
    for ring in roi.contours:
        yield replace(ring, points_mm=ring.points_mm[::-1])


def rotated(roi: ROI) -> Iterator[Contour]:
    """Yield rings that start at another corner."""
    for ring in roi.contours:
        yield replace(
            ring, points_mm=np.roll(ring.points_mm, len(ring.points_mm) // 3, axis=0)
        )


def doubled(roi: ROI) -> Iterator[Contour]:
    """Yield rings with every corner twice."""
    for ring in roi.contours:
        yield replace(ring, points_mm=np.repeat(ring.points_mm, 2, axis=0))


def halved(roi: ROI) -> Iterator[Contour]:
    """Yield rings as two halves that share an edge, where the edge lies inside."""
    alone = {
        c.z_mm for c in roi.contours if sum(o.z_mm == c.z_mm for o in roi.contours) == 1
    }
    for ring in roi.contours:
        points, middle = ring.points_mm, len(ring.points_mm) // 2
        one, other = points[: middle + 1], np.concatenate([points[middle:], points[:1]])
        if ring.z_mm in alone and len(points) > 5 and are_halves(points, one, other):
            yield replace(ring, points_mm=one)
            yield replace(ring, points_mm=other)
        else:
            yield ring


def are_halves(whole: np.ndarray, one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two rings fill a third without overlap."""
    polygons = [Polygon(points) for points in (whole, one, other)]
    if not all(polygon.is_valid for polygon in polygons):
        return False
    area, first, second = (polygon.area for polygon in polygons)
    inside = polygons[0].buffer(1e-6).contains(polygons[1])
    return bool(inside and abs(first + second - area) < 1e-6 * area)


def hole_in(ring: Contour) -> Contour | None:
    """Return a ring inside another around its middle, None where it would not lie inside."""
    centre = ring.points_mm.mean(axis=0)
    inner = centre + 0.4 * (ring.points_mm - centre)
    whole = Polygon(ring.points_mm)
    if not whole.is_valid or not whole.buffer(-0.5).contains(Polygon(inner)):
        return None
    return replace(ring, points_mm=inner)


def target_rings(rings: Callable[[ROI], Iterator[Contour]]) -> Maker:
    """Return what draws targets otherwise."""

    def make(case: Case) -> Case:
        from laws.makers import redrawn, rois_of, with_roi

        made = case
        for roi in rois_of(case, Role.PTV):
            made = with_roi(made, redrawn(roi, rings(roi)))
        return made

    return make


def holed(roi: ROI) -> Iterator[Contour]:
    """Yield rings with a hole each, as a second ring."""
    for ring in roi.contours:
        inner = hole_in(ring)
        yield ring
        if inner is not None:
            yield inner


def keyholed(roi: ROI) -> Iterator[Contour]:
    """Yield rings joined to the hole that follows each by a bridge of no width."""
    rings = list(roi.contours)
    while rings:
        ring = rings.pop(0)
        if rings and is_hole_of(rings[0], ring):
            out, back = ring.points_mm, rings.pop(0).points_mm[::-1]
            joined = np.concatenate([out, out[:1], back[-1:], back])
            ring = replace(ring, points_mm=joined)
        yield ring


def is_hole_of(inner: Contour, outer: Contour) -> bool:
    """Tell whether a ring lies in another one of its plane."""
    if inner.z_mm != outer.z_mm:
        return False
    return bool(Polygon(outer.points_mm).contains(Polygon(inner.points_mm)))


def reordered(case: Case) -> Case:
    """Turn the order of ROIs and of contours round."""
    rois = (
        replace(r, contours=r.contours[::-1]) for r in case.structure_set.rois[::-1]
    )
    return with_rois(case, rois)


def unused(name: str) -> Maker:
    """Return what adds ROIs that stand for nothing."""

    def make(case: Case) -> Case:
        rois = case.structure_set.rois
        source = rois[-1]
        number = max((roi.number or 0) for roi in rois) + 1
        extra = [
            replace(source, name=f"{name}{n}", number=number + n) for n in range(3)
        ]
        return with_rois(case, (*extra, *rois))

    return make


def meaning_operations() -> Iterator[Operation]:
    """Yield what means the same."""
    rings: dict[str, Maker] = {
        "reverse rings": all_rings(reversed_rings),
        "rotate rings": all_rings(rotated),
        "double corners": all_rings(doubled),
        "halve rings": all_rings(halved),
        "reorder": reordered,
        "add unused ROIs": unused("zDonut_"),
    }
    for name, maker in rings.items():
        yield Operation(law=5, kind=name, name=name, apply=maker, claim=same)
    yield Operation(
        law=5,
        kind="key-hole",
        name="key-hole",
        apply=target_rings(keyholed),
        claim=same,
        made="target with holes",
    )
    yield Operation(
        law=5,
        kind="rename unused ROIs",
        name="rename unused ROIs",
        made="with unused ROIs",
        apply=renamed,
        claim=same,
    )
    for name, writing in WRITINGS.items():
        yield Operation(
            law=5,
            kind=name.split(":")[0],
            name=name,
            made="as files",
            apply=written(writing),
            claim=same,
        )


def renamed(case: Case) -> Case:
    """Give unused ROIs other names."""
    return with_rois(
        case,
        (
            replace(r, name=r.name.replace("zDonut_", "zRing_"))
            for r in case.structure_set.rois
        ),
    )


WRITINGS = {
    "syntax: implicit": Writing(transfer_syntax=ImplicitVRLittleEndian),
    "syntax: big endian": Writing(transfer_syntax=ExplicitVRBigEndian),
    "syntax: deflated": Writing(transfer_syntax=DeflatedExplicitVRLittleEndian),
    "characters: GB18030": Writing(character_set="GB18030"),
    "characters: GBK": Writing(character_set="GBK"),
    "files: names": Writing(names=("c", "a.tmp", "b.IMA")),
    "files: order": Writing(names=("z.dcm", "y.dcm", "x.dcm")),
    "files: copies": Writing(copies=True),
} | {f"position: {position}": Writing(position=position) for position in POSITIONS[1:]}


# --- Law 8 --------------------------------------------------------------------------------------


def point(ring: Contour) -> list[Contour]:
    """Return a ring of one corner."""
    return [replace(ring, points_mm=ring.points_mm[:1])]


def edge(ring: Contour) -> list[Contour]:
    """Return a ring of two corners."""
    return [replace(ring, points_mm=ring.points_mm[:2])]


def line(ring: Contour) -> list[Contour]:
    """Return a ring whose corners lie on one line."""
    points = ring.points_mm.copy()
    points[:, 0] = points[:, 0].mean()
    return [replace(ring, points_mm=points)]


def cancelled(ring: Contour) -> list[Contour]:
    """Return a ring that its double takes away."""
    return [replace(ring, xor=True)] * 2


def twice(ring: Contour) -> list[Contour]:
    """Return a ring with a copy 1 % smaller."""
    centre = ring.points_mm.mean(axis=0)
    return [ring, replace(ring, points_mm=centre + 0.99 * (ring.points_mm - centre))]


def speck(ring: Contour) -> list[Contour]:
    """Return a speck elsewhere in the plane."""
    corner = np.array([50.0, 30.0])
    square = corner + np.array([[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]])
    return [replace(ring, points_mm=square)]


def drawn_operations() -> Iterator[Operation]:
    """Yield what draws the cord with rings that enclose nothing of it."""
    for rings in (point, edge, line, cancelled, twice, speck):
        for made in ("lone cord too hot", "cord too hot"):
            yield Operation(
                law=8,
                kind=f"rings: {rings.__name__}",
                name=f"{rings.__name__} for rings, {made}",
                made=made,
                apply=neural_rings(rings),
                claim=still_not_passed,
            )


# --- All ----------------------------------------------------------------------------------------


def level_outside(case: Case) -> Case:
    """Name a level that the trial does not treat, in targets and plan."""
    import re

    def renamed_level(text: str) -> str:
        return re.sub(r"(?i)(?<![a-z])(th|t|d|l)(\d+)(?!\d)", "T4", text)

    rois = [
        replace(roi, name=renamed_level(roi.name))
        if re.search(r"TV", roi.name)
        else roi
        for roi in case.structure_set.rois
    ]
    if len({roi.name for roi in rois}) < len(rois):
        return case
    references = tuple(
        replace(ref, description=renamed_level(ref.description))
        for ref in case.plan.dose_references
    )
    plan = replace(case.plan, dose_references=references)
    return replace(with_rois(case, rois), plan=plan)


MADE: dict[str, Maker] = {
    "as drawn": lambda case: case,
    "as files": written(Writing()),
    "cord too hot": neural_hotter(ADDED_GY),
    "lone cord too hot": chain(neural_hotter(ADDED_GY), only_one_neural),
    "target too cold": target_colder(0.85),
    "level outside": level_outside,
    "target with holes": target_rings(holed),
    "with unused ROIs": unused("zDonut_"),
} | {f"scaled {step:.2f}": scaled(step) for step in STEPS}

OPERATIONS: tuple[Operation, ...] = (
    *dose_operations(),
    *evidence_operations(),
    *meaning_operations(),
    *drawn_operations(),
)


def operations_of(law: int) -> dict[str, list[Operation]]:
    """Return the operations of a law, by their kind."""
    kinds: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        if operation.law == law:
            kinds.setdefault(operation.kind, []).append(operation)
    return kinds
