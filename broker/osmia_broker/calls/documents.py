"""Variables as they travel: a JSON object in a text field, checked here before any effect."""

import json
import re
from itertools import accumulate
from math import isfinite
from typing import NoReturn

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.checks import quoted
from osmia_broker.engine.commands import Variables
from osmia_broker.state.json_text import canonical

DEPTH_MAX = 200  # levels of a document; clients' parsers give up soon after
DOCUMENT_BYTES_MAX = 2 * 1024 * 1024  # of UTF-8
VARIABLES_MAX = 20_000  # of a document; each takes up to 20 µs of everybody's time
INTEGERS = range(-(2**63), 2**64)

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
# Only such a number can lie outside the reference's range, or is spelt anew.
_UNUSUAL_NUMBER = re.compile(rb"\d(?:\d{18}|[eE][+-]?\d)")
#: Digits as 0, E as e; white space and the beginning of an escape (of a NUL, for example) as an octet that no JSON has.
_PARTS = bytes.maketrans(b"123456789E \n\r\t\\", b"000000000e\0\0\0\0\0")
_LONG = b"0" * 19  # digits from which on a number may lie outside the range
# Octets are looked for by their numbers: to ask whether `bytes` are in others raises an exception in the interpreter and takes 20 times as long.
_BLANK, _NUL, _BACKSLASH = b" \0\\"
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|$)', re.DOTALL)  # one without an end goes on to the end of the text
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_KINDS = {"array": "ARRAY", "str": "STRING", "int": "INTEGER", "float": "FLOAT", "bool": "BOOLEAN"}


def parse_variables(text: str) -> Variables:
    """Split a document at its top level into names and JSON texts, each in its one spelling (`state.json_text`).

    Empty, blank and `null` mean no variables.

    Raises:
        InvalidArgument: no JSON, no object, above `DOCUMENT_BYTES_MAX`, `VARIABLES_MAX` or `DEPTH_MAX`, a number beyond 64 bits, half of
            a surrogate pair anywhere, or a name that holds a NUL.
    """
    if text[:1] != "{" and (not text or text.isspace() or text.strip() == "null"):
        return {}
    document = _utf8(text)
    if document.count(b"{") + document.count(b"[") > DEPTH_MAX:
        _refuse_depth(document)
    try:
        values = _split(document)
    except msgspec.ValidationError as fault:  # of the first character alone; what follows may be no JSON
        _refuse_kind(text, document, fault)
    except (msgspec.DecodeError, RecursionError) as fault:
        _refuse_text(text, fault)
    if len(values) > VARIABLES_MAX:
        raise InvalidArgument(f"Expected at most {VARIABLES_MAX} variables, but found {len(values)}")
    return _respelt(document, values) if _needs_look(document) else _texts(values)


def _needs_look(document: bytes) -> bool:
    """Whether there may be white space, an escape or an unusual number in *document*. Most have nothing of it."""
    if _BLANK in document:  # most long ones, and to look for one octet is quick
        return True
    parts = document.translate(_PARTS)
    return _NUL in parts or parts.find(b"0e") >= 0 or parts.find(_LONG) >= 0


def _respelt(document: bytes, values: dict[str, msgspec.Raw]) -> Variables:
    """Refuse unusual numbers and names, and return the values in their one spelling."""
    is_unusual = _UNUSUAL_NUMBER.search(document) is not None
    if is_unusual:
        for name, value in values.items():
            _refuse_numbers(name, str(value, "utf-8"))
    has_escapes = _BACKSLASH in document
    if has_escapes and "\0" in "".join(values):
        raise InvalidArgument("Expected variable names without NUL characters, but found one")
    if is_unusual or has_escapes:
        return {name: canonical(str(value, "utf-8")) for name, value in values.items()}
    return {name: _compact(str(value, "utf-8")) for name, value in values.items()}


def _texts(values: dict[str, msgspec.Raw]) -> Variables:
    return {name: str(value, "utf-8") for name, value in values.items()}


def _utf8(text: str) -> bytes:
    try:
        document = text.encode()
    except UnicodeEncodeError as fault:
        raise InvalidArgument(
            f"Invalid JSON value: expected Unicode text, but found half of a surrogate pair at character {fault.start}"
        ) from None
    if len(document) > DOCUMENT_BYTES_MAX:
        raise InvalidArgument(f"Expected variables of at most {DOCUMENT_BYTES_MAX} bytes, but found {len(document)}")
    return document


def _compact(value: str) -> str:
    """Remove the blanks between the parts of a value; blanks inside of strings stay."""
    return msgspec.json.format(value, indent=-1) if value[0] in "[{" else value


def _refuse_kind(text: str, document: bytes, fault: msgspec.ValidationError) -> NoReturn:
    try:
        msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError) as broken:
        _refuse_text(text, broken)
    found = str(fault).rpartition("got `")[2].partition("`")[0]
    raise InvalidArgument(
        "Property 'variables' is invalid: Expected document to be a root level object,"
        f" but was '{_KINDS.get(found, found.upper())}'"
    ) from fault


def _refuse_text(text: str, fault: Exception) -> NoReturn:
    hint = "; a \\ud… escape needs its other half" if "\\ud" in text.lower() else ""  # the parser's words do not say so
    raise InvalidArgument(f"Invalid JSON value: {quoted(text)} ({fault}{hint})") from fault


def _refuse_depth(document: bytes) -> None:
    """Count the levels outside of strings: many brackets alone are no fault."""
    brackets = _STRING.sub(b"", document).translate(None, _NO_BRACKETS)
    deepest = max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0)
    if deepest > DEPTH_MAX:
        raise InvalidArgument(f"Expected variables of at most {DEPTH_MAX} levels, but found {deepest}")


def _refuse_numbers(name: str, value: str) -> None:
    """Refuse an integer beyond 64 bits and a number beyond a double's range, in the variable *name*."""
    try:
        json.loads(value, parse_int=_integer, parse_float=_double)
    except InvalidArgument as refusal:
        raise InvalidArgument(f"{refusal} in the variable '{quoted(name)}'") from refusal
    except ValueError as fault:  # Python's own limit on the digits of an integer
        raise InvalidArgument(
            f"Invalid JSON value: {quoted(value)} ({fault}) in the variable '{quoted(name)}'"
        ) from fault


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
