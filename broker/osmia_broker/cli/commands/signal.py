"""`osmia signal`: broadcast a signal."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.session import Session, with_session


class Signals(TyperGroup):
    """The only thing to do with a signal is to broadcast it, so `osmia signal NAME` does that too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that *args* begin with; `broadcast` if they begin with a name."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return "broadcast", self.commands["broadcast"], args
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Signals, add_completion=False, help="One signal: broadcast.", no_args_is_help=True)


@app.callback()
def signal() -> None:
    """One signal: broadcast."""


@app.command()
@with_session
def broadcast(
    session: Session,
    name: Annotated[str, typer.Argument(help="The name that the events wait for.")],
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Broadcast a signal to all events that wait for its name now, and print its key.

    Example: osmia signal broadcast fire-alarm --var floor=3
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        key = client.broadcast_signal(name, variables)
    session.say(f"Broadcast {name}")
    session.one({"signalKey": str(key)}, key="signalKey", text=str(key))
