"""Whole process instances, put together from the rows that a store has read. No database is known here.

A file can hold corrupt rows: an operator changed them by hand, or a disk failed. One corrupt row makes its whole process instance
unreadable, because the engine relies on an instance being complete. It never makes a load fail, so all other instances go on.

The rows of an instance are readable when all of these hold:

- every value has the type of its column, an enum's column holds one of its members, and a document is JSON
- the process itself is among them, or the row stands alone: a kept message, or a timer of a start event, is its own instance
- every element instance stands, scope by scope, inside the process, has a type that this broker knows, and is in a state of the living
- every other row belongs to an element instance that is among them
"""

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from osmia_broker.model import ElementType
from osmia_broker.state.rows import (
    DUE_KINDS,
    Compensation,
    CreatedOnce,
    ElementInstance,
    ElementState,
    FollowUp,
    InstanceOrigin,
    Job,
    Loop,
    LoopResult,
    Message,
    RemoteSubscription,
    Timer,
    Variable,
)
from osmia_broker.state.rows.batches import BatchItem, BatchOperation, ClusterVariable
from osmia_broker.state.rows.kinds import KINDS, Kind
from osmia_broker.state.rows.tasks import TaskTransition, UserTask
from osmia_broker.state.store_protocol import Due, DueWanted, InstanceRows, Loaded, RowValues
from osmia_broker.store import schema

VALUE_CHARACTERS_MAX = 60  # of a value that is quoted in a reason

_DOCUMENTS: dict[type, str] = {  # the column that holds JSON; empty where a row has none
    BatchOperation: "plan",
    ClusterVariable: "value",
    Compensation: "variables",
    InstanceOrigin: "tags",
    Job: "headers",
    Loop: "items",
    LoopResult: "results",
    Message: "variables",
    TaskTransition: "changes",
    UserTask: "headers",
    Variable: "value",
}
NEXT_DUE = DueWanted(0, 0)  #: asks for the earliest time alone
_MAY_BE_EMPTY = frozenset({Compensation, InstanceOrigin, Loop})
_ENDED = frozenset({ElementState.COMPLETED, ElementState.TERMINATED})
_ELEMENT_TYPES = frozenset(ElementType)

_read_document = msgspec.json.Decoder(msgspec.Raw).decode  # checks the text, and makes no objects of it


class CorruptRow(Exception):
    """A stored row is not what a broker would have written. The text names the row and the value."""


