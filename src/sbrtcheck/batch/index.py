"""What the files of a tree were found to be, kept between runs: unchanged files are not read again.

It holds paths and patient identity, and so lies in the private folder, never among results.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sbrtcheck import __version__
from sbrtcheck.batch.headers import Contents
from sbrtcheck.batch.places import Entry

__all__ = ["Index"]

FILE_NAME = "index.sqlite"
VERSION = f"2 {__version__}"  # what another version read may be read otherwise now
SETTLED_NS = 2_000_000_000  # a file changed so shortly before it was read may change unseen
ALL = "SELECT path, size, mtime_ns, ctime_ns, read_ns, contents FROM files"
TABLES = """
CREATE TABLE IF NOT EXISTS about (version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, read_ns INTEGER,
    contents TEXT NOT NULL
) WITHOUT ROWID;
"""


class Index:
    """The index in a private folder. Damaged, locked or of another version, it is as good as empty."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def known(
        self, entries: Iterable[Entry], roots: Sequence[str]
    ) -> tuple[dict[str, Contents], list[str]]:
        """Return what is known of unchanged files, and which files below the roots are gone."""
        wanted = {entry.path: entry for entry in entries}
        below = tuple(f"{root.rstrip(os.sep)}{os.sep}" for root in roots)
        found: dict[str, Contents] = {}
        gone: list[str] = []
        same: dict[str, Contents] = {}  # thousands of images are one sentence
        try:
            with self._opened() as database:
                for path, size, mtime_ns, ctime_ns, read_ns, text in database.execute(ALL):
                    entry = wanted.get(path)
                    if entry is None and path.startswith(below):
                        gone.append(path)
                    if entry != (path, size, mtime_ns, ctime_ns):
                        continue
                    if max(mtime_ns, ctime_ns) + SETTLED_NS > read_ns:
                        continue
                    if text not in same:
                        same[text] = Contents.from_json(text)
                    found[path] = same[text]
        except (sqlite3.Error, OSError, ValueError, TypeError, KeyError):
            return {}, []
        return found, gone

    def keep(
        self, read: Iterable[tuple[Entry, Contents]], *, read_ns: int, gone: Iterable[str] = ()
    ) -> bool:
        """Add what was read from `read_ns` on, forget what is gone; False where that cannot be."""
        rows = [(*entry, read_ns, contents.to_json()) for entry, contents in read]
        try:
            with self._opened() as database, database:
                rows = [row for row in rows if _can_be_kept(str(row[0]))]
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", rows)
                database.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in gone])
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
            self._path.unlink(missing_ok=True)  # damaged: nothing in it cannot be read again
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
