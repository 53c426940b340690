"""`osmia instances`: list process instances and the elements that hold their tokens."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.counted import counted
from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.cli.known_processes import missing_process
from osmia_broker.cli.options import Limit, Process
from osmia_broker.cli.rows import INSTANCE_COLUMNS, every, first, instance_row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(add_completion=False)


class Filter(StrEnum):
    """The values of `--state`."""

    ACTIVE = "active"
    INCIDENT = "incident"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    CANCELED = "canceled"
    ALL = "all"


_RUNNING = ["ACTIVE", "SUSPENDED"]
#: The states of the broker for a filter, if they are not the one of the same name. A suspended instance runs, so it is in the list of those that do.
_STATES: dict[Filter, list[str]] = {Filter.ACTIVE: _RUNNING, Filter.INCIDENT: _RUNNING, Filter.ALL: []}


@app.command()
@with_session
def instances(
    session: Session,
    state: Annotated[Filter, typer.Option(case_sensitive=False, help="The state of the listed ones.")] = Filter.ACTIVE,
    process: Process = "",
    parent: Annotated[
        int,
        typer.Option(metavar="KEY", min=0, max=INT64_MAX, help="Only those that this one called.", show_default=False),
    ] = 0,
    limit: Limit = 50,
) -> None:
    """List process instances, newest first.

    Example: osmia instances --state incident -o key
    """
    from osmia.results import InstanceState

    with session.client() as client:
        found = every(
            client.search_instances,
            bpmn_process_id=process,
            parent_key=parent,
            states=[InstanceState(one) for one in _STATES.get(state, [state.upper()])],
            has_incident=True if state is Filter.INCIDENT else None,
        )
        rows = [instance_row(one) for one in first(session, found, limit)]
        empty = "" if rows else missing_process(client, process) or _why_none(client, process, state)
    if stopped := sum(row["hasIncident"] for row in rows):
        of_process = f" -p {process}" if process else ""
        session.say(f"{counted(stopped, 'instance has', 'instances have')} an incident: osmia incidents{of_process}")
    session.list(rows, INSTANCE_COLUMNS, empty=empty)


def _why_none(client: "SyncClient", process: str, state: Filter) -> str:
    """Return the line for an empty list: where the instances are, or how to start one."""
    of_process = f" -p {process}" if process else ""
    if state is not Filter.ALL and client.search_instances(bpmn_process_id=process, limit=1).items:
        word = "active" if state is Filter.ACTIVE else "such"
        return f"No {word} instances. Those in all states: osmia instances --state all{of_process}"
    return f"No such instances. Start one: osmia start {process or 'PROCESS_ID'}"
