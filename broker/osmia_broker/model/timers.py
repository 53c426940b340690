"""Read the values of timers: moments, durations and cycles. Deployment and engine use the same functions.

A cycle is `R<n>/<period>`, `R/<period>` (without end), each also with a moment to begin at (`R3/2030-01-01T00:00:00Z/PT1H`), or a cron
expression of six fields (seconds first, in UTC). In the Activiti dialect a moment behind the period is the end of the cycle, and a cron expression
is one of Quartz. The day of the month may be `L` (the last), `LW` (the last weekday) and, alone in its field and with any day of the week,
`15W` (the weekday nearest to the 15th), `L-3` or `L-3W` (three days before the last). The day of the week may be `5L` (the last Friday) or `MON#2`.
"""

import re
from calendar import SATURDAY, SUNDAY, monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain, takewhile

from osmia_broker.model.dates import Period, full_date_time, read_period, zoned_date_time
from osmia_broker.model.quartz import from_quartz

ENDLESS = -1  #: repetitions of a cycle without end
REPETITIONS_MAX = 2**31 - 1
LATEST_MS = 253_402_300_799_999  #: the last millisecond of the year 9999; a later timer never fires anyhow
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REPEATED = re.compile(r"R(?P<times>-1|[0-9]{0,10})/(?:(?P<start>[^/]+)/)?(?P<period>[^/]+)")
_ENDING = re.compile(r"(?P<cycle>R[^/]*/[^/]+)/(?P<end>[^/P]+)")
_UNTIL = " until "  # between an interval and the moment (epoch milliseconds) that ends it
_CRON_FIELDS = 6
_YEARS = re.compile(r"(?P<first>[0-9]{4})(?:-(?P<last>[0-9]{4}))?(?:/(?P<step>[1-9][0-9]?))?")
_YEARS_OF_QUARTZ = range(1970, 2100)
_DAY, _DAY_OF_WEEK = 3, 5  # places among them
_SEARCHED_DAY = re.compile(  # of the month: `15W`, `L-3`, `L-3W`
    r"(?:(?P<day>[1-9]|[12][0-9]|3[01])(?=W)|L-(?P<before_last>[12]?[0-9]|30))(?P<weekday>W)?", re.IGNORECASE
)
_MONTHS_MAX = 12 * 12  # to look at: a 29 February comes within eight years, or twelve around 2100
_LAST_YEAR = 9999
_MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}


@dataclass(frozen=True, slots=True)
class Cycle:
    """A repetition. *interval* is the ISO period or the cron expression.

    *start_ms* (epoch) is None where it begins now, *end_ms* where nothing ends it.
    """

    repetitions: int
    interval: str
    start_ms: int | None = None
    end_ms: int | None = None


def read_moment(text: str, *, lenient: bool = False) -> int | None:
    """Return a date-time with an offset as epoch milliseconds; None if *text* is none. *lenient*: any of Joda-Time's forms, local ones in UTC."""
    full = full_date_time(text) if lenient else text
    if full is None:
        return None
    if lenient and not re.search(r"(Z|[+-][0-9]{2}:[0-9]{2})(\[.*\])?$", full):
        full += "Z"
    zoned = zoned_date_time(full)
    if zoned is None:
        return None
    moment = datetime.fromisoformat(zoned.partition("[")[0])
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def after_period(start_ms: int, period: Period) -> int:
    """Return the moment *period* after *start_ms*, at most LATEST_MS. Years and months move the calendar, in UTC."""
    if period.years or period.months:
        start_ms = _months_later(start_ms, 12 * period.years + period.months)
    later = start_ms + period.days * 86_400_000 + -(-period.nanoseconds // 1_000_000)
    return min(later, LATEST_MS)


def _months_later(start_ms: int, months: int) -> int:
    moment = _EPOCH + timedelta(milliseconds=start_ms)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return LATEST_MS if year > 9999 else 0
    last = monthrange(year, month + 1)[1]
    moved = moment.replace(year=year, month=month + 1, day=min(moment.day, last))
    return (moved - _EPOCH) // timedelta(milliseconds=1)


def read_cycle(text: str, *, lenient: bool = False) -> Cycle | None:
    """Return the cycle that *text* means; None if it means none, or one whose period is not above zero. *lenient*: of the Activiti dialect."""
    ending = _ENDING.fullmatch(text) if lenient else None
    if ending is not None:
        cycle, end_ms = read_cycle(ending["cycle"]), read_moment(ending["end"], lenient=True)
        return None if cycle is None or end_ms is None else replace(cycle, end_ms=end_ms)
    repeated = _REPEATED.fullmatch(text)
    if repeated is None:
        return _read_cron(text, lenient=lenient)
    period = read_period(repeated["period"])
    times = int(repeated["times"]) if repeated["times"] else ENDLESS
    start_ms = read_moment(repeated["start"], lenient=lenient) if repeated["start"] else None
    if period is None or after_period(0, period) <= 0 or times > REPETITIONS_MAX:
        return None
    if repeated["start"] and start_ms is None:
        return None
    return Cycle(times, repeated["period"], start_ms)


def _read_cron(text: str, *, lenient: bool) -> Cycle | None:
    cron = _MACROS.get(text, text)
    translated = from_quartz(text) if lenient and cron is text else cron
    if translated is None or (not lenient and len(cron.split()) != _CRON_FIELDS):
        return None
    return Cycle(ENDLESS, translated) if _cron(translated) is not None else None


def until(interval: str, end_ms: int | None) -> str:
    """Return an interval that has no moments after *end_ms*; with None, the interval itself."""
    return interval if end_ms is None else f"{interval}{_UNTIL}{end_ms}"


def next_of_interval(interval: str, after_ms: int) -> int | None:
    """Return the next moment of an ISO period or a cron expression after *after_ms*; None if there is none."""
    plain, _, end_ms = interval.partition(_UNTIL)
    moment_ms = _next_of(plain, after_ms)
    return None if moment_ms is None or (end_ms and moment_ms > int(end_ms)) else moment_ms


def _next_of(interval: str, after_ms: int) -> int | None:
    period = read_period(interval)
    if period is not None:
        return after_period(after_ms, period)
    moments = _cron(interval, after_ms)
    try:
        moment = None if moments is None else next(moments, None)
    except OverflowError:  # beyond the last year of the calendar
        return None
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)


