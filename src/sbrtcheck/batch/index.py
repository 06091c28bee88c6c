"""What the files of a tree were found to be, kept between runs: unchanged files are not read again.

It holds paths and patient identity, and so lies in the private folder, never among results.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from sbrtcheck import __version__, dicom
from sbrtcheck.batch.known import Learned
from sbrtcheck.dossier.find import Contents, Found
from sbrtcheck.dossier.places import Entry, Place, Unread
from sbrtcheck.model import Text
from sbrtcheck.report.words import told_of

__all__ = ["Index", "Kept"]

FILE_NAME = "index.sqlite"
VERSION = f"3 {__version__}"  # what another version read may be read otherwise now
# A file changed so shortly before it was read may change unseen.
SETTLED_NS = 2_000_000_000
SETTLED = (
    "SELECT path, size, mtime_ns, ctime_ns, contents FROM files"
    " WHERE max(mtime_ns, ctime_ns) + ? <= read_ns"
)
TABLES = """
CREATE TABLE IF NOT EXISTS about (version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, read_ns INTEGER,
    contents TEXT NOT NULL
) WITHOUT ROWID;
"""


class Kept(NamedTuple):
    """What a path holds, and what was read of each RT file in it, by its place."""

    contents: Contents
    learned: Mapping[Place, Learned] = {}

    @property
    def lasts(self) -> bool:
        """Tell whether another look would say the same: nothing failed that may pass."""
        if self.contents.unread:
            return False
        return all(row.lasts for row in self.learned.values())

    def to_json(self) -> str:
        """Return it as text, for an index; the path itself is left out."""
        document = {
            "found": [_found_to_json(found) for found in self.contents.found],
            "others": dict(self.contents.others),
            "unread": [_text_to_json(row.reason) for row in self.contents.unread],
            "learned": [
                [place.member, asdict(row)] for place, row in self.learned.items()
            ],
        }
        return json.dumps(document)

    @staticmethod
    def from_json(text: str, path: str) -> "Kept":
        """Read what `to_json` wrote."""
        document = json.loads(text)
        contents = Contents(
            found=tuple(_found_from_json(row, path) for row in document["found"]),
            others=document["others"],
            unread=tuple(
                Unread(path, _text_from_json(row)) for row in document["unread"]
            ),
        )
        learned = {
            Place(path, member): Learned(**row) for member, row in document["learned"]
        }
        return Kept(contents, learned)


def _found_to_json(found: Found) -> list[object]:
    peek = found.peek
    stated = told_of(peek.patient_id, bytes.hex)
    return [found.place.member, [*peek._replace(patient_id=None)], stated]


def _found_from_json(row: list[Any], path: str) -> Found:
    member, peek, stated = row
    patient_id = told_of(stated, bytes.fromhex)
    return Found(Place(path, member), dicom.Peek(*peek)._replace(patient_id=patient_id))


def _text_to_json(value: object) -> object:
    if not isinstance(value, Text):
        return value
    return {
        "template": value.template,
        "values": {k: _text_to_json(v) for k, v in value.values.items()},
    }


def _text_from_json(document: dict[str, Any]) -> Text:
    values = {name: _value_from_json(v) for name, v in document["values"].items()}
    return Text(document["template"], **values)


def _value_from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return _text_from_json(value)


class Index:
    """The index in a private folder. Damaged, locked or of another version, it is as good as empty."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def known(self, roots: Sequence[str]) -> dict[str, tuple[Entry, Kept]]:
        """Return what is known of the files below some roots that had not just changed."""
        below = tuple(f"{root.rstrip(os.sep)}{os.sep}" for root in roots)
        found: dict[str, tuple[Entry, Kept]] = {}
        try:
            with self._opened() as database:
                for *stated, text in database.execute(SETTLED, (SETTLED_NS,)):
                    entry = Entry(*stated)
                    # With the separator, a root that is a file is below itself.
                    if f"{entry.path}{os.sep}".startswith(below):
                        found[entry.path] = (entry, Kept.from_json(text, entry.path))
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError):
            return {}
        return found

    def keep(
        self,
        read: Iterable[tuple[Entry, Kept]],
        *,
        read_ns: int,
        gone: Iterable[str] = (),
    ) -> bool:
        """Add what was read from `read_ns` on, forget what is gone; False where that cannot be."""
        rows = [
            (*entry, read_ns, kept.to_json())
            for entry, kept in read
            if _can_be_kept(entry.path)
        ]
        try:
            with self._opened() as database, database:
                database.executemany(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows
                )
                database.executemany(
                    "DELETE FROM files WHERE path = ?", [(path,) for path in gone]
                )
        except (sqlite3.Error, OSError):
            return False
        return True

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            database = _connect(self._path)
        except sqlite3.OperationalError:
            raise  # in use, or not writable: not damaged
        except sqlite3.DatabaseError:
            self._path.unlink(
                missing_ok=True
            )  # damaged: nothing in it cannot be read again
            database = _connect(self._path)
        with closing(database):
            yield database


def _can_be_kept(path: str) -> bool:
    """Tell whether a name is text: others are read each time."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=10)
    try:
        database.executescript(TABLES)
        with database:
            if database.execute("SELECT version FROM about").fetchall() != [(VERSION,)]:
                database.execute("DELETE FROM files")
                database.execute("DELETE FROM about")
                database.execute("INSERT INTO about VALUES (?)", (VERSION,))
    except sqlite3.Error:
        database.close()
        raise
    return database
