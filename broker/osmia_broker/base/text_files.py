"""Read the text of a file as tools of any system write it: in UTF-8, with or without a byte order mark, or in UTF-16 with one."""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE

_BYTE = re.compile(r"\(byte (\d+)\)")  # in what msgspec says


def decoded(content: bytes, errors: str = "strict") -> str:
    """Return the text of a file, without a byte order mark. *errors* is that of `bytes.decode`.

    Raises:
        UnicodeDecodeError: it is no text in UTF-8, and in UTF-16 only if it begins with a byte order mark.
    """
    return content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig", errors)


def place_of_fault(text: str, said: str) -> str:
    """Return where *text* is no JSON, as people find it: ` in line 3, column 5`, or `: its end is missing`. *said* are the words of msgspec."""
    byte = _BYTE.search(said)
    if byte is None:
        return ": its end is missing"
    before = text.encode()[: int(byte[1])].decode(errors="ignore")
    return f" in line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
