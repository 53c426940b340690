"""The values that every store can keep: integers of 64 bits, and texts of whole characters without NUL."""

from math import isfinite

from osmia_broker.base.whole_numbers import INT64_MAX

INT64 = range(-INT64_MAX - 1, INT64_MAX + 1)
NUL = "\0"
DOUBLE = "a number below 1.8e308"  #: what `is_double` expects, in refusals


def is_double(number: float) -> bool:
    """Whether *number*, which may be a larger integer, has a nearest floating-point number: filters compare these, and clients read these."""
    try:
        return isfinite(number)
    except OverflowError:
        return False


def half_pair(text: str) -> int | None:
    """Return the place of the first half of a surrogate pair in *text*, which UTF-8 cannot write; None if there is none."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as fault:
            return fault.start
    return None


def is_storable(text: str) -> bool:
    """Whether every store can keep *text*."""
    return NUL not in text and half_pair(text) is None


def storable(text: str) -> str:
    """Return *text* with a replacement character for each NUL, and a question mark for each half of a surrogate pair."""
    return text.replace(NUL, "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
