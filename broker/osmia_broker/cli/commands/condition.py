"""`osmia condition`: start the processes whose conditional start event holds."""

from typing import Annotated

import typer

from osmia_broker.base.whole_numbers import INT64_MAX
from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.output import Column
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False, help="Conditional start events: evaluate.", no_args_is_help=True)

STARTED_COLUMNS = (Column("processInstanceKey", "KEY"), Column("processDefinitionKey", "DEFINITION"))


@app.callback()
def condition() -> None:
    """Conditional start events: evaluate."""


@app.command()
@with_session
def evaluate(
    session: Session,
    definition: Annotated[
        int, typer.Option(metavar="KEY", min=0, max=INT64_MAX, help="Only of this process.", show_default=False)
    ] = 0,
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Start an instance of each process whose conditional start event holds for the variables, and list them.

    Example: osmia condition evaluate --var temperature=31
    """
    variables = typed.read(var, vars)
    with session.client(found_by="osmia processes") as client:
        started = client.evaluate_conditional(variables, process_definition_key=definition or None)
    rows = [
        {"processInstanceKey": str(one.key), "processDefinitionKey": str(one.process_definition_key)} for one in started
    ]
    session.list(rows, STARTED_COLUMNS, empty="No condition holds, so nothing was started.")
