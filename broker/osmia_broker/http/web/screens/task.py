"""One task: the region beside the list."""

from starlette.responses import PlainTextResponse, Response

from osmia_broker.http.web.screen import screen
from osmia_broker.http.web.screens.tasks import tasks_page
from osmia_broker.http.web.task_input import Input
from osmia_broker.http.web.task_list import read_list
from osmia_broker.http.web.task_view import TABS, TaskView, read_task, whole_value
from osmia_broker.http.web.visit import Visit


@screen("/tasks/{key:int}")
async def show_task(visit: Visit, key: int) -> Response:
    """Show a task, and the list that it was opened from."""
    return await task_page(visit, key)


@screen("/tasks/{key:int}/variables/{name:path}")
async def show_value(visit: Visit, key: int, name: str) -> Response:
    """Show the whole value of a variable as plain text."""
    return PlainTextResponse(await whole_value(visit, key, name), headers={"cache-control": "no-store"})


async def task_page(
    visit: Visit,
    key: int,
    *,
    typed: Input | None = None,
    alert: str = "",
    status: int = 200,
    comment: str = "",
    reason: str = "",
) -> Response:
    """Answer with the page of a task. *typed* is what the person has just sent and what was wrong with it."""
    view = await read_task(visit, key, typed=typed.draft if typed else None)
    if typed is not None:
        _add_problems(view, typed)
    if view.missing_form and view.item["is_open"]:
        visit.note_refusal()
    values = {"comment": comment, "reason": reason, "alert": alert}
    if typed and view.item["is_suspended"]:
        values |= {"alert": "", "not_sent": alert}
    return await tasks_page(visit, await read_list(visit), task=view, tabs=TABS, status=status, **values)


def _add_problems(view: TaskView, typed: Input) -> None:
    for row in view.rows:
        row.problem = typed.problems.get(row.name, "")
    added = []
    for number, (name, text) in enumerate(typed.draft.added):
        added.append((name, text, typed.added_problems.get(number, "")))
    view.added = added
    shown = {row.name for row in view.rows}
    view.added += [
        (name, text, typed.problems.get(name, "")) for name, text in typed.draft.values.items() if name not in shown
    ]
