"""`osmia messages`: list the published messages that are kept."""

from typing import Annotated

import typer

from osmia_broker.cli.options import CorrelationKey, Limit
from osmia_broker.cli.rows import MESSAGE_COLUMNS, every, first, message_row
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def messages(
    session: Session,
    name: Annotated[str, typer.Option(metavar="NAME", help="Only with this name.")] = "",
    correlation_key: CorrelationKey = "",
    message_id: Annotated[str, typer.Option("--id", metavar="TEXT", help="Only with this message id.")] = "",
    limit: Limit = 50,
) -> None:
    """List messages that are kept until their time to live is over, newest first.

    Example: osmia messages --name paid
    """
    with session.client() as client:
        found = every(client.search_messages, name=name, correlation_key=correlation_key, message_id=message_id)
        rows = [message_row(one) for one in first(session, found, limit)]
    session.list(rows, MESSAGE_COLUMNS, empty="No such messages. A message is kept only with a time to live: --ttl 1h")
