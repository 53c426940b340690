"""The data dictionary: one class per stored table, one field per column, in column order.

A row class is declared once, here or in a neighbour that this module imports: `definition_rows`, `task_rows`, `event_rows`, `batch_rows`,
`history_rows`, `job_flow_row`. `kinds` says what follows from its declaration.

Rows are written only through their table in `State`, so that undo, the look-ups and the commit see every change. A row that has
ended keeps its place in the store with `ended_ms` set; that is the history. While a row lives, its `ended_ms` is 0.

All keys are 64-bit and come from the partition's one counter. All times are epoch milliseconds. JSON columns hold compact text.
"""

from enum import StrEnum
from typing import Any

from osmia_broker.state.batch_rows import ClusterVariable
from osmia_broker.state.definition_rows import (
    Decision,
    DecisionRequirements,
    Form,
    ProcessDefinition,
    StartSubscription,
    SubscriptionKind,
)
from osmia_broker.state.event_rows import EventRecording
from osmia_broker.state.job_flow_row import JobFlow
from osmia_broker.state.kinds import KINDS, MIGRATED, Changing, Kind, StoredRow, stored
from osmia_broker.state.task_rows import GlobalTaskListener


class ElementState(StrEnum):
    """The states of an element instance (BPMN 2.0, 13.3; the reference broker's names)."""

    ACTIVATING = "ACTIVATING"
    ACTIVATED = "ACTIVATED"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


#: The states of an element instance that has not ended, as its rows hold them.
RUNNING = tuple(
    state.value
    for state in (ElementState.ACTIVATING, ElementState.ACTIVATED, ElementState.COMPLETING, ElementState.TERMINATING)
)


class JobState(StrEnum):
    """The states of a job."""

    ACTIVATABLE = "ACTIVATABLE"  # waiting for a worker
    ACTIVATED = "ACTIVATED"  # held by a worker until its deadline
    FAILED = "FAILED"  # backing off until its deadline, or stopped by an incident
    ERROR_THROWN = "ERROR_THROWN"  # stopped by an incident: nothing caught the error
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    SUSPENDED = "SUSPENDED"  # activatable again when its process instance is resumed


class JobKind(StrEnum):
    """The purposes of a job."""

    BPMN_ELEMENT = "BPMN_ELEMENT"
    EXECUTION_LISTENER = "EXECUTION_LISTENER"
    TASK_LISTENER = "TASK_LISTENER"
    AD_HOC_SUB_PROCESS = "AD_HOC_SUB_PROCESS"


class ErrorType(StrEnum):
    """The reasons for an incident."""

    IO_MAPPING_ERROR = "IO_MAPPING_ERROR"
    JOB_NO_RETRIES = "JOB_NO_RETRIES"
    EXECUTION_LISTENER_NO_RETRIES = "EXECUTION_LISTENER_NO_RETRIES"
    TASK_LISTENER_NO_RETRIES = "TASK_LISTENER_NO_RETRIES"
    AD_HOC_SUB_PROCESS_NO_RETRIES = "AD_HOC_SUB_PROCESS_NO_RETRIES"
    CONDITION_ERROR = "CONDITION_ERROR"
    EXTRACT_VALUE_ERROR = "EXTRACT_VALUE_ERROR"
    CALLED_ELEMENT_ERROR = "CALLED_ELEMENT_ERROR"
    CALLED_DECISION_ERROR = "CALLED_DECISION_ERROR"
    DECISION_EVALUATION_ERROR = "DECISION_EVALUATION_ERROR"
    FORM_NOT_FOUND = "FORM_NOT_FOUND"
    UNHANDLED_ERROR_EVENT = "UNHANDLED_ERROR_EVENT"
    MESSAGE_SIZE_EXCEEDED = "MESSAGE_SIZE_EXCEEDED"
    UNKNOWN = "UNKNOWN"


