"""Evaluate decisions."""

from typing import TYPE_CHECKING

from msgspec import Raw, field

from osmia_broker.calls import checks
from osmia_broker.calls.faults import Faults
from osmia_broker.engine.answers import EvaluatedDecision
from osmia_broker.http.described import GivenVariables
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Item, Key, Text, variables_text

if TYPE_CHECKING:  # the package is loaded with the first decision only
    from osmia_broker.dmn import EvaluatedDecision as EvaluatedStep


class Evaluation(Body):
    """A decision to evaluate, named by its id or by its key."""

    decision_definition_id: Text | None = None
    decision_definition_key: Key | None = None
    variables: GivenVariables = field(default_factory=Raw)
    tenant_id: Text | None = None


class InputItem(Item):
    """An input of an evaluated decision; the value is JSON text."""

    input_id: str
    input_name: str
    input_value: str


class OutputItem(Item):
    """An output of a rule; the value is JSON text."""

    output_id: str
    output_name: str
    output_value: str
    rule_id: str
    rule_index: int


class RuleItem(Item):
    """A rule that held."""

    rule_id: str
    rule_index: int
    evaluated_outputs: list[OutputItem]


class StepItem(Item):
    """A decision that was evaluated, for itself or because another one required it."""

    decision_definition_id: str
    decision_definition_key: str
    decision_definition_name: str
    decision_definition_version: int
    decision_definition_type: str
    decision_evaluation_instance_key: str
    output: str
    matched_rules: list[RuleItem]
    evaluated_inputs: list[InputItem]
    tenant_id: str = checks.DEFAULT_TENANT


class EvaluationItem(Item):
    """The output of a decision, or the reason why there is none."""

    decision_definition_id: str
    decision_definition_key: str
    decision_definition_name: str
    decision_definition_version: int
    decision_requirements_id: str
    decision_requirements_key: str
    decision_evaluation_key: str
    decision_instance_key: str
    output: str
    failed_decision_definition_id: str | None
    failure_message: str | None
    evaluated_decisions: list[StepItem]
    tenant_id: str = checks.DEFAULT_TENANT


@operation("POST", "/decision-definitions/evaluation", tag="Decision definition")
async def evaluate_decision(call: Call, body: Evaluation) -> EvaluationItem:
    """Evaluate a decision."""
    faults = Faults()
    faults.require_one(
        decisionDefinitionId=body.decision_definition_id, decisionDefinitionKey=body.decision_definition_key
    )
    faults.refuse()
    checks.default_tenant("Evaluate Decision", [body.tenant_id or ""])
    answer = await call.calls.evaluate_decision(
        body.decision_definition_id or "", body.decision_definition_key or 0, variables_text(body.variables)
    )
    return _evaluated(answer)


def _evaluated(answer: EvaluatedDecision) -> EvaluationItem:
    decision, evaluation = answer.decision, answer.evaluation
    return EvaluationItem(
        decision_definition_id=decision.decision_id,
        decision_definition_key=str(decision.key),
        decision_definition_name=decision.name,
        decision_definition_version=decision.version,
        decision_requirements_id=decision.decision_requirements_id,
        decision_requirements_key=str(decision.decision_requirements_key),
        decision_evaluation_key=str(answer.key),
        decision_instance_key=str(answer.key),
        output=evaluation.output,
        failed_decision_definition_id=evaluation.failed_decision_id or None,
        failure_message=evaluation.failure_message or None,
        evaluated_decisions=[_step(*one) for one in answer.steps()],
    )


def _step(step: "EvaluatedStep", key: int, version: int, instance_key: str) -> StepItem:
    return StepItem(
        decision_definition_id=step.decision_id,
        decision_definition_key=str(key),
        decision_definition_name=step.decision_name,
        decision_definition_version=version,
        decision_definition_type=step.decision_type,
        decision_evaluation_instance_key=instance_key,
        output=step.output,
        matched_rules=[
            RuleItem(
                rule_id=rule.rule_id,
                rule_index=rule.rule_index,
                evaluated_outputs=[
                    OutputItem(
                        output_id=output.output_id,
                        output_name=output.output_name,
                        output_value=output.output_value,
                        rule_id=rule.rule_id,
                        rule_index=rule.rule_index,
                    )
                    for output in rule.evaluated_outputs
                ],
            )
            for rule in step.matched_rules
        ],
        evaluated_inputs=[
            InputItem(input_id=one.input_id, input_name=one.input_name, input_value=one.input_value)
            for one in step.evaluated_inputs
        ],
    )
