"""The list of process instances, running and ended, newest first, and one process instance by its key."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, func, select

from osmia_broker.base.errors import InvalidState
from osmia_broker.base.model_names import holds_expression
from osmia_broker.state.rows import (
    RUNNING,
    BusinessId,
    CalledInstance,
    ElementInstance,
    Incident,
    InstanceOrigin,
    ProcessDefinition,
)
from osmia_broker.state.task_rows import UserTask
from osmia_broker.store import schema
from osmia_broker.store.assemble import READERS, CorruptRow
from osmia_broker.store.read import dialect, pages
from osmia_broker.store.read.database import Snapshot
from osmia_broker.store.read.element_names import Names
from osmia_broker.store.read.incidents import is_open as incident_is_open
from osmia_broker.store.read.pages import Page, cursor, merged, row_key
from osmia_broker.store.read.sources import Sources, no_such, of_all, of_key, question
from osmia_broker.store.read.tables import columns_of

LIST = "process instances"  #: the name in its cursors
ACTIVE, COMPLETED, CANCELED = "ACTIVE", "COMPLETED", "CANCELED"
USER_TASK = "USER_TASK"  #: the type of an element
STATES = {  #: the states of a process instance, and those of the element instance that is the process
    ACTIVE: RUNNING,
    COMPLETED: ("COMPLETED",),
    CANCELED: ("TERMINATED",),
}

_element, _incident, _definition = schema.element_instances, schema.incidents, schema.process_definitions
_called, _origin = schema.TABLES[CalledInstance], schema.TABLES[InstanceOrigin]
_business_id, _task = schema.TABLES[BusinessId], schema.TABLES[UserTask]
is_process = _element.c.type == schema.PROCESS


def running_of(definition_key: ColumnElement[int]) -> ScalarSelect[int]:
    """Count the running instances of a definition: a look into an index for each state that is not an end, so ended ones cost nothing."""
    return (
        select(func.count())
        .where(is_process, _element.c.process_definition_key == definition_key, _element.c.state.in_(STATES[ACTIVE]))
        .correlate_except(_element)
        .scalar_subquery()
    )


class SeenElement(msgspec.Struct, frozen=True):
    """An element instance where a token is."""

    row: ElementInstance
    name: str  # in the model, of a user task whose name is an expression the value of that; empty if it has none
    incident_key: int  # 0 if no incident stops it
    called_process_instance_key: int  # 0 unless it is a call activity that has called


class SeenInstance(msgspec.Struct, frozen=True):
    """A process instance, and the element instances where its tokens are."""

    row: ElementInstance
    definition: ProcessDefinition
    state: str
    has_incident: bool
    elements: list[SeenElement]
    origin: InstanceOrigin | None  # None if it was simply created
    business_id: str


class _Found(msgspec.Struct):
    """The rows that belong to a page of process instances."""

    instances: list[ElementInstance]
    elements: list[ElementInstance]
    incidents: dict[int, Incident]  # by the element instance that they stop
    origins: dict[int, InstanceOrigin]  # by the process instance, as the business ids
    business_ids: dict[int, BusinessId]
    called: dict[int, CalledInstance]  # by the call activity
    definitions: dict[int, ProcessDefinition]


@question(of_all(merged(LIST, row_key)))
async def search(
    sources: Sources,
    *,
    bpmn_process_id: str = "",
    version: int = 0,
    process_definition_key: int = 0,
    states: Iterable[str] = (),
    has_incident: bool | None = None,
    parent_process_instance_key: int = 0,
    limit: int = 0,
    after: str = "",
) -> Page[SeenInstance]:
    """List the process instances that pass every filter. An empty filter lets all pass. A parent is the instance that has called."""
    element_states = [state for name in states for state in STATES[name]]
    asked = {
        "bpmn_process_id": bpmn_process_id,
        "version": version,
        "process_definition_key": process_definition_key,
        "parent_process_instance_key": parent_process_instance_key,
        "states": dialect.array(element_states or _ALL_STATES),
    }
    given = frozenset(name for name, value in asked.items() if value and (name != "states" or element_states))
    statement = _statement(given, has_incident)
    values = pages.values_of(LIST, limit, after) | asked
    async with sources.database.snapshot() as snapshot:
        page = await pages.read(snapshot, LIST, ElementInstance, statement, values)
        found = await _find(sources, snapshot, page.items)
    seen = await _seen(sources, found)
    cut = pages.cut(seen, len(seen), _size, lambda one: cursor(LIST, one.row.key))
    return Page(cut.items, cut.next or page.next)


@question(of_key("key"))
async def find(sources: Sources, key: int) -> SeenInstance:
    """Return one process instance.

    Raises:
        NotFound: there is none with this key.
        InvalidState: its row is corrupt.

    """
    async with sources.database.snapshot() as snapshot:
        values = await snapshot.values(_ONE, {"key": key})
        if not values:
            raise no_such("process instance", key)
        try:
            row = READERS[ElementInstance].row(tuple(values[0]))
        except CorruptRow as fault:
            raise InvalidState(
                f"Expected the stored rows of process instance '{key}' to be readable, but found {fault}"
            ) from None
        found = await _find(sources, snapshot, [row])
    return (await _seen(sources, found))[0]


async def _find(sources: Sources, snapshot: Snapshot, instances: list[ElementInstance]) -> _Found:
    """Read the rows that belong to *instances*."""
    keys = {"keys": dialect.array(row.key for row in instances)}
    elements = await snapshot.rows(ElementInstance, _PLACES, keys)
    incidents = await snapshot.rows(Incident, _STOPS, keys)
    called = await snapshot.rows(CalledInstance, _CALLS, keys)
    origins = await snapshot.rows(InstanceOrigin, _ORIGINS, keys)
    business_ids = await snapshot.rows(BusinessId, _BUSINESS_IDS, keys)
    definitions = await sources.definitions.of(
        snapshot, (row.process_definition_key for row in (*instances, *elements))
    )
    return _Found(
        instances=instances,
        elements=elements,
        incidents={row.element_instance_key: row for row in incidents},
        origins={row.process_instance_key: row for row in origins},
        business_ids={row.process_instance_key: row for row in business_ids},
        called={row.element_instance_key: row for row in called},
        definitions=definitions,
    )


async def _seen(sources: Sources, found: _Found) -> list[SeenInstance]:
    with_elements = {row.process_definition_key for row in found.elements}
    names = await sources.element_names.of(found.definitions[key] for key in with_elements)
    elements: dict[int, list[SeenElement]] = {row.key: [] for row in found.instances}
    of_tasks = await _names_of_tasks(sources, found.elements, names)
    for row in found.elements:
        incident, called = found.incidents.get(row.key), found.called.get(row.key)
        elements[row.process_instance_key].append(
            SeenElement(
                row,
                name=of_tasks.get(row.key) or names[row.process_definition_key].get(row.element_id, ""),
                incident_key=incident.key if incident else 0,
                called_process_instance_key=called.called_process_instance_key if called else 0,
            )
        )
    stopped = {row.process_instance_key for row in found.incidents.values()}
    return [
        SeenInstance(
            row=row,
            definition=found.definitions[row.process_definition_key],
            state={"COMPLETED": COMPLETED, "TERMINATED": CANCELED}.get(row.state, ACTIVE),
            has_incident=row.key in stopped,
            elements=elements[row.key],
            origin=found.origins.get(row.key),
            business_id=found.business_ids[row.key].business_id if row.key in found.business_ids else "",
        )
        for row in found.instances
    ]


async def _names_of_tasks(sources: Sources, elements: list[ElementInstance], names: dict[int, Names]) -> dict[int, str]:
    """Return the names of the open user tasks among *elements* whose name in the model is an expression, by element instance."""
    instances = {
        row.process_instance_key
        for row in elements
        if row.type == USER_TASK and holds_expression(names[row.process_definition_key].get(row.element_id, ""))
    }
    if not instances:
        return {}
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_TASK_NAMES, {"keys": dialect.array(instances)})
    return dict(map(tuple, found))


def _size(seen: SeenInstance) -> int:
    marks = pages.size_of_texts(seen.origin) if seen.origin else 0
    places = sum(pages.size_of_texts(one.row) + len(one.name.encode()) for one in seen.elements)
    return pages.size_of_texts(seen.row) + marks + len(seen.business_id.encode()) + places


# --- statements

_ALL_STATES = [state for states in STATES.values() for state in states]
_ONE = columns_of(ElementInstance).where(_element.c.key == bindparam("key"), is_process)
_PLACES = (
    columns_of(ElementInstance)
    .where(
        dialect.among(_element.c.process_instance_key, "keys"),
        _element.c.ended_ms == schema.NOT_ENDED,
        _element.c.type != schema.PROCESS,
    )
    .order_by(_element.c.key)
)
_STOPS = columns_of(Incident).where(dialect.among(_incident.c.process_instance_key, "keys"), incident_is_open)
_CALLS = columns_of(CalledInstance).where(
    dialect.among(_called.c.process_instance_key, "keys"), _called.c.ended_ms == schema.NOT_ENDED
)
_ORIGINS = columns_of(InstanceOrigin).where(dialect.among(_origin.c.process_instance_key, "keys"))
_BUSINESS_IDS = columns_of(BusinessId).where(dialect.among(_business_id.c.process_instance_key, "keys"))
_TASK_NAMES = select(_task.c.element_instance_key, _task.c.name).where(
    dialect.among(_task.c.process_instance_key, "keys"), _task.c.ended_ms == schema.NOT_ENDED
)
_STOPPED = select(_incident.c.process_instance_key).where(incident_is_open)

_CALLED = select(_called.c.called_process_instance_key).where(
    _called.c.process_instance_key == bindparam("parent_process_instance_key")
)

_NO_DEFINITION = frozenset({"states", "parent_process_instance_key"})  #: the filters that name no definition
_OF_DEFINITION = {
    "bpmn_process_id": _definition.c.bpmn_process_id == bindparam("bpmn_process_id"),
    "version": _definition.c.version == bindparam("version"),
    "process_definition_key": _definition.c.key == bindparam("process_definition_key"),
}


@cache
def _statement(given: frozenset[str], has_incident: bool | None) -> Select[Any]:
    """Build the statement with these filters, once: building costs more than running it."""
    statement = columns_of(ElementInstance).where(is_process)
    few = _few(given, has_incident)
    if few:
        statement = statement.where(*(_element.c.key.in_(keys) for keys in few))
        if given - _NO_DEFINITION:
            statement = statement.where(_element.c.process_definition_key.in_(_definitions(given)))
        if "states" in given:
            statement = statement.where(dialect.among(_element.c.state, "states"))
        if has_incident is False:
            statement = statement.where(_element.c.key.not_in(_STOPPED))
    elif given or has_incident is not None:
        statement = statement.where(_element.c.key.in_(_newest(given, has_incident)))
    return pages.newest_first(statement, ElementInstance)


def _few(given: frozenset[str], has_incident: bool | None) -> list[Select[Any]]:
    """Return the selections of few keys that the filters name. Every one of these keys is read."""
    open_incidents = [_STOPPED] if has_incident else []
    return [*open_incidents, _CALLED] if "parent_process_instance_key" in given else open_incidents


def _newest(given: frozenset[str], has_incident: bool | None) -> Select[Any]:
    """Select the newest keys of each definition in each state. The index begins with both columns and finds these keys at once."""
    definitions, states = _definitions(given).subquery("definitions"), dialect.each("states")
    of_each = select(_element.c.key).where(
        is_process,
        _element.c.process_definition_key == definitions.c.key,
        _element.c.state == states.c.value,
    )
    if has_incident is False:
        of_each = of_each.where(_element.c.key.not_in(_STOPPED))
    newest = dialect.lateral(pages.newest_first(of_each, ElementInstance).correlate(definitions, states), "newest")
    keys = select(newest.c.value).select_from(definitions, states, newest)
    return keys.order_by(newest.c.value.desc()).limit(bindparam("size"))


def _definitions(given: frozenset[str]) -> Select[Any]:
    """Select the keys of the definitions that the filters name; of all that have instances, if they name none."""
    named = given - _NO_DEFINITION
    if named == {"process_definition_key"}:
        return select(bindparam("process_definition_key", type_=schema.Int64).label("key"))
    if named:
        return select(_definition.c.key).where(*(_OF_DEFINITION[name] for name in sorted(named)))
    return definitions_with_instances()


def definitions_with_instances() -> Select[Any]:
    """Select the keys of all definitions that have process instances, also of deleted ones, with one index look-up for each key."""
    first = select(func.min(_element.c.process_definition_key).label("key")).where(is_process)
    found = first.cte("definitions_with_instances", recursive=True)
    following = first.where(_element.c.process_definition_key > found.c.key).correlate(found).scalar_subquery()
    keys = found.union_all(select(following).where(found.c.key.is_not(None)))
    return select(keys.c.key).where(keys.c.key.is_not(None))
