"""A second opinion on the graded ROIs, from the planning system's own DVH and dicompyler-core.

It never is the verdict: nothing here makes or changes a finding.
"""

from sbrtcheck.crosscheck.compare import CrossCheck, Difference, Opinion
from sbrtcheck.crosscheck.dicompyler import import_engine
from sbrtcheck.crosscheck.opinions import Files, ask_others, cross_check

__all__ = [
    "CrossCheck",
    "Difference",
    "Files",
    "Opinion",
    "ask_others",
    "cross_check",
    "import_engine",
]
