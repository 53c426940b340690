"""The rows of what waits: for a time, for an event, for another partition."""

from osmia_broker.state.rows.definitions import SubscriptionKind
from osmia_broker.state.rows.kinds import MIGRATED, Changing, StoredRow, stored


@stored("follow_ups", of_instance=True, due="due_ms", sized=("content",), matches=(("target_partition",),))
class FollowUp(StoredRow):
    """A command that an earlier command left to be carried out on its own, exactly once. It is deleted in the commit that does so.

    One for another partition is never due. It is sent there, and deleted when that partition has carried it out.
    """

    key: int
    process_instance_key: int  # the process instance it works on; its own key if it works on none here
    target_partition: int
    command: str  # name of the command class
    content: str  # its fields as a JSON object
    # When it is to be carried out; 0 while it waits for an incident, below 0 while it is suspended.
    due_ms: Changing[int] = 0
    depth: int = 0  # how many steps led to it without a wait state
    sent_ms: int = 0  # epoch; when it was left for another partition


@stored("timers", of_instance=True, lookups=("element_instance_key",), due="due_ms", migrated=MIGRATED)
class Timer(StoredRow):
    """A moment at which an event fires. A timer that repeats is moved on when it fires."""

    key: int
    process_instance_key: int  # the timer's own key if it is of a start event: it comes into memory alone
    process_definition_key: int
    # The element instance that waits: host, scope, gateway or the event itself; 0 of a start event.
    element_instance_key: int
    element_id: str  # the event that fires
    # When it fires; 0 when it has ended, below 0 while its instance is suspended, LATEST_MS while it waits behind an incident.
    due_ms: Changing[int]
    repetitions: Changing[int] = 1  # how often it fires from now on; -1 without end
    cycle: str = ""  # the ISO interval or the cron expression of a timer that repeats
    created_ms: int = 0
    ended_ms: Changing[int] = 0


@stored(
    "subscriptions",
    of_instance=True,
    lookups=("element_instance_key",),
    matches=(("kind", "name", "correlation_key"),),
    migrated=(*MIGRATED, "bpmn_process_id"),
)
class Subscription(StoredRow):
    """An event that waits for a message, a signal or a condition."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_instance_key: int  # the element instance that waits, as of a timer
    element_id: str  # the event that fires
    bpmn_process_id: str  # a message reaches at most one subscription of each process id
    kind: SubscriptionKind
    name: str = ""  # of the message or the signal; empty of a condition
    correlation_key: str = ""  # of a message
    created_ms: int = 0
    ended_ms: Changing[int] = 0


@stored(
    "messages",
    of_instance=True,
    due="expires_ms",
    sized=("variables", "correlated"),
    matches=(("name", "correlation_key"), ("name", "correlation_key", "message_id")),
)
class Message(StoredRow):
    """A published message that is kept until its time to live is over, for events that wait later."""

    key: int
    process_instance_key: int  # its own key: a message comes into memory alone
    name: str
    correlation_key: str
    message_id: str
    variables: str  # JSON object
    business_id: str
    published_ms: int
    expires_ms: Changing[int]
    correlated: Changing[str] = ""  # process ids that it has reached, one per line
    ended_ms: Changing[int] = 0
    traceparent: str = ""  # the trace context of its publisher (W3C); empty without one


@stored(
    "remote_subscriptions",
    of_instance=True,
    matches=(("name", "correlation_key"), ("subscription_key",)),
)
class RemoteSubscription(StoredRow):
    """A subscription to a message that belongs to a process instance of another partition. It is here because its messages come here."""

    key: int
    process_instance_key: int  # its own key: it comes into memory alone
    subscription_key: int  # that of the subscription itself, in the partition of its instance
    instance_key: int  # the process instance that waits
    bpmn_process_id: Changing[str]  # another one after a migration
    name: str
    correlation_key: str
    business_id: str  # of that instance
    stays_open: Changing[int]  # 1: it takes every message, 0: only one; after a migration as the other process has it


@stored("received", primary_key=("sender",))
class Received(StoredRow):
    """The last message of another partition that has been carried out. There is one row for each sender."""

    sender: int
    through_key: Changing[int]  # everything up to the message of this key is carried out
