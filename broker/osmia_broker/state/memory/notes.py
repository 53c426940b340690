"""Rows that the engine writes and never reads: history, and what only lists need.

They are no part of a process instance in memory. A row is replaced by another one with the same primary key.
"""

from operator import attrgetter
from typing import Any

from msgspec.structs import astuple

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import RowValues


class Notes:
    """The rows of one class that the next commit writes."""

    __slots__ = ("_journal", "_key", "changed")

    def __init__(self, row_type: type, journal: Journal) -> None:
        kind = KINDS[row_type]
        self._journal = journal
        self._key = attrgetter(*kind.primary_key)
        self.changed: dict[Any, RowValues] = {}

    def write(self, row: Any) -> None:
        """Write *row*, in place of one with the same primary key."""
        key = self._key(row)
        self._journal.append((self._undo, (key, self.changed.get(key))))
        self.changed[key] = astuple(row)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows written since the last call."""
        if not self.changed:
            return []
        taken = list(self.changed.values())
        self.changed.clear()
        return taken

    def _undo(self, key: Any, before: RowValues | None) -> None:
        if before is None:
            del self.changed[key]
        else:
            self.changed[key] = before
