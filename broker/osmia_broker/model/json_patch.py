"""JSON Patch (RFC 6902) on JSON values: read the operations once, apply them often.

Missing objects on the way to a place are created, as Activiti does for its mappings; the RFC refuses that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from osmia_broker.base.counted import counted
from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.model.faults import quote
from osmia_broker.model.templates import CHARACTERS_MAX, characters_of

POINTER_NAMES_MAX = 100  # of a path; a document of a client has at most 200 levels
OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")
_WITH_VALUE = frozenset({"add", "replace", "test"})
_WITH_SOURCE = frozenset({"move", "copy"})

Pointer = tuple[str, ...]


class FaultyPatch(ValueError):
    """A list of operations that is no patch; the message names the operation and the reason."""


class PatchFailed(ValueError):
    """A patch does not fit the value that it was applied to."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One change. *value* is of an addition, a replacement or a test; *source* of a move or a copy."""

    op: str
    path: Pointer
    value: Any = None
    source: Pointer = ()


def read(patch: Any) -> tuple[Operation, ...]:
    """Read the operations of a patch, a list of JSON objects.

    Raises:
        FaultyPatch: it is none.
    """
    if not isinstance(patch, list):
        raise FaultyPatch("Expected a JSON patch, a list of operations, but found another value")
    return tuple(_operation(number, one) for number, one in enumerate(patch, 1))


def _operation(number: int, given: Any) -> Operation:
    op = given.get("op") if isinstance(given, Mapping) else None
    if op not in OPERATIONS:
        found = "none" if op is None else f"'{quote(str(op))}'"
        raise FaultyPatch(
            f"Expected operation {number} of the JSON patch to have an 'op' of {', '.join(OPERATIONS)}, but found {found}"
        )
    if op in _WITH_VALUE and "value" not in given:
        raise FaultyPatch(f"Expected operation {number} of the JSON patch ('{op}') to have a 'value', but found none")
    source = _pointer(number, given, "from") if op in _WITH_SOURCE else ()
    return Operation(op, _pointer(number, given, "path"), given.get("value"), source)


def _pointer(number: int, given: Mapping[str, Any], member: str) -> Pointer:
    """Read a JSON pointer (RFC 6901)."""
    text = given.get(member)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        found = "none" if text is None else f"'{quote(str(text))}'"
        raise FaultyPatch(
            f"Expected operation {number} of the JSON patch to have a '{member}' that starts with '/', but found {found}"
        )
    names = text.split("/")[1:]
    if len(names) > POINTER_NAMES_MAX:
        raise FaultyPatch(f"Expected a '{member}' of at most {POINTER_NAMES_MAX} names, but found {len(names)}")
    return tuple(one.replace("~1", "/").replace("~0", "~") for one in names)


def apply(document: Any, operations: Sequence[Operation]) -> Any:
    """Return *document* with all *operations* applied in order; the given one stays as it is.

    Raises:
        PatchFailed: an operation does not fit, so that nothing is applied.
    """
    room = CHARACTERS_MAX
    for operation in operations:
        if operation.op == "copy":
            room -= characters_of(_read(document, operation.source), room)
            if room < 0:
                raise PatchFailed(
                    f"Expected the JSON patch to copy at most {CHARACTERS_MAX} characters, but found more"
                )
        if operation.path and not isinstance(document, Mapping | list) and document is not None:
            raise PatchFailed("Expected an object or a list for the JSON patch, but found another value")
        document = _APPLY[operation.op](document, operation)
    return document


def _add(document: Any, operation: Operation) -> Any:
    return _put(document, operation.path, operation.value, replaces=False)


def _replace(document: Any, operation: Operation) -> Any:
    return _put(document, operation.path, operation.value, replaces=True)


def _remove(document: Any, operation: Operation) -> Any:
    _read(document, operation.path)
    return _without(document, operation.path)


def _move(document: Any, operation: Operation) -> Any:
    if operation.path[: len(operation.source)] == operation.source != operation.path:
        raise PatchFailed(
            f"Expected to move '{_text(operation.source)}' to a place outside of itself, but found '{_text(operation.path)}'"
        )
    value = _read(document, operation.source)
    return _put(_without(document, operation.source), operation.path, value, replaces=False)


def _copy(document: Any, operation: Operation) -> Any:
    return _put(document, operation.path, _read(document, operation.source), replaces=False)


def _test(document: Any, operation: Operation) -> Any:
    if not _same(_read(document, operation.path), operation.value):
        raise PatchFailed(
            f"Expected the value at '{_text(operation.path)}' to pass the test of the JSON patch, but found another one"
        )
    return document


_APPLY = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "copy": _copy, "test": _test}


def _read(document: Any, path: Pointer) -> Any:
    for name in path:
        if isinstance(document, Mapping) and name in document:
            document = document[name]
        elif isinstance(document, list) and (index := whole_number(name, most=len(document) - 1)) is not None:
            document = document[index]
        else:
            raise _missing(path)
    return document


def _put(document: Any, path: Pointer, value: Any, *, replaces: bool) -> Any:
    """Return *document* with *value* at *path*, on copies of the objects and lists on the way."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    if isinstance(document, list):
        return _put_into_list(document, path, value, replaces=replaces)
    entries = dict(document) if isinstance(document, Mapping) else {}
    if not rest and replaces and name not in entries:
        raise _missing(path)
    entries[name] = _put(entries.get(name), rest, value, replaces=replaces)
    return entries


def _put_into_list(items: list[Any], path: Pointer, value: Any, *, replaces: bool) -> list[Any]:
    name, rest = path[0], path[1:]
    appends = not rest and not replaces
    if name == "-" and appends:
        return [*items, value]
    index = whole_number(name, most=len(items) + appends - 1)
    if index is None:
        raise PatchFailed(
            f"Expected '{name}' to be an index of a list of {counted(len(items), 'item')}, but found none such"
        )
    if appends:
        return [*items[:index], value, *items[index:]]
    return [*items[:index], _put(items[index], rest, value, replaces=replaces), *items[index + 1 :]]


def _without(document: Any, path: Pointer) -> Any:
    if not path:
        return None
    name, rest = path[0], path[1:]
    if isinstance(document, list):
        index = int(name)
        kept = [_without(document[index], rest)] if rest else []
        return [*document[:index], *kept, *document[index + 1 :]]
    if rest:
        return {**document, name: _without(document[name], rest)}
    return {key: value for key, value in document.items() if key != name}


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1, but 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _missing(path: Pointer) -> PatchFailed:
    return PatchFailed(f"Expected a value at '{_text(path)}' for the JSON patch, but found none")


def _text(path: Pointer) -> str:
    return quote("".join(f"/{one.replace('~', '~0').replace('/', '~1')}" for one in path))
