"""Skip elements and conditions by `activiti:skipExpression`.

It counts only where a variable of the process allows it (measured on Activiti). At a task it says whether to pass the task without its work.
At a sequence flow it stands for the condition: the flow is taken if it is true, and not taken if it is false; this follows
Activiti's public documentation and was not measured.
"""

from osmia_broker.engine.expressions import VariableScope, evaluate_boolean
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import Element, ElementType, SequenceFlow
from osmia_broker.state.rows import ElementInstance, ErrorType

ENABLED = "_ACTIVITI_SKIP_EXPRESSION_ENABLED"  #: the variable that must be true


def is_skipped(turn: Turn, instance: ElementInstance, skip: Expression) -> bool:
    """Whether *instance* is passed without its work.

    Raises:
        IncidentRaised: the variable or the expression is neither true nor false.
    """
    return _is_enabled(turn, instance) and evaluate_boolean(turn, skip, VariableScope(turn, instance.key))


def is_taken(turn: Turn, instance: ElementInstance, element: Element, flow: SequenceFlow) -> bool:
    """Whether the skip expression or the condition of a flow out of *element* lets it be taken. A default flow has no condition that counts.

    Raises:
        IncidentRaised: as `is_skipped`, or the condition is neither true nor false.
    """
    skipped = skips_condition(turn, instance, element, flow)
    if skipped is not None:
        return skipped
    if flow is element.default_flow:
        return False
    return flow.condition is None or evaluate_boolean(turn, flow.condition, VariableScope(turn, instance.key))


def skips_condition(turn: Turn, instance: ElementInstance, element: Element, flow: SequenceFlow) -> bool | None:
    """Return what the skip expression of *flow* says; None if it has none that counts.

    The only flow out of an element is taken in any case, except out of an exclusive gateway.
    """
    if flow.skip is None or not _is_enabled(turn, instance):
        return None
    is_only_way = len(element.outgoing) == 1 and element.type is not ElementType.EXCLUSIVE_GATEWAY
    return is_only_way or evaluate_boolean(turn, flow.skip, VariableScope(turn, instance.key))


def _is_enabled(turn: Turn, instance: ElementInstance) -> bool:
    try:
        enabled = bytes(VariableScope(turn, instance.key)[ENABLED]).decode()
    except KeyError:
        return False
    if enabled not in ("true", "false", "null"):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR, f"Expected variable '{ENABLED}' to be true or false, but found another value"
        )
    return enabled == "true"
