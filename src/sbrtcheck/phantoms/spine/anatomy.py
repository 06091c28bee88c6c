"""Where everything lies: targets, what the canal holds, organs.

Sections are in the frame of the spine, whose y is that of the patient less a lean per mm of z.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from sbrtcheck.phantoms.spine.drawn import Drawn, position
from sbrtcheck.phantoms.spine.outlines import Oval, Section
from sbrtcheck.phantoms.spine.vertebrae import (
    CAUDA_MM,
    VERTEBRAE,
    Vertebra,
    cord_size_mm,
    sac_size_mm,
)

__all__ = [
    "LEAN",
    "Anatomy",
    "Part",
    "anatomy",
]

LEAN = 0.06  # y per z
MARGIN_MM = 2.0  # CTV to PTV
DENT_MM = 1.5  # of the posterior wall, by the canal
WALL_MM = 0.5  # between canal and PTV
POWER = 2.5  # fuller than an ellipse
TIP_MM = 12.0  # over which the cord tapers
TIP_SIZE = 0.6
ORGAN_REACH_MM = 18.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A structure: one section between two heights; a tapering part ends at `tip_mm`."""

    structure: str
    sections: tuple[Section, ...]
    low_mm: float
    high_mm: float
    level: str = ""
    tip_mm: float | None = None
    margin_mm: float = 0.0

    def sections_at(self, z_mm: float) -> tuple[Section, ...]:
        """Return the sections at a height."""
        if self.tip_mm is None:
            return self.sections
        share = float(np.clip((z_mm - self.tip_mm) / TIP_MM, 0, 1))
        size = TIP_SIZE + (1 - TIP_SIZE) * share
        return tuple(
            Section(section.oval.scaled(size).grown(self.margin_mm))
            for section in self.sections
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """The parts of a body; `spared` is the oval that the dose must keep clear of."""

    parts: tuple[Part, ...]
    spared: Oval
    conus_mm: float


def anatomy(drawn: Drawn, gap_mm: float) -> Anatomy:
    """Return the body of a plan whose PTVs stay `gap_mm` away from what is spared."""
    ranges, conus_mm = _stack(drawn.levels)
    low = min(row[0] for row in ranges.values()) - MARGIN_MM
    high = max(row[1] for row in ranges.values()) + MARGIN_MM
    neural = _neural_ovals(drawn)
    spared = _spared(drawn, neural)
    cuts = (spared.grown(gap_mm), neural["SpinalCanal"].grown(WALL_MM))
    parts = [
        part
        for level, (foot, head) in ranges.items()
        for part in _target_parts(level, foot, head, cuts, neural["SpinalCanal"])
    ]
    parts += _neural_parts(drawn, neural, low, high, conus_mm)
    parts += _organ_parts(drawn, low, high)
    return Anatomy(parts=tuple(parts), spared=spared, conus_mm=conus_mm)


def _stack(levels: tuple[str, ...]) -> tuple[dict[str, tuple[float, float]], float]:
    """Return foot and head of each treated body, the stack centred on zero, and the conus."""
    foot_mm = {"T5": 0.0}
    names = list(VERTEBRAE)
    for above, below in pairwise(names):
        foot_mm[below] = (
            foot_mm[above] - VERTEBRAE[above].disc_mm - VERTEBRAE[below].height_mm
        )
    head = foot_mm[levels[0]] + VERTEBRAE[levels[0]].height_mm
    middle = (head + foot_mm[levels[-1]]) / 2
    ranges = {
        level: (
            foot_mm[level] - middle,
            foot_mm[level] + VERTEBRAE[level].height_mm - middle,
        )
        for level in levels
    }
    return ranges, foot_mm["L1"] + 1.0 - middle


def _neural_ovals(drawn: Drawn) -> dict[str, Oval]:
    """Return the ovals of what the canal holds, around one axis."""
    level = drawn.levels[-1]
    v = VERTEBRAE[level]
    middle = v.depth_mm / 2 - DENT_MM + v.canal_depth_mm / 2
    sizes = {
        "SpinalCanal": (v.canal_width_mm, v.canal_depth_mm),
        "ThecalSac": sac_size_mm(level),
        "CaudaEquina": CAUDA_MM,
        "SpinalCord": cord_size_mm(drawn.levels[0]),
    }
    return {name: Oval(x / 2, y / 2, 0.0, middle) for name, (x, y) in sizes.items()}


def _spared(drawn: Drawn, neural: dict[str, Oval]) -> Oval:
    """Return the largest oval that a neural limit is asked of.

    From T12 down all that the canal holds is kept below the limit of the cord.
    """
    if position(drawn.levels[-1]) < position("T12"):
        return neural["SpinalCord"]
    order = {
        "SpinalCanal": drawn.canal,
        "ThecalSac": drawn.sac,
        "CaudaEquina": drawn.cauda,
    }
    largest = next(
        (neural[name] for name, has in order.items() if has), neural["SpinalCord"]
    )
    cord = neural["SpinalCord"]
    if not drawn.cord:
        return largest
    return Oval(
        max(largest.half_x_mm, cord.half_x_mm),
        max(largest.half_y_mm, cord.half_y_mm),
        0.0,
        largest.y_mm,
    )


def _target_parts(
    level: str, foot: float, head: float, cuts: tuple[Oval, ...], canal: Oval
) -> list[Part]:
    """Return GTV, CTV, PTV and body of a level."""
    v = VERTEBRAE[level]
    body = Oval(v.width_mm / 2, v.depth_mm / 2, 0.0, 0.0, POWER)
    rows = (
        (
            "PTV",
            Section(body.grown(MARGIN_MM), cuts),
            foot - MARGIN_MM,
            head + MARGIN_MM,
        ),
        ("CTV", Section(body, cuts), foot, head),
        ("GTV", Section(_lesion(v)), foot + 4, head - 3),
        ("VB", Section(body, (canal,)), foot, head),
    )
    return [
        Part(structure=name, sections=(section,), low_mm=low, high_mm=high, level=level)
        for name, section, low, high in rows
    ]


def _lesion(v: Vertebra) -> Oval:
    return Oval(
        0.24 * v.width_mm, 0.2 * v.depth_mm, -0.1 * v.width_mm, -0.14 * v.depth_mm
    )


def _neural_parts(
    drawn: Drawn, ovals: dict[str, Oval], low: float, high: float, conus_mm: float
) -> list[Part]:
    """Return what is drawn in the canal, the cord down to the conus."""
    low, high = low - drawn.neural_reach_mm, high + drawn.neural_reach_mm
    foot = max(low, conus_mm)
    rows = (
        (drawn.sac, "ThecalSac", low, high),
        (drawn.canal, "SpinalCanal", low, high),
        (drawn.cauda, "CaudaEquina", low, min(high, conus_mm)),
    )
    parts = [
        Part(structure=name, sections=(Section(ovals[name]),), low_mm=a, high_mm=b)
        for there, name, a, b in rows
        if there
    ]
    if not drawn.cord:
        return parts
    cord = Part(
        structure="SpinalCord",
        sections=(Section(ovals["SpinalCord"]),),
        low_mm=foot,
        high_mm=high,
        tip_mm=conus_mm,
    )
    if drawn.prv_mm is None:
        return [cord, *parts]
    return [
        cord,
        replace(cord, structure="SpinalCord_PRV", margin_mm=drawn.prv_mm),
        *parts,
    ]


# Width, depth, and distance from the bodies beside the spine and far from it, in mm.
ORGANS = {
    "Esophagus": (17.0, 11.0, 10.0, 34.0),
    "Stomach": (80.0, 36.0, 13.0, 34.0),
    "Duodenum": (34.0, 20.0, 13.0, 34.0),
    "Bowel_Small": (100.0, 36.0, 13.0, 34.0),
    "Kidney_L": (48.0, 55.0, 15.0, 30.0),
    "Kidney_R": (48.0, 55.0, 15.0, 30.0),
    "SacralPlex": (10.0, 9.0, 10.0, 26.0),
}


def _organ_parts(drawn: Drawn, low: float, high: float) -> list[Part]:
    """Return the body outline and the organs that are drawn."""
    widest = max((VERTEBRAE[level] for level in drawn.levels), key=lambda v: v.width_mm)
    deepest = max(VERTEBRAE[level].depth_mm for level in drawn.levels)
    places = {
        "Esophagus": drawn.oesophagus,
        drawn.gut_kind: drawn.gut,
        "Kidney_L": drawn.kidneys,
        "Kidney_R": drawn.kidneys,
        "SacralPlex": drawn.plexus,
    }
    low, high = low - ORGAN_REACH_MM, high + ORGAN_REACH_MM
    body = Section(Oval(165.0, 108.0, 0.0, -deepest / 2 - 30))
    parts = [
        Part(structure="External", sections=(body,), low_mm=low - 5, high_mm=high + 5)
    ]
    for name, place in places.items():
        if place not in ("beside", "far"):
            continue
        sections = _organ_sections(
            name, widest.width_mm / 2, deepest / 2, far=place == "far"
        )
        parts.append(Part(structure=name, sections=sections, low_mm=low, high_mm=high))
    return parts


def _organ_sections(
    name: str, half_x: float, half_y: float, *, far: bool
) -> tuple[Section, ...]:
    """Return the sections of an organ in front of the bodies, or at their sides."""
    width, depth, beside, away = ORGANS[name]
    distance = MARGIN_MM + (away if far else beside)
    side = half_x + distance + width / 2
    front = -half_y - distance - depth / 2
    centres = {
        "Kidney_L": ((side, 0.0),),
        "Kidney_R": ((-side, 0.0),),
        "SacralPlex": ((-side, 0.0), (side, 0.0)),
        "Esophagus": ((6.0, front),),
    }
    places = centres.get(name, ((0.0, front),))
    return tuple(Section(Oval(width / 2, depth / 2, x, y)) for x, y in places)
