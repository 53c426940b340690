"""Deployed processes, in all versions. Deleted ones stay: instances refer to them."""

from dataclasses import replace

from sqlalchemy import and_, case, func, not_, select

from osmia_broker.store import schema
from osmia_broker.store.read.deployed.draining import draining, drains
from osmia_broker.store.read.deployed.start_forms import definitions_with_form
from osmia_broker.store.read.search.entity import Entity, Item, Parameters
from osmia_broker.store.read.search.fields import SORTED_TENANT, Condition, flag, integer, maybe, named, own_key, text
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.sql import dialect

_definition = schema.process_definitions.alias("definition")
_newer = schema.process_definitions.alias("newer")
_is_there = _definition.c.deleted_ms == 0
_drains = drains(_definition.c.key)
#: A deleted definition drains while instances of it run.
STATES: dict[str, Condition] = {
    "ACTIVE": _is_there,
    "DRAINING": _drains,
    "DELETED": and_(_definition.c.deleted_ms > 0, not_(_drains)),
}
_is_latest = _definition.c.version == (
    select(func.max(_newer.c.version))
    .where(_newer.c.bpmn_process_id == _definition.c.bpmn_process_id, _newer.c.deleted_ms == 0)
    .scalar_subquery()
)
FORMS = "definitions_with_form"  #: the parameter with their keys


async def _known_before(sources: Sources, used: frozenset[str]) -> Parameters:
    """Read which deleted definitions drain, and which have a form at their start event. No table of the first partition has it."""
    return await _with_form(sources, used) | await draining(sources)


async def _with_form(sources: Sources, used: frozenset[str]) -> Parameters:
    """Read which definitions have a form at their start event, for a search that asks for it."""
    with_form = await definitions_with_form(sources) if "hasStartForm" in used else ()
    return {FORMS: dialect.array(with_form)}


async def _add_forms(sources: Sources, items: list[Item]) -> None:
    found = await definitions_with_form(sources, [int(item["processDefinitionKey"]) for item in items])
    for item in items:
        item["hasStartForm"] = int(item["processDefinitionKey"]) in found


PROCESS_DEFINITIONS = Entity(
    "process definitions",
    _definition,
    (_definition.c.key,),
    (
        own_key("processDefinitionKey", _definition.c.key),
        text("processDefinitionId", _definition.c.bpmn_process_id, sorts=True),
        maybe("name", _definition.c.name, sorts=True),
        text("resourceName", _definition.c.resource_name, sorts=True),
        integer("version", _definition.c.version, sorts=True),
        maybe("versionTag", _definition.c.version_tag, sorts=True),
        named("state", case((_is_there, "ACTIVE"), (_drains, "DRAINING"), else_="DELETED"), STATES),
        flag("hasStartForm", dialect.among(_definition.c.key, FORMS)),
        SORTED_TENANT,
        flag("isLatestVersion", and_(_is_there, _is_latest), shows=False),
    ),
    prepare=_known_before,
    add=_add_forms,
    is_of_cluster=True,
)

#: Those that are not deleted. Nobody need ask which of the others drain, unless the state is shown.
LIVING_DEFINITIONS = replace(PROCESS_DEFINITIONS, where=_is_there, prepare=_with_form)
