"""Subscriptions to messages, signals and conditions: of process instances, and of start events, which have a table of their own.

The rows of start events are few, one for each start event of each deployed version. Every partition has all of them.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import FromClause, Select, and_, case, literal_column, not_, select, true, union_all

from osmia_broker.state.rows import StartSubscription, Subscription, SubscriptionKind
from osmia_broker.state.rows.history import MessageCorrelation
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity, Head
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    TEXTS_BY_NAME,
    Column,
    Condition,
    Field,
    choice,
    date,
    flag,
    integer,
    json,
    key,
    made,
    maybe,
    named,
    own_key,
    text,
)
from osmia_broker.store.read.search.filters import Group
from osmia_broker.store.read.search.terms import Order

_NONE: Column = literal_column("0")
_nothing: Column = literal_column("''")
_PROCESS_EVENT: Column = literal_column("'PROCESS_EVENT'")
_START_EVENT: Column = literal_column("'START_EVENT'")
_TIMER: Column = literal_column("'TIMER'")
_MESSAGE: Column = literal_column("'MESSAGE'")
_CONDITION: Column = literal_column("'CONDITION'")  # a literal, as in the condition of the index
_COMMON = ("key", "process_definition_key", "bpmn_process_id", "element_id", "name", "kind", "ended_ms")
_OF_INSTANCES = ("process_instance_key", "element_instance_key", "correlation_key", "created_ms")

_own, _start = schema.TABLES[Subscription].alias("subscription"), schema.TABLES[StartSubscription]


_of_instances: dict[str, Column] = {
    **{name: _own.c[name] for name in (*_COMMON, *_OF_INSTANCES)},
    "type": _PROCESS_EVENT,
}
_definition = schema.process_definitions.c
_deployed = select(_definition.deployed_ms).where(_definition.key == _start.c.process_definition_key)
_of_start_events: dict[str, Column] = {
    **{name: _start.c[name] for name in _COMMON},
    "process_instance_key": _NONE,
    "element_instance_key": _NONE,
    "correlation_key": _nothing,
    "created_ms": _deployed.scalar_subquery(),
    "type": _START_EVENT,
}


def _rows(columns: Mapping[str, Column]) -> Select[Any]:
    return select(*(column.label(name) for name, column in columns.items()))


_both = union_all(_rows(_of_instances), _rows(_of_start_events)).subquery("subscription")
_correlation = schema.TABLES[MessageCorrelation].alias("correlation")


def _fields(c: Any) -> tuple[Field, ...]:
    """Declare the fields over the columns *c*."""
    definition, origin = beside.Definition(c.process_definition_key), beside.Origin(c.process_instance_key)
    is_open = c.ended_ms == schema.NOT_ENDED
    has_correlated = (
        select(_correlation.c.key)
        .where(
            _correlation.c.process_instance_key == c.process_instance_key,
            _correlation.c.subscription_key == c.key,
        )
        .exists()
    )
    states: dict[str, Condition] = {
        "CREATED": is_open,
        "CORRELATED": and_(c.ended_ms > 0, has_correlated),
        "DELETED": and_(c.ended_ms > 0, not_(has_correlated)),
        "MIGRATED": c.key < 0,
    }
    state = case((is_open, "CREATED"), (has_correlated, "CORRELATED"), else_="DELETED")
    types: dict[str, Condition] = {"PROCESS_EVENT": c.type == _PROCESS_EVENT, "START_EVENT": c.type == _START_EVENT}
    return (
        own_key("messageSubscriptionKey", c.key),
        named("messageSubscriptionState", state, states, sorts=True),
        named("messageSubscriptionType", c.type, types, sorts=True),
        text("messageName", c.name, sorts=True),
        maybe("correlationKey", c.correlation_key, sorts=True),
        date("lastUpdatedDate", case((c.ended_ms > 0, c.ended_ms), else_=c.created_ms), sorts=True),
        text("elementId", c.element_id, sorts=True),
        key("elementInstanceKey", c.element_instance_key, sorts=True),
        key("processInstanceKey", c.process_instance_key, sorts=True),
        key(
            "rootProcessInstanceKey",
            case((c.process_instance_key != 0, origin.root), else_=_NONE),
            joins=(origin.join,),
            filters=False,
        ),
        key("processDefinitionKey", c.process_definition_key),
        text("processDefinitionId", c.bpmn_process_id, sorts=True),
        maybe("processDefinitionName", definition.c.name, **definition.of("name")),
        integer("processDefinitionVersion", definition.c.version, **definition.of("version")),
        beside.business_id(c.process_instance_key, sorts=True),
        maybe("toolName", _nothing, sorts=True),
        maybe("inboundConnectorType", _nothing, sorts=True),
        json("toolProperties", _NONE, lambda _stored: {}, TEXTS_BY_NAME),
        SORTED_TENANT,
    )


def _beyond_messages(c: Any) -> tuple[Field, ...]:
    """Declare the fields of a list of all kinds."""
    return (
        choice("kind", c.kind, SubscriptionKind),
        date("creationDate", c.created_ms, sorts=True, sorted_by=c.key, optional=False),
        flag("isOfStartEvent", c.type == _START_EVENT),
        flag("isOpen", c.ended_ms == schema.NOT_ENDED),
    )


MESSAGE_SUBSCRIPTIONS = Entity(
    "message subscriptions",
    _both,
    (_both.c.key,),
    (*_fields(_both.c), made(_both.c.created_ms, _both.c.key)),
    where=_both.c.kind == _MESSAGE,
    copied=_both.c.type == _START_EVENT,
)

_NAMED = Head(
    and_(_own.c.ended_ms == schema.NOT_ENDED, _own.c.kind != _CONDITION),
    "subscriptions_by_kind_name_correlation_key",
)
#: No index has the conditions that instances wait for.
_CONDITIONAL = Head(and_(_own.c.ended_ms == schema.NOT_ENDED, _own.c.kind == _CONDITION))


def _heads(shape: Group) -> list[Head]:
    """Return the parts of the list of an instance, or of open subscriptions of some kinds."""
    if shape.leaf("processInstanceKey", "$eq"):
        return [Head(true(), "subscriptions_of_instance")]
    is_open, kinds = shape.leaf("isOpen", "$eq"), shape.leaf("kind", "$in")
    if is_open is None or kinds is None:
        return []
    has_name = shape.leaf("messageName", "$eq") or shape.leaf("correlationKey", "$eq")
    waits_for_condition = "CONDITION" in kinds.names and not has_name
    if not waits_for_condition:
        return [_NAMED]
    return [_NAMED, _CONDITIONAL] if kinds.names - {"CONDITION"} else [_CONDITIONAL]


def _part(table: FromClause, columns: Mapping[str, Column], **more: Any) -> Entity:
    """Return the subscriptions of one table."""
    c = SimpleNamespace(**columns)
    fields = (*_fields(c), *_beyond_messages(c))
    return Entity("subscriptions", table, (c.key,), fields, where=c.kind != _TIMER, **more)


_OF_INSTANCES_ONLY = _part(_own, _of_instances, heads=_heads)
_OF_START_EVENTS_ONLY = _part(_start, _of_start_events, copied=true())


def _narrowed(shape: Group, _order: Order) -> Entity | None:
    """Return the entity of one table, if the filter is for that one only. No start event belongs to an instance, or has a key."""
    if shape.leaf("isOfStartEvent", "$eq"):
        return _OF_START_EVENTS_ONLY
    of_instance = shape.leaf("processInstanceKey", "$eq") or shape.leaf("correlationKey", "$eq")
    return _OF_INSTANCES_ONLY if of_instance else None


SUBSCRIPTIONS = Entity(
    "subscriptions",
    _both,
    (_both.c.key,),
    (*_fields(_both.c), *_beyond_messages(_both.c)),
    where=_both.c.kind != _TIMER,
    copied=_both.c.type == _START_EVENT,
    narrowed=_narrowed,
    divided=(_OF_INSTANCES_ONLY, _OF_START_EVENTS_ONLY),
)
