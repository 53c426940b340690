"""`osmia resource`: delete what was deployed."""

from typing import Annotated

import typer

from osmia_broker.cli.options import Key
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False, help="Deployed files: delete.", no_args_is_help=True)


@app.callback()
def resource() -> None:
    """Deployed files: delete."""


@app.command()
@with_session
def delete(
    session: Session,
    key: Key,
    deletes_history: Annotated[
        bool, typer.Option("--history", help="Ask for its ended instances to be deleted, too.")
    ] = False,
) -> None:
    """Delete a process definition, a graph of decisions or a form. Running instances go on; no new ones are started.

    Example: osmia resource delete 2251799813685249 --yes
    """
    session.confirm(f"Delete resource {key}?")
    with session.client() as client:
        client.delete_resource(key, delete_history=deletes_history or None)
    session.one({"resourceKey": str(key)}, key="resourceKey", text=f"Deleted {key}")
