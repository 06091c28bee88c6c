"""RT Dose -> DoseHeader (cheap, for choosing) and DoseGrid (with the values)."""

from dataclasses import replace
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
    quietly,
    read_instance,
    referenced_structure_set,
    require_class,
)
from sbrtcheck.dicom.same import MOST_PADDING_BYTES, MOST_RLE
from sbrtcheck.errors import ReadError, UnsupportedError
from sbrtcheck.model import DoseGrid, DoseHeader, FloatArray, Instance, Text

AXIS_TOLERANCE = 1e-4  # of a direction cosine: 0.01 mm over 100 mm
SAME_Z_MM = 5e-2  # exports round the origin and the frames apart
SAME_OFFSET_MM = 1e-2  # of a first frame from itself: rounding
HEADWARDS = (2, 1.0)  # axis and sign of frames that follow each other with rising z
# Lengths behind the last value that may be padding (PS3.5 8.1.1).
PADDING_BYTES = frozenset((1, *range(0, MOST_PADDING_BYTES + 1, 2)))
PLANS = "ReferencedRTPlanSequence"
UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
DTYPES = {(16, 0): "u2", (32, 0): "u4", (16, 1): "i2", (32, 1): "i4"}


@quietly
def read_dose_instance(opened: Opened) -> Instance:
    """Read the header of an RT Dose that all RT objects share."""
    return read_instance(
        opened, label_keyword="SeriesDescription", date_keyword="InstanceCreationDate"
    )


def referenced_plans(root: Record) -> tuple[str, ...]:
    """Return the UIDs of the plans that a dose names."""
    return tuple(
        uid
        for plan in root.items(PLANS)
        if (uid := plan.uid("ReferencedSOPInstanceUID"))
    )


@quietly
def read_dose(opened: Opened, header: DoseHeader) -> DoseGrid:
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
    root = require_class(opened, RT_DOSE)
    refuse_dose_kind(header, root.path)
    columns, rows, _ = header.size
    frames = _frames(root, header.size)
    header = replace(header, size=(columns, rows, frames))
    axes, order = _axes(root, header.size)
    stored, notes = _stored(opened, header.size)
    stored = np.transpose(stored, [order.index(axis) for axis in (2, 1, 0)])
    coordinates = [axes[order.index(axis)] for axis in (2, 1, 0)]
    for position, axis in enumerate(coordinates):
        if axis[0] > axis[-1]:
            stored = np.flip(stored, position)
            coordinates[position] = axis[::-1]
    z_mm, y_mm, x_mm = coordinates
    try:
        return DoseGrid(
            dose_gy=_scaled(root, stored),
            x_mm=x_mm,
            y_mm=y_mm,
            z_mm=z_mm,
            header=header,
            saturated=_saturated(root, stored),
            notes=(*_frame_notes(root, frames), *notes),
        )
    except (
        ValueError
    ) as error:  # steps that vanish beside the origin, dose beyond all numbers
        raise root.fail(
            "such a dose grid cannot be: {why}; export the dose again", why=str(error)
        ) from error


def _frames(root: Record, size: tuple[int, int, int]) -> int:
    """Return the number of frames; where none is stated, that of the offsets which it fits."""
    columns, rows, frames = size
    if root.integer("NumberOfFrames"):
        return frames
    offsets = root.numbers("GridFrameOffsetVector").size
    bits = root.integer("BitsAllocated")
    stored = root.dataset.get("PixelData")
    if offsets < 2 or bits is None or not isinstance(stored, bytes):
        return frames
    extra = len(stored) - columns * rows * offsets * bits // 8
    if extra not in PADDING_BYTES:
        return frames
    return offsets


def _frame_notes(root: Record, frames: int) -> tuple[Text, ...]:
    if root.integer("NumberOfFrames"):
        return ()
    note = Text(
        "Number of Frames is missing; {frames} are read, as many as Grid Frame Offset Vector"
        " places",
        frames=frames,
    )
    return (note,)


def _saturated(root: Record, stored: NDArray[np.integer]) -> int:
    """Count the values that are the largest that the bits which are stored can hold."""
    bits = root.integer("BitsStored") or 8 * stored.dtype.itemsize
    if root.count("PixelRepresentation"):
        bits -= 1
    return int(np.count_nonzero(stored == 2**bits - 1))


def _scaled(root: Record, stored: NDArray[np.integer]) -> FloatArray:
    """Return the dose in Gy, read-only: handed over, not copied, as it may fill much memory."""
    scaling = root.required("DoseGridScaling")
    if scaling <= 0:
        raise root.fail(
            "Dose Grid Scaling is {scaling}; it must be positive; export the dose again",
            scaling=scaling,
        )
    dose_gy = np.empty(stored.shape)
    with np.errstate(over="ignore"):  # DoseGrid refuses what is not finite
        np.multiply(stored, scaling, out=dose_gy)
    if dose_gy.min() < 0:
        raise root.fail(
            "it holds negative dose ({least} Gy); a difference of doses cannot be judged;"
            " export the plan dose",
            least=float(dose_gy.min()),
        )
    dose_gy.flags.writeable = False
    return dose_gy


