"""The cross-sections of a solid: areas, widths, middles, pieces and holes, plane by plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from sbrtcheck.contours.region import Region, Slab, follows, outline_of
from sbrtcheck.contours.rings import signed_area_mm2

__all__ = ["CrossSection", "adjoin", "median_gap_mm", "meet", "sections_of"]

STEP_MM = 1.0  # between points of an outline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossSection:
    """What a contour plane of a solid encloses.

    Parameters
    ----------
    middle_mm
        The centroid: x, y.
    widths_mm
        Of the box around it, along x and y.
    pieces
        Areas of the outlines, holes not taken off, the largest first.
    holes
        Areas of the holes, the largest first.
    """

    slab: Slab
    area_mm2: float
    middle_mm: tuple[float, float]
    widths_mm: tuple[float, float]
    pieces: tuple[float, ...]
    holes: tuple[float, ...]

    @property
    def z_mm(self) -> float:
        """Return the height of the plane."""
        return self.slab.z_mm


def sections_of(region: Region) -> tuple[CrossSection, ...]:
    """Return the sections of a solid from its foot end to its head end."""
    return tuple(map(_section, region.slabs))


def _section(slab: Slab) -> CrossSection:
    outline = outline_of(slab)
    middle = shapely.centroid(outline)
    low_x, low_y, high_x, high_y = shapely.bounds(outline)
    areas = [signed_area_mm2(ring) for ring in slab.rings]
    return CrossSection(
        slab=slab,
        area_mm2=slab.area_mm2,
        middle_mm=(float(shapely.get_x(middle)), float(shapely.get_y(middle))),
        widths_mm=(float(high_x - low_x), float(high_y - low_y)),
        pieces=tuple(sorted((area for area in areas if area > 0), reverse=True)),
        holes=tuple(sorted((-area for area in areas if area < 0), reverse=True)),
    )


def adjoin(below: CrossSection, above: CrossSection) -> bool:
    """Tell whether one plane follows another without a gap."""
    return follows(below.slab, above.slab)


def meet(one: CrossSection, other: CrossSection) -> bool:
    """Tell whether the outlines of two planes lie above each other anywhere."""
    return bool(shapely.intersects(outline_of(one.slab), outline_of(other.slab)))


def median_gap_mm(inner: Region, outer: Region) -> float | None:
    """Return the median way in plane from the outlines of a solid to those of one around it.

    Points of the inner outlines that lie outside the outer solid count as 0. None where the two
    share no plane.
    """
    ways_mm: list[float] = []
    for slab in inner.slabs:
        around = next(
            (s for s in outer.slabs if s.low_mm <= slab.z_mm < s.high_mm), None
        )
        if around is not None:
            ways_mm += _ways_mm(slab, around)
    if not ways_mm:
        return None
    return float(np.median(ways_mm))


def _ways_mm(inner: Slab, outer: Slab) -> Sequence[float]:
    """Return the way from points along the inner outline to the outer one."""
    around = outline_of(outer)
    line = shapely.boundary(outline_of(inner))
    steps = max(int(shapely.length(line) / STEP_MM), 8)
    along = np.linspace(0, 1, steps, endpoint=False)
    points = shapely.line_interpolate_point(
        shapely.get_parts(line)[0], along, normalized=True
    )
    ways_mm = shapely.distance(points, shapely.boundary(around))
    ways_mm[~shapely.intersects(around, points)] = 0.0
    found: list[float] = ways_mm.tolist()
    return found
