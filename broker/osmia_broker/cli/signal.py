"""`osmia signal`: broadcast a signal."""

from typing import Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def signal(
    session: Session,
    name: Annotated[str, typer.Argument(help="The name that events wait for.")],
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Broadcast a signal to all events that wait for it now, and to signal start events.

    Example: osmia signal market-closed --var day=2026-11-25
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        key = client.broadcast_signal(name, variables)
    session.say(f"Broadcast {name}")
    session.one({"signalKey": str(key)}, key="signalKey", text=str(key))
