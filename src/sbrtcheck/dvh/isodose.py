"""Volumes inside isodose surfaces, as conformity and gradient indices need them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sbrtcheck.contours import build_region, encloses_box
from sbrtcheck.dvh import DVH, compute_dvh
from sbrtcheck.dvh.occupancy import Lattice, occupancy
from sbrtcheck.model import ROI, DoseGrid, FloatArray, Text

__all__ = ["Isodose", "IsodoseVolume", "Isodoses", "compute_isodoses"]

# Along each side of a crossed cell: an octahedron of 5 mm in 2 mm cells to 0.1 %.
COLUMNS = 4

Axes = tuple[FloatArray, FloatArray, FloatArray]  # grid points along z, y and x in mm


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
    not known. Whether targets share an isodose is decided on cells of the dose grid, on the side
    of not separable. Cells that the surface crosses are cut into columns, along which the dose is
    linear and the part at or above the level exact.

    Examples
    --------
    >>> import numpy as np
    >>> axis = np.arange(-20.0, 21.0, 2.0)
    >>> tent = 30 - abs(axis) - abs(axis)[:, None] - abs(axis)[:, None, None]
    >>> dose = DoseGrid(dose_gy=tent, x_mm=axis, y_mm=axis, z_mm=axis)
    >>> isodoses = compute_isodoses(24, dose, {"PTV": ROI(name="PTV")}, None)
    >>> f"{isodoses.union.full.volume_cc:.3f} cc"  # an octahedron: 4/3 of 6 mm cubed
    '0.288 cc'
    """
    if external is not None and not external.contours:
        external = None
    surfaces = [
        _surface(level_gy, dose, targets, external) for level_gy in (rx_gy, rx_gy / 2)
    ]
    full, half = (_of_all(surface) for surface in surfaces)
    union = Isodose(full=full, half=half)
    by_target = dict.fromkeys(targets, union)
    if len(targets) > 1:
        by_target = {
            name: Isodose(
                full=_of_one(name, surfaces[0]), half=_of_one(name, surfaces[1])
            )
            for name in targets
        }
    notes: tuple[Text, ...] = ()
    if external is None:
        notes = (
            Text(
                "no body contour is drawn: isodose volumes count in the whole dose grid"
            ),
        )
    return Isodoses(union=union, by_target=by_target, notes=notes)


def _of_all(surface: _Surface) -> IsodoseVolume:
    if surface.reason is not None:
        return _not_known(surface, surface.reason)
    total_cc = float(surface.volume_cc.sum())
    return IsodoseVolume(dose_gy=surface.dose_gy, volume_cc=total_cc)


def _of_one(name: str, surface: _Surface) -> IsodoseVolume:
    if surface.reason is not None:
        return _not_known(surface, surface.reason)
    own = surface.of_target[name]
    if any(
        own & pieces for other, pieces in surface.of_target.items() if other != name
    ):
        return _not_known(surface, Text("not separable from another target's"))
    own_cc = float(surface.volume_cc[sorted(own)].sum())
    return IsodoseVolume(dose_gy=surface.dose_gy, volume_cc=own_cc)


def _not_known(surface: _Surface, reason: Text) -> IsodoseVolume:
    return IsodoseVolume(dose_gy=surface.dose_gy, volume_cc=None, reason=reason)


