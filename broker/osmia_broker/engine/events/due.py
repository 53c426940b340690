"""The moment at which a timer fires, from its definition in the model."""

from collections.abc import Callable
from typing import NamedTuple

from osmia_broker.engine.expressions import wrong_type
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, YearMonthDuration
from osmia_broker.feel.temporal_text import read_date_time
from osmia_broker.model.dates import Period, read_period
from osmia_broker.model.events import TimerEvent, TimerKind
from osmia_broker.model.expressions import Expression, Result
from osmia_broker.model.timers import (
    LATEST_MS,
    after_period,
    next_of_interval,
    read_cycle,
    read_moment,
    until,
)
from osmia_broker.state.rows import ErrorType


class Due(NamedTuple):
    """The first moment of a timer (at least 1), the number of times that it fires (-1 without end), and the interval between."""

    due_ms: int
    repetitions: int = 1
    cycle: str = ""


def due_of(timer: TimerEvent, evaluated: Callable[[Expression], Result], now_ms: int) -> Due | None:
    """Return when *timer* fires; None if it never does (a cycle of no repetitions, or one that has ended). *evaluated* evaluates its texts.

    Raises:
        IncidentRaised: a value is of another type, or its text is no timer.

    """
    result = evaluated(timer.value)
    value = result.value
    if timer.kind is TimerKind.DURATION:
        return Due(_clamped(after_period(now_ms, _period(timer.value, result))))
    if timer.kind is TimerKind.DATE:
        if isinstance(value, DateTime):
            return Due(_clamped(-(-value.instant() // 1_000_000)))
        text = _text(timer.value, result, "one of '[DATE_TIME, STRING]'")
        moment = read_moment(text, lenient=timer.lenient)
        if moment is None:
            moment = _written_by_feel(text)
        if moment is None:
            period = read_period(text) if timer.lenient else None
            if period is None:
                raise _unreadable(timer.value, text, "date-time")
            return Due(_clamped(after_period(now_ms, period)))
        return Due(_clamped(moment))
    text = _text(timer.value, result, "'STRING'")
    cycle = read_cycle(text, lenient=timer.lenient)
    if cycle is None:
        raise _unreadable(timer.value, text, "repetition")
    if cycle.repetitions == 0:
        return None
    ends = [end for end in (cycle.end_ms, _end_of(timer, evaluated)) if end is not None]
    interval = until(cycle.interval, min(ends, default=None))
    first = cycle.start_ms if cycle.start_ms is not None else next_of_interval(interval, now_ms)
    return None if first is None else Due(_clamped(first), cycle.repetitions, interval)


def _end_of(timer: TimerEvent, evaluated: Callable[[Expression], Result]) -> int | None:
    """Return the last moment of a cycle, as the model sets it beside the cycle; None if it sets none, or null."""
    result = None if timer.until is None else evaluated(timer.until)
    if timer.until is None or result is None or result.value is None:
        return None
    text = _text(timer.until, result, "'STRING'")
    moment = read_moment(text, lenient=True)
    if moment is None:
        raise _unreadable(timer.until, text, "date-time")
    return moment


def _written_by_feel(text: str) -> int | None:
    """Return the moment of a date-time as `string()` writes it, with its zone after `@`; None if *text* is none."""
    moment = read_date_time(text) if "@" in text else None
    return None if moment is None else -(-moment.instant() // 1_000_000)


def duration_ms(expression: Expression, result: Result) -> int:
    """Return the duration that *expression* gave as *result*, in milliseconds. Raises as `due_of`."""
    return after_period(0, _period(expression, result))


def _period(expression: Expression, result: Result) -> Period:
    value = result.value
    if isinstance(value, DayTimeDuration):
        return Period(nanoseconds=value.nanoseconds)
    if isinstance(value, YearMonthDuration):
        return Period(months=value.months)
    text = _text(expression, result, "one of '[DURATION, PERIOD, STRING]'")
    period = read_period(text)
    if period is None:
        raise _unreadable(expression, text, "duration")
    return period


def _text(expression: Expression, result: Result, expected: str) -> str:
    if not isinstance(result.value, str):
        raise wrong_type(expression, result, expected)
    return result.value


def _unreadable(expression: Expression, text: str, kind: str) -> IncidentRaised:
    return IncidentRaised(
        ErrorType.EXTRACT_VALUE_ERROR, f"Invalid {kind} format '{text[:100]}' for expression '{expression.text}'."
    )


def _clamped(moment_ms: int) -> int:
    return min(max(moment_ms, 1), LATEST_MS)
