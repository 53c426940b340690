"""The attributes that only a user task of the Activiti dialect computes: name, documentation, category, priority.

They are evaluated before the mapping of an extension file puts variables into the task, so they read those of the process and of a loop.
"""

from osmia_broker import juel
from osmia_broker.engine.expressions import VariableScope, evaluate, evaluate_text
from osmia_broker.engine.turn import Turn
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import Element, UserTaskDefinition
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.storable import storable

DEFAULT_PRIORITY = 50


def shown_name(turn: Turn, instance: ElementInstance, element: Element) -> str:
    """Return the name of a task as people see it; empty for none. If its expression fails, that is the text of the model."""
    task = element.user_task
    return _shown(turn, instance, element.name, None if task is None else task.name)


def shown_documentation(turn: Turn, instance: ElementInstance, element: Element) -> str:
    """Return the documentation of a task, by the rules of its name."""
    task = element.user_task
    return _shown(turn, instance, element.documentation, None if task is None else task.documentation)


def _shown(turn: Turn, instance: ElementInstance, text: str, expression: Expression | None) -> str:
    if expression is None:
        return text
    result = expression.evaluate(VariableScope(turn, instance.key), turn.now)
    return text if result.failure is not None else storable(juel.to_text(result.value))


def category_of(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> str:
    """Return the category of a task; empty for none.

    Raises:
        IncidentRaised: its expression fails, or gives something else than text or null.
    """
    if task.category is None or evaluate(turn, task.category, instance.key).value is None:
        return ""
    return evaluate_text(turn, task.category, instance.key)


def priority_of(turn: Turn, instance: ElementInstance, task: UserTaskDefinition) -> int:
    """Return the priority of a task of the Activiti dialect: any number of 32 bits, 50 if the model sets none or it is null.

    Raises:
        IncidentRaised: its expression fails, or gives no number.
    """
    value = None if task.priority is None else evaluate(turn, task.priority, instance.key).value
    return DEFAULT_PRIORITY if value is None else int(value)
