"""The cumulative curve: volume that receives at least a dose."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, TypedDict

import numpy as np

from sbrtcheck.contours import Gap
from sbrtcheck.errors import CaseError
from sbrtcheck.model import FloatArray, Rebuilt, Text, frozen_array, sealed, shortened

__all__ = ["DVH", "OUTSIDE", "DVHResult", "NoDose", "NothingDrawn", "add_dvhs"]

OUTSIDE = 1e-6  # of the volume: less than this beyond the grid is rounding


class DicompylerArguments(TypedDict):
    """What `dicompylercore.dvh.DVH` is made from."""

    counts: FloatArray
    bins: FloatArray
    dvh_type: str
    dose_units: str
    volume_units: str
    name: str
    notes: str


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DVH(Rebuilt):
    """A cumulative dose-volume histogram: of an ROI that has a volume, and a dose in part of it.

    An ROI whose contours enclose nothing is a `NothingDrawn`, one of which no dose is known a
    `NoDose`.

    Parameters
    ----------
    dose_gy
        Shape (n,), ascending.
    volume_cc_at_dose
        Shape (n,): the volume that receives at least that dose, of the part inside the grid.
    volume_cc
        The volume of the whole ROI.
    volume_outside_cc
        What of it lies beyond the dose grid, where no dose is known.
    min_gy, max_gy, mean_gy
        Over the part inside the grid, its surface included.
    gaps, notes
        Missing planes; what was assumed or mended in the contours.

    Examples
    --------
    >>> from sbrtcheck import compute_dvh
    >>> from sbrtcheck.phantoms import Box, even_axis, linear_dose
    >>> axis = even_axis(-20, 20, 2)
    >>> dose = linear_dose(gradient_gy_per_mm=1, axis="x", at_origin_gy=20).sampled(axis, axis, axis)
    >>> dvh = compute_dvh(Box(size_mm=(10, 10, 10)).roi("cube", spacing_mm=2), dose)
    >>> round(dvh.volume_cc, 6), round(dvh.min_gy, 6), round(dvh.max_gy, 6)
    (1.0, 15.0, 25.0)
    >>> round(dvh.volume_at_dose_percent(22), 2), dvh.dose_at_volume_gy(2.0)
    (30.0, None)
    """

    roi_name: str
    volume_cc: float
    volume_outside_cc: float
    dose_gy: FloatArray
    volume_cc_at_dose: FloatArray
    min_gy: float
    max_gy: float
    mean_gy: float
    gaps: tuple[Gap, ...] = ()
    notes: tuple[Text, ...] = ()

    def __post_init__(self) -> None:
        for name in ("dose_gy", "volume_cc_at_dose"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), ndim=1))
        if self.dose_gy.size == 0 or self.dose_gy.shape != self.volume_cc_at_dose.shape:
            raise ValueError(
                "a DVH has one volume for each dose, and at least one dose"
            )
        if not self.volume_cc > 0:
            raise ValueError("a DVH is of an ROI with a volume")

    def __repr__(self) -> str:
        dose = f"mean {self.mean_gy:.4g} Gy, max {self.max_gy:.4g} Gy"
        return f"DVH({shortened(self.roi_name)!r}, {self.volume_cc:.4g} cc, {dose})"

    @classmethod
    def from_dicom(
        cls,
        path: str | Path,
        roi_number: int,
        *,
        roi_name: str = "",
        volume_cc: float | None = None,
    ) -> "DVH":
        """Return the DVH that the planning system wrote into an RT Dose (PS3.3 C.8.8.4).

        What reading it had to assume stands in `notes`; nothing is guessed.

        Parameters
        ----------
        path
            An RT Dose.
        roi_number
            `ROI.number`; the RT Dose knows no names.
        volume_cc
            The ROI's volume, needed where the curve is in percent of it.

        Raises
        ------
        CaseError
            If the RT Dose does not carry exactly one DVH of this ROI alone.
        ReadError
            If the file is not a readable RT Dose; `UnsupportedError` if the curve cannot be
            understood without a guess.
        """
        # dicom (and pydicom with it) is loaded by those only who read files.
        from sbrtcheck.dicom import load_exported_dvhs
        from sbrtcheck.dvh.exported import dvh_of_exported

        found = [
            row
            for row in load_exported_dvhs(Path(path))
            if row.included == (roi_number,)
        ]
        if len(found) != 1:
            raise CaseError(
                Text(
                    "it carries {n} DVHs of ROI number {roi}",
                    n=len(found),
                    roi=roi_number,
                ),
                path=Path(path),
            )
        return dvh_of_exported(found[0], roi_name=roi_name, volume_cc=volume_cc)

    def to_dicompyler(self) -> DicompylerArguments:
        """Return what `dicompylercore.dvh.DVH` is made from: `DVH(**dvh.to_dicompyler())`.

        The arguments, not the object: dicompyler-core is a second opinion, and nothing here
        depends on it. It is installed by `pip install "sbrtcheck[crosscheck]"`.
        """
        # dicompyler-core counts from 0 Gy, and one volume less than it has edges of bins.
        below = self.dose_gy[:1] > 0
        notes = [str(note) for note in self.notes]
        if not self.is_complete:
            notes.append(
                f"without {self.volume_outside_cc:.4g} cc beyond the dose grid"
            )
        return DicompylerArguments(
            counts=np.concatenate(
                [self.volume_cc_at_dose[:1][below], self.volume_cc_at_dose[:-1]]
            ),
            bins=np.concatenate([np.zeros(1)[below], self.dose_gy]),
            dvh_type="cumulative",
            dose_units="Gy",
            volume_units="cm3",
            name=self.roi_name,
            notes="; ".join(notes),
        )

    @property
    def is_complete(self) -> bool:
        """Tell whether the dose is known in all of the ROI."""
        return self.volume_outside_cc <= OUTSIDE * self.volume_cc

    def dose_at_volume_gy(self, volume_cc: float) -> float | None:
        """Return the least dose in the hottest `volume_cc`.

        Linear between the samples of the curve.

        Returns
        -------
        Dose in Gy, or None if the ROI holds less than `volume_cc` or leaves the dose grid:
        no dose can then be named, and zero would read as safe.

        Raises
        ------
        ValueError
            If `volume_cc` is not positive.
        """
        return self.dose_inside_gy(volume_cc) if self.is_complete else None

    def dose_inside_gy(self, volume_cc: float) -> float | None:
        """Return the least dose in the hottest `volume_cc` of the part inside the dose grid.

        A lower bound of `dose_at_volume_gy` where the ROI leaves the grid.
        """
        if volume_cc <= 0:
            raise ValueError(f"volume_cc must be positive, got {volume_cc}")
        inside_cc = float(self.volume_cc_at_dose[0])
        if volume_cc > inside_cc * (1 + 1e-12):
            return None
        asked_cc = min(volume_cc, inside_cc)
        last = int(np.flatnonzero(self.volume_cc_at_dose >= asked_cc)[-1])
        if last + 1 == self.dose_gy.size:
            return self.max_gy
        high, low = self.volume_cc_at_dose[last], self.volume_cc_at_dose[last + 1]
        share = float((high - asked_cc) / (high - low))
        dose_gy = self.dose_gy[last] + share * (
            self.dose_gy[last + 1] - self.dose_gy[last]
        )
        # The curve's last sample lies a rounding step beyond the maximum, where it reaches 0.
        return float(min(dose_gy, self.max_gy))

    def dose_at_percent_gy(self, percent: float) -> float | None:
        """Return the least dose in the hottest `percent` of the ROI; see `dose_at_volume_gy`.

        Raises
        ------
        ValueError
            If `percent` is not in (0, 100].
        """
        if not 0 < percent <= 100:
            raise ValueError(f"percent must be in (0, 100], got {percent}")
        return self.dose_at_volume_gy(self.volume_cc * percent / 100)

    def volume_at_dose_cc(self, dose_gy: float) -> float | None:
        """Return the volume that receives at least `dose_gy`, or None if any dose is unknown."""
        if not self.is_complete:
            return None
        return self.volume_inside_cc(dose_gy)

    def volume_inside_cc(self, dose_gy: float) -> float:
        """Return what of the part inside the dose grid receives at least `dose_gy`."""
        return float(
            np.interp(dose_gy, self.dose_gy, self.volume_cc_at_dose, right=0.0)
        )

    def with_outside_at(self, dose_gy: float) -> "DVH":
        """Return the DVH as if all of the part outside the dose grid received one dose."""
        step_gy = np.array([dose_gy, np.nextafter(dose_gy, np.inf)])
        doses_gy = _distinct([self.dose_gy, step_gy])
        inside_cc = np.interp(doses_gy, self.dose_gy, self.volume_cc_at_dose, right=0.0)
        outside_cc = np.where(doses_gy <= dose_gy, self.volume_outside_cc, 0.0)
        inside_gy_cc = self.mean_gy * (self.volume_cc - self.volume_outside_cc)
        sum_gy_cc = inside_gy_cc + dose_gy * self.volume_outside_cc
        return replace(
            self,
            volume_outside_cc=0.0,
            dose_gy=frozen_array(doses_gy, ndim=1),
            volume_cc_at_dose=frozen_array(inside_cc + outside_cc, ndim=1),
            min_gy=min(self.min_gy, dose_gy),
            max_gy=max(self.max_gy, dose_gy),
            mean_gy=sum_gy_cc / self.volume_cc,
        )

    def volume_at_dose_percent(self, dose_gy: float) -> float | None:
        """Return the percentage of the ROI that receives at least `dose_gy`, or None."""
        volume_cc = self.volume_at_dose_cc(dose_gy)
        if volume_cc is None:
            return None
        return 100 * volume_cc / self.volume_cc


def _distinct(doses_gy: Sequence[FloatArray]) -> FloatArray:
    """Return all doses, ascending, each once (NumPy's own would import masked arrays)."""
    ordered: FloatArray = np.sort(np.concatenate(doses_gy))
    distinct: FloatArray = ordered[np.append(True, np.diff(ordered) > 0)]
    return distinct


def add_dvhs(dvhs: Sequence[DVH], *, name: str) -> DVH:
    """Return the DVH of several ROIs that share no volume, as if they were one."""
    doses_gy = _distinct([dvh.dose_gy for dvh in dvhs])
    curves_cc = [
        np.interp(doses_gy, dvh.dose_gy, dvh.volume_cc_at_dose, right=0.0)
        for dvh in dvhs
    ]
    means_gy = [dvh.mean_gy for dvh in dvhs]
    inside_cc = [dvh.volume_cc - dvh.volume_outside_cc for dvh in dvhs]
    return DVH(
        roi_name=name,
        volume_cc=sum(dvh.volume_cc for dvh in dvhs),
        volume_outside_cc=sum(dvh.volume_outside_cc for dvh in dvhs),
        dose_gy=frozen_array(doses_gy, ndim=1),
        volume_cc_at_dose=frozen_array(np.sum(curves_cc, axis=0), ndim=1),
        min_gy=min(dvh.min_gy for dvh in dvhs),
        max_gy=max(dvh.max_gy for dvh in dvhs),
        mean_gy=float(np.average(means_gy, weights=inside_cc)),
        notes=tuple(note for dvh in dvhs for note in dvh.notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Unanswered:
    """An ROI of which nothing can be told but why; it is asked as a DVH is."""

    roi_name: str
    notes: tuple[Text, ...] = ()
    is_complete: ClassVar[bool] = False

    def dose_at_volume_gy(self, volume_cc: float) -> None:
        """Return None: no dose is known."""

    def dose_inside_gy(self, volume_cc: float) -> None:
        """Return None: no dose is known."""

    def dose_at_percent_gy(self, percent: float) -> None:
        """Return None: no dose is known."""

    def volume_at_dose_cc(self, dose_gy: float) -> None:
        """Return None: no dose is known."""

    def volume_at_dose_percent(self, dose_gy: float) -> None:
        """Return None: no dose is known."""


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NothingDrawn(_Unanswered):
    """An ROI whose contours enclose no volume: it has neither volume nor dose.

    `reason` is what is wrong with its contours.
    """

    reason: Text
    volume_cc: ClassVar[None] = None
    volume_outside_cc: ClassVar[None] = None


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoDose(_Unanswered):
    """An ROI of which no dose is known: it has a volume, and lies beyond the dose grid.

    Parameters
    ----------
    volume_cc
        The volume of the ROI.
    gaps, notes
        Missing planes; what was assumed or mended in the contours.
    """

    volume_cc: float
    gaps: tuple[Gap, ...] = ()
    reason: ClassVar[Text] = Text("the ROI lies outside the dose grid")

    @property
    def volume_outside_cc(self) -> float:
        """Return the volume beyond the dose grid: all of it."""
        return self.volume_cc

    def with_outside_at(self, dose_gy: float) -> DVH:
        """Return the DVH as if all of the ROI received one dose."""
        return DVH(
            roi_name=self.roi_name,
            volume_cc=self.volume_cc,
            volume_outside_cc=0.0,
            dose_gy=np.array([dose_gy, np.nextafter(dose_gy, np.inf)]),
            volume_cc_at_dose=np.array([self.volume_cc, 0.0]),
            min_gy=dose_gy,
            max_gy=dose_gy,
            mean_gy=dose_gy,
            gaps=self.gaps,
            notes=self.notes,
        )


DVHResult = DVH | NoDose | NothingDrawn
