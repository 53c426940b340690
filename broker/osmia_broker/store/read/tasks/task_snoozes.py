"""The user tasks that a person has snoozed: out of their own lists until a time, or until something changes.

Nothing ends a snooze: whether it still holds is read from its row, the time, and the keys of what has happened to the task since.
"""

from itertools import chain, zip_longest

import msgspec
from sqlalchemy import bindparam, or_, select

from osmia_broker.state.rows.tasks import NO_TIME_MS, TaskComment, TaskEvent, TaskSnooze, UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources, of_all, question

SNOOZED_MAX = 1_000  #: tasks of one person; of more, the older ones are in the lists again

_snooze, _task = schema.TABLES[TaskSnooze], schema.TABLES[UserTask]
_CHANGES = (schema.TABLES[TaskEvent], schema.TABLES[TaskComment])
_is_changed = or_(
    *(
        select(change.c.key)
        .where(change.c.user_task_key == _snooze.c.user_task_key, change.c.key > _snooze.c.since_key)
        .exists()
        for change in _CHANGES
    )
)
_HOLD = (
    select(_snooze.c.user_task_key, _snooze.c.until_ms, _snooze.c.until_change)
    .join_from(_snooze, _task, _task.c.key == _snooze.c.user_task_key)
    .where(
        _snooze.c.user == bindparam("user"),
        _snooze.c.until_ms > bindparam("now"),
        _task.c.ended_ms == schema.NOT_ENDED,
        or_(_snooze.c.until_change == 0, ~_is_changed),
    )
    .order_by(_snooze.c.since_key.desc())
    .limit(SNOOZED_MAX)
)


class Snooze(msgspec.Struct, frozen=True):
    """A task that is out of a person's lists."""

    user_task_key: int
    until_ms: int  # 0: without a time
    until_change: bool


def _newest(found: list[list[Snooze]], _given: object) -> list[Snooze]:
    """Take the newest of each partition in turn, as far as there is room."""
    in_turn = chain.from_iterable(zip_longest(*found))
    return [one for one in in_turn if one is not None][:SNOOZED_MAX]


@question(of_all(_newest))
async def snoozes_of(sources: Sources, user: str, now_ms: int) -> list[Snooze]:
    """Return the open tasks that *user* has snoozed and that have not come back, the newest snooze first, at most `SNOOZED_MAX`."""
    if not user:
        return []
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_HOLD, {"user": user, "now": now_ms})
    return [
        Snooze(key, 0 if until_ms == NO_TIME_MS else until_ms, bool(on_change)) for key, until_ms, on_change in found
    ]