@stored("element_instances", of_instance=True, lookups=("scope_key",), migrated=MIGRATED)
class ElementInstance(StoredRow):
    """One visit of a BPMN element. The process instance itself is the one of type PROCESS; its key is the instance's key."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_id: str
    type: str  # model.ElementType
    state: Changing[ElementState]
    scope_key: int = 0  # the element instance it lives in; 0 for the process
    entered_by: str = ""  # id of the sequence flow taken to it; empty where none was
    started_ms: int = 0
    ended_ms: Changing[int] = 0
    loop_counter: int = 0  # of an instance in a loop, from 1; else 0
    listeners_done: Changing[int] = 0  # how many listeners of the present step (start or end) have completed


@stored("waiting_tokens", of_instance=True, lookups=("scope_key",))
class WaitingToken(StoredRow):
    """A token that has arrived at a joining gateway over one flow and waits for the others."""

    key: int
    process_instance_key: int
    scope_key: int
    element_id: str  # the joining gateway
    flow_id: str
    started_ms: int
    ended_ms: Changing[int] = 0


@stored(
    "jobs",
    of_instance=True,
    lookups=("element_instance_key",),
    due="deadline_ms",
    sized=("headers", "error_message"),
    migrated=MIGRATED,
)
class Job(StoredRow):
    """Work that waits for a worker, or that a worker holds."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_instance_key: int
    element_id: str
    type: str
    state: Changing[JobState]
    retries: Changing[int] = 0  # int32; as the model, the last FailJob or UpdateJobRetries set it; may be 0 or below
    worker: Changing[str] = ""  # the worker that holds or held it; empty before the first activation
    # When its lease or its back-off ends and it becomes activatable again; 0 for neither, below 0 while it is suspended.
    deadline_ms: Changing[int] = 0
    headers: str = "{}"  # JSON object of strings
    error_message: Changing[str] = ""  # of the last failure or thrown error
    error_code: Changing[str] = ""  # of the thrown error
    created_ms: int = 0
    ended_ms: Changing[int] = 0
    kind: JobKind = JobKind.BPMN_ELEMENT
    listener_event: str = ""  # of a listener's job: START, END, or CREATING, ASSIGNING … of a task listener; else empty
    priority: Changing[int] = 0  # int32; a higher one is handed out first
    lease_token: Changing[str] = ""  # of the last activation with a lease; empty if there was none
    fair_key: str = ""  # the key by which it shares the workers of its type with others; empty for none


@stored("variables", primary_key=("scope_key", "name"), of_instance=True)
class Variable(StoredRow):
    """A named value in a scope. It stays JSON text until an expression reads it. It lives as long as its scope."""

    scope_key: int  # the element instance that owns it
    name: str
    value: Changing[str]  # JSON
    process_instance_key: int = 0


@stored("incidents", of_instance=True, lookups=("element_instance_key",), sized=("message",), migrated=MIGRATED)
class Incident(StoredRow):
    """A stop that needs a person: where, and why."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_instance_key: int
    element_id: str
    job_key: int  # 0 unless a job is the cause
    error_type: ErrorType
    message: str
    created_ms: int
    ended_ms: Changing[int] = 0  # when it was resolved or its element ended


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
    "instance_origins",
    of_instance=True,
    lookups=("element_instance_key",),
    matches=(("bpmn_process_id", "correlation_key"),),
)
class InstanceOrigin(StoredRow):
    """The circumstances of a process instance that was not simply created: its caller, its message, the marks that it was given."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the process itself
    bpmn_process_id: str
    parent_process_instance_key: int = 0  # of a called instance
    parent_element_instance_key: int = 0  # the call activity
    root_process_instance_key: int = 0  # the outermost caller; the instance itself if nobody called it
    call_depth: int = 0  # how many callers are above it
    correlation_key: str = ""  # of the message that started it
    tags: str = ""  # JSON array of text; empty for none
    terminate_after: str = ""  # element ids, one per line
    suspended_ms: Changing[int] = 0  # since when it is suspended; 0 if it is not
    ended_ms: Changing[int] = 0
    initiator: str = ""  # the user who started it or its outermost caller; empty if nobody was named
    traceparent: Changing[str] = ""  # the trace context of its last cause from outside (W3C); empty without one


