"""Turns templates into pages. Everything that a template writes is escaped: names, variables and error texts are data, never markup."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from osmia_broker import __version__
from osmia_broker.base.counted import counted
from osmia_broker.store.read.search import values

TEMPLATES = Path(__file__).parent / "templates"

SECOND, MINUTE, HOUR, DAY = 1, 60, 3_600, 86_400
#: Each ends where the next begins.
UNITS = (
    ("second", SECOND, MINUTE),
    ("minute", MINUTE, HOUR),
    ("hour", HOUR, DAY),
    ("day", DAY, float("inf")),
)
RELATIVE_DAYS_MAX = 30  # beyond it the date itself says more


def environment() -> Environment:
    """Make the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals["version"] = __version__
    made.filters["relative"] = relative
    made.filters["counted"] = counted
    made.filters["duration"] = duration
    made.filters["word"] = word
    made.filters["iso"] = values.moment
    return made


def moment(text: str) -> datetime:
    """Read a date-time as the lists write it."""
    return datetime.fromisoformat(text.partition("[")[0])


def relative(text: str, now_ms: int) -> str:
    """Write a moment as seen from now: `3 minutes ago`, `in 2 days`, or its date if it is far away."""
    then = moment(text)
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    seconds = now_ms / 1000 - then.timestamp()
    if abs(seconds) > RELATIVE_DAYS_MAX * DAY:
        return then.date().isoformat()
    count, name = _nearest(abs(seconds))
    if not count:
        return "just now"
    return f"{counted(count, name)} ago" if seconds > 0 else f"in {counted(count, name)}"


def _nearest(seconds: float) -> tuple[int, str]:
    """Round a time to a whole number of one unit: 59 minutes and a half are 1 hour already, 89 minutes are still one."""
    rounded = ((int(seconds / size + 0.5), name, size, end) for name, size, end in UNITS)
    return next((count, name) for count, name, size, end in rounded if count * size < end)


def duration(begin: str, end: str | None, now_ms: int) -> str:
    """Write the time between two moments, or until now: `3 d 4 h`, `12 min 5 s`, `0.4 s`."""
    ended = moment(end).timestamp() if end else now_ms / 1000
    seconds = max(ended - moment(begin).timestamp(), 0.0)
    if seconds < MINUTE:
        return f"{int(seconds * 10) / 10:.1f} s"
    parts = []
    for sign, size in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND)):
        number, seconds = divmod(int(seconds), size)
        if number:
            parts.append(f"{number} {sign}")
    return " ".join(parts[:2])


def word(name: str) -> str:
    """Write a constant as a word: `TIMED_OUT` becomes `Timed out`."""
    return name.replace("_", " ").capitalize()


def render(templates: Environment, name: str, values: dict[str, Any]) -> str:
    """Fill the template *name*."""
    return templates.get_template(name).render(values)
