"""The fields by which a search finds the user tasks of a person: assignee, candidates, and whether a task is for everybody.

They are the same for user tasks and for what belongs to user tasks, so one filter serves all (`calls/readable_tasks.py`). Each of them leads
to the keys of its tasks through an index (`search/key_lookups.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import FromClause, Select, and_, bindparam, literal_column, select
from sqlalchemy import text as text_of_schema

from osmia_broker.state.task_rows import TaskCandidate, UserTask
from osmia_broker.store import schema
from osmia_broker.store.read import dialect
from osmia_broker.store.read.search.fields import Column, Condition, Field, Nested, flag, maybe, text
from osmia_broker.store.read.search.filters import Leaf

TASK, USER = "userTaskKey", "assignee"
CANDIDATE_USER, CANDIDATE_GROUP = "candidateUser", "candidateGroup"
IS_FOR_EVERYBODY = "isForEverybody"
KINDS = {CANDIDATE_GROUP: "GROUP", CANDIDATE_USER: "USER"}

Lookup = Callable[[Leaf], Sequence[Select[Any]]]


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


def lookups(*, of_open: bool) -> Mapping[str, Lookup]:
    """Return the ways from a person to the keys of their tasks, of all of them or the open ones."""
    return {name: _candidates_lookup(kind, of_open=of_open) for name, kind in KINDS.items()} | {
        USER: with_value("assignee", of_open=of_open),
        IS_FOR_EVERYBODY: _everybody_lookup,
    }


def with_value(column: str, *, of_open: bool) -> Lookup:
    """Return the way from a value of *column*, which an index has, to the tasks with it."""

    def selected(leaf: Leaf) -> list[Select[Any]]:
        if leaf.negated or leaf.operator != "$eq":
            return []
        table = schema.TABLES[UserTask].alias("with_value").c
        has_value = [] if column == "key" or column.endswith("_key") else [table[column] != literal_column("''")]
        is_it: Condition = table[column] == bindparam(leaf.parameter)
        found = select(table.key.label("key")).where(is_it, *has_value)
        return [found.where(table.ended_ms == schema.NOT_ENDED) if of_open else found]

    return selected


def _candidates(name: str, kind: str, task: Column, *, of_open: bool, **more: Any) -> Field:
    table = schema.TABLES[TaskCandidate].alias(f"candidate_{kind.lower()}")
    is_candidate = and_(table.c.kind == literal_column(f"'{kind}'"), _counts(table, of_open=of_open))
    nested = Nested(table, table.c.user_task_key, task, is_candidate)
    return text(name, table.c.name, nested=nested, shows=False, by_item=True, **more)


def _candidates_lookup(kind: str, *, of_open: bool) -> Lookup:
    """Return the way from the names of candidates to their tasks."""

    def selected(leaf: Leaf) -> list[Select[Any]]:
        if leaf.negated or leaf.operator not in ("$eq", "$in"):
            return []
        table = schema.TABLES[TaskCandidate].alias("of_candidate")
        found = select(table.c.user_task_key.label("key")).where(
            table.c.kind == literal_column(f"'{kind}'"), _counts(table, of_open=of_open)
        )
        if leaf.operator == "$eq":
            return [found.where(table.c.name == bindparam(leaf.parameter))]
        if not leaf.items:  # too many to look them up one by one
            return [found.where(dialect.among(table.c.name, leaf.parameter)).distinct()]
        return [found.where(table.c.name == dialect.item(leaf.parameter, place)) for place in range(leaf.items)]

    return selected


def _counts(candidate: FromClause, *, of_open: bool) -> Condition:
    """Whether a candidate was not removed: the candidates of an ended task have ended with it."""
    if of_open:
        return candidate.c.ended_ms == schema.NOT_ENDED
    owner = schema.TABLES[UserTask].alias("owner").c
    ended_ms = select(owner.ended_ms).where(owner.key == candidate.c.user_task_key).scalar_subquery()
    return candidate.c.ended_ms == ended_ms


def _everybody_lookup(leaf: Leaf) -> list[Select[Any]]:
    if leaf.negated:
        return []
    found, table = _for_everybody("for_everybody")
    return [found.with_only_columns(table.c.key.label("key"))]


def _for_everybody(name: str) -> tuple[Select[Any], FromClause]:
    """Select the tasks for everybody through their index; return the table too."""
    table = schema.TABLES[UserTask].alias(name)
    found: Select[Any] = select(literal_column("1")).select_from(table).where(text_of_schema(schema.FOR_EVERYBODY))
    return dialect.by_index(found, table, "user_tasks_for_everybody"), table
