"""The audit log: who did what to a user task, or to anything else that people operate on (`engine/audit.py`).

A task's creation and end are in its own row, and have an event only if somebody is known to have done it; the log shows each once.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, literal_column, select, union_all

from osmia_broker.state.rows import Decision
from osmia_broker.state.rows.history import AuditEntity, AuditEntry, AuditOperation
from osmia_broker.state.rows.tasks import Channel, TaskEvent, TaskOperation, UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside, task_readers
from osmia_broker.store.read.entities.batches import TYPES
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
    own_key,
    text,
)
from osmia_broker.store.read.sql import dialect

_event, _entry = schema.TABLES[TaskEvent].c, schema.TABLES[AuditEntry].c
_task = schema.TABLES[UserTask].alias("noted").c
#: The columns of the log, and what an entry has there whose own row has no such column.
_COLUMNS: dict[str, Column | None] = {
    "key": None,
    "process_instance_key": None,
    "user_task_key": literal_column("0"),
    "operation": None,
    "action": literal_column("''"),
    "user": literal_column("''"),
    "changes": literal_column("'{}'"),
    "at_ms": None,
    "entity_type": literal_column("'USER_TASK'"),
    "entity_key": literal_column("0"),
    "definition_key": literal_column("0"),
    "element_instance_key": literal_column("0"),
    "description": literal_column("''"),
    "refusal": literal_column("''"),
    "channel": literal_column("''"),
}
_NOTHING: Column = literal_column("''")
_ZERO: Column = literal_column("0")
KEYS = "keys"  #: the parameter of the statement that reads entries by their keys


def _entries(row: Any, **own: Column) -> Select[Any]:
    """Select entries from the rows of a table: its own columns of these names, unless *own* has another."""
    columns = {name: own[name] if name in own else row.get(name, absent) for name, absent in _COLUMNS.items()}
    return select(*(column.label(name) for name, column in columns.items()))


def _of_task(
    key: Column, operation: ColumnElement[Any], at_ms: Column, is_one: Condition, **own: Column
) -> Select[Any]:
    """Select a creation or an end from the rows of tasks, unless an event says it."""
    noted = schema.TABLES[TaskEvent].alias("noted_event").c
    is_noted = (
        select(noted.key)
        .where(noted.user_task_key == _task.key, noted.operation == operation, noted.refusal == _NOTHING)
        .exists()
    )
    own |= {"process_instance_key": _task.process_instance_key, "user_task_key": _task.key}
    return _entries({}, key=key, operation=operation, at_ms=at_ms, **own).where(is_one, ~is_noted)


def _log(*, by_keys: bool) -> FromClause:
    """Return the log: all of it, or the entries whose keys are a parameter. A database does not look into its parts by itself for those."""
    element = schema.element_instances.c
    instances = select(element.process_instance_key).where(dialect.among(element.key, KEYS))
    # The creation and the end of a task have keys that no other entry has, the creation the lower one.
    created = _of_task(
        _task.element_instance_key,
        literal_column("'CREATE'"),
        _task.created_ms,
        _task.state != "CREATING",
        channel=literal_column(f"'{Channel.RULE}'"),
    )
    end = case((_task.state == "COMPLETED", literal_column("'COMPLETE'")), else_=literal_column("'CANCEL'"))
    parts = [
        (_entries(_event), _event.key),
        (created, _task.element_instance_key),
        (_of_task(_task.key, end, _task.ended_ms, _task.ended_ms > 0), _task.key),
        (_entries(_entry), _entry.key),
    ]
    if not by_keys:
        return union_all(*(part for part, _ in parts)).subquery("log")
    found = [part.where(dialect.among(key, KEYS)) for part, key in parts]
    found[1] = found[1].where(_task.process_instance_key.in_(instances))
    return union_all(*found).subquery("log")


_OPERATIONS = tuple(sorted({*(one.value for one in TaskOperation), *(one.value for one in AuditOperation), "UNKNOWN"}))
#: What the contract has no name for is shown as what comes next to it, as an operation of an administrator.
_SHOWN_AS = {AuditEntity.CLUSTER_VARIABLE: AuditEntity.VARIABLE, AuditEntity.TASK_LISTENER: AuditEntity.RESOURCE}
_ENTITIES = (
    "USER_TASK",
    *(one.value for one in AuditEntity if one not in _SHOWN_AS),
    *("AUTHORIZATION", "CLIENT", "GROUP", "MAPPING_RULE", "ROLE", "TENANT", "USER"),
)
_CATEGORIES = ("USER_TASKS", "DEPLOYED_RESOURCES", "ADMIN")


def _is(log: Any, entity: str) -> Condition:
    """Whether an entry is about this kind of entity."""
    is_one: Condition = log.entity_type == literal_column(f"'{entity}'")
    return is_one


def _is_of_administration(log: Any) -> Condition:
    is_one: Condition = log.entity_type.in_([literal_column(f"'{one}'") for one in _SHOWN_AS])
    return is_one


def _shown_entity(log: Any) -> Column:
    """Return the kind of entity in the contract's words."""
    names: list[tuple[Condition, Column]] = [
        (_is(log, kept), literal_column(f"'{name}'")) for kept, name in _SHOWN_AS.items()
    ]
    return case(*names, else_=log.entity_type)


def _named(name: str, column: Column, names: tuple[str, ...]) -> Field:
    """Declare a field whose values are *names*."""
    return named(name, column, {one: column == literal_column(f"'{one}'") for one in names}, sorts=True)


