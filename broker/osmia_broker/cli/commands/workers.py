"""`osmia workers`: list the workers that ask for jobs or hold some."""

import typer

from osmia_broker.cli.options import OfJobType
from osmia_broker.cli.output import Column, moment
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)

COLUMNS = (
    Column("type", "TYPE", is_long=True),
    Column("worker", "WORKER", is_long=True),
    Column("held", "HELD"),
    Column("polls", "POLLS"),
    Column("streams", "STREAMS"),
    Column("lastSeen", "SEEN", is_moment=True),
    Column("since", "SINCE", is_wide=True, is_moment=True),
    Column("userAgent", "CLIENT", is_wide=True, is_long=True),
)


@app.command()
@with_session
def workers(
    session: Session,
    type: OfJobType = "",
) -> None:
    """List the workers that ask for jobs, asked lately, or hold some.

    Example: osmia workers --type charge-card
    """
    with session.client() as client:
        found = client.workers(type)
    rows = [
        {
            "type": one.job_type,
            "worker": one.name,
            "held": one.held,
            "polls": one.polls,
            "streams": one.streams,
            "lastSeen": moment(one.last_seen_ms),
            "since": moment(one.since_ms),
            "userAgent": one.user_agent or None,
        }
        for one in found
    ]
    session.list(rows, COLUMNS, empty="No workers.")
