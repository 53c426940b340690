"""The audit log: who did what to which user task.

A task's creation and end are in its own row, and have an event only if somebody is known to have done it; the log shows each once.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, case, literal_column, select, union_all

from osmia_broker.state.task_rows import TaskEvent, TaskOperation, UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside, task_readers
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import (
    SORTED_TENANT,
    Column,
    Condition,
    Field,
    Join,
    date,
    json,
    key,
    maybe,
    named,
    text,
)

_event, _task = schema.TABLES[TaskEvent].c, schema.TABLES[UserTask].alias("noted").c
_NOTHING: Column = literal_column("''")


def _of_row(key: Column, operation: ColumnElement[Any], at_ms: Column, is_one: Condition) -> Select[Any]:
    """Select a creation or an end from the rows of tasks, unless an event says it."""
    noted = schema.TABLES[TaskEvent].alias("noted_event").c
    is_noted = select(noted.key).where(noted.user_task_key == _task.key, noted.operation == operation).exists()
    return select(
        key.label("key"),
        _task.process_instance_key,
        _task.key.label("user_task_key"),
        operation.label("operation"),
        _NOTHING.label("action"),
        _NOTHING.label("user"),
        literal_column("'{}'").label("changes"),
        at_ms.label("at_ms"),
    ).where(is_one, ~is_noted)


# The two have keys that no other entry has, the creation the lower one.
_log = union_all(
    select(
        _event.key,
        _event.process_instance_key,
        _event.user_task_key,
        _event.operation,
        _event.action,
        _event.user,
        _event.changes,
        _event.at_ms,
    ),
    _of_row(_task.element_instance_key, literal_column("'CREATE'"), _task.created_ms, _task.state != "CREATING"),
    _of_row(
        _task.key,
        case((_task.state == "COMPLETED", literal_column("'COMPLETE'")), else_=literal_column("'CANCEL'")),
        _task.ended_ms,
        _task.ended_ms > 0,
    ),
).subquery("log")
_of_task = schema.TABLES[UserTask].alias("task")
_joined = Join(_of_task, _of_task.c.key == _log.c.user_task_key)
_origin = beside.Origin(_log.c.process_instance_key)
_definition_table = schema.process_definitions.alias("definition")
_definition = Join(_definition_table, _definition_table.c.key == _of_task.c.process_definition_key, needs=(_joined,))

_OPERATIONS = (
    *(one.value for one in TaskOperation),
    *("DELETE", "EVALUATE", "MIGRATE", "MODIFY", "RESOLVE", "RESUME", "SUSPEND", "UNKNOWN"),
)
_ENTITIES = ("USER_TASK", "AUTHORIZATION", "BATCH", "CLIENT", "DECISION", "GROUP", "INCIDENT", "JOB", "MAPPING_RULE")
_MORE_ENTITIES = ("PROCESS_INSTANCE", "RESOURCE", "ROLE", "TENANT", "USER", "VARIABLE")
_actor = case((_log.c.user == "", literal_column("'UNKNOWN'")), else_=literal_column("'USER'"))


def _fixed(name: str, value: str, others: tuple[str, ...]) -> Field:
    """Declare a field that has one value in every entry."""
    column: Column = literal_column(f"'{value}'")
    return named(name, column, {one: column == literal_column(f"'{one}'") for one in (value, *others)}, sorts=True)


def _absent_key(name: str, **more: Any) -> Field:
    return key(name, literal_column("0"), **more)


def _changes(stored: Any) -> Any:
    return msgspec.json.decode(stored)


AUDIT_LOGS = Entity(
    "audit logs",
    _log,
    (_log.c.key,),
    (
        key("auditLogKey", _log.c.key, sorts=True),
        key("entityKey", _log.c.user_task_key, sorts=True),
        _fixed("entityType", "USER_TASK", (*_ENTITIES[1:], *_MORE_ENTITIES)),
        named("operationType", _log.c.operation, {one: _log.c.operation == one for one in _OPERATIONS}, sorts=True),
        date("timestamp", _log.c.at_ms, sorts=True),
        maybe("actorId", _log.c.user, sorts=True),
        named(
            "actorType", _actor, {one: _actor == one for one in ("USER", "UNKNOWN", "ANONYMOUS", "CLIENT")}, sorts=True
        ),
        _fixed("result", "SUCCESS", ("FAIL",)),
        _fixed("category", "USER_TASKS", ("ADMIN", "DEPLOYED_RESOURCES")),
        key("userTaskKey", _log.c.user_task_key, sorts=True),
        key("processInstanceKey", _log.c.process_instance_key, sorts=True),
        _origin.root_field(),
        key("elementInstanceKey", _of_task.c.element_instance_key, joins=(_joined,), sorts=True),
        key("jobKey", _of_task.c.job_key, joins=(_joined,), sorts=True),
        key("formKey", _of_task.c.form_key, joins=(_joined,)),
        key("processDefinitionKey", _of_task.c.process_definition_key, joins=(_joined,), sorts=True),
        maybe("processDefinitionId", _definition_table.c.bpmn_process_id, joins=(_definition,), sorts=True),
        maybe("entityDescription", _of_task.c.name, joins=(_joined,)),
        SORTED_TENANT,
        # --- what only operations of other kinds have
        *(
            _absent_key(name, sorts=name not in ("deploymentKey", "resourceKey", "relatedEntityKey"))
            for name in (
                "batchOperationKey",
                "decisionRequirementsKey",
                "decisionDefinitionKey",
                "decisionEvaluationKey",
                "deploymentKey",
                "resourceKey",
                "relatedEntityKey",
            )
        ),
        *(
            maybe(name, _NOTHING, sorts=name not in ("agentElementId", "relatedEntityType"))
            for name in (
                "batchOperationType",
                "decisionRequirementsId",
                "decisionDefinitionId",
                "agentElementId",
                "relatedEntityType",
                "inboundChannelType",
                "inboundChannelToolName",
            )
        ),
        # --- for filters
        task_readers.assignee(_of_task, joins=(_joined,), filters=False, shows=False),
        *task_readers.candidates(_log.c.user_task_key, of_open=False, filters=False),
        task_readers.is_for_everybody(_of_task, _joined),
        # --- beyond the contract
        text("action", _log.c.action, filters=False),
        json("changes", _log.c.changes, _changes),
    ),
)
