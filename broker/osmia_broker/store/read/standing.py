"""The number of things that are open, running or waiting, by the labels of `/metrics`, read from indexes."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, func, select, text

from osmia_broker.state.rows import FollowUp
from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.instances.instance_conditions import running_of
from osmia_broker.store.read.lists.incidents import is_open as incident_is_open
from osmia_broker.store.read.sources import Sources, of_all, question

_task, _incident = schema.TABLES[UserTask], schema.incidents
_is_assigned = _task.c.assignee != ""
_is_overdue = and_(_task.c.due_ms != 0, _task.c.due_ms < bindparam("now_ms"))

_TASKS = (
    select(_is_assigned.label("is_assigned"), _is_overdue.label("is_overdue"), func.count())
    .where(_task.c.ended_ms == schema.NOT_ENDED)
    .group_by("is_assigned", "is_overdue")
)
_INCIDENTS = select(_incident.c.error_type, func.count()).where(incident_is_open).group_by(_incident.c.error_type)

_instance, _definition, _job, _message = (
    schema.element_instances,
    schema.process_definitions,
    schema.jobs,
    schema.messages,
)
_RUNNING = select(_definition.c.bpmn_process_id, running_of(_definition.c.key))
_WAITING = [select(_job.c.type, func.count()).where(text(lane)).group_by(_job.c.type) for lane in schema.WAITING]
_BUFFERED = select(func.count()).where(_message.c.expires_ms > text("0"), _message.c.ended_ms == schema.NOT_ENDED)

_follow_up = schema.TABLES[FollowUp]
_SENT = (
    select(_follow_up.c.target_partition, func.count(), func.min(func.nullif(_follow_up.c.sent_ms, 0)))
    .where(_follow_up.c.due_ms == text("0"))
    .group_by(_follow_up.c.target_partition)
)
_OLDEST = select(func.min(_instance.c.ended_ms)).where(
    _instance.c.type == schema.PROCESS, _instance.c.ended_ms > text("0")
)


class Standing(msgspec.Struct, frozen=True):
    """The numbers of what runs, and of what waits for people and workers now.

    Tasks by whether they have an assignee; overdue ones are among the open ones.
    """

    tasks_open: dict[bool, int]
    tasks_overdue: dict[bool, int]
    incidents_open: dict[str, int]
    instances_active: dict[str, int]  #: by the id of the process
    jobs_waiting: dict[str, int]  #: by type
    messages_buffered: tuple[int, ...]  #: by partition
    sent: tuple[dict[int, int], ...]  #: by partition, the messages that it has left for each other one, unconfirmed
    #: When the oldest of these was left, by partition; without those of no known age.
    sent_since_ms: tuple[dict[int, int], ...]
    oldest_end_ms: tuple[int, ...]  #: by partition, when the process instance ended that ended first; 0 for none


_BY_PARTITION = ("messages_buffered", "sent", "sent_since_ms", "oldest_end_ms")


def _sum(found: list[Standing], _given: object) -> Standing:
    fields = {name: [getattr(one, name) for one in found] for name in Standing.__struct_fields__}
    summed: dict[str, Any] = {
        name: tuple(chain.from_iterable(of)) if name in _BY_PARTITION else _added(of) for name, of in fields.items()
    }
    return Standing(**summed)


def _added(numbers: Iterable[dict[Any, int]]) -> dict[Any, int]:
    total: dict[Any, int] = {}
    for one in numbers:
        for label, number in one.items():
            total[label] = total.get(label, 0) + number
    return total


@question(of_all(_sum))
async def standing(sources: Sources, now_ms: int) -> Standing:
    """Count what stands open; a user task is overdue if its due date is before *now_ms* (epoch)."""
    waiting: Counter[str] = Counter()
    tasks_open, overdue = {True: 0, False: 0}, {True: 0, False: 0}
    async with sources.database.snapshot() as snapshot:
        for is_assigned, is_overdue, number in await snapshot.values(_TASKS, {"now_ms": now_ms}):
            tasks_open[bool(is_assigned)] += number
            if is_overdue:
                overdue[bool(is_assigned)] += number
        incidents = await snapshot.values(_INCIDENTS, {})
        running: Counter[str] = Counter()
        for process_id, number in await snapshot.values(_RUNNING, {}):
            running[process_id] += number
        for lane in _WAITING:
            for type, number in await snapshot.values(lane, {}):
                waiting[type] += number
        [(buffered,)] = await snapshot.values(_BUFFERED, {})
        sent = await snapshot.values(_SENT, {})
        [(oldest_ms,)] = await snapshot.values(_OLDEST, {})
    return Standing(
        tasks_open=tasks_open,
        tasks_overdue=overdue,
        incidents_open=dict(incidents),
        instances_active=dict(+running),
        jobs_waiting=dict(waiting),
        messages_buffered=(buffered,),
        sent=({target: number for target, number, _ in sent},),
        sent_since_ms=({target: since_ms for target, _, since_ms in sent if since_ms},),
        oldest_end_ms=(oldest_ms or 0,),
    )
