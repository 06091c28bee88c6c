"""The planning system's own DVH: scaling, units and partial volumes read with care, or refused.

Truth is a closed form: dose that is uniform over 0 to 20 Gy in an ROI of 10 cc, so that
V(D) = 10 cc x (1 - D / 20 Gy), D50% is 10 Gy, and the mean is 10 Gy.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from builders import uniform_dose
from sbrtcheck import CaseError, ReadError, UnsupportedError
from sbrtcheck.dicom import load_exported_dvhs
from sbrtcheck.dicom.write import save_dose
from sbrtcheck.dvh import DVH, dvh_of_exported
from sbrtcheck.model import ExportedDVH

CC, GY, BINS = 10.0, 20.0, 200
WIDTH_GY = GY / BINS
MIDDLES_GY = np.linspace(WIDTH_GY / 2, GY - WIDTH_GY / 2, BINS)
RAMP = ExportedDVH(
    bin_widths=np.full(BINS, WIDTH_GY),
    volumes=CC * (1 - MIDDLES_GY / GY),
    included=(3,),
)
DIFFERENTIAL = replace(RAMP, kind="DIFFERENTIAL", volumes=np.full(BINS, CC / BINS))
PERCENT = replace(RAMP, volume_units="PERCENT", volumes=RAMP.volumes / CC * 100)


def as_written(
    exported: ExportedDVH, folder: Path, *, volume_cc: float | None = None
) -> DVH:
    """Return the DVH by way of a file."""
    save_dose(uniform_dose(), folder / "RD.dcm", dvhs=[exported])
    return DVH.from_dicom(folder / "RD.dcm", 3, roi_name="cord", volume_cc=volume_cc)


def assert_ramp(dvh: DVH) -> None:
    """Check against the closed form; the first and last half bins are not drawn by its middles."""
    assert dvh.volume_cc == pytest.approx(CC, rel=0.003)
    assert dvh.mean_gy == pytest.approx(GY / 2, rel=0.003)
    for percent in (2, 50, 95):
        expected = GY * (1 - percent / 100)
        assert dvh.dose_at_percent_gy(percent) == pytest.approx(
            expected, abs=WIDTH_GY / 2
        )
    assert dvh.volume_at_dose_cc(5.0) == pytest.approx(CC * 0.75, rel=0.003)


@pytest.mark.parametrize(
    "exported",
    [
        RAMP,
        DIFFERENTIAL,
        replace(RAMP, bin_widths=np.full(BINS, 100 * WIDTH_GY), dose_scaling=0.01),
        replace(
            RAMP,
            dose_units="RELATIVE",
            normalisation_dose_gy=16.0,
            bin_widths=np.full(BINS, WIDTH_GY / 16),
        ),
        replace(
            RAMP,
            dose_units="RELATIVE",
            normalisation_dose_gy=16.0,
            bin_widths=np.full(BINS, WIDTH_GY / 16 * 100),
        ),
    ],
    ids=["plain", "differential", "dose scaling", "relative", "percent of dose"],
)
def test_every_form_of_one_curve_is_one_dvh(
    exported: ExportedDVH, tmp_path: Path
) -> None:
    """Lesson 24: the scaling is of doses, never of volumes."""
    assert_ramp(as_written(exported, tmp_path))


@pytest.mark.parametrize("kind", ["CUMULATIVE", "DIFFERENTIAL"])
def test_volumes_in_percent_become_cc_by_a_stated_assumption(
    kind: str, tmp_path: Path
) -> None:
    source = RAMP if kind == "CUMULATIVE" else DIFFERENTIAL
    exported = replace(
        source, volume_units="PERCENT", volumes=source.volumes / CC * 100
    )

    dvh = as_written(exported, tmp_path, volume_cc=CC)

    assert_ramp(dvh)
    assert "cc by our volume of 10 cc" in str(dvh.notes[-1])


def test_a_percent_curve_of_a_part_of_the_roi_names_no_dose_of_the_whole(
    tmp_path: Path,
) -> None:
    """Lesson 5: 80 % are in the curve; no dose is known of the rest, and none is named."""
    exported = replace(PERCENT, volumes=PERCENT.volumes * 0.8)

    dvh = as_written(exported, tmp_path, volume_cc=CC)

    assert dvh.volume_cc == CC
    assert dvh.volume_outside_cc == pytest.approx(0.2 * CC, rel=0.02)
    assert dvh.dose_at_percent_gy(95) is None
    assert "of a part of the ROI" in str(dvh.notes[-1])


def test_a_first_width_of_zero_puts_volumes_at_the_ends_of_bins(tmp_path: Path) -> None:
    ends_gy = np.linspace(0, GY, BINS + 1)
    widths = np.append(0.0, np.full(BINS, WIDTH_GY))
    exported = replace(RAMP, bin_widths=widths, volumes=CC * (1 - ends_gy / GY))

    dvh = as_written(exported, tmp_path)

    assert dvh.dose_at_percent_gy(50) == pytest.approx(GY / 2)
    assert dvh.mean_gy == pytest.approx(GY / 2)


def test_wide_bins_are_read_to_half_a_bin(tmp_path: Path) -> None:
    """A step of 12 Gy in bins of 5 Gy: whatever end the system meant, 12 is within half a bin."""
    exported = replace(
        RAMP, bin_widths=np.full(4, 5.0), volumes=np.array([CC, CC, CC, 0.0])
    )

    dose_gy = as_written(exported, tmp_path).dose_at_percent_gy(50)

    assert dose_gy is not None
    assert 12.5 < dose_gy <= 17.5


def test_stated_doses_in_percent_are_not_used_and_said(tmp_path: Path) -> None:
    """Eclipse: DoseUnits says GY, the stated mean is 50 % of 20 Gy."""
    dvh = as_written(replace(RAMP, stated_mean=50.0, stated_maximum=20.0), tmp_path)

    (note,) = dvh.notes
    assert str(note).startswith(
        "its stated mean of 50 is not used: by its own curve it is 10.0"
    )


def test_negative_rounding_counts_as_nothing(tmp_path: Path) -> None:
    dvh = as_written(
        replace(RAMP, volumes=np.append(RAMP.volumes[:-1], -1e-13)), tmp_path
    )

    assert dvh.volume_cc_at_dose.min() == 0
    assert "rounding" in str(dvh.notes[0])


def test_a_last_bin_without_width_ends_the_curve_where_it_is(tmp_path: Path) -> None:
    exported = replace(
        RAMP, bin_widths=np.array([10.0, 0.0]), volumes=np.array([CC, CC])
    )

    dvh = as_written(exported, tmp_path)

    assert dvh.max_gy == pytest.approx(10.0)
    assert dvh.volume_cc_at_dose[-1] == 0


REFUSED = {
    "it is of 2 ROIs": {"included": (3, 4)},
    "other ROIs are taken out": {"excluded": (4,)},
    "type 'NATURAL'": {"kind": "NATURAL"},
    "type 'EFFECTIVE'": {"dose_type": "EFFECTIVE"},
    "units of 'CGY'": {"dose_units": "CGY"},
    "no normalisation dose": {"dose_units": "RELATIVE"},
    "neither a multiple nor a percentage": {
        "dose_units": "RELATIVE",
        "normalisation_dose_gy": 30.0,
        "dose_scaling": 0.5,
    },
    "units of 'PER_U'": {"volume_units": "PER_U"},
    "no DVH Dose Scaling": {"dose_scaling": None},
    "no DVH Dose Scaling above": {"dose_scaling": 0.0},
    "states 7 bins and holds 200": {"stated_bins": 7},
    "negative width": {"bin_widths": np.full(BINS, -0.1)},
    "no bin with a width": {"bin_widths": np.zeros(BINS)},
    "it holds no volume": {"volumes": np.zeros(BINS)},
    "it holds negative volumes": {"volumes": RAMP.volumes - 5},
    "it rises": {"volumes": RAMP.volumes[::-1]},
    "the ROI's own volume is not known": {"volume_units": "PERCENT"},
}


@pytest.mark.parametrize(("words", "change"), REFUSED.items())
def test_what_is_not_understood_is_refused_and_never_guessed(
    words: str, change: dict[str, object]
) -> None:
    exported = replace(RAMP, **change)  # type: ignore[arg-type]

    with pytest.raises(UnsupportedError, match=words):
        dvh_of_exported(exported)


def test_more_than_all_of_an_roi_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="starts at 150 %"):
        dvh_of_exported(
            replace(PERCENT, volumes=PERCENT.volumes * 1.50376), volume_cc=CC
        )


def test_all_attributes_come_back_from_the_file(tmp_path: Path) -> None:
    exported = replace(
        PERCENT,
        included=(3, 5),
        excluded=(7,),
        kind="NATURAL",
        dose_units="RELATIVE",
        dose_type="EFFECTIVE",
        dose_scaling=0.25,
        stated_bins=9,
        normalisation_dose_gy=30.0,
        stated_minimum=1.0,
        stated_mean=2.0,
        stated_maximum=3.0,
    )
    save_dose(uniform_dose(), tmp_path / "RD.dcm", dvhs=[exported])

    (found,) = load_exported_dvhs(tmp_path / "RD.dcm")

    arrays = ("bin_widths", "volumes")
    names = [name for name in ExportedDVH.__slots__ if name not in arrays]
    assert [getattr(found, n) for n in names] == [getattr(exported, n) for n in names]
    for name in arrays:
        assert getattr(found, name) == pytest.approx(getattr(exported, name))


def test_a_dose_without_curves_says_so(tmp_path: Path) -> None:
    save_dose(uniform_dose(), tmp_path / "RD.dcm")

    assert load_exported_dvhs(tmp_path / "RD.dcm") == ()
    with pytest.raises(CaseError, match="carries 0 DVHs of ROI number 3"):
        DVH.from_dicom(tmp_path / "RD.dcm", 3)


def test_an_odd_number_of_values_is_damage(tmp_path: Path) -> None:
    save_dose(uniform_dose(), tmp_path / "RD.dcm", dvhs=[RAMP])
    dataset = pydicom.dcmread(tmp_path / "RD.dcm")
    dataset.DVHSequence[0].DVHData = dataset.DVHSequence[0].DVHData[:-1]
    dataset.save_as(tmp_path / "RD.dcm")

    with pytest.raises(ReadError, match="do not pair up"):
        load_exported_dvhs(tmp_path / "RD.dcm")


def test_a_value_that_is_no_number_is_quoted(tmp_path: Path) -> None:
    save_dose(
        uniform_dose(), tmp_path / "RD.dcm", dvhs=[replace(RAMP, dose_scaling=0.125)]
    )
    content = (tmp_path / "RD.dcm").read_bytes()
    (tmp_path / "RD.dcm").write_bytes(content.replace(b"0.125", b"0,125"))

    with pytest.raises(ReadError, match="0,125"):
        load_exported_dvhs(tmp_path / "RD.dcm")


# --- To dicompyler-core -------------------------------------------------------------------------


@pytest.mark.parametrize("lowest_gy", [0.0, 4.0])
def test_dicompyler_core_answers_what_we_answer(lowest_gy: float) -> None:
    """Its statistics take the nearest sample: to one step of 0.1 Gy."""
    theirs = pytest.importorskip("dicompylercore.dvh")
    dose_gy = np.linspace(lowest_gy, GY, 201)
    volume_cc = CC * (GY - dose_gy) / (GY - lowest_gy)
    dvh = DVH(
        roi_name="cord",
        volume_cc=CC,
        volume_outside_cc=0.0,
        dose_gy=dose_gy,
        volume_cc_at_dose=volume_cc,
        min_gy=lowest_gy,
        max_gy=GY,
        mean_gy=(lowest_gy + GY) / 2,
    )

    other = theirs.DVH(**dvh.to_dicompyler())

    assert other.volume == pytest.approx(CC)
    assert other.mean == pytest.approx(dvh.mean_gy, abs=0.1)
    for percent in (2, 50, 95):
        expected = dvh.dose_at_percent_gy(percent)
        assert other.statistic(f"D{percent}").value == pytest.approx(expected, abs=0.1)
    assert other.max == pytest.approx(GY)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"dose_gy": np.empty(0), "volume_cc_at_dose": np.empty(0)},
            "at least one dose",
        ),
        ({"dose_gy": np.zeros(3)}, "one volume for each dose"),
        ({"volume_cc": 0.0}, "an ROI with a volume"),
    ],
)
def test_a_dvh_without_volume_or_dose_cannot_be_made(
    change: dict[str, object], why: str
) -> None:
    whole: dict[str, object] = {
        "roi_name": "cord",
        "volume_cc": 1.0,
        "volume_outside_cc": 0.0,
        "dose_gy": np.array([10.0, 20.0]),
        "volume_cc_at_dose": np.array([1.0, 0.0]),
        "min_gy": 10.0,
        "max_gy": 20.0,
        "mean_gy": 15.0,
    }

    assert DVH(**whole).volume_at_dose_cc(15) == 0.5  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=why):
        DVH(**(whole | change))  # type: ignore[arg-type]
