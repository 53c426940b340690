"""Commands of the engine that callers send. A command is carried out as a whole, or refused without a trace.

Those of batch operations, flow control, user tasks and the event log have files of their own; `inner` has those that other commands leave, and
`due` those that the partition sends. `intent` is the name of a command in the error texts of the wire. Times are milliseconds.
"""

from typing import ClassVar

import msgspec

from osmia_broker.engine.tasks.listener_results import TaskListenerResult
from osmia_broker.state.tables.definitions import Compiled

Variables = dict[str, str]  #: names to JSON texts: a document split at its top level


class Command(msgspec.Struct, frozen=True, gc=False):
    """The root of all commands."""

    intent: ClassVar[str] = ""

    @property
    def inner(self) -> "Command":
        """The command that is carried out: this one, unless it only wraps another."""
        return self


class NewResource(msgspec.Struct, frozen=True, gc=False):
    """A file to deploy, already parsed. *kind* is `bpmn`, `dmn` or `form`; *form_id* and *version_tag* are of a form.

    *extensions* is the Activiti extension file that is deployed beside a BPMN file, of the kind `extensions`.
    """

    name: str
    kind: str
    content: bytes
    checksum: str
    compiled: Compiled
    form_id: str = ""
    version_tag: str = ""
    extensions: "NewResource | None" = None

    @property
    def extensions_checksum(self) -> str:
        """The checksum of the extension file; empty without one."""
        return "" if self.extensions is None else self.extensions.checksum


class DeployResources(Command, frozen=True, gc=False):
    """Deploy files: all of them, or none."""

    intent: ClassVar[str] = "CREATE"
    resources: tuple[NewResource, ...]


class CreateProcessInstance(Command, frozen=True, gc=False):
    """Start an instance of a process, named by its id (and version; below 0 the latest) or else by its key.

    *start_elements* begin it at these elements instead of its start event; after one of *terminate_after* has completed, the instance is
    terminated. *result_ticket*, if not 0, names the caller who waits for the result, which is published with this ticket after the
    instance has completed: the root variables, or only *fetch_variables*.

    *version_tag*, beside the id, stands for the newest version that has it. *business_id* and *tags* are the caller's own marks. A repeat
    with the same *idempotency_key* gets the answer of the first call. *initiator* is the user who starts the instance; empty if the
    call names none. *traceparent* is the caller's trace context, which its jobs carry; empty without one.
    """

    intent: ClassVar[str] = "CREATE"
    bpmn_process_id: str
    version: int
    process_definition_key: int
    variables: Variables
    start_elements: tuple[str, ...] = ()
    result_ticket: int = 0
    fetch_variables: tuple[str, ...] = ()
    terminate_after: tuple[str, ...] = ()
    business_id: str = ""
    tags: tuple[str, ...] = ()
    idempotency_key: str = ""
    initiator: str = ""
    version_tag: str = ""
    traceparent: str = ""


class CancelProcessInstance(Command, frozen=True, gc=False):
    """End an instance with everything in it."""

    intent: ClassVar[str] = "CANCEL"
    process_instance_key: int


class ActivateJobs(Command, frozen=True, gc=False):
    """Hand up to *max_jobs* activatable jobs of *type* to *worker* until now + *timeout_ms*: the highest priority first, then the oldest.

    Only jobs among *keys* where that is given (a push to a stream). Together they stay below *size_max* bytes; a single job may exceed it
    by the name of the worker. A caller who *leases* gets a token with each job, and jobs that were leased before too.
    """

    intent: ClassVar[str] = "ACTIVATE"
    type: str
    worker: str
    timeout_ms: int
    max_jobs: int
    fetch_variables: tuple[str, ...] = ()
    keys: tuple[int, ...] | None = None
    size_max: int = 4_000_000
    leases: bool = False


class GiveBackJobs(Command, frozen=True, gc=False):
    """Make jobs activatable again that did not reach their caller: (key, deadline) of each, as it was activated."""

    intent: ClassVar[str] = "YIELD"
    jobs: tuple[tuple[int, int], ...]


class ActivateInstruction(msgspec.Struct, frozen=True, gc=False):
    """An element to activate. *variables* are documents by scope id; the id "" is the process. *ancestor_key* 0: find the scope."""

    element_id: str
    ancestor_key: int = 0
    variables: tuple[tuple[str, Variables], ...] = ()


class TerminateInstruction(msgspec.Struct, frozen=True, gc=False):
    """An element instance to terminate, or (by *element_id*) all instances of an element. Exactly one is given."""

    element_instance_key: int = 0
    element_id: str = ""


