"""Convert dates, times and durations to and from text.

`read_*` gives None for a text that is none. Two ways of writing: `plain`, as `string()` writes, and `stored`, as the
reference writes into JSON (measured; zero seconds are written, as its later patches do).
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from osmia_broker.feel.calendar import AnyDate, FarDate, make_date
from osmia_broker.feel.temporal import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    DateTime,
    DayTimeDuration,
    Duration,
    Instant,
    Time,
    YearMonthDuration,
    at_instant,
    date_time_plus,
    in_zone,
    standard_offset,
)

_DATE = re.compile(r"(-?(?:\d{4}|[1-9]\d{4,8}))-(\d{2})-(\d{2})", re.ASCII)
_TIME = re.compile(
    r"(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:(Z)|([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?(?:@([^@\[\]]+)|\[([^@\[\]]+)\])?",
    re.ASCII,
)
_DAY_TIME = re.compile(
    r"(-)?P(?:([+-]?\d{1,15})D)?(?:T(?=.)(?:([+-]?\d{1,15})H)?(?:([+-]?\d{1,15})M)?(?:([+-]?)(\d{1,15})(?:\.(\d{0,9}))?S)?)?",
    re.ASCII,
)
_YEAR_MONTH = re.compile(r"(-)?P(?:([+-]?\d{1,9})Y)?(?:([+-]?\d{1,9})M)?", re.ASCII)

_TEXT_MAX = 100  # no temporal value needs more; keeps the patterns off long texts


def read_date(text: str) -> AnyDate | None:
    """Read `2020-04-06`; a year may have up to nine digits and a minus."""
    found = _DATE.fullmatch(text)
    return None if found is None else make_date(int(found[1]), int(found[2]), int(found[3]))


def read_time(text: str) -> Time | None:
    """Read `08:00`, `08:00:00.5`, with `Z`, `+01:00` or `@Europe/Paris`; 24:00:00 is midnight."""
    found = _TIME.fullmatch(text) if len(text) <= _TEXT_MAX else None
    clock = None if found is None else _clock_of(found)
    if found is None or clock is None:
        return None
    offset, zone = _offset_of(found), found[10] or found[11]
    if offset is None and zone is not None:
        offset = standard_offset(zone)
        return None if offset is None else Time(clock % DAY, offset, zone)
    return None if offset == _BAD_OFFSET else Time(clock % DAY, offset, zone)


def read_date_time(text: str) -> DateTime | None:
    """Read `2020-04-06T08:00:00` with a time as `read_time` takes it; a date alone means midnight."""
    day_text, separator, time_text = text.partition("T")
    day = read_date(day_text)
    if day is None or not separator:
        return None if day is None else DateTime(day, 0)
    found = _TIME.fullmatch(time_text) if len(time_text) <= _TEXT_MAX else None
    clock = None if found is None else _clock_of(found)
    if found is None or clock is None:
        return None
    moment = _with_zone(day, clock % DAY, _offset_of(found), found[10] or found[11])
    if clock == DAY and moment is not None:
        return date_time_plus(moment, DayTimeDuration(DAY))
    return moment


def _with_zone(day: AnyDate, clock: int, offset: int | None, zone: str | None) -> DateTime | None:
    if offset == _BAD_OFFSET:
        return None
    if zone is None:
        return DateTime(day, clock, offset)
    if offset is None:
        return in_zone(day, clock, zone)
    return at_instant(DateTime(day, clock, offset).instant(), zone)


_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d{2})(?::?(\d{2}))?)?", re.ASCII)


def read_offset(text: str) -> int | None:
    """Return the offset in seconds that *text* shows: `Z`, `+01:00`, `+0130` or `+1`, at most 18 hours."""
    if text == "Z":
        return 0
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = int(found[2]), int(found[3] or 0), int(found[4] or 0)
    size = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or size > 18 * 3600:
        return None
    return -size if found[1] == "-" else size


_BAD_OFFSET = 1 << 20  # seconds; no offset is that large


def _clock_of(found: re.Match[str]) -> int | None:
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    fraction = int((found[4] or "").ljust(9, "0"))
    if minute > 59 or second > 59 or hour > 24 or (hour == 24 and (minute or second or fraction)):
        return None
    return hour * HOUR + minute * MINUTE + second * SECOND + fraction


def _offset_of(found: re.Match[str]) -> int | None:
    if found[5]:
        return 0
    if not found[6]:
        return None
    seconds = int(found[7]) * 3600 + int(found[8]) * 60 + int(found[9] or 0)
    if int(found[8]) > 59 or int(found[9] or 0) > 59 or seconds > 18 * 3600:
        return _BAD_OFFSET
    return -seconds if found[6] == "-" else seconds


def read_duration(text: str) -> Duration | None:
    """Read `P1Y2M` or `P1DT2H3M4.5S`, the sign before the P or inside; the two kinds do not mix."""
    if len(text) > _TEXT_MAX or not text.lstrip("-")[1:]:
        return None
    found = _YEAR_MONTH.fullmatch(text)
    if found is not None:
        months = int(found[2] or 0) * 12 + int(found[3] or 0)
        return YearMonthDuration(-months if found[1] else months)
    found = _DAY_TIME.fullmatch(text)
    if found is None:
        return None
    nanoseconds = int(found[2] or 0) * DAY + int(found[3] or 0) * HOUR + int(found[4] or 0) * MINUTE
    seconds = int(found[6] or 0) * SECOND + int((found[7] or "").ljust(9, "0"))
    nanoseconds += -seconds if found[5] == "-" else seconds
    return DayTimeDuration(-nanoseconds if found[1] else nanoseconds)


def read_temporal(text: str) -> AnyDate | Time | DateTime | Duration | None:
    """Read the text of `@"text"`, of any kind."""
    if "T" in text and not text.lstrip("-").startswith("P"):
        return read_date_time(text)
    return read_date(text) or read_time(text) or read_duration(text)


def moment_of(now: Instant | datetime | None) -> DateTime | None:
    """Return the value of `now()` for the moment handed in by the caller; None if none was."""
    if now is None:
        return None
    if type(now) is Instant:
        return at_instant(now.nanoseconds, now.zone)
    assert isinstance(now, datetime)
    offset = now.utcoffset()
    if offset is None:
        return None
    clock = ((now.hour * 60 + now.minute) * 60 + now.second) * SECOND + now.microsecond * 1000
    seconds = int(offset / timedelta(seconds=1))
    return DateTime(now.date(), clock, seconds, getattr(now.tzinfo, "key", None))


# --------------------------------------------------------------------------------------------------------- writing


def plain(value: object) -> str:
    """Write *value* as `string()` does; seconds always, fractions of a duration are lost."""
    return _PLAIN[type(value)](value)


def exact(value: object) -> str:
    """Write *value* as `plain` does, but with the fractions of a duration, and zero as `PT0S` or `P0M`."""
    match value:
        case DayTimeDuration(nanoseconds=0):
            return "PT0S"
        case YearMonthDuration(months=0):
            return "P0M"
        case DayTimeDuration():
            return _duration_exact(value)
        case _:
            return plain(value)


def stored(value: object) -> str:
    """Write *value* as it stands in JSON: a zone follows its offset in brackets, a duration counts hours, never days."""
    return _STORED[type(value)](value)


def _date_text(value: AnyDate) -> str:
    return value.isoformat()


def _clock_text(nanoseconds: int) -> str:
    minutes, rest = divmod(nanoseconds, MINUTE)
    seconds, fraction = divmod(rest, SECOND)
    text = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return text + "." + f"{fraction:09}".rstrip("0") if fraction else text


def _clock_stored(nanoseconds: int) -> str:
    """Write seconds always, as RFC 3339 demands, and fractions in 3, 6 or 9 digits."""
    whole, dot, fraction = _clock_text(nanoseconds).partition(".")
    return whole + dot + fraction.ljust(-(-len(fraction) // 3) * 3, "0")


def _offset_text(offset: int) -> str:
    if offset == 0:
        return "Z"
    hours, rest = divmod(abs(offset), 3600)
    seconds = f":{rest % 60:02}" if rest % 60 else ""
    return f"{'-' if offset < 0 else '+'}{hours:02}:{rest // 60:02}{seconds}"


def _suffix(value: Time | DateTime) -> str:
    if value.zone is not None:
        return "@" + value.zone
    return "" if value.offset is None else _offset_text(value.offset)


def _time_plain(value: Time) -> str:
    return _clock_text(value.nanoseconds) + _suffix(value)


def _time_stored(value: Time) -> str:
    if value.offset is None and value.zone is None:
        return _clock_stored(value.nanoseconds)
    return _time_plain(value)


def _date_time_plain(value: DateTime) -> str:
    return f"{value.date.isoformat()}T{_clock_text(value.nanoseconds)}{_suffix(value)}"


def _date_time_stored(value: DateTime) -> str:
    offset = "" if value.offset is None else _offset_text(value.offset)
    zone = "" if value.zone is None else f"[{value.zone}]"
    return f"{value.date.isoformat()}T{_clock_stored(value.nanoseconds)}{offset}{zone}"


def _months_plain(value: YearMonthDuration) -> str:
    years, months = divmod(abs(value.months), 12)
    text = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
    return ("-P" if value.months < 0 else "P") + (text or "0Y")


def _months_stored(value: YearMonthDuration) -> str:
    sign = "-" if value.months < 0 else ""
    years, months = divmod(abs(value.months), 12)
    return "P" + ((f"{sign}{years}Y" if years else "") + (f"{sign}{months}M" if months else "") or "0D")


def _duration_plain(value: DayTimeDuration) -> str:
    size = abs(value.nanoseconds)
    days, hours = size // DAY, size % DAY // HOUR
    minutes, seconds = size % HOUR // MINUTE, size % MINUTE // SECOND
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{seconds}S" if seconds else "")
    text = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return ("-P" if value.nanoseconds < 0 and text else "P") + (text or "0D")


def _duration_exact(value: DayTimeDuration) -> str:
    fraction = abs(value.nanoseconds) % SECOND
    text = _duration_plain(value)
    if not fraction:
        return text
    digits = f".{fraction:09}".rstrip("0") + "S"
    if text.endswith("S"):
        return text[:-1] + digits
    sign = "-" if value.nanoseconds < 0 and not text.startswith("-") else ""
    text = text.replace("0D", "") if text == "P0D" else text
    return sign + text + ("" if "T" in text else "T") + "0" + digits


def _duration_stored(value: DayTimeDuration) -> str:
    sign = "-" if value.nanoseconds < 0 else ""
    size = abs(value.nanoseconds)
    hours, minutes = size // HOUR, size % HOUR // MINUTE
    seconds, fraction = size % MINUTE // SECOND, size % SECOND
    text = (f"{sign}{hours}H" if hours else "") + (f"{sign}{minutes}M" if minutes else "")
    if seconds or fraction or not text:
        point = "." + f"{fraction:09}".rstrip("0") if fraction else ""
        text += f"{sign}{seconds}{point}S"
    return "PT" + text


_PLAIN: dict[type, Callable[..., str]] = {
    date: _date_text,
    FarDate: _date_text,
    Time: _time_plain,
    DateTime: _date_time_plain,
    DayTimeDuration: _duration_plain,
    YearMonthDuration: _months_plain,
}
_STORED: dict[type, Callable[..., str]] = {
    date: _date_text,
    FarDate: _date_text,
    Time: _time_stored,
    DateTime: _date_time_stored,
    DayTimeDuration: _duration_stored,
    YearMonthDuration: _months_stored,
}
