"""The tables that stand beside many entities: the process definition, the circumstances of the instance, its business id."""

from typing import Any

import msgspec
from sqlalchemy import FromClause, Select, func, literal_column, select

from osmia_broker.state.rows import BusinessId, InstanceOrigin, Variable
from osmia_broker.store import schema
from osmia_broker.store.read.search.fields import Column, Condition, Field, Join, Kind, Nested, key, maybe
from osmia_broker.store.read.sql import dialect

_EMPTY: Column = literal_column("''")


class Definition:
    """The process definition of a row. Filters select the few definitions first, because many rows have the same."""

    def __init__(self, process_definition_key: Column) -> None:
        table, filtered = schema.process_definitions.alias("definition"), schema.process_definitions.alias("wanted")
        self.c = table.c
        self.join = Join(table, table.c.key == process_definition_key)
        self._filtered = filtered.c
        self._nested = Nested(filtered, filtered.c.key, process_definition_key)
        self.process_id = maybe("processDefinitionId", table.c.bpmn_process_id, **self.of("bpmn_process_id"))

    def of(self, column: str, *, sorts: bool = True) -> dict[str, Any]:
        """Return what a field of the definition needs to be filtered and sorted by."""
        return {"joins": (self.join,), "nested": self._nested, "filtered": self._filtered[column], "sorts": sorts}


class Origin:
    """The circumstances of the process instance of a row: its callers and its tags."""

    def __init__(self, process_instance_key: Column) -> None:
        table, filtered = (schema.TABLES[InstanceOrigin].alias(name) for name in ("origin", "wanted_origin"))
        self.c = table.c
        self._filtered = filtered.c
        self._nested = Nested(filtered, filtered.c.process_instance_key, process_instance_key)
        self.join = Join(table, table.c.process_instance_key == process_instance_key)
        #: the outermost caller; the instance itself if nobody called it
        self.root: Column = func.coalesce(func.nullif(table.c.root_process_instance_key, 0), process_instance_key)

    def of(self, column: str) -> dict[str, Any]:
        """Return what a field of the circumstances needs to be filtered and sorted by."""
        return {"joins": (self.join,), "nested": self._nested, "filtered": self._filtered[column], "sorts": True}

    def root_field(self, **more: bool) -> Field:
        """Declare the key of the outermost caller."""
        return key("rootProcessInstanceKey", self.root, joins=(self.join,), **{"filters": False, **more})


def business_id(process_instance_key: Column, **more: bool) -> Field:
    """Declare the business id of the process instance of a row."""
    table, filtered = schema.TABLES[BusinessId].alias("business"), schema.TABLES[BusinessId].alias("wanted_business")
    join = Join(table, table.c.process_instance_key == process_instance_key)
    nested = Nested(filtered, filtered.c.process_instance_key, process_instance_key)
    return maybe(
        "businessId", table.c.business_id, joins=(join,), nested=nested, filtered=filtered.c.business_id, **more
    )


def tags(process_instance_key: Column, origin: Origin) -> Field:
    """Declare the tags of the process instance of a row. A filter names tags that must all be there."""
    table = schema.TABLES[InstanceOrigin].alias("tagged")

    def has_tag(parameter: str) -> Condition:
        with_tag = select(table.c.process_instance_key).where(
            table.c.tags != _EMPTY, dialect.holds(table.c.tags, parameter)
        )
        return process_instance_key.in_(with_tag)

    return Field("tags", Kind.TAGS, origin.c.tags, joins=(origin.join,), match=has_tag, show=texts)


def texts(stored: str | None) -> list[str]:
    """Read a stored list of texts; an absent one is empty."""
    return msgspec.json.decode(stored, type=list[str]) if stored else []


def variables(name: str, owner: Column, *, of_instance: bool = False) -> Field:
    """Declare the variables in the scope *owner*, or in any scope of the process instance *owner*, for filters."""
    table = schema.TABLES[Variable].alias(f"variable_{name}")
    nested = _in_any_scope(table, name, owner) if of_instance else Nested(table, table.c.scope_key, owner)
    return Field(name, Kind.VARIABLES, table.c.value, nested=nested, shows=False)


def _in_any_scope(table: FromClause, name: str, instance_key: Column) -> Nested:
    """Return the variables of an instance. It has an index of its element instances, and each of these leads to its own variables."""
    scope = schema.element_instances.alias(f"scope_{name}")
    both = scope.join(table, table.c.scope_key == dialect.found_first(scope.c.key))
    of_instance: Select[Any] = select(literal_column("1")).where(scope.c.process_instance_key == instance_key)
    by_row = dialect.in_order(of_instance.select_from(both), scope)
    return Nested(table, table.c.process_instance_key, instance_key, by_row=by_row)


def suspended() -> Select[Any]:
    """Return a selection of the keys of all suspended process instances."""
    table = schema.TABLES[InstanceOrigin].alias("suspended_origin")
    return select(table.c.process_instance_key).where(table.c.suspended_ms > schema.NOT_ENDED)


def is_suspended(process_instance_key: Column) -> Condition:
    """Return the condition that the process instance of a row is suspended."""
    return process_instance_key.in_(suspended())


def stopped(column: str) -> Select[Any]:
    """Return a selection of this column of all open incidents."""
    table = schema.incidents.alias("stops")
    return select(table.c[column]).where(table.c.ended_ms == schema.NOT_ENDED)
