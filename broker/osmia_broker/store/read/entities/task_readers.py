"""The fields by which a search finds the user tasks of a person: assignee, candidates, and whether a task is for everybody.

They are the same for user tasks and for what belongs to user tasks, so one filter serves all (`calls/tasks/readable.py`). Each of them leads
to the keys of its tasks through an index (`search/key_lookups.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from sqlalchemy import FromClause, Select, and_, bindparam, false, literal_column, select
from sqlalchemy import text as text_of_schema

from osmia_broker.state.rows.tasks import ENDED, REMOVED, STANDS, TaskCandidate, UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.search.fields import Column, Condition, Field, Nested, flag, maybe, text
from osmia_broker.store.read.search.filters import Leaf
from osmia_broker.store.read.sql import dialect

TASK, USER = "userTaskKey", "assignee"
CANDIDATE_USER, CANDIDATE_GROUP = "candidateUser", "candidateGroup"
IS_FOR_EVERYBODY = "isForEverybody"
KINDS = {CANDIDATE_GROUP: "GROUP", CANDIDATE_USER: "USER"}

Lookup = Callable[[Leaf], Sequence[Select[Any]]]


class Which(Enum):
    """The user tasks that a list is about."""

    ALL = "all"
    OPEN = "open"
    ENDED = "ended"


_STANDINGS = {Which.ALL: (STANDS, ENDED), Which.OPEN: (STANDS,), Which.ENDED: (ENDED,)}


def assignee(task: FromClause, **more: Any) -> Field:
    """Declare the assignee of a task."""
    return maybe(USER, task.c.assignee, **more)


def candidates(task: Column, *, of_open: bool, **more: bool) -> tuple[Field, ...]:
    """Declare the candidates of the task with the key *task*, for filters. A candidate that was removed counts no more."""
    return tuple(_candidates(name, kind, task, of_open=of_open, **more) for name, kind in KINDS.items())


def is_for_everybody(task: Column) -> Field:
    """Declare whether the task with the key *task* is open, unassigned and without any candidate."""
    found, table = _for_everybody("free")
    return flag(IS_FOR_EVERYBODY, found.where(table.c.key == task).exists(), filters=False, shows=False)


def lookups(which: Which) -> Mapping[str, Lookup]:
    """Return the ways from a person to the keys of their tasks."""
    return {name: _candidates_lookup(kind, which) for name, kind in KINDS.items()} | {
        USER: with_value("assignee", which),
        IS_FOR_EVERYBODY: _everybody_lookup(which),
    }


def of_which(selected: Select[Any], task: FromClause, which: Which) -> Select[Any]:
    """Leave out the tasks that a list is not about."""
    conditions = {Which.OPEN: task.c.ended_ms == schema.NOT_ENDED, Which.ENDED: task.c.ended_ms > schema.NOT_ENDED}
    return selected.where(conditions[which]) if which in conditions else selected


def with_value(column: str, which: Which) -> Lookup:
    """Return the way from a value of *column*, which an index has, to the tasks with it."""

    def selected(leaf: Leaf) -> list[Select[Any]]:
        if leaf.negated or leaf.operator != "$eq":
            return []
        table = schema.TABLES[UserTask].alias("with_value")
        value = table.c[column]
        has_value = [] if column == "key" or column.endswith("_key") else [value != literal_column("''")]
        is_it: Condition = value == bindparam(leaf.parameter)
        return [of_which(select(table.c.key.label("key")).where(is_it, *has_value), table, which)]

    return selected


def _candidates(name: str, kind: str, task: Column, *, of_open: bool, **more: Any) -> Field:
    table = schema.TABLES[TaskCandidate].alias(f"candidate_{kind.lower()}")
    standing = table.c.standing
    counts = standing == literal_column(str(STANDS)) if of_open else standing < literal_column(str(REMOVED))
    is_candidate = and_(table.c.kind == literal_column(f"'{kind}'"), counts)
    nested = Nested(table, table.c.user_task_key, task, is_candidate)
    return text(name, table.c.name, nested=nested, shows=False, by_item=True, **more)


def _candidates_lookup(kind: str, which: Which) -> Lookup:
    """Return the way from the names of candidates to their tasks."""

    def selected(leaf: Leaf) -> list[Select[Any]]:
        if leaf.negated or leaf.operator not in ("$eq", "$in"):
            return []
        table = schema.TABLES[TaskCandidate].alias("of_candidate")
        of_kind = select(table.c.user_task_key.label("key")).where(table.c.kind == literal_column(f"'{kind}'"))
        parts = [of_kind.where(table.c.standing == literal_column(str(standing))) for standing in _STANDINGS[which]]
        if leaf.operator == "$eq":
            return [one.where(table.c.name == bindparam(leaf.parameter)) for one in parts]
        if not leaf.items:  # too many to look them up one by one
            return [one.where(dialect.among(table.c.name, leaf.parameter)).distinct() for one in parts]
        names = [table.c.name == dialect.item(leaf.parameter, place) for place in range(leaf.items)]
        return [one.where(name) for one in parts for name in names]

    return selected


def _everybody_lookup(which: Which) -> Lookup:
    """Return the way to the tasks for everybody. None of them has ended."""

    def selected(leaf: Leaf) -> list[Select[Any]]:
        if leaf.negated:
            return []
        found, table = _for_everybody("for_everybody")
        key = table.c.key.label("key")
        return [select(key).where(false()) if which is Which.ENDED else found.with_only_columns(key)]

    return selected


def _for_everybody(name: str) -> tuple[Select[Any], FromClause]:
    """Select the tasks for everybody through their index; return the table too."""
    table = schema.TABLES[UserTask].alias(name)
    found: Select[Any] = select(literal_column("1")).select_from(table).where(text_of_schema(schema.FOR_EVERYBODY))
    return dialect.by_index(found, table, "user_tasks_for_everybody"), table
