"""From the planes of an ROI to the solid they stand for: slabs and gaps."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from sbrtcheck.contours.drawn import (
    MIN_AREA_MM2,
    Plane,
    TangledError,
    drawn_planes,
    joined,
    oriented_rings,
    outline_of_rings,
)
from sbrtcheck.contours.rings import (
    corner_counts,
    edges,
    ring_areas_mm2,
    signed_area_mm2,
)
from sbrtcheck.model import (
    NEXT_PLANE,
    ONE_PLANE,
    ROI,
    SAME_PLANE_MM,
    FloatArray,
    Text,
    main_spacing_mm,
)

FINE_MM = 2.0  # AAPM TG-101: 1 to 3 mm
# A larger gap is filled only if it lacks no more planes than this.
MOST_MISSING_PLANES = 2
REMEMBERED = 256  # solids: as many as the ROIs of some structure sets
# On which sides a piece ends at a plane, by whether it goes on below and above.
ENDS = {
    (True, True): (),
    (True, False): (1,),
    (False, True): (-1,),
    (False, False): (-1, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slab:
    """The space that one contour plane stands for.

    `rings` have shape (n, 2): outlines run counter-clockwise, holes clockwise. `cap` tells that
    the slab lies wholly beyond the last plane of a piece: -1 below it, 1 above it.
    """

    z_mm: float
    low_mm: float
    high_mm: float
    rings: tuple[FloatArray, ...]
    cap: int = 0

    @property
    def thickness_mm(self) -> float:
        """Return the height of the slab."""
        return self.high_mm - self.low_mm

    @property
    def area_mm2(self) -> float:
        """Return the area inside the outlines and outside the holes."""
        return sum(signed_area_mm2(ring) for ring in self.rings)

    def meets(self, low_mm: float, high_mm: float) -> bool:
        """Tell whether some of the slab lies between two heights."""
        return self.low_mm < high_mm and self.high_mm > low_mm


class Gap(NamedTuple):
    """Planes that are missing between two contour planes of one ROI."""

    low_mm: float
    high_mm: float
    missing: int
    filled: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """The solid that an ROI's contours stand for.

    No slabs: the contours enclose nothing that has a volume; `notes` say why.

    Parameters
    ----------
    planes_mm
        Heights of the planes that enclose an area, ascending.
    spacing_mm
        The spacing of these planes; None where it is not known.
    drawn_mm
        From where to where planes stand for the solid, apart from each other: half a spacing to
        both sides, or halfway to the next plane. Planes that are missing are not drawn, filled
        or not, and no plane stands for more than the structure set's spacing.
    problem
        Why the contours cannot be put together; there are no slabs then.
    """

    slabs: tuple[Slab, ...]
    gaps: tuple[Gap, ...] = ()
    notes: tuple[Text, ...] = ()
    planes_mm: tuple[float, ...] = ()
    spacing_mm: float | None = None
    drawn_mm: tuple[tuple[float, float], ...] = ()
    problem: Text | None = None

    @property
    def low_mm(self) -> float | None:
        """Return where the solid begins, or None without any."""
        if not self.slabs:
            return None
        return self.slabs[0].low_mm

    @property
    def high_mm(self) -> float | None:
        """Return where the solid ends, or None without any."""
        if not self.slabs:
            return None
        return self.slabs[-1].high_mm

    @property
    def volume_cc(self) -> float | None:
        """Return the volume of all slabs, or None without any."""
        if not self.slabs:
            return None
        return float(areas_mm2(self.slabs) @ _thicknesses_mm(self.slabs)) / 1000


def why_unreadable(roi: ROI) -> Text | None:
    """Return why the contours of an ROI cannot be read, or put together; None where they can."""
    if roi.problem is not None:
        return roi.problem
    return build_region(roi).problem


def rings_of(slabs: Sequence[Slab]) -> list[FloatArray]:
    """Return the rings of all slabs, slab after slab."""
    return list(chain.from_iterable(slab.rings for slab in slabs))


def areas_mm2(slabs: Sequence[Slab]) -> FloatArray:
    """Return the area of each slab, shape (n,)."""
    slab = np.repeat(np.arange(len(slabs)), [len(slab.rings) for slab in slabs])
    return np.asarray(
        np.bincount(slab, ring_areas_mm2(rings_of(slabs)), len(slabs)),
        dtype=np.float64,
    )


def _thicknesses_mm(slabs: Sequence[Slab]) -> FloatArray:
    return np.array([slab.thickness_mm for slab in slabs])


def wall_area_mm2(region: Region) -> float:
    """Return the area of all walls, end faces left out."""
    starts, ends, slab = edges([slab.rings for slab in region.slabs])
    thickness_mm = _thicknesses_mm(region.slabs)
    return float((np.hypot(*(ends - starts).T) * thickness_mm[slab]).sum())


def arc_height_mm(region: Region) -> float:
    """Return how far outlines would bulge beyond their straight edges, on average, if round.

    An edge between corners that turn by little stands for an arc of height length x turn / 8; at
    a turn of more than 45 degrees the outline has a corner.
    """
    starts, ends, _ = edges([slab.rings for slab in region.slabs])
    edge = ends - starts
    length_mm = np.hypot(edge[:, 0], edge[:, 1])
    count = corner_counts(rings_of(region.slabs))
    last = np.cumsum(count) - 1
    following, before = np.arange(len(edge)) + 1, np.arange(len(edge)) - 1
    following[last] = last + 1 - count
    before[last + 1 - count] = last
    after = edge[following]
    across = edge[:, 0] * after[:, 1] - edge[:, 1] * after[:, 0]
    turn = np.abs(np.arctan2(across, (edge * after).sum(axis=1)))
    turn[turn > np.pi / 4] = 0.0
    height_mm = length_mm * (turn + turn[before]) / 16
    return float((height_mm * length_mm).sum() / max(length_mm.sum(), MIN_AREA_MM2))


def build_region(roi: ROI, *, end_caps: bool = True, fill_gaps: bool = True) -> Region:
    """Return the solid of an ROI: each contour plane owns the space halfway to its neighbours.

    The end planes extend half a spacing outwards. Gaps beyond 1.5 spacings are filled where
    the outlines overlap and at most two planes are missing, otherwise they end the piece.

    Parameters
    ----------
    end_caps
        False: pieces end at their end planes. A single plane keeps its thickness.
    fill_gaps
        False: each gap ends the piece.

    Notes
    -----
    Half-slice end caps are the convention of Nelms et al. 2015 (Med Phys 42:4435); planning
    systems differ in them. A ring inside a ring is a hole, overlapping rings are a union,
    CLOSEDPLANAR_XOR rings combine by exclusive-or (PS3.3 C.8.8.6.3), a self-crossing ring is
    repaired by GEOS' make_valid with method "structure": what a ring encloses is kept.
    """
    return _built(roi, end_caps, fill_gaps)


@lru_cache(maxsize=REMEMBERED)
def _built(roi: ROI, end_caps: bool, fill_gaps: bool) -> Region:
    try:
        found, mended = drawn_planes(roi)
    except TangledError as error:
        return Region(slabs=(), notes=roi.notes, problem=error.problem)
    notes = (*roi.notes, *mended)
    if not found:
        return Region(slabs=(), notes=notes)
    planes, spacing_mm, spaced = _spaced(found, roi.plane_spacing_mm)
    notes = (*notes, *spaced)
    planes_mm = tuple(plane.z_mm for plane in planes)
    if spacing_mm is None:
        return Region(slabs=(), notes=notes, planes_mm=planes_mm)
    low_mm, high_mm, gaps = _slab_limits(planes, spacing_mm, fill_gaps=fill_gaps)
    slabs = [
        Slab(z_mm=plane.z_mm, low_mm=low, high_mm=high, rings=plane.rings)
        for plane, low, high in zip(planes, low_mm, high_mm, strict=True)
    ]
    if not end_caps:
        slabs = _without_caps(slabs)
    return Region(
        slabs=tuple(slabs),
        gaps=tuple(gaps),
        notes=(*notes, *(_gap_note(gap) for gap in gaps)),
        planes_mm=planes_mm,
        spacing_mm=spacing_mm,
        drawn_mm=_drawn_mm(planes_mm, _least_mm(spacing_mm, roi.plane_spacing_mm)),
    )


def _spaced(
    found: Sequence[Plane], usual_mm: float | None
) -> tuple[Sequence[Plane], float | None, tuple[Text, ...]]:
    """Return planes, those too close as one, their spacing, and what there is to say of it."""
    first_mm = _spacing_mm(found, usual_mm)
    if first_mm is None:
        unknown = Text("the ROI has a single contour plane and no known plane spacing")
        return found, None, (unknown,)
    planes = joined(found, first_mm)
    # That of planes which are one now is the usual one.
    spacing_mm = _spacing_mm(planes, usual_mm) or first_mm
    notes = []
    if len(planes) < len(found):
        notes.append(_joined_note(len(found) - len(planes), first_mm))
    if len(planes) == 1:
        notes.append(_single_note(spacing_mm))
    elif usual_mm is not None and spacing_mm > NEXT_PLANE * usual_mm:
        sentence = "the contour planes lie {spacing_mm} mm apart, those of other ROIs {usual_mm} mm"
        notes.append(Text(sentence, spacing_mm=spacing_mm, usual_mm=usual_mm))
    return planes, spacing_mm, tuple(notes)


def _spacing_mm(planes: Sequence[Plane], usual_mm: float | None) -> float | None:
    """Return the spacing of planes; where there is a choice, one that fits the usual one."""
    heights_mm = np.array([plane.z_mm for plane in planes])
    steps_mm = np.diff(heights_mm)
    spacing_mm = main_spacing_mm(steps_mm)
    if spacing_mm is None:
        return usual_mm
    if usual_mm is None:
        return spacing_mm
    are_close = steps_mm.max() < ONE_PLANE * usual_mm
    if are_close and np.ptp(heights_mm) < usual_mm / 2:
        return usual_mm
    if spacing_mm <= NEXT_PLANE * usual_mm:
        return spacing_mm
    near = steps_mm[steps_mm <= NEXT_PLANE * usual_mm + SAME_PLANE_MM]
    if (near >= ONE_PLANE * usual_mm).any():
        return main_spacing_mm(near)
    return spacing_mm


def _least_mm(spacing_mm: float, usual_mm: float | None) -> float:
    """Return what a plane stands for: its ROI's spacing, or the usual one where that is less.

    A spacing of up to 2 mm is fine enough, however close the planes of other ROIs lie.
    """
    if usual_mm is None or spacing_mm <= FINE_MM + SAME_PLANE_MM:
        return spacing_mm
    if spacing_mm > NEXT_PLANE * usual_mm:
        return usual_mm
    return spacing_mm


def _drawn_mm(
    planes_mm: Sequence[float], spacing_mm: float
) -> tuple[tuple[float, float], ...]:
    """Return from where to where planes follow each other, half a spacing beyond the ends."""
    steps_mm = np.diff(planes_mm)
    apart = np.flatnonzero(steps_mm > NEXT_PLANE * spacing_mm + SAME_PLANE_MM) + 1
    return tuple(
        (float(piece[0]) - spacing_mm / 2, float(piece[-1]) + spacing_mm / 2)
        for piece in np.split(np.array(planes_mm), apart)
    )


def _joined_note(count: int, spacing_mm: float) -> Text:
    sentence = (
        "{count} contour planes lie closer to the next than a third of the spacing of"
        " {spacing_mm} mm: taken as one with it"
    )
    return Text(sentence, count=count, spacing_mm=spacing_mm)


def _single_note(spacing_mm: float) -> Text:
    sentence = "the ROI has a single contour plane: given the structure set's spacing of {spacing_mm} mm"
    return Text(sentence, spacing_mm=spacing_mm)


def encloses_box(
    roi: ROI, low_mm: tuple[float, float, float], high_mm: tuple[float, float, float]
) -> bool:
    """Tell whether a box, given by two corners (x, y, z), lies wholly inside an ROI."""
    bottom_mm, top_mm = low_mm[2], high_mm[2]
    slabs = [slab for slab in build_region(roi).slabs if slab.meets(bottom_mm, top_mm)]
    if not slabs:
        return False
    if slabs[0].low_mm > bottom_mm or slabs[-1].high_mm < top_mm:
        return False
    if not all(follows(below, above) for below, above in pairwise(slabs)):
        return False
    box = shapely.box(low_mm[0], low_mm[1], high_mm[0], high_mm[1])
    return all(bool(shapely.covers(outline_of(slab), box)) for slab in slabs)


def outline_of(slab: Slab) -> shapely.Geometry:
    """Return the cross-section of a slab, its holes left out."""
    return outline_of_rings(slab.rings)


def clipped(
    region: Region,
    low_mm: tuple[float, float, float],
    high_mm: tuple[float, float, float],
) -> Region:
    """Return the part of a solid inside a box, given by two corners (x, y, z)."""
    slabs = []
    for slab in region.slabs:
        bottom_mm, top_mm = max(slab.low_mm, low_mm[2]), min(slab.high_mm, high_mm[2])
        if bottom_mm >= top_mm:
            continue
        rings = slab.rings
        least_mm, most_mm = _bounds_mm(slab)
        sticks_out = (least_mm < low_mm[:2]) | (most_mm > high_mm[:2])
        if sticks_out.any():
            outline = shapely.clip_by_rect(outline_of(slab), *low_mm[:2], *high_mm[:2])
            rings = oriented_rings(outline)
        if rings:
            slabs.append(replace(slab, low_mm=bottom_mm, high_mm=top_mm, rings=rings))
    return replace(region, slabs=tuple(slabs))


def overlap_cc(one: Region, other: Region) -> float:
    """Return the volume that two solids share."""
    first, second, height_mm = _meeting(one.slabs, other.slabs)
    common = shapely.intersection(
        _outlines(one.slabs, first), _outlines(other.slabs, second)
    )
    return float(shapely.area(common) @ height_mm) / 1000


def _outlines(slabs: Sequence[Slab], chosen: NDArray[np.intp]) -> NDArray[np.object_]:
    """Return the cross-sections of chosen slabs, each made once however often it is chosen."""
    once, place = np.unique(chosen, return_inverse=True)
    outlines = np.array([outline_of(slabs[at]) for at in once.tolist()], dtype=object)
    return outlines[place]


def _meeting(
    one: Sequence[Slab], other: Sequence[Slab]
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray]:
    """Return which slabs of two solids may share a volume, and the height that they share."""
    low_mm, high_mm = _faces_mm(one)
    other_low_mm, other_high_mm = _faces_mm(other)
    start = np.searchsorted(other_high_mm, low_mm, side="right")
    count = np.maximum(np.searchsorted(other_low_mm, high_mm) - start, 0)
    first = np.repeat(np.arange(len(one)), count)
    second = np.arange(first.size) - np.repeat(np.cumsum(count) - count - start, count)
    apart = np.zeros(first.size, dtype=bool)
    if first.size:
        least, most = np.array([_bounds_mm(slab) for slab in one]).swapaxes(0, 1)
        other_least, other_most = np.array(
            [_bounds_mm(slab) for slab in other]
        ).swapaxes(0, 1)
        beyond = least[first] >= other_most[second]
        before = other_least[second] >= most[first]
        apart = (beyond | before).any(axis=1)
    first, second = first[~apart].astype(np.intp), second[~apart].astype(np.intp)
    top_mm = np.minimum(other_high_mm[second], high_mm[first])
    bottom_mm = np.maximum(other_low_mm[second], low_mm[first])
    return first, second, top_mm - bottom_mm


def _faces_mm(slabs: Sequence[Slab]) -> tuple[FloatArray, FloatArray]:
    """Return the heights of the lower and the upper face of each slab."""
    faces_mm = np.array([(slab.low_mm, slab.high_mm) for slab in slabs]).reshape(-1, 2)
    return faces_mm[:, 0], faces_mm[:, 1]


def _bounds_mm(slab: Slab) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest x and y of a slab."""
    corners = np.concatenate(slab.rings)
    return corners.min(axis=0), corners.max(axis=0)


