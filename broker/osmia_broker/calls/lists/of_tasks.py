"""Lists of user tasks, of what belongs to one, and of entries of the audit log: for those who may read the task."""

from typing import Any

from osmia_broker.calls.lists.listing import Asker, Kept, Listing, Question, key_of, of_entity
from osmia_broker.store.read.entities import AUDIT_LOGS, USER_TASKS, VARIABLES
from osmia_broker.store.read.entities.variables import (
    EFFECTIVE_VARIABLES,
    SCOPES,
    WHOLE_EFFECTIVE_VARIABLES,
    WHOLE_VARIABLES,
)
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import Found, get, search
from osmia_broker.store.read.sql import dialect
from osmia_broker.store.read.tasks import task_views

TASK, ENTRY = "user task", "audit log entry"


async def _readable_tasks(asker: Asker, _of: int) -> dict[str, Any]:
    return asker.readable.scope


async def _readable_entries(asker: Asker, _of: int) -> dict[str, Any]:
    return asker.readable.log_scope


async def _in_scopes(asker: Asker, key: int) -> dict[str, Any]:
    await asker.readable.require(key, "read the variables of")
    return {"scopeKey": {"$in": await task_views.scopes_seen(asker.reader, key)}}


async def _of_task(asker: Asker, key: int) -> dict[str, Any]:
    await asker.readable.item(key, "read the history of")
    return {"userTaskKey": key}


async def _effective(asker: Asker, question: Question) -> Found:
    await asker.readable.require(question.of, "read the variables of")
    scopes = await task_views.scopes_seen(asker.reader, question.of)
    entity = WHOLE_EFFECTIVE_VARIABLES if question.is_whole else EFFECTIVE_VARIABLES
    given = {SCOPES: dialect.array(scopes)}
    return await search(asker.reader, entity, question.asked, given=given, bytes_max=question.bytes_max)


async def _task(asker: Asker, key: str) -> Item:
    return await asker.readable.item(key_of(TASK, key))


async def _entry(asker: Asker, key: str) -> Item:
    item = await get(asker.reader, AUDIT_LOGS, key_of(ENTRY, key), ENTRY)
    if item["userTaskKey"]:
        await asker.readable.require(int(item["userTaskKey"]), "read the history of")
    return item


TASK_LISTS = {
    "user-tasks": of_entity(USER_TASKS, scope=_readable_tasks),
    "user-tasks/variables": of_entity(VARIABLES, owner=TASK, scope=_in_scopes, whole=WHOLE_VARIABLES),
    "user-tasks/effective-variables": Listing(EFFECTIVE_VARIABLES, _effective, owner=TASK, cuts_values=True),
    "user-tasks/audit-logs": of_entity(AUDIT_LOGS, owner=TASK, scope=_of_task, order=("timestamp",)),
    "audit-logs": of_entity(AUDIT_LOGS, scope=_readable_entries, order=("timestamp",)),
}
TASK_ITEMS = {"user-tasks": Kept(TASK, USER_TASKS, _task), "audit-logs": Kept(ENTRY, AUDIT_LOGS, _entry)}
