"""A job as its handler gets it, and its possible outcomes.

A handler returns the variables of the completed job, or raises `BpmnError` to end its task by an error event, or
`JobFailure` to choose the retries. Each result or exception becomes one of three outcomes, which is reported to the broker.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from osmia import variables
from osmia_proto import gateway

USER_TASK_TYPE = "io.camunda.zeebe:userTask"
"""The job type of every user task that is worked on as a job."""

_RESERVED = "io.camunda.zeebe:"  # the headers that the broker itself adds to a user task


@dataclass(slots=True, kw_only=True)
class Job:
    """A unit of work that this worker holds until its deadline.

    `deadline_ms` is by the broker's clock; `retries` are the tries left, this one included.
    """

    key: int
    type: str
    process_instance_key: int = 0
    bpmn_process_id: str = ""
    process_definition_version: int = 0
    process_definition_key: int = 0
    element_id: str = ""  # of the task in the model
    element_instance_key: int = 0  # this one visit of the task
    worker: str = ""  # the name of the worker that holds it
    retries: int = 3  # tries left, this one included
    deadline_ms: int = 0  # since 1970; then another worker may get the job
    tenant_id: str = "<default>"
    tags: tuple[str, ...] = ()  # of the process instance
    business_id: str = ""  # of the process instance; empty if it has none
    kind: str = "BPMN_ELEMENT"  # EXECUTION_LISTENER, TASK_LISTENER and AD_HOC_SUB_PROCESS are jobs about an element
    listener_event: str = ""  # START, END … for the job of a listener
    priority: int = 0  # the higher one is handed out first
    lease_token: str = ""  # of this lease, if one was asked for; without it nobody can report on the job any more
    variables_json: str = "{}"
    headers_json: str = "{}"
    _variables: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    _headers: dict[str, str] | None = field(default=None, repr=False, compare=False)

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that were asked for. To set variables of the process, return them; changing this dict has no effect."""
        if self._variables is None:
            self._variables = variables.decode(self.variables_json)
        return self._variables

    @property
    def headers(self) -> dict[str, str]:
        """The headers given in the model, and for a user task those of the broker (`io.camunda.zeebe:…`)."""
        if self._headers is None:
            self._headers = variables.decode(self.headers_json)
        return self._headers

    @property
    def is_user_task(self) -> bool:
        """Whether the job belongs to a user task."""
        return self.type == USER_TASK_TYPE

    @property
    def assignee(self) -> str:
        """The person to whom the user task is assigned; empty if it is unassigned."""
        return self._header("assignee")

    @property
    def candidate_groups(self) -> list[str]:
        """Groups whose members may take the user task."""
        return self._header_list("candidateGroups")

    @property
    def candidate_users(self) -> list[str]:
        """People who may take the user task."""
        return self._header_list("candidateUsers")

    @property
    def form_key(self) -> str:
        """The form of the user task; empty if it has none."""
        return self._header("formKey")

    @property
    def due_date(self) -> str:
        """The date by which the user task is to be done, ISO 8601 with zone; empty if none is set."""
        return self._header("dueDate")

    @property
    def follow_up_date(self) -> str:
        """The date on which to return to the user task, ISO 8601 with zone; empty if none is set."""
        return self._header("followUpDate")

    def with_variables_only(self, names: Collection[str]) -> "Job":
        """Return this job with the variables of these *names*, as a broker sends it that was asked for no others."""
        kept = {name: value for name, value in self.variables.items() if name in names}
        return replace(self, variables_json=variables.encode(kept), _variables=None)

    def _header(self, name: str) -> str:
        return self.headers.get(_RESERVED + name, "")

    def _header_list(self, name: str) -> list[str]:
        """Return a header that holds a list. The broker writes it as JSON text inside the header's own text."""
        text = self._header(name)
        return msgspec.json.decode(text, type=list[str]) if text else []


