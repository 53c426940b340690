"""The operators of JUEL by their signs and words (EL specification 2.2, sections 1.7 to 1.10).

Measured on the reference engine: `/` is decimal (7/2 = 3.5), `+` adds numeric texts ('1' + '2' = 3), a missing property is null.
"""

from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import TypeAlias

from osmia_broker.juel.errors import EvaluationFailed
from osmia_broker.juel.values import (
    ARITHMETIC,
    Number,
    Value,
    describe,
    narrow,
    to_boolean,
    to_number,
    to_text,
    without_float,
)

Operation: TypeAlias = Callable[[Value, Value], Value]


def property_of(base: Value, key: Value) -> Value:
    """Return `base.key` or `base[key]`. A missing property and a property of null are null."""
    if base is None or key is None:
        return None
    if isinstance(base, dict):
        return without_float(base.get(to_text(key)))
    if isinstance(base, list):
        return without_float(_item(base, to_number(key)))
    raise EvaluationFailed(f"Expected an object or a list with property '{to_text(key)}', but found {describe(base)}")


def _item(items: list[Value], index: Number) -> Value:
    if 0 <= index < len(items) and index == int(index):
        return items[int(index)]
    return None


def is_empty(value: Value) -> bool:
    """Whether *value* is null, or an empty text, list or object."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def negate(value: Value) -> Number:
    """Return the number with the other sign."""
    number = to_number(value)
    return -number if isinstance(number, int) else number.copy_negate()


def equal(left: Value, right: Value) -> bool:
    """Compare after coercion: to numbers if one is a number, else to booleans if one is a boolean, else to text."""
    if left is None or right is None:
        return left is right
    if _is_number(left) or _is_number(right):
        return to_number(left) == to_number(right)
    if isinstance(left, bool) or isinstance(right, bool):
        return to_boolean(left) is to_boolean(right)
    if isinstance(left, str) or isinstance(right, str):
        return to_text(left) == to_text(right)
    return _same_structure(left, right)


def _unequal(left: Value, right: Value) -> bool:
    return not equal(left, right)


def _same_structure(left: Value, right: Value) -> bool:
    """Compare element by element, without Python's `True == 1`. The order of an object's entries does not count."""
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            pending.extend((one[name], other[name]) for name in one)
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            pending.extend(zip(one, other, strict=True))
        elif isinstance(one, bool) is not isinstance(other, bool) or one != other:
            return False
    return True


def _is_number(value: Value) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _compare(left: Value, right: Value) -> int:
    """Return a number below, at or above 0 if *left* is less than, equal to or greater than *right*."""
    if _is_number(left) or _is_number(right):
        one, other = to_number(left), to_number(right)
        return (one > other) - (one < other)
    if isinstance(left, str) or isinstance(right, str):
        first, second = to_text(left), to_text(right)
        return (first > second) - (first < second)
    raise EvaluationFailed(
        f"Expected two numbers or texts to compare, but found {describe(left)} and {describe(right)}"
    )


def _less(left: Value, right: Value) -> bool:
    return left is not None and right is not None and _compare(left, right) < 0


def _at_most(left: Value, right: Value) -> bool:
    return (left is None and right is None) or (left is not None and right is not None and _compare(left, right) <= 0)


def _greater(left: Value, right: Value) -> bool:
    return _less(right, left)


def _at_least(left: Value, right: Value) -> bool:
    return _at_most(right, left)


def _add(left: Value, right: Value) -> Number:
    one, other = to_number(left), to_number(right)
    if isinstance(one, int) and isinstance(other, int):
        return narrow(one + other)
    return narrow(ARITHMETIC.add(one, other))


def _subtract(left: Value, right: Value) -> Number:
    one, other = to_number(left), to_number(right)
    if isinstance(one, int) and isinstance(other, int):
        return narrow(one - other)
    return narrow(ARITHMETIC.subtract(one, other))


def _multiply(left: Value, right: Value) -> Number:
    return narrow(ARITHMETIC.multiply(to_number(left), to_number(right)))


def _divide(left: Value, right: Value) -> Number:
    return narrow(ARITHMETIC.divide(to_number(left), _divisor(right)))


def _modulo(left: Value, right: Value) -> Number:
    """Return the remainder, with the sign of the dividend as in Java."""
    return narrow(ARITHMETIC.remainder(to_number(left), _divisor(right)))


def _divisor(value: Value) -> Number:
    number = to_number(value)
    if number == 0:
        raise EvaluationFailed("Expected a divisor other than 0, but found 0")
    return number


def _bounded(calculate: Operation) -> Operation:
    """Turn a result beyond the decimal bounds into a failure of the expression."""

    def calculated(left: Value, right: Value) -> Value:
        try:
            return calculate(left, right)
        except DecimalException:
            raise EvaluationFailed("Expected a result within 34 digits and 10^6144, but found a larger one") from None

    return calculated


#: The operators that evaluate both sides, by level, the weakest first. All associate to the left.
LEVELS: tuple[dict[str, Operation], ...] = (
    {"==": equal, "eq": equal, "!=": _unequal, "ne": _unequal},
    {
        "<": _less,
        "lt": _less,
        ">": _greater,
        "gt": _greater,
        "<=": _at_most,
        "le": _at_most,
        ">=": _at_least,
        "ge": _at_least,
    },
    {"+": _bounded(_add), "-": _bounded(_subtract)},
    {
        "*": _bounded(_multiply),
        "/": _bounded(_divide),
        "div": _bounded(_divide),
        "%": _bounded(_modulo),
        "mod": _bounded(_modulo),
    },
)
