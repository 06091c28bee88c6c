"""ROIs made of ROIs: together, in part, carried on; and how much of one lies in another."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import shapely

from sbrtcheck.contours.drawn import oriented_rings
from sbrtcheck.contours.region import (
    Region,
    Slab,
    areas_mm2,
    build_region,
    outline_of,
    overlap_cc,
)
from sbrtcheck.model import (
    NEXT_PLANE,
    ONE_PLANE,
    ROI,
    SAME_PLANE_MM,
    Contour,
    FloatArray,
    Text,
)

__all__ = [
    "between",
    "continued",
    "least_grown_cc",
    "share_of_within",
    "union_of",
    "volume_outside_cc",
    "volume_within_cc",
]

# Spacings that differ by less than this part may be of the same planes.
SAME_SPACING = 0.05
PARTS = 4  # of the finest spacing: layers of ROIs that are drawn on different planes
LEAST_GROWTH_MM = 2.0  # what is carried on into the unknown is at least this much wider
QUARTER = 8  # corners of a quarter of a circle
WHOLE = 1e-6  # of a spacing: a length that misses a whole number of them by less is one


def union_of(rois: Sequence[ROI], name: str) -> ROI:
    """Return one ROI of the solids of all ROIs.

    Where all are drawn on the same planes, so is the result: each plane holds the outlines of
    all that cover it, exactly. Otherwise it has planes of its own, a quarter of the finest
    spacing apart, each with all that lies anywhere in its layer: it holds every ROI wholly.
    Where planes of a part are missing but filled, the result may be drawn: which planes are
    really drawn is asked of the parts.
    """
    regions = [build_region(roi) for roi in rois]
    solids = [region for region in regions if region.slabs]
    notes = dict.fromkeys(chain.from_iterable(region.notes for region in regions))
    made = Text("made of {count} ROIs", count=len(rois))
    empty = ROI(
        name=name,
        frame_of_reference_uid=_common_frame(rois),
        notes=(*notes, made),
    )
    if not solids:
        return empty
    planes_mm = _common_planes_mm(solids)
    if planes_mm is not None:
        half_mm, spacing_mm = SAME_PLANE_MM, max(_spacings_mm(solids))
    else:
        planes_mm, spacing_mm = _layers_mm(solids)
        half_mm = spacing_mm / 2 - WHOLE
    contours: list[Contour] = []
    for z_mm in planes_mm.tolist():
        contours += _contours(_all_at(solids, z_mm, half_mm), z_mm)
    return replace(empty, contours=tuple(contours), plane_spacing_mm=spacing_mm)


def between(roi: ROI, intervals_mm: Sequence[tuple[float, float]]) -> ROI:
    """Return the ROI on those of its planes that lie in an interval, its ends included."""
    region = build_region(roi)
    kept = [slab for slab in region.slabs if _is_in(slab.z_mm, intervals_mm)]
    shifts_mm = _shifts_mm([slab.z_mm for slab in kept], region.spacing_mm)
    contours = (
        Contour(points_mm=ring, z_mm=slab.z_mm + shift_mm)
        for slab in kept
        for shift_mm in shifts_mm
        for ring in slab.rings
    )
    return replace(
        roi,
        contours=tuple(contours),
        plane_spacing_mm=region.spacing_mm,
        fills_thin_holes=False,
        notes=region.notes,
    )


def continued(roi: ROI, low_mm: float, high_mm: float) -> ROI:
    """Return what carries an ROI on from the ends of its solid to below, and to above, if beyond.

    Each end outline goes on, grown in plane by what is missing there, at least 2 mm, on as many
    planes at the ROI's own spacing as reach `low_mm` or `high_mm`. What is drawn is left out.
    """
    region = build_region(roi)
    contours: tuple[Contour, ...] = ()
    if region.spacing_mm is not None:
        first, last = region.slabs[0], region.slabs[-1]
        contours = (
            *_carried_on(first, first.low_mm - low_mm, -region.spacing_mm),
            *_carried_on(last, high_mm - last.high_mm, region.spacing_mm),
        )
    return replace(
        roi,
        contours=contours,
        plane_spacing_mm=region.spacing_mm,
        fills_thin_holes=False,
        notes=region.notes,
    )


def volume_within_cc(roi: ROI, intervals_mm: Sequence[tuple[float, float]]) -> float:
    """Return the volume of the part of an ROI whose z lies in an interval."""
    return _volume_cc(part_of(build_region(roi), intervals_mm))


def least_grown_cc(
    roi: ROI, margin_mm: float, intervals_mm: Sequence[tuple[float, float]]
) -> float:
    """Return what an ROI grown by a margin has at least where z lies in an interval.

    In each plane no outline grows by less than the disc of its area (Brunn and Minkowski).
    """
    slabs = part_of(build_region(roi), intervals_mm).slabs
    if not slabs:
        return 0.0
    radii_mm = np.sqrt(areas_mm2(slabs) / np.pi) + margin_mm
    heights_mm = np.array([slab.thickness_mm for slab in slabs])
    return float(np.pi * radii_mm**2 @ heights_mm) / 1000


def volume_outside_cc(
    inner: ROI, outer: ROI, intervals_mm: Sequence[tuple[float, float]]
) -> float:
    """Return the volume of an ROI that is not in another one, where z lies in an interval."""
    part = part_of(build_region(inner), intervals_mm)
    outside_cc = _volume_cc(part) - overlap_cc(part, build_region(outer))
    return max(outside_cc, 0.0)


def share_of_within(inner: ROI, outer: ROI) -> float | None:
    """Return which part of the volume of an ROI lies in another one; None without a volume."""
    region = build_region(inner)
    if not region.volume_cc:
        return None
    return min(overlap_cc(region, build_region(outer)) / region.volume_cc, 1.0)


# --- Together -----------------------------------------------------------------------------------


def _common_frame(rois: Sequence[ROI]) -> str | None:
    """Return the frame of reference of all ROIs, or None where they differ."""
    frames = {roi.frame_of_reference_uid for roi in rois}
    if len(frames) != 1:
        return None
    return frames.pop()


def _spacings_mm(solids: Sequence[Region]) -> list[float]:
    return [region.spacing_mm for region in solids if region.spacing_mm is not None]


def _common_planes_mm(solids: Sequence[Region]) -> FloatArray | None:
    """Return the planes on which all solids are drawn, or None where they differ."""
    spacings_mm = _spacings_mm(solids)
    spacing_mm = min(spacings_mm)
    if max(spacings_mm) - spacing_mm > SAME_SPACING * spacing_mm + SAME_PLANE_MM:
        return None
    every = np.sort(np.concatenate([region.planes_mm for region in solids]))
    steps_mm = np.diff(every)
    groups = np.split(every, np.flatnonzero(steps_mm >= ONE_PLANE * spacing_mm) + 1)
    if any(group[-1] - group[0] > SAME_PLANE_MM for group in groups):
        return None
    planes_mm = np.array([group.mean() for group in groups])
    regular = (np.diff(planes_mm) >= (1 - ONE_PLANE) * spacing_mm).all()
    if not regular:
        return None
    return planes_mm


def _layers_mm(solids: Sequence[Region]) -> tuple[FloatArray, float]:
    """Return the middles of thin layers from the lowest to the highest end, and their height."""
    low_mm = min(region.slabs[0].low_mm for region in solids)
    high_mm = max(region.slabs[-1].high_mm for region in solids)
    count = int(
        np.ceil((high_mm - low_mm) / (min(_spacings_mm(solids)) / PARTS) - WHOLE)
    )
    step_mm = (high_mm - low_mm) / count
    return np.asarray(low_mm + step_mm * (np.arange(count) + 0.5)), step_mm


def _all_at(solids: Sequence[Region], z_mm: float, half_mm: float) -> shapely.Geometry:
    """Return the outlines of all slabs that meet a layer."""
    met = [
        outline_of(slab)
        for region in solids
        for slab in region.slabs
        if slab.meets(z_mm - half_mm, z_mm + half_mm)
    ]
    return shapely.union_all(met)


def _contours(outline: shapely.Geometry, z_mm: float) -> Iterator[Contour]:
    for ring in oriented_rings(outline):
        yield Contour(points_mm=ring, z_mm=z_mm)


# --- Parts --------------------------------------------------------------------------------------


def _shifts_mm(
    planes_mm: Sequence[float], spacing_mm: float | None
) -> tuple[float, ...]:
    """Return where each plane of a part is drawn, from its own height."""
    if spacing_mm is None or len(planes_mm) < 2:
        return (0.0,)
    if np.diff(planes_mm).min() <= NEXT_PLANE * spacing_mm:
        return (0.0,)
    # Single planes far apart would not tell their spacing: each is drawn twice.
    return -spacing_mm / 4, spacing_mm / 4


def _is_in(z_mm: float, intervals_mm: Sequence[tuple[float, float]]) -> bool:
    return any(
        low - SAME_PLANE_MM <= z_mm <= high + SAME_PLANE_MM
        for low, high in intervals_mm
    )


def _volume_cc(part: Region) -> float:
    """Return the volume of a part, which may be none of the solid."""
    volume_cc = part.volume_cc
    if volume_cc is None:
        return 0.0
    return volume_cc


def part_of(region: Region, intervals_mm: Sequence[tuple[float, float]]) -> Region:
    """Return the part of a solid in intervals, whatever is in several of them once."""
    edges_mm = sorted(set(chain.from_iterable(intervals_mm)))
    pieces = [
        (low, high)
        for low, high in pairwise(edges_mm)
        if any(start <= low < high <= end for start, end in intervals_mm)
    ]
    slabs = (
        replace(slab, low_mm=max(slab.low_mm, low), high_mm=min(slab.high_mm, high))
        for low, high in pieces
        for slab in region.slabs
        if min(slab.high_mm, high) > max(slab.low_mm, low)
    )
    return replace(region, slabs=tuple(slabs))


def _carried_on(end: Slab, missing_mm: float, step_mm: float) -> Iterator[Contour]:
    """Yield the outline of an end slab, grown, on planes that follow it."""
    if missing_mm <= 0:
        return
    grown = shapely.buffer(
        outline_of(end), max(missing_mm, LEAST_GROWTH_MM), quad_segs=QUARTER
    )
    count = int(np.ceil(missing_mm / abs(step_mm) - WHOLE))
    for plane in range(1, count + 1):
        yield from _contours(grown, end.z_mm + plane * step_mm)
