"""`osmia incidents`: list incidents."""

from typing import Annotated

import typer

from osmia_broker.cli.options import Instance, Limit, Process
from osmia_broker.cli.rows import INCIDENT_COLUMNS, every, first, incident_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def incidents(
    session: Session,
    process: Process = "",
    instance: Instance = 0,
    type: Annotated[str, typer.Option("--type", "-t", help="Only of this kind, such as JOB_NO_RETRIES.")] = "",
    is_resolved: Annotated[
        bool, typer.Option("--resolved", help="Those that are resolved, not the open ones.")
    ] = False,
    limit: Limit = 50,
) -> None:
    """List open incidents, newest first.

    Example: osmia incidents --process dinner
    """
    from osmia.results import IncidentState

    state = IncidentState.RESOLVED if is_resolved else IncidentState.OPEN
    with session.client() as client:
        found = every(
            client.search_incidents,
            bpmn_process_id=process,
            process_instance_key=instance,
            error_type=type.upper(),
            states=[state],
        )
        rows = [incident_row(one) for one in first(session, found, limit)]
    session.list(rows, INCIDENT_COLUMNS, empty="No such incidents.")
