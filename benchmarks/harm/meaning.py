"""Harm to what a plan means: sound files that say something else; from plans that do not pass, too."""

import io
import random
from collections.abc import Callable

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.uid import generate_uid

from harm.plans import NAMES, Harmed, Plans

__all__ = ["harm"]

Export = dict[str, Dataset]
Way = Callable[[Export, random.Random], None]
STATES = ("APPROVED", "UNAPPROVED", "REJECTED", "", "approved")
POSITIONS = ("HFS", "HFP", "FFS", "FFP", "HFDR", "HFDL", "FFDR", "FFDL", "", "SITTING")
ROI_NAMES = ("PTV_T8", "SpinalCord", "SpinalCord_PRV02", "Canal", "PTV_opt", "Ring", "")
TYPES = ("PTV", "ORGAN", "AVOIDANCE", "CONTROL", "EXTERNAL", "")


def _rois(export: Export) -> list[Dataset]:
    return list(export["RS"].StructureSetROISequence)


def _rings(export: Export, rng: random.Random) -> Dataset:
    """Return the contours of one ROI."""
    drawn: Dataset = rng.choice(export["RS"].ROIContourSequence)
    return drawn


def lose_roi(export: Export, rng: random.Random) -> None:
    """Take one ROI out of one, two or all of its three tables."""
    at = rng.randrange(len(_rois(export)))
    tables = ["StructureSetROISequence", "ROIContourSequence"]
    tables.append("RTROIObservationsSequence")
    for name in rng.sample(tables, rng.randint(1, 3)):
        del export["RS"][name].value[at]


