"""What a planned treatment is: frozen values, with units in their names.

Everybody meets here: `dicom` makes these values, the workshop computes with them, `checks`
judges them. Nothing in this room knows of files.

Coordinates are those of the DICOM patient system in mm: x to the patient's left, y to the
back, z to the head (PS3.3 C.7.6.2.1.1).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Literal, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sbrtcheck.errors import CaseError
from sbrtcheck.model.frozen import sealed
from sbrtcheck.model.identity import Patient, patient_key
from sbrtcheck.model.text import Text

FloatArray = NDArray[np.float64]
Point = tuple[float, float, float]  # x, y, z in mm
MOST_SHOWN = 40  # characters of a name in a `repr`


def frozen_array(values: ArrayLike, *, ndim: int) -> FloatArray:
    """Return `values` as a read-only float64 array that nobody else holds.

    Raises
    ------
    ValueError
        If the number of dimensions is not `ndim`.
    """
    array = (
        values if _is_frozen(values) else np.array(values, dtype=np.float64, order="C")
    )
    if array.ndim != ndim:
        raise ValueError(f"expected an array of {ndim} dimensions, got {array.ndim}")
    array.flags.writeable = False
    return array


def _is_frozen(values: ArrayLike) -> TypeGuard[FloatArray]:
    """Tell whether these are float64 in C order that nobody can write, through no other array."""
    if type(values) is not np.ndarray:
        return False
    if values.dtype != np.float64:
        return False
    owner: object = values
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return False
        owner = owner.base
    return values.flags.c_contiguous and isinstance(owner, bytes | None)


def shortened(name: str) -> str:
    """Return a name as a `repr` shows it."""
    if len(name) <= MOST_SHOWN:
        return name
    return f"{name[: MOST_SHOWN - 1]}…"


class Rebuilt:
    """A value that is copied and unpickled through its constructor, so that arrays stay frozen."""

    __slots__ = ()
    __dataclass_fields__: "ClassVar[dict[str, Field[Any]]]"

    def __reduce__(self) -> tuple[object, ...]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return _rebuild, (type(self), values)


def _rebuild(kind: Callable[..., Rebuilt], values: dict[str, Any]) -> Rebuilt:
    return kind(**values)


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """The header that RT Plan, RT Structure Set and RT Dose share (a DICOM SOP Instance).

    `time` is that of `date`, as HHMMSS with or without fractions of a second; `age_years` is that of
    the patient as the file states it.
    `sha256` is of the file's bytes, `dataset_sha256` of what they say: the latter is the same for
    copies that were encoded anew on the way. None where it was not computed.
    """

    sop_instance_uid: str
    sop_class_uid: str
    patient: Patient
    study_instance_uid: str | None = None
    frame_of_reference_uid: str | None = None
    label: str | None = None
    date: str | None = None
    time: str | None = None
    study_date: str | None = None
    approval_status: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    institution: str | None = None
    age_years: float | None = None
    sha256: str | None = None
    dataset_sha256: str | None = None
    notes: tuple[Text, ...] = ()

    def __repr__(self) -> str:
        return f"Instance(…{self.sop_instance_uid[-8:]})"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class DoseReference:
    """One item of the DoseReferenceSequence (PS3.3 C.8.8.10), doses in Gy of the whole plan."""

    number: int | None = None
    structure_type: str = ""
    description: str = ""
    type: str = ""
    target_prescription_dose_gy: float | None = None
    delivery_maximum_dose_gy: float | None = None
    organ_at_risk_maximum_dose_gy: float | None = None
    referenced_roi_number: int | None = None
    point_mm: Point | None = None


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class FractionGroup:
    """One item of the FractionGroupSequence; the beam rows are parallel tuples.

    A beam number is None where the row does not state it. `beam_points_mm` are the points at which
    the beam doses are specified.
    """

    number: int | None = None
    fractions: int | None = None
    beam_numbers: tuple[int | None, ...] = ()
    beam_doses_gy: tuple[float | None, ...] = ()
    beam_metersets: tuple[float | None, ...] = ()
    beam_points_mm: tuple[Point | None, ...] = ()


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Where jaws or leaves stand: all of the first side, then all of the other (PS3.3 C.8.8.14)."""

    device: str
    positions_mm: tuple[float, ...]

    def __repr__(self) -> str:
        return f"Opening({self.device}, {len(self.positions_mm)} positions)"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPoint:
    """One item of a ControlPointSequence; what it does not state holds on from the one before.

    `weight` is the cumulative meterset weight, `rotation` where the gantry turns from here on.
    """

    weight: float | None = None
    gantry_deg: float | None = None
    rotation: str = ""
    openings: tuple[Opening, ...] = ()

    def __repr__(self) -> str:
        return f"ControlPoint(weight {self.weight}, gantry {self.gantry_deg})"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """One item of the BeamSequence, as far as a plan check needs it.

    `manufacturer` and `model` are of the machine, `position` is the patient position of the set-up
    that the beam names, `final_weight` the meterset weight at its end.
    """

    number: int
    name: str = ""
    delivery_type: str = "TREATMENT"
    radiation_type: str = ""
    machine: str = ""
    energy_mv: float | None = None
    gantry_angles_deg: tuple[float, ...] = ()
    isocentre_mm: Point | None = None
    manufacturer: str = ""
    model: str = ""
    dosimeter_unit: str = ""
    position: str = ""
    final_weight: float | None = None
    control_points: tuple[ControlPoint, ...] = ()

    def __repr__(self) -> str:
        return f"Beam({self.number}, {shortened(self.name)!r}, {len(self.control_points)} points)"

    @property
    def treats(self) -> bool:
        """Tell whether this beam gives dose, unlike SETUP and portfilm beams."""
        return self.delivery_type in ("", "TREATMENT", "CONTINUATION")


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One RT Plan, or what names an RT Ion Plan (`is_ion`), whose beams are not read.

    `intent` is PlanIntent, `geometry` RTPlanGeometry; `brachy_setups` counts the items of
    ApplicationSetupSequence.
    """

    instance: Instance
    name: str = ""
    description: str = ""
    dose_references: tuple[DoseReference, ...] = ()
    fraction_groups: tuple[FractionGroup, ...] = ()
    beams: tuple[Beam, ...] = ()
    structure_set_uid: str | None = None
    patient_positions: tuple[str, ...] = ()
    intent: str = ""
    geometry: str = ""
    brachy_setups: int = 0
    is_ion: bool = False
    notes: tuple[Text, ...] = ()

    def __repr__(self) -> str:
        return f"Plan(…{self.instance.sop_instance_uid[-8:]}, {len(self.beams)} beams)"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """What was prescribed, to what, and where that was read.

    Examples
    --------
    >>> Prescription(dose_gy=30, fractions=5).dose_per_fraction_gy
    6.0
    """

    dose_gy: float
    fractions: int
    target: str = ""
    source: Text = Text("given")  # noqa: RUF009 - frozen

    @property
    def dose_per_fraction_gy(self) -> float:
        """Return the dose of one fraction in Gy."""
        return self.dose_gy / self.fractions


@sealed
@dataclass(frozen=True, slots=True)
class Value:
    """What a metric came to, in the metric's unit.

    `value` is None where it cannot be known, and `reason` says why. `low` and `high` bound the
    true answer where more than the nominal value is known; None where no bound is known.

    Examples
    --------
    >>> value = Value(16.2, low=15.5, high=16.5)
    >>> value.low <= value.value <= value.high
    True
    >>> print(Value(None, reason=Text("the ROI is not drawn")).reason)
    the ROI is not drawn
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: Text | None = None


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """How contours and dose grid are read where both leave a choice.

    Parameters
    ----------
    between_planes
        "slab": each plane owns the space halfway to its neighbours; "shape": outlines go over
        into each other, by signed distances and areas.
    end_caps
        "half-slice": a piece ends half a spacing beyond its end planes, in the shape convention
        earlier or later where its areas run out there; "none": it ends at its end planes.
    dose
        Between grid points "trilinear", or "cubic" along each axis.
    fill_gaps
        Whether up to two missing planes between overlapping outlines are taken as filled.
    sub_cells
        How many sub-cells the solid is cut into, roughly.
    """

    between_planes: Literal["slab", "shape"] = "slab"
    end_caps: Literal["half-slice", "none"] = "half-slice"
    dose: Literal["trilinear", "cubic"] = "trilinear"
    fill_gaps: bool = True
    sub_cells: int = 20_000

    def __post_init__(self) -> None:
        if self.sub_cells < 1:
            raise ValueError(f"sub_cells must be at least 1, got {self.sub_cells}")


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contour(Rebuilt):
    """One closed planar ring in an axial plane.

    Parameters
    ----------
    points_mm
        Shape (n, 2): x and y of the corners, the last joined to the first.
    z_mm
        Where the plane lies.
    xor
        True for CLOSEDPLANAR_XOR: rings of the plane combine by exclusive-or.
    """

    points_mm: FloatArray
    z_mm: float
    xor: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "points_mm", frozen_array(self.points_mm, ndim=2))
        if self.points_mm.shape[1] != 2:
            raise ValueError(
                f"points_mm must have shape (n, 2), got {self.points_mm.shape}"
            )
        if not np.isfinite(self.points_mm).all() or not math.isfinite(self.z_mm):
            raise ValueError("points_mm and z_mm must be finite")

    def __repr__(self) -> str:
        return f"Contour(z {self.z_mm:g} mm, {len(self.points_mm)} points)"


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ROI:
    """A region of interest: named contours.

    `plane_spacing_mm` is the main spacing of the whole structure set. It gives a single plane its
    thickness; `None` leaves such an ROI without volume. `fills_thin_holes` tells that a contour
    repeated a little smaller is a copy, as in organs, and not the inside of a skin or a shell.
    `problem` says why the contours cannot be read; there are none then. `properties` are physical
    properties that the planning system was told to assume, with their values.

    Examples
    --------
    >>> ring = [[0, 0], [10, 0], [10, 10], [0, 10]]
    >>> ROI(name="box", contours=[Contour(points_mm=ring, z_mm=z) for z in (0, 3, 6)]).z_mm
    array([0., 3., 6.])
    """

    name: str
    contours: tuple[Contour, ...] = ()
    number: int | None = None
    interpreted_type: str = ""
    frame_of_reference_uid: str | None = None
    plane_spacing_mm: float | None = None
    fills_thin_holes: bool = False
    problem: Text | None = None
    properties: tuple[tuple[str, float | None], ...] = ()
    notes: tuple[Text, ...] = ()

    def __repr__(self) -> str:
        return f"ROI({shortened(self.name)!r}, {len(self.contours)} contours)"

    @property
    def z_mm(self) -> FloatArray:
        """Return the distinct heights of the contour planes, ascending, shape (n,)."""
        return distinct(contour.z_mm for contour in self.contours)


