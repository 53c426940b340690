"""Whole numbers in text from outside: of models, variables, addresses and command lines."""

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


def whole_number(text: str, most: int = INT64_MAX) -> int | None:
    """Return the whole number that *text* writes in the digits 0 to 9; None if it is another text, or a number above *most*.

    The length is bounded first: Python refuses to read thousands of digits with an exception of its own.
    """
    digits = text.lstrip("0") or text[-1:]
    if not (text.isascii() and text.isdigit() and len(digits) <= len(str(most))):
        return None
    number = int(digits)
    return number if number <= most else None
