"""From any one file or folder, find the files that belong together, and say why.

Links are UIDs: the RT Plan names its structure set, the RT Dose names its plan. File names
mean nothing.
"""

from sbrtcheck.dossier.arrays import case_from_arrays
from sbrtcheck.dossier.choose import Link, tail
from sbrtcheck.dossier.load import (
    Case,
    assemble_case,
    case_with,
    load_case,
    load_structures,
    open_case,
)
from sbrtcheck.dossier.others import Other
from sbrtcheck.dossier.search import (
    ARCHIVE_ERRORS,
    MAX_UNPACKED_BYTES,
    RT_CLASSES,
    Found,
    Search,
    why_closed,
)
from sbrtcheck.dossier.survey import Seen, survey

__all__ = [
    "ARCHIVE_ERRORS",
    "MAX_UNPACKED_BYTES",
    "RT_CLASSES",
    "Case",
    "Found",
    "Link",
    "Other",
    "Search",
    "Seen",
    "assemble_case",
    "case_from_arrays",
    "case_with",
    "load_case",
    "load_structures",
    "open_case",
    "survey",
    "tail",
    "why_closed",
]
