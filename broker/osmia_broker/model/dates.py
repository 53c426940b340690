"""The texts for dates that a model may carry as they are (user-tasks.md, section 4)."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

_DATE_TIME = re.compile(
    r"(?P<local>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?P<fraction>\.[0-9]{1,9})?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?(?P<zone>\[[A-Za-z0-9/_+-]{1,64}\])?"
)
#: FEEL's two kinds, which is what a due date is added up from: years and months, or days and time. Weeks are in neither.
_DURATION = re.compile(
    r"-?P(?=[0-9T])(?:(?:[0-9]{1,9}Y)?(?:[0-9]{1,9}M)?"
    r"|(?:[0-9]{1,9}D)?(?:T(?=[0-9])(?:[0-9]{1,9}H)?(?:[0-9]{1,9}M)?(?:[0-9]{1,9}(?:\.[0-9]{1,9})?S)?)?)"
)


def is_zoned_date_time(text: str) -> bool:
    """Whether *text* is an ISO date-time with an offset, such as `2030-01-01T01:00+02:00` or `…+01:00[Europe/Berlin]`."""
    match = _DATE_TIME.fullmatch(text)
    return match is not None and match["offset"] is not None and _exists(match)


def is_date_or_duration(text: str) -> bool:
    """Whether *text* is what an Activiti due date may be: an ISO date-time with or without offset, a date, a duration."""
    if _DURATION.fullmatch(text):
        return True
    match = _DATE_TIME.fullmatch(text if "T" in text else f"{text}T00:00")
    return match is not None and _exists(match)


def _exists(match: re.Match[str]) -> bool:
    try:
        datetime.fromisoformat(match["local"] + (match["offset"] or ""))
        if match["zone"]:
            ZoneInfo(match["zone"][1:-1])
    except (ValueError, OSError):  # no such day, hour or offset; ZoneInfoNotFoundError is a KeyError
        return False
    except KeyError:
        return False
    return True
