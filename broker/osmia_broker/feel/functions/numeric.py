# ruff: noqa: ARG001  # every built-in function takes the run first
"""Define the built-in functions over numbers."""

import math
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
)

from osmia_broker.feel import numbers
from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.temporal import DayTimeDuration, Duration, YearMonthDuration
from osmia_broker.feel.values import Number

_MODES = {
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceiling": ROUND_CEILING,
    "floor": ROUND_FLOOR,
    "half_up": ROUND_HALF_UP,
    "half_down": ROUND_HALF_DOWN,
    "half_even": ROUND_HALF_EVEN,
}


def _rounded(number: Number, scale: Number, mode: str) -> Number | None:
    return numbers.scaled(number, numbers.whole(scale), mode)


@builtin("decimal(n: number, scale: number)")
def decimal(run: Run, number: Number, scale: Number) -> Number | None:
    """Return *number* with *scale* digits after the point, half-even."""
    return _rounded(number, scale, ROUND_HALF_EVEN)


@builtin("decimal(n: number, scale: number, mode: string)")
def decimal_by_mode(run: Run, number: Number, scale: Number, mode: str) -> Number | None:
    """Return *number* with *scale* digits after the point; null for an unknown *mode*, which may be in any case."""
    rounding = _MODES.get(mode.lower())
    return None if rounding is None else _rounded(number, scale, rounding)


@builtin("floor(n: number)")
def floor(run: Run, number: Number) -> Number | None:
    """Return the next whole number towards minus infinity."""
    return _rounded(number, 0, ROUND_FLOOR)


@builtin("floor(n: number, scala: number)", edition=Edition.NOT_STANDARD)  # so spelt in the reference
@builtin("floor(n: number, scale: number)", edition=Edition.STANDARD)
def floor_scaled(run: Run, number: Number, scale: Number) -> Number | None:
    """Round as `floor`, at *scale* digits after the point."""
    return _rounded(number, scale, ROUND_FLOOR)


@builtin("ceiling(n: number)")
def ceiling(run: Run, number: Number) -> Number | None:
    """Return the next whole number towards infinity."""
    return _rounded(number, 0, ROUND_CEILING)


@builtin("ceiling(n: number, scale: number)")
def ceiling_scaled(run: Run, number: Number, scale: Number) -> Number | None:
    """Round as `ceiling`, at *scale* digits after the point."""
    return _rounded(number, scale, ROUND_CEILING)


@builtin("round up(n: number, scale: number)")
def round_up(run: Run, number: Number, scale: Number) -> Number | None:
    """Round away from zero."""
    return _rounded(number, scale, ROUND_UP)


@builtin("round down(n: number, scale: number)")
def round_down(run: Run, number: Number, scale: Number) -> Number | None:
    """Round towards zero."""
    return _rounded(number, scale, ROUND_DOWN)


@builtin("round half up(n: number, scale: number)")
def round_half_up(run: Run, number: Number, scale: Number) -> Number | None:
    """Round to the nearest, halves away from zero."""
    return _rounded(number, scale, ROUND_HALF_UP)


@builtin("round half down(n: number, scala: number)", edition=Edition.NOT_STANDARD)  # so spelt in the reference
@builtin("round half down(n: number, scale: number)", edition=Edition.STANDARD)
def round_half_down(run: Run, number: Number, scale: Number) -> Number | None:
    """Round to the nearest, halves towards zero."""
    return _rounded(number, scale, ROUND_HALF_DOWN)


@builtin("abs(number: number|days|months)", edition=Edition.NOT_STANDARD)
@builtin("abs(n: number|days|months)")
def absolute(run: Run, value: Number | Duration) -> Number | Duration:
    """Return the size of a number or a duration, without its sign."""
    if isinstance(value, DayTimeDuration):
        return DayTimeDuration(abs(value.nanoseconds))
    if isinstance(value, YearMonthDuration):
        return YearMonthDuration(abs(value.months))
    return numbers.negate(value) if value < 0 else value


@builtin("modulo(dividend: number, divisor: number)")
def modulo(run: Run, dividend: Number, divisor: Number) -> Number | None:
    """Return the remainder, with the sign of the divisor; null for a divisor of 0."""
    return numbers.modulo(dividend, divisor)


@builtin("sqrt(number: number)")
def sqrt(run: Run, number: Number) -> Number | None:
    """Return the square root, as a double has it; null of a negative number."""
    return numbers.by_double(math.sqrt, number)


@builtin("log(number: number)")
def log(run: Run, number: Number) -> Number | None:
    """Return the natural logarithm, as a double has it; null unless the number is positive."""
    return numbers.by_double(math.log, number)


@builtin("exp(number: number)")
def exp(run: Run, number: Number) -> Number | None:
    """Return e to the power of the number, as a double has it."""
    return numbers.by_double(math.exp, number)


@builtin("odd(number: number)")
def odd(run: Run, number: Number) -> bool:
    """Tell whether it is whole and not divisible by 2."""
    return numbers.modulo(number, 2) == 1


@builtin("even(number: number)")
def even(run: Run, number: Number) -> bool:
    """Tell whether it is divisible by 2."""
    return numbers.modulo(number, 2) == 0


@builtin("random number()")
def random_number(run: Run) -> Number | None:
    """Return a number from 0 up to, not including, 1."""
    from random import random  # loading it costs more than most processes ever need

    return numbers.from_double(random())  # noqa: S311  # not for secrets