def refuse_dose_kind(header: DoseHeader, path: Path | None) -> None:
    """Raise `UnsupportedError` for a dose that is not physical dose in Gy."""
    if header.units != "GY":
        raise UnsupportedError(
            Text(
                "the dose is in units of '{units}'; only absolute dose in GY can be judged, export that",
                units=header.units or "(not stated)",
            ),
            path=path,
        )
    if header.type != "PHYSICAL":
        raise UnsupportedError(
            Text(
                "the dose is of type '{type}'; only PHYSICAL dose can be judged, export that",
                type=header.type or "(not stated)",
            ),
            path=path,
        )


@quietly
def read_dose_header(opened: Opened, instance: Instance) -> DoseHeader:
    """Read what an RT Dose says of itself, without its values.

    Raises
    ------
    ReadError
        If the file is not a readable RT Dose.
    """
    root = require_class(opened, RT_DOSE)
    plans = root.items(PLANS)
    groups = [
        group
        for plan in plans
        for group in plan.items("ReferencedFractionGroupSequence")
    ]
    beams = [beam for group in groups for beam in group.items("ReferencedBeamSequence")]
    return DoseHeader(
        instance=instance,
        units=root.text("DoseUnits").upper(),
        type=root.text("DoseType").upper(),
        summation_type=root.text("DoseSummationType").upper(),
        referenced_plan_uids=referenced_plans(root),
        referenced_structure_set_uid=referenced_structure_set(root),
        fraction_group_numbers=tuple(
            group.required_integer("ReferencedFractionGroupNumber") for group in groups
        ),
        beam_numbers=tuple(
            beam.required_integer("ReferencedBeamNumber") for beam in beams
        ),
        size=(
            root.count("Columns"),
            root.count("Rows"),
            root.integer("NumberOfFrames") or 1,
        ),
        heterogeneity_correction=root.text("TissueHeterogeneityCorrection").upper(),
        orientation=tuple(root.numbers("ImageOrientationPatient").tolist()),
        step_gy=root.number("DoseGridScaling"),
    )


def _axes(
    root: Record, size: tuple[int, int, int]
) -> tuple[list[FloatArray], list[int]]:
    """Return the coordinates along frames, rows and columns, and which of x, y, z each is."""
    columns, rows, frames = size
    if min(columns, rows) < 1:
        raise root.fail(
            "the dose grid has no size ({columns} x {rows}); export the dose again",
            columns=columns,
            rows=rows,
        )
    origin, cosines, spacing = _plane(root)
    if (spacing <= 0).any():
        raise root.fail("Pixel Spacing must be positive; export the dose again")
    order, signs = _directions(root, cosines)
    frame_mm = _frame_positions(
        root, frames, float(origin[order[0]]), signs[0], order[0]
    )
    row_mm = origin[order[1]] + signs[1] * spacing[0] * np.arange(rows)
    column_mm = origin[order[2]] + signs[2] * spacing[1] * np.arange(columns)
    if min(frames, rows, columns) < 2:
        raise UnsupportedError(
            Text(
                "the dose grid has a single plane, row or column: no dose lies between grid"
                " points; export the whole dose"
            ),
            path=root.path,
        )
    return [frame_mm, row_mm, column_mm], order


