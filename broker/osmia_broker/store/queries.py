"""The read side: what was committed, for people and tools, on a connection of its own that can write nothing.

Lists come newest first, by key, in pages. Every method blocks: call it in a thread (`asyncio.to_thread`). Commits go on meanwhile; a
method sees what was committed when it began, all of it at one moment, so an answered command is always seen.

No list walks the whole history for a page of what is open: the ways at the end of this file lead SQLite to the indexes of schema.py,
which it would not use by itself where the order by key is in sight (tests/store/test_queries.py reads its plans).
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from heapq import nlargest
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Select, bindparam, func, or_, select, true, tuple_, union_all

from osmia_broker import model
from osmia_broker.errors import NotFound, StoreFailed
from osmia_broker.state.rows import ElementInstance, Incident, Job, ProcessDefinition, Variable
from osmia_broker.store import schema
from osmia_broker.store.pages import Page, cursor, cut, limit_of, place_of, size_of_texts
from osmia_broker.store.statements import among, compiled, rows_of, sql

KEY_MAX = 2**63 - 1
NAMES_MAX = 256  # definitions whose element names are kept

INSTANCES, JOBS, INCIDENTS, DEFINITIONS, VARIABLES = (  # the lists, by the names that their cursors bear
    "process instances",
    "jobs",
    "incidents",
    "process definitions",
    "variables",
)
ACTIVE, COMPLETED, CANCELED = "ACTIVE", "COMPLETED", "CANCELED"
OPEN, RESOLVED = "OPEN", "RESOLVED"

_element, _job, _incident = schema.element_instances, schema.jobs, schema.incidents
_definition, _variable = schema.process_definitions, schema.variables
_is_process = _element.c.type == schema.PROCESS
_job_is_open = _job.c.ended_ms == schema.NOT_ENDED

_INSTANCE_STATES = {
    ACTIVE: ("ACTIVATING", "ACTIVATED", "COMPLETING", "TERMINATING"),
    COMPLETED: ("COMPLETED",),
    CANCELED: ("TERMINATED",),
}
_ENDED_JOBS = frozenset({"COMPLETED", "CANCELED"})
_INCIDENT_STATES = {OPEN: _incident.c.ended_ms == schema.NOT_ENDED, RESOLVED: _incident.c.ended_ms > 0}

R = TypeVar("R")


class SeenElement(msgspec.Struct, frozen=True):
    """A place where a token is."""

    row: ElementInstance
    name: str  # in the model; empty if it has none
    incident_key: int  # 0 if nothing stops it


class SeenInstance(msgspec.Struct, frozen=True):
    """A process instance with the places it is at."""

    row: ElementInstance
    definition: ProcessDefinition
    state: str
    has_incident: bool
    elements: list[SeenElement]


class SeenJob(msgspec.Struct, frozen=True):
    """A job and what it is for."""

    row: Job
    definition: ProcessDefinition
    element_name: str


class SeenIncident(msgspec.Struct, frozen=True):
    """An incident and where it is."""

    row: Incident
    definition: ProcessDefinition


class Counts(msgspec.Struct, frozen=True):
    """How many are neither over nor resolved."""

    process_instances: int
    jobs: int
    incidents: int


class Reader:
    """Reads the database *path* of a partition; opened at the first question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # one connection, asked by whichever thread comes
        self._db: sqlite3.Connection | None = None
        self._definitions: dict[int, ProcessDefinition] = {}
        self._names: OrderedDict[int, dict[str, str]] = OrderedDict()

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._disconnect()

    # --- process instances

    def process_instances(
        self,
        *,
        bpmn_process_id: str = "",
        version: int = 0,
        process_definition_key: int = 0,
        states: Iterable[str] = (),
        has_incident: bool | None = None,
        limit: int = 0,
        after: str = "",
    ) -> Page[SeenInstance]:
        """Process instances; a filter that is empty lets everything through."""
        statement = rows_of(ElementInstance).where(_is_process)
        definitions = _definitions_named(bpmn_process_id, version, process_definition_key)
        wanted = _states_of_instances(states)
        with self._snapshot():
            if has_incident:
                statement = statement.where(
                    _element.c.key.in_(_STOPPED_INSTANCES),
                    _element.c.process_definition_key.in_(definitions),
                    _element.c.state.in_(wanted),
                )
            elif states or has_incident is not None or bpmn_process_id or version or process_definition_key:
                of_group = _UNSTOPPED_OF_GROUP if has_incident is False else _NEWEST_OF_GROUP
                groups = [(key, state) for (key,) in self._run(definitions) for state in wanted]
                statement = statement.where(_element.c.key.in_(self._newest_by_group(of_group, groups, limit, after)))
            page = self._newest(INSTANCES, statement, ElementInstance, limit, after)
            seen = self._seen_instances(page.items)
        whole = cut(seen, len(seen), _size_of_instance, lambda one: cursor(INSTANCES, one.row.key))
        return Page(whole.items, whole.next or page.next)

    def _newest_by_group(self, of_group: str, groups: list[tuple[int, str]], limit: int, after: str) -> list[int]:
        """Keys of the newest instances of definitions in states: the newest of each, which one step down the index finds, merged."""
        size, before = limit_of(limit), _before(INSTANCES, after)
        below = KEY_MAX if before is None else before
        db = self._connection()
        keys = [key for group in groups for (key,) in db.execute(of_group, (*group, below, size + 1))]
        return nlargest(size + 1, keys)

    def process_instance(self, key: int) -> SeenInstance:
        """One process instance.

        Raises:
            NotFound: there is none with this key.

        """
        with self._snapshot():
            rows = self._rows(ElementInstance, rows_of(ElementInstance).where(_element.c.key == key, _is_process))
            if not rows:
                raise NotFound(
                    f"Expected to find process instance with key '{key}', but no such process instance was found"
                )
            return self._seen_instances(rows)[0]

    def _seen_instances(self, instances: list[ElementInstance]) -> list[SeenInstance]:
        keys = [instance.key for instance in instances]
        wanted = msgspec.json.encode(keys).decode()
        incidents = {row.element_instance_key: row for row in self._found(Incident, _STOPS, wanted)}
        stopped = {row.process_instance_key for row in incidents.values()}
        elements: dict[int, list[SeenElement]] = {key: [] for key in keys}
        for row in self._found(ElementInstance, _PLACES, wanted):
            incident = incidents.get(row.key)
            name = self._element_name(row.process_definition_key, row.element_id)
            elements[row.process_instance_key].append(SeenElement(row, name, incident.key if incident else 0))
        return [
            SeenInstance(
                row=row,
                definition=self._definition(row.process_definition_key),
                state={"COMPLETED": COMPLETED, "TERMINATED": CANCELED}.get(row.state, ACTIVE),
                has_incident=row.key in stopped,
                elements=elements[row.key],
            )
            for row in instances
        ]

    # --- jobs, incidents

    def jobs(
        self,
        *,
        type: str = "",
        process_instance_key: int = 0,
        states: Iterable[str] = (),
        limit: int = 0,
        after: str = "",
    ) -> Page[SeenJob]:
        """Jobs, open and ended."""
        statement = rows_of(Job)
        if type:
            statement = statement.where(_job.c.type == type)
        if process_instance_key:
            statement = statement.where(_job.c.process_instance_key == process_instance_key)
        if wanted := set(states):
            statement = statement.where(_job.c.state.in_(sorted(wanted)))
            if not process_instance_key and not wanted & (_ENDED_JOBS if type else _ENDED_JOBS | {"ACTIVATABLE"}):
                open_jobs = _open_jobs(type, limit_of(limit), _before(JOBS, after))
                statement = statement.where(_job.c.key.in_(open_jobs))
        with self._snapshot():
            page = self._newest(JOBS, statement, Job, limit, after)
            return Page([self._seen_job(row) for row in page.items], page.next)

    def _seen_job(self, row: Job) -> SeenJob:
        name = self._element_name(row.process_definition_key, row.element_id)
        return SeenJob(row, self._definition(row.process_definition_key), name)

    def incidents(
        self,
        *,
        process_instance_key: int = 0,
        bpmn_process_id: str = "",
        error_type: str = "",
        states: Iterable[str] = (),
        limit: int = 0,
        after: str = "",
    ) -> Page[SeenIncident]:
        """Incidents, open and resolved."""
        statement = rows_of(Incident)
        if process_instance_key:
            statement = statement.where(_incident.c.process_instance_key == process_instance_key)
        if bpmn_process_id:
            statement = statement.where(_incident.c.process_definition_key.in_(_definitions_named(bpmn_process_id)))
        if error_type:
            statement = statement.where(_incident.c.error_type == error_type)
        if wanted := {_INCIDENT_STATES[state] for state in states}:
            statement = statement.where(or_(*wanted))
        if wanted == {_INCIDENT_STATES[OPEN]}:
            statement = statement.where(_incident.c.key.in_(_OPEN_INCIDENTS))
        with self._snapshot():
            page = self._newest(INCIDENTS, statement, Incident, limit, after)
            return Page(
                [SeenIncident(row, self._definition(row.process_definition_key)) for row in page.items], page.next
            )

    # --- definitions, variables, counts

    def process_definitions(
        self, *, bpmn_process_id: str = "", latest_only: bool = False, limit: int = 0, after: str = ""
    ) -> Page[ProcessDefinition]:
        """Deployed processes, every version one."""
        statement = rows_of(ProcessDefinition)
        if bpmn_process_id:
            statement = statement.where(_definition.c.bpmn_process_id == bpmn_process_id)
        if latest_only:
            by_name = _definition.alias()
            latest = select(by_name.c.bpmn_process_id, func.max(by_name.c.version)).group_by(by_name.c.bpmn_process_id)
            statement = statement.where(tuple_(_definition.c.bpmn_process_id, _definition.c.version).in_(latest))
        with self._snapshot():
            return self._newest(DEFINITIONS, statement, ProcessDefinition, limit, after)

    def variables(
        self, process_instance_key: int, *, scope_key: int = 0, limit: int = 0, after: str = ""
    ) -> Page[Variable]:
        """The variables of one process instance, by scope and name, ascending; those of scopes that are over too."""
        size, place = limit_of(limit), place_of(VARIABLES, after, int, str)
        scopes = select(_element.c.key).where(_element.c.process_instance_key == process_instance_key)
        statement = rows_of(Variable).where(
            _variable.c.scope_key.in_(scopes),
            _variable.c.scope_key == scope_key if scope_key else true(),
            tuple_(_variable.c.scope_key, _variable.c.name) > tuple_(*place) if place else true(),
        )
        ordered = statement.order_by(_variable.c.scope_key, _variable.c.name).limit(size + 1)
        with self._snapshot():
            rows = self._rows(Variable, ordered)
        return cut(rows, size, size_of_texts, lambda row: cursor(VARIABLES, row.scope_key, row.name))

    def counts(self) -> Counts:
        """How much is open; read from indexes alone."""
        instances = (
            select(func.count())
            .select_from(_element)
            .where(
                _is_process,
                _element.c.process_definition_key.in_(select(_definition.c.key)),  # the first column of the index
                _element.c.state.in_(_INSTANCE_STATES[ACTIVE]),
            )
        )
        activatable = select(func.count()).select_from(_job).where(_job.c.state == schema.ACTIVATABLE, _job_is_open)
        timed = select(func.count()).select_from(_job).where(_job.c.deadline_ms > schema.NO_DEADLINE, _job_is_open)
        open_incidents = select(_incident.c.job_key).where(_incident.c.ended_ms == schema.NOT_ENDED)
        with self._snapshot():
            stopped = [key for (key,) in self._run(open_incidents)]
            waiting, held = (self._run(one)[0][0] for one in (activatable, timed))
            return Counts(
                self._run(instances)[0][0], waiting + held + len({key for key in stopped if key}), len(stopped)
            )

    # --- reading

    def _newest(self, name: str, statement: Select[Any], row_type: Callable[..., R], limit: int, after: str) -> Page[R]:
        """A page of rows with keys, newest first."""
        size, before = limit_of(limit), _before(name, after)
        key = schema.TABLES[row_type].c.key  # type: ignore[index]
        if before is not None:
            statement = statement.where(key < before)
        rows = self._rows(row_type, statement.order_by(key.desc()).limit(size + 1))

        def mark(row: Any) -> str:
            return cursor(name, row.key)

        return cut(rows, size, size_of_texts, mark)

    def _rows(self, row_type: Callable[..., R], statement: Select[Any]) -> list[R]:
        return [row_type(*values) for values in self._run(statement)]

    def _found(self, row_type: Callable[..., R], text: str, *parameters: Any) -> list[R]:
        """As `_rows`, for a statement that always has the same text."""
        return [row_type(*values) for values in self._connection().execute(text, parameters)]

    def _run(self, statement: Select[Any]) -> list[Any]:
        text, parameters = compiled(statement)
        return self._connection().execute(text, parameters).fetchall()

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """All that is read within was committed at one moment. After a failure the next snapshot connects anew."""
        with self._lock:
            try:
                self._connection().execute("BEGIN")
                yield
                self._connection().execute("COMMIT")
            except sqlite3.Error as error:
                raise StoreFailed(f"Expected the database {self._path.name} to answer, but found: {error}") from error
            finally:
                if self._db is not None and self._db.in_transaction:
                    self._disconnect()

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            self._db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        return self._db

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    # --- what rows refer to

    def _definition(self, key: int) -> ProcessDefinition:
        if key not in self._definitions:
            (found,) = self._rows(ProcessDefinition, rows_of(ProcessDefinition).where(_definition.c.key == key))
            self._definitions[key] = found
        return self._definitions[key]

    def _element_name(self, definition_key: int, element_id: str) -> str:
        if definition_key not in self._names:
            self._names[definition_key] = self._read_names(definition_key)
            while len(self._names) > NAMES_MAX:
                self._names.popitem(last=False)
        self._names.move_to_end(definition_key)
        return self._names[definition_key].get(element_id, "")

    def _read_names(self, definition_key: int) -> dict[str, str]:
        definition = self._definition(definition_key)
        resource = select(schema.resources.c.content).where(schema.resources.c.checksum == definition.checksum)
        ((content,),) = self._run(resource)
        try:
            processes = model.parse(definition.resource_name, content)
        except model.InvalidModel:  # an older Osmia took it; a list is of use without names too
            return {}
        return {
            element.id: element.name
            for process in processes
            if process.id == definition.bpmn_process_id
            for element in process.elements.values()
            if element.name
        }


