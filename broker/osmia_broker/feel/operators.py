"""Compare values of all kinds, and compute with them.

Values that do not fit together give null and a warning. Equality across kinds is null too, but against null it is a
proper boolean (measured on the reference broker).
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne

from osmia_broker.feel import numbers
from osmia_broker.feel.calendar import FarDate, from_ordinal
from osmia_broker.feel.errors import EvaluationFailed
from osmia_broker.feel.run import Run
from osmia_broker.feel.temporal import (
    DAY,
    DateTime,
    DayTimeDuration,
    Duration,
    Time,
    YearMonthDuration,
    date_plus,
    date_time_plus,
    time_plus,
)
from osmia_broker.feel.values import CONTEXTS, DATES, DURATIONS, NUMBERS, Context, Number, Range, Value

# -------------------------------------------------------------------------------------------------------- equality


def equal(run: Run, left: Value, right: Value) -> bool | None:
    """Return left = right: None between different kinds; numbers by value, lists and contexts entry by entry."""
    if left is None or right is None:
        return left is right
    kind = type(left)
    if kind is type(right):
        same = _EQUALITIES.get(kind)
        if same is not None:
            return same(run, left, right)
    elif kind in NUMBERS and type(right) in NUMBERS:
        return bool(left == right)
    elif kind in CONTEXTS and type(right) in CONTEXTS:
        return _equal_contexts(run, left, right)
    elif kind in DATES and type(right) in DATES:
        return False  # one of them is far from the other
    run.warn("NOT_COMPARABLE", "Can't compare '{}' with '{}'", left, right)
    return None


def _equal_plainly(_run: Run, left: Value, right: Value) -> bool | None:
    return bool(left == right)


def _equal_lists(run: Run, left: list[Value], right: list[Value]) -> bool:
    """Compare item by item; a pair of different kinds is not equal, so that the answer is never null (measured)."""
    if len(left) != len(right):
        return False
    run.spend(len(left))
    return all(equal(run, one, other) is True for one, other in zip(left, right, strict=True))


def _equal_contexts(run: Run, left: dict[str, Value], right: dict[str, Value]) -> bool:
    if left.keys() != right.keys():
        return False
    run.spend(len(left))
    return all(equal(run, one, right[key]) is True for key, one in left.items())


def _equal_ranges(run: Run, left: Range, right: Range) -> bool:
    """Compare the ends, and whether they belong to the ranges; `(< 5)` is no `(null..5)`."""
    return (
        left.operator == right.operator
        and left.start_included == right.start_included
        and left.end_included == right.end_included
        and equal(run, left.start, right.start) is True
        and equal(run, left.end, right.end) is True
    )


def _equal_times(run: Run, left: Time | DateTime, right: Time | DateTime) -> bool | None:
    """Compare two local moments or two zoned ones by their instant; a local one does not compare with a zoned one."""
    if (left.offset is None) != (right.offset is None):
        run.warn("NOT_COMPARABLE", "Can't compare '{}' with '{}'", left, right)
        return None
    return left.instant() == right.instant()


_EQUALITIES: dict[type, Callable[[Run, Value, Value], bool | None]] = {
    bool: _equal_plainly,
    int: _equal_plainly,
    Decimal: _equal_plainly,
    str: _equal_plainly,
    list: _equal_lists,
    dict: _equal_contexts,
    Context: _equal_contexts,
    date: _equal_plainly,
    FarDate: _equal_plainly,
    Time: _equal_times,
    DateTime: _equal_times,
    DayTimeDuration: _equal_plainly,
    YearMonthDuration: _equal_plainly,
    Range: _equal_ranges,
}


def identity_key(run: Run, value: Value) -> object:
    """Return a hashable key that two values share exactly when they are equal; makes sets of values quick."""
    return _key(run.spend, value)


def equality_key(value: Value) -> object:
    """Return the key of `identity_key` outside of an evaluation, for a *value* that a `Result` holds."""
    return _key(_spend_nothing, value)


def _spend_nothing(_steps: int) -> None:
    pass


def _key(spend: Callable[[int], None], value: Value) -> object:
    kind = type(value)
    if kind in NUMBERS:
        return ("number", value)
    if kind is list:
        spend(len(value))
        return (list, *(_key(spend, item) for item in value))
    if kind in CONTEXTS:
        spend(len(value))
        return (dict, frozenset((key, _key(spend, item)) for key, item in value.items()))
    if kind in _ZONED:
        return (kind, value.offset is None, value.instant())
    if kind is Range:
        ends = (_key(spend, value.start), _key(spend, value.end))
        return (kind, value.operator, value.start_included, value.end_included, *ends)
    return (kind, id(value) if kind not in _EQUALITIES and value is not None else value)


# ----------------------------------------------------------------------------------------------------------- order


def order(run: Run, left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1 as *left* is before, at or after *right*; None and a warning if they have no order."""
    answer = compared(left, right)
    if answer is None:
        run.warn("NOT_COMPARABLE", "Can't compare '{}' with '{}'", left, right)
    return answer


