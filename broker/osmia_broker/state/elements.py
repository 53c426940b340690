"""Element instances in memory, and those of them that are being terminated in slices."""

from typing import Any

from osmia_broker.state.deadlines import Deadlines
from osmia_broker.state.journal import Journal
from osmia_broker.state.residency import Residency
from osmia_broker.state.rows import ElementInstance, ElementState
from osmia_broker.state.table import Table


class ElementTable(Table[ElementInstance]):
    """The resident living element instances. `terminating` has the keys of those in the state TERMINATING."""

    __slots__ = ("terminating",)

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(ElementInstance, journal, residency, deadlines)
        self.terminating: set[int] = set()

    def begin_to_terminate(self, row: ElementInstance) -> None:
        """Set the state TERMINATING."""
        self.set(row, "state", ElementState.TERMINATING)
        self.terminating.add(row.key)
        self._journal.note(self.terminating.discard, row.key)

    def _entered(self, row: ElementInstance) -> None:
        if row.state is ElementState.TERMINATING:
            self.terminating.add(row.key)

    def _left(self, row: ElementInstance) -> None:
        self.terminating.discard(row.key)

    def _undo_update(self, row: ElementInstance, before: list[tuple[str, Any]], was_changed: bool) -> None:
        super()._undo_update(row, before, was_changed)
        if (
            row.state is ElementState.TERMINATING
        ):  # its end is undone: when the row entered again, it still said TERMINATED
            self.terminating.add(row.key)
