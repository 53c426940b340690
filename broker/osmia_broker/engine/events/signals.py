"""Signals: they reach every event that listens at that moment, in slices, and start an instance per signal start event."""

from msgspec.structs import replace

from osmia_broker.base.errors import NotFound
from osmia_broker.engine.commands import BroadcastSignal, Command, Variables
from osmia_broker.engine.commands.inner import DeliverSignal
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.delivery import deliver, is_taken
from osmia_broker.engine.events.starts import start_at
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.outbox import send
from osmia_broker.engine.suspension.held_rows import is_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import Subscription, SubscriptionKind


@handles(BroadcastSignal)
def broadcast_signal(turn: Turn, command: BroadcastSignal) -> int:
    """Broadcast a signal for a caller; the answer is a key."""
    if command.must_start and not turn.start_subscriptions.by_name(SubscriptionKind.SIGNAL, command.name):
        raise NotFound(f"Expected a start event of signal '{command.name}', but found none")
    return broadcast(turn, command.name, command.variables)


def broadcast(turn: Turn, name: str, variables: Variables) -> int:
    """Send a signal to all that listen for *name* now. Events that begin to listen later do not get it."""
    key = turn.next_key()
    for subscription in turn.start_subscriptions.by_name(SubscriptionKind.SIGNAL, name):
        start_at(turn, subscription.process_definition_key, subscription.element_id, variables)
    turn.follow(0, DeliverSignal(name, variables, 0, key))
    for partition in range(1, turn.partitions + 1):
        if partition != turn.state.partition_id:
            send(turn, partition, SignalHere(name, variables))
    return key


def broadcast_inside(turn: Turn, name: str, variables: Variables, process_instance_key: int) -> None:
    """Send a signal to all that listen for *name* now in one process instance. Its subscriptions have the key of the instance as theirs."""
    turn.follow(0, DeliverSignal(name, variables, 0, turn.next_key(), str(process_instance_key)))


class SignalHere(Command, frozen=True, gc=False):
    """Deliver a signal that was broadcast in another partition, where it has started its process instances."""

    name: str
    variables: Variables


@carries_out(SignalHere)
def signal_here(turn: Turn, command: SignalHere) -> None:
    """Deliver the signal to all that listen now."""
    turn.follow(0, DeliverSignal(command.name, command.variables, 0, turn.next_key()))


@carries_out(DeliverSignal)
def deliver_signal(turn: Turn, command: DeliverSignal) -> None:
    """Fire the next events that listen, and leave the rest for later."""
    values = (SubscriptionKind.SIGNAL, command.name, command.correlation_key)
    found, has_more = turn.state.match(Subscription, ("kind", "name", "correlation_key"), values, command.after_key)
    for subscription in found:
        is_listening = subscription.key in turn.subscriptions and not is_suspended(
            turn, subscription.process_instance_key
        )
        if is_listening and subscription.key < command.until_key and not is_taken(turn, subscription):
            deliver(turn, subscription, command.variables)
    if has_more and found[-1].key < command.until_key:
        turn.follow(0, replace(command, after_key=found[-1].key))
