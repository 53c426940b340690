"""The values that the mappings of one element have made so far.

A later mapping reads them with their types: a duration is still a duration. A nested target hides an outer variable only for the
keys that it makes, and only while mappings read: `foo.bar` may come from a mapping and `foo.baz` from the outer `foo`. The mapped
variable itself holds the mapped keys alone.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from osmia_broker.engine.expressions import VariableScope
from osmia_broker.engine.turn import Turn
from osmia_broker.feel.json_text import parse_document
from osmia_broker.feel.values import CONTEXTS, Context, Value

DIGITS_MAX = 18  # of a whole number that is passed on as it is stored: all of them have 64 bits
QUOTE = ord('"')

_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Level(dict[str, Any]):
    """An object that nested targets build: values and further levels by name.

    *is_whole*: an earlier mapping gave the whole value, so nothing of an outer variable shows through.
    """

    __slots__ = ("is_whole",)

    def __init__(self, entries: dict[str, Value], *, is_whole: bool) -> None:
        super().__init__(entries)
        self.is_whole = is_whole


class MappedValues(VariableScope):
    """A scope for the sources of mappings: the mapped values first, then the variables that are visible from the element instance."""

    __slots__ = ("_made", "_shown")

    def __init__(self, turn: Turn, element_instance_key: int) -> None:
        self._turn, self._key = turn, element_instance_key
        self._made: dict[str, Any] = {}
        # Levels as a mapping reads them, so that a loop does not build them again.
        self._shown: dict[str, Context] | None = None

    def passed_on(self, path: tuple[str, ...]) -> msgspec.Raw | None:
        """Return the JSON of a variable, or of its property, at *path*, if that is a text or a whole number and no mapping has made it.

        To evaluate such a source would read the JSON and write the same again. None for all others.
        """
        name = path[0]
        text = None if name in self._made else self.stored(name)
        if text is None:
            return None
        if len(path) == 1:
            return msgspec.Raw(text) if text[0] == '"' or (text.isdecimal() and len(text) <= DIGITS_MAX) else None
        entry = _split(text).get(path[1]) if text[0] == "{" else None
        if entry is None:
            return None
        octets = bytes(entry)
        return entry if octets[0] == QUOTE or (octets.isdigit() and len(octets) <= DIGITS_MAX) else None

    def put(self, target: tuple[str, ...], value: Value | msgspec.Raw) -> None:
        """Set *value* at the path *target*. A value on the way that is no object is replaced by one."""
        if self._shown:
            self._shown.pop(target[0], None)
        level = self._made
        for name in target[:-1]:
            level = _open(level, name)
        level[target[-1]] = value

    def items(self) -> Iterable[tuple[str, Value | msgspec.Raw]]:
        """Each mapped variable with its value, or with the `Level` that nested targets built."""
        return self._made.items()

    def __getitem__(self, name: str) -> Value | msgspec.Raw:
        """Return what a mapping reads as *name*; raise KeyError if neither a mapping made it nor a variable has it."""
        if name not in self._made:
            return VariableScope.__getitem__(self, name)
        made = self._made[name]
        if type(made) is not Level:
            return made
        shown = self._shown
        if shown is None:
            shown = self._shown = {}
        if name not in shown:
            shown[name] = _layered(made, None if made.is_whole else self._hidden(name))
        return shown[name]

    def _hidden(self, name: str) -> Value:
        try:
            value = VariableScope.__getitem__(self, name)
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
        if type(value) is Level:
            shown[name] = _layered(value, shown.get(name))
        else:
            shown[name] = parse_document(value) if type(value) is msgspec.Raw else value
    return shown
