"""Incidents: a step that could not be taken stops one element and says why; resolving tries it again.

An incident is no failure of the command: CompleteJob is answered OK even if the next gateway finds no flow.
"""

from osmia_broker.errors import NotFound
from osmia_broker.state.rows import ElementInstance, ErrorType, Incident, Job
from osmia_broker.state.state import State

MESSAGE_CHARACTERS = 5_000  # an incident repeats no more of its cause than a person reads


class IncidentRaised(Exception):
    """The step being taken cannot go on. It is undone, and the element gets an incident with this text."""

    def __init__(self, error_type: ErrorType, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def raise_incident(state: State, element: ElementInstance, error_type: ErrorType, message: str) -> None:
    """Stop *element*."""
    _insert(state, element, 0, error_type, message)


def raise_job_incident(state: State, job: Job, error_type: ErrorType, message: str) -> None:
    """Stop the element of *job* until the job can be activated again."""
    _insert(state, state.elements[job.element_instance_key], job.key, error_type, message)


def _insert(state: State, element: ElementInstance, job_key: int, error_type: ErrorType, message: str) -> None:
    state.note_event("incident", error_type, "raised")
    state.incidents.insert(
        Incident(
            key=state.next_key(),
            process_instance_key=element.process_instance_key,
            process_definition_key=element.process_definition_key,
            element_instance_key=element.key,
            element_id=element.element_id,
            job_key=job_key,
            error_type=error_type,
            message=message[:MESSAGE_CHARACTERS],
            created_ms=state.now_ms,
        )
    )


def end_incidents(state: State, process_instance_key: int, element_instance_keys: set[int]) -> None:
    """Close the incidents of element instances that are ended."""
    for incident in state.incidents.of_instance(process_instance_key):
        if incident.element_instance_key in element_instance_keys:
            state.incidents.end(incident, state.now_ms)


def no_such_incident(key: int) -> NotFound:
    """The refusal for a key that names no open incident."""
    return NotFound(f"Expected to resolve incident with key '{key}', but no such incident was found")
