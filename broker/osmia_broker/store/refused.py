"""The search for a value that no column can hold, after a database has refused a batch of changes because of one."""

from collections.abc import Iterator
from typing import Any

from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.storable import INT64, NUL, half_pair
from osmia_broker.state.store_protocol import Changes
from osmia_broker.store import schema

VALUE_CHARACTERS_MAX = 60  # of a value that is quoted


def refused_value(changes: Changes, *, refuses_nul: bool = False) -> str | None:
    """Return a text that names the first value in *changes* that no database can store; None if there is none.

    A database that *refuses_nul* has no place for a text with the character NUL either.
    """
    if changes.next_key not in INT64:
        return f"an integer beyond 64 bits in partition.next_key: {_quoted(changes.next_key)}"
    for table, column, type_, value in _values(changes):
        fault = _fault(type_, value) or ("a text with NUL" if refuses_nul and _has_nul(value) else "")
        if fault:
            return f"{fault} in {table}.{column}: {_quoted(value)}"
    return None


def largest_value(changes: Changes) -> str:
    """Return a text that names the largest value in *changes*."""
    sized = ((table, column, value) for table, column, _, value in _values(changes) if isinstance(value, str | bytes))
    table, column, value = max(sized, key=lambda one: len(one[2]), default=("", "", ""))
    return f"a value of {len(value)} characters or bytes in {table}.{column}"


def _values(changes: Changes) -> Iterator[tuple[str, str, type, Any]]:
    """Yield every value with its table, its column, and the type of that column."""
    for row_type, rows in changes.written.items():
        kind = KINDS[row_type]
        for values in rows:
            for column, type_, value in zip(kind.columns, schema.VALUE_TYPES[row_type], values, strict=True):
                yield kind.table, column, type_, value
    for row_type, keys in changes.deleted.items():
        kind = KINDS[row_type]
        types = dict(zip(kind.columns, schema.VALUE_TYPES[row_type], strict=True))
        for key in keys:
            for column, value in zip(kind.primary_key, key, strict=True):
                yield kind.table, column, types[column], value


def _fault(type_: type, value: Any) -> str:
    """Return why a column of *type_* cannot hold *value*; empty if it can."""
    if not isinstance(value, type_):
        return f"a value that is no {type_.__name__}"
    if isinstance(value, int) and value not in INT64:
        return "an integer beyond 64 bits"
    if isinstance(value, str) and half_pair(value) is not None:
        return "a text with half a surrogate pair"
    return ""


def _has_nul(value: Any) -> bool:
    return isinstance(value, str) and NUL in value


def _quoted(value: Any) -> str:
    """Return the beginning of *value* as text. Python refuses to write an integer of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > VALUE_CHARACTERS_MAX * 3:
        return f"about 2^{value.bit_length() - 1}"
    return f"{value!a:.{VALUE_CHARACTERS_MAX}}"
