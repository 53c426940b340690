"""`osmia decision`: evaluate a deployed decision."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.output import Row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.results import EvaluatedDecision, Evaluation

app = typer.Typer(add_completion=False, help="One decision: evaluate.", no_args_is_help=True)


@app.callback()
def decision() -> None:
    """One decision: evaluate."""


@app.command()
@with_session
def evaluate(
    session: Session,
    decision_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a deployed decision, or its key.")],
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Evaluate the latest version of a decision, and print its output as JSON.

    Example: osmia decision evaluate dish --var season=Winter --var guests=8
    """
    variables = typed.read(var, vars)
    with session.client(found_by="osmia deploy FILE") as client:
        if decision_id.isdecimal():
            evaluation = client.evaluate_decision(variables=variables, decision_key=int(decision_id))
        else:
            evaluation = client.evaluate_decision(decision_id, variables)
    if evaluation.failure:
        what = f"The decision '{evaluation.failed_decision_id}' cannot be evaluated."
        raise Failure(Exit.REFUSED, what, why=evaluation.failure, code="EVALUATION_FAILED")
    for step in evaluation.decisions:
        if step.rules:
            session.say(f"{step.decision_name or step.decision_id}: rule {', '.join(str(r.index) for r in step.rules)}")
    session.one(_row(evaluation), key="decisionDefinitionKey", text=msgspec.json.encode(evaluation.output).decode())


def _row(evaluation: "Evaluation") -> Row:
    return {
        "decisionDefinitionKey": str(evaluation.decision_key),
        "decisionDefinitionId": evaluation.decision_id,
        "decisionDefinitionName": evaluation.decision_name,
        "decisionDefinitionVersion": evaluation.decision_version,
        "output": evaluation.output,
        "evaluatedDecisions": [_step(step) for step in evaluation.decisions],
    }


def _step(step: "EvaluatedDecision") -> Row:
    return {
        "decisionDefinitionId": step.decision_id,
        "decisionDefinitionName": step.decision_name,
        "decisionDefinitionVersion": step.decision_version,
        "decisionDefinitionType": step.type,
        "output": step.output,
        "evaluatedInputs": step.inputs,
        "matchedRules": [
            {"ruleId": rule.rule_id, "ruleIndex": rule.index, "evaluatedOutputs": rule.outputs} for rule in step.rules
        ],
    }
