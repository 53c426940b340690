"""Searches for user tasks, and what belongs to one: its form, its variables, its history."""

from osmia_broker.http.operation import Call, operation
from osmia_broker.http.searching import serve_get, serve_search
from osmia_broker.http.seen import FormItem
from osmia_broker.http.types import Key
from osmia_broker.store.read.deployed import files

TAG = "User task"
TASK = "/user-tasks/{userTaskKey}"


serve_search(
    "/user-tasks/search",
    name="search_user_tasks",
    tag=TAG,
    summary="Search the user tasks that the caller may read.",
)
serve_get(TASK, name="get_user_task", tag=TAG)
serve_search(
    TASK + "/variables/search",
    name="search_user_task_variables",
    tag=TAG,
    summary="Search the variables of all scopes that a user task sees.",
)
serve_search(
    TASK + "/audit-logs/search",
    name="search_user_task_audit_logs",
    tag=TAG,
    summary="Search the history of a user task.",
)


@operation("GET", TASK + "/form", tag=TAG, also=(204,))
async def get_user_task_form(call: Call, user_task_key: Key) -> FormItem | None:
    """Return the form of a user task; the answer is empty if it has none."""
    await call.readable.require(user_task_key, "read the form of")
    return FormItem.of(await files.form_of_task(call.reader, user_task_key))


serve_search(
    TASK + "/effective-variables/search",
    name="search_user_task_effective_variables",
    tag=TAG,
    summary="Search the variables that a user task sees. An inner one hides an outer one of the same name.",
)
