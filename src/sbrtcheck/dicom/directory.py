"""DICOMDIR -> the files it names."""

from pathlib import Path

from sbrtcheck.dicom.dataset import Record, open_file, quietly

DIRECTORY = "1.2.840.10008.1.3.10"


@quietly
def load_directory(path: Path) -> tuple[tuple[str, ...], ...]:
    """Return the parts of the file IDs that a DICOMDIR names (PS3.3 F.3.2.2), in its order.

    Raises
    ------
    ReadError
        If the file is not a readable DICOMDIR.
    """
    opened = open_file(path)
    if opened.sop_class_uid != DIRECTORY:
        raise opened.root.fail("this is not a DICOMDIR")
    parts = (_file_id(record) for record in opened.root.items("DirectoryRecordSequence"))
    return tuple(part for part in parts if part)


def _file_id(record: Record) -> tuple[str, ...]:
    words = record.raw("ReferencedFileID").decode("ascii", "replace").split("\\")
    return tuple(word.strip() for word in words if word.strip())