def _surface(
    level_gy: float, dose: DoseGrid, targets: Mapping[str, ROI], external: ROI | None
) -> _Surface:
    above = dose.dose_gy >= level_gy
    nothing = dict.fromkeys(targets, frozenset[int]())
    if _reaches_border(above):
        reason = Text(
            "the isodose of {dose_gy} Gy leaves the dose grid", dose_gy=level_gy
        )
        return _Surface(level_gy, np.zeros(1), nothing, reason)
    box = [
        np.flatnonzero(above.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))
    ]
    if not box[0].size:
        return _Surface(level_gy, np.zeros(1), nothing, None)
    # One point more on each side: the surface lies between a point inside and one outside.
    crop = tuple(slice(int(found[0]) - 1, int(found[-1]) + 2) for found in box)
    z_mm, y_mm, x_mm = (
        axis[part]
        for axis, part in zip((dose.z_mm, dose.y_mm, dose.x_mm), crop, strict=True)
    )
    cell_cc = _cell_volumes_cc(dose.dose_gy[crop], level_gy, (z_mm, y_mm, x_mm))
    volume_cc, of_target = np.array([cell_cc.sum()]), nothing
    if len(targets) > 1:
        pieces = _pieces(above[crop])
        volume_cc = np.bincount(pieces.ravel(), cell_cc.ravel()).astype(np.float64)
        of_target = {
            name: _pieces_in(roi, pieces, (z_mm, y_mm, x_mm))
            for name, roi in targets.items()
        }
    if external is None or encloses_box(
        external, (x_mm[0], y_mm[0], z_mm[0]), (x_mm[-1], y_mm[-1], z_mm[-1])
    ):
        return _Surface(level_gy, volume_cc, of_target, None)
    if len(targets) > 1:
        reason = Text("the isodose leaves the body contour: not separable by target")
        return _Surface(level_gy, np.zeros(1), nothing, reason)
    # Rare, a target near the skin: the body's own DVH knows what lies inside it.
    body = compute_dvh(external, dose)
    if not isinstance(body, DVH):
        reason = Text("the body contour has no volume")
        return _Surface(level_gy, np.zeros(1), nothing, reason)
    return _Surface(
        level_gy, np.array([body.volume_inside_cc(level_gy)]), of_target, None
    )


def _reaches_border(above: NDArray[np.bool_]) -> bool:
    """Return whether any of the points lies on one of the six sides of the grid."""
    ends = (above.take((0, -1), axis=axis) for axis in range(3))
    return any(end.any() for end in ends)