@stored(
    "business_ids",
    of_instance=True,
    lookups=("element_instance_key",),
    matches=(("bpmn_process_id", "business_id"),),
)
class BusinessId(StoredRow):
    """The business id of a living process instance, for finding it."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the process itself
    bpmn_process_id: str
    business_id: str
    ended_ms: Changing[int] = 0


@stored("created_once", of_instance=True, due="expires_ms", matches=(("idempotency_key",),))
class CreatedOnce(StoredRow):
    """A creation with an idempotency key, and its answer for those who repeat it."""

    key: int
    process_instance_key: int  # its own key: it comes into memory alone
    idempotency_key: str
    process_definition_key: int
    bpmn_process_id: str
    version: int
    created_process_instance_key: int
    expires_ms: Changing[int]
    business_id: str = ""
    tags: str = ""  # as those of an origin


@stored("called_instances", of_instance=True, lookups=("element_instance_key",))
class CalledInstance(StoredRow):
    """The process instance that a call activity has called."""

    key: int
    process_instance_key: int  # of the caller
    element_instance_key: int  # the call activity
    called_process_instance_key: int
    ended_ms: Changing[int] = 0


@stored("loops", of_instance=True, lookups=("element_instance_key",), sized=("items",))
class Loop(StoredRow):
    """The state of an activity with a loop."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the multi-instance body
    items: str  # the input collection as a JSON array; empty without one
    size: Changing[int]  # how many instances there will be; -1 if that is not known yet (standard loop)
    started: Changing[int] = 0  # how many instances have been created
    completed: Changing[int] = 0
    terminated: Changing[int] = 0
    ended_ms: Changing[int] = 0


@stored("loop_results", of_instance=True, lookups=("element_instance_key",), sized=("results",))
class LoopResult(StoredRow):
    """The results (output elements) of some neighbouring instances of a loop."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the multi-instance body
    chunk: int  # which neighbours, counted from 0
    results: Changing[str]  # JSON array; null where there is no result yet
    ended_ms: Changing[int] = 0


@stored("ad_hoc_completions", of_instance=True, lookups=("element_instance_key",))
class AdHocCompletion(StoredRow):
    """The decision of a worker that an ad-hoc subprocess completes with the last that lives in it."""

    key: int
    process_instance_key: int
    element_instance_key: int  # the ad-hoc subprocess
    ended_ms: Changing[int] = 0


@stored("decision_evaluations", of_instance=True)
class DecisionEvaluation(StoredRow):
    """An evaluation of a decision, by a business rule task or for a caller. It is history: its row ends in the commit that writes it."""

    key: int
    process_instance_key: int  # its own key if a caller asked for it
    element_instance_key: int  # the business rule task; 0 if a caller asked for it
    decision_key: int
    decision_id: str
    output: str  # JSON; empty if it failed
    failed_decision_id: str  # empty if it did not fail
    failure_message: str
    evaluated: str  # JSON array of all decisions and knowledge models that were evaluated, in the order in which they were finished
    ended_ms: Changing[int] = 0


@stored("compensations", of_instance=True, lookups=("scope_key",), sized=("variables",))
class Compensation(StoredRow):
    """An activity that has completed and may have to be compensated; or a subprocess that holds such activities."""

    key: int
    process_instance_key: int
    # The living scope that it completed in; the process, for what completed in a subprocess that has ended.
    scope_key: int
    place: int  # the element instance that was its scope
    element_id: str  # the completed activity
    completed_key: int  # its element instance
    handler_id: str  # empty for a subprocess without a handler of its own
    variables: str = ""  # the local variables of the activity, JSON object
    thrower_key: Changing[int] = 0  # the throwing event that called the handler and waits for it
    handler_key: Changing[int] = 0  # the element instance of the handler, while it runs
    ended_ms: Changing[int] = 0


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


@stored("resources", primary_key=("checksum",))
class Resource(StoredRow):
    """The bytes of a deployed file, kept once however many definitions and versions refer to it."""

    checksum: str  # SHA-256, hexadecimal
    content: bytes


Row = Any  #: a row of any kind in KINDS

INSTANCE_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS.values() if kind.of_instance)
DUE_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS.values() if kind.due)
#: Resident as a whole.
DEFINITION_TYPES: tuple[type, ...] = (
    ProcessDefinition,
    DecisionRequirements,
    Decision,
    Form,
    StartSubscription,
    GlobalTaskListener,
    EventRecording,
    ClusterVariable,
    JobFlow,
    Received,
)
