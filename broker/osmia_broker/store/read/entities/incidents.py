"""Incidents, open and resolved."""

from sqlalchemy import CTE, BigInteger, Select, bindparam, case, or_, select, true

from osmia_broker.state.rows import ErrorType, InstanceOrigin
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity, Head
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    Condition,
    date,
    integer,
    key,
    named,
    own_key,
    text,
)
from osmia_broker.store.read.search.filters import Group
from osmia_broker.store.read.sql import dialect

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


def _and_all_called(first: Select[tuple[int]]) -> Select[tuple[int]]:
    """Return the process instances of *first*, which selects their `key`, and all that they have called, however deep."""
    origin = schema.TABLES[InstanceOrigin].alias("caller")
    found = first.cte("called", recursive=True, nesting=True)
    called = select(origin.c.process_instance_key).where(
        origin.c.parent_process_instance_key == found.c.key,
        origin.c.parent_process_instance_key != 0,  # as the index says
    )
    return select(found.union_all(called).c.key)


def _inside(parameter: str) -> CTE:
    """Return an element instance and all inside it, with their process instance."""
    top, child = (schema.element_instances.alias(name) for name in ("top", "child"))
    first = select(top.c.key, top.c.process_instance_key).where(top.c.key == bindparam(parameter, type_=BigInteger()))
    found = first.cte("inside", recursive=True, nesting=True)
    children = select(child.c.key, child.c.process_instance_key).where(
        child.c.process_instance_key == found.c.process_instance_key, child.c.scope_key == found.c.key
    )
    return found.union_all(children)


def _of_instance(parameter: str) -> Condition:
    """Make the condition that an incident lies in a process instance, or in one that it has called."""
    first: Select[tuple[int]] = select(bindparam(parameter, type_=BigInteger()).label("key"))
    return _incident.c.process_instance_key.in_(_and_all_called(first))


def _of_element(parameter: str) -> Condition:
    """Make the condition that an incident lies at an element instance, inside it, or in a process instance called from there."""
    inside = _inside(parameter)
    origin = schema.TABLES[InstanceOrigin].alias("origin_inside")
    first = select(origin.c.process_instance_key.label("key")).where(
        origin.c.parent_process_instance_key == inside.c.process_instance_key,
        origin.c.parent_process_instance_key != 0,
        origin.c.parent_element_instance_key == inside.c.key,
    )
    return or_(
        _incident.c.element_instance_key.in_(select(_inside(parameter).c.key)),
        _incident.c.process_instance_key.in_(_and_all_called(first)),
    )


def _heads(shape: Group) -> list[Head]:
    """Return the part of the list of one incident, of those of an instance, or of the open ones, which are few."""
    if shape.leaf("incidentKey", "$eq"):
        return [Head(true())]
    if shape.leaf("processInstanceKey", "$eq"):
        return [Head(true(), "incidents_of_instance")]
    state = shape.leaf("state", "$in")
    return [Head(true(), "incidents_open")] if state and state.names == {"ACTIVE"} else []


INCIDENTS = Entity(
    "incidents",
    _incident,
    (_incident.c.key,),
    (
        own_key("incidentKey", _incident.c.key),
        named(
            "errorType",
            _incident.c.error_type,
            {name: _incident.c.error_type == name for name in dict.fromkeys(_TYPES)},
            sorts=True,
        ),
        text("errorMessage", _incident.c.message),
        integer("errorHashCode", dialect.error_hash(_incident.c.message), filters=False, shows=False),
        date("creationTime", _incident.c.created_ms, sorts=True, sorted_by=_incident.c.key, optional=False),
        named("state", case((_is_open, "ACTIVE"), else_="RESOLVED"), STATES, sorts=True),
        text("elementId", _incident.c.element_id, sorts=True),
        key("elementInstanceKey", _incident.c.element_instance_key, sorts=True),
        key("processInstanceKey", _incident.c.process_instance_key, sorts=True),
        _origin.root_field(),
        key("processDefinitionKey", _incident.c.process_definition_key, sorts=True),
        _definition.process_id,
        key("jobKey", _incident.c.job_key, sorts=True),
        SORTED_TENANT,
        # --- whatever a row has
        text("storedErrorType", _incident.c.error_type, filters=False, shows=False),
        # --- for the paths of an instance and of an element
        key("ofInstance", _incident.c.process_instance_key, filters=False, shows=False, match=_of_instance),
        key("ofElement", _incident.c.element_instance_key, filters=False, shows=False, match=_of_element),
    ),
    heads=_heads,
)
