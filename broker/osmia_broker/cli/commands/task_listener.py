"""`osmia task-listener`: list, show, create, update and delete the task listeners of all native user tasks."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.cli import offers
from osmia_broker.cli.failures import usage
from osmia_broker.cli.options import Limit
from osmia_broker.cli.output import Column, Output, Row
from osmia_broker.cli.rows import every, first
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.calls.global_task_listeners import GlobalTaskListener

app = typer.Typer(
    add_completion=False,
    help="A task listener of all native user tasks: list, show, create, update, delete.",
    no_args_is_help=True,
)

LIST = "osmia task-listener list"
COLUMNS = (
    Column("id", "ID"),
    Column("type", "JOB TYPE"),
    Column("eventTypes", "EVENTS", is_long=True),
    Column("priority", "PRIORITY"),
    Column("afterNonGlobal", "AFTER MODEL"),
    Column("retries", "RETRIES", is_wide=True),
)

Id = Annotated[str, typer.Argument(metavar="ID", help="1 to 256 characters.", autocompletion=offers.task_listeners)]
Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event", metavar="EVENT", help="creating, assigning, updating, completing, canceling or all; may be repeated."
    ),
]
Retries = Annotated[int | None, typer.Option(min=1, help="The retries of its jobs.", show_default=False)]
AfterModel = Annotated[
    bool | None,
    typer.Option("--after-model/--before-model", help="It works after, or before, the listeners of the model."),
]
Priority = Annotated[int | None, typer.Option(help="0 to 100; the higher works first.", show_default=False)]


@app.command("list")
@with_session
def list_(
    session: Session,
    id: Annotated[str, typer.Option("--id", metavar="ID", help="Only ids of this form; * is any text.")] = "",
    limit: Limit = 50,
) -> None:
    """List global task listeners by id.

    Example: osmia task-listener list --id 'mail-*'
    """
    with session.client() as client:
        found = every(client.global_task_listeners.search, id_like=id)
        rows = [_row(one) for one in first(session, found, limit)]
    if session.output in (Output.TABLE, Output.WIDE, Output.CSV):
        rows = [{**row, "eventTypes": ", ".join(row["eventTypes"])} for row in rows]
    session.list(rows, COLUMNS, empty="No such task listeners." if id else "No global task listeners.")


@app.command()
@with_session
def show(session: Session, id: Id) -> None:
    """Show a global task listener.

    Example: osmia task-listener show mail
    """
    with session.client(found_by=LIST) as client:
        found = client.global_task_listeners.get(id)
    place = "after" if found.after_non_global else "before"
    lines = [
        f"{found.id}  jobs of type {found.type}",
        f"  events: {', '.join(found.event_types)}",
        f"  works {place} the listeners of the model, with priority {found.priority}",
        f"  retries: {found.retries}",
    ]
    session.one(_row(found), key="id", text="\n".join(lines))


@app.command()
@with_session
def create(
    session: Session,
    id: Id,
    type: Annotated[str, typer.Option("--type", "-t", metavar="TYPE", help="The type of its jobs.")],
    events: Events = None,
    retries: Retries = None,
    after_model: AfterModel = None,
    priority: Priority = None,
) -> None:
    """Create a task listener of all native user tasks. Tasks wait for it: a worker for its job type should be there.

    Example: osmia task-listener create mail --type send-mail --event creating --event assigning
    """
    if not events:
        raise usage("Expected --event EVENT, but found none.", "--event all")
    with session.client(found_by=LIST) as client:
        made = client.global_task_listeners.create(
            id, type, events, retries=retries, after_non_global=after_model, priority=priority
        )
    session.one(_row(made), key="id", text=f"Created {id}")


@app.command()
@with_session
def update(
    session: Session,
    id: Id,
    type: Annotated[str, typer.Option("--type", "-t", metavar="TYPE", help="The type of its jobs.")] = "",
    events: Events = None,
    retries: Retries = None,
    after_model: AfterModel = None,
    priority: Priority = None,
) -> None:
    """Change what is given of a global task listener. Changes of tasks that wait for it already go on as they began.

    Example: osmia task-listener update mail --priority 80
    """
    if not (type or events) and (retries, after_model, priority) == (None, None, None):
        raise usage("Expected something to change, but found none.", "--priority 80")
    with session.client(found_by=LIST) as client:
        made = client.global_task_listeners.update(
            id, type=type, event_types=events or (), retries=retries, after_non_global=after_model, priority=priority
        )
    session.one(_row(made), key="id", text=f"Updated {id}")


@app.command()
@with_session
def delete(session: Session, id: Id) -> None:
    """Delete a global task listener. What it has begun it ends.

    Example: osmia task-listener delete mail --yes
    """
    session.confirm(f"Delete the global task listener '{id}'?")
    with session.client(found_by=LIST) as client:
        client.global_task_listeners.delete(id)
    session.one({"id": id}, key="id", text=f"Deleted {id}")


def _row(found: "GlobalTaskListener") -> Row:
    values = asdict(found)
    return {
        **{name: values[name] for name in ("id", "type")},
        "eventTypes": values["event_types"],
        "retries": values["retries"],
        "afterNonGlobal": values["after_non_global"],
        "priority": values["priority"],
    }