def _before(list_name: str, after: str) -> int | None:
    """The key that the page lies below; None for the first page."""
    place = place_of(list_name, after, int)
    return place[0] if place else None


def _states_of_instances(names: Iterable[str]) -> list[str]:
    """The states of the element instance that is the process; of all names where none is given."""
    return [state for name in names or _INSTANCE_STATES for state in _INSTANCE_STATES[name]]


def _definitions_named(bpmn_process_id: str, version: int = 0, key: int = 0) -> Select[Any]:
    return select(_definition.c.key).where(
        _definition.c.bpmn_process_id == bpmn_process_id if bpmn_process_id else true(),
        _definition.c.version == version if version else true(),
        _definition.c.key == key if key else true(),
    )


# --- what is open in process instances

_PLACES = sql(
    rows_of(ElementInstance)
    .where(
        among(_element.c.process_instance_key, "keys"),
        _element.c.ended_ms == schema.NOT_ENDED,
        _element.c.type != schema.PROCESS,
    )
    .order_by(_element.c.key)
)
_STOPS = sql(
    rows_of(Incident).where(among(_incident.c.process_instance_key, "keys"), _incident.c.ended_ms == schema.NOT_ENDED)
)

# --- ways over an index

_STOPPED_INSTANCES = select(_incident.c.process_instance_key).where(_incident.c.ended_ms == schema.NOT_ENDED)
_OPEN_INCIDENTS = select(_incident.c.key).where(_incident.c.ended_ms == schema.NOT_ENDED)


