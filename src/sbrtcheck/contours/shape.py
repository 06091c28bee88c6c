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

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sbrtcheck.contours.areas import Areas, closing_mm, parabolas
from sbrtcheck.contours.outlines import outlines_of
from sbrtcheck.contours.planes import Layers, Planes, planes_of
from sbrtcheck.contours.region import (
    Region,
    Slab,
    areas_mm2,
    split_at_plane,
    with_caps_apart,
)

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
    outlines = outlines_of(planes, layers)
    thin: list[Slab] = []
    first = 0
    for plane, slab in enumerate(planes.slabs):
        starts, ends = _is_end(planes, plane, -1), _is_end(planes, plane, 1)
        if plane not in layers.of_plane:
            thin.extend(split_at_plane(slab, starts=starts, ends=ends))
            continue
        for low_mm, high_mm in layers.of_plane[plane]:
            rings = outlines[first]
            first += 1
            if rings:
                middle_mm = (low_mm + high_mm) / 2
                cap = 0
                if starts and middle_mm < slab.z_mm:
                    cap = -1
                if ends and middle_mm > slab.z_mm:
                    cap = 1
                thin.append(
                    Slab(
                        z_mm=middle_mm,
                        low_mm=low_mm,
                        high_mm=high_mm,
                        rings=rings,
                        cap=cap,
                    )
                )
    return replace(region, slabs=tuple(thin))


def _moves(planes: Planes, plane: int, finest_mm: float) -> bool:
    """Tell whether the outline of a plane changes within its slab."""
    slab = planes.slabs[plane]
    if not planes.others[plane] or slab.thickness_mm <= finest_mm:
        return False
    near = (planes.slabs[other].rings for other in planes.others[plane])
    return not all(
        len(mine) == len(theirs) and np.abs(mine - theirs).max() <= STILL_MM
        for rings in near
        for mine, theirs in zip(slab.rings, rings, strict=True)
    )


def _plane_areas(planes: Planes) -> Areas:
    return parabolas(areas_mm2(planes.slabs), planes.z_mm, planes.others)


def closing_ends(region: Region) -> tuple[bool, bool]:
    """Tell whether the pieces of a solid end below, and above, where their areas run out."""
    if not region.slabs:
        return False, False
    planes = planes_of(region)
    areas = _plane_areas(planes)
    every = range(len(region.slabs))
    below, above = (
        all(
            _closes_mm(planes, areas, plane, side) is not None
            for plane in every
            if _is_end(planes, plane, side)
        )
        for side in (-1, 1)
    )
    return below, above


def _is_end(planes: Planes, plane: int, side: int) -> bool:
    other = plane + side
    return not (0 <= other < len(planes.slabs) and planes.linked[min(plane, other)])


def _closes_mm(planes: Planes, areas: Areas, plane: int, side: int) -> float | None:
    """Return how far beyond a plane its piece ends as areas run out; None for any other end."""
    if not planes.others[plane] or not _is_end(planes, plane, side):
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
        ends_mm = [slab.low_mm, slab.high_mm]
        for end, side in enumerate((-1, 1)):
            capped = abs(ends_mm[end] - slab.z_mm) > 0  # end caps may be left out
            end_mm = _closes_mm(planes, areas, plane, side) if capped else None
            if end_mm is not None:
                ends_mm[end] = slab.z_mm + side * end_mm
        of_plane[plane] = [
            *_cut(ends_mm[0], slab.z_mm, layer_mm),
            *_cut(slab.z_mm, ends_mm[1], layer_mm),
        ]
    owner = np.repeat(list(moves), [len(of_plane[plane]) for plane in moves]).astype(
        np.intp
    )
    low_mm, high_mm = np.array([ends for plane in moves for ends in of_plane[plane]]).T
    return Layers(
        of_plane, owner, (low_mm + high_mm) / 2 - planes.z_mm[owner], high_mm - low_mm
    )


def _cut(low_mm: float, high_mm: float, layer_mm: float) -> list[tuple[float, float]]:
    if high_mm <= low_mm:
        return []
    count = int(np.ceil((high_mm - low_mm) / layer_mm - 1e-9))
    if count <= 1:
        return [(low_mm, high_mm)]
    return list(pairwise(np.linspace(low_mm, high_mm, count + 1).tolist()))
