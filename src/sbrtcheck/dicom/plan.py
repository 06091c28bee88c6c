"""RT Plan -> Plan."""

from collections.abc import Mapping

from sbrtcheck.dicom.dataset import (
    RT_ION_PLAN,
    RT_PLAN,
    Opened,
    Record,
    quietly,
    read_instance,
    referenced_structure_set,
    require_class,
)
from sbrtcheck.model import (
    Beam,
    ControlPoint,
    DoseReference,
    FractionGroup,
    Instance,
    Opening,
    Plan,
    Point,
    Text,
)

MAX_ITEMS = 10_000  # beams or control points beyond this are damage, not a plan


@quietly
def read_plan_instance(opened: Opened) -> Instance:
    """Read the header of an RT Plan or RT Ion Plan."""
    return read_instance(opened, label_keyword="RTPlanLabel", date_keyword="RTPlanDate")


@quietly
def read_plan(opened: Opened, instance: Instance) -> Plan:
    """Read an RT Plan; of an RT Ion Plan what names it.

    A plan in a vendor's own SOP class is read as one where its content is a plan.

    Raises
    ------
    ReadError
        If the file is not a readable RT Plan or RT Ion Plan.

    Notes
    -----
    PS3.3 A.20, C.8.8.9 to C.8.8.15.
    """
    if opened.sop_class_uid == RT_ION_PLAN:
        return _ion_plan(opened.root, instance)
    root = require_class(opened, RT_PLAN)
    positions = _positions(root)
    return Plan(
        instance=instance,
        name=root.text("RTPlanName"),
        description=root.text("RTPlanDescription"),
        dose_references=tuple(
            _dose_reference(i) for i in root.items("DoseReferenceSequence")
        ),
        fraction_groups=tuple(
            _fraction_group(i) for i in root.items("FractionGroupSequence")
        ),
        beams=tuple(_beam(item, positions) for item in root.items("BeamSequence")),
        structure_set_uid=referenced_structure_set(root),
        patient_positions=tuple(dict.fromkeys(filter(None, positions.values()))),
        intent=root.text("PlanIntent").upper(),
        geometry=root.text("RTPlanGeometry").upper(),
        brachy_setups=len(root.items("ApplicationSetupSequence")),
        notes=(*_notes(opened), *root.character_notes()),
    )


def _ion_plan(root: Record, instance: Instance) -> Plan:
    return Plan(
        instance=instance,
        name=root.text("RTPlanName"),
        description=root.text("RTPlanDescription"),
        structure_set_uid=referenced_structure_set(root),
        intent=root.text("PlanIntent").upper(),
        geometry=root.text("RTPlanGeometry").upper(),
        is_ion=True,
        notes=root.character_notes(),
    )


def _positions(root: Record) -> dict[int | None, str]:
    """Return the patient position of each set-up, by its number."""
    return {
        setup.integer("PatientSetupNumber"): setup.text("PatientPosition").upper()
        for setup in root.items("PatientSetupSequence")
    }


def _notes(opened: Opened) -> tuple[Text, ...]:
    notes = []
    structure_sets = opened.root.items("ReferencedStructureSetSequence")
    if opened.sop_class_uid != RT_PLAN:
        notes.append(
            Text(
                "the plan is of a vendor's own SOP class ({uid}): read as RT Plan",
                uid=opened.sop_class_uid,
            )
        )
    if len(structure_sets) > 1:
        notes.append(
            Text(
                "the plan refers to {count} structure sets; the first is used",
                count=len(structure_sets),
            )
        )
    return tuple(notes)


def _dose_reference(item: Record) -> DoseReference:
    return DoseReference(
        number=item.integer("DoseReferenceNumber"),
        structure_type=item.text("DoseReferenceStructureType"),
        description=item.text("DoseReferenceDescription"),
        type=item.text("DoseReferenceType"),
        target_prescription_dose_gy=item.number("TargetPrescriptionDose"),
        delivery_maximum_dose_gy=item.number("DeliveryMaximumDose"),
        organ_at_risk_maximum_dose_gy=item.number("OrganAtRiskMaximumDose"),
        referenced_roi_number=item.integer("ReferencedROINumber"),
        point_mm=item.point("DoseReferencePointCoordinates"),
    )


def _fraction_group(item: Record) -> FractionGroup:
    rows = item.items("ReferencedBeamSequence")
    points_mm = tuple(row.point("BeamDoseSpecificationPoint") for row in rows)
    return FractionGroup(
        number=item.integer("FractionGroupNumber"),
        fractions=item.integer("NumberOfFractionsPlanned"),
        beam_numbers=tuple(row.integer("ReferencedBeamNumber") for row in rows),
        beam_doses_gy=tuple(row.number("BeamDose") for row in rows),
        beam_metersets=tuple(row.number("BeamMeterset") for row in rows),
        beam_points_mm=points_mm if any(points_mm) else (),
    )


def _beam(item: Record, positions: Mapping[int | None, str]) -> Beam:
    points = item.items("ControlPointSequence")
    if len(points) > MAX_ITEMS:
        raise item.fail(
            "a beam has {count} control points, more than {most}; export the plan again",
            count=len(points),
            most=MAX_ITEMS,
        )
    angles = [point.number("GantryAngle") for point in (points[:1] + points[-1:])]
    if angles[:1] == [None]:
        angles = []  # a last angle alone is not where the beam stands
    setup = item.integer("ReferencedPatientSetupNumber")
    return Beam(
        number=item.required_integer("BeamNumber"),
        name=item.text("BeamName"),
        delivery_type=item.text("TreatmentDeliveryType").upper(),
        radiation_type=item.text("RadiationType").upper(),
        machine=item.text("TreatmentMachineName"),
        energy_mv=_energy_mv(points),
        gantry_angles_deg=tuple(angle for angle in angles if angle is not None),
        isocentre_mm=_isocentre_mm(points),
        manufacturer=item.text("Manufacturer"),
        model=item.text("ManufacturerModelName"),
        dosimeter_unit=item.text("PrimaryDosimeterUnit").upper(),
        position=positions.get(setup, ""),
        final_weight=item.number("FinalCumulativeMetersetWeight"),
        control_points=tuple(map(_control_point, points)),
    )


def _control_point(item: Record) -> ControlPoint:
    return ControlPoint(
        weight=item.number("CumulativeMetersetWeight"),
        gantry_deg=item.number("GantryAngle"),
        rotation=item.text("GantryRotationDirection").upper(),
        openings=tuple(
            _opening(row) for row in item.items("BeamLimitingDevicePositionSequence")
        ),
    )


def _opening(item: Record) -> Opening:
    return Opening(
        device=item.text("RTBeamLimitingDeviceType").upper(),
        positions_mm=tuple(item.numbers("LeafJawPositions").tolist()),
    )


def _energy_mv(points: tuple[Record, ...]) -> float | None:
    if not points:
        return None
    return points[0].number("NominalBeamEnergy")


def _isocentre_mm(points: tuple[Record, ...]) -> Point | None:
    if not points:
        return None
    return points[0].point("IsocenterPosition")
