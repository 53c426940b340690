"""Skip elements by `activiti:skipExpression` (measured on Activiti: only where a variable of the process allows it)."""

from osmia_broker.engine.expressions import VariableScope, evaluate_boolean
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from osmia_broker.model.expressions import Expression
from osmia_broker.state.rows import ElementInstance, ErrorType

ENABLED = "_ACTIVITI_SKIP_EXPRESSION_ENABLED"  #: the variable that must be true


def is_skipped(turn: Turn, instance: ElementInstance, skip: Expression) -> bool:
    """Whether *instance* is passed without its work.

    Raises:
        IncidentRaised: the variable or the expression is neither true nor false.
    """
    try:
        enabled = bytes(VariableScope(turn, instance.key)[ENABLED]).decode()
    except KeyError:
        return False
    if enabled not in ("true", "false", "null"):
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR, f"Expected variable '{ENABLED}' to be true or false, but found another value"
        )
    return enabled == "true" and evaluate_boolean(turn, skip, instance.key)
