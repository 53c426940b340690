"""JSON values of an Activiti extension file, whose texts may contain `${…}` at any depth.

A text that is one expression gives the value of the expression with its type. An expression that fails, because a variable is missing for
example, stays as it is written.
"""

from collections.abc import Mapping
from typing import Any

from osmia_broker.model import expressions
from osmia_broker.model.expressions import Scope
from osmia_broker.model.faults import quote

NESTING_MAX = 50  # of a value in a file that a person wrote
ITEM_CHARACTERS = 4  # for which each value counts at least, so that a count looks at a million values at most
CHARACTERS_MAX = 4 * 1024 * 1024  # of a value; more than the variables of a process instance may have together


class FaultyTemplate(ValueError):
    """A text in a value that cannot be compiled, or a value that nests too deeply; the message is for the author of the file."""


class Template:
    """A JSON value, compiled. *has_expressions* is false if it is the same in every scope."""

    __slots__ = ("_value", "has_expressions")

    def __init__(self, value: Any) -> None:
        self._value, self.has_expressions = _compiled(value, NESTING_MAX)

    def evaluate(self, scope: Scope) -> Any:
        """Return the value against *scope*.

        Raises:
            ValueError: a text of the result is too long, or all of them together are.
        """
        return _evaluated(self._value, scope, _Room()) if self.has_expressions else self._value


class _Room:
    """The room that is left for the texts of one result: a small file can name a large variable a thousand times."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = CHARACTERS_MAX

    def take(self, value: Any) -> Any:
        if isinstance(value, str):
            self._left -= len(value)
        elif isinstance(value, dict | list):
            self._left -= characters_of(value, self._left)
        if self._left < 0:
            raise ValueError(f"Expected a value of at most {CHARACTERS_MAX} characters, but found a larger one")
        return value


def characters_of(value: Any, limit: int) -> int:
    """Return about the number of characters of the JSON *value*, or more than *limit*. Shared parts count each time."""
    found, pending = 0, [value]
    while pending and found <= limit:
        one = pending.pop()
        found += ITEM_CHARACTERS
        if isinstance(one, str):
            found += len(one)
        elif isinstance(one, Mapping):
            found += sum(map(len, one))
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return found


class _Text:
    """A text with expressions in it."""

    __slots__ = ("expression",)

    def __init__(self, text: str) -> None:
        from osmia_broker import juel  # loaded with the first expression only, as in expressions.juel

        try:
            self.expression = juel.compile(text)
        except juel.ParseError as error:
            raise FaultyTemplate(f"failed to parse expression '{quote(text)}': {quote(error.reason)}") from error


def _compiled(value: Any, levels: int) -> tuple[Any, bool]:
    """Return the value with its texts compiled, and whether any text has an expression."""
    if isinstance(value, str):
        return (_Text(value), True) if expressions.is_juel(value) else (value, False)
    if not isinstance(value, dict | list):
        return value, False
    if not levels:
        raise FaultyTemplate(f"Expected a value of at most {NESTING_MAX} levels, but found more")
    items = {
        name: _compiled(one, levels - 1)
        for name, one in (value.items() if isinstance(value, dict) else enumerate(value))
    }
    if not any(has_expressions for _, has_expressions in items.values()):
        return value, False
    inner = {name: one for name, (one, _) in items.items()}
    return (inner if isinstance(value, dict) else list(inner.values())), True


def _evaluated(value: Any, scope: Scope, room: _Room) -> Any:
    if isinstance(value, _Text):
        return room.take(value.expression.evaluate_leniently(scope))
    if isinstance(value, dict):
        return {name: _evaluated(one, scope, room) for name, one in value.items()}
    if isinstance(value, list):
        return [_evaluated(one, scope, room) for one in value]
    return value


def contains_expression(value: Any) -> bool:
    """Whether a text in the JSON *value*, at any depth, looks like an expression: `${…}` with a closing bracket."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            start = one.find("${")
            if start >= 0 and one.find("}", start) >= 0:
                return True
        elif isinstance(one, Mapping):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return False
