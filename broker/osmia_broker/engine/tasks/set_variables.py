"""Set variables for a caller. At a native user task this is an update of the task, which its listeners may see first, and deny."""

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.engine.commands import SetVariables
from osmia_broker.engine.engine import handles
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.tasks.listeners import UPDATING, Change, VariableUpdate
from osmia_broker.engine.tasks.people import change_or_refuse
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance
from osmia_broker.state.rows.tasks import TaskOperation, UserTask, UserTaskState


@handles(SetVariables)
def set_variables(turn: Turn, command: SetVariables) -> tuple[int, bool]:
    """Set variables now, or when the listeners of the task are done. The answer is a key for the document, and whether it is done."""
    element = turn.find_element(command.element_instance_key)
    if element is None or is_ending(turn, element):
        raise NotFound(
            f"Expected to update variables for element with key '{command.element_instance_key}',"
            " but no such element was found"
        )
    refuse_suspended(turn, element.process_instance_key, f"update variables for element with key '{element.key}'")
    update = VariableUpdate(command.variables, command.local)
    task = _native_task(turn, element)
    is_done = True
    if task is None:
        update.take_effect(turn, element)
    else:
        if task.state is not UserTaskState.CREATED:
            raise InvalidState(
                f"Expected to trigger update transition for user task with key '{task.key}', but it is in state '{task.state}'"
            )
        is_done = change_or_refuse(
            turn, task, Change(UPDATING, TaskOperation.UPDATE, update=update, ticket=command.ticket)
        )
    return turn.next_key(), is_done


def _native_task(turn: Turn, element: ElementInstance) -> UserTask | None:
    tasks = turn.user_tasks.by("element_instance_key", element.key) if turn.user_tasks.living else ()
    return next((task for task in tasks if not task.job_key), None)
