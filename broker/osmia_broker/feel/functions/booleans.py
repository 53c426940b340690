# ruff: noqa: ARG001  # every built-in function takes the run first
"""Define the built-in functions about truth, presence and identity: `not`, `is defined`, `get or else`, `assert`, `is`."""

from functools import partial

from osmia_broker.feel.errors import AssertionFailed
from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.text import brief
from osmia_broker.feel.values import CONTEXTS, NUMBERS, Value


@builtin("not(negand: any)")
def negation(run: Run, negand: Value) -> bool | None:
    """Return the opposite of a boolean; null of anything else."""
    return not negand if type(negand) is bool else None


@builtin("is defined(value: any)")
def is_defined(run: Run, value: Value) -> bool:
    """Tell whether *value* is anything but null; a variable that is null counts as not defined (measured)."""
    return value is not None


@builtin("get or else(value: any, default: any)")
def get_or_else(run: Run, value: Value, default: Value) -> Value:
    """Return *value*, or *default* if it is null."""
    return default if value is None else value


@builtin("assert(value: any, condition: any)")
def assert_condition(run: Run, value: Value, condition: Value) -> Value:
    """Return *value* if the condition is true, else fail the evaluation."""
    return assert_with_cause(run, value, condition, "The condition is not fulfilled")


@builtin("assert(value: any, condition: any, cause: any)")
def assert_with_cause(run: Run, value: Value, condition: Value, cause: Value) -> Value:
    """Return *value* if the condition is true, else fail the evaluation with *cause*.

    A *cause* that is no string still fails it; otherwise a failed assertion would pass unnoticed.
    """
    if condition is True:
        return value
    if type(cause) is not str:
        cause = "Illegal arguments: " + ", ".join(f"'{brief(argument)}'" for argument in (value, condition, cause))
    run.warn("ASSERT_FAILURE", "{cause}", cause=cause)
    raise AssertionFailed(cause)


@builtin("is(value1: any, value2: any)", edition=Edition.LATER)
def is_same(run: Run, one: Value, other: Value) -> bool:
    """Tell whether both are the same value of the same type, offsets and zones included (DMN 1.3, 10.3.4.7)."""
    if type(one) in NUMBERS and type(other) in NUMBERS:
        return bool(one == other)
    if type(one) in CONTEXTS and type(other) in CONTEXTS:
        run.spend(len(one))
        return one.keys() == other.keys() and all(is_same(run, value, other[key]) for key, value in one.items())
    if type(one) is not type(other):
        return False
    if type(one) is list:
        run.spend(len(one))
        return len(one) == len(other) and all(map(partial(is_same, run), one, other))
    return bool(one == other)


@builtin("is(value1: any)", "is(value2: any)", edition=Edition.LATER)
def is_null(run: Run, value: Value) -> bool:
    """Compare *value* with an argument that was left out, which is null."""
    return value is None
