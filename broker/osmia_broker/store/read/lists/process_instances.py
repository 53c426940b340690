"""The list of process instances, newest first, and one process instance by its key: the search of `entities/process_instances.py` with rows.

An item has more than the row of its instance: where its tokens are, and its circumstances. They are read in the snapshot of the list.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import bindparam, select

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
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.store import schema
from osmia_broker.store.assemble import READERS, CorruptRow
from osmia_broker.store.read.deployed.element_names import Names
from osmia_broker.store.read.entities.process_instances import PROCESS_INSTANCES
from osmia_broker.store.read.instances.instance_conditions import is_process
from osmia_broker.store.read.lists import pages
from osmia_broker.store.read.lists.incidents import is_open as incident_is_open
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, among, page_of
from osmia_broker.store.read.search.items import Key
from osmia_broker.store.read.sources import Sources, by_itself, no_such, of_key, question
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.sql.database import Snapshot
from osmia_broker.store.read.sql.tables import columns_of

NEWEST_FIRST = (("startDate", True),)
CHUNK = 100  # instances read at a time, for each has element instances
USER_TASK = "USER_TASK"  #: the type of an element
ACTIVE, SUSPENDED, COMPLETED, CANCELED = "ACTIVE", "SUSPENDED", "COMPLETED", "CANCELED"
STATES = {  #: the states of a process instance, and those of the element instance that is the process
    ACTIVE: RUNNING,
    SUSPENDED: RUNNING,
    COMPLETED: ("COMPLETED",),
    CANCELED: ("TERMINATED",),
}

_element, _incident = schema.element_instances, schema.incidents
_called, _origin = schema.TABLES[CalledInstance], schema.TABLES[InstanceOrigin]
_business_id, _task = schema.TABLES[BusinessId], schema.TABLES[UserTask]


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


class _Instances:
    """Shows process instances. Their elements have no names yet."""

    chunk = CHUNK

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._rows = Rows(ElementInstance)

    async def read(self, snapshot: Snapshot, keys: Sequence[Key]) -> dict[Key, tuple[SeenInstance | None, int]]:
        """Read the instances with these *keys*."""
        rows = await self._rows.read(snapshot, keys)
        seen = await _find(self._sources, snapshot, [row for row, _ in rows.values() if row is not None])
        return {(one.row.key,): (one, _size(one)) for one in seen}


@question(by_itself)
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
    names = frozenset(states)
    # Indexes have the stored state. It is the same for running and for suspended instances, so only a search for one of the two looks further.
    asked = {
        "processDefinitionId": bpmn_process_id,
        "processDefinitionVersion": version,
        "processDefinitionKey": process_definition_key,
        "storedState": among(sorted({state for name in names for state in STATES[name]})),
        "hasIncident": has_incident,
        "state": among(sorted(map(_as_searched, names))) if len(names & {ACTIVE, SUSPENDED}) == 1 else None,
        "parentProcessInstanceKey": parent_process_instance_key,
    }

    async def page_with(limit: int) -> Page[SeenInstance]:
        shows = _Instances(sources)
        page = await page_of(sources, PROCESS_INSTANCES, shows, NEWEST_FIRST, asked, limit=limit, after=after)
        return Page(await _named(sources, page.items), page.next)

    page = await page_with(limit)
    fitting = pages.cut(page.items, len(page.items), _size, lambda _last: page.next)
    if len(fitting.items) == len(page.items):
        return page
    return await page_with(len(fitting.items))  # names take part of a message, and are read after the rows


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
    return (await _named(sources, found))[0]


async def _find(sources: Sources, snapshot: Snapshot, instances: list[ElementInstance]) -> list[SeenInstance]:
    """Read the rows that belong to *instances*."""
    keys = {"keys": dialect.array(row.key for row in instances)}
    elements = await snapshot.rows(ElementInstance, _PLACES, keys)
    incidents = {row.element_instance_key: row for row in await snapshot.rows(Incident, _STOPS, keys)}
    called = {row.element_instance_key: row for row in await snapshot.rows(CalledInstance, _CALLS, keys)}
    origins = {row.process_instance_key: row for row in await snapshot.rows(InstanceOrigin, _ORIGINS, keys)}
    business_ids = {row.process_instance_key: row for row in await snapshot.rows(BusinessId, _BUSINESS_IDS, keys)}
    definitions = await sources.definitions.of(snapshot, (row.process_definition_key for row in instances))
    places: dict[int, list[SeenElement]] = defaultdict(list)
    for row in elements:
        seen = SeenElement(
            row,
            name="",
            incident_key=incidents[row.key].key if row.key in incidents else 0,
            called_process_instance_key=called[row.key].called_process_instance_key if row.key in called else 0,
        )
        places[row.process_instance_key].append(seen)
    stopped = {row.process_instance_key for row in incidents.values()}
    return [
        SeenInstance(
            row=row,
            definition=definitions[row.process_definition_key],
            state=_state(row, origins.get(row.key)),
            has_incident=row.key in stopped,
            elements=places[row.key],
            origin=origins.get(row.key),
            business_id=business_ids[row.key].business_id if row.key in business_ids else "",
        )
        for row in instances
    ]


async def _named(sources: Sources, found: list[SeenInstance]) -> list[SeenInstance]:
    """Give the elements the names that the model of their instance has, or that user tasks have themselves."""
    models = {one.definition.key: one.definition for one in found if one.elements}
    names = await sources.element_names.of(models.values())
    of_tasks = await _names_of_tasks(sources, found, names)

    def named(one: SeenInstance) -> SeenInstance:
        known = names.get(one.definition.key, {})
        elements = [
            msgspec.structs.replace(place, name=of_tasks.get(place.row.key) or known.get(place.row.element_id, ""))
            for place in one.elements
        ]
        return msgspec.structs.replace(one, elements=elements)

    return [named(one) for one in found]


async def _names_of_tasks(
    sources: Sources, found: Iterable[SeenInstance], names: Mapping[int, Names]
) -> dict[int, str]:
    """Return the names of the open user tasks whose name in the model is an expression, by element instance."""
    instances: dict[Sources, set[int]] = defaultdict(set)
    for one in found:
        known = names.get(one.definition.key, {})
        if any(
            place.row.type == USER_TASK and holds_expression(known.get(place.row.element_id, ""))
            for place in one.elements
        ):
            instances[sources.part_of(one.row.key)].add(one.row.key)
    of_tasks: dict[int, str] = {}
    for part, keys in instances.items():
        async with part.database.snapshot() as snapshot:
            of_tasks |= dict(map(tuple, await snapshot.values(_TASK_NAMES, {"keys": dialect.array(keys)})))
    return of_tasks


def _as_searched(state: str) -> str:
    return "TERMINATED" if state == CANCELED else state


def _state(row: ElementInstance, origin: InstanceOrigin | None) -> str:
    """Return the state of a process instance. One that has ended while it was suspended has ended."""
    if row.state in ("COMPLETED", "TERMINATED"):
        return COMPLETED if row.state == "COMPLETED" else CANCELED
    return SUSPENDED if origin is not None and origin.suspended_ms else ACTIVE


def _size(seen: SeenInstance) -> int:
    marks = pages.size_of_texts(seen.origin) if seen.origin else 0
    places = sum(pages.size_of_texts(one.row) + len(one.name.encode()) for one in seen.elements)
    return pages.size_of_texts(seen.row) + marks + len(seen.business_id.encode()) + places


# --- statements

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
