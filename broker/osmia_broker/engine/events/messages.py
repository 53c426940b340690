"""Messages: published to the events that wait for their name and key, and kept for those that wait later.

Of each process id a message reaches the subscription that was opened first, or it starts an instance if nothing of the process waits for it. A
process that a message with a key has started takes the next message with this key when it has ended.
"""

from collections.abc import Callable, Iterable

import msgspec

from osmia_broker.base.errors import AlreadyExists, InvalidState, NotFound
from osmia_broker.engine.commands import PublishMessage, Variables
from osmia_broker.engine.commands.due import ExpireMessage
from osmia_broker.engine.commands.inner import CorrelateKept, CorrelateMessage, StartFromKept
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.delivery import deliver, is_taken, note_correlation, owner_and_event
from osmia_broker.engine.events.places import may_fire
from osmia_broker.engine.events.remote import (
    CorrelateKeptRemote,
    CorrelateRemote,
    is_of_process,
    send_back,
    send_to_remote,
)
from osmia_broker.engine.events.starts import start_at
from osmia_broker.engine.follow_ups import carries_out
from osmia_broker.engine.marks import give_business_id, needs_creation, refuse_late, taken_by
from osmia_broker.engine.new_instances import business_id_of
from osmia_broker.engine.suspension.held_rows import is_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.model.timers import LATEST_MS
from osmia_broker.state.json_text import document
from osmia_broker.state.rows import (
    ElementInstance,
    InstanceOrigin,
    Message,
    RemoteSubscription,
    StartSubscription,
    Subscription,
    SubscriptionKind,
)

_BY_KEY = ("kind", "name", "correlation_key")
_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@handles(PublishMessage)
def publish_message(turn: Turn, command: PublishMessage) -> int:
    """Publish a message; the answer is its key."""
    if command.message_id:
        _refuse_repeated(turn, command)
    key = turn.next_key()
    if command.time_to_live_ms > 0:
        turn.messages.insert(
            Message(
                key=key,
                process_instance_key=key,
                name=command.name,
                correlation_key=command.correlation_key,
                message_id=command.message_id,
                variables=document(command.variables),
                business_id=command.business_id,
                published_ms=turn.now_ms,
                expires_ms=min(turn.now_ms + command.time_to_live_ms, LATEST_MS),
                traceparent=command.traceparent,
            )
        )
    correlation = correlation_of(turn, key, command)
    reached, after_page = reach_page(turn, correlation)
    if after_page is not None:
        turn.follow(0, after_page)
    elif command.must_reach and not reached:
        raise NotFound(
            f"Expected something to wait for message '{command.name}' with key '{command.correlation_key}', but found nothing"
        )
    return key


def correlation_of(turn: Turn, key: int, command: PublishMessage) -> CorrelateMessage:
    """Return the command that gives a new message to all that wait for it."""
    if command.business_id:
        for subscription in turn.start_subscriptions.by_name(SubscriptionKind.MESSAGE, command.name):
            refuse_late(turn, command.business_id, f"start process '{subscription.bpmn_process_id}'")
    return CorrelateMessage(
        message_key=key,
        name=command.name,
        correlation_key=command.correlation_key,
        variables=command.variables,
        after_key=0,
        reached=(),
        business_id=command.business_id,
        traceparent=command.traceparent,
    )


def _refuse_repeated(turn: Turn, command: PublishMessage) -> None:
    values = (command.name, command.correlation_key, command.message_id)
    kept, _ = turn.state.match(Message, ("name", "correlation_key", "message_id"), values)
    if any(message.expires_ms > turn.now_ms for message in kept):
        raise AlreadyExists(
            f"Expected to publish a new message with id '{command.message_id}', but a message with that id was already published"
        )


def _start_instances(turn: Turn, command: CorrelateMessage, reached: set[str]) -> list[int]:
    """Start an instance of each process that waits for the message at a start event and that it has not *reached*; return their keys.

    With a key, a process that has a living instance started with the same key takes the message later, if it is kept until then.
    """
    started: dict[str, int] = {}
    for subscription in turn.start_subscriptions.by_name(SubscriptionKind.MESSAGE, command.name):
        process_id = subscription.bpmn_process_id
        is_reached = process_id in reached or process_id in started
        if is_reached or not _is_meant(command, process_id) or not _may_start(turn, process_id, command):
            continue
        started[process_id] = _start(turn, subscription, command.variables, command, command.message_key).key
    _note_reached(turn, turn.messages.get(command.message_key), list(started))
    return list(started.values())


def _may_start(turn: Turn, process_id: str, message: CorrelateMessage | Message) -> bool:
    """Return whether no living instance of the process stands in the way: none with the same key, or with the same unique business id."""
    if _is_running(turn, process_id, message.correlation_key) or (message.business_id and needs_creation(turn)):
        return False
    return not message.business_id or not taken_by(turn, process_id, message.business_id)