_OF_GROUP = select(_element.c.key).where(
    _is_process,
    _element.c.process_definition_key == bindparam("definition"),
    _element.c.state == bindparam("state"),
    _element.c.key < bindparam("below"),
)
_NEWEST_OF_GROUP, _UNSTOPPED_OF_GROUP = (
    sql(statement.order_by(_element.c.key.desc())) + " LIMIT ?"
    for statement in (_OF_GROUP, _OF_GROUP.where(_element.c.key.not_in(_STOPPED_INSTANCES)))
)


def _open_jobs(type: str, size: int, before: int | None) -> Select[Any]:
    """Keys of jobs that are not over: those that are held, back off or have an incident, and the newest that wait for *type*, if any.

    Only the waiting ones can be many; the others are as many as workers and people look after.
    """
    waiting = select(_job.c.key).where(
        _job.c.type == type,
        _job.c.state == schema.ACTIVATABLE,
        _job_is_open,
        _job.c.key < before if before is not None else true(),
    )
    timed = select(_job.c.key).where(_job.c.deadline_ms > schema.NO_DEADLINE, _job_is_open)
    stopped = select(_incident.c.job_key).where(_incident.c.ended_ms == schema.NOT_ENDED)
    newest = waiting.order_by(_job.c.key.desc()).limit(size + 1).subquery()
    keys = union_all(select(newest.c.key), timed, stopped).subquery()
    return select(keys.c.key)


def _size_of_instance(seen: SeenInstance) -> int:
    return size_of_texts(seen.row) + sum(size_of_texts(place.row) + len(place.name.encode()) for place in seen.elements)
