"""Write values as text: for `string()`, and in short for messages."""

import re

from osmia_broker.feel.errors import EvaluationFailed, shorten
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, Time, YearMonthDuration
from osmia_broker.feel.temporal_text import exact, plain
from osmia_broker.feel.tokens import NAME, quote
from osmia_broker.feel.values import DATES, Function, Range, Value

_TEMPORAL = frozenset({*DATES, Time, DateTime, DayTimeDuration, YearMonthDuration})
_BRIEF_MAX = 200  # characters of a value in a message
_NESTING_MAX = 200


def to_text(value: Value, length_max: int) -> str:
    """Return *value* as `string()` writes it; raises `EvaluationFailed` beyond *length_max* characters."""
    if type(value) is str:
        return value
    return _nested(value, length_max)


def _nested(value: Value, length_max: int) -> str:
    writer = _Writer(length_max)
    writer.write(value, 0)
    return "".join(writer.parts)


def to_literal_text(value: Value, length_max: int) -> str:
    """Return *value* as `string()` writes it in the standard dialect: `{a: "x"}`, texts escaped, durations exact."""
    if type(value) is str:
        return value
    writer = _LiteralWriter(length_max)
    writer.write(value, 0)
    return "".join(writer.parts)


def brief(value: Value) -> str:
    """Return *value* for a message, cut to 200 characters."""
    writer = _Writer(_BRIEF_MAX)
    try:
        writer.write(value, 0)
    except EvaluationFailed:
        writer.parts.append("…")
    return shorten("".join(writer.parts), _BRIEF_MAX)


class _Writer:
    def __init__(self, length_max: int) -> None:
        self.parts: list[str] = []
        self.left = length_max

    def add(self, text: str) -> None:
        self.left -= len(text)
        self.parts.append(text)
        if self.left < 0:
            raise EvaluationFailed("Expected a text within the bound of strings, but found a longer one")

    def write(self, value: Value, level: int) -> None:
        """Add *value*, which stands *level* lists or contexts deep."""
        if level > _NESTING_MAX:
            raise EvaluationFailed(f"Expected at most {_NESTING_MAX} levels of nesting, but found more")
        match value:
            case None | bool():
                self.add(_CONSTANTS[value])
            case str():
                self.add(self.text(value))
            case list():
                self._list(value, level)
            case dict():
                self._context(value, level)
            case Function():
                self.add(f"function({', '.join(value.parameters)})")
            case Range():
                self._range(value, level)
            case _:
                self.add(self.temporal(value) if type(value) in _TEMPORAL else str(value))

    def text(self, value: str) -> str:
        """Write a string inside of a list or context."""
        return f'"{value}"'

    def key(self, key: str) -> str:
        """Write the key of an entry and the colon."""
        return f"{key}:"

    def temporal(self, value: Value) -> str:
        """Write a date, a time or a duration."""
        return plain(value)

    def _list(self, items: list[Value], level: int) -> None:
        self.add("[")
        for position, item in enumerate(items):
            if position:
                self.add(", ")
            self.write(item, level + 1)
        self.add("]")

    def _context(self, context: dict[str, Value], level: int) -> None:
        self.add("{")
        entries = [entry for entry in context.items() if type(entry[1]) is not Function]  # as in JSON
        for position, (key, value) in enumerate(entries):
            self.add((", " if position else "") + self.key(key))
            self.write(value, level + 1)
        self.add("}")

    def _range(self, value: Range, level: int) -> None:
        self.add("[" if value.start_included else "(")
        self.write(value.start, level + 1)
        self.add("..")
        self.write(value.end, level + 1)
        self.add("]" if value.end_included else ")")


class _LiteralWriter(_Writer):
    def text(self, value: str) -> str:
        return quote(value)

    def key(self, key: str) -> str:
        return (key if _NAME.fullmatch(key) else quote(key)) + ": "

    def temporal(self, value: Value) -> str:
        return exact(value)


_NAME = re.compile(NAME)
_CONSTANTS = {None: "null", True: "true", False: "false"}
