"""Decode the bytes of a name, also where the stated character set is wrong or missing.

Chinese planning systems write GBK and say Latin-1 (pydicom#1166): 脊髓 then reads ¼¹Ëè, and the
cord is not found. What is read otherwise than stated is told to the caller.
"""

import re
import warnings
from collections.abc import Sequence

from pydicom import charset

ESCAPE = 0x1B
LATIN_1 = "ISO 8859-1"
UNREADABLE = "unreadable"
MULTI_BYTE = ("UTF8", "GB18030", "GBK", "GB2312")
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
    if raw.isascii() and ESCAPE not in raw:
        return raw.decode("ascii"), None
    if ESCAPE in raw:
        return _with_escapes(raw, stated)
    codec = _codec(stated)
    own = _strict(raw, codec)
    utf8, gbk = _strict(raw, "utf-8"), _strict(raw, "gb18030")
    if codec in MULTI_BYTE:
        if own is not None and (
            codec == "UTF8" or _is_common(own) or not _is_common(utf8)
        ):
            return own, None
    elif codec not in (None, "latin_1", "iso8859") and own is not None:
        return (
            own,
            None,
        )  # Cyrillic, Greek, Korean ...: nothing tells them from a mistake
    if utf8 is not None and codec != "UTF8" and _is_utf8(utf8, gbk):
        return utf8, "UTF-8"
    if gbk is not None and _is_chinese(gbk) and not _is_latin(raw):
        return gbk, "GB18030"
    return _as_stated(raw, codec, own)


def _as_stated(
    raw: bytes, codec: str | None, own: str | None
) -> tuple[str, str | None]:
    """Return the text that the bytes are by what is stated, or by Latin-1, as far as they are one."""
    if own is not None and codec == "latin_1":
        return own, None
    if own is not None:
        return own, LATIN_1
    if codec is None or codec == "iso8859":
        return raw.decode("latin-1"), LATIN_1
    if codec == "UTF8":
        return raw.decode("utf-8", "replace"), UNREADABLE
    return raw.decode("ascii", "replace"), UNREADABLE


def _codec(stated: Sequence[str]) -> str | None:
    """Return the Python codec of the one stated character set; none where several switch."""
    if len(stated) > 1:
        return None
    if not stated:
        return charset.python_encoding.get("", None)
    return charset.python_encoding.get(stated[0], None)


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
        if chr(ESCAPE) not in text and "\ufffd" not in text:
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


def _is_chinese(text: str) -> bool:
    """Tell whether a text holds at least one of the 3 755 most common characters (level 1)."""
    for character in text:
        try:
            encoded = character.encode("gb2312")
        except UnicodeEncodeError:
            continue
        if len(encoded) == 2 and 0xB0 <= encoded[0] <= 0xD7:
            return True
    return False


def _is_utf8(utf8: str, gbk: str | None) -> bool:
    """Tell UTF-8 that was meant from GBK that happens to be valid UTF-8: 胃 is also θ."""
    if gbk is None or not _is_chinese(gbk):
        return True
    if any("\u3400" <= character <= "\uffef" for character in utf8):
        return True
    return LATIN_WORD.sub("", utf8).isascii()


def _is_latin(raw: bytes) -> bool:
    """Tell whether the bytes read as Latin letters inside words: Größe, not ¼¹Ëè."""
    return LETTERS_INSIDE.sub("", raw.decode("latin-1")).isascii()
