"""Volumes inside isodose surfaces, as conformity and gradient indices need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours import build_region, encloses_box
from sbrtcheck.dvh import compute_dvh
from sbrtcheck.model import ROI, DoseGrid, FloatArray, Text
from sbrtcheck.occupancy import inside

__all__ = ["Isodose", "IsodoseVolume", "Isodoses", "compute_isodoses"]

PARTS = 4  # a cell that the surface crosses is cut into this many parts along each axis


@dataclass(frozen=True, slots=True, kw_only=True)
class IsodoseVolume:
    """The volume that receives at least a dose, or why it is not known."""

    dose_gy: float
    volume_cc: float | None
    reason: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Isodose:
    """The volumes of the prescription isodose and of half of it."""

    full: IsodoseVolume
    half: IsodoseVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class Isodoses:
    """Isodose volumes of all targets of one prescription together, and of each where it has its own."""

    union: Isodose
    by_target: Mapping[str, Isodose]
    notes: tuple[Text, ...] = ()


class _Surface(NamedTuple):
    """What lies above a dose: volume by connected piece, and which pieces reach each target."""

    dose_gy: float
    volume_cc: FloatArray
    of_target: Mapping[str, frozenset[int]]
    reason: Text | None


def compute_isodoses(
    rx_gy: float, dose: DoseGrid, targets: Mapping[str, ROI], external: ROI | None
) -> Isodoses:
    """Return the volumes inside the isodoses of a prescription and of half of it.

    All of the isodose counts, inside the body contour where one is drawn. A target has an isodose
    of its own where the connected pieces that reach it reach no other target.

    Parameters
    ----------
    rx_gy
        The prescribed dose in Gy.
    targets
        The targets of that prescription, by name.
    external
        The body contour, or None.

    Notes
    -----
    The dose is read trilinearly. A volume whose isodose touches the border of the dose grid is
    not known. Cells that the surface crosses are cut into 4 x 4 x 4 parts.
    """
    surfaces = [_surface(level_gy, dose, targets, external) for level_gy in (rx_gy, rx_gy / 2)]
    full, half = (_of_all(surface) for surface in surfaces)
    union = Isodose(full=full, half=half)
    by_target = {
        name: union
        if len(targets) == 1
        else Isodose(full=_of_one(name, surfaces[0]), half=_of_one(name, surfaces[1]))
        for name in targets
    }
    words = (
        "isodose volumes count inside the body contour"
        if external
        else ("no body contour: isodose volumes count in the whole dose grid")
    )
    return Isodoses(union=union, by_target=by_target, notes=(Text(words),))


def _of_all(surface: _Surface) -> IsodoseVolume:
    total = None if surface.reason is not None else float(surface.volume_cc.sum())
    return IsodoseVolume(dose_gy=surface.dose_gy, volume_cc=total, reason=surface.reason)


def _of_one(name: str, surface: _Surface) -> IsodoseVolume:
    own = surface.of_target[name]
    shared = any(own & pieces for other, pieces in surface.of_target.items() if other != name)
    reason = surface.reason or (Text("not separable from another target's") if shared else None)
    volume_cc = None if reason is not None else float(surface.volume_cc[sorted(own)].sum())
    return IsodoseVolume(dose_gy=surface.dose_gy, volume_cc=volume_cc, reason=reason)


def _surface(
    level_gy: float, dose: DoseGrid, targets: Mapping[str, ROI], external: ROI | None
) -> _Surface:
    above = dose.dose_gy >= level_gy
    nothing = dict.fromkeys(targets, frozenset[int]())
    sides = (above[0], above[-1], above[:, 0], above[:, -1], above[:, :, 0], above[:, :, -1])
    if any(side.any() for side in sides):
        reason = Text("the isodose of {dose_gy} Gy leaves the dose grid", dose_gy=level_gy)
        return _Surface(level_gy, np.zeros(1), nothing, reason)
    box = [np.flatnonzero(above.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not box[0].size:
        return _Surface(level_gy, np.zeros(1), nothing, None)
    # One point more on each side: the surface lies between a point inside and one outside.
    crop = tuple(slice(int(found[0]) - 1, int(found[-1]) + 2) for found in box)
    z_mm, y_mm, x_mm = (
        axis[part] for axis, part in zip((dose.z_mm, dose.y_mm, dose.x_mm), crop, strict=True)
    )
    pieces = _pieces(above[crop], alone=len(targets) <= 1)
    cell_cc = _cell_volumes_cc(dose.dose_gy[crop], level_gy, (z_mm, y_mm, x_mm))
    volume_cc = np.bincount(_piece_of_cells(pieces).ravel(), cell_cc.ravel())
    of_target = {name: _pieces_in(roi, pieces, (z_mm, y_mm, x_mm)) for name, roi in targets.items()}
    if external is None or encloses_box(
        external, (x_mm[0], y_mm[0], z_mm[0]), (x_mm[-1], y_mm[-1], z_mm[-1])
    ):
        return _Surface(level_gy, volume_cc.astype(np.float64), of_target, None)
    if len(targets) > 1:
        reason = Text("the isodose leaves the body contour: not separable by target")
        return _Surface(level_gy, np.zeros(1), nothing, reason)
    # Rare, a target near the skin: the body's own DVH knows what lies inside it.
    inside_cc = compute_dvh(external, dose).volume_inside_cc(level_gy)
    return _Surface(level_gy, np.array([inside_cc]), of_target, None)


def _pieces(above: NDArray[np.bool_], *, alone: bool) -> NDArray[np.intp]:
    """Return a number for each connected piece of what lies above a dose; 0 elsewhere."""
    if alone:
        return above.astype(np.intp)
    from scipy import ndimage

    # Points of one cell are connected: the trilinear surface joins them or nearly does.
    labels, _ = ndimage.label(above, structure=np.ones((3, 3, 3)))
    return np.asarray(labels, dtype=np.intp)


def _corners(values: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """Return the values at the eight corners of every cell."""
    ends = (slice(None, -1), slice(1, None))
    return [values[a, b, c] for a in ends for b in ends for c in ends]


def _piece_of_cells(pieces: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.asarray(np.maximum.reduce(_corners(pieces)), dtype=np.intp)


def _cell_volumes_cc(
    dose_gy: FloatArray, level_gy: float, axes_mm: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """Return what of every cell receives at least a dose, shape one less than the grid's."""
    corners = np.stack(_corners(dose_gy))
    share = (corners.min(axis=0) >= level_gy).astype(np.float64)
    crossed = (corners.max(axis=0) >= level_gy) & (share == 0)
    share[crossed] = _crossed_share(corners[:, crossed], level_gy)
    dz, dy, dx = (np.diff(axis) for axis in axes_mm)
    volume_mm3 = dz[:, None, None] * dy[None, :, None] * dx[None, None, :]
    return np.asarray(share * volume_mm3 / 1000, dtype=np.float64)


