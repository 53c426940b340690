"""Look at what a user task sees."""

from sqlalchemy import bindparam, select

from osmia_broker.state.task_rows import UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.sources import Sources, question

_task = schema.TABLES[UserTask]
_SEES_ONLY_OWN = select(_task.c.sees_only_own).where(_task.c.key == bindparam("key"))


@question
async def sees_only_own(sources: Sources, user_task_key: int) -> bool:
    """Return whether a user task sees its own variables alone, because an Activiti mapping chose them."""
    async with sources.database.snapshot() as snapshot:
        return bool((await snapshot.values(_SEES_ONLY_OWN, {"key": user_task_key}))[0][0])
