"""Rows of one kind in memory, by key, by process instance and by look-up; the only place where a row is changed.

A table knows three things at any moment: the rows that live, the rows changed since the last commit, and (through the journal) how to
go back. Further indexes of a special table hang on `_entered` and `_left`, which see every row come and go, undone changes included.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Generic, TypeVar

from msgspec.structs import astuple

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.index import Index, enter_all, leave_all
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import ROW_BYTES, Residency
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import RowValues

R = TypeVar("R")


def take_values(changed: dict[Any, Any]) -> list[RowValues]:
    """Return the values of the rows in *changed*, in the order of their columns, and empty it: they are the commit's now."""
    taken = [*map(astuple, changed.values())]
    changed.clear()
    return taken


def _text_size(columns: tuple[str, ...]) -> Callable[[Any], int]:
    """Return the function for the number of characters that a row has in these *columns*."""
    texts_of = attrgetter(*columns)
    if len(columns) == 1:
        return lambda row: len(texts_of(row))
    return lambda row: sum(map(len, texts_of(row)))


class Table(Generic[R]):
    """The resident living rows of one kind that belong to process instances.

    A row with a due time wakes the partition up at that time. Rows of a kind with `matches` are also found by these columns.
    """

    __slots__ = (
        "_by_instance",
        "_changing",
        "_deadlines",
        "_due",
        "_grow",
        "_grown",
        "_indexes",
        "_journal",
        "_lookups",
        "_matches",
        "_may_grow",
        "_note",
        "_residency",
        "_rows",
        "_settable",
        "_text_size",
        "_touch",
        "changed",
        "deleted",
        "get",
        "kind",
        "living",
    )

    def __init__(self, row_type: type[R], journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        self.kind = kind = KINDS[row_type]
        self._journal = journal
        self._note = journal.append
        self._residency = residency
        self._deadlines = deadlines
        self._due = kind.due
        self._touch = residency.touch
        self._grow, self._grown = residency.grow, residency.grown
        self._changing = kind.changing
        self._text_size = _text_size(kind.sized) if kind.sized else None
        self._may_grow = kind.changing.intersection(kind.sized)
        self._settable = kind.changing - {kind.due, *kind.sized}
        #: The living resident rows by key. Only to be read by others, where each step asks whether there are any; always the same object.
        self.living: dict[int, R] = {}
        self._rows = self.living
        #: Return the living resident row of a key, or None. Whether it may be in the store is the state's question.
        self.get: Callable[[int], R | None] = self._rows.get
        self._by_instance: Index[R] = Index(attrgetter("process_instance_key"))
        self._lookups: dict[str, Index[R]] = {name: Index(attrgetter(name)) for name in kind.lookups}
        self._matches: dict[tuple[str, ...], Index[R]] = {
            columns: Index(attrgetter(*columns)) for columns in kind.matches
        }
        self._indexes = (self._by_instance, *self._lookups.values(), *self._matches.values())
        #: The rows that the next commit writes, and those that it deletes; always the same objects.
        self.changed: dict[int, R] = {}
        self.deleted: dict[int, R] = {}

    # --- finding

    def __getitem__(self, key: int) -> R:
        return self._rows[key]

    def __contains__(self, key: int) -> bool:
        return key in self._rows

    def has_left(self, key: int) -> bool:
        """Return whether the row of *key* has ended, or was deleted, since the changes were taken last: the store knows it as living."""
        return key not in self._rows and (key in self.changed or key in self.deleted)

    def __len__(self) -> int:
        return len(self._rows)

    def of_instance(self, process_instance_key: int) -> list[R]:
        """Return the living rows of a resident process instance, in order of their keys."""
        return self._by_instance.rows(process_instance_key)

    def some_of_instance(self, process_instance_key: int, after: int, through: int, number: int) -> list[R]:
        """Return the *number* living rows of a resident process instance with the lowest keys above *after* and at most *through*, in their order."""
        return self._by_instance.between(process_instance_key, after, through, number)

    def has_any_of_instance(self, process_instance_key: int) -> bool:
        """Return whether a resident process instance has a living row."""
        return process_instance_key in self._by_instance.places

    def count_of_instance(self, process_instance_key: int) -> int:
        """Return how many living rows a resident process instance has."""
        return self._by_instance.count(process_instance_key)

    def by(self, lookup: str, value: int) -> list[R]:
        """Return the living rows whose column *lookup* has this *value*, in order of their keys."""
        return self._lookups[lookup].rows(value)

    def first_by(self, lookup: str, value: int) -> R | None:
        """Return the living row of the lowest key whose column *lookup* has this *value*; None if there is none."""
        return self._lookups[lookup].first(value)

    def has_any(self, lookup: str, value: int) -> bool:
        """Return whether a living row has this *value* in its column *lookup*."""
        return value in self._lookups[lookup].places

    def matching(self, columns: tuple[str, ...], values: tuple[str | int, ...], after: int, through: int) -> list[R]:
        """Return the resident living rows whose *columns*, one of the kind's `matches`, have these *values*, in order of their keys.

        The keys are above *after* and at most *through*.
        """
        return self._matches[columns].between(values if len(values) > 1 else values[0], after, through)

    # --- changing

    def insert(self, row: Any) -> None:
        """Add a new row."""
        assert row.key not in self._rows, f"{row} is there already"
        self.changed[row.key] = row
        self._enter(row)
        self._touch(row.process_instance_key)
        self._note((self.undo_insert, (row,)))
        if self._due:
            self._schedule(row)

    def update(self, row: Any, **changes: Any) -> None:
        """Set the fields named in *changes*; each must be declared as changing in `rows`."""
        key = row.key
        grown = 0
        if self._may_grow and not self._may_grow.isdisjoint(changes):
            grown = sum(len(changes[name]) - len(getattr(row, name)) for name in self._may_grow.intersection(changes))
        self._note((self.undo_update, (row, self._set_all(row, changes), key in self.changed)))
        self.changed[key] = row
        self._touch(row.process_instance_key)
        if grown:
            self._grow(row.process_instance_key, grown)
            self._note((self._grow, (row.process_instance_key, -grown)))
        if self._due:
            self._schedule(row)

    def set(self, row: Any, name: str, value: Any) -> None:
        """Set one field that is neither a due time nor sized, as `update` does, at two thirds of its cost."""
        assert name in self._settable, f"{name} of {row} never changes, or only by `update`"
        key = row.key
        self._note((self.undo_set, (row, name, getattr(row, name), key in self.changed)))
        setattr(row, name, value)
        self.changed[key] = row
        self._touch(row.process_instance_key)

    def end(self, row: Any, ended_ms: int, **changes: Any) -> None:
        """Set the fields named in *changes* and the end of the row. From now on no look-up and no load finds it."""
        key = row.key
        self._leave(row)
        before = self._set_all(row, changes)
        row.ended_ms = ended_ms
        self._note((self.undo_end, (row, before, key in self.changed)))
        self.changed[key] = row
        self._touch(row.process_instance_key)

    def _set_all(self, row: Any, changes: dict[str, Any]) -> RowValues:
        """Set the fields named in *changes*; return all values of the row before, which is cheaper than to pick those that change."""
        assert self._changing.issuperset(changes), f"{changes.keys() - self._changing} of {row} never change"
        before: RowValues = astuple(row)
        for name, value in changes.items():
            setattr(row, name, value)
        return before

    def delete(self, row: Any) -> None:
        """Remove a row of a kind that keeps no history."""
        assert not self.kind.ends, f"{row} is ended, not deleted"
        was_changed = self.changed.pop(row.key, None) is not None
        self.deleted[row.key] = row
        self._leave(row)
        self._touch(row.process_instance_key)
        self._note((self.undo_delete, (row, was_changed)))

    # --- to and from the store

    def admit(self, rows: Iterable[R]) -> None:
        """Take in rows that were loaded."""
        for row in rows:
            self._enter(row)

    def evict(self, process_instance_key: int) -> None:
        """Forget the rows of a process instance; all of its changes must be committed."""
        for row in self._by_instance.rows(process_instance_key):
            self._leave(row)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows changed since the last call."""
        return take_values(self.changed) if self.changed else []

    def take_deleted(self) -> list[RowValues]:
        """Return the primary keys of all rows deleted since the last call."""
        if not self.deleted:
            return []
        taken: list[RowValues] = [(key,) for key in self.deleted]
        self.deleted.clear()
        return taken

    def _schedule(self, row: Any) -> None:
        """Wake up for the row at its due time."""
        due_ms = getattr(row, self._due)
        if due_ms > 0:
            self._deadlines.add(due_ms)

    # --- indexes

    def _enter(self, row: Any) -> None:
        self._rows[row.key] = row
        enter_all(self._indexes, row)
        text_size = self._text_size
        self._grown[row.process_instance_key] += ROW_BYTES if text_size is None else ROW_BYTES + text_size(row)
        self._entered(row)

    def _leave(self, row: Any) -> None:
        del self._rows[row.key]
        leave_all(self._indexes, row)
        text_size = self._text_size
        self._grown[row.process_instance_key] -= ROW_BYTES if text_size is None else ROW_BYTES + text_size(row)
        self._left(row)

    def _entered(self, row: R) -> None:
        """Take the row into a further index."""

    def _left(self, row: R) -> None:
        """Drop the row from a further index."""

    # --- undo

    def undo_insert(self, row: Any) -> None:
        """Take the inserted row out again."""
        self._leave(row)
        del self.changed[row.key]

    def undo_update(self, row: Any, before: RowValues, was_changed: bool) -> None:
        """Give the row its former values again."""
        for name, value in zip(self.kind.columns, before, strict=True):
            setattr(row, name, value)
        if not was_changed:
            self.changed.pop(row.key, None)

    def undo_set(self, row: Any, name: str, before: Any, was_changed: bool) -> None:
        """Give one field of the row its former value again."""
        setattr(row, name, before)
        if not was_changed:
            self.changed.pop(row.key, None)

    def undo_end(self, row: Any, before: RowValues, was_changed: bool) -> None:
        """Let the row live again, with its former values."""
        self.undo_update(row, before, was_changed)
        self._enter(row)

    def undo_delete(self, row: Any, was_changed: bool) -> None:
        """Put the deleted row back."""
        del self.deleted[row.key]
        self._enter(row)
        if was_changed:
            self.changed[row.key] = row
