"""The events that element instances wait for, in memory, and those of them that wait for a condition."""

from operator import attrgetter

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.index import Index
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import Subscription, SubscriptionKind

_CONDITION = SubscriptionKind.CONDITION


class SubscriptionTable(Table[Subscription]):
    """The resident living subscriptions. `conditions` has those that wait for a condition, by process instance.

    Each change of a variable asks for these, and an instance may have very many others.
    """

    __slots__ = ("conditions",)

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(Subscription, journal, residency, deadlines)
        self.conditions: Index[Subscription] = Index(attrgetter("process_instance_key"))

    def _entered(self, row: Subscription) -> None:
        if row.kind is _CONDITION:
            self.conditions.enter(row)

    def _left(self, row: Subscription) -> None:
        if row.kind is _CONDITION:
            self.conditions.leave(row)
