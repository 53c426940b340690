"""Variables as they travel: a JSON object in a string field, checked here before any effect (gateway-rpc.md, section 1)."""

import json
import re
from math import isfinite
from typing import NoReturn

import msgspec

from osmia_broker.engine.commands import Variables
from osmia_broker.errors import InvalidArgument

DEPTH_MAX = 200  # levels of a document; clients' parsers give up soon after (reliability.md, section 5)
DOCUMENT_BYTES_MAX = 2 * 1024 * 1024
QUOTED_CHARACTERS = 200  # of an input that an error repeats
INTEGERS = range(-(2**63), 2**64)

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_UNUSUAL_NUMBER = re.compile(r"\d{19}|[eE][+-]?\d{3}")  # may lie outside what the reference takes; anything else cannot
_SPACE = re.compile(r"[ \n\r\t]")
_KINDS = {"array": "ARRAY", "str": "STRING", "int": "INTEGER", "float": "FLOAT", "bool": "BOOLEAN"}


def parse_variables(text: str) -> Variables:
    """The document split at its top level, every value compact JSON text. Empty, blank and `null` mean no variables.

    Raises:
        InvalidArgument: no JSON, no object, too large, too deep, or a number beyond 64 bits.

    """
    if not text or text.isspace() or text.strip() == "null":
        return {}
    if len(text) > DOCUMENT_BYTES_MAX:
        raise InvalidArgument(f"Expected variables of at most {DOCUMENT_BYTES_MAX} bytes, but found {len(text)}")
    if text.count("{") + text.count("[") > DEPTH_MAX:
        _refuse_depth(text)
    try:
        values = _split(text)
    except msgspec.ValidationError as fault:
        _refuse_kind(fault)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as fault:
        raise InvalidArgument(f"Invalid JSON value: {quoted(text)} ({fault})") from fault
    if _UNUSUAL_NUMBER.search(text):
        _refuse_numbers(text)
    variables = {name: str(value, "utf-8") for name, value in values.items()}
    if "\0" in "".join(variables):
        raise InvalidArgument("Expected variable names without NUL characters, but found one")
    if _SPACE.search(text):
        return {name: _compact(value) for name, value in variables.items()}
    return variables


def quoted(text: str) -> str:
    """As much of an input as an error repeats."""
    return text if len(text) <= QUOTED_CHARACTERS else text[:QUOTED_CHARACTERS] + "…"


def _compact(value: str) -> str:
    """Without blanks between the parts; text itself is left alone."""
    return msgspec.json.format(value, indent=-1) if value[0] in "[{" and _SPACE.search(value) else value


def _refuse_kind(fault: msgspec.ValidationError) -> NoReturn:
    found = str(fault).rpartition("got `")[2].partition("`")[0]
    raise InvalidArgument(
        "Property 'variables' is invalid: Expected document to be a root level object,"
        f" but was '{_KINDS.get(found, found.upper())}'"
    ) from fault


def _refuse_depth(text: str) -> None:
    """Count levels outside of strings; many brackets alone are no fault."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    if deepest > DEPTH_MAX:
        raise InvalidArgument(f"Expected variables of at most {DEPTH_MAX} levels, but found {deepest}")


def _refuse_numbers(text: str) -> None:
    """Integers are of 64 bits, other numbers are doubles."""
    try:
        json.loads(text, parse_int=_integer, parse_float=_double)
    except InvalidArgument:
        raise
    except ValueError as fault:  # Python's own limit on the digits of an integer
        raise InvalidArgument(f"Invalid JSON value: {quoted(text)} ({fault})") from fault


def _integer(digits: str) -> int:
    if len(digits) > len(str(2**64)) or int(digits) not in INTEGERS:
        raise InvalidArgument(f"Invalid JSON value: expected an integer of 64 bits, but found {quoted(digits)}")
    return int(digits)


def _double(digits: str) -> float:
    if not isfinite(float(digits)):
        raise InvalidArgument(
            f"Invalid JSON value: expected a number within a double's range, but found {quoted(digits)}"
        )
    return float(digits)