class RowReader:
    """Makes rows of one class from their stored values."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._types = schema.VALUE_TYPES[kind.row_type]
        self._enums: tuple[tuple[int, dict[str, StrEnum]], ...] = tuple(
            (kind.columns.index(name), {member.value: member for member in enum}) for name, enum in kind.enums.items()
        )
        self.place_of_key = kind.columns.index(kind.primary_key[0])
        document = _DOCUMENTS.get(kind.row_type)
        self._document = -1 if document is None else kind.columns.index(document)
        self._may_lack_document = kind.row_type in _MAY_BE_EMPTY

    def row(self, values: RowValues) -> Any:
        """Return the row.

        Raises:
            CorruptRow: a value has the wrong type, is no member of its enum, or is no JSON.

        """
        if tuple(map(type, values)) != self._types:
            raise CorruptRow(self._wrong_type(values))
        if self._document >= 0:
            self._check_document(values)
        if self._enums:
            converted = list(values)
            for place, members in self._enums:
                try:
                    converted[place] = members[values[place]]
                except KeyError:
                    raise CorruptRow(self._named(values, place)) from None
            values = tuple(converted)
        return self._kind.row_type(*values)

    def _check_document(self, values: RowValues) -> None:
        text = values[self._document]
        if text or not self._may_lack_document:
            try:
                _read_document(text)
            except msgspec.DecodeError:
                raise CorruptRow(f"{self._named(values, self._document)}, which is no JSON") from None

    def _wrong_type(self, values: RowValues) -> str:
        place = next(place for place, value in enumerate(values) if type(value) is not self._types[place])
        return f"{self._named(values, place)} of type {type(values[place]).__name__}"

    def _named(self, values: RowValues, place: int) -> str:
        value = f"{values[place]!r:.{VALUE_CHARACTERS_MAX}}"
        return (
            f"in table {self._kind.table}, key {values[self.place_of_key]}, column {self._kind.columns[place]}: {value}"
        )


READERS: dict[type, RowReader] = {row_type: RowReader(kind) for row_type, kind in KINDS.items()}

_OWNER_COLUMNS: dict[type, str] = {  # the column that names the element instance which a row belongs to
    kind.row_type: column
    for kind in schema.KEYED_KINDS
    for column in ("scope_key", "element_instance_key")
    if column in kind.columns and kind.row_type is not ElementInstance
}


#: The row classes whose rows may belong to no process instance; their process instance is their own key then.
ALONE = frozenset({BatchItem, BatchOperation, CreatedOnce, FollowUp, Message, RemoteSubscription, Timer})


class Assembly:
    """Collects the rows of process instances, then hands out those that are whole.

    A store adds first the owners of the keys that are wanted, then the rows of `instance_keys`, then the rows of `scope_keys`.
    """

    def __init__(self) -> None:
        self._asked: dict[int, Any] = {}  # wanted keys, and the keys of their process instances
        self._rows: dict[int, InstanceRows] = defaultdict(lambda: defaultdict(list))
        self._keys: dict[int, list[int]] = defaultdict(list)  # of all rows of an instance, the corrupt ones too
        self._faults: dict[int, str] = {}  # the first of each instance
        self._scopes: dict[int, int] = {}  # element instances, and the keys of their process instances

    def add_owners(self, found: Iterable[RowValues]) -> None:
        """Take (key, key of the process instance) of rows that are wanted."""
        self._asked.update(found)

    @property
    def instance_keys(self) -> list[int]:
        """The process instances to read."""
        return list({owner for owner in self._asked.values() if type(owner) is int})

    @property
    def scope_keys(self) -> list[int]:
        """The living element instances of the process instances that were read."""
        return list(self._scopes)

    def add_rows(self, kind: Kind, found: Iterable[RowValues]) -> None:
        """Take the living rows of `instance_keys` from the table of *kind*."""
        reader = READERS[kind.row_type]
        place_of_instance = kind.columns.index("process_instance_key")
        is_element = kind.row_type is ElementInstance
        for values in found:
            key, instance_key = values[reader.place_of_key], values[place_of_instance]
            self._keys[instance_key].append(key)
            if is_element:
                self._scopes[key] = instance_key
            self._add(kind, instance_key, values)

    def add_rows_of_scopes(self, kind: Kind, found: Iterable[RowValues]) -> None:
        """Take the rows of `scope_keys` from the table of *kind*."""
        place_of_scope = READERS[kind.row_type].place_of_key
        for values in found:
            instance_key = self._scopes[values[place_of_scope]]
            self._add(kind, instance_key, values)

    def _add(self, kind: Kind, instance_key: int, values: RowValues) -> None:
        try:
            row = READERS[kind.row_type].row(values)
        except CorruptRow as fault:
            self._faults.setdefault(instance_key, str(fault))
        else:
            if row.process_instance_key != instance_key:
                found = f"in table {kind.table}, scope {row.scope_key}: process instance {row.process_instance_key}"
                self._faults.setdefault(instance_key, found)
            self._rows[instance_key][kind.row_type].append(row)

    def finish(self, loaded: Loaded) -> None:
        """Put all instances that are whole into *loaded*, and the keys of all others with the reason."""
        for instance_key, keys in self._keys.items():
            fault = self._faults.get(instance_key) or _fault_between(instance_key, self._rows[instance_key])
            if fault is None:
                loaded.instances[instance_key] = {
                    kind: found for kind, found in self._rows[instance_key].items() if found
                }
            else:
                reason = (
                    f"Expected the stored rows of process instance '{instance_key}' to be readable, but found {fault}"
                )
                loaded.unreadable |= dict.fromkeys(keys, reason)
        for key, owner in self._asked.items():
            if type(owner) is not int:
                loaded.unreadable[key] = (
                    f"Expected the stored row with key '{key}' to name a process instance, but found {owner!r:.60}"
                )


def _fault_between(process_instance_key: int, rows: InstanceRows) -> str | None:
    """Return the fault of an instance whose rows are readable one by one; None if there is none."""
    elements = rows[ElementInstance]
    inside: dict[int, list[int]] = defaultdict(list)
    for element in elements:
        inside[element.scope_key].append(element.key)
    if not elements and _stands_alone(process_instance_key, rows):
        return None
    if process_instance_key not in inside[0]:
        return "no living process"
    living = _all_inside(process_instance_key, inside)
    for element in elements:
        if element.key not in living:
            return f"in table element_instances, key {element.key}: scope {element.scope_key}, which is not living in the process"
        fault = _fault_of_element(element)
        if fault is not None:
            return f"in table element_instances, key {element.key}: {fault}"
    for row_type, column in _OWNER_COLUMNS.items():
        for row in rows.get(row_type, ()):
            owner = getattr(row, column)
            if owner not in living:
                return f"in table {KINDS[row_type].table}, key {row.key}: {column} {owner}, which is not living"
    return None


def _all_inside(outermost: int, inside: dict[int, list[int]]) -> set[int]:
    """Return the keys of an element instance and of all that stands inside it, scope by scope."""
    living = {outermost}
    to_visit = [outermost]
    while to_visit:
        found = [key for key in inside[to_visit.pop()] if key not in living]
        living.update(found)
        to_visit += found
    return living


def _fault_of_element(element: ElementInstance) -> str | None:
    if element.type not in _ELEMENT_TYPES:
        return f"type {element.type!r:.{VALUE_CHARACTERS_MAX}}, which this broker does not know"
    if element.state in _ENDED:
        return f"state {element.state}, but no time of its end"
    return None


def _stands_alone(key: int, rows: InstanceRows) -> bool:
    found = [row for one_kind in rows.values() for row in one_kind]
    return len(found) == 1 and type(found[0]) in ALONE and found[0].key == key


def due_of(found: Iterable[RowValues], wanted: DueWanted) -> Due:
    """Return the rows that are due, and the time of the next one, from what `statements.DUE` has found."""
    earliest = sorted(found, key=lambda row: (row[0], row[2]))
    rows = [(due_ms, DUE_KINDS[place].row_type, key) for due_ms, place, key in earliest if due_ms <= wanted.now_ms]
    del rows[wanted.rows_max :]
    return Due(rows, earliest[len(rows)][0] if len(rows) < len(earliest) else None)
