"""Element instances: one visit of an element each. The process itself is in the list of process instances."""

from collections import defaultdict

from sqlalchemy import case, func, select

from osmia_broker.model import ElementType
from osmia_broker.state.rows import ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.search.entity import Entity, Item, Parameters
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    Condition,
    Join,
    date,
    flag,
    key,
    named,
    own_key,
    text,
)
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.tables import columns_of

_element = schema.element_instances.alias("element")
_definition, _origin = (
    beside.Definition(_element.c.process_definition_key),
    beside.Origin(_element.c.process_instance_key),
)
_incident = schema.incidents.alias("incident")

STATES: dict[str, Condition] = {
    "ACTIVE": _element.c.ended_ms == schema.NOT_ENDED,
    "COMPLETED": _element.c.state == "COMPLETED",
    "TERMINATED": _element.c.state == "TERMINATED",
}
#: Types of the contract that no item of a list has.
_NEVER = ("SEQUENCE_FLOW", "UNKNOWN", "UNSPECIFIED")
#: The contract knows no transactions; they are subprocesses.
TYPES: dict[str, Condition] = {
    one: _element.c.type == one for one in (*(type.value for type in ElementType), *_NEVER) if one != "TRANSACTION"
} | {"SUB_PROCESS": _element.c.type.in_(("SUB_PROCESS", "TRANSACTION"))}

_incident_key = (
    select(func.coalesce(func.max(_incident.c.key), 0))
    .where(
        _incident.c.process_instance_key == _element.c.process_instance_key,
        _incident.c.element_instance_key == _element.c.key,
        _incident.c.ended_ms == schema.NOT_ENDED,
    )
    .scalar_subquery()
)

_names = dialect.names_table()
_named = Join(
    _names,
    (_names.c.definition_key == _element.c.process_definition_key) & (_names.c.element_id == _element.c.element_id),
)

_DEFINITIONS = columns_of(ProcessDefinition)


async def _all_names(sources: Sources, used: frozenset[str]) -> Parameters:
    """Read the element names of all definitions, for a search that filters or sorts by them. No table has them."""
    if "elementName" not in used:
        return {dialect.NAMES: "[]"}
    async with sources.database.snapshot() as snapshot:
        definitions = await snapshot.rows(ProcessDefinition, _DEFINITIONS, {})
    found = await sources.element_names.of(definitions)
    rows = [[key, id, name] for key, names in found.items() for id, name in names.items()]
    return {dialect.NAMES: dialect.array(rows)}


async def add_names(sources: Sources, items: list[Item]) -> None:
    """Add the names of elements as the models have them, or else their ids."""
    by_definition: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        by_definition[int(item["processDefinitionKey"] or 0)].append(item)
    if not items:
        return
    async with sources.database.snapshot() as snapshot:
        definitions = await sources.definitions.of(snapshot, by_definition)
    names = await sources.element_names.of(definitions.values())
    for definition_key, some in by_definition.items():
        for item in some:
            item["elementName"] = names[definition_key].get(item["elementId"], item["elementId"])


ELEMENT_INSTANCES = Entity(
    "element instances",
    _element,
    (_element.c.key,),
    (
        own_key("elementInstanceKey", _element.c.key),
        key("processInstanceKey", _element.c.process_instance_key, sorts=True),
        _origin.root_field(),
        key("processDefinitionKey", _element.c.process_definition_key, sorts=True),
        _definition.process_id,
        date("startDate", _element.c.started_ms, sorts=True, sorted_by=_element.c.key, optional=False),
        date("endDate", _element.c.ended_ms, sorts=True),
        text("elementId", _element.c.element_id, sorts=True),
        text("elementName", func.coalesce(_names.c.name, _element.c.element_id), joins=(_named,), sorts=True),
        named(
            "type", case((_element.c.type == "TRANSACTION", "SUB_PROCESS"), else_=_element.c.type), TYPES, sorts=True
        ),
        named(
            "state",
            case((_element.c.ended_ms == schema.NOT_ENDED, "ACTIVE"), else_=_element.c.state),
            STATES,
            sorts=True,
        ),
        flag("hasIncident", _element.c.key.in_(beside.stopped("element_instance_key"))),
        key("incidentKey", _incident_key, sorts=True),
        key("elementInstanceScopeKey", _element.c.scope_key, shows=False),
        SORTED_TENANT,
    ),
    where=_element.c.type != schema.PROCESS,
    prepare=_all_names,
    add=add_names,
    walks={"elementInstanceKey": dialect.BY_KEY, "startDate": dialect.BY_KEY},
)
