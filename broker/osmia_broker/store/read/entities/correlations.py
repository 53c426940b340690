"""Messages that have reached an event: the history of subscriptions."""

from osmia_broker.state.rows.history import MessageCorrelation
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import SORTED_TENANT, date, integer, key, maybe, text
from osmia_broker.store.read.sql import dialect

_correlation = schema.TABLES[MessageCorrelation].alias("correlation")
_origin = beside.Origin(_correlation.c.process_instance_key)

CORRELATIONS = Entity(
    "correlated message subscriptions",
    _correlation,
    (_correlation.c.key,),
    (
        key("subscriptionKey", _correlation.c.subscription_key, sorts=True),
        key("messageKey", _correlation.c.message_key, sorts=True),
        text("messageName", _correlation.c.message_name, sorts=True),
        maybe("correlationKey", _correlation.c.correlation_key, sorts=True),
        date("correlationTime", _correlation.c.at_ms, sorts=True, sorted_by=_correlation.c.key, optional=False),
        text("elementId", _correlation.c.element_id, sorts=True),
        key("elementInstanceKey", _correlation.c.element_instance_key, sorts=True),
        integer("partitionId", dialect.partition_of(_correlation.c.key), sorts=True),
        text("processDefinitionId", _correlation.c.bpmn_process_id, sorts=True),
        key("processDefinitionKey", _correlation.c.process_definition_key, sorts=True),
        key("processInstanceKey", _correlation.c.process_instance_key, sorts=True),
        _origin.root_field(),
        beside.business_id(_correlation.c.process_instance_key, sorts=True),
        SORTED_TENANT,
    ),
)
