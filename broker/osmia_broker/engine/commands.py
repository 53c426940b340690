"""All commands of the engine. A command is carried out as a whole, or refused without a trace.

`intent` is its name in the error texts of the wire (gateway-rpc.md, section 1). Times are milliseconds.
"""

from typing import ClassVar

import msgspec

from osmia_broker.state.definitions import Compiled

Variables = dict[str, str]  #: names to JSON texts: a document split at its top level


class Command(msgspec.Struct, frozen=True, gc=False):
    """The root of all commands."""

    intent: ClassVar[str] = ""


class NewResource(msgspec.Struct, frozen=True, gc=False):
    """A file to deploy, already parsed. *kind* is `bpmn`, `dmn` or `form`; *form_id* is of a form."""

    name: str
    kind: str
    content: bytes
    checksum: str
    compiled: Compiled
    form_id: str = ""


class DeployResources(Command, frozen=True, gc=False):
    """Deploy files: all of them, or none."""

    intent: ClassVar[str] = "CREATE"
    resources: tuple[NewResource, ...]


class CreateProcessInstance(Command, frozen=True, gc=False):
    """Start an instance of a process, named by its id (and version; below 0 the latest) or else by its key.

    *start_elements* begin it at these elements instead of its start event. *result_ticket*, if not 0, names the caller who waits for the
    result, which is published with this ticket after the instance has completed: the root variables, or only *fetch_variables*.
    """

    intent: ClassVar[str] = "CREATE"
    bpmn_process_id: str
    version: int
    process_definition_key: int
    variables: Variables
    start_elements: tuple[str, ...] = ()
    result_ticket: int = 0
    fetch_variables: tuple[str, ...] = ()


class CancelProcessInstance(Command, frozen=True, gc=False):
    """End an instance with everything in it."""

    intent: ClassVar[str] = "CANCEL"
    process_instance_key: int


class ActivateJobs(Command, frozen=True, gc=False):
    """Hand up to *max_jobs* activatable jobs of *type* to *worker* until now + *timeout_ms*, oldest first.

    Only jobs among *keys* where that is given (a push to a stream). Together they stay below *size_max* bytes.
    """

    intent: ClassVar[str] = "ACTIVATE"
    type: str
    worker: str
    timeout_ms: int
    max_jobs: int
    fetch_variables: tuple[str, ...] = ()
    keys: tuple[int, ...] | None = None
    size_max: int = 4_000_000


class GiveBackJobs(Command, frozen=True, gc=False):
    """Make jobs activatable again that did not reach their caller: (key, deadline) of each, as it was activated."""

    intent: ClassVar[str] = "YIELD"
    jobs: tuple[tuple[int, int], ...]


class CompleteJob(Command, frozen=True, gc=False):
    """Complete a job: a worker reports success."""

    intent: ClassVar[str] = "COMPLETE"
    job_key: int
    variables: Variables


class FailJob(Command, frozen=True, gc=False):
    """Fail a job: a worker gives up. The job has *retries* left and becomes activatable again after *back_off_ms*."""

    intent: ClassVar[str] = "FAIL"
    job_key: int
    retries: int
    error_message: str
    back_off_ms: int
    variables: Variables


class ThrowError(Command, frozen=True, gc=False):
    """Throw an error of the business from a job, for the model to catch."""

    intent: ClassVar[str] = "THROW_ERROR"
    job_key: int
    error_code: str
    error_message: str
    variables: Variables


class UpdateJobRetries(Command, frozen=True, gc=False):
    """Give a job *retries* (1 or more) new tries."""

    intent: ClassVar[str] = "UPDATE_RETRIES"
    job_key: int
    retries: int


class UpdateJobTimeout(Command, frozen=True, gc=False):
    """Move the deadline of an activated job to now + *timeout_ms*, which may be 0 or negative."""

    intent: ClassVar[str] = "UPDATE_TIMEOUT"
    job_key: int
    timeout_ms: int


class ReachDeadlines(Command, frozen=True, gc=False):
    """End the leases and back-offs of these jobs whose deadlines have passed. Sent by the partition itself."""

    intent: ClassVar[str] = "TIME_OUT"
    job_keys: tuple[int, ...]


class CarryOut(Command, frozen=True, gc=False):
    """Carry a follow-up out that has become due. Sent by the partition itself."""

    intent: ClassVar[str] = "CARRY_OUT"
    follow_up_key: int


class ParkFollowUp(Command, frozen=True, gc=False):
    """Let a follow-up that cannot be carried out wait behind an incident with this *reason*. Sent by the partition itself."""

    intent: ClassVar[str] = "PARK"
    follow_up_key: int
    reason: str


class ContinueWalk(Command, frozen=True, gc=False):
    """Go on with a walk that was too long for one turn; only ever a follow-up.

    *element_keys* are the element instances whose next step is left, *depths* how many steps led to each, *steps* all steps so far.
    """

    element_keys: tuple[int, ...]
    depths: tuple[int, ...]
    steps: int


class SetVariables(Command, frozen=True, gc=False):
    """Set variables in the scope of an element instance, or (not *local*) each in the nearest scope that has it."""

    intent: ClassVar[str] = "UPDATE"
    element_instance_key: int
    variables: Variables
    local: bool


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
