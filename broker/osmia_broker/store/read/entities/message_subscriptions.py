"""Subscriptions to messages: of process instances, and of start events."""

from typing import Any

from sqlalchemy import Select, and_, case, literal_column, not_, select, union_all

from osmia_broker.state.history_rows import MessageCorrelation
from osmia_broker.state.rows import StartSubscription, Subscription
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    TEXTS_BY_NAME,
    Column,
    Condition,
    date,
    integer,
    json,
    key,
    maybe,
    named,
    own_key,
    text,
)

_MESSAGE: Column = literal_column("'MESSAGE'")
_NONE: Column = literal_column("0")
_COLUMNS = ("key", "process_definition_key", "bpmn_process_id", "element_id", "name", "ended_ms")
_OF_INSTANCES = ("process_instance_key", "element_instance_key", "correlation_key", "created_ms")


def _of_instances() -> Select[Any]:
    table = schema.TABLES[Subscription].c
    columns = [table[name] for name in (*_COLUMNS, *_OF_INSTANCES)]
    return select(*columns, literal_column("'PROCESS_EVENT'").label("type")).where(table.kind == _MESSAGE)


def _of_start_events() -> Select[Any]:
    table = schema.TABLES[StartSubscription].c
    definition = schema.process_definitions.c
    deployed = select(definition.deployed_ms).where(definition.key == table.process_definition_key).scalar_subquery()
    absent = (_NONE.label(name) for name in ("process_instance_key", "element_instance_key"))
    columns = [*(table[name] for name in _COLUMNS), *absent, literal_column("''").label("correlation_key")]
    return select(*columns, deployed.label("created_ms"), literal_column("'START_EVENT'").label("type")).where(
        table.kind == _MESSAGE
    )


_subscription = union_all(_of_instances(), _of_start_events()).subquery("subscription")
_definition, _origin = (
    beside.Definition(_subscription.c.process_definition_key),
    beside.Origin(_subscription.c.process_instance_key),
)
_correlation = schema.TABLES[MessageCorrelation].alias("correlation")
_is_open = _subscription.c.ended_ms == schema.NOT_ENDED
_has_correlated = (
    select(_correlation.c.key)
    .where(
        _correlation.c.process_instance_key == _subscription.c.process_instance_key,
        _correlation.c.subscription_key == _subscription.c.key,
    )
    .exists()
)
STATES: dict[str, Condition] = {
    "CREATED": _is_open,
    "CORRELATED": and_(_subscription.c.ended_ms > 0, _has_correlated),
    "DELETED": and_(_subscription.c.ended_ms > 0, not_(_has_correlated)),
    "MIGRATED": _subscription.c.key < 0,
}
_state = case((_is_open, "CREATED"), (_has_correlated, "CORRELATED"), else_="DELETED")
_updated = case((_subscription.c.ended_ms > 0, _subscription.c.ended_ms), else_=_subscription.c.created_ms)
_nothing: Column = literal_column("''")

MESSAGE_SUBSCRIPTIONS = Entity(
    "message subscriptions",
    _subscription,
    (_subscription.c.key,),
    (
        own_key("messageSubscriptionKey", _subscription.c.key),
        named("messageSubscriptionState", _state, STATES, sorts=True),
        named(
            "messageSubscriptionType",
            _subscription.c.type,
            {name: _subscription.c.type == literal_column(f"'{name}'") for name in ("PROCESS_EVENT", "START_EVENT")},
            sorts=True,
        ),
        text("messageName", _subscription.c.name, sorts=True),
        maybe("correlationKey", _subscription.c.correlation_key, sorts=True),
        date("lastUpdatedDate", _updated, sorts=True),
        text("elementId", _subscription.c.element_id, sorts=True),
        key("elementInstanceKey", _subscription.c.element_instance_key, sorts=True),
        key("processInstanceKey", _subscription.c.process_instance_key, sorts=True),
        key(
            "rootProcessInstanceKey",
            case((_subscription.c.process_instance_key != 0, _origin.root), else_=_NONE),
            joins=(_origin.join,),
            filters=False,
        ),
        key("processDefinitionKey", _subscription.c.process_definition_key),
        text("processDefinitionId", _subscription.c.bpmn_process_id, sorts=True),
        maybe("processDefinitionName", _definition.c.name, **_definition.of("name")),
        integer("processDefinitionVersion", _definition.c.version, **_definition.of("version")),
        beside.business_id(_subscription.c.process_instance_key, sorts=True),
        maybe("toolName", _nothing, sorts=True),
        maybe("inboundConnectorType", _nothing, sorts=True),
        json("toolProperties", _NONE, lambda _stored: {}, TEXTS_BY_NAME),
        SORTED_TENANT,
    ),
    copied=_subscription.c.type == literal_column("'START_EVENT'"),
)
