"""The rules of a form, checked in the broker: what the form on the page would not send, nobody else may send in its name.

The rules are those of form-js: required fields, lengths, patterns, bounds and steps of numbers, choices. A field that is disabled, read-only
or hidden by its condition has none. A rule that cannot be read here (a pattern that re2 does not know, an expression that fails) is passed over.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

import msgspec

from osmia_broker import feel
from osmia_broker.base.counted import counted
from osmia_broker.model.expressions import UnreadableExpression
from osmia_broker.model.expressions import feel as compile_feel
from osmia_broker.state.json_text import Digits

FIELDS_MAX = 2_000  # that are checked, those of repeated groups each time
DEPTH_MAX = 20  # of groups in groups
PATTERN_BYTES_MAX = 4 << 20
NAMED_MAX = 5  # faults in one sentence
_EMAIL = re.compile(r"[^@\s]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_PHONE = re.compile(r"(\+|00)[0-9]{4,17}")
_ONE_OF, _SOME_OF = ("select", "radio"), ("checklist", "taglist")
_WITHOUT_VALUE = (
    "text",
    "html",
    "image",
    "button",
    "spacer",
    "separator",
    "expression",
    "iframe",
    "table",
    "documentPreview",
)
_encode = msgspec.json.Encoder(enc_hook=lambda digits: msgspec.Raw(str(digits).encode())).encode
_decode = msgspec.json.Decoder(float_hook=Digits).decode

Field = dict[str, Any]
Values = Mapping[str, Any]


def faults_of(schema: str, values: Values) -> list[str]:
    """Return what is wrong with *values* in a form, a sentence for each field, in the order of the form.

    *schema* is the JSON of the form; one that is none has no rules.
    """
    try:
        form = _decode(schema)
    except (msgspec.DecodeError, RecursionError):
        return []
    components = form.get("components") if isinstance(form, dict) else None
    with feel.sharing(feel.Allowance()):
        fields = islice(_fields(components, values, values, 0), FIELDS_MAX)
        faults = [(field, _fault(field, value, values)) for field, value in fields]
    return [f"'{_label(field)}' {fault}" for field, fault in faults if fault]


def in_words(faults: list[str]) -> str:
    """Join faults to one sentence."""
    more = len(faults) - NAMED_MAX
    return ", ".join(faults[:NAMED_MAX]) + (f", and {more} more" if more > 0 else "")


def _fields(components: Any, here: Values, all_values: Values, depth: int) -> Iterator[tuple[Field, Any]]:
    """Yield each field that a person can fill in, with its value."""
    for field in components if isinstance(components, list) and depth < DEPTH_MAX else ():
        if not isinstance(field, dict) or _is_hidden(field, all_values):
            continue
        kind, place = field.get("type"), str(field.get("path") or "")
        if kind == "group":
            yield from _fields(field.get("components"), _at(here, place), all_values, depth + 1)
        elif kind == "dynamiclist":
            rows = _value_at(here, place)
            for row in rows if isinstance(rows, list) else ():
                given = row if isinstance(row, dict) else {}
                yield from _fields(field.get("components"), given, {**all_values, **given}, depth + 1)
        elif field.get("key") and kind not in _WITHOUT_VALUE and not _is_fixed(field, all_values):
            yield field, _value_at(here, str(field["key"]))


def _at(values: Values, path: str) -> Values:
    found = _value_at(values, path) if path else values
    return found if isinstance(found, Mapping) else {}


def _value_at(values: Values, path: str) -> Any:
    found: Any = values
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _is_hidden(field: Field, values: Values) -> bool:
    condition = field.get("conditional")
    return isinstance(condition, dict) and _computed(condition.get("hide"), values) is True


def _is_fixed(field: Field, values: Values) -> bool:
    return field.get("disabled") is True or _computed(field.get("readonly"), values) is True


def _computed(given: Any, values: Values) -> Any:
    """Return a property of the form: the value of its expression, if it is one; None if that fails."""
    if not isinstance(given, str) or not given.startswith("="):
        return given
    try:
        result = compile_feel(given[1:]).evaluate(_Scope(values))
    except UnreadableExpression:
        return None
    return None if result.failure is not None else result.value


class _Scope:
    """The values as expressions read them: JSON that is parsed by their language."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def __getitem__(self, name: str) -> msgspec.Raw:
        return msgspec.Raw(_encode(self._values[name]))