def _pieces(above: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each cell the number of the connected piece it belongs to; 0 for none."""
    from scipy import ndimage

    # Points of one cell are connected: the trilinear surface joins them or nearly does. So all
    # corners of a cell that lie above the dose bear one number.
    labels, _ = ndimage.label(above, structure=np.ones((3, 3, 3)))
    for axis in range(3):
        labels = np.maximum(*_ends(labels, axis))
    return np.asarray(labels, dtype=np.intp)


def _ends(points: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return all but the last and all but the first points along an axis."""
    before: list[slice] = [slice(None)] * axis
    return points[(*before, slice(None, -1))], points[(*before, slice(1, None))]


def _cell_volumes_cc(dose_gy: FloatArray, level_gy: float, axes_mm: Axes) -> FloatArray:
    """Return what of every cell receives at least a dose, shape one less than the grid's."""
    corners = (dose_gy >= level_gy).view(np.uint8)
    for axis in range(3):
        corners = np.add(*_ends(corners, axis))
    share = (corners == 8).astype(np.float64)
    k, j, i = np.nonzero((corners > 0) & (corners < 8))
    cubes_gy = np.stack(
        [dose_gy[k + z, j + y, i + x] for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    )
    share[k, j, i] = _crossed_share(cubes_gy.reshape(2, 2, 2, -1), level_gy)
    dz, dy, dx = (np.diff(axis_mm) for axis_mm in axes_mm)
    volume_cc: FloatArray = share * (dz[:, None, None] * (dy[:, None] * dx / 1000))
    return volume_cc


def _crossed_share(cubes_gy: FloatArray, level_gy: float) -> FloatArray:
    """Return which share of cells receives at least a dose.

    Parameters
    ----------
    cubes_gy
        Shape (2, 2, 2, cells): the dose at the corners, along z, y and x.

    Notes
    -----
    Columns stand along the axis of the greatest rise, in the middle of equal squares across it:
    there the share of a column changes least from one to the next. Across a column the place
    where the dose passes the level is spread over an interval, as wide as the mean slopes give:
    read at the middles alone, sharp edges of an isodose would be lost.
    """
    rises = np.abs(
        [(cubes_gy.take(1, a) - cubes_gy.take(0, a)).sum((0, 1)) for a in range(3)]
    )
    steepest = rises.argmax(axis=0)
    rises.sort(axis=0)
    spread = (
        np.hypot(rises[0], rises[1]) / np.where(rises[2] > 0, rises[2], 1.0) / COLUMNS
    )
    spread = np.maximum(spread, 1e-3)  # narrower ones lose digits and change nothing
    middle = ((np.arange(COLUMNS) + 0.5) / COLUMNS)[:, None]
    share = np.empty(cubes_gy.shape[3])
    for axis in range(3):
        chosen = np.flatnonzero(steepest == axis)
        cube = np.moveaxis(cubes_gy[..., chosen], axis, 0)
        side = cube[:, 0, None] + middle[:, None] * (
            cube[:, 1, None] - cube[:, 0, None]
        )
        ends = side[:, :, 0, None] + middle * (
            side[:, :, 1, None] - side[:, :, 0, None]
        )
        low, high = ends.min(axis=0), ends.max(axis=0)
        rise = high - low
        # A column of one dose is in or out; any other is cut where its dose passes the level.
        cut, half = (
            (high - level_gy) / np.where(rise > 0, rise, 1.0),
            spread[chosen] / 2,
        )
        mean = (_up_to_one(cut + half) - _up_to_one(cut - half)) / (2 * half)
        share[chosen] = np.where(rise > 0, mean, high >= level_gy).mean(axis=(0, 1))
    return share


def _up_to_one(end: FloatArray) -> FloatArray:
    """Return the integral, from far below to `end`, of a ramp from 0 at 0 to 1 at 1."""
    ramp = np.clip(end, 0.0, 1.0)
    return ramp * (end - ramp / 2)


def _pieces_in(roi: ROI, pieces: NDArray[np.intp], axes_mm: Axes) -> frozenset[int]:
    """Return the pieces in the cells that a target touches, or misses by half a cell."""
    z_mm, y_mm, x_mm = axes_mm
    found: set[int] = set()
    for slab in build_region(roi).slabs:
        below = max(int(np.searchsorted(z_mm, slab.low_mm, side="right")) - 1, 0)
        layers = pieces[below : int(np.searchsorted(z_mm, slab.high_mm))]
        if layers.size:
            touched = _touched(slab.rings, y_mm, x_mm)
            found.update(layers[:, touched].ravel().tolist())
    return frozenset(found - {0})


def _touched(
    rings: Sequence[FloatArray], y_mm: FloatArray, x_mm: FloatArray
) -> NDArray[np.bool_]:
    """Return the cells of a plane that hold a part of what lies inside the rings.

    Squares half as wide as the finest step are laid over the rings; a square touches at most two
    cells along each axis, those at its two ends.
    """
    corners = np.concatenate(rings)
    (low_x, low_y), (high_x, high_y) = corners.min(axis=0), corners.max(axis=0)
    size_mm = float(min(np.diff(x_mm).min(), np.diff(y_mm).min())) / 2
    nx, ny = int((high_x - low_x) / size_mm) + 1, int((high_y - low_y) / size_mm) + 1
    lattice = Lattice(float(low_x), float(low_y), size_mm, nx, ny)
    rows, columns = np.divmod(occupancy([rings], lattice).cell, nx)
    touched = np.zeros((y_mm.size - 1, x_mm.size - 1), dtype=np.bool_)
    for up, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        j = np.searchsorted(y_mm, lattice.y_mm + size_mm * (rows + up)) - 1
        i = np.searchsorted(x_mm, lattice.x_mm + size_mm * (columns + right)) - 1
        known = (j >= 0) & (j < y_mm.size - 1) & (i >= 0) & (i < x_mm.size - 1)
        touched[j[known], i[known]] = True
    return touched
