"""Files as they are opened: regular ones only, and none without bound."""

import errno
import io
import os
import stat
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

__all__ = [
    "GIGABYTE",
    "MOST_READ_BYTES",
    "MOST_WRITTEN_BYTES",
    "beside",
    "is_file",
    "is_folder",
    "is_there",
    "most_read_bytes",
    "open_regular",
    "read_toml",
    "read_written",
    "reading_at_most",
    "require_regular",
    "why_not_opened",
]

UNSEEN = ("Cc", "Cf", "Zl", "Zp")  # categories of characters
LINES = "\n\r\t"
GIGABYTE = 1024**3
# Of a protocol, case facts, a table of cases, a recorded verdict.
MOST_WRITTEN_BYTES = 32 * 1024**2
MOST_READ_BYTES = GIGABYTE  # of one DICOM file, once inflated, unless more is asked for
_most_read_bytes = ContextVar("most_read_bytes", default=MOST_READ_BYTES)


def most_read_bytes() -> int:
    """Return how large a DICOM file may be, once inflated."""
    return _most_read_bytes.get()


@contextmanager
def reading_at_most(size_bytes: int) -> Iterator[None]:
    """Let DICOM files inside be so large, once inflated, and archives four times as large."""
    before = _most_read_bytes.set(size_bytes)
    try:
        yield
    finally:
        _most_read_bytes.reset(before)


def is_file(path: str | Path) -> bool:
    """Tell whether a path is a regular file; a name that no file system takes is none."""
    return os.path.isfile(path)  # noqa: PTH113 - a Path raises at long names


def is_folder(path: str | Path) -> bool:
    """Tell whether a path is a folder; a name that no file system takes is none."""
    return os.path.isdir(path)  # noqa: PTH112 - a Path raises at long names


def beside(path: Path, name: str) -> Path | None:
    """Return the file of a name in the folder of another, or in the folder itself; None without one."""
    found = path.parent / name
    if is_folder(path):
        found = path / name
    if not is_file(found):
        return None
    return found


def is_there(path: str | Path) -> bool:
    """Tell whether there is anything at a path."""
    return os.path.exists(path)  # noqa: PTH110 - a Path raises at long names


def why_not_opened(error: OSError) -> str:
    """Say why a file cannot be opened; the system does not always tell."""
    return error.strerror or "cannot be opened"


def require_regular(path: str | Path) -> int:
    """Return the size of a regular file in bytes; opening a pipe would wait for its other end.

    Raises
    ------
    OSError
        If there is none, with the reason as its `strerror`.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - also of a str
    except ValueError as error:
        raise OSError(
            errno.EINVAL, "no file system takes this name", str(path)
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "this is a folder", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "this is not a regular file", str(path))
    return status.st_size


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a regular file to be read; raises what `require_regular` does."""
    require_regular(path)
    return open(path, "rb")  # noqa: PTH123 - also of a str; closed by the caller


def read_written(path: Path) -> bytes:
    """Read a file that somebody wrote, as it is; an `OSError` says what is wrong with it."""
    size_bytes = require_regular(path)
    if size_bytes > MOST_WRITTEN_BYTES:
        megabytes = MOST_WRITTEN_BYTES // 1024**2
        raise OSError(errno.EFBIG, f"it is larger than {megabytes} MB", str(path))
    return path.read_bytes()


def read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Read a TOML file in UTF-8, with or without a byte order mark: its bytes, and its table.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no TOML, or a text in it holds a character that cannot be seen, with why.
    """
    content = read_written(path)
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("not valid TOML: it is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not valid TOML: {error}") from error
    for place, text in _texts(table, ""):
        for character in filter(_is_unseen, text):
            raise ValueError(
                f"a text at '{place}' holds the character U+{ord(character):04X}, which is not to"
                " be seen on a page; take it out"
            )
    return content, table


def _texts(table: object, place: str) -> Iterator[tuple[str, str]]:
    """Yield all names and values of a table as texts, each with its place."""
    for name, value in PARTS.get(type(table), _no_parts)(table):
        here = f"{place}.{name}".lstrip(".")
        yield place, str(name)
        yield here, str(value)
        yield from _texts(value, here)


def _no_parts(_value: Any) -> Iterable[tuple[object, object]]:
    return ()


def _numbered(values: Any) -> Iterable[tuple[object, object]]:
    return enumerate(values, 1)


PARTS: Mapping[type, Callable[[Any], Iterable[tuple[object, object]]]] = {
    dict: dict.items,
    list: _numbered,
}


def _is_unseen(character: str) -> bool:
    """Tell whether a console would obey a character, or a reader would not see it."""
    return character not in LINES and unicodedata.category(character) in UNSEEN
