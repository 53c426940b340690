"""User tasks of both kinds and dialects, open and ended."""

from typing import Any

from sqlalchemy import FromClause

from osmia_broker.state.task_rows import UserTask, UserTaskState
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside, task_readers
from osmia_broker.store.read.entities.jobs import headers
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    TENANT,
    Field,
    choice,
    date,
    integer,
    json,
    key,
    maybe,
    text,
)
from osmia_broker.store.read.search.filters import Group, Leaf
from osmia_broker.store.read.search.values import epoch_ms

STATES = (*(one.value for one in UserTaskState), "FAILED")
_ENDED = frozenset({"COMPLETED", "CANCELED", "FAILED"})


def _date(stored: Any) -> str | None:
    """Return a stored date as RFC 3339: with its offset, without the name of a zone."""
    if not stored:
        return None
    text = str(stored).partition("[")[0]
    if epoch_ms(text) is None:
        raise ValueError(f"no date-time: {text!r:.100}")
    return text


def _fields(task: FromClause, *, of_open: bool) -> tuple[Field, ...]:
    definition, origin = beside.Definition(task.c.process_definition_key), beside.Origin(task.c.process_instance_key)
    return (
        key("userTaskKey", task.c.key),
        maybe("name", task.c.name, sorts=True),
        choice("state", task.c.state, STATES),
        task_readers.assignee(task),
        text("elementId", task.c.element_id),
        json("candidateGroups", task.c.candidate_groups, beside.texts),
        json("candidateUsers", task.c.candidate_users, beside.texts),
        integer("priority", task.c.priority, sorts=True),
        date("creationDate", task.c.created_ms, sorts=True, optional=False),
        date("completionDate", task.c.ended_ms, sorts=True, absent_last=not of_open),
        date("dueDate", task.c.due_ms, shown_as=task.c.due_date, show=_date, sorts=True),
        date("followUpDate", task.c.follow_up_ms, shown_as=task.c.follow_up_date, show=_date, sorts=True),
        key("formKey", task.c.form_key, filters=False),
        maybe("externalFormReference", task.c.external_form, filters=False),
        json("customHeaders", task.c.headers, headers),
        key("elementInstanceKey", task.c.element_instance_key),
        key("processInstanceKey", task.c.process_instance_key),
        origin.root_field(),
        key("processDefinitionKey", task.c.process_definition_key),
        maybe("processDefinitionId", definition.c.bpmn_process_id, **definition.of("bpmn_process_id", sorts=False)),
        integer("processDefinitionVersion", definition.c.version, joins=(definition.join,), filters=False),
        maybe("processName", definition.c.name, joins=(definition.join,), filters=False),
        beside.business_id(task.c.process_instance_key, sorts=True),
        beside.tags(task.c.process_instance_key, origin),
        TENANT,
        # --- beyond the contract
        maybe("description", task.c.documentation, filters=False),
        maybe("category", task.c.category, filters=False),
        # --- for filters
        *task_readers.candidates(task.c.key, of_open=of_open),
        task_readers.is_for_everybody(task),
        beside.variables("processInstanceVariables", task.c.process_instance_key),
        beside.variables("localVariables", task.c.element_instance_key),
    )


_open = schema.TABLES[UserTask].alias("task")
#: The tasks that have not ended. An index holds all columns that their filters need, and others hold the orders of lists.
_OPEN_USER_TASKS = Entity(
    "user tasks",
    _open,
    (_open.c.key,),
    _fields(_open, of_open=True),
    where=_open.c.ended_ms == schema.NOT_ENDED,
    index="user_tasks_open",
    drivers={
        "assignee": ("$eq",),
        "userTaskKey": ("$eq", "$in"),
        "processInstanceKey": ("$eq", "$in"),
        "processInstanceVariables": ("$eq",),
        "businessId": ("$eq",),
        "tags": ("$eq",),
    },
    found_by=task_readers.FOUND_BY,
    walks={
        "": "user_tasks_open",
        "completionDate": "user_tasks_open",
        "creationDate": "user_tasks_by_creation",
        "dueDate": "user_tasks_by_due_date",
        "followUpDate": "user_tasks_by_follow_up_date",
        "priority": "user_tasks_by_priority",
        "name": "user_tasks_by_name",
    },
)


def _narrowed(shape: Group) -> Entity | None:
    """Return the entity of the open tasks, if the filter is for them only."""
    for node in shape.nodes:
        if isinstance(node, Leaf) and node.field == "state" and node.operator == "$in" and not node.negated:
            return None if node.names & _ENDED else _OPEN_USER_TASKS
    return None


_task = schema.TABLES[UserTask].alias("task")
USER_TASKS = Entity(
    "user tasks",
    _task,
    (_task.c.key,),
    _fields(_task, of_open=False),
    found_by=task_readers.FOUND_BY,
    narrowed=_narrowed,
)
