# ruff: noqa: ARG001  # all writers of a table have one signature
"""JSON text to values and back, as the reference writes it (FEEL page, sections 4 and 5).

Numbers are read from their digits, never through floats. A context that came as a JSON document is written with its
numbers as they were (`2.0`); what an expression made is written by FEEL's rule (`2`). Decisions normalise both.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from osmia_broker.feel.errors import EvaluationFailed
from osmia_broker.feel.limits import DEFAULT_LIMITS
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, Time, YearMonthDuration
from osmia_broker.feel.temporal_text import stored
from osmia_broker.feel.values import Context, Function, Range, Value


def from_json(text: str | bytes) -> Value:
    """The value of a JSON *text*; raises `ValueError` if it is none, or has a number beyond the bounds."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("Expected JSON of ordinary depth, but found deeper nesting") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"Expected JSON, but found a fault: {error}") from None


def parse_document(document: msgspec.Raw) -> Value:
    """The value of a variable that is still JSON text; a faulty one ends the evaluation."""
    try:
        return from_json(bytes(document))
    except ValueError as error:
        raise EvaluationFailed(str(error)) from None


def _decimal(digits: str) -> int | Decimal:
    number = Decimal(digits)
    if not abs(number.adjusted()) <= DEFAULT_LIMITS.exponent and number:
        raise ValueError(f"Expected a number up to 1E+{DEFAULT_LIMITS.exponent}, but found a larger exponent")
    return number


_DECODER = msgspec.json.Decoder(float_hook=_decimal)


def to_json(value: Value) -> str:
    """Compact JSON text of *value* as a process stores it.

    Functions are left out of contexts; elsewhere they, and intervals, become null. Raises `EvaluationFailed` for what
    nests too deeply, which no value inside a `Result` does.
    """
    return _write(value, _document)


def to_decision_json(value: Value) -> str:
    """As `to_json`, but numbers of passed on documents are normalised too: a decision gives 2 for a variable 2.0."""
    return _write(value, _context)


def _write(value: Value, write_document: Callable[["_Write", Any], str]) -> str:
    writers: dict[type, Callable[[_Write, Any], str]] = {**_WRITERS, dict: write_document}

    def write(item: Value) -> str:
        return writers.get(type(item), _null)(write, item)

    try:
        return write(value)
    except RecursionError:
        raise EvaluationFailed("Expected a value of ordinary depth, but found deeper nesting") from None


_Write = Callable[[Value], str]
_ENCODER = msgspec.json.Encoder()


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
    return str(value)


def _number(write: _Write, value: Decimal) -> str:
    if value == value.to_integral_value():
        return format(value.to_integral_value() if value else Decimal(0), "f")
    nearest = float(value)
    return repr(nearest) if abs(nearest) < float("inf") else str(value)


def _list(write: _Write, value: list[Value]) -> str:
    return "[" + ",".join([write(item) for item in value]) + "]"


def _context(write: _Write, value: dict[str, Value]) -> str:
    entries = [_string(write, key) + ":" + write(item) for key, item in value.items() if type(item) is not Function]
    return "{" + ",".join(entries) + "}"


def _document(write: _Write, value: Value) -> str:
    """A JSON document that is passed on: numbers keep their digits, in nested lists and objects too."""
    match value:
        case Context():
            return write(value)
        case dict():
            entries = [f"{_string(write, key)}:{_document(write, item)}" for key, item in value.items()]
            return "{" + ",".join(entries) + "}"
        case list():
            return "[" + ",".join([_document(write, item) for item in value]) + "]"
        case Decimal():
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
    Time: _temporal,
    DateTime: _temporal,
    DayTimeDuration: _temporal,
    YearMonthDuration: _temporal,
    Range: _null,
    Function: _null,
}
