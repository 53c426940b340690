"""The registry of stored tables: how a row class declares its table, and what follows from that.

`@stored` names the table of a row class and says how its rows are found; `changing()` marks the fields that may be set again after the row was
inserted. The schema, the loads, the commit, residency and undo all follow from these declarations.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from itertools import chain
from typing import Any, TypeVar

T = TypeVar("T", bound=type)

MIGRATED = ("process_definition_key", "element_id")  #: the columns of a row about an element that a migration changes


def changing(default: Any = MISSING) -> Any:
    """Declare a field that may be set again after its row was inserted."""
    return field(default=default, metadata={"changes": True})


@dataclass(frozen=True, slots=True)
class Kind:
    """The declaration of one stored table."""

    row_type: type
    table: str
    primary_key: tuple[str, ...]
    columns: tuple[str, ...]
    changing: frozenset[str]  #: columns that may be set again
    of_instance: bool  #: its rows belong to a process instance, come into memory with it and leave with it
    is_history: bool  #: its rows are only written, tell about a process instance, and are erased with it
    ends: bool  #: its rows are ended (`ended_ms`), not deleted
    lookups: tuple[str, ...]  #: columns, never changing, by which the rows in memory are found
    due: str  #: the column with the time at which something must happen to the row (0: nothing); empty if there is none
    enums: dict[str, type[StrEnum]]  #: columns that hold one of these values
    sized: tuple[str, ...]  #: text columns that may be large and count towards the memory bound
    matches: tuple[
        tuple[str, ...], ...
    ]  #: columns, never changing, by whose values living rows are found in the store too


KINDS: dict[type, Kind] = {}  #: every stored row class, in the order of `rows`


def stored(
    table: str,
    *,
    primary_key: tuple[str, ...] = ("key",),
    of_instance: bool = False,
    is_history: bool = False,
    lookups: tuple[str, ...] = (),
    due: str = "",
    sized: tuple[str, ...] = (),
    matches: tuple[tuple[str, ...], ...] = (),
    migrated: tuple[str, ...] = (),
) -> Callable[[T], T]:
    """Declare the decorated dataclass as the row of *table*. The columns *migrated* change when the process instance is migrated."""

    def register(row_type: T) -> T:
        columns = {one.name: one for one in fields(row_type)}
        may_change = frozenset(name for name, one in columns.items() if one.metadata.get("changes")) | {*migrated}
        fixed = columns.keys() - may_change
        assert {*primary_key, *lookups, *chain(*matches)} <= fixed, (
            f"{row_type.__name__}: keys and look-ups never change"
        )
        assert not due or due in may_change, f"{row_type.__name__}: {due} is no changing column"
        KINDS[row_type] = Kind(
            row_type=row_type,
            table=table,
            primary_key=primary_key,
            columns=tuple(columns),
            changing=may_change,
            of_instance=of_instance,
            is_history=is_history,
            ends="ended_ms" in columns,
            lookups=lookups,
            due=due,
            enums={
                name: one.type
                for name, one in columns.items()
                if isinstance(one.type, type) and issubclass(one.type, StrEnum)
            },
            sized=sized,
            matches=matches,
        )
        return row_type

    return register
