"""Plan, StructureSet and DoseGrid -> DICOM files, for samples, self-tests and research.

What a model value does not hold is filled with the plainest value that the standard allows;
the same value always gives the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from sbrtcheck.dicom.dataset import RT_DOSE, RT_PLAN, RT_STRUCTURE_SET
from sbrtcheck.model import (
    ROI,
    Beam,
    Contour,
    DoseGrid,
    DoseHeader,
    DoseReference,
    ExportedDVH,
    FloatArray,
    FractionGroup,
    Instance,
    Plan,
    Point,
    StructureSet,
)

IMPLEMENTATION_UID = UID("2.25.314078415273210650927164905418027264101")
STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.1"
NOON = "120000"
DATE_OF_SOURCE = "20260101"
SOURCE_AXIS_MM = 1000.0
JAW_MM = 50.0
CONTOUR_DATA = 0x30060050
PLATEAU = 8  # values that are the maximum: more are no peak
LARGEST = {16: 2**16 - 1, 32: 2**32 - 1}
# Where rows and columns of a dose run in each patient position, as planning systems write it.
ORIENTATIONS = {
    "HFS": (1, 0, 0, 0, 1, 0),
    "HFP": (-1, 0, 0, 0, -1, 0),
    "FFS": (-1, 0, 0, 0, 1, 0),
    "FFP": (1, 0, 0, 0, -1, 0),
    "HFDL": (0, -1, 0, 1, 0, 0),
    "HFDR": (0, 1, 0, -1, 0, 0),
    "FFDL": (0, 1, 0, 1, 0, 0),
    "FFDR": (0, -1, 0, -1, 0, 0),
}
Offsets = Literal["relative", "descending", "absolute"]
# Whether frames follow each other along the normal of their rows and columns, or against it.
FRAME_SIDES: dict[Offsets, int] = {"relative": 1, "descending": -1, "absolute": 1}
RING_TYPES = {False: "CLOSED_PLANAR", True: "CLOSEDPLANAR_XOR"}  # by whether it is XOR
SOP_CLASSES = {"RTPLAN": RT_PLAN, "RTSTRUCT": RT_STRUCTURE_SET, "RTDOSE": RT_DOSE}
DEFAULT_CHARACTER_SET = "ISO_IR 192"


def save_plan(
    plan: Plan,
    path: Path,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    character_set: str = DEFAULT_CHARACTER_SET,
) -> None:
    """Write an RT Plan (PS3.3 A.20); beams become arcs or static fields with open jaws."""
    dataset = _root(plan.instance, "RTPLAN", character_set)
    dataset.RTPlanLabel = plan.instance.label or "PLAN"
    dataset.RTPlanName = plan.name
    dataset.RTPlanDate = _filled(plan.instance.date)
    dataset.RTPlanTime = plan.instance.time or NOON
    dataset.RTPlanGeometry = _geometry(plan)
    if plan.brachy_setups:
        _add_brachy_setups(dataset, plan.brachy_setups)
    dataset.FractionGroupSequence = [
        _fraction_group(row) for row in plan.fraction_groups
    ]
    setups = [
        _item(
            PatientSetupNumber=number,
            PatientPosition=position,
            SetupTechnique="ISOCENTRIC",
        )
        for number, position in enumerate(plan.patient_positions, start=1)
    ]
    _put_filled(
        dataset,
        RTPlanDescription=plan.description,
        PlanIntent=plan.intent,
        DoseReferenceSequence=[_dose_reference(row) for row in plan.dose_references],
        PatientSetupSequence=setups,
        BeamSequence=[_beam(row, plan.patient_positions) for row in plan.beams],
        ReferencedStructureSetSequence=_structure_set(plan.structure_set_uid),
    )
    _approve(dataset, plan.instance)
    _save(dataset, path, transfer_syntax)


def save_structure_set(
    structure_set: StructureSet,
    path: Path,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    character_set: str = DEFAULT_CHARACTER_SET,
) -> None:
    """Write an RT Structure Set (PS3.3 A.19); coordinates are kept to 0.001 mm."""
    instance = structure_set.instance
    frame = _filled(instance.frame_of_reference_uid)
    dataset = _root(instance, "RTSTRUCT", character_set)
    dataset.StructureSetLabel = instance.label or "STRUCTURES"
    dataset.StructureSetDate = _filled(instance.date)
    dataset.StructureSetTime = instance.time or NOON
    dataset.ReferencedFrameOfReferenceSequence = [_item(FrameOfReferenceUID=frame)]
    numbered = [
        (_number(roi.number, index), roi)
        for index, roi in enumerate(structure_set.rois, start=1)
    ]
    dataset.StructureSetROISequence = [
        _item(
            ROINumber=number,
            ReferencedFrameOfReferenceUID=roi.frame_of_reference_uid or frame,
            ROIName=roi.name,
            ROIGenerationAlgorithm="",
        )
        for number, roi in numbered
    ]
    dataset.ROIContourSequence = [_roi_contour(number, roi) for number, roi in numbered]
    dataset.RTROIObservationsSequence = [
        _observation(number, roi) for number, roi in numbered
    ]
    _approve(dataset, instance)
    _save(dataset, path, transfer_syntax)


def save_dose(
    dose: DoseGrid,
    path: Path,
    *,
    bits: int = 16,
    position: str = "HFS",
    offsets: Offsets = "relative",
    dvhs: Sequence[ExportedDVH] = (),
    transfer_syntax: str = ExplicitVRLittleEndian,
    character_set: str = DEFAULT_CHARACTER_SET,
) -> None:
    """Write an RT Dose (PS3.3 A.18) as unsigned integers of 16 or 32 bits, with the DVHs given.

    Parameters
    ----------
    position
        The patient position whose image axes rows, columns and frames follow; the dose stays where
        it is in the patient.
    offsets
        GridFrameOffsetVector: from 0 upwards, from 0 downwards, or the z of each frame, which the
        standard has for frames that run towards the head only.

    Raises
    ------
    ValueError
        If the grid has no header to write, or its steps along x or y are not uniform.
    """
    header = dose.header
    if header is None:
        raise ValueError("a dose grid needs a header to be written")
    dataset = _root(header.instance, "RTDOSE", character_set)
    _put_filled(dataset, SeriesDescription=header.instance.label)
    dataset.InstanceNumber = 1
    dose_gy = _place(dataset, dose, position, offsets)
    _put_pixels(dataset, dose_gy, bits, transfer_syntax)
    dataset.DoseUnits = header.units or "GY"
    dataset.DoseType = header.type or "PHYSICAL"
    dataset.DoseSummationType = header.summation_type or "PLAN"
    dataset.TissueHeterogeneityCorrection = header.heterogeneity_correction or "IMAGE"
    _put_references(dataset, header)
    if dvhs:
        dataset.DVHSequence = [_dvh(row) for row in dvhs]
        normalisation_gy = dvhs[0].normalisation_dose_gy
        _put_known(dataset, DVHNormalizationDoseValue=normalisation_gy)
    _save(dataset, path, transfer_syntax)


def _put_pixels(
    dataset: Dataset, dose_gy: FloatArray, bits: int, transfer_syntax: str
) -> None:
    """Write doses as integers of the scaling that the dataset states (PS3.3 C.8.8.3)."""
    dataset.SliceThickness = ""
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelRepresentation = 0
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = dose_gy.shape
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    # The scaling is written with 16 characters, so it is rounded before it divides.
    largest = LARGEST[bits]
    if np.count_nonzero(dose_gy == dose_gy.max()) > PLATEAU:
        largest -= 1  # at the largest number it would look cut off
    scaling = float(f"{max(float(dose_gy.max()), 1e-6) / largest:.9e}")
    dataset.DoseGridScaling = f"{scaling:.9e}"
    stored = np.minimum(np.rint(dose_gy / scaling), largest)
    order = "<" if UID(transfer_syntax).is_little_endian else ">"
    dataset.PixelData = stored.astype(f"{order}u{bits // 8}").tobytes()
    dataset["PixelData"].VR = "OW"


def _put_references(dataset: Dataset, header: DoseHeader) -> None:
    """Name the plans, their fraction groups and beams, and the structure set of a dose."""
    groups = [
        _item(ReferencedFractionGroupNumber=n) for n in header.fraction_group_numbers
    ]
    if groups:
        beams = [_item(ReferencedBeamNumber=n) for n in header.beam_numbers]
        _put_filled(groups[0], ReferencedBeamSequence=beams)
    plans = [_reference(RT_PLAN, uid) for uid in header.referenced_plan_uids]
    for plan in plans:
        _put_filled(plan, ReferencedFractionGroupSequence=groups)
    dataset.ReferencedRTPlanSequence = plans
    structure_sets = _structure_set(header.referenced_structure_set_uid)
    _put_filled(dataset, ReferencedStructureSetSequence=structure_sets)


def _structure_set(uid: str | None) -> list[Dataset]:
    """Return the reference to a structure set, if one is named."""
    if not uid:
        return []
    return [_reference(RT_STRUCTURE_SET, uid)]


def _place(
    dataset: Dataset, dose: DoseGrid, position: str, offsets: Offsets
) -> FloatArray:
    """Write where frames, rows and columns lie; return the dose in their order."""
    cosines = np.array(ORIENTATIONS[position])
    along_row, along_column = cosines[:3], cosines[3:]
    along_frames = FRAME_SIDES[offsets] * np.cross(along_row, along_column)
    axes_mm = (dose.x_mm, dose.y_mm, dose.z_mm)
    directions = (along_frames, along_column, along_row)
    which = [int(np.argmax(np.abs(direction))) for direction in directions]
    steps = [int(direction.sum()) for direction in directions]
    dose_gy = dose.dose_gy.transpose([2 - axis for axis in which])
    dose_gy = dose_gy[:: steps[0], :: steps[1], :: steps[2]]
    first_mm = [0.0, 0.0, 0.0]
    for axis, step in zip(which, steps, strict=True):
        first_mm[axis] = float(axes_mm[axis][::step][0])
    dataset.ImagePositionPatient = _decimals(first_mm)
    dataset.ImageOrientationPatient = list(ORIENTATIONS[position])
    dataset.PixelSpacing = _decimals([_uniform_step(axes_mm[n]) for n in which[1:]])
    if offsets == "absolute" and steps[0] < 0:
        raise ValueError(
            "absolute offsets are defined for frames towards the head only"
        )
    frames_mm = _frame_offsets(dose.z_mm[:: steps[0]], offsets)
    dataset.GridFrameOffsetVector = _decimals(frames_mm)
    return dose_gy


def _frame_offsets(frames_mm: FloatArray, offsets: Offsets) -> FloatArray:
    """Return what GridFrameOffsetVector holds for frames at some z, in their order."""
    if offsets == "absolute":
        return frames_mm
    away_mm = np.abs(frames_mm - frames_mm[0])
    offsets_mm: FloatArray = FRAME_SIDES[offsets] * away_mm
    return offsets_mm


def _dvh(row: ExportedDVH) -> Dataset:
    rois = [(n, "INCLUDED") for n in row.included] + [
        (n, "EXCLUDED") for n in row.excluded
    ]
    item = _item(
        DVHReferencedROISequence=[
            _item(ReferencedROINumber=number, DVHROIContributionType=counts)
            for number, counts in rois
        ],
        DVHType=row.kind,
        DoseUnits=row.dose_units,
        DoseType=row.dose_type,
        DVHVolumeUnits=row.volume_units,
        DVHNumberOfBins=_number(row.stated_bins, row.volumes.size),
        DVHData=[
            DSfloat(float(value), auto_format=True)
            for pair in zip(row.bin_widths, row.volumes, strict=True)
            for value in pair
        ],
    )
    for keyword, value in (
        ("DVHDoseScaling", row.dose_scaling),
        ("DVHMinimumDose", row.stated_minimum),
        ("DVHMaximumDose", row.stated_maximum),
        ("DVHMeanDose", row.stated_mean),
    ):
        if value is not None:
            setattr(item, keyword, DSfloat(value, auto_format=True))
    return item


def _filled(stated: str | None) -> str:
    """Return a text as a file holds it: an element that states nothing is empty."""
    if stated is None:
        return ""
    return stated


def _number(stated: int | None, plainest: int) -> int:
    if stated is None:
        return plainest
    return stated


def _add_brachy_setups(dataset: Dataset, count: int) -> None:
    """Write brachytherapy set-ups of one source at rest (PS3.3 C.8.8.15)."""
    dataset.BrachyTreatmentTechnique = "INTERSTITIAL"
    dataset.BrachyTreatmentType = "HDR"
    dataset.TreatmentMachineSequence = [_item(TreatmentMachineName="AFTERLOADER")]
    dataset.SourceSequence = [
        _item(
            SourceNumber=1,
            SourceType="POINT",
            SourceIsotopeName="Ir-192",
            SourceIsotopeHalfLife=73.8,
            SourceStrengthUnits="AIR_KERMA_RATE",
            SourceStrength=0.0,
            ReferenceAirKermaRate=0.0,
            SourceStrengthReferenceDate=DATE_OF_SOURCE,
            SourceStrengthReferenceTime=NOON,
        )
    ]
    points = [
        _item(
            ControlPointIndex=n,
            ControlPointRelativePosition=0.0,
            CumulativeTimeWeight=float(n),
        )
        for n in (0, 1)
    ]
    channel = _item(
        ChannelNumber=1,
        ChannelLength=None,
        ChannelTotalTime=0.0,
        SourceMovementType="FIXED",
        TransferTubeNumber=None,
        ReferencedSourceNumber=1,
        NumberOfControlPoints=len(points),
        FinalCumulativeTimeWeight=1.0,
        BrachyControlPointSequence=points,
    )
    dataset.ApplicationSetupSequence = [
        _item(
            ApplicationSetupType="OTHER",
            ApplicationSetupNumber=number,
            TotalReferenceAirKerma=0.0,
            ChannelSequence=[channel],
        )
        for number in range(1, count + 1)
    ]


def _geometry(plan: Plan) -> str:
    if plan.geometry:
        return plan.geometry
    if plan.structure_set_uid:
        return "PATIENT"
    return "TREATMENT_DEVICE"


def _uniform_step(axis_mm: np.ndarray) -> float:
    steps = np.diff(axis_mm)
    if np.ptp(steps) > 1e-6:
        raise ValueError(
            "RT Dose holds one pixel spacing for a whole axis; steps differ"
        )
    return float(steps.mean())


def _item(**elements: object) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _put_filled(item: Dataset, **elements: str | Sequence[Dataset] | None) -> None:
    """Write those texts and sequences that are not empty."""
    for keyword, value in elements.items():
        if value:
            setattr(item, keyword, value)


def _put_known(item: Dataset, **elements: float | list[DSfloat] | None) -> None:
    """Write those numbers that are known."""
    for keyword, value in elements.items():
        if value is not None:
            setattr(item, keyword, value)


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    return _item(
        ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid
    )


def _decimals(values: np.ndarray | list[float]) -> list[DSfloat]:
    return [DSfloat(round(float(value), 6), auto_format=True) for value in values]


def _point(point_mm: Point | None) -> list[DSfloat] | None:
    if point_mm is None:
        return None
    return _decimals(list(point_mm))


def _decimal(value: float | None) -> DSfloat | None:
    if value is None:
        return None
    return _decimals([value])[0]


def _root(instance: Instance, modality: str, character_set: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = character_set
    dataset.InstanceCreationDate = _filled(instance.date)
    dataset.InstanceCreationTime = instance.time or NOON
    dataset.SOPClassUID = SOP_CLASSES[modality]
    dataset.SOPInstanceUID = instance.sop_instance_uid
    dataset.StudyDate = instance.study_date or _filled(instance.date)
    dataset.StudyTime = NOON
    dataset.AccessionNumber = ""
    dataset.Modality = modality
    dataset.Manufacturer = instance.manufacturer or "sbrtcheck"
    dataset.ReferringPhysicianName = ""
    dataset.OperatorsName = ""
    dataset.ManufacturerModelName = instance.model or "sbrtcheck"
    dataset.DeviceSerialNumber = "1"
    dataset.SoftwareVersions = "1"
    dataset.PatientName = _filled(instance.patient.name)
    dataset.PatientID = _filled(instance.patient.patient_id)
    dataset.PatientBirthDate = _filled(instance.patient.birth_date)
    dataset.PatientSex = ""
    dataset.StudyInstanceUID = (
        instance.study_instance_uid or f"{instance.sop_instance_uid}.1"
    )
    dataset.SeriesInstanceUID = f"{instance.sop_instance_uid}.2"
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.FrameOfReferenceUID = (
        instance.frame_of_reference_uid or f"{instance.sop_instance_uid}.3"
    )
    dataset.PositionReferenceIndicator = ""
    return dataset


def _approve(dataset: Dataset, instance: Instance) -> None:
    dataset.ApprovalStatus = instance.approval_status or "UNAPPROVED"
    if dataset.ApprovalStatus != "UNAPPROVED":
        dataset.ReviewDate = _filled(instance.date)
        dataset.ReviewTime = NOON
        dataset.ReviewerName = "Reviewer"


def _dose_reference(row: DoseReference) -> Dataset:
    item = _item(
        DoseReferenceNumber=_number(row.number, 1),
        DoseReferenceStructureType=row.structure_type or "SITE",
        DoseReferenceDescription=row.description,
        DoseReferenceType=row.type or "TARGET",
    )
    _put_known(
        item,
        TargetPrescriptionDose=row.target_prescription_dose_gy,
        DeliveryMaximumDose=row.delivery_maximum_dose_gy,
        OrganAtRiskMaximumDose=row.organ_at_risk_maximum_dose_gy,
        ReferencedROINumber=row.referenced_roi_number,
        DoseReferencePointCoordinates=_point(row.point_mm),
    )
    return item


def _fraction_group(row: FractionGroup) -> Dataset:
    item = _item(
        FractionGroupNumber=_number(row.number, 1),
        NumberOfFractionsPlanned=row.fractions,
        NumberOfBeams=len(row.beam_numbers),
        NumberOfBrachyApplicationSetups=0,
    )
    beams = []
    points_mm = row.beam_points_mm or (None,) * len(row.beam_numbers)
    for number, dose_gy, meterset, point_mm in zip(
        row.beam_numbers, row.beam_doses_gy, row.beam_metersets, points_mm, strict=True
    ):
        beam = _item(ReferencedBeamNumber=number)
        _put_known(
            beam,
            BeamDose=_decimal(dose_gy),
            BeamMeterset=_decimal(meterset),
            BeamDoseSpecificationPoint=_point(point_mm),
        )
        beams.append(beam)
    _put_filled(item, ReferencedBeamSequence=beams)
    return item


def _beam(row: Beam, positions: Sequence[str]) -> Dataset:
    angles = row.gantry_angles_deg or (0.0,)
    kind = "STATIC"
    if angles[0] != angles[-1]:
        kind = "DYNAMIC"
    points = _control_points(row) or _plainest_points(row, angles)
    setup = 1
    if row.position in positions:
        setup += positions.index(row.position)
    final_weight = row.final_weight
    if final_weight is None:
        final_weight = 1
    item = _item(
        TreatmentMachineName=row.machine,
        PrimaryDosimeterUnit=row.dosimeter_unit or "MU",
        SourceAxisDistance=SOURCE_AXIS_MM,
        BeamLimitingDeviceSequence=[
            _item(RTBeamLimitingDeviceType=device, NumberOfLeafJawPairs=1)
            for device in ("ASYMX", "ASYMY")
        ],
        BeamNumber=row.number,
        BeamName=row.name,
        BeamType=kind,
        RadiationType=row.radiation_type or "PHOTON",
        TreatmentDeliveryType=row.delivery_type or "TREATMENT",
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        FinalCumulativeMetersetWeight=final_weight,
        NumberOfControlPoints=len(points),
        ControlPointSequence=points,
        ReferencedPatientSetupNumber=setup,
    )
    _put_filled(item, Manufacturer=row.manufacturer, ManufacturerModelName=row.model)
    return item


def _plainest_points(row: Beam, angles: Sequence[float]) -> list[Dataset]:
    """Return the control points of a beam of which only its angles are known."""
    first = _first_point(row, angles[0])
    last = _item(ControlPointIndex=1, CumulativeMetersetWeight=1)
    if angles[0] != angles[-1]:
        first.GantryRotationDirection = "CW"
        last.GantryAngle = angles[-1]
        last.GantryRotationDirection = "NONE"
    return [first, last]


def _control_points(row: Beam) -> list[Dataset]:
    """Return control points as they are known; the first states what all have in common."""
    points = []
    for index, known in enumerate(row.control_points):
        point = _item(ControlPointIndex=index)
        if index == 0:
            point = _first_point(row, 0.0)
        _put_known(
            point,
            CumulativeMetersetWeight=_decimal(known.weight),
            GantryAngle=_decimal(known.gantry_deg),
        )
        _put_filled(
            point,
            GantryRotationDirection=known.rotation,
            BeamLimitingDevicePositionSequence=[
                _item(
                    RTBeamLimitingDeviceType=opening.device,
                    LeafJawPositions=_decimals(list(opening.positions_mm)),
                )
                for opening in known.openings
            ],
        )
        points.append(point)
    return points


def _first_point(row: Beam, angle_deg: float) -> Dataset:
    """Return the control point at which a beam begins, its gantry at rest."""
    energy_mv = row.energy_mv
    if energy_mv is None:
        energy_mv = 6
    point = _item(
        ControlPointIndex=0,
        NominalBeamEnergy=energy_mv,
        DoseRateSet=600,
        BeamLimitingDevicePositionSequence=[
            _item(RTBeamLimitingDeviceType=device, LeafJawPositions=[-JAW_MM, JAW_MM])
            for device in ("ASYMX", "ASYMY")
        ],
        GantryAngle=angle_deg,
        GantryRotationDirection="NONE",
        BeamLimitingDeviceAngle=0,
        BeamLimitingDeviceRotationDirection="NONE",
        PatientSupportAngle=0,
        PatientSupportRotationDirection="NONE",
        TableTopEccentricAngle=0,
        TableTopEccentricRotationDirection="NONE",
        TableTopVerticalPosition="",
        TableTopLongitudinalPosition="",
        TableTopLateralPosition="",
        IsocenterPosition="",
        CumulativeMetersetWeight=0,
    )
    if row.isocentre_mm is not None:
        point.IsocenterPosition = _decimals(list(row.isocentre_mm))
    return point


def _observation(number: int, roi: ROI) -> Dataset:
    item = _item(
        ObservationNumber=number,
        ReferencedROINumber=number,
        RTROIInterpretedType=roi.interpreted_type,
        ROIInterpreter="",
    )
    properties = [
        _item(ROIPhysicalProperty=name, ROIPhysicalPropertyValue=_decimal(value))
        for name, value in roi.properties
    ]
    _put_filled(item, ROIPhysicalPropertiesSequence=properties)
    return item


def _roi_contour(number: int, roi: ROI) -> Dataset:
    item = _item(ReferencedROINumber=number)
    rings = [_ring(contour) for contour in roi.contours]
    _put_filled(item, ContourSequence=rings)
    return item


def _ring(contour: Contour) -> Dataset:
    points = np.column_stack(
        [contour.points_mm, np.full(len(contour.points_mm), contour.z_mm)]
    )
    ring = _item(
        ContourGeometricType=RING_TYPES[contour.xor],
        NumberOfContourPoints=len(points),
    )
    # As strings: an object for each number would cost twenty times as much.
    texts = [f"{value:.3f}" for value in (points.ravel() + 0.0).tolist()]
    ring.add(DataElement(CONTOUR_DATA, "DS", texts, already_converted=True))
    return ring


def _save(dataset: Dataset, path: Path, transfer_syntax: str) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "SBRTCHECK"
    dataset.file_meta = meta
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