def _crossed_share(corners_gy: FloatArray, level_gy: float) -> FloatArray:
    """Return which share of cells, corners of shape (8, n), receives at least a dose.

    Each part counts by how far its middle dose lies above the level against the range of dose
    across it, not as in or out.
    """
    at = (np.arange(PARTS) + 0.5) / PARTS
    low, high = 1 - at, at
    weights = np.stack(
        [
            np.einsum("i,j,k->ijk", a, b, c).ravel()
            for a in (low, high)
            for b in (low, high)
            for c in (low, high)
        ]
    )
    middle_gy = weights.T @ corners_gy
    slopes = [
        (corners_gy[upper] - corners_gy[lower]).mean(axis=0) / PARTS
        for lower, upper in (
            ([0, 1, 2, 3], [4, 5, 6, 7]),
            ([0, 1, 4, 5], [2, 3, 6, 7]),
            ([0, 2, 4, 6], [1, 3, 5, 7]),
        )
    ]
    width_gy = np.sqrt(np.square(slopes).sum(axis=0)) + 1e-12
    return np.asarray(np.clip((middle_gy - level_gy) / width_gy + 0.5, 0, 1).mean(axis=0))


def _pieces_in(
    roi: ROI, pieces: NDArray[np.intp], axes_mm: tuple[FloatArray, FloatArray, FloatArray]
) -> frozenset[int]:
    """Return the pieces at the grid points inside a target."""
    z_mm, y_mm, x_mm = axes_mm
    found: set[int] = set()
    slabs = build_region(roi).slabs
    for slab in slabs:
        planes = np.flatnonzero((z_mm >= slab.low_mm) & (z_mm <= slab.high_mm))
        if planes.size:
            within = inside([slab.rings], x_mm, y_mm)[0]
            found.update(np.unique(pieces[planes][:, within]).tolist())
    return frozenset(found - {0})
