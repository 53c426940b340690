"""The results of calls, as plain values. Keys are 64-bit ids; times are milliseconds since 1970 (0: not yet)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class DeployedProcess:
    """One process of a deployment."""

    key: int
    bpmn_process_id: str
    version: int
    resource_name: str


@dataclass(frozen=True, slots=True)
class DeployedDecision:
    """One decision of a deployment."""

    key: int
    decision_id: str
    name: str
    version: int
    requirements_id: str
    requirements_key: int


@dataclass(frozen=True, slots=True)
class DeployedDecisionRequirements:
    """The graph that a deployment's decisions belong to."""

    key: int
    requirements_id: str
    name: str
    version: int
    resource_name: str


@dataclass(frozen=True, slots=True)
class DeployedForm:
    """One form of a deployment."""

    key: int
    form_id: str
    version: int
    resource_name: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The resources of one deployment, each kind in the order in which they were given."""

    key: int
    processes: list[DeployedProcess] = field(default_factory=list)
    decisions: list[DeployedDecision] = field(default_factory=list)
    decision_requirements: list[DeployedDecisionRequirements] = field(default_factory=list)
    forms: list[DeployedForm] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PlannedDefinition:
    """A definition of files that were only checked. *version* is the one that it has, or would get if *is_new*."""

    kind: str  # process, decision or form
    id: str
    version: int
    is_new: bool
    resource_name: str


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """The plan of a deployment. *warnings* name what can be deployed and probably does not do what its author meant."""

    definitions: list[PlannedDefinition]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class CreatedInstance:
    """A process instance that has been started."""

    key: int
    process_definition_key: int
    bpmn_process_id: str
    version: int
    business_id: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompletedInstance:
    """A process instance that has run to its end, with the variables of its root scope."""

    key: int
    process_definition_key: int
    bpmn_process_id: str
    version: int
    variables: dict[str, Any]
    business_id: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of a decision. A failed one has *failure*, and *output* None."""

    key: int
    decision_key: int
    decision_id: str
    decision_name: str
    decision_version: int
    output: Any  # as JSON gives it
    failed_decision_id: str
    failure: str
    decisions: list["EvaluatedDecision"]  # required ones first, the one asked for last


@dataclass(frozen=True, slots=True)
class EvaluatedDecision:
    """One step of an evaluation."""

    decision_key: int
    decision_id: str
    decision_name: str
    decision_version: int
    type: str  # DECISION_TABLE, LITERAL_EXPRESSION ...
    output: Any
    inputs: dict[str, Any]  # by the input's name
    rules: list["MatchedRule"]


@dataclass(frozen=True, slots=True)
class MatchedRule:
    """A rule of a decision table that applied. *index* counts from 1."""

    rule_id: str
    index: int
    outputs: dict[str, Any]  # by the output's name


@dataclass(frozen=True, slots=True)
class Topology:
    """The brokers behind a gateway."""

    gateway_version: str
    cluster_size: int
    partitions: int
    replication_factor: int
    brokers: list["Broker"]
    cluster_id: str = ""  # empty before 8.9


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker. *roles* holds LEADER, FOLLOWER or INACTIVE by partition id."""

    node_id: int
    address: str
    version: str
    roles: dict[int, str]
    unhealthy: list[int]  # partitions that are not HEALTHY here


class InstanceState(StrEnum):
    """The state of a process instance. SUSPENDED: it runs, and nothing moves until it is resumed."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


class JobState(StrEnum):
    """The state of a job. FAILED: it waits for its back-off, or has no retries left. ERROR_THROWN: no event caught it."""

    ACTIVATABLE = "ACTIVATABLE"
    ACTIVATED = "ACTIVATED"
    FAILED = "FAILED"
    ERROR_THROWN = "ERROR_THROWN"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    SUSPENDED = "SUSPENDED"


class IncidentState(StrEnum):
    """The state of an incident."""

    OPEN = "OPEN"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list, newest first. *next* is the cursor of the next page; empty: this is the last."""

    items: list[Item]
    next: str = ""


@dataclass(frozen=True, slots=True)
class ElementInstance:
    """One visit of an element that has not ended: a place where the process instance is now."""

    key: int
    element_id: str
    element_name: str
    type: str  # USER_TASK, SERVICE_TASK, SUB_PROCESS ...
    state: str  # ACTIVATING, ACTIVATED ...
    start_ms: int
    incident_key: int  # 0: it has no incident
    called_process_instance_key: int = 0  # the instance that this call activity has called; 0: none


@dataclass(frozen=True, slots=True)
class ProcessInstance:
    """One run of a process, with its active elements."""

    key: int
    process_definition_key: int
    bpmn_process_id: str
    version: int
    state: InstanceState
    has_incident: bool
    start_ms: int
    end_ms: int
    parent_key: int  # the instance that called it; 0: none
    elements: list[ElementInstance]
    parent_element_key: int = 0  # the call activity that called it; 0: none
    root_key: int = 0  # the outermost caller; 0: nobody called it
    business_id: str = ""
    tags: list[str] = field(default_factory=list)
    suspended_ms: int = 0  # since when it is suspended; 0: it is not

    @property
    def is_running(self) -> bool:
        """Whether it has not ended: active or suspended."""
        return self.state in (InstanceState.ACTIVE, InstanceState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job in a search result; a worker gets a `Job`. The seven fields from *assignee* to *priority* are of user tasks only."""

    key: int
    type: str
    state: JobState
    element_id: str
    element_name: str
    element_instance_key: int
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    process_definition_version: int
    worker: str
    retries: int
    deadline_ms: int
    headers: dict[str, str]
    error_message: str
    created_ms: int
    ended_ms: int
    assignee: str
    candidate_groups: list[str]
    candidate_users: list[str]
    due_date: str  # ISO 8601 with zone
    follow_up_date: str
    form_key: str
    priority: int | None  # 0 to 100
    job_priority: int = 0  # of a job of any kind: the higher one is handed out first


