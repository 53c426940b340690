"""Look at what a user task sees."""

from sqlalchemy import bindparam, select

from osmia_broker.state.rows.tasks import UserTask
from osmia_broker.store import schema
from osmia_broker.store.read.instances import instance_views
from osmia_broker.store.read.sources import Sources, no_such, of_key, question

_task = schema.TABLES[UserTask]
_SEEING = select(_task.c.element_instance_key, _task.c.sees_only_own).where(_task.c.key == bindparam("key"))


async def scopes_seen(sources: Sources, user_task_key: int) -> list[int]:
    """Return the scopes whose variables a user task sees, its own first; its own alone if an Activiti mapping chose its variables.

    Raises:
        NotFound: there is no task with this key.

    """
    scope_key, sees_only_own = await _seeing(sources, user_task_key)
    return [scope_key] if sees_only_own else await instance_views.scopes_of(sources, scope_key)


@question(of_key("user_task_key"))
async def _seeing(sources: Sources, user_task_key: int) -> tuple[int, bool]:
    async with sources.database.snapshot() as snapshot:
        found = await snapshot.values(_SEEING, {"key": user_task_key})
    if not found:
        raise no_such("user task", user_task_key)
    return found[0][0], bool(found[0][1])
