"""Times and durations as they are typed and shown: `5m`, `tomorrow`, a date-time with its offset."""

import time
from datetime import timedelta
from typing import Any

import typer

from osmia_broker.cli.output import moment
from osmia_broker.settings.values import duration


def as_duration(text: str | timedelta) -> timedelta:
    """Read a typed duration. A default is one already."""
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"Expected {error}, but found '{text}'") from error


def as_timeout(text: str | timedelta) -> timedelta:
    """Read how long to wait, which cannot be nothing."""
    if text in ("0", timedelta(0)) or not (span := as_duration(text)):
        raise typer.BadParameter(f"Expected a duration above 0, such as 10s, but found '{text}'")
    return span


def as_time(text: str) -> str:
    """Check a typed time: `2h`, `tomorrow`, a date, or a date-time with its offset. Nothing stands for none."""
    from osmia_broker.calls.tasks.until import EXAMPLES, time_ms

    if text and time_ms(text, now_ms()) is None:
        raise typer.BadParameter(f"Expected a time such as {EXAMPLES}, but found '{text}'")
    return text


def as_date_time(text: str) -> str:
    """Read a typed time, see `as_time`, and return it as a date-time. One that is typed as a date-time stays as it is."""
    from osmia_broker.calls.tasks.until import time_ms
    from osmia_broker.store.read.search.values import epoch_ms

    found = time_ms(as_time(text), now_ms()) if text else None
    return text if found is None or epoch_ms(text) is not None else str(moment(found))


def now_ms() -> int:
    """Return the epoch milliseconds of now."""
    return time.time_ns() // 1_000_000


def milliseconds(span: timedelta) -> int:
    """Return a duration in whole milliseconds, rounded up: a short one is not none."""
    return -(span // -timedelta(milliseconds=1))


UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))  # in milliseconds


def spelt(span: timedelta) -> str:
    """Return a duration in the form that is typed: `5m`, `90s`, `0s`."""
    span_ms = milliseconds(span)
    unit, length = next(((unit, length) for unit, length in UNITS if span_ms and span_ms % length == 0), ("s", 1000))
    return f"{span_ms // length}{unit}"


def duration_option(*names: str, help: str, default: timedelta, **more: Any) -> Any:
    """Return an option for a duration. Its help ends with the default, as it would be typed; *help* has no full stop."""
    text = f"{help}; {spelt(default)} unless given."
    return typer.Option(*names, parser=as_duration, metavar="DURATION", help=text, show_default=False, **more)
