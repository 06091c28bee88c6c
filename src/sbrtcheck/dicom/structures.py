"""RT Structure Set -> StructureSet."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sbrtcheck.dicom.dataset import (
    RT_STRUCTURE_SET,
    Opened,
    Record,
    open_file,
    parse_decimals,
    quietly,
    read_instance,
    require_class,
)
from sbrtcheck.errors import UnsupportedError
from sbrtcheck.model import (
    NEXT_PLANE,
    ROI,
    Contour,
    FloatArray,
    Instance,
    StructureSet,
    Text,
    distinct,
    main_spacing_mm,
)

OBLIQUE_MM = 0.05  # more than rounding: a ring that leaves its plane by this is not axial
FARTHEST_MM = 1e5  # 100 m from the origin is damage, not anatomy
COUNT = "NumberOfContourPoints"
FRAMES = "ReferencedFrameOfReferenceSequence"
RING_TYPES = {"CLOSED_PLANAR": False, "CLOSEDPLANAR_XOR": True}
OPEN_TYPES = frozenset({"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"})


@dataclass(slots=True)
class _Draft:
    """An ROI while it is read: where its items are, before the contours are parsed."""

    number: int
    name: str
    frame_of_reference_uid: str | None
    interpreted_type: str = ""
    rings: list[tuple[Record, bool]] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)


@quietly
def load_structure_set(path: Path) -> StructureSet:
    """Read an RT Structure Set. ROIs without contours are kept: empty is not missing.

    Raises
    ------
    ReadError
        If the file is not a readable RT Structure Set; `UnsupportedError` where a closed
        contour is not axial.

    Notes
    -----
    PS3.3 A.19, C.8.8.5, C.8.8.6, C.8.8.8. POINT and OPEN contours enclose nothing and are
    counted in the ROI's notes.
    """
    opened = open_file(path)
    root = require_class(opened, RT_STRUCTURE_SET)
    instance = _instance(opened, root)
    drafts, notes = _drafts(root)
    contours = {number: _contours(draft, root) for number, draft in drafts.items()}
    spacing_mm = _main_spacing_mm(contours.values())
    return StructureSet(
        rois=tuple(
            ROI(
                name=draft.name,
                contours=contours[number],
                number=number,
                interpreted_type=draft.interpreted_type,
                frame_of_reference_uid=draft.frame_of_reference_uid,
                plane_spacing_mm=spacing_mm,
                notes=tuple(draft.notes),
            )
            for number, draft in drafts.items()
        ),
        instance=instance,
        notes=(*notes, *root.character_notes()),
    )


def _main_spacing_mm(rois: Iterable[tuple[Contour, ...]]) -> float | None:
    """Return the spacing that most of the length of all ROIs has, gaps of an ROI left out."""
    every = [np.empty(0)]
    for rings in rois:
        steps_mm = np.diff(distinct(ring.z_mm for ring in rings))
        own_mm = main_spacing_mm(steps_mm)
        if own_mm is not None:
            every.append(steps_mm[steps_mm <= NEXT_PLANE * own_mm])
    return main_spacing_mm(np.concatenate(every))


@quietly
def load_structure_set_header(path: Path) -> Instance:
    """Read which structure set it is, without its contours.

    Raises
    ------
    ReadError
        If the file is not a readable RT Structure Set.
    """
    opened = open_file(path, header_only=True)
    return _instance(opened, require_class(opened, RT_STRUCTURE_SET))


def _instance(opened: Opened, root: Record) -> Instance:
    instance = read_instance(
        opened, label_keyword="StructureSetLabel", date_keyword="StructureSetDate"
    )
    if instance.frame_of_reference_uid is None:
        frames = [item.uid("FrameOfReferenceUID") for item in root.items(FRAMES)]
        if len(set(frames)) == 1:
            instance = replace(instance, frame_of_reference_uid=frames[0])
    return instance


def _drafts(root: Record) -> tuple[dict[int, _Draft], list[Text]]:
    drafts: dict[int, _Draft] = {}
    notes: list[Text] = []
    for item in root.items("StructureSetROISequence"):
        number = item.required_integer("ROINumber")
        if number in drafts:
            raise item.fail(
                "ROI number {number} is used twice, so contours cannot be told apart",
                number=number,
            )
        drafts[number] = _Draft(
            number, item.text("ROIName"), item.uid("ReferencedFrameOfReferenceUID")
        )
    for item in root.items("RTROIObservationsSequence"):
        observed = item.integer("ReferencedROINumber")
        if observed in drafts:
            drafts[observed].interpreted_type = item.text("RTROIInterpretedType")
    for item in root.items("ROIContourSequence"):
        number = item.required_integer("ReferencedROINumber")
        if number in drafts:
            _collect(drafts[number], item)
        elif item.items("ContourSequence"):
            notes.append(
                Text(
                    "contours of ROI number {number}, which has no name, are left out",
                    number=number,
                )
            )
    return drafts, notes


def _collect(draft: _Draft, item: Record) -> None:
    """Sort the contours of an ROIContour item into rings and what is not a ring."""
    others: Counter[str] = Counter()
    for contour in item.items("ContourSequence"):
        kind = contour.text("ContourGeometricType").upper()
        if kind in RING_TYPES:
            draft.rings.append((contour, RING_TYPES[kind]))
        elif kind in OPEN_TYPES:
            others[kind] += 1
        elif not kind:
            draft.rings.append((contour, False))
            others["a contour without type, read as CLOSED_PLANAR"] += 1
        else:
            raise contour.fail(
                "ROI '{name}' has a contour of unknown type '{kind}'", name=draft.name, kind=kind
            )
    for kind, count in others.items():
        if kind in OPEN_TYPES:
            draft.notes.append(
                Text("{count} {kind} contours enclose nothing", count=count, kind=kind)
            )
        else:
            draft.notes.append(Text("{count} x {kind}", count=count, kind=kind))


def _contours(draft: _Draft, root: Record) -> tuple[Contour, ...]:
    chunks = [record.raw("ContourData") for record, _ in draft.rings]
    counts = [chunk.count(b"\\") + 1 if chunk else 0 for chunk in chunks]
    numbers = parse_decimals(chunks, root, f"a contour of ROI '{draft.name}'")
    if numbers.size and (farthest_mm := float(np.abs(numbers).max())) > FARTHEST_MM:
        raise root.fail(
            "a contour of ROI '{name}' has a coordinate of {farthest_mm} mm; the file is damaged,"
            " export it again",
            name=draft.name,
            farthest_mm=farthest_mm,
        )
    contours = []
    ends = np.cumsum(counts)
    for (record, xor), start, end in zip(draft.rings, ends - counts, ends, strict=True):
        if start == end and not record.integer("NumberOfContourPoints"):
            draft.notes.append(Text("a contour without points is left out"))
            continue
        points, z_mm = _points(record, draft.name, numbers[start:end])
        contours.append(Contour(points_mm=points, z_mm=z_mm, xor=xor))
    return tuple(contours)


def _points(record: Record, name: str, numbers: FloatArray) -> tuple[FloatArray, float]:
    """Return x and y of the corners of a ring, and the z of its plane."""
    if numbers.size % 3 or record.raw(COUNT) != b"%d" % (numbers.size // 3):
        _require_count(record, name, numbers.size)
    points = numbers.reshape(-1, 3)
    z_mm = points[:, 2]
    low_mm, high_mm = float(z_mm.min()), float(z_mm.max())
    if high_mm - low_mm > OBLIQUE_MM and len(points) > 2:
        raise UnsupportedError(
            Text(
                "a contour of ROI '{name}' lies in an oblique plane (z spans {span_mm} mm);"
                " only axial contours are judged",
                name=name,
                span_mm=high_mm - low_mm,
            ),
            path=record.path,
        )
    return points[:, :2], low_mm if low_mm == high_mm else float(z_mm.mean())


def _require_count(record: Record, name: str, found: int) -> None:
    """Raise `ReadError` unless a ring has as many numbers as it declares points; it may not say."""
    declared = record.integer(COUNT)
    if found % 3 or (declared is not None and declared != found // 3):
        raise record.fail(
            "a contour of ROI '{name}' holds {found} numbers where {declared} points are"
            " declared; the file is damaged, export it again",
            name=name,
            found=found,
            declared="?" if declared is None else declared,
        )
