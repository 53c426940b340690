"""The task list."""

from starlette.responses import Response

from osmia_broker.http.web.screen import screen
from osmia_broker.http.web.task_list import DUE, FILTERS, SORTS, TaskList, read_list, saved_views
from osmia_broker.http.web.visit import Visit


@screen("/tasks")
async def show_tasks(visit: Visit) -> Response:
    """Show the tasks that the address asks for."""
    return await tasks_page(visit, await read_list(visit))


async def tasks_page(visit: Visit, listed: TaskList, **values: object) -> Response:
    """Answer with the list, and a task beside it if *values* have one."""
    status = 400 if listed.problem and "status" not in values else values.pop("status", 200)
    assert isinstance(status, int), "an HTTP status is a number"
    given = {"task": None, "results": None, "saved": await saved_views(visit)} | values
    return await visit.page(
        "tasks.html",
        status=status,
        listed=listed,
        filters=FILTERS,
        sorts=SORTS,
        dues=DUE,
        at=visit.asked("at"),
        **given,
    )
