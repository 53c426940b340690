"""Numbers that people type, or that stand in an address."""

from osmia_broker.base.whole_numbers import whole_number


def number_in(text: str) -> int | None:
    """Return the number from 0 that *text* is, with blanks around it; None if it is none, or has more than 64 bits."""
    return whole_number(text.strip())


def numbers_in(texts: list[str]) -> list[int]:
    """Return the numbers among *texts*, each once. Texts that are none are left out."""
    found = map(number_in, dict.fromkeys(texts))
    return list(dict.fromkeys(one for one in found if one is not None))
