"""RT Dose -> DoseHeader (cheap, for choosing) and DoseGrid (with the values)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from sbrtcheck.dicom.dataset import (
    RT_DOSE,
    Opened,
    Record,
    mat,
    open_file,
    quietly,
    read_instance,
    require_class,
)
from sbrtcheck.errors import UnsupportedError
from sbrtcheck.model import DoseGrid, DoseHeader, FloatArray, Text

AXIS_TOLERANCE = 1e-4  # of a direction cosine: 0.01 mm over 100 mm
SAME_Z_MM = 1e-2
UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
MOST_RLE = 64  # a run takes 2 bytes and stands for 128 at most (PS3.5 G.3.2)
DTYPES = {(16, 0): "u2", (32, 0): "u4", (16, 1): "i2", (32, 1): "i4"}


@quietly
def load_dose_header(path: Path) -> DoseHeader:
    """Read what an RT Dose says of itself, without its values.

    Raises
    ------
    ReadError
        If the file is not a readable RT Dose.
    """
    opened = open_file(path, header_only=True)
    return _header(opened, require_class(opened, RT_DOSE))


@quietly
def load_dose(path: Path) -> DoseGrid:
    """Read an RT Dose with its values, its axes brought to ascending patient coordinates.

    Raises
    ------
    ReadError
        If the file is not a readable RT Dose; `UnsupportedError` for relative or effective
        dose, tilted grids, single planes and compressed pixels (other than RLE).

    Notes
    -----
    PS3.3 A.18, C.8.8.3; the affine is that of C.7.6.2.1.1, applied to whole axes.
    """
    opened = open_file(path)
    root = require_class(opened, RT_DOSE)
    header = _header(opened, root)
    refuse_dose_kind(header, path)
    axes, order = _axes(root, header.size)
    values = _values(opened, root, header.size)
    dose_gy = np.transpose(values, [order.index(axis) for axis in (2, 1, 0)])
    coordinates = [axes[order.index(axis)] for axis in (2, 1, 0)]
    for position, axis in enumerate(coordinates):
        if axis[0] > axis[-1]:
            dose_gy = np.flip(dose_gy, position)
            coordinates[position] = axis[::-1]
    dose_gy = np.ascontiguousarray(dose_gy)
    dose_gy.flags.writeable = False  # handed over, not copied: a grid may fill much memory
    z_mm, y_mm, x_mm = coordinates
    try:
        return DoseGrid(dose_gy=dose_gy, x_mm=x_mm, y_mm=y_mm, z_mm=z_mm, header=header)
    except ValueError as error:  # steps that vanish beside the origin, dose beyond all numbers
        raise root.fail("such a dose grid cannot be: {why}", why=str(error)) from error


def refuse_dose_kind(header: DoseHeader, path: Path | None) -> None:
    """Raise `UnsupportedError` for a dose that is not physical dose in Gy."""
    if header.units != "GY":
        raise UnsupportedError(
            Text(
                "the dose is in units of '{units}'; only absolute dose in GY can be judged",
                units=header.units or "(not stated)",
            ),
            path=path,
        )
    if header.type != "PHYSICAL":
        raise UnsupportedError(
            Text(
                "the dose is of type '{type}'; only PHYSICAL dose can be judged",
                type=header.type or "(not stated)",
            ),
            path=path,
        )


def _header(opened: Opened, root: Record) -> DoseHeader:
    plans = root.items("ReferencedRTPlanSequence")
    groups = [group for plan in plans for group in plan.items("ReferencedFractionGroupSequence")]
    beams = [beam for group in groups for beam in group.items("ReferencedBeamSequence")]
    structure_sets = root.items("ReferencedStructureSetSequence")
    uids = (plan.uid("ReferencedSOPInstanceUID") for plan in plans)
    return DoseHeader(
        instance=read_instance(
            opened, label_keyword="SeriesDescription", date_keyword="InstanceCreationDate"
        ),
        units=root.text("DoseUnits").upper(),
        type=root.text("DoseType").upper(),
        summation_type=root.text("DoseSummationType").upper(),
        referenced_plan_uids=tuple(uid for uid in uids if uid),
        referenced_structure_set_uid=(
            structure_sets[0].uid("ReferencedSOPInstanceUID") if structure_sets else None
        ),
        fraction_group_numbers=tuple(
            group.required_integer("ReferencedFractionGroupNumber") for group in groups
        ),
        beam_numbers=tuple(beam.required_integer("ReferencedBeamNumber") for beam in beams),
        size=(
            root.integer("Columns") or 0,
            root.integer("Rows") or 0,
            root.integer("NumberOfFrames") or 1,
        ),
        heterogeneity_correction=root.text("TissueHeterogeneityCorrection"),
    )


def _axes(root: Record, size: tuple[int, int, int]) -> tuple[list[FloatArray], list[int]]:
    """Return the coordinates along frames, rows and columns, and which of x, y, z each is."""
    columns, rows, frames = size
    if min(columns, rows) < 1:
        raise root.fail(
            "the dose grid has no size ({columns} x {rows})", columns=columns, rows=rows
        )
    origin = root.numbers("ImagePositionPatient")
    cosines = root.numbers("ImageOrientationPatient")
    spacing = root.numbers("PixelSpacing")
    for keyword, values, count in (
        ("ImagePositionPatient", origin, 3),
        ("ImageOrientationPatient", cosines, 6),
        ("PixelSpacing", spacing, 2),
    ):
        if values.size == 0:
            raise root.missing(keyword)
        if values.size != count:
            raise root.fail(
                "{keyword} holds {found} values where {count} belong",
                keyword=keyword,
                found=values.size,
                count=count,
            )
    if (spacing <= 0).any():
        raise root.fail("Pixel Spacing must be positive")
    along_row, along_column = cosines[:3], cosines[3:]
    normal = np.cross(along_row, along_column)
    order, signs = [], []
    for direction in (normal, along_column, along_row):
        axis = int(np.argmax(np.abs(direction)))
        if (
            abs(abs(direction[axis]) - 1) > AXIS_TOLERANCE
            or abs(np.delete(direction, axis)).max() > AXIS_TOLERANCE
        ):
            raise UnsupportedError(
                Text("the dose grid is tilted against the patient axes; export it untilted"),
                path=root.path,
            )
        order.append(axis)
        signs.append(float(np.sign(direction[axis])))
    frame_mm = _frame_positions(root, frames, float(origin[order[0]]), signs[0], order[0])
    row_mm = origin[order[1]] + signs[1] * spacing[0] * np.arange(rows)
    column_mm = origin[order[2]] + signs[2] * spacing[1] * np.arange(columns)
    if min(frames, rows, columns) < 2:
        raise UnsupportedError(
            Text(
                "the dose grid has a single plane, row or column: no dose lies between grid points"
            ),
            path=root.path,
        )
    return [frame_mm, row_mm, column_mm], order


def _frame_positions(
    root: Record, frames: int, origin_mm: float, sign: float, axis: int
) -> FloatArray:
    """Return the coordinate of each frame along its axis.

    GridFrameOffsetVector is relative to the first frame where it starts with 0, and holds z
    coordinates where it starts with the first frame's own z (PS3.3 C.8.8.3.2). The standard
    has the latter for head-first grids only; feet first it could be meant either way.
    """
    offsets = root.numbers("GridFrameOffsetVector")
    if offsets.size == 0 and frames == 1:
        return np.array([origin_mm])
    if offsets.size == 0:
        raise root.missing("GridFrameOffsetVector")
    if offsets.size != frames:
        raise root.fail(
            "Grid Frame Offset Vector places {found} frames, the dose has {frames}",
            found=offsets.size,
            frames=frames,
        )
    steps = np.diff(offsets)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise root.fail("Grid Frame Offset Vector does not rise or fall steadily")
    if offsets[0] == 0:
        return origin_mm + sign * offsets
    if axis == 2 and sign > 0 and abs(offsets[0] - origin_mm) <= SAME_Z_MM:
        return offsets
    raise root.fail(
        "Grid Frame Offset Vector starts at {first}, which is neither 0 (relative) nor the"
        " grid's own z of {origin_mm} mm (absolute)",
        first=float(offsets[0]),
        origin_mm=origin_mm,
    )


def _values(opened: Opened, root: Record, size: tuple[int, int, int]) -> FloatArray:
    """Return the dose in Gy as stored, shape (frames, rows, columns)."""
    bits = root.required_integer("BitsAllocated")
    signed = root.integer("PixelRepresentation") or 0
    if (bits, signed) not in DTYPES or root.integer("SamplesPerPixel") not in (None, 1):
        raise root.fail("a dose of {bits} bits a value cannot be read", bits=bits)
    stored_bits = root.integer("BitsStored")
    if stored_bits not in (None, bits) or root.integer("HighBit") not in (None, bits - 1):
        raise root.fail(
            "{stored} of {bits} bits are stored; only doses that use all bits can be read",
            stored=stored_bits or "?",
            bits=bits,
        )
    if "PixelData" not in root:
        raise root.fail("it holds no dose values (Pixel Data is missing)")
    scaling = root.required("DoseGridScaling")
    if scaling <= 0:
        raise root.fail("Dose Grid Scaling is {scaling}; it must be positive", scaling=scaling)
    stored = _stored(opened, root, size, DTYPES[bits, signed])
    with np.errstate(over="ignore"):  # DoseGrid refuses what is not finite
        dose_gy = stored.reshape(size[::-1]) * scaling
    if dose_gy.min() < 0:
        raise root.fail(
            "it holds negative dose ({least} Gy); a difference of doses cannot be judged",
            least=float(dose_gy.min()),
        )
    return np.asarray(dose_gy, dtype=np.float64)


def _stored(
    opened: Opened, root: Record, size: tuple[int, int, int], dtype: str
) -> NDArray[np.integer]:
    """Return the values of Pixel Data, whose length is compared with the declared size first."""
    syntax = opened.transfer_syntax
    if syntax not in (*UNCOMPRESSED, RLELossless):
        raise UnsupportedError(
            Text("the dose is compressed ({syntax}); export it uncompressed", syntax=syntax.name),
            path=root.path,
        )
    with mat(root.path, f"{root.what}: Pixel Data"):
        content = root.dataset.PixelData
    columns, rows, frames = size
    bits = 8 * np.dtype(dtype).itemsize
    declared = columns * rows * frames * bits // 8
    if syntax == RLELossless:
        if declared > MOST_RLE * len(content or b""):
            raise root.fail(
                "{found} bytes of RLE cannot hold {declared} bytes of dose; the file is damaged,"
                " export it again",
                found=len(content or b""),
                declared=declared,
            )
        from pydicom.pixels.utils import pixel_array

        with mat(root.path, f"{root.what}: Pixel Data (RLE)"):
            return np.asarray(pixel_array(root.dataset, raw=True))
    if not isinstance(content, bytes) or len(content) - declared not in (0, 1):
        raise root.fail(
            "{columns} x {rows} x {frames} values of {bits} bits take {declared} bytes, Pixel"
            " Data has {found}; the file is damaged, export it again",
            columns=columns,
            rows=rows,
            frames=frames,
            bits=bits,
            declared=declared,
            found=len(content or b""),
        )
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    return np.frombuffer(content, dtype=order + dtype, count=columns * rows * frames)
