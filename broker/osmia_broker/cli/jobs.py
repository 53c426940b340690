"""`osmia jobs`: list jobs of service tasks and user tasks."""

from typing import Annotated

import typer

from osmia_broker.cli.failures import usage
from osmia_broker.cli.options import Instance, Limit
from osmia_broker.cli.output import counted
from osmia_broker.cli.rows import JOB_COLUMNS, PAGE, every, first, job_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)

OPEN = ("activatable", "activated", "failed", "error_thrown", "suspended")
NAMED_MAX = 10  # job types in a hint
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
        empty = "No such jobs."
        if type and not rows:
            known = {one.type for one in client.search_jobs(limit=PAGE).items}
            if type not in known and known:
                empty = f"No job has the type '{type}'. Jobs have: {', '.join(sorted(known)[:NAMED_MAX])}."
    tired = sum(row["state"] == "FAILED" and row["retries"] == 0 for row in rows)
    if tired:
        session.say(f"{counted(tired, 'job has', 'jobs have')} no retries left: osmia incidents --type JOB_NO_RETRIES")
    session.list(rows, JOB_COLUMNS, empty=empty)


def _states(given: list[str] | None) -> tuple[str, ...]:
    """Return the wanted states: those of open jobs when none is given, none at all (no filter) for `all`."""
    if not given:
        return OPEN
    states = [name.lower().replace("-", "_") for name in given]
    for name, state in zip(given, states, strict=True):
        if state not in (*STATES, "all"):
            raise usage(f"There is no job state '{name}'.", f"--state {STATES[0]}   (or {', '.join(STATES[1:])}, all)")
    return () if "all" in states else tuple(states)
