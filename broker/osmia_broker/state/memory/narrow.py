"""A table whose commits set only the columns that have changed.

It pays for itself where a row has many indexes and few columns change at a time: a store rewrites each index that has a column among those
that it sets, whether their values differ or not. New rows are written as a whole, and so are rows that end: that changes nearly every
index anyway, and they share one statement.
"""

from collections.abc import Collection
from typing import Any, Generic, TypeVar

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table

R = TypeVar("R")


class NarrowTable(Table[R], Generic[R]):
    """A table that knows which columns of a living stored row have changed since the changes were taken last."""

    __slots__ = ("_names", "_whole")

    def __init__(self, row_type: type[R], journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(row_type, journal, residency, deadlines)
        # A change that is undone leaves its names here. To set a column that has not changed does no harm.
        self._names: dict[int, set[str]] = {}
        self._whole: set[int] = set()  # rows that are new or have ended

    def insert(self, row: Any) -> None:
        """Add a new row."""
        super().insert(row)
        self._whole.add(row.key)

    def update(self, row: Any, **changes: Any) -> None:
        """Set the fields named in *changes*; each must be declared as changing in `rows`."""
        super().update(row, **changes)
        self._changes(row.key, changes)

    def set(self, row: Any, name: str, value: Any) -> None:
        """Set one field, as `Table.set`."""
        super().set(row, name, value)
        self._changes(row.key, (name,))

    def end(self, row: Any, ended_ms: int, **changes: Any) -> None:
        """Set the fields named in *changes* and the end of the row, as `Table.end`."""
        super().end(row, ended_ms, **changes)
        self._whole.add(row.key)
        self._names.pop(row.key, None)

    def take_changed(self) -> dict[int, frozenset[str]]:
        """Return the columns that have changed since the last call, by the keys of rows that the store has."""
        self._whole.clear()
        if not self._names:
            return {}
        taken = {key: frozenset(names) for key, names in self._names.items()}
        self._names.clear()
        return taken

    def _changes(self, key: int, names: Collection[str]) -> None:
        if key in self._whole or not names:
            return
        known = self._names.get(key)
        if known is None:
            self._names[key] = set(names)
        else:
            known.update(names)
