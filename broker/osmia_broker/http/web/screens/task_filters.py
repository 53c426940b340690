"""The filters that a person saves, and the filtered tasks as a file."""

from collections.abc import AsyncIterator

from starlette.responses import Response

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.http.web.exports import csv_file, csv_lines
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.task_list import KEPT, MORE, read_query
from osmia_broker.http.web.visit import Visit, address_of
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.tasks import task_query
from osmia_broker.store.read.tasks.task_filters import FILTERS_MAX, filters_of, has_room_for

CSV_ROWS = 2_000  # read at a time
COLUMNS = {
    "key": "userTaskKey",
    "name": "name",
    "state": "state",
    "assignee": "assignee",
    "candidateGroups": "candidateGroups",
    "candidateUsers": "candidateUsers",
    "priority": "priority",
    "created": "creationDate",
    "due": "dueDate",
    "followUp": "followUpDate",
    "completed": "completionDate",
    "process": "processDefinitionId",
    "processName": "processName",
    "processInstanceKey": "processInstanceKey",
    "elementId": "elementId",
    "businessId": "businessId",
}


@action("/tasks/filters")
async def save_filter(visit: Visit) -> Response:
    """Save what is filled in now under a name."""
    asked = {name: await visit.field(name) for name in ("filter", "sort", "q", *MORE)}
    listed, query = await read_query(visit, asked)
    back = listed.address()
    if query is None:
        return visit.go(back, alert=f"The filter was not saved. {listed.problem}")
    if not listed.text:
        return visit.go(
            back, alert="The filter was not saved, because it asks for nothing. Choose or enter something first."
        )
    name = (await visit.field("name")).strip() or listed.text[:60]
    if not has_room_for(name, await filters_of(visit.reader, visit.person.user)):
        return visit.go(
            back, alert=f"The filter was not saved, because you have {FILTERS_MAX} already. Delete one first."
        )
    await visit.calls.user_tasks.save_filter(name, listed.text, caller=visit.caller)
    return visit.go(address_of("/tasks", q=listed.text), status=f"Filter saved: {name}")


@action("/tasks/filters/delete")
async def delete_filter(visit: Visit) -> Response:
    """Forget a saved filter."""
    name = await visit.field("name")
    await visit.calls.user_tasks.save_filter(name, "", caller=visit.caller)
    return visit.go("/tasks", status=f"Filter deleted: {name}")


@screen("/tasks/filters")
async def show_list(visit: Visit) -> Response:
    """Lead back to the list."""
    return visit.go("/tasks")


@screen("/tasks.csv")
async def export_tasks(visit: Visit) -> Response:
    """Send all tasks that the address asks for as a file, in the order of the list."""
    _, query = await read_query(visit, {name: visit.asked(name) for name in KEPT})
    if query is None:
        raise InvalidArgument("Expected a search that can be read")
    return csv_file("tasks.csv", _rows(visit, query))


async def _rows(visit: Visit, query: task_query.TaskQuery) -> AsyncIterator[str]:
    yield "\ufeff" + csv_lines([COLUMNS])
    after = ""
    while True:
        found = await visit.search(
            USER_TASKS, query.filter, sort=task_query.order_of(query), limit=CSV_ROWS, after=after
        )
        yield csv_lines([item[field] for field in COLUMNS.values()] for item in found.items)
        after = found.next
        if not after:
            return
