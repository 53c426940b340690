"""Read the dates and periods that a model may give a user task.

The `zeebe:` dialect takes date-times with an offset only. The `activiti:` dialect takes all forms of Joda-Time: dates, date-times
with or without offset, and periods from now. The deployment and the engine read them with the same functions.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from osmia_broker.feel.temporal import zone_of

OFFSET_MAX = timedelta(hours=18)  # as Java and FEEL

#: A name of the tz database, or a fixed zone as Java writes it, `GMT+02:00`. (`GMT+2` is Java's, too, but its parser does not take it.)
_ZONE = r"(?P<zone>\[(?:(?:GMT|UTC|UT)[+-][0-9]{2}:[0-5][0-9]|(?!(?:GMT|UTC|UT)[+-])[A-Za-z0-9/_+-]{1,64})\])?"
#: What Java's `ZonedDateTime.parse` takes (tried), without years beyond four digits and offsets with seconds, which readers of a header cannot hold.
_DATE_TIME = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.(?P<fraction>[0-9]{0,9}))?)?)"
    r"(?P<offset>[Zz]|[+-][0-9]{2}(?::[0-5][0-9])?)" + _ZONE
)
#: Joda-Time's `dateTimeParser`: calendar, ordinal and week dates, each with its later parts optional. The year has four digits.
_JODA_DATE_TIME = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?:(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?|(?P<ordinal>[0-9]{3})"
    r"|W(?P<week>[0-9]{2})(?:-(?P<weekday>[1-7]))?))?"
    r"(?:T(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?"
    r"(?:(?P<offset>Z|[+-][0-9]{2}(?::?[0-5][0-9])?)" + _ZONE + ")?)?"
)
_NUMBER = "([+-]?[0-9]{1,9})"
#: Joda-Time's standard ISO format. A sign may stand before each number, and (beyond Joda-Time) before the P.
_PERIOD = re.compile(
    rf"(-)?P(?=.)(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}(?:[.,]([0-9]{{1,9}}))?S)?)?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Period:
    """Units of the calendar and the clock, each of either sign. Applied to a date in this order, as Joda-Time does."""

    years: int = 0
    months: int = 0
    days: int = 0  # weeks are seven days each
    nanoseconds: int = 0


def zoned_date_time(text: str) -> str | None:
    """Return an ISO date-time with an offset, such as `2030-01-01T01:00+02:00` or `…+01:00[Europe/Berlin]`; None if *text* is none.

    Small letters become large, and an offset without minutes (`+02`) gets them, so that every reader takes it.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    time = match["time"] if match["fraction"] else match["time"].removesuffix(".")
    offset = match["offset"].upper() if len(match["offset"]) != len("+02") else f"{match['offset']}:00"
    moment = f"{match['day']}T{time.partition('.')[0]}{offset}"
    return f"{match['day']}T{time}{offset}{match['zone'] or ''}" if _exists(moment, match["zone"]) else None


def read_period(text: str) -> Period | None:
    """Read an ISO period such as `P2W` or `P1Y2M3DT4H5.5S`; None if *text* is none."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        return None
    years, months, weeks, days, hours, minutes, seconds = (int(match[group] or 0) for group in range(2, 9))
    fraction = int((match[9] or "").ljust(9, "0"))
    second_sign = -1 if (match[8] or "").startswith("-") else 1
    nanoseconds = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + second_sign * fraction
    sign = -1 if match[1] else 1
    return Period(sign * years, sign * months, sign * (7 * weeks + days), sign * nanoseconds)


def full_date_time(text: str) -> str | None:
    """Complete a date or date-time in one of Joda-Time's forms: `2030-01` is `2030-01-01T00:00:00`. None if *text* is none.

    The offset and a zone in brackets stay away if *text* has none.
    """
    match = _JODA_DATE_TIME.fullmatch(text)
    if match is None:
        return None
    day, offset = _date_of(match), match["offset"] or ""
    if offset not in ("", "Z"):
        offset = f"{offset[:3]}:{offset[3:].removeprefix(':') or '00'}"
    local = f"{day}T{match['hour'] or '00'}:{match['minute'] or '00'}:{match['second'] or '00'}"
    if day is None or not _exists(local + offset, match["zone"]):
        return None
    return local + (f".{match['fraction']}" if match["fraction"] else "") + offset + (match["zone"] or "")


def _date_of(match: re.Match[str]) -> date | None:
    year = int(match["year"])
    try:
        if match["week"]:
            return date.fromisocalendar(year, int(match["week"]), int(match["weekday"] or 1))
        if match["ordinal"]:
            day = date(year, 1, 1) + timedelta(days=int(match["ordinal"]) - 1)
            return day if day.year == year else None
        return date(year, int(match["month"] or 1), int(match["day"] or 1))
    except (ValueError, OverflowError):  # no such day
        return None


def _exists(moment: str, zone: str | None) -> bool:
    """Whether the calendar and the clock have *moment*, and *zone* (in brackets) is one that the engine can compute with."""
    try:
        offset = datetime.fromisoformat(moment).utcoffset() or timedelta()
    except ValueError:
        return False
    return abs(offset) <= OFFSET_MAX and (not zone or zone_of(zone[1:-1]) is not None)
