"""The smallest case that can be judged, as model values and as files.

A claim changes what it is about and leaves the rest: `replace(plan(), name="A")`,
`write_case(folder, dose=uniform_dose(24.0))`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sbrtcheck.dicom import RT_DOSE, RT_PLAN, RT_STRUCTURE_SET
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.dvh import DVH, compute_dvh
from sbrtcheck.model import (
    ROI,
    Beam,
    Contour,
    Convention,
    DoseGrid,
    DoseHeader,
    DoseReference,
    FloatArray,
    FractionGroup,
    Instance,
    Patient,
    Plan,
    StructureSet,
)

PLAN_UID = "1.2.826.0.1.3680043.10.999.1"
STRUCTURE_SET_UID = "1.2.826.0.1.3680043.10.999.2"
DOSE_UID = "1.2.826.0.1.3680043.10.999.3"
FRAME_UID = "1.2.826.0.1.3680043.10.999.4"
STUDY_UID = "1.2.826.0.1.3680043.10.999.5"

Point = tuple[float, float, float]
Field = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


class Files(NamedTuple):
    """Where a case was written."""

    plan: Path
    structure_set: Path
    dose: Path


def instance(sop_instance_uid: str, sop_class_uid: str, *, label: str = "") -> Instance:
    """Return the header of an object of the one patient, study and frame of reference."""
    return Instance(
        sop_instance_uid=sop_instance_uid,
        sop_class_uid=sop_class_uid,
        patient=Patient(patient_id="P-0815", name="Doe^Jane", birth_date="19600102"),
        study_instance_uid=STUDY_UID,
        frame_of_reference_uid=FRAME_UID,
        label=label or None,
        date="20260105",
        study_date="20260105",
        approval_status="APPROVED",
        manufacturer="sbrtcheck",
    )


def box(name: str, low: Point, high: Point, *, spacing_mm: float = 3.0) -> ROI:
    """Return a box from corner to corner in mm, drawn in the middle of slabs of one thickness."""
    (x0, y0, _), (x1, y1, _) = low, high
    ring = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    return _prism(name, np.array(ring), low[2], high[2], spacing_mm)


def cylinder(
    name: str,
    centre: tuple[float, float],
    radius_mm: float,
    z_low: float,
    z_high: float,
    *,
    spacing_mm: float = 3.0,
) -> ROI:
    """Return an upright cylinder of 128 corners, drawn in the middle of slabs of one thickness."""
    angle = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * radius_mm + np.array(
        centre
    )
    return _prism(name, ring, z_low, z_high, spacing_mm)


def _prism(
    name: str, ring: FloatArray, z_low: float, z_high: float, spacing_mm: float
) -> ROI:
    slabs = round((z_high - z_low) / spacing_mm)
    heights = z_low + spacing_mm * (np.arange(slabs) + 0.5)
    return ROI(
        name=name,
        contours=tuple(Contour(points_mm=ring, z_mm=float(z)) for z in heights),
        plane_spacing_mm=spacing_mm,
        frame_of_reference_uid=FRAME_UID,
    )


def plan(dose_gy: float = 30.0, fractions: int = 5, target: str = "PTV_T8") -> Plan:
    """Return an approved one-arc plan with its prescription to a target SITE.

    Its label states the level of the usual target, and no level of another one.
    """
    label = "T8 SBRT" if target == "PTV_T8" else "SBRT"
    return Plan(
        instance=instance(PLAN_UID, RT_PLAN, label=label),
        name=label,
        dose_references=(
            DoseReference(
                number=1,
                structure_type="SITE",
                description=target,
                type="TARGET",
                target_prescription_dose_gy=dose_gy,
            ),
        ),
        fraction_groups=(
            FractionGroup(
                number=1,
                fractions=fractions,
                beam_numbers=(1,),
                beam_doses_gy=(dose_gy / fractions,),
                beam_metersets=(1500.0,),
            ),
        ),
        beams=(
            Beam(
                number=1,
                name="Arc 1",
                radiation_type="PHOTON",
                machine="Linac",
                energy_mv=6.0,
                gantry_angles_deg=(181.0, 179.0),
                isocentre_mm=(0.0, 0.0, 0.0),
            ),
        ),
        structure_set_uid=STRUCTURE_SET_UID,
        patient_positions=("HFS",),
    )


def structure_set(rois: Sequence[ROI] | None = None) -> StructureSet:
    """Return a structure set; without ROIs given, of a target at T8 with the cord behind it."""
    if rois is None:
        rois = (
            box("PTV_T8", (-12, -12, -12), (12, 12, 12)),
            cylinder("SpinalCord", (0, 24), 5, -30, 30),
        )
    return StructureSet(
        rois=tuple(rois),
        instance=instance(STRUCTURE_SET_UID, RT_STRUCTURE_SET, label="CT 1"),
    )


def uniform_dose(gy: float = 30.0) -> DoseGrid:
    """Return the same dose everywhere."""
    return dose_grid(lambda x, y, z: gy + 0 * (x + y + z))


def linear_dose(gy: float, slopes_gy_per_mm: Point) -> DoseGrid:
    """Return `gy` at the origin, rising with these slopes along x, y and z."""
    a, b, c = slopes_gy_per_mm
    return dose_grid(lambda x, y, z: gy + a * x + b * y + c * z)


def dose_grid(
    field_gy: Field,
    low: Point = (-48, -48, -48),
    high: Point = (48, 48, 48),
    step_mm: float = 4.0,
) -> DoseGrid:
    """Return the PLAN dose that a field of x, y, z in mm gives on a grid from corner to corner."""
    x, y, z = (
        np.arange(a, b + step_mm / 2, step_mm) for a, b in zip(low, high, strict=True)
    )  # half a step, so that rounding never loses the last point
    return DoseGrid(
        dose_gy=field_gy(x[None, None, :], y[None, :, None], z[:, None, None]),
        x_mm=x,
        y_mm=y,
        z_mm=z,
        header=DoseHeader(
            instance=instance(DOSE_UID, RT_DOSE),
            units="GY",
            type="PHYSICAL",
            summation_type="PLAN",
            referenced_plan_uids=(PLAN_UID,),
            referenced_structure_set_uid=STRUCTURE_SET_UID,
            heterogeneity_correction="IMAGE",
        ),
    )


def write_case(
    folder: Path,
    *,
    plan: Plan = plan(),  # noqa: B008 - frozen values, safe to share
    structure_set: StructureSet = structure_set(),  # noqa: B008
    dose: DoseGrid = uniform_dose(),  # noqa: B008
) -> Files:
    """Write RP.dcm, RS.dcm and RD.dcm into a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder / "RP.dcm", folder / "RS.dcm", folder / "RD.dcm")
    save_plan(plan, files.plan)
    save_structure_set(structure_set, files.structure_set)
    save_dose(dose, files.dose)
    return files


def dvh_of(roi: ROI, dose: DoseGrid, *, convention: Convention | None = None) -> DVH:
    """Return the DVH of an ROI that has one."""
    dvh = compute_dvh(roi, dose, convention=convention or Convention())
    assert isinstance(dvh, DVH)
    return dvh
