"""Write the sample cases: synthetic spine SBRT plans, each made for one verdict.

    python sample_dicom/make_samples.py [FOLDER]

Vertebrae have the mean sizes of Panjabi 1991 and 1992 (from memory, +-1 mm), cords those of
Frostell 2016 (Front Neurol 7:238). The PTV hugs the canal, the cord lies 3 mm behind the
posterior wall, the dose is steep towards the cord and slow elsewhere, its hot spot anterior.
Nothing is random and nothing reads the clock: the same source writes the same bytes.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon, affinity
from shapely.geometry.base import BaseGeometry

from sbrtcheck.dicom import RT_DOSE, RT_PLAN, RT_STRUCTURE_SET
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.model import (
    ROI,
    Beam,
    Contour,
    DoseGrid,
    DoseHeader,
    DoseReference,
    FractionGroup,
    Instance,
    Patient,
    Plan,
    StructureSet,
)

Array = NDArray[np.float64]

SPACING_MM = 2.0  # of contour planes and of the dose grid
CORD_GAP_MM = 3.0  # from the posterior wall of the body to the cord
MARGIN_MM = 2.0  # CTV to PTV, and cord to PRV
NEURAL_REACH_MM = 16.0  # how far neural structures are drawn beyond the PTV
GRID_REACH_MM = 24.0  # how far the dose grid reaches beyond the PTV, up and down
GRID_HALF_MM = (70.0, 66.0)  # and to the sides and front and back of the isocentre
SAC_GAP_MM = 2.0
TILT = 0.06  # y per z: the thoracic spine leans


@dataclass(frozen=True)
class Vertebra:
    """Sizes in mm: end-plate width and depth, body height, canal width and depth, disc below."""

    width: float
    depth: float
    height: float
    canal_width: float
    canal_depth: float
    disc: float


VERTEBRAE = {
    "T4": Vertebra(24.5, 23.3, 15.5, 17.2, 16.2, 4.0),
    "T6": Vertebra(26.2, 26.0, 17.4, 17.3, 16.5, 4.0),
    "T7": Vertebra(27.8, 27.4, 18.2, 17.3, 15.7, 4.5),
    "T8": Vertebra(29.5, 27.9, 18.7, 17.5, 15.8, 4.5),
    "T9": Vertebra(30.6, 29.3, 19.3, 17.9, 15.8, 5.0),
    "T10": Vertebra(31.9, 30.5, 20.2, 18.2, 15.5, 5.0),
    "T11": Vertebra(34.9, 31.9, 21.3, 19.4, 16.0, 6.0),
    "T12": Vertebra(39.0, 32.8, 22.7, 22.2, 18.1, 6.0),
    "L1": Vertebra(41.2, 34.1, 23.8, 23.7, 19.0, 8.0),
    "L2": Vertebra(42.6, 34.6, 24.3, 23.8, 18.2, 9.0),
}
THORACIC_CORD_MM = (8.3, 6.3)
LOW_CORD_MM = (9.4, 7.0)
THORACIC_SAC_MM = (15.0, 12.0)
LUMBAR_SAC_MM = (18.0, 14.0)
CAUDA_MM = (13.0, 9.0)

CHINESE = {
    "SpinalCord": "脊髓",
    "SpinalCord_PRV02": "脊髓PRV",
    "Esophagus": "食管",
    "Lungs": "双肺",
    "Kidney_L": "左肾",
    "Kidney_R": "右肾",
    "Bowel_Small": "小肠",
    "External": "体表",
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one sample case is made of.

    `sparing` is the part of the dose that is taken away in the cord, `sparing_reach_mm` how far
    from the cord it is halved; both were chosen so that each verdict keeps clear of its lines.
    """

    folder: str
    levels: tuple[str, ...]
    rx_gy: float
    fractions: int
    sparing: float
    sparing_reach_mm: float = 1.0
    patient: str
    number: int
    without: tuple[str, ...] = ()
    with_sac: bool = False
    with_canal: bool = False
    target_names: dict[str, str] = field(default_factory=dict)
    chinese: bool = False
    character_set: str = "ISO_IR 192"
    foreign_structure_set: bool = False
    setup_beams: bool = False
    approval: str = "APPROVED"
    grid_reach_mm: float = GRID_REACH_MM
    grid_half_mm: tuple[float, float] = GRID_HALF_MM
    neural_reach_mm: float = NEURAL_REACH_MM
    spine: tuple[str, ...] = ()  # levels that set the frame, where other plans share it
    course: str = ""  # plans of one course share patient, study and frame of reference
    references: tuple[
        tuple[str, float], ...
    ] = ()  # what is prescribed to; the PTVs, unless given
    radiation_type: str = "PHOTON"
    brachy_setups: int = 0
    prv_moved_mm: float = 0.0  # sideways: a PRV of another cord
    facts: str = ""  # case.toml
    without_plan: bool = False


