"""User tasks of both kinds and dialects, open and ended."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, literal_column, not_, select, true
from sqlalchemy import text as text_of_schema

from osmia_broker.state.rows import RUNNING
from osmia_broker.state.rows.tasks import UserTask, UserTaskState, rfc3339
from osmia_broker.store import schema
from osmia_broker.store.read.entities import beside, task_readers
from osmia_broker.store.read.entities.jobs import headers
from osmia_broker.store.read.entities.task_readers import Which
from osmia_broker.store.read.search.entity import Entity, Range
from osmia_broker.store.read.search.fields import (
    MAYBE_MOMENT,
    TENANT,
    TEXTS,
    TEXTS_BY_NAME,
    Column,
    Condition,
    Field,
    choice,
    date,
    flag,
    integer,
    json,
    key,
    maybe,
    text,
)
from osmia_broker.store.read.search.filters import Group, Leaf
from osmia_broker.store.read.search.terms import Order
from osmia_broker.store.read.search.values import epoch_ms
from osmia_broker.store.read.search.variable_values import compared
from osmia_broker.store.read.sql import dialect

IS_SUSPENDED = "isSuspended"  #: whether the process instance of the task is, for scopes
STATES = (*(one.value for one in UserTaskState), "FAILED")
_ENDED = frozenset({"COMPLETED", "CANCELED", "FAILED"})
_LIVING = frozenset(STATES) - _ENDED


def _all_open(names: frozenset[str]) -> Condition | None:
    """Return the condition of an open task to be in any state that open tasks have: there is none."""
    return true() if names >= _LIVING else None


def _nothing_simpler(_names: frozenset[str]) -> Condition | None:
    return None


def _date(stored: Any) -> str | None:
    text = rfc3339(str(stored or ""))
    if text is not None and epoch_ms(text) is None:
        raise ValueError(f"no date-time: {text!r:.100}")
    return text


def _fields(task: FromClause, *, of_open: bool) -> tuple[Field, ...]:
    definition, origin = beside.Definition(task.c.process_definition_key), beside.Origin(task.c.process_instance_key)
    return (
        key("userTaskKey", task.c.key),
        maybe("name", task.c.name, sorts=True),
        choice("state", task.c.state, STATES, together=_all_open if of_open else _nothing_simpler),
        task_readers.assignee(task),
        text("elementId", task.c.element_id),
        json("candidateGroups", task.c.candidate_groups, beside.texts, TEXTS),
        json("candidateUsers", task.c.candidate_users, beside.texts, TEXTS),
        integer("priority", task.c.priority, sorts=True),
        # Keys are given out as time goes on. So they have this order too, and it needs no index of its own.
        date("creationDate", task.c.created_ms, sorts=True, sorted_by=task.c.key, optional=False),
        date("completionDate", task.c.ended_ms, sorts=True, absent_last=not of_open),
        date("dueDate", task.c.due_ms, shown_as=task.c.due_date, show=_date, schema=MAYBE_MOMENT, sorts=True),
        date(
            "followUpDate",
            task.c.follow_up_ms,
            shown_as=task.c.follow_up_date,
            show=_date,
            schema=MAYBE_MOMENT,
            sorts=True,
        ),
        key("formKey", task.c.form_key, filters=False),
        maybe("externalFormReference", task.c.external_form, filters=False),
        json("customHeaders", task.c.headers, headers, TEXTS_BY_NAME),
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
        task_readers.is_for_everybody(task.c.key),
        flag(IS_SUSPENDED, beside.is_suspended(task.c.process_instance_key), filters=False, shows=False),
        beside.variables("processInstanceVariables", task.c.process_instance_key),
        beside.variables("localVariables", task.c.element_instance_key),
    )


def _of_element_instance(which: Which) -> task_readers.Lookup:
    """Return the way from the key of an element instance to its task, by way of its process instance."""

    def selected(leaf: Leaf) -> list[Select[Any]]:
        if leaf.negated or leaf.operator != "$eq":
            return []
        element, table = schema.element_instances.alias("waiting").c, schema.TABLES[UserTask].alias("of_instance")
        value: ColumnElement[Any] = bindparam(leaf.parameter)
        of_instance = select(element.process_instance_key).where(element.key == value).scalar_subquery()
        found: Select[Any] = select(table.c.key.label("key")).where(
            table.c.process_instance_key == of_instance, table.c.element_instance_key == value
        )
        return [task_readers.of_which(found, table, which)]

    return selected


def _of_variables(which: Which) -> dict[str, Callable[[FromClause], Select[Any]]]:
    """Return the ways from variables to the tasks that see them as theirs, or as those of their process instance."""

    def selected(variable: FromClause, instance_key: Column) -> Select[Any]:
        table = schema.TABLES[UserTask].alias("with_variable")
        found: Select[Any] = select(table.c.key.label("key")).where(
            table.c.process_instance_key == dialect.found_first(instance_key)
        )
        if instance_key is not variable.c.scope_key:
            found = found.where(table.c.element_instance_key == variable.c.scope_key)
        return task_readers.of_which(found, table, which)

    return {
        "processInstanceVariables": lambda variable: selected(variable, variable.c.scope_key),
        "localVariables": lambda variable: selected(variable, variable.c.process_instance_key),
    }


def _lookups(which: Which) -> dict[str, task_readers.Lookup]:
    return {
        **task_readers.lookups(which),
        "userTaskKey": task_readers.with_value("key", which),
        "processInstanceKey": task_readers.with_value("process_instance_key", which),
        "elementInstanceKey": _of_element_instance(which),
    }


def _is_in_state(leaf: Leaf, key: Column) -> Condition | None:
    """Whether an open task waits for people: it is in no other state, and those that are, are few."""
    if leaf.negated:
        return None
    if leaf.names >= _LIVING:
        return true()
    if leaf.names != {UserTaskState.CREATED.value}:
        return None
    other = schema.TABLES[UserTask].alias("in_change")
    others = select(other.c.key).where(text_of_schema(schema.IN_CHANGE))
    return key.not_in(dialect.by_index(others, other, "user_tasks_in_change"))


def _has_assignee(leaf: Leaf, key: Column) -> Condition | None:
    """Whether an open task has this assignee, or any, or none."""
    if leaf.operator not in ("$eq", "$exists"):
        return None
    assigned = schema.TABLES[UserTask].alias("assigned")
    nobody: Column = literal_column("''")
    is_so: Condition = assigned.c.assignee == nobody
    if leaf.operator == "$eq":
        is_so = and_(assigned.c.assignee == bindparam(leaf.parameter), assigned.c.assignee != nobody)
    found: Select[Any] = select(literal_column("1")).where(
        assigned.c.key == key, is_so, assigned.c.ended_ms == schema.NOT_ENDED
    )
    is_found = dialect.by_index(found, assigned, "user_tasks_by_assignee").exists()
    return is_found if leaf.negated is (leaf.operator == "$exists") else not_(is_found)


def _range(column: str, index: str, *, absent: str = "") -> Range:
    """Return the index of the open tasks by a column; those with the value *absent* have none."""

    def where(task: FromClause) -> Condition:
        is_open = task.c.ended_ms == schema.NOT_ENDED
        return and_(is_open, task.c[column] != literal_column(absent)) if absent else is_open

    return Range(schema.TABLES[UserTask], column, index, where)


def _of_instances(compared: Callable[[Column, Leaf], Condition]) -> Range:
    """Return the index of running process instances by their definition, which leads to the open tasks of each instance."""

    def where(instance: FromClause) -> Condition:
        is_process = instance.c.type == schema.PROCESS
        return and_(is_process, instance.c.state.in_([literal_column(f"'{state}'") for state in RUNNING]))

    def owned(instance: FromClause) -> Select[Any]:
        task = schema.TABLES[UserTask].alias("of_running")
        is_its = task.c.process_instance_key == dialect.found_first(instance.c.key)
        found: Select[Any] = select(task.c.key.label("key")).select_from(instance.join(task, is_its))
        return found.where(task.c.ended_ms == schema.NOT_ENDED)

    return Range(schema.element_instances, "process_definition_key", "process_instances", where, compared, owned)


def _is_of_process(definition_key: Column, leaf: Leaf) -> Condition:
    """Whether a process definition is a version of a process."""
    version = schema.process_definitions.alias("version").c
    return definition_key.in_(select(version.key).where(compared(version.bpmn_process_id, leaf)))


#: Conditions that leave few tasks, whether open or not.
_DRIVERS = {
    "assignee": ("$eq",),
    "userTaskKey": ("$eq", "$in"),
    "processInstanceKey": ("$eq", "$in"),
    "processInstanceVariables": ("$eq",),
    "businessId": ("$eq",),
    "tags": ("$eq",),
}

_open = schema.TABLES[UserTask].alias("task")
#: The tasks that have not ended. An index holds all columns that their filters need, and others hold the orders of lists.
_OPEN_USER_TASKS = Entity(
    "user tasks",
    _open,
    (_open.c.key,),
    _fields(_open, of_open=True),
    where=_open.c.ended_ms == schema.NOT_ENDED,
    index="user_tasks_open",
    drivers=_DRIVERS,
    of_variables=_of_variables(Which.OPEN),
    lookups=_lookups(Which.OPEN) | {"name": task_readers.with_value("name", Which.OPEN)},
    of_keys={"state": _is_in_state, "assignee": _has_assignee},
    ranges={
        "priority": _range("priority", "user_tasks_by_priority"),
        "dueDate": _range("due_ms", "user_tasks_by_due_date", absent="0"),
        "followUpDate": _range("follow_up_ms", "user_tasks_by_follow_up_date", absent="0"),
        "name": _range("name", "user_tasks_by_name", absent="''"),
        "processDefinitionKey": _of_instances(compared),
        "processDefinitionId": _of_instances(_is_of_process),
    },
    walks={
        "": "user_tasks_open",
        "completionDate": "user_tasks_open",
        "creationDate": "user_tasks_open",
        "dueDate": "user_tasks_by_due_date",
        "followUpDate": "user_tasks_by_follow_up_date",
        "priority": "user_tasks_by_priority",
        "name": "user_tasks_by_name",
    },
)


_ended = schema.TABLES[UserTask].alias("task")
#: The tasks that have ended, whose lists begin with those that ended last.
_ENDED_USER_TASKS = Entity(
    "user tasks",
    _ended,
    (_ended.c.key,),
    _fields(_ended, of_open=False),
    where=_ended.c.ended_ms > schema.NOT_ENDED,
    drivers=_DRIVERS,
    of_variables=_of_variables(Which.ENDED),
    lookups=_lookups(Which.ENDED),
    walks={"completionDate": "user_tasks_by_completion"},
)


def _narrowed(shape: Group, _order: Order) -> Entity | None:
    """Return the entity of the open tasks, or of those that have ended, if the filter is for them only."""
    for node in shape.nodes:
        if isinstance(node, Leaf) and node.field == "state" and node.operator == "$in" and not node.negated:
            if not node.names & _ENDED:
                return _OPEN_USER_TASKS
            return _ENDED_USER_TASKS if node.names <= _ENDED else None
    return None


_task = schema.TABLES[UserTask].alias("task")
USER_TASKS = Entity(
    "user tasks",
    _task,
    (_task.c.key,),
    _fields(_task, of_open=False),
    drivers=_DRIVERS,
    of_variables=_of_variables(Which.ALL),
    lookups=_lookups(Which.ALL),
    walks={"": dialect.BY_KEY, "creationDate": dialect.BY_KEY},
    narrowed=_narrowed,
    divided=(_OPEN_USER_TASKS, _ENDED_USER_TASKS),
)
