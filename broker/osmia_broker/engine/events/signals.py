"""Signals: they reach every event that listens at that moment, in slices, and start an instance per signal start event."""

from osmia_broker.engine.commands import BroadcastSignal, DeliverSignal, Variables
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.starts import start_at
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.suspension import is_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ErrorType, Subscription, SubscriptionKind


@handles(BroadcastSignal)
def broadcast_signal(turn: Turn, command: BroadcastSignal) -> int:
    """Broadcast a signal for a caller; the answer is a key."""
    return broadcast(turn, command.name, command.variables)


def broadcast(turn: Turn, name: str, variables: Variables) -> int:
    """Send a signal to all that listen for *name* now. Events that begin to listen later do not get it."""
    if turn.partitions > 1:
        raise IncidentRaised(
            ErrorType.UNKNOWN,
            f"Expected a broker with one partition, but found {turn.partitions}, which do not support signals yet",
        )
    key = turn.next_key()
    for subscription in turn.start_subscriptions.by_name(SubscriptionKind.SIGNAL, name):
        start_at(turn, subscription.process_definition_key, subscription.element_id, variables)
    turn.follow(0, DeliverSignal(name, variables, 0, key))
    return key


@carries_out(DeliverSignal)
def deliver_signal(turn: Turn, command: DeliverSignal) -> None:
    """Fire the next events that listen, and leave the rest for later."""
    values = (SubscriptionKind.SIGNAL, command.name, "")
    found, has_more = turn.state.match(Subscription, ("kind", "name", "correlation_key"), values, command.after_key)
    for subscription in found:
        is_listening = subscription.key in turn.subscriptions and not is_suspended(
            turn, subscription.process_instance_key
        )
        if is_listening and subscription.key < command.until_key:
            owner = turn.elements[subscription.element_instance_key]
            model = turn.definitions.process(subscription.process_definition_key)
            fire(turn, owner, model.elements[subscription.element_id], command.variables)
    if has_more and found[-1].key < command.until_key:
        turn.follow(0, DeliverSignal(command.name, command.variables, found[-1].key, command.until_key))
