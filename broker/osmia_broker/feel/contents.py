"""Bound the size of a value as it would be written out, where shared parts count each time they occur."""

from collections.abc import Iterable
from decimal import Decimal

from osmia_broker.feel.errors import EvaluationFailed
from osmia_broker.feel.json_text import INTEGER_MAX, INTEGER_MIN, check_number
from osmia_broker.feel.limits import Limits
from osmia_broker.feel.values import CONTEXTS, Value

CONTAINERS = CONTEXTS | {list}
_DEPTH_MAX = 200  # of lists and contexts inside a result; the writer of JSON uses three Python frames a level


def check_contents(value: Value, limits: Limits) -> None:
    """See that the list or context *value*, written out, stays in bounds: a small expression can share one list a billion times."""
    items = text = 0
    waiting = [(value, 0)]
    while waiting:
        container, depth = waiting.pop()
        items += len(container)
        if items > limits.items or depth > _DEPTH_MAX:
            raise EvaluationFailed(
                f"Expected a result of at most {limits.items} items and {_DEPTH_MAX} levels, but found a larger one"
            )
        text += _check_items(container if type(container) is list else container.values(), depth + 1, waiting)
    if text > 4 * limits.string:
        raise EvaluationFailed(f"Expected a result of at most {4 * limits.string} characters, but found {text}")


def _check_items(items: Iterable[Value], depth: int, waiting: list[tuple[Value, int]]) -> int:
    """Check the plain values among *items* and let the others wait; return the characters of the texts."""
    text = 0
    for item in items:
        kind = type(item)
        if kind is str:
            text += len(item)
        elif kind is int:
            if not INTEGER_MIN <= item <= INTEGER_MAX:
                check_number(item)
        elif kind in CONTAINERS:
            waiting.append((item, depth))
        elif kind is Decimal:
            check_number(item)
    return text
