"""Hold dates, times and durations, and compute with them.

Time is counted in whole nanoseconds, as the reference does; Python's own classes stop at microseconds. A date is a
`datetime.date`, or a `FarDate` outside of the years 1 to 9999. Zones come from the tz database and are loaded when one is
first named.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

import msgspec

from osmia_broker.feel.calendar import (
    CYCLE_DAYS,
    AnyDate,
    FarDate,
    cycle_of_ordinal,
    from_ordinal,
    make_date,
    moved_by_cycles,
    near,
)

SECOND = 1_000_000_000  # nanoseconds
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH_DAY = date(1970, 1, 1).toordinal()


class DayTimeDuration(msgspec.Struct, frozen=True):
    """A days-time duration in nanoseconds, of either sign."""

    nanoseconds: int


class YearMonthDuration(msgspec.Struct, frozen=True):
    """A years-months duration in months, of either sign."""

    months: int


class Time(msgspec.Struct, frozen=True):
    """A time of day in nanoseconds; local if it has neither *offset* (seconds east of UTC) nor *zone* (its name)."""

    nanoseconds: int
    offset: int | None = None
    zone: str | None = None

    def instant(self) -> int:
        """Return nanoseconds that order zoned times among each other, and local ones among each other."""
        return self.nanoseconds - (self.offset or 0) * SECOND


class DateTime(msgspec.Struct, frozen=True):
    """A date and a time of day; local if it has neither *offset* nor *zone*. With a *zone*, *offset* is the one in force."""

    date: AnyDate
    nanoseconds: int
    offset: int | None = None
    zone: str | None = None

    def instant(self) -> int:
        """Return nanoseconds since the epoch; a local one is taken as UTC, to compare it with other local ones."""
        return self.local() - (self.offset or 0) * SECOND

    def local(self) -> int:
        """Return nanoseconds since the epoch as the clock on the wall shows them."""
        return (self.date.toordinal() - _EPOCH_DAY) * DAY + self.nanoseconds


class Instant(msgspec.Struct, frozen=True):
    """The moment that `now()` gives: nanoseconds since the epoch, and the zone to show it in."""

    nanoseconds: int
    zone: str = "Etc/UTC"


Duration = DayTimeDuration | YearMonthDuration


# ----------------------------------------------------------------------------------------------------------- zones


_FIXED_ZONE = re.compile(r"(?:GMT|UTC|UT)([+-])(\d{1,2})(?::?([0-5]\d))?", re.ASCII)
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", re.ASCII)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo | None:
    """Return the zone called *name* (`Europe/Berlin`), or None if the tz database has none."""
    fixed = _FIXED_ZONE.fullmatch(name)
    if fixed is not None:
        offset = timedelta(hours=int(fixed[2]), minutes=int(fixed[3] or 0))
        return timezone(-offset if fixed[1] == "-" else offset) if offset <= timedelta(hours=18) else None
    if not _ZONE_NAME.fullmatch(name) or len(name) > 64:
        return None
    import zoneinfo  # reading the database costs more than many evaluations; most expressions name no zone

    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def in_zone(day: AnyDate, nanoseconds: int, zone: str) -> DateTime | None:
    """Return the local date and time in *zone*; a time that a clock change skips moves forward. None for an unknown zone."""
    rules = zone_of(zone)
    if rules is None:
        return None
    if day.year < 1:
        return DateTime(day, nanoseconds, _first_offset(rules), zone)
    shown = near(day)
    local = datetime(shown.year, shown.month, shown.day, tzinfo=rules) + timedelta(seconds=nanoseconds // SECOND)
    offset = _offset_of(local)
    back = _from_instant((day.toordinal() - _EPOCH_DAY) * DAY + nanoseconds - offset * SECOND, rules)
    return None if back is None else DateTime(back[0], back[1], back[2], zone)


def at_instant(instant: int, zone: str) -> DateTime | None:
    """Return the *instant* (nanoseconds since the epoch) as clocks in *zone* show it; None for an unknown zone."""
    rules = zone_of(zone)
    shown = None if rules is None else _from_instant(instant, rules)
    return None if shown is None else DateTime(shown[0], shown[1], shown[2], zone)


def standard_offset(zone: str) -> int | None:
    """Return the offset of *zone* in seconds without summer time, for times without a date; None for an unknown zone."""
    rules = zone_of(zone)
    if rules is None:
        return None
    winter = datetime(2024, 1, 1, tzinfo=rules)
    return _offset_of(winter) - int((winter.dst() or timedelta()).total_seconds())


def _offset_of(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta()).total_seconds())


def _first_offset(rules: tzinfo) -> int:
    """Return the offset before the first change of clocks: that of the local mean time."""
    return _offset_of(datetime(1, 1, 2, tzinfo=rules))


def _from_instant(instant: int, rules: tzinfo) -> tuple[AnyDate, int, int] | None:
    ordinal = instant // DAY + _EPOCH_DAY
    if ordinal < 2:
        offset = _first_offset(rules)
        local = date_time(instant + offset * SECOND)
        return None if local is None else (local.date, local.nanoseconds, offset)
    cycles = cycle_of_ordinal(ordinal)
    seconds, fraction = divmod(instant - cycles * CYCLE_DAYS * DAY, SECOND)
    shown = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(rules)
    nanoseconds = ((shown.hour * 60 + shown.minute) * 60 + shown.second) * SECOND + fraction
    day = moved_by_cycles(shown.date(), cycles)
    return None if day is None else (day, nanoseconds, _offset_of(shown))


# ------------------------------------------------------------------------------------------------------ arithmetic


def date_time(local: int, offset: int | None = None) -> DateTime | None:
    """Return the date and time at *local* nanoseconds since the epoch; None beyond all years."""
    days, nanoseconds = divmod(local, DAY)
    day = from_ordinal(days + _EPOCH_DAY)
    return None if day is None else DateTime(day, nanoseconds, offset)


def plus_months(day: AnyDate, months: int) -> AnyDate | None:
    """Return *day* moved by *months*, cut to the last day of the month it lands in; None beyond all years."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return make_date(year, month + 1, min(day.day, days_in_month(year, month + 1)))


