"""Which files of which patient lie here and name one another; what a centre states beside them.

Links are UIDs: the RT Plan names its structure set, the RT Dose names its plan. File names
mean nothing.
"""

from sbrtcheck.dossier.arrays import case_from_arrays
from sbrtcheck.dossier.case import Case, Link, Sibling, tail
from sbrtcheck.dossier.find import RT_CLASSES, Found, Survey, find_files
from sbrtcheck.dossier.link import (
    Dossier,
    Filed,
    case_of,
    dossier_of,
    open_dossier,
    orphans_of,
    part_case,
    read_files,
    where_of,
)
from sbrtcheck.dossier.load import (
    Options,
    load_case,
    load_structures,
    open_case,
    open_path,
)
from sbrtcheck.dossier.research import Research, load_contours_and_dose
from sbrtcheck.dossier.survey import Seen, survey

__all__ = [
    "RT_CLASSES",
    "Case",
    "Dossier",
    "Filed",
    "Found",
    "Link",
    "Options",
    "Research",
    "Seen",
    "Sibling",
    "Survey",
    "case_from_arrays",
    "case_of",
    "dossier_of",
    "find_files",
    "load_case",
    "load_contours_and_dose",
    "load_structures",
    "open_case",
    "open_dossier",
    "open_path",
    "orphans_of",
    "part_case",
    "read_files",
    "survey",
    "tail",
    "where_of",
]
