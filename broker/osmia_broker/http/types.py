"""Types of JSON values in requests and answers, and how a request's values become them.

Clients of many languages send keys as numbers or as text, and numbers where text is meant. Such values are accepted; answers always hold
keys as text, because a JavaScript number cannot hold one. Integers of 64 bits may be texts of digits too: a published client sends all of
them so. The other way round nothing is guessed: a text is no smaller number, no boolean and no null, and a number is no boolean (the
reference since 8.8, and its published document).
"""

import re
from typing import Any, Self

import msgspec

from osmia_broker.calls.checks import key, kind_of
from osmia_broker.http.problem import bad_request

#: What a JSON value is, by its first character; an object and null are left out.
_KINDS = {"[": "an array", '"': "a text", "t": "a boolean", "f": "a boolean"}


_DIGITS = re.compile("-?[0-9]{1,19}")


class _Plain(type):
    """Lets plain values stand for those of a class, so that what a request holds can go anywhere: into JSON, into a row."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls.__bases__[0])


class Key(int, metaclass=_Plain):
    """A key of 64 bits, in a request: a number, or a text of digits. The value is a plain integer."""

    __slots__ = ()

    def __new__(cls, value: int) -> Self:
        """Return the plain integer."""
        return int(value)  # type: ignore[return-value]  # see _Plain


class Long(int, metaclass=_Plain):
    """An integer of 64 bits that is no key, in a request: a number, or a text of digits. The value is a plain integer."""

    __slots__ = ()

    def __new__(cls, value: int) -> Self:
        """Return the plain integer."""
        return int(value)  # type: ignore[return-value]  # see _Plain


class Text(str, metaclass=_Plain):
    """A text in a request. A number or a boolean is taken as its text. The value is a plain text."""

    __slots__ = ()

    def __new__(cls, value: object = "") -> Self:
        """Return the plain text."""
        return str(value)  # type: ignore[return-value]  # see _Plain


class Body(msgspec.Struct, rename="camel", kw_only=True):
    """The root of the JSON objects of requests. Members that it does not know are passed over."""


class Empty(Body):
    """A request that needs no more than its path."""


class Item(msgspec.Struct, rename="camel", kw_only=True):
    """The root of the JSON objects of answers."""


def key_text(key: int) -> str | None:
    """Return *key* as answers hold it; None for 0, which means that there is none."""
    return str(key) if key else None


def variables_text(variables: msgspec.Raw) -> str:
    """Return the text of a member with variables; empty when the member is missing.

    Raises:
        HttpRefusal: the member is neither an object nor null, so that the request cannot be read.

    """
    text = json_text(variables)
    if text and text[0] not in "{n":
        found = _KINDS.get(text[0], "a number")
        raise bad_request(f"Failed to read request: variables: expected an object, but found {found}")
    return text


def json_text(value: msgspec.Raw) -> str:
    """Return the text of a member with any JSON. Half characters stay, for the check to refuse."""
    return bytes(value).decode("utf-8", "surrogateescape")


def convert(type: type, value: Any) -> Any:
    """Make a value of the type `Key`, `Long` or `Text` from JSON; for msgspec.

    Raises:
        ValueError: *value* is none.

    """
    if type is Text and isinstance(value, (str, int, float)):
        return Text(str(value).lower() if isinstance(value, bool) else value)
    if type is Key and isinstance(value, (str, int)) and not isinstance(value, bool):
        return Key(key(str(value)))
    if type is Long and isinstance(value, int) and not isinstance(value, bool):
        return Long(value)  # the call checks its range
    if type is Long and isinstance(value, str) and _DIGITS.fullmatch(value):
        return Long(int(value))
    raise ValueError(f"expected {_EXPECTED[type]}, but found {kind_of(value)}")


_EXPECTED: dict[type, str] = {Key: "a key, as text or as a number", Long: "an integer", Text: "a text"}


def schema_of(type: type) -> dict[str, Any]:
    """Return the JSON schema of `Key`, `Long` and `Text`; for msgspec."""
    if type in (Key, Long):
        return {"anyOf": [{"type": "string", "pattern": "^-?[0-9]{1,19}$"}, {"type": "integer", "format": "int64"}]}
    if type is Text:
        return {"type": "string"}
    raise NotImplementedError(type)
