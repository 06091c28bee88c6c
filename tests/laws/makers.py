"""Cases made otherwise than drawn: hotter, moved, taken apart. Each takes a case and returns one.

None stands for a case that has not what would be changed.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from laws.bench import matches_of
from sbrtcheck.checks.read_neural import NEURAL_ROLES
from sbrtcheck.dossier import Case
from sbrtcheck.model import ROI, Contour, FloatArray
from sbrtcheck.protocol.rules import Role

Maker = Callable[[Case], Case | None]
Rings = Callable[[ROI], Iterable[Contour]]
ADDED_GY = 28.0  # above every line of cord and cauda where it comes on top
REACH_MM = 5.0


# --- Finding ------------------------------------------------------------------------------------


def rois_of(case: Case, *roles: Role) -> list[ROI]:
    """Return the drawn ROIs of some roles."""
    names = {match.roi.name for match in matches_of(case) if match.role in roles}
    return [
        roi for roi in case.structure_set.rois if roi.name in names and roi.contours
    ]


def first_neural(case: Case) -> ROI | None:
    """Return the ROI that stands for the cord: the cord, else the next in order."""
    for role in NEURAL_ROLES:
        found = rois_of(case, role)
        if found:
            return found[0]
    return None


def z_range(rois: Iterable[ROI]) -> tuple[float, float]:
    """Return the lowest and the highest plane."""
    heights = np.concatenate([roi.z_mm for roi in rois])
    return float(heights.min()), float(heights.max())


def with_rois(case: Case, rois: Iterable[ROI]) -> Case:
    """Return the case with other ROIs."""
    return replace(case, structure_set=replace(case.structure_set, rois=tuple(rois)))


def with_roi(case: Case, changed: ROI) -> Case:
    """Return the case with an ROI changed, which keeps its name."""
    rois = case.structure_set.rois
    return with_rois(
        case, (changed if roi.name == changed.name else roi for roi in rois)
    )


def with_dose(case: Case, dose_gy: FloatArray) -> Case:
    """Return the case with other doses on its grid."""
    return replace(case, dose=replace(case.dose, dose_gy=dose_gy))


# --- Dose ---------------------------------------------------------------------------------------


def scaled(factor: float) -> Maker:
    """Return what scales the whole dose."""

    def make(case: Case) -> Case:
        return with_dose(case, case.dose.dose_gy * factor)

    return make


def near(case: Case, roi: ROI, reach_mm: float) -> FloatArray:
    """Return a weight of 1 on the axis of a ROI that falls off around it, shape (nz, ny, nx)."""
    dose = case.dose
    centres = np.array([[*c.points_mm.mean(axis=0), c.z_mm] for c in roi.contours])
    centres = centres[np.argsort(centres[:, 2])]
    x, y = (np.interp(dose.z_mm, centres[:, 2], centres[:, axis]) for axis in (0, 1))
    square = (dose.x_mm[None, None, :] - x[:, None, None]) ** 2
    square = square + (dose.y_mm[None, :, None] - y[:, None, None]) ** 2
    weight: FloatArray = np.exp(-square / (2 * reach_mm**2))
    return weight


def neural_hotter(gy: float) -> Maker:
    """Return what adds dose around what stands for the cord."""

    def make(case: Case) -> Case | None:
        roi = first_neural(case)
        if roi is None:
            return None
        return with_dose(case, case.dose.dose_gy + gy * near(case, roi, REACH_MM))

    return make


def neural_scaled(factor: float) -> Maker:
    """Return what scales the dose around what stands for the cord."""

    def make(case: Case) -> Case | None:
        roi = first_neural(case)
        if roi is None:
            return None
        weight = near(case, roi, 2 * REACH_MM)
        return with_dose(case, case.dose.dose_gy * (1 + (factor - 1) * weight))

    return make


def target_colder(factor: float) -> Maker:
    """Return what scales the dose in the box around the targets."""

    def make(case: Case) -> Case | None:
        targets = rois_of(case, Role.PTV)
        if not targets:
            return None
        xy = np.concatenate([c.points_mm for roi in targets for c in roi.contours])
        (x0, y0), (x1, y1) = xy.min(axis=0), xy.max(axis=0)
        z0, z1 = z_range(targets)
        dose = case.dose
        inside = (
            ((dose.x_mm >= x0) & (dose.x_mm <= x1))[None, None, :]
            & ((dose.y_mm >= y0) & (dose.y_mm <= y1))[None, :, None]
            & ((dose.z_mm >= z0) & (dose.z_mm <= z1))[:, None, None]
        )
        return with_dose(case, np.where(inside, dose.dose_gy * factor, dose.dose_gy))

    return make


def trimmed(axis: int, part: float, *, low: bool) -> Maker:
    """Return what cuts a part of the grid off from one side; 0 is x, 1 y, 2 z."""

    def make(case: Case) -> Case | None:
        dose = case.dose
        axes = [dose.x_mm, dose.y_mm, dose.z_mm]
        cut = round(axes[axis].size * part)
        if axes[axis].size - cut < 3 or cut == 0:
            return None
        keep = slice(cut, None) if low else slice(None, -cut)
        axes[axis] = axes[axis][keep]
        index: list[slice] = [slice(None)] * 3
        index[2 - axis] = keep
        values = dose.dose_gy[tuple(index)]
        cut_dose = replace(
            dose, dose_gy=values, x_mm=axes[0], y_mm=axes[1], z_mm=axes[2]
        )
        return replace(case, dose=cut_dose)

    return make


# --- Contours -----------------------------------------------------------------------------------


def redrawn(roi: ROI, rings: Iterable[Contour]) -> ROI:
    """Return an ROI with other contours."""
    return replace(roi, contours=tuple(rings))


def neural_moved(step_mm: float) -> Maker:
    """Return what moves what stands for the cord toward the nearest target."""

    def make(case: Case) -> Case | None:
        roi, targets = first_neural(case), rois_of(case, Role.PTV)
        if roi is None or not targets:
            return None
        own = np.concatenate([c.points_mm for c in roi.contours]).mean(axis=0)
        aims = [
            np.concatenate([c.points_mm for c in t.contours]).mean(axis=0)
            for t in targets
        ]
        way = min((aim - own for aim in aims), key=lambda v: float(np.hypot(*v)))
        shift = way / np.hypot(*way) * step_mm
        rings = [replace(c, points_mm=c.points_mm + shift) for c in roi.contours]
        return with_roi(case, redrawn(roi, rings))

    return make


def neural_grown(margin_mm: float) -> Maker:
    """Return what draws what stands for the cord larger."""

    def grown(ring: Contour) -> Contour:
        centre = ring.points_mm.mean(axis=0)
        out = ring.points_mm - centre
        length = np.hypot(out[:, 0], out[:, 1])[:, None]
        return replace(ring, points_mm=centre + out * (1 + margin_mm / length.max()))

    def make(case: Case) -> Case | None:
        roi = first_neural(case)
        if roi is None:
            return None
        return with_roi(case, redrawn(roi, map(grown, roi.contours)))

    return make


def without_roi(index: int) -> Maker:
    """Return what takes one ROI away, contours and name."""

    def make(case: Case) -> Case | None:
        rois = case.structure_set.rois
        if index >= len(rois):
            return None
        return with_rois(case, rois[:index] + rois[index + 1 :])

    return make


def without(*roles: Role) -> Maker:
    """Return what takes the ROIs of some roles away."""

    def make(case: Case) -> Case | None:
        gone = {roi.name for roi in rois_of(case, *roles)}
        rois = case.structure_set.rois
        return (
            with_rois(case, (r for r in rois if r.name not in gone)) if gone else None
        )

    return make


def only_one_neural(case: Case) -> Case | None:
    """Take all that is neural away but what stands for the cord."""
    kept = first_neural(case)
    if kept is None:
        return None
    gone = {roi.name for roi in rois_of(case, *NEURAL_ROLES)} - {kept.name}
    return with_rois(case, (r for r in case.structure_set.rois if r.name not in gone))


def without_planes(roles: tuple[Role, ...], which: str) -> Maker:
    """Return what takes planes of ROIs away: "middle", "low" or "high" of the targets' extent."""

    def make(case: Case) -> Case | None:
        rois, targets = rois_of(case, *roles), rois_of(case, Role.PTV)
        if not rois or not targets:
            return None
        z0, z1 = z_range(targets)
        third = (z1 - z0) / 3
        low, high = {
            "middle": (z0 + third, z1 - third),
            "low": (-np.inf, z0 + third),
            "high": (z1 - third, np.inf),
        }[which]
        made = case
        for roi in rois:
            rings = [c for c in roi.contours if not low <= c.z_mm <= high]
            if len(rings) == len(roi.contours):
                return None
            made = with_roi(made, redrawn(roi, rings))
        return made

    return make


def neural_rings(rings: Callable[[Contour], Iterable[Contour]]) -> Maker:
    """Return what draws what is neural otherwise on every plane of the targets."""

    def make(case: Case) -> Case | None:
        targets = rois_of(case, Role.PTV)
        if not targets:
            return None
        z0, z1 = z_range(targets)
        made = case
        for roi in rois_of(case, *NEURAL_ROLES):
            drawn: list[Contour] = []
            for ring in roi.contours:
                drawn += rings(ring) if z0 - 1 <= ring.z_mm <= z1 + 1 else [ring]
            made = with_roi(made, redrawn(roi, drawn))
        return made

    return make


def all_rings(rings: Rings) -> Maker:
    """Return what draws every ROI otherwise."""

    def make(case: Case) -> Case:
        return with_rois(
            case, (redrawn(roi, rings(roi)) for roi in case.structure_set.rois)
        )

    return make


def chain(*makers: Maker) -> Maker:
    """Return makers one after the other."""

    def make(case: Case) -> Case | None:
        made: Case | None = case
        for maker in makers:
            made = None if made is None else maker(made)
        return made

    return make
