"""`osmia batches`: list batch operations."""

from enum import StrEnum
from typing import Annotated

import typer

from osmia_broker.cli.options import Limit
from osmia_broker.cli.rows import BATCH_COLUMNS, batch_row, every, first
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


class State(StrEnum):
    """The values of `--state`."""

    CREATED = "created"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    CANCELED = "canceled"
    ALL = "all"


@app.command()
@with_session
def batches(
    session: Session,
    state: Annotated[State, typer.Option(case_sensitive=False, help="The state of the listed ones.")] = State.ALL,
    limit: Limit = 50,
) -> None:
    """List batch operations, newest first.

    Example: osmia batches --state active
    """
    with session.client() as client:
        found = every(client.batches.search, states=[] if state is State.ALL else [state.upper()])
        rows = [batch_row(one) for one in first(session, found, limit)]
    session.list(
        rows, BATCH_COLUMNS, empty="No batch operations." if state is State.ALL else "No such batch operations."
    )
