"""`osmia resource`: delete a deployed process, graph of decisions or form by its key."""

import typer

from osmia_broker.cli.options import Key, WithHistory
from osmia_broker.cli.session import Session, with_session

HISTORY = " and what has ended of it"

app = typer.Typer(add_completion=False, help="One deployed resource: delete.", no_args_is_help=True)


@app.callback()
def resource() -> None:
    """One deployed resource: delete."""


@app.command()
@with_session
def delete(session: Session, key: Key, with_history: WithHistory = False) -> None:
    """Delete a process version, a graph of decisions or a form. Running instances go on to their end.

    Example: osmia resource delete 2251799813685249 --yes
    """
    session.confirm(
        f"Delete resource {key}{HISTORY * with_history}? It starts no more instances; an older version is the latest again, if there is one. Running instances go on."
    )
    with session.client(found_by="osmia processes --all") as client:
        client.delete_resource(key, delete_history=with_history)
    session.one({"resourceKey": str(key)}, key="resourceKey", text=f"Deleted {key}")