def _cron(text: str, after_ms: int = 0) -> Iterator[datetime] | None:
    """Return the moments of a cron expression; None if it is none. A seventh field names its years."""
    fields = ["*" if one == "?" else one for one in text.split()]
    after = _EPOCH + timedelta(milliseconds=after_ms)
    if len(fields) == _CRON_FIELDS:
        return _every_year(fields, after)
    years = _years(fields[_CRON_FIELDS]) if len(fields) == _CRON_FIELDS + 1 else None
    if years is None or _every_year(fields[:_CRON_FIELDS], after) is None:
        return None
    return _in_years(years, fields[:_CRON_FIELDS], after)


def _years(field: str) -> set[int] | None:
    """Return the years of a list, which may name each year once at most."""
    parts = field.split(",")
    if len(parts) > len(_YEARS_OF_QUARTZ):
        return None
    found: set[int] = set()
    for part in parts:
        match = _YEARS.fullmatch(part)
        if match is None:
            return None
        first = int(match["first"])
        last = int(match["last"]) if match["last"] else _YEARS_OF_QUARTZ[-1] if match["step"] else first
        if first not in _YEARS_OF_QUARTZ or last not in _YEARS_OF_QUARTZ:
            return None
        found.update(range(first, last + 1, int(match["step"] or 1)))
    return found


def _in_years(years: set[int], fields: list[str], after: datetime) -> Iterator[datetime]:
    """Yield the moments that lie in *years*. A year is looked at only if it, or an earlier one, has a moment."""
    earliest = after.year
    while year := min((one for one in years if one >= earliest), default=0):
        begin = max(after, datetime(year, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
        moments = _every_year(fields, begin) or iter(())
        first = next(moments, None)
        if first is None:
            return
        if first.year == year:
            yield from takewhile(partial(_is_of_year, year), chain((first,), moments))
        earliest = max(first.year, year + 1)


def _is_of_year(year: int, moment: datetime) -> bool:
    return moment.year == year


def _every_year(fields: list[str], after: datetime) -> Iterator[datetime] | None:
    from cronsim import CronSim, CronSimError  # few models have one

    searched = _SEARCHED_DAY.fullmatch(fields[_DAY])
    try:
        if searched is None:
            return CronSim(" ".join(fields), after)
        if fields[_DAY_OF_WEEK] != "*":
            return None
        months = CronSim(" ".join([*fields[:_DAY], "*", *fields[_DAY + 1 :]]), after).months
        return _on_searched_days(searched, months, fields, after)
    except (CronSimError, OverflowError):
        return None


def _is_in(year: int, month: int, moment: datetime) -> bool:
    return (moment.year, moment.month) == (year, month)


def _on_searched_days(
    searched: re.Match[str], months: set[int], fields: list[str], after: datetime
) -> Iterator[datetime]:
    """Yield the moments on a day that each month has to be searched for; months without this day have none."""
    from cronsim import CronSim

    year, month = after.year, after.month
    for _ in range(_MONTHS_MAX):
        day = _day_of(searched, year, month) if month in months else None
        if day is not None:
            fields[_DAY], fields[_DAY + 1] = str(day), str(month)
            begin = max(after, datetime(year, month, 1, tzinfo=UTC) - timedelta(seconds=1))
            yield from takewhile(partial(_is_in, year, month), CronSim(" ".join(fields), begin))
        year, month = year + month // 12, month % 12 + 1
        if year > _LAST_YEAR:
            return


def _day_of(searched: re.Match[str], year: int, month: int) -> int | None:
    last = monthrange(year, month)[1]
    day = int(searched["day"]) if searched["day"] else last - int(searched["before_last"])
    if not 1 <= day <= last:
        return None
    return _nearest_weekday(year, month, day) if searched["weekday"] else day


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """Return the weekday nearest to *day* that lies in the same month."""
    day_of_week = date(year, month, day).weekday()
    if day_of_week == SATURDAY:
        return day - 1 if day > 1 else day + 2
    if day_of_week == SUNDAY:
        return day + 1 if day < monthrange(year, month)[1] else day - 2
    return day