def _start(
    turn: Turn,
    subscription: StartSubscription,
    variables: Variables,
    message: CorrelateMessage | Message,
    message_key: int,
) -> ElementInstance:
    """Start an instance, which gets the business id of the message; return its process."""
    definition_key, element_id = subscription.process_definition_key, subscription.element_id
    process = start_at(
        turn,
        definition_key,
        element_id,
        variables,
        correlation_key=message.correlation_key,
        traceparent=message.traceparent,
    )
    note_correlation(turn, message_key, message, subscription, process.key)
    if message.business_id:
        give_business_id(turn, process, message.business_id, f"start process '{subscription.bpmn_process_id}'")
    return process


def _is_running(turn: Turn, process_id: str, correlation_key: str) -> bool:
    """Whether an instance lives that a message with this non-empty key has started."""
    if not correlation_key:
        return False
    living, _ = turn.state.match(InstanceOrigin, ("bpmn_process_id", "correlation_key"), (process_id, correlation_key))
    return bool(living)


def _note_reached(turn: Turn, message: Message | None, process_ids: list[str]) -> None:
    if message is not None and process_ids:
        turn.messages.update(message, correlated="\n".join([*filter(None, [message.correlated]), *process_ids]))


@carries_out(CorrelateMessage)
def correlate_message(turn: Turn, command: CorrelateMessage) -> None:
    """Give the message to the subscription of each process id that was opened first, page by page."""
    _, after_page = reach_page(turn, command)
    if after_page is not None:
        turn.follow(0, after_page)


def reach_page(turn: Turn, command: CorrelateMessage) -> tuple[list[int], CorrelateMessage | None]:
    """Give the message to the next page of subscriptions, and after the last one to start events.

    Return the process instances that it has reached, and the command for the pages after it; None if there are no more.
    """
    found, has_more = _waiting(turn, command)
    reached = {*command.reached, *_reached_meanwhile(turn, command)}
    new: list[str] = []
    instances: list[int] = []
    remote: list[RemoteSubscription] = []
    for subscription in found:
        process_id = subscription.bpmn_process_id
        if not _is_meant(command, process_id) or process_id in reached:
            continue
        if isinstance(subscription, RemoteSubscription):
            if not _is_for_remote(command.business_id, subscription):
                continue
            instances.append(subscription.instance_key)
            remote.append(subscription)
        else:
            if subscription.key not in turn.subscriptions or not _is_for(turn, command.business_id, subscription):
                continue
            instances.append(subscription.process_instance_key)
            deliver(
                turn,
                subscription,
                command.variables,
                message_key=command.message_key,
                traceparent=command.traceparent,
            )
        reached.add(process_id)
        new.append(process_id)
    for one in remote:
        send_to_remote(turn, one, command, sorted(reached))
    _note_reached(turn, turn.messages.get(command.message_key), new)
    if not has_more:
        return [*instances, *_start_instances(turn, command, reached)], None
    return instances, msgspec.structs.replace(command, after_key=found[-1].key, reached=tuple(reached))


def _is_meant(command: CorrelateMessage, process_id: str) -> bool:
    """Whether the message is for this process, too: one that came back from an instance is for its process alone."""
    return command.bpmn_process_id in ("", process_id)


def _reached_meanwhile(turn: Turn, command: CorrelateMessage) -> Iterable[str]:
    """Return the processes that a kept message has reached already: those of the pages before, and of events that have opened since.

    One that is given to another subscription of its only process has reached that one in vain.
    """
    message = None if command.bpmn_process_id else turn.messages.get(command.message_key)
    return () if message is None else filter(None, message.correlated.split("\n"))


def _waiting(turn: Turn, command: CorrelateMessage) -> tuple[list[Subscription | RemoteSubscription], bool]:
    """Return the next page of subscriptions, those of instances here and in other partitions in the order in which they were opened here."""
    place = (command.name, command.correlation_key)
    here, has_more = turn.state.match(Subscription, _BY_KEY, (SubscriptionKind.MESSAGE, *place), command.after_key)
    if turn.partitions == 1:
        return here, has_more
    remote, has_more_remote = turn.state.match(
        RemoteSubscription, ("name", "correlation_key"), place, command.after_key
    )
    ends = [page[-1].key for page, is_cut in ((here, has_more), (remote, has_more_remote)) if is_cut]
    end = min([*ends, *([command.until_key - 1] if command.until_key else [])], default=None)
    both = sorted((*here, *remote), key=lambda one: one.key)
    page = both if end is None else [one for one in both if one.key <= end]
    return page, bool(ends) and bool(page)


def _is_for_remote(business_id: str, subscription: RemoteSubscription) -> bool:
    """Whether a message with this business id may be sent to the instance of *subscription*, as far as is known here."""
    return not business_id or subscription.business_id == business_id


