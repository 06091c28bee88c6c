"""The open engine most used from Python, dicompyler-core 0.5.6, where it is installed."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nelms import Answers
from sbrtcheck.crosscheck import import_engine

__all__ = ["NOT_INSTALLED", "dicompyler_answers", "dicompyler_dvh"]

NOT_INSTALLED = "dicompyler-core is not installed: not measured"


def dicompyler_dvh() -> Callable[..., Any] | None:
    """Return its function `get_dvh(structures, dose, roi_number, ...)`, or None without it."""
    try:
        get_dvh = import_engine().get_dvh
    except ImportError:
        return None
    logging.getLogger("dicompylercore").setLevel(logging.ERROR)
    return get_dvh


def dicompyler_answers(
    structures: Path, dose: Path, roi_number: int, settings: Mapping[str, Any]
) -> Answers:
    """Return what it answers from two files; of an empty DVH, nothing."""
    get_dvh = dicompyler_dvh()
    if get_dvh is None:
        raise RuntimeError(NOT_INSTALLED)
    dvh = get_dvh(str(structures), str(dose), roi_number, **settings)
    if not dvh.volume:
        return dict.fromkeys(("volume", "D95", "D5", "D0.03cc", "mean"))
    return {
        "volume": float(dvh.volume),
        "D95": float(dvh.statistic("D95").value),
        "D5": float(dvh.statistic("D5").value),
        "D0.03cc": float(dvh.statistic("D0.03cc").value),
        "mean": float(dvh.mean),
    }