def _key_of(log: Any, name: str, entity: AuditEntity, operation: AuditOperation | None = None, **more: Any) -> Field:
    """Declare the key that entries about one kind of entity have, perhaps only those of one operation."""
    is_one = _is(log, entity)
    if operation is not None:
        is_one = and_(is_one, log.operation == literal_column(f"'{operation}'"))
    return key(name, case((is_one, log.entity_key), else_=_ZERO), **more)


#: From which value to which, by the names of the attributes.
_CHANGES = {"type": "object", "additionalProperties": {"description": "The old value and the new one."}}


def _changes(stored: Any) -> Any:
    return msgspec.json.decode(stored)


def _of_some_operations(log: Any) -> tuple[Field, ...]:
    """Declare the fields of *log* that only entries of some operations have."""
    of_decision = schema.TABLES[Decision].alias("decision")
    batch_type = case((_is(log, "BATCH"), log.description), else_=_NOTHING)
    decision = Join(of_decision, and_(_is(log, "DECISION"), of_decision.c.key == log.definition_key))
    return (
        _key_of(log, "batchOperationKey", AuditEntity.BATCH, sorts=True),
        named(
            "batchOperationType",
            batch_type,
            {one: batch_type == literal_column(f"'{one}'") for one in TYPES},
            optional=True,
            sorts=True,
            schema={"type": ["string", "null"], "enum": [*TYPES, None]},
        ),
        key("decisionRequirementsKey", of_decision.c.decision_requirements_key, joins=(decision,), sorts=True),
        maybe("decisionRequirementsId", of_decision.c.decision_requirements_id, joins=(decision,), sorts=True),
        key("decisionDefinitionKey", of_decision.c.key, joins=(decision,), sorts=True),
        maybe("decisionDefinitionId", of_decision.c.decision_id, joins=(decision,), sorts=True),
        _key_of(log, "decisionEvaluationKey", AuditEntity.DECISION, sorts=True),
        _key_of(log, "deploymentKey", AuditEntity.RESOURCE, AuditOperation.CREATE),
        _key_of(log, "resourceKey", AuditEntity.RESOURCE, AuditOperation.DELETE),
        key("relatedEntityKey", _ZERO),
        *(
            maybe(name, _NOTHING, sorts=name not in ("agentElementId", "relatedEntityType"))
            for name in ("agentElementId", "relatedEntityType", "inboundChannelType", "inboundChannelToolName")
        ),
    )


def _fields(log: Any) -> tuple[Field, ...]:
    """Declare the fields of the entries of *log*."""
    of_task = schema.TABLES[UserTask].alias("task")
    joined = Join(of_task, of_task.c.key == log.user_task_key)
    process_key = func.coalesce(
        of_task.c.process_definition_key, case((_is(log, "DECISION"), _ZERO), else_=log.definition_key)
    )
    definition_table = schema.process_definitions.alias("definition")
    definition = Join(definition_table, definition_table.c.key == process_key, needs=(joined,))
    category = case(
        (log.user_task_key != 0, literal_column("'USER_TASKS'")),
        (_is_of_administration(log), literal_column("'ADMIN'")),
        else_=literal_column("'DEPLOYED_RESOURCES'"),
    )
    actor = case((log.user == "", literal_column("'UNKNOWN'")), else_=literal_column("'USER'"))
    result = case((log.refusal == _NOTHING, literal_column("'SUCCESS'")), else_=literal_column("'FAIL'"))
    entity_key = case((log.user_task_key != 0, log.user_task_key), else_=log.entity_key)
    return (
        own_key("auditLogKey", log.key),
        key("entityKey", entity_key, sorts=True),
        _named("entityType", _shown_entity(log), _ENTITIES),
        named("operationType", log.operation, {one: log.operation == one for one in _OPERATIONS}, sorts=True),
        date("timestamp", log.at_ms, sorts=True),
        maybe("actorId", log.user, sorts=True),
        _named("actorType", actor, ("USER", "UNKNOWN", "ANONYMOUS", "CLIENT")),
        _named("result", result, ("SUCCESS", "FAIL")),
        _named("category", category, _CATEGORIES),
        key("userTaskKey", log.user_task_key, sorts=True),
        key("processInstanceKey", log.process_instance_key, sorts=True),
        beside.Origin(log.process_instance_key).root_field(),
        key(
            "elementInstanceKey",
            func.coalesce(of_task.c.element_instance_key, log.element_instance_key),
            joins=(joined,),
            sorts=True,
        ),
        key(
            "jobKey",
            func.coalesce(
                of_task.c.job_key,
                case((_is(log, "JOB"), log.entity_key), else_=_ZERO),
            ),
            joins=(joined,),
            sorts=True,
        ),
        key("formKey", of_task.c.form_key, joins=(joined,)),
        key("processDefinitionKey", process_key, joins=(joined,), sorts=True),
        maybe("processDefinitionId", definition_table.c.bpmn_process_id, joins=(definition,), sorts=True),
        maybe("entityDescription", func.coalesce(of_task.c.name, log.description), joins=(joined,)),
        SORTED_TENANT,
        *_of_some_operations(log),
        # --- for filters
        task_readers.assignee(of_task, joins=(joined,), filters=False, shows=False),
        *task_readers.candidates(log.user_task_key, of_open=False, filters=False),
        task_readers.is_for_everybody(log.user_task_key),
        # --- beyond the contract
        text("action", log.action, filters=False),
        json("changes", log.changes, _changes, _CHANGES),
        text("refusal", log.refusal, filters=False),
        text("channel", log.channel, filters=False),
    )


def _entity(*, by_keys: bool) -> Entity:
    log = _log(by_keys=by_keys)
    return Entity(
        "audit logs",
        log,
        (log.c.key,),
        _fields(log.c),
        by_keys=None if by_keys else _entity(by_keys=True),
    )


AUDIT_LOGS = _entity(by_keys=False)
