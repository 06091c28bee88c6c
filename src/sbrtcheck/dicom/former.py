"""Names of pydicom 2 that other packages still import, for as long as they are imported."""

from collections.abc import Iterator
from contextlib import contextmanager

import pydicom
from pydicom import dicomio

READ_FILE = "read_file"


@contextmanager
def former_names() -> Iterator[None]:
    """Let packages be imported that were written for pydicom 2, and leave pydicom as it was.

    pydicom 3 has no `pydicom.dicomio.read_file` any more, which is `dcmread` under its old name.
    """
    if hasattr(dicomio, READ_FILE):
        yield
        return
    setattr(dicomio, READ_FILE, pydicom.dcmread)
    try:
        yield
    finally:
        delattr(dicomio, READ_FILE)
