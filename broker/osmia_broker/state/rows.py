"""The data dictionary: one slotted dataclass per stored table, one field per column, in column order.

Rows are written only through `Table` (undo, indexes and the commit see every change there). A row that has come to its end
keeps its place in the store with `ended_ms` set; that is the history, kept for the retention time. While it lives, `ended_ms` is 0.

All keys are 64-bit and come from the partition's one counter; all times are epoch milliseconds; JSON columns hold compact text.
"""

from dataclasses import dataclass
from enum import StrEnum


class ElementState(StrEnum):
    """The states of an element instance (BPMN 2.0, 13.3; the reference broker's names)."""

    ACTIVATING = "ACTIVATING"
    ACTIVATED = "ACTIVATED"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


class JobState(StrEnum):
    """The states of a job (reliability.md, section 2)."""

    ACTIVATABLE = "ACTIVATABLE"  # waiting for a worker
    ACTIVATED = "ACTIVATED"  # held by a worker until its deadline
    FAILED = "FAILED"  # backing off until its deadline, or parked behind an incident
    ERROR_THROWN = "ERROR_THROWN"  # parked behind an incident: nothing caught the error
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


class ErrorType(StrEnum):
    """What kind of stop an incident is (bpmn-execution.md, section 9)."""

    IO_MAPPING_ERROR = "IO_MAPPING_ERROR"
    JOB_NO_RETRIES = "JOB_NO_RETRIES"
    CONDITION_ERROR = "CONDITION_ERROR"
    EXTRACT_VALUE_ERROR = "EXTRACT_VALUE_ERROR"
    CALLED_ELEMENT_ERROR = "CALLED_ELEMENT_ERROR"
    CALLED_DECISION_ERROR = "CALLED_DECISION_ERROR"
    DECISION_EVALUATION_ERROR = "DECISION_EVALUATION_ERROR"
    FORM_NOT_FOUND = "FORM_NOT_FOUND"
    UNHANDLED_ERROR_EVENT = "UNHANDLED_ERROR_EVENT"
    MESSAGE_SIZE_EXCEEDED = "MESSAGE_SIZE_EXCEEDED"
    UNKNOWN = "UNKNOWN"


@dataclass(slots=True)
class ElementInstance:
    """One visit of a BPMN element; the process instance itself is the one of type PROCESS, whose key is the instance's."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_id: str
    type: str  # model.ElementType
    state: ElementState
    scope_key: int  # the element instance it lives in; 0 for the process
    entered_by: str  # id of the sequence flow taken to it; empty where none was
    started_ms: int
    ended_ms: int = 0


@dataclass(slots=True)
class WaitingToken:
    """A token that has come to a join over one flow and waits for the others."""

    key: int
    process_instance_key: int
    scope_key: int
    element_id: str  # the joining gateway
    flow_id: str
    started_ms: int
    ended_ms: int = 0


@dataclass(slots=True)
class Job:
    """Work waiting for, or held by, a worker."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_instance_key: int
    element_id: str
    type: str
    state: JobState
    retries: int  # as the model, the last FailJob or UpdateJobRetries set it; may be 0 or below
    worker: str  # who holds or held it; empty before the first activation
    deadline_ms: int  # when it becomes activatable again: its lease or its back-off ends; 0 for neither
    headers: str  # JSON object of strings
    error_message: str  # of the last failure or thrown error
    error_code: str  # of the thrown error
    created_ms: int
    ended_ms: int = 0


@dataclass(slots=True)
class Variable:
    """A named value in a scope. It stays JSON text until an expression reads it."""

    scope_key: int  # the element instance that owns it
    name: str
    value: str  # JSON
    process_instance_key: int


@dataclass(slots=True)
class Incident:
    """A stop that needs a person: what failed, where, and why."""

    key: int
    process_instance_key: int
    process_definition_key: int
    element_instance_key: int
    element_id: str
    job_key: int  # 0 unless a job is the cause
    error_type: ErrorType
    message: str
    created_ms: int
    ended_ms: int = 0  # when it was resolved or its element ended


@dataclass(slots=True)
class ProcessDefinition:
    """A deployed version of a process."""

    key: int
    bpmn_process_id: str
    version: int  # from 1, dense per process id
    name: str
    version_tag: str
    resource_name: str
    checksum: str  # of the resource, which is kept once per content
    deployment_key: int
    deployed_ms: int


@dataclass(slots=True)
class DecisionRequirements:
    """A deployed version of a DMN file: the graph its decisions stand in."""

    key: int
    decision_requirements_id: str
    version: int
    name: str
    resource_name: str
    checksum: str
    deployment_key: int
    deployed_ms: int


@dataclass(slots=True)
class Decision:
    """A deployed version of one decision of a graph."""

    key: int
    decision_id: str
    version: int
    name: str
    decision_requirements_key: int
    decision_requirements_id: str
    deployment_key: int


@dataclass(slots=True)
class Form:
    """A deployed version of a form."""

    key: int
    form_id: str
    version: int
    resource_name: str
    checksum: str
    deployment_key: int
    deployed_ms: int


@dataclass(slots=True)
class Resource:
    """The bytes of a deployed file, kept once however many definitions and versions refer to it."""

    checksum: str  # SHA-256, hexadecimal
    content: bytes


Row = (
    ElementInstance
    | WaitingToken
    | Job
    | Variable
    | Incident
    | ProcessDefinition
    | DecisionRequirements
    | Decision
    | Form
    | Resource
)
