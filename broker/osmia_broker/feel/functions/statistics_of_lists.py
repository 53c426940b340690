"""Define the built-in functions that make one value of a list, given as a list or as several arguments.

One null or foreign item makes the result null; so does an empty list, but for `mode`, `all` and `any`.
"""

import math
from functools import reduce

from osmia_broker.feel import numbers, operators
from osmia_broker.feel.functions.registry import builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import NUMBERS, Number, Value


def _are_numbers(run: Run, name: str, items: list[Value]) -> bool:
    """Tell whether there are items and all are numbers; note the first that is none for the function *name*."""
    for item in items:
        if type(item) not in NUMBERS:
            run.warn_of_call(name, "expected number but found '{}'", item)
            return False
    return bool(items)


@builtin("min(list: any...)")
def minimum(run: Run, items: list[Value]) -> Value:
    """Return the smallest item, of any kind that has an order."""
    return _extreme(run, "min", items, -1)


@builtin("max(list: any...)")
def maximum(run: Run, items: list[Value]) -> Value:
    """Return the largest item, of any kind that has an order."""
    return _extreme(run, "max", items, 1)


def _extreme(run: Run, name: str, items: list[Value], wanted: int) -> Value:
    if not items:
        return None
    run.spend(len(items))
    best = items[0]
    for item in items:
        answer = operators.compared(item, best)
        if answer is None:
            run.warn_of_call(name, "{} is not comparable", items)
            return None
        best = item if answer == wanted else best
    return best


@builtin("sum(list: any...)")
def total(run: Run, items: list[Value]) -> Number | None:
    """Return the sum of the numbers."""
    return _total(run, "sum", items)


@builtin("product(list: any...)")
def product(run: Run, items: list[Value]) -> Number | None:
    """Return the product of the numbers."""
    run.spend(len(items))
    return reduce(numbers.multiply, items) if _are_numbers(run, "product", items) else None


@builtin("mean(list: any...)")
def mean(run: Run, items: list[Value]) -> Number | None:
    """Return the average of the numbers."""
    return _average(run, "mean", items)


def _total(run: Run, name: str, items: list[Value]) -> Number | None:
    run.spend(len(items))
    return reduce(numbers.add, items) if _are_numbers(run, name, items) else None


def _average(run: Run, name: str, items: list[Value]) -> Number | None:
    sum_of_items = _total(run, name, items)
    return None if sum_of_items is None else numbers.divide(sum_of_items, len(items))


@builtin("median(list: any...)")
def median(run: Run, items: list[Value]) -> Number | None:
    """Return the middle number, or the average of the two in the middle."""
    run.spend(len(items))
    if not _are_numbers(run, "median", items):
        return None
    ranked: list[Number] = sorted(items)
    middle = len(ranked) // 2
    if len(ranked) % 2:
        return ranked[middle]
    return numbers.divide(numbers.add(ranked[middle - 1], ranked[middle]), 2)


@builtin("stddev(list: any...)")
def standard_deviation(run: Run, items: list[Value]) -> Number | None:
    """Return the sample standard deviation; null of fewer than two numbers."""
    average = _average(run, "stddev", items)
    if average is None or len(items) < 2:
        return None
    distances = [numbers.subtract(item, average) for item in items]
    squares = reduce(numbers.add, [numbers.multiply(distance, distance) for distance in distances])
    return numbers.by_double(math.sqrt, numbers.divide(squares, len(items) - 1))


@builtin("mode(list: any...)")
def mode(run: Run, items: list[Value]) -> list[Number] | None:
    """Return the numbers that stand there most often, smallest first; an empty list of none."""
    run.spend(len(items))
    if items and not _are_numbers(run, "mode", items):
        return None
    counts: dict[Number, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    most = max(counts.values(), default=0)
    return sorted(item for item, count in counts.items() if count == most)


@builtin("all(list: any...)", "and(list: any...)")
def all_true(run: Run, items: list[Value]) -> bool | None:
    """Return false if an item is false, else null if one is no boolean, else true."""
    return _decided(run, items, decisive=False)


@builtin("any(list: any...)", "or(list: any...)")
def any_true(run: Run, items: list[Value]) -> bool | None:
    """Return true if an item is true, else null if one is no boolean, else false."""
    return _decided(run, items, decisive=True)


def _decided(run: Run, items: list[Value], *, decisive: bool) -> bool | None:
    run.spend(len(items))
    if any(item is decisive for item in items):
        return decisive
    return (not decisive) if all(type(item) is bool for item in items) else None
