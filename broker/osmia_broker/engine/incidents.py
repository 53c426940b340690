"""Incidents: a step that cannot be taken stops one element instance and gives the reason. Resolving takes it again.

An incident is no failure of the command: CompleteJob is answered OK even if the next gateway finds no flow.
"""

from osmia_broker.base.errors import NotFound
from osmia_broker.engine.domain_events import INCIDENT
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance, ErrorType, Incident, Job
from osmia_broker.state.storable import storable

MESSAGE_CHARACTERS = 5_000  # an incident repeats no more of its cause than a person reads


class IncidentRaised(Exception):
    """Raised by a step that cannot go on. The step is undone, and its element instance gets an incident with this text."""

    def __init__(self, error_type: ErrorType, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class NoRoom(IncidentRaised):
    """Raised by a step that its process instance has no room for. It waits behind one incident of the instance, however many such steps there are."""


def raise_incident(turn: Turn, element: ElementInstance, error_type: ErrorType, message: str) -> None:
    """Stop *element* with an incident."""
    _insert(turn, element, 0, error_type, message)


def stop_for_follow_up(turn: Turn, element: ElementInstance, error_type: ErrorType, message: str) -> None:
    """Stop *element* with an incident that a follow-up waits behind.

    All that wait at one element share its first incident, and are released with it.
    """
    if all(incident.job_key for incident in turn.incidents.by("element_instance_key", element.key)):
        raise_incident(turn, element, error_type, message)


def raise_job_incident(turn: Turn, job: Job, error_type: ErrorType, message: str) -> None:
    """Stop the element instance of *job* with an incident, until the job can be activated again."""
    _insert(turn, turn.elements[job.element_instance_key], job.key, error_type, message)


def _insert(turn: Turn, element: ElementInstance, job_key: int, error_type: ErrorType, message: str) -> None:
    incident = Incident(
        key=turn.next_key(),
        process_instance_key=element.process_instance_key,
        process_definition_key=element.process_definition_key,
        element_instance_key=element.key,
        element_id=element.element_id,
        job_key=job_key,
        error_type=error_type,
        message=storable(message[:MESSAGE_CHARACTERS]),
        created_ms=turn.now_ms,
    )
    turn.incidents.insert(incident)
    turn.note(INCIDENT, "raised", error_type, incident.key, incident.process_instance_key)


def end_incidents(turn: Turn, element_instance_key: int, *, of_job: int = 0) -> None:
    """Close the open incidents of an element instance whose work is over; with *of_job*, only those of the job with this key."""
    for incident in turn.incidents.by("element_instance_key", element_instance_key):
        if of_job in (0, incident.job_key):
            turn.incidents.end(incident, turn.now_ms)


def no_such_incident(key: int) -> NotFound:
    """Return the refusal for a key that names no open incident."""
    return NotFound(f"Expected to resolve incident with key '{key}', but no such incident was found")