def _label(field: Field) -> str:
    return str(field.get("label") or field.get("dateLabel") or field["key"])[:100]


# --- the rules of one field


def _fault(field: Field, value: Any, values: Values) -> str:
    """Return what is wrong with the value of a field; empty if nothing is."""
    given = field.get("validate")
    rules = {name: _computed(rule, values) for name, rule in given.items()} if isinstance(given, dict) else {}
    is_unchecked = field.get("type") == "checkbox" and value is False
    if value is None or value in ("", []) or is_unchecked:
        return "is required" if rules.get("required") is True else ""
    if field.get("type") == "number":
        return _fault_of_number(field, rules, value)
    choices = _choices(field)
    if choices is not None:
        return _fault_of_choice(str(field.get("type")), choices, value)
    if isinstance(value, str):
        return _fault_of_text(rules, value)
    return ""


def _fault_of_number(field: Field, rules: dict[str, Any], value: Any) -> str:
    number, digits, step = _number(value), field.get("decimalDigits"), _number(field.get("increment"))
    least, most = _number(rules.get("min")), _number(rules.get("max"))
    if number is None:
        return "is no number"
    if isinstance(digits, int) and digits >= 0 and _decimal_digits(number) > digits:
        return f"has more than {digits} decimal digits"
    if step and not _is_multiple(number, step):
        return f"is no multiple of {step}"
    if least is not None and number < least:
        return f"is below {least}"
    if most is not None and number > most:
        return f"is above {most}"
    return ""


def _number(value: Any) -> Decimal | None:
    """Return a number, or a text that is one; None for anything else."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _decimal_digits(number: Decimal) -> int:
    """Return the number of decimal digits without zeros at the end, which any number has: it may have an exponent of millions."""
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits))
    return max(-int(exponent) - (len(text) - len(text.rstrip("0"))), 0) if number else 0


def _is_multiple(number: Decimal, step: Decimal) -> bool:
    try:
        return number % step == 0
    except InvalidOperation:  # the quotient has more digits than are computed
        return True


def _choices(field: Field) -> list[Any] | None:
    """Return the values that a field may have; None if it is free, or if they come from elsewhere."""
    given = field.get("values")
    if field.get("type") not in (*_ONE_OF, *_SOME_OF) or not isinstance(given, list):
        return None
    return [one.get("value") for one in given if isinstance(one, dict)]


def _fault_of_choice(kind: str, choices: list[Any], value: Any) -> str:
    if kind in _ONE_OF:
        return "" if value in choices else "is none of its choices"
    if not isinstance(value, list):
        return "is no list"
    return "" if all(one in choices for one in value) else "has a value that is none of its choices"


def _fault_of_text(rules: dict[str, Any], value: str) -> str:
    length, least, most = len(value.strip()), _number(rules.get("minLength")), _number(rules.get("maxLength"))
    pattern, kind = rules.get("pattern"), rules.get("validationType")
    if least is not None and length < least:
        return f"is shorter than {counted(least, 'character')}"
    if most is not None and length > most:
        return f"is longer than {counted(most, 'character')}"
    if kind == "email" and not _EMAIL.fullmatch(value):
        return "is no e-mail address"
    if kind == "phone" and not _PHONE.fullmatch(re.sub(r"[ ()/.-]", "", value)):
        return "is no phone number with its country code"
    if isinstance(pattern, str) and pattern and kind in (None, "", "custom") and not _matches(pattern, value):
        return "does not match its pattern"
    return ""


def _matches(pattern: str, value: str) -> bool:
    import re2  # costs more to load than most brokers ever need

    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES_MAX
    try:
        return re2.compile(pattern, options).search(value) is not None
    except re2.error:
        return True
