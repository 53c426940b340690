"""Incidents, open and resolved."""

from sqlalchemy import case

from osmia_broker.state.rows import ErrorType
from osmia_broker.store import schema
from osmia_broker.store.read import dialect
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    Condition,
    date,
    integer,
    key,
    named,
    text,
)

_incident = schema.incidents.alias("incident")
_definition, _origin = (
    beside.Definition(_incident.c.process_definition_key),
    beside.Origin(_incident.c.process_instance_key),
)
_is_open = _incident.c.ended_ms == schema.NOT_ENDED

#: An incident is open until it is resolved; the other states are those of migrations and exports of the reference.
STATES: dict[str, Condition] = {
    "ACTIVE": _is_open,
    "RESOLVED": _incident.c.ended_ms > 0,
} | dict.fromkeys(("MIGRATED", "PENDING", "UNKNOWN"), _incident.c.key < 0)
#: The names of the contract; some of them no broker of ours writes.
_TYPES = (
    *(one.value for one in ErrorType if one is not ErrorType.UNKNOWN),
    "RESOURCE_NOT_FOUND",
    "SECRET_RESOLUTION_ERROR",
    "TASK_LISTENER_NO_RETRIES",
    "UNKNOWN",
    "UNSPECIFIED",
)

INCIDENTS = Entity(
    "incidents",
    _incident,
    (_incident.c.key,),
    (
        key("incidentKey", _incident.c.key, sorts=True),
        named(
            "errorType",
            _incident.c.error_type,
            {name: _incident.c.error_type == name for name in dict.fromkeys(_TYPES)},
            sorts=True,
        ),
        text("errorMessage", _incident.c.message),
        integer("errorHashCode", dialect.error_hash(_incident.c.message), filters=False, shows=False),
        date("creationTime", _incident.c.created_ms, sorts=True),
        named("state", case((_is_open, "ACTIVE"), else_="RESOLVED"), STATES, sorts=True),
        text("elementId", _incident.c.element_id, sorts=True),
        key("elementInstanceKey", _incident.c.element_instance_key, sorts=True),
        key("processInstanceKey", _incident.c.process_instance_key, sorts=True),
        _origin.root_field(),
        key("processDefinitionKey", _incident.c.process_definition_key, sorts=True),
        _definition.process_id,
        key("jobKey", _incident.c.job_key, sorts=True),
        SORTED_TENANT,
    ),
)
