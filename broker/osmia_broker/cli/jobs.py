"""`osmia jobs`: list jobs of service tasks and user tasks."""

from typing import Annotated

import typer

from osmia_broker.cli.failures import usage
from osmia_broker.cli.options import Instance, Limit
from osmia_broker.cli.rows import JOB_COLUMNS, every, first, job_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)

OPEN = ("activatable", "activated", "failed", "error_thrown", "suspended")
STATES = (*OPEN, "completed", "canceled")


@app.command()
@with_session
def jobs(
    session: Session,
    type: Annotated[str, typer.Option("--type", "-t", help="Only of this job type.")] = "",
    state: Annotated[list[str] | None, typer.Option(help=f"Only in this state: {', '.join(STATES)}, all.")] = None,
    instance: Instance = 0,
    limit: Limit = 50,
) -> None:
    """List jobs that are open, newest first.

    Example: osmia jobs --type charge-card --state failed
    """
    from osmia.results import JobState

    wanted = [JobState(name.upper()) for name in _states(state)]
    with session.client() as client:
        found = every(client.search_jobs, type=type, process_instance_key=instance, states=wanted)
        rows = [job_row(one) for one in first(session, found, limit)]
    session.list(rows, JOB_COLUMNS, empty="No such jobs.")


def _states(given: list[str] | None) -> tuple[str, ...]:
    """Return the wanted states: those of open jobs when none is given, none at all (no filter) for `all`."""
    if not given:
        return OPEN
    if "all" in given:
        return ()
    for name in given:
        if name.lower() not in STATES:
            raise usage(f"There is no job state '{name}'.", f"--state {STATES[0]}   (or {', '.join(STATES[1:])}, all)")
    return tuple(given)