def _plane(root: Record) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return where the first value of a frame lies, where rows and columns run, and their steps."""
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
                "{keyword} holds {found} values where {count} belong; export the dose again",
                keyword=keyword,
                found=values.size,
                count=count,
            )
    return origin, cosines, spacing


def _directions(root: Record, cosines: FloatArray) -> tuple[list[int], list[float]]:
    """Return along which of x, y, z frames, rows and columns follow each other, and to which side."""
    along_row, along_column = cosines[:3], cosines[3:]
    normal = np.cross(along_row, along_column)
    order, signs = [], []
    for direction in (normal, along_column, along_row):
        axis = int(np.argmax(np.abs(direction)))
        deviation = np.abs(np.abs(direction) - np.eye(3)[axis])
        if deviation.max() > AXIS_TOLERANCE:
            raise UnsupportedError(
                Text(
                    "the dose grid is tilted against the patient axes; export it untilted"
                ),
                path=root.path,
            )
        order.append(axis)
        signs.append(float(np.sign(direction[axis])))
    return order, signs


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
            "Grid Frame Offset Vector places {found} frames, the dose has {frames}; export the"
            " dose again",
            found=offsets.size,
            frames=frames,
        )
    steps = np.diff(offsets)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise root.fail(
            "Grid Frame Offset Vector does not rise or fall steadily; export the dose again"
        )
    if abs(offsets[0]) <= SAME_OFFSET_MM:
        return origin_mm + sign * offsets
    if (axis, sign) == HEADWARDS and abs(offsets[0] - origin_mm) <= SAME_Z_MM:
        return offsets
    raise root.fail(
        "Grid Frame Offset Vector starts at {first}, which is neither 0 (relative) nor the"
        " grid's own z of {origin_mm} mm (absolute); export the dose again",
        first=float(offsets[0]),
        origin_mm=origin_mm,
    )


def _stored(
    opened: Opened, size: tuple[int, int, int]
) -> tuple[NDArray[np.integer], tuple[Text, ...]]:
    """Return the values as stored, shape (frames, rows, columns), and what reading them assumed."""
    root = opened.root
    bits = root.required_integer("BitsAllocated")
    signed = root.count("PixelRepresentation")
    if (bits, signed) not in DTYPES or root.integer("SamplesPerPixel") not in (None, 1):
        raise root.fail(
            "a dose of {bits} bits a value cannot be read; export it with 16 or 32",
            bits=bits,
        )
    used_bits = _used_bits(root, bits)
    if used_bits != bits and signed:
        raise _unused(root, used_bits, bits)
    if "PixelData" not in root:
        raise root.fail(
            "it holds no dose values (Pixel Data is missing); export the dose itself"
        )
    stored, notes = _pixels(opened, size, DTYPES[bits, signed])
    if used_bits == bits:
        return stored.reshape(size[::-1]), notes
    if stored.max() >= 2**used_bits:
        raise _unused(root, used_bits, bits)
    note = Text("{stored} of {bits} bits are stored", stored=used_bits, bits=bits)
    return stored.reshape(size[::-1]), (*notes, note)


def _used_bits(root: Record, bits: int) -> int:
    """Return how many bits hold the values, from the lowest up."""
    used_bits = root.integer("BitsStored")
    if used_bits is None:
        used_bits = bits
    if not 0 < used_bits <= bits or root.integer("HighBit") not in (
        None,
        used_bits - 1,
    ):
        raise _unused(root, used_bits, bits)
    return used_bits


def _unused(root: Record, stored: int, bits: int) -> ReadError:
    return root.fail(
        "{stored} of {bits} bits are stored, and High Bit or the values say otherwise; export the"
        " dose with all bits",
        stored=stored,
        bits=bits,
    )


def _pixels(
    opened: Opened, size: tuple[int, int, int], dtype: str
) -> tuple[NDArray[np.integer], tuple[Text, ...]]:
    """Return the values of Pixel Data, whose length is compared with the declared size first."""
    root, syntax = opened.root, opened.transfer_syntax
    if syntax not in (*UNCOMPRESSED, RLELossless):
        raise UnsupportedError(
            Text(
                "the dose is compressed ({syntax}); export it uncompressed",
                syntax=syntax.name,
            ),
            path=root.path,
        )
    with mat(root.path, f"{root.what}: Pixel Data"):
        element = root.dataset["PixelData"]
    content = element.value
    if content is None:
        content = b""
    columns, rows, frames = size
    bits = 8 * np.dtype(dtype).itemsize
    declared = columns * rows * frames * bits // 8
    if syntax == RLELossless:
        return _run_lengths(root, content, declared), ()
    if not isinstance(content, bytes) or len(content) - declared not in PADDING_BYTES:
        raise root.fail(
            "{columns} x {rows} x {frames} values of {bits} bits take {declared} bytes, Pixel"
            " Data has {found}; the file is damaged, export it again",
            columns=columns,
            rows=rows,
            frames=frames,
            bits=bits,
            declared=declared,
            found=len(content),
        )
    order = "<"
    if syntax == ExplicitVRBigEndian and element.VR != "OB":
        order = ">"
    stored = np.frombuffer(content, dtype=order + dtype, count=columns * rows * frames)
    return stored, _padding_notes(len(content) - declared)


def _run_lengths(root: Record, content: bytes, declared: int) -> NDArray[np.integer]:
    if declared > MOST_RLE * len(content):
        raise root.fail(
            "{found} bytes of RLE cannot hold {declared} bytes of dose; the file is damaged,"
            " export it again",
            found=len(content),
            declared=declared,
        )
    from pydicom.pixels.utils import pixel_array

    with mat(root.path, f"{root.what}: Pixel Data (RLE)"):
        return np.asarray(pixel_array(root.dataset, raw=True))


def _padding_notes(extra_bytes: int) -> tuple[Text, ...]:
    if extra_bytes < 2:
        return ()
    note = Text(
        "{count} bytes behind the last dose value are left out", count=extra_bytes
    )
    return (note,)
