"""Variables by scope. A value is JSON text; a document of several is split at its top level and never parsed further here."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from osmia_broker.model.events import CREATE, UPDATE
from osmia_broker.state.journal import Journal
from osmia_broker.state.kinds import KINDS
from osmia_broker.state.residency import Residency
from osmia_broker.state.rows import Variable
from osmia_broker.state.store_protocol import RowValues
from osmia_broker.state.table import take_values, values_of

VARIABLE_BYTES = 500  #: of a variable besides its name and value

_NONE: Mapping[str, Variable] = MappingProxyType({})


class VariableTable:
    """The variables of resident, living scopes."""

    __slots__ = ("_changed", "_journal", "_residency", "_scopes", "_text", "_values", "kind")

    def __init__(self, journal: Journal, residency: Residency) -> None:
        self.kind = KINDS[Variable]
        self._journal = journal
        self._residency = residency
        self._values = values_of(self.kind)
        self._scopes: dict[int, dict[str, Variable]] = {}
        self._changed: dict[tuple[int, str], Variable] = {}
        self._text: dict[int, int] = {}  # characters of names and values by process instance

    def of_scope(self, scope_key: int) -> Mapping[str, Variable]:
        """Return the variables of one scope itself, by name."""
        return self._scopes.get(scope_key, _NONE)

    def text_of(self, process_instance_key: int) -> int:
        """Return how many characters the names and values of an instance's living variables have together."""
        return self._text.get(process_instance_key, 0)

    def put(self, scope_key: int, process_instance_key: int, name: str, value: str) -> str:
        """Give *name* the JSON text *value* in exactly this scope; return which change that is, empty if it had this value."""
        variables = self._scopes.get(scope_key)
        if variables is None:
            variables = self._scopes[scope_key] = {}
        row = variables.get(name)
        if row is None:
            row = variables[name] = Variable(scope_key, name, value, process_instance_key)
            self._count((row,), 1)
            self._journal.append((self._undo_insert, (row,)))
            change = CREATE
        elif row.value == value:
            return ""
        else:
            self._journal.note(self._undo_update, row, row.value, (scope_key, name) in self._changed)
            self._set(row, value)
            change = UPDATE
        self._changed[scope_key, name] = row
        self._residency.touch(process_instance_key)
        return change

    def close_scope(self, scope_key: int) -> None:
        """Forget a scope whose element instance has ended; its values stay in the store."""
        variables = self._scopes.pop(scope_key, None)
        if variables is not None:
            self._count(variables.values(), -1)
            self._journal.append((self._open_scope, (scope_key, variables)))

    # --- to and from the store

    def admit(self, rows: Iterable[Variable]) -> None:
        """Take in rows that were loaded."""
        for row in rows:
            self._scopes.setdefault(row.scope_key, {})[row.name] = row
            self._count((row,), 1)

    def evict(self, scope_key: int) -> None:
        """Forget a scope whose changes are committed."""
        self._count(self._scopes.pop(scope_key, _NONE).values(), -1)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows changed since the last call."""
        return take_values(self._changed, self._values) if self._changed else []

    # --- memory

    def _count(self, rows: Collection[Variable], sign: int) -> None:
        """Count *rows* of one scope, which belong to the same process instance."""
        text = 0
        for row in rows:
            text += len(row.name) + len(row.value)
        if rows:
            self._count_text(row.process_instance_key, sign * text)
            self._residency.grow(row.process_instance_key, sign * (text + len(rows) * VARIABLE_BYTES))

    def _count_text(self, process_instance_key: int, text: int) -> None:
        left = self._text.get(process_instance_key, 0) + text
        if left:
            self._text[process_instance_key] = left
        else:
            self._text.pop(process_instance_key, None)

    def _set(self, row: Variable, value: str) -> None:
        grown = len(value) - len(row.value)
        self._count_text(row.process_instance_key, grown)
        if grown:
            self._residency.grow(row.process_instance_key, grown)
        row.value = value

    # --- undo

    def _open_scope(self, scope_key: int, variables: dict[str, Variable]) -> None:
        self._scopes[scope_key] = variables
        self._count(variables.values(), 1)

    def _undo_insert(self, row: Variable) -> None:
        variables = self._scopes[row.scope_key]
        del variables[row.name]
        if not variables:
            del self._scopes[row.scope_key]
        del self._changed[row.scope_key, row.name]
        self._count((row,), -1)

    def _undo_update(self, row: Variable, value: str, was_changed: bool) -> None:
        self._set(row, value)
        if not was_changed:
            self._changed.pop((row.scope_key, row.name), None)
