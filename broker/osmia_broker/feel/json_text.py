# ruff: noqa: ARG001  # all writers of a table have one signature
"""Convert JSON text to values and back, as the reference writes it.

Numbers are read from their digits, never through floats. A context that came as a JSON document is written with its
numbers as they were (`2.0`); a value that an expression made is written by FEEL's rule (`2`). Decisions normalise both.

Every reader of JSON can take the numbers that are written: a whole number is an integer of 64 bits, any other number the
nearest double. A whole number beyond 64 bits is written as a double if that has all its digits (1e+20), and refused if not.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec

from osmia_broker.feel.calendar import FarDate
from osmia_broker.feel.errors import EvaluationFailed, shorten
from osmia_broker.feel.limits import DEFAULT_LIMITS
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, Time, YearMonthDuration
from osmia_broker.feel.temporal_text import stored
from osmia_broker.feel.values import Context, Function, Range, Value


def from_json(text: str | bytes | msgspec.Raw) -> Value:
    """Return the value of a JSON *text*; raises `ValueError` if it is none, or has a number beyond the bounds."""
    try:
        return _DECODER.decode(text)
    except _FAULTS as fault:
        raise ValueError(_in_words(fault)) from None


def parse_document(document: msgspec.Raw) -> Value:
    """Return the value of a variable that is still JSON text; a faulty one ends the evaluation."""
    try:
        return _DECODER.decode(document)
    except _FAULTS as fault:
        raise EvaluationFailed(_in_words(fault)) from None


_FAULTS = (RecursionError, msgspec.DecodeError, ValueError)


def _in_words(fault: Exception) -> str:
    match fault:
        case RecursionError():
            return "Expected JSON of ordinary depth, but found deeper nesting"
        case msgspec.DecodeError():
            return f"Expected JSON, but found a fault: {fault}"
        case _:  # of a number
            return str(fault)


def _decimal(digits: str) -> int | Decimal:
    number = Decimal(digits)
    if not abs(number.adjusted()) <= DEFAULT_LIMITS.exponent and number:
        raise ValueError(f"Expected a number up to 1E+{DEFAULT_LIMITS.exponent}, but found a larger exponent")
    return number


INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1  # the integers that documents of clients may hold, too
_INTEGER_DIGITS_MAX = 19  # the power of ten of the largest one
_DOUBLE_DIGITS_MAX = 308  # the power of ten of the largest double

_DECODER = msgspec.json.Decoder(float_hook=_decimal)


def to_json(value: Value) -> str:
    """Return the compact JSON text of *value* as a process stores it.

    Functions are left out of contexts; elsewhere they, and intervals, become null. Raises `EvaluationFailed` for a value
    that nests too deeply, and for a number that no reader could take; no `Result` holds such a value.
    """
    try:
        return _of_process(value)
    except RecursionError:
        raise _too_deep() from None


def to_decision_json(value: Value) -> str:
    """Return the same with normalised numbers in passed-on documents: a decision gives 2 for a variable 2.0."""
    try:
        return _of_decision(value)
    except RecursionError:
        raise _too_deep() from None


_Write = Callable[[Value], str]
_ENCODER = msgspec.json.Encoder()


def _too_deep() -> EvaluationFailed:
    return EvaluationFailed("Expected a value of ordinary depth, but found deeper nesting")


def _writer(write_document: Callable[[_Write, Any], str]) -> _Write:
    """Make the function that writes values of all types, those of documents with *write_document*."""
    writers = {**_WRITERS, dict: write_document}

    def write(item: Value) -> str:
        return writers.get(type(item), _null)(write, item)

    return write


def _null(write: _Write, value: Value) -> str:
    return "null"


def _boolean(write: _Write, value: bool) -> str:
    return "true" if value else "false"


def _string(write: _Write, value: str) -> str:
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only a caller's own value can hold
        return _ENCODER.encode(value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")).decode()


def _int(write: _Write, value: int) -> str:
    return str(value) if INTEGER_MIN <= value <= INTEGER_MAX else _large(value)


def _number(write: _Write, value: Decimal) -> str:
    if not value.is_finite():
        raise EvaluationFailed(f"Expected a number, but found '{value}'")
    if value != value.to_integral_value():
        nearest = float(value)
        return repr(nearest) if isfinite(nearest) else _large(value)
    return _large(value) if value.adjusted() > _INTEGER_DIGITS_MAX else _int(write, int(value))


def _large(value: int | Decimal) -> str:
    """Write a number beyond 64 bits as a double, if a double's text has all its digits."""
    digits = Decimal(value)
    nearest = float(digits)
    if isfinite(nearest) and Decimal(repr(nearest)) == digits:
        return repr(nearest)
    found = format(digits, "g")
    raise EvaluationFailed(f"Expected a number of 64 bits or a double, but found '{shorten(found, 60)}'")


def check_number(value: int | Decimal) -> None:
    """See that *value* can be written; raises `EvaluationFailed` for a number that neither 64 bits nor a double hold."""
    _WRITERS[type(value)](str, value)


def _list(write: _Write, value: list[Value]) -> str:
    return "[" + ",".join([write(item) for item in value]) + "]"


def _context(write: _Write, value: dict[str, Value]) -> str:
    entries = [_string(write, key) + ":" + write(item) for key, item in value.items() if type(item) is not Function]
    return "{" + ",".join(entries) + "}"


def _document(write: _Write, value: Value) -> str:
    """Write a JSON document that is passed on: numbers keep their digits, in nested lists and objects too."""
    match value:
        case Context():
            return write(value)
        case dict():
            entries = [f"{_string(write, key)}:{_document(write, item)}" for key, item in value.items()]
            return "{" + ",".join(entries) + "}"
        case list():
            return "[" + ",".join([_document(write, item) for item in value]) + "]"
        case Decimal() if abs(value.adjusted()) < _DOUBLE_DIGITS_MAX:
            return str(value)
        case _:
            return write(value)


def _temporal(write: _Write, value: object) -> str:
    return f'"{stored(value)}"'


_WRITERS: dict[type, Callable[[_Write, Any], str]] = {
    type(None): _null,
    bool: _boolean,
    str: _string,
    int: _int,
    Decimal: _number,
    list: _list,
    Context: _context,
    date: _temporal,
    FarDate: _temporal,
    Time: _temporal,
    DateTime: _temporal,
    DayTimeDuration: _temporal,
    YearMonthDuration: _temporal,
    Range: _null,
    Function: _null,
}
_of_process, _of_decision = _writer(_document), _writer(_context)
