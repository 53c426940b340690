"""What the start events of the latest processes wait for; always in memory as a whole, as the definitions are."""

from collections.abc import Iterable

from osmia_broker.state.journal import Journal
from osmia_broker.state.kinds import KINDS
from osmia_broker.state.rows import StartSubscription, SubscriptionKind
from osmia_broker.state.store_protocol import RowValues
from osmia_broker.state.table import drop, in_order, take_values, values_of


class StartSubscriptions:
    """The living start subscriptions, by what they wait for and by definition."""

    __slots__ = ("_by_definition", "_by_name", "_changed", "_journal", "_values")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._values = values_of(KINDS[StartSubscription])
        self._by_name: dict[tuple[SubscriptionKind, str], dict[int, StartSubscription]] = {}
        self._by_definition: dict[int, dict[int, StartSubscription]] = {}
        self._changed: dict[int, StartSubscription] = {}

    def by_name(self, kind: SubscriptionKind, name: str) -> list[StartSubscription]:
        """Return those that wait for a message or signal of this *name* (empty for conditions), in order of their keys."""
        return in_order(self._by_name.get((kind, name)))

    def of_definition(self, process_definition_key: int) -> list[StartSubscription]:
        """Return those of one process definition, in order of their keys."""
        return in_order(self._by_definition.get(process_definition_key))

    def insert(self, row: StartSubscription) -> None:
        """Add a row."""
        self._enter(row)
        self._changed[row.key] = row
        self._journal.note(self._undo_insert, row)

    def end(self, row: StartSubscription, ended_ms: int) -> None:
        """End a row."""
        self._journal.note(self._undo_end, row, row.key in self._changed)
        row.ended_ms = ended_ms
        self._changed[row.key] = row
        self._leave(row)

    def admit(self, rows: Iterable[StartSubscription]) -> None:
        """Take in rows that were loaded; ended ones are passed over."""
        for row in rows:
            if not row.ended_ms:
                self._enter(row)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows changed since the last call."""
        return take_values(self._changed, self._values) if self._changed else []

    def _enter(self, row: StartSubscription) -> None:
        self._by_name.setdefault((row.kind, row.name), {})[row.key] = row
        self._by_definition.setdefault(row.process_definition_key, {})[row.key] = row

    def _leave(self, row: StartSubscription) -> None:
        drop(self._by_name, (row.kind, row.name), row.key)
        drop(self._by_definition, row.process_definition_key, row.key)

    def _undo_insert(self, row: StartSubscription) -> None:
        self._leave(row)
        self._changed.pop(row.key, None)

    def _undo_end(self, row: StartSubscription, was_changed: bool) -> None:
        row.ended_ms = 0
        if not was_changed:
            self._changed.pop(row.key, None)
        self._enter(row)
