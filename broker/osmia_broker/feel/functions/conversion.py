# ruff: noqa: ARG001  # every built-in function takes the run first
"""Define the built-in functions that convert values: `number`, `string`, `date`, `duration`, `cycle` ..."""

import re
from decimal import Decimal
from typing import TypeVar

from osmia_broker.feel import numbers, temporal, temporal_text
from osmia_broker.feel.calendar import AnyDate, make_date
from osmia_broker.feel.errors import shorten
from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.temporal import SECOND, DateTime, DayTimeDuration, Duration, Time, YearMonthDuration
from osmia_broker.feel.text import to_literal_text, to_text
from osmia_broker.feel.values import Number, Value

T = TypeVar("T")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,5}))?", re.ASCII)
_OFFSET_AND_ZONE = re.compile(r"(?:Z|[+-]\d\d:\d\d(?::\d\d)?)@")
_GROUPING_SEPARATORS = frozenset({" ", ",", "."})
_DECIMAL_SEPARATORS = frozenset({",", "."})


@builtin("number(from: string)")
def number(run: Run, text: str) -> Number | None:
    """Return the number that the text shows, exactly; null for anything else."""
    found = _NUMBER.fullmatch(text) if len(text) <= run.limits.digits else None
    if found is None or abs(int(found[1] or 0)) > run.limits.exponent:
        run.warn_of_call("number", "Can't parse '{text}' as a number", text=shorten(text))
        return None
    return numbers.compact(numbers.unsigned_zero(Decimal(text)))


@builtin("number(from: string, grouping separator: string)")
def number_grouped(run: Run, text: str, grouping: str) -> Number | None:
    """Return the number that the text shows without the separators between groups of digits: a blank, a comma or a point."""
    return number_separated(run, text, grouping, None)


@builtin("number(from: string, grouping separator: string?, decimal separator: string?)")
def number_separated(run: Run, text: str, grouping: str | None, point: str | None) -> Number | None:
    """Return the same with *point* (a comma or a point) before the fraction; null if both separators are the same."""
    if grouping is not None:
        if grouping not in _GROUPING_SEPARATORS or grouping == (point or None):
            run.warn_of_call("number", "illegal argument for grouping. Must be one of ' ', ',' or '.'")
            return None
        text = text.replace(grouping, "")
    if point is not None:
        if point not in _DECIMAL_SEPARATORS:
            run.warn_of_call("number", "illegal argument for decimal. Must be one of ',' or '.'")
            return None
        text = text.replace(point, ".")
    return number(run, text)


@builtin("string(from: any)")
def string(run: Run, value: Value) -> str | None:
    """Return the value as text; null of null."""
    return None if value is None else to_text(value, run.limits.string)


@builtin("string(from: any)", edition=Edition.STANDARD)
def string_of_literal(run: Run, value: Value) -> str | None:
    """Return the value as text; texts, keys and durations in it are written so that FEEL reads them again."""
    return None if value is None else to_literal_text(value, run.limits.string)


@builtin("date(from: string|date|moment)")
def date(run: Run, value: str | AnyDate | DateTime) -> AnyDate | None:
    """Return the date that a text shows or that a date and time has."""
    if isinstance(value, str):
        return _noted(run, "date", value, temporal_text.read_date(value))
    return value.date if isinstance(value, DateTime) else value


def _noted(run: Run, what: str, text: str, found: T) -> T:
    """Return what was found in *text*, with a warning if that is null. *what* is the name of the function, too."""
    if found is None:
        run.warn_of_call(what, "Failed to parse {what} from '{text}'", what=what, text=shorten(text))
    return found


@builtin("date(year: number, month: number, day: number)")
def date_of(run: Run, year: Number, month: Number, day: Number) -> AnyDate | None:
    """Return the date of these numbers; null if there is none."""
    found = make_date(numbers.whole(year), numbers.whole(month), numbers.whole(day))
    if found is None:
        run.warn_of_call("date", "There is no date of year {}, month {} and day {}", year, month, day)
    return found


@builtin("time(from: string|time|moment|date)")
def time(run: Run, value: str | Time | DateTime | AnyDate) -> Time | None:
    """Return the time of day that a text shows or that a date and time has; of a date, midnight in UTC."""
    match value:
        case str():
            return _noted(run, "time", value, temporal_text.read_time(value))
        case DateTime():
            return Time(value.nanoseconds, value.offset, value.zone)
        case Time():
            return value
        case _:
            return Time(0, 0)


