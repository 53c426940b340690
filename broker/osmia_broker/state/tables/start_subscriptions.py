"""The subscriptions of the start events of the latest processes."""

from operator import attrgetter

from msgspec.structs import replace

from osmia_broker.state.memory.index import Index
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.whole_table import WholeTable
from osmia_broker.state.rows import StartSubscription, SubscriptionKind


class StartSubscriptions(WholeTable[StartSubscription]):
    """The living start subscriptions, by what they wait for and by definition."""

    __slots__ = ("_by_definition", "_by_name")

    def __init__(self, journal: Journal) -> None:
        super().__init__(StartSubscription, journal, over="ended_ms")
        self._by_name: Index[StartSubscription] = Index(attrgetter("kind", "name"))
        self._by_definition: Index[StartSubscription] = Index(attrgetter("process_definition_key"))

    def by_name(self, kind: SubscriptionKind, name: str) -> list[StartSubscription]:
        """Return those that wait for a message or signal of this *name* (empty for conditions), in order of their keys."""
        return self._by_name.rows((kind, name))

    def of_definition(self, process_definition_key: int) -> list[StartSubscription]:
        """Return those of one process definition, in order of their keys."""
        return self._by_definition.rows(process_definition_key)

    def end(self, row: StartSubscription, ended_ms: int) -> None:
        """End a row."""
        self.put(replace(row, ended_ms=ended_ms))

    def _entered(self, row: StartSubscription) -> None:
        self._by_name.enter(row)
        self._by_definition.enter(row)

    def _left(self, row: StartSubscription) -> None:
        self._by_name.leave(row)
        self._by_definition.leave(row)
