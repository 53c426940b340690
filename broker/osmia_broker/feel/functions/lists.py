# ruff: noqa: ARG001  # every built-in function takes the run first
"""Define the built-in functions over lists. Positions count from 1, or from the end if negative; results are new lists."""

from osmia_broker.feel import numbers, operators
from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import Function, Number, Value


@builtin("list contains(list: list, element: any)")
def list_contains(run: Run, items: list[Value], element: Value) -> bool:
    """Tell whether an item equals *element*."""
    wanted = operators.identity_key(run, element)
    return any(operators.identity_key(run, item) == wanted for item in items)


@builtin("count(list: list)")
def count(run: Run, items: list[Value]) -> int:
    """Return the number of items."""
    return len(items)


@builtin("sublist(list: list, start position: number)", edition=Edition.STANDARD)
@builtin("sublist(list: list, start: number)")
def sublist(run: Run, items: list[Value], start: Number) -> list[Value]:
    """Return the items from *start* on."""
    return items[max(0, _index(items, start)) :]


@builtin("sublist(list: list, start position: number, length: number)", edition=Edition.STANDARD)
@builtin("sublist(list: list, start: number, length: number)")
def sublist_of_length(run: Run, items: list[Value], start: Number, length: Number) -> list[Value]:
    """Return at most *length* items from *start* on."""
    first = _index(items, start)
    return items[max(0, first) : max(0, first + numbers.whole(length))]


def _index(items: list[Value], position: Number) -> int:
    """Return the index from 0 that *position* stands for; may lie outside."""
    index = numbers.whole(position)
    return index - 1 if index > 0 else len(items) + index


@builtin("append(list: list, items: item...)")
def append(run: Run, items: list[Value], more: list[Value]) -> list[Value]:
    """Return the list and then the items; a list among them is one item, but by name a list stands for its items."""
    return items + more


@builtin("concatenate(lists: any...)")
def concatenate(run: Run, lists: list[Value]) -> list[Value]:
    """Return the items of all lists in order; an argument that is no list counts as an item."""
    joined: list[Value] = []
    for part in lists:
        joined += part if type(part) is list else [part]
        run.made_list(len(joined))
    return joined


@builtin("insert before(list: list, position: number, newItem: any)")
def insert_before(run: Run, items: list[Value], position: Number, item: Value) -> list[Value]:
    """Return the list with *item* before the one at *position*; at the end if that lies behind it or is 0."""
    index = max(0, _index(items, position))
    return [*items[:index], item, *items[index:]]


@builtin("remove(list: list, position: number)")
def remove(run: Run, items: list[Value], position: Number) -> list[Value]:
    """Return the list without the item at *position*; unchanged if there is none."""
    index = _index(items, position)
    return items[:index] + items[index + 1 :] if 0 <= index < len(items) else items[:]


@builtin("reverse(list: list)")
def reverse(run: Run, items: list[Value]) -> list[Value]:
    """Return the items from the last to the first."""
    return items[::-1]


@builtin("index of(list: list, match: any)")
def index_of(run: Run, items: list[Value], match: Value) -> list[Value]:
    """Return all positions of items that equal *match*."""
    wanted = operators.identity_key(run, match)
    return [i for i, item in enumerate(items, start=1) if operators.identity_key(run, item) == wanted]


@builtin("union(lists: any...)")
def union(run: Run, lists: list[Value]) -> list[Value]:
    """Return the items of all lists, each once."""
    return distinct_values(run, concatenate(run, lists))


@builtin("distinct values(list: list)")
def distinct_values(run: Run, items: list[Value]) -> list[Value]:
    """Return each item once, where it first stands."""
    first: dict[object, Value] = {}
    for item in items:
        first.setdefault(operators.identity_key(run, item), item)
    return list(first.values())


@builtin("duplicate values(list: list)")
def duplicate_values(run: Run, items: list[Value]) -> list[Value]:
    """Return the items that stand there more than once, each once."""
    counts: dict[object, int] = {}
    keys = [operators.identity_key(run, item) for item in items]
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return distinct_values(run, [item for key, item in zip(keys, items, strict=True) if counts[key] > 1])


@builtin("flatten(list: list)")
def flatten(run: Run, items: list[Value]) -> list[Value]:
    """Return the items of nested lists, however deep, in one list."""
    flat: list[Value] = []
    waiting = [iter(items)]
    while waiting:
        for item in waiting[-1]:
            run.spend(1)
            if type(item) is list:
                waiting.append(iter(item))
                break
            flat.append(item)
        else:
            waiting.pop()
    return flat


@builtin("sort(list: list, precedes: function)")
def sort(run: Run, items: list[Value], precedes: Function) -> list[Value] | None:
    """Return the items in the order in which `precedes(a, b)` is true.

    Null if *precedes* does not take two arguments, or if it gives anything but a boolean for two items (measured).
    """
    if len(precedes.parameters) != 2:
        return None
    answers: set[type] = set()

    class Place:
        """An item, ordered by asking the expression whether it goes before another."""

        __slots__ = ("item",)

        def __init__(self, item: Value) -> None:
            self.item = item

        def __lt__(self, other: "Place") -> bool:
            answer = precedes.callable(self.item, other.item)
            answers.add(type(answer))
            return answer is True

    ranked = [place.item for place in sorted(map(Place, items))]
    return ranked if answers <= {bool} else None


@builtin("list replace(list: list, position: number, newItem: any)", edition=Edition.LATER)
def list_replace(run: Run, items: list[Value], position: Number, item: Value) -> list[Value] | None:
    """Return the list with *item* for the one at *position*; null if there is none (DMN 1.4, 10.3.4.4)."""
    index = _index(items, position)
    if numbers.whole(position) == 0 or not 0 <= index < len(items):
        return None
    return [*items[:index], item, *items[index + 1 :]]


@builtin("list replace(list: list, match: function, newItem: any)", edition=Edition.LATER)
def list_replace_matching(run: Run, items: list[Value], match: Function, item: Value) -> list[Value] | None:
    """Return the list with *item* for each one for which `match(item, newItem)` is true; null if it gives no boolean."""
    if len(match.parameters) != 2:
        return None
    answers = [match.callable(old, item) for old in items]
    if not all(type(answer) is bool for answer in answers):
        return None
    return [item if answer else old for old, answer in zip(items, answers, strict=True)]


@builtin("partition(list: list, size: number)", edition=Edition.LATER)
def partition(run: Run, items: list[Value], size: Number) -> list[list[Value]] | None:
    """Return lists of *size* items each, the last maybe shorter; null for a size below 1."""
    step = numbers.whole(size)
    return [items[start : start + step] for start in range(0, len(items), step)] if step > 0 else None


@builtin("is empty(list: list)")
def is_empty(run: Run, items: list[Value]) -> bool:
    """Tell whether there is no item."""
    return not items