def compared(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1 as *left* is before, at or after *right*; None if their kinds have no order among each other."""
    kind = type(left)
    key = _ORDER_KEYS.get(kind)
    if key is not None and kind is type(right):
        one, other = key(left), key(right)
        if kind not in _ZONED or (left.offset is None) == (right.offset is None):
            return int(one > other) - int(one < other)
    elif kind in NUMBERS and type(right) in NUMBERS:
        return int(left > right) - int(left < right)
    elif kind in DATES and type(right) in DATES:
        return 1 if left.year > right.year else -1
    return None


def _code_units(text: str) -> str | bytes:
    """Return the key that orders strings by UTF-16 code units; for nearly all strings it is the string itself."""
    return text if text.isascii() or max(text) < "\ud800" else _spread(text)


def _spread(text: str) -> str:
    """Return *text* with every character beyond the basic plane as its two surrogates."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(units[i] << 8 | units[i + 1]) for i in range(0, len(units), 2))


def _itself(value: Value) -> Value:
    return value


_ORDER_KEYS: dict[type, Callable[[Value], Value]] = {
    int: _itself,
    Decimal: _itself,
    str: _code_units,
    date: _itself,
    FarDate: FarDate.toordinal,
    Time: Time.instant,
    DateTime: DateTime.instant,
    DayTimeDuration: lambda value: value.nanoseconds,
    YearMonthDuration: lambda value: value.months,
}
_ZONED = frozenset({Time, DateTime})


def between(run: Run, value: Value, low: Value, high: Value) -> bool | None:
    """Return `value >= low and value <= high`; one bound that is not met decides, even if the other does not compare."""
    above, below = order(run, value, low), order(run, value, high)
    if (above is not None and above < 0) or (below is not None and below > 0):
        return False
    return None if above is None or below is None else True


def within(run: Run, value: Value, interval: Range) -> bool | None:
    """Tell whether *value* lies in the *interval*; None if it does not compare with both ends."""
    if interval.operator:
        bound = interval.end if interval.start is None else interval.start
        return COMPARISONS[interval.operator](run, value, bound)
    above, below = compared(value, interval.start), compared(value, interval.end)
    if above is None or below is None:
        run.warn("NOT_COMPARABLE", "Can't compare '{}' with '{}' and '{}'", value, interval.start, interval.end)
        return None
    return (above > 0 or (above == 0 and interval.start_included)) and (
        below < 0 or (below == 0 and interval.end_included)
    )


def _ordering(accepts: Callable[[int, int], bool]) -> Callable[[Run, Value, Value], bool | None]:
    def decide(run: Run, left: Value, right: Value) -> bool | None:
        answer = compared(left, right)
        if answer is None:
            run.warn("NOT_COMPARABLE", "Can't compare '{}' with '{}'", left, right)
            return None
        return accepts(answer, 0)

    return decide


def _differs(run: Run, left: Value, right: Value) -> bool | None:
    answer = equal(run, left, right)
    return None if answer is None else not answer


INTEGER_COMPARISONS: dict[str, Callable[[int, int], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
COMPARISONS: dict[str, Callable[[Run, Value, Value], bool | None]] = {
    "=": equal,
    "!=": _differs,
    "<": _ordering(lt),
    "<=": _ordering(le),
    ">": _ordering(gt),
    ">=": _ordering(ge),
}


def matches_same(run: Run, value: Value, result: Value) -> bool | None:
    """Tell the same, but compare true with an input that is a boolean (DMN 1.5, 7.3.3)."""
    return equal(run, value, result) if type(value) is bool and result is True else matches(run, value, result)


def holds(run: Run, result: Value) -> bool | None:
    """Return the *result* of a condition over `?`; None and a warning for any value but true, false or null."""
    if result is None or type(result) is bool:
        return result
    run.warn("INVALID_TYPE", "Expected boolean but found '{}'", result)
    return None


def matches(run: Run, value: Value, result: Value) -> bool | None:
    """Tell whether an expression that does not read `?` and has this *result* matches the input *value*.

    True matches any input; a list matches if it contains the input or equals it (measured). Other values are compared.
    """
    if result is True:
        return True
    if type(result) is Range:
        return within(run, value, result)
    if type(result) is list:
        run.spend(len(result))
        answers = [within(run, value, item) if type(item) is Range else equal(run, value, item) for item in result]
        if True in answers:
            return True
        if type(value) is not list:
            return False
    return equal(run, value, result)


# ------------------------------------------------------------------------------------------------------ arithmetic


def add(run: Run, left: Value, right: Value) -> Value:
    """Return left + right: of numbers, strings, durations, and of a duration and a date or time."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return numbers.add(left, right)
    if type(left) is str and type(right) is str:
        run.made_string(len(left) + len(right))
        return left + right
    if type(left) in DURATIONS:
        left, right = right, left  # a duration may stand on either side
    result = _moved(left, right) if type(right) in DURATIONS else None
    if result is None:
        run.warn("INVALID_TYPE", "Can't add '{}' to '{}'", right, left)
    return result


def subtract(run: Run, left: Value, right: Value) -> Value:
    """Return left - right: of numbers, durations, a date or time and a duration, and two dates or times of a kind."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return numbers.subtract(left, right)
    result = _moved(left, _negated(right)) if type(right) in DURATIONS else _elapsed(left, right)
    if result is None:
        run.warn("INVALID_TYPE", "Can't subtract '{}' from '{}'", right, left)
    return result


def multiply(run: Run, left: Value, right: Value) -> Value:
    """Return left * right: of numbers, and of a duration and the whole part of a number (measured)."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return numbers.multiply(left, right)
    if type(right) in DURATIONS:
        left, right = right, left
    if type(left) in DURATIONS and type(right) in NUMBERS:
        return _times(left, numbers.whole(right))
    run.warn("INVALID_TYPE", "Can't multiply '{}' by '{}'", left, right)
    return None


def divide(run: Run, left: Value, right: Value) -> Value:
    """Return left / right: of numbers, a duration and a number, two durations of a kind; null for a divisor of zero."""
    if type(right) in NUMBERS and right != 0:
        if type(left) in NUMBERS:
            return numbers.divide(left, right)
        if type(left) in DURATIONS:
            return _divided(left, right)
    elif type(left) in DURATIONS and type(left) is type(right) and _size(right):
        return numbers.divide(_size(left), _size(right))
    run.warn("INVALID_TYPE", "Can't divide '{}' by '{}'", left, right)
    return None


def power(run: Run, left: Value, right: Value) -> Value:
    """Return left ** right, of numbers."""
    result = numbers.power(left, right) if type(left) in NUMBERS and type(right) in NUMBERS else None
    if result is None:
        run.warn("INVALID_TYPE", "Can't raise '{}' to the power of '{}'", left, right)
    return result


def negate(run: Run, value: Value) -> Value:
    """Return -value, of a number; the sign of a duration is written inside it (measured)."""
    if type(value) in NUMBERS:
        return numbers.negate(value)
    run.warn("INVALID_TYPE", "Expected number but found '{}'", value)
    return None


def negate_any(run: Run, value: Value) -> Value:
    """Return -value, for numbers and durations (DMN 1.5, 10.3.2.4)."""
    return _negated(value) if type(value) in DURATIONS else negate(run, value)


def multiply_exactly(run: Run, left: Value, right: Value) -> Value:
    """Return left * right; a duration keeps the fraction of a number as far as it can (DMN 1.5, table 55)."""
    if type(right) in DURATIONS:
        left, right = right, left
    if type(left) in DURATIONS and type(right) in NUMBERS:
        product = Decimal(numbers.multiply(_size(left), right))
        return _sized(type(left), int(max(Decimal(-_DURATION_END), min(Decimal(_DURATION_END), product))))
    return multiply(run, left, right)


def subtract_any(run: Run, left: Value, right: Value) -> Value:
    """Return left - right; a date counts as midnight in UTC beside a zoned date and time (DMN 1.5, table 55)."""
    if type(left) is DateTime and type(right) in DATES and left.offset is not None:
        right = DateTime(right, 0, 0)
    elif type(left) in DATES and type(right) is DateTime and right.offset is not None:
        left = DateTime(left, 0, 0)
    return subtract(run, left, right)


_DURATION_END = 10**27  # nanoseconds or months; beyond the time between the first and the last year


def _bounded(size: int) -> int:
    if abs(size) >= _DURATION_END:
        raise EvaluationFailed("Expected a duration within all years of the calendar, but found a longer one")
    return size


def _size(duration: Duration) -> int:
    return duration.nanoseconds if isinstance(duration, DayTimeDuration) else duration.months


def _sized(kind: type, size: int) -> Duration:
    return DayTimeDuration(_bounded(size)) if kind is DayTimeDuration else YearMonthDuration(_bounded(size))


def _negated(duration: Duration) -> Duration:
    return _sized(type(duration), -_size(duration))


def _times(duration: Duration, factor: int) -> Duration:
    return _sized(type(duration), _size(duration) * factor)


def _divided(duration: Duration, divisor: Number) -> Duration:
    """Divide a duration; months are cut to whole ones, nanoseconds too."""
    quotient = Decimal(numbers.divide(_size(duration), divisor))
    return _sized(type(duration), int(max(Decimal(-_DURATION_END), min(Decimal(_DURATION_END), quotient))))


def _moved(value: Value, duration: Duration) -> Value:
    match value:
        case date() | FarDate():
            return date_plus(value, duration)
        case Time():
            return time_plus(value, duration)
        case DateTime():
            return date_time_plus(value, duration)
        case DayTimeDuration() | YearMonthDuration() if type(value) is type(duration):
            return _sized(type(value), _size(value) + _size(duration))
        case _:
            return None


def _elapsed(left: Value, right: Value) -> DayTimeDuration | None:
    """Return the time from *right* to *left*, two dates, times or date-times, both local or both zoned."""
    match left, right:
        case ((date() | FarDate()), (date() | FarDate())):
            return DayTimeDuration((left.toordinal() - right.toordinal()) * DAY)
        case (Time(), Time()) | (DateTime(), DateTime()) if (left.offset is None) == (right.offset is None):
            return DayTimeDuration(left.instant() - right.instant())
        case _:
            return None


def steps(run: Run, start: Value, end: Value) -> list[Value] | None:
    """Return the numbers from *start* towards *end*, up or down by 1."""
    if type(start) not in NUMBERS or type(end) not in NUMBERS:
        return None
    length = abs(numbers.whole(numbers.subtract(end, start))) + 1
    run.made_list(length)
    step = 1 if end >= start else -1
    if isinstance(start, int):
        return list(range(start, start + step * length, step))
    return [numbers.add(start, step * i) for i in range(length)]


def steps_of_any(run: Run, start: Value, end: Value) -> list[Value] | None:
    """Return the numbers or the dates from *start* to *end*, up or down."""
    if type(start) not in DATES or type(end) not in DATES:
        return steps(run, start, end)
    first, last = start.toordinal(), end.toordinal()
    run.made_list(abs(last - first) + 1)
    step = 1 if last >= first else -1
    return [from_ordinal(day) for day in range(first, last + step, step)]


def items_of_range(run: Run, value: Range) -> list[Value] | None:
    """Return the whole numbers or the dates that lie in a range; None if it has no first or no last one."""
    kinds = {type(value.start), type(value.end)}
    if not (kinds <= DATES or kinds == {int}) or value.operator or order(run, value.start, value.end) == 1:
        return None
    items = steps_of_any(run, value.start, value.end)
    if items is None:
        return None
    return items[0 if value.start_included else 1 : len(items) if value.end_included else -1]
