"""Variables by scope. A value is JSON text; a document of several is split at its top level and never parsed further here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from osmia_broker.model.events import CREATE, UPDATE
from osmia_broker.state.memory.journal import Journal
from osmia_broker.state.memory.residency import Residency
from osmia_broker.state.memory.table import take_values
from osmia_broker.state.rows import Variable
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.store_protocol import RowValues

VARIABLE_BYTES = 500  #: of a variable besides its name and value

_NONE: Mapping[str, Variable] = MappingProxyType({})


class VariableTable:
    """The variables of resident, living scopes."""

    __slots__ = ("_grown", "_note", "_touch", "changed", "kind", "scopes", "text")

    def __init__(self, journal: Journal, residency: Residency) -> None:
        self.kind = KINDS[Variable]
        self._note = journal.append
        self._touch, self._grown = residency.touch, residency.grown
        self.changed: dict[tuple[int, str], Variable] = {}
        #: The variables of the scopes that have any, by name. Only to be read by others, as the next; always the same object.
        self.scopes: dict[int, dict[str, Variable]] = {}
        #: How many characters the names and values of an instance's living variables have together; no entry for none.
        self.text: defaultdict[int, int] = defaultdict(int)

    def of_scope(self, scope_key: int) -> Mapping[str, Variable]:
        """Return the variables of one scope itself, by name."""
        return self.scopes.get(scope_key, _NONE)

    def put(self, scope_key: int, process_instance_key: int, values: Mapping[str, str]) -> dict[str, str]:
        """Give each name its JSON text in exactly this scope; return by name which change that is, for those that did not have it."""
        if not values:
            return {}
        variables = self.scopes.get(scope_key)
        if variables is None:
            return self._put_first(scope_key, process_instance_key, values)
        note, changed = self._note, self.changed
        changes: dict[str, str] = {}
        made = text = 0
        for name, value in values.items():
            row = variables.get(name)
            if row is None:
                row = variables[name] = Variable(scope_key, name, value, process_instance_key)
                note((self.undo_insert, (row,)))
                made += 1
                text += len(name) + len(value)
                changes[name] = CREATE
            elif row.value == value:
                continue
            else:
                note((self.undo_update, (row, row.value, (scope_key, name) in changed)))
                text += len(value) - len(row.value)
                row.value = value
                changes[name] = UPDATE
            changed[scope_key, name] = row
        if changes:
            self._touch(process_instance_key)
            self.text[process_instance_key] += text
            self._grown[process_instance_key] += text + made * VARIABLE_BYTES
        return changes

    def _put_first(self, scope_key: int, process_instance_key: int, values: Mapping[str, str]) -> dict[str, str]:
        """Put the first variables of a scope, as most are: those of a creation, of input mappings, of a completed job with output mappings."""
        note, undo, changed = self._note, self.undo_insert, self.changed
        variables = self.scopes[scope_key] = {}
        for name, value in values.items():
            variables[name] = changed[scope_key, name] = row = Variable(scope_key, name, value, process_instance_key)
            note((undo, (row,)))
        self._touch(process_instance_key)
        text = sum(map(len, values)) + sum(map(len, values.values()))
        self.text[process_instance_key] += text
        self._grown[process_instance_key] += text + len(values) * VARIABLE_BYTES
        return dict.fromkeys(values, CREATE)

    def close_scope(self, scope_key: int) -> None:
        """Forget a scope whose element instance has ended; its values stay in the store."""
        variables = self.scopes.pop(scope_key, None)
        if variables is None:
            return
        if scope_key in self.text:  # the process itself, which ends last: all that is left of the instance's text
            self._grow(scope_key, -len(variables), -self.text[scope_key])
        else:
            self._count(variables, -1)
        self._note((self._open_scope, (scope_key, variables)))

    # --- to and from the store

    def admit(self, rows: Iterable[Variable]) -> None:
        """Take in rows that were loaded."""
        for row in rows:
            self.scopes.setdefault(row.scope_key, {})[row.name] = row
            self._grow(row.process_instance_key, 1, len(row.name) + len(row.value))

    def evict(self, scope_key: int) -> None:
        """Forget a scope whose changes are committed."""
        self._count(self.scopes.pop(scope_key, _NONE), -1)

    def take_changes(self) -> list[RowValues]:
        """Return the values of all rows changed since the last call."""
        return take_values(self.changed) if self.changed else []

    # --- memory

    def _count(self, variables: Mapping[str, Variable], sign: int) -> None:
        """Count the *variables* of a scope, or count them no longer."""
        if variables:
            text = 0
            for row in variables.values():
                text += len(row.name) + len(row.value)
            self._grow(row.process_instance_key, sign * len(variables), sign * text)

    def _grow(self, process_instance_key: int, variables: int, text: int) -> None:
        """Count so many more variables, and characters of their names and values; fewer, if negative."""
        self.text[process_instance_key] += text
        if not self.text[process_instance_key]:
            del self.text[process_instance_key]
        self._grown[process_instance_key] += text + variables * VARIABLE_BYTES

    # --- undo

    def _open_scope(self, scope_key: int, variables: dict[str, Variable]) -> None:
        self.scopes[scope_key] = variables
        self._count(variables, 1)

    def undo_insert(self, row: Variable) -> None:
        """Take the inserted row out again."""
        variables = self.scopes[row.scope_key]
        del variables[row.name]
        if not variables:
            del self.scopes[row.scope_key]
        del self.changed[row.scope_key, row.name]
        self._grow(row.process_instance_key, -1, -len(row.name) - len(row.value))

    def undo_update(self, row: Variable, value: str, was_changed: bool) -> None:
        """Give the variable its former value again."""
        self._grow(row.process_instance_key, 0, len(value) - len(row.value))
        row.value = value
        if not was_changed:
            self.changed.pop((row.scope_key, row.name), None)
