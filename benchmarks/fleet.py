"""Many plans made of one sample: other UIDs and patient IDs of the same length, bytes for bytes."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["write_images", "write_plans"]

SAMPLE = Path(__file__).parents[1] / "sample_dicom" / "t8_30gy5_pass"
NAMES = ("RP", "RS", "RD")
CT_CLASS = b"1.2.840.10008.5.1.4.1.1.2"
DIGITS = 6


def write_plans(folder: Path, count: int) -> Iterator[Path]:
    """Write plans of as many patients, three files in a folder each."""
    import pydicom

    sources = {name: (SAMPLE / f"{name}.dcm").read_bytes() for name in NAMES}
    uids: set[str] = set()
    patient_id = ""
    for name in NAMES:
        header = pydicom.dcmread(SAMPLE / f"{name}.dcm", stop_before_pixels=True)
        patient_id = str(header.PatientID)
        uids |= {
            str(header[key].value)
            for key in ("SOPInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
            if key in header
        }
    for number in range(count):
        case = folder / f"case{number:05d}"
        case.mkdir(parents=True)
        for name, content in sources.items():
            for uid in uids:
                other = f"{uid[:-DIGITS]}{number:0{DIGITS}d}"
                content = content.replace(uid.encode(), other.encode())  # noqa: PLW2901
            other_id = f"{number:0{len(patient_id)}d}"
            (case / f"{name}.dcm").write_bytes(
                content.replace(patient_id.encode(), other_id.encode())
            )
        yield case


def write_images(folder: Path, count: int, size_bytes: int = 4096) -> None:
    """Write files that begin as CT images do; what comes after their first bytes is never read."""
    for number in range(count):
        place = folder / f"series{number // 300:05d}"
        if number % 300 == 0:
            place.mkdir(parents=True)
        uid = f"1.2.826.0.1.3680043.10.999.7.{number}".encode()
        uid += b"\0" * (len(uid) % 2)
        body = b"".join(
            tag + b"UI" + len(value).to_bytes(2, "little") + value
            for tag, value in (
                (b"\x08\x00\x16\x00", CT_CLASS + b"\0"),
                (b"\x08\x00\x18\x00", uid),
            )
        )
        (place / f"CT{number:06d}.dcm").write_bytes(
            (b"\0" * 128 + b"DICM" + body).ljust(size_bytes, b"\0")
        )
