"""Variables by scope. A value is JSON text; a document of several is split at its top level and never parsed further here."""

from collections.abc import Mapping
from types import MappingProxyType

from osmia_broker.state.exchange import RowValues
from osmia_broker.state.journal import Journal
from osmia_broker.state.rows import Variable
from osmia_broker.state.table import values_of

_NONE: Mapping[str, Variable] = MappingProxyType({})


class VariableTable:
    """The variables of resident, living scopes."""

    __slots__ = ("_changed", "_journal", "_scopes", "_values")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._values = values_of(Variable)
        self._scopes: dict[int, dict[str, Variable]] = {}
        self._changed: dict[tuple[int, str], Variable] = {}

    def of_scope(self, scope_key: int) -> Mapping[str, Variable]:
        """The variables of one scope itself, by name."""
        return self._scopes.get(scope_key, _NONE)

    def put(self, scope_key: int, process_instance_key: int, name: str, value: str) -> None:
        """Give *name* the JSON text *value* in exactly this scope."""
        variables = self._scopes.get(scope_key)
        if variables is None:
            variables = self._scopes[scope_key] = {}
        row = variables.get(name)
        if row is None:
            row = variables[name] = Variable(scope_key, name, value, process_instance_key)
            self._journal.note(self._undo_insert, row)
        elif row.value == value:
            return
        else:
            self._journal.note(self._undo_update, row, row.value, (scope_key, name) in self._changed)
            row.value = value
        self._changed[scope_key, name] = row

    def close_scope(self, scope_key: int) -> None:
        """Forget a scope whose element instance has ended; what it held stays in the store."""
        variables = self._scopes.pop(scope_key, None)
        if variables is not None:
            self._journal.note(self._scopes.__setitem__, scope_key, variables)

    def admit(self, rows: list[Variable]) -> None:
        """Take rows in that were loaded."""
        for row in rows:
            self._scopes.setdefault(row.scope_key, {})[row.name] = row

    def evict(self, scope_key: int) -> None:
        """Forget a scope whose changes are committed."""
        self._scopes.pop(scope_key, None)

    def changed_instances(self) -> set[int]:
        """The process instances with changes that no commit has taken yet."""
        return {row.process_instance_key for row in self._changed.values()}

    def take_changes(self) -> list[RowValues]:
        """The values of all rows changed since the last call."""
        taken = [self._values(row) for row in self._changed.values()]
        self._changed.clear()
        return taken

    def _undo_insert(self, row: Variable) -> None:
        variables = self._scopes[row.scope_key]
        del variables[row.name]
        if not variables:
            del self._scopes[row.scope_key]
        del self._changed[row.scope_key, row.name]

    def _undo_update(self, row: Variable, value: str, was_changed: bool) -> None:
        row.value = value
        if not was_changed:
            self._changed.pop((row.scope_key, row.name), None)
