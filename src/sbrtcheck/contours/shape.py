r"""The solid between contour planes: outlines that go over into each other.

A slab repeats its outline up to halfway to the next plane. Here the outline moves on the way:

    plane k+1   ______________         each point p of the outline of plane k moves along its
               /              \        normal by what the signed distances of p to the outlines
              /   layer at t   \       of the planes above and below give at height t, by a
    plane k  /__________________\      parabola through the three (its own distance is 0).

The area of each layer is that of the parabola through the areas of neighbouring planes: exact
for every solid whose cross-section is quadratic in height (prisms, cones, ellipsoids, boxes in
any direction), where distances alone would round corners off. Where the areas run out within
one spacing, the end of the piece is that point instead of half a slice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np

from sbrtcheck.contours.areas import Areas, closing_mm, parabolas
from sbrtcheck.contours.outlines import outlines_of
from sbrtcheck.contours.planes import Layers, Planes, planes_of
from sbrtcheck.contours.region import (
    Region,
    Slab,
    areas_mm2,
    cap_of,
    split_at_plane,
    with_caps_apart,
)
from sbrtcheck.model import FloatArray

__all__ = ["closing_ends", "shaped"]

LAYER_MM = 1.5  # at most: half-slabs of up to 3 mm spacing are one layer
STILL_MM = 0.005  # outlines that differ by less do not move


def shaped(region: Region, finest_mm: float, layer_mm: float = LAYER_MM) -> Region:
    """Return the solid with outlines that change between planes, as thinner slabs.

    What lies beyond the end planes of a piece are slabs of its own, marked as caps. Slabs whose
    neighbours have the same outline, or other outlines and holes than they themselves, stay as
    they are; so do those no thicker than `finest_mm`. Others are cut at their plane and into
    layers of at most `layer_mm`.
    """
    planes = planes_of(region)
    moves = [
        plane for plane in range(len(planes.slabs)) if _moves(planes, plane, finest_mm)
    ]
    if not moves:
        return with_caps_apart(region)
    layers = _layers(planes, moves, layer_mm)
    outlines = iter(outlines_of(planes, layers))
    slabs: list[Slab] = []
    for plane, slab in enumerate(planes.slabs):
        ends = planes.ends[plane]
        if plane in layers.of_plane:
            slabs.extend(_thin(slab, ends, layers.of_plane[plane], outlines))
        else:
            slabs.extend(split_at_plane(slab, ends))
    return replace(region, slabs=tuple(slabs))


def _thin(
    slab: Slab,
    ends: Sequence[int],
    limits_mm: Sequence[tuple[float, float]],
    outlines: Iterator[tuple[FloatArray, ...]],
) -> Iterator[Slab]:
    """Yield the layers of a slab with the next outlines; where nothing is left, none."""
    for low_mm, high_mm in limits_mm:
        rings = next(outlines)
        if not rings:
            continue
        middle_mm = (low_mm + high_mm) / 2
        side = int(np.sign(middle_mm - slab.z_mm))
        yield Slab(
            z_mm=middle_mm,
            low_mm=low_mm,
            high_mm=high_mm,
            rings=rings,
            cap=cap_of(side, ends),
        )


def _moves(planes: Planes, plane: int, finest_mm: float) -> bool:
    """Tell whether the outline of a plane changes within its slab."""
    slab = planes.slabs[plane]
    if slab.thickness_mm <= finest_mm:
        return False
    return any(
        _differ(mine, theirs)
        for other in planes.others[plane]
        for mine, theirs in zip(slab.rings, planes.slabs[other].rings, strict=True)
    )


def _differ(mine: FloatArray, theirs: FloatArray) -> bool:
    """Tell whether two rings differ by more than outlines that do not move."""
    if len(mine) != len(theirs):
        return True
    away_mm = np.abs(mine - theirs)
    return bool(away_mm.max() > STILL_MM)


def _plane_areas(planes: Planes) -> Areas:
    return parabolas(areas_mm2(planes.slabs), planes.z_mm, planes.others)


def closing_ends(region: Region) -> tuple[bool, bool]:
    """Tell whether the pieces of a solid end below, and above, where their areas run out."""
    if not region.slabs:
        return False, False
    planes = planes_of(region)
    areas = _plane_areas(planes)
    below, above = (
        all(
            _closes_mm(planes, areas, plane) is not None
            for plane, ends in enumerate(planes.ends)
            if side in ends
        )
        for side in (-1, 1)
    )
    return below, above


def _closes_mm(planes: Planes, areas: Areas, plane: int) -> float | None:
    """Return how far beyond an end plane its piece ends as areas run out; None if they do not."""
    if not planes.others[plane]:
        return None
    found_mm = closing_mm(areas, plane)
    spacing_mm = abs(planes.z_mm[planes.others[plane][0]] - planes.z_mm[plane])
    if found_mm is None or found_mm > spacing_mm:
        return None
    return found_mm


def _layers(planes: Planes, moves: Sequence[int], layer_mm: float) -> Layers:
    """Cut the slabs of planes that move: half-slabs, or parts of one, and what ends a piece."""
    areas = _plane_areas(planes)
    of_plane: dict[int, list[tuple[float, float]]] = {}
    for plane in moves:
        slab = planes.slabs[plane]
        low_mm = _end_mm(planes, areas, plane, -1, slab.low_mm)
        high_mm = _end_mm(planes, areas, plane, 1, slab.high_mm)
        of_plane[plane] = [
            *_cut(low_mm, slab.z_mm, layer_mm),
            *_cut(slab.z_mm, high_mm, layer_mm),
        ]
    owner = np.repeat(list(moves), [len(limits) for limits in of_plane.values()])
    lows_mm, highs_mm = np.array(list(chain.from_iterable(of_plane.values()))).T
    return Layers(
        of_plane,
        owner.astype(np.intp),
        (lows_mm + highs_mm) / 2 - planes.z_mm[owner],
        highs_mm - lows_mm,
    )


def _end_mm(
    planes: Planes, areas: Areas, plane: int, side: int, face_mm: float
) -> float:
    """Return where layers end on a side: at the slab's face, or where the areas run out."""
    z_mm = planes.slabs[plane].z_mm
    is_end = side in planes.ends[plane]
    is_capped = face_mm != z_mm  # end caps may be left out
    if not (is_end and is_capped):
        return face_mm
    beyond_mm = _closes_mm(planes, areas, plane)
    if beyond_mm is None:
        return face_mm
    return z_mm + side * beyond_mm


def _cut(low_mm: float, high_mm: float, layer_mm: float) -> list[tuple[float, float]]:
    if high_mm <= low_mm:
        return []
    count = int(np.ceil((high_mm - low_mm) / layer_mm - 1e-9))
    if count <= 1:
        return [(low_mm, high_mm)]
    return list(pairwise(np.linspace(low_mm, high_mm, count + 1).tolist()))
