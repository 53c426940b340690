"""Read the values of a filter, and write those of an answer, by the kind of their field."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from osmia_broker.base.edits import misspelt
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.state.storable import INT64, NUL, half_pair
from osmia_broker.store.read.search.fields import Kind

TEXT_SHOWN_MAX = 100  # characters of a wrong value in a refusal
_DIGITS = re.compile(r"-?[0-9]{1,19}")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MOMENT = datetime(1970, 1, 1)  # noqa: DTZ001 - to be written without an offset; `Z` follows
EARLIEST_MS = -62_135_596_800_000  #: the first moment that a date of four digits can write
LATEST_MS = 253_402_300_799_999  #: the last one


def refuse(place: str, expected: object, found: Any, hint: str = "") -> InvalidArgument:
    """Make the refusal of a value. *place* names the member, such as `filter.state.$in`; *hint* follows what was found."""
    return InvalidArgument(f"Expected {place} to be {expected}, but found {shown(found)}{hint}")


def shown(value: Any) -> str:
    """Return a short text of a JSON value for a refusal."""
    names = {type(None): "null", dict: "an object", list: "a list", True: "true", False: "false"}
    if isinstance(value, bool):
        return names[value]
    if type(value) in names:
        return names[type(value)]
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= TEXT_SHOWN_MAX else text[:TEXT_SHOWN_MAX] + "…"


def meant(name: Any, known: Sequence[str]) -> str:
    """Return `; did you mean 'entityType'?` for a name that is a misspelling of one of the *known* ones, else nothing."""
    near = misspelt(name, known) if isinstance(name, str) and len(name) <= TEXT_SHOWN_MAX and known else ""
    return f"; did you mean '{near}'?" if near else ""


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


def writer(kind: Kind, *, optional: bool) -> Callable[[Any], Any]:
    """Return what makes the value of an answer from a stored one; it raises ValueError if that is not of this kind, in a corrupt row.

    It runs for each field of each item, so what depends on the field alone is decided once, here.
    """
    absent = "" if kind is Kind.TEXT and not optional else None
    is_text = kind in (Kind.TEXT, Kind.CHOICE)

    def other(value: Any) -> Any:
        if value is None or (optional and value in (0, "")):
            return absent
        raise ValueError(f"{type(value).__name__} where {kind} was expected")

    def written_text(value: Any) -> Any:
        return value if isinstance(value, str) and (value or not optional) else other(value)

    def written_number(value: Any) -> Any:
        return write(value) if isinstance(value, int) and (value or not optional) else other(value)

    if is_text:
        return written_text
    write = _WRITERS[kind]
    return written_number


def moment(epoch_ms: int) -> str | None:
    """Write epoch milliseconds as RFC 3339; None for 0, which means that there is none. Moments beyond the calendar are its end."""
    if not epoch_ms:
        return None
    written = _FIRST_MOMENT + timedelta(milliseconds=min(max(epoch_ms, EARLIEST_MS), LATEST_MS))
    return f"{written.isoformat(timespec='milliseconds')}Z"


_WRITERS: dict[Kind, Callable[[int], Any]] = {Kind.KEY: str, Kind.DATE: moment, Kind.FLAG: bool, Kind.INTEGER: int}
