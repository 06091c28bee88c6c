"""A case without files: ROIs and dose from plain arrays."""

from collections.abc import Sequence

from sbrtcheck.dossier.case import Case, Link
from sbrtcheck.model import ROI, DoseGrid, Instance, Patient, Plan, StructureSet, Text

__all__ = ["case_from_arrays"]

ARRAYS = "arrays"  # the frame of reference that the caller says they share
KINDS = ("RT Plan", "RT Structure Set", "RT Dose")
UNPROVEN = Text(
    "given as arrays: nothing but the caller says that they belong together"
)


def case_from_arrays(
    rois: Sequence[ROI], dose: DoseGrid, *, label: str = "arrays"
) -> Case:
    """Return a case made of ROIs and a dose of the whole course.

    No file links them and no plan states a prescription: declare it, and that no other plan
    gives dose here, when the case is checked.

    Parameters
    ----------
    rois
        Their names say what they are: "SpinalCord", "PTV_T8".
    dose
        The physical dose of all fractions in Gy, in the coordinates of the contours.
    label
        What the page calls the plan.

    Examples
    --------
    >>> import numpy as np
    >>> from sbrtcheck import ROI, Contour, Declared, DoseGrid, case_from_arrays, check
    >>> from sbrtcheck import load_protocol
    >>> square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    >>> ptv = ROI(name="PTV_T8", contours=[Contour(points_mm=square, z_mm=z) for z in (0, 2, 4)])
    >>> axis = np.arange(-10.0, 21.0, 2.0)
    >>> dose = DoseGrid(dose_gy=np.full((16, 16, 16), 30.5), x_mm=axis, y_mm=axis, z_mm=axis)
    >>> case = case_from_arrays([ptv], dose)
    >>> verdict = check(case, load_protocol("nct06756087"), Declared(prescription=(30, 5)))
    >>> verdict.outcome.name
    'UNDECIDED'
    """
    instance = Instance(
        sop_instance_uid="",
        sop_class_uid="",
        patient=Patient(),
        frame_of_reference_uid=ARRAYS,
        label=label,
    )
    return Case(
        plan=Plan(instance=instance),
        structure_set=StructureSet(rois=tuple(rois), instance=instance),
        dose=dose,
        links=tuple(
            Link(
                kind=kind,
                instance=instance,
                how=UNPROVEN,
                by_hand=True,
                matches_uid=kind == KINDS[0],
            )
            for kind in KINDS
        ),
    )
