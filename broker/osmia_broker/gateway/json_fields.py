"""Fields of messages that hold JSON: what a field of the wire could only repeat."""

from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.checks import kind_of, quoted
from osmia_broker.state.json_text import Digits

_decode, _decode_digits = msgspec.json.Decoder().decode, msgspec.json.Decoder(float_hook=Digits).decode


def json_of(field: str, text: str, *, keeps_digits: bool = True) -> Any:
    """Read the JSON of a field; None if it is empty. A number with a point or an exponent keeps its digits, or else must be a double.

    Raises:
        InvalidArgument: it is no JSON.

    """
    if not text.strip():
        return None
    try:
        return (_decode_digits if keeps_digits else _decode)(text)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise InvalidArgument(f"Expected {field} to be JSON, but found {quoted(text)} ({fault})") from fault


def object_of(field: str, text: str, *, keeps_digits: bool = True) -> dict[str, Any] | None:
    """Read the JSON object of a field; None if it is empty or null. Numbers are read as by `json_of`.

    Raises:
        InvalidArgument: it is no JSON, or of another kind.

    """
    value = json_of(field, text, keeps_digits=keeps_digits)
    if value is not None and not isinstance(value, dict):
        raise InvalidArgument(f"Expected {field} to be a JSON object, but found {kind_of(value)}")
    return value