class MoveInstruction(msgspec.Struct, frozen=True, gc=False):
    """Tokens to move: each source (one instance by its key, or all of an element) is terminated, and the target activated for it.

    The scope of the target is *ancestor_key*, or found from the source's own scopes (*infers_ancestor*), or the source's parent
    (*uses_source_parent*).
    """

    target_element_id: str
    source_element_instance_key: int = 0
    source_element_id: str = ""
    variables: tuple[tuple[str, Variables], ...] = ()
    ancestor_key: int = 0
    infers_ancestor: bool = False
    uses_source_parent: bool = False


class ModifyProcessInstance(Command, frozen=True, gc=False):
    """Activate, terminate and move elements of a running instance: all instructions, or none."""

    intent: ClassVar[str] = "MODIFY"
    process_instance_key: int
    activate: tuple[ActivateInstruction, ...] = ()
    terminate: tuple[TerminateInstruction, ...] = ()
    move: tuple[MoveInstruction, ...] = ()


class MigrateProcessInstance(Command, frozen=True, gc=False):
    """Let a running instance go on in another definition. *mappings* are (source element id, target element id)."""

    intent: ClassVar[str] = "MIGRATE"
    process_instance_key: int
    target_definition_key: int
    mappings: tuple[tuple[str, str], ...]


class AssignBusinessId(Command, frozen=True, gc=False):
    """Give a running instance that has no business id this one (1 to 256 characters)."""

    intent: ClassVar[str] = "ASSIGN"
    process_instance_key: int
    business_id: str


class SuspendProcessInstance(Command, frozen=True, gc=False):
    """Suspend an instance: until it is resumed, every command on it but resume and cancel is refused, and its timers and deadlines wait."""

    intent: ClassVar[str] = "SUSPEND"
    process_instance_key: int


class ResumeProcessInstance(Command, frozen=True, gc=False):
    """Let a suspended instance go on."""

    intent: ClassVar[str] = "RESUME"
    process_instance_key: int


class DeleteResource(Command, frozen=True, gc=False):
    """Delete a process definition, a graph of decisions or a form, by its key. A process with running instances goes when the last ends."""

    intent: ClassVar[str] = "DELETE"
    resource_key: int


class PublishMessage(Command, frozen=True, gc=False):
    """Publish a message to the events that wait for its name and key, at most one of each process, and to message start events.

    With *time_to_live_ms* above 0 it is kept that long for events that wait later. A second message with the same name, key and non-empty
    *message_id* is refused while the first is kept. A *traceparent* becomes that of the process instances that the message reaches. With
    *must_reach* it is refused if nothing waits for it now.
    """

    intent: ClassVar[str] = "PUBLISH"
    name: str
    correlation_key: str
    time_to_live_ms: int
    message_id: str
    variables: Variables
    business_id: str = ""
    traceparent: str = ""
    must_reach: bool = False


class CorrelateAtOnce(Command, frozen=True, gc=False):
    """Publish a message that is not kept. It is refused if nothing waits for it now."""

    intent: ClassVar[str] = "CORRELATE"
    name: str
    correlation_key: str
    variables: Variables
    business_id: str = ""
    traceparent: str = ""


class BroadcastSignal(Command, frozen=True, gc=False):
    """Send a signal to all events that wait for its name now, and to all signal start events.

    With *must_start* it is refused if there is no such start event.
    """

    intent: ClassVar[str] = "BROADCAST"
    name: str
    variables: Variables
    must_start: bool = False


class EvaluateConditional(Command, frozen=True, gc=False):
    """Start the processes whose conditional start event holds for *variables*: all, or (*process_definition_key* above 0) only one."""

    intent: ClassVar[str] = "EVALUATE"
    process_definition_key: int
    variables: Variables


class ElementToActivate(msgspec.Struct, frozen=True, gc=False):
    """An element that the worker of an ad-hoc subprocess wants to activate."""

    element_id: str
    variables: Variables


class AdHocResult(msgspec.Struct, frozen=True, gc=False):
    """The decision of the worker of an ad-hoc subprocess."""

    activate: tuple[ElementToActivate, ...] = ()
    is_completion_condition_fulfilled: bool = False
    cancels_remaining_instances: bool = False


class ActivateAdHocElements(Command, frozen=True, gc=False):
    """Activate elements of a running ad-hoc subprocess from outside."""

    intent: ClassVar[str] = "ACTIVATE"
    ad_hoc_key: int
    elements: tuple[ElementToActivate, ...]
    cancels_remaining_instances: bool = False


