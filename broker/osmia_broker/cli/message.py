"""`osmia message`: publish a message."""

from datetime import timedelta
from typing import Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import Var, Vars, milliseconds
from osmia_broker.cli.session import Session, as_duration, with_session

app = typer.Typer(add_completion=False, help="Messages: publish.", no_args_is_help=True)

NO_TIME = timedelta(0)


@app.callback()
def message() -> None:
    """Messages: publish."""


@app.command()
@with_session
def publish(
    session: Session,
    name: Annotated[str, typer.Argument(help="The name that events wait for.")],
    key: Annotated[str, typer.Option("--key", "-k", help="The correlation key.")] = "",
    var: Var = None,
    vars: Vars = None,
    ttl: Annotated[
        timedelta,
        typer.Option(parser=as_duration, metavar="0s", help="Keep it this long for events that wait later."),
    ] = NO_TIME,
    id: Annotated[str, typer.Option("--id", help="Refuse a second message with this id while the first is kept.")] = "",
    business_id: Annotated[str, typer.Option(help="Only for instances with this business id.")] = "",
) -> None:
    """Publish a message to the events that wait for it, and to message start events.

    Example: osmia message publish payment-received --key order-7 --var amount=12 --ttl 1h
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        message_key = client.publish_message(
            name,
            key,
            variables,
            time_to_live_ms=milliseconds(ttl),
            message_id=id,
            business_id=business_id or None,
        )
    session.say(f"Published {name}")
    session.one({"messageKey": str(message_key)}, key="messageKey", text=str(message_key))
