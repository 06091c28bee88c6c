"""Planar geometry of an ROI: rings, holes, gaps, slabs, the shape between planes, margins."""

from sbrtcheck.contours.compose import (
    between,
    continued,
    least_grown_cc,
    part_of,
    share_of_within,
    union_of,
    volume_outside_cc,
    volume_within_cc,
)
from sbrtcheck.contours.distance import box_of, distances_mm, gap_mm, inside
from sbrtcheck.contours.margins import grown
from sbrtcheck.contours.region import (
    Gap,
    Region,
    Slab,
    arc_height_mm,
    build_region,
    clipped,
    encloses_box,
    outline_of,
    overlap_cc,
    wall_area_mm2,
    why_unreadable,
    with_caps_apart,
)
from sbrtcheck.contours.sections import (
    CrossSection,
    adjoin,
    median_gap_mm,
    meet,
    sections_of,
)
from sbrtcheck.contours.shape import closing_ends, shaped

__all__ = [
    "CrossSection",
    "Gap",
    "Region",
    "Slab",
    "adjoin",
    "arc_height_mm",
    "between",
    "box_of",
    "build_region",
    "clipped",
    "closing_ends",
    "continued",
    "distances_mm",
    "encloses_box",
    "gap_mm",
    "grown",
    "inside",
    "least_grown_cc",
    "median_gap_mm",
    "meet",
    "outline_of",
    "overlap_cc",
    "part_of",
    "sections_of",
    "shaped",
    "share_of_within",
    "union_of",
    "volume_outside_cc",
    "volume_within_cc",
    "wall_area_mm2",
    "why_unreadable",
    "with_caps_apart",
]
