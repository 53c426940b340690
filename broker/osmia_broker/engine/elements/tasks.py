"""Tasks: done by a worker (a job), or by the broker itself (a script, a decision)."""

from osmia_broker import feel
from osmia_broker.engine.activiti.element_mappings import keep_result
from osmia_broker.engine.bindings import Binding, find_decision
from osmia_broker.engine.decisions import graph_of, keep_evaluation
from osmia_broker.engine.elements.publishing import publish
from osmia_broker.engine.expressions import (
    VariableScope,
    evaluate,
    evaluate_text,
)
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import Processor, plan_completion, processes
from osmia_broker.engine.new_jobs import create_task_job
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.rows import ElementInstance, ErrorType


@processes(ElementType.SERVICE_TASK, ElementType.SEND_TASK)
class ServiceTask(Processor):
    """Waits for a worker to complete a job. A send task is work for a worker too."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Evaluate the type and the retries, and create the job; or publish the message of a send task."""
        if element.publish is not None:
            publish(turn, instance, element.publish)
            return
        assert element.job is not None, f"'{element.id}' was deployed without a task definition"
        create_task_job(turn, instance, element.job)


@processes(ElementType.MANUAL_TASK, ElementType.TASK)
class PassedTask(Processor):
    """Passes the token on at once, with its mappings applied: the broker has no part in this work."""


@processes(ElementType.SCRIPT_TASK)
class ScriptTask(Processor):
    """Evaluates a FEEL script, or creates a job if the model asks for one."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Put the script's result into its variable and go on."""
        if element.script is None:
            assert element.job is not None, f"'{element.id}' was deployed with neither script nor task definition"
            create_task_job(turn, instance, element.job)
            return
        result = evaluate(turn, element.script.expression, instance.key)
        _finish_with(turn, instance, element.script.result_variable, feel.to_json(result.value))


@processes(ElementType.BUSINESS_RULE_TASK)
class BusinessRuleTask(Processor):
    """Evaluates a decision, or creates a job if the model asks for one."""

    def activate(self, turn: Turn, instance: ElementInstance, element: Element) -> None:
        """Put the decision's output into its variable and go on."""
        call = element.decision
        if call is None:
            assert element.job is not None, f"'{element.id}' was deployed with neither decision nor task definition"
            create_task_job(turn, instance, element.job)
            return
        decision_id = evaluate_text(turn, call.decision_id, instance.key)
        decision = find_decision(turn, instance, Binding(decision_id, call.binding, call.version_tag))
        evaluation = graph_of(turn, decision).evaluate(
            decision.decision_id, VariableScope(turn, instance.key), turn.now
        )
        if evaluation.failure_message:
            raise IncidentRaised(ErrorType.DECISION_EVALUATION_ERROR, evaluation.failure_message)
        keep_evaluation(
            turn,
            turn.next_key(),
            decision,
            evaluation,
            process_instance_key=instance.process_instance_key,
            element_instance_key=instance.key,
        )
        _finish_with(turn, instance, call.result_variable, evaluation.output)


def _finish_with(turn: Turn, instance: ElementInstance, name: str, value: str) -> None:
    """Set the result of the task like the variables of a completed job, and plan the completion."""
    keep_result(turn, instance, {name: value})
    plan_completion(turn, instance)
