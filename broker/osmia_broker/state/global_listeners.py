"""The global task listeners; always in memory as a whole, as the definitions are."""

from collections.abc import Iterable
from typing import Any

from osmia_broker.state.journal import Journal
from osmia_broker.state.kinds import KINDS
from osmia_broker.state.store_protocol import RowValues
from osmia_broker.state.table import values_of
from osmia_broker.state.task_rows import GlobalTaskListener


class GlobalTaskListeners:
    """The listeners that are not deleted, by id."""

    __slots__ = ("_by_id", "_changed", "_journal", "_values")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._values = values_of(KINDS[GlobalTaskListener])
        self._by_id: dict[str, GlobalTaskListener] = {}
        self._changed: dict[int, RowValues] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, id: str) -> GlobalTaskListener | None:
        """Return the listener of this *id*."""
        return self._by_id.get(id)

    def in_order(self) -> list[GlobalTaskListener]:
        """Return all listeners in the order in which they work: those with the higher priority first, then by id."""
        return sorted(self._by_id.values(), key=lambda row: (-row.priority, row.id))

    def insert(self, row: GlobalTaskListener) -> None:
        """Add a listener."""
        assert row.id not in self._by_id, f"{row} is there already"
        self._by_id[row.id] = row
        self._journal.note(self._undo_insert, row)
        self._changed[row.key] = self._values(row)

    def update(self, row: GlobalTaskListener, **changes: Any) -> None:
        """Set the fields named in *changes*. A row with `deleted_ms` is found no longer."""
        before = [(name, getattr(row, name)) for name in changes]
        self._journal.note(self._undo_update, row, before, self._changed.get(row.key))
        for name, value in changes.items():
            setattr(row, name, value)
        if row.deleted_ms:
            del self._by_id[row.id]
        self._changed[row.key] = self._values(row)

    def admit(self, rows: Iterable[GlobalTaskListener]) -> None:
        """Take in rows that were loaded; deleted ones are passed over."""
        self._by_id.update((row.id, row) for row in rows if not row.deleted_ms)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows changed since the last call."""
        taken = list(self._changed.values())
        self._changed.clear()
        return taken

    def _undo_insert(self, row: GlobalTaskListener) -> None:
        del self._by_id[row.id]
        del self._changed[row.key]

    def _undo_update(self, row: GlobalTaskListener, before: list[tuple[str, Any]], changed: RowValues | None) -> None:
        for name, value in before:
            setattr(row, name, value)
        self._by_id[row.id] = row
        if changed is None:
            del self._changed[row.key]
        else:
            self._changed[row.key] = changed
