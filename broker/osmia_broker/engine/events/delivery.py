"""Bring a signal or a message to one subscription that waits for it.

A signal goes to many process instances, and one command may bring a message to several. If one of them cannot take it (its variables would
be too large, a stored value or model is corrupt), the others get it all the same. That one gets an incident, and its delivery waits behind
the incident, so that nothing is lost.
"""

from functools import partial

from msgspec import Struct
from msgspec.json import decode

from osmia_broker.base.errors import InvalidState
from osmia_broker.engine.commands import Command, Variables
from osmia_broker.engine.commands.inner import CorrelateKept, CorrelateMessage
from osmia_broker.engine.engine import apart
from osmia_broker.engine.events.places import fire
from osmia_broker.engine.events.remote import report_opened, stays_open
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.new_instances import take_traceparent
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element
from osmia_broker.state.rows import ElementInstance, Message, StartSubscription, Subscription
from osmia_broker.state.rows.definitions import SubscriptionKind
from osmia_broker.state.rows.history import MessageCorrelation

# Events that wait behind an incident of a process instance. Later ones pass it by, and kept messages stay kept.
WAITING_MAX = 100
WAITING_CHARACTERS_MAX = 4 * 1024 * 1024  # of their variables together, from which on no more wait


class TriggerSubscription(Command, frozen=True, gc=False):
    """Let the event of a subscription happen; a follow-up that waits for an incident. *message_key* is 0 for a signal."""

    subscription_key: int
    variables: Variables
    message_key: int = 0
    traceparent: str = ""


class _Waiting(Struct):
    """The part of a stored `TriggerSubscription` that says whom it is for."""

    subscription_key: int


def deliver(
    turn: Turn, subscription: Subscription, variables: Variables, *, message_key: int = 0, traceparent: str = ""
) -> None:
    """Let the event of *subscription* happen. *message_key* is that of the message that caused it, 0 for a signal."""
    trigger = TriggerSubscription(subscription.key, variables, message_key, traceparent)
    apart(turn, subscription.process_instance_key, partial(trigger_subscription, turn, trigger), trigger)


@carries_out(TriggerSubscription)
def trigger_again(turn: Turn, command: TriggerSubscription) -> None:
    """Let an event happen that waited behind an incident, and then those of messages that are kept for the same subscription."""
    trigger_subscription(turn, command)
    subscription = turn.subscriptions.get(command.subscription_key)
    is_message = subscription is not None and subscription.kind is SubscriptionKind.MESSAGE
    if subscription is not None and is_message and not report_opened(turn, subscription):
        turn.follow(subscription.process_instance_key, CorrelateKept(subscription.key))


def trigger_subscription(turn: Turn, command: TriggerSubscription) -> None:
    """Let the event happen, unless something has ended the wait for it."""
    subscription = turn.subscriptions.get(command.subscription_key)
    if subscription is None:
        return
    if command.traceparent:
        take_traceparent(turn, turn.elements[subscription.process_instance_key], command.traceparent)
    if command.message_key:
        note_correlation(turn, command.message_key, subscription, subscription, subscription.process_instance_key)
    fire(turn, *owner_and_event(turn, subscription), command.variables)


def is_taken(turn: Turn, subscription: Subscription) -> bool:
    """Whether *subscription* takes no event now, because others wait behind an incident.

    One that stays open takes as many as its process instance may keep; any other takes one.
    """
    waiting = [
        row.content
        for row in turn.follow_ups.of_instance(subscription.process_instance_key)
        if row.command == TriggerSubscription.__name__
    ]
    if len(waiting) >= WAITING_MAX or sum(map(len, waiting)) >= WAITING_CHARACTERS_MAX:
        return True
    if not any(decode(content, type=_Waiting).subscription_key == subscription.key for content in waiting):
        return False
    try:
        return not stays_open(owner_and_event(turn, subscription)[1])
    except InvalidState:  # its model is corrupt, which is why an event waits
        return True


def owner_and_event(turn: Turn, subscription: Subscription) -> tuple[ElementInstance, Element]:
    """Return the element instance that waits, and the event that it waits for."""
    model = turn.definitions.process(subscription.process_definition_key)
    return turn.elements[subscription.element_instance_key], model.elements[subscription.element_id]


def note_correlation(
    turn: Turn,
    message_key: int,
    message: CorrelateMessage | Message | Subscription,
    subscription: Subscription | StartSubscription,
    process_instance_key: int,
) -> None:
    """Write to the history that a message, whose name and key *message* has, reached the event of *subscription*."""
    turn.notes[MessageCorrelation].write(
        MessageCorrelation(
            key=turn.next_key(),
            process_instance_key=process_instance_key,
            process_definition_key=subscription.process_definition_key,
            bpmn_process_id=subscription.bpmn_process_id,
            element_id=subscription.element_id,
            element_instance_key=subscription.element_instance_key if isinstance(subscription, Subscription) else 0,
            subscription_key=subscription.key,
            message_key=message_key,
            message_name=message.name,
            correlation_key=message.correlation_key,
            at_ms=turn.now_ms,
        )
    )
