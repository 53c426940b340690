"""The cluster variables; always in memory as a whole, as the definitions are."""

from collections.abc import Iterable

import msgspec

from osmia_broker.state.batch_rows import ClusterVariable
from osmia_broker.state.journal import Journal
from osmia_broker.state.kinds import KINDS
from osmia_broker.state.store_protocol import RowValues
from osmia_broker.state.table import take_values, values_of


class ClusterVariables:
    """The living cluster variables by name, and the JSON object that expressions read."""

    __slots__ = ("_changed", "_journal", "_rows", "_text", "_values")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._values = values_of(KINDS[ClusterVariable])
        self._rows: dict[str, ClusterVariable] = {}
        self._changed: dict[str, ClusterVariable] = {}
        self._text: str | None = None

    def get(self, name: str) -> ClusterVariable | None:
        """Return the living variable of this name."""
        return self._rows.get(name)

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

    def put(self, row: ClusterVariable) -> None:
        """Add a variable, or replace the one with its name; with `deleted_ms`, remove it."""
        self._journal.note(self._undo, row.name, self._rows.get(row.name), self._changed.get(row.name))
        self._changed[row.name] = row
        self._enter(row)

    def admit(self, rows: Iterable[ClusterVariable]) -> None:
        """Take in rows that were loaded."""
        for row in rows:
            self._enter(row)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows changed since the last call."""
        return take_values(self._changed, self._values) if self._changed else []

    def _enter(self, row: ClusterVariable) -> None:
        self._text = None
        if row.deleted_ms:
            self._rows.pop(row.name, None)
        else:
            self._rows[row.name] = row

    def _undo(self, name: str, before: ClusterVariable | None, changed_before: ClusterVariable | None) -> None:
        self._text = None
        if before is None:
            self._rows.pop(name, None)
        else:
            self._rows[name] = before
        if changed_before is None:
            self._changed.pop(name, None)
        else:
            self._changed[name] = changed_before
