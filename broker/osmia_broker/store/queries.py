"""The read side: what was committed, for people and tools, on a connection of its own that can write nothing.

Lists come newest first, by key, in pages. Every method blocks: call it in a thread (`asyncio.to_thread`). Commits go on meanwhile; a
method sees what was committed when it began, all of it at one moment, so an answered command is always seen.

No list walks the whole history for a page of what is open: `_newest_of_groups` and its like send SQLite over the indexes of
schema.py, which it would not use by itself where the order by key is in sight (tests/store/test_queries.py reads its plans).
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, true, tuple_, union_all

from osmia_broker import model
from osmia_broker.errors import NotFound, StoreFailed
from osmia_broker.state.rows import ElementInstance, Incident, Job, ProcessDefinition, Variable
from osmia_broker.store import schema
from osmia_broker.store.pages import Page, cursor, cut, limit_of, place_of
from osmia_broker.store.statements import compiled, rows_of

NAMES_MAX = 256  # definitions whose element names are kept

ACTIVE, COMPLETED, CANCELED = "ACTIVE", "COMPLETED", "CANCELED"
OPEN, RESOLVED = "OPEN", "RESOLVED"

_element, _job, _incident = schema.element_instances, schema.jobs, schema.incidents
_definition, _variable = schema.process_definitions, schema.variables
_is_process = _element.c.type == schema.PROCESS

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
            if self._db is not None:
                self._db.close()
                self._db = None

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
        conditions = [_element.c.state.in_(_states_of_instances(states))]
        stopped = _element.c.key.in_(_INSTANCES_STOPPED)
        if has_incident is not None:
            conditions.append(stopped if has_incident else ~stopped)
        if process_definition_key:
            conditions.append(_element.c.process_definition_key == process_definition_key)
        definitions = _definitions_named(bpmn_process_id, version)
        if bpmn_process_id or version:
            conditions.append(_element.c.process_definition_key.in_(definitions))
        statement = rows_of(ElementInstance).where(_is_process, *conditions)
        if has_incident is not True and (states or bpmn_process_id or version or process_definition_key):
            if process_definition_key:
                definitions = definitions.where(_definition.c.key == process_definition_key)
            size, place = limit_of(limit), place_of(INSTANCES, after, int)
            groups = [(definitions, state) for state in _states_of_instances(states)]
            statement = statement.where(_element.c.key.in_(_newest_of_groups(groups, stopped, size, place)))
        with self._snapshot():
            page = self._newest(INSTANCES, statement, ElementInstance, limit, after)
            return Page(self._seen_instances(page.items), page.next)

    def process_instance(self, key: int) -> SeenInstance:
        """One process instance.

        Raises:
            NotFound: there is none with this key.

        """
        with self._lock:
            rows = self._rows(ElementInstance, rows_of(ElementInstance).where(_element.c.key == key, _is_process))
            if not rows:
                raise NotFound(
                    f"Expected to find process instance with key '{key}', but no such process instance was found"
                )
            return self._seen_instances(rows)[0]

    def _seen_instances(self, instances: list[ElementInstance]) -> list[SeenInstance]:
        keys = [instance.key for instance in instances]
        places = rows_of(ElementInstance).where(
            _element.c.process_instance_key.in_(keys),
            _element.c.ended_ms == schema.NOT_ENDED,
            _element.c.type != "PROCESS",
        )
        stops = rows_of(Incident).where(
            _incident.c.process_instance_key.in_(keys), _incident.c.ended_ms == schema.NOT_ENDED
        )
        incidents = {row.element_instance_key: row for row in self._rows(Incident, stops)}
        stopped = {row.process_instance_key for row in incidents.values()}
        elements: dict[int, list[SeenElement]] = {key: [] for key in keys}
        for row in sorted(self._rows(ElementInstance, places), key=lambda row: row.key):
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
        if wanted := list(states):
            statement = statement.where(_job.c.state.in_(wanted))
        with self._lock:
            page = self._newest("jobs", statement, Job, limit, after)
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
            statement = statement.where(_incident.c.process_definition_key.in_(_definitions_named(bpmn_process_id, 0)))
        if error_type:
            statement = statement.where(_incident.c.error_type == error_type)
        if wanted := [_INCIDENT_STATES[state] for state in states]:
            statement = statement.where(or_(*wanted))
        with self._lock:
            page = self._newest("incidents", statement, Incident, limit, after)
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
            later = _definition.alias()
            newer = exists().where(
                later.c.bpmn_process_id == _definition.c.bpmn_process_id, later.c.version > _definition.c.version
            )
            statement = statement.where(~newer)
        with self._lock:
            return self._newest("process definitions", statement, ProcessDefinition, limit, after)

    def variables(
        self, process_instance_key: int, *, scope_key: int = 0, limit: int = 0, after: str = ""
    ) -> Page[Variable]:
        """The variables of one process instance, by scope and name, ascending; those of scopes that are over too."""
        size, place = limit_of(limit), place_of("variables", after, int, str)
        scopes = select(_element.c.key).where(_element.c.process_instance_key == process_instance_key)
        statement = rows_of(Variable).where(
            _variable.c.scope_key.in_(scopes),
            _variable.c.scope_key == scope_key if scope_key else true(),
            tuple_(_variable.c.scope_key, _variable.c.name) > tuple_(*place) if place else true(),
        )
        ordered = statement.order_by(_variable.c.scope_key, _variable.c.name).limit(size + 1)
        with self._lock:
            rows = self._rows(Variable, ordered)
        return cut(rows, size, _size, lambda row: cursor("variables", row.scope_key, row.name))

    def counts(self) -> Counts:
        """How much is open; read from indexes alone."""
        instances = select(func.count()).select_from(_element).where(_is_process, _INSTANCE_STATES[ACTIVE])
        is_open = _job.c.ended_ms == schema.NOT_ENDED
        activatable = select(func.count()).select_from(_job).where(_job.c.state == schema.ACTIVATABLE, is_open)
        timed = select(func.count()).select_from(_job).where(_job.c.deadline_ms > schema.NO_DEADLINE, is_open)
        open_incidents = select(_incident.c.job_key).where(_incident.c.ended_ms == schema.NOT_ENDED)
        with self._lock:
            stopped = [key for (key,) in self._run(open_incidents)]
            waiting, held = (self._run(one)[0][0] for one in (activatable, timed))
            return Counts(
                self._run(instances)[0][0], waiting + held + len({key for key in stopped if key}), len(stopped)
            )

    # --- reading

    def _newest(self, name: str, statement: Select[Any], row_type: Callable[..., R], limit: int, after: str) -> Page[R]:
        """A page of rows with keys, newest first."""
        size, place = limit_of(limit), place_of(name, after, int)
        key = schema.TABLES[row_type].c.key  # type: ignore[index]
        if place:
            statement = statement.where(key < place[0])
        rows = self._rows(row_type, statement.order_by(key.desc()).limit(size + 1))

        def mark(row: Any) -> str:
            return cursor(name, row.key)

        return cut(rows, size, _size, mark)

    def _rows(self, row_type: Callable[..., R], statement: Select[Any]) -> list[R]:
        return [row_type(*values) for values in self._run(statement)]

    def _run(self, statement: Select[Any]) -> list[Any]:
        text, parameters = compiled(statement)
        try:
            return self._connection().execute(text, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreFailed(f"Expected the database {self._path.name} to answer, but found: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        return self._db

    # --- what rows refer to

    def _definition(self, key: int) -> ProcessDefinition:
        if key not in self._definitions:
            (found,) = self._rows(ProcessDefinition, rows_of(ProcessDefinition).where(_definition.c.key == key))
            self._definitions[key] = found
        return self._definitions[key]

    def _element_name(self, definition_key: int, element_id: str) -> str:
        names = self._names.get(definition_key)
        if names is None:
            names = self._names[definition_key] = self._read_names(definition_key)
            while len(self._names) > NAMES_MAX:
                self._names.popitem(last=False)
        return names.get(element_id, "")

    def _read_names(self, definition_key: int) -> dict[str, str]:
        definition = self._definition(definition_key)
        resource = select(schema.resources.c.content).where(schema.resources.c.checksum == definition.checksum)
        ((content,),) = self._run(resource)
        for process in model.parse(definition.resource_name, content):
            if process.id == definition.bpmn_process_id:
                return {element.id: element.name for element in process.elements.values() if element.name}
        return {}


def _definitions_named(bpmn_process_id: str, version: int) -> Select[Any]:
    return select(_definition.c.key).where(
        and_(
            _definition.c.bpmn_process_id == bpmn_process_id if bpmn_process_id else true(),
            _definition.c.version == version if version else true(),
        )
    )


def _size(row: Any) -> int:
    """How many bytes the row's texts take, about."""
    return 100 + sum(len(value) for name in row.__slots__ if isinstance(value := getattr(row, name), str))
