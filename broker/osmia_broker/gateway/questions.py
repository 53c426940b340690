"""Requests for a list, as the read side takes them: a field of the message is the parameter of the same name.

>>> await reader.timers(**asked(queries.SearchTimersRequest(states=[queries.TIMER_STATE_WAITING])))
"""

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

from google.protobuf.message import Message

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.checks import few

Read = Callable[[Any], Any]


def asked(request: Message) -> dict[str, Any]:
    """Return the fields of *request*: enums by the names that the rows use, an optional field that is absent as None.

    Raises:
        InvalidArgument: an enum has too many values, or one that the contract does not have.
    """
    kind: Any = type(request)
    return {name: read(request) for name, read in _readers(kind)}


@cache
def _readers(kind: Any) -> tuple[tuple[str, Read], ...]:
    return tuple((field.name, _reader(field)) for field in kind.DESCRIPTOR.fields)


def _reader(field: Any) -> Read:
    name, value = field.name, attrgetter(field.name)
    if field.enum_type is not None:
        unspecified, *known = field.enum_type.values
        prefix = unspecified.name.removesuffix("UNSPECIFIED")
        names = {one.number: one.name.removeprefix(prefix) for one in known}
        expected = f"Expected {name} of {', '.join(one.name for one in known)}"
        return lambda request: _names(name, names, value(request), expected)
    if field.has_presence:
        return lambda request: value(request) if request.HasField(name) else None
    return value


def _names(field: str, names: dict[int, str], numbers: Any, expected: str) -> list[str]:
    few(field, numbers)
    try:
        return [names[number] for number in numbers]
    except KeyError:
        raise InvalidArgument(f"{expected}, but found {list(numbers)}") from None
