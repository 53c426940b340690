"""Resolve an incident: take the step again that it stopped. If the cause is still there, a new incident is raised."""

from osmia_broker.base.errors import NotFound
from osmia_broker.engine.commands import ResolveIncident
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.starts import Begin
from osmia_broker.engine.follow_ups import release_follow_ups
from osmia_broker.engine.incidents import no_such_incident
from osmia_broker.engine.jobs import NO_RETRIES, works_at_the_end
from osmia_broker.engine.lifecycle import is_ending
from osmia_broker.engine.suspension.suspending import refuse_suspended
from osmia_broker.engine.turn import Turn
from osmia_broker.state.rows import ElementInstance, ElementState, Incident, JobState


@handles(ResolveIncident)
def resolve_incident(turn: Turn, command: ResolveIncident) -> None:
    """Close the incident and repeat the step it stopped, or offer its job again."""
    incident = turn.find_incident(command.incident_key)
    if incident is None or _is_over(turn, incident):
        raise no_such_incident(command.incident_key)
    refuse_suspended(turn, incident.process_instance_key, f"resolve incident with key '{incident.key}'")
    turn.incidents.end(incident, turn.now_ms)
    if incident.job_key:
        _offer_again(turn, incident)
    else:
        _repeat(turn, turn.elements[incident.element_instance_key])


def _is_over(turn: Turn, incident: Incident) -> bool:
    """Whether the element is being terminated. A listener that has to work before its end may still be repaired."""
    job = turn.jobs.get(incident.job_key)
    is_held = job is not None and works_at_the_end(job)
    return not is_held and is_ending(turn, turn.elements[incident.element_instance_key])


def _offer_again(turn: Turn, incident: Incident) -> None:
    job = turn.jobs[incident.job_key]
    if job.retries <= 0 and incident.error_type in NO_RETRIES.values():
        raise NotFound(
            f"Expected to resolve incident with key '{incident.key}', but job with key '{job.key}' has no retries left."
            " Please update the job retries to retry the job before resolving the incident."
        )
    turn.jobs.update(job, state=JobState.ACTIVATABLE, deadline_ms=0)


def _repeat(turn: Turn, element: ElementInstance) -> None:
    """Let what waits behind the incident go on, and take the step again that failed; one that waits to begin has taken none."""
    released = release_follow_ups(turn, element)
    if element.state is not ElementState.ACTIVATED and Begin.__name__ not in released:
        turn.plan(element)
