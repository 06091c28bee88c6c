"""Decode the bytes of a name, also where the stated character set is wrong or missing.

Chinese planning systems write GBK and say Latin-1 (pydicom#1166): 脊髓 then reads ¼¹Ëè, and the
cord is not found. What is read otherwise than stated is told to the caller.
"""

import re
import warnings
from collections.abc import Sequence
from functools import cache
from itertools import product

from pydicom import charset

ESCAPE = 0x1B
LATIN_1 = "ISO 8859-1"
UNREADABLE = "unreadable"
UNDECODED = frozenset((chr(ESCAPE), "\ufffd"))
CHINESE = ("GB18030", "GBK", "GB2312")
LATIN = ("latin_1", "iso8859")
WIDE = re.compile("[\u3400-\uffef]")
ISO_2022 = ("ISO 2022 IR 6", "ISO 2022 IR 58", "ISO 2022 IR 87", "ISO 2022 IR 149")
# Latin letters and signs inside a word or beside a number; single ones elsewhere are chance.
LATIN_WORD = re.compile(
    r"(?<=[A-Za-z0-9 ])[\u00a0-\u024f]+(?=[A-Za-z0-9 ])|[A-Za-z0-9][\u00a0-\u024f]+$"
)
LETTERS_INSIDE = re.compile(
    r"(?<=[a-z])[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]+(?=[a-z])"
)


def decode(raw: bytes, stated: Sequence[str]) -> tuple[str, str | None]:
    r"""Return the text of some bytes, and the character set it is in if not the stated one.

    Parameters
    ----------
    stated
        The values of SpecificCharacterSet (PS3.3 C.12.1.1.2); none means ASCII.

    Examples
    --------
    >>> decode("脊髓".encode("gbk"), ["ISO_IR 100"])
    ('脊髓', 'GB18030')
    >>> decode("Größe".encode("latin-1"), ["ISO_IR 100"])
    ('Größe', None)
    """
    if ESCAPE in raw:
        return _with_escapes(raw, stated)
    if raw.isascii():
        return raw.decode("ascii"), None
    codec = _codec(stated)
    own = _strict(raw, codec)
    utf8, gbk = _strict(raw, "utf-8"), _chinese(raw)
    if own is not None and _is_believed(codec, own, utf8):
        return own, None
    if utf8 is not None and _is_utf8(utf8, gbk):
        return utf8, "UTF-8"
    if gbk is not None and not _is_latin(raw):
        return gbk, "GB18030"
    return _as_stated(raw, codec, own)


def _is_believed(codec: str | None, own: str, utf8: str | None) -> bool:
    """Tell whether what reads by the stated character set is taken to be in it."""
    if codec in CHINESE:
        return _is_common(own) or not _is_common(utf8)
    # Cyrillic, Greek, Korean ...: nothing tells them from a mistake
    return codec not in LATIN


def _as_stated(
    raw: bytes, codec: str | None, own: str | None
) -> tuple[str, str | None]:
    """Return the text that the bytes are by what is stated, or by Latin-1, as far as they are one."""
    if codec == "latin_1":
        return raw.decode("latin-1"), None
    if own is not None:
        return own, LATIN_1
    if codec is None:
        return raw.decode("latin-1"), LATIN_1
    if codec == "UTF8":
        return raw.decode("utf-8", "replace"), UNREADABLE
    return raw.decode("ascii", "replace"), UNREADABLE


def _codec(stated: Sequence[str]) -> str | None:
    """Return the Python codec of the one stated character set; none where several switch."""
    if len(stated) > 1:
        return None
    return charset.python_encoding.get(next(iter(stated), ""))


def _strict(raw: bytes, codec: str | None) -> str | None:
    if codec is None:
        return None
    try:
        return raw.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None


def _with_escapes(raw: bytes, stated: Sequence[str]) -> tuple[str, str | None]:
    """Decode text that switches character sets (ISO 2022), with those that were not stated."""
    for sets, name in ((stated, None), ((*stated, *ISO_2022), "ISO 2022")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                codecs = charset.convert_encodings(list(sets))
                text = charset.decode_bytes(raw, codecs, set())
            except (UnicodeError, LookupError):
                continue
        for code, codec in charset.CODES_TO_ENCODINGS.items():
            if codec in codecs:  # pydicom leaves that of GB 2312 in the text
                text = text.replace(code.decode("ascii"), "")
        if UNDECODED.isdisjoint(text):
            return text, name
    return raw.decode("ascii", "replace"), UNREADABLE


def _is_common(text: str | None) -> bool:
    """Tell whether every character beyond ASCII is one of the 6 763 of GB 2312, or its signs."""
    if text is None:
        return False
    try:
        text.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


@cache
def _common_characters() -> frozenset[str]:
    """Return the 3 755 most common: rows 16 to 55 of GB 2312, the last not full (level 1)."""
    cells = product(range(0xB0, 0xD8), range(0xA1, 0xFF))
    return frozenset(bytes(cell).decode("gb2312", "ignore") for cell in cells) - {""}


def _chinese(raw: bytes) -> str | None:
    """Return the text that the bytes are as GB 18030 if it holds a common Chinese character."""
    text = _strict(raw, "gb18030")
    if text is None or _common_characters().isdisjoint(text):
        return None
    return text


def _is_utf8(utf8: str, gbk: str | None) -> bool:
    """Tell UTF-8 that was meant from GBK that happens to be valid UTF-8: 胃 is also θ."""
    if gbk is None:
        return True
    if WIDE.search(utf8):
        return True
    return LATIN_WORD.sub("", utf8).isascii()


def _is_latin(raw: bytes) -> bool:
    """Tell whether the bytes read as Latin letters inside words: Größe, not ¼¹Ëè."""
    return LETTERS_INSIDE.sub("", raw.decode("latin-1")).isascii()
