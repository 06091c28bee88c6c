"""Exports of a centre: plans of one or several patients as files, small and with a known verdict."""

from dataclasses import replace
from pathlib import Path

from builders import Files, box, cylinder, dose_grid, plan, structure_set, write_case
from sbrtcheck.model import ROI, DoseReference, Patient

ROOT_UID = "1.2.826.0.1.3680043.10.999"
HIGH_GY, LOW_GY = 31.0, 6.0


def export(
    folder: Path,
    number: int,
    *,
    patient_id: str | None = "P-4711",
    patient_name: str = "Zhang^Wei",
    target: str = "PTV_T8",
    z_mm: float = 0.0,
    frame: str = "1",
    approval: str = "APPROVED",
    date: str = "20260105",
    label: str = "SBRT",
    cord_gy: float = LOW_GY,
    dose_gy: float = 30.0,
    fractions: int = 5,
    extra: tuple[ROI, ...] = (),
    names_target: bool = True,
) -> Files:
    """Write one plan that passes unless told otherwise: a block of dose at the target, little behind.

    `number` makes its UIDs; `z_mm`, from 0 to 80, moves target and dose along the spine, which is
    drawn and covered by the grid as a whole: doses of parts can be added.
    """
    uids = {
        kind: f"{ROOT_UID}.{number}.{at}"
        for at, kind in enumerate(("RP", "RS", "RD"), 1)
    }
    frame_uid = f"{ROOT_UID}.9.{frame}"
    patient = Patient(patient_id=patient_id, name=patient_name, birth_date="19550607")

    def own(kind: str, instance_label: str = "") -> dict[str, object]:
        return {
            "sop_instance_uid": uids[kind],
            "patient": patient,
            "frame_of_reference_uid": frame_uid,
            "study_instance_uid": f"{frame_uid}.1",
            "approval_status": approval,
            "date": date,
            "study_date": date,
            "label": instance_label or None,
        }

    the_plan = plan(dose_gy=dose_gy, fractions=fractions)
    the_plan = replace(
        the_plan,
        instance=replace(the_plan.instance, **own("RP", label)),  # type: ignore[arg-type]
        name="SBRT",
        structure_set_uid=uids["RS"],
        dose_references=(
            DoseReference(
                number=1,
                structure_type="SITE",
                description=target if names_target else "",
                type="TARGET",
                target_prescription_dose_gy=dose_gy,
            ),
        ),
    )
    rois = (
        box(target, (-12, -12, z_mm - 12), (12, 12, z_mm + 12)),
        cylinder("SpinalCord", (0, 24), 5, -39, 120),
        box("Esophagus", (-6, -44, z_mm - 24), (6, -34, z_mm + 24)),
        *extra,
    )
    the_set = structure_set(
        [replace(roi, frame_of_reference_uid=frame_uid) for roi in rois]
    )
    the_set = replace(the_set, instance=replace(the_set.instance, **own("RS")))  # type: ignore[arg-type]
    scale = dose_gy / 30.0

    def field(x, y, z):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        inside = (abs(x) <= 14) & (abs(z - z_mm) <= 14) & (y <= 14) & (y >= -14)
        behind = (y > 14) & (abs(z - z_mm) <= 30)
        return (
            scale * HIGH_GY * inside
            + cord_gy * behind
            + LOW_GY / 3 * (~inside & ~behind)
        )

    dose = dose_grid(field, (-30, -48, -46), (30, 40, 126), step_mm=2.0)
    assert dose.header is not None
    header = replace(
        dose.header,
        instance=replace(dose.header.instance, **own("RD")),  # type: ignore[arg-type]
        referenced_plan_uids=(uids["RP"],),
        referenced_structure_set_uid=uids["RS"],
    )
    return write_case(
        folder, plan=the_plan, structure_set=the_set, dose=replace(dose, header=header)
    )


def export_many(folder: Path, count: int) -> None:
    """Write plans of as many patients; every second one has a cord that fails."""
    for number in range(count):
        export(
            folder / str(number),
            number,
            patient_id=f"P{number}",
            frame=str(number),
            cord_gy=(LOW_GY, 29.5)[number % 2],
        )
