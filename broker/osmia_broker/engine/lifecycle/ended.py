"""End a process instance: close its origin, return to its caller, start from the next kept message."""

from osmia_broker.engine.commands.inner import ReturnFromCall, StartFromKept
from osmia_broker.engine.incidents import end_incidents
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance


def process_ended(turn: Turn, process: ElementInstance, *, is_completed: bool) -> None:
    """Close what belongs to a process instance that ends now; of one that has *is_completed*, return the variables to its caller.

    Work that waits behind an incident of the process ends with it: what it was for has ended before.
    """
    end_incidents(turn, process.key)
    for follow_up in turn.follow_ups.of_instance(process.key):
        turn.follow_ups.delete(follow_up)
    for compensation in turn.compensations.of_instance(process.key):
        turn.compensations.end(compensation, turn.now_ms)
    for row in turn.business_ids.by("element_instance_key", process.key):
        turn.business_ids.end(row, turn.now_ms)
    for origin in turn.origins.by("element_instance_key", process.key):
        turn.origins.end(origin, turn.now_ms)
        if origin.parent_process_instance_key:
            turn.state.call_trees.ended(origin.root_process_instance_key)
        if origin.parent_element_instance_key and is_completed:
            variables = {name: row.value for name, row in turn.variables.of_scope(process.key).items()}
            command = ReturnFromCall(origin.parent_element_instance_key, process.key, variables)
            turn.follow(origin.parent_process_instance_key, command)
        if origin.correlation_key:
            turn.follow(0, StartFromKept(origin.bpmn_process_id, origin.correlation_key))
