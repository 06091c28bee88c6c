"""Sizes of vertebrae and of what lies in the canal, in mm.

Means of Panjabi 1991 and 1992 (thoracic and lumbar) and Frostell 2016 (cord), from memory.
"""

from dataclasses import dataclass

__all__ = ["CAUDA_MM", "LEVELS", "VERTEBRAE", "Vertebra", "cord_size_mm", "sac_size_mm"]


@dataclass(frozen=True, slots=True)
class Vertebra:
    """End-plate width and depth, body height, canal width and depth, height of the disc below."""

    width_mm: float
    depth_mm: float
    height_mm: float
    canal_width_mm: float
    canal_depth_mm: float
    disc_mm: float


VERTEBRAE = {
    "T5": Vertebra(24.9, 24.3, 16.2, 17.3, 16.2, 4.0),
    "T6": Vertebra(26.2, 26.0, 17.4, 17.3, 16.5, 4.0),
    "T7": Vertebra(27.8, 27.4, 18.2, 17.3, 15.7, 4.5),
    "T8": Vertebra(29.5, 27.9, 18.7, 17.5, 15.8, 4.5),
    "T9": Vertebra(30.6, 29.3, 19.3, 17.9, 15.8, 5.0),
    "T10": Vertebra(31.9, 30.5, 20.2, 18.2, 15.5, 5.0),
    "T11": Vertebra(34.9, 31.9, 21.3, 19.4, 16.0, 6.0),
    "T12": Vertebra(39.0, 32.8, 22.7, 22.2, 18.1, 6.0),
    "L1": Vertebra(41.2, 34.1, 23.8, 23.7, 19.0, 7.0),
    "L2": Vertebra(42.6, 34.6, 24.3, 23.8, 18.2, 8.5),
    "L3": Vertebra(44.1, 35.2, 23.8, 24.3, 17.5, 9.5),
    "L4": Vertebra(46.6, 35.5, 24.1, 25.4, 18.6, 10.0),
    "L5": Vertebra(47.3, 34.7, 22.9, 27.1, 19.7, 10.0),
}
LEVELS = tuple(VERTEBRAE)
CAUDA_MM = (13.0, 9.0)
LOW_CORD = ("T11", "T12", "L1", "L2")


def cord_size_mm(level: str) -> tuple[float, float]:
    """Return width and depth of the cord; it is thicker in its lumbar enlargement."""
    return (9.4, 7.0) if level in LOW_CORD else (8.3, 6.3)


def sac_size_mm(level: str) -> tuple[float, float]:
    """Return width and depth of the thecal sac."""
    return (18.0, 14.0) if level.startswith("L") else (15.0, 12.0)
