"""The values of JUEL and their coercions (EL specification 2.2, section 1.18).

A value is None, a bool, an int, a Decimal, a str, a list or a dict with text keys. Binary floats become decimals when read.
"""

import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Protocol, TypeAlias

import msgspec

from osmia_broker.juel.errors import EvaluationFailed, shorten

Value: TypeAlias = Any  #: JSON with decimals; a recursive union would need a cast on every line
Number: TypeAlias = int | Decimal

WHOLE_DIGITS_MAX = 34  # a decimal keeps no more; larger whole numbers are rounded like decimals
_WHOLE_LIMIT = 10**WHOLE_DIGITS_MAX
_PLAIN_EXPONENT_MAX = 40  # larger ones are written as 1E+41, so that no text has thousands of digits

ARITHMETIC = Context(  # IEEE 754 decimal128
    prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, traps=[InvalidOperation, DivisionByZero, Overflow]
)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")  # narrower than Decimal's own syntax

_json = msgspec.json.Decoder(float_hook=Decimal)
_to_json = msgspec.json.Encoder(decimal_format="number").encode


class Scope(Protocol):
    """The variables that an expression can read, by name. A dict is one."""

    def __getitem__(self, name: str, /) -> object:
        """Return the value of *name*, or its JSON text as `msgspec.Raw`; raise KeyError if there is none."""


def read_variable(scope: Scope, name: str) -> Value:
    """Read the variable *name*, and parse it if it is JSON text."""
    try:
        found = scope[name]
    except KeyError:
        raise EvaluationFailed(f"Expected a variable with name '{shorten(name)}', but found none") from None
    if type(found) is msgspec.Raw:
        return _parse(name, found)
    return without_float(found)


def _parse(name: str, text: msgspec.Raw) -> Value:
    try:
        return _json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EvaluationFailed(f"Expected variable '{shorten(name)}' to hold JSON, but found: {error}") from None


def without_float(value: Value) -> Value:
    """Return *value*, a binary float as a decimal. Infinities and NaN are no JSON and fail."""
    if type(value) is not float:
        return value
    if not math.isfinite(value):
        raise EvaluationFailed(f"Expected a JSON value, but found {value}")
    return Decimal(repr(value))


def to_boolean(value: Value) -> bool:
    """Convert to a boolean. Null is false, a text is true if it is "true" in any case. Numbers, lists and objects fail."""
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    if isinstance(value, str):
        return value.lower() == "true"
    raise EvaluationFailed(f"Expected a boolean, but found {describe(value)}")


def to_number(value: Value) -> Number:
    """Convert to a number. Null and the empty text are 0, a numeric text its number. Anything else fails."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    if value is None or value == "":
        return 0
    if isinstance(value, str):
        return parse_number(value)
    raise EvaluationFailed(f"Expected a number, but found {describe(value)}")


def parse_number(text: str) -> Number:
    """Parse a number in decimal notation."""
    if not _NUMBER.fullmatch(text):
        raise EvaluationFailed(f"Expected a number, but found {describe(text)}")
    try:
        return narrow(ARITHMETIC.create_decimal(text))
    except DecimalException:
        raise EvaluationFailed(f"Expected a number within 10^6144, but found {describe(text)}") from None


def narrow(number: Number) -> Number:
    """Return the number as an int if it is whole and has at most 34 digits, else as a decimal of at most 34 digits."""
    if isinstance(number, int):
        return number if -_WHOLE_LIMIT < number < _WHOLE_LIMIT else ARITHMETIC.create_decimal(number)
    if number.adjusted() < WHOLE_DIGITS_MAX and number == number.to_integral_value():
        return int(number)
    return number


def to_text(value: Value) -> str:
    """Convert to text. Null is the empty text, lists and objects are their JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, int):
        return _decimal_text(ARITHMETIC.create_decimal(value)) if abs(value) >= _WHOLE_LIMIT else str(value)
    return _structure_text(value)


def _decimal_text(number: Decimal) -> str:
    shortest = number.normalize(ARITHMETIC)
    return format(shortest, "f" if abs(shortest.adjusted()) <= _PLAIN_EXPONENT_MAX else "")


def _structure_text(value: Value) -> str:
    try:
        return _to_json(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EvaluationFailed(f"Expected a value that JSON can write, but found: {error}") from None


def describe(value: Value) -> str:
    """Describe *value* for the text of a failure: its type, and a simple value itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {to_text(value)}"
    if isinstance(value, int | Decimal):
        return f"the number {to_text(value)}"
    if isinstance(value, str):
        return f"the text '{shorten(value)}'"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else type(value).__name__