class CompleteJob(Command, frozen=True, gc=False):
    """Complete a job: a worker reports success. *result* is for the job of an ad-hoc subprocess, *task_result* for that of a task listener.

    *business_id*, if not empty, is assigned to the process instance, as by `AssignBusinessId`. *lease_token* is that of the job's last
    lease; empty if it never was leased.
    """

    intent: ClassVar[str] = "COMPLETE"
    job_key: int
    variables: Variables
    result: AdHocResult | None = None
    business_id: str = ""
    task_result: TaskListenerResult | None = None
    lease_token: str = ""


class FailJob(Command, frozen=True, gc=False):
    """Fail a job: a worker gives up. The job has *retries* left and becomes activatable again after *back_off_ms*.

    *lease_token* is as that of CompleteJob.
    """

    intent: ClassVar[str] = "FAIL"
    job_key: int
    retries: int
    error_message: str
    back_off_ms: int
    variables: Variables
    lease_token: str = ""


class ThrowError(Command, frozen=True, gc=False):
    """Throw an error of the business from a job, for the model to catch. *lease_token* is as that of CompleteJob."""

    intent: ClassVar[str] = "THROW_ERROR"
    job_key: int
    error_code: str
    error_message: str
    variables: Variables
    lease_token: str = ""


class UpdateJobRetries(Command, frozen=True, gc=False):
    """Give a job *retries* (1 or more) new tries. A *lease_token* that is not empty must be that of the job's last lease."""

    intent: ClassVar[str] = "UPDATE_RETRIES"
    job_key: int
    retries: int
    lease_token: str = ""


class UpdateJobPriority(Command, frozen=True, gc=False):
    """Give a job a new *priority*, an integer of 32 bits. *lease_token* is as that of UpdateJobRetries."""

    intent: ClassVar[str] = "UPDATE_PRIORITY"
    job_key: int
    priority: int
    lease_token: str = ""


class UpdateJobTimeout(Command, frozen=True, gc=False):
    """Move the deadline of an activated job to now + *timeout_ms*, which may be 0 or negative. *lease_token* is as that of UpdateJobRetries."""

    intent: ClassVar[str] = "UPDATE_TIMEOUT"
    job_key: int
    timeout_ms: int
    lease_token: str = ""


class UpdateJob(Command, frozen=True, gc=False):
    """Change the values of a job that are given: all of them, or none."""

    intent: ClassVar[str] = "UPDATE"
    job_key: int
    retries: int | None = None
    timeout_ms: int | None = None
    priority: int | None = None
    lease_token: str = ""


class SetVariables(Command, frozen=True, gc=False):
    """Set variables in the scope of an element instance, or (not *local*) each in the nearest scope that has it.

    At a native user task, listeners for `updating` come first: *ticket* is of the caller who waits for them. The answer is the key of the
    document, and whether it is done.
    """

    intent: ClassVar[str] = "UPDATE"
    element_instance_key: int
    variables: Variables
    local: bool
    ticket: int = 0


class ResolveIncident(Command, frozen=True, gc=False):
    """Resolve an incident: take the step again that it stopped, or offer its job again."""

    intent: ClassVar[str] = "RESOLVE"
    incident_key: int


class EvaluateDecision(Command, frozen=True, gc=False):
    """Evaluate a decision, named by its id (the latest version) or else by its key."""

    intent: ClassVar[str] = "EVALUATE"
    decision_id: str
    decision_key: int
    variables: Variables


class ReadScope(Command, frozen=True, gc=False):
    """Read what an expression may read under these *names* in the scope of an element instance (0: none), for its evaluation elsewhere."""

    intent: ClassVar[str] = "EVALUATE"
    scope_key: int
    names: frozenset[str]


class CreateClusterVariable(Command, frozen=True, gc=False):
    """Create a cluster variable."""

    intent: ClassVar[str] = "CREATE"
    name: str
    value: str  # JSON
    metadata: str = "{}"  # JSON object


class UpdateClusterVariable(Command, frozen=True, gc=False):
    """Give a cluster variable another value, and other *metadata* unless they are None."""

    intent: ClassVar[str] = "UPDATE"
    name: str
    value: str  # JSON
    metadata: str | None = None  # JSON object


class DeleteClusterVariable(Command, frozen=True, gc=False):
    """Delete a cluster variable."""

    intent: ClassVar[str] = "DELETE"
    name: str
