"""From any one file or folder, find the files that belong together, and say why.

Links are UIDs: the RT Plan names its structure set, the RT Dose names its plan. File names
mean nothing.
"""

from sbrtcheck.case.arrays import case_from_arrays
from sbrtcheck.case.choose import Link, tail
from sbrtcheck.case.load import Case, load_case, load_structures, open_case
from sbrtcheck.case.others import Other
from sbrtcheck.case.survey import Seen, survey

__all__ = [
    "Case",
    "Link",
    "Other",
    "Seen",
    "case_from_arrays",
    "load_case",
    "load_structures",
    "open_case",
    "survey",
    "tail",
]
