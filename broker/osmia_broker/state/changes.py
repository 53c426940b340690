"""The changes of rows that a command made, read from its journal.

The journal holds an undo note for each change, oldest first, without the steps that were taken back. So it tells what happened, in
order, and a command pays nothing for it. A row shows only its last values; the notes give those before.
"""

from collections.abc import Callable, Mapping
from typing import Any

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import RowValues
from osmia_broker.state.tables.definitions import VersionedTable
from osmia_broker.state.tables.elements import ElementTable
from osmia_broker.state.tables.variables import VariableTable


class Change:
    """One change of a row. It must be read before the row changes again."""

    __slots__ = ("_later", "before", "row")

    def __init__(self, row: Any, before: Mapping[str, Any] | None, later: Mapping[str, Any]) -> None:
        self.row = row
        self.before = before  #: the former values of the fields that changed, and of others perhaps; None of a new row
        self._later = later  # the values that later changes of the same command replaced

    @property
    def is_insert(self) -> bool:
        """Whether the row is new."""
        return self.before is None

    def value(self, field: str) -> Any:
        """Return the value of *field* right after this change."""
        return self._later[field] if field in self._later else getattr(self.row, field)

    def was(self, field: str) -> Any:
        """Return the value of *field* right before this change; of a new row None."""
        if self.before is None:
            return None
        return self.before[field] if field in self.before else self.value(field)

    def is_set(self, field: str) -> bool:
        """Whether this change gave *field* another value, or the row is new."""
        return self.before is None or (field in self.before and self.before[field] != self.value(field))


def changes_of(journal: Journal) -> list[Change]:
    """Return the changes of rows since the journal was cleared, oldest first."""
    changes: list[Change] = []
    later_of: dict[int, dict[str, Any]] = {}  # by identity of the row: the values that notes passed so far replaced
    for undo, arguments in reversed(journal.notes()):
        owner = getattr(undo, "__self__", None)
        if isinstance(owner, VersionedTable):
            changes.append(_of_version(owner, *arguments))
        elif (read := _READERS.get(getattr(undo, "__func__", None))) is not None:
            row, before = arguments[0], read(*arguments)
            later = later_of.setdefault(id(row), {})
            changes.append(Change(row, before, dict(later)))
            if before is not None:
                later.update(before)
    changes.reverse()
    return changes


def _of_version(table: VersionedTable[Any], key: int, before: Any, _changed_before: Any) -> Change:
    """Return the change of a definition. A command deploys a version, or deletes it: never both."""
    return Change(table.get(key), None if before is None else {"deleted_ms": before.deleted_ms}, {})


def _inserted(_row: Any) -> None:
    return None


def _updated(row: Any, before: RowValues, _was_changed: bool) -> Mapping[str, Any]:
    return dict(zip(KINDS[type(row)].columns, before, strict=True))


def _variable_updated(_row: Any, value: str, _was_changed: bool) -> Mapping[str, Any]:
    return {"value": value}


def _set(_row: Any, name: str, before: Any, _was_changed: bool) -> Mapping[str, Any]:
    return {name: before}


def _left(_row: Any, state: Any, _was_changed: bool) -> Mapping[str, Any]:
    return {"ended_ms": 0, "state": state}


def _deleted(_row: Any, _was_changed: bool) -> Mapping[str, Any]:
    return {}


#: The values before a change, by its undo function, from the arguments of that.
_READERS: dict[Any, Callable[..., Mapping[str, Any] | None]] = {
    Table.undo_insert: _inserted,
    Table.undo_update: _updated,
    Table.undo_set: _set,
    Table.undo_end: _updated,
    Table.undo_delete: _deleted,
    ElementTable.undo_leave: _left,
    VariableTable.undo_insert: _inserted,
    VariableTable.undo_update: _variable_updated,
}