# Contours closer than this lie in one plane; the finest CT has 0.1 mm.
SAME_PLANE_MM = 0.02


ONE_PLANE = 1 / 3  # of the spacing: planes closer than this are one plane
# As far apart at most lie the rings of one plane that scatter around it.
SCATTER_MM = 0.65
MOST_CORNERS = 2_000_000  # of an ROI; no more are put together
NEXT_PLANE = 1.5  # neighbouring planes are at most this many spacings apart


def main_spacing_mm(steps_mm: ArrayLike) -> float | None:
    """Return the plane spacing in mm that covers most of an ROI's length; the smaller on a tie.

    Parameters
    ----------
    steps_mm
        The distances of neighbouring planes, in the order of the planes.

    Notes
    -----
    Steps that differ by rounding (2.4991 and 2.4992) count as one; where steps scatter so that
    none of them covers half of those like it, their mean. However long, a step is a gap and no
    spacing where more planes follow each other at a third of it or less, further than the rings
    of one plane may scatter. `None` without any.

    Examples
    --------
    >>> main_spacing_mm([0.1, 1.9, 0.1, 1.9, 0.1, 0.1, 1.8, 0.1, 1.9])
    1.9
    >>> main_spacing_mm([2, 2, 30, 2, 2])
    2.0
    """
    steps = np.asarray(steps_mm, dtype=np.float64)
    if steps.size == 0:
        return None
    ordered = np.sort(steps)
    groups = np.split(ordered, np.flatnonzero(np.diff(ordered) > SAME_PLANE_MM) + 1)
    # Lengths are compared to the micrometre: a tie is one in spite of rounding.
    groups.sort(key=lambda group: (-round(float(group.sum()), 3), float(group[0])))
    main = next(group for group in groups if not _is_gap(group, steps))
    step_mm = float(main[len(main) // 2])
    alike = ordered[
        (ordered * NEXT_PLANE >= step_mm) & (ordered <= NEXT_PLANE * step_mm)
    ]
    same = np.ptp(main) <= SAME_PLANE_MM and 2 * main.sum() >= alike.sum()
    if same:
        return step_mm
    return float(alike.mean())


def _is_gap(group: FloatArray, steps_mm: FloatArray) -> bool:
    """Tell whether steps are gaps: more planes than they part follow each other closely."""
    close_mm = ONE_PLANE * float(group[0]) + SAME_PLANE_MM
    short = steps_mm <= close_mm
    runs = np.split(steps_mm, np.flatnonzero(np.diff(short)) + 1)
    in_runs = sum(
        len(run) for run in runs if run[0] <= close_mm and run.sum() > SCATTER_MM
    )
    return in_runs > len(group)


def distinct(values: Iterable[float]) -> FloatArray:
    """Return the distinct values, ascending; those within `SAME_PLANE_MM` count as one."""
    ordered = np.sort(np.fromiter(values, dtype=np.float64))
    step = np.diff(ordered, prepend=-np.inf)
    return np.asarray(ordered[step > SAME_PLANE_MM], dtype=np.float64)


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StructureSet:
    """One RT Structure Set: ROIs, and the header that it came with."""

    rois: tuple[ROI, ...]
    instance: Instance
    notes: tuple[Text, ...] = ()

    def __repr__(self) -> str:
        uid = self.instance.sop_instance_uid
        return f"StructureSet(…{uid[-8:]}, {len(self.rois)} ROIs)"

    def roi(self, name: str) -> ROI:
        """Return the ROI of exactly this name.

        Raises
        ------
        CaseError
            If no ROI, or more than one, has the name.
        """
        found = [roi for roi in self.rois if roi.name == name]
        if len(found) == 1:
            return found[0]
        raise CaseError(
            Text(
                "the structure set has {count} ROIs called '{name}'",
                count=len(found),
                name=name,
            ),
            candidates=[roi.name for roi in self.rois],
        )


@sealed
@dataclass(frozen=True, slots=True, kw_only=True)
class DoseHeader:
    """What an RT Dose says of itself, without its values.

    `size` is (columns, rows, frames) as stored, `orientation` holds the direction cosines of rows
    and columns, `step_gy` is the dose of one count.
    """

    instance: Instance
    units: str = ""
    type: str = ""
    summation_type: str = ""
    referenced_plan_uids: tuple[str, ...] = ()
    referenced_structure_set_uid: str | None = None
    fraction_group_numbers: tuple[int, ...] = ()
    beam_numbers: tuple[int, ...] = ()
    size: tuple[int, int, int] = (0, 0, 0)
    heterogeneity_correction: str = ""
    orientation: tuple[float, ...] = ()
    step_gy: float | None = None


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DoseGrid(Rebuilt):
    """Dose on a rectilinear grid in patient coordinates.

    Whatever the patient position, axes ascend: `dose_gy[k, j, i]` is the dose at
    `(x_mm[i], y_mm[j], z_mm[k])`. Steps need not be uniform.

    Parameters
    ----------
    dose_gy
        Shape (nz, ny, nx).
    x_mm, y_mm, z_mm
        The grid points, strictly ascending, at least two each.
    saturated
        How many values are the largest that the file can hold.
    """

    dose_gy: FloatArray
    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray
    header: DoseHeader | None = None
    saturated: int = 0
    notes: tuple[Text, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dose_gy", frozen_array(self.dose_gy, ndim=3))
        for axis in ("x_mm", "y_mm", "z_mm"):
            coordinates = frozen_array(getattr(self, axis), ndim=1)
            if not np.isfinite(coordinates).all():
                raise ValueError(f"{axis} must be finite")
            if coordinates.size < 2 or not (np.diff(coordinates) > 0).all():
                raise ValueError(
                    f"{axis} needs at least two strictly ascending grid points"
                )
            object.__setattr__(self, axis, coordinates)
        expected = (self.z_mm.size, self.y_mm.size, self.x_mm.size)
        if self.dose_gy.shape != expected:
            raise ValueError(
                f"dose_gy has shape {self.dose_gy.shape}, its axes say {expected}"
            )
        if not np.isfinite(self.dose_gy).all():
            raise ValueError("dose_gy must be finite everywhere")

    def __repr__(self) -> str:
        nz, ny, nx = self.dose_gy.shape
        range_gy = f"{self.dose_gy.min():.4g} to {self.dose_gy.max():.4g} Gy"
        return f"DoseGrid({nx} x {ny} x {nz} points, {range_gy})"

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Return the largest step along x, y and z."""
        x, y, z = (
            float(np.diff(axis).max()) for axis in (self.x_mm, self.y_mm, self.z_mm)
        )
        return x, y, z


@sealed
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedDVH(Rebuilt):
    """One item of the DVHSequence of an RT Dose (PS3.3 C.8.8.4), as the planning system wrote it.

    Nothing is converted: in which units the numbers are, only its other attributes tell, and not
    all exports tell it right.

    Parameters
    ----------
    bin_widths, volumes
        Shape (n,) each: the pairs of DVHData; widths times `dose_scaling` are in `dose_units`.
    included, excluded
        Numbers of the ROIs whose volume counts, and of those taken out of it.
    kind
        DVHType: "CUMULATIVE", "DIFFERENTIAL" or "NATURAL".
    stated_minimum, stated_mean, stated_maximum
        As stated beside the curve; some systems write percent where `dose_units` says GY.
    """

    bin_widths: FloatArray
    volumes: FloatArray
    included: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()
    kind: str = "CUMULATIVE"
    dose_units: str = "GY"
    dose_type: str = "PHYSICAL"
    dose_scaling: float | None = 1.0
    volume_units: str = "CM3"
    stated_bins: int | None = None
    normalisation_dose_gy: float | None = None
    stated_minimum: float | None = None
    stated_mean: float | None = None
    stated_maximum: float | None = None

    def __repr__(self) -> str:
        return f"ExportedDVH(ROIs {self.included}, {self.volumes.size} bins)"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bin_widths", frozen_array(self.bin_widths, ndim=1))
        object.__setattr__(self, "volumes", frozen_array(self.volumes, ndim=1))
        if self.bin_widths.size != self.volumes.size:
            raise ValueError("a DVH has one volume for each bin")


def same_patient(one: Instance, other: Instance) -> bool:
    """Tell whether two files are of one patient: one patient ID; without any, one study or frame.

    The same ID is the same patient, even at two centres: dose that may reach the same cord must
    not be overlooked.
    """
    keys = [patient_key(instance.patient.patient_id) for instance in (one, other)]
    if all(keys):
        return keys[0] == keys[1]
    study = {one.study_instance_uid} & {other.study_instance_uid}
    frame = {one.frame_of_reference_uid} & {other.frame_of_reference_uid}
    stated = (study | frame) - {None}
    return bool(stated)