@dataclass(frozen=True, slots=True)
class Incident:
    """A failure that stops a process instance until a person resolves it."""

    key: int
    state: IncidentState
    error_type: str  # JOB_NO_RETRIES, CONDITION_ERROR ...
    message: str
    element_id: str
    element_instance_key: int
    process_instance_key: int
    process_definition_key: int
    bpmn_process_id: str
    job_key: int  # 0: it concerns no job
    created_ms: int
    resolved_ms: int


@dataclass(frozen=True, slots=True)
class ProcessDefinition:
    """One version of a deployed process."""

    key: int
    bpmn_process_id: str
    name: str
    version: int
    resource_name: str
    deployed_ms: int
    deleted_ms: int = 0  # 0: it is not deleted


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and the element instance, or process instance, that owns it."""

    name: str
    value: Any
    scope_key: int
    process_instance_key: int


class TimerState(StrEnum):
    """The state of a timer. SUSPENDED: it waits until its process instance is resumed."""

    WAITING = "WAITING"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class Timer:
    """A moment at which an event of a process fires. That of a start event belongs to no process instance."""

    key: int
    state: TimerState
    element_id: str  # the event that fires
    element_name: str
    element_instance_key: int  # the element instance that waits; 0: a start event
    process_instance_key: int  # 0: a start event
    process_definition_key: int
    bpmn_process_id: str
    process_definition_version: int
    due_ms: int  # when it fires; when it was to fire, if it is suspended or has ended
    repetitions: int  # how often it fires from now on; -1: without end
    cycle: str  # the ISO 8601 interval or the cron expression of a timer that repeats
    created_ms: int
    ended_ms: int


class SubscriptionKind(StrEnum):
    """The event that a subscription waits for."""

    MESSAGE = "MESSAGE"
    SIGNAL = "SIGNAL"
    CONDITION = "CONDITION"


class SubscriptionState(StrEnum):
    """The state of a subscription."""

    OPEN = "OPEN"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True)
class Subscription:
    """An event of a process that waits for a message, a signal or a condition. That of a start event belongs to no process instance."""

    key: int
    kind: SubscriptionKind
    state: SubscriptionState
    name: str  # of the message or the signal; empty for a condition
    correlation_key: str  # of a message; empty for a start event
    element_id: str  # the event that waits
    element_name: str
    element_instance_key: int  # the element instance that waits; 0: a start event
    process_instance_key: int  # 0: a start event
    process_definition_key: int
    bpmn_process_id: str
    process_definition_version: int
    created_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True)
class BufferedMessage:
    """A published message that is kept until its time to live is over."""

    key: int
    name: str
    correlation_key: str
    message_id: str
    variables: dict[str, Any]
    business_id: str
    published_ms: int
    expires_ms: int
    correlated_process_ids: list[str]  # the processes that it has reached


class EventKind(StrEnum):
    """The kinds of events. UNKNOWN is one that a newer broker knows."""

    PROCESS_INSTANCE = "PROCESS_INSTANCE"
    ELEMENT_INSTANCE = "ELEMENT_INSTANCE"
    JOB = "JOB"
    USER_TASK = "USER_TASK"
    INCIDENT = "INCIDENT"
    VARIABLE = "VARIABLE"
    DEPLOYMENT = "DEPLOYMENT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at the broker."""

    position: int  # give it as `after` to go on behind this event
    kind: EventKind
    intent: str  # the verb, in the past: created, activated, completed …
    at_ms: int
    key: int  # of what it happened to; of a variable, its scope
    process_instance_key: int  # 0 of a definition
    process_definition_key: int  # 0 of a decision and a form
    bpmn_process_id: str
    element_id: str
    element_instance_key: int
    name: str  # process id, element type, job type, error type, name of the variable, id of the definition
    details: dict[str, Any]  # fields of the REST API, by kind; keys in it are text


@dataclass(frozen=True, slots=True)
class EventLog:
    """The events that are kept."""

    is_recording: bool
    # The oldest that can be given as `after`. It and the newest one are 0 if the broker has several partitions.
    oldest_position: int
    newest_position: int
    oldest_positions: tuple[int, ...] = ()  # the same for each partition
    newest_positions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition of the broker that answered."""

    id: int
    role: str  # LEADER or INACTIVE
    queue_depth: int  # commands that wait to be processed
    resident_instances: int  # held in memory
    key_counter: int  # of the last key that was used
    failure: str = ""  # the reason why it cannot take or store commands now; empty when it can


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a broker."""

    broker_version: str
    database: str
    uptime_ms: int
    partitions: list[PartitionStatus]
    open_process_instances: int
    open_jobs: int
    open_incidents: int


class FairBy(StrEnum):
    """The key by which the jobs of a type share its workers."""

    NOTHING = "NOTHING"
    PROCESS = "PROCESS"
    BUSINESS_ID = "BUSINESS_ID"
    TENANT = "TENANT"


@dataclass(frozen=True, slots=True)
class JobFlow:
    """The flow control of a job type, or the pause of a process definition. A limit of 0 is none."""

    job_type: str  # empty for a process definition
    process_definition_key: int  # 0 for a job type
    paused_ms: int  # since when; 0: it is not paused
    held_max: int
    per_second_max: int
    held_per_key_max: int
    fair_by: FairBy
    held: int  # jobs of the type that workers hold


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A name under which jobs of one type are asked for or held."""

    job_type: str
    name: str
    polls: int  # open now
    streams: int
    since_ms: int  # when it first asked, as far as the broker remembers; 0: it only holds jobs
    last_seen_ms: int
    held: int
    user_agent: str
