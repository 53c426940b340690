"""The global task listeners."""

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.whole_table import WholeTable
from osmia_broker.state.rows.tasks import GlobalTaskListener


class GlobalTaskListeners(WholeTable[GlobalTaskListener]):
    """The listeners that are not deleted, by id too. The key of one that is made again with the id of a deleted one is new."""

    __slots__ = ("_by_id",)

    def __init__(self, journal: Journal) -> None:
        super().__init__(GlobalTaskListener, journal, over="deleted_ms")
        self._by_id: dict[str, GlobalTaskListener] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def of_id(self, id: str) -> GlobalTaskListener | None:
        """Return the listener of this *id*."""
        return self._by_id.get(id)

    def in_order(self) -> list[GlobalTaskListener]:
        """Return all listeners in the order in which they work: those with the higher priority first, then by id."""
        return sorted(self._by_id.values(), key=lambda row: (-row.priority, row.id))

    def _entered(self, row: GlobalTaskListener) -> None:
        assert row.id not in self._by_id, f"{row} is there already"
        self._by_id[row.id] = row

    def _left(self, row: GlobalTaskListener) -> None:
        del self._by_id[row.id]
