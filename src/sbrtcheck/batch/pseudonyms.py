"""Pseudonyms by keyed hash: the same patient has the same one in each run, and only the key tells."""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from sbrtcheck.errors import CaseError
from sbrtcheck.files import read_written, why_not_opened
from sbrtcheck.model import Text, patient_key
from sbrtcheck.report.words import text_of

__all__ = ["KEY_FILE", "Pseudonyms", "load_key", "private_folder"]

KEY_FILE = "pseudonym.key"
KEY_BYTES = 32
DIGITS = 16  # hexadecimal: 64 bits, so that two of a million plans share one with 3e-8


class Pseudonyms:
    """Names for patients, plans and files that say nothing without the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @property
    def key_id(self) -> str:
        """Return what tells one key from another, and nothing else of it."""
        return self._hash("key", "")

    def patient(self, patient_id: str) -> str:
        """Return the pseudonym of a patient ID, whatever its case."""
        return "pt-" + self._hash("patient", patient_key(patient_id))

    def plan(self, identity: str) -> str:
        """Return the pseudonym of a plan, by its UID."""
        return "plan-" + self._hash("plan", identity)

    def file(self, place: str) -> str:
        """Return the pseudonym of a file, by its path."""
        return "file-" + self._hash("file", place)

    def _hash(self, kind: str, text: str) -> str:
        message = f"{kind}\0{text}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:DIGITS]


def private_folder(home: Path | None = None) -> Path:
    """Return the folder of this user where key and index are kept; it is made on first use.

    Raises
    ------
    CaseError
        If it cannot be made.
    """
    folder = home or _default_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CaseError(
            Text(
                "the private folder cannot be made ({why}); name another with --private",
                why=text_of(error.strerror),
            ),
            path=folder,
        ) from error
    return folder


def _default_folder() -> Path:
    variable, usual = "XDG_STATE_HOME", Path.home() / ".local" / "state"
    if os.name == "nt":
        variable, usual = "LOCALAPPDATA", Path.home()
    return Path(os.environ.get(variable) or usual) / "sbrtcheck"


def load_key(path: Path) -> tuple[bytes, list[str]]:
    """Return the key, made on first use and readable by its owner only; and what to say of it.

    Raises
    ------
    CaseError
        If it can be neither read nor made, or is no key.
    """
    notes = []
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
            notes.append(
                "a new key for pseudonyms was made; keep it: another key gives other names"
            )
        text = read_written(path).decode("ascii").strip()
        others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        key = bytes.fromhex(text)
    except OSError as error:
        why = why_not_opened(error)
        raise CaseError(
            Text("the key for pseudonyms: {why}", why=why), path=path
        ) from error
    except ValueError as error:
        raise CaseError(Text("this is not a key for pseudonyms"), path=path) from error
    if len(key) < KEY_BYTES:
        raise CaseError(
            Text(
                "the key for pseudonyms is shorter than {count} bytes", count=KEY_BYTES
            ),
            path=path,
        )
    if others and os.name != "nt":
        notes.append(
            "other users of this computer can read the key for pseudonyms: chmod 600"
        )
    return key, notes
