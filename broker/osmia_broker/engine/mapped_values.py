"""The values that the mappings of one element have made so far.

A later mapping reads them with their types: a duration is still a duration. A nested target hides an outer variable only for the
keys that it makes, and only while mappings read: `foo.bar` may come from a mapping and `foo.baz` from the outer `foo`. The mapped
variable itself holds the mapped keys alone.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from osmia_broker.feel.json_text import parse_document
from osmia_broker.feel.values import CONTEXTS, Context, Value
from osmia_broker.model.expressions import Scope


class Level(dict[str, Any]):
    """An object that nested targets build: values and further levels by name.

    *is_whole*: an earlier mapping gave the whole value, so nothing of an outer variable shows through.
    """

    __slots__ = ("is_whole",)

    def __init__(self, entries: dict[str, Value], *, is_whole: bool) -> None:
        super().__init__(entries)
        self.is_whole = is_whole


class MappedValues:
    """A scope for the sources of mappings: the mapped values first, then the variables of *outer*."""

    __slots__ = ("_made", "_outer", "_shown")

    def __init__(self, outer: Scope) -> None:
        self._outer = outer
        self._made: dict[str, Any] = {}
        self._shown: dict[str, Context] = {}  # levels as a mapping reads them, so that a loop does not build them again

    def put(self, target: tuple[str, ...], value: Value) -> None:
        """Set *value* at the path *target*. A value on the way that is no object is replaced by one."""
        self._shown.pop(target[0], None)
        level = self._made
        for name in target[:-1]:
            level = _open(level, name)
        level[target[-1]] = value

    def items(self) -> Iterable[tuple[str, Value]]:
        """Each mapped variable with its value, or with the `Level` that nested targets built."""
        return self._made.items()

    def __getitem__(self, name: str) -> Value:
        """Return what a mapping reads as *name*; raise KeyError if neither a mapping nor *outer* has it."""
        if name not in self._made:
            return self._outer[name]
        made = self._made[name]
        if type(made) is not Level:
            return made
        if name not in self._shown:
            self._shown[name] = _layered(made, None if made.is_whole else self._hidden(name))
        return self._shown[name]

    def _hidden(self, name: str) -> Value:
        try:
            value = self._outer[name]
        except KeyError:
            return None
        return parse_document(value) if type(value) is msgspec.Raw else value


def _open(parent: dict[str, Any], name: str) -> Level:
    """Return the level at *name*, made from the object there, or empty."""
    found: Value = parent.get(name)
    if type(found) is Level:
        return found
    level = Level(found if type(found) in CONTEXTS else {}, is_whole=name in parent)
    parent[name] = level
    return level


def _layered(level: Level, hidden: Value) -> Context:
    """Return the entries of *level* over those of the object *hidden*."""
    shown = Context(hidden if type(hidden) in CONTEXTS and not level.is_whole else {})
    for name, value in level.items():
        shown[name] = _layered(value, shown.get(name)) if type(value) is Level else value
    return shown
