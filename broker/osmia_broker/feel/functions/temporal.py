# ruff: noqa: ARG001  # every built-in function takes the run first
"""Built-in functions about the calendar, and the clock of the caller."""

from osmia_broker.feel.calendar import AnyDate, make_date, near
from osmia_broker.feel.functions.registry import builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.temporal import DateTime, days_in_month
from osmia_broker.feel.temporal_text import moment_of

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _day(value: AnyDate | DateTime) -> AnyDate:
    return value.date if isinstance(value, DateTime) else value


@builtin("now()")
def now(run: Run) -> DateTime | None:
    """The moment that the caller handed in; null if it did not."""
    return moment_of(run.now)


@builtin("today()")
def today(run: Run) -> AnyDate | None:
    """The date of `now()`."""
    moment = moment_of(run.now)
    return None if moment is None else moment.date


@builtin("day of year(date: date|moment)")
def day_of_year(run: Run, value: AnyDate | DateTime) -> int:
    """From 1."""
    return near(_day(value)).timetuple().tm_yday


@builtin("day of week(date: date|moment)")
def day_of_week(run: Run, value: AnyDate | DateTime) -> str:
    """In English, "Monday"."""
    return _DAYS[near(_day(value)).weekday()]


@builtin("month of year(date: date|moment)")
def month_of_year(run: Run, value: AnyDate | DateTime) -> str:
    """In English, "January"."""
    return _MONTHS[_day(value).month - 1]


@builtin("week of year(date: date|moment)")
def week_of_year(run: Run, value: AnyDate | DateTime) -> int:
    """By ISO 8601, from 1."""
    return near(_day(value)).isocalendar().week


@builtin("last day of month(date: date|moment)")
def last_day_of_month(run: Run, value: AnyDate | DateTime) -> AnyDate | None:
    """The last date in the month of *value*."""
    day = _day(value)
    return make_date(day.year, day.month, days_in_month(day.year, day.month))
