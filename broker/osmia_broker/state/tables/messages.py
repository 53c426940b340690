"""Kept messages, with a filter that knows which names and keys have none."""

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.filter import Filter
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import Message


class MessageTable(Table[Message]):
    """The resident kept messages. `kept` holds the name and the correlation key of every one, resident or not."""

    __slots__ = ("kept",)

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(Message, journal, residency, deadlines)
        self.kept = Filter()

    def insert(self, row: Message) -> None:
        """Keep a new message. The filter keeps it even if this is undone: that costs a question to the store, no answer."""
        super().insert(row)
        self.kept.add((row.name, row.correlation_key), row.expires_ms, row.published_ms)
