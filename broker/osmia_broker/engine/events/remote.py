"""Messages across partitions: a message and the subscriptions that it may reach meet in the partition of its correlation key.

A process instance that waits in another partition keeps its subscription as ever, and notifies that partition: `OpenRemote`, `CloseRemote`. A
message that reaches a remote subscription is sent to the instance: `CorrelateRemote`. The instance has the last word, because it may have been
suspended or ended meanwhile. It sends a message that it does not take back, which then goes to the next subscription of the process:
`ReturnMessage`.
"""

from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

from osmia_broker.engine.commands import Command, Variables
from osmia_broker.engine.commands.inner import CorrelateMessage
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.new_instances import business_id_of
from osmia_broker.engine.outbox import send
from osmia_broker.engine.turn import Turn
from osmia_broker.model.graph import Element, ElementType
from osmia_broker.state.partitioning import partition_of_key, partition_of_message
from osmia_broker.state.rows import Message, RemoteSubscription, Subscription, SubscriptionKind

_MAY_STAY_OPEN = (ElementType.BOUNDARY_EVENT, ElementType.START_EVENT)


class OpenRemote(Command, frozen=True, gc=False):
    """A process instance waits for a message. Opening a subscription that is open already changes it.

    One that *is_migrated* goes on in another process: it keeps its place among those that wait, and kept messages stay kept.
    """

    subscription_key: int
    instance_key: int
    bpmn_process_id: str
    name: str
    correlation_key: str
    business_id: str
    stays_open: bool
    is_migrated: bool = False


class CloseRemote(Command, frozen=True, gc=False):
    """A process instance waits no longer."""

    subscription_key: int


class CorrelateRemote(Command, frozen=True, gc=False):
    """A message for a process instance. *remote_key* is the row of its subscription in the partition of the message.

    Once an instance has sent it back, it goes only to subscriptions that were opened before that: *until_key*. Those that were opened
    again since have had it. *reached* are the processes that have had it, this one among them.
    """

    process_instance_key: int
    bpmn_process_id: str
    subscription_key: int
    remote_key: int
    message_key: int
    name: str
    correlation_key: str
    variables: Variables
    business_id: str = ""
    until_key: int = 0
    traceparent: str = ""
    reached: tuple[str, ...] = ()


class ReturnMessage(Command, frozen=True, gc=False):
    """A process instance has not taken a message. *reopens* is given if it goes on waiting for others.

    *waiting_key* is the subscription with which it waits for the same message in another process, since it was migrated.
    """

    message: CorrelateRemote
    reopens: OpenRemote | None = None
    waiting_key: int = 0


class CorrelateKeptRemote(Command, frozen=True, gc=False):
    """Give a remote subscription that has been opened the oldest kept message that its process has not had."""

    remote_key: int


# --- in the partition of the instance


def home_of_messages(turn: Turn, subscription: Subscription) -> int:
    """Return the partition where *subscription* meets its messages, if that is another one; else 0."""
    if turn.partitions == 1 or subscription.kind is not SubscriptionKind.MESSAGE:
        return 0
    home = partition_of_message(subscription.name, subscription.correlation_key, turn.partitions)
    return 0 if home == turn.state.partition_id else home


def report_opened(turn: Turn, subscription: Subscription, *, is_migrated: bool = False) -> bool:
    """Notify the partition of its messages that *subscription* is open; return False if that is this one."""
    home = home_of_messages(turn, subscription)
    if home:
        send(turn, home, replace(_opening(turn, subscription), is_migrated=is_migrated))
    return bool(home)


def end_subscription(turn: Turn, subscription: Subscription) -> None:
    """End *subscription*, and notify the partition of its messages."""
    turn.subscriptions.end(subscription, turn.now_ms)
    if home := home_of_messages(turn, subscription):
        send(turn, home, CloseRemote(subscription.key))


def _opening(turn: Turn, subscription: Subscription) -> OpenRemote:
    event = turn.definitions.process(subscription.process_definition_key).elements[subscription.element_id]
    return OpenRemote(
        subscription.key,
        subscription.process_instance_key,
        subscription.bpmn_process_id,
        subscription.name,
        subscription.correlation_key,
        business_id_of(turn, subscription.process_instance_key),
        stays_open(event),
    )


def stays_open(event: Element) -> bool:
    """Whether *event* may happen again and again to the same element instance."""
    return event.type in _MAY_STAY_OPEN and not event.is_interrupting


def send_back(turn: Turn, message: CorrelateRemote, subscription: Subscription | None) -> None:
    """Send a message back that *subscription* (None: it has ended) does not take."""
    reopens = _opening(turn, subscription) if subscription is not None else None
    waiting_key = _waiting_after_migration(turn, message)
    send(turn, partition_of_key(message.remote_key), ReturnMessage(message, reopens, waiting_key))


