"""The curves that a planning system wrote into its RT Dose; without the folder, skipped."""

from pathlib import Path

import pytest

from sbrtcheck.dicom import load_exported_dvhs
from sbrtcheck.dvh import DVH

PRESCRIBED_GY = 14.0
BODY = 1  # its curve leaves out what lies in no dose, its stated mean does not


def test_eclipses_curves_have_the_means_that_it_states(real_data: Path) -> None:
    """Stated in percent although DoseUnits says GY; to a fifth of its bins of 0.01 Gy."""
    path = real_data / "eclipse-breast-dvhseq" / "rtdose.dcm"
    exported = load_exported_dvhs(path)

    assert len(exported) == 9
    for row in exported:
        if row.included == (BODY,):
            continue
        dvh = DVH.from_dicom(path, row.included[0])
        assert row.stated_mean is not None
        assert dvh.mean_gy == pytest.approx(
            row.stated_mean / 100 * PRESCRIBED_GY, abs=0.002
        )
        assert any("stated mean" in str(note) for note in dvh.notes)
