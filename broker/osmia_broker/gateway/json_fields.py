"""Fields of messages that hold JSON: what a field of the wire could only repeat."""

from typing import Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.checks import kind_of, quoted
from osmia_broker.state.json_text import Digits

_decode = msgspec.json.Decoder(float_hook=Digits).decode


def json_of(field: str, text: str) -> Any:
    """Read the JSON of a field; None if it is empty.

    Raises:
        InvalidArgument: it is no JSON.

    """
    if not text.strip():
        return None
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise InvalidArgument(f"Expected {field} to be JSON, but found {quoted(text)} ({fault})") from fault


def object_of(field: str, text: str) -> dict[str, Any] | None:
    """Read the JSON object of a field; None if it is empty or null.

    Raises:
        InvalidArgument: it is no JSON, or of another kind.

    """
    value = json_of(field, text)
    if value is not None and not isinstance(value, dict):
        raise InvalidArgument(f"Expected {field} to be a JSON object, but found {kind_of(value)}")
    return value
