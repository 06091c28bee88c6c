"""Plan, structure set and dose of a drawn plan, as model values."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sbrtcheck.model import (
    ROI,
    Beam,
    DoseGrid,
    DoseHeader,
    DoseReference,
    FractionGroup,
    Instance,
    Patient,
    Plan,
    StructureSet,
)
from sbrtcheck.phantoms.solids import DoseField, even_axis
from sbrtcheck.phantoms.spine.anatomy import Part
from sbrtcheck.phantoms.spine.contouring import roi
from sbrtcheck.phantoms.spine.drawn import Drawn, draw, position
from sbrtcheck.phantoms.spine.names import roi_name
from sbrtcheck.phantoms.spine.solve import Solved, Truth, solve

__all__ = ["SpinePlan", "spine_plan"]

# SOP classes of PS3.4 B.5; this room does not know of files.
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
DAY = "20260302"
ALONG_MM = 26.0  # the grid beyond the targets, along z
ASIDE_MM = 45.0
AROUND_MM = 4.0  # the grid beyond organs
WHY_ABSENT = "far from the target"
ARCS = (
    (1, "Arc 1", (181.0, 179.0), 0.52, 1480.0),
    (2, "Arc 2", (179.0, 181.0), 0.48, 1390.0),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpinePlan:
    """A plan with all that it was made of, and all that is true of it.

    Parameters
    ----------
    drawn
        Its properties.
    facts
        What its `case.toml` says; empty where there is nothing to say.
    field
        The dose that the grid samples, known everywhere.
    truth
        The true numbers, from field and contours.
    is_good
        Whether the true numbers keep clear of every line of the trial.
    """

    drawn: Drawn
    plan: Plan
    structure_set: StructureSet
    dose: DoseGrid
    facts: Mapping[str, object]
    field: DoseField
    truth: Truth
    is_good: bool


def spine_plan(seed: int, number: int) -> SpinePlan:
    """Return one plan; the same seed and number always give the same values."""
    drawn = draw(seed, number)
    solved = solve(drawn)
    rois = tuple(
        roi(part, rings, drawn, _name(part, drawn), index)
        for index, (part, rings) in enumerate(solved.rings, start=1)
    )
    targets = [
        item
        for item, (part, _) in zip(rois, solved.rings, strict=True)
        if part.structure == "PTV"
    ]
    headers = _Headers(seed, number)
    field = DoseField(solved.field.dose_gy_at)
    return SpinePlan(
        drawn=drawn,
        plan=_plan(drawn, targets, headers),
        structure_set=StructureSet(
            rois=rois, instance=headers.of("structures", RT_STRUCTURE_SET, "SPINE")
        ),
        dose=_dose(drawn, solved, field, headers),
        facts=_facts(drawn),
        field=field,
        truth=solved.truth,
        is_good=solved.is_good,
    )


def _name(part: Part, drawn: Drawn) -> str:
    return roi_name(
        part.structure,
        drawn.style,
        drawn.variant,
        level=part.level or drawn.levels[0],
        prv_mm=drawn.prv_mm,
    )


@dataclass(frozen=True, slots=True)
class _Headers:
    """The headers of the files of one patient."""

    seed: int
    number: int

    def uid(self, kind: str) -> str:
        """Return a UID that follows from seed, number and kind (PS3.5 B.2)."""
        words = f"spine/{self.seed}/{self.number}/{kind}"
        digest = hashlib.sha256(words.encode()).digest()
        return f"2.25.{int.from_bytes(digest[:15], 'big')}"

    def of(self, kind: str, sop_class_uid: str, label: str) -> Instance:
        """Return the header of one file."""
        return Instance(
            sop_instance_uid=self.uid(kind),
            sop_class_uid=sop_class_uid,
            patient=Patient(
                patient_id=f"SPINE-{self.seed}-{self.number:06d}",
                name=f"Phantom^{self.seed}-{self.number}",
                birth_date="19600315",
            ),
            study_instance_uid=self.uid("study"),
            frame_of_reference_uid=self.uid("frame"),
            label=label,
            date=DAY,
            study_date=DAY,
            approval_status="APPROVED",
            manufacturer="sbrtcheck phantom",
        )


def _plan(drawn: Drawn, targets: list[ROI], headers: _Headers) -> Plan:
    """Return a plan of two arcs with a dose reference for each target."""
    each_gy = drawn.rx_gy / drawn.fractions
    label = f"{'_'.join(drawn.levels)}_{drawn.rx_gy:g}Gy{drawn.fractions}"
    return Plan(
        instance=headers.of("plan", RT_PLAN, label),
        name=label,
        dose_references=tuple(
            _reference(drawn, target, index)
            for index, target in enumerate(targets, start=1)
        ),
        fraction_groups=(
            FractionGroup(
                number=1,
                fractions=drawn.fractions,
                beam_numbers=tuple(arc[0] for arc in ARCS),
                beam_doses_gy=tuple(round(each_gy * arc[3], 4) for arc in ARCS),
                beam_metersets=tuple(arc[4] for arc in ARCS),
            ),
        ),
        beams=tuple(
            Beam(
                number=beam,
                name=name,
                radiation_type="PHOTON",
                machine="LINAC1",
                energy_mv=6.0,
                gantry_angles_deg=angles,
                isocentre_mm=(0.0, 0.0, 0.0),
            )
            for beam, name, angles, _, _ in ARCS
        ),
        structure_set_uid=headers.uid("structures"),
        patient_positions=("HFS",),
    )


def _reference(drawn: Drawn, target: ROI, index: int) -> DoseReference:
    """Return the prescription to a target; only a SITE has nothing but its name."""
    return DoseReference(
        number=index,
        structure_type=drawn.reference,
        description=target.name,
        type="TARGET",
        target_prescription_dose_gy=drawn.rx_gy,
        referenced_roi_number=None if drawn.reference == "SITE" else target.number,
    )


def _dose(
    drawn: Drawn, solved: Solved, field: DoseField, headers: _Headers
) -> DoseGrid:
    """Return the dose on a grid around targets and organs."""
    low, high = _grid_box(solved)
    axes = [
        even_axis(a - step, b + step, drawn.grid_mm).round(4)
        for a, b, phase in zip(low, high, drawn.grid_phase, strict=True)
        for step in (drawn.grid_mm,)
        for a in (drawn.grid_mm * (np.floor(a / drawn.grid_mm) + phase),)
    ]
    grid = field.sampled(*axes)
    return DoseGrid(
        dose_gy=grid.dose_gy.round(5),
        x_mm=grid.x_mm,
        y_mm=grid.y_mm,
        z_mm=grid.z_mm,
        header=DoseHeader(
            instance=headers.of("dose", RT_DOSE, "PLAN DOSE"),
            units="GY",
            type="PHYSICAL",
            summation_type="PLAN",
            referenced_plan_uids=(headers.uid("plan"),),
            referenced_structure_set_uid=headers.uid("structures"),
            size=(grid.x_mm.size, grid.y_mm.size, grid.z_mm.size),
        ),
    )


def _grid_box(solved: Solved) -> tuple[list[float], list[float]]:
    """Return the corners of the box that the grid must hold."""
    lows, highs = [], []
    for part, rings in solved.rings:
        if part.structure == "External":
            continue
        xy = np.concatenate([ring.points_mm for ring in rings])
        z = [ring.z_mm for ring in rings]
        target = part.structure == "PTV"
        aside, along = (ASIDE_MM, ALONG_MM) if target else (AROUND_MM, AROUND_MM)
        lows.append([*(xy.min(axis=0) - aside), min(z) - along])
        highs.append([*(xy.max(axis=0) + aside), max(z) + along])
    return np.min(lows, axis=0).tolist(), np.max(highs, axis=0).tolist()


def _facts(drawn: Drawn) -> Mapping[str, object]:
    """Return why expected organs are not drawn."""
    absent = []
    if drawn.oesophagus == "absent":
        absent.append("Esophagus")
    if drawn.gut == "absent":
        absent.append("Bowel_Small")
        if position(drawn.levels[0]) < position("L1"):
            absent += ["Stomach", "Duodenum"]
    return {"not_drawn": dict.fromkeys(absent, WHY_ABSENT)} if absent else {}
