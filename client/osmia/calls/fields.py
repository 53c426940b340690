"""Fields of messages as values of Python, and the other way round."""

from collections.abc import Iterable
from typing import Any

import msgspec


def numbers_of(enum: Any, prefix: str, names: Iterable[str]) -> list[Any]:
    """Return the numbers of *names* in an enum of the contract.

    Raises:
        ValueError: the enum has no such name.
    """
    known = [name.removeprefix(prefix) for name in enum.keys()[1:]]
    numbers = []
    for name in names:
        if name not in known:
            raise ValueError(f"Expected one of {', '.join(known)}, but found '{name}'")
        numbers.append(enum.Value(prefix + name))
    return numbers


def fields_of(message: Any, **changed: Any) -> dict[str, Any]:
    """Return the fields of *message* by name, with the values of *changed* instead of those of the message."""
    values = {name: getattr(message, name) for name in message.DESCRIPTOR.fields_by_name if name not in changed}
    return values | changed


def value_of(text: str) -> Any:
    """Return a JSON value. A text that Python cannot read as one (such as 1e999) stays text, so that it hides no other item."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
