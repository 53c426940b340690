"""Delete what has ended, with its history, for ever."""

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.commands.batches import DeleteEndedInstance, DeleteEvaluation
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import DecisionEvaluation


@handles(DeleteEndedInstance)
def delete_ended_instance(turn: Turn, command: DeleteEndedInstance) -> None:
    """Delete the rows of a process instance. The caller has seen that there are some; here it must not be running."""
    key = command.process_instance_key
    if turn.find_element(key) is not None:
        raise InvalidState(f"Expected to delete process instance with key '{key}', but it is still running")
    turn.state.erase_instance(key)


@handles(DeleteEvaluation)
def delete_evaluation(turn: Turn, command: DeleteEvaluation) -> None:
    """Delete the row of an evaluation; it has always ended."""
    turn.state.erase_row(DecisionEvaluation, command.evaluation_key)
