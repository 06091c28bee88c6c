"""RT Plan -> Plan."""

from pathlib import Path

from sbrtcheck.dicom.dataset import (
    RT_ION_PLAN,
    RT_PLAN,
    Opened,
    Record,
    open_file,
    quietly,
    read_instance,
    require_class,
)
from sbrtcheck.model import Beam, DoseReference, FractionGroup, Instance, Plan, Text

MAX_ITEMS = 10_000  # beams or control points beyond this are damage, not a plan


@quietly
def load_plan(path: Path) -> Plan:
    """Read an RT Plan.

    A plan in a vendor's own SOP class is read as one where its content is a plan.

    Raises
    ------
    ReadError
        If the file is not a readable RT Plan; `UnsupportedError` for an ion plan.

    Notes
    -----
    PS3.3 A.20, C.8.8.9 to C.8.8.15.
    """
    opened = open_file(path)
    root = require_class(opened, RT_PLAN)
    instance = read_instance(opened, label_keyword="RTPlanLabel", date_keyword="RTPlanDate")
    structure_sets = root.items("ReferencedStructureSetSequence")
    beams = tuple(_beam(item) for item in root.items("BeamSequence"))
    setups = root.items("PatientSetupSequence")
    return Plan(
        instance=instance,
        name=root.text("RTPlanName"),
        dose_references=tuple(_dose_reference(i) for i in root.items("DoseReferenceSequence")),
        fraction_groups=tuple(_fraction_group(i) for i in root.items("FractionGroupSequence")),
        beams=beams,
        structure_set_uid=(
            structure_sets[0].uid("ReferencedSOPInstanceUID") if structure_sets else None
        ),
        patient_positions=tuple(
            dict.fromkeys(p for p in (setup.text("PatientPosition") for setup in setups) if p)
        ),
        notes=(*_notes(opened, structure_sets), *root.character_notes()),
    )


@quietly
def load_ion_plan_header(path: Path) -> Instance:
    """Read which plan an RT Ion Plan is; its content is not judged.

    Raises
    ------
    ReadError
        If the file is not a readable RT Ion Plan.
    """
    opened = open_file(path, header_only=True)
    if opened.sop_class_uid != RT_ION_PLAN:
        raise opened.root.fail("this is not an RT Ion Plan")
    return read_instance(opened, label_keyword="RTPlanLabel", date_keyword="RTPlanDate")


def _notes(opened: Opened, structure_sets: tuple[Record, ...]) -> tuple[Text, ...]:
    notes = []
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
    if opened.root.items("ApplicationSetupSequence"):
        notes.append(Text("the plan holds brachytherapy applications, which are not judged"))
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
    )


def _fraction_group(item: Record) -> FractionGroup:
    rows = item.items("ReferencedBeamSequence")
    return FractionGroup(
        number=item.integer("FractionGroupNumber"),
        fractions=item.integer("NumberOfFractionsPlanned"),
        beam_numbers=tuple(row.required_integer("ReferencedBeamNumber") for row in rows),
        beam_doses_gy=tuple(row.number("BeamDose") for row in rows),
        beam_metersets=tuple(row.number("BeamMeterset") for row in rows),
    )


def _beam(item: Record) -> Beam:
    points = item.items("ControlPointSequence")
    if len(points) > MAX_ITEMS:
        raise item.fail("{count} control points", count=len(points))
    angles = [point.number("GantryAngle") for point in (points[:1] + points[-1:])]
    if angles[:1] == [None]:
        angles = []  # a last angle alone is not where the beam stands
    isocentre = points[0].numbers("IsocenterPosition").tolist() if points else []
    return Beam(
        number=item.required_integer("BeamNumber"),
        name=item.text("BeamName"),
        delivery_type=item.text("TreatmentDeliveryType").upper(),
        radiation_type=item.text("RadiationType"),
        machine=item.text("TreatmentMachineName"),
        energy_mv=points[0].number("NominalBeamEnergy") if points else None,
        gantry_angles_deg=tuple(angle for angle in angles if angle is not None),
        isocentre_mm=(isocentre[0], isocentre[1], isocentre[2]) if len(isocentre) == 3 else None,
    )
