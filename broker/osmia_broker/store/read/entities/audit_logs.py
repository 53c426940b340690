"""The audit log: who did what to a user task, or to anything else that people operate on (`engine/audit.py`).

A task's creation and end are in its own row, and have an event only if somebody is known to have done it; the log shows each once.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, literal_column, select, union_all

from osmia_broker.state.history_rows import AuditEntity, AuditEntry, AuditOperation
from osmia_broker.state.rows import Decision
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
_entry = schema.TABLES[AuditEntry].c
_NOTHING: Column = literal_column("''")
_ZERO: Column = literal_column("0")
#: What entries about user tasks have in their own rows.
_OF_TASK: tuple[ColumnElement[Any], ...] = (
    literal_column("'USER_TASK'").label("entity_type"),
    _ZERO.label("entity_key"),
    _ZERO.label("definition_key"),
    _ZERO.label("element_instance_key"),
    _NOTHING.label("description"),
)


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
        *_OF_TASK,
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
        *_OF_TASK,
    ),
    _of_row(_task.element_instance_key, literal_column("'CREATE'"), _task.created_ms, _task.state != "CREATING"),
    _of_row(
        _task.key,
        case((_task.state == "COMPLETED", literal_column("'COMPLETE'")), else_=literal_column("'CANCEL'")),
        _task.ended_ms,
        _task.ended_ms > 0,
    ),
    select(
        _entry.key,
        _entry.process_instance_key,
        _ZERO.label("user_task_key"),
        _entry.operation,
        _NOTHING.label("action"),
        _entry.user,
        literal_column("'{}'").label("changes"),
        _entry.at_ms,
        _entry.entity_type,
        _entry.entity_key,
        _entry.definition_key,
        _entry.element_instance_key,
        _entry.description,
    ),
).subquery("log")
_of_task = schema.TABLES[UserTask].alias("task")
_joined = Join(_of_task, _of_task.c.key == _log.c.user_task_key)
_origin = beside.Origin(_log.c.process_instance_key)
_is_decision = _log.c.entity_type == literal_column("'DECISION'")
_process_key = func.coalesce(
    _of_task.c.process_definition_key, case((_is_decision, _ZERO), else_=_log.c.definition_key)
)
_definition_table = schema.process_definitions.alias("definition")
_definition = Join(_definition_table, _definition_table.c.key == _process_key, needs=(_joined,))
_decision_table = schema.TABLES[Decision].alias("decision")
_decision = Join(_decision_table, and_(_is_decision, _decision_table.c.key == _log.c.definition_key))

_OPERATIONS = tuple(sorted({*(one.value for one in TaskOperation), *(one.value for one in AuditOperation), "UNKNOWN"}))
_ENTITIES = (
    "USER_TASK",
    *(one.value for one in AuditEntity),
    *("AUTHORIZATION", "CLIENT", "GROUP", "MAPPING_RULE", "ROLE", "TENANT", "USER"),
)
_CATEGORIES = ("USER_TASKS", "DEPLOYED_RESOURCES", "ADMIN")
_category = case(
    (_log.c.user_task_key != 0, literal_column("'USER_TASKS'")), else_=literal_column("'DEPLOYED_RESOURCES'")
)
_actor = case((_log.c.user == "", literal_column("'UNKNOWN'")), else_=literal_column("'USER'"))
_entity_key = case((_log.c.user_task_key != 0, _log.c.user_task_key), else_=_log.c.entity_key)


def _named(name: str, column: Column, names: tuple[str, ...]) -> Field:
    """Declare a field whose values are *names*."""
    return named(name, column, {one: column == literal_column(f"'{one}'") for one in names}, sorts=True)


def _key_of(name: str, entity: AuditEntity, operation: AuditOperation | None = None, **more: Any) -> Field:
    """Declare the key that entries about one kind of entity have, perhaps only those of one operation."""
    is_one = _log.c.entity_type == literal_column(f"'{entity}'")
    if operation is not None:
        is_one = and_(is_one, _log.c.operation == literal_column(f"'{operation}'"))
    return key(name, case((is_one, _log.c.entity_key), else_=_ZERO), **more)


def _changes(stored: Any) -> Any:
    return msgspec.json.decode(stored)


_is_batch = _log.c.entity_type == literal_column("'BATCH'")

AUDIT_LOGS = Entity(
    "audit logs",
    _log,
    (_log.c.key,),
    (
        key("auditLogKey", _log.c.key, sorts=True),
        key("entityKey", _entity_key, sorts=True),
        _named("entityType", _log.c.entity_type, _ENTITIES),
        named("operationType", _log.c.operation, {one: _log.c.operation == one for one in _OPERATIONS}, sorts=True),
        date("timestamp", _log.c.at_ms, sorts=True),
        maybe("actorId", _log.c.user, sorts=True),
        _named("actorType", _actor, ("USER", "UNKNOWN", "ANONYMOUS", "CLIENT")),
        _named("result", literal_column("'SUCCESS'"), ("SUCCESS", "FAIL")),
        _named("category", _category, _CATEGORIES),
        key("userTaskKey", _log.c.user_task_key, sorts=True),
        key("processInstanceKey", _log.c.process_instance_key, sorts=True),
        _origin.root_field(),
        key(
            "elementInstanceKey",
            func.coalesce(_of_task.c.element_instance_key, _log.c.element_instance_key),
            joins=(_joined,),
            sorts=True,
        ),
        key(
            "jobKey",
            func.coalesce(
                _of_task.c.job_key,
                case((_log.c.entity_type == literal_column("'JOB'"), _log.c.entity_key), else_=_ZERO),
            ),
            joins=(_joined,),
            sorts=True,
        ),
        key("formKey", _of_task.c.form_key, joins=(_joined,)),
        key("processDefinitionKey", _process_key, joins=(_joined,), sorts=True),
        maybe("processDefinitionId", _definition_table.c.bpmn_process_id, joins=(_definition,), sorts=True),
        maybe("entityDescription", func.coalesce(_of_task.c.name, _log.c.description), joins=(_joined,)),
        SORTED_TENANT,
        # --- what only some operations have
        _key_of("batchOperationKey", AuditEntity.BATCH, sorts=True),
        maybe("batchOperationType", case((_is_batch, _log.c.description), else_=_NOTHING), sorts=True),
        key("decisionRequirementsKey", _decision_table.c.decision_requirements_key, joins=(_decision,), sorts=True),
        maybe("decisionRequirementsId", _decision_table.c.decision_requirements_id, joins=(_decision,), sorts=True),
        key("decisionDefinitionKey", _decision_table.c.key, joins=(_decision,), sorts=True),
        maybe("decisionDefinitionId", _decision_table.c.decision_id, joins=(_decision,), sorts=True),
        _key_of("decisionEvaluationKey", AuditEntity.DECISION, sorts=True),
        _key_of("deploymentKey", AuditEntity.RESOURCE, AuditOperation.CREATE),
        _key_of("resourceKey", AuditEntity.RESOURCE, AuditOperation.DELETE),
        key("relatedEntityKey", _ZERO),
        *(
            maybe(name, _NOTHING, sorts=name not in ("agentElementId", "relatedEntityType"))
            for name in ("agentElementId", "relatedEntityType", "inboundChannelType", "inboundChannelToolName")
        ),
        # --- for filters
        task_readers.assignee(_of_task, joins=(_joined,), filters=False, shows=False),
        *task_readers.candidates(_log.c.user_task_key, of_open=False, filters=False),
        task_readers.is_for_everybody(_log.c.user_task_key),
        # --- beyond the contract
        text("action", _log.c.action, filters=False),
        json("changes", _log.c.changes, _changes),
    ),
)
