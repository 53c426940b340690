"""The rules of a form's fields, as the page keeps them: an answer at the terminal that breaks one is asked for again.

A rule whose bound is an expression is left to the page, which alone evaluates it.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from osmia_broker.base.counted import counted

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_PHONE = re.compile(r"(\+|00)[1-9][0-9 ()/-]{3,20}")

#: Of a field for moments, by its `subtype`: what reads it, and how it is written.
_MOMENTS: dict[str, tuple[Callable[[str], object], str]] = {
    "date": (date.fromisoformat, "a date such as 2030-01-31"),
    "time": (time.fromisoformat, "a time such as 14:30"),
    "datetime": (datetime.fromisoformat, "a moment such as 2030-01-31T14:30"),
}


def label_of(part: dict[str, Any]) -> str:
    """Return the label of a field for people; empty for one without."""
    named = (part.get(name) for name in ("label", "dateLabel", "timeLabel"))
    return next((one for one in named if isinstance(one, str) and one), "")


def broken_rule(part: dict[str, Any], answer: str) -> str:
    """Return what the field *part* expects and *answer*, which a person has typed, is not; empty if it keeps all rules."""
    return next(_broken(part, answer), "")


def _broken(part: dict[str, Any], answer: str) -> Iterator[str]:
    found = part.get("validate")
    rules = found if isinstance(found, dict) else {}
    kind = part.get("type")
    if kind in ("textfield", "textarea"):
        yield from _of_text(rules, answer)
    elif kind == "number":
        yield from _of_number(rules, part.get("decimalDigits"), Decimal(answer))
    elif kind == "datetime":
        read, example = _MOMENTS.get(str(part.get("subtype")), _MOMENTS["date"])
        try:
            read(answer)
        except ValueError:
            yield f"expected {example}, but found '{answer}'"


def _of_text(rules: dict[str, Any], answer: str) -> Iterator[str]:
    least, most, pattern = (rules.get(name) for name in ("minLength", "maxLength", "pattern"))
    if type(least) is int and len(answer) < least:
        yield f"expected at least {counted(least, 'character')}, but found {len(answer)}"
    if type(most) is int and len(answer) > most:
        yield f"expected at most {counted(most, 'character')}, but found {len(answer)}"
    kind = rules.get("validationType")
    if kind == "email" and not _EMAIL.fullmatch(answer):
        yield f"expected an e-mail address, but found '{answer}'"
    if kind == "phone" and not _PHONE.fullmatch(answer):
        yield f"expected a phone number that begins with + or 00, but found '{answer}'"
    if isinstance(pattern, str) and pattern and kind in (None, "", "custom") and not _passes(pattern, answer):
        yield f"expected a text that fits {pattern}, but found '{answer}'"


def _passes(pattern: str, answer: str) -> bool:
    """Whether *answer* fits a pattern of the page's language; one that cannot be read here lets everything pass."""
    try:
        return re.search(pattern, answer) is not None
    except re.error:
        return True


def _of_number(rules: dict[str, Any], digits: object, answer: Decimal) -> Iterator[str]:
    least, most = rules.get("min"), rules.get("max")
    if type(least) in (int, float) and answer < Decimal(str(least)):
        yield f"expected at least {least}, but found {answer}"
    if type(most) in (int, float) and answer > Decimal(str(most)):
        yield f"expected at most {most}, but found {answer}"
    if type(digits) is int and answer.is_finite() and -int(answer.as_tuple().exponent) > digits:
        yield f"expected at most {digits} digits behind the point, but found {answer}"
