"""`osmia decision`: evaluate a decision."""

from typing import Annotated

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False, help="Decisions: evaluate.", no_args_is_help=True)


@app.callback()
def decision() -> None:
    """Decisions: evaluate."""


@app.command()
@with_session
def evaluate(
    session: Session,
    decision_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a deployed decision.")],
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Evaluate the latest version of a decision and print its output.

    Example: osmia decision evaluate discount --var total=190
    """
    variables = typed.read(var, vars)
    with session.client() as client:
        found = client.evaluate_decision(decision_id, variables)
    if found.failure:
        raise Failure(
            Exit.REFUSED,
            f"Decision '{found.failed_decision_id or decision_id}' could not be evaluated.",
            why=found.failure,
            code="EVALUATION_FAILED",
        )
    row = {
        "decisionEvaluationKey": str(found.key),
        "decisionDefinitionKey": str(found.decision_key),
        "decisionDefinitionId": found.decision_id,
        "decisionDefinitionName": found.decision_name,
        "decisionDefinitionVersion": found.decision_version,
        "output": found.output,
    }
    session.one(row, key="decisionEvaluationKey", text=msgspec.json.encode(found.output).decode())
