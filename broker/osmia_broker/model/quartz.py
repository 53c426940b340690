"""Cron expressions as Quartz reads them, which Activiti uses, in the form that `timers` reads.

They differ in two fields: a week begins with day 1, a Sunday, and a seventh field may choose the years.
"""

import re

DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS, _DAY_OF_WEEK = 6, 5
_WEEK = len(DAYS)
_PART = re.compile(r"(?P<first>\w+)(?:-(?P<last>\w+))?(?:/(?P<step>[1-9]))?")
_ONE_OF_MONTH = re.compile(r"(?P<day>\w+?)(?P<which>[Ll]|#[1-5])")


def from_quartz(text: str) -> str | None:
    """Return the expression with days of the week from 0, a Sunday, and without a seventh field that chooses nothing; None if it has no such form."""
    fields = text.split()
    if len(fields) not in (_FIELDS, _FIELDS + 1):
        return None
    days = _days(fields[_DAY_OF_WEEK].upper())
    if days is None:
        return None
    fields[_DAY_OF_WEEK] = days
    if fields[_FIELDS:] in (["*"], ["?"]):
        fields.pop()
    return " ".join(fields)


def _days(field: str) -> str | None:
    if field in ("*", "?"):
        return field
    if field == "L":
        return str(_WEEK - 1)
    of_month = _ONE_OF_MONTH.fullmatch(field)
    if of_month is not None and (day := _day(of_month["day"])) is not None:
        return f"{day}{of_month['which']}"
    found: set[int] = set()
    for part in field.split(","):
        days = _days_of(part)
        if days is None:
            return None
        found |= days
    return ",".join(map(str, sorted(found)))


def _days_of(part: str) -> set[int] | None:
    """Return the days of one part of a list. A range may go over the end of the week; a step without an end goes up to it."""
    match = _PART.fullmatch(part.replace("*/", f"1-{_WEEK}/"))
    if match is None:
        return None
    step = int(match["step"] or 1)
    first = _day(match["first"])
    last = _day(match["last"]) if match["last"] else _WEEK - 1 if match["step"] else first
    if first is None or last is None:
        return None
    length = (last - first) % _WEEK
    return {(first + ahead) % _WEEK for ahead in range(0, length + 1, step)}


def _day(text: str) -> int | None:
    if text in DAYS:
        return DAYS.index(text)
    return int(text) - 1 if text in {str(day) for day in range(1, _WEEK + 1)} else None
