"""`osmia incidents`: list incidents."""

from typing import Annotated

import typer

from osmia_broker.base.edits import nearest
from osmia_broker.cli.failures import usage
from osmia_broker.cli.known_processes import missing_process
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

    kind = kind_of_incident(type)
    state = IncidentState.RESOLVED if is_resolved else IncidentState.OPEN
    with session.client() as client:
        found = every(
            client.search_incidents,
            bpmn_process_id=process,
            process_instance_key=instance,
            error_type=kind,
            states=[state],
        )
        rows = [incident_row(one) for one in first(session, found, limit)]
        missing = "" if rows else missing_process(client, process)
    narrowed = process or instance or kind or is_resolved
    session.list(rows, INCIDENT_COLUMNS, empty=missing or ("No such incidents." if narrowed else "No open incidents."))


def kind_of_incident(text: str) -> str:
    """Return the kind of incident that *text* names in any case, with hyphens or underscores; empty for none.

    Raises:
        Failure: USAGE; there is no such kind. The text names those that there are.
    """
    from osmia_broker.state.rows import ErrorType

    kind = text.upper().replace("-", "_")
    if kind and kind not in (*ErrorType,):
        mend = f"--type {nearest(kind, ErrorType, likeness=0.3) or ErrorType.JOB_NO_RETRIES}"
        raise usage(f"Expected --type to be one of {', '.join(ErrorType)}, but found '{text}'.", mend)
    return kind
