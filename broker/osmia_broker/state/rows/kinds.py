"""The registry of stored tables: how a row class declares its table, and what follows from that.

`@stored` names the table of a row class and says how its rows are found; `Changing` marks the fields that may be set again after the row was
inserted. The schema, the loads, the commit, residency and undo all follow from these declarations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any, TypeVar, get_origin

import msgspec

T = TypeVar("T")
R = TypeVar("R", bound="type[StoredRow]")

MIGRATED = ("process_definition_key", "element_id")  #: the columns of a row about an element that a migration changes


_CHANGES = object()
Changing = Annotated[T, _CHANGES]  #: the type of a field that may be set again after its row was inserted


class StoredRow(msgspec.Struct, gc=False):
    """A row of a stored table. It holds plain values alone, so the garbage collector passes over it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The declaration of one stored table."""

    row_type: type[StoredRow]
    table: str
    primary_key: tuple[str, ...]
    columns: tuple[str, ...]
    types: tuple[type, ...]  #: of the values, in the order of the columns
    changing: frozenset[str]  #: columns that may be set again
    of_instance: bool  #: its rows belong to a process instance, come into memory with it and leave with it
    is_history: bool  #: its rows are only written, tell about a process instance, and are erased with it
    ends: bool  #: its rows are ended (`ended_ms`), not deleted
    lookups: tuple[str, ...]  #: columns, never changing, by which the rows in memory are found
    due: str  #: the column with the time at which something must happen to the row (0: nothing); empty if there is none
    enums: dict[str, type[StrEnum]]  #: columns that hold one of these values
    sized: tuple[str, ...]  #: text columns that may be large and count towards the memory bound
    #: Columns that never change, by whose values living rows are found in the store too.
    matches: tuple[tuple[str, ...], ...]


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
) -> Callable[[R], R]:
    """Declare the decorated class as the row of *table*. The columns *migrated* change when the process instance is migrated."""

    def register(row_type: R) -> R:
        hints: dict[str, Any] = row_type.__annotations__
        marked = {name for name, hint in hints.items() if get_origin(hint) is Annotated}
        types: dict[str, type] = {name: hint.__origin__ if name in marked else hint for name, hint in hints.items()}
        may_change = frozenset(marked) | {*migrated}
        fixed = types.keys() - may_change
        assert {*primary_key, *lookups, *chain(*matches)} <= fixed, (
            f"{row_type.__name__}: keys and look-ups never change"
        )
        assert not due or due in may_change, f"{row_type.__name__}: {due} is no changing column"
        KINDS[row_type] = Kind(
            row_type=row_type,
            table=table,
            primary_key=primary_key,
            columns=tuple(types),
            types=tuple(types.values()),
            changing=may_change,
            of_instance=of_instance,
            is_history=is_history,
            ends="ended_ms" in types,
            lookups=lookups,
            due=due,
            enums={name: type for name, type in types.items() if issubclass(type, StrEnum)},
            sized=sized,
            matches=matches,
        )
        return row_type

    return register