def days_in_month(year: int, month: int) -> int:
    """Return the number of days of the month (1 to 12)."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def date_plus(day: AnyDate, duration: Duration) -> AnyDate | None:
    """Return *day* + *duration*; hours act in whole days, counted from midnight (measured)."""
    if type(duration) is YearMonthDuration:
        return plus_months(day, duration.months)
    return from_ordinal(day.toordinal() + duration.nanoseconds // DAY)  # type: ignore[union-attr]


def time_plus(time: Time, duration: Duration) -> Time | None:
    """Return *time* + a days-time *duration*, past midnight if need be; None for years and months."""
    if type(duration) is not DayTimeDuration:
        return None
    return Time((time.nanoseconds + duration.nanoseconds) % DAY, time.offset, time.zone)


def date_time_plus(moment: DateTime, duration: Duration) -> DateTime | None:
    """Return *moment* + *duration*: months move the calendar, days and hours the clock of real time (measured)."""
    if type(duration) is YearMonthDuration:
        day = plus_months(moment.date, duration.months)
        if day is None or moment.zone is None:
            return None if day is None else DateTime(day, moment.nanoseconds, moment.offset)
        return in_zone(day, moment.nanoseconds, moment.zone)
    nanoseconds: int = duration.nanoseconds  # type: ignore[union-attr]
    if moment.zone is not None:
        return at_instant(moment.instant() + nanoseconds, moment.zone)
    return date_time(moment.local() + nanoseconds, moment.offset)


def months_between(start: AnyDate, end: AnyDate) -> int:
    """Return the whole months from *start* to *end*, negative if *end* lies before."""
    months = (end.year - start.year) * 12 + end.month - start.month
    if months > 0 and end.day < start.day:
        return months - 1
    if months < 0 and end.day > start.day:
        return months + 1
    return months


# ------------------------------------------------------------------------------------------------------ properties


def _weekday(value: AnyDate) -> int:
    return near(value).isoweekday()


def _time_offset(value: Time | DateTime) -> DayTimeDuration | None:
    return None if value.offset is None else DayTimeDuration(value.offset * SECOND)


def _toward_zero(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)


def _part(unit: int, of: int) -> Callable[[DayTimeDuration], int]:
    def part(value: DayTimeDuration) -> int:
        whole = _toward_zero(value.nanoseconds, unit)
        return whole - _toward_zero(whole, of) * of if of else whole

    return part


_CLOCK: dict[str, Callable[..., object]] = {
    "hour": lambda value: value.nanoseconds // HOUR,
    "minute": lambda value: value.nanoseconds // MINUTE % 60,
    "second": lambda value: value.nanoseconds // SECOND % 60,
    "timezone": lambda value: value.zone,
    "time offset": _time_offset,
}

_CALENDAR: dict[str, Callable[..., object]] = {
    "year": lambda value: value.year,
    "month": lambda value: value.month,
    "day": lambda value: value.day,
    "weekday": _weekday,
}

PROPERTIES: dict[type, dict[str, Callable[..., object]]] = {
    date: _CALENDAR,
    FarDate: _CALENDAR,
    Time: _CLOCK,
    DateTime: {
        "year": lambda value: value.date.year,
        "month": lambda value: value.date.month,
        "day": lambda value: value.date.day,
        "weekday": lambda value: _weekday(value.date),
        **_CLOCK,
    },
    DayTimeDuration: {
        "days": _part(DAY, 0),
        "hours": _part(HOUR, 24),
        "minutes": _part(MINUTE, 60),
        "seconds": _part(SECOND, 60),
    },
    YearMonthDuration: {
        "years": lambda value: _toward_zero(value.months, 12),
        "months": lambda value: value.months - _toward_zero(value.months, 12) * 12,
    },
}
