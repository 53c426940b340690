"""Living rows of one kind, by key and by process instance; the only place where a row is changed.

A table knows three things at any moment: the rows that live, the rows changed since the last commit, and (through the journal)
how to go back. Indexes of a special table hang off `_entered` and `_left`, which see every coming and going, undone ones too.
"""

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from osmia_broker.state.exchange import RowValues
from osmia_broker.state.journal import Journal
from osmia_broker.state.rows import Row


class InstanceRow(Protocol):
    """A row that belongs to a process instance."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    key: int
    process_instance_key: int
    ended_ms: int


R = TypeVar("R", bound=InstanceRow)


def values_of(row_type: type[Row]) -> "attrgetter[RowValues]":
    """The function that turns a row of *row_type* into its values, in column order."""
    return attrgetter(*(field.name for field in fields(row_type)))


class Table(Generic[R]):
    """The resident living rows of one kind that belong to process instances."""

    __slots__ = ("_by_instance", "_changed", "_journal", "_rows", "_values")

    def __init__(self, row_type: type[Row], journal: Journal) -> None:
        self._journal = journal
        self._values = values_of(row_type)
        self._rows: dict[int, R] = {}
        self._by_instance: dict[int, dict[int, R]] = {}
        self._changed: dict[int, R] = {}

    def get(self, key: int) -> R | None:
        """The living resident row of *key*, or None. Whether a row may be elsewhere is the state's question."""
        return self._rows.get(key)

    def __getitem__(self, key: int) -> R:
        return self._rows[key]

    def __contains__(self, key: int) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def of_instance(self, process_instance_key: int) -> list[R]:
        """The living rows of a resident process instance, in order of their keys."""
        rows = self._by_instance.get(process_instance_key)
        return [rows[key] for key in sorted(rows)] if rows else []

    def insert(self, row: R) -> None:
        """Add a new row."""
        assert row.key not in self._rows, f"{row} is there already"
        self._changed[row.key] = row
        self._enter(row)
        self._journal.note(self._undo_insert, row)

    def update(self, row: R, **changes: Any) -> None:
        """Set the fields named in *changes*."""
        before = [(name, getattr(row, name)) for name in changes]
        self._journal.note(self._undo_update, row, before, row.key in self._changed)
        for name, value in changes.items():
            setattr(row, name, value)
        self._changed[row.key] = row

    def end(self, row: R, ended_ms: int, **changes: Any) -> None:
        """Set the fields named in *changes* and the end; the row lives no longer, here or for a load."""
        self.update(row, ended_ms=ended_ms, **changes)
        self._leave(row)
        self._journal.note(self._enter, row)

    def admit(self, rows: Iterable[R]) -> None:
        """Take rows in that were loaded; they are as stored, so nothing is changed."""
        for row in rows:
            self._enter(row)

    def evict(self, process_instance_key: int) -> None:
        """Forget a process instance's rows; all of its changes must be committed."""
        for row in list(self._by_instance.get(process_instance_key, {}).values()):
            self._leave(row)

    def changed_instances(self) -> set[int]:
        """The process instances with changes that no commit has taken yet."""
        return {row.process_instance_key for row in self._changed.values()}

    def take_changes(self) -> list[RowValues]:
        """The values of all rows changed since the last call."""
        taken = [self._values(row) for row in self._changed.values()]
        self._changed.clear()
        return taken

    def _enter(self, row: R) -> None:
        self._rows[row.key] = row
        rows = self._by_instance.get(row.process_instance_key)
        if rows is None:
            self._by_instance[row.process_instance_key] = {row.key: row}
        else:
            rows[row.key] = row
        self._entered(row)

    def _leave(self, row: R) -> None:
        del self._rows[row.key]
        rows = self._by_instance[row.process_instance_key]
        del rows[row.key]
        if not rows:
            del self._by_instance[row.process_instance_key]
        self._left(row)

    def _entered(self, row: R) -> None:
        """An index takes the row in."""

    def _left(self, row: R) -> None:
        """An index drops the row."""

    def _undo_insert(self, row: R) -> None:
        self._leave(row)
        del self._changed[row.key]

    def _undo_update(self, row: R, before: list[tuple[str, Any]], was_changed: bool) -> None:
        for name, value in before:
            setattr(row, name, value)
        if not was_changed:
            self._changed.pop(row.key, None)


class ChildTable(Table[R]):
    """Rows that keep their scope open: element instances, and tokens that wait at a join.

    Several such tables share one *children* count, from the key of a scope to the number of what lives in it.
    """

    __slots__ = ("children",)

    def __init__(self, row_type: type[Row], journal: Journal, children: dict[int, int]) -> None:
        super().__init__(row_type, journal)
        self.children = children

    def _entered(self, row: Any) -> None:
        self.children[row.scope_key] = self.children.get(row.scope_key, 0) + 1

    def _left(self, row: Any) -> None:
        left = self.children[row.scope_key] - 1
        if left:
            self.children[row.scope_key] = left
        else:
            del self.children[row.scope_key]
