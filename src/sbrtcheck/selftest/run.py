"""Write each phantom as DICOM, read it back as any case is read, and compare with the truth."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sbrtcheck.dicom import RT_DOSE, RT_PLAN, RT_STRUCTURE_SET
from sbrtcheck.dicom.write import save_dose, save_plan, save_structure_set
from sbrtcheck.dossier import Case, load_case
from sbrtcheck.dvh import Band, compute_band
from sbrtcheck.model import DoseHeader, Instance, Patient, Plan, StructureSet, Value
from sbrtcheck.protocol.evaluate import evaluate_metric
from sbrtcheck.selftest.catalogue import phantoms
from sbrtcheck.selftest.phantom import INTERVAL, OUTSIDE, Phantom, Truth

__all__ = ["Answer", "run_selftest"]

ROOT_UID = "2.25.314078415273210650927164905418027264102"
PLAN, STRUCTURES, DOSE, FRAME = (f"{ROOT_UID}.{number}" for number in range(1, 5))
BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was measured of a phantom, beside what is true."""

    subject: str
    phantom: str
    truth: Truth
    measured: float | None
    unit: str

    @property
    def error(self) -> float | None:
        """Return how far the measured answer is from the true one; None where none is known."""
        if self.truth.value is None or self.measured is None:
            return None
        return self.measured - self.truth.value

    @property
    def used(self) -> float:
        """Return which part of the allowed error is used up; infinite where an answer is missing."""
        if self.truth.value is None:
            return 0.0 if self.measured is None else float("inf")
        error = self.error
        return float("inf") if error is None else abs(error) / self.truth.allowed

    @property
    def passes(self) -> bool:
        """Tell whether the error is allowed."""
        return self.used <= 1


def run_selftest(
    folder: Path,
    chosen: Iterable[Phantom] | None = None,
    *,
    done: Callable[[str], None] = lambda name: None,  # noqa: ARG005 - called by keyword nowhere
) -> tuple[Answer, ...]:
    """Measure phantoms and compare them with the truth.

    Parameters
    ----------
    folder
        An empty folder for DICOM files, which are left there.
    chosen
        Phantoms; default: all.
    done
        Is called with the name of each phantom that is finished.
    """
    answers: list[Answer] = []
    for number, phantom in enumerate(phantoms() if chosen is None else chosen):
        place = folder / f"{number:03}"
        _write(phantom, place)
        answers += _measured(phantom, load_case(place, within=place))
        done(f"{phantom.subject}: {phantom.name}")
    return tuple(answers)


def _write(phantom: Phantom, folder: Path) -> None:
    """Write RT Plan, RT Structure Set and RT Dose that name one another."""
    folder.mkdir()
    header = DoseHeader(
        instance=_instance(DOSE, RT_DOSE),
        units="GY",
        type="PHYSICAL",
        summation_type="PLAN",
        referenced_plan_uids=(PLAN,),
        referenced_structure_set_uid=STRUCTURES,
    )
    plan = Plan(instance=_instance(PLAN, RT_PLAN), structure_set_uid=STRUCTURES)
    structures = StructureSet(
        rois=(replace(phantom.roi, number=1),),
        instance=_instance(STRUCTURES, RT_STRUCTURE_SET),
    )
    save_plan(plan, folder / "RP.dcm")
    save_structure_set(structures, folder / "RS.dcm")
    save_dose(
        replace(phantom.dose, header=header),
        folder / "RD.dcm",
        bits=BITS,
        position=phantom.position,
        offsets=phantom.offsets,
    )


def _instance(uid: str, sop_class_uid: str) -> Instance:
    return Instance(
        sop_instance_uid=uid,
        sop_class_uid=sop_class_uid,
        patient=Patient(patient_id="SELFTEST", name="Phantom"),
        study_instance_uid=f"{ROOT_UID}.5",
        frame_of_reference_uid=FRAME,
        label="SELFTEST",
        date="20260101",
        study_date="20260101",
    )


def _measured(phantom: Phantom, case: Case) -> list[Answer]:
    band = compute_band(case.structure_set.rois[0], case.dose)
    return [
        Answer(
            subject=phantom.subject,
            phantom=phantom.name,
            truth=truth,
            measured=_found(truth, band),
            unit="Gy" if truth.metric.startswith("D") else "cc",
        )
        for truth in phantom.truths
    ]


def _found(truth: Truth, band: Band) -> float | None:
    if truth.metric == OUTSIDE:
        return band.nominal.volume_outside_cc
    if truth.metric.endswith(INTERVAL):
        return _nearest_inside(
            evaluate_metric(truth.metric.removesuffix(INTERVAL), band), truth
        )
    if truth.metric == "volume":
        return band.nominal.volume_cc
    return evaluate_metric(truth.metric, band.nominal).value


def _nearest_inside(value: Value, truth: Truth) -> float | None:
    """Return the truth where the interval holds it, else the end that is next to it."""
    if value.low is None or value.high is None or truth.value is None:
        return value.value
    return min(max(truth.value, value.low), value.high)
