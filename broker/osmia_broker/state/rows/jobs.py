"""The rows of jobs, and of the incidents that stop an element instance."""

from enum import StrEnum

from osmia_broker.state.rows.kinds import MIGRATED, Changing, StoredRow, stored


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
