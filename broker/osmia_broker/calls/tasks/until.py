"""Read the time until which somebody wants to be left alone: `2d`, `3h`, `tomorrow`, `2026-12-24` or a date-time with its offset."""

import re
from datetime import UTC, datetime, timedelta

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.store.read.search.values import epoch_ms

EXAMPLES = "2h, 3d, 1w, tomorrow, 2026-12-24, 2026-12-24T09:00:00+01:00"
MORNING_HOUR = 8  # of a day without a time, in UTC
_SPAN = re.compile(r"(\d{1,6})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def until_ms(text: str, now_ms: int) -> int:
    """Return a time to come in epoch milliseconds. A day means its morning (08:00 UTC).

    Raises:
        InvalidArgument: the text is no time, or it is over.

    """
    found = time_ms(text, now_ms)
    if found is None:
        raise InvalidArgument(f"Expected a time such as {EXAMPLES}, but found '{text[:100]}'")
    if found <= now_ms:
        raise InvalidArgument(f"Expected a time to come, but found '{text[:100]}', which is over")
    return found


def time_ms(text: str, now_ms: int) -> int | None:
    """Return the time that *text* spells, in epoch milliseconds, which may be over; None if it is no time."""
    try:
        return _read(text.strip(), datetime.fromtimestamp(now_ms / 1000, UTC))
    except (ValueError, OverflowError):
        return None


def _read(text: str, now: datetime) -> int | None:
    if span := _SPAN.fullmatch(text):
        return _ms(now + timedelta(**{_UNITS[span[2]]: int(span[1])}))
    if text == "tomorrow":
        return _ms(_morning(now + timedelta(days=1)))
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return _ms(_morning(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)))
    return epoch_ms(text)


def _morning(day: datetime) -> datetime:
    return day.replace(hour=MORNING_HOUR, minute=0, second=0, microsecond=0)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
