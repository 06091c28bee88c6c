"""A plan checked from arrays only: rings, a dose array, a prescription. No DICOM is read.

python examples/check_from_arrays.py
"""

import numpy as np

from sbrtcheck import (
    ROI,
    Contour,
    Declared,
    DoseGrid,
    Outcome,
    case_from_arrays,
    check,
    load_protocol,
)

PLANES_MM = np.arange(-40.0, 40.1, 2.0)
TARGET_PLANES_MM = PLANES_MM[np.abs(PLANES_MM) <= 12]


def circle(x_mm: float, y_mm: float, radius_mm: float) -> np.ndarray:
    """Return a ring of 90 corners, shape (90, 2)."""
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    return np.column_stack(
        [x_mm + radius_mm * np.cos(turn), y_mm + radius_mm * np.sin(turn)]
    )


def drawn(name: str, ring: np.ndarray, planes_mm: np.ndarray) -> ROI:
    """Return an ROI that has the same ring on every plane."""
    return ROI(
        name=name, contours=tuple(Contour(points_mm=ring, z_mm=z) for z in planes_mm)
    )


target = drawn("PTV_T8", circle(0, 0, 15), TARGET_PLANES_MM)
cord = drawn("SpinalCord", circle(0, 30, 5), PLANES_MM)

# 34 Gy in the middle, falling by about 8 % of the prescription per mm beyond the target.
axis_mm = np.arange(-60.0, 60.1, 2.0)
z, y, x = np.meshgrid(axis_mm, axis_mm, axis_mm, indexing="ij")
away_mm = np.hypot(np.hypot(x, y), np.maximum(np.abs(z) - 5, 0))
dose = DoseGrid(
    dose_gy=34 / (1 + np.exp((away_mm - 21) / 3)),
    x_mm=axis_mm,
    y_mm=axis_mm,
    z_mm=axis_mm,
)

case = case_from_arrays([target, cord], dose)
declared = Declared(prescription=(30, 5), alone=True)
verdict = check(case, load_protocol("nct06756087"), declared)

print("Verdict:", verdict.outcome.name)
for finding in verdict.findings:
    if (
        finding.value is not None
        and finding.line is not None
        and finding.outcome is not None
    ):
        value = finding.value.value
        answer = "not known" if value is None else f"{value:.2f} {finding.metric.unit}"
        print(f"{finding.roi} {finding.metric}: {answer}, {finding.outcome.name}")
for finding in verdict.findings:
    if finding.outcome not in (None, Outcome.PASS):
        print(f"{finding.outcome.name}: {finding.message}")
