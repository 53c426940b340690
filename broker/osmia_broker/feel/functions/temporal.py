# ruff: noqa: ARG001  # every built-in function takes the run first
"""Define the built-in functions about the calendar, and those that read the caller's clock."""

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
    """Return the moment that the caller handed in; null if it handed in none."""
    return moment_of(run.now)


@builtin("today()")
def today(run: Run) -> AnyDate | None:
    """Return the date of `now()`."""
    moment = moment_of(run.now)
    return None if moment is None else moment.date


@builtin("day of year(date: date|moment)")
def day_of_year(run: Run, value: AnyDate | DateTime) -> int:
    """Return the number of the day, from 1."""
    return near(_day(value)).timetuple().tm_yday


@builtin("day of week(date: date|moment)")
def day_of_week(run: Run, value: AnyDate | DateTime) -> str:
    """Return the name of the day in English, "Monday"."""
    return _DAYS[near(_day(value)).weekday()]


@builtin("month of year(date: date|moment)")
def month_of_year(run: Run, value: AnyDate | DateTime) -> str:
    """Return the name of the month in English, "January"."""
    return _MONTHS[_day(value).month - 1]


@builtin("week of year(date: date|moment)")
def week_of_year(run: Run, value: AnyDate | DateTime) -> int:
    """Return the number of the week by ISO 8601, from 1."""
    return near(_day(value)).isocalendar().week


@builtin("last day of month(date: date|moment)")
def last_day_of_month(run: Run, value: AnyDate | DateTime) -> AnyDate | None:
    """Return the last date in the month of *value*."""
    day = _day(value)
    return make_date(day.year, day.month, days_in_month(day.year, day.month))
