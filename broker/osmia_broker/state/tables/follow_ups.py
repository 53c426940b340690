"""Follow-ups: their times are known apart from those of other rows that become due."""

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import FollowUp


class FollowUpTable(Table[FollowUp]):
    """The resident follow-ups."""

    __slots__ = ()

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(FollowUp, journal, residency, deadlines)

    def _schedule(self, row: FollowUp) -> None:
        if row.due_ms > 0:
            self._deadlines.add_work(row.due_ms)
