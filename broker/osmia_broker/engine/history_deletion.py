"""Delete what has ended, with its history, for ever; and a message that is kept."""

from osmia_broker.base.errors import InvalidState, NotFound
from osmia_broker.engine.commands.batches import DeleteEndedInstance, DeleteEvaluation, DeleteMessage
from osmia_broker.engine.engine import handles
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import DecisionEvaluation, Message


@handles(DeleteEndedInstance)
def delete_ended_instance(turn: Turn, command: DeleteEndedInstance) -> None:
    """Delete the rows of a process instance. The caller has seen that there are some; here it must not be running."""
    key = command.process_instance_key
    if turn.find_element(key) is not None:
        raise InvalidState(f"Expected to delete process instance with key '{key}', but it is still running")
    turn.state.erase_instance(key)


@handles(DeleteMessage)
def delete_message(turn: Turn, command: DeleteMessage) -> None:
    """Forget a kept message; nothing waits for it any more."""
    message: Message | None = turn.state.find(Message, command.message_key)
    if message is None:
        raise NotFound(f"Expected to delete message with key '{command.message_key}', but no such message was found")
    turn.messages.end(message, turn.now_ms)


@handles(DeleteEvaluation)
def delete_evaluation(turn: Turn, command: DeleteEvaluation) -> None:
    """Delete the row of an evaluation; it has always ended."""
    turn.state.erase_row(DecisionEvaluation, command.evaluation_key)