NEURAL = ("SpinalCord", "SpinalCord_PRV02", "ThecalSac", "SpinalCanal", "CaudaEquina")
CORD = ("SpinalCord", "SpinalCord_PRV02")
NO_LEVEL = {"PTV_T7": "PTV", "CTV_T7": "CTV", "GTV_T7": "GTV"}

SMALL: Any = {"grid_half_mm": (54.0, 54.0)}

SAMPLES = (
    Sample(
        folder="t8_30gy5_pass",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Alpha",
        number=1,
        with_sac=True,
        setup_beams=True,
    ),
    Sample(
        folder="l2_24gy4_pass",
        levels=("L2",),
        rx_gy=24,
        fractions=4,
        sparing=0.30,
        patient="Bravo",
        number=2,
        with_sac=True,
    ),
    Sample(
        folder="t11t12_36gy6_variation",
        levels=("T11", "T12"),
        rx_gy=36,
        fractions=6,
        sparing=0.42,
        patient="Charlie",
        number=3,
    ),
    Sample(
        folder="t6_42gy7_cord_fail",
        levels=("T6",),
        rx_gy=42,
        fractions=7,
        sparing=0.07,
        patient="Delta",
        number=4,
    ),
    Sample(
        folder="t9_30gy5_coverage_fail",
        levels=("T9",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        sparing_reach_mm=10.0,
        patient="Echo",
        number=5,
    ),
    Sample(
        folder="t8_27gy3_scheme_fail",
        levels=("T8",),
        rx_gy=27,
        fractions=3,
        sparing=0.50,
        patient="Foxtrot",
        number=6,
    ),
    Sample(
        folder="t4_30gy5_level_fail",
        levels=("T4",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Golf",
        number=7,
    ),
    Sample(
        folder="t10_30gy5_no_cord_undecided",
        levels=("T10",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Hotel",
        number=8,
        without=NEURAL,
        approval="UNAPPROVED",
    ),
    Sample(
        folder="t7_30gy5_no_level_undecided",
        levels=("T7",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="India",
        number=9,
        target_names=NO_LEVEL,
        without=("VB_T07",),
    ),
    Sample(
        folder="t8_30gy5_wrong_rs",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Juliett",
        number=10,
        foreign_structure_set=True,
    ),
    Sample(
        folder="t8_30gy5_chinese_pass",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Kilo",
        number=11,
        chinese=True,
    ),
    Sample(
        folder="t12_30gy5_gb18030_pass",
        levels=("T12",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Lima",
        number=12,
        chinese=True,
        character_set="GB18030",
    ),
    Sample(
        folder="t8_30gy5_cord_leaves_grid_pass",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Mike",
        number=13,
        neural_reach_mm=60.0,
    ),
    Sample(
        folder="t8_30gy5_cord_leaves_grid_undecided",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="November",
        number=14,
        grid_reach_mm=12.0,
    ),
    *(
        Sample(
            folder=f"pair_sum_fail_{level.lower()}",
            levels=(level,),
            rx_gy=30,
            fractions=5,
            sparing=0.42,
            patient="Oscar",
            number=15,
            without=("SpinalCord_PRV02",),
            spine=("T7", "T8"),
            course="pair_sum_fail",
            grid_reach_mm=38.0,
            grid_half_mm=(54.0, 54.0),
            neural_reach_mm=10.0,
        )
        for level in ("T7", "T8")
    ),
    *(
        Sample(
            folder=f"pair_sum_pass_{level.lower()}",
            levels=(level,),
            rx_gy=30,
            fractions=5,
            sparing=0.46,
            patient="Papa",
            number=16,
            without=("SpinalCord_PRV02",),
            spine=("T7", "T8", "T9"),
            course="pair_sum_pass",
            grid_reach_mm=58.0,
            grid_half_mm=(54.0, 54.0),
            neural_reach_mm=10.0,
        )
        for level in ("T7", "T9")
    ),
    Sample(
        folder="t8_30gy5_inner_reference_pass",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Quebec",
        number=17,
        references=(("PTV_T8", 30.0), ("CTV_T8", 30.0)),
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_lost_target_undecided",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Romeo",
        number=18,
        references=(("PTV_T8", 30.0), ("PTV_T12", 30.0)),
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_rejected_undecided",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Sierra",
        number=19,
        approval="REJECTED",
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_brachytherapy_undecided",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Tango",
        number=20,
        brachy_setups=1,
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_proton_undecided",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Uniform",
        number=21,
        radiation_type="PROTON",
        **SMALL,
    ),
    Sample(
        folder="l1_30gy5_conus_pass",
        levels=("L1",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Victor",
        number=22,
        without=("SpinalCord", "CaudaEquina"),
        with_sac=True,
        **SMALL,
    ),
    Sample(
        folder="l1_30gy5_conus_undecided",
        levels=("L1",),
        rx_gy=30,
        fractions=5,
        sparing=0.03,
        patient="Whiskey",
        number=23,
        without=("SpinalCord", "CaudaEquina"),
        with_sac=True,
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_canal_beside_cord_pass",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Xray",
        number=24,
        with_canal=True,
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_canal_alone_fail",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Yankee",
        number=25,
        without=CORD,
        with_canal=True,
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_no_esophagus_undecided",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Anton",
        number=26,
        without=("Esophagus",),
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_no_esophagus_stated_variation",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Berta",
        number=27,
        without=("Esophagus",),
        facts='not_drawn = { Esophagus = "resected in 2019" }\n',
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_prv_holds_cord_pass",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.56,
        patient="Caesar",
        number=28,
        prv_moved_mm=0.8,
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_prv_misses_cord_variation",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.56,
        patient="Dora",
        number=29,
        prv_moved_mm=2.5,
        **SMALL,
    ),
    Sample(
        folder="t8_30gy5_sib_undecided",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Emil",
        number=30,
        references=(("PTV_T8", 30.0), ("GTV_T8", 35.0)),
        **SMALL,
    ),
    Sample(
        folder="t8_structures_and_dose",
        levels=("T8",),
        rx_gy=30,
        fractions=5,
        sparing=0.42,
        patient="Friedrich",
        number=31,
        without_plan=True,
        **SMALL,
    ),
    *(
        Sample(
            folder=f"pair_apart_{ending}_{level.lower()}",
            levels=(level,),
            rx_gy=30,
            fractions=5,
            sparing=0.42,
            patient=patient,
            number=number,
            spine=("T7", "T8", "T9", "T10"),
            course=f"pair_apart_{ending}",
            grid_reach_mm=reach_mm,
            grid_half_mm=(54.0, 54.0),
            neural_reach_mm=8.0,
        )
        for ending, patient, number, reach_mm in (
            ("pass", "Gustav", 32, 28.0),
            ("undecided", "Heinrich", 33, 12.0),
        )
        for level in ("T7", "T10")
    ),
)


# --- Anatomy ------------------------------------------------------------------------------------


def ellipse(
    width: float, depth: float, x: float = 0.0, y: float = 0.0, n: int = 64
) -> Polygon:
    """Return an ellipse of full width and depth in mm."""
    angle = 2 * np.pi * np.arange(n) / n
    return Polygon(np.c_[x + width / 2 * np.cos(angle), y + depth / 2 * np.sin(angle)])


def body_outline(v: Vertebra) -> BaseGeometry:
    """Return a vertebral body: a rounded box with a concave posterior wall, canal cut out."""
    angle = 2 * np.pi * np.arange(96) / 96
    cos, sin = np.cos(angle), np.sin(angle)
    power = 0.8  # below 1: fuller than an ellipse
    x = v.width / 2 * np.sign(cos) * np.abs(cos) ** power
    y = v.depth / 2 * np.sign(sin) * np.abs(sin) ** power
    return Polygon(np.c_[x, y]).difference(canal(v))


def canal(v: Vertebra) -> Polygon:
    """Return the spinal canal; it dents the posterior wall by 1.5 mm."""
    return ellipse(v.canal_width, v.canal_depth, y=wall(v) + v.canal_depth / 2)


def wall(v: Vertebra) -> float:
    """Return the y of the posterior wall in the middle."""
    return v.depth / 2 - 1.5


def shifted(shape: BaseGeometry, z_mm: float) -> BaseGeometry:
    """Return a cross-section moved with the lean of the spine."""
    return affinity.translate(shape, 0.0, TILT * z_mm)


def planes(low_mm: float, high_mm: float) -> Array:
    """Return the contour planes from low to high, on the lattice of the spacing."""
    first, last = round(low_mm / SPACING_MM), round(high_mm / SPACING_MM)
    return np.array([SPACING_MM * number for number in range(first, last + 1)])


def treated(sample: Sample) -> dict[str, tuple[float, float]]:
    """Return the z range of each treated body."""
    ranges = stack(sample.spine or sample.levels)
    return {level: ranges[level] for level in sample.levels}


def stack(levels: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Return the z range of each treated body, head to foot, the stack centred on zero."""
    total = sum(VERTEBRAE[level].height for level in levels)
    total += sum(VERTEBRAE[level].disc for level in levels[:-1])
    top = total / 2
    ranges = {}
    for level in levels:
        v = VERTEBRAE[level]
        ranges[level] = (top - v.height, top)
        top -= v.height + v.disc
    return ranges


@dataclass(frozen=True, kw_only=True)
class Solid:
    """A structure: its cross-section at each of its planes."""

    z_mm: Array
    section: Callable[[float], BaseGeometry]

    def roi(self, name: str, interpreted_type: str) -> ROI:
        """Return the structure as an ROI."""
        contours = []
        for z_mm in self.z_mm:
            for part in shapely.get_parts(self.section(float(z_mm))):
                ring = np.round(shapely.get_coordinates(part.exterior)[:-1], 3)
                contours.append(Contour(points_mm=ring, z_mm=float(z_mm)))
        return ROI(
            name=name, interpreted_type=interpreted_type, contours=tuple(contours)
        )


def constant(shape: BaseGeometry, low_mm: float, high_mm: float) -> Solid:
    """Return a solid of one cross-section that leans with the spine."""
    return Solid(z_mm=planes(low_mm, high_mm), section=lambda z: shifted(shape, z))


def waisted(shape: BaseGeometry, low_mm: float, high_mm: float) -> Solid:
    """Return a vertebral body: narrower in the middle of its height by 6 %."""
    middle, half = (low_mm + high_mm) / 2, (high_mm - low_mm) / 2

    def section(z_mm: float) -> BaseGeometry:
        waist = 0.94 + 0.06 * min(1.0, abs(z_mm - middle) / half) ** 2
        return shifted(affinity.scale(shape, waist, waist, origin=(0, wall_y)), z_mm)

    wall_y = shape.bounds[3]
    return Solid(z_mm=planes(low_mm, high_mm), section=section)


def target_solids(sample: Sample) -> dict[str, Solid]:
    """Return GTV, CTV, PTV and vertebra of each treated level."""
    solids = {}
    for level, (low, high) in treated(sample).items():
        v = VERTEBRAE[level]
        body = waisted(body_outline(v), low, high)
        lesion = ellipse(
            0.55 * v.width, 0.5 * v.depth, x=-0.12 * v.width, y=-0.1 * v.depth
        )
        ptv = Solid(
            z_mm=planes(low - MARGIN_MM, high + MARGIN_MM),
            section=partial(_ptv_section, body, v),
        )
        solids[f"GTV_{level}"] = constant(lesion, low + 4, high - 3)
        solids[f"CTV_{level}"] = body
        solids[f"PTV_{level}"] = ptv
        padded = f"T{int(level[1:]):02d}" if level[0] == "T" else level
        solids[f"VB_{padded}"] = body
    return solids


def _ptv_section(body: Solid, v: Vertebra, z_mm: float) -> BaseGeometry:
    """Return CTV + 2 mm that stops at the wall of the canal."""
    inside = float(np.clip(z_mm, body.z_mm[0], body.z_mm[-1]))
    grown = affinity.translate(
        body.section(inside), 0.0, TILT * (z_mm - inside)
    ).buffer(MARGIN_MM, quad_segs=6)
    return largest(grown.difference(shifted(canal(v), z_mm)))


def largest(shape: BaseGeometry) -> BaseGeometry:
    """Return the largest part of a shape."""
    parts: list[BaseGeometry] = shapely.get_parts(shape).tolist()
    return max(parts, key=lambda part: float(part.area))


def cord_ellipse(level: str) -> Polygon:
    """Return the cord behind the posterior wall of a level."""
    v = VERTEBRAE[level]
    width, depth = LOW_CORD_MM if level in ("T11", "T12") else THORACIC_CORD_MM
    return ellipse(width, depth, y=wall(v) + CORD_GAP_MM + depth / 2)


def neural_solids(sample: Sample, low: float, high: float) -> dict[str, Solid]:
    """Return cord and PRV, or at L2 the conus above, cauda equina and sac."""
    low, high = low - sample.neural_reach_mm, high + sample.neural_reach_mm
    level = (sample.spine or sample.levels)[-1]
    v = VERTEBRAE[level]
    lumbar = level.startswith("L")
    sac_size = LUMBAR_SAC_MM if lumbar else THORACIC_SAC_MM
    sac = ellipse(*sac_size, y=wall(v) + SAC_GAP_MM + sac_size[1] / 2)
    solids = {}
    if lumbar:
        conus = high - 8  # the lower third of L1
        tip = ellipse(6.0, 5.0, y=sac.centroid.y)
        solids["SpinalCord"] = constant(tip, conus, high)
        cauda = ellipse(*CAUDA_MM, y=sac.centroid.y + 1.0)
        solids["CaudaEquina"] = constant(cauda, low, conus - SPACING_MM)
    else:
        cord = cord_ellipse(level)
        solids["SpinalCord"] = constant(cord, low, high)
        prv = cord.buffer(MARGIN_MM, quad_segs=12)
        prv = affinity.translate(prv, sample.prv_moved_mm)
        solids["SpinalCord_PRV02"] = constant(prv, low - MARGIN_MM, high + MARGIN_MM)
    if sample.with_sac:
        solids["ThecalSac"] = constant(sac, low, high)
    if sample.with_canal:
        solids["SpinalCanal"] = constant(canal(v), low, high)
    return solids


def organ_solids(sample: Sample, low: float, high: float) -> dict[str, Solid]:
    """Return the body contour and plain organs of the region."""
    v = VERTEBRAE[sample.levels[0]]
    front = -v.depth / 2
    low, high = low - GRID_REACH_MM, high + GRID_REACH_MM
    solids = {"External": constant(ellipse(330, 215, y=front - 30, n=80), low, high)}
    inward = GRID_REACH_MM - sample.neural_reach_mm if sample.course else SPACING_MM
    low, high = low + inward, high - inward
    if sample.levels[0].startswith("T"):
        lungs = shapely.union_all(
            [ellipse(105, 150, x=side * 90, y=front - 30) for side in (-1, 1)]
        )
        solids["Lungs"] = constant(lungs, low, high)
        solids["Esophagus"] = constant(
            ellipse(17, 11, x=9, y=front - 15, n=40), low, high
        )
    if sample.levels[-1] in ("T11", "T12", "L1", "L2"):
        kidneys = {"Kidney_L": 62.0, "Kidney_R": -62.0}
        for name, x in kidneys.items():
            solids[name] = constant(
                ellipse(48, 55, x=x, y=front + 20), low + 6, high - 4
            )
        solids["Bowel_Small"] = constant(ellipse(110, 60, y=front - 60), low, high)
    return solids


# --- Dose ---------------------------------------------------------------------------------------


def signed_distance_mm(solid: Solid, points: Array, z_mm: float) -> Array:
    """Return the distance of points (n, 2) in a plane from a solid; negative inside."""
    low, high = solid.z_mm[0] - SPACING_MM / 2, solid.z_mm[-1] + SPACING_MM / 2
    nearest = float(np.clip(z_mm, solid.z_mm[0], solid.z_mm[-1]))
    shape = affinity.translate(solid.section(nearest), 0.0, TILT * (z_mm - nearest))
    shapely.prepare(shape)
    sites = shapely.points(points)
    edge = shapely.distance(shape.boundary, sites)
    in_plane = np.where(
        shapely.contains_xy(shape, points[:, 0], points[:, 1]), -edge, edge
    )
    beyond = max(low - z_mm, z_mm - high)
    if beyond > 0:
        return np.asarray(np.hypot(np.maximum(in_plane, 0), beyond))
    return np.asarray(np.maximum(in_plane, beyond))


def dose_part(
    sample: Sample, solids: dict[str, Solid], points: Array, z_mm: float
) -> Array:
    """Return the dose in parts of the prescription at points (n, 2) of a plane.

    Outside the targets it falls exponentially to a background that itself falls slowly; inside
    it rises to a hot spot in front; the cord takes a logistic share away.
    """
    targets = [solid for name, solid in solids.items() if name.startswith("PTV")]
    distance = np.min([signed_distance_mm(t, points, z_mm) for t in targets], axis=0)
    outside, depth = np.maximum(distance, 0), np.maximum(-distance, 0)
    background = 0.21 * np.exp(-outside / 90)
    # Gradient indices grow with the distance to half dose over the size of the target.
    reach = 0.55 * effective_radius_mm(targets)
    fall = background + (1 - background) * np.exp(-outside / reach)
    forward = 1 / (1 + np.exp((points[:, 1] + 1.0) / 5.0))
    hot = (0.16 + 0.24 * forward) * (1 - np.exp(-depth / 5.0))
    angle = np.arctan2(points[:, 1], points[:, 0])
    ripple = 1 + 0.02 * np.cos(9 * angle) * np.minimum(outside / 25, 1)
    gap = signed_distance_mm(sparing_solid(sample, solids), points, z_mm)
    spared = 1 - sample.sparing / (1 + np.exp((gap - sample.sparing_reach_mm) / 0.9))
    return np.asarray(1.005 * (fall + hot) * ripple * spared)


def effective_radius_mm(solids: Iterable[Solid]) -> float:
    """Return the radius of the sphere of the same volume as some solids."""
    areas = [solid.section(float(z)).area for solid in solids for z in solid.z_mm]
    return float((3 * sum(areas) * SPACING_MM / (4 * np.pi)) ** (1 / 3))


def sparing_solid(sample: Sample, solids: dict[str, Solid]) -> Solid:
    """Return what the plan spares: the cord, or the sac where the cord has ended."""
    level = (sample.spine or sample.levels)[-1]
    if level.startswith("L"):
        return solids["ThecalSac"]
    reach = solids["External"].z_mm
    beyond = sample.grid_reach_mm
    return constant(
        cord_ellipse(level), float(reach[0]) - beyond, float(reach[-1]) + beyond
    )


def dose_grid(
    sample: Sample, solids: dict[str, Solid], low: float, high: float
) -> DoseGrid:
    """Return the dose of a sample in Gy on its grid."""
    x, y = (np.arange(-half, half + 1e-9, SPACING_MM) for half in sample.grid_half_mm)
    z = planes(low - sample.grid_reach_mm, high + sample.grid_reach_mm)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    layers = [dose_part(sample, solids, points, float(z_mm)) for z_mm in z]
    values = sample.rx_gy * np.stack(layers).reshape(z.size, y.size, x.size)
    return DoseGrid(dose_gy=np.round(values, 5), x_mm=x, y_mm=y, z_mm=z)


# --- DICOM --------------------------------------------------------------------------------------


def uid(*words: str) -> str:
    """Return a UID that follows from words alone (a 2.25 UID, PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(words).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def instance(sample: Sample, kind: str, sop_class_uid: str, label: str) -> Instance:
    """Return the header of one of a sample's files."""
    return Instance(
        sop_instance_uid=uid(sample.folder, kind),
        sop_class_uid=sop_class_uid,
        patient=Patient(
            patient_id=f"SBRT-{sample.number:04d}",
            name=f"Sample^{sample.patient}",
            birth_date=f"19{55 + sample.number}0315",
        ),
        study_instance_uid=uid(sample.course or sample.folder, "study"),
        frame_of_reference_uid=uid(sample.course or sample.folder, "frame"),
        label=label,
        date="20260302",
        approval_status=sample.approval,
        manufacturer="sbrtcheck sample",
    )


def plan_of(sample: Sample, targets: Iterable[str], structure_set_uid: str) -> Plan:
    """Return the RT Plan of a sample: two arcs, one isocentre."""
    arcs = (
        (1, "CW", (181.0, 179.0), 0.52, 1480.0),
        (2, "CCW", (179.0, 181.0), 0.48, 1390.0),
    )
    beams = [
        Beam(
            number=number,
            name=name,
            radiation_type=sample.radiation_type,
            machine="LINAC1",
            energy_mv=6.0,
            gantry_angles_deg=angles,
            isocentre_mm=(0.0, 0.0, 0.0),
        )
        for number, name, angles, _, _ in arcs
    ]
    if sample.setup_beams:
        beams += [
            replace(
                beams[0],
                number=number,
                name=name,
                delivery_type="SETUP",
                gantry_angles_deg=(angle,),
            )
            for number, name, angle in ((3, "SETUP_AP", 0.0), (4, "SETUP_LAT", 90.0))
        ]
    each_gy = sample.rx_gy / sample.fractions
    references = sample.references or tuple((name, sample.rx_gy) for name in targets)
    return Plan(
        instance=instance(
            sample,
            "plan",
            RT_PLAN,
            f"{'_'.join(sample.levels)}_{sample.rx_gy:g}Gy{sample.fractions}"
            if not sample.target_names
            else f"SBRT_{sample.rx_gy:g}Gy{sample.fractions}",
        ),
        dose_references=tuple(
            DoseReference(
                number=number,
                structure_type="SITE",
                description=name,
                type="TARGET",
                target_prescription_dose_gy=float(rx_gy),
            )
            for number, (name, rx_gy) in enumerate(references, start=1)
        ),
        fraction_groups=(
            FractionGroup(
                number=1,
                fractions=sample.fractions,
                beam_numbers=tuple(row[0] for row in arcs),
                beam_doses_gy=tuple(round(each_gy * row[3], 4) for row in arcs),
                beam_metersets=tuple(row[4] for row in arcs),
            ),
        ),
        beams=tuple(beams),
        brachy_setups=sample.brachy_setups,
        structure_set_uid=structure_set_uid,
        patient_positions=("HFS",),
    )


def roi_name(sample: Sample, name: str) -> str:
    """Return the name under which a structure is exported."""
    name = sample.target_names.get(name, name)
    if not sample.chinese:
        return name
    if name in CHINESE:
        return CHINESE[name]
    prefix, _, level = name.partition("_T")
    return f"{prefix}_胸{int(level)}" if level.isdigit() and prefix != "VB" else name


TYPES = {"GTV": "GTV", "CTV": "CTV", "PTV": "PTV", "Ext": "EXTERNAL"}


def write_sample(sample: Sample, folder: Path) -> None:
    """Write RP.dcm, RS.dcm and RD.dcm of a sample."""
    ranges = treated(sample)
    low = min(row[0] for row in ranges.values()) - MARGIN_MM
    high = max(row[1] for row in ranges.values()) + MARGIN_MM
    solids = target_solids(sample) | neural_solids(sample, low, high)
    solids |= organ_solids(sample, low, high)
    grid = dose_grid(sample, solids, low, high)
    rois = tuple(
        replace(
            solid.roi(roi_name(sample, name), TYPES.get(name[:3], "ORGAN")),
            number=number,
        )
        for number, (name, solid) in enumerate(solids.items(), start=1)
        if name not in sample.without
    )
    kind = "other structures" if sample.foreign_structure_set else "structures"
    structures = StructureSet(
        rois=rois, instance=instance(sample, kind, RT_STRUCTURE_SET, "SPINE")
    )
    targets = [roi_name(sample, f"PTV_{level}") for level in sample.levels]
    plan = plan_of(sample, targets, uid(sample.folder, "structures"))
    header = DoseHeader(
        instance=instance(sample, "dose", RT_DOSE, "PLAN DOSE"),
        summation_type="PLAN",
        referenced_plan_uids=(plan.instance.sop_instance_uid,),
    )
    folder.mkdir(parents=True, exist_ok=True)
    if sample.facts:
        (folder / "case.toml").write_text(sample.facts, encoding="utf-8", newline="\n")
    if not sample.without_plan:
        save_plan(plan, folder / "RP.dcm", character_set=sample.character_set)
    save_structure_set(
        structures, folder / "RS.dcm", character_set=sample.character_set
    )
    save_dose(
        replace(grid, header=header),
        folder / "RD.dcm",
        character_set=sample.character_set,
    )


def main(arguments: list[str]) -> None:
    """Write all samples, beside this file unless a folder is given."""
    out = Path(arguments[0]) if arguments else Path(__file__).parent
    for sample in SAMPLES:
        write_sample(sample, out / sample.folder)
        print(out / sample.folder)


if __name__ == "__main__":
    main(sys.argv[1:])
