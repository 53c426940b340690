"""The best open task for a person: chosen on the read side, claimed by the engine.

Between the two, others may take what was chosen. So several are proposed, the engine takes the first that is still free, and if none is, the
next ones are chosen.
"""

from typing import Any

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls.caller import Caller
from osmia_broker.calls.tasks.user_tasks import UserTaskCalls
from osmia_broker.engine.tasks.policy import CANDIDATES_MAY, Right
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.entities.user_tasks import IS_SUSPENDED
from osmia_broker.store.read.search.search import Search, search
from osmia_broker.store.read.tasks.task_snoozes import snoozes_of

PROPOSED = 20  # at a time; so many others may be quicker before one has to look again
ROUNDS_MAX = 50

#: Due first, then by priority, then the oldest; a task without a due date comes last.
BEST_FIRST = [
    {"field": "dueDate", "order": "ASC"},
    {"field": "priority", "order": "DESC"},
    {"field": "creationDate", "order": "ASC"},
]


async def claim_next(
    calls: UserTaskCalls,
    reader: Reader,
    *,
    caller: Caller,
    now_ms: int,
    bpmn_process_id: str = "",
    element_id: str = "",
    action: str = "",
    wait_ms: int = 0,
) -> int:
    """Claim the best free task that the caller or one of their groups is a candidate for; return its key, or 0 if there is none.

    Tasks that the caller has snoozed are passed over.

    Raises:
        InvalidArgument: the caller has no name.
        TimedOut: task listeners need longer than *wait_ms*; the claim goes on.

    """
    if not caller.user.strip():
        raise InvalidArgument("No assignee provided")
    if Right.CLAIM not in CANDIDATES_MAY[calls.policy]:
        return 0  # a free task is nobody's
    wanted = _wanted(caller, bpmn_process_id, element_id)
    snoozed = await snoozes_of(reader, caller.user, now_ms)
    if snoozed:
        wanted["userTaskKey"] = {"$notIn": [str(one.user_task_key) for one in snoozed]}
    page: dict[str, Any] = {"limit": PROPOSED}
    scope: dict[str, Any] = {}
    for _ in range(ROUNDS_MAX):
        found = await search(reader, USER_TASKS, Search(wanted, BEST_FIRST, page), scope=scope)
        if not found.items:
            return 0
        keys = [int(item["userTaskKey"]) for item in found.items]
        claimed = await calls.claim_next(keys, caller=caller, action=action, wait_ms=wait_ms)
        if claimed:
            return claimed
        page = {"limit": PROPOSED, "after": found.end}
        scope = {IS_SUSPENDED: False}  # not at first, because it costs, and few are
    return 0


def _wanted(caller: Caller, bpmn_process_id: str, element_id: str) -> dict[str, Any]:
    mine: list[dict[str, Any]] = [{"candidateUser": caller.user}]
    if caller.groups:
        mine.append({"candidateGroup": {"$in": list(caller.groups)}})
    wanted: dict[str, Any] = {"state": "CREATED", "assignee": {"$exists": False}, "$or": mine}
    if bpmn_process_id:
        wanted["processDefinitionId"] = bpmn_process_id
    if element_id:
        wanted["elementId"] = element_id
    return wanted