@builtin("time(from: string)", edition=Edition.STANDARD)
def time_of_text(run: Run, text: str) -> Time | None:
    """Return the time that a text shows; null if it names an offset and a zone (DMN 1.5, 10.3.4.1)."""
    return _noted(run, "time", text, None if _OFFSET_AND_ZONE.search(text) else temporal_text.read_time(text))


@builtin("time(hour: number, minute: number, second: number)")
def time_of(run: Run, hour: Number, minute: Number, second: Number) -> Time | None:
    """Return the time of these numbers; the second may have a fraction."""
    return time_with_offset(run, hour, minute, second, None)


@builtin("time(hour: number, minute: number, second: number, offset: days?)")
def time_with_offset(
    run: Run, hour: Number, minute: Number, second: Number, offset: DayTimeDuration | None
) -> Time | None:
    """Return the time of these numbers at an *offset* from UTC of at most 18 hours."""
    hours, minutes = numbers.whole(hour), numbers.whole(minute)
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= second < 60):
        run.warn_of_call("time", "There is no time of hour {}, minute {} and second {}", hour, minute, second)
        return None
    clock = (hours * 60 + minutes) * 60 * SECOND + int(second * SECOND)
    if offset is None:
        return Time(clock)
    seconds, rest = divmod(offset.nanoseconds, SECOND)
    return None if rest or abs(seconds) > 18 * 3600 else Time(clock, seconds)


@builtin("date and time(from: string|moment)")
def date_and_time(run: Run, value: str | DateTime) -> DateTime | None:
    """Return the date and time that a text shows; a date alone means its midnight."""
    return _noted(run, "date and time", value, temporal_text.read_date_time(value)) if isinstance(value, str) else value


@builtin("date and time(from: string)", edition=Edition.STANDARD)
def date_and_time_of_text(run: Run, text: str) -> DateTime | None:
    """Return the date and time that a text shows; null if it names an offset and a zone (DMN 1.5, 10.3.4.1)."""
    return _noted(
        run, "date and time", text, None if _OFFSET_AND_ZONE.search(text) else temporal_text.read_date_time(text)
    )


@builtin("date and time(date: date|moment, time: time)")
def date_and_time_of(run: Run, day: AnyDate | DateTime, clock: Time) -> DateTime | None:
    """Return the day of *day* at the time *clock*, in the zone of *clock*."""
    if isinstance(day, DateTime):
        day = day.date
    if clock.zone is not None:
        return temporal.in_zone(day, clock.nanoseconds, clock.zone)
    return DateTime(day, clock.nanoseconds, clock.offset)


@builtin("date and time(date: moment, timezone: string)", edition=Edition.STANDARD)
@builtin("date and time(date: moment, time: string)")  # so named in the reference
def date_and_time_in(run: Run, moment: DateTime, zone: str) -> DateTime | None:
    """Return the same moment as clocks in *zone* show it; a local one gets the zone.

    *zone* is a name of the tz database, such a name as `GMT+1`, or an offset as `Z`, `+01:00`, `+0130` or `+1`.
    """
    offset = temporal_text.read_offset(zone)
    if offset is not None:
        local = moment.local() if moment.offset is None else moment.instant() + offset * SECOND
        return temporal.date_time(local, offset)
    if moment.offset is None:
        return temporal.in_zone(moment.date, moment.nanoseconds, zone)
    return temporal.at_instant(moment.instant(), zone)


@builtin("duration(from: string|days|months)")
def duration(run: Run, value: str | Duration) -> Duration | None:
    """Return the duration that a text shows."""
    return _noted(run, "duration", value, temporal_text.read_duration(value)) if isinstance(value, str) else value


@builtin("years and months duration(from: date|moment, to: date|moment)")
def years_and_months_duration(run: Run, start: AnyDate | DateTime, end: AnyDate | DateTime) -> YearMonthDuration:
    """Return the whole months from one date to another."""
    days = [value.date if isinstance(value, DateTime) else value for value in (start, end)]
    return YearMonthDuration(temporal.months_between(*days))


@builtin("cycle(interval: days|months)")
def cycle(run: Run, interval: Duration) -> str:
    """Return the text of a timer that repeats for ever: "R/PT1H"."""
    return cycle_times(run, None, interval)


@builtin("cycle(repetitions: number?, interval: days|months)")
def cycle_times(run: Run, repetitions: Number | None, interval: Duration) -> str:
    """Return the text of a timer that repeats *repetitions* times: "R3/PT1H"."""
    times = "" if repetitions is None else str(numbers.whole(repetitions))
    return f"R{times}/{temporal_text.exact(interval)}"
