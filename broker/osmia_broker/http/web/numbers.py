"""Numbers that people type, or that stand in an address."""

from osmia_broker.calls.checks import INT64

DIGITS_MAX = 19  # of 64 bits


def number_in(text: str) -> int | None:
    """Return the number from 0 that *text* is, with blanks around it; None if it is none, or has more than 64 bits."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= DIGITS_MAX and int(digits) in INT64):
        return None
    return int(digits)


def numbers_in(texts: list[str]) -> list[int]:
    """Return the numbers among *texts*, each once. Texts that are none are left out."""
    found = map(number_in, dict.fromkeys(texts))
    return list(dict.fromkeys(one for one in found if one is not None))
