"""Resolving an incident: what it stopped is tried again, and stops anew if its cause is still there."""

from osmia_broker.engine.commands import ResolveIncident
from osmia_broker.engine.engine import handles
from osmia_broker.engine.incidents import no_such_incident
from osmia_broker.engine.lifecycle import activate, complete
from osmia_broker.errors import NotFound
from osmia_broker.state.rows import ElementInstance, ElementState, ErrorType, Incident, JobState
from osmia_broker.state.state import State


@handles(ResolveIncident)
def resolve_incident(state: State, command: ResolveIncident) -> None:
    """Close the incident and repeat the step it stopped, or offer its job again."""
    incident = state.find_incident(command.incident_key)
    if incident is None:
        raise no_such_incident(command.incident_key)
    state.incidents.end(incident, state.now_ms)
    if incident.job_key:
        _offer_again(state, incident)
    else:
        _repeat(state, state.elements[incident.element_instance_key])


def _offer_again(state: State, incident: Incident) -> None:
    job = state.jobs[incident.job_key]
    if job.retries <= 0 and incident.error_type is ErrorType.JOB_NO_RETRIES:
        raise NotFound(
            f"Expected to resolve incident with key '{incident.key}', but job with key '{job.key}' has no retries left."
            " Please update the job retries to retry the job before resolving the incident."
        )
    state.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)


def _repeat(state: State, element: ElementInstance) -> None:
    """The step that failed was undone, so the element's state tells which it was."""
    state.agenda.append((activate if element.state is ElementState.ACTIVATING else complete, element))
