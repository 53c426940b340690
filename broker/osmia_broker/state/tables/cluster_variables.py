"""The cluster variables, which every expression may read."""

import msgspec

from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.whole_table import WholeTable
from osmia_broker.state.rows.batches import ClusterVariable


class ClusterVariables(WholeTable[ClusterVariable]):
    """The living cluster variables by name, and the JSON object that expressions read."""

    __slots__ = ("_text",)

    def __init__(self, journal: Journal) -> None:
        super().__init__(ClusterVariable, journal, key="name", over="deleted_ms")
        self._text: str | None = None

    def all(self) -> list[ClusterVariable]:
        """Return the living variables, in order of their names."""
        return [self._rows[name] for name in sorted(self._rows)]

    @property
    def text(self) -> str:
        """All variables as one JSON object."""
        if self._text is None:
            values = {name: msgspec.Raw(row.value.encode()) for name, row in self._rows.items()}
            self._text = msgspec.json.encode(values).decode()
        return self._text

    def _entered(self, row: ClusterVariable) -> None:
        self._text = None

    def _left(self, row: ClusterVariable) -> None:
        self._text = None
