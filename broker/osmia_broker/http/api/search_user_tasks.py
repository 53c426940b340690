"""Searches for user tasks, and what belongs to one: its form, its variables, its history."""

from typing import Any

from osmia_broker.calls.readable_tasks import ReadableTasks
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import (
    TRUNCATES,
    Results,
    asked_by,
    results,
    serve,
    serve_get,
    serve_search,
    truncates,
)
from osmia_broker.http.seen import FormItem
from osmia_broker.http.types import Key
from osmia_broker.store.read import dialect, files, task_views
from osmia_broker.store.read.entities import AUDIT_LOGS, USER_TASKS, VARIABLES
from osmia_broker.store.read.entities.variables import (
    EFFECTIVE_VARIABLES,
    SCOPES,
    WHOLE_EFFECTIVE_VARIABLES,
    WHOLE_VARIABLES,
)
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import search

TAG = "User task"
TASK = "/user-tasks/{userTaskKey}"


def readable(call: Call) -> ReadableTasks:
    """Return the user tasks that the caller may read."""
    return ReadableTasks(call.reader, call.calls.user_tasks.actor(call.caller))


async def _readable(call: Call, _values: dict[str, int]) -> dict[str, Any]:
    return readable(call).scope


async def _item(call: Call, user_task_key: int) -> Item:
    return await readable(call).item(user_task_key)


async def _in_scopes(call: Call, values: dict[str, int]) -> dict[str, Any]:
    key = values["user_task_key"]
    await readable(call).require(key, "read the variables of")
    return {"scopeKey": {"$in": await task_views.scopes_seen(call.reader, key)}}


async def _of_known_task(call: Call, values: dict[str, int]) -> dict[str, Any]:
    await readable(call).item(values["user_task_key"], "read the history of")
    return {}


serve_search(
    "/user-tasks/search",
    USER_TASKS,
    name="search_user_tasks",
    tag=TAG,
    summary="Search the user tasks that the caller may read.",
    sees=_readable,
)
serve_get(TASK, USER_TASKS, name="get_user_task", tag=TAG, noun="user task", find=_item)
serve_search(
    TASK + "/variables/search",
    VARIABLES,
    name="search_user_task_variables",
    tag=TAG,
    summary="Search the variables of all scopes that a user task sees.",
    sees=_in_scopes,
    whole=WHOLE_VARIABLES,
)
serve_search(
    TASK + "/audit-logs/search",
    AUDIT_LOGS,
    name="search_user_task_audit_logs",
    tag=TAG,
    summary="Search the history of a user task.",
    scope={"user_task_key": "userTaskKey"},
    sees=_of_known_task,
    order=("timestamp",),
)


@operation("GET", TASK + "/form", tag=TAG, also=(204,))
async def get_user_task_form(call: Call, user_task_key: Key) -> FormItem | None:
    """Return the form of a user task; the answer is empty if it has none."""
    await readable(call).require(user_task_key, "read the form of")
    return FormItem.of(await files.form_of_task(call.reader, user_task_key))


async def _search_effective(call: Call, user_task_key: int, body: Any = None) -> Results:
    await readable(call).require(user_task_key, "read the variables of")
    scopes = await task_views.scopes_seen(call.reader, user_task_key)
    entity = EFFECTIVE_VARIABLES if truncates(call) else WHOLE_EFFECTIVE_VARIABLES
    given = {SCOPES: dialect.array(scopes)}
    return results(await search(call.reader, entity, asked_by(body), given=given))


_NAME, _PATH = "search_user_task_effective_variables", TASK + "/effective-variables/search"
serve(
    _search_effective,
    EFFECTIVE_VARIABLES,
    _PATH,
    name=_NAME,
    tag=TAG,
    summary="Search the variables that a user task sees. An inner one hides an outer one of the same name.",
    query=(TRUNCATES,),
)