def follows(below: Slab, above: Slab) -> bool:
    """Tell whether a slab goes on without a gap from the one before it."""
    return above.low_mm - below.high_mm <= SAME_PLANE_MM


def piece_ends(goes_on: Sequence[bool]) -> list[tuple[int, ...]]:
    """Return for each plane on which sides its piece ends: -1 below, 1 above.

    `goes_on` tells of each plane but the last whether its piece goes on to the next one.
    """
    return [ENDS[down, up] for down, up in pairwise((False, *goes_on, False))]


def _ends(slabs: Sequence[Slab]) -> list[tuple[int, ...]]:
    """Return for each slab on which sides no other follows it."""
    return piece_ends([follows(below, above) for below, above in pairwise(slabs)])


def _without_caps(slabs: Sequence[Slab]) -> list[Slab]:
    """Return slabs that end pieces of several planes at their end planes."""
    return [
        _up_to_plane(slab, ends) for slab, ends in zip(slabs, _ends(slabs), strict=True)
    ]


def _up_to_plane(slab: Slab, ends: tuple[int, ...]) -> Slab:
    """Return the slab of an end plane up to that plane; a single plane keeps its thickness."""
    if ends == (-1,):
        return replace(slab, low_mm=slab.z_mm)
    if ends == (1,):
        return replace(slab, high_mm=slab.z_mm)
    return slab


