"""`osmia task`: complete a user task by its key."""

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import Key, Var, Vars
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False, help="One user task: complete.", no_args_is_help=True)


@app.callback()
def task() -> None:
    """One user task: complete."""


@app.command()
@with_session
def complete(session: Session, key: Key, var: Var = None, vars: Vars = None) -> None:
    """Complete a user task; the variables go to the process.

    Example: osmia task complete 2251799813685256 --var dinner=pizza
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        client.complete_job(key, variables)
    session.one({"userTaskKey": str(key)}, key="userTaskKey", text=f"Completed {key}")
