"""`osmia tasks`: list user tasks."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker.cli.options import Limit, Process
from osmia_broker.cli.rows import PAGE, TASK_COLUMNS, task_row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient, UserTask

app = typer.Typer(add_completion=False)

NEWEST_FIRST = [{"field": "creationDate", "order": "DESC"}]


@app.command()
@with_session
def tasks(
    session: Session,
    assignee: Annotated[str, typer.Option(metavar="USER", help="Only those of this assignee.")] = "",
    group: Annotated[str, typer.Option(metavar="GROUP", help="Only those with this candidate group.")] = "",
    is_unassigned: Annotated[bool, typer.Option("--unassigned", help="Only those without an assignee.")] = False,
    is_completed: Annotated[
        bool, typer.Option("--completed", help="Those that are completed, not the open ones.")
    ] = False,
    process: Process = "",
    limit: Limit = 50,
) -> None:
    """List user tasks that are open, newest first.

    Example: osmia tasks --group cooks -o key
    """
    from osmia.results import IncidentState

    open_states = ["CREATING", "CREATED", "ASSIGNING", "UPDATING", "COMPLETING", "CANCELING"]
    wanted: dict[str, Any] = {"state": "COMPLETED" if is_completed else {"$in": open_states}}
    given = {"assignee": assignee, "candidateGroup": group, "processDefinitionId": process}
    wanted |= {name: value for name, value in given.items() if value}
    if is_unassigned:
        wanted["$or"] = [{"assignee": {"$exists": False}}]
    with session.client() as client:
        rows = [task_row(one) for one in islice(_found(client, wanted), limit or None)]
        is_stopped = not rows and bool(
            client.search_incidents(bpmn_process_id=process, states=[IncidentState.OPEN], limit=1).items
        )
    why = f"osmia incidents{f' -p {process}' if process else ''}" if is_stopped else ""
    hint = f"An incident is open: {why}" if is_stopped else "Start an instance: osmia start PROCESS_ID"
    session.list(rows, TASK_COLUMNS, empty=f"No such tasks. {hint}")


def _found(client: "SyncClient", wanted: dict[str, Any]) -> "Iterator[UserTask]":
    after = ""
    while True:
        page = client.user_tasks.search(wanted, sort=NEWEST_FIRST, limit=PAGE, after=after)
        yield from page.items
        if len(page.items) < PAGE:
            return
        after = page.end_cursor
