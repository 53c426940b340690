"""A look at the committed rows of a broker under test, running and ended, and at the models that it has deployed."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from osmia_broker.engine.resources import compile_resource
from osmia_broker.model import ElementType, Process
from osmia_broker.state.rows import (
    ElementInstance,
    Incident,
    Job,
    ProcessDefinition,
    Resource,
    Variable,
    WaitingToken,
)
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.store.memory import connect

R = TypeVar("R")

_CONTAINERS = frozenset({ElementType.PROCESS})


class View:
    """Reads *database*, after *settle* has waited until the broker is quiet. *has_handler* tells whether a worker under test takes a job."""

    def __init__(self, database: Path, settle: Callable[[], None], has_handler: Callable[[Job], bool]) -> None:
        self._database = database
        self.has_handler = has_handler
        self._settle = settle
        self._models: dict[str, dict[str, Process]] = {}  # by checksum, then by process id

    def rows(self, row_type: type[R], **values: Any) -> list[R]:
        """Return the rows of a kind whose columns have these *values*, oldest first."""
        self._settle()
        return self._read(row_type, **values)

    def _read(self, row_type: type[R], **values: Any) -> list[R]:
        kind = KINDS[row_type]
        where = " AND ".join(f'"{name}" = ?' for name in values) or "1"
        columns = ", ".join(f'"{name}"' for name in kind.columns)
        order = ", ".join(kind.primary_key)
        statement = f"SELECT {columns} FROM {kind.table} WHERE {where} ORDER BY {order}"  # noqa: S608 - our own names
        with closing(connect(self._database)) as db:
            return [row_type(*found) for found in db.execute(statement, list(values.values()))]

    # --- definitions

    def definitions(self) -> list[ProcessDefinition]:
        """Return all deployed versions of all processes."""
        return self._read(ProcessDefinition)

    def model(self, definition: ProcessDefinition) -> Process:
        """Return the compiled model of a definition."""
        models = self._models.get(definition.checksum)
        if models is None:
            content = self.resource(definition)
            models = compile_resource(definition.resource_name, content).compiled.processes
            self._models[definition.checksum] = models
        return models[definition.bpmn_process_id]

    def resource(self, definition: ProcessDefinition) -> bytes:
        """Return the file that a definition came in."""
        [found] = self._read(Resource, checksum=definition.checksum)
        return found.content

    # --- process instances

    def instances(self, process_id: str = "") -> list[ElementInstance]:
        """Return all process instances, or those of one process, running and ended, oldest first."""
        named = {"element_id": process_id} if process_id else {}
        return self.rows(ElementInstance, type=ElementType.PROCESS, **named)

    def visits(self, key: int) -> list[ElementInstance]:
        """Return the visits of elements of a process instance, in the order in which they began, without the process itself."""
        rows = self.rows(ElementInstance, process_instance_key=key)
        return [row for row in rows if row.type not in _CONTAINERS]

    def tokens(self, key: int) -> list[WaitingToken]:
        """Return the tokens that have waited at joins of a process instance, those that still wait too."""
        return self.rows(WaitingToken, process_instance_key=key)

    def variables(self, scope_key: int) -> dict[str, Any]:
        """Return the variables of one scope."""
        return {row.name: value_of(row.value) for row in self.rows(Variable, scope_key=scope_key)}

    def incidents(self, key: int) -> list[Incident]:
        """Return the open incidents of a process instance."""
        return [row for row in self.rows(Incident, process_instance_key=key) if not row.ended_ms]

    def tasks(self, **values: Any) -> list[UserTask]:
        """Return the open user tasks whose columns have these *values*."""
        return self.rows(UserTask, ended_ms=0, **values)

    def jobs(self, **values: Any) -> list[Job]:
        """Return the open jobs whose columns have these *values*."""
        return self.rows(Job, ended_ms=0, **values)


def value_of(text: str) -> Any:
    """Return a stored JSON value. One that Python cannot read (such as 1e999) stays text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def finished(visits: list[ElementInstance]) -> list[ElementInstance]:
    """Return the visits that have completed, in the order in which they did."""
    done = [row for row in visits if row.state == "COMPLETED"]
    return sorted(done, key=lambda row: (row.ended_ms, row.key))


def standing(visits: list[ElementInstance]) -> list[ElementInstance]:
    """Return the visits that go on and hold no others: there the tokens stand."""
    going_on = [row for row in visits if not row.ended_ms]
    scopes = {row.scope_key for row in going_on}
    return [row for row in going_on if row.key not in scopes]
