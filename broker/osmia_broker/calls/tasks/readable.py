"""The user tasks that a person may read, under the policy that holds for them.

The rule is `engine/tasks/policy.py`. Here it is asked three ways: as a filter, which the database answers from indexes, of one task by its key,
and of an event. A filter for it works on every entity that has the fields of `task_readers`.
"""

from typing import Any

import msgspec

from osmia_broker.engine.commands.tasks import Actor, TaskPolicy
from osmia_broker.engine.tasks.policy import CANDIDATES_MAY, Right, forbidden, is_allowed
from osmia_broker.state.rows.event_log import LoggedEvent
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.entities.task_readers import CANDIDATE_GROUP, CANDIDATE_USER, IS_FOR_EVERYBODY, TASK, USER
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import get

Scope = dict[str, Any]  #: a filter that the caller of a search adds

NOBODYS: Scope = {TASK: {"$in": []}}  # the tasks of somebody without a name


class ReadableTasks:
    """The user tasks that *actor* may read."""

    def __init__(self, reader: Reader, actor: Actor) -> None:
        self._reader = reader
        self._actor = actor

    @property
    def scope(self) -> Scope:
        """The filter of a search for user tasks."""
        return self._scope([])

    @property
    def log_scope(self) -> Scope:
        """The filter of a search for entries of the audit log; those that are about no user task pass."""
        return self._scope([{TASK: {"$exists": False}}])

    def _scope(self, others: list[Scope]) -> Scope:
        actor = self._actor
        if actor.policy is TaskPolicy.OPEN:
            return {}
        if not actor.user:
            return {"$or": others} if others else NOBODYS
        found: list[Scope] = [{USER: actor.user}]
        if Right.READ in CANDIDATES_MAY[actor.policy]:
            found += [{CANDIDATE_USER: actor.user}, {IS_FOR_EVERYBODY: True}]
            if actor.groups:
                found.append({CANDIDATE_GROUP: {"$in": list(actor.groups)}})
        return {"$or": [*found, *others]}

    async def item(self, key: int, verb: str = "read") -> Item:
        """Return a user task, as a search has it. *verb* is for a refusal.

        Raises:
            NotFound: there is none with this key.
            Forbidden: the person may not read it.

        """
        item = await get(self._reader, USER_TASKS, key, "user task")
        if not self._has(item, is_open=item["completionDate"] is None):
            raise forbidden(key, self._actor, Right.READ, verb)
        return item

    async def require(self, key: int, verb: str = "read") -> None:
        """Refuse a task that the person may not read. It costs nothing where everybody may read all. Raises as `item`."""
        if self._actor.policy is not TaskPolicy.OPEN:
            await self.item(key, verb)

    def has(self, event: LoggedEvent) -> bool:
        """Whether the person may read the task of an event."""
        if self._actor.policy is TaskPolicy.OPEN:
            return True
        task = msgspec.json.decode(event.details)
        if "state" not in task:  # it was too large for a message, so its values were left out
            return False
        return self._has(task, is_open=task["state"] not in ("COMPLETED", "CANCELED"))

    def _has(self, task: dict[str, Any], *, is_open: bool) -> bool:
        users, groups = task["candidateUsers"], task["candidateGroups"]
        return is_allowed(self._actor, Right.READ, task["assignee"] or "", users, groups, is_open=is_open)
