"""User tasks of both kinds and dialects, open and ended."""

from typing import Any

from sqlalchemy import and_, literal_column

from osmia_broker.state.task_rows import TaskCandidate, UserTask, UserTaskState
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside
from osmia_broker.store.read.entities.jobs import headers
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    TENANT,
    Field,
    Nested,
    choice,
    date,
    integer,
    json,
    key,
    maybe,
    text,
)
from osmia_broker.store.read.search.values import epoch_ms

_task = schema.TABLES[UserTask].alias("task")
_definition, _origin = beside.Definition(_task.c.process_definition_key), beside.Origin(_task.c.process_instance_key)
STATES = (*(one.value for one in UserTaskState), "FAILED")


def _date(stored: Any) -> str | None:
    """Return a stored date as RFC 3339: with its offset, without the name of a zone."""
    if not stored:
        return None
    text = str(stored).partition("[")[0]
    if epoch_ms(text) is None:
        raise ValueError(f"no date-time: {text!r:.100}")
    return text


def _candidates(name: str, kind: str) -> Field:
    """Declare the candidates of one kind, for filters. A candidate that was removed counts no more."""
    table = schema.TABLES[TaskCandidate].alias(f"candidate_{kind.lower()}")
    nested = Nested(
        table,
        table.c.user_task_key,
        _task.c.key,
        and_(table.c.kind == literal_column(f"'{kind}'"), table.c.ended_ms == _task.c.ended_ms),
    )
    return text(name, table.c.name, nested=nested, shows=False)


USER_TASKS = Entity(
    "user tasks",
    _task,
    (_task.c.key,),
    (
        key("userTaskKey", _task.c.key),
        maybe("name", _task.c.name, sorts=True),
        choice("state", _task.c.state, STATES),
        maybe("assignee", _task.c.assignee),
        text("elementId", _task.c.element_id),
        json("candidateGroups", _task.c.candidate_groups, beside.texts),
        json("candidateUsers", _task.c.candidate_users, beside.texts),
        integer("priority", _task.c.priority, sorts=True),
        date("creationDate", _task.c.created_ms, sorts=True),
        date("completionDate", _task.c.ended_ms, sorts=True),
        date("dueDate", _task.c.due_ms, shown_as=_task.c.due_date, show=_date, sorts=True),
        date("followUpDate", _task.c.follow_up_ms, shown_as=_task.c.follow_up_date, show=_date, sorts=True),
        key("formKey", _task.c.form_key, filters=False),
        maybe("externalFormReference", _task.c.external_form, filters=False),
        json("customHeaders", _task.c.headers, headers),
        key("elementInstanceKey", _task.c.element_instance_key),
        key("processInstanceKey", _task.c.process_instance_key),
        _origin.root_field(),
        key("processDefinitionKey", _task.c.process_definition_key),
        maybe("processDefinitionId", _definition.c.bpmn_process_id, joins=(_definition.join,)),
        integer("processDefinitionVersion", _definition.c.version, joins=(_definition.join,), filters=False),
        maybe("processName", _definition.c.name, joins=(_definition.join,), filters=False),
        beside.business_id(_task.c.process_instance_key, sorts=True),
        beside.tags(_task.c.process_instance_key, _origin),
        TENANT,
        # --- beyond the contract
        maybe("description", _task.c.documentation, filters=False),
        maybe("category", _task.c.category, filters=False),
        # --- for filters
        _candidates("candidateGroup", "GROUP"),
        _candidates("candidateUser", "USER"),
        beside.variables("processInstanceVariables", _task.c.process_instance_key),
        beside.variables("localVariables", _task.c.element_instance_key),
    ),
)
