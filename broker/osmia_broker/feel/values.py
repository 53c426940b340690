"""Define the values of FEEL and their forms in Python.

| FEEL | Python |
| --- | --- |
| null, boolean, string | None, bool, str |
| number | int below 10**34, else decimal.Decimal; never float |
| list | list |
| context | dict; `Context` if an expression made it, a plain dict if it came as a JSON document |
| range, function | Range, Function |
| date | datetime.date, or `FarDate` outside of the years 1 to 9999 |
| time, date and time, durations | the classes of `temporal` |
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from osmia_broker.feel.calendar import FarDate
from osmia_broker.feel.temporal import DateTime, DayTimeDuration, Time, YearMonthDuration

# One of the forms above. A union would have to be narrowed at each use although the operators already dispatch by type.
Value: TypeAlias = Any
Number: TypeAlias = int | Decimal


class Context(dict[str, Any]):
    """A context that an expression made; its numbers are written as FEEL writes numbers (2.0 as 2).

    A plain dict is a JSON document that is passed on: its numbers keep the form they came in.
    """

    __slots__ = ()


class Range(msgspec.Struct, frozen=True):
    """An interval as a value.

    With an *operator* it is a comparison as a value, such as `(< 5)`: unlike `(null..5)` it has an end without a bound.
    """

    start: Value
    start_included: bool
    end: Value
    end_included: bool
    operator: str = ""  # one of < <= > >= = !=


class Function(msgspec.Struct, frozen=True):
    """A function that can be called by the name it is bound to.

    *callable* takes one FEEL value for each of *parameters* and returns one. A built-in function as a value has *dispatch*
    instead, which takes all arguments and their names, because the number of its arguments may vary.
    """

    parameters: tuple[str, ...]
    callable: Callable[..., Value]
    dispatch: Callable[[list[Value], tuple[str, ...]], Value] | None = None


NUMBERS: frozenset[type] = frozenset({int, Decimal})
CONTEXTS: frozenset[type] = frozenset[type]((dict, Context))
DATES: frozenset[type] = frozenset({date, FarDate})
DURATIONS: frozenset[type] = frozenset({DayTimeDuration, YearMonthDuration})

_TYPE_NAMES = {
    type(None): "NULL",
    bool: "BOOLEAN",
    int: "NUMBER",
    Decimal: "NUMBER",
    str: "STRING",
    list: "ARRAY",
    dict: "OBJECT",
    Context: "OBJECT",
    date: "DATE",
    FarDate: "DATE",
    Time: "TIME",
    DateTime: "DATE_TIME",
    DayTimeDuration: "DURATION",
    YearMonthDuration: "PERIOD",
    Range: "RANGE",
    Function: "FUNCTION",
}


def type_name(value: Value) -> str:
    """Return the type of *value* as incidents name it: NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT, DATE, ..."""
    return _TYPE_NAMES.get(type(value), "UNKNOWN")


def is_number(value: Value) -> bool:
    """Tell whether *value* is a number; a boolean is none."""
    return type(value) in NUMBERS
