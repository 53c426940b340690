"""The number of user tasks and incidents that are open, by the labels of `/metrics`, read from indexes."""

import msgspec
from sqlalchemy import and_, bindparam, func, select

from osmia_broker.state.task_rows import UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.incidents import is_open as incident_is_open
from osmia_broker.store.read.sources import Sources, question

_task, _incident = schema.TABLES[UserTask], schema.incidents
_is_assigned = _task.c.assignee != ""
_is_overdue = and_(_task.c.due_ms != 0, _task.c.due_ms < bindparam("now_ms"))

_TASKS = (
    select(_is_assigned.label("is_assigned"), _is_overdue.label("is_overdue"), func.count())
    .where(_task.c.ended_ms == schema.NOT_ENDED)
    .group_by("is_assigned", "is_overdue")
)
_INCIDENTS = select(_incident.c.error_type, func.count()).where(incident_is_open).group_by(_incident.c.error_type)


class Standing(msgspec.Struct, frozen=True):
    """What waits for people now. Tasks by whether they have an assignee; overdue ones are among the open ones."""

    tasks_open: dict[bool, int]
    tasks_overdue: dict[bool, int]
    incidents_open: dict[str, int]


@question
async def standing(sources: Sources, now_ms: int) -> Standing:
    """Count open user tasks, those whose due date is before *now_ms* (epoch), and unresolved incidents."""
    tasks_open, overdue = {True: 0, False: 0}, {True: 0, False: 0}
    async with sources.database.snapshot() as snapshot:
        for is_assigned, is_overdue, number in await snapshot.values(_TASKS, {"now_ms": now_ms}):
            tasks_open[bool(is_assigned)] += number
            if is_overdue:
                overdue[bool(is_assigned)] += number
        incidents = await snapshot.values(_INCIDENTS, {})
    return Standing(tasks_open, overdue, dict(incidents))
