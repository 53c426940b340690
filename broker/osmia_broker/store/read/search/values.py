"""Read the values of a filter, and write those of an answer, by the kind of their field."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.storable import INT64, NUL, half_pair
from osmia_broker.store.read.search.fields import Kind

TEXT_SHOWN_MAX = 100  # characters of a wrong value in a refusal
_DIGITS = re.compile(r"-?[0-9]{1,19}")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_MS = -62_135_596_800_000  #: the first moment that a date of four digits can write
LATEST_MS = 253_402_300_799_999  #: the last one


def refuse(place: str, expected: object, found: Any) -> InvalidArgument:
    """Make the refusal of a value. *place* names the member, such as `filter.state.$in`."""
    return InvalidArgument(f"Expected {place} to be {expected}, but found {shown(found)}")


def shown(value: Any) -> str:
    """Return a short text of a JSON value for a refusal."""
    names = {type(None): "null", dict: "an object", list: "a list", True: "true", False: "false"}
    if isinstance(value, bool):
        return names[value]
    if type(value) in names:
        return names[type(value)]
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= TEXT_SHOWN_MAX else text[:TEXT_SHOWN_MAX] + "…"


# --- in


def read(kind: Kind, place: str, value: Any) -> Any:
    """Read one value of a filter.

    Raises:
        InvalidArgument: it is not of this kind.

    """
    return _READERS[kind](place, value)


def _key(place: str, value: Any) -> int:
    text = str(value) if isinstance(value, str) or type(value) is int else ""
    if not _DIGITS.fullmatch(text) or int(text) not in INT64:
        raise refuse(place, "a key, an integer of 64 bits", value)
    return int(text)


def _text(place: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):  # clients of loose languages send numbers where text is meant
        return str(value)
    if not isinstance(value, str):
        raise refuse(place, Kind.TEXT, value)
    if half_pair(value) is not None:
        raise refuse(place, "a text of whole characters", value.encode("ascii", "backslashreplace").decode())
    if NUL in value:  # no row has it; SQLite would find nothing, and PostgreSQL takes no such parameter
        raise InvalidArgument(f"Expected {place} without NUL characters, but found one")
    return value


def _integer(place: str, value: Any) -> int:
    if type(value) is not int or value not in INT64:
        raise refuse(place, Kind.INTEGER, value)
    return value


def _date(place: str, value: Any) -> int:
    """Read an RFC 3339 date-time; parts of a millisecond are dropped. The first moment of 1970 is 1, as in rows, where 0 means none."""
    found = epoch_ms(value) if isinstance(value, str) else None
    if found is None:
        raise refuse(place, "a date-time such as '2030-01-31T12:00:00Z'", value)
    return found or 1


def epoch_ms(text: str) -> int | None:
    """Read an RFC 3339 date-time; None if it is none. Parts of a millisecond are dropped."""
    if not _DATE_TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    try:
        passed = moment - _EPOCH
    except OverflowError:
        return None
    return passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000


def flag(place: str, value: Any) -> bool:
    """Read a truth value."""
    if not isinstance(value, bool):
        raise refuse(place, Kind.FLAG, value)
    return value


_READERS: dict[Kind, Callable[[str, Any], Any]] = {
    Kind.KEY: _key,
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.DATE: _date,
    Kind.FLAG: flag,
    Kind.CHOICE: _text,
}


# --- out


def write(kind: Kind, value: Any, *, optional: bool) -> Any:
    """Return a stored value as an answer has it.

    Raises:
        ValueError: it is not of this kind; the row is corrupt.

    """
    if value is None or (optional and value in (0, "")):
        return "" if kind is Kind.TEXT and not optional else None
    if kind in (Kind.TEXT, Kind.CHOICE):
        if isinstance(value, str):
            return value
    elif isinstance(value, int):
        return _WRITERS[kind](value)
    raise ValueError(f"{type(value).__name__} where {kind} was expected")


def moment(epoch_ms: int) -> str | None:
    """Write epoch milliseconds as RFC 3339; None for 0, which means that there is none. Moments beyond the calendar are its end."""
    if not epoch_ms:
        return None
    epoch_ms = min(max(epoch_ms, EARLIEST_MS), LATEST_MS)
    text = datetime.fromtimestamp(epoch_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text.zfill(19)}.{epoch_ms % 1000:03d}Z"


_WRITERS: dict[Kind, Callable[[int], Any]] = {Kind.KEY: str, Kind.DATE: moment, Kind.FLAG: bool, Kind.INTEGER: int}
