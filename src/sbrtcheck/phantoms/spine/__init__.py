"""Whole synthetic plans of spine SBRT as model values, each following from a seed."""

from sbrtcheck.phantoms.spine.drawn import Drawn, draw
from sbrtcheck.phantoms.spine.names import NAMES, roi_name
from sbrtcheck.phantoms.spine.plans import SpinePlan, spine_plan
from sbrtcheck.phantoms.spine.solve import Truth

__all__ = ["NAMES", "Drawn", "SpinePlan", "Truth", "draw", "roi_name", "spine_plan"]
