"""What a plan of the spine is made of: every property, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sbrtcheck.phantoms.spine.vertebrae import LEVELS

__all__ = ["Drawn", "Outline", "Place", "Reference", "Style", "draw", "position"]

Outline = Literal["smooth", "coarse", "brush"]
Place = Literal["beside", "far", "absent", "unexpected"]
Reference = Literal["SITE", "VOLUME", "POINT"]
Style = Literal[
    "english", "chinese", "eclipse", "monaco", "raystation", "pinnacle", "tomotherapy"
]

SCHEMES = ((24.0, 4), (30.0, 5), (36.0, 6), (42.0, 7))
PRV_MM = (None, 1.0, 1.5, 2.0, 3.0)
OUTLINES: tuple[Outline, ...] = ("smooth", "coarse", "brush")
PLACES: tuple[Place, ...] = ("beside", "far", "absent")
REFERENCES: tuple[Reference, ...] = ("SITE", "VOLUME", "POINT")
STYLES: tuple[Style, ...] = (
    "english",
    "chinese",
    "eclipse",
    "monaco",
    "raystation",
    "pinnacle",
    "tomotherapy",
)
GRIDS_MM = (1.0, 1.5, 2.0, 2.5, 3.0)
PLANES_MM = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
GUTS = ("Bowel_Small", "Stomach", "Duodenum")
CORNERS = {"smooth": (64, 128), "coarse": (14, 24), "brush": (96, 96)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Every property of a plan, as it is really made.

    Parameters
    ----------
    levels
        The treated vertebrae, from head to foot: one, or two neighbours.
    rx_gy, fractions
        The scheme.
    cord, prv_mm, sac, canal, cauda
        Which neural structures are drawn; `prv_mm` is the margin of the PRV, None without one.
    oesophagus, gut, kidneys, plexus
        Where each organ lies that is expected at these levels.
    gut_kind
        Which structure the gut is.
    style, variant
        Whose names the structures bear, and which of the two of that style.
    grid_mm, grid_phase
        Step of the dose grid, and its shift along x, y and z in steps.
    planes_mm, planes_phase
        Distance of the contour planes, and their shift in distances.
    outline, corners
        How outlines are drawn, and with how many corners (the brush follows its pixels).
    reference
        The type of the plan's dose references.
    coverage_percent
        The true V100% of the target that has the lower one.
    hot_spot
        The maximum of the dose over the prescription, as aimed at.
    neural_reach_mm
        How far neural structures are drawn beyond the targets.
    """

    levels: tuple[str, ...]
    rx_gy: float
    fractions: int
    cord: bool
    prv_mm: float | None
    sac: bool
    canal: bool
    cauda: bool
    oesophagus: Place
    gut: Place
    gut_kind: str
    kidneys: Place
    plexus: Place
    style: Style
    variant: int
    grid_mm: float
    grid_phase: tuple[float, float, float]
    planes_mm: float
    planes_phase: float
    outline: Outline
    corners: int
    reference: Reference
    coverage_percent: float
    hot_spot: float
    neural_reach_mm: float

    def __repr__(self) -> str:
        neural = [
            name for name in ("cord", "sac", "canal", "cauda") if getattr(self, name)
        ]
        margin = "no PRV" if self.prv_mm is None else f"PRV {self.prv_mm:g} mm"
        organs = (
            f"{self.oesophagus}/{self.gut} {self.gut_kind}/{self.kidneys}/{self.plexus}"
        )
        return (
            f"Drawn({'+'.join(self.levels)} {self.rx_gy:g} Gy/{self.fractions}, {'+'.join(neural)},"
            f" {margin}, reach {self.neural_reach_mm:.1f} mm, organs {organs},"
            f" {self.style} {self.variant}, grid {self.grid_mm:g} mm, planes {self.planes_mm:g} mm,"
            f" {self.outline} {self.corners}, {self.reference}, V100% {self.coverage_percent:.2f},"
            f" max {self.hot_spot:.3f})"
        )


def position(level: str) -> int:
    """Return how many levels below T5 a level lies."""
    return LEVELS.index(level)


def draw(seed: int, number: int) -> Drawn:
    """Draw the properties of one plan, each evenly and independently of the others."""
    rng = np.random.default_rng((seed, number))
    levels = _levels(rng)
    rx_gy, fractions = SCHEMES[rng.integers(len(SCHEMES))]
    reach_mm = float(rng.uniform(9.5, 16.0))
    cord, prv_mm, sac, canal, cauda = _neural(rng, levels)
    oesophagus = _place(rng, levels, LEVELS[:6])
    gut = _place(rng, levels, LEVELS[6:])
    kidneys = _place(rng, levels, ("T12", "L1", "L2", "L3"))
    plexus = _place(rng, levels, ("L4", "L5"))
    kind = GUTS[rng.integers(len(GUTS))]
    outline = OUTLINES[rng.integers(len(OUTLINES))]
    low, high = CORNERS[outline]
    grid_mm = GRIDS_MM[rng.integers(len(GRIDS_MM))]
    return Drawn(
        levels=levels,
        rx_gy=rx_gy,
        fractions=fractions,
        cord=cord,
        prv_mm=prv_mm,
        sac=sac,
        canal=canal,
        cauda=cauda,
        oesophagus=oesophagus,
        gut=gut,
        gut_kind="Bowel_Small" if levels[-1].startswith("L") else kind,
        kidneys=kidneys,
        plexus=plexus,
        style=STYLES[rng.integers(len(STYLES))],
        variant=int(rng.integers(2)),
        grid_mm=grid_mm,
        grid_phase=(float(rng.random()), float(rng.random()), float(rng.random())),
        planes_mm=PLANES_MM[rng.integers(len(PLANES_MM))],
        planes_phase=float(rng.random()),
        outline=outline,
        corners=int(rng.integers(low, high + 1)),
        reference=REFERENCES[rng.integers(len(REFERENCES))],
        # A coarse grid reads less than what is true.
        coverage_percent=float(rng.uniform(91.5 + 0.9 * grid_mm, 98.5)),
        hot_spot=float(rng.uniform(1.12, 1.25)),
        neural_reach_mm=reach_mm,
    )


def _levels(rng: np.random.Generator) -> tuple[str, ...]:
    count = int(rng.integers(1, 3))
    first = int(rng.integers(len(LEVELS) - count + 1))
    return LEVELS[first : first + count]


def _neural(
    rng: np.random.Generator, levels: tuple[str, ...]
) -> tuple[bool, float | None, bool, bool, bool]:
    """Draw which neural structures are drawn; where the cord has ended, at least one other."""
    prv_mm = PRV_MM[rng.integers(len(PRV_MM))]
    sac, canal, cauda = (bool(value) for value in rng.integers(2, size=3))
    first, last = position(levels[0]), position(levels[-1])
    cord = first <= position("L2")
    cauda = cauda and last >= position("L1")
    forced = last >= position("L1") and not (sac or canal or cauda)
    return cord, prv_mm if cord else None, sac or forced, canal, cauda


def _place(
    rng: np.random.Generator, levels: Sequence[str], expected: Sequence[str]
) -> Place:
    place = PLACES[rng.integers(len(PLACES))]
    return place if set(levels) & set(expected) else "unexpected"
