"""The lines that a good plan keeps clear of, in Gy for each number of fractions.

Of each structure the smallest dose that any of its limits names: a maximum below it keeps all.
"""

from sbrtcheck.phantoms.spine.drawn import Drawn, position

__all__ = ["CLEAR", "aim", "line_gy"]

CLEAR = 0.92  # of a line: what a good plan stays below
CORD = {4: 23.0, 5: 25.3, 6: 25.3, 7: 25.3}
PRV = {4: 23.0, 5: 25.3, 6: 27.2, 7: 29.0}
CAUDA = {4: 24.8, 5: 30.0, 6: 30.0, 7: 30.0}
ORGANS = {
    "Esophagus": {4: 18.6, 5: 19.5, 6: 19.5, 7: 19.5},
    "Stomach": {4: 17.2, 5: 18.0, 6: 18.0, 7: 18.0},
    "Duodenum": {4: 11.9, 5: 12.5, 6: 12.5, 7: 12.5},
    "Bowel_Small": {4: 18.6, 5: 19.5, 6: 19.5, 7: 19.5},
    "Kidney_L": {4: 16.7, 5: 17.5, 6: 17.5, 7: 17.5},
    "Kidney_R": {4: 16.7, 5: 17.5, 6: 17.5, 7: 17.5},
    "SacralPlex": {4: 26.2, 5: 30.0, 6: 30.0, 7: 30.0},
}
SURROGATES = ("ThecalSac", "SpinalCanal", "CaudaEquina")


def line_gy(structure: str, drawn: Drawn) -> float | None:
    """Return the line of a structure, or None where nothing is asked of it."""
    if structure in ORGANS:
        return ORGANS[structure][drawn.fractions]
    if structure == "SpinalCord":
        return CORD[drawn.fractions]
    if structure == "SpinalCord_PRV":
        return PRV[drawn.fractions]
    if structure not in SURROGATES or position(drawn.levels[-1]) < position("T12"):
        return None
    # Where the cord may end, all that the canal holds is kept by the stricter limit.
    table = CAUDA if position(drawn.levels[0]) >= position("L3") else CORD
    return table[drawn.fractions]


def aim(drawn: Drawn) -> float:
    """Return what part of a line is aimed at: less where a coarse grid blurs the gradient."""
    return 0.84 if drawn.grid_mm >= 2.5 else 0.9
