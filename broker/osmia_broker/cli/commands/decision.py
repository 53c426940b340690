"""`osmia decision`: evaluate a deployed decision, and list what was evaluated."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from osmia_broker.base.whole_numbers import whole_number
from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import Instance, Keys, Limit, Var, Vars
from osmia_broker.cli.output import Row
from osmia_broker.cli.rows import EVALUATION_COLUMNS, evaluation_row, every, first, rule_rows
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.several import Deed, do_each

if TYPE_CHECKING:
    from osmia.results import EvaluatedDecision, Evaluation

app = typer.Typer(add_completion=False, help="One decision: evaluate, evaluations, delete.", no_args_is_help=True)

MISSING = "no decision found"  # in the refusal of a decision that is not deployed: of the status INVALID_ARGUMENT, by the contract


@app.callback()
def decision() -> None:
    """One decision: evaluate, evaluations, delete."""


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
    from osmia.errors import InvalidArgument

    variables = typed.read(var, vars)
    with session.client() as client:
        key = whole_number(decision_id)
        try:
            if key is not None:
                evaluation = client.evaluate_decision(variables=variables, decision_key=key)
            else:
                evaluation = client.evaluate_decision(decision_id, variables)
        except InvalidArgument as error:
            if MISSING not in error.details:
                raise
            what = f"There is no such decision '{decision_id}'."
            raise Failure(Exit.NOT_FOUND, what, mend="osmia deploy FILE.dmn", code="NOT_FOUND") from error
    if evaluation.failure:
        what = f"The decision '{evaluation.failed_decision_id}' cannot be evaluated."
        raise Failure(Exit.REFUSED, what, why=evaluation.failure, code="EVALUATION_FAILED")
    for step in evaluation.decisions:
        if step.rules:
            session.say(f"{step.decision_name or step.decision_id}: rule {', '.join(str(r.index) for r in step.rules)}")
    session.one(_row(evaluation), key="decisionDefinitionKey", text=msgspec.json.encode(evaluation.output).decode())


class Filter(StrEnum):
    """The values of `--state`."""

    EVALUATED = "evaluated"
    FAILED = "failed"
    ALL = "all"


@app.command()
@with_session
def evaluations(
    session: Session,
    decision: Annotated[str, typer.Option("--decision", "-d", metavar="ID", help="Only of this decision.")] = "",
    instance: Instance = 0,
    state: Annotated[Filter, typer.Option(case_sensitive=False, help="The state of the listed ones.")] = Filter.ALL,
    limit: Limit = 50,
) -> None:
    """List the decisions that were evaluated, newest first: by business rule tasks and for callers, with all that they required.

    Example: osmia decision evaluations --instance 2251799813685251
    """
    from osmia.history import DecisionEvaluationState

    with session.client() as client:
        found = every(
            client.search_decision_evaluations,
            decision_id=decision,
            process_instance_key=instance,
            states=[] if state is Filter.ALL else [DecisionEvaluationState(state.upper())],
        )
        rows = [evaluation_row(one) for one in first(session, found, limit)]
    session.list(rows, EVALUATION_COLUMNS, empty="No decision was evaluated.")


@app.command()
@with_session
def delete(session: Session, keys: Keys) -> None:
    """Delete evaluations, each with those of the decisions that it required, for ever.

    Example: osmia decision delete 2251799813685260 --yes
    """
    session.confirm(f"Delete {f'evaluation {keys[0]}' if len(keys) == 1 else f'{len(keys)} evaluations'}?")
    deed = Deed("evaluation", "deleted", "decisionEvaluationKey", "osmia decision evaluations")
    with session.client(found_by=deed.mend) as client:
        do_each(session, client.address, keys, client.delete_evaluation, deed)


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
        "matchedRules": rule_rows(step.rules),
    }
