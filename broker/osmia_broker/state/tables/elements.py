"""Element instances in memory, and those of them that are being terminated in slices."""

from osmia_broker.state.memory.deadlines import Deadlines
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import Table
from osmia_broker.state.rows import ElementInstance, ElementState

_TERMINATING = ElementState.TERMINATING  # asked for each row: Python 3.11 finds a member in an enum slowly


class ElementTable(Table[ElementInstance]):
    """The resident living element instances. `terminating` has the keys of those in the state TERMINATING."""

    __slots__ = ("terminating",)

    def __init__(self, journal: Journal, residency: Residency, deadlines: Deadlines) -> None:
        super().__init__(ElementInstance, journal, residency, deadlines)
        self.terminating: set[int] = set()

    def begin_to_terminate(self, row: ElementInstance) -> None:
        """Set the state TERMINATING."""
        self.set(row, "state", _TERMINATING)
        self.terminating.add(row.key)
        self._journal.note(self.terminating.discard, row.key)

    def leave(self, row: ElementInstance, ended_ms: int, state: ElementState) -> None:
        """End the row in this *state*; as `end`, at half of its cost: each command ends some."""
        key = row.key
        self._note((self.undo_leave, (row, row.state, key in self.changed)))
        row.ended_ms, row.state = ended_ms, state
        self.changed[key] = row
        self._touch(row.process_instance_key)
        self._leave(row)

    def undo_leave(self, row: ElementInstance, state: ElementState, was_changed: bool) -> None:
        """Let the row live again, in its former state."""
        row.ended_ms, row.state = 0, state
        if not was_changed:
            del self.changed[row.key]
        self._enter(row)

    def _entered(self, row: ElementInstance) -> None:
        if row.state is _TERMINATING:
            self.terminating.add(row.key)

    def _left(self, row: ElementInstance) -> None:
        self.terminating.discard(row.key)
