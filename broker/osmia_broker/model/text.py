"""The visible part of a text. Tools and clipboards leave blanks and characters without a shape around names and expressions."""

import re

_BLANKS = "".join(character for code in range(0x3001) if (character := chr(code)).isspace())
#: Unicode's format characters of every script: soft hyphen, zero width space and joiners, direction marks, byte order mark
_SHAPELESS = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
_INVISIBLE = _BLANKS + _SHAPELESS
_HARD_TO_SEE = re.compile(f"[{_SHAPELESS}\u0085\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


def trimmed(text: str) -> str:
    """Return *text* without the blanks and invisible characters at both ends."""
    return text.strip(_INVISIBLE)


def without_shapeless_start(text: str) -> str:
    """Return *text* without what is before its first visible character, unless that is plain blanks."""
    visible = text.lstrip(_INVISIBLE)
    return text if text.removesuffix(visible).isspace() else visible


def shown(text: str) -> str:
    r"""Return *text* with each invisible character and unusual blank as its code: `a\u00a0b`."""
    return _HARD_TO_SEE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
