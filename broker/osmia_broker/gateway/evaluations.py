"""The report of an evaluated decision as a message of the wire."""

from typing import TYPE_CHECKING

from osmia_broker.calls.checks import DEFAULT_TENANT
from osmia_broker.engine.answers import EvaluatedDecision
from osmia_proto import gateway

if TYPE_CHECKING:  # the package is loaded with the first decision only
    from osmia_broker.dmn import EvaluatedDecision as EvaluatedStep


def evaluated(answer: EvaluatedDecision) -> gateway.EvaluateDecisionResponse:
    """Translate the output, or the reason why there is none, with every step of the evaluation."""
    decision, evaluation = answer.decision, answer.evaluation
    return gateway.EvaluateDecisionResponse(
        decisionKey=decision.key,
        decisionId=decision.decision_id,
        decisionName=decision.name,
        decisionVersion=decision.version,
        decisionRequirementsId=decision.decision_requirements_id,
        decisionRequirementsKey=decision.decision_requirements_key,
        decisionOutput=evaluation.output,
        evaluatedDecisions=[_step(*one) for one in answer.steps()],
        failedDecisionId=evaluation.failed_decision_id,
        failureMessage=evaluation.failure_message,
        tenantId=DEFAULT_TENANT,
        decisionInstanceKey=answer.key,
        decisionEvaluationKey=answer.key,
    )


def _step(step: "EvaluatedStep", key: int, version: int, instance_key: str) -> gateway.EvaluatedDecision:
    return gateway.EvaluatedDecision(
        decisionKey=key,
        decisionId=step.decision_id,
        decisionName=step.decision_name,
        decisionVersion=version,
        decisionType=step.decision_type,
        decisionOutput=step.output,
        matchedRules=[
            gateway.MatchedDecisionRule(
                ruleId=rule.rule_id,
                ruleIndex=rule.rule_index,
                evaluatedOutputs=[
                    gateway.EvaluatedDecisionOutput(
                        outputId=output.output_id, outputName=output.output_name, outputValue=output.output_value
                    )
                    for output in rule.evaluated_outputs
                ],
            )
            for rule in step.matched_rules
        ],
        evaluatedInputs=[
            gateway.EvaluatedDecisionInput(
                inputId=input.input_id, inputName=input.input_name, inputValue=input.input_value
            )
            for input in step.evaluated_inputs
        ],
        tenantId=DEFAULT_TENANT,
        decisionEvaluationInstanceKey=instance_key,
    )