def is_of_process(message: CorrelateRemote, subscription: Subscription) -> bool:
    """Whether *message* is for the process of *subscription*: it is not if the instance was migrated and the message came before that was known."""
    return message.bpmn_process_id == subscription.bpmn_process_id


def _waiting_after_migration(turn: Turn, message: CorrelateRemote) -> int:
    """Return the key of the subscription with which the instance waits for *message* in another process; 0 if there is none."""
    if turn.find_element(message.process_instance_key) is None:
        return 0
    place = SubscriptionKind.MESSAGE, message.name, message.correlation_key
    for one in turn.subscriptions.of_instance(message.process_instance_key):
        if (one.kind, one.name, one.correlation_key) == place and not is_of_process(message, one):
            return one.key
    return 0


# --- in the partition of the message


@carries_out(OpenRemote)
def open_remote(turn: Turn, command: OpenRemote) -> None:
    """Take in a subscription, and look for a kept message for it."""
    row = _remote(turn, command.subscription_key)
    if row is not None and command.is_migrated:
        turn.remote_subscriptions.update(
            row, bpmn_process_id=command.bpmn_process_id, stays_open=int(command.stays_open)
        )
        return
    if row is not None:
        turn.remote_subscriptions.delete(row)
    key = _insert(turn, command)
    if not command.is_migrated and turn.state.may_have_message(command.name, command.correlation_key):
        turn.follow(0, CorrelateKeptRemote(key))


@carries_out(CloseRemote)
def close_remote(turn: Turn, command: CloseRemote) -> None:
    """Forget a subscription; it may be gone, because a message has reached it."""
    row = _remote(turn, command.subscription_key)
    if row is not None:
        turn.remote_subscriptions.delete(row)


def send_to_remote(turn: Turn, row: RemoteSubscription, message: CorrelateMessage, reached: Collection[str]) -> None:
    """Send a message to the instance of a remote subscription, which takes no other one meanwhile unless it stays open.

    *reached* are the processes that have the message then.
    """
    if not row.stays_open:
        turn.remote_subscriptions.delete(row)
    correlation = CorrelateRemote(
        process_instance_key=row.instance_key,
        bpmn_process_id=row.bpmn_process_id,
        subscription_key=row.subscription_key,
        remote_key=row.key,
        message_key=message.message_key,
        name=row.name,
        correlation_key=row.correlation_key,
        variables=message.variables,
        business_id=message.business_id,
        until_key=message.until_key,
        traceparent=message.traceparent,
        reached=tuple(reached),
    )
    send(turn, partition_of_key(row.subscription_key), correlation)


@carries_out(ReturnMessage)
def return_message(turn: Turn, command: ReturnMessage) -> None:
    """Let a message that was not taken go to the next subscription of the process, and to the instance itself if that is of another process now."""
    message, process_id = command.message, command.message.bpmn_process_id
    until_key = message.until_key or turn.next_key()
    open_row = _remote(turn, message.subscription_key)
    if command.reopens is not None and open_row is None:
        _insert(turn, command.reopens)
    elif command.reopens is None and open_row is not None:
        turn.remote_subscriptions.delete(open_row)
    kept: Message | None = turn.state.find(Message, message.message_key)
    had = message.reached if kept is None else kept.correlated.split("\n")
    reached = [one for one in had if one not in ("", process_id)]
    again = CorrelateMessage(
        message_key=message.message_key,
        name=message.name,
        correlation_key=message.correlation_key,
        variables=message.variables,
        after_key=message.remote_key,
        reached=(),
        business_id=message.business_id,
        bpmn_process_id=process_id,
        until_key=until_key,
        traceparent=message.traceparent,
    )
    row = _remote(turn, command.waiting_key) if command.waiting_key else None
    if row is not None and row.bpmn_process_id not in reached:
        reached.append(row.bpmn_process_id)
        send_to_remote(turn, row, again, reached)
    if kept is not None:
        turn.messages.update(kept, correlated="\n".join(reached))
    turn.follow(0, replace(again, reached=tuple(reached)))


def _remote(turn: Turn, subscription_key: int) -> RemoteSubscription | None:
    found: list[Any]
    found, _ = turn.state.match(RemoteSubscription, ("subscription_key",), (subscription_key,))
    return found[0] if found else None


def _insert(turn: Turn, command: OpenRemote) -> int:
    key = turn.next_key()
    turn.remote_subscriptions.insert(
        RemoteSubscription(
            key=key,
            process_instance_key=key,
            subscription_key=command.subscription_key,
            instance_key=command.instance_key,
            bpmn_process_id=command.bpmn_process_id,
            name=command.name,
            correlation_key=command.correlation_key,
            business_id=command.business_id,
            stays_open=int(command.stays_open),
        )
    )
    return key
