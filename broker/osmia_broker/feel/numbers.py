"""Compute with decimals of 34 significant digits, half-even, as Java's BigDecimal does; ints where they suffice.

A whole number below 10**34 is an int, which makes the common case fast; everything else is a `Decimal`, whose exponent
is the scale that `string()` shows. Floats occur only inside roots, logarithms and powers that are not whole, as in the
reference. Results past 10**6144 raise `decimal.Overflow`, which ends the evaluation.
"""

import math
from collections.abc import Callable
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    Rounded,
)

from osmia_broker.feel.limits import DEFAULT_LIMITS
from osmia_broker.feel.values import Number

PRECISION = 34
SCALE_MIN, SCALE_MAX = -6111, 6176  # of IEEE decimal128, which DMN names (10.3.4.5)
INT_END = 10**PRECISION  # ints stay below; above it digits are lost, which only Decimal does


def _context(precision: int) -> Context:
    return Context(
        prec=precision,
        rounding=ROUND_HALF_EVEN,
        Emin=-DEFAULT_LIMITS.exponent + 1,
        Emax=DEFAULT_LIMITS.exponent,
        traps=[Overflow, InvalidOperation, DivisionByZero],
    )


CONTEXT = _context(PRECISION)
# For operations that keep every digit: scales and remainders. Nothing in it grows beyond the digits of a literal and an exponent.
EXACT = Context(
    prec=4 * DEFAULT_LIMITS.exponent, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation]
)


def add(left: Number, right: Number) -> Number:
    """Return left + right."""
    if type(left) is int and type(right) is int:
        total = left + right
        if -INT_END < total < INT_END:
            return total
    return _compute(Context.add, left, right)


def subtract(left: Number, right: Number) -> Number:
    """Return left - right."""
    if type(left) is int and type(right) is int:
        difference = left - right
        if -INT_END < difference < INT_END:
            return difference
    return _compute(Context.subtract, left, right)


def multiply(left: Number, right: Number) -> Number:
    """Return left * right."""
    if type(left) is int and type(right) is int:
        product = left * right
        if -INT_END < product < INT_END:
            return product
    return _compute(Context.multiply, left, right)


def divide(left: Number, right: Number) -> Number:
    """Return left / right; *right* must not be 0."""
    if type(left) is int and type(right) is int and left % right == 0:
        return left // right
    return _compute(Context.divide, left, right)


def negate(number: Number) -> Number:
    """Return -number, without a negative zero and without rounding."""
    return -number if type(number) is int else unsigned_zero(number.copy_negate())  # type: ignore[union-attr]


def power(base: Number, exponent: Number) -> Number | None:
    """Return base ** exponent; None where it has no value. An exponent that is not whole goes through doubles."""
    if not is_whole(exponent):
        return by_double(math.pow, base, exponent)
    times = whole(exponent)
    if not -999_999_999 <= times <= 999_999_999 or (base == 0 and times < 0):
        return None
    if times == 0:
        return 1
    if type(base) is int and times > 0 and base.bit_length() * times <= 112:
        result: int = base**times
        return result
    return _compute(Context.power, base, times)


def _compute(operation: Callable[[Context, Number, Number], Decimal], left: Number, right: Number) -> Decimal:
    """Return the rounded result. A left operand of more digits than 34 keeps its own precision, as in Scala's BigDecimal."""
    result = operation(CONTEXT, left, right)
    if CONTEXT.flags[Rounded]:
        CONTEXT.clear_flags()
        digits = len(left.as_tuple().digits) if isinstance(left, Decimal) else PRECISION
        if digits > PRECISION:
            result = operation(_context(digits), left, right)
    return result or unsigned_zero(result)


def unsigned_zero(number: Decimal) -> Decimal:
    """Return *number*, but 0 for -0, which BigDecimal has not."""
    return number or number.copy_abs()


def is_whole(number: Number) -> bool:
    """Tell whether *number* has no fraction, whatever its scale."""
    return type(number) is int or number == number.to_integral_value()  # type: ignore[union-attr]


def whole(number: Number) -> int:
    """Return *number* without its fraction, cut to the range of an index or a count (±10**18)."""
    return int(max(-(10**18), min(10**18, number)))


def compact(number: Decimal) -> Number:
    """Return *number* as an int if it is written without a fraction or exponent and is small enough, else unchanged."""
    if number.as_tuple().exponent == 0 and number.adjusted() < PRECISION:
        return int(number)
    return number


def from_double(value: float) -> Decimal | None:
    """Return the decimal with the shortest digits that *value* has; None unless it is a finite number.

    Java writes large and small doubles with an exponent, and then with two digits at least. `string()` shows this scale.
    """
    if not math.isfinite(value):
        return None
    number = Decimal(repr(value))
    if 1e-3 <= abs(value) < 1e7 or value == 0:
        return number
    sign, digits, exponent = number.normalize(EXACT).as_tuple()
    assert isinstance(exponent, int)
    return Decimal((sign, (*digits, 0), exponent - 1)) if len(digits) == 1 else Decimal((sign, digits, exponent))


def by_double(function: Callable[..., float], *numbers: Number) -> Decimal | None:
    """Return *function* over doubles; None where it has no finite value."""
    try:
        return from_double(function(*(float(number) for number in numbers)))
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


def scaled(number: Number, scale: int, rounding: str) -> Number | None:
    """Return *number* with exactly *scale* digits after the point (negative: rounded before it); None beyond the scales of IEEE decimal128."""
    if not SCALE_MIN <= scale <= SCALE_MAX:
        return None
    return compact(unsigned_zero(Decimal(number).quantize(Decimal((0, (1,), -scale)), rounding, EXACT)))


def modulo(dividend: Number, divisor: Number) -> Number | None:
    """Return the remainder with the sign of *divisor*; None for a divisor of 0 or beyond all precision."""
    if divisor == 0:
        return None
    if type(dividend) is int and type(divisor) is int:
        return dividend % divisor
    try:
        remainder = EXACT.remainder(Decimal(dividend), Decimal(divisor))
    except InvalidOperation:
        return None
    if remainder and (remainder < 0) != (divisor < 0):
        remainder = EXACT.add(remainder, Decimal(divisor))
    return unsigned_zero(remainder)
