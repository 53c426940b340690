"""Read the text of a file as tools of any system write it: in UTF-8, with or without a byte order mark, or in UTF-16 with one."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE


def decoded(content: bytes, errors: str = "strict") -> str:
    """Return the text of a file, without a byte order mark. *errors* is that of `bytes.decode`.

    Raises:
        UnicodeDecodeError: it is no text in UTF-8, and in UTF-16 only if it begins with a byte order mark.
    """
    return content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig", errors)
