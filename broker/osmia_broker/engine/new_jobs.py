"""The creation of jobs: for tasks, for listeners, for ad-hoc subprocesses; and their end without a report."""

from collections.abc import Mapping

import msgspec

from osmia_broker.engine.domain_events import JOB
from osmia_broker.engine.expressions import evaluate_int32, evaluate_priority, evaluate_text
from osmia_broker.engine.incidents import end_incidents
from osmia_broker.engine.new_instances import business_id_of, traceparent_of
from osmia_broker.engine.turn import Turn
from osmia_broker.model.expressions import Expression
from osmia_broker.model.graph import JobDefinition, ListenerDefinition
from osmia_broker.state.rows import ElementInstance, Job, JobKind, JobState
from osmia_broker.state.rows.job_flow import FairBy

TRACEPARENT = "traceparent"  # the header of a job with the trace context of its cause

_ACTIVATABLE = JobState.ACTIVATABLE  # a name of its own: Python 3.11 finds a member in an enum slowly


_OF_LISTENERS = (JobKind.EXECUTION_LISTENER, JobKind.TASK_LISTENER)


def create_job(
    turn: Turn,
    element: ElementInstance,
    *,
    type: str,
    retries: int,
    headers: str,
    priority: Expression | None = None,
    kind: JobKind = JobKind.BPMN_ELEMENT,
    listener_event: str = "",
) -> Job:
    """Add an activatable job for *element*. *headers* is a JSON object of strings.

    A *priority* of None is that of the process. The jobs of listeners have none: the priorities of the model are those of its work.

    The trace context of what caused the process instance is one header more, unless the model has one of that name.
    """
    if priority is None and kind not in _OF_LISTENERS:
        priority = turn.definitions.process(element.process_definition_key).job_priority
    if traceparent := traceparent_of(turn, element.process_instance_key):
        headers = json_object({TRACEPARENT: traceparent} | msgspec.json.decode(headers))
    job = Job(
        key=turn.next_key(),
        process_instance_key=element.process_instance_key,
        process_definition_key=element.process_definition_key,
        element_instance_key=element.key,
        element_id=element.element_id,
        type=type,
        state=_ACTIVATABLE,
        retries=retries,
        worker="",
        deadline_ms=0,
        headers=headers,
        error_message="",
        error_code="",
        created_ms=turn.now_ms,
        ended_ms=0,
        kind=kind,
        listener_event=listener_event,
        fair_key=_fair_key(turn, element, type),
        priority=0 if priority is None else evaluate_priority(turn, priority, element.key),
    )
    turn.jobs.insert(job)
    turn.note(JOB, "created", job.type, job.key, job.process_instance_key)
    return job


def _fair_key(turn: Turn, element: ElementInstance, type: str) -> str:
    """Return the key by which a new job shares the workers of its type. There is one tenant only, so nothing is shared by tenant."""
    flow = turn.jobs.flow.types.get(type)
    if flow is None:
        return ""
    if flow.fair_by is FairBy.PROCESS:
        definition = turn.definitions.processes.get(element.process_definition_key)
        return definition.bpmn_process_id if definition is not None else ""
    if flow.fair_by is FairBy.BUSINESS_ID:
        return business_id_of(turn, element.process_instance_key)
    return ""


def create_task_job(
    turn: Turn, instance: ElementInstance, definition: JobDefinition, kind: JobKind = JobKind.BPMN_ELEMENT
) -> None:
    """Create a job with the type, retries, headers and priority of the model."""
    create_job(
        turn,
        instance,
        type=evaluate_text(turn, definition.type, instance.key),
        retries=evaluate_int32(turn, definition.retries, instance.key),
        headers=json_object(definition.headers),
        priority=definition.priority,
        kind=kind,
    )


def create_listener_job(turn: Turn, instance: ElementInstance, listener: ListenerDefinition, event: str) -> None:
    """Create the job of an execution listener. *event* is START or END."""
    create_job(
        turn,
        instance,
        type=evaluate_text(turn, listener.type, instance.key),
        retries=evaluate_int32(turn, listener.retries, instance.key),
        headers=json_object(listener.headers),
        kind=JobKind.EXECUTION_LISTENER,
        listener_event=event,
    )


def json_object(headers: Mapping[str, str]) -> str:
    """Return headers as the JSON text that a job keeps."""
    return msgspec.json.encode(headers).decode() if headers else "{}"


def cancel_jobs(turn: Turn, element_instance_key: int) -> None:
    """Cancel the jobs of an element instance, with their incidents."""
    for job in turn.jobs.by("element_instance_key", element_instance_key):
        end_incidents(turn, element_instance_key, of_job=job.key)
        turn.jobs.end(job, turn.now_ms, state=JobState.CANCELED, deadline_ms=0)
        turn.note(JOB, "canceled", job.type, job.key, job.process_instance_key)
