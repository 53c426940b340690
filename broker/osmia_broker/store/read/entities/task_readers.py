"""The fields by which a search finds the user tasks of a person: assignee, candidates, and whether a task is for everybody.

They are the same for user tasks and for what belongs to user tasks, so one filter serves all (`calls/readable_tasks.py`).
"""

from typing import Any

from sqlalchemy import FromClause, and_, literal_column, select

from osmia_broker.state.task_rows import TaskCandidate, UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.search.fields import Column, Field, Join, Nested, flag, maybe, text

TASK, USER = "userTaskKey", "assignee"
CANDIDATE_USER, CANDIDATE_GROUP = "candidateUser", "candidateGroup"
IS_FOR_EVERYBODY = "isForEverybody"

#: The conditions whose tasks an index finds.
FOUND_BY = {
    TASK: ("$eq", "$in"),
    USER: ("$eq",),
    CANDIDATE_USER: ("$eq", "$in"),
    CANDIDATE_GROUP: ("$eq", "$in"),
    IS_FOR_EVERYBODY: ("$eq",),
}


def assignee(task: FromClause, **more: Any) -> Field:
    """Declare the assignee of a task."""
    return maybe(USER, task.c.assignee, **more)


def candidates(task: Column, *, of_open: bool, **more: bool) -> tuple[Field, Field]:
    """Declare the candidates of the task with the key *task*, for filters. A candidate that was removed counts no more."""
    return (
        _candidates(CANDIDATE_GROUP, "GROUP", task, of_open=of_open, **more),
        _candidates(CANDIDATE_USER, "USER", task, of_open=of_open, **more),
    )


def is_for_everybody(task: FromClause, *joins: Join) -> Field:
    """Declare whether a task is open, unassigned and without any candidate. Its index is that of the assignees."""
    condition = and_(
        task.c.assignee == literal_column("''"),
        task.c.ended_ms == schema.NOT_ENDED,
        schema.candidates_length(task.c) == schema.WITHOUT_CANDIDATES,
    )
    return flag(IS_FOR_EVERYBODY, condition, joins=joins, filters=False, shows=False)


def _candidates(name: str, kind: str, task: Column, *, of_open: bool, **more: Any) -> Field:
    table = schema.TABLES[TaskCandidate].alias(f"candidate_{kind.lower()}")
    if of_open:
        is_candidate = table.c.ended_ms == schema.NOT_ENDED
    else:  # the candidates of an ended task have ended with it
        owner = schema.TABLES[UserTask].alias("owner").c
        ended_ms = select(owner.ended_ms).where(owner.key == table.c.user_task_key).scalar_subquery()
        is_candidate = table.c.ended_ms == ended_ms
    nested = Nested(table, table.c.user_task_key, task, and_(table.c.kind == literal_column(f"'{kind}'"), is_candidate))
    return text(name, table.c.name, nested=nested, shows=False, **more)
