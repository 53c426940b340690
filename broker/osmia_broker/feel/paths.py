"""Reach into values: `value.name` and `list[index]`."""

from collections.abc import Callable
from math import floor

from osmia_broker.feel import numbers
from osmia_broker.feel.run import Run
from osmia_broker.feel.temporal import PROPERTIES
from osmia_broker.feel.values import CONTEXTS, Number, Range, Value


def property_of(run: Run, value: Value, name: str) -> Value:
    """Return `value.name`: an entry of a context, or a part of a temporal value; of a list, that of each item."""
    if type(value) in CONTEXTS:
        if name in value:
            return value[name]
        return _no_entry(run, value, name)
    if type(value) is list:
        run.made_list(len(value))
        return [property_of(run, item, name) for item in value]
    if value is None:
        run.warn("NO_CONTEXT_ENTRY_FOUND", "No context entry found with key '{name}'. The context is null", name=name)
        return None
    properties = _RANGE if type(value) is Range else PROPERTIES.get(type(value), {})
    part = properties.get(name)
    if part is None:
        template = "No property found with name '{name}' of value '{}'. Available properties: {properties}"
        available = ", ".join(f"'{each}'" for each in properties)
        run.warn("NO_PROPERTY_FOUND", template, value, name=name, properties=available)
        return None
    return part(value)


def _no_entry(run: Run, context: dict[str, Value], name: str) -> None:
    keys = ", ".join(f"'{key}'" for key in list(context)[:20])
    detail = f"Available keys: {keys}" if keys else "The context is empty"
    run.warn("NO_CONTEXT_ENTRY_FOUND", "No context entry found with key '{name}'. {detail}", name=name, detail=detail)


_RANGE: dict[str, Callable[..., object]] = {
    "start": lambda value: value.start,
    "end": lambda value: value.end,
    "start included": lambda value: value.start_included,
    "end included": lambda value: value.end_included,
}


def element_at(run: Run, items: list[Value], index: Number) -> Value:
    """Return the item at *index*, from 1, or from the end if negative; null outside. A fraction is rounded down."""
    position = numbers.whole(index) if index >= 0 or type(index) is int else floor(max(index, -len(items) - 1))
    if 0 < position <= len(items):
        return items[position - 1]
    if position < 0 and -position <= len(items):
        return items[position]
    run.warn("OUT_OF_BOUNDS", "Expected an index from 1 to {}, but found {}", len(items), position)
    return None
