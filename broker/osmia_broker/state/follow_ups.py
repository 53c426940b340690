"""Follow-ups in memory: commands that earlier commands left to be carried out later, exactly once."""

from typing import Any

from osmia_broker.state.deadlines import Deadlines
from osmia_broker.state.journal import Journal
from osmia_broker.state.residency import Residency
from osmia_broker.state.rows import FollowUp
from osmia_broker.state.table import Table


class FollowUpTable(Table[FollowUp]):
    """The resident follow-ups. The partition finds those that are due through the deadlines, after the commit that wrote them."""

    __slots__ = ("_deadlines",)

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(FollowUp, journal, residency)
        self._deadlines = deadlines

    def insert(self, row: FollowUp) -> None:
        """Add a follow-up."""
        super().insert(row)
        self._schedule(row)

    def update(self, row: FollowUp, **changes: Any) -> None:
        """Set the fields named in *changes*."""
        super().update(row, **changes)
        self._schedule(row)

    def _schedule(self, row: FollowUp) -> None:
        if row.due_ms:
            self._deadlines.add(row.due_ms)
