"""Views of one process instance or definition: the numbers of its elements, the flows taken, its callers, the scopes of an element.

These lists are bounded by the size of a model, or by the depth of calls, so they have no pages.
"""

from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Select, and_, bindparam, func, select, union_all

from osmia_broker.state.rows import InstanceOrigin, ProcessDefinition, WaitingToken
from osmia_broker.store import schema
from osmia_broker.store.read.entities.process_instances import PROCESS_INSTANCES
from osmia_broker.store.read.entities.wait_states import WAIT_STATES
from osmia_broker.store.read.instances.element_conditions import is_open, is_stopped, number_of, of_instance
from osmia_broker.store.read.search import filters, statements
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.statements import Sight
from osmia_broker.store.read.sources import Sources, no_such, of_all, of_key, question
from osmia_broker.store.read.sql.database import Snapshot

CALLERS_MAX = 1_000  # deeper calls are refused by the engine

_element, _token = schema.element_instances, schema.TABLES[WaitingToken]
_origin, _definition = schema.TABLES[InstanceOrigin], schema.process_definitions
_is_process = _element.c.type == schema.PROCESS


def _numbers(where: Any) -> Select[Any]:
    return (
        select(
            _element.c.element_id,
            number_of(and_(is_open, ~is_stopped)),
            number_of(_element.c.state == "TERMINATED"),
            number_of(and_(is_open, is_stopped)),
            number_of(_element.c.state == "COMPLETED"),
        )
        .where(where, ~_is_process)
        .group_by(_element.c.element_id)
        .order_by(_element.c.element_id)
    )


_OF_INSTANCE = _numbers(of_instance)
_INSTANCE = select(_element.c.key, _element.c.process_definition_key).where(
    _element.c.key == bindparam("key"), _is_process
)
_FLOWS = union_all(
    select(_element.c.entered_by.label("flow"), _element.c.key).where(of_instance, _element.c.entered_by != ""),
    select(_token.c.flow_id, _token.c.key).where(_token.c.process_instance_key == bindparam("key")),
).subquery()
_TAKEN = select(_FLOWS.c.flow).group_by(_FLOWS.c.flow).order_by(func.min(_FLOWS.c.key))
_ONE_DEFINITION = select(_definition.c.bpmn_process_id, _definition.c.name).where(_definition.c.key == bindparam("key"))
_ORIGIN = select(_origin.c.parent_process_instance_key, _origin.c.root_process_instance_key).where(
    _origin.c.process_instance_key == bindparam("key")
)
_SCOPE = select(_element.c.scope_key).where(_element.c.key == bindparam("key"))
_wait = WAIT_STATES.table
_WAITS = (
    select(_wait.c.element_id, func.count())
    .where(_wait.c.process_instance_key == bindparam("key"))
    .group_by(_wait.c.element_id)
    .order_by(_wait.c.element_id)
)


def _element_numbers(found: list[Any]) -> list[Item]:
    return [
        {"elementId": id, "active": active, "canceled": canceled, "incidents": incidents, "completed": completed}
        for id, active, canceled, incidents, completed in found
    ]


async def _check_instance(snapshot: Snapshot, key: int) -> int:
    """Return the definition of a process instance.

    Raises:
        NotFound: there is none with this key.

    """
    found = await snapshot.values(_INSTANCE, {"key": key})
    if not found:
        raise no_such("process instance", key)
    return int(found[0][1])


@question(of_key("key"))
async def element_numbers(sources: Sources, key: int) -> list[Item]:
    """Count the element instances of a process instance by element and state."""
    async with sources.database.snapshot() as snapshot:
        await _check_instance(snapshot, key)
        return _element_numbers(await snapshot.values(_OF_INSTANCE, {"key": key}))


def _sum(found: list[list[Item]], _given: object) -> list[Item]:
    """Add up the numbers of each element."""
    total: dict[str, Item] = {}
    for item in chain.from_iterable(found):
        known = total.setdefault(item["elementId"], dict.fromkeys(item, 0) | {"elementId": item["elementId"]})
        for name, number in item.items():
            if name != "elementId":
                known[name] += number
    return [total[id] for id in sorted(total)]


@question(of_all(_sum))
async def element_numbers_of_definition(sources: Sources, key: int, filter: Any) -> list[Item]:
    """Count the element instances of all process instances of a definition that pass *filter*, by element and state."""
    parsed = filters.parse(PROCESS_INSTANCES.fields, filter, scope={"processDefinitionKey": key})
    own = await PROCESS_INSTANCES.prepare(sources, frozenset(statements.names_of(parsed.shape)))
    instances = statements.selected(Sight(PROCESS_INSTANCES), parsed.shape)
    async with sources.database.snapshot() as snapshot:
        statement = _numbers(_element.c.process_instance_key.in_(instances))
        return _element_numbers(await snapshot.values(statement, parsed.parameters | own))


@question(of_key("key"))
async def wait_numbers(sources: Sources, key: int) -> list[Item]:
    """Count what a process instance waits for, by element."""
    async with sources.database.snapshot() as snapshot:
        await _check_instance(snapshot, key)
        found = await snapshot.values(_WAITS, {"key": key})
    return [{"elementId": id, "waitingCount": count} for id, count in found]


class TakenFlows(msgspec.Struct, frozen=True):
    """The sequence flows that tokens of a process instance have taken, by their ids, in the order in which they were taken first."""

    root_process_instance_key: int
    definition: ProcessDefinition
    ids: list[str]


@question(of_key("key"))
async def taken_flows(sources: Sources, key: int) -> TakenFlows:
    """List the sequence flows that tokens of a process instance have taken.

    Raises:
        NotFound: there is none with this key.

    """
    async with sources.database.snapshot() as snapshot:
        definition_key = await _check_instance(snapshot, key)
        flows = await snapshot.values(_TAKEN, {"key": key})
        definitions = await sources.definitions.of(snapshot, [definition_key])
        origin = await snapshot.values(_ORIGIN, {"key": key})
    root = int(origin[0][1]) if origin and origin[0][1] else key
    return TakenFlows(root, definitions[definition_key], [flow for (flow,) in flows])


@question(of_key("key"))
async def callers(sources: Sources, key: int) -> list[Item]:
    """List a process instance and all that have called it, the outermost first."""
    entries: list[Item] = []
    async with sources.database.snapshot() as snapshot:
        while len(entries) < CALLERS_MAX:
            definition_key = await _check_instance(snapshot, key)
            definitions = await snapshot.values(_ONE_DEFINITION, {"key": definition_key})
            id, name = definitions[0] if definitions else ("", "")
            entries.append(
                {
                    "processInstanceKey": str(key),
                    "processDefinitionKey": str(definition_key),
                    "processDefinitionName": name or id,
                }
            )
            origin = await snapshot.values(_ORIGIN, {"key": key})
            key = origin[0][0] if origin else 0
            if not key:
                break
    return entries[::-1]


@question(of_key("element_instance_key"))
async def scopes_of(sources: Sources, element_instance_key: int) -> list[int]:
    """Return the scopes that an element instance sees, from its own to the process."""
    scopes: list[int] = []
    async with sources.database.snapshot() as snapshot:
        key = element_instance_key
        while key and key not in scopes:
            scopes.append(key)
            found = await snapshot.values(_SCOPE, {"key": key})
            key = found[0][0] if found else 0
    return scopes
