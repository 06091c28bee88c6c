"""Many plans: find them, judge each as one is judged alone, and write tables of all.

The names are loaded on first use: processes that are started import this room before they are
prepared.
"""

from importlib import import_module
from typing import TYPE_CHECKING

_HOMES = {
    "BatchOptions": "options",
    "BatchResult": "run",
    "ExecutorRunner": "runners",
    "LocalRunner": "runners",
    "Pseudonyms": "pseudonyms",
    "Silent": "options",
    "run_batch": "run",
}

__all__ = [  # noqa: PLE0604 - the table above is the one list of names
    *_HOMES,
]

if TYPE_CHECKING:
    from sbrtcheck.batch.options import BatchOptions as BatchOptions
    from sbrtcheck.batch.options import Silent as Silent
    from sbrtcheck.batch.pseudonyms import Pseudonyms as Pseudonyms
    from sbrtcheck.batch.run import BatchResult as BatchResult
    from sbrtcheck.batch.run import run_batch as run_batch
    from sbrtcheck.batch.runners import ExecutorRunner as ExecutorRunner
    from sbrtcheck.batch.runners import LocalRunner as LocalRunner


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sbrtcheck.batch' has no attribute '{name}'")
    return getattr(import_module(f"sbrtcheck.batch.{_HOMES[name]}"), name)
