"""The filters that a person saves, and the filtered tasks as a file."""

import csv
import io
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from osmia_broker.errors import InvalidArgument
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.task_list import KEPT, MORE, read_query
from osmia_broker.http.web.visit import Visit, address_of
from osmia_broker.store.read import task_query
from osmia_broker.store.read.entities import USER_TASKS
from osmia_broker.store.read.task_filters import FILTERS_MAX, filters_of

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
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a cell that begins like this


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
    known = {one.name for one in await filters_of(visit.reader, visit.person.user)}
    if name not in known and len(known) >= FILTERS_MAX:
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
    headers = {"content-disposition": 'attachment; filename="tasks.csv"', "cache-control": "no-store"}
    return StreamingResponse(_rows(visit, query), media_type="text/csv; charset=utf-8", headers=headers)


async def _rows(visit: Visit, query: task_query.TaskQuery) -> AsyncIterator[str]:
    yield "\ufeff" + _line(COLUMNS)
    after = ""
    while True:
        found = await visit.search(
            USER_TASKS, query.filter, sort=task_query.order_of(query), limit=CSV_ROWS, after=after
        )
        yield "".join(_line([_cell(item[field]) for field in COLUMNS.values()]) for item in found.items)
        after = found.end or ""
        if len(found.items) < CSV_ROWS or not after:
            return


def _line(cells: object) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)  # type: ignore[arg-type]
    return text.getvalue()


def _cell(value: object) -> str:
    """Write a value so that a spreadsheet shows it and runs nothing."""
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