ORDINARY = gateway.ActivatedJob.JobKind.Value("BPMN_ELEMENT")
_KINDS = {number: name for name, number in gateway.ActivatedJob.JobKind.items()}
_LISTENER_EVENTS = {
    number: name for name, number in gateway.ActivatedJob.ListenerEventType.items() if name != "UNSPECIFIED"
}


def job_from_wire(message: gateway.ActivatedJob) -> Job:
    """Return the job of a gateway message. Its JSON stays text until it is read."""
    return Job(
        key=message.key,
        type=message.type,
        process_instance_key=message.processInstanceKey,
        bpmn_process_id=message.bpmnProcessId,
        process_definition_version=message.processDefinitionVersion,
        process_definition_key=message.processDefinitionKey,
        element_id=message.elementId,
        element_instance_key=message.elementInstanceKey,
        worker=message.worker,
        retries=message.retries,
        deadline_ms=message.deadline,
        tenant_id=message.tenantId,
        tags=tuple(message.tags),
        business_id=message.businessId,
        kind=_KINDS.get(message.kind, ""),
        listener_event="" if message.kind == ORDINARY else _LISTENER_EVENTS.get(message.listenerEventType, ""),
        priority=message.priority,
        lease_token=message.jobLeaseToken,
        variables_json=message.variables,
        headers_json=message.customHeaders,
    )


class BpmnError(Exception):
    """Raised by a handler to end its task by an error event of the model, the one for *code*.

    *variables* are local to the event that catches the error. If no event catches it, the broker raises an incident.
    """

    def __init__(self, code: str, message: str = "", variables: object = None) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.variables = variables


class JobFailure(Exception):
    """Raised by a handler to fail its job with *retries* tries left (None: one less than before).

    *retries* 0 raises an incident at once. A fixed number above 0, raised each time, repeats the job for ever; use
    `job.retries - 1` to end it. *back_off_ms* None is the worker's own growing pause. *variables* are visible to the next
    try, not to the process.
    """

    def __init__(
        self, message: str, *, retries: int | None = None, back_off_ms: int | None = None, variables: object = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retries = retries
        self.back_off_ms = back_off_ms
        self.variables = variables


@dataclass(frozen=True, slots=True)
class AdHocResult:
    """The decision of the worker of an ad-hoc subprocess (a job of kind AD_HOC_SUB_PROCESS); its handler returns it.

    *activate* names the elements to activate, each with its local variables or None. With *is_fulfilled* the completion
    condition holds, and with *cancels_remaining* the elements that are still active are terminated then. *variables* go to the
    subprocess.
    """

    activate: Mapping[str, object] = field(default_factory=dict)
    is_fulfilled: bool = False
    cancels_remaining: bool = False
    variables: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskListenerResult:
    """The decision of the worker of a task listener (a job of kind TASK_LISTENER); its handler returns it.

    With *is_denied* that does not happen which was asked for, and *reason* says why. Otherwise the task gets the values that are not
    None; an empty text or list clears one. Dates are ISO 8601 with zone. Such a job has no variables.
    """

    is_denied: bool = False
    reason: str = ""
    assignee: str | None = None
    due_date: str | None = None
    follow_up_date: str | None = None
    candidate_users: Sequence[str] | None = None
    candidate_groups: Sequence[str] | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The job is done. *variables_json* is merged into the process (empty text: no variables)."""

    variables_json: str = ""
    result: AdHocResult | TaskListenerResult | None = None  # of the worker of an ad-hoc subprocess or a task listener

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that the job gives to the process."""
        return variables.decode(self.variables_json)


@dataclass(frozen=True, slots=True)
class Failed:
    """The job failed. With *retries* 0 the broker raises an incident, otherwise it offers the job again after *back_off_ms*."""

    message: str
    retries: int
    back_off_ms: int = 0
    variables_json: str = ""


@dataclass(frozen=True, slots=True)
class ErrorThrown:
    """The job threw a BPMN error."""

    code: str
    message: str = ""
    variables_json: str = ""


Outcome = Completed | Failed | ErrorThrown
