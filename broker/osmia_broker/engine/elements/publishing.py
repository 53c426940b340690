"""Messages that a throwing event or a send task publishes by itself (`zeebe:publishMessage`), without a worker."""

from contextlib import suppress

from osmia_broker.base.errors import AlreadyExists
from osmia_broker.engine.commands import Command, PublishMessage
from osmia_broker.engine.events.due import duration_ms
from osmia_broker.engine.events.messages import publish_message
from osmia_broker.engine.events.waiting import correlation_key
from osmia_broker.engine.expressions import evaluate, evaluate_text
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.lifecycle import plan_completion
from osmia_broker.engine.new_instances import traceparent_of
from osmia_broker.engine.outbox import send
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import PublishDefinition
from osmia_broker.state.partitioning import partition_of_message
from osmia_broker.state.rows import ElementInstance, ErrorType


def publish(turn: Turn, instance: ElementInstance, definition: PublishDefinition) -> None:
    """Publish the message, with the variables that input mappings have made, and go on.

    Raises:
        IncidentRaised: a value cannot be evaluated, or a message with the same id is kept already.

    """
    key, id = definition.correlation_key, definition.message_id
    ttl = definition.time_to_live
    command = PublishMessage(
        name=evaluate_text(turn, definition.name, instance.key),
        correlation_key="" if key is None else correlation_key(turn, key, instance.key),
        time_to_live_ms=0 if ttl is None else duration_ms(ttl, evaluate(turn, ttl, instance.key)),
        message_id="" if id is None else evaluate_text(turn, id, instance.key),
        variables={name: row.value for name, row in turn.variables.of_scope(instance.key).items()},
        traceparent=traceparent_of(turn, instance.process_instance_key),
    )
    plan_completion(turn, instance)
    home = partition_of_message(command.name, command.correlation_key, turn.partitions)
    if home != turn.state.partition_id:
        send(turn, home, PublishElsewhere(command))
        return
    try:
        publish_message(turn, command)
    except AlreadyExists as repeated:
        raise IncidentRaised(ErrorType.EXTRACT_VALUE_ERROR, str(repeated)) from repeated


class PublishElsewhere(Command, frozen=True, gc=False):
    """Publish a message that a process instance of another partition throws."""

    message: PublishMessage


@carries_out(PublishElsewhere)
def publish_elsewhere(turn: Turn, command: PublishElsewhere) -> None:
    """Publish the message. One whose id is kept already is dropped: its thrower has gone on, so it gets no incident."""
    with suppress(AlreadyExists):
        publish_message(turn, command.message)
