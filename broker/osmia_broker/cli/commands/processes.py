"""`osmia processes`: list deployed processes."""

from typing import Annotated

import typer

from osmia_broker.cli.known_processes import missing_process
from osmia_broker.cli.options import Limit, Process
from osmia_broker.cli.rows import PROCESS_COLUMNS, every, first, process_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def processes(
    session: Session,
    process: Process = "",
    is_every_version: Annotated[bool, typer.Option("--all", help="Every version, not only the latest.")] = False,
    limit: Limit = 50,
) -> None:
    """List deployed processes, and deleted ones of which instances still run (DRAINING).

    Example: osmia processes --all
    """
    with session.client() as client:
        found = every(
            client.search_definitions, bpmn_process_id=process, latest_only=not is_every_version, with_draining=True
        )
        rows = [process_row(one) for one in first(session, found, limit)]
        missing = "" if rows else missing_process(client, process)
    session.list(rows, PROCESS_COLUMNS, empty=missing or "Nothing deployed yet: osmia deploy FILE")
