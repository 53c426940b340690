r"""The one spelling of a JSON value: variables are stored in it, so that equal values are equal texts.

Characters stand for themselves instead of as escapes (`"caf\u00e9"` is `"café"`), nothing is blank, and a number has no exponent:
`1e2` is `100.0`. Otherwise a number keeps its digits, `1.10` among them; `spellings` has the others of a number.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import msgspec

PLAIN_EXPONENT_MAX = 20  # of the first digit of a number; beyond it, zeros would only fill the page
ZEROS_MAX = 10  # at the end of a number, after its point, by which its spellings differ


class Digits(float):
    """A number with a point or an exponent, that has kept its digits."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Self:
        """Read the digits of JSON."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        """Return the digits as they were written."""
        return self.text


_decode = msgspec.json.Decoder(float_hook=Digits).decode


def _raw(value: Any) -> msgspec.Raw:
    assert isinstance(value, Digits), "JSON has no other types"
    return msgspec.Raw(_plain(value.text).encode())


_encode = msgspec.json.Encoder(enc_hook=_raw).encode


def canonical(text: str) -> str:
    """Return the one spelling of a JSON value.

    Raises:
        msgspec.DecodeError: *text* is no JSON.

    """
    return _encode(_decode(text)).decode()


def document(variables: Mapping[str, str]) -> str:
    """Return *variables*, whose values are JSON, as one JSON object."""
    entries = [
        f'"{name}":{value}' if name.isidentifier() and name.isascii() else f"{_encode(name).decode()}:{value}"
        for name, value in variables.items()
    ]
    return "{" + ",".join(entries) + "}"


def spellings(text: str) -> list[str]:
    """Return the spellings with which the value *text* may be stored: one, or of a number those with other zeros at the end.

    A text that is no JSON has itself alone.
    """
    try:
        value = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return [text]
    if isinstance(value, bool) or not isinstance(value, (int, Digits)):
        return [_encode(value).decode()]
    digits = _plain(value.text) if isinstance(value, Digits) else str(value)
    whole, _, fraction = digits.partition(".")
    if not whole.lstrip("-").isdecimal() or (fraction and not fraction.isdecimal()):  # it has kept its exponent
        return [digits]
    shortest = fraction.rstrip("0")
    first = [] if shortest else [whole]
    return [*first, *(f"{whole}.{shortest}{'0' * zeros}" for zeros in range(ZEROS_MAX + 1) if shortest or zeros)]


def _plain(digits: str) -> str:
    if "e" not in digits and "E" not in digits:
        return digits
    try:
        number = Decimal(digits)
    except InvalidOperation:  # an exponent beyond those that Decimal has
        return digits
    if abs(number.adjusted()) > PLAIN_EXPONENT_MAX:
        return digits
    plain = format(number, "f")
    return plain if "." in plain else f"{plain}.0"