def with_caps_apart(region: Region) -> Region:
    """Return the same solid, what lies beyond the end planes of each piece as slabs of its own."""
    ends = _ends(region.slabs)
    slabs: list[Slab] = []
    for place, slab in enumerate(region.slabs):
        slabs.extend(split_at_plane(slab, ends[place]))
    return replace(region, slabs=tuple(slabs))


def split_at_plane(slab: Slab, ends: Collection[int]) -> list[Slab]:
    """Cut a slab at its contour plane if its piece ends there: -1 below it, 1 above it."""
    if slab.cap or not ends:
        return [slab]
    below = replace(slab, high_mm=slab.z_mm, cap=cap_of(-1, ends))
    above = replace(slab, low_mm=slab.z_mm, cap=cap_of(1, ends))
    return [part for part in (below, above) if part.thickness_mm > 0]


def cap_of(side: int, ends: Collection[int]) -> int:
    """Return the cap of what lies on a side of a plane: the side, if the piece ends there."""
    if side in ends:
        return side
    return 0


def _slab_limits(
    planes: Sequence[Plane], spacing_mm: float, *, fill_gaps: bool
) -> tuple[list[float], list[float], list[Gap]]:
    """Return the lower and upper face of each plane's slab, and the gaps between them."""
    low_mm = [planes[0].z_mm - spacing_mm / 2]
    high_mm: list[float] = []
    gaps = []
    for below, above in pairwise(planes):
        step_mm = above.z_mm - below.z_mm
        middle_mm = below.z_mm + step_mm / 2
        limits = (middle_mm, middle_mm)
        if step_mm > NEXT_PLANE * spacing_mm + SAME_PLANE_MM:
            missing = round(step_mm / spacing_mm) - 1
            filled = (
                fill_gaps and missing <= MOST_MISSING_PLANES and _overlap(below, above)
            )
            gaps.append(Gap(below.z_mm, above.z_mm, missing, filled))
            if not filled:
                limits = (below.z_mm + spacing_mm / 2, above.z_mm - spacing_mm / 2)
        high_mm.append(limits[0])
        low_mm.append(limits[1])
    high_mm.append(planes[-1].z_mm + spacing_mm / 2)
    return low_mm, high_mm, gaps


def _overlap(below: Plane, above: Plane) -> bool:
    return bool(
        shapely.area(
            shapely.intersection(
                outline_of_rings(below.rings), outline_of_rings(above.rings)
            )
        )
        > MIN_AREA_MM2
    )


def _gap_note(gap: Gap) -> Text:
    sentence = (
        "no contours between z = {low_mm} and {high_mm} mm: taken as separate pieces"
    )
    if gap.filled:
        sentence = "{missing} contour planes are missing between z = {low_mm} and {high_mm} mm: filled"
    return Text(sentence, missing=gap.missing, low_mm=gap.low_mm, high_mm=gap.high_mm)
