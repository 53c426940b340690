"""Find deployed decisions, and evaluate them with the dmn package."""

from typing import TYPE_CHECKING, Any

import msgspec

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.engine.answers import EvaluatedDecision
from osmia_broker.engine.commands import EvaluateDecision
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import Decision, DecisionEvaluation

if TYPE_CHECKING:  # the package is loaded with the first decision only
    from osmia_broker.dmn import DecisionGraph, Evaluation


def graph_of(turn: Turn, decision: Decision) -> "DecisionGraph":
    """Return the graph that a decision stands in."""
    requirements = turn.definitions.requirements.get(decision.decision_requirements_key)
    assert requirements is not None, "a decision stands in a graph"
    graph: DecisionGraph = turn.definitions.model(requirements.checksum).decisions
    return graph


@handles(EvaluateDecision)
def evaluate_decision(turn: Turn, command: EvaluateDecision) -> EvaluatedDecision:
    """Evaluate a decision for a caller. An evaluation that fails is an answer, not a refusal."""
    decision = _called(turn, command)
    graph = graph_of(turn, decision)
    scope: dict[str, Any] = {name: msgspec.Raw(value) for name, value in command.variables.items()}
    evaluation = graph.evaluate(decision.decision_id, scope, turn.now)
    rows = {row.decision_id: row for row in turn.definitions.decisions_of(decision.decision_requirements_key)}
    key = turn.next_key()
    keep_evaluation(turn, key, decision, evaluation, process_instance_key=key)
    return EvaluatedDecision(decision, evaluation, rows, key)


def keep_evaluation(
    turn: Turn,
    key: int,
    decision: Decision,
    evaluation: "Evaluation",
    *,
    process_instance_key: int,
    element_instance_key: int = 0,
) -> None:
    """Write an evaluation to the history; without an element instance it stands alone, under its own key."""
    row = DecisionEvaluation(
        key=key,
        process_instance_key=process_instance_key,
        element_instance_key=element_instance_key,
        decision_key=decision.key,
        decision_id=decision.decision_id,
        output=evaluation.output,
        failed_decision_id=evaluation.failed_decision_id,
        failure_message=evaluation.failure_message,
        evaluated=msgspec.json.encode(evaluation.evaluated_decisions).decode(),
    )
    turn.decision_evaluations.insert(row)
    turn.decision_evaluations.end(row, turn.now_ms)


def _called(turn: Turn, command: EvaluateDecision) -> Decision:
    """Return the decision that the command names. The id wins over the key; an unknown decision is an invalid argument."""
    decisions = turn.definitions.decisions
    if command.decision_id:
        found, named = decisions.latest(command.decision_id), f"id '{command.decision_id}'"
    elif command.decision_key >= 0:
        found, named = decisions.get(command.decision_key), f"key '{command.decision_key}'"
        found = found if found is not None and not found.deleted_ms else None
    else:
        raise InvalidArgument("Expected either a decision id or a valid decision key, but none provided")
    if found is None:
        asked = command.decision_id or command.decision_key
        raise InvalidArgument(f"Expected to evaluate decision '{asked}', but no decision found for {named}")
    return found
