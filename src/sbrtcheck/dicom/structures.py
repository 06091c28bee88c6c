"""RT Structure Set -> StructureSet."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sbrtcheck.dicom.dataset import (
    RT_STRUCTURE_SET,
    NotANumberError,
    Opened,
    Record,
    parse_decimals,
    quietly,
    read_instance,
    require_class,
)
from sbrtcheck.model import (
    MOST_CORNERS,
    NEXT_PLANE,
    ROI,
    Contour,
    FloatArray,
    Instance,
    StructureSet,
    Text,
    main_spacing_mm,
)

# More than rounding: a ring that leaves its plane by this is not axial.
OBLIQUE_MM = 0.05
FARTHEST_MM = 1e5  # 100 m from the origin is damage, not anatomy
MOST_ROIS = 5_000  # each name is compared with hundreds
COUNT = "NumberOfContourPoints"
FRAMES = "ReferencedFrameOfReferenceSequence"
RING_TYPES = {"CLOSED_PLANAR": False, "CLOSEDPLANAR_XOR": True}
OPEN_TYPES = frozenset({"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR"})
_NO_CONTOURS: tuple[Contour, ...] = ()
_NO_NOTES: tuple[Text, ...] = ()


class _UnreadableError(Exception):
    """The contours of one ROI cannot be read; the others can."""

    def __init__(self, problem: Text) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(slots=True)
class _Draft:
    """An ROI while it is read: where its items are, before the contours are parsed."""

    number: int
    name: str
    frame_of_reference_uid: str | None
    interpreted_type: str = ""
    rings: list[tuple[Record, bool]] = field(default_factory=list)
    notes: list[Text] = field(default_factory=list)
    problem: Text | None = None
    properties: tuple[tuple[str, float | None], ...] = ()


@quietly
def read_structure_set(opened: Opened, instance: Instance) -> StructureSet:
    """Read an RT Structure Set. ROIs without contours are kept: empty is not missing.

    An ROI whose contours cannot be read is kept without them, with its problem.

    Raises
    ------
    ReadError
        If the file is not a readable RT Structure Set.

    Notes
    -----
    PS3.3 A.19, C.8.8.5, C.8.8.6, C.8.8.8. POINT and OPEN contours enclose nothing and are
    counted in the ROI's notes.
    """
    root = require_class(opened, RT_STRUCTURE_SET)
    drafts, notes = _drafts(root)
    rois = [_roi(draft) for draft in drafts.values()]
    spacing_mm = _main_spacing_mm(rois)
    return StructureSet(
        rois=tuple(replace(roi, plane_spacing_mm=spacing_mm) for roi in rois),
        instance=instance,
        notes=(*notes, *root.character_notes()),
    )


def _main_spacing_mm(rois: Iterable[ROI]) -> float | None:
    """Return the spacing that most of the length of all ROIs has, gaps of an ROI left out."""
    every = [np.empty(0)]
    for roi in rois:
        steps_mm = np.diff(roi.z_mm)
        own_mm = main_spacing_mm(steps_mm)
        if own_mm is not None:
            every.append(steps_mm[steps_mm <= NEXT_PLANE * own_mm])
    return main_spacing_mm(np.concatenate(every))


def _roi(draft: _Draft) -> ROI:
    problem, contours, notes = draft.problem, _NO_CONTOURS, _NO_NOTES
    if problem is None:
        try:
            contours, notes = _contours(draft)
        except _UnreadableError as error:
            problem = error.problem
    return ROI(
        name=draft.name,
        contours=contours,
        number=draft.number,
        interpreted_type=draft.interpreted_type,
        frame_of_reference_uid=draft.frame_of_reference_uid,
        problem=problem,
        properties=draft.properties,
        notes=(*draft.notes, *notes),
    )


@quietly
def read_structure_set_instance(opened: Opened) -> Instance:
    """Read the header of an RT Structure Set."""
    root = opened.root
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
    nameless: list[int] = []
    named = root.items("StructureSetROISequence")
    if len(named) > MOST_ROIS:
        raise root.fail(
            "{count} ROIs: no patient has more than {most}; export the structure set of the plan",
            count=len(named),
            most=MOST_ROIS,
        )
    for item in named:
        number = item.required_integer("ROINumber")
        if number in drafts:
            raise item.fail(
                "ROI number {number} is used twice, so contours cannot be told apart; export"
                " the structure set again",
                number=number,
            )
        drafts[number] = _Draft(
            number, item.text("ROIName"), item.uid("ReferencedFrameOfReferenceUID")
        )
    for item in root.items("RTROIObservationsSequence"):
        observed = item.integer("ReferencedROINumber")
        if observed in drafts:
            drafts[observed].interpreted_type = item.text("RTROIInterpretedType")
            drafts[observed].properties = _properties(item)
    for item in root.items("ROIContourSequence"):
        number = item.required_integer("ReferencedROINumber")
        if number in drafts:
            _collect(drafts[number], item)
        elif item.items("ContourSequence"):
            nameless.append(number)
    return drafts, _nameless_notes(nameless)


def _properties(observation: Record) -> tuple[tuple[str, float | None], ...]:
    """Return the physical properties that an observation overrides, with their values."""
    return tuple(
        (
            row.text("ROIPhysicalProperty").upper(),
            row.number("ROIPhysicalPropertyValue"),
        )
        for row in observation.items("ROIPhysicalPropertiesSequence")
    )


def _nameless_notes(numbers: Sequence[int]) -> list[Text]:
    if not numbers:
        return []
    if len(numbers) > 1:
        sentence = "contours of {count} ROI numbers that have no name are left out"
        return [Text(sentence, count=len(numbers))]
    sentence = "contours of ROI number {number}, which has no name, are left out"
    return [Text(sentence, number=numbers[0])]


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
            draft.problem = Text(
                "a contour is of unknown type '{kind}'; export it as CLOSED_PLANAR",
                kind=kind,
            )
    for kind, count in others.items():
        if kind in OPEN_TYPES:
            draft.notes.append(
                Text("{count} {kind} contours enclose nothing", count=count, kind=kind)
            )
        else:
            draft.notes.append(Text("{count} x {kind}", count=count, kind=kind))


def _contours(draft: _Draft) -> tuple[tuple[Contour, ...], tuple[Text, ...]]:
    """Return the rings of an ROI, and notes of those that are left out."""
    chunks = [record.raw("ContourData") for record, _ in draft.rings]
    counts = [_value_count(chunk) for chunk in chunks]
    if sum(counts) > 3 * MOST_CORNERS:
        raise _UnreadableError(
            Text("its contours have more than {count} corners", count=MOST_CORNERS)
        )
    numbers = _coordinates(chunks)
    contours, notes = [], []
    ends = np.cumsum(counts)
    for (record, xor), start, end in zip(draft.rings, ends - counts, ends, strict=True):
        declared = record.raw(COUNT)
        if start == end and _is_zero(declared):
            notes.append(Text("a contour without points is left out"))
            continue
        points, z_mm = _points(declared, numbers[start:end])
        contours.append(Contour(points_mm=points, z_mm=z_mm, xor=xor))
    return tuple(contours), tuple(notes)


def _value_count(chunk: bytes) -> int:
    if not chunk:
        return 0
    return chunk.count(b"\\") + 1


def _coordinates(chunks: list[bytes]) -> FloatArray:
    try:
        numbers = parse_decimals(chunks)
    except NotANumberError as error:
        raise _UnreadableError(
            Text(
                "a contour holds '{value}', which is not a number; export it again",
                value=error.word,
            )
        ) from error
    if numbers.size and (farthest_mm := float(np.abs(numbers).max())) > FARTHEST_MM:
        raise _UnreadableError(
            Text(
                "a contour has a coordinate of {farthest_mm} mm; the file is damaged,"
                " export it again",
                farthest_mm=farthest_mm,
            )
        )
    return numbers


def _is_zero(declared: bytes) -> bool:
    """Tell whether no points are declared, in words or by silence."""
    return not declared.strip(b"0+ ")


def _points(declared: bytes, numbers: FloatArray) -> tuple[FloatArray, float]:
    """Return x and y of the corners of a ring, and the z of its plane."""
    if (
        numbers.size % 3
        or not numbers.size
        or not _is_count(declared, numbers.size // 3)
    ):
        raise _UnreadableError(
            Text(
                "a contour holds {found} numbers where {declared} points are declared; the file"
                " is damaged, export it again",
                found=numbers.size,
                declared=declared.decode("ascii", "replace") or "?",
            )
        )
    points = numbers.reshape(-1, 3)
    z_mm = points[:, 2]
    low_mm, high_mm = float(z_mm.min()), float(z_mm.max())
    if high_mm - low_mm > OBLIQUE_MM and len(points) > 2:
        raise _UnreadableError(
            Text(
                "a contour lies in an oblique plane (z spans {span_mm} mm); only axial contours"
                " are judged, draw it on axial planes",
                span_mm=high_mm - low_mm,
            )
        )
    if low_mm == high_mm:
        return points[:, :2], low_mm
    return points[:, :2], float(z_mm.mean())


def _is_count(declared: bytes, points: int) -> bool:
    """Tell whether a ring declares so many points; it may not say."""
    if not declared or declared == b"%d" % points:
        return True
    try:
        return np.array_equal(parse_decimals([declared]), [points])
    except NotANumberError:
        return False
