"""Data objects of the Activiti dialect: variables that their scope begins with. In other files they are drawings only."""

import re
from collections.abc import Callable
from decimal import Decimal
from math import inf, isfinite
from typing import Any

from osmia_broker.model.dates import full_date_time
from osmia_broker.model.faults import quote
from osmia_broker.model.source import Source
from osmia_broker.model.text import trimmed
from osmia_broker.model.xml import ACTIVITI, name, text

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,19})?")
_EXACT = 2**53  # below it a double has every whole number


def read_data_object(source: Source) -> tuple[str, Any] | None:
    """Return the variable and the value that a data object gives it; None if it has no name, or no type that Activiti knows.

    Without a value the variable is null. A text with `${…}` is not evaluated (measured).
    """
    variable, type = trimmed(source.node.get("name", "")), source.node.get("itemSubjectRef", "xsd:string").strip()
    prefix, _, local = type.rpartition(":")
    if not variable or not prefix or local not in _TYPES:
        return None
    given = next((trimmed(text(node)) for node in source.extensions.get(name(ACTIVITI, "value"), ())), "")
    value = _TYPES[local](given) if given else None
    if given and value is None:
        source.fault(f"Expected 'activiti:value' to be of the type '{quote(type)}', but found '{quote(given)}'")
    return variable, value


def _whole(bits: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        number = int(text) if _INTEGER.fullmatch(text) else None
        return number if number is not None and -(1 << bits - 1) <= number < 1 << bits - 1 else None

    return read


def _double(text: str) -> Decimal | None:
    number = float(text) if _NUMBER.fullmatch(text) else inf
    if not isfinite(number):
        return None
    return Decimal(int(number)) if number.is_integer() and abs(number) < _EXACT else Decimal(repr(number))


def _date(text: str) -> str | None:
    return text if full_date_time(text) is not None else None


#: How a value is read, by the local name of its type. Any text but `true` is false, as in Java.
_TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "boolean": lambda text: text.lower() == "true",
    "int": _whole(32),
    "long": _whole(64),
    "double": _double,
    "datetime": _date,
}
