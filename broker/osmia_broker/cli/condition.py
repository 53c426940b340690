"""`osmia condition`: start processes by their conditional start events."""

from typing import Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.options import INT64_MAX, Var, Vars
from osmia_broker.cli.output import Column
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False, help="Conditional start events: evaluate.", no_args_is_help=True)

STARTED_COLUMNS = (Column("processInstanceKey", "INSTANCE"), Column("processDefinitionKey", "DEFINITION"))


@app.callback()
def condition() -> None:
    """Conditional start events: evaluate."""


@app.command()
@with_session
def evaluate(
    session: Session,
    var: Var = None,
    vars: Vars = None,
    definition: Annotated[
        int | None,
        typer.Option(metavar="KEY", min=1, max=INT64_MAX, help="Only of this definition.", show_default=False),
    ] = None,
) -> None:
    """Start the processes whose conditional start event holds for the variables, and list the new instances.

    Example: osmia condition evaluate --var stock=3
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        started = client.evaluate_conditional(variables, process_definition_key=definition)
    rows = [
        {"processInstanceKey": str(one.key), "processDefinitionKey": str(one.process_definition_key)} for one in started
    ]
    session.list(rows, STARTED_COLUMNS, empty="No condition holds.")