@carries_out(CorrelateRemote)
def correlate_remote(turn: Turn, command: CorrelateRemote) -> None:
    """Give a message from its partition to the subscription, or send it back if that does not take it now."""
    subscription: Subscription | None = turn.state.find(Subscription, command.subscription_key)
    takes = subscription is not None and is_of_process(command, subscription)
    if subscription is None or not (takes and _is_for(turn, command.business_id, subscription)):
        send_back(turn, command, subscription)
    else:
        deliver(turn, subscription, command.variables, message_key=command.message_key, traceparent=command.traceparent)


def _is_for(turn: Turn, business_id: str, subscription: Subscription) -> bool:
    """Whether a message with this business id (empty: with none) may reach the instance of *subscription*.

    A suspended instance gets none, nor does an element instance that takes its event no more.
    """
    key = subscription.process_instance_key
    if is_suspended(turn, key) or (business_id and business_id_of(turn, key) != business_id):
        return False
    try:
        return may_fire(turn, *owner_and_event(turn, subscription)) and not is_taken(turn, subscription)
    except InvalidState:
        return True  # the delivery meets the corrupt model again, and makes it an incident of the instance


# --- kept messages


@carries_out(CorrelateKept)
def correlate_kept(turn: Turn, command: CorrelateKept) -> None:
    """Give a new subscription the oldest kept message that its process has not had; one that stays open gets them all."""
    subscription = turn.subscriptions.get(command.subscription_key)
    if subscription is None:
        return
    message = _take_kept(turn, subscription, lambda message: _is_for(turn, message.business_id, subscription))
    if message is None:
        return
    deliver(turn, subscription, variables_of(message), message_key=message.key, traceparent=message.traceparent)
    turn.follow(subscription.process_instance_key, command)


@carries_out(CorrelateKeptRemote)
def correlate_kept_remote(turn: Turn, command: CorrelateKeptRemote) -> None:
    """Do the same for a subscription of an instance in another partition."""
    subscription: RemoteSubscription | None = turn.state.find(RemoteSubscription, command.remote_key)
    if subscription is None:
        return
    message = _take_kept(turn, subscription, lambda message: _is_for_remote(message.business_id, subscription))
    if message is None:
        return
    kept = CorrelateMessage(
        message_key=message.key,
        name=message.name,
        correlation_key=message.correlation_key,
        variables=variables_of(message),
        after_key=0,
        reached=(),
        business_id=message.business_id,
        traceparent=message.traceparent,
    )
    send_to_remote(turn, subscription, kept, message.correlated.split("\n"))
    if subscription.stays_open:
        turn.follow(0, command)


def _take_kept(
    turn: Turn, subscription: Subscription | RemoteSubscription, fits: Callable[[Message], bool]
) -> Message | None:
    """Return the oldest kept message that *fits* the subscription, noted as one that its process has had; None if there is none."""
    process_id = subscription.bpmn_process_id
    message = _oldest_kept(turn, subscription.name, subscription.correlation_key, process_id, fits)
    if message is not None:
        _note_reached(turn, message, [process_id])
    return message


def _oldest_kept(
    turn: Turn, name: str, correlation_key: str, process_id: str, fits: Callable[[Message], bool]
) -> Message | None:
    """Return the oldest living message that *fits* and that the process has not had."""
    found: list[Message]
    after, has_more = 0, True
    while has_more:
        found, has_more = turn.state.match(Message, ("name", "correlation_key"), (name, correlation_key), after)
        for message in found:
            is_new = message.expires_ms > turn.now_ms and process_id not in message.correlated.split("\n")
            if is_new and fits(message):
                return message
        after = found[-1].key if found else 0
    return None


def variables_of(message: Message) -> Variables:
    """Return the variables of a kept message by name."""
    return {name: bytes(value).decode() for name, value in _split(message.variables).items()}


@carries_out(StartFromKept)
def start_from_kept(turn: Turn, command: StartFromKept) -> None:
    """Start the next instance from a kept message, unless an instance with the key runs again already."""
    process_id, key = command.bpmn_process_id, command.correlation_key
    latest = turn.definitions.processes.latest(process_id)
    if latest is None or _is_running(turn, process_id, key):
        return

    def may_start(message: Message) -> bool:
        return _may_start(turn, process_id, message)

    waiting = [
        (message, subscription)
        for subscription in turn.start_subscriptions.of_definition(latest.key)
        if subscription.kind is SubscriptionKind.MESSAGE
        and turn.state.may_have_message(subscription.name, key)
        and (message := _oldest_kept(turn, subscription.name, key, process_id, may_start))
    ]
    if waiting:
        message, subscription = min(waiting, key=lambda one: one[0].key)
        _note_reached(turn, message, [process_id])
        _start(turn, subscription, variables_of(message), message, message.key)


@handles(ExpireMessage)
def expire_message(turn: Turn, command: ExpireMessage) -> None:
    """Forget a kept message whose time is over."""
    message: Message | None = turn.state.find(Message, command.message_key)
    if message is None:
        return
    if message.expires_ms > turn.now_ms:  # the clock was set back since the look
        turn.state.deadlines.add(message.expires_ms)
    else:
        turn.messages.end(message, turn.now_ms)