def lose_rings(export: Export, rng: random.Random) -> None:
    """Take planes from one end, from the middle, or all."""
    rings = _rings(export, rng).ContourSequence
    count = len(rings)
    low = rng.choice((0, 0, count // 3, count // 2))
    high = rng.choice((count, count // 2 + 1, low + 1))
    del rings[low:high]


def move_rings(export: Export, rng: random.Random) -> None:
    """Move one ROI."""
    axis, by_mm = rng.randrange(3), rng.choice((-30, -3, -0.4, 0.4, 3, 30))
    for ring in _rings(export, rng).ContourSequence:
        points = np.array(ring.ContourData, float).reshape(-1, 3)
        points[:, axis] += by_mm
        ring.ContourData = [f"{value:.4f}" for value in points.ravel()]


def stretch_rings(export: Export, rng: random.Random) -> None:
    """Make one ROI wider or narrower about its middle."""
    by = rng.choice((0.05, 0.3, 0.9, 1.1, 3))
    for ring in _rings(export, rng).ContourSequence:
        points = np.array(ring.ContourData, float).reshape(-1, 3)
        middle = points.mean(axis=0)
        ring.ContourData = [f"{v:.4f}" for v in (middle + by * (points - middle)).flat]


def rename_roi(export: Export, rng: random.Random) -> None:
    """Give one ROI the name of another, or one that means something else."""
    rng.choice(_rois(export)).ROIName = rng.choice(ROI_NAMES)


def renumber_roi(export: Export, rng: random.Random) -> None:
    """Give one ROI the number of another, in one table."""
    table, tag = rng.choice(
        (
            ("StructureSetROISequence", "ROINumber"),
            ("ROIContourSequence", "ReferencedROINumber"),
            ("RTROIObservationsSequence", "ReferencedROINumber"),
        )
    )
    first, second = rng.sample(list(export["RS"][table].value), 2)
    setattr(first, tag, rng.choice((getattr(second, tag), 99)))


def retype_roi(export: Export, rng: random.Random) -> None:
    """Give one ROI another interpreted type."""
    row = rng.choice(export["RS"].RTROIObservationsSequence)
    row.RTROIInterpretedType = rng.choice(TYPES)


def scale_dose(export: Export, rng: random.Random) -> None:
    """Scale the dose."""
    by = rng.choice((0, 0.01, 0.8, 0.97, 1.03, 1.25, 100))
    export["RD"].DoseGridScaling = f"{float(export['RD'].DoseGridScaling) * by:.10g}"


def cut_dose(export: Export, rng: random.Random) -> None:
    """Cut slices or columns off the dose, from either side."""
    dose = export["RD"]
    voxels = dose.pixel_array
    axis, keep = rng.randrange(3), rng.choice((0.3, 0.6, 0.9))
    left = max(1, int(voxels.shape[axis] * keep))
    start = rng.choice((0, voxels.shape[axis] - left))
    kept = np.take(voxels, range(start, start + left), axis=axis)
    origin = [float(value) for value in dose.ImagePositionPatient]
    offsets = [float(value) for value in dose.GridFrameOffsetVector]
    if axis == 0:
        dose.GridFrameOffsetVector = offsets[start : start + left]
        if rng.random() < 0.5:
            origin[2] += offsets[start]
            dose.GridFrameOffsetVector = [o - offsets[start] for o in offsets[:left]]
    else:
        origin[2 - axis] += start * float(dose.PixelSpacing[axis - 1])
    dose.ImagePositionPatient = origin
    dose.NumberOfFrames, dose.Rows, dose.Columns = kept.shape
    dose.PixelData = np.ascontiguousarray(kept).tobytes()


def move_dose(export: Export, rng: random.Random) -> None:
    """Move the dose against the contours."""
    origin = [float(value) for value in export["RD"].ImagePositionPatient]
    origin[rng.randrange(3)] += rng.choice((-50, -5, -1, 1, 5, 50))
    export["RD"].ImagePositionPatient = origin


def turn_dose(export: Export, rng: random.Random) -> None:
    """Write another orientation of the grid."""
    ways = ([1, 0, 0, 0, -1, 0], [-1, 0, 0, 0, 1, 0], [0, 1, 0, 1, 0, 0])
    tilted = [0.9999, 0.0141, 0, -0.0141, 0.9999, 0]
    export["RD"].ImageOrientationPatient = rng.choice((*ways, tilted))


def retype_dose(export: Export, rng: random.Random) -> None:
    """Say something else of what the dose is."""
    dose = export["RD"]
    name, values = rng.choice(
        (
            ("DoseUnits", ("RELATIVE", "", "GY")),
            ("DoseType", ("EFFECTIVE", "ERROR", "")),
            ("DoseSummationType", ("BEAM", "FRACTION", "MULTI_PLAN", "")),
        )
    )
    setattr(dose, name, rng.choice(values))


def relink(export: Export, rng: random.Random) -> None:
    """Point a reference elsewhere, or take it."""
    dose, plan = export["RD"], export["RP"]
    which = rng.randrange(4)
    if which == 0:
        dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID = generate_uid()
    elif which == 1:
        plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID = generate_uid()
    elif which == 2:
        del dose.ReferencedRTPlanSequence
    else:
        del plan.ReferencedStructureSetSequence


def other_frame(export: Export, rng: random.Random) -> None:
    """Give one file another frame of reference, study, or patient."""
    dataset = export[rng.choice(("RP", "RS", "RD"))]
    which = rng.choice(("FrameOfReferenceUID", "StudyInstanceUID", "PatientID"))
    setattr(dataset, which, rng.choice((generate_uid(), "1.2.3", "")))


def other_patient(export: Export, rng: random.Random) -> None:
    """Give one file another patient's particulars."""
    dataset = export[rng.choice(("RP", "RS", "RD"))]
    which = rng.choice(("PatientName", "PatientBirthDate", "PatientID"))
    values = {"PatientName": "Other^Name", "PatientBirthDate": "19900101"}
    setattr(dataset, which, values.get(which, "OTHER"))


def other_fractions(export: Export, rng: random.Random) -> None:
    """Plan another number of fractions, or another dose."""
    plan = export["RP"]
    if rng.random() < 0.5:
        group = plan.FractionGroupSequence[0]
        group.NumberOfFractionsPlanned = rng.choice((0, 1, 3, 4, 6, 7, 50, None))
        return
    row = plan.DoseReferenceSequence[0]
    row.TargetPrescriptionDose = rng.choice(("0", "24", "30.2", "36", "42", "3000"))


def other_status(export: Export, rng: random.Random) -> None:
    """Write another approval or intent."""
    plan = export["RP"]
    if rng.random() < 0.7:
        plan.ApprovalStatus = rng.choice(STATES)
        return
    plan.PlanIntent = rng.choice(("VERIFICATION", "RESEARCH", "CURATIVE", ""))


def other_beams(export: Export, rng: random.Random) -> None:
    """Take beams, or make them something else."""
    plan = export["RP"]
    which = rng.randrange(4)
    if which == 0:
        del plan.BeamSequence[:]
    elif which == 1:
        del plan.FractionGroupSequence[0].ReferencedBeamSequence[:]
    elif which == 2:
        plan.BeamSequence[0].TreatmentDeliveryType = rng.choice(("SETUP", "", "ODD"))
    else:
        plan.BeamSequence[0].RadiationType = rng.choice(("PROTON", "ION", "", "ODD"))


def other_position(export: Export, rng: random.Random) -> None:
    """Lay the patient another way, in words alone."""
    for setup in export["RP"].PatientSetupSequence:
        setup.PatientPosition = rng.choice(POSITIONS)


def lose_file(export: Export, rng: random.Random) -> None:
    """Lose one of the files that the plan stands on."""
    del export[rng.choice(("RS", "RD"))]


WAYS: tuple[Way, ...] = (
    lose_roi,
    lose_rings,
    move_rings,
    stretch_rings,
    rename_roi,
    renumber_roi,
    retype_roi,
    scale_dose,
    cut_dose,
    move_dose,
    turn_dose,
    retype_dose,
    relink,
    other_frame,
    other_patient,
    other_fractions,
    other_status,
    other_beams,
    other_position,
    lose_file,
)


def harm(rng: random.Random, number: int, plans: Plans) -> Harmed:
    """Do one to three things to a plan, of five plans four that do not pass."""
    name = rng.choice(NAMES)
    export: Export = {
        file.removesuffix(".dcm"): pydicom.dcmread(io.BytesIO(data))
        for file, data in plans.of(name).items()
    }
    ways = [WAYS[number % len(WAYS)], *rng.choices(WAYS, k=rng.choice((0, 0, 1, 2)))]
    with disable_value_validation():  # odd values are what is wanted
        for way in ways:
            _try(way, export, rng)
        files = {f"{kind}.dcm": _encoded(dataset) for kind, dataset in export.items()}
    return Harmed(
        what=f"{name}: {', '.join(way.__name__ for way in ways)}",
        files=files,
        base=name,
    )


def _try(way: Way, export: Export, rng: random.Random) -> None:
    """Do it, unless what was done before has left nothing to do it to."""
    try:
        way(export, rng)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        return


def _encoded(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()
