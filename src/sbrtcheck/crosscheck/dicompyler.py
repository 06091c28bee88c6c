"""The one place where dicompyler-core is met: imported beside pydicom 3, asked, never trusted.

dicompyler-core 0.5.6 imports a name that pydicom 3 no longer has (dicompyler-core#385). It is
lent for as long as the import takes, and taken away again.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sbrtcheck.dicom import former_names
from sbrtcheck.dvh import DVH
from sbrtcheck.model import ROI, Text, frozen_array

__all__ = ["INSTALL", "ask_dicompyler", "import_engine"]

INSTALL = 'pip install "sbrtcheck[crosscheck]"'
PACKAGE = "dicompylercore"


class Engine(NamedTuple):
    """Its function `get_dvh(structures, dose, roi_number, ...)`, and its reader of a file."""

    get_dvh: Callable[..., Any]
    parse: Callable[[str], Any]


def import_engine() -> Engine:
    """Import dicompyler-core.

    Raises
    ------
    ImportError
        If it is not installed, or cannot be imported here.
    """
    with former_names(), _quietly():
        # Its calculator would import its reader when it is called, without the lent name.
        from dicompylercore.dicomparser import DicomParser
        from dicompylercore.dvhcalc import get_dvh
    return Engine(get_dvh, DicomParser)


def why_absent(error: ImportError) -> Text:
    """Return what to do where dicompyler-core cannot be imported."""
    name = error.name or "?"
    if name.partition(".")[0] == PACKAGE:
        return Text("dicompyler-core is not installed: {install}", install=INSTALL)
    return Text("dicompyler-core cannot be imported: {name} is missing", name=name)


def ask_dicompyler(
    structures: Path, dose: Path, rois: Sequence[ROI]
) -> list[DVH | Text]:
    """Return its DVH of each ROI by its own reading of two files, or why there is none.

    Raises
    ------
    ImportError
        If it is not installed, or cannot be imported here.
    """
    engine = import_engine()
    with _quietly():
        try:  # once for all ROIs
            structures_read = engine.parse(str(structures)).ds
            dose_read = engine.parse(str(dose)).ds
        except Exception as error:  # noqa: BLE001 - as below
            return [_no_answer(error)] * len(rois)
        return [_answer(engine, structures_read, dose_read, roi) for roi in rois]


def _no_answer(error: Exception) -> Text:
    # Its message may hold the name of a file.
    return Text("no answer: it ended with {error}", error=type(error).__name__)


def _answer(engine: Engine, structures: object, dose: object, roi: ROI) -> DVH | Text:
    try:
        found = engine.get_dvh(structures, dose, roi.number)
        counts, bins = np.asarray(found.counts, float), np.asarray(found.bins, float)
        mean_gy, max_gy = float(found.mean), float(found.max)
    except Exception as error:  # noqa: BLE001 - whatever happens in there is no answer, no more
        return _no_answer(error)
    holds_volume = (counts[:1] > 0).any()
    if counts.size + 1 != bins.size or not holds_volume:
        return Text("no answer: its DVH is empty")
    curve_cc = np.append(counts, 0.0)
    return DVH(
        roi_name=roi.name,
        volume_cc=float(counts[0]),
        volume_outside_cc=0.0,
        dose_gy=frozen_array(bins, ndim=1),
        volume_cc_at_dose=frozen_array(curve_cc, ndim=1),
        min_gy=float(bins[np.flatnonzero(counts >= counts[0])[-1]]),
        max_gy=max_gy,
        mean_gy=mean_gy,
        notes=(Text("{notes}", notes=str(found.notes)),) if found.notes else (),
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep what it logs, prints and warns of off our streams."""
    logger = logging.getLogger(PACKAGE)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
