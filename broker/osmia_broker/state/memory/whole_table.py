"""Rows of a kind of which there are few: always in memory as a whole, as the definitions are.

A row is never changed. A changed copy is put in its place, so undoing puts the old one back, and whoever holds a row sees no change.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Generic, TypeVar

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.table import take_values
from osmia_broker.state.store_protocol import RowValues

R = TypeVar("R")


class WholeTable(Generic[R]):
    """The living rows of one kind by their key. Those with a value in the column *over*, if one is given, do not live any more.

    Further indexes of a special table hang on `_entered` and `_left`, which see every row come and go, undone changes included.
    """

    __slots__ = ("_is_over", "_journal", "_key", "_rows", "changed")

    def __init__(self, row_type: type[R], journal: Journal, *, key: str = "key", over: str = "") -> None:
        self._journal = journal
        self._key = attrgetter(key)
        self._is_over = attrgetter(over) if over else _never
        self._rows: dict[Any, R] = {}
        self.changed: dict[Any, R] = {}

    def get(self, key: Any) -> R | None:
        """Return the living row of this key."""
        return self._rows.get(key)

    def living(self) -> Iterable[R]:
        """Return all living rows."""
        return self._rows.values()

    def put(self, row: R) -> R:
        """Add a row, or put it in the place of the one with its key; return it."""
        key = self._key(row)
        self._journal.note(self._restore, key, self._rows.get(key), self.changed.get(key))
        self.changed[key] = row
        self._set(key, row)
        return row

    def admit(self, rows: Iterable[R]) -> None:
        """Take in rows that were loaded."""
        for row in rows:
            self._set(self._key(row), row)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows changed since the last call."""
        return take_values(self.changed) if self.changed else []

    def _set(self, key: Any, row: R | None) -> None:
        before = self._rows.get(key)
        if before is not None:
            self._left(before)
        if row is None or self._is_over(row):
            self._rows.pop(key, None)
        else:
            self._rows[key] = row
            self._entered(row)

    def _restore(self, key: Any, before: R | None, changed_before: R | None) -> None:
        self._set(key, before)
        if changed_before is None:
            self.changed.pop(key, None)
        else:
            self.changed[key] = changed_before

    def _entered(self, row: R) -> None:
        """Add a row to the indexes."""

    def _left(self, row: R) -> None:
        """Remove a row from the indexes."""


def _never(_row: Any) -> bool:
    return False
